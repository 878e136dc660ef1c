"""`teul system reset`: end and remove everything that runs; images, named volumes and records stay."""

from __future__ import annotations

import sys

from teul.cli.flags import Flag
from teul.errors import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments

USAGE = "[OPTIONS]"
FLAGS = (Flag("force", "f", "bool", help="Do not prompt for confirmation"),)


def run(arguments: Arguments, context: Context) -> int:
    from teul.cli.positionals import expect
    from teul.engine.resetting import reset

    expect(arguments, "system reset", exactly=0)
    if not arguments.flag("force"):
        context.stdout.write(context.translate(text("WARNING! This will end and remove:")) + "\n")
        for line in (
            text("all containers, running ones too, with their anonymous volumes"),
            text("all networks, with their bridges and firewall rules"),
            text("all mounts below {folder}", folder=context.settings.root),
        ):
            context.stdout.write(f"  - {context.translate(line)}\n")
        context.stdout.write("\n" + context.translate(text("Are you sure you want to continue? [y/N] ")))
        context.stdout.flush()
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            return 0
    done = reset(context.engine, events=context.sink())
    for heading, names in (
        ("Removed Containers:", done.containers),
        ("Removed Networks:", done.networks),
        ("Unmounted:", done.mounts),
    ):
        if names:
            context.print("\n".join((heading, *names, "")))
    return 0
