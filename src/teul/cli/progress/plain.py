"""Numbered lines as BuildKit's `--progress=plain` writes them, for CI logs and pipes.

::

    #3 [2/5] RUN pip install -r requirements.txt
    #3 0.512 Collecting catboost
    #3 DONE 1.2s

    #4 [3/5] COPY . .
    #4 CACHED
"""

from __future__ import annotations

import threading
import time

from teul.cli.units import elapsed, human_size
from teul.cli.width import printable
from teul.events import Advance, Line, Step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

    from teul.events import Event, Warn

_ADVANCE_EVERY_S = 1.0


class _Entry:
    __slots__ = ("advanced", "name", "number", "partial", "shown", "started")

    def __init__(self, number: int, started: float) -> None:
        self.number = number
        self.started = started
        self.name = ""
        self.shown = ""
        self.partial: dict[str, bytes] = {}
        self.advanced: dict[str, tuple[float, int]] = {}


class Plain:
    """Never redraws; a step whose lines are interrupted by another's says its name again."""

    def __init__(
        self, stream: TextIO, translate: Callable[[str], str] = str, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stream = stream
        self._translate = translate
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: dict[str, _Entry] = {}
        self._last: _Entry | None = None

    def __call__(self, event: Event) -> None:
        with self._lock:
            now = self._clock()
            entry = self._entries.get(event.id)
            if entry is None:
                entry = self._entries[event.id] = _Entry(len(self._entries) + 1, now)
            if isinstance(event, Step):
                self._step(entry, event, now)
            elif isinstance(event, Line):
                self._line(entry, event, now)
            elif isinstance(event, Advance):
                self._advance(entry, event, now)
            else:
                self._warn(entry, event)
            self._stream.flush()

    def finish(self) -> None:
        """Write what a line without an end still holds."""
        with self._lock:
            for entry in self._entries.values():
                self._flush(entry, self._clock())
            self._stream.flush()

    def _step(self, entry: _Entry, step: Step, now: float) -> None:
        entry.name = printable(self._translate(step.name)) or entry.name
        if step.state == "started":
            entry.started = now
            self._head(entry)
            return
        self._flush(entry, now)
        self._head(entry)
        took = elapsed(now - entry.started)
        if step.cached:
            self._put(entry, "CACHED")
        elif step.state == "done":
            self._put(entry, f"DONE {took}")
        elif step.state == "cancelled":
            self._put(entry, "CANCELED")
        else:
            self._put(entry, f"ERROR: {printable(self._translate(step.error)) or took}")
        entry.shown = ""
        self._stream.write("\n")
        self._last = None

    def _line(self, entry: _Entry, line: Line, now: float) -> None:
        held = entry.partial.pop(line.stream, b"") + line.data
        *whole, rest = held.split(b"\n")
        for piece in whole:
            self._head(entry)
            self._put(entry, f"{now - entry.started:.3f} {printable(piece.decode(errors='replace'))}".rstrip())
        if rest:
            entry.partial[line.stream] = rest

    def _flush(self, entry: _Entry, now: float) -> None:
        for piece in entry.partial.values():
            self._head(entry)
            self._put(entry, f"{now - entry.started:.3f} {printable(piece.decode(errors='replace'))}".rstrip())
        entry.partial.clear()

    def _advance(self, entry: _Entry, advance: Advance, now: float) -> None:
        detail = printable(self._translate(advance.detail))
        when, was = entry.advanced.get(detail, (now if advance.current < advance.total else 0.0, -1))
        is_whole = 0 < advance.total <= advance.current
        if advance.current == was or (now - when < _ADVANCE_EVERY_S and not is_whole):
            entry.advanced.setdefault(detail, (when, was))
            return
        entry.advanced[detail] = (now, advance.current)
        self._head(entry)
        self._put(entry, " ".join(part for part in (detail, amount(advance), elapsed(now - entry.started)) if part))

    def _warn(self, entry: _Entry, warn: Warn) -> None:
        place = f" ({warn.span})" if warn.span is not None else ""
        if not entry.name:
            # A warning of nothing in particular needs no step of its own.
            self._leave(None)
            self._stream.write(f"WARN: {printable(self._translate(warn.message))}{place}\n")
            return
        self._head(entry)
        self._put(entry, f"WARN: {printable(self._translate(warn.message))}{place}")

    def _leave(self, entry: _Entry | None) -> None:
        if self._last is not None and self._last is not entry:
            self._put(self._last, "...")
            self._last.shown = ""
            self._stream.write("\n")
            self._last = None

    def _head(self, entry: _Entry) -> None:
        self._leave(entry)
        if entry.shown != entry.name or self._last is None:
            self._put(entry, entry.name or "...")
            entry.shown = entry.name
        self._last = entry

    def _put(self, entry: _Entry, words: str) -> None:
        self._stream.write(f"#{entry.number} {words}\n")


def amount(advance: Advance) -> str:
    """`3.15MB / 29.1MB`, `120 / 9000 files`, `4.2MB`."""
    if advance.unit == "bytes":
        current, total, unit = human_size(advance.current), human_size(advance.total), ""
    else:
        current, total, unit = str(advance.current), str(advance.total), f" {advance.unit}" if advance.unit else ""
    return f"{current} / {total}{unit}" if advance.total else f"{current}{unit}"
