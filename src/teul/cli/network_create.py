"""`teul network create`: the id on stdout."""

from __future__ import annotations

from teul.cli.flags import Flag
from teul.errors import OptionUnsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments

USAGE = "[OPTIONS] NETWORK"
REFUSED = ("config-from", "ipam-opt")
REFUSED_SWITCHES = ("config-only", "ingress")
FLAGS = (
    Flag("attachable", kind="bool", help="Enable manual container attachment"),
    Flag("aux-address", kind="list", help="Auxiliary IPv4 or IPv6 addresses that no container gets", metavar="map"),
    Flag("driver", "d", help="Driver to manage the network: bridge", default="bridge", metavar="string"),
    Flag("gateway", kind="list", help="IPv4 or IPv6 gateway for the subnet", metavar="strings"),
    Flag("internal", kind="bool", help="Restrict external access to the network"),
    Flag("ip-range", kind="list", help="Allocate container ip from a sub-range", metavar="strings"),
    Flag("ipv6", kind="bool", help="Enable IPv6 networking"),
    Flag("label", kind="list", help="Set metadata on a network", metavar="list"),
    Flag("opt", "o", "list", help="Set driver specific options", metavar="map"),
    Flag("subnet", kind="list", help="Subnet in CIDR format that represents a network segment", metavar="strings"),
    Flag("ipam-driver", default="default", hidden=True),
    Flag("scope", default="local", hidden=True),
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
    for flag, only in (("ipam-driver", "default"), ("scope", "local")):
        if arguments.string(flag) != only:
            raise OptionUnsupported(f"--{flag} {arguments.string(flag)}")
    if not arguments.flag("ipv4"):
        raise OptionUnsupported("--ipv4=false")
    network = networks.create(
        context.engine,
        name,
        driver=arguments.string("driver"),
        subnet=_words(arguments, "subnet"),
        gateway=_words(arguments, "gateway"),
        ip_range=_words(arguments, "ip-range"),
        reserved=pairs(_words(arguments, "aux-address")),
        internal=arguments.flag("internal"),
        ipv6=arguments.flag("ipv6"),
        attachable=arguments.flag("attachable"),
        labels=pairs(arguments.strings("label")),
        options=pairs(arguments.strings("opt")),
    )
    context.print(network.id)
    return 0


def _words(arguments: Arguments, name: str) -> list[str]:
    """Of a flag that may be repeated, and whose value may be several words with commas between them."""
    return [word for given in arguments.strings(name) for word in given.split(",") if word]
