"""`teul volume prune`: the names of what went, under Docker's heading, and the space."""

from __future__ import annotations

from teul.cli.flags import Flag
from teul.errors import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments

USAGE = "[OPTIONS]"
FLAGS = (
    Flag("all", "a", "bool", help="Remove all unused volumes, not just anonymous ones"),
    Flag("filter", kind="list", help='Provide filter values (e.g. "label=<label>")', metavar="filter"),
    Flag("force", "f", "bool", help="Do not prompt for confirmation"),
)


def run(arguments: Arguments, context: Context) -> int:
    from teul.cli.pruning import PruneFilter, is_confirmed
    from teul.cli.units import human_size
    from teul.engine import volumes

    wanted = PruneFilter.parse(arguments.strings("filter"), keys=("all", "label", "label!"))
    is_all = arguments.flag("all") or wanted.is_all
    warning = (
        text("WARNING! This will remove all local volumes not used by at least one container")
        if is_all
        else text("WARNING! This will remove anonymous local volumes not used by at least one container")
    )
    if not arguments.flag("force") and not is_confirmed(context, warning):
        return 0
    removed, size_bytes = volumes.prune(
        context.engine, is_all=is_all, is_wanted=lambda volume: wanted.fits(volume.labels, volume.created_at)
    )
    if removed:
        context.print("\n".join(("Deleted Volumes:", *removed, "")))
    context.print(f"Total reclaimed space: {human_size(size_bytes)}")
    return 0
