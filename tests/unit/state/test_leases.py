import os
import signal

import pytest

from teul.state.db import Database
from teul.state.leases import lease, oldest_ns, process_start, protected, sweep


@pytest.fixture
def db(tmp_path):
    opened = Database.open(str(tmp_path / "state.db"))
    yield opened
    opened.close()


def test_a_lease_protects_what_it_names_while_it_lives(db):
    with lease(db) as held:
        held.add("blob", "a")
        held.add("blob", "a")
        held.add("layer", "b")
        assert protected(db) == {("blob", "a"), ("layer", "b")}
        assert oldest_ns(db) > 0

    assert protected(db) == set()
    assert oldest_ns(db) is None


def test_a_lease_ends_with_an_error_too(db):
    with pytest.raises(KeyError), lease(db):
        raise KeyError

    assert db.all("SELECT * FROM leases") == []


def test_the_oldest_of_several_counts(db):
    with lease(db):
        first = oldest_ns(db)
        with lease(db):
            assert oldest_ns(db) == first


def test_a_lease_of_a_dead_process_is_swept(db, tmp_path):
    pid = os.fork()
    if pid == 0:
        other = Database.open(db.path)
        with lease(other) as held:
            held.add("blob", "a")
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)

    assert protected(db) == set()
    assert oldest_ns(db) is None
    assert sweep(db) == 1
    assert sweep(db) == 0
    assert os.listdir(tmp_path / "leases") == []


def test_a_pid_that_another_process_has_now_is_not_it(db):
    with lease(db):
        db.execute("UPDATE leases SET started = 'another boot/1'")

        assert oldest_ns(db) is None


def test_a_lease_without_its_file_counts_from_the_beginning(db, tmp_path):
    with lease(db) as held:
        os.unlink(tmp_path / "leases" / held.id)

        assert oldest_ns(db) == 0


def test_a_process_is_known_by_its_start():
    assert process_start(os.getpid()) == process_start(os.getpid()) != ""
    assert process_start(2**22 + 1) == ""
    assert process_start(1) != process_start(os.getpid())
