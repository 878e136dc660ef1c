"""Networks: the rows, the bridges behind them, and containers that join and leave.

A network's bridge appears with its first container and stays; it goes with the network. An endpoint's row is the journal
of its tear-down: it is written before anything is set up, and deleted when nothing of it is left.
"""

from __future__ import annotations

import os
import time
from contextlib import contextmanager

from teul.containers import is_id_prefix, new_id
from teul.errors import Conflict, InvalidInput, NameInUse, NetworkNotFound, OptionUnsupported, TeulError, text
from teul.host.fs import FolderLock
from teul.host.netns import open_network_namespace
from teul.network import addresses, claims, holders, netavark
from teul.network.netavark import Endpoint, Network
from teul.plain_json import dumps, loads
from teul.state import networks as rows
from teul.state.leases import process_start
from teul.values import fields

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from dataclasses import dataclass, replace

    from teul.engine import Engine
    from teul.engine.containers.record import Container
    from teul.network.ports import PortMapping
    from teul.state.networks import Row
else:
    from teul.values import dataclass, replace

DEFAULT = "bridge"
IDLE_TIMEOUT_S = 5.0
PREDEFINED = ("bridge", "host", "none")
_NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")


def create(
    engine: Engine,
    name: str,
    *,
    subnet: str = "",
    gateway: str = "",
    ip_range: str = "",
    internal: bool = False,
    labels: Mapping[str, str] | None = None,
    options: Mapping[str, str] | None = None,
    driver: str = "bridge",
) -> Network:
    """Make a network that containers can join by *name*; its bridge appears with the first of them.

    Raises:
        NameInUse, InvalidInput. Conflict: the subnet is routed elsewhere on this host, or is another network's.
    """
    if driver not in ("bridge", "default", ""):
        raise OptionUnsupported(f"--driver {driver}")
    if name in PREDEFINED and name != DEFAULT:
        raise Conflict(text("operation is not permitted on predefined {name} network", name=name))
    if not name or not _NAME.issuperset(name) or name[0] in "_.-":
        raise InvalidInput(text("network name `{name}`: expected letters, digits, `_`, `.` and `-`", name=name))
    network_id = new_id()
    _sweep_claims(engine)
    with claims.lock(_claims(engine)), engine.db:
        known = [_network(row) for row in rows.every(engine.db)]
        if any(item.name == name for item in known):
            raise NameInUse("network", name, owner=next(item.id[:12] for item in known if item.name == name))
        taken = [addresses.Subnet.parse(item.subnet) for item in known]
        routed = addresses.host_routes()
        if subnet:
            block = addresses.Subnet.parse(subnet)
            other = addresses.overlapping(block, taken + routed)
            if other is not None:
                raise Conflict(
                    text("subnet {subnet} overlaps {other}, which is in use on this host", subnet=block, other=other)
                )
        else:
            seed = int(engine.settings.instance, 16) + int(network_id[:6], 16) * (name != DEFAULT)
            # Those of other state folders too, whose bridges may not be up yet.
            claimed = [addresses.Subnet.parse(claim.subnet) for claim in claims.read(_claims(engine))]
            block = addresses.choose_subnet(taken + routed + claimed, seed)
        if gateway and gateway not in block:
            raise InvalidInput(text("gateway {gateway} is not in subnet {subnet}", gateway=gateway, subnet=block))
        if ip_range and addresses.Subnet.parse(ip_range).first not in range(block.first, block.first + block.size):
            raise InvalidInput(text("range {range} is not in subnet {subnet}", range=ip_range, subnet=block))
        network = Network(
            id=network_id,
            name=name,
            bridge=f"tl{engine.settings.instance}{network_id[:4]}",
            subnet=str(block),
            gateway=gateway or block.gateway,
            ip_range=ip_range,
            internal=internal,
            # Docker's default network has no names; there it would cost a DNS server for every state folder.
            dns=name != DEFAULT,
            labels=dict(labels or {}),
            options=dict(options or {}),
            created_at=time.time(),
        )
        rows.insert(engine.db, (network.id, network.name, _data(network), network.created_at))
        _claim(engine, network)
    return network


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
        except NameInUse:
            row = rows.by_name(engine.db, DEFAULT)
    if row is None:
        raise NetworkNotFound(name)
    return _network(row)


def list_networks(engine: Engine) -> list[Network]:
    """All bridge networks by name, the default one among them (made when it is missing)."""
    get(engine, DEFAULT)
    return known(engine)


def known(engine: Engine) -> list[Network]:
    """The bridge networks that have been made, by name."""
    return [_network(row) for row in rows.every(engine.db)]


def endpoints(engine: Engine, network: Network) -> list[tuple[str, str]]:
    """(container id, address) of what is on *network* now."""
    return [(row[1], row[2]) for row in rows.endpoints(engine.db, network=network.id)]


def gateway_addresses(engine: Engine) -> list[str]:
    """Addresses of this host on the bridges of this state folder that are up; containers reach the host there."""
    return [network.gateway for network in known(engine) if is_up(network)]


def is_up(network: Network) -> bool:
    """Whether the network's bridge exists (after the first container, until the network is removed or a reboot)."""
    return os.path.isdir(f"/sys/class/net/{network.bridge}")


def bring_up(engine: Engine, network: Network) -> None:
    """Make the network's bridge before any container needs it, so that something can listen on the gateway."""
    if is_up(network):
        return
    _as_nobody(engine, network, remove=False)


def remove(engine: Engine, name: str) -> Network:
    """Remove a network, its bridge and its rules.

    Raises:
        NetworkNotFound. Conflict: containers are on it, or it is one that always exists.
    """
    if name in PREDEFINED:
        raise Conflict(text("{name} is a pre-defined network and cannot be removed", name=name))
    network = get(engine, name)
    sweep(engine)
    users = rows.endpoints(engine.db, network=network.id)
    if users:
        raise Conflict(
            text("network {name} has active endpoints ({containers})", name=network.name,
                 containers=", ".join(row[1][:12] for row in users)),
            hint=text("teul stop {name}", name=users[0][1][:12]),
        )  # fmt: skip
    _take_down(engine, network)
    rows.delete(engine.db, network.id)
    claims.release(_claims(engine), network.subnet)
    return network


def prune(engine: Engine) -> tuple[str, ...]:
    """Remove every network that no container is on or asks for; returns their names."""
    from teul.engine.containers.record import Container
    from teul.state import containers

    sweep(engine)
    wanted = {place.network for row in containers.every(engine.db) for place in Container.from_row(row).places}
    removed = []
    for network in list_networks(engine):
        if network.name in PREDEFINED or network.name in wanted:
            continue
        try:
            remove(engine, network.name)
        except (Conflict, NetworkNotFound):
            continue
        removed.append(network.name)
    return tuple(removed)


def take_down(engine: Engine) -> None:
    """Take away every bridge that no container is on, with its rules; the next container brings it up again.

    Bridges stay up between containers, because the last one's tear-down is what costs.
    """
    sweep(engine)
    for network in known(engine):
        if not rows.endpoints(engine.db, network=network.id):
            _take_down(engine, network)


def abandon(engine: Engine) -> None:
    """Take every bridge of this state folder down and give the subnets back: before the folder itself goes."""
    take_down(engine)
    for network in known(engine):
        claims.release(_claims(engine), network.subnet)


class Joined:
    """A container on its networks: the namespace is there at once, `finish` waits until it is set up.

    `close` lets go of the namespace (the container's processes hold it by then); `undo` takes everything back.
    """

    def __init__(
        self, engine: Engine, container: str, places: tuple[Endpoint, ...], ports: tuple[PortMapping, ...]
    ) -> None:
        self._engine = engine
        self._container = container
        self.places = places
        self.ports = ports
        self.bridges: tuple[str, ...] = ()
        self.port_sockets: list[int] = []
        self.namespace = -1
        self.setup: netavark.Setup | None = None

    @property
    def path(self) -> str:
        """Where the runtime finds the namespace."""
        return f"/proc/{os.getpid()}/fd/{self.namespace}"

    def finish(self) -> None:
        """Raises: CommandFailed."""
        assert self.setup is not None
        setup, self.setup = self.setup, None
        said = setup.wait()
        self.places = tuple(
            _with_mac(place, said.get(bridge)) for place, bridge in zip(self.places, self.bridges, strict=True)
        )

    def close_sockets(self) -> None:
        """Let go of the port sockets here; the monitor has them."""
        for descriptor in self.port_sockets:
            os.close(descriptor)
        self.port_sockets = []

    def close(self) -> None:
        """Idempotent."""
        if self.setup is not None:
            self.setup.close()
            self.setup = None
        self.close_sockets()
        if self.namespace != -1:
            os.close(self.namespace)
            self.namespace = -1

    def undo(self) -> None:
        self.close()
        leave(self._engine, self._container)


def join(engine: Engine, container: Container) -> Joined:
    """Give *container* its addresses and ports and begin to set its namespace up.

    Raises:
        NetworkNotFound, PortInUse, Conflict (no address left).
    """
    sweep(engine)
    networks = [get(engine, place.network) for place in container.places]
    places: list[Endpoint] = []
    ports, sockets = _reserve(engine, container.publish)
    joined = Joined(engine, container.id, (), ports)
    joined.port_sockets = sockets
    try:
        with engine.db:
            for index, (network, place) in enumerate(zip(networks, container.places, strict=True)):
                taken = rows.addresses(engine.db, network.id) | {network.gateway}
                address = _address(network, place.requested_address, taken)
                places.append(
                    replace(
                        place,
                        network=network.name,
                        network_id=network.id,
                        address=address,
                        prefix=network.prefix,
                        gateway=network.gateway,
                        interface=f"eth{index}",
                        mac="",
                    )
                )
            options = netavark.options_for(
                container.id, container.name, list(zip(networks, places, strict=True)), ports, mtu=addresses.host_mtu()
            )
            data = dumps(options, separators=(",", ":"))
            for place in places:
                rows.add_endpoint(engine.db, (place.network_id, container.id, place.address, data))
        for network in networks:
            if not is_up(network):
                _check_free(engine, network)
        joined.places = tuple(places)
        joined.bridges = tuple(network.bridge for network in networks)
        joined.namespace = open_network_namespace()
        joined.setup = netavark.Setup(f"{engine.settings.run_root}/networks", options, joined.namespace)
    except BaseException:
        joined.undo()
        raise
    return joined


@dataclass(frozen=True, slots=True)
class Session:
    """A namespace on a network that no container has (yet). `path` is for a sandbox' `network`."""

    path: str
    address: str
    gateway: str


@contextmanager
def session(engine: Engine, key: str, *, network: str = DEFAULT) -> Iterator[Session]:
    """A network namespace on *network*, set up, for as long as the block: what a build or pipeline step runs in.

    *key* names it among the network's endpoints, as a container's id does. A kill leaves a row, which is swept.
    """
    sweep(engine)
    found = get(engine, network)
    with engine.db:
        address = _address(found, "", rows.addresses(engine.db, found.id) | {found.gateway})
        place = Endpoint(network=found.name, network_id=found.id, address=address)
        options = netavark.options_for(key, key[:32], [(found, place)], (), mtu=addresses.host_mtu())
        options["owner"] = [os.getpid(), process_start(os.getpid())]
        rows.add_endpoint(engine.db, (found.id, key, address, dumps(options)))
    namespace = -1
    try:
        namespace = open_network_namespace()
        setup = netavark.Setup(f"{engine.settings.run_root}/networks", options, namespace)
        setup.wait()
        yield Session(f"/proc/{os.getpid()}/fd/{namespace}", address, found.gateway)
    finally:
        if namespace != -1:
            os.close(namespace)
        leave(engine, key)


def leave(engine: Engine, container: str) -> None:
    """Take away what a container that does not run any more left on its networks; idempotent.

    What the kernel does by itself (the interfaces) is gone already; see `teul.network.netavark`.
    """
    found = rows.endpoints(engine.db, container=container)
    if not found:
        return
    options = loads(found[0][3])
    if not netavark.needs_tear_down(options):
        rows.remove_endpoints(engine.db, container)
        return
    with _lock(engine):
        if not rows.endpoints(engine.db, container=container):
            return
        namespace = open_network_namespace()
        try:
            netavark.tear_down(f"{engine.settings.run_root}/networks", options, namespace)
        finally:
            os.close(namespace)
        rows.remove_endpoints(engine.db, container)


def leaves_something(engine: Engine, container: str) -> bool:
    """Whether `leave` would have to do more than delete a row."""
    return any(netavark.needs_tear_down(loads(row[3])) for row in rows.endpoints(engine.db, container=container))


def sweep(engine: Engine) -> None:
    """Finish the tear-downs that were left: of containers that ended while nobody looked, or by a kill."""
    for container, data in rows.orphans(engine.db):
        pid, started = loads(data).get("owner", (0, ""))
        if pid and process_start(pid) == started:
            continue
        folder = f"{engine.settings.containers}/{container}"
        lock = None
        if os.path.isdir(folder):
            try:
                lock = FolderLock.take(folder, wait=False)
            except FileNotFoundError:
                lock = None
            else:
                if lock is None:
                    # Somebody is starting or settling it this moment.
                    continue
        try:
            if any(container == row[0] for row in rows.orphans(engine.db)):
                leave(engine, container)
        finally:
            if lock is not None:
                lock.release()


def _reserve(engine: Engine, publish: Sequence[PortMapping]) -> tuple[tuple[PortMapping, ...], list[int]]:
    if not publish:
        return (), []
    from teul.errors import PortInUse

    try:
        return holders.reserve(publish)
    except PortInUse as error:
        name = _container_with_port(engine, error.port)
        if name:
            raise PortInUse(error.port, holder=text("container `{name}`", name=name), free=error.free) from error
        raise


def _container_with_port(engine: Engine, port: int) -> str:
    from teul.engine.containers.record import Container
    from teul.state import containers

    for row in containers.with_status(engine.db, "running"):
        container = Container.from_row(row)
        if any(mapping.host_port == port for mapping in container.ports):
            return container.name
    return ""


def _address(network: Network, requested: str, taken: set[str]) -> str:
    block = addresses.Subnet.parse(network.subnet)
    if requested:
        if requested not in block:
            raise InvalidInput(
                text("invalid address {address}: expected one in {subnet}", address=requested, subnet=network.subnet)
            )
        if requested in taken:
            raise Conflict(text("address {address} is already in use", address=requested))
        return requested
    return addresses.choose_address(addresses.Subnet.parse(network.ip_range) if network.ip_range else block, taken)


def _as_nobody(engine: Engine, network: Network, *, remove: bool) -> None:
    """Join *network* with an empty namespace, so that netavark makes the bridge, and leave it so that it stays or goes."""
    nobody = new_id()
    with engine.db:
        address = _address(network, "", rows.addresses(engine.db, network.id) | {network.gateway})
        place = Endpoint(network=network.name, network_id=network.id, address=address)
        options = netavark.options_for(
            nobody, nobody[:12], [(replace(network, dns=False), place)], (), mtu=addresses.host_mtu()
        )
        options["owner"] = [os.getpid(), process_start(os.getpid())]
        rows.add_endpoint(engine.db, (network.id, nobody, address, dumps(options)))
    try:
        if remove:
            _undo_network(engine, network, nobody, address)
            return
        with _lock(engine):
            namespace = open_network_namespace()
            try:
                netavark.Setup(f"{engine.settings.run_root}/networks", options, namespace).wait()
            finally:
                os.close(namespace)
    finally:
        rows.remove_endpoints(engine.db, nobody)


def _check_free(engine: Engine, network: Network) -> None:
    """Before a bridge comes up: since the network was made, others may have come (a VPN, or after a reboot).

    Raises:
        Conflict.
    """
    block = addresses.Subnet.parse(network.subnet)
    other = addresses.overlapping(block, addresses.host_routes())
    if other is not None:
        raise Conflict(
            text("subnet {subnet} overlaps {other}, which is in use on this host", subnet=block, other=other),
            hint=text("teul network rm {name}", name=network.name),
        )
    _claim(engine, network)


def _take_down(engine: Engine, network: Network) -> None:
    if is_up(network):
        _as_nobody(engine, network, remove=True)


def _claims(engine: Engine) -> str:
    return f"{os.path.dirname(engine.settings.run_root)}/subnets"


def _claim(engine: Engine, network: Network) -> None:
    value = {name: getattr(network, name) for name in fields(network)}
    claims.write(_claims(engine), claims.Claim(network.subnet, engine.settings.root, value))


def _sweep_claims(engine: Engine) -> None:
    """Take down what state folders left that are gone; nobody else can."""
    for claim in claims.read(_claims(engine)):
        if not claim.is_stale:
            continue
        claims.release(_claims(engine), claim.subnet)
        try:
            network = Network.from_json(claim.network)
            if is_up(network):
                _undo_network(
                    engine, network, new_id(), addresses.show(addresses.Subnet.parse(network.subnet).first + 2)
                )
        except (TeulError, OSError, TypeError, ValueError):
            continue


def _undo_network(engine: Engine, network: Network, nobody: str, address: str) -> None:
    """Join an empty namespace to *network* and leave it as the last, which takes the bridge and the rules along."""
    folder = f"{engine.settings.run_root}/networks"
    place = Endpoint(network=network.name, network_id=network.id, address=address)
    options = netavark.options_for(nobody, nobody[:12], [(replace(network, dns=False), place)], ())
    # The kernel takes the interfaces of a container that has just ended away a moment later; until then it is no last one.
    ports = f"/sys/class/net/{network.bridge}/brif"
    deadline = time.monotonic() + IDLE_TIMEOUT_S
    while os.path.isdir(ports) and os.listdir(ports) and time.monotonic() < deadline:
        time.sleep(0.01)
    with _lock(engine):
        namespace = open_network_namespace()
        try:
            netavark.Setup(folder, options, namespace).wait()
            problem = netavark.tear_down(folder, options, namespace)
        finally:
            os.close(namespace)
    if is_up(network) and not problem:
        problem = text("bridge {bridge} is still in use", bridge=network.bridge)
    if problem:
        raise TeulError(text("network {name}: {problem}", name=network.name, problem=problem))


def _lock(engine: Engine) -> FolderLock:
    os.makedirs(engine.settings.run_root, mode=0o711, exist_ok=True)
    lock = FolderLock.take(f"{engine.settings.run_root}/networks.lock", make=True)
    assert lock is not None
    return lock


def _with_mac(place: Endpoint, status: object) -> Endpoint:
    interfaces = status.get("interfaces") if isinstance(status, dict) else None
    interface = interfaces.get(place.interface) if isinstance(interfaces, dict) else None
    return replace(place, mac=str(interface.get("mac_address", ""))) if isinstance(interface, dict) else place


def _network(row: Row) -> Network:
    return Network.from_json(loads(row[2]))


def _data(network: Network) -> str:
    return dumps({name: getattr(network, name) for name in fields(network)})
