"""Whether a RUN can be done without running it, and doing it: recognise, find the Python, resolve, install.

Every doubt ends here with a line that says why, and the command runs as written; what the attempt left is removed.
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
from importlib import import_module

from teul.build.python.as_of import as_day
from teul.build.python.command import ROOT_USERS, recognise
from teul.build.python.effects import doubt_of_effects
from teul.build.python.interpreter import PROBE, ask, find_python, relevant_layers, tops_of
from teul.build.python.owner import doubt_of_home
from teul.build.python.poetry_command import Poetry
from teul.build.python.sync_command import Sync
from teul.build.python.values import Doubt, Interpreter
from teul.build.tree import Tree
from teul.errors import Cancelled, LockError, NoInterpreter, NoUploadTimes, TeulError, text
from teul.events import Step, Warn
from teul.host.fs import remove_tree
from teul.oci.digest import Digest
from teul.solver.graph import digest_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from teul.build import ops
    from teul.build.execute import BuildWorker
    from teul.build.python.command import Install
    from teul.build.python.cut import Piece
    from teul.build.python.indexes import Indexes
    from teul.build.python.lock import LockedInstall, LockedWheel
    from teul.build.python.owner import Owner
    from teul.build.python.uv import Host
    from teul.build.python.values import Resolution, Wheel
    from teul.build.rehearsal import Rehearsal
    from teul.errors import Text
    from teul.registry.transport import Transport
    from teul.solver import Task
    from teul.solver.graph import Result

_LOOKS_LIKE_INSTALL = re.compile(r"\b(?:pip[0-9.]*|uv|poetry)\b(?s:.*)\b(?:install|sync)\b")
IDENTITY = "2"
"""Raised when an interpreter's identity is found in another way."""
_KEPT_VARIABLES = ("PATH", "LD_LIBRARY_PATH")
PROBE_KEY = ("python", IDENTITY, hashlib.sha256(PROBE.encode()).hexdigest())
FILE_LIMIT_BYTES = 1 << 30


def looks_like_install(op: ops.Run) -> bool:
    """Whether it is worth a closer look."""
    return _LOOKS_LIKE_INSTALL.search(" ".join(op.args)) is not None


def attempt(
    worker: BuildWorker,
    op: ops.Run,
    below: Result,
    upper: str,
    task: Task,
    installs: list[LockedInstall],
    rehearsal: Rehearsal,
) -> list[Piece] | None:
    """Do what *op* installs, or say why not.

    Args:
        rehearsal: runs a changed *op* in copies of the stage.
        upper: the empty folder of what goes on top of the layers; left empty when nothing came of it.
        installs: gets what was resolved.

    Returns: the layers, bottom first, without the one of *upper*; None when the command has to run.

    Raises:
        LockError: what the lock says cannot be done.
        NoUploadTimes: an index that cannot tell what it had on the day that is meant.
    """
    stage = Stage(worker, op, below, task, rehearsal)
    try:
        made = _attempt(stage, upper, installs)
    except (Cancelled, LockError, NoUploadTimes):
        raise
    except TeulError as error:
        made = Doubt(text("{problem}", problem=error.message))
    finally:
        stage.close()
    if isinstance(made, Doubt):
        installs.clear()
        if worker.as_of:
            message = text(
                "as of {date} may not hold for a command that runs: {reason}",
                date=as_day(worker.as_of),
                reason=made.reason,
            )
            task.events(Warn(task.id, "not-as-of", message))
        for name in os.listdir(upper):
            remove_tree(f"{upper}/{name}")
        stage.say(text("the command runs as written: {reason}", reason=made.reason))
        return None
    return made


def _attempt(stage: Stage, upper: str, installs: list[LockedInstall]) -> list[Piece] | Doubt:
    install = recognise(stage.op, env=stage.env)
    if isinstance(install, Doubt):
        return install
    if isinstance(install, Sync):
        from teul.build.python.syncing import install_synced

        return install_synced(stage, install, upper)
    if isinstance(install, Poetry):
        from teul.build.python.poetry_install import install_by_poetry

        return install_by_poetry(stage, install, upper)
    with stage.worker.viewed(stage.below) as root:
        tree = Tree(root)
        owner = stage.owner(tree)
        doubt = doubt_of_home(owner, stage.env, keeps_cache=install.keeps_cache) or doubt_of_effects(
            stage.op, install, tree, owner, stage.env
        )
        if doubt is not None:
            return doubt
        python = stage.find_python(install, tree)
        for mount in stage.op.mounts:
            target = os.path.normpath(mount.target) + "/"
            if mount.type == "bind" and (
                f"{python.prefix}/".startswith(target) or target.startswith(f"{python.prefix}/")
            ):
                return Doubt(text("`--mount=type={type},target={target}`", type=mount.type, target=mount.target))
        host = host_of(stage)
        ahead = threading.Thread(target=_load_ahead, args=(stage, install), name="teul-load", daemon=True)
        ahead.start()
        resolution = _resolve(stage, install, python, tree, host, installs)
        ahead.join()
        if isinstance(resolution, Doubt):
            installs.clear()
            asked = _ask_pip(stage, install, python, tree, host, resolution, installs)
            if isinstance(asked, Doubt):
                return asked
            resolution = asked
        return stage.install(resolution, tree, upper, uv=install.program if install.tool == "uv" else "")


def _load_ahead(stage: Stage, install: Install) -> None:
    """Import and read what installing needs while uv is waited for."""
    for name in ("teul.build.python.direct", "teul.registry.transport", "zipfile"):
        import_module(name)
    index = install.index_url or "https:"
    if not stage.worker.is_offline and index.startswith("https:"):
        try:
            stage.transport().prepare(index)
        except (TeulError, OSError, ValueError):
            return  # who fetches says so


def _ask_pip(
    stage: Stage,
    install: Install,
    python: Interpreter,
    tree: Tree,
    host: Host,
    doubt: Doubt,
    installs: list[LockedInstall],
) -> Resolution | Doubt:
    """Where only the choice of wheels is in doubt, pip's own answer: the command as it is, told to do nothing but report.

    It takes as long as pip needs to search; fetching, unpacking and compiling are still saved. A lock keeps the answer,
    so that pip is asked once.
    """
    from teul.build.python.building import built_wheel, install_words, keep
    from teul.build.python.indexes import indexes_of
    from teul.build.python.report import read_report
    from teul.build.python.requirements import read_requirements
    from teul.build.python.resolving import locked
    from teul.values import replace

    numbers = [int(part) for part in python.pip_version.split(".")[:2] if part.isdigit()]
    if stage.worker.is_offline or stage.worker.as_of:
        return doubt  # pip knows neither
    if not doubt.is_of_choice:
        return doubt
    if install.tool != "pip" or install.then or numbers < [23, 0] or not stage.owner(tree).is_root:
        return doubt
    stage.say(text("asking pip what it would install: {reason}", reason=doubt.reason))
    path = f"/tmp/.teul-report-{os.urandom(6).hex()}.json"
    # Not by variables: a pip that gets what an archive needs to be built would obey them too.
    args = (python.path, "-m", "pip", "install", "--dry-run", "--quiet", "--report", path, *install_words(install))
    assert stage.rehearsal is not None
    data = stage.rehearsal.file(replace(stage.op, args=args, cwd=install.cwd), path)
    if data is None:
        return doubt
    lent = tuple(f"{folder}/" for folder in stage.lent_folders())
    read = stage.reader(tree)
    wanted = read_requirements(
        install.requirements, install.files, install.constraints, cwd=install.cwd, env=stage.env, read=read
    )
    if isinstance(wanted, Doubt):
        return wanted
    asked = [item.name for item in wanted.wanted if item.name]
    indexes = indexes_of(install, wanted)

    taken: list[str] = []

    def take(path: str, sha256: str) -> str:
        content = read(path)
        found = hashlib.sha256(content).hexdigest() if content is not None else ""
        if content is None or found != (sha256 or found):
            return ""
        keep(stage, Digest.from_hex(found), content)
        taken.append(path)
        return found

    def build(name: str, version: str, url: str, sha256: str, is_asked: bool) -> Wheel | None:
        return built_wheel(
            stage, python, indexes, name=name, version=version, url=url, sha256=sha256, is_asked=is_asked
        )

    found = read_report(data, install, python, asked=asked, lent=lent, take=take, build=build)
    if not isinstance(found, Doubt) and not taken:  # a wheel in the stage may be another one next time
        installs.append(locked(install, wanted, found, host, _command(stage)))
    return found


def host_of(stage: Stage) -> Host:
    from teul.build.python.uv import Host

    def built(wheel: LockedWheel, indexes: Indexes, python: Interpreter) -> bytes:
        from teul.build.python.building import rebuilt

        return rebuilt(stage, python, indexes, wheel)

    settings = stage.worker.settings
    return Host(
        cache_folder=f"{settings.root}/uv",
        environ=settings.environ or {},
        lent_folders=stage.lent_folders(),
        as_of=stage.worker.as_of,
        lock=stage.worker.lock,
        is_offline=stage.worker.is_offline,
        should_stop=stage.task.should_stop,
        has_blob=lambda sha256: stage.worker.store.has(Digest.from_hex(sha256)),
        built=built,
    )


def _command(stage: Stage) -> str:
    """What the lock calls the instruction."""
    return " ".join(stage.op.args)


def _resolve(
    stage: Stage, install: Install, python: Interpreter, tree: Tree, host: Host, installs: list[LockedInstall]
) -> Resolution | Doubt:
    from teul.build.python.resolving import resolve

    def list_folder(path: str) -> list[str]:
        try:
            return sorted(os.listdir(tree.absolute(tree.resolve(path))))
        except (FileNotFoundError, NotADirectoryError):
            return []

    return resolve(
        install,
        python,
        host,
        env=stage.env,
        read=stage.reader(tree),
        list_folder=list_folder,
        command=_command(stage),
        learned=installs,
        home=stage.owner(tree).home,
    )


def reader(tree: Tree) -> Callable[[str], bytes | None]:
    """Reads a regular file of *tree* by its path there; None for anything else."""
    import stat

    def read(path: str) -> bytes | None:
        place = tree.absolute(tree.resolve(path))
        try:
            status = os.lstat(place)
            if not stat.S_ISREG(status.st_mode) or status.st_size > FILE_LIMIT_BYTES:
                return None
            with open(place, "rb") as file:
                return file.read()
        except (FileNotFoundError, NotADirectoryError):
            return None

    return read


class Stage:
    """The stage that an install goes into, and what the attempt opens."""

    def __init__(
        self, worker: BuildWorker, op: ops.Run, below: Result, task: Task, rehearsal: Rehearsal | None = None
    ) -> None:
        from teul.runtime.host_trust import fill, trust_env

        self.worker = worker
        self.op = op
        self.below = below
        self.task = task
        self.parents = worker.snapshots.resolve([Digest(item) for item in below.data["diff_ids"]])
        settings = trust_env(worker.settings, shares_network=op.network == "host")
        self.env: Mapping[str, str] = dict(entry.partition("=")[::2] for entry in fill((*op.env, *op.proxy), settings))
        self.rehearsal = rehearsal
        self._keys: list[str] = []
        self._transport: Transport | None = None
        self._said = 0

    def say(self, message: Text) -> None:
        """A line of the progress."""
        self._said += 1
        step = f"{self.task.id} install {self._said}"
        self.task.events(Step(step, message, "started", (self.task.id,)))
        self.task.events(Step(step, message, "done"))

    def reader(self, tree: Tree) -> Callable[[str], bytes | None]:
        """As `reader`, with what the context lends to the RUN in its place."""
        from teul.layers.lower import Lower

        owner = self.owner(tree)
        whole = reader(tree)
        lower = Lower([self.worker.snapshots.layer(name).folder for name in self.parents])

        def inside(path: str) -> bytes | None:
            if owner.uid and not owner.may_reach(lower, tree.resolve(path), os.R_OK):
                return None
            return whole(path)

        lent = [mount for mount in reversed(self.op.mounts) if mount.type == "bind" and not mount.origin]

        def read(path: str) -> bytes | None:
            path = os.path.normpath(path)
            for mount in lent:
                target = os.path.normpath(mount.target)
                if path == target or path.startswith(f"{target}/"):
                    context = self.worker.contexts[mount.identity]
                    source = os.path.normpath("/" + mount.source + path[len(target) :])
                    return reader(context)(source) if context.is_visible(source.strip("/")) else None
            return inside(path)

        return read

    def lent_folders(self) -> tuple[str, ...]:
        """The folders of this host that a RUN sees at the same path."""
        from teul.runtime.host_trust import pip_folders

        return tuple(pip_folders(self.worker.settings.environ or {}))

    def transport(self) -> Transport:
        if self.worker.is_offline:
            raise LockError(
                text("a wheel that the build needs is not on this machine"), hint=text("build once without --offline")
            )
        if self._transport is None:
            from teul.registry.transport import Transport

            self._transport = Transport(self.worker.settings.environ or {})
        return self._transport

    def abort(self) -> None:
        """End what is being fetched, from any thread."""
        if self._transport is not None:
            self._transport.abort()

    def close(self) -> None:
        for key in self._keys:
            self.worker.give_up(key)
        if self._transport is not None:
            self._transport.close()

    def scratch(self) -> str:
        """An empty active snapshot that goes with the attempt."""
        key = f"build-{os.urandom(8).hex()}"
        self.worker.hold("snapshot", key)
        self.worker.snapshots.prepare(key, ())
        self._keys.append(key)
        return key

    def find_python(self, install: Install, tree: Tree) -> Interpreter:
        """The Python that *install* runs on; asked once for all stages in which the answer is the same.

        Raises:
            NoInterpreter: none, or not a usual one.
        """
        program = install.interpreter or install.program
        path = find_python(tree, program, self.env, install.cwd)
        if install.tool == "uv":
            self._check_uv(install, tree, path)
        for step in install.then:
            other = find_python(tree, step.interpreter or step.program, self.env, step.cwd)
            if other != path:
                raise NoInterpreter(text("it installs for `{one}` and for `{other}`", one=path, other=other))
        python = self.probe(path, tree, self.key_of(PROBE_KEY, path, tree))
        if python.is_virtual and any(step.is_system for step in (install, *install.then)):
            raise NoInterpreter(text("uv passes over the virtual environment `{path}`", path=python.prefix))
        return python

    def probe(self, path: str, tree: Tree, key: str) -> Interpreter:
        """What the Python at *path* says of itself, remembered as *key*."""
        row = self.worker.cache.find(key)
        if row is not None:
            return Interpreter.from_json(row["data"]["python"])
        python = ask(path, tree, self._output_of, self.env)
        self.worker.cache.put(key, "", path, {"digest": key, "data": {"python": python.to_json()}})
        return python

    def install(self, resolution: Resolution, tree: Tree, upper: str, *, uv: str = "") -> list[Piece]:
        """The layers of *resolution* (see `direct`); *uv* is the program that installs, "" where it is another."""
        from teul.build.python.direct import DirectInstall
        from teul.build.python.replacing import Gone, taken_away

        gone = Gone()
        if resolution.removed:
            wheels = {wheel.name: wheel for wheel in resolution.wheels}
            for old in resolution.removed:
                new = wheels[old.name]
                self.say(text("`{name}` {old} below becomes {new}", name=old.name, old=old.version, new=new.version))
            gone = taken_away(self, resolution.removed, resolution.interpreter, tree, uv=uv)
        doing = DirectInstall(
            resolution,
            snapshots=self.worker.snapshots,
            store=self.worker.store,
            cache=self.worker.cache,
            hold=self.worker.hold,
            transport=self.transport,
            abort=self.abort,
            run=self.run,
            read=reader(tree),
            parents=self.parents,
            scratch=self.scratch,
            say=self.say,
            should_stop=self.task.should_stop,
            epoch=self.op.epoch,
            is_checked=bool(self.env.get("SOURCE_DATE_EPOCH")),
            owner=self.owner(tree),
            gone=gone,
        )
        try:
            return doing.install(upper)
        finally:
            doing.finish()

    def _check_uv(self, install: Install, tree: Tree, python: str) -> None:
        """The stage's uv must be one that writes what is known here, and take *python*.

        Raises:
            NoInterpreter: it is not, or may take another.
        """
        from teul.build.python.interpreter import find_program

        self.check_uv_version(install.program, install.cwd, tree)
        if install.is_system:
            # uv goes through the folders of PATH, and looks for `python` before `python3` in each.
            other = find_program(tree, "python3", self.env)
            if os.path.dirname(other) != os.path.dirname(python):
                raise NoInterpreter(text("uv may take `{one}` or `{other}`", one=python, other=other))

    def check_uv_version(self, program: str, cwd: str, tree: Tree) -> None:
        """The stage's uv must be one that writes what is known here.

        Raises:
            NoInterpreter: it is not.
        """
        from teul.build.python.interpreter import find_program
        from teul.build.python.uv import uv_version

        path = find_program(tree, program, self.env, cwd)
        key = self.key_of(["uv"], path, tree)
        row = self.worker.cache.find(key)
        if row is None:
            _, said = self._output_of((path, "--version"))
            words = said.decode(errors="replace").split()
            version = words[1] if words[:1] == ["uv"] and len(words) > 1 else ""
            self.worker.cache.put(key, "", path, {"digest": key, "data": {"version": version}})
        else:
            version = row["data"]["version"]
        own = uv_version()
        if version.split(".")[:2] != own.split(".")[:2]:
            raise NoInterpreter(text("uv {version} of the stage may differ from uv {own}", version=version, own=own))

    def _output_of(self, args: tuple[str, ...]) -> tuple[int, bytes]:
        said: list[bytes] = []
        return self.run(args, on_output=said.append), b"".join(said)

    def key_of(self, what: Sequence[str], path: str, tree: Tree, *, own: str = "") -> str:
        """The key of what the program at *path* answered: by the layers that may have a say in it.

        Args:
            own: the layer that has all of the environment in which the program is, but for the Python it leads to.
        """
        snapshots = self.worker.snapshots
        pairs = [(name, snapshots.layer(name).folder) for name in self.parents if name != own]
        layers = relevant_layers(pairs, tops_of(tree, tree.resolve(path) if own else path, self.env))
        env = [f"{name}={self.env[name]}" for name in _KEPT_VARIABLES if self.env.get(name)]
        return digest_of([*what, path, env, [*layers, *([own] if own else [])]])

    def stand_on(self, pieces: Sequence[Piece]) -> None:
        """Take *pieces*, layers that the attempt made, as the stage's."""
        from teul.build.execute import tree_result

        diff_ids = [*self.below.data["diff_ids"], *(piece.diff_id for piece in pieces)]
        self.below = tree_result(tuple(diff_ids))
        self.parents = self.worker.snapshots.resolve([Digest(item) for item in diff_ids])

    def owner(self, tree: Tree) -> Owner:
        """Whom the command runs as."""
        from teul.build.python.owner import Owner
        from teul.runtime.users import resolve_user

        if self.op.user in ROOT_USERS:
            return Owner()
        user = resolve_user(tree.root, self.op.user)
        return Owner(user.uid, user.gid, user.groups, user.home, user.name)

    def run(
        self,
        args: Sequence[str],
        *,
        binds: Sequence[tuple[str, str, bool]] = (),
        stdin: int | None = None,
        more_env: Sequence[str] = (),
        on_output: Callable[[bytes], None],
        should_stop: Callable[[], bool] | None = None,
    ) -> int:
        """Run a command in a copy of the stage that is thrown away, without a network; gives its exit code."""
        from teul.oci.runtime import Mount
        from teul.runtime.foreground import run
        from teul.runtime.spec import Process, Sandbox

        stop = should_stop or self.task.should_stop
        # Sets of constants are written in the order of their hashes.
        env = ["PYTHONHASHSEED=0", *(f"{name}={self.env[name]}" for name in _KEPT_VARIABLES if self.env.get(name))]
        if not self.env.get("PATH"):
            env.append("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        with self.worker.active(self.below) as active:
            sandbox = Sandbox(
                process=Process(args=tuple(args), env=(*env, "HOME=/root", "LANG=C.UTF-8", *more_env), cwd="/"),
                rootfs=f"{active.folder}/rootfs",
                mounts=tuple(
                    Mount("bind", source, target, ("rbind", "nosuid", "nodev", "ro" if is_readonly else "rw"))
                    for source, target, is_readonly in binds
                ),
                hostname="teul",
                network="none",
            )
            code = run(
                self.worker.driver(),
                sandbox,
                id=active.key,
                bundle=active.folder,
                rootfs_mounts=self.worker.snapshots.mounts(active.key),
                stdin=stdin,
                on_output=lambda _, data: on_output(data),
                should_stop=lambda: stop() or self.task.should_stop(),
            )
            self.worker.give_up(active.key)
        return code
