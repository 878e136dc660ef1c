"""Networks as rows: made, found, listed, removed. Nothing of one is on the host until a container joins it."""

from __future__ import annotations

import os
import time

from teul.containers import is_id_prefix, new_id
from teul.engine.event_log import emit
from teul.errors import (
    AlreadyExists,
    Conflict,
    InvalidInput,
    NetworkNotFound,
    OptionUnsupported,
    text,
)
from teul.host.fs import crash_point
from teul.network import addresses, claims, netavark
from teul.network.netavark import Network
from teul.plain_json import dumps, loads
from teul.state import networks as rows
from teul.values import fields

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from teul.engine import Engine
    from teul.state.networks import Row

DEFAULT = "bridge"
PREDEFINED = ("bridge", "host", "none")
_NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")
_BRIDGE_LENGTH = 15
PASSING_TIMEOUT_S = 10.0
OPTION = "com.docker.network."


def create(
    engine: Engine,
    name: str,
    *,
    subnet: str | Sequence[str] = "",
    gateway: str | Sequence[str] = "",
    ip_range: str | Sequence[str] = "",
    reserved: Mapping[str, str] | None = None,
    internal: bool = False,
    ipv6: bool = False,
    attachable: bool = False,
    labels: Mapping[str, str] | None = None,
    options: Mapping[str, str] | None = None,
    driver: str = "bridge",
) -> Network:
    """Make a network that containers can join by *name*; its bridge appears with the first of them.

    Args:
        subnet, gateway, ip_range: one, or one of each family; IPv6 ones need *ipv6*. Each gateway and range belongs to
            the subnet that it lies in.
        reserved: addresses that no container gets, by name.
        options: Docker's `com.docker.network.…` of its bridge driver.
    Raises:
        AlreadyExists, InvalidInput. Conflict: the subnet is routed elsewhere on this host, or is another network's.
        OptionUnsupported: an option that would not be honoured.
    """
    from teul.engine.networks.bridges import claim, claims_folder, clean_up, sweep_claims

    if driver not in ("bridge", "default", ""):
        raise OptionUnsupported(f"--driver {driver}")
    if name in PREDEFINED and name != DEFAULT:
        raise Conflict(text("operation is not permitted on predefined {name} network", name=name))
    check_name(name)
    plan = _Ranges(_words(subnet), _words(gateway), _words(ip_range), dict(reserved or {}), ipv6=ipv6)
    settings = _driver_options(options or {})
    network_id = new_id()
    sweep_claims(engine)
    clean_up(engine)
    with claims.lock(claims_folder(engine)), engine.db:
        known_ones = known(engine)
        if any(item.name == name for item in known_ones):
            raise AlreadyExists(text("network with name {name} already exists", name=name))
        taken = [addresses.Subnet.parse(word) for item in known_ones for word in (item.subnet, item.subnet6) if word]
        # Those of other state folders too, whose bridges may not be up yet.
        claimed = [addresses.Subnet.parse(claim.subnet) for claim in claims.read(claims_folder(engine))]
        seed = int(engine.settings.instance, 16) + int(network_id[:6], 16) * (name != DEFAULT)
        four = _choose(
            plan.four, taken, addresses.host_routes(), claimed, lambda block: addresses.choose_subnet(block, seed)
        )
        six = None
        if ipv6:
            seed6 = int(engine.settings.instance + network_id[:6], 16)
            six = _choose(
                plan.six, taken, addresses.host_routes6(), claimed, lambda block: addresses.choose_subnet6(block, seed6)
            )
        network = Network(
            id=network_id,
            name=name,
            bridge=_bridge(engine, network_id, str(settings.pop("bridge", "")), known_ones),
            subnet=str(four),
            gateway=plan.gateway(four) or four.gateway,
            ip_range=plan.range(four),
            subnet6=str(six) if six is not None else "",
            gateway6=(plan.gateway(six) or six.gateway) if six is not None else "",
            ip_range6=plan.range(six) if six is not None else "",
            reserved=plan.reserved,
            internal=internal,
            attachable=attachable,
            # Docker's default network has no names; there it would cost a DNS server for every state folder.
            dns=name != DEFAULT,
            labels=dict(labels or {}),
            options=dict(options or {}),
            created_at=time.time(),
            **settings,
        )
        rows.insert(engine.db, (network.id, network.name, to_data(network), network.created_at))
        claim(engine, network)
    emit(engine, "network", "create", network.id, {"name": network.name, "type": "bridge"})
    return network


def check_name(name: str) -> None:
    """Raises: InvalidInput."""
    if not name or not _NAME.issuperset(name) or name[0] in "_.-":
        raise InvalidInput(text("network name `{name}`: expected letters, digits, `_`, `.` and `-`", name=name))


def get(engine: Engine, name: str) -> Network:
    """Find a network by name, id, or the beginning of its id. The one called `bridge` is made when it is missing.

    Raises:
        NetworkNotFound.
    """
    row = rows.by_name(engine.db, name)
    if row is None and is_id_prefix(name):
        found = rows.by_prefix(engine.db, name)
        if len(found) > 1:
            raise InvalidInput(text("multiple IDs found with provided prefix: {prefix}", prefix=name))
        row = found[0] if found else None
    if row is None and name in (DEFAULT, "default"):
        try:
            return create(engine, DEFAULT)
        except AlreadyExists:
            row = rows.by_name(engine.db, DEFAULT)
    if row is None:
        raise NetworkNotFound(name)
    return from_row(row)


def list_networks(engine: Engine) -> list[Network]:
    """All bridge networks by name, the default one among them (made when it is missing)."""
    get(engine, DEFAULT)
    return known(engine)


def known(engine: Engine) -> list[Network]:
    """The bridge networks that have been made, by name."""
    return [from_row(row) for row in rows.every(engine.db)]


def endpoints(engine: Engine, network: Network) -> list[tuple[str, str]]:
    """(container id, address) of what is on *network* now."""
    return [(row[1], row[2]) for row in rows.endpoints(engine.db, network=network.id)]


def gateway_addresses(engine: Engine) -> list[str]:
    """Addresses of this host on the bridges of this state folder that are up; containers reach the host there."""
    return [network.gateway for network in known(engine) if is_up(network)]


def is_up(network: Network) -> bool:
    """Whether the network's bridge exists (after the first container, until the network is removed or a reboot)."""
    return os.path.isdir(f"/sys/class/net/{network.bridge}")


def remove(engine: Engine, name: str) -> Network:
    """Remove a network, its bridge and its rules.

    Raises:
        NetworkNotFound. Conflict: containers are on it, or it is one that always exists.
    """
    from teul.engine.networks.bridges import PASSING, clean_up
    from teul.engine.networks.joining import sweep

    if name in PREDEFINED:
        raise Conflict(text("{name} is a pre-defined network and cannot be removed", name=name))
    clean_up(engine)
    network = get(engine, name)
    sweep(engine)
    users = rows.endpoints(engine.db, network=network.id)
    deadline = time.monotonic() + PASSING_TIMEOUT_S
    while users and all(loads(row[3]).get(PASSING) for row in users) and time.monotonic() < deadline:
        # Another command makes the bridge or takes it away this moment.
        time.sleep(0.02)
        sweep(engine)
        users = rows.endpoints(engine.db, network=network.id)
    if users:
        names = _names(engine, [row[1] for row in users])
        raise Conflict(
            text("error while removing network: network {name} id {id} has active endpoints ({containers})",
                 name=network.name, id=network.id, containers=", ".join(names)),
            hint=text("teul stop {name}", name=names[0]),
        )  # fmt: skip
    discard(engine, network)
    return network


def discard(engine: Engine, network: Network) -> None:
    """Take away a network that no container is on: bridge, rules, row, claim. The one called `bridge` comes again.

    Raises:
        Conflict: a container came meanwhile.
    """
    from teul.engine.networks.bridges import claims_folder, take_down_one

    take_down_one(engine, network)
    crash_point("network-down")
    with engine.db:
        if rows.endpoints(engine.db, network=network.id):
            # A container came while the bridge went; it has made a new one.
            raise Conflict(text("network {name} is in use", name=network.name))
        rows.delete(engine.db, network.id)
    for word in (network.subnet, network.subnet6):
        if word:
            claims.release(claims_folder(engine), word)
    netavark.forget_names(f"{engine.settings.run_root}/networks", network.bridge)
    emit(engine, "network", "destroy", network.id, {"name": network.name, "type": "bridge"})


def prune(engine: Engine, *, is_wanted: Callable[[Network], bool] | None = None) -> tuple[str, ...]:
    """Remove every network that no container is on or asks for, of those that *is_wanted* says; returns their names."""
    from teul.engine.networks.joining import sweep

    sweep(engine)
    used = in_use(engine)
    removed = []
    for network in known(engine):
        if network.name in PREDEFINED or network.name in used or not (is_wanted is None or is_wanted(network)):
            continue
        try:
            remove(engine, network.name)
        except (Conflict, NetworkNotFound):
            continue
        removed.append(network.name)
    return tuple(removed)


def in_use(engine: Engine) -> set[str]:
    """The names of the networks that a container is on or asks for, running or not."""
    from teul.engine.containers.record import Container
    from teul.state import containers

    return {place.network for row in containers.every(engine.db) for place in Container.from_row(row).places}


def from_row(row: Row) -> Network:
    return Network.from_json(loads(row[2]))


def to_data(network: Network) -> str:
    return dumps({name: getattr(network, name) for name in fields(network)})


def _names(engine: Engine, containers: Sequence[str]) -> list[str]:
    from teul.state.containers import by_id

    return [row[1] if (row := by_id(engine.db, each)) is not None else each[:12] for each in containers]


def _words(given: str | Sequence[str]) -> list[str]:
    return ([given] if given else []) if isinstance(given, str) else list(given)


class _Ranges:
    """The subnets that were asked for, with what belongs to each; raises what Docker's client and daemon say."""

    def __init__(
        self, subnets: list[str], gateways: list[str], ranges: list[str], reserved: dict[str, str], *, ipv6: bool
    ) -> None:
        self.four: addresses.Subnet | None = None
        self.six: addresses.Subnet | None = None
        self.reserved = reserved
        self._gateways = gateways
        self._ranges = ranges
        parsed = []
        for word in subnets:
            try:
                parsed.append(addresses.Subnet.parse(word))
            except InvalidInput:
                raise InvalidInput(text("invalid subnet {subnet}: invalid CIDR block notation", subnet=word)) from None
        for block in parsed:
            if block.bits == 128 and not ipv6:
                raise InvalidInput(text("subnet {subnet} is of IPv6", subnet=block), hint=text("--ipv6"))
            if (self.four if block.bits == 32 else self.six) is not None:
                raise InvalidInput(text("bridge driver doesn't support multiple subnets"))
            if block.bits == 32:
                self.four = block
            else:
                self.six = block
        if not parsed and (gateways or ranges):
            raise InvalidInput(
                text("every ip-range or gateway must have a corresponding subnet"),
                hint=text("--subnet {subnet}", subnet=_likely_subnet((*gateways, *ranges)[0])),
            )
        for word in gateways:
            self._check(parsed, [word], text("no matching subnet for gateway {gateway}", gateway=word))
        for word in reserved.values():
            self._check(parsed, [word], text("no matching subnet for aux-address {address}", address=word))
        for word in ranges:
            inner = addresses.Subnet.parse(word)
            if not any(block.holds(inner) for block in parsed):
                raise InvalidInput(text("no matching subnet for range {range}", range=word))
        for block in parsed:
            if sum(word in block for word in gateways) > 1:
                raise InvalidInput(text("cannot configure multiple gateways ({gateways}) on the same subnet ({subnet})",
                                        gateways=", ".join(gateways), subnet=block))  # fmt: skip
            if sum(block.holds(addresses.Subnet.parse(word)) for word in ranges) > 1:
                raise InvalidInput(text("cannot configure multiple ranges ({ranges}) on the same subnet ({subnet})",
                                        ranges=", ".join(ranges), subnet=block))  # fmt: skip

    def gateway(self, block: addresses.Subnet) -> str:
        return next(
            (addresses.show(addresses.number(word), block.bits) for word in self._gateways if word in block), ""
        )

    def range(self, block: addresses.Subnet) -> str:
        return next((str(inner) for word in self._ranges if block.holds(inner := addresses.Subnet.parse(word))), "")

    @staticmethod
    def _check(blocks: list[addresses.Subnet], words: list[str], message: str) -> None:
        for word in words:
            if not any(word in block for block in blocks):
                raise InvalidInput(message)


def _likely_subnet(word: str) -> str:
    """The network of 256 addresses (of 2**64, in IPv6) that an address or a range most likely means."""
    address = word.partition("/")[0]
    if ":" in address:
        return f"{address.partition('::')[0]}::/64"
    return f"{address.rpartition('.')[0]}.0/24"


def _choose(
    wanted: addresses.Subnet | None,
    taken: list[addresses.Subnet],
    routed: list[addresses.Subnet],
    claimed: list[addresses.Subnet],
    choose: Callable[[list[addresses.Subnet]], addresses.Subnet],
) -> addresses.Subnet:
    if wanted is None:
        return choose(taken + routed + claimed)
    other = addresses.overlapping(wanted, taken + routed)
    if other is not None:
        raise Conflict(
            text(
                "Pool overlaps with other one on this address space: subnet {subnet} overlaps {other}, which is in use on "
                "this host",
                subnet=wanted,
                other=other,
            )
        )
    return wanted


def _driver_options(options: Mapping[str, str]) -> dict[str, Any]:
    """Docker's options of a bridge as fields of `Network`, and the bridge's name."""
    made: dict[str, Any] = {}
    for key, value in options.items():
        name = key.removeprefix(OPTION)
        word = value.lower()
        if name in ("driver.mtu", "mtu"):
            if not (word.isascii() and word.isdigit() and 68 <= int(word) <= 65535):
                raise InvalidInput(
                    text("--opt {option}: expected a number of bytes, got `{value}`", option=key, value=value)
                )
            made["mtu"] = int(word)
        elif name == "bridge.name":
            if not value or len(value) > _BRIDGE_LENGTH or not _NAME.issuperset(value) or value in (".", ".."):
                raise InvalidInput(
                    text("--opt {option}: expected up to 15 letters, digits, `_`, `.` and `-`, got `{value}`",
                         option=key, value=value)
                )  # fmt: skip
            made["bridge"] = value
        elif name == "bridge.enable_icc" and word in ("true", "false", "1", "0"):
            made["talks_inside"] = word in ("true", "1")
        elif name == "bridge.enable_ip_masquerade" and word in ("true", "1"):
            continue
        elif name == "bridge.host_binding_ipv4":
            addresses.number(value)
            made["host_address"] = "" if value == "0.0.0.0" else value
        else:
            raise OptionUnsupported(f"--opt {key}={value}")
    return made


def _bridge(engine: Engine, network_id: str, wanted: str, others: Sequence[Network]) -> str:
    taken = {item.bridge for item in others}
    if wanted:
        if wanted in taken or os.path.exists(f"/sys/class/net/{wanted}"):
            raise Conflict(text("network interface {name} is in use", name=wanted))
        return wanted
    # Four digits of the id are enough for a person, not for hundreds of networks.
    for number in range(1 << 16):
        name = f"tl{engine.settings.instance}{(int(network_id[:4], 16) + number) % (1 << 16):04x}"
        if name not in taken and not os.path.exists(f"/sys/class/net/{name}"):
            return name
    raise Conflict(text("no bridge name is free"))
