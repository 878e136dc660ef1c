"""`teul builder prune`: remove what builds keep, with Docker's warning, question and words."""

from __future__ import annotations

import sys

from teul.cli.flags import Flag
from teul.errors import InvalidInput, OptionUnsupported, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments

USAGE = "[OPTIONS]"
FLAGS = (
    Flag("all", "a", "bool", help="Remove all unused build cache, not just dangling ones"),
    Flag("filter", kind="list", help='Provide filter values (e.g., "until=24h")', metavar="filter"),
    Flag("force", "f", "bool", help="Do not prompt for confirmation"),
    Flag("keep-storage", help="Amount of disk space to keep for cache", metavar="bytes"),
    Flag("verbose", kind="bool", help="Provide a more verbose output"),
    Flag("builder", help="Accepted: there is one builder", hidden=True),
)
UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def run(arguments: Arguments, context: Context) -> int:
    from teul.cli.build import read_size
    from teul.cli.builder_du import rows
    from teul.cli.units import human_size
    from teul.engine.build.keeping import prune_kept

    is_all = arguments.flag("all")
    unused_for_s = _unused_for(arguments.strings("filter"))
    keep_bytes = read_size(arguments.string("keep-storage"), "--keep-storage")
    if not arguments.flag("force") and not _is_confirmed(context, is_all=is_all):
        return 0
    removed, reclaimed, freed = prune_kept(
        context.engine, is_all=is_all, unused_for_s=unused_for_s, keep_bytes=keep_bytes, events=context.sink()
    )
    if removed:
        context.print("\n".join(rows(removed)))
    context.print(f"Total:\t{human_size(reclaimed.size_bytes + freed)}")
    return 0


def _is_confirmed(context: Context, *, is_all: bool) -> bool:
    warning = (
        text("WARNING! This will remove all build cache. Are you sure you want to continue? [y/N] ")
        if is_all
        else text("WARNING! This will remove all dangling build cache. Are you sure you want to continue? [y/N] ")
    )
    context.stdout.write(context.translate(warning))
    context.stdout.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _unused_for(filters: list[str]) -> float:
    made = 0.0
    for word in filters:
        name, _, value = word.partition("=")
        if name not in ("until", "unused-for"):
            raise OptionUnsupported(f"--filter {word}", hint=text("--filter until=24h"))
        made = _duration(value)
    return made


def _duration(word: str) -> float:
    """A duration as Go writes it (`1h30m`), in seconds."""
    import re

    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|h|m|s)", word)
    if not parts or "".join(number + unit for number, unit in parts) != word:
        raise InvalidInput(text("invalid duration `{value}`: expected one such as 24h or 90m", value=word))
    return sum(float(number) * UNITS[unit] for number, unit in parts)
