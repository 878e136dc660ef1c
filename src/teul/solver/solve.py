"""The schedule: what is known, what has to run, and why. Must not know what an op does."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from time import monotonic

from teul.errors import Cancelled, text
from teul.events import Step, silent
from teul.solver.graph import Result, Vertex, digest_of, walk
from teul.solver.protocol import Task

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Future
    from typing import Any

    from teul.events import Sink
    from teul.solver.protocol import Cache, Worker

PART_LIMIT = 200
"""A part of a key that is longer than this many characters is kept as its digest."""


@dataclass(frozen=True, slots=True)
class Cause:
    """One difference from the last time: *before* is None for what is new, *after* for what is gone."""

    part: str
    before: str | None
    after: str | None

    def to_json(self) -> list[str | None]:
        return [self.part, self.before, self.after]


@dataclass(frozen=True, slots=True)
class Explained:
    """What is remembered about a place: the parts of its key, and what happened when they last changed.

    *state* is "ran" or "cached"; *reason* is "first" (nothing was known), "changed" (see *causes*), "gone" (the same
    inputs, but the result was no longer there) or "asked" (the cache was not to be used).
    """

    key: str
    name: str
    parts: Mapping[str, str]
    state: str
    reason: str
    causes: tuple[Cause, ...] = ()
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        return {
            "key": self.key,
            "name": self.name,
            "parts": dict(self.parts),
            "state": self.state,
            "reason": self.reason,
            "causes": [cause.to_json() for cause in self.causes],
            "seconds": round(self.seconds, 3),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Explained:
        return cls(
            value["key"],
            value["name"],
            value["parts"],
            value["state"],
            value["reason"],
            tuple(Cause(*cause) for cause in value["causes"]),
            float(value.get("seconds", 0.0)),
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a vertex came to its result."""

    result: Result
    cached: bool
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Solution:
    """Every vertex that has a result, how it came to it, and its key."""

    outcomes: Mapping[Vertex, Outcome]
    keys: Mapping[Vertex, str] = field(default_factory=dict)

    def result(self, vertex: Vertex) -> Result:
        return self.outcomes[vertex].result

    @property
    def ran(self) -> tuple[Vertex, ...]:
        """The vertices that were executed."""
        return tuple(vertex for vertex, outcome in self.outcomes.items() if not outcome.cached)


@dataclass(frozen=True, slots=True)
class Planned:
    """What would happen to a vertex: "cached", "run", or "unknown" (it depends on what an input will give)."""

    vertex: Vertex
    state: str
    reason: str = ""
    causes: tuple[Cause, ...] = ()


@dataclass(slots=True)
class _Known:
    """A key and the parts it was made of, for the inputs that had these digests."""

    key: str
    parts: dict[str, str]
    inputs: tuple[str, ...]


@dataclass(slots=True)
class _Board:
    """Where everything stands; only the caller's thread writes to it."""

    order: list[Vertex]
    wanted: set[Vertex]
    results: dict[Vertex, Result] = field(default_factory=dict)
    known: dict[Vertex, _Known] = field(default_factory=dict)
    present: set[Vertex] = field(default_factory=set)
    outcomes: dict[Vertex, Outcome] = field(default_factory=dict)
    elsewhere: set[Vertex] = field(default_factory=set)
    """What is wanted, and is to be brought from elsewhere."""
    missed: set[Vertex] = field(default_factory=set)
    """What could not be brought."""

    def inputs(self, vertex: Vertex) -> list[Result]:
        return [self.results[source] for source in vertex.inputs]


def solve(
    targets: Sequence[Vertex],
    worker: Worker,
    cache: Cache,
    *,
    scope: str = "",
    skip: Callable[[Vertex], bool] = lambda vertex: False,
    events: Sink = silent,
    threads: int = 0,
    on_stop: Callable[[], None] = lambda: None,
) -> Solution:
    """Bring *targets* to their results, running only what the cache does not know.

    Args:
        scope: what the parts of the keys are remembered under, for `why`; "" remembers nothing.
        skip: says which vertices must run even if the cache knows them (`--no-cache`).
        threads: how many ops run at a time; 0 chooses.
        on_stop: called when those that run are told to stop, to wake whoever waits for something else than the op.

    Raises:
        TeulError: the first failure of an op; those that were running have been told to stop and have ended.
        KeyboardInterrupt: likewise.
    """
    board = _look(targets, worker, cache, skip)
    _settle(board, worker)
    for vertex in board.order:
        if vertex in board.results:
            board.outcomes[vertex] = Outcome(board.results[vertex], cached=True)
            if vertex.name and vertex not in board.elsewhere:
                events(Step(vertex.digest, vertex.name, "done", cached=True))
    if not board.present.issuperset(targets):
        _run(board, worker, cache, skip, events, threads, on_stop)
    if scope:
        _explain(board, cache, scope, skip)
    return Solution(
        {vertex: board.outcomes[vertex] for vertex in board.order if vertex in board.outcomes},
        {vertex: known.key for vertex, known in board.known.items()},
    )


def plan(
    targets: Sequence[Vertex],
    worker: Worker,
    cache: Cache,
    *,
    scope: str = "",
    skip: Callable[[Vertex], bool] = lambda vertex: False,
) -> list[Planned]:
    """What `solve` would do, inputs first; runs nothing and remembers nothing. `reason` and `causes` as in `Explained`."""
    board = _look(targets, worker, cache, skip)
    rows = {place: Explained.from_json(row) for place, row in cache.explained(scope).items() if place} if scope else {}
    _settle(board, worker)
    made: list[Planned] = []
    for vertex in board.order:
        known = board.known.get(vertex)
        if vertex in board.results:
            made.append(Planned(vertex, "cached"))
        elif known is None:
            made.append(Planned(vertex, "unknown"))
        else:
            reason, causes = _why(vertex, known, rows, skip)
            made.append(Planned(vertex, "run", reason, causes))
    return made


def _look(targets: Sequence[Vertex], worker: Worker, cache: Cache, skip: Callable[[Vertex], bool]) -> _Board:
    """What can be told without touching anything: keys, and what the cache has under them."""
    board = _Board(list(walk(targets)), set(targets))
    for vertex in board.order:
        if all(source in board.results for source in vertex.inputs):
            known = _inspect(worker, vertex, board.inputs(vertex), content=False)
            if known is not None:
                board.known[vertex] = known
                found = None if skip(vertex) else cache.find(known.key)
                if found is not None:
                    board.results[vertex] = Result.from_json(found)
    return board


def _inspect(worker: Worker, vertex: Vertex, inputs: Sequence[Result], *, content: bool) -> _Known | None:
    found = worker.inspect(vertex, inputs, content=content)
    if found is None:
        return None
    parts = _flatten(vertex.op.definition)
    for number, (role, result) in enumerate(zip(vertex.roles, inputs, strict=True)):
        if number not in vertex.loose:
            parts[f"input {role or number + 1}"] = result.digest
    parts |= found
    return _Known(key_of(vertex, inputs, found), parts, tuple(result.digest for result in inputs))


def key_of(vertex: Vertex, inputs: Sequence[Result], found: Mapping[str, str]) -> str:
    """The cache key of *vertex* when its inputs gave *inputs* and the worker found *found*."""
    counted = ["" if number in vertex.loose else result.digest for number, result in enumerate(inputs)]
    return digest_of([dict(vertex.op.definition), counted, dict(found)])


def _flatten(definition: Mapping[str, Any]) -> dict[str, str]:
    """Names and short texts, for people: `{"env": {"A": "1"}}` gives `{"env A": "1"}`."""
    made: dict[str, str] = {}
    for name, value in definition.items():
        if isinstance(value, dict):
            for inner, item in value.items():
                made[f"{name} {inner}"] = _short(item)
        else:
            made[name] = _short(value)
    return made


def _short(value: object) -> str:
    if isinstance(value, list | tuple):
        value = " ".join(str(item) for item in value)
    shown = str(value)
    return shown if len(shown) <= PART_LIMIT else digest_of(shown)


def _settle(board: _Board, worker: Worker) -> list[Vertex]:
    """From the targets to the sources: what is there, what is wanted; returns what can run now."""
    for vertex in reversed(board.order):
        if vertex not in board.wanted or vertex in board.present or vertex in board.elsewhere:
            continue
        result = board.results.get(vertex)
        if result is not None and worker.is_present(vertex, result):
            board.present.add(vertex)
        elif result is not None and vertex not in board.missed and worker.can_bring(vertex, result):
            board.elsewhere.add(vertex)
        else:
            board.results.pop(vertex, None)
            board.wanted.update(vertex.inputs)
    return [
        vertex
        for vertex in board.order
        if vertex in board.elsewhere
        or (vertex in board.wanted and vertex not in board.present and board.present.issuperset(vertex.inputs))
    ]


def _run(
    board: _Board,
    worker: Worker,
    cache: Cache,
    skip: Callable[[Vertex], bool],
    events: Sink,
    threads: int,
    on_stop: Callable[[], None],
) -> None:
    from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait

    stop = threading.Event()
    locks: dict[str, threading.Lock] = {}
    guard = threading.Lock()

    def bring(vertex: Vertex, result: Result) -> bool:
        if stop.is_set():
            raise Cancelled(text("the build was stopped"))
        if vertex.name:
            events(Step(vertex.digest, vertex.name, "started"))
        return worker.bring(vertex, result, Task(vertex.digest, events, stop.is_set))

    def job(vertex: Vertex, inputs: list[Result], known: _Known | None) -> tuple[Outcome, _Known]:
        if stop.is_set():
            raise Cancelled(text("the build was stopped"))
        if known is None or known.inputs != tuple(result.digest for result in inputs):
            known = _inspect(worker, vertex, inputs, content=True)
            assert known is not None
        with guard:
            lock = locks.setdefault(known.key, threading.Lock())
        with lock:  # two vertices that turn out to be the same question run once
            found = None if skip(vertex) else cache.find(known.key)
            if found is not None:
                result = Result.from_json(found)
                if worker.is_present(vertex, result):
                    return Outcome(result, cached=True), known
                if vertex not in board.missed and worker.can_bring(vertex, result) and bring(vertex, result):
                    return Outcome(result, cached=True), known
            started = monotonic()
            if vertex.name:
                events(Step(vertex.digest, vertex.name, "started", tuple(source.digest for source in vertex.inputs)))
            try:
                result = worker.execute(vertex, inputs, Task(vertex.digest, events, stop.is_set))
            except BaseException as error:
                state = "cancelled" if isinstance(error, Cancelled | KeyboardInterrupt) else "failed"
                if vertex.name:
                    events(Step(vertex.digest, vertex.name, state, error=str(error)))
                raise
            cache.put(known.key, vertex.digest, vertex.name, result.to_json())
        return Outcome(result, cached=False, seconds=monotonic() - started), known

    pool = ThreadPoolExecutor(max_workers=threads or max(4, os.cpu_count() or 1), thread_name_prefix="teul-solve")
    running: dict[Future[tuple[Outcome, _Known]], Vertex] = {}
    bringing: dict[Future[bool], Vertex] = {}
    failure: BaseException | None = None
    try:
        while True:
            if failure is None:
                busy = {*running.values(), *bringing.values()}
                for vertex in _settle(board, worker):
                    if vertex in busy:
                        continue
                    if vertex in board.elsewhere:
                        bringing[pool.submit(bring, vertex, board.results[vertex])] = vertex
                    else:
                        running[pool.submit(job, vertex, board.inputs(vertex), board.known.get(vertex))] = vertex
            if not running and not bringing:
                break
            pending: set[Future[Any]] = {*running, *bringing}
            done, _ = wait(pending, return_when=FIRST_COMPLETED)
            for future in done:
                error = future.exception()
                if error is not None:
                    running.pop(future, None)
                    bringing.pop(future, None)
                    # What was cancelled because of another failure is not the news.
                    if failure is None or isinstance(failure, Cancelled):
                        failure = error
                    stop.set()
                    on_stop()
                    continue
                if future in bringing:
                    vertex = bringing.pop(future)
                    board.elsewhere.discard(vertex)
                    if not future.result():
                        board.missed.add(vertex)
                        continue
                    outcome = Outcome(board.results[vertex], cached=True)
                else:
                    vertex = running.pop(future)
                    outcome, board.known[vertex] = future.result()
                board.results[vertex] = outcome.result
                board.present.add(vertex)
                board.outcomes[vertex] = outcome
                if vertex.name:
                    events(Step(vertex.digest, vertex.name, "done", cached=outcome.cached))
    except BaseException:
        stop.set()
        on_stop()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    if failure is not None:
        raise failure


def _explain(board: _Board, cache: Cache, scope: str, skip: Callable[[Vertex], bool]) -> None:
    """Remember what changed since the last time; writes nothing when nothing did."""
    before = cache.explained_keys(scope)
    changed = [
        vertex
        for vertex in board.order
        if vertex in board.known
        and (before.get(vertex.place) != board.known[vertex].key or not board.outcomes[vertex].cached)
        and vertex in board.outcomes
    ]
    places = {vertex.place for vertex in board.order}
    gone = [place for place in before if place and place not in places]
    if not changed and not gone:
        return
    rows = {place: Explained.from_json(row) for place, row in cache.explained(scope).items() if place}
    made: dict[str, dict[str, Any]] = {}
    for vertex in changed:
        known, outcome = board.known[vertex], board.outcomes[vertex]
        last = _last(vertex, rows)
        reason, causes = _why(vertex, known, rows, skip)
        if last is not None and outcome.cached and not causes:
            causes, reason = last.causes, last.reason
        made[vertex.place] = Explained(
            known.key, vertex.name, known.parts, "cached" if outcome.cached else "ran", reason, causes, outcome.seconds
        ).to_json()
    cache.explain(scope, made, gone=gone)


def _last(vertex: Vertex, rows: Mapping[str, Explained]) -> Explained | None:
    # An instruction that only moved is compared with itself, not with what stood at its number before.
    if vertex.name:
        for row in rows.values():
            if row.name == vertex.name:
                return row
    return rows.get(vertex.place)


def _why(
    vertex: Vertex, known: _Known, rows: Mapping[str, Explained], skip: Callable[[Vertex], bool]
) -> tuple[str, tuple[Cause, ...]]:
    last = _last(vertex, rows)
    if last is None:
        return "first", ()
    if last.key != known.key:
        return "changed", compare(last.parts, known.parts)
    return ("asked" if skip(vertex) else "gone"), ()


def compare(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[Cause, ...]:
    """The parts that differ, in the order of *after*, then what is gone."""
    return (
        *(Cause(name, before.get(name), value) for name, value in after.items() if before.get(name) != value),
        *(Cause(name, value, None) for name, value in before.items() if name not in after),
    )
