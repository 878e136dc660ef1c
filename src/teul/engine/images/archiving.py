"""Save and load archives; export an OCI layout."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import IO

from teul.engine.images.compressing import compressed, find_own
from teul.errors import AlreadyExists, InvalidInput, MalformedArchive, text
from teul.events import Advance, Step, silent
from teul.images.archive import (
    CHUNK_BYTES,
    OCI_LAYOUT,
    ArchiveWriter,
    Entry,
    Loaded,
    docker_manifest,
    index_of,
    plain_manifest,
    read_folder,
    read_stream,
)
from teul.layers.codec import open_decoded
from teul.oci.descriptor import OCI_CONFIG, Descriptor
from teul.oci.digest import Digest
from teul.oci.image import ImageConfig, Manifest
from teul.oci.reference import Reference
from teul.state import images as rows
from teul.state.leases import Lease, lease

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.engine import Engine
    from teul.events import Sink
    from teul.images import Image


def save(engine: Engine, names: Sequence[str], write: Callable[[bytes], object], *, events: Sink = silent) -> None:
    """See `teul.engine.images.save`."""
    with lease(engine.db) as held:
        chosen = _chosen(engine, names)
        entries = []
        archive = ArchiveWriter(write)
        for image, tags in chosen:
            layers = _held_layers(engine, held, image)
            sizes = [(info.diff_id, info.tar_size_bytes) for info in map(engine.snapshots.layer, layers)]
            entries.append(Entry(plain_manifest(image.config_bytes, sizes), image.config_bytes, tags))
        for (image, _), entry in zip(chosen, entries, strict=True):
            step = text("saving {name}", name=image.name)
            events(Step(image.id, step, "started"))
            archive.put_blob(entry.config)
            for name in engine.images.layers(image):
                info = engine.snapshots.layer(name)
                archive.stream_blob(info.diff_id, info.tar_size_bytes, partial(engine.snapshots.tar, name))
            archive.put_blob(entry.manifest)
            events(Step(image.id, step, "done"))
        archive.put("index.json", index_of(entries))
        archive.put("manifest.json", docker_manifest(entries))
        archive.put("oci-layout", OCI_LAYOUT)
        archive.finish()


def _chosen(engine: Engine, names: Sequence[str]) -> list[tuple[Image, tuple[Reference, ...]]]:
    """Each image once, with the names that were asked for: one given by id has none, a repository all of its tags."""
    made: dict[Digest, tuple[Image, list[Reference]]] = {}
    for name in names:
        image = engine.images.get(name)
        tags = made.setdefault(image.id, (image, []))[1]
        try:
            reference = Reference.parse(name)
        except InvalidInput:
            continue
        if reference in image.names and reference not in tags:
            tags.append(reference)
    return [(image, tuple(tags)) for image, tags in made.values()]


def _held_layers(engine: Engine, held: Lease, image: Image) -> tuple[str, ...]:
    for diff_id in image.config.diff_ids:
        held.add("layer", diff_id)
    return engine.images.layers(image)


def export(engine: Engine, name: str, folder: str, *, compression: str = "gzip", events: Sink = silent) -> Digest:
    """See `teul.engine.images.export`."""
    image = engine.images.get(name)
    if os.path.lexists(folder) and (not os.path.isdir(folder) or os.listdir(folder)):
        raise AlreadyExists(text("`{path}` exists and is not an empty folder", path=folder))
    if compression not in ("", "gzip", "zstd"):
        raise InvalidInput(text("compression `{name}`: expected gzip or zstd", name=compression))
    with lease(engine.db) as held:
        blobs = f"{folder}/blobs/sha256"
        os.makedirs(blobs, exist_ok=True)
        descriptors = []
        for layer in _held_layers(engine, held, image):
            info = engine.snapshots.layer(layer)
            step = text("layer {digest}", digest=info.diff_id.short)
            events(Step(info.diff_id.short, step, "started"))
            descriptors.append(_export_layer(engine, layer, compression, blobs))
            events(Step(info.diff_id.short, step, "done"))
        config = Descriptor(OCI_CONFIG, image.id, len(image.config_bytes))
        manifest = Manifest(config=config, layers=tuple(descriptors)).to_bytes()
        try:
            names: tuple[Reference, ...] = tuple(item for item in (Reference.parse(name),) if item in image.names)
        except InvalidInput:
            names = ()
        for data in (image.config_bytes, manifest):
            _write(f"{blobs}/{Digest.of(data).hex}", data)
        _write(f"{folder}/oci-layout", OCI_LAYOUT)
        # Last: a layout without its index is not taken for a whole one.
        _write(f"{folder}/index.json", index_of((Entry(manifest, image.config_bytes, names),)))
        return Digest.of(manifest)


def _export_layer(engine: Engine, layer: str, compression: str, blobs: str) -> Descriptor:
    known = find_own(engine.db, engine.snapshots.layer(layer).diff_id, compression)
    was_here = known is not None and engine.store.has(known.digest)
    descriptor = known if known is not None and was_here else compressed(engine, layer, compression)
    with engine.store.open(descriptor.digest) as reader, open(f"{blobs}/{descriptor.digest.hex}", "wb") as file:
        while piece := reader.read(CHUNK_BYTES):
            file.write(piece)
    if not was_here:
        engine.store.remove(descriptor.digest)
    return descriptor


def _write(path: str, data: bytes) -> None:
    with open(path, "wb") as file:
        file.write(data)


def load(engine: Engine, source: IO[bytes] | str, *, events: Sink = silent) -> list[Image]:
    """See `teul.engine.images.load`."""
    store = engine.store
    blobs: frozenset[Digest] = frozenset()
    with lease(engine.db):
        events(Step("read", text("reading the archive"), "started"))
        try:
            if isinstance(source, str):
                found = read_folder(source, store)
            else:
                found = read_stream(source, store, on_bytes=lambda count: events(Advance("read", count)))
            blobs = found.blobs
            events(Step("read", text("reading the archive"), "done"))
            return [_load_one(engine, item, events) for item in found.images]
        except BaseException as error:
            events(Step("read", text("reading the archive"), "failed", error=str(error)))
            raise
        finally:
            # Layers are unpacked by now; the documents are the images' own. What a damaged archive left goes with gc.
            for digest in blobs:
                if not rows.is_document(engine.db, digest):
                    store.remove(digest)


def _load_one(engine: Engine, item: Loaded, events: Sink) -> Image:
    config = ImageConfig.parse(item.config)
    if len(config.diff_ids) != len(item.layers):
        raise MalformedArchive(
            text(
                "expected {expected} layers as in its config, got {actual}",
                expected=len(config.diff_ids),
                actual=len(item.layers),
            )
        )
    snapshots = engine.snapshots
    for number, (diff_id, blob) in enumerate(zip(config.diff_ids, item.layers, strict=True)):
        if snapshots.has(config.diff_ids[: number + 1]):
            continue
        step = text("{digest}: Loading layer", digest=diff_id.short)
        events(Step(diff_id.short, step, "started"))
        try:
            with engine.store.open(blob) as reader:
                media_type = item.media_types[number] if item.media_types else ""
                snapshots.unpack(open_decoded(reader, media_type), diff_id, snapshots.resolve(config.diff_ids[:number]))
        except BaseException as error:
            events(Step(diff_id.short, step, "failed", error=str(error)))
            raise
        events(Step(diff_id.short, step, "done"))
    return engine.images.add(item.config, manifest=item.manifest, names=item.names)
