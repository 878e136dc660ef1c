"""One more container on a network that netavark has set up already, without netavark.

What it does then is to make a pair of interfaces (2 ms), after it has started `iptables` twenty times to see that all of
its rules are there (40 ms of a processor). Here two of them are looked at, one of each table: whoever takes rules away
by hand or by a firewall's restart takes those too. When one is missing, or anything else is not as it should be,
netavark does it all, and puts the rules back.
"""

from __future__ import annotations

import os

from teul.host import launch
from teul.host.veth import join_bridge
from teul.network.isolation import program
from teul.network.netavark import Setup

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_CHAIN_LETTERS = 13


class Direct:
    """As `Setup`, for what `can_be_direct` says yes to."""

    def __init__(self, folder: str, options: Mapping[str, Any], descriptor: int) -> None:
        self.options = options
        self._folder = folder
        self._descriptor = descriptor
        self._looking: list[int] = []
        iptables = program()
        try:
            for bridge, info in options["network_info"].items():
                for rule in _rules(bridge, info["subnets"][0]["subnet"]):
                    self._looking.append(launch.launch((iptables, "-w", *rule)))
        except BaseException:
            self.close()
            raise

    def wait(self) -> dict[str, Any]:
        """As `Setup.wait`."""
        codes = [launch.wait(self._looking.pop()) for _ in range(len(self._looking))]
        if any(codes) or not self._join():
            return Setup(self._folder, self.options, self._descriptor).wait()
        return {
            bridge: {"interfaces": {place["interface_name"]: {"mac_address": place["static_mac"]}}}
            for bridge, place in self.options["networks"].items()
        }

    def close(self) -> None:
        """As `Setup.close`."""
        while self._looking:
            launch.wait(self._looking.pop())

    def _join(self) -> bool:
        ((bridge, info),) = self.options["network_info"].items()
        place = self.options["networks"][bridge]
        subnet = info["subnets"][0]
        try:
            join_bridge(
                self._descriptor,
                bridge,
                place["interface_name"],
                address=place["static_ips"][0],
                prefix=int(subnet["subnet"].partition("/")[2]),
                gateway=subnet["gateway"],
                mac=place["static_mac"],
                mtu=int(info["options"].get("mtu", 0)),
                metric=int(info["options"]["metric"]),
            )
        except OSError:
            return False
        return True


def can_be_direct(options: Mapping[str, Any]) -> bool:
    """Whether netavark would make nothing but interfaces, on a network that is ready: one, of IPv4, without names or ports."""
    if len(options["network_info"]) != 1 or options["port_mappings"]:
        return False
    ((bridge, info),) = options["network_info"].items()
    if (
        info["dns_enabled"]
        or info["internal"]
        or info["ipv6_enabled"]
        or "static_mac" not in options["networks"][bridge]
    ):
        return False
    try:
        with open("/proc/sys/net/ipv4/ip_forward", "rb") as file:
            forwards = file.read().strip() == b"1"
    except OSError:
        return False
    return forwards and os.path.isdir(f"/sys/class/net/{bridge}/bridge") and bool(program())


def _rules(bridge: str, subnet: str) -> tuple[tuple[str, ...], ...]:
    try:
        # As `teul.oci.digest`: without the cryptographic library, which takes 2 ms to load.
        from _sha512 import sha512  # type: ignore[import-not-found]
    except ImportError:
        from hashlib import sha512

    chain = f"NETAVARK-{sha512(bridge.encode()).hexdigest()[:_CHAIN_LETTERS].upper()}"
    return (
        ("-t", "nat", "-C", "POSTROUTING", "-s", subnet, "-j", chain),
        ("-t", "filter", "-C", "NETAVARK_FORWARD", "-s", subnet, "-j", "ACCEPT"),
    )
