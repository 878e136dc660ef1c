"""What a RUN sees besides its tree: bind, cache, tmpfs and secret mounts, and heredoc scripts. Gone when it ends.

Spec: Dockerfile reference, "RUN --mount".
"""

from __future__ import annotations

import hashlib
import os

from teul.build import ops
from teul.errors import InvalidInput, text
from teul.oci.runtime import Mount

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import ExitStack
    from dataclasses import dataclass

    from teul.build.cache_mounts import LentCache
    from teul.build.dockerfile.mounts import RunMount
    from teul.build.execute import BuildWorker
    from teul.build.masking import Mask
    from teul.build.tree import Tree
    from teul.config import Settings
    from teul.runtime.spec import Device, Hook
    from teul.solver.graph import Result
else:
    from teul.values import dataclass

TAIL_LINES = 20
TAIL_BYTES = 4096
BIND = ("rbind", "nosuid", "nodev")


@dataclass(frozen=True, slots=True, kw_only=True)
class StepDevices:
    """What the devices of a RUN bring with them."""

    env: tuple[str, ...] = ()
    mounts: tuple[Mount, ...] = ()
    nodes: tuple[Device, ...] = ()
    hooks: tuple[Hook, ...] = ()
    groups: tuple[int, ...] = ()


class RunMounts:
    """The mounts of one RUN, made in the order they are written; *stack* undoes them.

    `mounts` are for the sandbox, `env` are the secrets that were asked for as variables, `mask` stars them in the output.
    """

    def __init__(
        self, worker: BuildWorker, op: ops.Run, inputs: Sequence[Result], folder: str, stack: ExitStack
    ) -> None:
        self._worker = worker
        self._folder = folder
        self._stack = stack
        self.env: list[str] = []
        self._given: list[bytes] = []
        self.caches: list[LentCache] = []
        made: list[Mount] = []
        origins = dict(zip(ops.origins(op.mounts), inputs[1:], strict=True))
        for number, mount in enumerate(op.mounts):
            origin = origins.get(number)
            if mount.type == "bind":
                made.append(self._bind(mount, number, origin))
            elif mount.type == "cache":
                made.append(self._cache(mount, origin))
            elif mount.type == "tmpfs":
                size = (f"size={mount.size_bytes}",) if mount.size_bytes else ()
                made.append(Mount("tmpfs", "tmpfs", mount.target, ("nosuid", "nodev", "mode=1777", *size)))
            elif mount.type == "ssh":
                made += self._ssh(mount, number)
            else:
                made += self._secret(mount, number)
        if op.script:
            path = f"{folder}/script"
            with open(path, "x", encoding="utf-8", errors="surrogateescape", newline="") as file:
                file.write(op.script)
                os.fchmod(file.fileno(), 0o755)
            made.append(Mount("bind", path, op.script_path, (*BIND, "ro")))
        if op.extra_hosts:
            from teul.build.execute import HOSTNAME
            from teul.runtime.names import hosts_text

            path = f"{folder}/hosts"
            hosts = hosts_text([("127.0.1.1", [HOSTNAME])], extra=op.extra_hosts, gateway=worker.gateway())
            with open(path, "x") as file:
                file.write(hosts)
                os.fchmod(file.fileno(), 0o644)
            made.append(Mount("bind", path, "/etc/hosts", (*BIND, "ro")))
        self.mounts = tuple(made)
        self.mask: Mask | None = None
        if self._given:
            from teul.build.masking import Mask

            self.mask = Mask(self._given)

    def _bind(self, mount: RunMount, number: int, origin: Result | None) -> Mount:
        """Files of a context or another tree. Writes to a writable one are lost."""
        if origin is not None:
            root = self._stack.enter_context(self._worker.viewed(origin))
            source = self._inside(root, mount)
        else:
            tree = self._worker.contexts[mount.identity]
            paths = tree.select(mount.source or "/")
            if not paths:
                raise InvalidInput(
                    text(
                        "`{source}` not found in {where}",
                        source=mount.source,
                        where=text("the context {path}", path=tree.name),
                    )
                )
            source = self._without_ignored(tree, paths[0][1], number)
        if mount.is_readonly:
            return Mount("bind", source, mount.target, (*BIND, "ro"))
        return Mount("bind", self._writable(source, number), mount.target, BIND)

    def _inside(self, root: str, mount: RunMount) -> str:
        from teul.build.tree import Tree

        tree = Tree(root)
        path = tree.resolve(mount.source)
        if not os.path.lexists(tree.absolute(path)):
            raise InvalidInput(text("`{source}` not found in {where}", source=mount.source, where=f"`{mount.origin}`"))
        return tree.absolute(path)

    def _mounted(self, mount: Mount, name: str) -> str:
        from teul.host.mount import mounted

        self._worker.own_namespace()
        target = f"{self._folder}/{name}"
        os.makedirs(target)
        self._stack.enter_context(mounted((mount,), target))
        return target

    def _without_ignored(self, tree: Tree, path: str, number: int) -> str:
        """A folder of the context as it is, or under a layer of whiteouts for what `.dockerignore` excludes."""
        import stat

        source = tree.absolute(path)
        if tree.ignore is None or not os.path.isdir(source):
            return source
        marks = f"{self._folder}/ignored-{number}"
        os.makedirs(marks)
        found = False
        pending = [path]
        visible = {entry.path for entry in tree.walk(path)}
        while pending:
            folder = pending.pop()
            for name in os.listdir(tree.absolute(folder)):
                inner = f"{folder}/{name}" if folder else name
                if inner in visible:
                    if os.path.isdir(tree.absolute(inner)) and not os.path.islink(tree.absolute(inner)):
                        pending.append(inner)
                    continue
                found = True
                mark = f"{marks}/{inner[len(path) :].lstrip('/')}"
                os.makedirs(os.path.dirname(mark), exist_ok=True)
                os.mknod(mark, stat.S_IFCHR, os.makedev(0, 0))
        if not found:
            return source
        from teul.host.mount import OVERLAY_OPTIONS, join_layers

        lower = f"lowerdir={join_layers([marks, source])}"
        return self._mounted(Mount("overlay", "overlay", "", (lower, "ro", *OVERLAY_OPTIONS)), f"bind-{number}")

    def _writable(self, source: str, number: int) -> str:
        """The same files with a throw-away layer on top."""
        from teul.host.mount import OVERLAY_OPTIONS, join_layers

        if not os.path.isdir(source):
            import shutil

            copy = f"{self._folder}/copy-{number}"
            shutil.copy2(source, copy)
            return copy
        upper, work = f"{self._folder}/upper-{number}", f"{self._folder}/work-{number}"
        os.makedirs(upper)
        os.makedirs(work)
        options = (f"lowerdir={join_layers([source])}", f"upperdir={upper}", f"workdir={work}", *OVERLAY_OPTIONS)
        return self._mounted(Mount("overlay", "overlay", "", options), f"writable-{number}")

    def _cache(self, mount: RunMount, origin: Result | None) -> Mount:
        """A folder that outlives the build: `cache/<digest of its id>/<n>` in the state folder."""
        from teul.build.cache_mounts import LentCache
        from teul.host.fs import FolderLock

        place = cache_mount_folder(self._worker.settings, mount)
        os.makedirs(place, mode=0o711, exist_ok=True)
        number = 0
        while True:
            path = f"{place}/{number}"
            lock = FolderLock.take(
                f"{path}.lock", shared=mount.sharing == "shared", wait=mount.sharing != "private", make=True
            )
            if lock is not None:
                break
            number += 1
        self._stack.enter_context(lock)
        if not os.path.isdir(path):
            self._fill_cache(mount, origin, path)
            with open(f"{place}/name", "w", encoding="utf-8", errors="surrogateescape") as file:
                file.write(mount.identity or mount.target)
        os.utime(lock.descriptor)  # when it was last used
        self.caches.append(LentCache(mount.identity or mount.target, path, os.fstat(lock.descriptor).st_ctime_ns, lock))
        return Mount("bind", path, mount.target, (*BIND, *(("ro",) if mount.is_readonly else ())))

    def _fill_cache(self, mount: RunMount, origin: Result | None, path: str) -> None:
        from teul.host.fs import remove_tree

        temporary = f"{path}.{os.urandom(4).hex()}"
        os.mkdir(temporary, 0o755)
        try:
            elsewhere = self._worker.elsewhere
            place, _, number = path.rpartition("/")
            if elsewhere is not None and number == "0" and elsewhere.bring_mount(os.path.basename(place), temporary):
                pass
            elif origin is not None:
                from teul.build.copying import Copier
                from teul.build.tree import Tree

                with self._worker.viewed(origin) as root:
                    tree = Tree(root, owners=True)
                    for entry_name, found in tree.select(mount.source or "/"):
                        Copier(temporary, owner=None).place(tree, found, entry_name, "/")
            os.chown(temporary, mount.uid, mount.gid)
            os.chmod(temporary, 0o755 if mount.mode is None else mount.mode)
            try:
                os.rename(temporary, path)
            except OSError:
                if not os.path.isdir(path):  # another build was faster
                    raise
        finally:
            remove_tree(temporary)

    def _ssh(self, mount: RunMount, number: int) -> list[Mount]:
        """A socket to the agent that `--ssh` gave to its id; without one the mount is left out unless it is required."""
        from teul.build.ssh import forwarded

        # Docker sets the variable in any case, to the first mount's target.
        if not any(entry.startswith("SSH_AUTH_SOCK=") for entry in self.env):
            self.env.append(f"SSH_AUTH_SOCK={mount.target}")
        agents = self._worker.ssh
        if agents is None or mount.identity not in agents:
            if mount.required:
                raise InvalidInput(
                    text("unset ssh forward key {id}", id=mount.identity), hint=text("--ssh {id}", id=mount.identity)
                )
            return []
        path = f"{self._folder}/ssh-{number}"
        agent = agents.socket(mount.identity)
        mode = 0o600 if mount.mode is None else mount.mode
        self._stack.enter_context(forwarded(agent, path, mode=mode, uid=mount.uid, gid=mount.gid))
        return [Mount("bind", path, mount.target, (*BIND, "noexec"))]

    def _secret(self, mount: RunMount, number: int) -> list[Mount]:
        """A secret as a file (in memory only) or as a variable; one that is not given is an error only when required."""
        value = self._worker.secrets.get(mount.identity)
        if value is None:
            if mount.required:
                raise InvalidInput(
                    text("secret `{id}` is required", id=mount.identity),
                    hint=text("--secret id={id},src=FILE", id=mount.identity),
                )
            return []
        self._given.append(value)
        if mount.env:
            self.env.append(f"{mount.env}={value.decode('utf-8', 'surrogateescape')}")
        if not mount.target:
            return []
        path = f"{self._folder}/secret-{number}"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(value)
            os.fchown(file.fileno(), mount.uid, mount.gid)
            os.fchmod(file.fileno(), 0o400 if mount.mode is None else mount.mode)
        return [Mount("bind", path, mount.target, (*BIND, "ro", "noexec"))]


def cache_mount_folder(settings: Settings, mount: RunMount) -> str:
    """Where the folders of a cache mount lie, one for each RUN that has it for itself at a time."""
    name = hashlib.sha256((mount.identity or mount.target).encode("utf-8", "surrogateescape")).hexdigest()[:32]
    return f"{settings.root}/cache/{name}"


def last_lines(data: bytes) -> str:
    """The end of a process's output."""
    lines = data[-TAIL_BYTES:].decode(errors="replace").replace("\r", "\n").strip().split("\n")
    return "\n".join(lines[-TAIL_LINES:])


def cgroup_below(parent: str, path: str) -> str:
    """Where a step is counted: *path*, below `--cgroup-parent` when one is given."""
    return f"/{parent.strip('/')}{path}" if parent.strip("/") else path


def parse_ulimit(value: str) -> tuple[str, int, int]:
    name, _, limits = value.partition("=")
    soft, _, hard = limits.partition(":")
    return name, int(soft), int(hard or soft)
