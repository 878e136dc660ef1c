"""`teul network rm`: the names as they were given on stdout."""

from __future__ import annotations

from teul.cli.flags import Flag
from teul.errors import NetworkNotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments

USAGE = "NETWORK [NETWORK...]"
FLAGS = (Flag("force", "f", "bool", help="Do not error if the network does not exist"),)


def run(arguments: Arguments, context: Context) -> int:
    from teul.cli.each import for_each
    from teul.cli.positionals import expect
    from teul.engine import networks

    names = expect(arguments, "network rm", at_least=1)
    return for_each(
        context,
        names,
        lambda name: networks.remove(context.engine, name),
        harmless=(NetworkNotFound,) if arguments.flag("force") else (),
    )
