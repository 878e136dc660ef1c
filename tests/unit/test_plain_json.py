"""`teul.plain_json` gives what the standard library's `json` gives."""

import json
import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

import teul
from teul import plain_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner),
    max_leaves=20,
)


@given(VALUES, st.booleans(), st.sampled_from([(", ", ": "), (",", ":")]))
def test_values_are_written_alike(value, ensure_ascii, separators):
    assert plain_json.dumps(value, ensure_ascii=ensure_ascii, separators=separators) == json.dumps(
        value, ensure_ascii=ensure_ascii, separators=separators
    )


@given(VALUES)
def test_values_are_read_alike(value):
    written = json.dumps(value, indent=1)

    assert plain_json.loads(written) == json.loads(written)
    assert plain_json.loads(f" \n{written}\t".encode()) == json.loads(written)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "{",
        "[1,]",
        "nul",
        '"a',
        "1 2",
        "\ufeff1",
        "{'a':1}",
        '{"a":1}x',
        "[1 2]",
        "\x00",
        '"\n"',
        "01",
        "+1",
        ".5",
    ],
)
def test_what_is_no_document_is_a_value_error(text):
    for read in (json.loads, plain_json.loads):
        with pytest.raises(ValueError):
            read(text)


def test_other_errors_are_those_of_json():
    with pytest.raises(UnicodeDecodeError):
        plain_json.loads(b"\xff")
    with pytest.raises(RecursionError):
        plain_json.loads("[" * 100_000)
    with pytest.raises(TypeError):
        plain_json.dumps(object())
    loop = []
    loop.append(loop)
    with pytest.raises(ValueError):
        plain_json.dumps(loop)


def test_it_brings_no_regular_expressions():
    program = "import sys; import teul.plain_json; print('re' in sys.modules, 'enum' in sys.modules)"
    # Without `site` an installed teul is not found by itself.
    environ = {"PYTHONPATH": os.path.dirname(os.path.dirname(teul.__file__))}
    done = subprocess.run(
        [sys.executable, "-S", "-c", program], capture_output=True, text=True, env=environ, check=True
    )

    assert done.stdout.split() == ["False", "False"]
