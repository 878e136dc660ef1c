"""Room on the disk that is the database's alone. Must not know what the database holds.

Even to be read, a database in WAL mode needs 32 KB of the disk. So a file of no content lies beside it, and goes when
the disk is full: looking, a build of which all is known, and above all the commands that make room work then. It comes
back when there is room.
"""

from __future__ import annotations

import os

RESERVE_BYTES = 1 << 20
TAKEN_ABOVE_BYTES = 16 << 20
"""The reserve is taken again where that much is free."""


def settle(database: str) -> None:
    """Take the reserve of *database*, or give it up, as the disk is."""
    free = free_bytes(database)
    if free < RESERVE_BYTES:
        give_up(database)
    elif free > TAKEN_ABOVE_BYTES:
        path = _path(database)
        try:
            if os.stat(path).st_size == RESERVE_BYTES:
                return
        except FileNotFoundError:
            pass
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, RESERVE_BYTES)
        except OSError:
            # A quota, or somebody was faster: then without.
            give_up(database)
        finally:
            os.close(descriptor)


def give_up(database: str) -> bool:
    """Whether there was a reserve to give up."""
    try:
        os.unlink(_path(database))
    except FileNotFoundError:
        return False
    return True


def free_bytes(path: str) -> int:
    """What this process could still write to the disk of *path*'s folder."""
    status = os.statvfs(os.path.dirname(path))
    return (status.f_bfree if os.geteuid() == 0 else status.f_bavail) * status.f_frsize


def _path(database: str) -> str:
    return f"{database}-reserve"
