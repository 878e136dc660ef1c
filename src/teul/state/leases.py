"""Leases: what is in flight and must survive gc. Must not know what the named things are.

A lease belongs to a process, by pid and start time: one whose process is gone protects nothing and is swept.
While it lives it protects two kinds of things: what was named by `add`, and whatever content was committed (or
committed again) after it began. So a long operation takes one lease at its start, and names only what it found
here already and means to use: first `add`, then look whether it is there.

"After it began" is judged by the filesystem's own clock: each lease has a file beside the database, whose ctime is
compared with that of blobs and layers. A process's clock may be anything (a build under faketime is one test of ours).
"""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.state.db import Database


class Lease:
    """A living lease; *kind* is "blob", "layer" or "snapshot", *name* a digest, a layer name or a key."""

    __slots__ = ("_db", "id")

    def __init__(self, db: Database, lease_id: str) -> None:
        self._db = db
        self.id = lease_id

    def add(self, kind: str, *names: str) -> None:
        """Protect more things; idempotent. Waits while a gc sweeps, so what is there afterwards stays there."""
        with self._db:
            for name in names:
                self._db.execute(
                    "INSERT OR IGNORE INTO lease_items (lease, kind, name) VALUES (?, ?, ?)", (self.id, kind, name)
                )


class lease:  # noqa: N801 (read as a word in a `with`)
    """Hold a lease for the length of the block."""

    __slots__ = ("_db", "_id")

    def __init__(self, db: Database) -> None:
        self._db = db
        self._id = os.urandom(8).hex()

    def __enter__(self) -> Lease:
        db = self._db
        path = _file(db, self._id)
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        except FileNotFoundError:
            os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        db.execute(
            "INSERT INTO leases (id, pid, started, created_at) VALUES (?, ?, ?, ?)",
            (self._id, os.getpid(), process_start(os.getpid()), time.time()),
        )
        return Lease(db, self._id)

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        try:
            release(self._db, self._id)
        except OSError:
            # On a full disk, what was raised first is the news; and a lease ends with its process.
            if error is None:
                raise


def release(db: Database, lease_id: str) -> None:
    """End a lease; idempotent."""
    with db:
        db.execute("DELETE FROM lease_items WHERE lease = ?", (lease_id,))
        db.execute("DELETE FROM leases WHERE id = ?", (lease_id,))
    try:
        os.unlink(_file(db, lease_id))
    except FileNotFoundError:
        pass


def sweep(db: Database) -> int:
    """End the leases of processes that are gone; returns how many."""
    swept = 0
    with db:
        for lease_id, pid, started in db.all("SELECT id, pid, started FROM leases"):
            if process_start(pid) != started:
                release(db, lease_id)
                swept += 1
        db.execute("DELETE FROM lease_items WHERE lease NOT IN (SELECT id FROM leases)")
        known = {row[0] for row in db.all("SELECT id FROM leases")}
        # A file without a row is of a process that died between the two, unless it is about to write the row: then it
        # has protected nothing so far, and its missing file counts as "began long ago" (see `oldest_ns`).
        for name in _listed(db):
            if name not in known:
                release(db, name)
    return swept


def protected(db: Database) -> set[tuple[str, str]]:
    """(kind, name) of all that living leases name."""
    living = [row[0] for row in db.all("SELECT id, pid, started FROM leases") if process_start(row[1]) == row[2]]
    return {
        (kind, name)
        for lease_id in living
        for kind, name in db.all("SELECT kind, name FROM lease_items WHERE lease = ?", (lease_id,))
    }


def oldest_ns(db: Database) -> int | None:
    """When the oldest living lease began, in the filesystem's own time (the ctime of its file, nanoseconds since 1970);
    0 when that cannot be told, None without any lease.
    """
    begun: list[int] = []
    for lease_id, pid, started in db.all("SELECT id, pid, started FROM leases"):
        if process_start(pid) == started:
            try:
                begun.append(os.stat(_file(db, lease_id)).st_ctime_ns)
            except FileNotFoundError:
                begun.append(0)
    return min(begun, default=None)


def _file(db: Database, lease_id: str) -> str:
    return f"{os.path.dirname(db.path)}/leases/{lease_id}"


def _listed(db: Database) -> list[str]:
    try:
        return os.listdir(f"{os.path.dirname(db.path)}/leases")
    except FileNotFoundError:
        return []


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
