"""`teul system prune`: remove unused data, with Docker's warning, question and words."""

from __future__ import annotations

import sys

from teul.cli.flags import Flag
from teul.errors import UsageError, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from teul.cli.context import Context
    from teul.cli.flags import Arguments
    from teul.engine.system import Pruned

USAGE = "[OPTIONS]"
FLAGS = (
    Flag("all", "a", kind="bool", help="Remove all unused images not just dangling ones"),
    Flag("filter", kind="list", help='Provide filter values (e.g. "label=<key>=<value>")', metavar="filter"),
    Flag("volumes", kind="bool", help="Prune anonymous volumes"),
    Flag("force", "f", kind="bool", help="Do not prompt for confirmation"),
)


def run(arguments: Arguments, context: Context) -> int:
    from teul.cli.pruning import PruneFilter
    from teul.cli.units import human_size
    from teul.engine.system import prune

    words = arguments.strings("filter")
    wanted = PruneFilter.parse(words)
    is_all, with_volumes = arguments.flag("all"), arguments.flag("volumes")
    if with_volumes and wanted.until_s:
        raise UsageError(text('the "until" filter is not supported with "--volumes"'))
    if not arguments.flag("force") and not _is_confirmed(
        context, is_all=is_all, with_volumes=with_volumes, words=words
    ):
        return 0
    # Artifacts have no labels and no age of their own: a prune of some things leaves them.
    artifact_bytes = 0 if wanted else _let_go_of_artifacts(context)
    pruned = prune(
        context.engine,
        is_all=is_all,
        with_volumes=with_volumes,
        is_wanted=wanted.fits if wanted else None,
        events=context.sink(),
    )
    _show(pruned, context)
    context.print(f"Total reclaimed space: {human_size(pruned.size_bytes + artifact_bytes)}")
    return 0


def _let_go_of_artifacts(context: Context) -> int:
    """What no run names any more is left to the engine's gc; bytes of it that were in folders of their own, and freed.

    The engine is below tracking and cannot know of it.
    """
    from teul.ml.tracking.keeping import let_go

    size_bytes, failures = let_go(context.settings)
    for failure in failures:
        context.say(text("artifacts are left as they are: {reason}", reason=context.translate(failure)))
    return size_bytes


def _is_confirmed(context: Context, *, is_all: bool, with_volumes: bool, words: Sequence[str]) -> bool:
    lines = [text("all stopped containers"), text("all networks not used by at least one container")]
    if with_volumes:
        lines.append(text("all anonymous volumes not used by at least one container"))
    if is_all:
        lines += [text("all images without at least one container associated to them"), text("all build cache")]
    else:
        lines += [text("all dangling images"), text("unused build cache")]
    context.stdout.write(context.translate(text("WARNING! This will remove:")) + "\n")
    for line in lines:
        context.stdout.write(f"  - {context.translate(line)}\n")
    if words:
        heading = context.translate(text("Items to be pruned will be filtered with:"))
        context.stdout.write(f"\n  {heading}\n" + "".join(f"  - {word}\n" for word in words))
    context.stdout.write("\n" + context.translate(text("Are you sure you want to continue? [y/N] ")))
    context.stdout.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _show(pruned: Pruned, context: Context) -> None:
    for heading, names in (
        ("Deleted Containers:", pruned.containers),
        ("Deleted Networks:", pruned.networks),
        ("Deleted Volumes:", pruned.volumes),
    ):
        if names:
            context.print("\n".join((heading, *names, "")))
    if pruned.images:
        lines = [f"untagged: {name}" for _, names in pruned.images for name in names]
        lines += [f"deleted: {image}" for image, _ in pruned.images]
        context.print("\n".join(("Deleted Images:", *lines, "")))
    if pruned.cache:
        context.print("\n".join(("Deleted build cache objects:", *(key[:25] for key in pruned.cache), "")))
