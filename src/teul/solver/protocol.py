"""What the solver asks of its two neighbours: a worker that knows the ops, a cache that remembers. No implementation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from teul.solver.graph import Result, Vertex

if TYPE_CHECKING:
    from teul.events import Sink


@dataclass(frozen=True, slots=True)
class Task:
    """What an op gets besides its inputs; *id* is the step's in the events."""

    id: str
    events: Sink
    should_stop: Callable[[], bool]


class Worker(Protocol):
    """Knows what the ops mean. Called from several threads at once."""

    def inspect(self, vertex: Vertex, inputs: Sequence[Result], *, content: bool) -> Mapping[str, str] | None:
        """What the outcome depends on besides definition and inputs, by name: the digests of the files it reads.

        With `content=False` only the inputs' digests may be used (what they stand for may be gone), it is called
        on the caller's thread and should be quick; None says that it takes the content to tell.
        """

    def is_present(self, vertex: Vertex, result: Result) -> bool:
        """Whether what a remembered result stands for is still there."""

    def can_bring(self, vertex: Vertex, result: Result) -> bool:
        """Whether what is not here can be had from elsewhere (an imported cache); asked on the caller's thread."""

    def bring(self, vertex: Vertex, result: Result, task: Task) -> bool:
        """Get it; False when it cannot be had after all, which is never an error: the op runs then."""

    def execute(self, vertex: Vertex, inputs: Sequence[Result], task: Task) -> Result:
        """Do it. Whatever is left behind by an exception must not be taken for a result by anyone."""


class Cache(Protocol):
    """Remembers results by key, and the parts of keys by scope and place. Safe for several threads."""

    def find(self, key: str) -> Mapping[str, Any] | None: ...
    def put(self, key: str, vertex: str, name: str, result: Mapping[str, Any]) -> None: ...
    def explained_keys(self, scope: str) -> Mapping[str, str]:
        """Place → the key it had the last time."""

    def explained(self, scope: str) -> Mapping[str, Mapping[str, Any]]:
        """Place → `Explained.to_json()`."""

    def explain(self, scope: str, rows: Mapping[str, Mapping[str, Any]], *, gone: Sequence[str]) -> None:
        """Replace these rows, and forget the places in *gone*."""
