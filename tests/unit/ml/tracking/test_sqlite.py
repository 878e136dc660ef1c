import sqlite3
import threading

import pytest

from teul.errors import StoreLocked, Unsupported
from teul.ml.tracking import schema, sqlite
from teul.ml.tracking.sqlite import SqliteDatabase


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "tracking.db")


@pytest.fixture
def db(path):
    made = SqliteDatabase.open(path)
    yield made
    made.close()


def count(db):
    return db.one("SELECT count(*) FROM experiments")[0]


def add(db, name):
    db.execute("INSERT INTO experiments(name, artifact_location, lifecycle_stage, creation_time, last_update_time)"
               " VALUES (?, '', 'active', 0, 0)", (name,))  # fmt: skip


def test_what_is_acknowledged_is_flushed(db):
    assert db.one("PRAGMA journal_mode") == ("wal",)
    with db.write():
        assert db.one("PRAGMA synchronous") == (2,)


def test_a_database_of_a_newer_teul_is_refused(path):
    SqliteDatabase.open(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version={schema.SCHEMA_VERSION + 1}")
    connection.close()

    with pytest.raises(Unsupported, match="expected schema"):
        SqliteDatabase.open(path)


def test_an_older_database_is_backed_up_then_migrated(path, monkeypatch):
    made = SqliteDatabase.open(path)
    with made.write():
        add(made, "before")
    made.close()
    more = (*schema.MIGRATIONS, "CREATE TABLE later (a INTEGER) STRICT;\n")
    monkeypatch.setattr(sqlite, "MIGRATIONS", more)
    monkeypatch.setattr(sqlite, "SCHEMA_VERSION", len(more))

    made = SqliteDatabase.open(path)
    assert made.all("SELECT * FROM later") == []
    assert count(made) == 1
    made.close()

    with sqlite3.connect(f"{path}.v{schema.SCHEMA_VERSION}.bak") as backup:
        assert backup.execute("SELECT name FROM experiments").fetchall() == [("before",)]
        assert backup.execute("PRAGMA user_version").fetchone() == (schema.SCHEMA_VERSION,)
    backup.close()


def test_a_migration_that_fails_leaves_the_database_as_it_was(path, monkeypatch):
    SqliteDatabase.open(path).close()
    more = (*schema.MIGRATIONS, "CREATE TABLE later (a INTEGER) STRICT;\nNONSENSE;\n")
    monkeypatch.setattr(sqlite, "MIGRATIONS", more)
    monkeypatch.setattr(sqlite, "SCHEMA_VERSION", len(more))
    with pytest.raises(sqlite3.OperationalError):
        SqliteDatabase.open(path)
    monkeypatch.undo()

    made = SqliteDatabase.open(path)
    assert made.all("SELECT name FROM sqlite_master WHERE name = 'later'") == []
    made.close()


def test_several_that_open_a_new_database_at_once_make_it_once(path):
    errors = []

    def open_it():
        try:
            SqliteDatabase.open(path).close()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=open_it) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []


def test_an_inner_write_that_fails_takes_nothing_else_with_it(db):
    with db.write():
        add(db, "a")
        with pytest.raises(ZeroDivisionError), db.write():
            add(db, "b")
            raise ZeroDivisionError
        add(db, "c")

    assert db.all("SELECT name FROM experiments ORDER BY id") == [("a",), ("c",)]


def test_an_outer_write_that_fails_takes_all_with_it(db):
    with pytest.raises(ZeroDivisionError), db.write():
        with db.write():
            add(db, "a")
        raise ZeroDivisionError

    assert count(db) == 0


def test_another_thread_does_not_see_what_is_not_committed(db):
    seen = []
    with db.write():
        add(db, "a")
        thread = threading.Thread(target=lambda: seen.append(count(db)))
        thread.start()
        thread.join()

    assert (seen, count(db)) == ([0], 1)


def test_a_read_sees_one_state(db):
    with db.read():
        before = count(db)
        thread = threading.Thread(target=lambda: _write(db))
        thread.start()
        thread.join()

        assert count(db) == before
    assert count(db) == before + 1


def _write(db):
    with db.write():
        add(db, "a")


def test_only_a_write_may_write(db):
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        add(db, "a")


def test_a_database_that_somebody_holds_is_locked(db, path, monkeypatch):
    monkeypatch.setattr(sqlite, "BUSY_TIMEOUT_S", 0.05)
    other = SqliteDatabase.open(path)
    with db.write(), pytest.raises(StoreLocked), other.write():
        pass
    other.close()
