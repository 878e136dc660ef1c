"""`up` in a folder that has a Dockerfile and no project file: build it and run it. Must not guess steps or models.

An image that exposes ports is a service: it runs on in the background, its ports published on the loopback. Any other is
a program: it runs to its end, and its exit code is the answer.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from teul.events import Sink, silent
from teul.ml import serving
from teul.ml.up import locked
from teul.solver.graph import digest_of
from teul.state import projects

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from teul.engine import Engine

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class PlainReport:
    """What was done: `container` and `urls` of a service, or the `exit_code` of a program (None for a service)."""

    name: str
    image: str
    image_cached: bool
    container: str = ""
    kept: bool = False
    urls: tuple[str, ...] = ()
    exit_code: int | None = None


def has_dockerfile(folder: str) -> bool:
    return os.path.isfile(f"{folder}/Dockerfile")


def name_of(folder: str) -> str:
    """A name for images and containers, made of the folder's."""
    return re.sub(r"[^a-z0-9]+", "-", os.path.basename(os.path.abspath(folder)).lower()).strip("-")[:63] or "app"


def up(
    engine: Engine, folder: str, *, events: Sink = silent, on_output: Callable[[int, bytes], None] | None = None
) -> PlainReport:
    """Build the image in *folder* and run it.

    Args:
        on_output: gets a program's output (file descriptor 1 or 2, bytes); default: our own streams.
    Raises:
        BuildStepFailed, DockerfileError: the image.
        PortInUse: a port that it exposes is somebody else's; what ran before still does.
    """
    from teul.engine.build import BuildOptions, build
    from teul.engine.containers import ContainerOptions, run_foreground
    from teul.engine.containers.attached import Streams

    name = name_of(folder)
    with locked(engine, name, events):
        result = build(engine, BuildOptions(context=folder, tags=(f"{name}:latest",)), events=events)
        projects.remember(engine.db, name, folder, {})
        image = str(result.image.id)
        ports = sorted(
            int(port.partition("/")[0])
            for port in result.image.config.config.exposed_ports
            if port.partition("/")[2] in ("", "tcp")
        )
        if ports:
            container, kept = _service(engine, name, image, ports, events)
            urls = tuple(f"http://localhost:{port}" for port in ports)
            return PlainReport(name, image, result.cached, container, kept, urls)
    code = run_foreground(
        engine,
        ContainerOptions(image=image, remove=True, labels={serving.PROJECT_LABEL: name}),
        streams=Streams(on_output=on_output, proxies_signals=True),
        events=events,
    )
    return PlainReport(name, image, result.cached, exit_code=code)


def _service(engine: Engine, name: str, image: str, ports: list[int], events: Sink) -> tuple[str, bool]:
    """The container of a service: the one that runs already with this image, or a new one; and which of both."""
    from teul.engine import containers
    from teul.engine.containers import ContainerOptions
    from teul.ml.decisions import free_name

    spec = digest_of([image, ports])
    present = serving.present(engine, name)
    for found in present:
        if found.is_running and found.spec == spec:
            return found.container, True
    for found in present:
        serving.take_away(engine, found.container)
    taken = [item.name for item in containers.list_containers(engine, all=True)]
    made = containers.create(
        engine,
        ContainerOptions(
            image=image,
            name=free_name(name, taken),
            detach=True,
            publish=tuple(f"{HOST}:{port}:{port}" for port in ports),
            labels={
                serving.PROJECT_LABEL: name,
                serving.ROLE_LABEL: serving.SERVE_ROLE,
                serving.SPEC_LABEL: spec,
            },
        ),
        events=events,
    )
    try:
        containers.start(engine, made.id)
    except BaseException:
        containers.remove(engine, made.id, force=True)
        raise
    return made.id, False
