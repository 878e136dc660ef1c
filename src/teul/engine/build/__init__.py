"""`build`: a Dockerfile and a context become an image. The wiring of frontend, solver, worker and stores."""

from __future__ import annotations

import os
import threading
import time
from contextlib import ExitStack

from teul.build import ops
from teul.build.dockerfile.lower import lower
from teul.engine.build.bases import Bases
from teul.engine.build.cache import BuildCache
from teul.engine.build.explaining import ExplainedStep, explain
from teul.engine.build.inputs import named_contexts, open_remote, open_trees, read_dockerfile, read_secrets
from teul.engine.build.locking import BuildLock
from teul.engine.build.networks import BuildNetworks
from teul.engine.build.options import (
    BuildOptions,
    BuildResult,
    BuiltStep,
    Secret,
    find_epoch,
    lower_options,
    parse_tag,
    rfc3339,
    tags_of,
)
from teul.engine.build.sweeping import sweep
from teul.errors import (
    Cancelled,
    ContextChanged,
    DockerfileError,
    InvalidInput,
    SnapshotNotFound,
    TeulError,
    text,
)
from teul.events import Warn, silent
from teul.oci.digest import Digest
from teul.oci.reference import Reference
from teul.solver.solve import solve
from teul.state.cache import SolverCache, put_file_digests

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from teul.build.dockerfile.lower import Lowered
    from teul.build.dockerfile.parser import Dockerfile
    from teul.build.execute import BuildWorker
    from teul.build.ssh import SshAgents
    from teul.engine import Engine
    from teul.engine.build.cache_export import Known
    from teul.engine.build.delivery import Delivery
    from teul.events import Sink
    from teul.images import Image
    from teul.oci.image import ImageConfig
    from teul.registry import RegistryClient
    from teul.solver.graph import Vertex
    from teul.solver.solve import Planned, Solution

__all__ = [
    "BuildOptions",
    "BuildResult",
    "BuiltStep",
    "ExplainedStep",
    "Secret",
    "build",
    "explain",
    "plan",
    "sweep",
]

ATTEMPTS = 3


def build(engine: Engine, options: BuildOptions, *, events: Sink = silent) -> BuildResult:
    """Build the image, name it, and return it.

    Raises:
        DockerfileError: with the place.
        BuildStepFailed: a RUN ended with another code than 0; what was done before it is kept.
        ImageNotFound, RegistryUnavailable, PlatformMismatch, …: a base image, with the place of the FROM.
        InvalidInput: the context.
    """
    names = tags_of(options)
    # Another process may take a layer away between our look and our claim, or write to the context between our look and
    # the copy; then another look is right about it.
    for attempt in range(ATTEMPTS):
        session = Session(engine, options, events)
        try:
            solution = session.solve()
            return session.finish(solution, names)
        except (SnapshotNotFound, ContextChanged):
            if attempt == ATTEMPTS - 1:
                raise
        finally:
            session.close()
    raise AssertionError


def plan(engine: Engine, options: BuildOptions, *, events: Sink = silent) -> tuple[list[Planned], Lowered]:
    """What `build` would do, and why; nothing is run, and no more than the configs of base images is fetched.

    Raises:
        As `build`, as far as lowering goes.
    """
    from teul.solver.solve import plan as plan_steps

    session = Session(engine, options, events)
    try:
        planned = plan_steps(
            [session.lowered.vertex], session.worker, session.cache, scope=session.scope, skip=session.skip
        )
        return planned, session.lowered
    finally:
        session.close()


class Session:
    """One attempt at one build."""

    def __init__(self, engine: Engine, options: BuildOptions, events: Sink, *, is_trial: bool = False) -> None:
        """*is_trial*: nothing of it is remembered."""
        self.engine = engine
        self.options = options
        self.events = events
        self._began = time.time()
        self._held: ExitStack | None = None
        self._stack: ExitStack | None = None
        self._guard = threading.Lock()
        self.epoch = find_epoch(engine, options)
        self._scratch = ExitStack()
        self._networks = BuildNetworks(engine, events)
        self.is_trial = is_trial
        self.cache = BuildCache(SolverCache(engine.db), engine.snapshots.has, is_trial=is_trial)
        secrets = read_secrets(options.secrets, engine.settings.environ or {}, events)
        self.ssh = self._agents() if options.ssh else None
        self.remote = open_remote(
            engine,
            self.cache,
            self._hold,
            secrets,
            events,
            ssh_socket=lambda: self.ssh.socket("default") if self.ssh is not None and "default" in self.ssh else "",
        )
        try:
            self._prepare(secrets)
        except BaseException:
            self.close()
            raise

    def _prepare(self, secrets: Mapping[str, bytes]) -> None:
        from teul.build.execute import BuildWorker
        from teul.engine.build.devices import find_devices

        engine, options = self.engine, self.options
        contexts = named_contexts(options.build_contexts, self._fetch_context)
        self.dockerfile, ignore, source = read_dockerfile(options)
        self.lock = BuildLock(options, source, self.events)
        self.scope = "" if self.is_trial else _scope(self.dockerfile, options)
        lowering = lower_options(engine, options, contexts, self.epoch, ignore)
        self.bases = Bases(engine, options, self.lock, self._hold, self.events)
        if not options.is_offline and self.lock.obeyed is None:
            self.bases.ask_together(self.dockerfile, lowering)
        self.lowered = lower(self.dockerfile, lowering, self.bases.find)
        self.bases.say_places(self.lowered.bases)
        self._say_findings()
        self._say_origins()
        self._look_up()
        self.trees = open_trees(engine, options, contexts, ignore)
        self.worker: BuildWorker = BuildWorker(
            settings=engine.settings,
            snapshots=engine.snapshots,
            store=engine.store,
            driver=lambda: engine.driver,
            cache=self.cache,
            contexts=self.trees,
            nodes=self.lowered.nodes,
            hold=self._hold,
            network=self._networks.lend,
            secrets=secrets,
            remote=self.remote,
            elsewhere=self.bases,
            ssh=self.ssh,
            gateway=self._networks.gateway,
            devices=lambda names, env: find_devices(engine, names, env),
            lock=self.lock.obeyed,
            as_of=self.lock.as_of,
            is_offline=options.is_offline,
        )

    def _agents(self) -> SshAgents:
        from teul.build.execute import build_folder
        from teul.build.ssh import SshAgents

        name = f"build-ssh-{os.urandom(8).hex()}"
        return SshAgents(
            self.options.ssh,
            f"{build_folder(self.engine.settings)}/{name}",
            self._scratch,
            claim=lambda: self._hold("snapshot", name),
        )

    def _fetch_context(self, name: str, address: str) -> str:
        """The folder that a named context's address gives; it goes with the session."""
        from teul.build.contexts import from_address, scratch

        opened = from_address(address, self._scratch.enter_context(scratch(self.engine.settings)), self.remote)
        if opened.dockerfile_text is not None:
            raise InvalidInput(text("build context `{name}`: `{url}` is no tar", name=name, url=opened.name))
        return opened.folder

    def _look_up(self) -> None:
        """What this machine knows, with the trees of base images, which nothing has to be run for; and imports."""
        from teul.build.execute import tree_result
        from teul.solver.graph import walk
        from teul.solver.solve import key_of

        self.cache.foreseen = {
            key_of(vertex, (), {}): tree_result(vertex.op.diff_ids).to_json()
            for vertex in walk([self.lowered.vertex])
            if isinstance(vertex.op, ops.Base)
        }
        if self.options.cache_from and not self.options.no_cache:
            from teul.engine.build.cache_import import ImportedCache

            imported = ImportedCache(self.engine, self.options.cache_from, self._hold, self.events)
            self.cache.imported = self.bases.imported = imported

    def _say_findings(self) -> None:
        """What the build checks found: warnings, or an error when the file wants that.

        Raises:
            DockerfileError.
        """
        findings = self.lowered.findings
        for item in findings:
            message = text("{rule}: {message} ({page})", rule=item.rule.name, message=item.message, page=item.rule.page)
            self.events(Warn("", "build-check", message, item.span))
        if findings and self.lowered.findings_are_errors:
            names = ", ".join(sorted({item.rule.name for item in findings}))
            raise DockerfileError(
                text("lint violation found for rules: {rules}", rules=names),
                span=findings[0].span,
                hint=text("teul build --check"),
            )

    def _say_origins(self) -> None:
        from teul.images.store import ORIGIN_LABEL

        for base, node in self.lowered.bases:
            origin = base.config.config.labels.get(ORIGIN_LABEL)
            if origin:
                message = text(
                    "`{reference}` is not the official image: teul made it on this machine ({origin})",
                    reference=base.reference,
                    origin=origin,
                )
                self.events(Warn("", "bootstrapped-base", message, node.span(base.reference)))

    def _hold(self, kind: str, *names: str) -> None:
        """Protect things from gc; the lease begins with the first thing, so a build that finds all writes nothing."""
        from teul.state.db import Database
        from teul.state.leases import lease

        with self._guard:
            if self._held is None:
                self._held = ExitStack()
                self._lease_db = Database.open(self.engine.settings.database)
                self._held.callback(self._lease_db.close)
                self._lease = self._held.enter_context(lease(self._lease_db))
                sweep(self.engine, self._lease_db)
            self._lease.add(kind, *names)

    def skip(self, vertex: Vertex) -> bool:
        if isinstance(vertex.op, ops.Base):
            return False
        stage = vertex.place.rpartition(" ")[0].lower()
        return self.options.no_cache or any(name.lower() == stage for name in self.options.no_cache_filter)

    def solve(self) -> Solution:
        from teul.solver.graph import walk

        for vertex in walk([self.lowered.vertex]):
            self.worker.check(vertex)
        try:
            return solve(
                [self.lowered.vertex],
                self.worker,
                self.cache,
                scope=self.scope,
                skip=self.skip,
                events=self.events,
                on_stop=self._abort,
            )
        finally:
            learned = {
                path: known
                for tree in self.trees.values()
                if not tree.root.startswith(f"{self.engine.settings.root}/")  # those are gone after the build
                for path, known in tree.learned.items()
            }
            if learned and not self.is_trial:
                put_file_digests(self.engine.db, learned)

    def _abort(self) -> None:
        self.remote.abort()
        self.bases.abort()

    def finish(self, solution: Solution, names: list[Reference]) -> BuildResult:
        """Write the config down, unless it is there already under all its names."""
        config = self._config(solution).to_bytes()
        if self.options.writes_lock:
            self._write_lock(solution)
        if not self.is_trial and self.options.normalise:
            self._check_imports(solution)
        known = None
        if self.options.cache_to:
            from teul.engine.build.cache_export import gather, with_inline_cache

            known = gather(
                self.lowered.vertex, solution, self.worker, self.cache, with_times=not self.options.normalise
            )
            if any(target.kind == "inline" for target in self.options.cache_to):
                config = with_inline_cache(config, known)
        is_kept = not self.options.outputs or any(output.is_kept for output in self.options.outputs)
        names = [*names, *(parse_tag(name) for output in self.options.outputs for name in output.names)]
        found = self.engine.images.find(Digest.of(config))
        if is_kept:
            written = found is None or any(name not in found.names for name in names)
            image = self.engine.images.add(config, names=names) if found is None or written else found
            self._describe(image, names)
            if solution.ran and any("nvidia-" in line.comment for line in image.config.history):
                from teul.engine.images.sizes import warn_of_doubles

                warn_of_doubles(self.engine, image, self.events)
        else:
            image = _unkept(config)
        metadata = self._delivery().deliver(config, names, solution) if self._is_delivered() else {}
        if known is not None:
            self._export_cache(known)
        ran = solution.ran
        return BuildResult(
            image=image,
            cached=not ran and found is not None,
            steps=tuple(
                BuiltStep(vertex.name, outcome.cached, outcome.seconds)
                for vertex, outcome in solution.outcomes.items()
                if vertex.name
            ),
            scope=self.scope,
            metadata=metadata,
            is_kept=is_kept,
        )

    def _check_imports(self, solution: Solution) -> None:
        """Whether what was installed can be imported.

        Raises:
            BrokenEnvironment: in a project's image, two packages certainly do not fit together.
        """
        from teul.solver.graph import walk

        runs = [vertex.op for vertex in walk([self.lowered.vertex]) if isinstance(vertex.op, ops.Run)]
        if not any("install" in word or "sync" in word for run in runs for word in run.args):
            return
        from teul.engine.build.environments import check_imports

        env = self.lowered.config.config.env
        check_imports(
            self.worker, self.lowered.vertex, solution, self.events, env=env, is_project=self.options.is_project
        )

    def _write_lock(self, solution: Solution) -> None:
        """Write what was resolved; the results are found under the keys of the next build too, which obeys it."""
        from teul.solver.graph import walk
        from teul.solver.solve import key_of

        vertices = [vertex for vertex in walk([self.lowered.vertex]) if vertex in solution.outcomes]
        lock = self.lock.learned(vertices, solution)
        if not self.lock.write(lock):
            return
        self.worker.lock = lock
        for vertex in vertices:
            if isinstance(vertex.op, ops.Run) and solution.result(vertex).data.get("installs"):
                inputs = [solution.result(source) for source in vertex.inputs]
                found = self.worker.inspect(vertex, inputs, content=False)
                if found is not None:
                    result = solution.result(vertex).to_json()
                    self.cache.put(key_of(vertex, inputs, found), vertex.digest, vertex.name, result)

    def _is_delivered(self) -> bool:
        """Whether there is more to do than to keep the image."""
        options = self.options
        return bool(options.outputs or options.provenance or options.sbom or options.wants_metadata)

    def _delivery(self) -> Delivery:
        from teul.engine.build.delivery import Delivery

        return Delivery(
            self.engine,
            self.options,
            self.lowered,
            self.dockerfile,
            self.worker,
            self._client,
            self.events,
            began=self._began,
            created=rfc3339(self.epoch if self.options.normalise else int(self._began)),
        )

    def _export_cache(self, known: Known) -> None:
        from teul.engine.build.cache_export import export

        for target in self.options.cache_to:
            if target.kind == "inline":
                continue
            try:
                export(self.engine, target, known, self.cache, self._client, self.events)
            except (TeulError, OSError) as error:
                if not target.ignore_error or isinstance(error, Cancelled):
                    raise
                self.events(Warn("", "cache-export", text("cache not exported: {problem}", problem=error)))

    def _config(self, solution: Solution) -> ImageConfig:
        from dataclasses import replace

        from teul.oci.image import History

        config = self.lowered.config
        created = ""
        history = list(config.history)
        for line in self.lowered.lines:
            if line.vertex is not None:
                data = solution.result(line.vertex).data
                created = str(data.get("created") or created)
                # One line a layer (image-spec config.md, "history"); the layer's own says what it holds.
                history += [
                    History(line.history.created or created, created_by=line.history.created_by, comment=str(piece))
                    for piece in data.get("pieces") or ()
                ]
            history.append(
                line.history if line.history.created else replace(line.history, created=created or rfc3339(self.epoch))
            )
        diff_ids = tuple(Digest(item) for item in solution.result(self.lowered.vertex).data["diff_ids"])
        when = rfc3339(self.epoch) if self.options.normalise else created or rfc3339(self.epoch)
        return replace(config, diff_ids=diff_ids, history=tuple(history), created=when)

    def _describe(self, image: Image, names: list[Reference]) -> None:
        """Remember what this scope built, so that `why IMAGE` finds it."""
        known = self.cache.explained(self.scope).get("")
        row = {
            "key": str(image.id),
            "names": [str(name) for name in names],
            "dockerfile": self.dockerfile.path,
            "context": self.options.context_name or os.path.abspath(self.options.context),
            "target": self.options.target,
        }
        if known != row:
            self.cache.explain(self.scope, {"": row})

    def _client(self) -> RegistryClient:
        """One for all that this build sends and fetches by itself."""
        if self._stack is None:
            from contextlib import ExitStack

            from teul.engine.images.pulling import open_client

            self._stack = ExitStack()
            self._registry = self._stack.enter_context(open_client(self.engine))
        return self._registry

    def close(self) -> None:
        self.remote.close()
        self._networks.close()
        self._scratch.close()
        if self.cache.imported is not None:
            self.cache.imported.close()
        if self._stack is not None:
            self._stack.close()
            self._stack = None
        if self._held is not None:
            self._held.close()
            self._held = None


def _scope(dockerfile: Dockerfile, options: BuildOptions) -> str:
    """Names this build among all: what `why` compares with is the last build of the same scope."""
    context, path = os.path.abspath(options.context), os.path.abspath(dockerfile.path)
    if options.context_name:
        context, path = options.context_name, path.removeprefix(context + "/")
    return f"build {context} {path} {options.target}".rstrip()


def _unkept(config: bytes) -> Image:
    """An image that is written elsewhere, and not one of this machine's."""
    from teul.images import Image
    from teul.oci.image import ImageConfig

    return Image(
        id=Digest.of(config),
        config=ImageConfig.parse(config),
        config_bytes=config,
        manifest=None,
        names=(),
        repo_digests=(),
        created_at=time.time(),
        size_bytes=0,
    )
