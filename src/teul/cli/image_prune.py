"""`teul image prune`: remove images that nobody uses, with Docker's question and words."""

from __future__ import annotations

from teul.cli.flags import Flag
from teul.errors import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments

USAGE = "[OPTIONS]"
FLAGS = (
    Flag("all", "a", "bool", help="Remove all unused images, not just dangling ones"),
    Flag("filter", kind="list", help='Provide filter values (e.g. "until=<timestamp>")', metavar="filter"),
    Flag("force", "f", "bool", help="Do not prompt for confirmation"),
)


def run(arguments: Arguments, context: Context) -> int:
    from teul.cli.container_prune import is_confirmed
    from teul.cli.positionals import expect
    from teul.cli.units import human_size
    from teul.engine.pruning import PruneFilter, prune_images
    from teul.values import replace

    expect(arguments, "image prune", exactly=0)
    wanted = PruneFilter.parse(arguments.strings("filter"), known=("until", "label", "label!", "dangling"))
    if arguments.flag("all"):
        wanted = replace(wanted, dangling=False)
    question = (
        text("WARNING! This will remove all dangling images.\nAre you sure you want to continue? [y/N] ")
        if wanted.dangling
        else text(
            "WARNING! This will remove all images without at least one container associated to them.\n"
            "Are you sure you want to continue? [y/N] "
        )
    )
    if not arguments.flag("force") and not is_confirmed(context, question):
        return 0
    lines, freed = prune_images(context.engine, wanted)
    if lines:
        context.print("\n".join(("Deleted Images:", *lines, "")))
    context.print(f"Total reclaimed space: {human_size(freed)}")
    return 0
