"""`connect` and `disconnect`: a container that exists joins one more network or leaves one, running or not."""

from __future__ import annotations

import os

from teul.engine.event_log import emit
from teul.engine.networks.bridges import first_lock, has_rules, lock, prepare
from teul.engine.networks.definition import get
from teul.engine.networks.joining import choose_place, sweep
from teul.errors import AlreadyExists, Conflict, ContainerNotFound, text
from teul.host import netns
from teul.host.fs import FolderLock, crash_point
from teul.network import addresses, netavark
from teul.network.netavark import Endpoint
from teul.plain_json import dumps, loads
from teul.state import networks as rows
from teul.state.leases import process_start

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from dataclasses import replace

    from teul.engine import Engine
    from teul.engine.containers.record import Container
    from teul.network.netavark import Network
else:
    from teul.values import replace


def connect(
    engine: Engine,
    network: str,
    container: str,
    *,
    aliases: Sequence[str] = (),
    address: str = "",
    address6: str = "",
) -> None:
    """Put *container* on *network*; one that runs has the interface, the names and the route at once.

    Raises:
        NetworkNotFound, ContainerNotFound. AlreadyExists: it is on it. Conflict: it has no network of its own.
        InvalidInput: the address is none of the network's.
    """
    _check_mode(network)
    from teul.engine.containers.lookup import get as get_container

    found = get_container(engine, container)
    wanted = get(engine, network)
    if found.network_mode == "none":
        raise Conflict(
            text("container cannot be connected to multiple networks with one of the networks in private (none) mode")
        )
    if found.network_mode == "host" or found.network_mode.startswith("container:"):
        raise Conflict(
            text(
                "container sharing network namespace with another container or host cannot be connected to any other "
                "network"
            )
        )
    place = Endpoint(
        network=wanted.name,
        network_id=wanted.id,
        aliases=tuple(aliases),
        requested_address=address,
        requested_address6=address6,
    )
    sweep(engine)
    with _locked(engine, found.id):
        found = _true(engine, found.id)
        if wanted.name in found.networks:
            if found.is_running:
                raise AlreadyExists(
                    text("endpoint with name {name} already exists in network {network}",
                         name=found.name, network=wanted.name)
                )  # fmt: skip
            places = tuple(place if item.network == wanted.name else item for item in found.places)
        elif found.is_running:
            place = _set_up(engine, found, wanted, place)
            places = (*found.places, place)
        else:
            # Nothing is taken yet, but what cannot be is said now.
            choose_place(engine, wanted, place)
            places = (*found.places, place)
        _remember(engine, replace(found, places=places), added=place if found.is_running else None)
    _announce(engine, "connect", wanted, found)


def disconnect(engine: Engine, network: str, container: str, *, force: bool = False) -> None:
    """Take *container* off *network*; *force* does so also where only a place is left of it.

    Raises:
        NetworkNotFound, ContainerNotFound. Conflict: it is not on it.
    """
    _check_mode(network)
    from teul.engine.containers.lookup import get as get_container

    wanted = get(engine, network)
    try:
        found = get_container(engine, container)
    except ContainerNotFound:
        if force and any(row[1].startswith(container) for row in rows.endpoints(engine.db, network=wanted.id)):
            sweep(engine)
            return
        raise
    sweep(engine)
    with _locked(engine, found.id):
        found = _true(engine, found.id)
        place = found.networks.get(wanted.name)
        if place is None:
            raise Conflict(
                text("container {id} is not connected to network {network}", id=found.id, network=wanted.name)
            )
        if found.is_running:
            _undo(engine, found, wanted, place)
        places = tuple(item for item in found.places if item.network != wanted.name)
        _remember(engine, replace(found, places=places), removed=place if found.is_running else None)
    _announce(engine, "disconnect", wanted, found)


def _announce(engine: Engine, action: str, network: Network, container: Container) -> None:
    about = {"container": container.id, "name": network.name, "type": "bridge"}
    emit(engine, "network", action, network.id, about)


def _check_mode(network: str) -> None:
    if network == "host":
        raise Conflict(text("container cannot be disconnected from host network or connected to host network"))
    if network == "none":
        raise Conflict(
            text("container cannot be connected to multiple networks with one of the networks in private (none) mode")
        )


def _locked(engine: Engine, container: str) -> FolderLock:
    from teul.engine.containers.lookup import folder_of

    try:
        made = FolderLock.take(folder_of(engine, container))
    except FileNotFoundError:
        raise ContainerNotFound(container) from None
    assert made is not None
    return made


def _true(engine: Engine, container: str) -> Container:
    from teul.engine.containers.lookup import reread

    found = reread(engine, container)
    if found is None:
        raise ContainerNotFound(container)
    return found


def _set_up(engine: Engine, container: Container, network: Network, place: Endpoint) -> Endpoint:
    used = {item.interface for item in container.places}
    interface = next(name for number in range(len(used) + 1) if (name := f"eth{number}") not in used)
    prepare(engine, network)
    with engine.db:
        place = replace(choose_place(engine, network, place), interface=interface)
        options = netavark.options_for(
            container.id, container.name, [(network, place)], container.ports, mtu=addresses.host_mtu()
        )
        if container.places:
            # Ports are published once, on what the container had first.
            options["port_mappings"] = []
        # Ours until the container's record has it: when we are killed before that, it is taken back.
        options["owner"] = _myself()
        rows.add_endpoint(engine.db, (network.id, container.id, place.address, dumps(options)))
    try:
        descriptor = os.open(f"/proc/{container.pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        held = first_lock(engine, [network])
        try:
            said = netavark.Setup(f"{engine.settings.run_root}/networks", options, descriptor).wait()
            crash_point("network-connected")
            if network.dns:
                from teul.network.answers import wait_for_names

                wait_for_names(f"{engine.settings.run_root}/networks", options, descriptor)
            has_rules(engine, [network])
        finally:
            os.close(descriptor)
            if held is not None:
                held.release()
    except BaseException:
        _undo(engine, container, network, place)
        rows.remove_endpoint(engine.db, network.id, container.id)
        raise
    return netavark.with_mac(place, said.get(network.bridge))


def finish_leaving(engine: Engine, network_id: str, container: str) -> None:
    """Take a running container off a network that it was being put on or taken off when somebody was killed."""
    from teul.engine.containers.lookup import folder_of, reread

    try:
        held = FolderLock.take(folder_of(engine, container), wait=False)
    except FileNotFoundError:
        return
    if held is None:
        # Somebody starts or settles it this moment.
        return
    with held:
        found = reread(engine, container)
        row = next((row for row in rows.endpoints(engine.db, container=container) if row[0] == network_id), None)
        if found is None or not found.is_running or row is None or "owner" not in loads(row[3]):
            return
        network = get(engine, network_id)
        interface = loads(row[3])["networks"][network.bridge]["interface_name"]
        place = found.networks.get(network.name) or Endpoint(network=network.name)
        place = replace(place, network_id=network.id, interface=interface)
        _undo(engine, found, network, place)
        places = tuple(item for item in found.places if item.network != network.name)
        _remember(engine, replace(found, places=places), removed=place)


def _myself() -> list[object]:
    return [os.getpid(), process_start(os.getpid())]


def _undo(engine: Engine, container: Container, network: Network, place: Endpoint) -> None:
    """Take the interface away, then the names and the port rules; the bridge stays up for others."""
    found = [row for row in rows.endpoints(engine.db, container=container.id) if row[0] == network.id]
    for row in found:
        rows.add_endpoint(engine.db, (*row[:3], dumps({**loads(row[3]), "owner": _myself()})))
    crash_point("network-leaving")
    try:
        with netns.inside(f"/proc/{container.pid}/ns/net"):
            netns.delete_interface(place.interface)
            crash_point("network-interface-deleted")
    except FileNotFoundError:
        # It has ended meanwhile.
        pass
    for row in found:
        options = netavark.part_of(loads(row[3]), network.bridge)
        if netavark.needs_tear_down(options):
            with lock(engine):
                namespace = netns.open_network_namespace()
                try:
                    netavark.tear_down(f"{engine.settings.run_root}/networks", options, namespace)
                finally:
                    os.close(namespace)
                netavark.end_idle_dns(f"{engine.settings.run_root}/networks")
    crash_point("network-disconnected")


def _remember(
    engine: Engine, container: Container, *, added: Endpoint | None = None, removed: Endpoint | None = None
) -> None:
    from teul.engine.containers.lookup import bundle_of, change

    with engine.db:
        # The places alone: the rest of *container* may be older than what others have written since.
        if change(engine, container.id, {"places": container.places}) is None:
            raise ContainerNotFound(container.name)
        if removed is not None:
            rows.remove_endpoint(engine.db, removed.network_id, container.id)
        for row in rows.endpoints(engine.db, container=container.id) if added is not None else ():
            options = loads(row[3])
            if added is not None and row[0] == added.network_id and options.pop("owner", None):
                rows.add_endpoint(engine.db, (*row[:3], dumps(options)))
    if added is None and removed is None:
        return
    from teul.engine.containers.startup import name_servers
    from teul.runtime import names

    bundle = bundle_of(engine, container.id)
    full = f"{container.hostname}.{container.domainname} " if container.domainname else ""
    names.edit_hosts(
        f"{bundle}/hosts",
        add=[f"{word}\t{full}{container.hostname}" for word in (added.address, added.address6) if word]
        if added
        else (),
        remove=[word for word in (removed.address, removed.address6) if word] if removed else (),
    )
    if not container.dns and os.path.exists(f"{bundle}/resolv.conf"):
        servers = name_servers(engine, container)
        names.write_in_place(
            f"{bundle}/resolv.conf",
            names.resolv_conf_text(
                servers=servers,
                search=container.dns_search,
                options=list(container.dns_options) or (["ndots:0"] if servers else []),
            ),
        )
