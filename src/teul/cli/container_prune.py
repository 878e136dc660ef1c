"""`teul container prune`: remove containers that do not run, with Docker's question and words."""

from __future__ import annotations

import sys

from teul.cli.flags import Flag
from teul.errors import Text, text

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
    from teul.cli.positionals import expect
    from teul.cli.units import human_size
    from teul.engine.pruning import PruneFilter, prune_containers

    expect(arguments, "container prune", exactly=0)
    wanted = PruneFilter.parse(arguments.strings("filter"))
    question = text("WARNING! This will remove all stopped containers.\nAre you sure you want to continue? [y/N] ")
    if not arguments.flag("force") and not is_confirmed(context, question):
        return 0
    removed, freed = prune_containers(context.engine, wanted)
    if removed:
        context.print("\n".join(("Deleted Containers:", *removed, "")))
    context.print(f"Total reclaimed space: {human_size(freed)}")
    return 0


def is_confirmed(context: Context, question: Text) -> bool:
    """Ask, and read a line; anything but yes is no."""
    context.stdout.write(context.translate(question))
    context.stdout.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
