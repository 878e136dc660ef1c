"""The grammar of gates and what they say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teul.errors import GateError
from teul.ml.gate import Gate, evaluate, flatten


def judge(source, metrics, production=None):
    verdict = evaluate(Gate.parse(source), metrics, production)
    return verdict.passed, str(verdict.reason)


@pytest.mark.parametrize(
    ("source", "metrics", "production", "expected"),
    [
        ("test.recall >= 0.55", {"test.recall": 0.7}, None, (True, "0.7 against 0.55: 0.15 to spare")),
        ("test.recall >= 0.55", {"test.recall": 0.5123}, None, (False, "0.5123 against 0.55: missed by 0.0377")),
        ("loss < 0.5", {"loss": 0.75}, None, (False, "0.75 against 0.5: missed by 0.25")),
        ("loss <= 0.5", {"loss": 0.5}, None, (True, "0.5 against 0.5: 0 to spare")),
        ("rows == 954", {"rows": 954}, None, (True, "954 against 954")),
        ("rows != 954", {"rows": 954}, None, (False, "954 against 954")),
        ("r >= production - 0.01", {"r": 0.70}, {"r": 0.71}, (True, "0.7 against 0.7: 0 to spare")),
        ("r >= production - 0.01", {"r": 0.69}, {"r": 0.71}, (False, "0.69 against 0.7: missed by 0.01")),
        ("r >= production - 0.01", {"r": 0.1}, None, (True, "nothing is in production yet")),
        ("r >= production", {"r": 0.1}, {"q": 1}, (True, "the version in production has no metric `r`")),
        ("a > 0.9 * production.b / 2", {"a": 1}, {"b": 2}, (True, "1 against 0.9: 0.1 to spare")),
        ("a - (b + 1) >= -2.5e0", {"a": 1, "b": 2}, None, (True, "-2 against -2.5: 0.5 to spare")),
        ("0.5 <= a", {"a": 0.25}, None, (False, "0.5 against 0.25: missed by 0.25")),
        ("a / b > 1", {"a": 1, "b": 0}, None, (False, "division by zero")),
        ("a > 1", {"a": float("nan")}, None, (False, "a metric is not a number")),
        ("recal > 1", {"recall": 1}, None, (False, "there is no metric `recal`; did you mean `recall`?")),
        ("x > 1", {"recall": 1}, None, (False, "there is no metric `x`; there are recall")),
    ],
)
def test_a_gate_says_by_how_much(source, metrics, production, expected):
    assert expected == judge(source, metrics, production)


@pytest.mark.parametrize(
    ("source", "message", "place"),
    [
        ("", "expected a metric or a number, got the end", (0, 1)),
        ("a", "expected a comparison (`>=`, `>`, `<=`, `<`, `==`, `!=`), got the end", (0, 1)),
        ("a >= 1 2", "expected the end of the gate, got `2`", (7, 8)),
        ("a = 1", "unexpected `=`", (2, 3)),
        ("a ≥ 1", "unexpected `≥`", (2, 3)),
        ("a >= (1", "expected `)`, got the end", (6, 7)),
        ("a >= $x", "unexpected `$`", (5, 6)),
        ("1 > 2", "expected the name of a metric", (0, 5)),
        ("production > 0.5", "expected the name of a metric", (0, 16)),
        ("a > " + "(" * 100, "expected fewer nested terms", (54, 55)),
    ],
)
def test_a_wrong_gate_has_its_place(source, message, place):
    with pytest.raises(GateError) as caught:
        Gate.parse(source)

    assert message in str(caught.value)
    assert place == (caught.value.start, caught.value.end)


def test_a_gate_names_what_it_needs():
    gate = Gate.parse("a + b >= production")

    assert gate.metrics == ("a", "b")
    assert gate.needs_production


@given(st.text(alphabet="ab.production0123456789 +-*/()<>=!", max_size=40))
def test_no_text_crashes_the_parser(source):
    try:
        made = str(Gate.parse(source))
    except GateError as error:
        made = source if 0 <= error.start <= len(source) else ""

    assert source == made


def test_metrics_documents_become_dotted_names():
    assert flatten({"test": {"recall": 0.7, "label": "x", "ok": True, "none": None}, "rows": 3, "list": [1]}) == {
        "test.recall": 0.7,
        "rows": 3.0,
    }
