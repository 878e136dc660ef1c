"""Containers that join networks and leave them.

The row of an endpoint is the journal: written before anything is set up, deleted when nothing of it is left.
"""

from __future__ import annotations

import os
from contextlib import contextmanager

from teul.engine.networks.bridges import first_lock, has_rules, lock, prepare
from teul.engine.networks.definition import DEFAULT, get
from teul.errors import Conflict, InvalidInput, text
from teul.host.fs import FolderLock, crash_point
from teul.host.netns import open_network_namespace
from teul.network import addresses, holders, netavark
from teul.network.netavark import Endpoint, Network
from teul.plain_json import dumps, loads
from teul.state import networks as rows
from teul.state.leases import process_start

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from dataclasses import dataclass, replace
    from typing import Any

    from teul.engine import Engine
    from teul.engine.containers.record import Container
    from teul.network.direct import Direct
    from teul.network.ports import PortMapping
else:
    from teul.values import dataclass, replace


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
        self.setup: netavark.Setup | Direct | None = None
        self.networks: tuple[Network, ...] = ()
        self.lock: FolderLock | None = None

    @property
    def path(self) -> str:
        """Where the runtime finds the namespace."""
        return f"/proc/{os.getpid()}/fd/{self.namespace}"

    def finish(self) -> None:
        """Raises: CommandFailed."""
        assert self.setup is not None
        setup, self.setup = self.setup, None
        said = setup.wait()
        crash_point("network-joined")
        if any(network.dns for network in self.networks):
            from teul.network.answers import wait_for_names

            wait_for_names(f"{self._engine.settings.run_root}/networks", setup.options, self.namespace)
        has_rules(self._engine, self.networks)
        self._unlock()
        self.places = tuple(
            netavark.with_mac(place, said.get(bridge)) for place, bridge in zip(self.places, self.bridges, strict=True)
        )

    def close_sockets(self) -> None:
        """Let go of the port sockets here; the monitor has them."""
        for descriptor in self.port_sockets:
            os.close(descriptor)
        self.port_sockets = []

    def _unlock(self) -> None:
        if self.lock is not None:
            self.lock.release()
            self.lock = None

    def close(self) -> None:
        """Idempotent."""
        if self.setup is not None:
            self.setup.close()
            self.setup = None
        self._unlock()
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
    ports, sockets = _reserve(engine, _on_addresses(container.publish, networks))
    joined = Joined(engine, container.id, (), ports)
    joined.port_sockets = sockets
    try:
        with engine.db:
            for index, (network, place) in enumerate(zip(networks, container.places, strict=True)):
                places.append(replace(choose_place(engine, network, place), interface=f"eth{index}"))
            options = netavark.options_for(
                container.id, container.name, list(zip(networks, places, strict=True)), ports, mtu=addresses.host_mtu()
            )
            for network, place in zip(networks, places, strict=True):
                data = dumps(netavark.part_of(options, network.bridge), separators=(",", ":"))
                rows.add_endpoint(engine.db, (place.network_id, container.id, place.address, data))
        for network in networks:
            prepare(engine, network)
        joined.places = tuple(places)
        joined.bridges = tuple(network.bridge for network in networks)
        joined.namespace = open_network_namespace()
        joined.networks = tuple(networks)
        joined.lock = first_lock(engine, networks)
        joined.setup = _begin(engine, options, joined.namespace, is_ready=joined.lock is None)
    except BaseException:
        joined.undo()
        raise
    return joined


def _begin(engine: Engine, options: Mapping[str, Any], namespace: int, *, is_ready: bool) -> netavark.Setup | Direct:
    """Begin to set *namespace* up; *is_ready* says that netavark has done so for the same networks before."""
    folder = f"{engine.settings.run_root}/networks"
    if is_ready:
        from teul.network import direct

        if direct.can_be_direct(options):
            return direct.Direct(folder, options, namespace)
    return netavark.Setup(folder, options, namespace)


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
        place = choose_place(engine, found, Endpoint(network=found.name, network_id=found.id))
        options = netavark.options_for(key, key[:32], [(found, place)], (), mtu=addresses.host_mtu())
        options["owner"] = [os.getpid(), process_start(os.getpid())]
        rows.add_endpoint(engine.db, (found.id, key, place.address, dumps(options)))
    namespace = -1
    try:
        prepare(engine, found)
        namespace = open_network_namespace()
        held = first_lock(engine, [found])
        try:
            _begin(engine, options, namespace, is_ready=held is None).wait()
            has_rules(engine, [found])
        finally:
            if held is not None:
                held.release()
        yield Session(f"/proc/{os.getpid()}/fd/{namespace}", place.address, found.gateway)
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
    options = _whole([loads(row[3]) for row in found])
    if not netavark.needs_tear_down(options):
        rows.remove_endpoints(engine.db, container)
        return
    netavark.wait_for_orphans(f"{engine.settings.run_root}/networks")
    with lock(engine):
        if not rows.endpoints(engine.db, container=container):
            return
        namespace = open_network_namespace()
        try:
            netavark.tear_down(f"{engine.settings.run_root}/networks", options, namespace)
        finally:
            os.close(namespace)
        crash_point("network-left")
        netavark.end_idle_dns(f"{engine.settings.run_root}/networks")
        rows.remove_endpoints(engine.db, container)


def leaves_something(engine: Engine, container: str) -> bool:
    """Whether `leave` would have to do more than delete a row."""
    return any(netavark.needs_tear_down(loads(row[3])) for row in rows.endpoints(engine.db, container=container))


def sweep(engine: Engine) -> None:
    """Finish the tear-downs that were left: of containers that ended while nobody looked, or by a kill."""
    for network_id, container, data in rows.unfinished(engine.db):
        if not _is_owned(loads(data)):
            from teul.engine.networks.membership import finish_leaving

            finish_leaving(engine, network_id, container)
    for container, data in rows.orphans(engine.db):
        if _is_owned(loads(data)):
            continue
        folder = f"{engine.settings.containers}/{container}"
        held = None
        if os.path.isdir(folder):
            try:
                held = FolderLock.take(folder, wait=False)
            except FileNotFoundError:
                held = None
            else:
                if held is None:
                    # Somebody is starting or settling it this moment.
                    continue
        try:
            if any(container == row[0] for row in rows.orphans(engine.db)):
                leave(engine, container)
        finally:
            if held is not None:
                held.release()


def _is_owned(options: Mapping[str, Any]) -> bool:
    """Whether a process that lives is at work on an endpoint; most say of none."""
    pid, started = options.get("owner", (0, ""))
    return bool(pid) and process_start(pid) == started


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


def choose_place(engine: Engine, network: Network, place: Endpoint) -> Endpoint:
    """*place* with the addresses that it gets on *network*; the caller writes the endpoint in the same transaction.

    Raises:
        InvalidInput: the address that it asks for is none of the network's. Conflict: it is taken, or all are.
    """
    taken = rows.addresses(engine.db, network.id)
    address = _address(
        network.subnet, network.ip_range, place.requested_address, taken | {network.gateway}, network.reserved
    )
    address6 = ""
    if network.subnet6:
        taken6 = {
            word
            for row in rows.endpoints(engine.db, network=network.id)
            for word in loads(row[3])["networks"][network.bridge]["static_ips"]
        }
        address6 = _address(
            network.subnet6, network.ip_range6, place.requested_address6, taken6 | {network.gateway6}, network.reserved
        )
    elif place.requested_address6:
        raise InvalidInput(
            text("no configured subnet or ip-range contain the IP address {address}", address=place.requested_address6),
            hint=text("teul network create --ipv6"),
        )
    return replace(
        place,
        network=network.name,
        network_id=network.id,
        address=address,
        prefix=network.prefix,
        gateway="" if network.internal else network.gateway,
        address6=address6,
        prefix6=network.prefix6,
        gateway6="" if network.internal else network.gateway6,
        mac="",
    )


def _address(subnet: str, ip_range: str, requested: str, taken: set[str], reserved: Mapping[str, str]) -> str:
    block = addresses.Subnet.parse(subnet)
    taken = taken | {addresses.show(addresses.number(word), 128 if ":" in word else 32) for word in reserved.values()}
    if requested:
        requested = addresses.show(addresses.number(requested), block.bits)
        if requested not in block:
            raise InvalidInput(
                text("no configured subnet or ip-range contain the IP address {address}", address=requested),
                hint=text("the subnet is {subnet}", subnet=subnet),
            )
        if requested in taken:
            raise Conflict(text("Address already in use: {address}", address=requested))
        return requested
    return addresses.choose_address(block, taken, addresses.Subnet.parse(ip_range) if ip_range else None)


def _on_addresses(publish: Sequence[PortMapping], networks: Sequence[Network]) -> Sequence[PortMapping]:
    """Ports with the addresses of the host that the first network puts them on, where they name none.

    Raises:
        InvalidInput: one is to be on an IPv6 address, and the container has none.
    """
    if not publish:
        return publish
    chosen = networks[0].host_address if networks else ""
    has_ipv6 = any(network.subnet6 for network in networks)
    for mapping in publish:
        if ":" in mapping.host_ip and not has_ipv6:
            raise InvalidInput(
                text("port {port} on {address}: the container has no IPv6 address",
                     port=mapping.container_port, address=mapping.host_ip),
                hint=text("teul network create --ipv6"),
            )  # fmt: skip
    return [replace(item, host_ip=item.host_ip or chosen) for item in publish] if chosen else publish


def _whole(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """The parts of what was set up for one container on several networks, as netavark takes them."""
    made = dict(parts[0])
    for key in ("networks", "network_info"):
        made[key] = {bridge: value for part in parts for bridge, value in part[key].items()}
    made["port_mappings"] = next((part["port_mappings"] for part in parts if part["port_mappings"]), [])
    return made
