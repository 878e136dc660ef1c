"""Events as JSON lines: `{"time": seconds since 1970, "event": "step", …the record's fields}`. For CI and tests, in English."""

from __future__ import annotations

import json
import threading
import time

from teul.events import Advance, Line, Step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

    from teul.events import Event


class JsonLines:
    """One object per event, flushed at once: whoever tails the file sees the present."""

    def __init__(self, stream: TextIO, *, now: Callable[[], float] = time.time) -> None:
        self._stream = stream
        self._now = now
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        record: dict[str, object] = {"time": round(self._now(), 6)}
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
            record |= {
                "event": "warn",
                "id": event.id,
                "code": event.code,
                "message": str(event.message),
            }
            if event.span is not None:
                record["span"] = str(event.span)
        with self._lock:
            self._stream.write(json.dumps(record, ensure_ascii=False) + "\n")
            self._stream.flush()

    def finish(self) -> None:
        """Nothing to end."""
