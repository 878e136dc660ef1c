"""`teul runs diff`: what is different between two runs, named."""

from __future__ import annotations

from teul.cli.flags import Flag
from teul.errors import RunNotFound, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments
    from teul.ml.comparison import Difference

USAGE = "[OPTIONS] RUN RUN"
FLAGS = (
    Flag("all", "a", kind="bool", help="Show what only says where and how long a run ran, too"),
    Flag("exit-code", kind="bool", help="Exit with 1 when the runs differ"),
    Flag("no-trunc", kind="bool", help="Don't truncate output"),
    Flag("format", help="Output format: json, or a Go template for each line such as {{.Area}} {{.Name}}"),
)
EFFECTS = ("host", "resource", "artifact")
"""Shown with --all: they differ between any two runs."""


def run(arguments: Arguments, context: Context) -> int:
    """Each RUN is an id, the first digits of one (at least four), or a name: the newest run of that name."""
    from teul.cli.columns import render_table
    from teul.cli.positionals import expect
    from teul.cli.templates import render_records
    from teul.ml.comparison import compare, read_facts
    from teul.ml.tracking import TrackingStore

    one, other = expect(arguments, "runs diff", exactly=2)
    if not context.settings.has_tracking:
        raise RunNotFound(one)
    with TrackingStore.of(context.settings) as store:
        before, after = (read_facts(store, wanted, context.engine) for wanted in (one, other))
    found = compare(before, after)
    shown = [item for item in found if arguments.flag("all") or item.area not in EFFECTS]
    template = arguments.string("format")
    if template:
        records = [
            {"Area": item.area, "Name": item.name, "Before": item.before, "After": item.after, "Note": item.note}
            for item in shown
        ]
        context.print(render_records(template, {}, records))
    else:
        runs = (before.run, after.run)
        context.print(render_table((), [(sign, run.id[:12], run.name) for sign, run in zip("-+", runs, strict=True)]))
        if shown:
            is_whole = arguments.flag("no-trunc")
            context.print(
                "\n" + render_table(("WHAT", "NAME", "BEFORE", "AFTER", ""), [_row(i, is_whole) for i in shown])
            )
        else:
            context.print("\n" + context.translate(text("nothing differs")))
        if any(item.area == "image" for item in shown) and None in (before.environment, after.environment):
            context.say(text("an image is gone and nothing is known of what was in it: its packages were not compared"))
        hidden = len(found) - len(shown)
        if hidden:
            context.say(text("and {count} more (machine, times, logs): --all shows them", count=hidden))
    return 1 if found and arguments.flag("exit-code") else 0


def _row(item: Difference, is_whole: bool) -> tuple[str, str, str, str, str]:
    from teul.cli.width import cut, printable
    from teul.ml.comparison import short

    before, after = (short(value) or "—" for value in (item.before, item.after))
    cells = [printable(cell) for cell in (item.name, before, after)]
    if not is_whole:
        cells = [cut(cells[0], 48), cut(cells[1], 32), cut(cells[2], 32)]
    return item.area, *cells, item.note  # type: ignore[return-value]
