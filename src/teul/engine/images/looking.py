"""Looking at images: their history, and what takes the space in them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from teul.oci.digest import Digest
from teul.oci.image import ImageConfig

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.engine import Engine
    from teul.images import Image


@dataclass(frozen=True, slots=True)
class Past:
    """One line of an image's history. `layer` is "" for a line that made none; `size_bytes` is of its files."""

    created: str
    created_by: str
    comment: str
    layer: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class LayerUse:
    """One layer of an image: what made it, how large its files are, and which images have it."""

    diff_id: Digest
    created_by: str
    size_bytes: int
    inodes: int
    images: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ImageUse:
    """An image's size, and how much of it no other image has (bytes)."""

    image: Image
    unique_bytes: int


def history(engine: Engine, name: str) -> list[Past]:
    """See `teul.engine.images.history`."""
    image = engine.images.get(name)
    layers = list(engine.images.layers(image))
    made = []
    for line in image.config.history:
        layer = "" if line.empty_layer or not layers else layers.pop(0)
        size_bytes = engine.snapshots.layer(layer).size_bytes if layer else 0
        made.append(Past(line.created, line.created_by, line.comment, layer, size_bytes))
    # Some tools write no history, or less than there are layers.
    made += [Past(image.config.created, "", "", layer, engine.snapshots.layer(layer).size_bytes) for layer in layers]
    return made[::-1]


def layer_uses(engine: Engine, name: str) -> list[LayerUse]:
    """The layers of an image, the largest first.

    Raises:
        ImageNotFound.
    """
    image = engine.images.get(name)
    owners = _owners(engine.images.list())
    words = _created_by(image.config)
    made = []
    for number, layer in enumerate(engine.images.layers(image)):
        info = engine.snapshots.layer(layer)
        others = tuple(sorted(owners.get(info.diff_id, set()) - {image.name}))
        made.append(LayerUse(info.diff_id, words[number], info.size_bytes, info.inodes, others))
    return sorted(made, key=lambda item: -item.size_bytes)


def image_uses(engine: Engine) -> list[ImageUse]:
    """All images, the largest first."""
    images = engine.images.list()
    count: dict[Digest, int] = {}
    for image in images:
        for diff_id in set(image.config.diff_ids):
            count[diff_id] = count.get(diff_id, 0) + 1
    made = []
    for image in images:
        unique = sum(
            engine.snapshots.layer(layer).size_bytes
            for diff_id, layer in zip(image.config.diff_ids, engine.images.layers(image), strict=True)
            if count[diff_id] == 1
        )
        made.append(ImageUse(image, unique))
    return sorted(made, key=lambda item: -item.image.size_bytes)


def _owners(images: Iterable[Image]) -> dict[Digest, set[str]]:
    made: dict[Digest, set[str]] = {}
    for image in images:
        for diff_id in image.config.diff_ids:
            made.setdefault(diff_id, set()).add(image.name)
    return made


def _created_by(config: ImageConfig) -> list[str]:
    words = [line.created_by for line in config.history if not line.empty_layer]
    return [*words, *("" for _ in config.diff_ids)][: len(config.diff_ids)]
