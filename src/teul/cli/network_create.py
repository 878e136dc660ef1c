"""`teul network create`: the id on stdout."""

from __future__ import annotations

from teul.cli.flags import Flag
from teul.errors import OptionUnsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments

USAGE = "[OPTIONS] NETWORK"
REFUSED = ("aux-address", "config-from", "ipam-driver", "ipam-opt", "scope")
REFUSED_SWITCHES = ("attachable", "config-only", "ingress", "ipv6")
FLAGS = (
    Flag("driver", "d", help="Driver to manage the network: bridge", default="bridge", metavar="string"),
    Flag("gateway", kind="list", help="IPv4 gateway for the subnet", metavar="strings"),
    Flag("internal", kind="bool", help="Restrict external access to the network"),
    Flag("ip-range", kind="list", help="Allocate container ip from a sub-range", metavar="strings"),
    Flag("label", kind="list", help="Set metadata on a network", metavar="list"),
    Flag("opt", "o", "list", help="Set driver specific options", metavar="map"),
    Flag("subnet", kind="list", help="Subnet in CIDR format that represents a network segment", metavar="strings"),
    *(Flag(name, kind="list", hidden=True) for name in REFUSED),
    *(Flag(name, kind="bool", hidden=True) for name in REFUSED_SWITCHES),
    Flag("ipv4", kind="bool", default=True, hidden=True),
)


def run(arguments: Arguments, context: Context) -> int:
    from teul.cli.container_flags import pairs
    from teul.cli.positionals import expect
    from teul.engine import networks

    (name,) = expect(arguments, "network create", exactly=1)
    for flag in (*REFUSED, *REFUSED_SWITCHES):
        if flag in arguments.given and arguments.values[flag]:
            raise OptionUnsupported(f"--{flag}")
    if arguments.strings("opt"):
        raise OptionUnsupported(f"--opt {arguments.strings('opt')[0]}")
    for flag in ("subnet", "gateway", "ip-range"):
        if len(arguments.strings(flag)) > 1:
            raise OptionUnsupported(f"--{flag} {arguments.strings(flag)[1]}")
    network = networks.create(
        context.engine,
        name,
        driver=arguments.string("driver"),
        subnet=_first(arguments, "subnet"),
        gateway=_first(arguments, "gateway"),
        ip_range=_first(arguments, "ip-range"),
        internal=arguments.flag("internal"),
        labels=pairs(arguments.strings("label")),
    )
    context.print(network.id)
    return 0


def _first(arguments: Arguments, name: str) -> str:
    given = arguments.strings(name)
    return given[0] if given else ""
