"""Group commit: writes that arrive together share one transaction and one flush to the disk.

Jobs run one after another on one thread, each in a savepoint of its own, so one that fails takes nothing with it; all
are answered after the commit that holds them. While one group is being flushed the next one gathers: the slower the
disk, the larger the groups. Must not know what the jobs do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

from teul.ml.tracking.database import Database

T = TypeVar("T")
MAX_GROUP = 256


class Committer(Generic[T]):
    """Made inside a running event loop; `close` before the loop ends."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._loop = asyncio.get_running_loop()
        self._pending: list[tuple[Callable[[], T], asyncio.Future[T]]] = []
        self._is_busy = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="commit")

    async def run(self, job: Callable[[], T]) -> T:
        """What *job* returned, once it is on the disk. A caller that goes away does not undo its job."""
        future: asyncio.Future[T] = self._loop.create_future()
        self._pending.append((job, future))
        if not self._is_busy:
            self._is_busy = True
            # Not now: requests that the loop has already read join the group.
            self._loop.call_soon(self._start)
        return await future

    def close(self) -> None:
        """Wait for the group in flight."""
        self._thread.shutdown()

    def _start(self) -> None:
        group, self._pending = self._pending[:MAX_GROUP], self._pending[MAX_GROUP:]
        if not group:
            self._is_busy = False
            return
        self._thread.submit(self._commit, group)

    def _commit(self, group: list[tuple[Callable[[], T], asyncio.Future[T]]]) -> None:
        answers: list[tuple[T | None, BaseException | None]] = []
        try:
            with self._db.write():
                for job, _ in group:
                    try:
                        with self._db.write():
                            answers.append((job(), None))
                    except Exception as error:
                        answers.append((None, error))
        except BaseException as error:
            answers = [(None, error)] * len(group)
        self._loop.call_soon_threadsafe(self._finish, group, answers)

    def _finish(
        self,
        group: list[tuple[Callable[[], T], asyncio.Future[T]]],
        answers: list[tuple[T | None, BaseException | None]],
    ) -> None:
        for (_, future), (value, error) in zip(group, answers, strict=True):
            if future.done():
                continue
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(value)  # type: ignore[arg-type]
        self._start()
