from __future__ import annotations

import pytest

from teul.build.dockerfile.instructions import Run
from teul.build.dockerfile.parser import parse
from teul.build.dockerfile.reader import nearest, read
from teul.errors import DockerfileError


def fail(source: str) -> DockerfileError:
    with pytest.raises(DockerfileError) as caught:
        read(parse(source))
    return caught.value


def test_a_typo_gets_a_caret_and_a_suggestion() -> None:
    error = fail("FROM a\n  RNU apt-get update")

    assert str(error) == "unknown instruction: RNU (did you mean RUN?)"
    assert error.span is not None
    assert (error.span.line, error.span.column, error.span.end_column) == (2, 3, 6)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("RUN a", "expected FROM before RUN"),
        ("ARG A=1", "contains no stages"),
        ("FROM", "either one or three"),
        ("FROM a b", "either one or three"),
        ("FROM a AS 1x", "invalid name for build stage"),
        ("FROM a\nCOPY x", "at least two arguments"),
        ("FROM a\nCOPY --chwon=1 a b", "unknown flag: --chwon (did you mean --chown?)"),
        ("FROM a\nCOPY --chown=1 --chown=2 a b", "duplicate flag specified: --chown"),
        ("FROM a\nCOPY --chown a b", "missing a value on flag: --chown"),
        ("FROM a\nCOPY --link=maybe a b", "expected a boolean"),
        ("FROM a\nENV", "at least one argument"),
        ("FROM a\nENV A", "must have two arguments"),
        ("FROM a\nENV A=1 B", "can't find = in `B`"),
        ("FROM a\nENV =1", "names can not be blank"),
        ("FROM a\nRUN", "at least one argument"),
        ('FROM a\nRUN ["a", 1]', "comprised of strings only"),
        ("FROM a\nRUN --network=wlan x", "expected default, none or host"),
        ("FROM a\nSHELL sh", "JSON form"),
        ("FROM a\nHEALTHCHECK maybe", "unknown type `maybe`"),
        ("FROM a\nHEALTHCHECK --interval=x CMD a", "expected a duration"),
        ("FROM a\nHEALTHCHECK NONE x", "takes no arguments"),
        ("FROM a\nONBUILD ONBUILD RUN x", "chaining ONBUILD"),
        ("FROM a\nONBUILD FROM x", "isn't allowed as an ONBUILD trigger"),
        ("FROM a\nONBUILD RNU x", "did you mean RUN?"),
        ("FROM a\nVOLUME", "at least one argument"),
        ("FROM a\nSTOPSIGNAL a b", "exactly one argument"),
    ],
)
def test_what_is_not_well_formed_is_named(source: str, message: str) -> None:
    assert message in str(fail(source))


def test_nearest_finds_swapped_missing_and_added_letters_and_nothing_far() -> None:
    known = ("RUN", "COPY", "WORKDIR")

    assert [nearest(word, known) for word in ("RNU", "CPY", "WORKDIRS", "XYZZY")] == ["RUN", "COPY", "WORKDIR", ""]


@pytest.mark.parametrize(
    ("source", "column", "hint"),
    [
        ("FROM a\nLABEL A", 7, 'LABEL name="value"'),
        ("FROM a\nUSER", 1, "USER name[:group]"),
        ("FROM a\nCOPY x", 1, "COPY [--from=STAGE] [--chown=USER:GROUP] SOURCE… DESTINATION"),
        ("FROM a\nENV NAME=1 AM", 12, "put quotes around a value that has spaces"),
        ("FROM a\nUSER --name=x y", 6, "USER name[:group]"),
        ("FROM a\nCOPY --colour=x y z", 6, "one of --chown, --chmod, --link, --exclude, --from, --parents"),
        ("FROM a\nCOPY --form=x y z", 6, None),
    ],
)
def test_every_error_has_a_caret_at_its_word_and_a_suggestion(source: str, column: int, hint: str | None) -> None:
    error = fail(source)

    assert error.span is not None
    assert (error.span.line, error.span.column, error.hint) == (2, column, hint)
    assert hint or "did you mean" in str(error)


@pytest.mark.parametrize(
    ("written", "words", "is_shell"),
    [
        ('["a", "b"] # c', ("a", "b"), False),
        ('["a"]#', ("a",), False),
        ('[ "$A" ] && b', ('[ "$A" ] && b',), True),
        ('["a"] b', ('["a"] b',), True),
        ("['a'] # b", ("['a'] # b",), True),
    ],
)
def test_a_comment_may_follow_the_exec_form(written: str, words: tuple[str, ...], is_shell: bool) -> None:
    run = read(parse(f"FROM a\nRUN {written}")).stages[0].instructions[0]

    assert isinstance(run, Run)
    assert (run.words, run.is_shell) == (words, is_shell)
