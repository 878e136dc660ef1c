"""Group commit: writes that arrive together share one transaction and one flush to the disk.

Jobs run one after another on one thread, each in a savepoint of its own, so one that fails takes nothing with it; all
are answered after the commit that holds them. While one group is being flushed the next one gathers: the slower the
disk, the larger the groups. Must not know what the jobs do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Generic, TypeVar

from teul.ml.tracking.database import Database

T = TypeVar("T")
Together = Callable[[Sequence[Any]], Sequence[T]]
_Job = tuple[Callable[[], Any], Together[T] | None, asyncio.Future[T]]
MAX_GROUP = 256


class Committer(Generic[T]):
    """Made inside a running event loop; `close` before the loop ends."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._loop = asyncio.get_running_loop()
        self._pending: list[_Job[T]] = []
        self._is_busy = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="commit")

    async def run(self, job: Callable[[], Any], together: Together[T] | None = None) -> T:
        """What *job* returned, once it is on the disk. A caller that goes away does not undo its job.

        With *together*, what it makes of that: it is given a list of what jobs with the same function returned.
        """
        future: asyncio.Future[T] = self._loop.create_future()
        self._pending.append((job, together, future))
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

    def _commit(self, group: list[_Job[T]]) -> None:
        answers: list[tuple[asyncio.Future[T], T | None, BaseException | None]] = []
        many: dict[Together[T], list[_Job[T]]] = {}
        try:
            with self._db.write():
                for item in group:
                    if item[1] is None:
                        answers.append(self._do(item))
                    else:
                        many.setdefault(item[1], []).append(item)
                for together, items in many.items():
                    answers += self._do_together(together, items)
        except BaseException as error:
            answers = [(future, None, error) for _, _, future in group]
        self._loop.call_soon_threadsafe(self._finish, answers)

    def _do_together(
        self, together: Together[T], items: list[_Job[T]]
    ) -> list[tuple[asyncio.Future[T], T | None, BaseException | None]]:
        answers: list[tuple[asyncio.Future[T], T | None, BaseException | None]] = []
        ready: list[tuple[asyncio.Future[T], Any]] = []
        for job, _, future in items:
            # Once each, whatever comes: who shows a bad token is counted.
            try:
                ready.append((future, job()))
            except Exception as error:
                answers.append((future, None, error))
        if not ready:
            return answers
        try:
            with self._db.write():
                made = together([value for _, value in ready])
        except Exception:
            # Whose fault it was is seen one by one.
            return answers + [self._do((partial(_alone, together, value), None, future)) for future, value in ready]
        return answers + [(future, value, None) for (future, _), value in zip(ready, made, strict=True)]

    def _do(self, item: _Job[T]) -> tuple[asyncio.Future[T], T | None, BaseException | None]:
        job, _, future = item
        try:
            with self._db.write():
                return future, job(), None
        except Exception as error:
            return future, None, error

    def _finish(self, answers: list[tuple[asyncio.Future[T], T | None, BaseException | None]]) -> None:
        for future, value, error in answers:
            if future.done():
                continue
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(value)  # type: ignore[arg-type]
        self._start()


def _alone(together: Together[T], value: Any) -> T:
    return together([value])[0]
