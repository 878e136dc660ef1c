"""A container's own mounts: what the runtime mounts, and what has to be mounted for it before (see `Mounting`)."""

from __future__ import annotations

import os

from teul.errors import Conflict, ContainerNotRunning, InvalidInput, text
from teul.oci.runtime import Mount

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dataclasses import dataclass

    from teul.engine import Engine
    from teul.engine.containers.record import Container
    from teul.volumes import MountPoint
else:
    from teul.values import dataclass

KEEP_ID = "keep-id"


@dataclass(frozen=True, slots=True)
class Mounting:
    """`mounts` are for the runtime. `staged` are mounted before, where only the container's own processes see them:
    a folder in a volume, found without following a link out of it, and binds on which owners are exchanged.
    """

    mounts: tuple[Mount, ...]
    staged: tuple[Mount, ...]


def mounting_of(engine: Engine, container: Container, bundle: str) -> Mounting:
    """The container's own mounts, with the sources of binds made where Docker makes them, and volumes mounted.

    Raises:
        InvalidInput: a source is missing.
    """
    made: list[Mount] = []
    staged: list[Mount] = []
    owners = ""
    for number, point in enumerate(container.mounts):
        access = ("ro",) if point.readonly else ()
        if point.kind == "image":
            place = f"{bundle}/images/{number}"
            made.append(Mount("bind", f"{place}/{point.subpath}".rstrip("/"), point.target, ("bind", "ro")))
            continue
        if point.kind == "tmpfs":
            made.append(Mount("tmpfs", "tmpfs", point.target, (*point.options, *access)))
            continue
        source = point.source
        hidden: list[str] = []
        if point.kind == "volume":
            from teul.engine import volumes

            source = volumes.make_ready(engine, volumes.get(engine, point.name)).mountpoint
            if point.subpath:
                hidden.append(f"x-teul.below={point.subpath}")
        else:
            _make_source(point)
            if container.userns == KEEP_ID:
                owners = owners or _owners(engine, container)
                hidden.append(owners)
        if hidden:
            place = f"{bundle}/mounts/{number}"
            _make_place(source, point, place)
            staged.append(Mount("bind", source, place, ("rbind", *hidden)))
            source = place
        made.append(Mount("bind", source, point.target, ("rbind", *(point.options or ("rprivate",)), *access)))
    if container.ipc.startswith("container:") and not any(mount.target == "/dev/shm" for mount in made):
        place = f"{bundle}/mounts/shm"
        os.makedirs(place, mode=0o755, exist_ok=True)
        staged.append(Mount("bind", "/dev/shm", place, ("bind", f"x-teul.of={donor_of(engine, container).pid}")))
        made.append(Mount("bind", place, "/dev/shm", ("bind", "rprivate", "nosuid", "noexec", "nodev")))
    return Mounting(tuple(made), tuple(staged))


def donor_of(engine: Engine, container: Container) -> Container:
    """The container whose shared memory *container* has (`--ipc container:NAME`).

    Raises:
        ContainerNotFound, ContainerNotRunning. Conflict: it does not share.
    """
    from teul.engine.containers.lookup import get, true

    found = true(engine, get(engine, container.ipc.removeprefix("container:")))
    if not found.is_running:
        raise ContainerNotRunning(found.name)
    if found.ipc not in ("shareable", "host"):
        raise Conflict(
            text("failed to join IPC namespace: container {id}: non-shareable IPC", id=found.id),
            hint=text("make the other container with --ipc shareable"),
        )
    return found


def _make_source(point: MountPoint) -> None:
    if os.path.lexists(point.source):
        return
    if not point.make_source:
        raise InvalidInput(
            text("invalid mount config for type `bind`: bind source path does not exist: {path}", path=point.source)
        )
    os.makedirs(point.source, mode=0o755, exist_ok=True)
    # Whatever our umask is: as Docker's daemon makes it.
    os.chmod(point.source, 0o755)


def _make_place(source: str, point: MountPoint, place: str) -> None:
    """An empty folder or file at *place*, as what will be mounted on it is one."""
    import stat

    from teul.host.fs import open_in_root

    mode = 0
    if point.kind == "volume":
        try:
            descriptor = open_in_root(source, point.subpath, os.O_PATH)
        except OSError as error:
            raise InvalidInput(
                text("cannot access path {path}: {reason}", path=f"{source}/{point.subpath}", reason=error.strerror)
            ) from error
        mode = os.fstat(descriptor).st_mode
        os.close(descriptor)
    else:
        mode = os.stat(source).st_mode
    os.makedirs(os.path.dirname(place), mode=0o755, exist_ok=True)
    is_folder = stat.S_ISDIR(mode)
    if os.path.lexists(place) and os.path.isdir(place) != is_folder:
        os.rmdir(place) if os.path.isdir(place) else os.unlink(place)
    if is_folder:
        os.makedirs(place, mode=0o755, exist_ok=True)
    else:
        os.close(os.open(place, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644))


def _owners(engine: Engine, container: Container) -> str:
    """Whose files are whose: the caller's on the disk are the container's user's inside."""
    from teul.runtime.users import resolve_user

    uid, gid = 0, 0
    if container.user not in ("", "0", "root", "0:0", "root:root"):
        folder = ""
        for name in reversed(engine.images.layers(engine.images.get(container.image))):
            layer = engine.snapshots.layer(name).folder
            if os.path.lexists(f"{layer}/etc/passwd"):
                folder = layer
                break
        found = resolve_user(folder or engine.settings.root, container.user)
        uid, gid = found.uid, found.gid
    outside_uid, outside_gid = container.caller or (0, 0)
    return f"x-teul.owners={uid}:{outside_uid}:{gid}:{outside_gid}"
