"""What a container has written: `diff`, `export`, and its rootfs mounted for a look. Must not write to it."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager

from teul.engine.containers.lookup import get
from teul.engine.event_log import emit_container
from teul.host.fs import remove_tree
from teul.host.launch import Stage
from teul.layers.lower import Lower, is_opaque, is_whiteout
from teul.layers.pack import WHITEOUT, pack
from teul.oci.runtime import Mount

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from teul.engine import Engine
    from teul.engine.containers.record import Container

ADDED, CHANGED, DELETED = "A", "C", "D"


def diff(engine: Engine, container: str) -> list[tuple[str, str]]:
    """(kind, path) of what differs from the image, by path; a folder that something changed in is changed itself.

    Raises:
        ContainerNotFound.
    """
    found = get(engine, container)
    lower = Lower([engine.snapshots.layer(name).folder for name in engine.snapshots.parents(found.id)])
    made: dict[str, str] = {}
    top = os.fsencode(engine.snapshots.upper(found.id))
    pending = [b""]
    while pending:
        inside = pending.pop()
        folder = top + b"/" + inside if inside else top
        names = set(os.listdir(folder))
        hides = bool(inside) and is_opaque(folder)
        if hides:
            for name in _listed(lower, inside):
                if name not in names:
                    made[_shown(inside + b"/" + name)] = DELETED
        for name in names:
            path = inside + b"/" + name if inside else name
            status = os.lstat(top + b"/" + path)
            if is_whiteout(status) or name.startswith(WHITEOUT):
                gone = path if is_whiteout(status) else os.path.join(inside, name[len(WHITEOUT) :])
                if lower.find(gone) is not None:
                    made[_shown(gone)] = DELETED
                continue
            below = lower.find(path)
            if below is None:
                made[_shown(path)] = ADDED
            elif not (stat.S_ISDIR(status.st_mode) and _is_same_folder(status, below[1])):
                made[_shown(path)] = CHANGED
            if stat.S_ISDIR(status.st_mode):
                pending.append(path)
    for changed in list(made):
        parent = os.path.dirname(changed)
        while parent != "/" and parent not in made:
            made[parent] = CHANGED
            parent = os.path.dirname(parent)
    return [(made[item], item) for item in sorted(made)]


def _is_same_folder(one: os.stat_result, other: os.stat_result) -> bool:
    return stat.S_ISDIR(other.st_mode) and (one.st_mode, one.st_uid, one.st_gid, one.st_mtime_ns) == (
        other.st_mode,
        other.st_uid,
        other.st_gid,
        other.st_mtime_ns,
    )


def _listed(lower: Lower, path: bytes) -> list[bytes]:
    """The names in a folder of the image, as its layers give them together."""
    found = lower.find(path)
    if found is None or not stat.S_ISDIR(found[1].st_mode):
        return []
    names: set[bytes] = set()
    for folder in lower.folders_at(path):
        names.update(os.listdir(folder))
    return [name for name in names if lower.find(path + b"/" + name) is not None]


def _shown(path: bytes) -> str:
    return "/" + os.fsdecode(path)


def export(engine: Engine, container: str, write: Callable[[bytes], object]) -> None:
    """Write a container's whole file tree as one tar, without what is mounted into it.

    Raises:
        ContainerNotFound. MalformedLayer: a file changed while it was read.
    """
    found = get(engine, container)
    with read_only_view(engine, found) as root:
        pack(root, write)
    emit_container(engine, found, "export")


@contextmanager
def read_only_view(engine: Engine, container: Container) -> Iterator[str]:
    """The path of a container's merged tree, image and changes, whether it runs or not; nothing is mounted into it."""
    upper = engine.snapshots.upper(container.id)
    parents = engine.snapshots.parents(container.id)
    mounts: Sequence[Mount]
    if engine.snapshots.kind == "overlay":
        from teul.host.mount import join_layers, split_layers

        mounts = []
        for mount in engine.snapshots.view(parents):
            lowers = [mount.source]
            rest = ["ro"]
            if mount.type == "overlay":
                lowers = [item for option in mount.options if option.startswith("lowerdir=")
                          for item in split_layers(option.removeprefix("lowerdir="))]  # fmt: skip
                rest = [option for option in mount.options if not option.startswith("lowerdir=")]
            mounts.append(Mount("overlay", "overlay", "", (f"lowerdir={join_layers([upper, *lowers])}", *rest)))
    else:
        mounts = list(engine.snapshots.mounts(container.id))
    folder = f"{engine.settings.run_root}/views/{container.id}-{os.urandom(4).hex()}"
    os.makedirs(folder, mode=0o700)
    try:
        with Stage(mounts, folder) as stage:
            yield stage.root + folder
    finally:
        remove_tree(folder)
