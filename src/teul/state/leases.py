"""Leases: what is in flight and must survive gc. Must not know what the named things are.

A lease belongs to a process, by pid and start time: one whose process is gone protects nothing and is swept.
While it lives it protects two kinds of things: what was named by `add`, and whatever content was committed (or
committed again) after it began. So a long operation takes one lease at its start, and names only what it found
here already and means to use: first `add`, then look whether it is there.
"""

from __future__ import annotations

import os
import time
from contextlib import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from teul.state.db import Database


class Lease:
    """A living lease; *kind* is "blob", "layer" or "snapshot", *name* a digest, a layer name or a key."""

    __slots__ = ("_db", "id")

    def __init__(self, db: Database, lease_id: str) -> None:
        self._db = db
        self.id = lease_id

    def add(self, kind: str, name: str) -> None:
        """Protect one more thing; idempotent. Waits while a gc sweeps, so what is there afterwards stays there."""
        self._db.execute(
            "INSERT OR IGNORE INTO lease_items (lease, kind, name) VALUES (?, ?, ?)", (self.id, kind, name)
        )


@contextmanager
def lease(db: Database) -> Iterator[Lease]:
    """Hold a lease for the length of the block."""
    lease_id = os.urandom(8).hex()
    db.execute(
        "INSERT INTO leases (id, pid, started, created_at) VALUES (?, ?, ?, ?)",
        (lease_id, os.getpid(), process_start(os.getpid()), time.time()),
    )
    try:
        yield Lease(db, lease_id)
    finally:
        release(db, lease_id)


def release(db: Database, lease_id: str) -> None:
    """End a lease; idempotent."""
    with db:
        db.execute("DELETE FROM lease_items WHERE lease = ?", (lease_id,))
        db.execute("DELETE FROM leases WHERE id = ?", (lease_id,))


def sweep(db: Database) -> int:
    """End the leases of processes that are gone; returns how many."""
    swept = 0
    with db:
        for lease_id, pid, started in db.all("SELECT id, pid, started FROM leases"):
            if process_start(pid) != started:
                release(db, lease_id)
                swept += 1
    return swept


def protected(db: Database) -> set[tuple[str, str]]:
    """(kind, name) of all that living leases name."""
    living = [row[0] for row in db.all("SELECT id, pid, started FROM leases") if process_start(row[1]) == row[2]]
    return {
        (kind, name)
        for lease_id in living
        for kind, name in db.all("SELECT kind, name FROM lease_items WHERE lease = ?", (lease_id,))
    }


def oldest(db: Database) -> float | None:
    """When the oldest living lease began (seconds since 1970), or None without any."""
    begun = [
        created_at
        for pid, started, created_at in db.all("SELECT pid, started, created_at FROM leases")
        if process_start(pid) == started
    ]
    return min(begun, default=None)


def process_start(pid: int) -> str:
    """What tells a process from a later one with its pid: the boot and the start time in clock ticks; "" when gone.

    Spec: proc_pid_stat(5), field 22.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        with open("/proc/sys/kernel/random/boot_id", "rb") as file:
            boot = file.read().strip().decode()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return "" if fields[0] == b"Z" else f"{boot}/{fields[19].decode()}"
