"""What the tracking store asks of a database, whichever it is. `sqlite` and `postgres` are the two there are.

One dialect of SQL is spoken above: what both understand, with `?` for a value. `fold(x)` folds case in any script, LIKE
heeds case and has no escape character unless one is named, text is ordered by code point.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol
from urllib.parse import quote, urlsplit, urlunsplit

NO_LIMIT = 2**63 - 1
"""For `LIMIT ?`."""


class RowConflict(Exception):
    """A row would break a constraint: something of this name is there, or what is append-only would be changed."""


class Result(Protocol):
    """What a statement gave."""

    @property
    def rowcount(self) -> int:
        """How many rows it changed."""
        ...

    def fetchone(self) -> Any: ...

    def fetchall(self) -> list[Any]: ...


class Database(Protocol):
    """Safe for threads. A thread inside `write` sees what it wrote; all others see what is committed."""

    path: str
    """Where it is: a path, or a URL without a password."""

    @property
    def is_shared(self) -> bool:
        """Whether processes of other machines may write here, too."""
        ...

    def close(self) -> None:
        """Close every connection; no thread may be using one."""
        ...

    def write(self) -> AbstractContextManager[None]:
        """A write transaction that is on the disk when it ends; inside another one of the same thread, a savepoint.

        One thread of one process writes at a time, so that what was read inside stays true until the end.

        Raises:
            StoreLocked: somebody else writes for too long.
            Unavailable: the database cannot be reached.
            OSError: the disk is full (errno 28).
        """
        ...

    def read(self) -> AbstractContextManager[None]:
        """Several queries that see one state."""
        ...

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> Result:
        """Run one statement; one that writes must be inside `write`. Raises: RowConflict, TrackingInvalid."""
        ...

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run one statement for each row, inside `write`. Raises: RowConflict, TrackingInvalid."""
        ...

    def one(self, sql: str, parameters: Sequence[Any] = ()) -> tuple[Any, ...] | None:
        """The first row, or None."""
        ...

    def all(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows."""
        ...

    def grouped(self, sql: str, keys: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Rows of a query in which `IN ({keys})` stands for a list of any length."""
        ...


def open_database(location: str) -> Database:
    """The database at a path (SQLite) or at a URL (`postgresql://…`).

    Raises:
        Unsupported: it was written by a newer teul; or PostgreSQL's driver is not installed.
        StoreLocked: somebody else holds it.
        Unavailable: the server does not answer.
    """
    if is_url(location):
        from teul.ml.tracking.postgres import PostgresDatabase

        return PostgresDatabase.open(location)
    from teul.ml.tracking.sqlite import SqliteDatabase

    return SqliteDatabase.open(location)


def is_url(location: str) -> bool:
    """Whether this names a database on a server rather than a file."""
    scheme, colon, _ = location.partition("://")
    return bool(colon) and scheme.partition("+")[0] in ("postgresql", "postgres")


def without_password(url: str) -> str:
    """The URL as it may be shown."""
    parts = urlsplit(url)
    user = f"{quote(parts.username)}@" if parts.username else ""
    host = parts.netloc.rpartition("@")[2]
    query = "&".join(item for item in parts.query.split("&") if item and not item.lower().startswith("password="))
    return urlunsplit((parts.scheme.partition("+")[0], user + host, parts.path, query, ""))
