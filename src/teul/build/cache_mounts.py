"""What a cache mount is left with when its RUN fails on a full disk. Must not know what a cache is for."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager

from teul.errors import text
from teul.events import Warn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from dataclasses import dataclass

    from teul.host.fs import FolderLock
    from teul.solver.protocol import Task
else:
    from teul.values import dataclass

FULL_BELOW_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class LentCache:
    """A cache mount while a RUN has it, since *since_ns* by the clock of its filesystem (ns since 1970)."""

    name: str
    path: str
    since_ns: int
    lock: FolderLock


@contextmanager
def relieving(disk: str, caches: Sequence[LentCache], written_bytes: Callable[[], int], task: Task) -> Iterator[None]:
    """When what runs in the block fails and *disk* (a folder of it) is full, take back what it added to *caches*.

    What was there before stays as it was, unless the step wrote to it. A step that itself wrote more (*written_bytes*,
    which go with it) makes room enough by failing; so does nothing at all for a cache that another step has too.
    """
    try:
        yield
    except BaseException:
        status = os.statvfs(disk)
        if status.f_bavail * status.f_frsize < FULL_BELOW_BYTES:
            own = written_bytes()
            for cache in caches:
                _relieve(cache, own, task)
        raise


def _relieve(cache: LentCache, own_bytes: int, task: Task) -> None:
    from teul.host.fs import FolderLock

    cache.lock.release()
    lock = FolderLock.take(f"{cache.path}.lock", wait=False)
    if lock is None:
        return
    with lock:
        added = list(_changed(cache.path, cache.since_ns))
        size_bytes = sum(size for _, size in added)
        if size_bytes <= own_bytes:
            return
        for path, _ in added:
            os.unlink(path)
    message = text(
        "the disk is full: {size} MB that the step had put into the cache mount `{name}` are gone again",
        size=size_bytes // 1_000_000,
        name=cache.name,
    )
    task.events(Warn(task.id, "cache-mount-emptied", message))


def _changed(folder: str, since_ns: int) -> Iterator[tuple[str, int]]:
    """Files below *folder* that were made or written to since then, and the bytes that they take on the disk."""
    pending = [folder]
    while pending:
        try:
            with os.scandir(pending.pop()) as entries:
                for entry in entries:
                    status = entry.stat(follow_symlinks=False)
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
                    elif stat.S_ISREG(status.st_mode) and status.st_ctime_ns >= since_ns:
                        yield entry.path, status.st_blocks * 512
        except FileNotFoundError:
            continue
