"""Images of a few files, made without a builder: tars, blobs, manifests, and whole images in an engine or a registry."""

from __future__ import annotations

import gzip
import io
import tarfile

from teul.oci.descriptor import (
    OCI_CONFIG,
    OCI_LAYER,
    OCI_LAYER_GZIP,
    OCI_LAYER_ZSTD,
    OCI_MANIFEST,
    Descriptor,
    Platform,
)
from teul.oci.digest import Digest
from teul.oci.image import ExecutionConfig, History, ImageConfig, Manifest
from teul.oci.reference import Reference

MACHINE = Platform("linux", "amd64")


def member(name, content=b"", *, kind=tarfile.REGTYPE, target="", mode=0o644):
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.mode, made.size = kind, target, mode, len(content)
    return made, content


def folder(name, mode=0o755):
    return member(name, kind=tarfile.DIRTYPE, mode=mode)


def tar(*members):
    """A layer's tar; a pair (name, content) is a plain file."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for item in members:
            info, content = member(*item) if isinstance(item[0], str) else item
            archive.addfile(info, io.BytesIO(content))
    return made.getvalue()


def noise(count, seed=1):
    """Bytes that do not compress, the same each time."""
    import random

    return random.Random(seed).randbytes(count)


def config_of(*tars, platform=MACHINE, command="true"):
    return ImageConfig(
        platform=platform,
        config=ExecutionConfig(command=(command,)),
        diff_ids=tuple(Digest.of(data) for data in tars),
        history=tuple(History("2020-01-01T00:00:00Z", f"layer {number}") for number in range(len(tars))),
    ).to_bytes()


def add(engine, *tars, name="app", platform=MACHINE):
    """An image whose layers are unpacked in *engine*."""
    below = []
    for data in tars:
        below.append(engine.snapshots.unpack(io.BytesIO(data), Digest.of(data), tuple(below)))
    names = (Reference.parse(name),) if name else ()
    return engine.images.add(config_of(*tars, platform=platform), names=names)


def compressed(data, codec):
    if codec == "gzip":
        return gzip.compress(data, 6, mtime=0), OCI_LAYER_GZIP
    if codec == "zstd":
        import zstandard

        return zstandard.compress(data), OCI_LAYER_ZSTD
    return data, OCI_LAYER


def serve(registry, repository, tag, *tars, codec="gzip", platform=MACHINE):
    """Put an image into a `FakeRegistry`; returns the descriptor of its manifest and those of its layers."""
    config = config_of(*tars, platform=platform)
    layers = []
    for data in tars:
        blob, media_type = compressed(data, codec)
        layers.append(Descriptor(media_type, registry.put_blob(repository, blob), len(blob)))
    registry.put_blob(repository, config)
    manifest = Manifest(config=Descriptor(OCI_CONFIG, Digest.of(config), len(config)), layers=tuple(layers)).to_bytes()
    digest = registry.put_manifest(repository, tag, manifest, OCI_MANIFEST)
    return Descriptor(OCI_MANIFEST, digest, len(manifest), platform=platform), layers
