"""Names, ids, signals and times of containers."""

import pytest

from teul.containers import check_name, is_id_prefix, new_id, random_name, rfc3339, signal_number
from teul.errors import InvalidInput


@pytest.mark.parametrize("name", ["web", "a1", "web.1_x-y", "/web", "0a"])
def test_names_that_docker_takes_are_taken(name):
    assert name.removeprefix("/") == check_name(name)


@pytest.mark.parametrize("name", ["", "a", "-web", "web/1", "wéb", "we b", "_x"])
def test_names_that_docker_refuses_are_refused(name):
    with pytest.raises(InvalidInput):
        check_name(name)


def test_random_names_are_valid_and_differ():
    made = {random_name() for _ in range(50)}

    assert all(check_name(name) == name for name in made)
    assert len(made) > 40


def test_ids_are_never_taken_for_numbers():
    made = [new_id() for _ in range(20)]

    assert all(len(item) == 64 and is_id_prefix(item) and not item[:12].isdigit() for item in made)


@pytest.mark.parametrize(
    ("word", "number"),
    [("9", 9), ("KILL", 9), ("SIGKILL", 9), ("sigterm", 15), ("RTMIN+3", 37), ("RTMAX-1", 63), ("64", 64)],
)
def test_signals_by_name_and_number(word, number):
    assert number == signal_number(word)


@pytest.mark.parametrize("word", ["", "0", "65", "KILLL", "RTMIN+x", "TERM+1", "-9"])
def test_what_is_no_signal_is_refused(word):
    with pytest.raises(InvalidInput):
        signal_number(word)


def test_times_are_written_as_docker_writes_them():
    assert rfc3339(1.5) == "1970-01-01T00:00:01.5Z"
    assert rfc3339(0) == "0001-01-01T00:00:00Z"
