"""Rows about snapshots. Must not touch their folders."""

from __future__ import annotations

import time

from teul.errors import AlreadyExists, SnapshotInUse, SnapshotNotFound, text
from teul.plain_json import dumps, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence
    from dataclasses import dataclass
    from typing import Any

    from teul.state.db import Database
else:
    import _sqlite3 as sqlite3

    from teul.values import dataclass

_COLUMNS = "name, kind, folder, parents, size_bytes, inodes, data, created_at"


@dataclass(frozen=True, slots=True)
class SnapshotRow:
    """`kind` is "active" or "committed"; `folder` is its folder's short name; `parents` are layer names, bottom first."""

    name: str
    kind: str
    folder: str
    parents: tuple[str, ...]
    size_bytes: int
    inodes: int
    data: dict[str, Any]
    created_at: float


def find(db: Database, name: str) -> SnapshotRow | None:
    row = db.one(f"SELECT {_COLUMNS} FROM snapshots WHERE name = ?", (name,))
    return None if row is None else _row(row)


def get(db: Database, name: str, kind: str = "") -> SnapshotRow:
    """Raises: SnapshotNotFound: none of that name (and *kind*)."""
    found = find(db, name)
    if found is None or (kind and found.kind != kind):
        raise SnapshotNotFound(name)
    return found


def folders(db: Database, names: Sequence[str]) -> list[str]:
    """The folders of committed layers, in the order asked for.

    Raises:
        SnapshotNotFound: the first that is not here.
    """
    return [folder for folder, _ in stack(db, names)]


def stack(db: Database, names: Sequence[str]) -> list[tuple[str, bool]]:
    """As `folders`, each with whether it hides all that is below (its root folder is opaque)."""
    known: dict[str, tuple[str, bool]] = {}
    for start in range(0, len(names), 500):
        part = names[start : start + 500]
        marks = ",".join("?" * len(part))
        rows = db.all(
            "SELECT name, folder, json_extract(data, '$.hides_all') FROM snapshots"
            f" WHERE kind = 'committed' AND name IN ({marks})",
            tuple(part),
        )
        known.update((name, (folder, bool(hides_all))) for name, folder, hides_all in rows)
    for name in names:
        if name not in known:
            raise SnapshotNotFound(name)
    return [known[name] for name in names]


def add(
    db: Database,
    *,
    name: str,
    kind: str,
    folder: str,
    parents: Sequence[str] = (),
    size_bytes: int = 0,
    inodes: int = 0,
    data: dict[str, Any] | None = None,
) -> None:
    """Raises: AlreadyExists: the name is taken. SnapshotNotFound: a parent is not here (any more)."""
    with db:
        folders(db, parents)
        try:
            db.execute(
                f"INSERT INTO snapshots ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    name,
                    kind,
                    folder,
                    dumps(list(parents)),
                    size_bytes,
                    inodes,
                    dumps(data or {}),
                    time.time(),
                ),
            )
        except sqlite3.IntegrityError:
            raise AlreadyExists(text("snapshot `{name}` already exists", name=name)) from None


def commit(db: Database, key: str, *, name: str, size_bytes: int, inodes: int, data: dict[str, Any]) -> bool:
    """Turn the active snapshot *key* into the committed *name*; False when *name* exists (nothing changes then)."""
    with db:
        if find(db, name) is not None:
            return False
        get(db, key, "active")
        db.execute(
            "UPDATE snapshots SET name = ?, kind = 'committed', parents = '[]', size_bytes = ?, inodes = ?, data = ?,"
            " created_at = ? WHERE name = ?",
            (name, size_bytes, inodes, dumps(data), time.time(), key),
        )
    return True


def remove(db: Database, name: str) -> SnapshotRow | None:
    """Remove the row; returns it, or None when there was none.

    Raises:
        SnapshotInUse: an active snapshot stands on it.
    """
    with db:
        row = find(db, name)
        if row is None:
            return None
        if row.kind == "committed":
            for user, parents in db.all("SELECT name, parents FROM snapshots WHERE kind = 'active'"):
                if name in loads(parents):
                    raise SnapshotInUse(name, user)
        db.execute("DELETE FROM snapshots WHERE name = ?", (name,))
    return row


def listed(db: Database, kind: str = "") -> list[SnapshotRow]:
    """All rows, or those of one kind; by name."""
    rows = db.all(
        f"SELECT {_COLUMNS} FROM snapshots" + (" WHERE kind = ?" if kind else "") + " ORDER BY name",
        (kind,) if kind else (),
    )
    return [_row(row) for row in rows]


def resolve(db: Database, names: Sequence[tuple[str, str]]) -> list[str]:
    """For each pair (the name on its chain, the plain one) the first that is a committed layer.

    Raises:
        SnapshotNotFound: the plain name of the first that has neither.
    """
    known: set[str] = set()
    every = [name for pair in names for name in pair]
    for start in range(0, len(every), 500):
        part = every[start : start + 500]
        marks = ",".join("?" * len(part))
        rows = db.all(f"SELECT name FROM snapshots WHERE kind = 'committed' AND name IN ({marks})", tuple(part))
        known.update(row[0] for row in rows)
    made = []
    for chained, plain in names:
        if chained in known:
            made.append(chained)
        elif plain in known:
            made.append(plain)
        else:
            raise SnapshotNotFound(plain)
    return made


def _row(row: tuple[Any, ...]) -> SnapshotRow:
    name, kind, folder, parents, size_bytes, inodes, data, created_at = row
    return SnapshotRow(name, kind, folder, tuple(loads(parents)), size_bytes, inodes, loads(data), created_at)


def find_folder(db: Database, folder: str) -> str | None:
    """The name of the snapshot whose folder *folder* is, or None."""
    row = db.one("SELECT name FROM snapshots WHERE folder = ?", (folder,))
    return None if row is None else str(row[0])
