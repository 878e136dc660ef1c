"""Instructions → a graph of ops and an image config. Stages that the target does not need are not even looked at.

What must come from outside is asked for: the config of a base image. What Docker's builder writes into configs and
histories is written here in its words (moby/buildkit, frontend/dockerfile/dockerfile2llb/convert.go; the texts are
those of Docker 26).
"""

from __future__ import annotations

from posixpath import normpath

from teul.build import ops
from teul.build.dockerfile import instructions as ins
from teul.build.dockerfile.history import (
    command_text,
    healthcheck_text,
    ports,
    quoted_list,
    run_text,
    stop_signal,
)
from teul.build.dockerfile.mounts import RunMount, origin_of, parse_mount
from teul.build.dockerfile.parser import Dockerfile, Node, heredoc_name, parse
from teul.build.dockerfile.reader import nearest, read, read_instruction
from teul.build.dockerfile.words import WordError, expand, unquote
from teul.errors import DockerfileError, OptionUnsupported, TeulError, Unsupported, text
from teul.oci.descriptor import Platform
from teul.oci.image import ExecutionConfig, History, ImageConfig
from teul.solver.graph import Vertex

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from dataclasses import dataclass, field
    from dataclasses import replace as replaced

    from teul.errors import Span
else:
    from dataclasses import replace as replaced

    from teul.values import dataclass, field

SCRATCH = "scratch"
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
DEFAULT_SHELL = ("/bin/sh", "-c")
HISTORY_COMMENT = "buildkit.dockerfile.v0"
MAIN_CONTEXT = "context"
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseImage:
    """What lowering has to know of an image."""

    id: str
    config: ImageConfig
    reference: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedContext:
    """What `--build-context` gives to a name: "image" (a reference), "layout" (an OCI layout) or "folder" (a path)."""

    kind: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LowerOptions:
    """What a build asks for. *created* is RFC 3339, "" leaves times to whoever assembles the image."""

    platform: Platform
    build_platform: Platform
    build_args: Mapping[str, str] = field(default_factory=dict)
    contexts: Mapping[str, NamedContext] = field(default_factory=dict)
    target: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    network: str = "default"
    normalise: bool = True
    epoch: int = 0
    created: str = ""
    extra_hosts: tuple[str, ...] = ()
    shm_size_bytes: int = 0
    ulimits: tuple[str, ...] = ()
    runnable: frozenset[str] = frozenset()
    """Architectures that this machine runs besides its own (binfmt_misc)."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of history, and the vertex whose layer it is (None: no layer)."""

    history: History
    vertex: Vertex | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lowered:
    """A graph whose last vertex gives the target's tree, and the config that goes around it."""

    vertex: Vertex
    config: ImageConfig
    """With the diff ids and the history of the base image; `lines` come on top."""
    lines: tuple[Line, ...]
    bases: tuple[tuple[BaseImage, Node], ...]
    nodes: Mapping[str, Node]
    """Vertex digest → the instruction that it came from."""
    warnings: tuple[tuple[str, str, Span], ...] = ()
    """Code, message, place."""

    def __str__(self) -> str:
        """The graph as text, for people and for tests."""
        from teul.solver.graph import walk

        order = {vertex: number for number, vertex in enumerate(walk([self.vertex]), start=1)}
        made = [
            f"#{number} {vertex.op}" + "".join(f" <#{order[source]}" for source in vertex.inputs)
            for vertex, number in order.items()
        ]
        made += [
            f"history {'#' + str(order[line.vertex]) if line.vertex else '-'} {line.history.created_by}"
            for line in self.lines
        ]
        made += [f"config {name} {value}" for name, value in self.config.config.to_json().items()]
        made += [f"warning {code} line {span.line}: {message}" for code, message, span in self.warnings]
        return "\n".join(made) + "\n"


Resolve = "Callable[[str, Platform], BaseImage]"
"""Reference (or `oci-layout://…`) and platform → the image; raises what is wrong with it."""


def lower(dockerfile: Dockerfile, options: LowerOptions, resolve: Callable[[str, Platform], BaseImage]) -> Lowered:
    """Lower the target (the last stage when none is named) and what it needs.

    Raises:
        DockerfileError: with the place.
        OptionUnsupported: something that Docker has and teul does not honour yet, with the place.
        TeulError: what *resolve* raises, with the place of the FROM.
    """
    return _Lowering(dockerfile, options, resolve).run()


class _Stage:
    """A stage while it is lowered; `state` is set when it is done."""

    def __init__(self, index: int, stage: ins.Stage) -> None:
        self.index = index
        self.start = stage.start
        self.name = stage.start.name
        self.shown = stage.start.name or f"stage-{index}"
        self.body: tuple[ins.Instruction, ...] = stage.instructions
        self.image = ""
        self.platform: Platform | None = None
        self.parent: _Stage | None = None
        self.context: NamedContext | None = None
        self.state: _State | None = None
        self.is_open = False


class _State:
    """Where a stage stands: its tree, its config, and what variables hold."""

    def __init__(self, vertex: Vertex, config: ImageConfig, platform: Platform) -> None:
        self.vertex = vertex
        self.base = config
        self.platform = platform
        self.settings = config.config
        self.author = config.author
        self.env: dict[str, str] = {}
        self.lines: list[Line] = []
        self.arguments: dict[str, str] = {}
        self.on_build: tuple[str, ...] = ()
        """What the stages below want to be done when they are built upon."""
        self.command_set = False

    def child(self) -> _State:
        made = _State(self.vertex, self.base, self.platform)
        made.settings = replaced(self.settings, on_build=())
        made.author = self.author
        made.env = dict(self.env)
        made.lines = list(self.lines)
        # The values go on in `env`; Docker 26 names in a history only what the stage itself declared.
        made.on_build = self.settings.on_build
        return made


class _Lowering:
    def __init__(
        self, dockerfile: Dockerfile, options: LowerOptions, resolve: Callable[[str, Platform], BaseImage]
    ) -> None:
        self.options = options
        self.resolve = resolve
        self.program = read(dockerfile)
        self.escape = dockerfile.escape
        self.stages: list[_Stage] = []
        self.by_name: dict[str, _Stage] = {}
        self.images: dict[tuple[str, Platform], _State] = {}
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
        made = _Stage(index, stage)
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

    def find_target(self) -> _Stage:
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

    def image_state(self, reference: str, platform: Platform, node: Node, word: str) -> _State:
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
            self.images[reference, platform] = _State(vertex, image.config, image.config.platform)
        found = self.images[reference, platform]
        state = _State(found.vertex, found.base, found.platform)
        state.on_build = found.settings.on_build
        state.settings = replaced(found.settings, on_build=())
        return state

    def context_state(self, context: NamedContext, name: str, platform: Platform, node: Node) -> _State:
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

    def image_state_of(self, reference: str, platform: Platform, node: Node, word: str) -> _State:
        """As `image_state`, without another look at the named contexts."""
        kept, self.options = self.options, replaced_contexts(self.options)
        try:
            return self.image_state(reference, platform, node, word)
        finally:
            self.options = kept

    def empty_state(self, platform: Platform) -> _State:
        config = ImageConfig(platform=platform, config=ExecutionConfig(env=(f"PATH={DEFAULT_PATH}",), working_dir="/"))
        return _State(Vertex(ops.Base(diff_ids=()), place=f"base {SCRATCH}"), config, platform)

    def stage_state(self, stage: _Stage, node: Node) -> _State:
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
        _StageBody(self, stage, state, len(triggers)).run((*triggers, *stage.body))
        stage.state = state
        stage.is_open = False
        return state

    def trigger(self, expression: str, stage: _Stage) -> ins.Instruction:
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


class _StageBody:
    """The instructions of one stage, one after the other."""

    def __init__(self, lowering: _Lowering, stage: _Stage, state: _State, triggers: int) -> None:
        self.all = lowering
        self.options = lowering.options
        self.stage = stage
        self.state = state
        self.triggers = triggers
        self.done = 0
        self.total = 0

    def run(self, body: Sequence[ins.Instruction]) -> None:
        layered = (ins.Run, ins.Copy, ins.Workdir)
        has_image = self.stage.parent is None and self.stage.image != SCRATCH
        self.total = has_image + sum(isinstance(instruction, layered) for instruction in body)
        self.done = int(has_image)
        for number, instruction in enumerate(body):
            getattr(self, "lower_" + type(instruction).__name__.lower())(instruction, number < self.triggers)

    def word(self, word: str, node: Node) -> str:
        return self.all.expand(word, self.state.env, node)

    def raw(self, word: str, node: Node) -> str:
        return self.all.expand(word, self.state.env, node, raw=True)

    def set(self, **changes: object) -> None:
        self.state.settings = replaced(self.state.settings, **changes)  # type: ignore[arg-type]

    def remember(self, created_by: str, vertex: Vertex | None = None) -> None:
        self.state.lines.append(Line(self.all.history(created_by, vertex is not None), vertex))

    def add(
        self,
        op: ops.Run | ops.Copy | ops.MakeFolder,
        instruction: ins.Instruction,
        more: Sequence[tuple[str, Vertex]] = (),
        *,
        is_trigger: bool,
    ) -> Vertex:
        """Put *op* on top of the stage's tree."""
        self.done += 1
        stage = f"{self.stage.shown} " if len(self.all.stages) > 1 else ""
        width = len(str(self.total))
        node = instruction.node
        shown = f"{node.keyword} {' '.join(node.original.split()[1:])}"
        vertex = Vertex(
            op,
            [self.state.vertex, *(source for _, source in more)],
            name=f"[{stage}{self.done:{width}}/{self.total}] {'ONBUILD ' if is_trigger else ''}{shown}",
            place=f"{self.stage.shown} {self.done}",
            roles=("base", *(role for role, _ in more)),
            # A COPY takes some files of another stage, and only those decide whether it runs again.
            loose=(1,) if isinstance(op, ops.Copy) and more else (),
        )
        self.all.nodes.setdefault(vertex.digest, node)
        self.state.vertex = vertex
        return vertex

    def source(self, name: str, node: Node) -> tuple[str, Vertex | str]:
        """What `--from=NAME` means: a role and a vertex, or the name of a folder context."""
        if "$" in name:
            raise DockerfileError(
                text("variable expansion is not supported for --from"),
                span=node.span(name),
                hint=text("define a new stage with FROM using ARG from global scope"),
            )
        found = self.all.by_name.get(name.lower())
        if found is None and name.isdigit():
            if int(name) >= len(self.all.stages):
                raise DockerfileError(text("invalid stage index {index}", index=name), span=node.span(name))
            found = self.all.stages[int(name)]
        if found is not None:
            if found.index == self.stage.index:
                raise DockerfileError(
                    text("circular dependency: stage `{stage}` copies from itself", stage=found.shown),
                    span=node.span(name),
                )
            if found.index > self.stage.index:
                raise DockerfileError(
                    text(
                        "cannot copy from stage `{stage}`, it needs to be defined before current stage `{current}`",
                        stage=name,
                        current=self.stage.shown,
                    ),
                    span=node.span(name),
                )
            context = found.context
            if context is not None and context.kind == "folder":
                return f"from {name}", found.name
            return f"from {name}", self.all.stage_state(found, node).vertex
        context = self.all.named_context(name)
        if context is not None and context.kind == "folder":
            return f"from {name}", name
        platform = self.stage.platform or self.options.platform
        state = self.all.image_state(name, platform, node, name)
        return f"from {name}", state.vertex

    def lower_arg(self, instruction: ins.Arg, is_trigger: bool) -> None:
        texts: list[str] = []
        for name, default in instruction.names:
            value: str | None
            if name in self.options.build_args:
                value = self.options.build_args[name]
            elif default is not None:
                value = self.word(default, instruction.node)
            else:
                value = self.all.globals.get(name)
            if value is not None:
                self.state.env[name] = value
            self.state.arguments[name] = value or ""
            texts.append(name if value is None else f"{name}={value}")
        self.remember("ARG " + " ".join(texts))

    def lower_env(self, instruction: ins.Env, is_trigger: bool) -> None:
        # All values are expanded with what held before the instruction.
        node = instruction.node
        pairs = [(self.word(name, node), self.word(value, node)) for name, value in instruction.pairs]
        env = {entry.partition("=")[0]: entry.partition("=")[2] for entry in self.state.settings.env}
        for name, value in pairs:
            if not name:
                raise DockerfileError(text("{keyword} names can not be blank", keyword="ENV"), span=node.span())
            self.state.env[name] = env[name] = value
        self.set(env=tuple(f"{name}={value}" for name, value in env.items()))
        self.remember("ENV " + " ".join(f"{name}={value}" for name, value in pairs))

    def lower_label(self, instruction: ins.Label, is_trigger: bool) -> None:
        node = instruction.node
        pairs = [(self.word(name, node), self.word(value, node)) for name, value in instruction.pairs]
        self.set(labels={**self.state.settings.labels, **dict(pairs)})
        self.remember("LABEL " + " ".join(f"{name}={value}" for name, value in pairs))

    def lower_maintainer(self, instruction: ins.Maintainer, is_trigger: bool) -> None:
        self.state.author = instruction.name
        self.remember(f"MAINTAINER {instruction.name}")

    def lower_workdir(self, instruction: ins.Workdir, is_trigger: bool) -> None:
        path = _join(self.state.settings.working_dir or "/", self.word(instruction.path, instruction.node))
        self.set(working_dir=path)
        if path == "/":
            self.done += 1
            self.remember("WORKDIR /")
            return
        op = ops.MakeFolder(
            path=path, user=self.state.settings.user, normalise=self.options.normalise, epoch=self.options.epoch
        )
        self.remember(f"WORKDIR {path}", self.add(op, instruction, is_trigger=is_trigger))

    def lower_user(self, instruction: ins.User, is_trigger: bool) -> None:
        user = self.word(instruction.user, instruction.node)
        self.set(user=user)
        self.remember(f"USER {user}")

    def lower_expose(self, instruction: ins.Expose, is_trigger: bool) -> None:
        node = instruction.node
        try:
            words = [
                word
                for port in instruction.ports
                for word in expand(port, self.state.env, escape=self.all.escape).words
            ]
            found = [port for word in words for port in ports(word)]
        except (WordError, ValueError) as error:
            raise DockerfileError(text("{problem}", problem=error), span=node.span()) from error
        self.set(exposed_ports=tuple(sorted({*self.state.settings.exposed_ports, *found})))
        self.remember(f"EXPOSE map[{' '.join(f'{port}:{{}}' for port in sorted(set(found)))}]")

    def lower_volume(self, instruction: ins.Volume, is_trigger: bool) -> None:
        paths = [self.word(path, instruction.node) for path in instruction.paths]
        if not all(paths):
            raise DockerfileError(text("VOLUME specified can not be an empty string"), span=instruction.node.span())
        self.set(volumes=tuple(sorted({*self.state.settings.volumes, *paths})))
        self.remember(f"VOLUME [{' '.join(paths)}]")

    def lower_stopsignal(self, instruction: ins.StopSignal, is_trigger: bool) -> None:
        signal = self.word(instruction.signal, instruction.node)
        if not stop_signal(signal):
            raise DockerfileError(
                text("invalid signal: {signal}", signal=signal), span=instruction.node.span(instruction.signal)
            )
        self.set(stop_signal=signal)
        self.remember(f"STOPSIGNAL {signal}")

    def lower_shell(self, instruction: ins.Shell, is_trigger: bool) -> None:
        self.set(shell=instruction.words)
        self.remember(f"SHELL [{' '.join(instruction.words)}]")

    def lower_health(self, instruction: ins.Health, is_trigger: bool) -> None:
        self.set(healthcheck=instruction.check)
        self.remember(healthcheck_text(instruction.check))

    def lower_onbuild(self, instruction: ins.OnBuild, is_trigger: bool) -> None:
        self.set(on_build=(*self.state.settings.on_build, instruction.expression))

    def lower_cmd(self, instruction: ins.Cmd, is_trigger: bool) -> None:
        words = self.with_shell(instruction)
        self.set(command=words, args_escaped=True)
        self.state.command_set = True
        self.remember(f"CMD {quoted_list(words)}")

    def lower_entrypoint(self, instruction: ins.Entrypoint, is_trigger: bool) -> None:
        words = self.with_shell(instruction)
        self.set(entrypoint=words)
        if not self.state.command_set:
            self.set(command=None)
        self.remember(f"ENTRYPOINT {quoted_list(words)}")

    def with_shell(self, instruction: ins.Command) -> tuple[str, ...]:
        if not instruction.is_shell:
            return instruction.words
        return (*(self.state.settings.shell or DEFAULT_SHELL), " ".join(instruction.words))

    def lower_run(self, instruction: ins.Run, is_trigger: bool) -> None:
        node = instruction.node
        self.check_runnable(node)
        if instruction.security == "insecure":
            refusal = OptionUnsupported("RUN --security=insecure")
            refusal.span = node.span("--security")
            raise refusal
        words, script, script_path = self.run_words(instruction)
        mounts: list[RunMount] = []
        more: list[tuple[str, Vertex]] = []
        for value in instruction.mounts:
            origin_of(value, node)
            mount = parse_mount(value, node, lambda word: self.word(word, node))
            from teul.values import replace

            mount = (
                replace(mount, target=_join(self.state.settings.working_dir or "/", mount.target))
                if mount.target
                else mount
            )
            if mount.origin:
                role, source = self.source(mount.origin, node)
                if isinstance(source, str):
                    mount = replace(mount, origin="", identity=source)
                else:
                    more.append((role, source))
            elif mount.type == "bind":
                mount = replace(mount, identity=MAIN_CONTEXT)
            mounts.append(mount)
        network = instruction.network if instruction.network not in ("", "default") else self.options.network
        proxy = tuple(
            f"{name}={value}"
            for name, value in self.options.build_args.items()
            if name.upper() in PROXIES and name not in self.state.arguments
        )
        op = ops.Run(
            args=words,
            env=tuple(f"{name}={value}" for name, value in self.state.env.items()),
            cwd=self.state.settings.working_dir or "/",
            user=self.state.settings.user,
            network=network,
            mounts=tuple(mounts),
            script=script,
            script_path=script_path,
            proxy=proxy,
            extra_hosts=self.options.extra_hosts,
            shm_size_bytes=self.options.shm_size_bytes,
            ulimits=self.options.ulimits,
            normalise=self.options.normalise,
            epoch=self.options.epoch,
        )
        created_by = run_text(
            words, {name: self.state.env.get(name, value) for name, value in self.state.arguments.items()}
        )
        self.remember(created_by, self.add(op, instruction, more, is_trigger=is_trigger))

    def run_words(self, instruction: ins.Run) -> tuple[tuple[str, ...], str, str]:
        """The arguments; for a heredoc that is a script of its own also the script and the path that it is put at."""
        heredocs = instruction.node.heredocs
        words = instruction.words
        if not heredocs or not instruction.is_shell:
            return self.with_shell(instruction), "", ""
        line = words[0] if words else ""
        alone = heredoc_name(line.strip())
        if alone is not None and unquote(alone.strip()) == heredocs[0].name:
            body = heredocs[0].text
            if body.startswith("#!"):
                path = f"/dev/pipes/{heredocs[0].name}"
                return (path,), body, path
            line = body
        else:
            # The shell reads them by itself.
            line += "".join(f"\n{heredoc.content}{heredoc.name}" for heredoc in heredocs)
        return (*(self.state.settings.shell or DEFAULT_SHELL), line), "", ""

    def check_runnable(self, node: Node) -> None:
        wanted = self.state.platform
        if (
            wanted.architecture != self.options.build_platform.architecture
            and wanted.architecture not in self.options.runnable
        ):
            error = Unsupported(
                text(
                    "RUN needs a machine of platform {platform}, this one is {host}",
                    platform=wanted,
                    host=self.options.build_platform,
                ),
                hint=text(
                    "--platform {host}, or register an emulator with binfmt_misc", host=self.options.build_platform
                ),
            )
            error.span = node.span()
            raise error

    def lower_copy(self, instruction: ins.Copy, is_trigger: bool) -> None:
        node = instruction.node
        sources = [self.raw(source, node) for source in instruction.sources]
        for source in sources:
            self.check_local(source, instruction)
        if instruction.checksum:
            raise DockerfileError(text("--checksum requires an HTTP(S) or Git source"), span=node.span("--checksum"))
        destination = self.raw(instruction.destination, node)
        chown = self.word(instruction.chown, node)
        chmod = self.word(instruction.chmod, node)
        if chmod:
            _check_mode(chmod, node)
        inlines = tuple(
            (inline.name, self.raw(inline.content, node) if inline.expand else inline.content)
            for inline in instruction.inlines
        )
        context = MAIN_CONTEXT
        more: list[tuple[str, Vertex]] = []
        if instruction.origin:
            role, source_vertex = self.source(instruction.origin, node)
            if isinstance(source_vertex, str):
                context = source_vertex
            else:
                context, more = "", [(role, source_vertex)]
        op = ops.Copy(
            sources=tuple(source if instruction.parents else _rooted(source) for source in sources),
            destination=_destination(self.state.settings.working_dir or "/", destination),
            context=context,
            inlines=inlines,
            chown=chown,
            chmod=chmod,
            parents=instruction.parents,
            excludes=tuple(self.word(pattern, node) for pattern in instruction.excludes),
            unpack=instruction.is_add if instruction.unpack is None else instruction.unpack,
            normalise=self.options.normalise,
            epoch=self.options.epoch,
        )
        created_by = command_text(
            "ADD" if instruction.is_add else "COPY",
            [
                *(["--parents"] if instruction.parents else []),
                *([f"--chown={chown}"] if chown else []),
                *([f"--chmod={chmod}"] if chmod else []),
                *sources,
                *(f"<<{name}" for name, _ in inlines),
                destination,
            ],
        )
        self.remember(created_by, self.add(op, instruction, more, is_trigger=is_trigger))

    def check_local(self, source: str, instruction: ins.Copy) -> None:
        """Raises: DockerfileError, OptionUnsupported for what is not a local path."""
        node = instruction.node
        is_url = source.startswith(("http://", "https://"))
        is_git = source.startswith(("git@", "git://", "ssh://")) or (
            is_url and source.partition("#")[0].partition("?")[0].endswith(".git")
        )
        if not is_url and not is_git:
            return
        if not instruction.is_add:
            raise DockerfileError(
                text("source can't be a git ref for COPY") if is_git else text("source can't be a URL for COPY"),
                span=node.span(source),
                hint=text("use ADD"),
            )
        refusal = OptionUnsupported(
            "ADD of a git repository" if is_git else "ADD of a URL",
            hint=text("fetch it in a RUN, or put it into the context"),
        )
        refusal.span = node.span(source)
        raise refusal


def _check_mode(chmod: str, node: Node) -> None:
    from teul.build.modes import parse_mode

    try:
        parse_mode(chmod)
    except ValueError as error:
        raise DockerfileError(
            text(
                "invalid chmod parameter: '{mode}'. it should be octal string and between 0 and 07777, or symbolic as u=rwX,go=rX",
                mode=chmod,
            ),
            span=node.span("--chmod"),
        ) from error


def _familiar(name: str) -> str:
    """An image name in one spelling, "" when it is not one."""
    from teul.oci.reference import Reference

    try:
        return Reference.parse(name).familiar.removesuffix(":latest")
    except TeulError:
        return ""


def _join(folder: str, path: str) -> str:
    made = normpath(path if path.startswith("/") else f"{folder}/{path}")
    return "/" + made.lstrip("/")


def _rooted(source: str) -> str:
    """A source below the root of its context; `..` cannot leave it."""
    return _join("/", source)


def _destination(folder: str, path: str) -> str:
    """Absolute; ends with `/` when it has to be a folder."""
    made = _join(folder, path)
    is_folder = path in ("", ".") or path.endswith(("/", "/.", "/.."))
    return made + "/" if is_folder and made != "/" else made
