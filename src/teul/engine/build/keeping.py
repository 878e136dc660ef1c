"""What builds leave behind, to look at and to throw away: results of steps, and cache mounts."""

from __future__ import annotations

import os
import time

from teul.events import silent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from dataclasses import dataclass

    from teul.engine import Engine
    from teul.engine.system import Reclaimed
    from teul.events import Sink
else:
    from teul.values import dataclass


@dataclass(frozen=True, slots=True)
class Kept:
    """One thing that is kept: *kind* is "step" or "mount"; times are seconds since 1970.

    *id* is the key of a step's result, or the digest of a mount's id with its number.
    """

    id: str
    kind: str
    name: str
    size_bytes: int
    created_at: float
    used_at: float
    is_reclaimable: bool
    is_shared: bool


RESOLVER = "uv"
"""The folder (of the state folder) in which uv keeps wheels' metadata."""


def list_kept(engine: Engine) -> list[Kept]:
    """All results and cache mounts, last used first. A layer that an image has too is shared, and not counted."""
    from teul.engine.system import image_layers
    from teul.state import cache

    in_images = image_layers(engine)
    layers = {layer.diff_id: layer.size_bytes for layer in engine.snapshots.layers()}
    made: list[Kept] = []
    results = {key: result["data"] for key, result, _ in cache.walk_results(engine.db)}
    for key, name, created_at, used_at in cache.listed(engine.db):
        data = results.get(key, {})
        stack = data.get("diff_ids") or ()
        top = [item for item in stack[-1 - len(data.get("pieces") or ()) :] if item in layers]
        own = [item for item in top if item not in in_images]
        made.append(
            Kept(
                key,
                "step",
                name,
                sum(layers[item] for item in top),
                created_at,
                used_at,
                is_reclaimable=bool(own) or not top,
                is_shared=bool(top) and not own,
            )
        )
    return sorted([*made, *list_mounts(engine)], key=lambda item: -item.used_at)


def list_mounts(engine: Engine) -> list[Kept]:
    """The cache mounts (`RUN --mount=type=cache`) of this state folder."""
    from teul.host.fs import FolderLock, disk_bytes

    top = f"{engine.settings.root}/cache"
    made: list[Kept] = []
    for name in sorted(os.listdir(top)) if os.path.isdir(top) else ():
        for number in sorted(os.listdir(f"{top}/{name}")):
            path = f"{top}/{name}/{number}"
            if not number.isdigit() or not os.path.isdir(path):
                continue
            try:
                status, used = os.stat(path), os.stat(f"{path}.lock").st_mtime
                lock = FolderLock.take(f"{path}.lock", wait=False, make=True)
                size_bytes = disk_bytes(path)
            except FileNotFoundError:
                continue
            if lock is not None:
                lock.release()
            made.append(
                Kept(
                    f"{name}/{number}",
                    "mount",
                    _shown(f"{top}/{name}"),
                    size_bytes,
                    status.st_ctime,
                    max(used, status.st_mtime),
                    is_reclaimable=lock is not None,
                    is_shared=False,
                )
            )
    place = f"{engine.settings.root}/{RESOLVER}"
    if os.path.isdir(place):
        status = os.stat(place)
        made.append(
            Kept(
                RESOLVER,
                "mount",
                "what package indexes said",
                disk_bytes(place),
                status.st_ctime,
                status.st_mtime,
                is_reclaimable=True,
                is_shared=False,
            )
        )
    return made


def _shown(folder: str) -> str:
    """The id that a Dockerfile gives a cache mount."""
    try:
        with open(f"{folder}/name", encoding="utf-8", errors="replace") as file:
            return file.read(4096)
    except FileNotFoundError:
        return ""


def prune_mounts(engine: Engine, chosen: Sequence[Kept]) -> tuple[list[Kept], int]:
    """Throw cache mounts away that no build is using; what went, and the bytes that were freed."""
    from teul.host.fs import FolderLock, remove_tree

    removed: list[Kept] = []
    freed = 0
    for item in chosen:
        if item.id == RESOLVER:
            # A build that resolves right now asks again, or runs its command.
            scratch = f"{engine.settings.root}/scratch"
            os.makedirs(scratch, exist_ok=True)
            doomed = f"{scratch}/build-uv-{os.urandom(4).hex()}"
            os.rename(f"{engine.settings.root}/{RESOLVER}", doomed)
            remove_tree(doomed)
            removed.append(item)
            freed += item.size_bytes
            continue
        path = f"{engine.settings.root}/cache/{item.id}"
        lock = FolderLock.take(f"{path}.lock", wait=False, make=True)
        if lock is None:
            continue
        with lock:
            # Renamed first: who is killed here leaves a folder that no build takes for a whole one.
            doomed = f"{path}.{os.urandom(4).hex()}"
            os.rename(path, doomed)
            remove_tree(doomed)
        removed.append(item)
        freed += item.size_bytes
    _sweep_halves(f"{engine.settings.root}/cache")
    return removed, freed


def _sweep_halves(top: str) -> None:
    """What a killed prune or a killed first use left: folders beside the numbers."""
    from teul.host.fs import remove_tree

    for name in os.listdir(top) if os.path.isdir(top) else ():
        for inner in os.listdir(f"{top}/{name}"):
            number, dot, rest = inner.partition(".")
            path = f"{top}/{name}/{inner}"
            is_half = dot and number.isdigit() and rest != "lock" and os.path.isdir(path)
            if is_half and time.time() - os.stat(path).st_mtime > 3600:
                remove_tree(path)


def prune_kept(
    engine: Engine,
    *,
    is_all: bool = False,
    unused_for_s: float = 0.0,
    keep_bytes: int = 0,
    events: Sink = silent,
) -> tuple[list[Kept], Reclaimed, int]:
    """As `docker builder prune`: results whose layers no image has, and cache mounts; the longest unused first.

    Args:
        is_all: also results that images share.
        unused_for_s: only what was not used for so long.
        keep_bytes: stop when what is left is no more than this.
    Returns:
        what was forgotten, what gc made of it, and the bytes that went with cache mounts.
    """
    from teul.engine.system import collect
    from teul.state import cache

    found = list_kept(engine)
    left = sum(item.size_bytes for item in found if not item.is_shared)
    now = time.time()
    doomed: list[Kept] = []
    for item in reversed(found):
        if keep_bytes and left <= keep_bytes:
            break
        if now - item.used_at < unused_for_s or not (item.is_reclaimable or (is_all and item.kind == "step")):
            continue
        doomed.append(item)
        left -= 0 if item.is_shared else item.size_bytes
    cache.forget_results(engine.db, [item.id for item in doomed if item.kind == "step"])
    mounts, freed = prune_mounts(engine, [item for item in doomed if item.kind == "mount"])
    reclaimed = collect(engine, events=events)
    return [item for item in doomed if item.kind == "step" or item in mounts], reclaimed, freed
