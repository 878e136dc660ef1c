import sqlite3
import threading

import pytest

from teul.errors import Unsupported
from teul.state import migrations, reserve
from teul.state.db import SCHEMA_VERSION, Database
from teul.state.reserve import RESERVE_BYTES


@pytest.fixture
def database(tmp_path):
    with_schema = Database.open(str(tmp_path / "state.db"))
    yield with_schema
    with_schema.close()


def test_a_new_database_has_the_newest_schema(database):
    assert database.one("PRAGMA user_version") == (SCHEMA_VERSION,)


def test_what_a_transaction_acknowledged_survives_a_power_cut(database):
    assert database.one("PRAGMA synchronous") == (2,)
    assert database.one("PRAGMA journal_mode") == ("wal",)


def test_a_failed_transaction_leaves_nothing(database):
    with pytest.raises(RuntimeError), database:
        database.execute("INSERT INTO volumes VALUES ('v', '{}', 0)")
        raise RuntimeError

    assert database.all("SELECT name FROM volumes") == []


def test_a_nested_transaction_belongs_to_the_outer_one(database):
    with pytest.raises(RuntimeError), database:
        with database:
            database.execute("INSERT INTO volumes VALUES ('v', '{}', 0)")
        raise RuntimeError

    assert database.all("SELECT name FROM volumes") == []


def test_a_database_of_a_newer_teul_is_refused(tmp_path):
    path = str(tmp_path / "state.db")
    raw = sqlite3.connect(path)
    raw.execute(f"PRAGMA user_version={SCHEMA_VERSION + 1}")
    raw.close()

    with pytest.raises(Unsupported, match=f"expected schema {SCHEMA_VERSION} or older, got {SCHEMA_VERSION + 1}"):
        Database.open(path)


@pytest.mark.parametrize("version", range(len(migrations.MIGRATIONS)))
def test_a_database_of_every_older_schema_is_brought_up_to_date(tmp_path, version):
    path = str(tmp_path / "state.db")
    raw = sqlite3.connect(path)
    for script in migrations.MIGRATIONS[:version]:
        raw.executescript(script)
    raw.execute(f"PRAGMA user_version={version}")
    raw.close()
    opened = Database.open(path)

    assert opened.one("PRAGMA user_version") == (SCHEMA_VERSION,)
    opened.close()


def test_two_that_open_a_new_database_at_once_migrate_it_once(tmp_path):
    path, problems = str(tmp_path / "state.db"), []

    def open_it():
        try:
            Database.open(path).close()
        except Exception as error:
            problems.append(error)

    threads = [threading.Thread(target=open_it) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert problems == []


def test_the_reserve_lies_beside_the_database_as_long_as_there_is_room(tmp_path, database, monkeypatch):
    path = str(tmp_path / "state.db")
    kept = tmp_path / "state.db-reserve"
    for free, size_bytes in ((1 << 40, RESERVE_BYTES), (RESERVE_BYTES - 1, None), (RESERVE_BYTES * 2, None)):
        monkeypatch.setattr(reserve, "free_bytes", lambda path, free=free: free)
        Database.open(path).close()

        assert (kept.stat().st_size if kept.exists() else None) == size_bytes


def test_a_reserve_that_was_cut_short_is_made_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(reserve, "free_bytes", lambda path: 1 << 40)
    (tmp_path / "state.db-reserve").write_bytes(b"")
    Database.open(str(tmp_path / "state.db")).close()

    assert (tmp_path / "state.db-reserve").stat().st_size == RESERVE_BYTES
