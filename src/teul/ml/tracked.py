"""`teul run --track`: a container whose MLflow client finds the tracking server and records more than it knows.

The container gets `MLFLOW_TRACKING_URI`, a token and `MLFLOW_EXPERIMENT_NAME`. Each run that is begun with the token has
the image's digest, the command, the state of the folder's repository, seed and pins; when the container has ended, what it
printed and how it ended. A run that was not ended by then is KILLED.

In a project's folder, while a tracking server runs, `teul run` does the same by itself (`experiment_in_project`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from teul.errors import ContainerNotFound, InvalidInput, OptionUnsupported, text
from teul.ml import environment, record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.engine import Engine
    from teul.engine.containers.options import ContainerOptions
    from teul.images.store import Image
    from teul.ml.tracking import TrackingStore

LABEL = "io.teul.tracked"
LOG_LIMIT_BYTES = 64 << 20
EXIT_TAG = "teul.exit-code"
URI = "MLFLOW_TRACKING_URI"
EXPERIMENT = "MLFLOW_EXPERIMENT_NAME"
EXPERIMENT_ID = "MLFLOW_EXPERIMENT_ID"


def prepare(
    engine: Engine, options: ContainerOptions, image: Image, *, experiment: str, folder: str
) -> ContainerOptions:
    """*options* for a tracked container of *image*, which they name.

    Raises:
        InvalidInput: its network does not reach this machine.
        Unavailable: the tracking server does not come up.
    """
    from dataclasses import replace

    from teul.ml.tracking import TrackingStore

    uri = _uri(engine, options)
    mark = os.urandom(8).hex()
    argv = options.command if options.command is not None else image.config.config.command or ()
    environ = dict(entry.partition("=")[::2] for entry in (*image.config.config.env, *options.env))
    git = record.read_git(folder)
    tags = {
        **record.circumstances({}, environ),
        **record.git_tags(git),
        record.IMAGE_TAG: str(image.id),
        record.COMMAND_TAG: " ".join([*(options.entrypoint or image.config.config.entrypoint or ()), *argv]),
        "teul.container": mark,
    }
    files = {path: data.decode(errors="replace") for path, data in record.git_files(git).items()}
    with TrackingStore.of(engine.settings) as tracking:
        environment.remember(engine, tracking, str(image.id))
        tracking.ensure_experiment(experiment)
        token = tracking.issue_container_token(mark, experiment, {"tags": tags, "files": files})
    added = (
        f"{URI}={uri}",
        f"MLFLOW_TRACKING_TOKEN={token}",
        f"{EXPERIMENT}={experiment}",
    )
    made: ContainerOptions = replace(
        options, env=(*added, *options.env), labels={**options.labels, LABEL: mark, "io.teul.project": experiment}
    )
    return made


def experiment_in_project(engine: Engine, options: ContainerOptions, *, folder: str) -> str:
    """The project of *folder*, when containers are tracked there by themselves; else "".

    There must be a project file and a tracking server that runs, on a network of the container's that reaches it; and
    nobody has said (`-e`, or the environment of this command) where MLflow is to record. No server is started for it.

    Raises:
        InvalidInput: the project file cannot be read.
    """
    from teul.ml.project import FILE, parse
    from teul.ml.tracking import service

    environ = engine.settings.environ or {}
    network = options.network[0] if options.network else "bridge"
    if (
        environ.get(URI)
        or any(entry.partition("=")[0] == URI for entry in options.env)
        or network == "none"
        or network.startswith("container:")
        or service.find(engine.settings) is None
    ):
        return ""
    try:
        with open(f"{folder}/{FILE}", encoding="utf-8") as file:
            return parse(file.read()).name
    except FileNotFoundError:
        return ""
    except (UnicodeDecodeError, ExceptionGroup) as error:
        raise InvalidInput(text("{path} cannot be read; `teul up` says what is wrong with it", path=FILE)) from error


def prepare_in_project(
    engine: Engine, options: ContainerOptions, image: Image, *, experiment: str, folder: str
) -> ContainerOptions:
    """As `prepare`, where nobody asked for it: what the image says of MLflow's server and experiment stays as it is.

    Raises:
        TeulError: the server does not answer, or the network is not there.
    """
    from dataclasses import replace

    said = {entry.partition("=")[0]: entry for entry in image.config.config.env}
    if URI in said:
        return options
    made = prepare(engine, options, image, experiment=experiment, folder=folder)
    names = {entry.partition("=")[0] for entry in options.env}
    # A client that is told of a name and of an id that do not fit ends with an error.
    if EXPERIMENT_ID in names or EXPERIMENT in said or EXPERIMENT_ID in said:
        ours = f"{EXPERIMENT}={experiment}"
        made = replace(made, env=tuple(entry for entry in made.env if entry != ours or entry in options.env))
    return made


def _uri(engine: Engine, options: ContainerOptions) -> str:
    from teul.engine.networks.definition import get
    from teul.ml.tracking.service import ensure_running

    network = options.network[0] if options.network else "bridge"
    if network == "host":
        return ensure_running(engine.settings).uri
    if network == "none" or network.startswith("container:"):
        raise InvalidInput(
            text("--track: a container on network `{network}` does not reach the tracking server", network=network)
        )
    gateway = get(engine, network).gateway
    return ensure_running(engine.settings, addresses=[gateway]).uri_on(gateway)


class Output:
    """Keeps what passes, up to a limit, for the runs of the container."""

    def __init__(self, hand_on: Callable[[int, bytes], None]) -> None:
        self._hand_on = hand_on
        self._streams = {1: bytearray(), 2: bytearray()}

    def __call__(self, descriptor: int, data: bytes) -> None:
        kept = self._streams.setdefault(descriptor, bytearray())
        kept += data[: LOG_LIMIT_BYTES - len(kept)]
        self._hand_on(descriptor, data)

    @property
    def files(self) -> dict[str, bytes]:
        names = {1: "logs/stdout.txt", 2: "logs/stderr.txt"}
        return {names[number]: bytes(data) for number, data in self._streams.items() if data and number in names}


def finish(engine: Engine, mark: str, files: Mapping[str, bytes], exit_code: int | None) -> list[str]:
    """The container with this mark has ended; gives the ids of its runs."""
    from teul.ml.tracking import TrackingStore

    with TrackingStore.of(engine.settings) as tracking:
        return tracking.settle_container(mark, files, {} if exit_code is None else {EXIT_TAG: str(exit_code)})


def settle(engine: Engine, tracking: TrackingStore) -> None:
    """Settle the runs of tracked containers that have ended while nobody was looking."""
    marks = tracking.unsettled_containers()
    if not marks:
        return
    from teul.engine.containers.lookup import list_containers

    there = {item.labels[LABEL]: item for item in list_containers(engine, all=True) if LABEL in item.labels}
    for mark in marks:
        container = there.get(mark)
        if container is None:
            tracking.settle_container(mark, {}, {})
        elif not container.is_running and container.status not in ("created", "restarting"):
            tracking.settle_container(mark, _logs(engine, container.id), {EXIT_TAG: str(container.exit_code)})


def _logs(engine: Engine, container: str) -> dict[str, bytes]:
    from teul.engine.containers.output import logs

    streams: dict[str, bytearray] = {}
    try:
        for line in logs(engine, container):
            kept = streams.setdefault(f"logs/{line.stream}.txt", bytearray())
            kept += line.data[: LOG_LIMIT_BYTES - len(kept)]
    except (ContainerNotFound, OptionUnsupported):
        return {}
    return {path: bytes(data) for path, data in streams.items() if data}
