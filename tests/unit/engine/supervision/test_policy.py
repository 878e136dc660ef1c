"""Restart policies. Source: Docker's documentation, "Start containers automatically"."""

import pytest

from teul.engine.containers.record import Container
from teul.engine.supervision import policy
from teul.errors import InvalidInput


def ended(restart, *, lived_s=1.0, exit_code=1, **fields):
    return Container(
        id="a" * 64,
        name="web",
        image="sha256:0",
        image_name="app",
        status="exited",
        restart=restart,
        exit_code=exit_code,
        started_at=100.0,
        finished_at=100.0 + lived_s,
        **fields,
    )


@pytest.mark.parametrize(
    ("word", "kept"),
    [
        ("", ""),
        ("no", ""),
        ("always", "always"),
        ("unless-stopped", "unless-stopped"),
        ("on-failure", "on-failure"),
        ("on-failure:0", "on-failure"),
        ("on-failure:5", "on-failure:5"),
    ],
)
def test_a_policy_is_kept_in_one_form(word, kept):
    assert policy.parse(word) == kept


@pytest.mark.parametrize("word", ["foo", "no:1", "always:3", "on-failure:x", "on-failure:-1"])
def test_what_is_no_policy_is_refused(word):
    with pytest.raises(InvalidInput, match="restart policy"):
        policy.parse(word)


def test_the_pause_doubles_up_to_a_minute():
    pauses, pause = [], 0.0
    for _ in range(12):
        pause = policy.after_end(ended("always", restart_delay_s=pause))
        pauses.append(pause)

    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2, 60.0, 60.0]


def test_the_pause_begins_anew_after_ten_seconds_of_life():
    assert policy.after_end(ended("always", lived_s=10.0, restart_delay_s=51.2)) == 0.1


def test_on_failure_looks_at_the_exit_code_and_counts():
    assert policy.after_end(ended("on-failure", exit_code=0)) is None
    assert policy.after_end(ended("on-failure:2", restart_count=1)) == 0.1
    assert policy.after_end(ended("on-failure:2", restart_count=2)) is None


@pytest.mark.parametrize("restart", ["always", "unless-stopped", "on-failure"])
def test_what_a_user_stopped_stays_so(restart):
    assert policy.after_end(ended(restart, stopped=True)) is None


def test_after_a_reboot_always_comes_back_and_unless_stopped_unless_it_was_stopped():
    waits = {"status": "restarting"}

    assert policy.at_boot(ended("always", stopped=True))
    assert not policy.at_boot(ended("unless-stopped", stopped=True))
    assert not policy.at_boot(ended("on-failure", exit_code=0))
    assert policy.at_boot(Container(**{**_fields(ended("unless-stopped")), **waits}))
    assert not policy.at_boot(Container(id="b" * 64, name="new", image="", image_name="", restart="always"))


def _fields(container):
    return {name: getattr(container, name) for name in ("id", "name", "image", "image_name", "restart", "finished_at")}
