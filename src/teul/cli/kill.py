"""`teul kill`: Docker's flags; the names as they were given on stdout."""

from __future__ import annotations

from teul.cli.flags import Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments

USAGE = "[OPTIONS] CONTAINER [CONTAINER...]"
FLAGS = (Flag("signal", "s", help="Signal to send to the container", default="KILL", metavar="string"),)


def run(arguments: Arguments, context: Context) -> int:
    from teul.cli.each import for_each
    from teul.cli.positionals import expect
    from teul.engine.containers import kill

    names = expect(arguments, "kill", at_least=1)
    signal = arguments.string("signal")
    return for_each(context, names, lambda name: kill(context.engine, name, signal))
