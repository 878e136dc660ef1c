"""`up` and `down`: a project from its folder to a served prediction, and back. Decides through `decisions`, then does.

Stages: image (the builder), steps (the solver), version (register, judge, promote), serve. Each is skipped, and said to
be, when nothing that it depends on has changed; one `up` of a project runs at a time.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from teul.errors import GateFailed, ProjectError, Text, text
from teul.events import Sink, Warn, silent
from teul.ml import container, promotion, record, serving
from teul.ml.pipeline import lower
from teul.ml.project import FILE, ModelProject, parse
from teul.ml.stages import Report, Stages, build_options, scope_of
from teul.ml.steps import PipelineWorker
from teul.solver import Planned
from teul.solver import plan as plan_steps
from teul.state import projects
from teul.state.cache import SolverCache
from teul.state.leases import lease

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.engine import Engine


def has_project(folder: str) -> bool:
    return os.path.exists(os.path.join(folder, FILE))


def read_project(folder: str) -> ModelProject:
    """The project in *folder*.

    Raises:
        ProjectError: there is no project file.
        ExceptionGroup: of `ProjectError`, what is wrong with it.
    """
    path = os.path.join(folder, FILE)
    try:
        with open(path, encoding="utf-8") as file:
            source = file.read()
    except (FileNotFoundError, NotADirectoryError):
        raise ProjectError(
            text("no `{file}` and no Dockerfile in {folder}", file=FILE, folder=folder),
            hint=text("go to a project's folder, or write {path} with [project] and its name", path=path),
        ) from None
    except UnicodeDecodeError as error:
        raise ProjectError(text("{path}: expected UTF-8: {problem}", path=path, problem=error)) from None
    return parse(source, path=path)


@contextmanager
def locked(engine: Engine, project: str, events: Sink) -> Iterator[None]:
    """Hold the project; says so when another `up` has to be waited for."""
    from teul.host.fs import FolderLock

    folder = f"{engine.settings.run_root}/projects"
    os.makedirs(folder, mode=0o700, exist_ok=True)
    path = f"{folder}/{project}.lock"
    lock = FolderLock.take(path, wait=False, make=True)
    if lock is None:
        events(Warn("up", "project-busy", text("waiting for another `up` of project `{name}`", name=project)))
        lock = FolderLock.take(path, make=True)
    assert lock is not None
    with lock:
        yield


def up(
    engine: Engine, folder: str, project: ModelProject, *, events: Sink = silent, report: Report | None = None
) -> Report:
    """Bring *project* up; what was done stands in the report, which the caller may hand in to see it after an error.

    Raises:
        BuildStepFailed, DockerfileError: the image.
        StepFailed: a step; nothing is registered.
        GateFailed: the new version stays out; what was in production serves.
        PortInUse, NotReady: serving; what served before still does.
    """
    from teul.ml.tracking import TrackingStore

    made = report or Report(project.name)
    with (
        locked(engine, project.name, events),
        lease(engine.db),
        TrackingStore.of(engine.settings) as tracking,
    ):
        if record.close_abandoned(tracking, project.name):
            container.sweep(engine)
        _say_surprises(engine, folder, project, events)
        stages = Stages(engine, folder, project, tracking, events, made)
        stages.check_port()
        with stages.stage("image"):
            image = stages.build()
        with stages.stage("steps"):
            solution, pipeline = stages.run_steps(image)
        refused: Text | None = None
        if pipeline.serve is not None:
            with stages.stage("version"):
                refused = stages.settle_version(image, solution, pipeline)
        with stages.stage("serve"):
            stages.serve()
    if refused is not None:
        raise GateFailed(refused, hint=_after_refusal(made))
    return made


def _say_surprises(engine: Engine, folder: str, project: ModelProject, events: Sink) -> None:
    """What the caller may not expect: the name was another folder's, a setting is not used."""
    known = projects.find(engine.db, project.name)
    if known is not None and known.folder != folder and has_project(known.folder):
        message = text("project `{name}` was last brought up from {folder}", name=project.name, folder=known.folder)
        events(Warn("up", "project-elsewhere", message))
    if (engine.settings.environ or {}).get("MLFLOW_TRACKING_URI"):
        message = text("MLFLOW_TRACKING_URI is not used: `teul up` records in its own tracking server")
        events(Warn("up", "tracking-uri-unused", message))


def _after_refusal(report: Report) -> Text:
    if report.version:
        return text("version {version} stays in production", version=report.version)
    return text("nothing is in production")


def plan(engine: Engine, folder: str, project: ModelProject) -> list[Text]:
    """What `up` would do as far as can be told without doing it, each line with its cause. Runs nothing."""
    from teul.engine.build import plan as plan_build
    from teul.ml.served_image import server_digest
    from teul.ml.tracking import TrackingStore

    planned, _ = plan_build(engine, build_options(folder, project))
    lines = [_planned(step) for step in planned if step.vertex.name]
    image = engine.images.find(f"{project.name}:latest")
    with TrackingStore.of(engine.settings) as tracking:
        if image is None or any(step.state != "cached" for step in planned):
            why = text("the image is to be built first")
            lines += [text("run {vertex}: {why}", vertex=f"[{step.name}]", why=why) for step in project.steps]
        else:
            pipeline = lower(project, image=str(image.id), server=server_digest())
            worker = PipelineWorker(engine, tracking, project, folder, image)
            cache = SolverCache(engine.db)
            lines += [_planned(step) for step in plan_steps(pipeline.targets, worker, cache, scope=scope_of(project))]
        if project.model is not None:
            lines += [text("check {gate}", gate=gate) for gate in project.model.gates]
            version = promotion.in_production(tracking, project.model.name)
            if version is not None:
                lines.append(text("version {version} is in production", version=version.version))
    return lines


def _planned(step: Planned) -> Text:
    name = step.vertex.name
    if step.state == "cached":
        return text("keep {vertex}: nothing has changed", vertex=name)
    if step.state == "unknown":
        return text("run {vertex}: {why}", vertex=name, why=text("it depends on what comes before"))
    parts = ", ".join(cause.part for cause in step.causes)
    why = text("{names} changed", names=parts) if parts else text("it has not run like this before")
    return text("run {vertex}: {why}", vertex=name, why=why)


def down(engine: Engine, project: str, *, events: Sink = silent) -> list[str]:
    """Stop what `up` started for *project*, and the tracking server when no project needs it; all data stays.

    Returns: the names of what was stopped.
    """
    from teul.ml.tracking import service

    stopped = []
    with locked(engine, project, events):
        for found in serving.present(engine, project):
            serving.take_away(engine, found.container)
            if found.is_running:
                stopped.append(found.name)
        projects.end_deployment(engine.db, project)
    if not projects.has_deployments(engine.db) and service.stop(engine.settings):
        stopped.append("tracking server")
    return stopped
