"""`teul network connect`: nothing on stdout."""

from __future__ import annotations

from teul.cli.flags import Flag
from teul.errors import OptionUnsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments

USAGE = "[OPTIONS] NETWORK CONTAINER"
REFUSED = ("driver-opt", "link", "link-local-ip")
FLAGS = (
    Flag("alias", kind="list", help="Add network-scoped alias for the container", metavar="strings"),
    Flag("ip", help='IPv4 address (e.g., "172.30.100.104")', metavar="string"),
    Flag("ip6", help='IPv6 address (e.g., "2001:db8::33")', metavar="string"),
    *(Flag(name, kind="list", hidden=True) for name in REFUSED),
)


def run(arguments: Arguments, context: Context) -> int:
    from teul.cli.positionals import expect
    from teul.engine import networks

    network, container = expect(arguments, "network connect", exactly=2)
    for flag in REFUSED:
        if flag in arguments.given:
            raise OptionUnsupported(f"--{flag}")
    networks.connect(
        context.engine,
        network,
        container,
        aliases=arguments.strings("alias"),
        address=arguments.string("ip"),
        address6=arguments.string("ip6"),
    )
    return 0
