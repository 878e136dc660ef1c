"""The stages of one `up`: image, steps, version, serve. Each does what it must and writes what it did into the report."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic

from teul.errors import ProjectError, Text, text
from teul.events import Sink, Step, Warn
from teul.ml import decisions, promotion, serving
from teul.ml.gate import Verdict
from teul.ml.pipeline import Pipeline, lower
from teul.ml.project import FILE, ImageSource, ModelProject, ServeOptions, covers
from teul.ml.served_image import PORT
from teul.ml.serving import ServiceSpec
from teul.ml.steps import PipelineWorker
from teul.oci.digest import Digest
from teul.oci.reference import Reference
from teul.solver import Solution, solve
from teul.state import projects
from teul.state.cache import SolverCache

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


class Stages:
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
        """What is to serve: the version in production, or the one that is about to be."""
        self.promoting: Text | None = None
        """Why it is about to be; it becomes so only when it has shown that it serves."""

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        started = monotonic()
        try:
            yield
        finally:
            self.report.seconds[name] = monotonic() - started

    def check_port(self) -> None:
        """Find out before the work, not after it, that the port is somebody else's.

        Raises:
            PortInUse: names the holder and a free port.
        """
        options = self.project.serve
        if options is not None and not serving.has_port(self.engine, self.project.name, options.port):
            from teul.network.holders import reserve
            from teul.network.ports import PortMapping

            _, sockets = reserve([PortMapping(PORT, options.port, options.host)])
            for descriptor in sockets:
                os.close(descriptor)

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
        row = {
            "key": str(solution.result(pipeline.serve).data["image"]) if pipeline.serve else "",
            "folder": self.folder,
        }
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
        """Register, judge and decide; gives the reason when a gate refused."""
        model = self.project.model
        assert model is not None
        assert pipeline.serve is not None
        result = solution.result(pipeline.serve)
        served = str(result.data["image"])
        version = promotion.register(
            self.tracking,
            model.name,
            project=self.project.name,
            digest=str(result.data["model"]),
            image=served,
            trained_in=str(image.id),
            run_id=str(result.data["run"]),
            path=model.path,
        )
        self.tracking.require_approval(model.name, model.needs_approval)
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
            approval=version.approval,
            needs_approval=model.needs_approval,
        )
        promotion.keep_verdicts(self.tracking, version, verdicts)
        name = Reference.parse(f"{model.name}:v{number}")
        if name not in self.engine.images.get(served).names:
            self.engine.images.tag(Digest(served), name)
        if not version.gate:
            promotion.keep_card(self.tracking, version)
        self.version = before
        if decision.action == decisions.PROMOTE:
            self.version, self.promoting = version, decision.cause
        elif decision.action != decisions.WAIT:
            # What waits is a candidate again at the next `up`: somebody may have approved it by then.
            projects.remember(self.engine.db, self.project.name, self.folder, {"candidate": number})
        made = self.report
        made.model, made.candidate, made.verdicts = model.name, number, verdicts
        made.promotion, made.version = decision.action, str(before.version) if before else ""
        return decision.cause if decision.action == decisions.REFUSE else None

    def promote(self) -> None:
        """Let the version that passed be the one in production, now that it serves. Idempotent."""
        if self.version is not None and self.promoting is not None:
            promotion.promote(self.tracking, self.version, self.promoting)
            promotion.keep_card(self.tracking, self.version)
            number = str(self.version.version)
            projects.remember(self.engine.db, self.project.name, self.folder, {"candidate": number})
            self.report.version, self.promoting = number, None

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
        self.promote()
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
            if serving.is_ready(self.engine, self.report.container):
                return
        step = f"serve {operation.name}"
        self.events(Step(step, f"[serve] {operation.action} {operation.name}", "started"))
        try:
            if operation.action in ("start", "replace"):
                assert spec is not None
                old = by_name[operation.name].container if operation.action == "replace" else ""
                container = serving.replace(self.engine, old, spec, on_ready=self.promote, events=self.events)
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
            elif operation.action == "keep":
                serving.wait_ready(self.engine, self.report.container)
            else:
                serving.take_away(self.engine, by_name[operation.name].container)
                if spec is None:
                    projects.end_deployment(self.engine.db, self.project.name)
        except BaseException as error:
            self.events(Step(step, f"[serve] {operation.action} {operation.name}", "failed", error=str(error)))
            raise
        self.events(Step(step, f"[serve] {operation.action} {operation.name}", "done"))


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
        gpus=project.image.gpu,
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
    # What a step writes is no input of the image: with a `COPY . .` every run would make another image, and run again.
    made = [path for step in project.steps for path in (*step.outs, *step.metrics)]
    return BuildOptions(
        context=os.path.normpath(f"{folder}/{image.context}"),
        exclude=tuple(os.path.relpath(path, image.context) for path in made if covers(image.context, path)),
        # A line of the file that the table stands for is no line of the project file.
        dockerfile=f"{FILE} [image]" if image.is_generated else dockerfile,
        dockerfile_text=image_dockerfile(folder, image) if image.is_generated else None,
        target=image.target,
        build_args=dict(image.build_args),
        tags=(f"{project.name}:latest",),
        as_of=image.as_of,
        writes_lock=True,
        is_project=True,
        lock_path=f"{folder}/teul.lock",
    )


def image_dockerfile(folder: str, image: ImageSource) -> str:
    """The Dockerfile that `[image]` of the project in *folder* stands for.

    Raises:
        ProjectError: the file that it names for its requirements is missing, or holds what pip cannot install.
    """
    from teul.ml.requirement_files import read_requirements

    if not image.requirements:
        return image.generated_dockerfile()
    found = read_requirements(folder, image.requirements, python=image.python)
    return image.generated_dockerfile(found.lines, found.included)
