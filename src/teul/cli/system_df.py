"""`teul system df`: Docker's table of what takes the space."""

from __future__ import annotations

from teul.cli.flags import Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments
    from teul.engine.system import Usage

USAGE = "[OPTIONS]"
FLAGS = (Flag("format", help="Output format: json, or a Go template for each line such as {{.Type}} {{.Size}}"),)
HEADINGS = {"Type": "TYPE", "TotalCount": "TOTAL", "Active": "ACTIVE", "Size": "SIZE", "Reclaimable": "RECLAIMABLE"}


def run(arguments: Arguments, context: Context) -> int:
    from teul.cli.templates import render_records
    from teul.engine.system import disk_usage

    records = [_record(usage) for usage in disk_usage(context.engine)]
    context.print(render_records(arguments.string("format"), HEADINGS, records))
    return 0


def _record(usage: Usage) -> dict[str, object]:
    from teul.cli.units import human_size

    reclaimable = human_size(usage.reclaimable_bytes)
    # Docker shows the share for all but the cache, and none of nothing.
    if usage.size_bytes and usage.kind != "Build Cache":
        reclaimable += f" ({usage.reclaimable_bytes * 100 // usage.size_bytes}%)"
    return {
        "Type": usage.kind,
        "TotalCount": str(usage.total),
        "Active": str(usage.active),
        "Size": human_size(usage.size_bytes),
        "Reclaimable": reclaimable,
    }
