"""Volumes: named folders that outlive containers. A new one takes over what the image has at its place."""

from __future__ import annotations

import os
import time

from teul.containers import new_id
from teul.engine.event_log import emit
from teul.errors import Conflict, InvalidInput, OptionUnsupported, VolumeNotFound, text
from teul.host.fs import FolderLock, remove_file, remove_tree
from teul.host.mount import mounts_below, unmount, unmount_everywhere
from teul.plain_json import dumps, loads
from teul.state import volumes as rows
from teul.volumes import check_volume_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from dataclasses import dataclass, field
    from typing import IO

    from teul.engine import Engine
    from teul.state.volumes import Row
else:
    from teul.values import dataclass, field

OPTIONS = ("device", "o", "type")
"""Of Docker's local driver: what `mount` takes."""


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

    *options* are those of Docker's local driver: `type`, `device` and `o`, as `mount` takes them.

    Raises:
        InvalidInput: the name, or an option. OptionUnsupported: another driver.
    """
    if driver not in ("local", ""):
        raise OptionUnsupported(f"--driver {driver}", hint=text("only local volumes are there"))
    _check_options(name, options or {})
    is_anonymous = not name
    name = check_volume_name(name) if name else new_id()
    row = rows.get(engine.db, name)
    if row is None:
        data = dumps({"labels": dict(labels or {}), "anonymous": is_anonymous, "options": dict(options or {})})
        row = (name, data, time.time())
        # A folder without a row is a volume whose row was lost with the database: it is taken as it is.
        os.makedirs(engine.settings.volumes, mode=0o701, exist_ok=True)
        folder = _volume(engine, row).mountpoint
        if not os.path.isdir(folder):
            os.makedirs(folder, mode=0o755)
            # Whatever our umask is: the container's user may be another than ours.
            os.chmod(os.path.dirname(folder), 0o701)
            os.chmod(folder, 0o755)
        if rows.insert(engine.db, row):
            emit(engine, "volume", "create", name, {"driver": "local"})
        else:
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
                text("remove {name}: volume is in use - [{containers}]", name=name, containers=", ".join(taken)),
                hint=text("teul rm {name}", name=taken[0]),
            )
        unmount(f"{folder}/_data", lazy=True)
        remove_file(_mark(engine, name))
        if os.path.isdir(folder):
            os.rename(folder, beside)
        rows.delete(engine.db, name)
    emit(engine, "volume", "destroy", name, {"driver": "local"})
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


def make_ready(engine: Engine, volume: Volume) -> Volume:
    """Mount what the volume's options say on its folder, unless it is; a volume without options is ready as it is.

    Raises:
        MountFailed, HostLacks: with the kernel's words.
    """
    if not os.path.isdir(volume.mountpoint):
        # Somebody removed its folder; as Docker does, it is made again.
        os.makedirs(volume.mountpoint, mode=0o755, exist_ok=True)
    if not volume.options:
        return volume
    from teul.host.mount import mount
    from teul.oci.runtime import Mount

    lock = FolderLock.take(os.path.dirname(volume.mountpoint))
    assert lock is not None
    with lock:
        if not _is_mounted(volume.mountpoint):
            kind = volume.options.get("type", "none")
            words = tuple(word for word in volume.options.get("o", "").split(",") if word)
            device = volume.options["device"]
            if kind in ("none", "bind") and not os.path.exists(device):
                raise InvalidInput(
                    text("failed to mount local volume {name}: no such file or directory: {path}",
                         name=volume.name, path=device)
                )  # fmt: skip
            kind = "bind" if {"bind", "rbind"} & set(words) else kind
            mark = _mark(engine, volume.name)
            os.makedirs(os.path.dirname(mark), mode=0o711, exist_ok=True)
            with open(mark, "w") as file:
                file.write(os.readlink("/proc/self/ns/mnt"))
            mount(Mount(kind, device, "", words), volume.mountpoint)
    return volume


def release(engine: Engine, names: Iterable[str], *, settled: str = "") -> None:
    """Unmount those of the volumes *names* that have options and that no running container has any more.

    *settled* is the container (its id) that the caller holds the lock of, and that has ended.
    """
    for name in names:
        row = rows.get(engine.db, name)
        if row is None or not (volume := _volume(engine, row)).options:
            continue
        try:
            lock = FolderLock.take(os.path.dirname(volume.mountpoint))
        except FileNotFoundError:
            continue
        assert lock is not None
        with lock:
            if not _is_needed(engine, name, settled):
                unmount_everywhere(volume.mountpoint)
                _forget_mount(engine, name)


def sweep(engine: Engine, *, settled: str = "") -> None:
    """Unmount what no running container has: of those that a kill left, and where a monitor's command could not."""
    try:
        names = os.listdir(os.path.dirname(_mark(engine, "")))
    except FileNotFoundError:
        return
    if names:
        release(engine, names, settled=settled)


def mounted(engine: Engine) -> list[str]:
    """The names of the volumes whose options are mounted now."""
    return [volume.name for volume in list_volumes(engine) if volume.options and _is_mounted(volume.mountpoint)]


def export(engine: Engine, name: str, write: Callable[[bytes], object]) -> None:
    """Write all that is in a volume as a tar stream, owners, modes, times and extended attributes with it.

    Raises:
        VolumeNotFound.
    """
    from teul.layers import pack

    volume = make_ready(engine, get(engine, name))
    try:
        # A layer has no entry for its root; a volume's has an owner that matters (a database refuses to start else).
        write(_root_entry(os.stat(volume.mountpoint)))
        pack(volume.mountpoint, write)
    finally:
        release(engine, [name])


def import_(engine: Engine, name: str, archive: IO[bytes]) -> None:
    """Put what a tar stream holds into a volume, over what is there.

    Nothing leaves the volume's folder, whatever the stream says. All of it is read first: a damaged stream changes nothing.

    Raises:
        VolumeNotFound. InvalidInput: not a tar stream, or not a whole one.
    """
    volume = make_ready(engine, get(engine, name))
    folder = os.path.dirname(volume.mountpoint)
    try:
        lock = FolderLock.take(folder)
        assert lock is not None
        with lock:
            _take_over(engine, volume, archive)
    finally:
        release(engine, [name])


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
        if not volume.options and not os.listdir(volume.mountpoint):
            from teul.engine.copy import copy_tree

            beside = f"{folder}/_filling"
            remove_tree(beside)
            if copy_tree(rootfs, target, beside):
                os.rename(beside, volume.mountpoint)
        rows.set_data(engine.db, volume.name, dumps({**loads(row[1]), "filled": True}))


def _take_over(engine: Engine, volume: Volume, archive: IO[bytes]) -> None:
    """Extract *archive* beside and move what it has over what is there; the caller holds the volume's lock."""
    from teul.errors import MalformedLayer
    from teul.layers import apply
    from teul.layers.codec import open_decoded

    place = volume.mountpoint if volume.options else os.path.dirname(volume.mountpoint)
    beside = f"{place}/.importing-{new_id()[:12]}"
    os.mkdir(beside, 0o700)
    # A stream that says nothing of the root leaves it as it is.
    _copy_attributes(os.stat(volume.mountpoint), beside)
    try:
        try:
            apply(open_decoded(archive), beside, device_marks=False)
        except MalformedLayer as error:
            raise InvalidInput(text("volume {name}: {reason}", name=volume.name, reason=error.message)) from error
        _move_over(beside, volume.mountpoint)
    finally:
        remove_tree(beside)
    row = rows.get(engine.db, volume.name)
    if row is not None:
        rows.set_data(engine.db, volume.name, dumps({**loads(row[1]), "filled": True}))


def _move_over(source: str, target: str) -> None:
    """Move all that is in *source* into *target*: folders are merged, anything else takes the place of what is there."""
    with os.scandir(source) as entries:
        found = list(entries)
    for entry in found:
        there = f"{target}/{entry.name}"
        is_folder = entry.is_dir(follow_symlinks=False)
        if os.path.lexists(there):
            if is_folder and os.path.isdir(there) and not os.path.islink(there):
                _move_over(entry.path, there)
                continue
            remove_tree(there)
        os.rename(entry.path, there)
    # Last: a read-only folder would take nothing any more, and the moves changed its time.
    _copy_attributes(os.stat(source), target)


def _copy_attributes(status: os.stat_result, path: str) -> None:
    os.chown(path, status.st_uid, status.st_gid)
    os.chmod(path, status.st_mode & 0o7777)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def _root_entry(status: os.stat_result) -> bytes:
    import tarfile

    entry = tarfile.TarInfo("./")
    entry.type, entry.mode = tarfile.DIRTYPE, status.st_mode & 0o7777
    entry.uid, entry.gid, entry.mtime = status.st_uid, status.st_gid, int(status.st_mtime)
    return entry.tobuf(tarfile.PAX_FORMAT)


def _check_options(name: str, options: Mapping[str, str]) -> None:
    for key in options:
        if key not in OPTIONS:
            raise InvalidInput(text('create {name}: invalid option: "{option}"', name=name, option=key))
    if options:
        for key in ("device", "type"):
            if not options.get(key):
                raise InvalidInput(text('create {name}: missing required option: "{option}"', name=name, option=key))


def _is_needed(engine: Engine, name: str, settled: str) -> bool:
    """Whether a container has the volume that runs, or that somebody is about to start."""
    from teul.engine.containers.record import Container
    from teul.state import containers

    for row in containers.every(engine.db):
        container = Container.from_row(row)
        if container.id == settled or not any(
            mount.kind == "volume" and mount.name == name for mount in container.mounts
        ):
            continue
        if container.pid:
            return True
        try:
            lock = FolderLock.take(f"{engine.settings.containers}/{container.id}", wait=False)
        except FileNotFoundError:
            continue
        if lock is None:
            return True
        lock.release()
    return False


def _forget_mount(engine: Engine, name: str) -> None:
    """Remove the mark, unless the volume was mounted where we do not see it: a monitor's command is somewhere else."""
    mark = _mark(engine, name)
    try:
        with open(mark) as file:
            where = file.read()
    except FileNotFoundError:
        return
    if where == os.readlink("/proc/self/ns/mnt"):
        remove_file(mark)


def _mark(engine: Engine, name: str) -> str:
    """A file that says where (in which mount namespace) the volume's options are, or were, mounted."""
    return f"{engine.settings.run_root}/volumes/{name}"


def _is_mounted(path: str) -> bool:
    """Whether something is mounted on *path* itself, a bind of a folder of the same filesystem too."""
    return path in mounts_below(path)


def _volume(engine: Engine, row: Row) -> Volume:
    data = loads(row[1])
    return Volume(
        name=row[0],
        mountpoint=f"{engine.settings.volumes}/{row[0]}/_data",
        labels=data.get("labels", {}),
        options=data.get("options", {}),
        is_anonymous=data.get("anonymous", False),
        is_filled=data.get("filled", False),
        created_at=row[2],
    )
