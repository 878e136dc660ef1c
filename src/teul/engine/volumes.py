"""Volumes: named folders that outlive containers. A new one takes over what the image has at its place."""

from __future__ import annotations

import os
import time

from teul.containers import new_id
from teul.errors import Conflict, OptionUnsupported, VolumeNotFound, text
from teul.host.fs import FolderLock, remove_tree
from teul.plain_json import dumps, loads
from teul.state import volumes as rows
from teul.volumes import check_volume_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from dataclasses import dataclass, field

    from teul.engine import Engine
    from teul.state.volumes import Row
else:
    from teul.values import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """A volume. `mountpoint` is its folder on the host; `is_anonymous`: made for one container, and goes with `rm -v`."""

    name: str
    mountpoint: str
    labels: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    is_anonymous: bool = False
    is_filled: bool = False
    created_at: float = 0.0


def create(
    engine: Engine,
    name: str = "",
    *,
    labels: Mapping[str, str] | None = None,
    options: Mapping[str, str] | None = None,
    driver: str = "local",
) -> Volume:
    """The volume called *name*, made when there is none; "" makes an anonymous one.

    Raises:
        InvalidInput: the name. OptionUnsupported: another driver, or mount options.
    """
    if driver != "local":
        raise OptionUnsupported(f"--driver {driver}")
    if options:
        raise OptionUnsupported(f"--opt {next(iter(options))}")
    is_anonymous = not name
    name = check_volume_name(name) if name else new_id()
    row = rows.get(engine.db, name)
    if row is None:
        data = dumps({"labels": dict(labels or {}), "anonymous": is_anonymous})
        row = (name, data, time.time())
        # A folder without a row is a volume whose row was lost with the database: it is taken as it is.
        os.makedirs(engine.settings.volumes, mode=0o701, exist_ok=True)
        folder = _volume(engine, row).mountpoint
        if not os.path.isdir(folder):
            os.makedirs(folder, mode=0o755)
            # Whatever our umask is: the container's user may be another than ours.
            os.chmod(os.path.dirname(folder), 0o701)
            os.chmod(folder, 0o755)
        if not rows.insert(engine.db, row):
            row = rows.get(engine.db, name) or row
    return _volume(engine, row)


def get(engine: Engine, name: str) -> Volume:
    """Raises: VolumeNotFound."""
    row = rows.get(engine.db, name)
    if row is None:
        raise VolumeNotFound(name)
    return _volume(engine, row)


def list_volumes(engine: Engine) -> list[Volume]:
    return [_volume(engine, row) for row in rows.every(engine.db)]


def users(engine: Engine, name: str) -> list[str]:
    """The names of the containers that have the volume mounted, running or not."""
    from teul.engine.containers.record import Container
    from teul.state import containers

    found = [Container.from_row(row) for row in containers.every(engine.db)]
    return [
        container.name
        for container in found
        if any(mount.kind == "volume" and mount.name == name for mount in container.mounts)
    ]


def remove(engine: Engine, name: str, *, force: bool = False) -> None:
    """Remove a volume and what is in it; *force* keeps quiet about one that does not exist.

    Raises:
        VolumeNotFound. Conflict: a container has it.
    """
    row = rows.get(engine.db, name)
    if row is None:
        if force:
            return
        raise VolumeNotFound(name)
    folder = os.path.dirname(_volume(engine, row).mountpoint)
    beside = f"{engine.settings.volumes}/.removed-{new_id()[:12]}"
    with engine.db:
        taken = users(engine, name)
        if taken:
            raise Conflict(
                text("volume {name} is in use by {containers}", name=name, containers=", ".join(taken)),
                hint=text("teul rm {name}", name=taken[0]),
            )
        if os.path.isdir(folder):
            os.rename(folder, beside)
        rows.delete(engine.db, name)
    remove_tree(beside)


def in_use(engine: Engine) -> set[str]:
    """The names of all volumes that a container has, running or not."""
    from teul.engine.containers.record import Container
    from teul.state import containers

    found = [Container.from_row(row) for row in containers.every(engine.db)]
    return {mount.name for container in found for mount in container.mounts if mount.kind == "volume"}


def prune(
    engine: Engine, *, is_all: bool = False, is_wanted: Callable[[Volume], bool] | None = None
) -> tuple[tuple[str, ...], int]:
    """Remove anonymous volumes (*is_all*: named ones too) that no container has, of those that *is_wanted* says.

    Returns: their names, and bytes freed.
    """
    from teul.host.fs import disk_bytes

    used = in_use(engine)
    removed: list[str] = []
    freed = 0
    for volume in list_volumes(engine):
        if volume.name in used or not (is_all or volume.is_anonymous):
            continue
        if is_wanted is not None and not is_wanted(volume):
            continue
        size_bytes = disk_bytes(volume.mountpoint)
        try:
            remove(engine, volume.name)
        except (Conflict, VolumeNotFound):
            continue
        removed.append(volume.name)
        freed += size_bytes
    return tuple(removed), freed


def fill(engine: Engine, volume: Volume, rootfs: str, target: str) -> None:
    """Copy what the image has at *target* into a volume that was never used, with owners and modes, as Docker does.

    *rootfs* is the mounted tree as seen from here. All or nothing: the copy is made beside and then takes the place.
    """
    if volume.is_filled:
        return
    folder = os.path.dirname(volume.mountpoint)
    lock = FolderLock.take(folder)
    assert lock is not None
    with lock:
        row = rows.get(engine.db, volume.name)
        if row is None or _volume(engine, row).is_filled:
            return
        if not os.listdir(volume.mountpoint):
            from teul.engine.copy import copy_tree

            beside = f"{folder}/_filling"
            remove_tree(beside)
            if copy_tree(rootfs, target, beside):
                os.rename(beside, volume.mountpoint)
        rows.set_data(engine.db, volume.name, dumps({**loads(row[1]), "filled": True}))


def _volume(engine: Engine, row: Row) -> Volume:
    data = loads(row[1])
    return Volume(
        name=row[0],
        mountpoint=f"{engine.settings.volumes}/{row[0]}/_data",
        labels=data.get("labels", {}),
        is_anonymous=data.get("anonymous", False),
        is_filled=data.get("filled", False),
        created_at=row[2],
    )
