"""Events: written by many, read later, bounded."""

import threading

import pytest

from teul.config import Settings
from teul.engine import Engine, event_log


@pytest.fixture
def engine(tmp_path):
    return Engine(Settings(root=str(tmp_path / "root"), run_root=str(tmp_path / "run")))


def test_an_event_has_dockers_shape(engine):
    event_log.emit(engine, "container", "die", "abc", {"name": "web", "image": "app", "exitCode": "3"})
    (event,) = event_log.read(engine, since_ns=1)

    assert event["timeNano"] // 1_000_000_000 == event["time"]
    assert {**event, "time": 0, "timeNano": 0} == {
        "status": "die",
        "id": "abc",
        "from": "app",
        "Type": "container",
        "Action": "die",
        "Actor": {"ID": "abc", "Attributes": {"exitCode": "3", "image": "app", "name": "web"}},
        "scope": "local",
        "time": 0,
        "timeNano": 0,
    }


def test_many_at_once_do_not_cut_each_other(engine):
    def work(number):
        for _ in range(200):
            event_log.emit(engine, "volume", "create", str(number), {"text": "x" * 300})

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(list(event_log.read(engine, since_ns=1))) == 800


def test_old_events_go_when_there_are_too_many(engine, monkeypatch, tmp_path):
    monkeypatch.setattr(event_log, "LIMIT_BYTES", 2000)
    for number in range(100):
        event_log.emit(engine, "network", "create", str(number))

    found = [event["Actor"]["ID"] for event in event_log.read(engine, since_ns=1)]
    assert found == [str(number) for number in range(100 - len(found), 100)]
    assert 10 < len(found) < 60
    assert sum(path.stat().st_size for path in (tmp_path / "root").iterdir()) < 4400


def test_following_goes_over_a_turned_file(engine, monkeypatch):
    monkeypatch.setattr(event_log, "LIMIT_BYTES", 300)
    monkeypatch.setattr(event_log, "FOLLOW_INTERVAL_S", 0.0)
    event_log.emit(engine, "network", "create", "first")
    follower = event_log.read(engine, since_ns=1, follow=True)
    seen = [next(follower)["Actor"]["ID"]]
    for number in range(8):
        event_log.emit(engine, "network", "create", str(number))
        seen.append(next(follower)["Actor"]["ID"])

    assert seen == ["first", *map(str, range(8))]


def test_a_full_disk_stops_nobody(engine, monkeypatch):
    def full(path, line):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(event_log, "_append", full)

    event_log.emit(engine, "network", "create", "x")
