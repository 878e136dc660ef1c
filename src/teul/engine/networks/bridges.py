"""The bridges behind networks: brought up, isolated, taken down, and what vanished state folders left of them."""

from __future__ import annotations

import os
import time

from teul.containers import new_id
from teul.errors import Conflict, TeulError, text
from teul.host.fs import FolderLock, remove_file
from teul.host.netns import delete_interface, keep_address, open_network_namespace
from teul.network import addresses, claims, netavark
from teul.network.netavark import Endpoint, Network
from teul.plain_json import dumps
from teul.state import networks as rows
from teul.state.leases import process_start
from teul.values import fields

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from dataclasses import replace

    from teul.engine import Engine
else:
    from teul.values import replace

IDLE_TIMEOUT_S = 5.0
PASSING = "passing"
"""Marks the endpoint of nobody, there for the moment in which somebody makes a bridge or takes it away."""


def bring_up(engine: Engine, network: Network) -> None:
    """Make the network's bridge before any container needs it, so that something can listen on the gateway."""
    from teul.engine.networks.definition import is_up

    prepare(engine, network)
    if not is_up(network):
        _as_nobody(engine, network, remove=False)


def prepare(engine: Engine, network: Network) -> None:
    """What a bridge needs once, before the first container is on it; costs a look at two files afterwards.

    Raises:
        Conflict: its subnet came into use elsewhere.
    """
    from teul.engine.networks.definition import is_up

    if not is_up(network):
        _check_free(engine, network)
        remove_file(_ready(engine, network))
    mark = _isolated(engine, network)
    if os.path.exists(mark):
        return
    from teul.network import isolation

    with claims.lock(claims_folder(engine)):
        isolation.isolate(network.bridge, ipv6=bool(network.subnet6), talks_inside=network.talks_inside)
    os.makedirs(os.path.dirname(mark), mode=0o711, exist_ok=True)
    with open(mark, "wb"):
        pass


def first_lock(engine: Engine, networks: Sequence[Network]) -> FolderLock | None:
    """The lock for a set-up that makes the rules of one of *networks*; None when all have theirs."""
    return None if all(os.path.exists(_ready(engine, network)) for network in networks) else lock(engine)


def has_rules(engine: Engine, networks: Sequence[Network]) -> None:
    """A set-up on *networks* is done: the next ones need no lock."""
    for network in networks:
        path = _ready(engine, network)
        if not os.path.exists(path):
            keep_address(network.bridge)
            os.makedirs(os.path.dirname(path), mode=0o711, exist_ok=True)
            with open(path, "wb"):
                pass


def take_down(engine: Engine) -> None:
    """Take away every bridge that no container is on, with its rules; the next container brings it up again.

    Bridges stay up between containers, because the last one's tear-down is what costs.
    """
    from teul.engine.networks.definition import known
    from teul.engine.networks.joining import sweep

    sweep(engine)
    for network in known(engine):
        if not rows.endpoints(engine.db, network=network.id):
            try:
                take_down_one(engine, network)
            except TeulError:
                # Something on it is ending only now; whoever takes down next finds the bridge again.
                continue


def take_down_one(engine: Engine, network: Network) -> None:
    """Take away the bridge of a network that no container is on, with its rules; idempotent."""
    from teul.engine.networks.definition import is_up

    if is_up(network):
        _as_nobody(engine, network, remove=True)
    _release(engine, network)


def abandon(engine: Engine) -> None:
    """Take every bridge of this state folder down and give the subnets back: before the folder itself goes."""
    from teul.engine.networks.definition import is_up, known

    take_down(engine)
    for network in known(engine):
        # The claim of one that stays is what the next state folder finds it by.
        for word in () if is_up(network) else (network.subnet, network.subnet6):
            if word:
                claims.release(claims_folder(engine), word)


def leftovers(engine: Engine) -> list[str]:
    """Bridges of this state folder that no network of it has: of a network whose row was lost, or a removal's kill."""
    from teul.engine.networks.definition import known

    mine = {network.bridge for network in known(engine)}
    prefix = f"tl{engine.settings.instance}"
    return sorted(
        name
        for name in os.listdir("/sys/class/net")
        if name.startswith(prefix) and name not in mine and os.path.isdir(f"/sys/class/net/{name}/bridge")
    )


def clean_up(engine: Engine) -> list[str]:
    """Take away the bridges that `leftovers` finds, with what claims and rules they had; their names."""
    with claims.lock(claims_folder(engine)):
        # Who makes a network holds this until its row is there; what has none now is nobody's.
        found = leftovers(engine)
    for name in found:
        claim = next((each for each in claims.read(claims_folder(engine)) if each.network.get("bridge") == name), None)
        network = Network.from_json(claim.network) if claim is not None else _unknown(name)
        try:
            undo_network(engine, network, new_id(), _any_place(network))
        except (TeulError, OSError):
            delete_interface(name)
        _release(engine, network)
        if claim is not None:
            claims.release(claims_folder(engine), claim.subnet)
    return found


def claims_folder(engine: Engine) -> str:
    return f"{os.path.dirname(engine.settings.run_root)}/subnets"


def claim(engine: Engine, network: Network) -> None:
    """Say to other state folders whose the network's subnets are."""
    value = {name: getattr(network, name) for name in fields(network)}
    for word in (network.subnet, network.subnet6):
        if word:
            claims.write(claims_folder(engine), claims.Claim(word, engine.settings.root, value))


def sweep_claims(engine: Engine) -> None:
    """Take down what state folders left that are gone; nobody else can."""
    from teul.engine.networks.definition import is_up

    for each in claims.read(claims_folder(engine)):
        if not each.is_stale:
            continue
        claims.release(claims_folder(engine), each.subnet)
        try:
            network = Network.from_json(each.network)
            if is_up(network):
                undo_network(engine, network, new_id(), _any_place(network))
            _release(engine, network)
        except (TeulError, OSError, TypeError, ValueError):
            continue


def undo_network(engine: Engine, network: Network, nobody: str, place: Endpoint) -> None:
    """Join an empty namespace to *network* and leave it as the last, which takes the bridge and the rules along."""
    from teul.engine.networks.definition import is_up

    folder = f"{engine.settings.run_root}/networks"
    options = netavark.options_for(nobody, nobody[:12], [(replace(network, dns=False), place)], ())
    netavark.wait_for_orphans(folder)
    # The kernel takes the interfaces of a container that has just ended away a moment later; until then it is no last one.
    ports = f"/sys/class/net/{network.bridge}/brif"
    deadline = time.monotonic() + IDLE_TIMEOUT_S
    while os.path.isdir(ports) and os.listdir(ports) and time.monotonic() < deadline:
        time.sleep(0.01)
    with lock(engine):
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


def lock(engine: Engine) -> FolderLock:
    """Held while netavark takes something away or makes a network's rules, by all state folders of the host.

    Two that make the same chain at once are one too many for netavark 1.4, and some chains are the whole host's.
    """
    folder = os.path.dirname(engine.settings.run_root)
    os.makedirs(folder, mode=0o711, exist_ok=True)
    made = FolderLock.take(f"{folder}/networks.lock", make=True)
    assert made is not None
    return made


def _as_nobody(engine: Engine, network: Network, *, remove: bool) -> None:
    """Join *network* with an empty namespace, so that netavark makes the bridge, and leave it so that it stays or goes."""
    from teul.engine.networks.joining import choose_place

    nobody = new_id()
    with engine.db:
        place = choose_place(engine, network, Endpoint(network=network.name, network_id=network.id))
        options = netavark.options_for(
            nobody, nobody[:12], [(replace(network, dns=False), place)], (), mtu=addresses.host_mtu()
        )
        options["owner"] = [os.getpid(), process_start(os.getpid())]
        options[PASSING] = True
        rows.add_endpoint(engine.db, (network.id, nobody, place.address, dumps(options)))
    try:
        if remove:
            undo_network(engine, network, nobody, place)
            return
        with lock(engine):
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
    for word, routes in ((network.subnet, addresses.host_routes), (network.subnet6, addresses.host_routes6)):
        if not word:
            continue
        block = addresses.Subnet.parse(word)
        other = addresses.overlapping(block, routes())
        if other is not None:
            raise Conflict(
                text("subnet {subnet} overlaps {other}, which is in use on this host", subnet=block, other=other),
                hint=text("teul network rm {name}", name=network.name),
            )
    claim(engine, network)


def _release(engine: Engine, network: Network) -> None:
    mark = _isolated(engine, network)
    remove_file(_ready(engine, network))
    from teul.network import isolation

    with claims.lock(claims_folder(engine)):
        isolation.release(network.bridge)
    remove_file(mark)


def _ready(engine: Engine, network: Network) -> str:
    """A file that says that netavark has made the network's rules."""
    return f"{engine.settings.run_root}/isolated/{network.bridge}.ready"


def _isolated(engine: Engine, network: Network) -> str:
    """A file that says that the bridge has its rules; the run folder goes with a reboot, as they do."""
    return f"{engine.settings.run_root}/isolated/{network.bridge}"


def _any_place(network: Network) -> Endpoint:
    """Addresses of a network that nobody is on."""
    return Endpoint(
        network=network.name,
        network_id=network.id,
        address=_third(network.subnet),
        address6=_third(network.subnet6) if network.subnet6 else "",
    )


def _third(subnet: str) -> str:
    block = addresses.Subnet.parse(subnet)
    return addresses.show(block.first + 2, block.bits)


def _unknown(bridge: str) -> Network:
    """A network of which nothing is known but its bridge: its address there says the subnet."""
    for block in addresses.host_routes():
        if addresses.interface_of(block) == bridge:
            return Network(id=bridge, name=bridge, bridge=bridge, subnet=str(block), gateway=block.gateway)
    return Network(id=bridge, name=bridge, bridge=bridge, subnet="192.0.2.0/24", gateway="192.0.2.1")
