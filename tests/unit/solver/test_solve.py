from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from suites.cache import CacheSuite
from teul.errors import BuildStepFailed, Cancelled
from teul.events import Event, Step
from teul.solver import Cache, Cause, Explained, Result, Task, Vertex, solve, walk
from teul.testing.cache import MemoryCache


class TestMemoryCache(CacheSuite):
    def make(self) -> Cache:
        return MemoryCache()


@dataclass(frozen=True)
class Say:
    word: str

    @property
    def definition(self) -> Mapping[str, Any]:
        return {"word": self.word}


class Joiner:
    """Joins the words of a vertex and its inputs; `files` are what a vertex reads besides, by word."""

    def __init__(self) -> None:
        self.files: dict[str, str] = {}
        self.log: list[str] = []
        self.lost: set[str] = set()
        self.needs_content: set[str] = set()
        self.failing: set[str] = set()
        self.barrier: threading.Barrier | None = None
        self.suffix = ""
        self.offered: set[str] = set()
        self.brought: list[str] = []
        self.torn: set[str] = set()

    def inspect(self, vertex: Vertex, inputs: Sequence[Result], *, content: bool) -> Mapping[str, str] | None:
        word = vertex.op.definition["word"]
        if word in self.needs_content and not content:
            return None
        return {f"file {word}": self.files[word]} if word in self.files else {}

    def is_present(self, vertex: Vertex, result: Result) -> bool:
        return result.digest not in self.lost

    def can_bring(self, vertex: Vertex, result: Result) -> bool:
        return result.digest in self.offered

    def bring(self, vertex: Vertex, result: Result, task: Task) -> bool:
        if result.digest in self.torn:
            return False
        self.brought.append(result.digest)
        self.lost.discard(result.digest)
        return True

    def execute(self, vertex: Vertex, inputs: Sequence[Result], task: Task) -> Result:
        word = vertex.op.definition["word"]
        if word in self.failing:
            raise BuildStepFailed(f"{word} failed")
        if self.barrier is not None and not vertex.inputs:
            self.barrier.wait(5)
        self.log.append(word)
        made = "+".join([*(result.digest for result in inputs), word + self.files.get(word, "") + self.suffix])
        self.lost.discard(made)
        return Result(made)


def say(word: str, *inputs: Vertex, place: str = "") -> Vertex:
    return Vertex(Say(word), inputs, name=word, place=place)


def test_inputs_run_before_those_who_use_them_and_the_result_is_theirs() -> None:
    worker = Joiner()
    base = say("base")
    top = say("top", say("middle", base), base)

    solution = solve([top], worker, MemoryCache())

    assert worker.log == ["base", "middle", "top"]
    assert solution.result(top).digest == "base+middle+base+top"


def test_a_second_solve_runs_nothing_and_says_cached_for_every_step() -> None:
    worker, cache = Joiner(), MemoryCache()
    top = say("top", say("base"))
    solve([top], worker, cache)
    worker.log.clear()
    heard: list[Event] = []

    solution = solve([top], worker, cache, events=heard.append)

    assert worker.log == []
    assert solution.ran == ()
    assert [(step.name, step.cached) for step in heard if isinstance(step, Step)] == [("base", True), ("top", True)]


def test_equal_vertices_run_once() -> None:
    worker = Joiner()

    solve([say("top", say("a", say("x")), say("b", say("x")))], worker, MemoryCache())

    assert worker.log.count("x") == 1


def test_what_no_target_needs_never_runs() -> None:
    worker = Joiner()
    base = say("base")
    say("unused", base)

    solve([say("used", base)], worker, MemoryCache())

    assert worker.log == ["base", "used"]


def test_independent_vertices_run_at_the_same_time() -> None:
    worker = Joiner()
    worker.barrier = threading.Barrier(2)

    solve([say("top", say("a"), say("b"))], worker, MemoryCache())

    assert {"a", "b"} == set(worker.log[:2])


def test_a_changed_file_runs_its_vertex_and_those_above_and_no_other() -> None:
    worker, cache = Joiner(), MemoryCache()
    base = say("base")
    top = say("top", say("copy", base), say("other", base))
    worker.files["copy"] = "1"
    solve([top], worker, cache)
    worker.log.clear()
    worker.files["copy"] = "2"

    solve([top], worker, cache)

    assert worker.log == ["copy", "top"]


def test_a_vertex_that_ran_but_gave_the_same_stops_the_change() -> None:
    worker, cache = Joiner(), MemoryCache()
    solve([say("top", say("base"))], worker, cache)
    worker.log.clear()

    class SameResult(Joiner):
        def execute(self, vertex: Vertex, inputs: Sequence[Result], task: Task) -> Result:
            super().execute(vertex, inputs, task)
            return Result("base" if vertex.name == "base2" else "+".join([*(r.digest for r in inputs), vertex.name]))

    other = SameResult()
    solution = solve([say("top", say("base2"))], other, cache)

    assert other.log == ["base2"]
    assert [vertex.name for vertex in solution.ran] == ["base2"]


def test_a_result_that_was_lost_is_made_again_with_all_that_it_needs() -> None:
    worker, cache = Joiner(), MemoryCache()
    top = say("top", say("middle", say("base")))
    solve([top], worker, cache)
    worker.log.clear()
    worker.lost = {"base+middle+top", "base+middle"}

    solve([top], worker, cache)

    assert worker.log == ["middle", "top"]


def test_a_lost_result_below_one_that_is_there_is_not_missed() -> None:
    worker, cache = Joiner(), MemoryCache()
    top = say("top", say("base"))
    solve([top], worker, cache)
    worker.log.clear()
    worker.lost = {"base"}

    solve([top], worker, cache)

    assert worker.log == []


def test_a_vertex_whose_key_takes_content_is_still_found_in_the_cache() -> None:
    worker, cache = Joiner(), MemoryCache()
    worker.needs_content = {"top"}
    top = say("top", say("base"))
    solve([top], worker, cache)
    worker.log.clear()

    solution = solve([top], worker, cache)

    assert worker.log == []
    assert solution.outcomes[top].cached


def test_skip_runs_what_the_cache_knows() -> None:
    worker, cache = Joiner(), MemoryCache()
    top = say("top", say("base"))
    solve([top], worker, cache)
    worker.log.clear()

    solve([top], worker, cache, skip=lambda vertex: vertex.name == "top")

    assert worker.log == ["top"]


def test_a_failure_is_raised_and_what_succeeded_is_kept() -> None:
    worker, cache = Joiner(), MemoryCache()
    worker.failing = {"top"}
    heard: list[Event] = []
    with pytest.raises(BuildStepFailed):
        solve([say("top", say("base"))], worker, cache, events=heard.append)
    assert "failed" in [step.state for step in heard if isinstance(step, Step)]
    worker.failing = set()
    worker.log.clear()

    solve([say("top", say("base"))], worker, cache)

    assert worker.log == ["top"]


def test_a_failure_stops_the_others_and_is_the_error_that_is_raised() -> None:
    class Waiting(Joiner):
        def execute(self, vertex: Vertex, inputs: Sequence[Result], task: Task) -> Result:
            if vertex.name == "slow":
                for _ in range(5000):
                    if task.should_stop():
                        raise Cancelled("stopped")
                    threading.Event().wait(0.001)
            return super().execute(vertex, inputs, task)

    worker = Waiting()
    worker.failing = {"quick"}

    with pytest.raises(BuildStepFailed):
        solve([say("top", say("slow"), say("quick"))], worker, MemoryCache())


def rows(cache: MemoryCache) -> dict[str, Explained]:
    return {place: Explained.from_json(row) for place, row in cache.explained("s").items()}


def test_the_first_time_is_explained_as_the_first() -> None:
    cache = MemoryCache()

    solve([say("a")], Joiner(), cache, scope="s")

    assert (rows(cache)["a"].state, rows(cache)["a"].reason, rows(cache)["a"].causes) == ("ran", "first", ())


def test_a_changed_file_is_named_and_so_is_the_input_above_it() -> None:
    worker, cache = Joiner(), MemoryCache()
    worker.files["copy"] = "1"
    top = say("top", say("copy"))
    solve([top], worker, cache, scope="s")
    worker.files["copy"] = "2"

    solve([top], worker, cache, scope="s")

    assert (Cause("file copy", "1", "2"),) == rows(cache)["copy"].causes
    assert (Cause("input 1", "copy1", "copy2"),) == rows(cache)["top"].causes


def test_a_solve_that_finds_everything_writes_nothing() -> None:
    worker, cache = Joiner(), MemoryCache()
    solve([say("top", say("base"))], worker, cache, scope="s")

    class Strict(MemoryCache):
        def put(self, key: str, vertex: str, name: str, result: Mapping[str, Any]) -> None:
            raise AssertionError

        def explain(self, scope: str, rows: Mapping[str, Mapping[str, Any]], *, gone: Sequence[str] = ()) -> None:
            raise AssertionError

    strict = Strict()
    strict.results, strict.rows = cache.results, cache.rows

    solve([say("top", say("base"))], worker, strict, scope="s")


def test_a_changed_definition_is_compared_with_what_stood_at_its_place() -> None:
    worker, cache = Joiner(), MemoryCache()
    solve([say("old", place="1")], worker, cache, scope="s")

    solve([say("new", place="1")], worker, cache, scope="s")

    assert (Cause("word", "old", "new"),) == rows(cache)["1"].causes


def test_a_lost_result_is_explained_as_gone() -> None:
    worker, cache = Joiner(), MemoryCache()
    solve([say("a")], worker, cache, scope="s")
    worker.lost = {"a"}

    solve([say("a")], worker, cache, scope="s")

    assert (rows(cache)["a"].state, rows(cache)["a"].reason) == ("ran", "gone")


def test_places_that_left_the_graph_are_forgotten() -> None:
    worker, cache = Joiner(), MemoryCache()
    solve([say("b", say("a"))], worker, cache, scope="s")

    solve([say("a")], worker, cache, scope="s")

    assert list(rows(cache)) == ["a"]


def test_walk_gives_inputs_first_and_each_once() -> None:
    base = say("base")
    left, right = say("left", base), say("right", base)

    assert [vertex.name for vertex in walk([say("top", left, right)])] == ["base", "left", "right", "top"]


def test_a_vertex_is_equal_by_definition_and_inputs_not_by_name() -> None:
    assert Vertex(Say("a"), name="x") == Vertex(Say("a"), name="y")
    assert say("b", say("a")) != say("b", say("c"))


def test_what_is_elsewhere_is_brought_and_nothing_below_it_is_touched() -> None:
    worker, cache = Joiner(), MemoryCache()
    top = say("top", say("middle", say("base")))
    solve([top], worker, cache)
    worker.log.clear()
    worker.lost = {"base", "base+middle", "base+middle+top"}
    worker.offered = {"base+middle+top", "base+middle"}

    solution = solve([top], worker, cache)

    assert worker.log == []
    assert worker.brought == ["base+middle+top"]
    assert solution.ran == ()


def test_what_cannot_be_brought_after_all_runs_on_what_can() -> None:
    worker, cache = Joiner(), MemoryCache()
    top = say("top", say("middle", say("base")))
    solve([top], worker, cache)
    worker.log.clear()
    worker.lost = {"base", "base+middle", "base+middle+top"}
    worker.offered = {"base+middle+top", "base+middle"}
    worker.torn = {"base+middle+top"}

    solution = solve([top], worker, cache)

    assert worker.brought == ["base+middle"]
    assert worker.log == ["top"]
    assert [vertex.name for vertex in solution.ran] == ["top"]


def test_what_is_brought_comes_while_other_stages_run() -> None:
    class Meeting(Joiner):
        met = threading.Barrier(2)

        def bring(self, vertex: Vertex, result: Result, task: Task) -> bool:
            self.met.wait(5)
            return super().bring(vertex, result, task)

        def execute(self, vertex: Vertex, inputs: Sequence[Result], task: Task) -> Result:
            if vertex.name == "right":
                self.met.wait(5)
            return super().execute(vertex, inputs, task)

    cache = MemoryCache()
    left = say("left")
    solve([left], Joiner(), cache)
    worker = Meeting()
    worker.lost, worker.offered = {"left"}, {"left"}

    solve([say("top", left, say("right"))], worker, cache)

    assert worker.log == ["right", "top"]
