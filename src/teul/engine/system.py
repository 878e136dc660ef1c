"""Keeping house: `collect` (gc by mark and sweep), `prune`, `fsck`, `disk_usage`.

1. What is kept: what images, containers, the cache and tracking stores name, what living leases name, and whatever is
   younger than the oldest living lease (see `teul.state.leases`). Mark and sweep happen inside one write transaction,
   so nobody gives a name to content between the two; whoever waited looks again and finds it gone, or kept.
2. Within the transaction only names go: rows of layers, links of blobs. Folders go afterwards, by `Snapshotter.sweep`.
3. An active snapshot that nobody owns is what a killed command left. It gets `ORPHAN_GRACE_S`, because a command makes
   the snapshot before the row that owns it.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

from teul.errors import Corrupt, NotFound, SnapshotNotFound, TeulError, text
from teul.events import Step, Warn, silent
from teul.host.fs import crash_point
from teul.oci.digest import Digest
from teul.snapshots import Finding
from teul.state import artifacts, leases, roots
from teul.state import content as content_rows

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from teul.engine import Engine
    from teul.events import Sink

    Wanted = Callable[[Mapping[str, str], float], bool]

ORPHAN_GRACE_S = 600


@dataclass(frozen=True, slots=True)
class Reclaimed:
    """What a `collect` removed; `size_bytes` is what it freed on the disk."""

    blobs: tuple[Digest, ...] = ()
    layers: tuple[str, ...] = ()
    snapshots: tuple[str, ...] = ()
    size_bytes: int = 0
    unlisted: tuple[str, ...] = ()
    """Tracking stores because of which no blobs were removed: nobody knows what they need."""


@dataclass(frozen=True, slots=True)
class Marked:
    """What must stay: blob digests, layer names, keys of active snapshots."""

    blobs: frozenset[str]
    layers: frozenset[str]
    snapshots: frozenset[str]


@dataclass(frozen=True, slots=True)
class Usage:
    """One line of `system df`; sizes in bytes."""

    kind: str
    total: int
    active: int
    size_bytes: int
    reclaimable_bytes: int


@dataclass(frozen=True, slots=True)
class Pruned:
    """What `prune` removed, by kind; `size_bytes` is what it freed on the disk."""

    containers: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    images: tuple[tuple[Digest, tuple[str, ...]], ...] = ()
    """(image id, the names it had)."""
    cache: tuple[str, ...] = ()
    reclaimed: Reclaimed = Reclaimed()
    size_bytes: int = 0


# Garbage


def collect(engine: Engine, *, events: Sink = silent) -> Reclaimed:
    """Remove all content that nothing needs. Safe beside builds, pulls and runs of other processes."""
    events(Step("gc", text("removing what nothing needs"), "started"))
    try:
        reclaimed = _collect(engine)
        for store in reclaimed.unlisted:
            events(
                Warn(
                    "gc",
                    "tracking-unlisted",
                    text("what tracking store `{store}` keeps is not known: no blobs are removed", store=store),
                )
            )
    except BaseException as error:
        events(Step("gc", text("removing what nothing needs"), "failed", error=str(error)))
        raise
    events(Step("gc", text("removing what nothing needs"), "done"))
    return reclaimed


def _collect(engine: Engine) -> Reclaimed:
    store, snapshots, db = engine.store, engine.snapshots, engine.db
    leases.sweep(db)
    blobs: list[Digest] = []
    layers: list[str] = []
    orphans: list[str] = []
    freed = 0
    with db:
        unlisted = unlisted_stores(engine)
        marked = mark(engine)
        oldest = leases.oldest_ns(db)

        def is_young(used_ns: int) -> bool:
            return oldest is not None and used_ns >= oldest

        for key in list(snapshots.keys()):
            used_ns = snapshots.used_ns(key)
            if key not in marked.snapshots and not is_young(used_ns) and _age_s(used_ns) > ORPHAN_GRACE_S:
                snapshots.forget(key)
                orphans.append(key)
        standing = {parent for key in list(snapshots.keys()) for parent in snapshots.parents(key)}
        for layer in list(snapshots.layers()):
            if layer.name in marked.layers or layer.name in standing or is_young(snapshots.used_ns(layer.name)):
                continue
            snapshots.forget(layer.name)
            layers.append(layer.name)
        crash_point("gc-marked")
        # A tracking store whose list is missing may need any of the blobs.
        for info in () if unlisted else store.walk():
            if info.digest in marked.blobs or is_young(store.used_ns(info.digest)):
                continue
            store.remove(info.digest)
            blobs.append(info.digest)
            freed += info.size_bytes
        here = {layer.diff_id for layer in snapshots.layers()}
        for form in content_rows.all_compressed(db):
            if form.diff_id not in here and form.digest not in marked.blobs and not store.has(form.digest):
                content_rows.remove_compressed(db, form.digest)
    crash_point("gc-swept")
    freed += snapshots.sweep() + store.sweep_ingests()
    return Reclaimed(tuple(blobs), tuple(layers), tuple(orphans), freed, unlisted)


def unlisted_stores(engine: Engine) -> tuple[str, ...]:
    """Tracking stores that have artifacts among the blobs, and no list of them in the database (see `ml.tracking`)."""
    try:
        names = os.listdir(engine.settings.tracking_stores)
    except FileNotFoundError:
        return ()
    known = artifacts.stores(engine.db)
    return tuple(sorted(name for name in names if name not in known and not name.endswith(".tmp")))


def mark(engine: Engine) -> Marked:
    """All that images, containers, the cache, artifacts and living leases need."""
    blobs: set[str] = set()
    diff_ids: set[str] = set()
    layers: set[str] = set()
    for image, manifest in roots.images(engine.db):
        blobs.add(image)
        _mark_image(engine, image, layers, diff_ids)
        if manifest:
            blobs.add(manifest)
            _mark_manifest(engine, manifest, blobs)
    blobs |= roots.repository_digests(engine.db) | artifacts.listed(engine.db)
    owners = roots.containers(engine.db)
    for _, image, _ in owners:
        blobs.add(image)
        _mark_image(engine, image, layers, diff_ids)
    for digests in roots.cached_digests(engine.db).values():
        blobs |= digests
        diff_ids |= digests
    keys: set[str] = set()
    for kind, name in leases.protected(engine.db):
        {"blob": blobs, "layer": layers, "snapshot": keys}.get(kind, keys).add(name)
    for key in list(engine.snapshots.keys()):
        if key in keys or any(key == owner or owner in key or key in data for owner, _, data in owners):
            keys.add(key)
    layers |= {
        layer.name for layer in engine.snapshots.layers() if layer.diff_id in diff_ids or layer.diff_id in layers
    }
    return Marked(frozenset(blobs), frozenset(layers), frozenset(keys))


def _mark_image(engine: Engine, image: str, layers: set[str], diff_ids: set[str]) -> None:
    from teul.oci.image import ImageConfig

    try:
        config = ImageConfig.parse(engine.store.read(Digest(image)))
    except (NotFound, Corrupt, ValueError):
        return  # fsck speaks of it
    try:
        layers.update(engine.snapshots.resolve(config.diff_ids))
    except NotFound:
        diff_ids.update(config.diff_ids)


def _mark_manifest(engine: Engine, manifest: str, blobs: set[str]) -> None:
    from teul.oci.image import Manifest

    try:
        parsed = Manifest.parse(engine.store.read(Digest(manifest)))
    except (NotFound, Corrupt, ValueError):
        return
    blobs.add(parsed.config.digest)
    blobs.update(layer.digest for layer in parsed.layers)


def _age_s(used_ns: int) -> float:
    return time.time() - used_ns / 1e9


# Pruning


def prune(
    engine: Engine,
    *,
    is_all: bool = False,
    with_volumes: bool = False,
    is_wanted: Wanted | None = None,
    events: Sink = silent,
) -> Pruned:
    """As `docker system prune`: stopped containers, networks nobody is on, images nobody uses, leftover cache.

    Args:
        is_all: also images that have a name but no container, and the whole cache.
        with_volumes: also anonymous volumes that no container has.
        is_wanted: of these, only what it says, by labels and time of creation. Results of the cache have no labels.
    """
    from teul.engine.build.keeping import list_mounts, prune_mounts

    wanted = is_wanted or _every
    containers, container_bytes = _prune_containers(engine, wanted, events)
    networks = _prune_networks(engine, wanted)
    volumes, volume_bytes = _prune_volumes(engine, wanted) if with_volumes else ((), 0)
    images = _prune_images(engine, wanted, is_all=is_all)
    cache = _prune_cache(engine, wanted, is_all=is_all)
    doomed = [mount for mount in list_mounts(engine) if wanted({}, mount.used_at)]
    mounts, mount_bytes = prune_mounts(engine, doomed)
    reclaimed = collect(engine, events=events)
    return Pruned(
        containers=containers,
        networks=networks,
        volumes=volumes,
        images=images,
        cache=(*cache, *(mount.id for mount in mounts)),
        reclaimed=reclaimed,
        size_bytes=container_bytes + volume_bytes + mount_bytes + reclaimed.size_bytes,
    )


def _every(labels: Mapping[str, str], created_at: float) -> bool:
    return True


def _prune_containers(engine: Engine, wanted: Wanted, events: Sink) -> tuple[tuple[str, ...], int]:
    from teul.engine.containers import list_containers, remove

    removed: list[str] = []
    freed = 0
    for container in list_containers(engine, all=True):
        if container.status not in ("exited", "dead", "created"):
            continue
        if not wanted(container.labels, container.created_at):
            continue
        size_bytes = _container_bytes(engine, container.id)
        try:
            remove(engine, container.id)
        except NotFound:
            continue  # another prune was faster
        except TeulError as error:
            events(Warn("prune", error.code, error.message))
            continue
        removed.append(container.id)
        freed += size_bytes
    return tuple(removed), freed


def _container_bytes(engine: Engine, container: str) -> int:
    """Bytes that a container wrote; 0 when it goes away meanwhile."""
    try:
        return sum(engine.snapshots.usage_bytes(key) for key in list(engine.snapshots.keys()) if container in key)
    except NotFound:
        return 0


def _prune_networks(engine: Engine, wanted: Wanted) -> tuple[str, ...]:
    from teul.engine.networks import prune as prune_networks

    return prune_networks(engine, is_wanted=lambda network: wanted(network.labels, network.created_at))


def _prune_volumes(engine: Engine, wanted: Wanted) -> tuple[tuple[str, ...], int]:
    from teul.engine.volumes import prune as prune_volumes

    return prune_volumes(engine, is_wanted=lambda volume: wanted(volume.labels, volume.created_at))


def _prune_images(engine: Engine, wanted: Wanted, *, is_all: bool) -> tuple[tuple[Digest, tuple[str, ...]], ...]:
    from teul.oci.reference import Reference
    from teul.state import images as rows

    removed = []
    known = {image.id: image for image in engine.images.list()} if wanted is not _every else {}
    # Within one transaction, so that nobody makes a container of an image that is about to go.
    with engine.db:
        owners = roots.containers(engine.db)
        used = {image for _, image, _ in owners}
        for image, _ in roots.images(engine.db):
            names = rows.names(engine.db, image)
            # An image may be mounted into a container that was made from another.
            if image in used or (names and not is_all) or any(image in data for _, _, data in owners):
                continue
            if wanted is not _every and (
                (found := known.get(Digest(image))) is None or not wanted(found.config.config.labels, found.created_at)
            ):
                continue
            engine.images.remove(Digest(image))
            removed.append((Digest(image), tuple(Reference.parse(name).familiar for name in names)))
    return tuple(removed)


def _prune_cache(engine: Engine, wanted: Wanted, *, is_all: bool) -> tuple[str, ...]:
    """Results whose layers no image has; with *is_all*, every result."""
    from teul.state import cache

    here = {layer.diff_id for layer in engine.snapshots.layers()}
    in_images = image_layers(engine)
    used = {key: used_at for key, _, _, used_at in cache.listed(engine.db)} if wanted is not _every else {}
    doomed = tuple(
        key
        for key, digests in roots.cached_digests(engine.db).items()
        if (is_all or ((digests & here) and not (digests & here) & in_images))
        and (wanted is _every or wanted({}, used.get(key, 0.0)))
    )
    cache.forget_results(engine.db, doomed)
    return doomed


def image_layers(engine: Engine) -> set[str]:
    """Diff ids of all layers of all images."""
    return {diff_id for diff_ids in _layers_by_image(engine).values() for diff_id in diff_ids}


def _layers_by_image(engine: Engine) -> dict[str, tuple[Digest, ...]]:
    """Image id → diff ids; an image that cannot be read has none (fsck speaks of it)."""
    from teul.oci.image import ImageConfig

    found: dict[str, tuple[Digest, ...]] = {}
    for image, _ in roots.images(engine.db):
        try:
            found[image] = ImageConfig.parse(engine.store.read(Digest(image))).diff_ids
        except (NotFound, Corrupt, ValueError):
            found[image] = ()
    return found


# Checking


def fsck(engine: Engine, *, is_deep: bool = False, events: Sink = silent) -> list[Finding]:
    """Everything that is wrong in the state folder; an empty list says that all is whole.

    Garbage (what a killed command left and nobody sees) is not wrong; `collect` removes it.

    Args:
        is_deep: also make every layer's exact tar again and compare it with its digest.
    """
    from teul.engine import leftovers

    found: list[Finding] = []
    for name, check in (
        (text("database"), _check_database(engine)),
        (text("blobs"), _check_blobs(engine)),
        (text("snapshots"), engine.snapshots.check(is_deep=is_deep)),
        (text("images"), _check_images(engine)),
        (text("containers"), _check_containers(engine)),
        (text("leftovers"), leftovers.find(engine)),
    ):
        events(Step(f"fsck-{name}", text("checking {what}", what=name), "started"))
        found += check
        events(Step(f"fsck-{name}", text("checking {what}", what=name), "done"))
    return found


def _check_database(engine: Engine) -> Iterator[Finding]:
    for problem in roots.integrity(engine.db):
        yield Finding("database-damaged", engine.db.path, text("database: {problem}", problem=problem))


def _check_blobs(engine: Engine) -> Iterator[Finding]:
    folder = f"{engine.settings.layout}/blobs/sha256"
    if os.path.isdir(folder):
        for name in sorted(os.listdir(folder)):
            if len(name) != 64 or not set(name) <= set("0123456789abcdef"):
                yield Finding("blob-stray", name, text("`{path}` is not a blob", path=f"{folder}/{name}"))
    for info in sorted(engine.store.walk(), key=lambda info: info.digest):
        try:
            with engine.store.open(info.digest) as reader:
                while reader.read(1 << 20):
                    pass
        except NotFound:
            continue  # gc took it meanwhile
        except Corrupt as error:
            yield Finding("blob-damaged", info.digest, error.message)


def _check_images(engine: Engine) -> Iterator[Finding]:
    from teul.oci.image import ImageConfig

    for image, manifest in roots.images(engine.db):
        try:
            config = ImageConfig.parse(engine.store.read(Digest(image)))
            engine.snapshots.resolve(config.diff_ids)
        except (NotFound, Corrupt, ValueError) as error:
            if (image, manifest) in roots.images(engine.db):  # else it was removed meanwhile
                code = "image-layer" if isinstance(error, SnapshotNotFound) else "image-config"
                yield Finding(code, image, text("image `{id}`: {reason}", id=image, reason=_words(error)))
            if not isinstance(error, SnapshotNotFound):
                continue
        if manifest and not engine.store.has(Digest(manifest)) and (image, manifest) in roots.images(engine.db):
            yield Finding(
                "image-manifest",
                image,
                text("image `{id}`: its manifest `{digest}` is missing", id=image, digest=manifest),
            )


def _check_containers(engine: Engine) -> Iterator[Finding]:
    # The rows of a container and of its snapshot come and go together, so containers first: a key that is missing then
    # was missing before, or both went.
    for container, image, data in roots.containers(engine.db):
        keys = list(engine.snapshots.keys())
        is_whole = any(container in key or key in data for key in keys)
        if not is_whole and (container, image, data) in roots.containers(engine.db):
            yield Finding(
                "container-snapshot",
                container,
                text("container `{id}`: its filesystem is missing", id=container[:12]),
            )


def _words(error: Exception) -> str:
    return error.message if isinstance(error, TeulError) else str(error)


# Measuring


def disk_usage(engine: Engine) -> tuple[Usage, ...]:
    """Docker's four lines: images, containers, local volumes, build cache."""
    return (_image_usage(engine), _container_usage(engine), _volume_usage(engine), _cache_usage(engine))


def _image_usage(engine: Engine) -> Usage:
    images = _layers_by_image(engine)
    used = {image for _, image, _ in roots.containers(engine.db)}
    sizes = {layer.diff_id: layer.size_bytes for layer in engine.snapshots.layers()}
    every = {diff_id for diff_ids in images.values() for diff_id in diff_ids}
    held = {diff_id for image, diff_ids in images.items() if image in used for diff_id in diff_ids}
    return Usage(
        "Images",
        len(images),
        len(used & images.keys()),
        sum(sizes.get(diff_id, 0) for diff_id in every),
        sum(sizes.get(diff_id, 0) for diff_id in every - held),
    )


def _container_usage(engine: Engine) -> Usage:
    from teul.engine.containers import list_containers

    total = active = size = reclaimable = 0
    for container in list_containers(engine, all=True):
        size_bytes = _container_bytes(engine, container.id)
        total += 1
        size += size_bytes
        if container.status == "running":
            active += 1
        else:
            reclaimable += size_bytes
    return Usage("Containers", total, active, size, reclaimable)


def _volume_usage(engine: Engine) -> Usage:
    from teul.engine.volumes import in_use, list_volumes
    from teul.host.fs import disk_bytes

    used = in_use(engine)
    sizes = {volume.name: disk_bytes(volume.mountpoint) for volume in list_volumes(engine)}
    return Usage(
        "Local Volumes",
        len(sizes),
        sum(name in used for name in sizes),
        sum(sizes.values()),
        sum(size_bytes for name, size_bytes in sizes.items() if name not in used),
    )


def _cache_usage(engine: Engine) -> Usage:
    from teul.engine.build.keeping import list_mounts

    in_images = image_layers(engine)
    layers = {layer.diff_id: layer.size_bytes for layer in engine.snapshots.layers()}
    blobs = {info.digest: info.size_bytes for info in engine.store.walk()}
    images = {image for image, _ in roots.images(engine.db)}
    results = roots.cached_digests(engine.db)
    named = {digest for digests in results.values() for digest in digests}
    size = sum(size_bytes for digest, size_bytes in layers.items() if digest in named and digest not in in_images)
    size += sum(size_bytes for digest, size_bytes in blobs.items() if digest in named and digest not in images)
    active = sum(bool(digests & in_images) for digests in results.values())
    mounts = list_mounts(engine)
    size += sum(mount.size_bytes for mount in mounts)
    return Usage("Build Cache", len(results) + len(mounts), active, size, size)
