"""Lines of the history that nobody can rewrite: what an alias pointed at, with who, when and why.

Clients from before there were aliases promote by stages. What the stage `Production` means, the newest version in it, has
lines of its own, as if it were an alias (`STAGE`, which no alias can be called).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from teul.ml.tracking.clock import now_ms
from teul.ml.tracking.database import Database

STAGE = "Production (stage)"


@contextmanager
def stage_noted(db: Database, number: int, name: str, *, who: str, reason: str = "") -> Iterator[None]:
    """Around what may change the stages of the model's versions. Only inside a write."""
    before = _in_production(db, number)
    yield
    after = _in_production(db, number)
    if after != before:
        note(db, number, name, STAGE, after, before, who, reason)


def _in_production(db: Database, number: int) -> int | None:
    row = db.one("SELECT max(version) FROM model_versions WHERE model = ? AND current_stage = 'Production'", (number,))
    found: int | None = row[0] if row else None
    return found


def note(
    db: Database,
    number: int,
    name: str,
    alias: str,
    version: int | None,
    previous: int | None,
    who: str,
    reason: str,
) -> None:
    """Add a line, with the gate's verdict on the version and its approval as they are now. Only inside a write."""
    gate, report = "", "[]"
    approved_by = ""
    if version is not None:
        row = db.one("SELECT gate, gate_report FROM model_versions WHERE model = ? AND version = ?", (number, version))
        gate, report = (row[0], row[1]) if row else ("", "[]")
        last = db.one(
            "SELECT verdict, who FROM approvals WHERE model = ? AND version = ? ORDER BY number DESC LIMIT 1",
            (number, version),
        )
        approved_by = last[1] if last and last[0] == "approved" else ""
    db.execute(
        "INSERT INTO alias_history(model, name, alias, version, previous, who, reason, at, gate, gate_report,"
        " approved_by) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (number, name, alias, version, previous, who, reason, now_ms(), gate, report, approved_by),
    )
    db.execute("UPDATE registered_models SET last_update_time = ? WHERE id = ?", (now_ms(), number))
