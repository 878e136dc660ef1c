"""`Driver`: runc or crun, whichever works on this host. Must not know containers, images or networks.

Which one works is found by running a real container once (crun refuses hosts with a hybrid cgroup tree, for one), and
is remembered beside the state together with why the other was refused, for as long as the binaries stay the same.

Spec: runtime-spec v1.1 runtime.md, "Operations"; the command line is runc's and crun's common part.
"""

from __future__ import annotations

import errno
import os
import select
import time

from teul.errors import HostLacks, RuntimeFailed, text
from teul.host import launch
from teul.plain_json import dumps, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dataclasses import dataclass
    from typing import Any

    from teul.config import Settings
else:
    from teul.values import dataclass

CANDIDATES = ("crun", "runc")
"""crun first: where it works it starts a container in half the time."""
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
RELEASE_TIMEOUT_MS = 10_000
NOT_FOUND = ("executable file not found", "no such file or directory", "not found")
NOT_EXECUTABLE = ("permission denied", "exec format error", "is a directory")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a runtime that is installed was not taken."""

    name: str
    path: str
    reason: str


class Driver:
    """The runtime's verbs. Container state lies under `root`, apart from everyone else's; `folder` is the state folder."""

    def __init__(
        self, name: str, path: str, *, root: str, instance: str, folder: str = "", refused: tuple[Refusal, ...] = ()
    ) -> None:
        self.name = name
        self.path = path
        self.root = root
        self.instance = instance
        self.folder = folder
        self.refused = refused
        self.environment = {"PATH": os.environ.get("PATH") or SYSTEM_PATH}
        for name_ in ("XDG_RUNTIME_DIR", "HOME", "DBUS_SESSION_BUS_ADDRESS"):
            if name_ in os.environ:
                self.environment[name_] = os.environ[name_]

    def argv(self, *words: str, log: str = "") -> tuple[str, ...]:
        """The command line of one verb; with *log* the runtime's own errors go into that file, one JSON object a line."""
        options = ("--log", log, "--log-format", "json") if log else ()
        return (self.path, "--root", self.root, *options, *words)

    def cgroup_path(self, id: str, parent: str = "") -> str:  # noqa: A002
        """Where a container's processes are counted: one level, so that nothing is left when the container goes."""
        return f"{parent.rstrip('/')}/teul-{self.instance}-{id}"

    def update(self, id: str, resources: dict[str, Any]) -> None:  # noqa: A002
        """Give a running container other limits (`linux.resources` of the runtime's spec).

        Raises:
            RuntimeFailed: the kernel does not take them.
        """
        argv = self.argv("update", "--resources", "-", id)
        done = launch.capture(argv, stdin=dumps(resources).encode(), env=self.environment)
        if done.exit_code != 0:
            raise self._failure(done.argv, done.exit_code, done.stderr)

    def cgroups(self, id: str) -> list[str]:  # noqa: A002
        """The folders of a container's cgroups, that of the processes' count first; [] when it is not known."""
        try:
            with open(f"{self.root}/{id}/state.json", "rb") as file:
                found = loads(file.read())["cgroup_paths"]
            return [found[name] for name in sorted(found, key=lambda name: name not in ("", "pids"))]
        except (OSError, ValueError, KeyError, TypeError):
            path = self.cgroup_path(id)
            return [f"/sys/fs/cgroup/pids{path}", f"/sys/fs/cgroup{path}"]

    def pause(self, id: str) -> None:  # noqa: A002
        """Freeze all processes of a container. Raises: RuntimeFailed."""
        self._run("pause", id)

    def resume(self, id: str) -> None:  # noqa: A002
        """Let them go on. Raises: RuntimeFailed."""
        self._run("resume", id)

    def state(self, id: str) -> dict[str, Any] | None:  # noqa: A002
        """The runtime's own view (`status`, `pid` …), or None when it knows no such container."""
        done = launch.capture(self.argv("state", id), env=self.environment)
        if done.exit_code != 0:
            return None
        made: dict[str, Any] = loads(done.stdout)
        return made

    def start(self, id: str, *, pid: int = 0) -> None:  # noqa: A002
        """Let a created container run; *pid*, its first process, saves a call of the runtime where it is known how.

        Raises:
            RuntimeFailed: its program cannot be started (`exit_code` is 126 or 127 where that is why).
        """
        if not (self.name == "runc" and pid and self._release(id, pid)):
            self._run("start", id)

    def kill(self, id: str, signal: int, *, everything: bool = False) -> bool:  # noqa: A002
        """Send *signal* to the container's first process, or to all; False when there is nothing to be killed."""
        words = ("kill", "--all", id, str(signal)) if everything else ("kill", id, str(signal))
        done = launch.capture(self.argv(*words), env=self.environment)
        return done.exit_code == 0

    def delete(self, id: str, *, force: bool = False) -> None:  # noqa: A002
        """Forget a container that ended (with *force*: end it first); idempotent."""
        words = ("delete", "--force", id) if force else ("delete", id)
        done = launch.capture(self.argv(*words), env=self.environment)
        if done.exit_code != 0 and os.path.isdir(f"{self.root}/{id}"):
            raise self._failure(done.argv, done.exit_code, done.stderr)

    def forget(self, id: str) -> None:  # noqa: A002
        """As `delete`, of a container whose every process is known to be gone: what is left are empty folders.

        The runtime's own `delete` does no more (8 ms); whatever looks different from that is left to it.
        """
        if self.name != "runc" or not self._clear(id):
            self.delete(id, force=True)

    def _release(self, id: str, pid: int) -> bool:  # noqa: A002
        """What `runc start` does: read the byte with which the first process waits for somebody at its pipe.

        False, with nothing done, when there is no such pipe or the process went away.
        """
        path = f"{self.root}/{id}/exec.fifo"
        try:
            waiting = os.pidfd_open(pid)
        except OSError:
            return False
        try:
            pipe = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            os.close(waiting)
            return False
        try:
            poll = select.poll()
            poll.register(pipe, select.POLLIN)
            poll.register(waiting, select.POLLIN)
            poll.poll(RELEASE_TIMEOUT_MS)
            try:
                if not os.read(pipe, 1):
                    return False
            except BlockingIOError:
                return False
            # Its absence is how the runtime knows a running container from a created one.
            os.unlink(path)
            return True
        finally:
            os.close(pipe)
            os.close(waiting)

    def _clear(self, id: str) -> bool:  # noqa: A002
        from teul.host.fs import remove_tree

        folder = f"{self.root}/{id}"
        try:
            with open(f"{folder}/state.json", "rb") as file:
                state = loads(file.read())
            cgroups = set(state["cgroup_paths"].values())
        except FileNotFoundError:
            return not os.path.isdir(folder)
        except (OSError, ValueError, KeyError, AttributeError):
            return False
        for path in cgroups:
            if not path.startswith("/sys/fs/cgroup/") or not _remove_cgroup(path):
                return False
        remove_tree(folder)
        return True

    def _run(self, *words: str) -> None:
        done = launch.capture(self.argv(*words), env=self.environment)
        if done.exit_code != 0:
            raise self._failure(done.argv, done.exit_code, done.stderr)

    def _failure(self, argv: tuple[str, ...], exit_code: int, stderr: bytes) -> RuntimeFailed:
        return failure(message_in(stderr) or f"exit code {exit_code}", argv=argv)


def _remove_cgroup(path: str) -> bool:
    """Remove an empty cgroup; the kernel may need a moment to see that its last process is gone."""
    for _ in range(20):
        try:
            os.rmdir(path)
        except FileNotFoundError:
            return True
        except OSError as error:
            if error.errno != errno.EBUSY:
                return False
            time.sleep(0.002)
            continue
        return True
    return False


def failure(message: str, *, argv: tuple[str, ...] = ()) -> RuntimeFailed:
    """The error for what a runtime said; `exit_code` is Docker's (125, 126, 127)."""
    return RuntimeFailed(
        text("runtime: {message}", message=message), argv=argv, exit_code=exit_code_of(message), stderr_tail=message
    )


def exit_code_of(message: str) -> int:
    """Docker's exit code for a runtime's message: 127 no such program, 126 not executable, 125 anything else."""
    lowered = message.lower()
    if "exec" not in lowered and "start container process" not in lowered and "starting container" not in lowered:
        return 125
    if any(word in lowered for word in NOT_EXECUTABLE):
        return 126
    return 127 if any(word in lowered for word in NOT_FOUND) else 125


def message_in(output: bytes) -> str:
    """The last error in what a runtime wrote, as logrus' text, as JSON lines, or plain."""
    found = ""
    for line in output.decode(errors="replace").splitlines():
        line = line.strip()
        if not line:
            continue
        if line.startswith("{"):
            try:
                record = loads(line)
            except ValueError:
                found = line
                continue
            if record.get("level", "error") in ("error", "fatal"):
                found = str(record.get("msg", line))
        elif " level=" in line and ' msg="' in line:
            if "level=error" in line or "level=fatal" in line:
                found = line.split(' msg="', 1)[1].rsplit('"', 1)[0].replace('\\"', '"')
        else:
            found = line
    return found


def open_driver(settings: Settings) -> Driver:
    """The runtime to use: what `TEUL_RUNTIME` names, else the first that runs a container here.

    Raises:
        HostLacks: none is installed, or none works (the hint says why).
    """
    root = f"{settings.run_root}/runtime"
    if settings.runtime:
        path = _find(settings.runtime)
        if path is None:
            raise HostLacks(settings.runtime)
        return Driver(os.path.basename(path), path, root=root, instance=settings.instance, folder=settings.root)
    remembered = f"{settings.root}/runtime.json"
    found = [(name, path) for name in CANDIDATES if (path := _find(name))]
    if not found:
        raise HostLacks("an OCI runtime (runc or crun)", hint=text("apt-get install {package}", package="runc"))
    marks = {path: _mark(path) for _, path in found}
    try:
        with open(remembered, "rb") as file:
            known = loads(file.read())
        if known["marks"] == marks:
            refused = tuple(Refusal(*item) for item in known["refused"])
            name, path = known["driver"]
            return Driver(name, path, root=root, instance=settings.instance, folder=settings.root, refused=refused)
    except (OSError, ValueError, KeyError, TypeError):
        pass
    refusals: list[Refusal] = []
    for name, path in found:
        driver = Driver(
            name, path, root=root, instance=settings.instance, folder=settings.root, refused=tuple(refusals)
        )
        reason = probe(driver, settings)
        if not reason:
            from teul.host.fs import write_atomic

            os.makedirs(settings.root, mode=0o711, exist_ok=True)
            record = {
                "driver": [name, path],
                "marks": marks,
                "refused": [[item.name, item.path, item.reason] for item in refusals],
            }
            write_atomic(remembered, dumps(record).encode() + b"\n", mode=0o644)
            return driver
        refusals.append(Refusal(name, path, reason))
    reasons = "; ".join(f"{item.name}: {item.reason}" for item in refusals)
    raise HostLacks(text("an OCI runtime that works ({reasons})", reasons=reasons))


def probe(driver: Driver, settings: Settings) -> str:
    """Run `true` from the host's own system folders in a container with limits; "" when it works, else the reason."""
    from teul.host.fs import remove_tree
    from teul.oci.runtime import Mount
    from teul.runtime.spec import Limits, Process, Sandbox, to_spec

    # Threads of one process may probe at once.
    id = f"probe-{os.getpid()}-{os.urandom(3).hex()}"  # noqa: A001
    folder = f"{settings.run_root}/{id}"
    rootfs = f"{folder}/rootfs"
    mounts = []
    try:
        os.makedirs(rootfs, mode=0o700)
        for name in ("usr", "bin", "lib", "lib64", "lib32", "nix"):
            path = f"/{name}"
            if os.path.islink(path):
                os.symlink(os.readlink(path), f"{rootfs}/{name}")
            elif os.path.isdir(path):
                os.mkdir(f"{rootfs}/{name}")
                mounts.append(Mount("bind", path, path, ("bind", "ro", "nosuid", "nodev")))
        program = "/usr/bin/true" if os.path.exists("/usr/bin/true") else "/bin/true"
        sandbox = Sandbox(
            process=Process(args=(program,), env=(f"PATH={SYSTEM_PATH}",)),
            rootfs=rootfs,
            mounts=tuple(mounts),
            limits=Limits(memory_bytes=512 << 20, pids=64),
            cgroup_path=driver.cgroup_path(id),
        )
        with open(f"{folder}/config.json", "w") as file:
            file.write(dumps(to_spec(sandbox)))
        done = launch.capture(driver.argv("run", "--bundle", folder, id), env=driver.environment)
        if done.exit_code == 0:
            return ""
        launch.capture(driver.argv("delete", "--force", id), env=driver.environment)
        return message_in(done.stderr) or f"exit code {done.exit_code}"
    finally:
        remove_tree(folder)


def _find(program: str) -> str | None:
    if "/" in program:
        return program if os.access(program, os.X_OK) else None
    for place in [*os.environ.get("PATH", "").split(":"), *SYSTEM_PATH.split(":")]:
        candidate = f"{place}/{program}"
        if place and os.access(candidate, os.X_OK) and not os.path.isdir(candidate):
            return candidate
    return None


def _mark(path: str) -> list[int]:
    found = os.stat(path)
    return [found.st_mtime_ns, found.st_size]
