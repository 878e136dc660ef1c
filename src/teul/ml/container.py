"""The container of one pipeline step: prepared, run to its end, its outputs found, gone. Must not know runs or steps.

It lives no longer than the `with` block, and its mounts live in a namespace of their own: killing teul leaves a folder
and a snapshot that the next gc takes, and nothing that runs.
"""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import TracebackType

from teul.build.runs import StepDevices
from teul.errors import InvalidInput, text
from teul.host.fs import FolderLock, open_in_root, remove_tree
from teul.oci.runtime import Mount
from teul.state.leases import lease, protected

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.engine import Engine
    from teul.images import Image
    from teul.runtime.foreground import Usage
    from teul.runtime.spec import Sandbox


PREFIX = "step-"
ALL_GPUS = "nvidia.com/gpu=all"


class StepContainer:
    """`working_dir` is the image's working directory, `folder` is on the host and goes with the container."""

    def __init__(self, engine: Engine, image: Image, name: str) -> None:
        key = PREFIX + name
        self._engine = engine
        self._image = image
        self._key = key
        self.folder = f"{engine.settings.containers}/{key}"
        self._network = ("none", "")
        self._parts = ExitStack()
        self.working_dir = posixpath.normpath("/" + image.config.config.working_dir)

    def __enter__(self) -> StepContainer:
        engine = self._engine
        with ExitStack() as parts:
            # gc takes a snapshot that nobody owns, and a sweep the endpoint of a container that nobody holds.
            parts.enter_context(lease(engine.db)).add("snapshot", self._key)
            parts.callback(remove_tree, self.folder)
            os.makedirs(self.folder, mode=0o700, exist_ok=True)
            lock = FolderLock.take(self.folder)
            assert lock is not None
            parts.enter_context(lock)
            parts.callback(engine.snapshots.remove, self._key)
            engine.snapshots.prepare(self._key, engine.images.layers(self._image))
            self._network = parts.enter_context(attached(engine, self._key))
            self._parts = parts.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._parts.close()

    @property
    def gateway(self) -> str:
        """The address at which the container reaches this machine; "" without a network."""
        return self._network[1]

    def run(
        self,
        argv: Sequence[str],
        *,
        env: Sequence[str],
        mounts: Sequence[tuple[str, str]],
        clear: Sequence[str],
        gpus: bool = False,
        on_output: Callable[[str, bytes], None],
        should_stop: Callable[[], bool],
        on_usage: Callable[[Usage], object] | None = None,
    ) -> int:
        """Run *argv* as the image's user in its working directory; returns the exit code.

        Args:
            mounts: (path on the host, path in the working directory), bound read-only.
            clear: paths in the working directory at which nothing may be when it starts.
            gpus: give it all cards of this machine; on one without any it runs without.
        Raises:
            RuntimeFailed: the program does not exist or cannot be executed.
            Cancelled: *should_stop* said so.
        """
        from teul.runtime import foreground
        from teul.runtime.spec import Process, Sandbox
        from teul.values import replace

        engine, config = self._engine, self._image.config.config
        added = StepDevices()
        if gpus:
            from teul.engine.build.devices import find_devices

            said = dict(item.partition("=")[::2] for item in (*config.env, *env))
            added = find_devices(engine, ((ALL_GPUS, False),), said)

        def prepare(seen: str, sandbox: Sandbox) -> Sandbox:
            from teul.runtime.users import image_environment, resolve_user

            user = resolve_user(seen, config.user)
            _make_ready(seen, self.working_dir, clear, (user.uid, user.gid))
            process = replace(
                sandbox.process,
                uid=user.uid,
                gid=user.gid,
                groups=user.groups,
                env=image_environment(
                    config.env, (*env, *added.env, *sandbox.process.env), hostname=sandbox.hostname, home=user.home
                ),
            )
            made: Sandbox = replace(sandbox, process=process)
            return made

        sandbox = Sandbox(
            process=Process(args=tuple(argv), cwd=self.working_dir),
            rootfs=f"{self.folder}/rootfs",
            mounts=tuple(
                Mount(
                    "bind",
                    source,
                    posixpath.normpath(posixpath.join(self.working_dir, path)),
                    ("rbind", "ro", "nosuid", "nodev"),
                )
                for source, path in mounts
            )
            + added.mounts,
            devices=added.nodes,
            hooks=added.hooks,
            hostname=self._key[:12],
            network=self._network[0],
        )
        return foreground.run(
            engine.driver,
            sandbox,
            id=self._key,
            bundle=self.folder,
            rootfs_mounts=engine.snapshots.mounts(self._key),
            on_output=on_output,
            should_stop=should_stop,
            on_usage=on_usage,
            prepare=prepare,
            trust=engine.settings,
        )

    def output(self, path: str) -> str:
        """Where on the host *path* of the working directory is, if the step wrote it; no part of it is a link."""
        upper = self._engine.snapshots.upper(self._key)
        target = posixpath.normpath(posixpath.join(self.working_dir, path))
        _refuse_links(upper, posixpath.dirname(target))
        return upper + target


def sweep(engine: Engine) -> None:
    """Remove what steps left whose teul was killed: snapshots that no living lease names, folders that nobody holds."""
    living = {name for kind, name in protected(engine.db) if kind == "snapshot"}
    for key in list(engine.snapshots.keys()):
        if key.startswith(PREFIX) and key not in living:
            engine.snapshots.remove(key)
    try:
        names = [name for name in os.listdir(engine.settings.containers) if name.startswith(PREFIX)]
    except FileNotFoundError:
        return
    for name in names:
        try:
            lock = FolderLock.take(f"{engine.settings.containers}/{name}", wait=False)
        except FileNotFoundError:
            continue
        if lock is not None:
            with lock:
                remove_tree(lock.path)


@contextmanager
def attached(engine: Engine, key: str) -> Iterator[tuple[str, str]]:
    """A network namespace on the default network: its path, and the gateway's address."""
    from teul.engine import networks

    with networks.session(engine, key) as session:
        yield session.path, session.gateway


def _make_ready(root: str, working_dir: str, clear: Sequence[str], owner: tuple[int, int]) -> None:
    """Take away what is at the paths in *clear*, and give the folders that hold them to *owner* unless it is root."""
    _refuse_links(root, working_dir)
    folders = {working_dir}
    for path in clear:
        target = posixpath.normpath(posixpath.join(working_dir, path))
        folders.add(posixpath.dirname(target))
        _refuse_links(root, posixpath.dirname(target))
        remove_tree(root + target)
    for folder in sorted(folders):
        try:
            descriptor = open_in_root(root, folder, os.O_RDONLY | os.O_DIRECTORY)
        except (FileNotFoundError, NotADirectoryError):
            continue
        try:
            if owner[0] and os.fstat(descriptor).st_uid != owner[0]:
                os.fchown(descriptor, *owner)
        finally:
            os.close(descriptor)


def _refuse_links(root: str, path: str) -> None:
    """Raises: InvalidInput when a part of *path* (absolute, normal) is a link in *root*: it could lead anywhere."""
    at = ""
    for part in path.strip("/").split("/"):
        at = f"{at}/{part}"
        try:
            if stat.S_ISLNK(os.lstat(root + at).st_mode):
                raise InvalidInput(text("`{path}` of the image is a link; a step's files cannot lie there", path=at))
        except FileNotFoundError:
            return
