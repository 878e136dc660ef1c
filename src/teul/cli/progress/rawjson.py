"""Events as BuildKit's `--progress rawjson`: one object a line with `vertexes`, `statuses`, `logs` or `warnings`.

Source: BuildKit, client/graph.go (SolveStatus, Vertex, VertexStatus, VertexLog, VertexWarning).
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time

from teul.events import Advance, Line, Step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

    from teul.events import Event

STREAMS = {"stdout": 1, "stderr": 2}


class RawJson:
    """One object per event, flushed at once."""

    def __init__(self, stream: TextIO, *, now: Callable[[], int] = time.time_ns) -> None:
        self._stream = stream
        self._now = now
        self._lock = threading.Lock()
        self._started: dict[str, str] = {}

    def __call__(self, event: Event) -> None:
        with self._lock:
            record = self._record(event, rfc3339(self._now()))
            self._stream.write(json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n")
            self._stream.flush()

    def finish(self) -> None:
        """Nothing to end."""

    def _record(self, event: Event, now: str) -> dict[str, object]:
        if isinstance(event, Step):
            started = self._started.setdefault(event.id, now)
            if event.parents:
                status: dict[str, object] = {
                    "id": str(event.name), "vertex": digest(event.parents[0]), "timestamp": now, "started": started,
                }  # fmt: skip
                return {"statuses": [status | ({} if event.state == "started" else {"completed": now})]}
            vertex: dict[str, object] = {"digest": digest(event.id), "name": str(event.name), "started": started}
            if event.state != "started":
                vertex["completed"] = now
            if event.cached:
                vertex["cached"] = True
            if event.error:
                vertex["error"] = str(event.error)
            return {"vertexes": [vertex]}
        vertex_digest = digest(event.id)
        if isinstance(event, Advance):
            made = {"id": str(event.detail or event.unit), "vertex": vertex_digest, "current": event.current}
            return {"statuses": [made | ({"total": event.total} if event.total else {}) | {"timestamp": now}]}
        if isinstance(event, Line):
            data = base64.b64encode(event.data).decode()
            log = {"vertex": vertex_digest, "stream": STREAMS.get(event.stream, 1), "data": data, "timestamp": now}
            return {"logs": [log]}
        short = base64.b64encode(str(event.message).encode(errors="replace")).decode()
        warning: dict[str, object] = {"vertex": vertex_digest, "level": 1, "short": short}
        if event.span is not None:
            place = {"line": event.span.line, "character": max(event.span.column - 1, 0)}
            warning["sourceInfo"] = {"filename": event.span.path}
            warning["range"] = [{"start": place, "end": place}]
        return {"warnings": [warning]}


def digest(identity: str) -> str:
    """A vertex's name in the stream: the same for the same step."""
    return "sha256:" + hashlib.sha256(identity.encode(errors="replace")).hexdigest()


def rfc3339(time_ns: int) -> str:
    """With nanoseconds, in UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time_ns // 10**9)) + f".{time_ns % 10**9:09d}Z"
