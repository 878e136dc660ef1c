"""The tracking database in a SQLite file: one connection that writes, one per thread that reads.

Notes:

1. WAL and `synchronous=FULL`: what a transaction acknowledged survives a power cut. Flushing is what costs, so the
   server puts many requests into one outer transaction (`write` nests: the outer one is a transaction, each inner one
   a savepoint that fails alone) and answers them all after its commit.
2. A thread that is inside `write` reads through the writing connection and sees what it wrote; any other reads
   through a connection of its own and never waits for a writer.
3. Several processes may have the file open (the server, `teul up`, `teul runs`); SQLite's lock orders their writes.
"""

from __future__ import annotations

import os
import re
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import chain
from typing import Any

from teul.errors import StoreLocked, Unsupported, text
from teul.ml.tracking.database import RowConflict
from teul.ml.tracking.schema import MIGRATIONS, SCHEMA_VERSION

BUSY_TIMEOUT_S = 30
MOST_ROWS_AT_ONCE = 16
_VALUES = re.compile(r"(INSERT .* VALUES )(\((?:\?, )*\?\))(.*)", re.DOTALL)


class _Thread(threading.local):
    reader: sqlite3.Connection | None = None
    in_write = False
    read_depth = 0


class SqliteDatabase:
    """Open with `SqliteDatabase.open`."""

    is_shared = False

    def __init__(self, connection: sqlite3.Connection, path: str) -> None:
        self.path = path
        self._writer = connection
        self._lock = threading.RLock()
        self._readers_lock = threading.Lock()
        self._depth = 0
        self._thread = _Thread()
        self._readers: list[sqlite3.Connection] = []

    @classmethod
    def open(cls, path: str) -> SqliteDatabase:
        """Open or make the database at *path*; an older one is copied to `<path>.v<number>.bak`, then migrated.

        Raises:
            Unsupported: it was written by a newer teul.
            StoreLocked: another process holds it for longer than `BUSY_TIMEOUT_S`.
        """
        os.makedirs(os.path.dirname(path), mode=0o711, exist_ok=True)
        if not os.path.exists(path):
            # SQLite would make it readable for everyone; params and tags may hold what is nobody's business.
            os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        connection = _connect(path)
        try:
            _use_wal(connection)
            connection.execute("PRAGMA synchronous=FULL")
            _migrate(connection, path)
        except sqlite3.OperationalError as error:
            connection.close()
            raise _translate(error, path) from error
        except BaseException:
            connection.close()
            raise
        return cls(connection, path)

    def close(self) -> None:
        """Close every connection; no thread may be using one."""
        with self._lock, self._readers_lock:
            for reader in self._readers:
                reader.close()
            self._readers.clear()
            self._thread = _Thread()
            self._writer.close()

    @contextmanager
    def write(self) -> Iterator[None]:
        """A write transaction; inside another one of the same thread, a savepoint.

        Raises:
            StoreLocked: another process holds the database.
            OSError: the disk is full (errno 28).
        """
        with self._lock:
            depth = self._depth
            begin, end, undo = (
                ("BEGIN IMMEDIATE", "COMMIT", ("ROLLBACK",))
                if depth == 0
                else ("SAVEPOINT inner", "RELEASE inner", ("ROLLBACK TO inner", "RELEASE inner"))
            )
            self._run(self._writer, begin, ())
            self._depth += 1
            self._thread.in_write = True
            try:
                yield
                self._run(self._writer, end, ())
            except BaseException:
                if self._writer.in_transaction:
                    for statement in undo:
                        self._writer.execute(statement)
                raise
            finally:
                self._depth -= 1
                self._thread.in_write = self._depth > 0

    @contextmanager
    def read(self) -> Iterator[None]:
        """Several queries that see one state."""
        thread = self._thread
        if thread.in_write or thread.read_depth:
            yield
            return
        reader = self._reader()
        self._run(reader, "BEGIN", ())
        thread.read_depth += 1
        try:
            yield
        finally:
            thread.read_depth -= 1
            reader.execute("COMMIT")

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> sqlite3.Cursor:
        """Run one statement; one that writes must be inside `write`."""
        return self._run(self._writer if self._thread.in_write else self._reader(), sql, parameters)

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run one statement for each row, inside `write`.

        A few rows of an `INSERT … VALUES` go in at once: for each call of SQLite this thread lets go of the interpreter,
        and has to wait for it again while the loop is busy.
        """
        many = list(rows)
        whole = _of_many(sql, len(many)) if 1 < len(many) <= MOST_ROWS_AT_ONCE else None
        try:
            if whole is None:
                self._writer.executemany(sql, many)
            else:
                self._writer.execute(whole, list(chain.from_iterable(many)))
        except sqlite3.Error as error:
            raise _translate(error, self.path) from error

    def one(self, sql: str, parameters: Sequence[Any] = ()) -> tuple[Any, ...] | None:
        """The first row, or None."""
        row: tuple[Any, ...] | None = self.execute(sql, parameters).fetchone()
        return row

    def all(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows."""
        return self.execute(sql, parameters).fetchall()

    def grouped(self, sql: str, keys: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Rows of a query whose `{keys}` stands for a list of any length (SQLite takes 32,766 parameters at once)."""
        made: list[tuple[Any, ...]] = []
        for start in range(0, len(keys), 30000):
            part = keys[start : start + 30000]
            made += self.all(sql.replace("{keys}", ",".join("?" * len(part))), part)
        return made

    def _reader(self) -> sqlite3.Connection:
        reader = self._thread.reader
        if reader is None:
            reader = _connect(self.path)
            reader.execute("PRAGMA query_only=ON")
            self._thread.reader = reader
            with self._readers_lock:
                self._readers.append(reader)
        return reader

    def _run(self, connection: sqlite3.Connection, sql: str, parameters: Sequence[Any]) -> sqlite3.Cursor:
        try:
            return connection.execute(sql, parameters)
        except sqlite3.Error as error:
            raise _translate(error, self.path) from error


@lru_cache(256)
def _of_many(sql: str, count: int) -> str | None:
    """An `INSERT … VALUES (…)` for so many rows; None for any other statement."""
    found = _VALUES.fullmatch(sql)
    return f"{found[1]}{', '.join([found[2]] * count)}{found[3]}" if found else None


def _connect(path: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False, cached_statements=256
    )
    connection.execute("PRAGMA foreign_keys=ON")
    # The search grammar has LIKE (exact case) and ILIKE (any case, Unicode); SQLite's own LIKE folds ASCII only.
    connection.execute("PRAGMA case_sensitive_like=ON")
    connection.create_function("fold", 1, _fold, deterministic=True)
    return connection


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch to WAL; while another process does the same, SQLite says that it is busy at once, whatever the timeout."""
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname not in ("SQLITE_BUSY", "SQLITE_LOCKED") or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _fold(value: str | float | None) -> str | float | None:
    return value.casefold() if isinstance(value, str) else value


def _migrate(connection: sqlite3.Connection, path: str) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version == SCHEMA_VERSION:
        return
    if version > SCHEMA_VERSION:
        raise Unsupported(
            text(
                "database `{path}`: expected schema {expected} or older, got {actual}",
                path=path,
                expected=SCHEMA_VERSION,
                actual=version,
            ),
            hint=text("upgrade teul, or set TEUL_ROOT to another folder"),
        )
    if version > 0:
        _back_up(connection, f"{path}.v{version}.bak")
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Read again under the lock: another process may have migrated meanwhile.
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        for number in range(version, SCHEMA_VERSION):
            for statement in statements(MIGRATIONS[number]):
                connection.execute(statement)
        if version < SCHEMA_VERSION:
            connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def statements(script: str) -> Iterator[str]:
    """The statements of a migration, one by one: `executescript` would end the transaction around them."""
    waiting = ""
    for line in script.splitlines(keepends=True):
        waiting += line
        if sqlite3.complete_statement(waiting):
            if waiting.strip():
                yield waiting
            waiting = ""
    if waiting.strip():
        yield waiting


def _back_up(connection: sqlite3.Connection, path: str) -> None:
    """Copy the database, flushed to the disk before it has its name."""
    temporary = f"{path}.{os.getpid()}"
    copy = sqlite3.connect(temporary)
    try:
        connection.backup(copy)
    finally:
        copy.close()
    with open(temporary, "rb") as stream:
        os.fchmod(stream.fileno(), 0o600)
        os.fsync(stream.fileno())
    os.replace(temporary, path)


def _translate(error: sqlite3.Error, path: str) -> Exception:
    if isinstance(error, sqlite3.IntegrityError):
        return RowConflict(str(error))
    if not isinstance(error, sqlite3.OperationalError):
        return error
    if error.sqlite_errorname in ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_BUSY_SNAPSHOT"):
        return StoreLocked(text("database `{path}` is locked by another process", path=path))
    if error.sqlite_errorname == "SQLITE_FULL":
        return OSError(28, "No space left on device", path)
    return error
