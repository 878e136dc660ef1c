"""Projects that `up` has seen, and the append-only record of what served when and why."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from teul.state.db import Database

_DEPLOYMENT = "number, project, model, version, image, container, reason, data, started_at, ended_at"


@dataclass(frozen=True, slots=True)
class ProjectRow:
    """What was last known of a project; times are seconds since 1970."""

    name: str
    folder: str
    data: Mapping[str, Any]
    updated_at: float


@dataclass(frozen=True, slots=True)
class Deployment:
    """One line of the record; `ended_at` is None while it serves."""

    number: int
    project: str
    model: str
    version: str
    image: str
    container: str
    reason: str
    data: Mapping[str, Any]
    started_at: float
    ended_at: float | None


def remember(db: Database, name: str, folder: str, data: Mapping[str, Any]) -> None:
    """Write what is known of project *name*; an equal row is not written again."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"))
    row = db.one("SELECT folder, data FROM projects WHERE name = ?", (name,))
    if row != (folder, text):
        db.execute(
            "INSERT OR REPLACE INTO projects (name, folder, data, updated_at) VALUES (?, ?, ?, ?)",
            (name, folder, text, time.time()),
        )


def find(db: Database, name: str) -> ProjectRow | None:
    row = db.one("SELECT name, folder, data, updated_at FROM projects WHERE name = ?", (name,))
    return None if row is None else ProjectRow(row[0], row[1], json.loads(row[2]), row[3])


def find_by_folder(db: Database, folder: str) -> ProjectRow | None:
    """The project that was last brought up from *folder*."""
    row = db.one("SELECT name FROM projects WHERE folder = ? ORDER BY updated_at DESC LIMIT 1", (folder,))
    return None if row is None else find(db, row[0])


def begin_deployment(
    db: Database,
    project: str,
    *,
    model: str,
    version: str,
    image: str,
    container: str,
    reason: str,
    data: Mapping[str, Any] | None = None,
) -> int:
    """Say that *container* serves *version* from now on; what served before it ends at the same moment."""
    now = time.time()
    with db:
        db.execute("UPDATE deployments SET ended_at = ? WHERE project = ? AND ended_at IS NULL", (now, project))
        cursor = db.execute(
            "INSERT INTO deployments (project, model, version, image, container, reason, data, started_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (project, model, version, image, container, reason, json.dumps(data or {}, sort_keys=True), now),
        )
        return int(cursor.lastrowid or 0)


def end_deployment(db: Database, project: str) -> None:
    """Say that nothing of *project* serves any more; idempotent."""
    db.execute("UPDATE deployments SET ended_at = ? WHERE project = ? AND ended_at IS NULL", (time.time(), project))


def has_deployments(db: Database) -> bool:
    """Whether anything serves, of any project."""
    return db.one("SELECT 1 FROM deployments WHERE ended_at IS NULL LIMIT 1") is not None


def current_deployment(db: Database, project: str) -> Deployment | None:
    """What serves now, by the record."""
    row = db.one(
        f"SELECT {_DEPLOYMENT} FROM deployments WHERE project = ? AND ended_at IS NULL ORDER BY number DESC LIMIT 1",
        (project,),
    )
    return None if row is None else _deployment(row)


def deployments(db: Database, project: str) -> list[Deployment]:
    """The whole record of *project*, oldest first."""
    return [
        _deployment(row)
        for row in db.all(f"SELECT {_DEPLOYMENT} FROM deployments WHERE project = ? ORDER BY number", (project,))
    ]


def _deployment(row: tuple[Any, ...]) -> Deployment:
    number, project, model, version, image, container, reason, data, started_at, ended_at = row
    return Deployment(number, project, model, version, image, container, reason, json.loads(data), started_at, ended_at)
