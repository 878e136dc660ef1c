"""Doing the operations: the solver's worker for a build. Must not decide what is done, nor know Dockerfiles' words.

Each op runs on an active snapshot of its own, leased by this process, and becomes a layer: mounted, written to,
unmounted, normalised, packed, committed. What is mounted here is mounted in a namespace of the worker's thread, so a
builder that is killed leaves an active snapshot without an owner (the next build removes it) and nothing else.
"""

from __future__ import annotations

import os
import re
import threading
import time
from contextlib import ExitStack, contextmanager
from functools import partial

from teul.build import ops
from teul.build.copy_step import copy, find_sources, inspect_sources, inspect_tree, make_folder, missing
from teul.build.runs import RunMounts, StepDevices, cgroup_below, last_lines, parse_ulimit
from teul.build.tree import Tree
from teul.errors import BuildStepFailed, DockerfileError, InvalidInput, RuntimeFailed, TeulError, text
from teul.events import Line
from teul.oci.digest import Digest, chain_id
from teul.solver.graph import Result, Vertex, digest_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from typing import Protocol

    from teul.build.dockerfile.parser import Node
    from teul.build.python.cut import Piece
    from teul.build.python.lock import Lock, LockedInstall
    from teul.build.remote import RemoteSources
    from teul.build.ssh import SshAgents
    from teul.config import Settings
    from teul.content import Store
    from teul.layers.lower import Lower
    from teul.oci.runtime import Mount
    from teul.runtime.driver import Driver
    from teul.snapshots.protocol import Snapshotter
    from teul.solver import Cache, Task

if TYPE_CHECKING:

    class Elsewhere(Protocol):
        """Where layers come from that are not here: base images that were not fetched yet, and imported caches."""

        def can_bring(self, diff_ids: Sequence[Digest]) -> bool: ...
        def bring(self, diff_ids: Sequence[Digest], task: Task) -> bool: ...
        def bring_mount(self, name: str, folder: str) -> bool:
            """Fill the empty *folder* with a cache mount; False leaves it empty."""


HOSTNAME = "buildkitsandbox"
"""What Docker's builder calls every machine that a RUN runs on."""
SCRATCH_DIGEST = "scratch"
_REMOVED_CACHE = re.compile(r"\brm\b[^;&|\n]*/\.cache(?:/(?:pip|uv|pypoetry))?\b")


class BuildWorker:
    """Knows the four ops.

    Args:
        contexts: trees by name; "context" is the main one.
        nodes: vertex digest → instruction, for the place of an error.
        hold: protects layers or active snapshots from gc while this build lives (kind, names).
        network: lends the path of a network namespace for the length of a block, or "host"; for RUN's default.
        secrets: id → bytes, for `--mount=type=secret`.
        remote: fetches what ADD names by address.
        elsewhere: registries of base images, and what other machines exported.
        ssh: the agents of `--mount=type=ssh`.
        gateway: the host's address as the machines of RUN see it, for `host-gateway`.
        devices: what CDI names (each with whether it is required) and an environment bring into a RUN.
        lock: what installs of Python packages obey.
        as_of: the time (RFC 3339) before which a package must have been uploaded, "" for the present.
        is_offline: RUNs have no network.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        snapshots: Snapshotter,
        store: Store,
        driver: Callable[[], Driver],
        cache: Cache,
        contexts: Mapping[str, Tree],
        nodes: Mapping[str, Node],
        hold: Callable[..., None],
        network: Callable[[], AbstractContextManager[str]],
        secrets: Mapping[str, bytes] | None = None,
        remote: RemoteSources | None = None,
        elsewhere: Elsewhere | None = None,
        ssh: SshAgents | None = None,
        gateway: Callable[[], str] = lambda: "",
        devices: Callable[[Sequence[tuple[str, bool]], Mapping[str, str]], StepDevices] | None = None,
        lock: Lock | None = None,
        as_of: str = "",
        is_offline: bool = False,
    ) -> None:
        self.lock = lock
        self.as_of = as_of
        self.is_offline = is_offline
        self.devices = devices
        self.ssh = ssh
        self.gateway = gateway
        self.remote = remote
        self.settings = settings
        self.snapshots = snapshots
        self.store = store
        self.driver = driver
        self.cache = cache
        self.contexts = contexts
        self.nodes = nodes
        self.hold = hold
        self.network = network
        self.secrets = secrets or {}
        self.elsewhere = elsewhere
        self.extra_mounts: tuple[Mount, ...] = ()
        """What every RUN sees besides its own mounts, and no key knows of."""
        self._local = threading.local()
        self._pip: dict[str, str] | None = None

    # What the solver asks

    def inspect(self, vertex: Vertex, inputs: Sequence[Result], *, content: bool) -> Mapping[str, str] | None:
        """The digests of what an op reads besides its inputs (see `teul.solver.Worker`)."""
        op = vertex.op
        with self._placed(vertex):
            if isinstance(op, ops.Run):
                return {**self._pip_settings(), **self._bound(vertex, op), **self._package_rules(op)}
            if not isinstance(op, ops.Copy):
                return {}
            if op.remotes:
                assert self.remote is not None
                found = self.remote.inspect(op, content=content)
                if found is None or not op.sources:
                    return found
                return found | inspect_sources(self, vertex, op, self.contexts[op.context])
            if op.context:
                return inspect_sources(self, vertex, op, self.contexts[op.context])
            return inspect_tree(self, vertex, op, inputs[1], content=content)

    def check(self, vertex: Vertex) -> None:
        """Say what is wrong before anything runs: a source that the context has not got.

        Raises:
            DockerfileError: with its place.
        """
        op = vertex.op
        if isinstance(op, ops.Copy) and op.context:
            with self._placed(vertex):
                find_sources(self, vertex, op, self.contexts[op.context])

    def is_present(self, vertex: Vertex, result: Result) -> bool:
        """Whether all layers of a tree are here."""
        return self.snapshots.has([Digest(item) for item in result.data["diff_ids"]])

    def can_bring(self, vertex: Vertex, result: Result) -> bool:
        """Whether the layers that are missing can be had (see `Elsewhere`)."""
        diff_ids = [Digest(item) for item in result.data["diff_ids"]]
        return self.elsewhere is not None and self.elsewhere.can_bring(diff_ids)

    def bring(self, vertex: Vertex, result: Result, task: Task) -> bool:
        """Get them (see `teul.solver.Worker`)."""
        diff_ids = [Digest(item) for item in result.data["diff_ids"]]
        return self.elsewhere is not None and self.elsewhere.bring(diff_ids, task)

    def execute(self, vertex: Vertex, inputs: Sequence[Result], task: Task) -> Result:
        """Do it (see `teul.solver.Worker`).

        Raises:
            BuildStepFailed: the process of a RUN did not end with 0.
            DockerfileError: an instruction that cannot be done, with its place.
        """
        op = vertex.op
        with self._placed(vertex):
            if isinstance(op, ops.Base):
                return self._base(op)
            assert isinstance(op, ops.Run | ops.Copy | ops.MakeFolder)
            with self.active(inputs[0]) as active:
                if isinstance(op, ops.Run):
                    installs: list[LockedInstall] = []
                    pieces = self._install(op, inputs, active, vertex, task, installs)
                    if pieces is not None:
                        upper = self.snapshots.upper(active.key)
                        return self._commit_pieces(inputs[0], active, upper, pieces, task, installs)
                    self.run_in(op, inputs, active, vertex, task)
                else:
                    with active.mounted() as rootfs:
                        if isinstance(op, ops.MakeFolder):
                            make_folder(op, rootfs)
                        else:
                            copy(self, op, inputs, rootfs, vertex, task)
                return self._commit(op, inputs[0], active, task)

    @contextmanager
    def _placed(self, vertex: Vertex) -> Iterator[None]:
        """Give what is raised inside the place of the instruction."""
        try:
            yield
        except TeulError as error:
            node = self.nodes.get(vertex.digest)
            if error.span is not None or node is None:
                raise
            if isinstance(error, InvalidInput):
                raise DockerfileError(error.message, span=node.span(), hint=error.hint) from error
            error.span = node.span()
            raise

    # Trees

    def _base(self, op: ops.Base) -> Result:
        # Lowering saw the image here; a layer that is missing now is damage, and named by `resolve`.
        self.snapshots.resolve([Digest(item) for item in op.diff_ids])
        return tree_result(op.diff_ids)

    @contextmanager
    def active(self, below: Result) -> Iterator[_Active]:
        """An active snapshot on top of *below*, and a folder for what goes with it; both are gone afterwards."""
        from teul.host.fs import remove_tree

        key = f"build-{os.urandom(8).hex()}"
        parents = self.snapshots.resolve([Digest(item) for item in below.data["diff_ids"]])
        self.hold("snapshot", key)
        self.hold("layer", *parents)
        folder = f"{build_folder(self.settings)}/{key}"
        os.makedirs(folder, mode=0o700)
        try:
            self.snapshots.prepare(key, parents)
            yield _Active(self, key, parents, folder)
        except BaseException:
            self.give_up(key)
            raise
        finally:
            remove_tree(folder)

    def give_up(self, key: str) -> None:
        """Throw an active snapshot away: its files first, since on a full disk the database cannot be written."""
        from teul.errors import SnapshotNotFound
        from teul.host.fs import remove_tree

        try:
            if self.snapshots.kind == "overlay":
                upper = self.snapshots.upper(key)
                for name in os.listdir(upper):
                    remove_tree(f"{upper}/{name}")
            self.snapshots.remove(key)
        except (OSError, SnapshotNotFound):
            # What was raised first is the news; the next build sweeps what has no living owner.
            pass

    def own_namespace(self) -> None:
        """Put this thread into a mount namespace of its own, once; the kernel ends it with the thread."""
        if not getattr(self._local, "entered", False):
            from teul.host.mount import enter_mount_namespace

            assert threading.current_thread() is not threading.main_thread()
            enter_mount_namespace()
            self._local.entered = True

    def _commit(self, op: ops.Run | ops.Copy | ops.MakeFolder, below: Result, active: _Active, task: Task) -> Result:
        lower = self.normalise(op, active, task)
        upper = self.snapshots.upper(active.key)
        return self._commit_pieces(below, active, upper, self._cut(op, below, active, upper, lower), task)

    def normalise(self, op: ops.Run | ops.Copy | ops.MakeFolder, active: _Active, task: Task) -> Lower:
        """Make what *op* wrote the same whenever and wherever it ran; gives what lies below."""
        from teul.layers.lower import Lower

        lower = Lower([self.snapshots.layer(name).folder for name in active.parents])
        if op.normalise:
            from teul.build.normalise import normalise

            if self.snapshots.kind == "overlay":
                removes = isinstance(op, ops.Run) and any(_REMOVED_CACHE.search(arg) for arg in op.args)
                upper = self.snapshots.upper(active.key)
                normalise(upper, lower, epoch=op.epoch, is_upper=True, has_removed_cache=removes)
                if isinstance(op, ops.Run):
                    from teul.build.canonical_step import canonicalise_bytecode

                    canonicalise_bytecode(self, op, active, task)
            else:
                with active.mounted() as rootfs:
                    normalise(rootfs, lower, epoch=op.epoch, is_upper=False)
        return lower

    def _commit_pieces(
        self,
        below: Result,
        active: _Active,
        upper: str,
        pieces: list[Piece],
        task: Task,
        installs: Sequence[LockedInstall] = (),
    ) -> Result:
        """The result of an op whose *pieces* are layers already: these, and *upper* on top of them."""
        from teul.layers import pack

        packed = pack(upper, should_stop=task.should_stop)
        self.snapshots.commit(active.key, packed.diff_id, tar_size_bytes=packed.tar_size_bytes)
        created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        return tree_result(
            (*below.data["diff_ids"], *(piece.diff_id for piece in pieces), packed.diff_id),
            size_bytes=packed.size_bytes + sum(piece.size_bytes for piece in pieces),
            created=created,
            pieces=tuple(piece.name for piece in pieces),
            installs=installs,
        )

    def _install(
        self,
        op: ops.Run,
        inputs: Sequence[Result],
        active: _Active,
        vertex: Vertex,
        task: Task,
        installs: list[LockedInstall],
    ) -> list[Piece] | None:
        """The layers of what a plain install command installs, made without running it; None when it has to run."""
        if not op.normalise or self.snapshots.kind != "overlay" or op.network not in ("default", "host"):
            return None
        if not any("pip" in arg or "uv" in arg or "poetry" in arg for arg in op.args):
            return None
        from teul.build.python.attempt import attempt, looks_like_install

        if not looks_like_install(op):
            return None

        from teul.build.rehearsal import Rehearsal

        rehearsal = Rehearsal(self, inputs, vertex, task)
        return attempt(self, op, inputs[0], self.snapshots.upper(active.key), task, installs, rehearsal)

    def _cut(
        self, op: ops.Run | ops.Copy | ops.MakeFolder, below: Result, active: _Active, upper: str, lower: Lower
    ) -> list[Piece]:
        """The layers of the wheels that a RUN installed, committed; what is left of *upper* goes on top of them."""
        if not isinstance(op, ops.Run) or not op.normalise or self.snapshots.kind != "overlay":
            return []
        from teul.build.python.cut import cut

        return cut(
            self.snapshots,
            active.key,
            upper,
            lower=lower,
            layers_below=len(below.data["diff_ids"]),
            epoch=op.epoch,
            hold=self.hold,
        )

    # RUN

    def run_in(self, op: ops.Run, inputs: Sequence[Result], active: _Active, vertex: Vertex, task: Task) -> None:
        """Run the process of *op* in *active*.

        Raises:
            BuildStepFailed: it did not end with 0.
        """
        from teul.runtime.foreground import run
        from teul.runtime.security import host_devices
        from teul.runtime.spec import Process, Rlimit, Sandbox
        from teul.runtime.users import image_environment, resolve_user
        from teul.values import replace

        tail: list[bytes] = []

        def on_output(stream: str, data: bytes) -> None:
            if mounts.mask is not None:
                data = mounts.mask.feed(stream, data)
            show(stream, data)

        def show(stream: str, data: bytes) -> None:
            if not data:
                return
            tail.append(data)
            if len(tail) > 200:
                del tail[:100]
            task.events(Line(task.id, stream, data))

        def prepare(rootfs: str, sandbox: Sandbox) -> Sandbox:
            user = resolve_user(rootfs, op.user)
            env = image_environment(sandbox.process.env, home=user.home)
            process: Process = replace(
                sandbox.process, uid=user.uid, gid=user.gid, groups=(*user.groups, *added.groups), env=env
            )
            changed: Sandbox = replace(sandbox, process=process)
            return changed

        with ExitStack() as stack:
            mounts = RunMounts(self, op, inputs, active.folder, stack)
            if mounts.caches:
                from teul.build.cache_mounts import relieving

                written = partial(self._written_bytes, active)
                stack.enter_context(relieving(self.settings.root, mounts.caches, written, task))
            added = StepDevices()
            if op.devices and self.devices is not None:
                added = self.devices(op.devices, dict(entry.partition("=")[::2] for entry in op.env))
            network = "none" if self.is_offline else op.network
            if network not in ("none", "host"):
                network = stack.enter_context(self.network())
            sandbox = Sandbox(
                process=Process(
                    args=op.args,
                    env=(*self._package_env(), *op.env, *op.proxy, *mounts.env, *added.env),
                    cwd=op.cwd,
                    rlimits=tuple(Rlimit(*parse_ulimit(limit)) for limit in op.ulimits),
                ),
                rootfs=f"{active.folder}/rootfs",
                mounts=(*mounts.mounts, *added.mounts, *self.extra_mounts),
                hostname=op.hostname or HOSTNAME,
                network=network,
                shm_size_bytes=op.shm_size_bytes,
                privileged=op.insecure,
                devices=(*(host_devices() if op.insecure else ()), *added.nodes),
                hooks=added.hooks,
                cgroup_path=cgroup_below(op.cgroup_parent, self.driver().cgroup_path(active.key)),
            )
            command = " ".join(op.args)
            try:
                code = run(
                    self.driver(),
                    sandbox,
                    id=active.key,
                    bundle=active.folder,
                    rootfs_mounts=self.snapshots.mounts(active.key),
                    on_output=on_output,
                    should_stop=task.should_stop,
                    prepare=prepare,
                    trust=self.settings,
                )
            except RuntimeFailed as error:
                if error.exit_code not in (126, 127):
                    raise
                raise self._failed(vertex, command, op, error.exit_code, str(error)) from error
            finally:
                for stream, data in mounts.mask.rest() if mounts.mask is not None else ():
                    show(stream, data)
            if code != 0:
                raise self._failed(vertex, command, op, code, last_lines(b"".join(tail)))

    def _written_bytes(self, active: _Active) -> int:
        """What goes when *active* is given up."""
        from teul.host.fs import disk_bytes

        return disk_bytes(self.snapshots.upper(active.key)) if self.snapshots.kind == "overlay" else 0

    def _failed(self, vertex: Vertex, command: str, op: ops.Run, code: int, tail: str) -> BuildStepFailed:
        node = self.nodes.get(vertex.digest)
        return BuildStepFailed(
            text(
                "process `{command}` did not complete successfully: exit code: {exit_code}",
                command=command if len(command) <= 400 else command[:400] + "…",
                exit_code=code,
            ),
            span=node.span() if node else None,
            argv=op.args,
            exit_code=code,
            stderr_tail=tail,
        )

    def _pip_settings(self) -> dict[str, str]:
        """What pip and uv are told on this host, by digest (an index's address may hold a password)."""
        if self._pip is None:
            from teul.runtime.host_trust import trust_env

            given = sorted(
                entry
                for entry in trust_env(self.settings, shares_network=True)
                if entry.startswith(("PIP_", "UV_")) and not entry.startswith("PIP_CERT=")
            )
            self._pip = {"pip settings": digest_of(given)} if given else {}
        return self._pip

    def _package_rules(self, op: ops.Run) -> dict[str, str]:
        """The lock and the day, for a command that may install Python packages."""
        if self.lock is None and not self.as_of:
            return {}
        words = " ".join(op.args)
        made = {"as of": self.as_of} if self.as_of and any(name in words for name in ("pip", "uv", "poetry")) else {}
        locked = self.lock.of_command(words) if self.lock is not None else []
        return made | ({"lock": digest_of([item.to_json() for item in locked])} if locked else {})

    def _package_env(self) -> tuple[str, ...]:
        """What makes a pip or uv that runs in the stage look at the index as of a day, as far as it can."""
        names = ("UV_EXCLUDE_NEWER", "PIP_UPLOADED_PRIOR_TO") if self.as_of else ()
        return tuple(f"{name}={self.as_of}" for name in names)

    def _bound(self, vertex: Vertex, op: ops.Run) -> dict[str, str]:
        """What the bind mounts of contexts hold."""
        made: dict[str, str] = {}
        for mount in op.mounts:
            if mount.type == "bind" and not mount.origin:
                tree = self.contexts[mount.identity]
                paths = tree.select(mount.source or "/")
                if not paths:
                    raise missing(self, mount.source, tree, text("the context {path}", path=tree.root), vertex)
                made |= tree.inspect([path for _, path in paths])
        return made

    # Other trees

    @contextmanager
    def viewed(self, result: Result) -> Iterator[str]:
        """A tree, mounted read-only for the length of the block."""
        from teul.host.fs import remove_tree
        from teul.host.mount import mounted

        self.own_namespace()
        layers = self.snapshots.resolve([Digest(item) for item in result.data["diff_ids"]])
        self.hold("layer", *layers)
        key = f"build-view-{os.urandom(8).hex()}"
        self.hold("snapshot", key)
        folder = f"{build_folder(self.settings)}/{key}"
        os.makedirs(folder, mode=0o700)
        try:
            with mounted(self.snapshots.view(layers), folder):
                yield folder
        finally:
            remove_tree(folder)


class _Active:
    """An active snapshot while an op writes to it."""

    def __init__(self, worker: BuildWorker, key: str, parents: tuple[str, ...], folder: str) -> None:
        self._worker = worker
        self.key = key
        self.parents = parents
        self.folder = folder

    @contextmanager
    def mounted(self) -> Iterator[str]:
        """Its tree, to be written to."""
        from teul.host.mount import mounted

        self._worker.own_namespace()
        rootfs = f"{self.folder}/rootfs"
        os.makedirs(rootfs, exist_ok=True)
        with mounted(self._worker.snapshots.mounts(self.key), rootfs):
            yield rootfs


def tree_result(
    diff_ids: Sequence[str],
    *,
    size_bytes: int = 0,
    created: str = "",
    pieces: Sequence[str] = (),
    installs: Sequence[LockedInstall] = (),
) -> Result:
    """The result of an op: a stack of layers, bottom first; *pieces* says what the layers below its last one hold,
    *installs* what it resolved.
    """
    digest = str(chain_id([Digest(item) for item in diff_ids])) if diff_ids else SCRATCH_DIGEST
    data = {"diff_ids": list(diff_ids), "size_bytes": size_bytes, "created": created}
    if pieces:
        data["pieces"] = list(pieces)
    if installs:
        data["installs"] = [install.to_json() for install in installs]
    return Result(digest, data)


def build_folder(settings: Settings) -> str:
    """Where builds keep what goes with an active snapshot; one folder each, named by its key."""
    return f"{settings.run_root}/build"


def scratch_folder(settings: Settings) -> str:
    """As `build_folder`, on the state folder's disk: for what may be larger than memory."""
    return f"{settings.root}/scratch"
