"""Tokens for containers that begin runs of their own: a stock client in there records, without knowing, what we know.

*facts* are what each run that is begun with the token gets: `{"tags": {…}, "files": {artifact path: text}}`. The token is
kept as a hash (as in `tokens`); it ends when the container has ended and was settled.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from teul.ml.tracking import artifacts, runs, sources
from teul.ml.tracking.artifact_content import ArtifactContent
from teul.ml.tracking.clock import now_ms
from teul.ml.tracking.database import Database

PREFIX = "teul_container_"
TTL_S = 30 * 86400


@dataclass(frozen=True, slots=True)
class Tracked:
    """A container whose runs are recorded; *container* is the mark by which its maker knows it."""

    container: str
    experiment: str
    facts: Mapping[str, Any]


def issue(db: Database, container: str, experiment: str, facts: Mapping[str, Any]) -> str:
    """A new token; this is the only time that it can be read."""
    token = PREFIX + secrets.token_urlsafe(32)
    now = now_ms()
    text = json.dumps(facts, ensure_ascii=False)
    with db.write():
        db.execute(
            "INSERT INTO container_tokens VALUES (?, ?, ?, ?, ?, ?)",
            (_hash(token), container, experiment, text, now, now + TTL_S * 1000),
        )
    return token


def find(db: Database, token: str) -> Tracked | None:
    """What *token* stands for, or None for one that is unknown or has ended."""
    if not token.startswith(PREFIX):
        return None
    row = db.one(
        "SELECT container, experiment, facts FROM container_tokens WHERE hash = ? AND expires_at >= ?",
        (_hash(token), now_ms()),
    )
    return Tracked(row[0], row[1], json.loads(row[2])) if row else None


def apply(db: Database, content: ArtifactContent, run_id: str, container: str) -> None:
    """Write what is known of the container into a run that it has begun; what its client said itself counts more."""
    row = db.one("SELECT facts FROM container_tokens WHERE container = ?", (container,))
    if row is None:
        return
    facts = json.loads(row[0])
    with db.write():
        number = runs.check_exists(db, run_id)
        db.execute(
            "INSERT INTO run_processes VALUES (?, 0, '', ?) ON CONFLICT (run) DO UPDATE SET pid = excluded.pid,"
            " started = excluded.started, container = excluded.container",
            (number, container),
        )
        there = runs.get(db, run_id).tags
        runs.set_tags(db, run_id, [(key, value) for key, value in facts.get("tags", {}).items() if key not in there])
        put_files(db, content, run_id, {path: text.encode() for path, text in facts.get("files", {}).items()})


def put_files(db: Database, content: ArtifactContent, run_id: str, files: Mapping[str, bytes]) -> None:
    """Small artifacts of a run, where its artifacts are kept here."""
    root = sources.artifact_path(runs.get(db, run_id).artifact_uri)
    if root:
        for path, data in files.items():
            artifacts.put_bytes(db, content, f"{root}/{path}", data)


def containers(db: Database) -> list[str]:
    """The marks of containers that were not settled yet."""
    return [
        row[0] for row in db.all("SELECT container FROM container_tokens GROUP BY container ORDER BY min(created_at)")
    ]


def settle(
    db: Database, content: ArtifactContent, container: str, files: Mapping[str, bytes], tags: Mapping[str, str]
) -> list[str]:
    """The container has ended: its runs get *files* and *tags*, those that still run are KILLED; their ids.

    Idempotent; the token ends.
    """
    with db.write():
        made = []
        rows = db.all(
            "SELECT r.id, r.status, r.lifecycle_stage FROM run_processes p JOIN runs r ON r.number = p.run"
            " WHERE p.container = ? ORDER BY r.number",
            (container,),
        )
        for run_id, status, stage in rows:
            if stage != "active":
                continue
            made.append(run_id)
            put_files(db, content, run_id, files)
            runs.set_tags(db, run_id, list(tags.items()))
            if status in ("RUNNING", "SCHEDULED"):
                runs.update(db, run_id, status="KILLED", end_time=now_ms())
        db.execute("DELETE FROM container_tokens WHERE container = ?", (container,))
        return made


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
