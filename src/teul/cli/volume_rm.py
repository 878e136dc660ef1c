"""`teul volume rm`: the names as they were given on stdout."""

from __future__ import annotations

from teul.cli.flags import Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments

USAGE = "[OPTIONS] VOLUME [VOLUME...]"
FLAGS = (Flag("force", "f", "bool", help="Force the removal of one or more volumes"),)


def run(arguments: Arguments, context: Context) -> int:
    from teul.cli.each import for_each
    from teul.cli.positionals import expect
    from teul.engine import volumes

    names = expect(arguments, "volume rm", at_least=1)
    force = arguments.flag("force")
    return for_each(context, names, lambda name: volumes.remove(context.engine, name, force=force))
