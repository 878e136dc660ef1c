"""Serving containers: what one is started with, which there are, blue/green replacement. Decides nothing.

A replacement is started beside the old one without the published port, and only when it answers that it is ready does
the port move; a replacement that does not become ready is taken away, and the old one never stopped serving.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from teul.errors import NotReady, text
from teul.events import Sink, silent
from teul.ml.decisions import Service, free_name
from teul.ml.served_image import PORT
from teul.solver.graph import digest_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.engine import Engine
    from teul.engine.containers import Container

PROJECT_LABEL, ROLE_LABEL = "io.teul.project", "io.teul.role"
VERSION_LABEL, SPEC_LABEL = "io.teul.version", "io.teul.spec"
SERVE_ROLE = "serve"
READY_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 10
TAIL_LINES = 20
ANSWER_LIMIT_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSpec:
    """All that a serving container is started with."""

    project: str
    model: str
    version: str
    image: str
    host: str
    port: int
    workers: int = 1
    env: Mapping[str, str] = field(default_factory=dict)
    gpus: bool = False

    @property
    def digest(self) -> str:
        what = [
            self.model,
            self.version,
            self.image,
            self.host,
            self.port,
            self.workers,
            dict(sorted(self.env.items())),
        ]
        return digest_of([*what, "gpus"] if self.gpus else what)

    @property
    def name(self) -> str:
        """The container's name, unless it is taken."""
        return f"{self.project}-v{self.version}"

    @property
    def url(self) -> str:
        host = "localhost" if self.host in ("127.0.0.1", "0.0.0.0", "::1", "::") else self.host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"


def _has_gpus(engine: Engine) -> bool:
    from teul import gpu

    driver = gpu.detect(engine.settings.driver_root)
    return driver is not None and bool(driver.gpus)


def present(engine: Engine, project: str) -> tuple[Service, ...]:
    """The serving containers of *project*, running or not."""
    return tuple(
        Service(
            container=item.id,
            name=item.name,
            version=item.labels.get(VERSION_LABEL, ""),
            spec=item.labels.get(SPEC_LABEL, ""),
            is_running=item.is_running,
        )
        for item in _containers(engine, project)
    )


def has_port(engine: Engine, project: str, port: int) -> bool:
    """Whether a serving container of *project* has *port* of this machine now."""
    return any(
        mapping.host_port == port for item in _containers(engine, project) if item.is_running for mapping in item.ports
    )


def _containers(engine: Engine, project: str) -> list[Container]:
    from teul.engine import containers

    return [
        item
        for item in containers.list_containers(engine, all=True)
        if item.labels.get(PROJECT_LABEL) == project and item.labels.get(ROLE_LABEL) == SERVE_ROLE
    ]


def start(engine: Engine, spec: ServiceSpec, *, publish: bool = True, events: Sink = silent) -> str:
    """Start a container for *spec* and wait until it is ready; returns its id.

    Raises:
        PortInUse: somebody else holds the port.
        NotReady: with the end of its log.
    """
    from teul.engine import containers
    from teul.engine.containers import ContainerOptions

    taken = [item.name for item in containers.list_containers(engine, all=True)]
    container = containers.create(
        engine,
        ContainerOptions(
            image=spec.image,
            name=free_name(spec.name, taken),
            detach=True,
            env=(
                f"TEUL_MODEL_NAME={spec.model}",
                f"TEUL_MODEL_VERSION={spec.version}",
                f"TEUL_PORT={PORT}",
                f"TEUL_WORKERS={spec.workers}",
                *(f"{name}={value}" for name, value in spec.env.items()),
            ),
            publish=(f"{spec.host}:{spec.port}:{PORT}",) if publish else (),
            gpus=("all",) if spec.gpus and _has_gpus(engine) else (),
            labels={
                PROJECT_LABEL: spec.project,
                ROLE_LABEL: SERVE_ROLE,
                VERSION_LABEL: spec.version,
                # A trial that outlives a kill must not be taken for what serves.
                SPEC_LABEL: spec.digest if publish else f"trial of {spec.digest}",
            },
        ),
        events=events,
    )
    try:
        containers.start(engine, container.id)
        wait_ready(engine, container.id)
    except BaseException:
        containers.remove(engine, container.id, force=True)
        raise
    return container.id


def replace(
    engine: Engine, old: str, spec: ServiceSpec, *, on_ready: Callable[[], None] = lambda: None, events: Sink = silent
) -> str:
    """Let a new container take the place of *old* ("" for none); returns its id.

    A trial of the new one, without the port, has to become ready first; should the new one then still not come up with
    the port, the old one is started again. *on_ready* is called when it has shown that it serves.
    """
    from teul.engine import containers

    if not old:
        made = start(engine, spec, events=events)
        on_ready()
        return made
    trial = start(engine, spec, publish=False, events=events)
    take_away(engine, trial)
    on_ready()
    containers.stop(engine, old, timeout_s=STOP_TIMEOUT_S)
    try:
        made = start(engine, spec, events=events)
    except BaseException:
        containers.start(engine, old)
        raise
    containers.remove(engine, old, force=True)
    return made


def take_away(engine: Engine, container: str) -> None:
    """Stop (running requests are answered) and remove."""
    from teul.engine import containers

    containers.stop(engine, container, timeout_s=STOP_TIMEOUT_S)
    containers.remove(engine, container, force=True)


def is_ready(engine: Engine, container: str) -> bool:
    """Whether the model server in *container* answers that it is ready."""
    return ask(address(engine, container), PORT, "/v2/health/ready")[0] == 200


def wait_ready(engine: Engine, container: str, *, timeout_s: float = READY_TIMEOUT_S) -> None:
    """Return when the model server in *container* says that it is ready.

    Raises:
        NotReady: the container ended, or *timeout_s* seconds passed; with the last lines of its log.
    """
    from teul.engine import containers

    deadline = time.monotonic() + timeout_s
    pause_s = 0.01
    while True:
        if is_ready(engine, container):
            return
        found = containers.get(engine, container)
        if not found.is_running:
            tail = last_lines(engine, container)
            raise NotReady(
                text(
                    "the model server ended with exit code {code}: {last}",
                    code=found.exit_code,
                    last=tail.rpartition("\n")[2].removeprefix("teul-model: "),
                ),
                exit_code=found.exit_code or 1,
                stderr_tail=tail,
            )
        if time.monotonic() > deadline:
            raise NotReady(
                text("the model server was not ready within {timeout_s} s", timeout_s=f"{timeout_s:g}"),
                stderr_tail=last_lines(engine, container),
                hint=text("see what it waits for: teul logs {name}", name=found.name),
            )
        time.sleep(pause_s)
        pause_s = min(pause_s * 1.5, 0.2)


def ask(host: str, port: int, path: str, *, timeout_s: float = 5.0) -> tuple[int, bytes]:
    """GET *path*; gives the status and the body, (0, b"") when nobody answers. Only for the model server's own answers."""
    if not host:
        # An empty name would be this machine itself, where something else may answer.
        return 0, b""
    request = f"GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n"
    answer = bytearray()
    try:
        with socket.create_connection((host, port), timeout=timeout_s) as connection:
            connection.sendall(request.encode())
            while (data := connection.recv(65536)) and len(answer) < ANSWER_LIMIT_BYTES:
                answer += data
    except OSError:
        return 0, b""
    head, _, body = bytes(answer).partition(b"\r\n\r\n")
    words = head.split(b" ", 2)
    return (int(words[1]) if len(words) > 1 and words[1].isdigit() else 0), body


def read_example(engine: Engine, container: str, model: str) -> object:
    """The row that the predictor offers to try, or None."""
    status, body = ask(address(engine, container), PORT, f"/v2/models/{model}")
    try:
        return json.loads(body).get("parameters", {}).get("example") if status == 200 else None
    except ValueError:
        return None


def address(engine: Engine, container: str) -> str:
    """Where *container* is on its network, "" when it has no address."""
    from teul.engine import containers

    return next(iter(containers.get(engine, container).addresses.values()), "")


def last_lines(engine: Engine, container: str) -> str:
    """The end of what *container* wrote, both streams as they came."""
    from teul.engine import containers

    lines = containers.logs(engine, container, tail=TAIL_LINES)
    return b"".join(line.data for line in lines).decode(errors="replace").rstrip("\n")
