"""`teul tracking audit`: who changed what, and who was turned away."""

from __future__ import annotations

from teul.cli.flags import Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments

USAGE = "[OPTIONS]"
FLAGS = (
    Flag("last", "n", kind="int", help="Show at most this many lines", default=100),
    Flag("since", help="Only lines since this day or moment (2026-11-21, 2026-11-21T09:30)", metavar="DATE"),
    Flag("who", help="Only what this person or token did", metavar="NAME"),
    Flag("format", help="Output format: json, or a Go template for each line such as {{.At}} {{.Action}}"),
)
HEADINGS = {
    "At": "WHEN",
    "Who": "WHO",
    "Address": "FROM",
    "Action": "ACTION",
    "Subject": "SUBJECT",
    "Outcome": "OUTCOME",
}


def run(arguments: Arguments, context: Context) -> int:
    from teul.cli.models_history import moments
    from teul.cli.positionals import expect
    from teul.cli.runs_show import moment
    from teul.cli.templates import render_records
    from teul.cli.width import printable
    from teul.ml.tracking import TrackingStore

    expect(arguments, "tracking audit", exactly=0)
    since = moments(arguments.string("since"))[0] if arguments.string("since") else 0
    records: list[dict[str, object]] = []
    if context.settings.has_tracking:
        with TrackingStore.of(context.settings) as store:
            found = store.audit(last=max(arguments.integer("last") or 0, 1), since=since, who=arguments.string("who"))
            records = [
                {
                    "At": moment(item.at),
                    "Who": printable(item.who) or "—",
                    "Address": item.address,
                    "Action": printable(item.action),
                    "Subject": printable(item.subject),
                    "Outcome": item.outcome,
                }
                for item in found
            ]
    context.print(render_records(arguments.string("format"), HEADINGS, records))
    return 0
