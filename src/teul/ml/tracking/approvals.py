"""Approvals: who let a version in or kept it out, when and why. Append-only; the last word on a version counts."""

from __future__ import annotations

from teul.errors import NotApproved, text
from teul.ml.tracking import registry
from teul.ml.tracking.clock import now_ms
from teul.ml.tracking.database import Database
from teul.ml.tracking.values import Approval

APPROVED, REJECTED = "approved", "rejected"


def decide(db: Database, name: str, version: str | int, verdict: str, *, who: str, reason: str = "") -> Approval:
    """Say *verdict* ("approved" or "rejected") of a version.

    A version that is in production and is rejected stays there until somebody moves the alias: what serves does not
    change by a word.

    Raises:
        GateFailed: approval of a version whose gate failed.
        NotApproved: a rejection without a reason.
        TrackingNotFound.
    """
    if verdict == REJECTED and not reason:
        raise NotApproved(text("a rejection needs a reason"), hint=text("say it with --why"))
    with db.write():
        number, wanted = registry.version_number(db, name, version)
        if verdict == APPROVED:
            registry.check_gate(registry.get_version(db, name, wanted), "production")
        ((row,),) = db.execute(
            "INSERT INTO approvals(model, name, version, verdict, who, reason, at) VALUES (?, ?, ?, ?, ?, ?, ?)"
            " RETURNING number",
            (number, name, wanted, verdict, who, reason, now_ms()),
        ).fetchall()
        return next(item for item in of_version(db, name, wanted) if item.number == row)


def of_version(db: Database, name: str, version: str | int) -> list[Approval]:
    """All that was said of a version, oldest first. Raises: TrackingNotFound."""
    with db.read():
        number, wanted = registry.version_number(db, name, version)
        rows = db.all(
            "SELECT number, name, version, verdict, who, reason, at FROM approvals"
            " WHERE model = ? AND version = ? ORDER BY number",
            (number, wanted),
        )
    return [Approval(*row) for row in rows]


def require(db: Database, name: str, is_needed: bool) -> None:
    """Whether a version of this model needs an approval to become `production`. Raises: TrackingNotFound."""
    with db.write():
        number = registry.model_number(db, name)
        db.execute("UPDATE registered_models SET needs_approval = ? WHERE id = ?", (int(is_needed), number))


def is_required(db: Database, name: str) -> bool:
    """Raises: TrackingNotFound."""
    number = registry.model_number(db, name)
    row = db.one("SELECT needs_approval FROM registered_models WHERE id = ?", (number,))
    return bool(row and row[0])
