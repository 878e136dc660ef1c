"""What a route is: method, path, fields, who may, and the function that answers. Must not know HTTP's plumbing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from teul.ml.tracking.access import Grant
from teul.ml.tracking.artifact_content import ArtifactContent
from teul.ml.tracking.database import Database
from teul.ml.tracking.wire import Field


@dataclass(frozen=True, slots=True)
class Call:
    """One request, read and let in. *values* holds the fields that were given, path parameters among them."""

    db: Database
    content: ArtifactContent
    grant: Grant
    values: Mapping[str, Any]

    def string(self, name: str) -> str:
        """The field, "" when it is absent."""
        value: str = self.values.get(name, "")
        return value

    def strings(self, name: str) -> list[str]:
        value: list[str] = self.values.get(name, [])
        return value

    def messages(self, name: str) -> list[dict[str, Any]]:
        value: list[dict[str, Any]] = self.values.get(name, [])
        return value

    def integer(self, name: str, default: int = 0) -> int:
        value: int = self.values.get(name, default)
        return value

    def optional_integer(self, name: str) -> int | None:
        return self.values.get(name)

    def pairs(self, name: str) -> list[tuple[str, str]]:
        """A list of `{"key": …, "value": …}`; an absent value is ""."""
        return [(item.get("key", ""), item.get("value", "")) for item in self.messages(name)]


Answer = Mapping[str, object]
Handler = Callable[[Call], Answer]


@dataclass(frozen=True, slots=True)
class Route:
    """*path* is below `/api/2.0/mlflow/`; `<name>` in it is one path segment.

    A route that writes runs inside a write transaction, together with others, and is answered after the commit. Where
    *together* is given, requests for this route that came together are handled by it at once, all or none of them; when
    that fails they are handled one by one, each as a list of one, so that each gets its own answer.
    """

    method: str
    path: str
    handler: Handler
    fields: tuple[Field, ...] = ()
    writes: bool = field(default=False)
    together: Callable[[Sequence[Call]], Sequence[Answer]] | None = None


EMPTY: Answer = {}
