import pytest

from teul.errors import TrackingInvalid
from teul.ml.tracking import filters
from teul.ml.tracking.filters import Comparison, Order, parse_filter, parse_order


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("  ", []),
        ("metrics.acc > 0.9", [Comparison("metric", "acc", ">", 0.9)]),
        ("metrics.acc>=-1e3", [Comparison("metric", "acc", ">=", -1000.0)]),
        ("params.x = 'it''s'", [Comparison("parameter", "x", "=", "it's")]),
        ('params.x = "a\'b"', [Comparison("parameter", "x", "=", "a'b")]),
        ("tags.`a b.c` != 'x'", [Comparison("tag", "a b.c", "!=", "x")]),
        ("tags.\"a b\" LIKE '%x%'", [Comparison("tag", "a b", "LIKE", "%x%")]),
        ("tag.mlflow.parentRunId = 'x'", [Comparison("tag", "mlflow.parentRunId", "=", "x")]),
        ("metrics.val/loss < 1", [Comparison("metric", "val/loss", "<", 1.0)]),
        ("attr.status ilike 'run%'", [Comparison("attribute", "status", "ILIKE", "run%")]),
        ("Created > 5", [Comparison("attribute", "start_time", ">", 5)]),
        ("run_id in ('a', \"b\",)", [Comparison("attribute", "run_id", "IN", ("a", "b"))]),
        ("run_id NOT IN ('a')", [Comparison("attribute", "run_id", "NOT IN", ("a",))]),
        ("datasets.name IN ('고객')", [Comparison("dataset", "name", "IN", ("고객",))]),
        ("tags.x is not null", [Comparison("tag", "x", "IS NOT NULL", None)]),
        ("params.x IS NULL", [Comparison("parameter", "x", "IS NULL", None)]),
        (
            "metrics.정확도 > 1 AND params.와 = '과' and tags.AND = 'x'",
            [
                Comparison("metric", "정확도", ">", 1.0),
                Comparison("parameter", "와", "=", "과"),
                Comparison("tag", "AND", "=", "x"),
            ],
        ),
        ("params.sql = '1; DROP TABLE runs --'", [Comparison("parameter", "sql", "=", "1; DROP TABLE runs --")]),
    ],
)
def test_a_filter_of_runs_is_read(text, expected):
    assert expected == parse_filter(text, filters.RUNS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("metrics.acc", "Invalid clause(s) in filter string"),
        ("metrics.acc > 'x'", "Expected numeric value type for metric. Found 'x'"),
        ("params.x = 1", "Expected a quoted string value for parameter (e.g. 'my-value'). Got value 1"),
        ("params.x = x", "Expected a quoted string value for parameter"),
        ("start_time = 'x'", "Expected numeric value type for numeric attribute: start_time. Found 'x'"),
        ("status = 1", "Expected a quoted string value for attributes. Got value 1"),
        ("nope.x = 'y'", "Invalid entity type 'nope'"),
        ("attributes.nope = 'y'", "Invalid attribute key 'nope' specified"),
        ("datasets.nope = 'y'", "Invalid dataset key 'nope' specified"),
        ("metrics.a > 1 or metrics.b > 1", "Invalid clause(s) in filter string: 'or'"),
        ("metrics.a > 1 metrics.b > 1", "Invalid clause(s) in filter string"),
        ("metrics.a > 1; metrics.b > 1", "Search filter contained multiple expression"),
        ("metrics.a LIKE 'x'", "Invalid comparator 'LIKE' not one of"),
        ("metrics.a IS NULL", "IS NULL / IS NOT NULL is only supported for tags and params"),
        ("run_id IN ()", "expected a non-empty list of string values, but got empty list"),
        ("run_id IN ('a' 'b')", "ill-formed list"),
        ("run_id IN (1)", "different type in list"),
        ("status IN ('a')", "Only ['run_id'] attributes support comparison with a list"),
        ("params.x = 'unclosed", "Invalid clause(s) in filter string"),
        ("metrics.a > 1 AND", "Invalid clause(s) in filter string"),
        ("= 1", "Invalid clause(s) in filter string"),
        ("metrics.a >> 1", "Expected numeric value type for metric. Found >"),
        ("metrics.a NOT 1", "Invalid clause(s) in filter string: 'NOT'"),
        ("$", "Invalid clause(s) in filter string: '$'"),
    ],
)
def test_what_is_no_filter_is_refused_in_mlflows_words(text, message):
    with pytest.raises(TrackingInvalid) as caught:
        parse_filter(text, filters.RUNS)

    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("metrics.f1 DESC", Order("metric", "f1", False)),
        ("metrics.`f 1` asc", Order("metric", "f 1", True)),
        ("start_time", Order("attribute", "start_time", True)),
        ("attributes.start_time desc", Order("attribute", "start_time", False)),
        ("`Run Name` DESC", Order("attribute", "run_name", False)),
        ('params."a b" ASC', Order("parameter", "a b", True)),
    ],
)
def test_an_order_is_read(text, expected):
    assert expected == parse_order(text, filters.RUNS)


@pytest.mark.parametrize(
    "text", ["", "metrics.f1 DOWN", "metrics.f1 ASC DESC", "nope.x", "nope", "1", "dataset.name", "a = 1"]
)
def test_what_is_no_order_is_refused(text):
    with pytest.raises(TrackingInvalid):
        parse_order(text, filters.RUNS)


def test_a_key_to_order_by_comes_once():
    with pytest.raises(TrackingInvalid, match="duplicate"):
        filters.parse_orders(["metrics.a ASC", "metrics.a DESC"], filters.RUNS)
