"""What checks' results come to. Source: Dockerfile reference, HEALTHCHECK."""

import pytest

from teul.engine.supervision.health import Check, Health, Result, load, merged, save
from teul.errors import InvalidInput
from teul.oci.image import Healthcheck

SECOND = 1_000_000_000
CHECK = Check(test=("CMD", "true"), retries=2)


def after(health, *codes, at=1000.0, check=CHECK, started_at=0.0):
    for code in codes:
        result = Result(begun_at=at, ended_at=at + 0.1, exit_code=code, output=f"{code}\n")
        health = health.after(result, check, started_at=started_at)
    return health


def test_one_success_is_healthy_and_as_many_failures_as_retries_are_not():
    assert after(Health()).status == "starting"
    assert after(Health(), 0).status == "healthy"
    assert after(Health(), 0, 1).status == "healthy"
    assert after(Health(), 0, 1, 1).status == "unhealthy"
    assert (after(Health(), 1, 1, 0).status, after(Health(), 1, 1, 0).failing_streak) == ("healthy", 0)


def test_failures_in_the_start_period_do_not_count_and_a_success_ends_it():
    check = Check(test=("CMD", "true"), retries=1, start_period_s=60)

    assert after(Health(), 1, 1, at=10.0, check=check).status == "starting"
    assert after(Health(), 1, at=61.0, check=check).status == "unhealthy"
    assert after(Health(), 0, 1, at=10.0, check=check).status == "unhealthy"


def test_the_last_five_results_are_kept():
    assert [item["Output"] for item in after(Health(), *range(7)).log] == ["2\n", "3\n", "4\n", "5\n", "6\n"]


def test_the_start_interval_holds_within_the_start_period():
    check = Check(test=("CMD", "true"), interval_s=30, start_period_s=60, start_interval_s=1)

    assert check.pause_s("starting", 10) == 1
    assert check.pause_s("healthy", 10) == 30
    assert check.pause_s("starting", 61) == 30


def test_a_shells_command_goes_to_the_shell():
    assert Check.from_json({"Test": ["CMD-SHELL", "a | b"]}).args == ("/bin/sh", "-c", "a | b")
    assert Check.from_json({"Test": ["CMD", "a", "b"]}).args == ("a", "b")
    assert Check.from_json({"Test": ["NONE"]}) is None


def test_flags_change_the_images_check_field_by_field():
    image = Healthcheck(("CMD", "curl"), 10 * SECOND, 5 * SECOND)

    assert merged(image, Healthcheck((), 2 * SECOND)) == {
        "Test": ["CMD", "curl"],
        "Interval": 2 * SECOND,
        "Timeout": 5 * SECOND,
    }
    assert merged(image, Healthcheck(("NONE",)))["Test"] == ["NONE"]
    assert merged(None, Healthcheck((), SECOND)) == {}
    with pytest.raises(InvalidInput, match="Interval in Healthcheck cannot be less than 1ms"):
        merged(image, Healthcheck((), 1000))


def test_health_survives_its_file_and_a_broken_one_is_a_beginning(tmp_path):
    save(str(tmp_path), after(Health(), 0))

    assert load(str(tmp_path)) == after(Health(), 0)
    (tmp_path / "health.json").write_text("{")
    assert load(str(tmp_path)) == Health()
