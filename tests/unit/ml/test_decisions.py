"""What `up` decides, asserted as the text of its plans."""

import pytest

from teul.errors import text
from teul.ml.decisions import Service, decide_promotion, decide_serving, free_name
from teul.ml.gate import Verdict

PASSED = Verdict("a > 1", True, text("2 against 1: 1 to spare"), 1.0)
FAILED = Verdict("a > 1", False, text("0.5 against 1: missed by 0.5"), -0.5)


def promotion(candidate, production="", last="", judged=False, verdicts=(PASSED,)):
    return str(
        decide_promotion(
            candidate=candidate, production=production, last_candidate=last, was_judged=judged, verdicts=verdicts
        )
    )


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"candidate": "1"}, "promote: version 1 is the first"),
        ({"candidate": "1", "verdicts": ()}, "promote: version 1 is the first"),
        ({"candidate": "1", "verdicts": (FAILED,)}, "refuse: version 1: gate `a > 1`: 0.5 against 1: missed by 0.5"),
        ({"candidate": "2", "production": "1"}, "promote: version 2 passed the gate; it was version 1"),
        (
            {"candidate": "2", "production": "1", "verdicts": (PASSED, FAILED)},
            "refuse: version 2: gate `a > 1`: 0.5 against 1: missed by 0.5",
        ),
        ({"candidate": "2", "production": "2", "last": "2", "judged": True}, "keep: version 2 is in production"),
        (
            {"candidate": "2", "production": "1", "last": "2", "judged": True},
            "keep: version 1 was put in production by hand; version 2 is registered",
        ),
        (
            {"candidate": "2", "production": "1", "last": "2"},
            "promote: version 2 passed the gate; it was version 1",
        ),
        (
            {"candidate": "1", "production": "2", "last": "2", "judged": True},
            "promote: version 1 passed the gate; it was version 2",
        ),
        (
            {"candidate": "1", "production": "1", "last": "1", "judged": True, "verdicts": (FAILED,)},
            "refuse: version 1: gate `a > 1`: 0.5 against 1: missed by 0.5",
        ),
    ],
)
def test_promotion(given, expected):
    assert expected == promotion(**given)


def service(name, *, spec="s1", version="1", running=True):
    return Service(container=name, name=name, version=version, spec=spec, is_running=running)


@pytest.mark.parametrize(
    ("wanted", "version", "present", "expected"),
    [
        ("s1", "1", (), ["start p-v1: version 1 is in production"]),
        ("s1", "1", (service("p-v1"),), ["keep p-v1: version 1 serves already"]),
        (
            "s2",
            "2",
            (service("p-v1"),),
            ["replace p-v1: version 2 takes the place of version 1"],
        ),
        ("s2", "1", (service("p-v1"),), ["replace p-v1: version 1 with other settings"]),
        (
            "s1",
            "1",
            (service("p-v1", running=False),),
            ["start p-v1: version 1 is in production", "remove p-v1: it has ended"],
        ),
        (
            "s2",
            "2",
            (service("p-v1"), service("p-v2", spec="s2", version="2")),
            ["keep p-v2: version 2 serves already", "stop p-v1: nothing is to be served from it"],
        ),
        ("", "", (service("p-v1"),), ["stop p-v1: nothing is to be served from it"]),
        ("", "", (), []),
    ],
)
def test_serving(wanted, version, present, expected):
    plan = decide_serving(wanted=wanted, version=version, name=f"p-v{version}", present=present)

    assert expected == [str(operation) for operation in plan]


def test_a_name_that_is_taken_gets_a_number():
    assert free_name("p-v1", []) == "p-v1"
    assert free_name("p-v1", ["p-v1", "p-v1-2"]) == "p-v1-3"
