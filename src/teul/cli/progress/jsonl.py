"""Events as JSON lines: `{"time": seconds since 1970, "event": "step", …the record's fields}`. For CI and tests, in English."""

from __future__ import annotations

import json
import os
import threading
import time

from teul.events import Advance, Line, Step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

    from teul.events import Event


class JsonLines:
    """One object per event, flushed at once: whoever tails the stream sees the present."""

    def __init__(self, stream: TextIO, *, now: Callable[[], float] = time.time) -> None:
        self._stream = stream
        self._now = now
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        line = to_line(event, self._now())
        with self._lock:
            self._stream.write(line)
            self._stream.flush()

    def finish(self) -> None:
        """Nothing to end."""


class EventLog:
    """The same lines at the end of a file that several processes may share (one `write` each, `O_APPEND`)."""

    def __init__(self, path: str, *, now: Callable[[], float] = time.time) -> None:
        self._path = path
        self._now = now
        self._lock = threading.Lock()
        self._file = -1

    def __call__(self, event: Event) -> None:
        line = to_line(event, self._now()).encode(errors="replace")
        with self._lock:
            if self._file < 0:
                self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            os.write(self._file, line)

    def finish(self) -> None:
        """Close the file; the next event opens it again."""
        with self._lock:
            if self._file >= 0:
                os.close(self._file)
                self._file = -1


def to_line(event: Event, now: float) -> str:
    """*event* as a JSON object and a line end; *now* in seconds since 1970."""
    record: dict[str, object] = {"time": round(now, 6)}
    if isinstance(event, Step):
        record |= {
            "event": "step",
            "id": event.id,
            "name": str(event.name),
            "state": event.state,
            "parents": list(event.parents),
            "cached": event.cached,
        }
        if event.error:
            record["error"] = str(event.error)
    elif isinstance(event, Advance):
        record |= {
            "event": "advance",
            "id": event.id,
            "current": event.current,
            "total": event.total,
            "unit": event.unit,
        }
        if event.detail:
            record["detail"] = str(event.detail)
    elif isinstance(event, Line):
        record |= {
            "event": "line",
            "id": event.id,
            "stream": event.stream,
            "data": event.data.decode(errors="replace"),
        }
    else:
        record |= {"event": "warn", "id": event.id, "code": event.code, "message": str(event.message)}
        if event.span is not None:
            record["span"] = str(event.span)
    return json.dumps(record, ensure_ascii=False) + "\n"
