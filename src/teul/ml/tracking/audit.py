"""The audit log: who changed what a team relies on, and who was turned away. Append-only.

What runs write while they run (metrics, params, tags) is not in it: that is their record itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from teul.errors import Conflict
from teul.ml.tracking.clock import now_ms
from teul.ml.tracking.database import Database
from teul.ml.tracking.translate import to_answer

LOCAL = "local"


@dataclass(frozen=True, slots=True)
class Entry:
    """*at* is in milliseconds; *outcome* is "done", or the code of the error that it was answered with."""

    number: int
    at: int
    who: str
    address: str
    action: str
    subject: str
    outcome: str


def note(db: Database, who: str, action: str, subject: str, *, address: str = LOCAL, outcome: str = "done") -> None:
    """Write a line, in the caller's transaction where there is one."""
    with db.write():
        db.execute(
            "INSERT INTO audit(at, who, address, action, subject, outcome) VALUES (?, ?, ?, ?, ?, ?)",
            (now_ms(), who[:250], address[:100], action[:100], subject[:500], outcome[:100]),
        )


@contextmanager
def judged(db: Database, who: str, action: str, subject: str) -> Iterator[None]:
    """Writes a line for what a gate or a missing approval refused, after the block's own transaction has been undone."""
    try:
        yield
    except Conflict as error:
        note(db, who, action, f"{subject}: {error.message}", outcome=to_answer(error)[1]["error_code"])
        raise


def entries(db: Database, *, last: int = 100, since: int = 0, who: str = "") -> list[Entry]:
    """The last lines since a time (ms), oldest first."""
    where, values = ("AND who = ?", (who,)) if who else ("", ())
    rows = db.all(
        "SELECT number, at, who, address, action, subject, outcome FROM audit"
        f" WHERE at >= ? {where} ORDER BY number DESC LIMIT ?",
        (since, *values, last),
    )
    return [Entry(*row) for row in reversed(rows)]
