"""`teul network disconnect`: nothing on stdout."""

from __future__ import annotations

from teul.cli.flags import Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments

USAGE = "[OPTIONS] NETWORK CONTAINER"
FLAGS = (Flag("force", "f", "bool", help="Force the container to disconnect from a network"),)


def run(arguments: Arguments, context: Context) -> int:
    from teul.cli.positionals import expect
    from teul.engine import networks

    network, container = expect(arguments, "network disconnect", exactly=2)
    networks.disconnect(context.engine, network, container, force=arguments.flag("force"))
    return 0
