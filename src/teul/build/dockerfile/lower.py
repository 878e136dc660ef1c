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
    origins_of,
)
from teul.build.dockerfile.parser import Dockerfile, Node, parse
from teul.build.dockerfile.reader import nearest, read, read_instruction
from teul.build.dockerfile.stage import StageBody
from teul.build.dockerfile.words import WordError, expand
from teul.build.lint.rules import Checks, Findings, parse_checks
from teul.build.lint.written import check_written
from teul.errors import DockerfileError, TeulError, text
from teul.oci.descriptor import Platform
from teul.oci.image import ExecutionConfig, History, ImageConfig
from teul.solver.graph import Vertex

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from dataclasses import replace as replaced
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
        self.findings = Findings(self.checks(dockerfile))
        check_written(dockerfile, self.program, self.findings)
        self.defaults: dict[str, str] = {}
        self.globals: dict[str, str] = {}

    def run(self) -> Lowered:
        self.collect_globals()
        for index, stage in enumerate(self.program.stages):
            self.collect_stage(index, stage)
        target = self.find_target()
        # From the top of the file, so that however many stages stand on each other none waits for another.
        for needed in self.needed(target):
            self.stage_state(needed, needed.start.node)
        state = self.stage_state(target, target.start.node)
        if self.options.all_stages:
            for other in self.stages:
                self.stage_state(other, other.start.node)
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
            findings=self.findings.ordered(),
            findings_are_errors=self.findings.checks.is_error,
        )

    def needed(self, target: OpenStage) -> list[OpenStage]:
        """The stages that *target* stands on or copies from, itself too, from the top of the file; what an ONBUILD names
        is not among them.
        """
        seen: dict[int, OpenStage] = {}
        pending = [target]
        while pending:
            stage = pending.pop()
            if stage.index in seen:
                continue
            seen[stage.index] = stage
            if stage.context is not None:
                continue
            if stage.parent is not None:
                pending.append(stage.parent)
            for name in origins_of(stage):
                other = self.stage_of(name)
                if other is not None and other.index < stage.index:
                    pending.append(other)
        return [seen[index] for index in sorted(seen)]

    def stage_of(self, name: str) -> OpenStage | None:
        """The stage of that name or number."""
        found = self.by_name.get(name.lower())
        if found is None and name.isdigit() and int(name) < len(self.stages):
            found = self.stages[int(name)]
        return found

    def checks(self, dockerfile: Dockerfile) -> Checks:
        """What `# check=` asks for; the build argument of the same meaning wins."""
        given = self.options.build_args.get("BUILDKIT_DOCKERFILE_CHECK")
        if given is not None:
            return parse_checks(given)
        value = dockerfile.directives.get("check", "")
        if not value:
            return Checks()
        from teul.errors import Span

        for number, line in enumerate(dockerfile.top, start=1):
            if line.lstrip().startswith("#") and line.partition("=")[0].strip("# \t").lower() == "check":
                return parse_checks(
                    value, Span(dockerfile.path, number, column=1, end_column=len(line) + 1, source=line)
                )
        return parse_checks(value)

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
        self.defaults = dict(self.globals)
        for name in self.globals:
            self.globals[name] = self.options.build_args.get(name, self.globals[name])
        for argument in self.program.arguments:
            for name, default in argument.names:
                if default is not None:
                    self.defaults[name] = self.expand(default, self.defaults, argument.node)
                if name in self.options.build_args:
                    self.globals[name] = self.options.build_args[name]
                elif default is not None:
                    self.globals[name] = self.expand(default, self.globals, argument.node)

    def collect_stage(self, index: int, stage: ins.Stage) -> None:
        made = OpenStage(index, stage)
        start = stage.start
        self.check_base(start)
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

    def check_base(self, start: ins.From) -> None:
        """The checks of a FROM's variables."""
        node = start.node
        declared = {name for argument in self.program.arguments for name, _ in argument.names}
        for word in (start.image, start.platform):
            for name in sorted(self.missing(word, self.globals, node) - declared):
                found = nearest(name, self.globals)
                message = (
                    text("FROM argument '{name}' is not declared (did you mean {near}?)", name=name, near=found)
                    if found
                    else text("FROM argument '{name}' is not declared", name=name)
                )
                self.findings.add("UndefinedArgInFrom", message, node.span(word))
        if "$" in start.image and not _is_image(self.expand(start.image, self.defaults, node), self.program):
            message = text(
                "Default value for ARG {name} results in an empty or invalid base image name", name=start.image
            )
            self.findings.add("InvalidDefaultArgInFrom", message, node.span(start.image))

    def missing(self, word: str, variables: Mapping[str, str], node: Node) -> set[str]:
        """The variables that *word* asks for and that nothing sets."""
        if "$" not in word:
            return set()
        try:
            return expand(word, variables, escape=self.escape).missing
        except WordError as error:
            raise self._word_error(error, word, node) from error

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
        """One word. *raw*: quotes are characters, as in the bodies of heredocs."""
        try:
            return expand(word, variables, escape="\\" if raw else self.escape, skip_quotes=raw).text
        except WordError as error:
            raise self._word_error(error, word, node) from error

    def _word_error(self, error: WordError, word: str, node: Node) -> DockerfileError:
        hint = error.hint
        if hint is None and "quote" in error.message:
            hint = text("a quote that stands for itself is written {escape}' or {escape}\"", escape=self.escape)
        elif hint is None:
            hint = text("a dollar sign that begins no variable is written {escape}$", escape=self.escape)
        return DockerfileError(error.message, span=node.span(word), hint=hint)

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
            there = image.config.platform
            if (
                not image.is_unknown
                and there.architecture
                and (there.os, there.architecture) != (platform.os, platform.architecture)
            ):
                message = text(
                    'Base image {reference} was pulled with platform "{actual}", expected "{expected}" for current build',
                    reference=reference,
                    actual=there,
                    expected=platform,
                )
                self.findings.add("InvalidBaseImagePlatform", message, node.span(word))
            op = ops.Base(diff_ids=tuple(image.config.diff_ids), image=image.id, reference=image.reference or reference)
            vertex = Vertex(op, name="", place=f"base {reference}")
            self.images[reference, platform] = State(vertex, image.config, image.config.platform)
            self.images[reference, platform].is_unknown = image.is_unknown
        found = self.images[reference, platform]
        state = State(found.vertex, found.base, found.platform)
        state.is_unknown = found.is_unknown
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
        line = replaced(self.history(f"local source for {name}", True), comment="buildkit.exporter.image.v0")
        state.lines.append(Line(line, state.vertex))
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


def _is_image(name: str, program: ins.Program) -> bool:
    """Whether a FROM may say *name*: a stage or a well-formed reference."""
    from teul.oci.reference import Reference

    if any(stage.start.name == name.lower() for stage in program.stages if stage.start.name):
        return True
    try:
        Reference.parse(name)
    except TeulError:
        return False
    return True


def _familiar(name: str) -> str:
    """An image name in one spelling, "" when it is not one."""
    from teul.oci.reference import Reference

    try:
        return Reference.parse(name).familiar.removesuffix(":latest")
    except TeulError:
        return ""
