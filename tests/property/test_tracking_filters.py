from hypothesis import given
from hypothesis import strategies as st

from teul.errors import TrackingInvalid
from teul.ml.tracking import filters
from teul.ml.tracking.artifacts import check_path
from teul.ml.tracking.filters import Comparison, parse_filter, parse_order

WORDS = st.sampled_from(
    [
        "metrics.a",
        "params.`b c`",
        "tags.d",
        ">",
        "=",
        "LIKE",
        "IN",
        "(",
        ")",
        ",",
        "'x'",
        '"y"',
        "1.5",
        "AND",
        "IS",
        "NOT",
        "NULL",
        "run_id",
        ";",
        "OR",
        "`",
        "'",
        "한글",
    ]
)


@given(st.one_of(st.text(), st.lists(WORDS).map(" ".join)))
def test_reading_a_filter_gives_clauses_or_a_refusal(text):
    for grammar in (filters.RUNS, filters.EXPERIMENTS, filters.REGISTERED_MODELS, filters.LOGGED_MODELS):
        try:
            made = parse_filter(text, grammar)
        except TrackingInvalid:
            continue

        assert all(isinstance(item, Comparison) for item in made)


@given(st.one_of(st.text(), st.lists(WORDS).map(" ".join)))
def test_reading_an_order_gives_one_or_a_refusal(text):
    try:
        parse_order(text, filters.RUNS)
    except TrackingInvalid:
        pass


@given(st.text(st.characters(exclude_characters="`")).filter(bool), st.text())
def test_any_key_and_any_value_can_be_asked_for(key, value):
    quoted = value.replace("'", "''")

    assert parse_filter(f"params.`{key}` = '{quoted}'", filters.RUNS) == [Comparison("parameter", key, "=", value)]


@given(st.text(st.sampled_from("a./%2eE5cF\\\0#:~ 한")))
def test_a_path_that_is_let_through_stays_below_its_root(path):
    from urllib.parse import unquote

    try:
        safe = check_path(path)
    except TrackingInvalid:
        return
    for shown in (safe, unquote(safe), unquote(unquote(safe))):
        assert not shown.startswith("/")
        assert not {"..", "."} & set(shown.split("/"))
        assert not set("\0\\#") & set(shown)
