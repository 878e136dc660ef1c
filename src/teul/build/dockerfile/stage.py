"""The instructions of one stage, one after the other: each changes the stage's config, puts an op on its tree, or both."""

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
from teul.build.dockerfile.lowered import DEFAULT_SHELL, MAIN_CONTEXT, PROXIES, SCRATCH, Line
from teul.build.dockerfile.mounts import RunMount, origin_of, parse_mount
from teul.build.dockerfile.parser import Node, heredoc_name
from teul.build.dockerfile.reader import nearest, suggesting
from teul.build.dockerfile.words import WordError, expand, unquote
from teul.build.sources import is_git, is_remote, parse_git, parse_http, without_password
from teul.errors import DockerfileError, InvalidInput, Unsupported, text
from teul.solver.graph import Vertex

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from dataclasses import replace as replaced

    from teul.build.dockerfile.lower import Lowering
    from teul.build.dockerfile.lowered import OpenStage, State
    from teul.build.sources import GitSource, HttpSource
else:
    from dataclasses import replace as replaced


class StageBody:
    """The instructions of one stage, one after the other."""

    def __init__(self, lowering: Lowering, stage: OpenStage, state: State, triggers: int) -> None:
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
            with suggesting(instruction.node):
                getattr(self, "lower_" + type(instruction).__name__.lower())(instruction, number < self.triggers)

    def word(self, word: str, node: Node) -> str:
        self.check_variables(word, node)
        return self.all.expand(word, self.state.env, node)

    def raw(self, word: str, node: Node, *, is_content: bool = False) -> str:
        if not is_content:
            self.check_variables(word, node)
        return self.all.expand(word, self.state.env, node, raw=True)

    def check_variables(self, word: str, node: Node) -> None:
        """The check of variables that nothing sets."""
        if "$" not in word or self.state.is_unknown:
            return
        for name in sorted(self.all.missing(word, self.state.env, node) - self.state.arguments.keys()):
            found = nearest(name, self.state.env)
            message = (
                text("Usage of undefined variable '${name}' (did you mean ${near}?)", name=name, near=found)
                if found
                else text("Usage of undefined variable '${name}'", name=name)
            )
            self.all.findings.add("UndefinedVar", message, node.span(word))

    def _set(self, **changes: object) -> None:
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
        # All as they stood before: as in ENV, a word does not see its neighbours.
        defaults = [
            None if default is None else self.word(default, instruction.node) for _, default in instruction.names
        ]
        for (name, _), written in zip(instruction.names, defaults, strict=True):
            value = self.options.build_args.get(name, written)
            if value is None:
                value = self.all.globals.get(name)
            if value is not None:
                self.state.env[name] = value
            self.state.arguments[name] = value or ""
            self.state.declared.append(name)
            # Only what the file says, never what the command line gave.
            texts.append(name if written is None else f"{name}={written}")
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
        self._set(env=tuple(f"{name}={value}" for name, value in env.items()))
        self.remember("ENV " + " ".join(f"{name}={value}" for name, value in pairs))

    def lower_label(self, instruction: ins.Label, is_trigger: bool) -> None:
        node = instruction.node
        pairs = [(self.word(name, node), self.word(value, node)) for name, value in instruction.pairs]
        self._set(labels={**self.state.settings.labels, **dict(pairs)})
        self.remember("LABEL " + " ".join(f"{name}={value}" for name, value in pairs))

    def lower_maintainer(self, instruction: ins.Maintainer, is_trigger: bool) -> None:
        self.state.author = instruction.name
        self.remember(f"MAINTAINER {instruction.name}")

    def lower_workdir(self, instruction: ins.Workdir, is_trigger: bool) -> None:
        given = self.word(instruction.path, instruction.node)
        if given.startswith("/"):
            self.state.workdir_set = True
        elif not self.state.workdir_set:
            # Once is enough for a stage.
            self.state.workdir_set = True
            message = text(
                'Relative workdir "{path}" can have unexpected results if the base image changes', path=given
            )
            self.all.findings.add("WorkdirRelativePath", message, instruction.node.span())
        path = _join(self.state.settings.working_dir or "/", given)
        # Docker keeps an absolute one as it is written, and cleans a relative one.
        shown = given if given.startswith("/") else path
        self._set(working_dir=shown)
        if path == "/":
            self.done += 1
            self.remember(f"WORKDIR {shown}")
            return
        op = ops.MakeFolder(
            path=path, user=self.state.settings.user, normalise=self.options.normalise, epoch=self.options.epoch
        )
        self.remember(f"WORKDIR {shown}", self.add(op, instruction, is_trigger=is_trigger))

    def lower_user(self, instruction: ins.User, is_trigger: bool) -> None:
        user = self.word(instruction.user, instruction.node)
        self._set(user=user)
        self.remember(f"USER {user}")

    def lower_expose(self, instruction: ins.Expose, is_trigger: bool) -> None:
        node = instruction.node
        for port in instruction.ports:
            self.check_variables(port, node)
        try:
            words = [
                word
                for port in instruction.ports
                for word in expand(port, self.state.env, escape=self.all.escape).words
            ]
            found = [port for word in words for port in ports(word)]
        except (WordError, ValueError) as error:
            raise DockerfileError(text("{problem}", problem=error), span=node.span()) from error
        self._set(exposed_ports=tuple(sorted({*self.state.settings.exposed_ports, *found})))
        self.remember(f"EXPOSE map[{' '.join(f'{port}:{{}}' for port in sorted(set(found)))}]")

    def lower_volume(self, instruction: ins.Volume, is_trigger: bool) -> None:
        paths = [self.word(path, instruction.node) for path in instruction.paths]
        if not all(paths):
            raise DockerfileError(text("VOLUME specified can not be an empty string"), span=instruction.node.span())
        self._set(volumes=tuple(sorted({*self.state.settings.volumes, *paths})))
        self.remember(f"VOLUME [{' '.join(paths)}]")

    def lower_stopsignal(self, instruction: ins.StopSignal, is_trigger: bool) -> None:
        signal = self.word(instruction.signal, instruction.node)
        if not stop_signal(signal):
            raise DockerfileError(
                text("invalid signal: {signal}", signal=signal), span=instruction.node.span(instruction.signal)
            )
        self._set(stop_signal=signal)
        self.remember(f"STOPSIGNAL {signal}")

    def lower_shell(self, instruction: ins.Shell, is_trigger: bool) -> None:
        self._set(shell=instruction.words)
        self.remember(f"SHELL [{' '.join(instruction.words)}]")

    def lower_health(self, instruction: ins.Health, is_trigger: bool) -> None:
        self._set(healthcheck=instruction.check)
        self.remember(healthcheck_text(instruction.check))

    def lower_onbuild(self, instruction: ins.OnBuild, is_trigger: bool) -> None:
        self._set(on_build=(*self.state.settings.on_build, instruction.expression))

    def lower_cmd(self, instruction: ins.Cmd, is_trigger: bool) -> None:
        words = self.with_shell(instruction)
        self._set(command=words or None, args_escaped=True)
        self.state.command_set = True
        self.remember(f"CMD {quoted_list(words)}")

    def lower_entrypoint(self, instruction: ins.Entrypoint, is_trigger: bool) -> None:
        words = self.with_shell(instruction)
        self._set(entrypoint=words or None)
        if not self.state.command_set:
            self._set(command=None)
        self.remember(f"ENTRYPOINT {quoted_list(words)}")

    def with_shell(self, instruction: ins.Command) -> tuple[str, ...]:
        if not instruction.is_shell:
            return instruction.words
        if not isinstance(instruction, ins.Run) and not self.state.settings.shell:
            message = text(
                "JSON arguments recommended for {keyword} to prevent unintended behavior related to OS signals",
                keyword=instruction.node.keyword,
            )
            self.all.findings.add("JSONArgsRecommended", message, instruction.node.span())
        return (*(self.state.settings.shell or DEFAULT_SHELL), " ".join(instruction.words))

    def lower_run(self, instruction: ins.Run, is_trigger: bool) -> None:
        node = instruction.node
        self.check_runnable(node)
        if instruction.security == "insecure":
            self.check_allowed("security.insecure", node, "--security")
        if instruction.network == "host":
            self.check_allowed("network.host", node, "--network")
        words, script, script_path = self.run_words(instruction)
        mounts: list[RunMount] = []
        more: list[tuple[str, Vertex]] = []
        for number, value in enumerate(instruction.mounts):
            origin_of(value, node)
            mount = parse_mount(value, node, lambda word: self.word(word, node))
            from teul.values import replace

            if mount.type == "ssh" and not mount.target:
                mount = replace(mount, target=f"/run/buildkit/ssh_agent.{number}")
            mount = (
                replace(mount, target=_join(self.state.settings.working_dir or "/", mount.target))
                if mount.target
                else mount
            )
            if mount.target == "/":
                raise DockerfileError(
                    text("invalid mount target `/`: expected a folder or a file in the tree"), span=node.span("--mount")
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
        # One spelling is given, both are set: programs look for either.
        given = self.options.build_args
        proxy = tuple(
            f"{spelling}={given.get(spelling, value)}"
            for name, value in given.items()
            if name.upper() in PROXIES
            for spelling in (name.upper(), name.lower())
            if spelling not in self.state.arguments and (spelling == name or spelling not in given)
        )
        op = ops.Run(
            args=words,
            env=tuple(f"{name}={value}" for name, value in self.state.env.items()),
            cwd=_join("/", self.state.settings.working_dir),
            user=self.state.settings.user,
            network=network,
            mounts=tuple(mounts),
            script=script,
            script_path=script_path,
            proxy=proxy,
            extra_hosts=self.options.extra_hosts,
            shm_size_bytes=self.options.shm_size_bytes,
            ulimits=self.options.ulimits,
            insecure=instruction.security == "insecure",
            devices=tuple(self.device(value, node) for value in instruction.devices),
            cgroup_parent=self.options.cgroup_parent,
            normalise=self.options.normalise,
            epoch=self.options.epoch,
        )
        created_by = run_text(
            words, [(name, self.state.env.get(name, self.state.arguments[name])) for name in self.state.declared]
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
            # As BuildKit: one that is indented, even by tabs that `<<-` takes away, is a line for the shell.
            if heredocs[0].content.startswith("#!"):
                path = f"/dev/pipes/{heredocs[0].name}"
                return (*(self.state.settings.shell or DEFAULT_SHELL), path), body, path
            line = body
        else:
            # The shell reads them by itself.
            line += "".join(f"\n{heredoc.content}{heredoc.name}" for heredoc in heredocs)
        return (*(self.state.settings.shell or DEFAULT_SHELL), line), "", ""

    def check_allowed(self, entitlement: str, node: Node, word: str) -> None:
        """Raises: DockerfileError, for what the build was not allowed to give away."""
        if entitlement not in self.options.allowed:
            raise DockerfileError(
                text("{entitlement} is not allowed", entitlement=entitlement),
                span=node.span(word),
                hint=text("--allow {entitlement}", entitlement=entitlement),
            )

    def device(self, value: str, node: Node) -> tuple[str, bool]:
        """One `--device`: a CDI name, and whether it is required.

        Source: Dockerfile reference (labs), "RUN --device".
        """
        name, required = "", False
        for field in self.word(value, node).split(","):
            key, equals, given = field.partition("=")
            if key.lower() == "required" and (not equals or given.lower() in ("true", "1", "false", "0")):
                required = given.lower() not in ("false", "0")
            elif key.lower() == "name" and given and not name:
                name = given
            elif field and not name:
                name = field
            else:
                raise DockerfileError(
                    text("unexpected key '{key}' in '{field}'", key=key, field=field), span=node.span("--device")
                )
        if not name:
            raise DockerfileError(text("device name is required"), span=node.span("--device"))
        if "device" not in self.options.allowed:
            self.check_allowed(f"device={name}", node, "--device")
        return name, required

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
        given = [self.word(source, node) for source in instruction.sources]
        remotes = tuple(self.remote(source, instruction, len(given)) for source in given if is_remote(source))
        sources = [source for source in given if not is_remote(source)]
        order = tuple(sorted(range(len(given)), key=[*_places(given, False), *_places(given, True)].__getitem__))
        if instruction.checksum and not remotes:
            raise DockerfileError(text("--checksum requires an HTTP(S) or Git source"), span=node.span("--checksum"))
        ignore = self.options.ignore
        if ignore is not None and not instruction.origin:
            for source in sources:
                path = _rooted(source).lstrip("/")
                if path and ignore.is_ignored(path):
                    message = text(
                        'Attempting to {keyword} file "{path}" that is excluded by .dockerignore',
                        keyword=node.keyword,
                        path=source,
                    )
                    self.all.findings.add("CopyIgnoredFile", message, node.span(source))
        destination = self.word(instruction.destination, node)
        chown = self.word(instruction.chown, node)
        chmod = self.word(instruction.chmod, node)
        if chmod:
            _check_mode(chmod, node)
        inlines = tuple(
            (inline.name, self.raw(inline.content, node, is_content=True) if inline.expand else inline.content)
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
            remotes=remotes,
            chown=chown,
            chmod=chmod,
            parents=instruction.parents,
            excludes=tuple(self.word(pattern, node) for pattern in instruction.excludes),
            # Without the flag a local archive is unpacked, a fetched one is not.
            unpack=bool(sources) and (instruction.is_add if instruction.unpack is None else instruction.unpack),
            unpack_remotes=bool(remotes and instruction.unpack),
            order=order if order != tuple(range(len(given))) else (),
            normalise=self.options.normalise,
            epoch=self.options.epoch,
        )
        created_by = command_text(
            "ADD" if instruction.is_add else "COPY",
            [
                *(["--parents"] if instruction.parents else []),
                *([f"--chown={chown}"] if chown else []),
                *([f"--chmod={chmod}"] if chmod else []),
                *(without_password(source) for source in given),
                *(f"<<{name}" for name, _ in inlines),
                destination,
            ],
        )
        self.remember(created_by, self.add(op, instruction, more, is_trigger=is_trigger))

    def remote(self, source: str, instruction: ins.Copy, count: int) -> HttpSource | GitSource:
        """A source that is fetched.

        Raises:
            DockerfileError: COPY of one, or a flag that does not go with it.
        """
        node = instruction.node
        as_git = is_git(source)
        if not instruction.is_add:
            raise DockerfileError(
                text("source can't be a git ref for COPY") if as_git else text("source can't be a URL for COPY"),
                span=node.span(source),
                hint=text("use ADD"),
            )
        checksum = self.word(instruction.checksum, node)
        if checksum and count > 1:
            raise DockerfileError(
                text("checksum can't be specified for multiple sources"), span=node.span("--checksum")
            )
        if instruction.keep_git_dir is not None and not as_git:
            raise DockerfileError(text("--keep-git-dir requires a Git source"), span=node.span("--keep-git-dir"))
        try:
            if as_git:
                if instruction.unpack:
                    raise DockerfileError(
                        text("--unpack requires an archive: a Git source has none"), span=node.span("--unpack")
                    )
                return parse_git(source, checksum=checksum, keep_git_dir=bool(instruction.keep_git_dir))
            return parse_http(source, checksum)
        except DockerfileError:
            raise
        except InvalidInput as error:
            word = "--checksum" if checksum and "checksum" in error.message else source
            raise DockerfileError(error.message, span=node.span(word), hint=error.hint) from error


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


def _join(folder: str, path: str) -> str:
    made = normpath(path if path.startswith("/") else f"{folder}/{path}")
    return "/" + made.lstrip("/")


def _places(sources: Sequence[str], wants_remote: bool) -> list[int]:
    """Where in *sources* those of one kind stand."""
    return [number for number, source in enumerate(sources) if is_remote(source) == wants_remote]


def _rooted(source: str) -> str:
    """A source below the root of its context; `..` cannot leave it."""
    return _join("/", source)


def _destination(folder: str, path: str) -> str:
    """Absolute; ends with `/` when it has to be a folder."""
    made = _join(folder, path)
    is_folder = path in ("", ".") or path.endswith(("/", "/.", "/.."))
    return made + "/" if is_folder and made != "/" else made
