"""The workers as the front sees them: started, fed, watched, replaced. Must not know HTTP.

A request goes to the worker with the least to do, at most `DEPTH` at a time, so that the next one is already there
when a worker is done; the others wait in one queue. A worker that ends takes its requests with it (503) and is started
again after a pause that doubles while it keeps failing; one that does not answer in time is killed (504).
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import time
from collections import deque

from teul_model import frames

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

DEPTH = 2
LONGEST_PAUSE_S = 10.0


class Ticket:
    """A request in the hands of the pool; `answer(status, body, rows)` is called once unless it was cancelled."""

    __slots__ = ("answer", "is_cancelled", "kind", "payload", "started_at")

    def __init__(self, kind: int, payload: bytes, answer: Callable[[int, bytes, int], None]) -> None:
        self.kind = kind
        self.payload = payload
        self.answer = answer
        self.started_at = time.monotonic()
        self.is_cancelled = False


class Worker(asyncio.Protocol):
    """One worker process and the channel to it."""

    def __init__(self, pool: Pool, pid: int) -> None:
        self._pool = pool
        self._splitter = frames.Splitter()
        self.pid = pid
        self.tickets: dict[int, Ticket] = {}
        self.about: dict[str, Any] | None = None
        self.failure = ""
        self.transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        for number, status, rows, payload in self._splitter.feed(data):
            if number:
                ticket = self.tickets.pop(number, None)
                if ticket is not None and not ticket.is_cancelled:
                    ticket.answer(status, payload, rows)
            elif status == frames.READY:
                self.about = json.loads(payload)
                self._pool.on_ready(self)
            else:
                self.failure = payload.decode("utf-8", "replace")
        self._pool.dispatch()

    def connection_lost(self, error: Exception | None) -> None:
        self._pool.on_lost(self)


class Pool:
    """*count* workers. `on_change` is called when the readiness may have changed."""

    def __init__(
        self,
        count: int,
        *,
        queue_limit: int,
        timeout_s: float,
        on_change: Callable[[], None],
        log: Callable[[str], None],
    ) -> None:
        self.count = count
        self.workers: list[Worker] = []
        self.queue: deque[Ticket] = deque()
        self.restarts = 0
        self.first_failure = ""
        self._queue_limit = queue_limit
        self._timeout_s = timeout_s
        self._on_change = on_change
        self._log = log
        self._number = 0
        self._pause_s = 0.1
        self._is_closing = False
        self._ended: dict[int, str] = {}
        self._was_ready = False

    @property
    def ready(self) -> list[Worker]:
        return [worker for worker in self.workers if worker.about is not None]

    @property
    def about(self) -> dict[str, Any] | None:
        """What the model said about itself, or None before it is loaded."""
        return next((worker.about for worker in self.workers if worker.about is not None), None)

    @property
    def in_flight(self) -> int:
        return len(self.queue) + sum(len(worker.tickets) for worker in self.workers)

    async def start(self) -> None:
        for _ in range(self.count):
            await self._spawn()
        asyncio.get_running_loop().call_later(1.0, self._watch)

    async def _spawn(self) -> None:
        ours, theirs = socket.socketpair()
        environment = {**os.environ, "TEUL_WORKER_FD": str(theirs.fileno())}
        program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "worker.py")
        os.set_inheritable(theirs.fileno(), True)
        pid = os.posix_spawn(sys.executable, [sys.executable, "-u", program], environment)
        theirs.close()
        loop = asyncio.get_running_loop()
        _, worker = await loop.create_connection(lambda: Worker(self, pid), sock=ours)
        self.workers.append(worker)

    def submit(self, ticket: Ticket) -> bool:
        """Take *ticket*; False when the queue is full."""
        if len(self.queue) >= self._queue_limit:
            return False
        self.queue.append(ticket)
        self.dispatch()
        return True

    def dispatch(self) -> None:
        """Give waiting requests to workers that have room."""
        while self.queue:
            ready = self.ready
            if not ready:
                return
            worker = min(ready, key=lambda item: len(item.tickets))
            if len(worker.tickets) >= DEPTH or worker.transport is None:
                return
            ticket = self.queue.popleft()
            if ticket.is_cancelled:
                continue
            self._number = self._number % 0xFFFFFFFF + 1
            worker.tickets[self._number] = ticket
            worker.transport.write(frames.pack(self._number, ticket.kind, ticket.payload))

    def on_ready(self, worker: Worker) -> None:
        self._pause_s = 0.1
        self._was_ready = True
        self._on_change()

    def on_lost(self, worker: Worker) -> None:
        """A worker's channel closed: answer its requests, start another."""
        if worker in self.workers:
            self.workers.remove(worker)
        how = self._ended.pop(worker.pid, "")
        for ticket in worker.tickets.values():
            if not ticket.is_cancelled:
                ticket.answer(503, b"the worker ended while it predicted", 0)
        worker.tickets.clear()
        if self._is_closing:
            return
        if not self._was_ready:
            self.first_failure = worker.failure or f"the worker ended while it loaded the model {how}".strip()
            self._on_change()
            return
        self.restarts += 1
        self._log(
            f"worker {worker.pid} ended {how or ''}; another starts in {self._pause_s:.1f} s {worker.failure}".strip()
        )
        self._on_change()
        loop = asyncio.get_running_loop()
        loop.call_later(self._pause_s, lambda: loop.create_task(self._spawn()))
        self._pause_s = min(self._pause_s * 2, LONGEST_PAUSE_S)

    def reap(self) -> None:
        """Collect ended children; as PID 1 of a container also those that others left behind."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            code = os.waitstatus_to_exitcode(status) if hasattr(os, "waitstatus_to_exitcode") else status
            if any(worker.pid == pid for worker in self.workers):
                self._ended[pid] = f"by signal {-code}" if code < 0 else f"with exit code {code}"

    def _watch(self) -> None:
        """Once a second: kill workers that do not answer, answer requests that waited too long."""
        now = time.monotonic()
        while self.queue and (self.queue[0].is_cancelled or now - self.queue[0].started_at > self._timeout_s):
            ticket = self.queue.popleft()
            if not ticket.is_cancelled:
                ticket.answer(504, f"no answer within {self._timeout_s:g} s".encode(), 0)
        for worker in list(self.workers):
            oldest = min((ticket.started_at for ticket in worker.tickets.values()), default=now)
            if now - oldest > self._timeout_s:
                for ticket in worker.tickets.values():
                    if not ticket.is_cancelled:
                        ticket.answer(504, f"no answer within {self._timeout_s:g} s".encode(), 0)
                worker.tickets.clear()
                worker.about = None
                os.kill(worker.pid, signal.SIGKILL)
        if not self._is_closing:
            asyncio.get_running_loop().call_later(1.0, self._watch)

    def close(self) -> None:
        """Let the workers end: they see the end of the channel."""
        self._is_closing = True
        for worker in self.workers:
            if worker.transport is not None:
                worker.transport.close()
