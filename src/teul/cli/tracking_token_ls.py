"""`teul tracking token ls`: which tokens there are; never what they are."""

from __future__ import annotations

from teul.cli.flags import Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments

USAGE = "[OPTIONS]"
FLAGS = (Flag("format", help="Output format: json, or a Go template for each line such as {{.ID}} {{.Name}}"),)
HEADINGS = {
    "ID": "TOKEN ID",
    "Name": "NAME",
    "Role": "ROLE",
    "Project": "PROJECT",
    "Created": "CREATED",
    "By": "BY",
    "Expires": "EXPIRES",
    "Used": "LAST USED",
}


def run(arguments: Arguments, context: Context) -> int:
    from teul.cli.positionals import expect
    from teul.cli.runs_show import moment
    from teul.cli.templates import render_records
    from teul.ml.tracking import TrackingStore

    expect(arguments, "tracking token ls", exactly=0)
    records: list[dict[str, object]] = []
    if context.settings.has_tracking:
        with TrackingStore.of(context.settings) as store:
            records = [
                {
                    "ID": key.id,
                    "Name": key.name,
                    "Role": key.role,
                    "Project": key.project or "*",
                    "Created": moment(key.created_at),
                    "By": key.created_by,
                    "Expires": moment(key.expires_at) + (" ✗" if key.has_ended else ""),
                    "Used": moment(key.used_at) or "—",
                }
                for key in store.all_keys()
            ]
    context.print(render_records(arguments.string("format"), HEADINGS, records))
    return 0
