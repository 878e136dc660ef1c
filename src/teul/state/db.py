"""`Database`: one SQLite file in WAL mode. Must not know the tables; each noun's module does.

Every connection has `synchronous=FULL`: what a transaction acknowledged survives a power cut. A writer that
finds the file locked waits up to 30 s and then gets `StoreLocked`. A database written by a newer teul is refused. On a
full disk it lives on its reserve (see `teul.state.reserve`).
"""

from __future__ import annotations

import os

from teul.errors import StoreLocked, Unsupported, text
from teul.host.fs import FolderLock, crash_point
from teul.state import reserve

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence
    from types import TracebackType
    from typing import Any
else:
    # The package around it adds adapters for dates, which no table here has, and 2 ms to every command.
    import _sqlite3 as sqlite3

SCHEMA_VERSION = 6
"""Number of the last migration in `teul.state.migrations`."""
BUSY_TIMEOUT_S = 30


class Database:
    """A connection with transactions; one per thread (`Database.open` again for another)."""

    def __init__(self, connection: sqlite3.Connection, path: str) -> None:
        self._connection = connection
        self._depth = 0
        self.path = path

    @classmethod
    def open(cls, path: str) -> Database:
        """Open or make the database at *path* and bring its schema up to date.

        Raises:
            Unsupported: it was written by a newer teul.
            StoreLocked: another process holds it for longer than `BUSY_TIMEOUT_S`.
        """
        os.makedirs(os.path.dirname(path), mode=0o711, exist_ok=True)
        reserve.settle(path)
        connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
        database = cls(connection, path)
        try:
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version == 0:
                # Ours alone: containers' environments are in it. What SQLite puts beside it takes its mode.
                os.chmod(path, 0o600)
                # One at a time: SQLite does not wait for its turn to change the journal, it says "busy" at once.
                turn = FolderLock.take(os.path.dirname(path))
                assert turn is not None
                with turn:
                    connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            # A short log: a `teul run` leaves without closing it (which costs 9 ms), and whoever comes next reads it.
            connection.execute("PRAGMA wal_autocheckpoint=200")
            if version != SCHEMA_VERSION:
                from teul.state import migrations

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
                migrations.migrate(database)
        except sqlite3.OperationalError as error:
            connection.close()
            raise _translate(error, path) from error
        except BaseException:
            connection.close()
            raise
        return database

    def __enter__(self) -> Database:
        """Begin a write transaction (`BEGIN IMMEDIATE`); nested use joins the outer one."""
        if self._depth == 0:
            self._execute("BEGIN IMMEDIATE", ())
        self._depth += 1
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._depth -= 1
        if self._depth == 0:
            crash_point("transaction-done")
            self._execute("COMMIT" if kind is None else "ROLLBACK", ())
            crash_point("transaction-ended")

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> sqlite3.Cursor:
        """Run one statement; outside a transaction it commits by itself."""
        return self._execute(sql, parameters)

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run one statement for each row, within a transaction."""
        with self:
            self._connection.executemany(sql, rows)

    def executescript(self, script: str) -> None:
        """Run several statements, each ended by `;` at the end of a line; the caller holds the transaction."""
        for statement in script.split(";\n"):
            if statement.strip():
                self._execute(statement, ())

    def one(self, sql: str, parameters: Sequence[Any] = ()) -> tuple[Any, ...] | None:
        """The first row, or None."""
        row: tuple[Any, ...] | None = self._execute(sql, parameters).fetchone()
        return row

    def all(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows."""
        return self._execute(sql, parameters).fetchall()

    def close(self) -> None:
        self._connection.close()

    def _execute(self, sql: str, parameters: Sequence[Any]) -> sqlite3.Cursor:
        connection = self._connection
        was_within = connection.in_transaction
        try:
            return connection.execute(sql, parameters)
        except sqlite3.OperationalError as error:
            # SQLite may have ended the transaction that it had no room for; then there is nothing to go on with.
            if _is_full(error, self.path) and connection.in_transaction == was_within and reserve.give_up(self.path):
                return self._execute(sql, parameters)
            raise _translate(error, self.path) from error


def _translate(error: sqlite3.OperationalError, path: str) -> Exception:
    if error.sqlite_errorname in ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_BUSY_SNAPSHOT"):
        return StoreLocked(text("database `{path}` is locked by another process", path=path))
    if _is_full(error, path):
        return OSError(28, "No space left on device", path)
    return error


def _is_full(error: sqlite3.OperationalError, path: str) -> bool:
    # The shared memory of the WAL is a file too, and says "I/O error" when the disk has no room for it.
    return error.sqlite_errorname == "SQLITE_FULL" or (
        error.sqlite_errorname.startswith("SQLITE_IOERR") and reserve.free_bytes(path) < 1 << 18
    )
