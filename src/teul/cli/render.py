"""What people see: progress sinks, tables, sizes and ages. Must not decide what is shown, only how.

A progress sink is made when the first event comes, so that a `teul run` that has nothing to say pays nothing.
"""

from __future__ import annotations

from teul.cli.columns import render_table
from teul.cli.units import elapsed, human_age, human_duration, human_memory, human_size
from teul.errors import UsageError, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.progress import Progress
    from teul.events import Event

__all__ = [
    "PROGRESS_KINDS",
    "LazyProgress",
    "elapsed",
    "human_age",
    "human_duration",
    "human_memory",
    "human_size",
    "progress_sink",
    "render_table",
]

PROGRESS_KINDS = ("auto", "tty", "plain", "json", "rawjson", "quiet")


def progress_sink(context: Context, kind: str = "auto", *, title: str = "") -> LazyProgress:
    """A sink that shows progress on the context's stderr.

    Args:
        kind: "tty" redraws in place; "plain" writes numbered lines; "json" one object per line; "quiet" nothing;
            "rawjson" BuildKit's records; "auto" is "tty" on a terminal and "plain" elsewhere.
        title: the verb of the heading line on a terminal ("Building").
    Raises:
        UsageError: *kind* is none of these.
    """
    kind = kind or "auto"
    if kind not in PROGRESS_KINDS:
        raise UsageError(
            text("progress `{kind}`: expected {kinds}", kind=kind, kinds=", ".join(PROGRESS_KINDS)),
            hint=text("teul --help"),
        )
    return LazyProgress(context, kind, title)


class LazyProgress:
    """A `Sink`. `finish` ends the live area of a terminal; events may go on after it."""

    __slots__ = ("_context", "_kind", "_made", "_title")

    def __init__(self, context: Context, kind: str, title: str) -> None:
        self._context = context
        self._kind = kind
        self._title = title
        self._made: Progress | None = None

    def __call__(self, event: Event) -> None:
        if self._made is None:
            from teul.cli.progress import open_progress

            self._made = open_progress(self._context, self._kind, title=self._title)
        self._made(event)

    def finish(self) -> None:
        """Leave the terminal as a next line of text wants it."""
        if self._made is not None:
            self._made.finish()
