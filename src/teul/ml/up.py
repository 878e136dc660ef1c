"""`up` and `down`: a project from its folder to a served prediction, and back. Decides through `decisions`, then does.

Stages: image (the builder), steps (the solver), version (register, judge, promote), serve. Each is skipped, and said to
be, when nothing that it depends on has changed; one `up` of a project runs at a time.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic

from teul.errors import GateFailed, ProjectError, Text, text
from teul.events import Sink, Step, Warn, silent
from teul.ml import decisions, promotion, record, serving
from teul.ml.gate import Verdict
from teul.ml.pipeline import Pipeline, lower
from teul.ml.project import FILE, ModelProject, ServeOptions, parse
from teul.ml.serving import ServiceSpec
from teul.ml.steps import PipelineWorker
from teul.oci.digest import Digest
from teul.oci.reference import Reference
from teul.solver import Planned, Solution, solve
from teul.solver import plan as plan_steps
from teul.state import projects
from teul.state.cache import SolverCache
from teul.state.leases import lease

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.engine import Engine
    from teul.engine.build import BuildOptions, BuildResult
    from teul.images import Image
    from teul.ml.tracking import TrackingStore
    from teul.ml.tracking.values import ModelVersion


@dataclass(frozen=True, slots=True)
class StepReport:
    """How a step came to its result; `run` is the id of the run that made it (an earlier one when cached)."""

    name: str
    run: str
    cached: bool
    seconds: float


@dataclass(slots=True)
class Report:
    """What one `up` did. `seconds` is by stage, in the order in which they ran."""

    project: str
    image: str = ""
    image_cached: bool = False
    steps: list[StepReport] = field(default_factory=list)
    verdicts: tuple[Verdict, ...] = ()
    model: str = ""
    candidate: str = ""
    version: str = ""
    promotion: str = ""
    container: str = ""
    serve_action: str = ""
    url: str = ""
    tracking_url: str = ""
    example: object = None
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def is_cached(self) -> bool:
        """Whether nothing was built, run, promoted or started."""
        return (
            self.image_cached
            and all(step.cached for step in self.steps)
            and self.promotion in ("", decisions.KEEP)
            and self.serve_action in ("", "keep")
        )


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
            text("no `{file}` in {folder}", file=FILE, folder=folder),
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
        record.close_abandoned(tracking, project.name)
        up_ = _Up(engine, folder, project, tracking, events, made)
        with up_.stage("image"):
            image = up_.build()
        with up_.stage("steps"):
            solution, pipeline = up_.run_steps(image)
        refused: Text | None = None
        if pipeline.serve is not None:
            with up_.stage("version"):
                refused = up_.settle_version(image, solution, pipeline)
        with up_.stage("serve"):
            up_.serve()
    if refused is not None:
        raise GateFailed(refused, hint=_after_refusal(made))
    return made


def _after_refusal(report: Report) -> Text:
    if report.version:
        return text("version {version} stays in production", version=report.version)
    return text("nothing is in production")


class _Up:
    """The parts of one `up`, and what they share."""

    def __init__(
        self,
        engine: Engine,
        folder: str,
        project: ModelProject,
        tracking: TrackingStore,
        events: Sink,
        report: Report,
    ) -> None:
        self.engine = engine
        self.folder = folder
        self.project = project
        self.tracking = tracking
        self.events = events
        self.report = report
        self.version: ModelVersion | None = None

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        started = monotonic()
        try:
            yield
        finally:
            self.report.seconds[name] = monotonic() - started

    def build(self) -> Image:
        """The project's image, by the builder."""
        from teul.engine.build import build

        result: BuildResult = build(self.engine, build_options(self.folder, self.project), events=self.events)
        self.report.image = str(result.image.id)
        self.report.image_cached = result.cached
        return result.image

    def run_steps(self, image: Image) -> tuple[Solution, Pipeline]:
        from teul.ml.served_image import server_digest

        pipeline = lower(self.project, image=str(image.id), server=server_digest())
        worker = PipelineWorker(
            self.engine,
            self.tracking,
            self.project,
            self.folder,
            image,
            tracking_uri=self.tracking_uri,
        )
        cache = SolverCache(self.engine.db)
        scope = scope_of(self.project)
        solution = solve(pipeline.targets, worker, cache, scope=scope, events=self.events, threads=1)
        row = {"key": str(solution.result(pipeline.serve).data["image"]) if pipeline.serve else "", "folder": self.folder}
        if cache.explained(scope).get("") != row:
            cache.explain(scope, {"": row}, gone=())
        for name, vertex in pipeline.steps.items():
            outcome = solution.outcomes[vertex]
            if outcome.cached:
                for path in worker.restore(outcome.result):
                    self.events(Warn(vertex.digest, "output-restored", text("put `{path}` back as it was", path=path)))
            self.report.steps.append(StepReport(name, str(outcome.result.data["run"]), outcome.cached, outcome.seconds))
        return solution, pipeline

    def tracking_uri(self, gateway: str) -> str:
        """The tracking server, for a container whose network has this gateway."""
        from teul.ml.tracking.service import ensure_running

        found = ensure_running(self.engine.settings, addresses=[gateway])
        self.report.tracking_url = found.uri
        return found.uri_on(gateway)

    def settle_version(self, image: Image, solution: Solution, pipeline: Pipeline) -> Text | None:
        """Register, judge and promote; gives the reason when a gate refused."""
        model = self.project.model
        assert model is not None
        assert pipeline.serve is not None
        result = solution.result(pipeline.serve)
        served = str(result.data["image"])
        version = promotion.register(
            self.tracking,
            model.name,
            project=self.project.name,
            image=served,
            trained_in=str(image.id),
            run_id=str(result.data["run"]),
            path=model.path,
        )
        number = str(version.version)
        known = projects.find(self.engine.db, self.project.name)
        last = str(known.data.get("candidate", "")) if known else ""
        before = promotion.in_production(self.tracking, model.name)
        values = {name: float(value) for name, value in result.data["values"].items()}
        verdicts = promotion.judge(self.tracking, model.gates, values, before)
        decision = decisions.decide_promotion(
            candidate=number,
            production=str(before.version) if before else "",
            last_candidate=last,
            was_judged=bool(version.gate),
            verdicts=verdicts,
        )
        promotion.keep_verdicts(self.tracking, version, verdicts)
        self.engine.images.tag(Digest(served), Reference.parse(f"{model.name}:v{number}"))
        if decision.action == decisions.PROMOTE:
            promotion.promote(self.tracking, version, decision.cause)
        projects.remember(self.engine.db, self.project.name, self.folder, {"candidate": number})
        self.version = promotion.in_production(self.tracking, model.name)
        made = self.report
        made.model, made.candidate, made.verdicts = model.name, number, verdicts
        made.promotion, made.version = decision.action, str(self.version.version) if self.version else ""
        return decision.cause if decision.action == decisions.REFUSE else None

    def serve(self) -> None:
        """Make the version in production, and only it, serve."""
        present = serving.present(self.engine, self.project.name)
        spec = self.spec()
        plan = decisions.decide_serving(
            wanted=spec.digest if spec else "",
            version=spec.version if spec else "",
            name=spec.name if spec else "",
            present=present,
        )
        for operation in plan:
            self.apply(operation, spec, present)
        if spec is not None:
            self.report.url = spec.url
            self.report.example = serving.read_example(self.engine, self.report.container, spec.model)

    def spec(self) -> ServiceSpec | None:
        """What has to serve: nothing without `[serve]` or a version in production."""
        options = self.project.serve
        if options is None or self.version is None:
            return None
        return service_spec(self.project, options, self.version)

    def apply(
        self, operation: decisions.Operation, spec: ServiceSpec | None, present: Sequence[decisions.Service]
    ) -> None:
        """One operation of the plan, and its line in the record of what served."""
        by_name = {service.name: service for service in present}
        if operation.action == "keep":
            self.report.container = by_name[operation.name].container
            self.report.serve_action = "keep"
            return
        step = f"serve {operation.name}"
        self.events(Step(step, f"[serve] {operation.action} {operation.name}", "started"))
        try:
            if operation.action in ("start", "replace"):
                assert spec is not None
                old = by_name[operation.name].container if operation.action == "replace" else ""
                container = serving.replace(self.engine, old, spec, events=self.events)
                self.report.container, self.report.serve_action = container, operation.action
                projects.begin_deployment(
                    self.engine.db,
                    self.project.name,
                    model=spec.model,
                    version=spec.version,
                    image=spec.image,
                    container=container,
                    reason=str(operation.cause),
                    data={"url": spec.url},
                )
            else:
                serving.take_away(self.engine, by_name[operation.name].container)
                if spec is None:
                    projects.end_deployment(self.engine.db, self.project.name)
        except BaseException as error:
            self.events(Step(step, f"[serve] {operation.action} {operation.name}", "failed", error=str(error)))
            raise
        self.events(Step(step, f"[serve] {operation.action} {operation.name}", "done"))


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


def scope_of(project: ModelProject) -> str:
    """What the solver remembers the project's steps under, for `why`."""
    return f"project {project.name}"


def service_spec(project: ModelProject, options: ServeOptions, version: ModelVersion) -> ServiceSpec:
    """What *version* is served with."""
    return ServiceSpec(
        project=project.name,
        model=version.name,
        version=str(version.version),
        image=version.tags[promotion.SERVED_TAG],
        host=options.host,
        port=options.port,
        workers=options.workers,
        env=options.env,
    )


def build_options(folder: str, project: ModelProject) -> BuildOptions:
    """How the project's image is built.

    Raises:
        ProjectError: there is no Dockerfile.
    """
    from teul.engine.build import BuildOptions

    image = project.image
    dockerfile = os.path.normpath(f"{folder}/{image.dockerfile}")
    if not image.is_generated and not os.path.isfile(dockerfile):
        raise ProjectError(
            text("{path} not found", path=dockerfile),
            hint=text('write one, or say `[image]` with `python = "3.11"` in {file}', file=FILE),
        )
    return BuildOptions(
        context=os.path.normpath(f"{folder}/{image.context}"),
        dockerfile=FILE if image.is_generated else dockerfile,
        dockerfile_text=image.generated_dockerfile() if image.is_generated else None,
        target=image.target,
        build_args=dict(image.build_args),
        tags=(f"{project.name}:latest",),
    )


def down(engine: Engine, project: str, *, events: Sink = silent) -> list[str]:
    """Stop what `up` started for *project*, and the tracking server when no project needs it; all data stays.

    Returns: the names of what was stopped.
    """
    from teul.ml.tracking import service

    stopped = []
    with locked(engine, project, events):
        for container in serving.present(engine, project):
            serving.take_away(engine, container.container)
            if container.is_running:
                stopped.append(container.name)
        projects.end_deployment(engine.db, project)
    if not projects.has_deployments(engine.db) and service.stop(engine.settings):
        stopped.append("tracking server")
    return stopped
