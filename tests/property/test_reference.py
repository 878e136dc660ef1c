"""A reference prints as what it is parsed from, and nothing that is typed makes the parser crash."""

from hypothesis import given
from hypothesis import strategies as st

from teul.errors import TeulError
from teul.oci.reference import Reference

component = st.from_regex(r"\A[a-z0-9]{1,8}((\.|_|__|-{1,3})[a-z0-9]{1,8}){0,2}\Z")


@given(st.lists(component, min_size=1, max_size=3), st.from_regex(r"\A[A-Za-z0-9_][A-Za-z0-9._-]{0,20}\Z"))
def test_parsing_undoes_printing(path, tag):
    reference = Reference("registry.example:5000", "/".join(path), tag)

    assert Reference.parse(str(reference)) == reference


@given(st.text(max_size=60))
def test_the_parser_answers_or_refuses(typed):
    try:
        reference = Reference.parse(typed)
    except TeulError:
        return

    assert Reference.parse(str(reference)) == reference
