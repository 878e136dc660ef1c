"""`teul buildx ls`: the one builder there is, in the table that scripts read."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments

USAGE = ""
FLAGS = ()
NODE = " \\_ default"


def run(arguments: Arguments, context: Context) -> int:
    from teul import __version__
    from teul.host.platform import host_platform

    context.print(f"{'NAME/NODE':<14}{'DRIVER/ENDPOINT':<18}{'STATUS':<10}{'BUILDKIT':<17}PLATFORMS")
    context.print(f"{'default*':<14}docker")
    context.print(f"{NODE:<14}{NODE:<18}{'running':<10}{'teul ' + __version__:<17}{host_platform()}")
    return 0
