"""Progress on a terminal: what is finished scrolls up and stays, what runs is redrawn below it with its time.

::

    [+] Building 12.3s (4/7)
     => CACHED [1/5] FROM python:3.11-slim                                              0.0s
     => [2/5] RUN pip install -r requirements.txt                                      11.9s
     => => # Collecting catboost==1.2.5
     => => catboost-1.2.5-cp311-cp311-manylinux2014_x86_64.whl 41.9MB / 98.2MB

A finished step is written once and never touched again, so at any moment without a running step the cursor stands
at the beginning of an empty line, and a command needs no call to end the display.
"""

from __future__ import annotations

import threading
import time
from collections import deque

from teul.cli.progress.plain import amount
from teul.cli.units import elapsed
from teul.cli.width import cut, pad, printable, width
from teul.events import Advance, Line, Step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

    from teul.events import Event, Warn

_REDRAW_S = 0.1
_OUTPUT_LINES = 6
_KEPT_LINES = 40
_TIME_COLUMNS = 8

_BLUE, _RED, _YELLOW, _DIM, _PLAIN = "\x1b[34m", "\x1b[31m", "\x1b[33m", "\x1b[2m", "\x1b[0m"


class _Running:
    __slots__ = ("advances", "lines", "name", "partial", "started")

    def __init__(self, started: float) -> None:
        self.started = started
        self.name = ""
        self.lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self.partial: dict[str, bytes] = {}
        self.advances: dict[str, Advance] = {}


class Terminal:
    """Draws on *stream*; *size* gives columns and rows at each redraw, so a resized window is followed."""

    def __init__(
        self,
        stream: TextIO,
        translate: Callable[[str], str] = str,
        *,
        title: str = "",
        has_color: bool = True,
        clock: Callable[[], float] = time.monotonic,
        size: Callable[[], tuple[int, int]] = lambda: (80, 24),
        is_ticking: bool = True,
    ) -> None:
        self._stream = stream
        self._translate = translate
        self._title = title
        self._has_color = has_color
        self._clock = clock
        self._size = size
        self._is_ticking = is_ticking
        self._lock = threading.Lock()
        self._running: dict[str, _Running] = {}
        self._seen: set[str] = set()
        self._done: set[str] = set()
        self._drawn = 0
        self._began = clock()
        self._drawn_at = 0.0
        self._wake = threading.Event()
        self._ticker: threading.Thread | None = None

    def __call__(self, event: Event) -> None:
        with self._lock:
            now = self._clock()
            if isinstance(event, Step):
                self._step(event, now)
            elif isinstance(event, Line):
                self._line(event, now)
            elif isinstance(event, Advance):
                self._entry(event.id, now).advances[event.detail] = event
                self._redraw(now)
            else:
                self._warn(event, now)
        if self._running and self._is_ticking and self._ticker is None:
            self._wake.clear()
            self._ticker = threading.Thread(target=self._tick, name="teul-progress", daemon=True)
            self._ticker.start()

    def finish(self) -> None:
        """Clear what is redrawn; steps that never ended are written as they stand."""
        self._wake.set()
        ticker, self._ticker = self._ticker, None
        if ticker is not None and ticker is not threading.current_thread():
            ticker.join(1.0)
        with self._lock:
            now = self._clock()
            self._erase()
            for entry in self._running.values():
                if entry.name:
                    self._put(self._row(entry.name, now - entry.started), "")
            self._running.clear()
            self._stream.flush()

    def _tick(self) -> None:
        while not self._wake.wait(_REDRAW_S):
            with self._lock:
                if not self._running:
                    self._ticker = None
                    return
                self._redraw(self._clock(), is_forced=True)

    def _entry(self, step: str, now: float) -> _Running:
        entry = self._running.get(step)
        if entry is None:
            entry = self._running[step] = _Running(now)
            self._seen.add(step)
        return entry

    def _step(self, step: Step, now: float) -> None:
        entry = self._entry(step.id, now)
        entry.name = printable(self._translate(step.name)) or entry.name
        if step.state == "started":
            entry.started = now
            self._redraw(now, is_forced=True)
            return
        del self._running[step.id]
        self._done.add(step.id)
        self._erase()
        took = now - entry.started
        if step.cached:
            self._put(self._row(f"CACHED {entry.name}", took), _BLUE)
        elif step.state == "done":
            self._put(self._row(entry.name, took), _BLUE)
        elif step.state == "cancelled":
            self._put(self._row(f"CANCELED {entry.name}", took), _YELLOW)
        else:
            self._put(self._row(f"ERROR {entry.name}", took), _RED)
            self._failed(entry)
        self._draw(now)

    def _failed(self, entry: _Running) -> None:
        """What the step said last stays on the screen."""
        for piece in entry.partial.values():
            entry.lines.append(printable(piece.decode(errors="replace")))
        if entry.lines:
            self._put("------", "")
            self._put(f" > {entry.name}:", "")
            for line in entry.lines:
                self._put(line, "")
            self._put("------", "")

    def _line(self, line: Line, now: float) -> None:
        entry = self._entry(line.id, now)
        *whole, rest = (entry.partial.pop(line.stream, b"") + line.data).split(b"\n")
        for piece in whole:
            shown = printable(piece.decode(errors="replace")).rstrip()
            if shown:
                entry.lines.append(shown)
        if rest:
            entry.partial[line.stream] = rest
        self._redraw(now)

    def _warn(self, warn: Warn, now: float) -> None:
        self._erase()
        place = f" ({warn.span})" if warn.span is not None else ""
        self._put(f" => WARN: {printable(self._translate(warn.message))}{place}", _YELLOW)
        self._draw(now)

    def _redraw(self, now: float, *, is_forced: bool = False) -> None:
        """Draw again, unless that was done a moment ago."""
        if is_forced or now - self._drawn_at >= _REDRAW_S:
            self._erase()
            self._draw(now)

    def _erase(self) -> None:
        if self._drawn:
            # Up to the first line that was drawn, then clear to the end of the screen (ECMA-48 CPL, ED).
            self._stream.write(f"\x1b[{self._drawn}F\x1b[0J")
            self._drawn = 0

    def _draw(self, now: float) -> None:
        self._drawn_at = now
        if not self._running:
            self._stream.flush()
            return
        columns, rows = self._size()
        title = self._title or "Working"
        heading = f"[+] {title} {elapsed(now - self._began)} ({len(self._done)}/{len(self._seen)})"
        drawn = [cut(heading, columns - 1)]
        for entry in self._running.values():
            drawn.append(self._row(entry.name or "…", now - entry.started))
            drawn += [self._dim(f" => => # {line}", columns) for line in list(entry.lines)[-_OUTPUT_LINES:]]
            drawn += [
                self._bar(advance, columns)
                for advance in entry.advances.values()
                if not 0 < advance.total <= advance.current
            ][-_OUTPUT_LINES:]
        if len(drawn) > rows - 1:
            # More than the window holds cannot be erased again; the latest matters most.
            drawn = drawn[:1] + drawn[len(drawn) - (rows - 2) :]
        for line in drawn:
            self._stream.write(line + "\n")
        self._drawn = len(drawn)
        self._stream.flush()

    def _row(self, name: str, seconds: float) -> str:
        columns = self._size()[0]
        took = elapsed(seconds)
        room = columns - max(_TIME_COLUMNS, len(took) + 1) - 1
        return pad(cut(f" => {name}", room), room) + took.rjust(columns - room - 1)

    def _bar(self, advance: Advance, columns: int) -> str:
        detail = printable(self._translate(advance.detail))
        shown = amount(advance)
        if advance.total and columns >= 60:
            filled = min(20, 20 * advance.current // advance.total)
            shown = f"[{'=' * filled}{' ' * (20 - filled)}] {shown}"
        room = columns - 1 - width(shown) - len(" => =>  ")
        return cut(f" => => {cut(detail, room)} {shown}" if detail else f" => => {shown}", columns - 1)

    def _dim(self, line: str, columns: int) -> str:
        line = cut(line, columns - 1)
        return f"{_DIM}{line}{_PLAIN}" if self._has_color else line

    def _put(self, line: str, color: str) -> None:
        self._stream.write(f"{color}{line}{_PLAIN}\n" if color and self._has_color else line + "\n")
