"""What takes the space, thing by thing: the lines of `system df --verbose`. Must not remove anything."""

from __future__ import annotations

from dataclasses import dataclass

from teul.state import roots

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.engine import Engine
    from teul.engine.containers.record import Container
    from teul.images import Image
    from teul.oci.digest import Digest


@dataclass(frozen=True, slots=True)
class ImageUse:
    """An image; `shared_bytes` are of layers that other images have too, `unique_bytes` of its own."""

    image: Image
    shared_bytes: int
    unique_bytes: int
    containers: int


@dataclass(frozen=True, slots=True)
class ContainerUse:
    """A container; `size_bytes` is what it wrote."""

    container: Container
    size_bytes: int


@dataclass(frozen=True, slots=True)
class VolumeUse:
    name: str
    links: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class CacheUse:
    """A result of the build cache; times are seconds since 1970."""

    key: str
    name: str
    size_bytes: int
    created_at: float
    used_at: float
    is_shared: bool
    """Whether an image has its layers too, so that they stay when the result goes."""


@dataclass(frozen=True, slots=True)
class Details:
    images: tuple[ImageUse, ...]
    containers: tuple[ContainerUse, ...]
    volumes: tuple[VolumeUse, ...]
    cache: tuple[CacheUse, ...]


def details(engine: Engine) -> Details:
    """Everything that `disk_usage` sums up."""
    sizes = {layer.diff_id: layer.size_bytes for layer in engine.snapshots.layers()}
    images = engine.images.list()
    return Details(_images(engine, images, sizes), _containers(engine), _volumes(engine), _cache(engine, images, sizes))


def _images(engine: Engine, images: list[Image], sizes: dict[Digest, int]) -> tuple[ImageUse, ...]:
    holders: dict[Digest, int] = {}
    for image in images:
        for diff_id in set(image.config.diff_ids):
            holders[diff_id] = holders.get(diff_id, 0) + 1
    used: dict[str, int] = {}
    for _, owner, _ in roots.containers(engine.db):
        used[owner] = used.get(owner, 0) + 1
    return tuple(
        ImageUse(
            image,
            sum(sizes.get(diff_id, 0) for diff_id in set(image.config.diff_ids) if holders[diff_id] > 1),
            sum(sizes.get(diff_id, 0) for diff_id in set(image.config.diff_ids) if holders[diff_id] == 1),
            used.get(image.id, 0),
        )
        for image in images
    )


def _containers(engine: Engine) -> tuple[ContainerUse, ...]:
    from teul.engine.containers import list_containers
    from teul.errors import NotFound

    made = []
    for container in list_containers(engine, all=True):
        try:
            made.append(ContainerUse(container, engine.snapshots.usage_bytes(container.id)))
        except NotFound:
            continue
    return tuple(made)


def _volumes(engine: Engine) -> tuple[VolumeUse, ...]:
    from teul.engine.volumes import list_volumes, users
    from teul.host.fs import disk_bytes

    return tuple(
        VolumeUse(volume.name, len(users(engine, volume.name)), disk_bytes(volume.mountpoint))
        for volume in list_volumes(engine)
    )


def _cache(engine: Engine, images: list[Image], sizes: dict[Digest, int]) -> tuple[CacheUse, ...]:
    from teul.state import cache

    in_images = {diff_id for image in images for diff_id in image.config.diff_ids}
    digests = roots.cached_digests(engine.db)
    return tuple(
        CacheUse(
            key,
            name,
            sum(size for digest, size in sizes.items() if digest in digests.get(key, ())),
            created_at,
            used_at,
            bool(digests.get(key, set()) & in_images),
        )
        for key, name, created_at, used_at in cache.listed(engine.db)
    )
