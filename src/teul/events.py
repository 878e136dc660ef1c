"""Progress as records: what a long operation says while it runs. Must not print, format or know who listens.

Producers take `events: Sink = silent`; the sink puts the time on, so producers stay pure.
After BuildKit's client/graph.go (Vertex, VertexStatus, VertexLog, VertexWarning).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from dataclasses import dataclass

    from teul.errors import Span
else:
    from teul.values import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """Something with a beginning and an end. `state` is "started", "done", "failed" or "cancelled"."""

    id: str
    name: str
    state: str
    parents: tuple[str, ...] = ()
    cached: bool = False
    error: str = ""


@dataclass(frozen=True, slots=True)
class Advance:
    """How far step *id* is; `total` is 0 while unknown; `unit` is "bytes", "files" or ""."""

    id: str
    current: int
    total: int = 0
    unit: str = "bytes"
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """Output of step *id*; `stream` is "stdout" or "stderr"; `data` may hold several lines or a part of one."""

    id: str
    stream: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Warn:
    """Something the user should know; *code* is kebab-case and stable."""

    id: str
    code: str
    message: str
    span: Span | None = None


Event = Step | Advance | Line | Warn
if TYPE_CHECKING:
    Sink = Callable[[Event], None]
else:
    # Annotations are never evaluated; the name is there for whoever imports it at run time.
    Sink = object


def silent(event: Event) -> None:
    """The sink that hears nothing."""
