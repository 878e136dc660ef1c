"""`teul network prune`: the names of what went, under Docker's heading."""

from __future__ import annotations

from teul.cli.flags import Flag
from teul.errors import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments

USAGE = "[OPTIONS]"
FLAGS = (
    Flag("filter", kind="list", help='Provide filter values (e.g. "until=<timestamp>")', metavar="filter"),
    Flag("force", "f", "bool", help="Do not prompt for confirmation"),
)


def run(arguments: Arguments, context: Context) -> int:
    from teul.cli.pruning import PruneFilter, is_confirmed
    from teul.engine import networks

    wanted = PruneFilter.parse(arguments.strings("filter"), keys=("until", "label", "label!"))
    warning = text("WARNING! This will remove all custom networks not used by at least one container")
    if not arguments.flag("force") and not is_confirmed(context, warning):
        return 0
    removed = networks.prune(context.engine, is_wanted=lambda network: wanted.fits(network.labels, network.created_at))
    if removed:
        context.print("\n".join(("Deleted Networks:", *removed, "")))
    return 0
