"""Instructions → a graph of ops and an image config. Stages that the target does not need are not even looked at.

What must come from outside is asked for: the config of a base image. What Docker's builder writes into configs and
histories is written here in its words (moby/buildkit, frontend/dockerfile/dockerfile2llb/convert.go; the texts are
those of Docker 26).
"""

from __future__ import annotations

from teul.build import ops
from teul.build.dockerfile import instructions as ins
from teul.build.dockerfile.lowered import (
    DEFAULT_PATH,
    HISTORY_COMMENT,
    MAIN_CONTEXT,
    SCRATCH,
    BaseImage,
    Line,
    Lowered,
    LowerOptions,
    NamedContext,
    OpenStage,
    State,
)
from teul.build.dockerfile.parser import Dockerfile, Node, parse
from teul.build.dockerfile.reader import nearest, read, read_instruction
from teul.build.dockerfile.stage import StageBody
from teul.build.dockerfile.words import WordError, expand
from teul.errors import DockerfileError, TeulError, text
from teul.oci.descriptor import Platform
from teul.oci.image import ExecutionConfig, History, ImageConfig
from teul.solver.graph import Vertex

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from dataclasses import replace as replaced

    from teul.errors import Span
else:
    from dataclasses import replace as replaced


__all__ = ["BaseImage", "Line", "LowerOptions", "Lowered", "NamedContext", "lower"]


def lower(dockerfile: Dockerfile, options: LowerOptions, resolve: Callable[[str, Platform], BaseImage]) -> Lowered:
    """Lower the target (the last stage when none is named) and what it needs.

    Raises:
        DockerfileError: with the place.
        OptionUnsupported: something that Docker has and teul does not honour yet, with the place.
        TeulError: what *resolve* raises, with the place of the FROM.
    """
    return Lowering(dockerfile, options, resolve).run()


class Lowering:
    def __init__(
        self, dockerfile: Dockerfile, options: LowerOptions, resolve: Callable[[str, Platform], BaseImage]
    ) -> None:
        self.options = options
        self.resolve = resolve
        self.program = read(dockerfile)
        self.escape = dockerfile.escape
        self.stages: list[OpenStage] = []
        self.by_name: dict[str, OpenStage] = {}
        self.images: dict[tuple[str, Platform], State] = {}
        self.bases: dict[str, tuple[BaseImage, Node]] = {}
        self.nodes: dict[str, Node] = {}
        self.warnings: list[tuple[str, str, Span]] = []
        self.globals: dict[str, str] = {}

    def run(self) -> Lowered:
        self.collect_globals()
        for index, stage in enumerate(self.program.stages):
            self.collect_stage(index, stage)
        target = self.find_target()
        state = self.stage_state(target, target.start.node)
        settings = replaced(
            state.settings,
            labels={**state.settings.labels, **self.options.labels} if self.options.labels else state.settings.labels,
        )
        config = replaced(state.base, config=settings, author=state.author, platform=state.platform, created="")
        return Lowered(
            vertex=state.vertex,
            config=config,
            lines=tuple(state.lines),
            bases=tuple(self.bases.values()),
            nodes=self.nodes,
            warnings=tuple(self.warnings),
        )

    def collect_globals(self) -> None:
        """Platform arguments, then the ARGs before the first FROM."""
        target, build = self.options.platform, self.options.build_platform
        last = self.program.stages[-1].start.name
        self.globals = {
            "BUILDPLATFORM": str(build), "BUILDOS": build.os, "BUILDARCH": build.architecture,
            "BUILDVARIANT": build.variant, "TARGETPLATFORM": str(target), "TARGETOS": target.os,
            "TARGETARCH": target.architecture, "TARGETVARIANT": target.variant,
            "TARGETSTAGE": self.options.target or last or "default",
        }  # fmt: skip
        for name in self.globals:
            self.globals[name] = self.options.build_args.get(name, self.globals[name])
        for argument in self.program.arguments:
            for name, default in argument.names:
                if name in self.options.build_args:
                    self.globals[name] = self.options.build_args[name]
                elif default is not None:
                    self.globals[name] = self.expand(default, self.globals, argument.node)

    def collect_stage(self, index: int, stage: ins.Stage) -> None:
        made = OpenStage(index, stage)
        start = stage.start
        made.image = self.expand(start.image, self.globals, start.node)
        if not made.image:
            raise DockerfileError(
                text("base name ({name}) should not be blank", name=start.image),
                span=start.node.span(start.image),
                hint=text("give the variable a value: ARG NAME=value before the first FROM, or --build-arg NAME=value"),
            )
        if start.platform:
            wanted = self.expand(start.platform, self.globals, start.node)
            try:
                made.platform = Platform.parse(wanted)
            except TeulError as error:
                raise DockerfileError(
                    text("failed to parse platform `{platform}`: {problem}", platform=start.platform, problem=error),
                    span=start.node.span("--platform"),
                ) from error
        if made.name:
            made.context = self.named_context(made.name)
        if made.context is None:
            made.parent = self.by_name.get(made.image.lower())
        self.stages.append(made)
        if made.name:
            self.by_name[made.name] = made

    def named_context(self, name: str) -> NamedContext | None:
        if name.lower() in (SCRATCH, MAIN_CONTEXT):
            return None
        wanted = _familiar(name)
        for key, context in self.options.contexts.items():
            if key == name or _familiar(key) == wanted:
                return context
        return None

    def find_target(self) -> OpenStage:
        target = self.options.target
        if not target:
            return self.stages[-1]
        found = self.by_name.get(target.lower())
        if found is None and target.isdigit() and int(target) < len(self.stages):
            found = self.stages[int(target)]
        if found is None:
            near = nearest(target, self.by_name)
            raise DockerfileError(
                text("target stage `{target}` could not be found", target=target),
                span=None,
                hint=text("--target {name}", name=near)
                if near
                else text("the stages are: {names}", names=", ".join(stage.shown for stage in self.stages)),
            )
        return found

    def expand(self, word: str, variables: Mapping[str, str], node: Node, *, raw: bool = False) -> str:
        """One word. *raw*: quotes are characters, as in the paths of COPY and the bodies of heredocs."""
        try:
            return expand(word, variables, escape="\\" if raw else self.escape, skip_quotes=raw).text
        except WordError as error:
            raise DockerfileError(error.message, span=node.span(word)) from error

    def image_state(self, reference: str, platform: Platform, node: Node, word: str) -> State:
        """The state of an image that is not a stage."""
        context = self.named_context(reference)
        if context is not None:
            return self.context_state(context, reference, platform, node)
        if reference == SCRATCH:
            return self.empty_state(platform)
        if (reference, platform) not in self.images:
            try:
                image = self.resolve(reference, platform)
            except TeulError as error:
                if error.span is None:
                    error.span = node.span(word)
                raise
            self.bases.setdefault(reference, (image, node))
            op = ops.Base(diff_ids=tuple(image.config.diff_ids), image=image.id, reference=image.reference or reference)
            vertex = Vertex(op, name="", place=f"base {reference}")
            self.images[reference, platform] = State(vertex, image.config, image.config.platform)
        found = self.images[reference, platform]
        state = State(found.vertex, found.base, found.platform)
        state.on_build = found.settings.on_build
        state.settings = replaced(found.settings, on_build=())
        return state

    def context_state(self, context: NamedContext, name: str, platform: Platform, node: Node) -> State:
        if context.kind != "folder":
            reference = context.value if context.kind == "image" else f"oci-layout://{context.value}"
            if reference == SCRATCH:
                return self.empty_state(platform)
            return self.image_state_of(reference, platform, node, name)
        state = self.empty_state(platform)
        copy = ops.Copy(
            sources=("/",), destination="/", context=name, normalise=self.options.normalise, epoch=self.options.epoch
        )
        state.vertex = Vertex(copy, [state.vertex], name=f"[context {name}] load", roles=("base",))
        self.nodes.setdefault(state.vertex.digest, node)
        state.lines.append(Line(self.history(f"COPY {name} /", True), state.vertex))
        return state

    def image_state_of(self, reference: str, platform: Platform, node: Node, word: str) -> State:
        """As `image_state`, without another look at the named contexts."""
        kept, self.options = self.options, replaced_contexts(self.options)
        try:
            return self.image_state(reference, platform, node, word)
        finally:
            self.options = kept

    def empty_state(self, platform: Platform) -> State:
        config = ImageConfig(platform=platform, config=ExecutionConfig(env=(f"PATH={DEFAULT_PATH}",), working_dir="/"))
        return State(Vertex(ops.Base(diff_ids=()), place=f"base {SCRATCH}"), config, platform)

    def stage_state(self, stage: OpenStage, node: Node) -> State:
        """The state at the end of *stage*, lowered now when it was not yet."""
        if stage.state is not None:
            return stage.state
        stage.is_open = True
        platform = stage.platform or self.options.platform
        if stage.context is not None:
            state = self.context_state(stage.context, stage.name, platform, stage.start.node)
            stage.state = state
            return state
        if stage.parent is not None:
            state = self.stage_state(stage.parent, node).child()
        else:
            state = self.image_state(stage.image, platform, stage.start.node, stage.start.image)
        if not any(entry.startswith("PATH=") for entry in state.settings.env):
            state.settings = replaced(state.settings, env=(*state.settings.env, f"PATH={DEFAULT_PATH}"))
        for entry in state.settings.env:
            name, _, value = entry.partition("=")
            state.env[name] = value
        triggers = [self.trigger(expression, stage) for expression in state.on_build]
        state.on_build = ()
        StageBody(self, stage, state, len(triggers)).run((*triggers, *stage.body))
        stage.state = state
        stage.is_open = False
        return state

    def trigger(self, expression: str, stage: OpenStage) -> ins.Instruction:
        """An ONBUILD of the base, read where the FROM stands."""
        start = stage.start.node
        nodes = parse(expression, start.path).nodes
        if len(nodes) != 1:
            raise DockerfileError(text("onbuild trigger should be a single expression"), span=start.span())
        node = nodes[0]
        return read_instruction(
            replaced_node(node, line=start.line, end_line=start.end_line, source=start.source), "\\"
        )

    def history(self, created_by: str, has_layer: bool) -> History:
        return History(self.options.created, created_by, HISTORY_COMMENT, "", not has_layer)


def replaced_contexts(options: LowerOptions) -> LowerOptions:
    from teul.values import replace

    made: LowerOptions = replace(options, contexts={})
    return made


def replaced_node(node: Node, *, line: int, end_line: int, source: tuple[str, ...]) -> Node:
    from teul.values import replace

    made: Node = replace(node, line=line, end_line=end_line, source=source)
    return made


def _familiar(name: str) -> str:
    """An image name in one spelling, "" when it is not one."""
    from teul.oci.reference import Reference

    try:
        return Reference.parse(name).familiar.removesuffix(":latest")
    except TeulError:
        return ""
