"""`system reset`: end everything that this state folder has on the host. Images, volumes and records stay."""

from __future__ import annotations

import os
from dataclasses import dataclass

from teul.errors import TeulError
from teul.events import Warn, silent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.engine import Engine
    from teul.events import Sink


@dataclass(frozen=True, slots=True)
class Reset:
    """What was ended: names of containers and networks, places where something was mounted."""

    containers: tuple[str, ...]
    networks: tuple[str, ...]
    mounts: tuple[str, ...]


def reset(engine: Engine, *, events: Sink = silent) -> Reset:
    """Remove all containers and networks, with processes, bridges, rules and mounts; what cannot be is said and left.

    Named volumes stay, with their content.
    """
    from teul.engine import leftovers, networks
    from teul.engine.containers import list_containers, remove

    containers: list[str] = []
    for container in list_containers(engine, all=True):
        try:
            remove(engine, container.id, force=True, with_volumes=True)
        except TeulError as error:
            events(Warn("reset", error.code, error.message))
            continue
        containers.append(container.name)
    networks.sweep(engine)
    gone: list[str] = []
    for network in networks.known(engine):
        try:
            if network.name in networks.PREDEFINED:
                networks.discard(engine, network)
            else:
                networks.remove(engine, network.name)
        except TeulError as error:
            events(Warn("reset", error.code, error.message))
            continue
        gone.append(network.name)
    leftovers.mend(engine)
    return Reset(tuple(containers), tuple(gone), _unmount(engine))


def _unmount(engine: Engine) -> tuple[str, ...]:
    from teul.host.mount import mounts_below, unmount

    done = []
    for path in sorted(
        {place for root in (engine.settings.root, engine.settings.run_root) for place in mounts_below(root)},
        reverse=True,
    ):
        # The state folder itself may be a disk of its own.
        if path in (engine.settings.root, engine.settings.run_root) or not os.path.lexists(path):
            continue
        unmount(path, lazy=True)
        done.append(path)
    return tuple(done)
