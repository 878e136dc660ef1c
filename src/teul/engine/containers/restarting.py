"""What a start leaves for a later one that no user asks for, and that start: `restart`."""

from __future__ import annotations

import os

from teul.containers import RUNNING
from teul.engine.containers.lookup import folder_of, reread
from teul.engine.event_log import emit
from teul.errors import ContainerRunning
from teul.plain_json import dumps, loads
from teul.runtime import host_trust

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dataclasses import replace

    from teul.engine import Engine
    from teul.engine.containers.record import Container
else:
    from teul.values import replace

ENVIRONMENT = "environment.json"
"""A file in the container's folder: what of the host's settings its last start by a user saw."""


def restart(engine: Engine, container: str) -> Container | None:
    """Start the container with exactly this id because its policy asks for it; None when it does not any more.

    What its process sees of the host's settings is what it saw when a user started it.
    """
    found = reread(engine, container)
    if found is None or found.status == RUNNING:
        return None
    try:
        with open(f"{folder_of(engine, container)}/{ENVIRONMENT}", "rb") as file:
            kept = loads(file.read())
    except (OSError, ValueError):
        kept = {}
    from teul.engine.containers.startup import start

    settings = engine.settings
    engine.settings = replace(settings, environ={**(settings.environ or {}), **kept})
    try:
        return start(engine, container, is_restart=True)
    except ContainerRunning:
        return None
    finally:
        engine.settings = settings


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def keep_environment(engine: Engine, container: str) -> None:
    """Remember what this start saw of the host's settings: a restart comes from elsewhere, and gives the same."""
    environ = engine.settings.environ or {}
    kept = {name: value for name, value in environ.items() if host_trust.is_seen(name)}
    path = f"{folder_of(engine, container)}/{ENVIRONMENT}"
    try:
        with open(f"{path}.tmp", "w", opener=_private) as file:
            file.write(dumps(kept))
        os.rename(f"{path}.tmp", path)
    except (OSError, UnicodeError):
        return


def announce_start(engine: Engine, container: Container) -> None:
    """The events that come before Docker's `start`."""
    for place in container.places:
        emit(
            engine,
            "network",
            "connect",
            place.network_id,
            {"container": container.id, "name": place.network, "type": "bridge"},
        )
    for mount in container.mounts:
        if mount.kind == "volume":
            emit(
                engine,
                "volume",
                "mount",
                mount.name,
                {
                    "container": container.id,
                    "destination": mount.target,
                    "driver": "local",
                    "propagation": "",
                    "read/write": "false" if mount.readonly else "true",
                },
            )
