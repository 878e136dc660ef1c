"""Vertices, ops and results as frozen values. Must not run or store anything."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Protocol

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any


class Op(Protocol):
    """What is to be done, as data. The solver never looks inside."""

    @property
    def definition(self) -> Mapping[str, Any]:
        """All that the outcome depends on besides inputs, as JSON values; read only, and the same for equal ops.

        The names are shown by `why`: `{"command": "pip install x", "env": {"A": "1"}}`.
        """


def digest_of(value: object) -> str:
    """The sha256 of *value* as canonical JSON."""
    data = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return "sha256:" + hashlib.sha256(data.encode("utf-8", "surrogateescape")).hexdigest()


@dataclass(frozen=True, slots=True)
class Result:
    """What a vertex gave: *digest* stands for its content in the keys of those who use it, *data* finds it again."""

    digest: str
    data: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {"digest": self.digest, "data": dict(self.data)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Result:
        return cls(str(value["digest"]), value["data"])


class Vertex:
    """An op, and the vertices whose results it takes, in order. Immutable; equal when digest is equal."""

    __slots__ = ("digest", "inputs", "loose", "name", "op", "place", "roles")

    digest: str
    inputs: tuple[Vertex, ...]

    def __init__(
        self,
        op: Op,
        inputs: Sequence[Vertex] = (),
        *,
        name: str = "",
        place: str = "",
        roles: Sequence[str] = (),
        loose: Sequence[int] = (),
    ) -> None:
        """Put it together; the digest is taken once.

        Args:
            name: what a person reads (`[builder 2/5] RUN pip install …`).
            place: names the vertex among its graph's, the same when its definition changes (`builder 2`);
                "" for the name. What the last build had at this place is what `why` compares with.
            roles: what each input is to this vertex (`base`, `dataset`); "" or missing for "input N".
            loose: the numbers (from 0) of inputs whose digests do not count in the key, because what the worker finds
                when it inspects the vertex says all that is taken from them.
        """
        self.op = op
        self.inputs = tuple(inputs)
        self.name = name
        self.place = place or name
        self.loose = frozenset(loose)
        self.roles = tuple(roles) + ("",) * (len(self.inputs) - len(roles))
        self.digest = digest_of([dict(op.definition), [vertex.digest for vertex in self.inputs]])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vertex) and other.digest == self.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        return f"Vertex({self.name or self.digest!r})"


def walk(targets: Sequence[Vertex]) -> Iterator[Vertex]:
    """Every vertex that *targets* need, each once, inputs before those who use them."""
    seen: set[Vertex] = set()
    stack: list[tuple[Vertex, bool]] = [(target, False) for target in reversed(targets)]
    while stack:
        vertex, done = stack.pop()
        if done:
            yield vertex
        elif vertex not in seen:
            seen.add(vertex)
            stack.append((vertex, True))
            stack.extend((source, False) for source in reversed(vertex.inputs) if source not in seen)
