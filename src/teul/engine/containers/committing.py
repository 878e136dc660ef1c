"""`commit`: a container's changes as a layer on its image, and its settings as the new image's."""

from __future__ import annotations

import os
import time

from teul.containers import RUNNING, rfc3339
from teul.engine.containers.control import pause, unpause
from teul.engine.containers.lookup import get
from teul.engine.event_log import emit_container
from teul.errors import TeulError
from teul.layers.pack import pack
from teul.oci.image import ExecutionConfig, Healthcheck, History
from teul.oci.reference import Reference
from teul.state.leases import lease

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import contextmanager
    from dataclasses import replace

    from teul.engine import Engine
    from teul.engine.containers.record import Container
    from teul.images import Image
    from teul.oci.digest import Digest
else:
    from contextlib import contextmanager

    from teul.values import replace


def commit(
    engine: Engine,
    container: str,
    name: str = "",
    *,
    author: str = "",
    message: str = "",
    changes: Sequence[str] = (),
    pauses: bool = True,
) -> Image:
    """Make an image of a container; what is mounted into it is not part of it. The caller gets the image.

    Args:
        name: what it is to be called; "" for nothing.
        changes: Dockerfile instructions for the config (`build.changes`).
        pauses: freeze a running container while its files are read, so that they fit together.
    Raises:
        ContainerNotFound, InvalidReference, InvalidInput, DockerfileError. MalformedLayer: a file changed while it was
        read.
    """
    from teul.build import changes as changing

    reference = Reference.parse(name) if name else None
    found = get(engine, container)
    image = engine.images.get(found.image)
    started = replace(image.config, config=execution_config(found, image))
    config = changing.apply(started, changes)
    with lease(engine.db) as held, _frozen(engine, found, pauses=pauses):
        for diff_id in image.config.diff_ids:
            held.add("layer", diff_id)
        layer = _layer(engine, found, image)
    now = rfc3339(time.time())
    line = History(now, " ".join(found.command), message, author, empty_layer=layer is None)
    made = replace(image.config, config=config, created=now, author=author or image.config.author)
    made = made.with_config(config, line) if layer is None else made.with_layer(layer, line)
    added = engine.images.add(made.to_bytes(), names=() if reference is None else (reference,))
    emit_container(engine, found, "commit", {"imageID": added.id, "imageRef": name})
    return added


def execution_config(container: Container, image: Image) -> ExecutionConfig:
    """The config that makes more containers like this one."""
    base = image.config.config
    volumes = {*base.volumes, *(mount.target for mount in container.mounts if mount.anonymous)}
    health = getattr(container, "healthcheck", None)
    made: ExecutionConfig = replace(
        base,
        user=container.user,
        env=container.env,
        entrypoint=container.entrypoint or None,
        command=container.command or None,
        working_dir=container.working_dir if container.working_dir != "/" or base.working_dir else "",
        labels=dict(container.labels),
        exposed_ports=tuple(container.exposed_ports),
        volumes=tuple(sorted(volumes)),
        stop_signal=container.stop_signal,
        healthcheck=Healthcheck.from_json(health) if health else base.healthcheck,
    )
    return made


@contextmanager
def _frozen(engine: Engine, container: Container, *, pauses: bool) -> Iterator[None]:
    """Nothing in *container* runs meanwhile, if it did and was not paused by somebody else."""
    is_ours = False
    if pauses and container.status == RUNNING and not container.paused:
        try:
            pause(engine, container.id)
            is_ours = True
        except TeulError:
            # It has just ended, or been paused: both are as still as can be.
            pass
    try:
        yield
    finally:
        if is_ours:
            try:
                unpause(engine, container.id)
            except TeulError:
                pass


def _layer(engine: Engine, container: Container, image: Image) -> Digest | None:
    """The container's changes as a committed layer; None when there are none."""
    upper = engine.snapshots.upper(container.id)
    if not os.listdir(upper):
        return None
    folder = f"{engine.settings.root}/containers/{container.id}"
    path = f"{folder}/commit-{os.urandom(4).hex()}.tar"
    try:
        # On the disk, not in memory, and once: the tar that is measured is the tar that is unpacked.
        with open(path, "xb") as file:
            packed = pack(upper, file.write)
        with open(path, "rb") as file:
            engine.snapshots.unpack(file, packed.diff_id, engine.images.layers(image))
        return packed.diff_id
    finally:
        if os.path.exists(path):
            os.unlink(path)
