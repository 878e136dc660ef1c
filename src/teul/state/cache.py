"""The solver's memory: results by key, the parts of keys by scope and place, and the digests of context files."""

from __future__ import annotations

import json
import threading
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from teul.state.db import Database

USED_GRAIN_S = 3600
"""`used_at` is written at most this often: a build that finds everything writes nothing."""


class SolverCache:
    """What `teul.solver` asks of a cache, on one connection; safe for several threads."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._lock = threading.Lock()

    def find(self, key: str) -> Mapping[str, Any] | None:
        """The result of *key*, or None."""
        now = time.time()
        with self._lock:
            row = self._db.one("SELECT data, used_at FROM results WHERE key = ?", (key,))
            if row is None:
                return None
            if now - row[1] > USED_GRAIN_S:
                self._db.execute("UPDATE results SET used_at = ? WHERE key = ?", (now, key))
        value: Mapping[str, Any] = json.loads(row[0])
        return value

    def put(self, key: str, vertex: str, name: str, result: Mapping[str, Any]) -> None:
        """Remember; a result that exists is replaced."""
        now = time.time()
        with self._lock:
            self._db.execute(
                "INSERT OR REPLACE INTO results (key, vertex, name, data, created_at, used_at) VALUES (?, ?, ?, ?, ?, ?)",
                (key, vertex, name, json.dumps(result, separators=(",", ":")), now, now),
            )

    def explained_keys(self, scope: str) -> Mapping[str, str]:
        """Place → the key it had the last time."""
        with self._lock:
            return dict(
                self._db.all("SELECT vertex, json_extract(parts, '$.key') FROM explained WHERE scope = ?", (scope,))
            )

    def explained(self, scope: str) -> Mapping[str, Mapping[str, Any]]:
        """Place → what was remembered about it."""
        with self._lock:
            rows = self._db.all("SELECT vertex, parts FROM explained WHERE scope = ?", (scope,))
        return {place: json.loads(parts) for place, parts in rows}

    def explain(self, scope: str, rows: Mapping[str, Mapping[str, Any]], *, gone: Sequence[str] = ()) -> None:
        """Replace these rows, and forget the places in *gone*."""
        now = time.time()
        with self._lock, self._db:
            for place in gone:
                self._db.execute("DELETE FROM explained WHERE scope = ? AND vertex = ?", (scope, place))
            for place, row in rows.items():
                self._db.execute(
                    "INSERT OR REPLACE INTO explained (scope, vertex, parts, at) VALUES (?, ?, ?, ?)",
                    (scope, place, json.dumps(row, separators=(",", ":")), now),
                )


def scopes(db: Database) -> list[tuple[str, Mapping[str, Any], float]]:
    """What each scope says about itself (its row at the place ""), latest first, with the time it was written."""
    rows = db.all("SELECT scope, parts, at FROM explained WHERE vertex = '' ORDER BY at DESC")
    return [(scope, json.loads(parts), at) for scope, parts, at in rows]


def explained_rows(db: Database, scope: str) -> list[tuple[str, Mapping[str, Any], float]]:
    """Place, what is known about it, and when it was written; without the scope's own row."""
    rows = db.all("SELECT vertex, parts, at FROM explained WHERE scope = ? AND vertex <> ''", (scope,))
    return [(place, json.loads(parts), at) for place, parts, at in rows]


def walk_results(db: Database) -> Iterator[tuple[str, Mapping[str, Any], float]]:
    """Every remembered result: key, `Result.to_json()`, when it was last used. For gc, which roots what these hold."""
    for key, data, used_at in db.all("SELECT key, data, used_at FROM results ORDER BY used_at DESC"):
        yield key, json.loads(data), used_at


def forget_results(db: Database, keys: Sequence[str]) -> None:
    """Drop these keys; what they stood for is gc's."""
    with db:
        for key in keys:
            db.execute("DELETE FROM results WHERE key = ?", (key,))


def file_digests(db: Database, folder: str) -> dict[str, tuple[tuple[int, int, int, int, int], str]]:
    """Path → (device, inode, size, mtime_ns, ctime_ns), digest; of all remembered files below *folder*."""
    rows = db.all(
        "SELECT path, device, inode, size_bytes, mtime_ns, ctime_ns, digest FROM file_digests"
        " WHERE path >= ? AND path < ?",
        (folder + "/", folder + "0"),  # "0" comes right after "/"
    )
    return {row[0]: ((row[1], row[2], row[3], row[4], row[5]), row[6]) for row in rows}


def put_file_digests(db: Database, rows: Mapping[str, tuple[tuple[int, int, int, int, int], str]]) -> None:
    """Remember the digests of files as they are now."""
    db.executemany(
        "INSERT OR REPLACE INTO file_digests (path, device, inode, size_bytes, mtime_ns, ctime_ns, digest)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        [(path, *stat, digest) for path, (stat, digest) in rows.items()],
    )


def listed(db: Database) -> list[tuple[str, str, float, float]]:
    """(key, name, created_at, used_at) of every result, the latest used first."""
    return db.all("SELECT key, name, created_at, used_at FROM results ORDER BY used_at DESC, key")
