"""`remove`: a container, its snapshot, its folder, and with `-v` its anonymous volumes."""

from __future__ import annotations

import os
import time

from teul.containers import RESTARTING, RUNNING
from teul.engine.containers.lookup import bundle_of, folder_of, get
from teul.engine.event_log import emit_container
from teul.errors import ContainerRestarting, ContainerRunning, TeulError, VolumeNotFound, text
from teul.host.fs import FolderLock, crash_point, remove_tree
from teul.state import containers as rows

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.engine import Engine
    from teul.engine.containers.record import Container


def remove(engine: Engine, container: str, *, force: bool = False, with_volumes: bool = False) -> str:
    """Remove a container and return its id; with *force* a running one is killed first.

    Raises:
        ContainerNotFound. ContainerRunning: it runs, and *force* was not given.
    """
    found = get(engine, container)
    if found.status == RUNNING:
        if not force:
            raise ContainerRunning(
                found.name, hint=text("teul stop {name}, or teul rm --force {name}", name=found.name)
            )
        from teul.engine.containers.stopping import kill, wait_settled

        try:
            kill(engine, found.id, "KILL")
        except TeulError:
            pass
        is_gone = wait_settled(engine, found.id) is None
        if any(mount.kind == "volume" for mount in found.mounts):
            from teul.engine import volumes

            # The monitor's command may have settled it, whose unmounting nobody else sees.
            volumes.sweep(engine, settled=found.id)
        if is_gone:
            return found.id
    if found.status == RESTARTING and not force:
        raise ContainerRestarting(found.name)
    try:
        lock = FolderLock.take(folder_of(engine, found.id))
    except FileNotFoundError:
        lock = None
    try:
        if os.path.isdir(bundle_of(engine, found.id)):
            from teul.engine.containers.settlement import end_leftovers

            end_leftovers(engine, found.id)
        discard(engine, found, with_volumes=with_volumes)
    finally:
        if lock is not None:
            lock.release()
    if found.places:
        from teul.engine import networks

        networks.leave(engine, found.id)
    return found.id


def discard(engine: Engine, container: Container, *, with_volumes: bool) -> None:
    """Take away what is left of a container that does not run; the caller holds its lock. Idempotent.

    The rows go first and together, so nobody sees half a container; a kill after that leaves only what gc sweeps.
    """
    with engine.db:
        if container.finished_at:
            rows.add_exit(
                engine.db,
                container.id,
                name=container.name,
                exit_code=container.exit_code,
                at=time.time(),
            )
        rows.delete(engine.db, container.id)
    emit_container(engine, container, "destroy")
    crash_point("container-forgotten")
    # First what needs no room on the disk.
    remove_tree(bundle_of(engine, container.id))
    remove_tree(folder_of(engine, container.id))
    crash_point("container-removed")
    engine.snapshots.remove(container.id)
    crash_point("container-snapshot-removed")
    if with_volumes and any(mount.anonymous for mount in container.mounts):
        from teul.engine import volumes
        from teul.errors import Conflict

        for mount in container.mounts:
            if mount.kind == "volume" and mount.anonymous:
                try:
                    volumes.remove(engine, mount.name)
                except (Conflict, VolumeNotFound):
                    continue
