"""Progress sinks: `tty` redraws, `plain` numbers its lines, `jsonl` writes records. They put the time on.

Events come from several threads; each sink takes one at a time.
"""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from teul.cli.context import Context
    from teul.events import Event

    class Progress(Protocol):
        """A sink that can be ended."""

        def __call__(self, event: Event) -> None: ...

        def finish(self) -> None:
            """Leave the terminal as a next line of text wants it."""
            ...


__all__ = ["open_progress"]

EVENT_LOG = "TEUL_EVENT_LOG"


def open_progress(
    context: Context, kind: str, *, title: str = "", clock: Callable[[], float] = time.monotonic
) -> Progress:
    """The sink for *kind* ("auto", "tty", "plain", "json", "rawjson", "quiet") on the context's stderr.

    With `TEUL_EVENT_LOG` set, every event is appended to that file too, as a JSON line.
    """
    made = _shown(context, kind, title, clock)
    path = (context.settings.environ or {}).get(EVENT_LOG, "")
    if not path:
        return made
    from teul.cli.progress.jsonl import EventLog

    return _Both(made, EventLog(path))


def _shown(context: Context, kind: str, title: str, clock: Callable[[], float]) -> Progress:
    stream = context.stderr
    variables = context.settings.environ or {}
    if kind == "auto":
        kind = "tty" if stream.isatty() and variables.get("TERM", "") not in ("", "dumb") else "plain"
    if kind == "tty":
        from teul.cli.progress.tty import Terminal

        return Terminal(
            stream, context.translate, title=title, has_color=not variables.get("NO_COLOR"), clock=clock, size=_size
        )
    if kind == "plain":
        from teul.cli.progress.plain import Plain

        return Plain(stream, context.translate, clock=clock)
    if kind == "json":
        from teul.cli.progress.jsonl import JsonLines

        return JsonLines(stream)
    if kind == "rawjson":
        from teul.cli.progress.rawjson import RawJson

        return RawJson(stream)
    return _Quiet()


def _size() -> tuple[int, int]:
    """Columns and rows of the terminal on stderr."""
    try:
        size = os.get_terminal_size(2)
    except OSError:
        return 80, 24
    return size.columns or 80, size.lines or 24


class _Quiet:
    def __call__(self, event: Event) -> None:
        """Drop *event*."""

    def finish(self) -> None:
        """Nothing to end."""


class _Both:
    def __init__(self, *sinks: Progress) -> None:
        self._sinks = sinks

    def __call__(self, event: Event) -> None:
        for sink in self._sinks:
            sink(event)

    def finish(self) -> None:
        for sink in self._sinks:
            sink.finish()
