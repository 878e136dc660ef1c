"""Filling a state folder with small images, without a registry."""

import io

from suites.layers import archive, digest_of, folder, member
from teul.oci.descriptor import Platform
from teul.oci.image import ExecutionConfig, ImageConfig
from teul.oci.reference import Reference


def layer(number, size=100):
    """The tar of a small layer, another one for each number."""
    return archive(folder(f"d{number}"), member(f"d{number}/file", b"%d" % number * size))


def add_image(engine, *numbers, name="", label=""):
    """An image of small layers; returns it."""
    names = []
    diff_ids = []
    for number in numbers:
        data = layer(number)
        names.append(engine.snapshots.unpack(io.BytesIO(data), digest_of(data), names))
        diff_ids.append(digest_of(data))
    config = ImageConfig(
        platform=Platform("linux", "amd64"), config=ExecutionConfig(labels={"x": label}), diff_ids=tuple(diff_ids)
    )
    return engine.images.add(config.to_bytes(), names=[Reference.parse(name)] if name else [])


def add_container(engine, image, container_id, *, status="exited"):
    """The row of a container; nothing of it runs."""
    engine.db.execute(
        "INSERT INTO containers (id, name, image, status, data, created_at) VALUES (?, ?, ?, ?, ?, 0)",
        (container_id, f"name-{container_id[:4]}", image.id, status, '{"image_name": "x"}'),
    )
