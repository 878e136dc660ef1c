"""The lean half of the door to other programs: what a `teul run` needs, without `subprocess` (12 ms of imports).

`launch` and `capture` start a program; `Stage` is a child of ours in a mount namespace of its own, which shows its
caller what it mounted, waits, and then becomes another program. Nothing that a stage mounts is visible outside, and the
kernel takes all of it away with the last process in there, however that process ends.

Must not know what the programs are for.
"""

from __future__ import annotations

import errno
import marshal
import os
import select

from teul.errors import CommandFailed, HostLacks, MountFailed, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Mapping, Sequence
    from types import TracebackType
    from typing import Any

    from teul.oci.runtime import Mount
else:
    # Its C half: the names and numbers, without the enumerations around them (1 ms).
    import _signal as signal

STDERR_TAIL_BYTES = 4096


class deferred_interrupts:  # noqa: N801 (read as a word in a `with`)
    """A block that Ctrl-C does not cut in two: what is begun in it is finished, then `KeyboardInterrupt` is raised.

    For stretches of some milliseconds that leave something behind which only their end can name. A second Ctrl-C cuts
    all the same. Does nothing where SIGINT is handled in another way, and in threads, which no signal reaches.
    """

    __slots__ = ("_asked", "_before")

    def __enter__(self) -> None:
        self._asked = False
        self._before = signal.getsignal(signal.SIGINT)
        if self._before is signal.default_int_handler:
            try:
                signal.signal(signal.SIGINT, self._remember)
            except ValueError:
                self._before = None
        else:
            self._before = None

    def _remember(self, number: int, frame: object) -> None:
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
            if self._asked:
                raise KeyboardInterrupt


# Python ignores these for itself, and an ignored signal stays ignored across exec.
_RESTORED_SIGNALS = (signal.SIGPIPE, signal.SIGXFSZ)


class Captured:
    """What a program left behind; the streams are whole, undecoded."""

    __slots__ = ("argv", "exit_code", "stderr", "stdout")

    def __init__(self, argv: tuple[str, ...], exit_code: int, stdout: bytes, stderr: bytes) -> None:
        self.argv = argv
        self.exit_code = exit_code
        self.stdout = stdout
        self.stderr = stderr

    def check(self) -> Captured:
        """Self, when the program ended with 0.

        Raises:
            CommandFailed: it did not.
        """
        if self.exit_code != 0:
            tail = self.stderr[-STDERR_TAIL_BYTES:].decode(errors="replace").strip()
            raise CommandFailed(
                text(
                    "`{program}` ended with exit code {exit_code}: {tail}",
                    program=os.path.basename(self.argv[0]),
                    exit_code=self.exit_code,
                    tail=tail.splitlines()[-1] if tail else "",
                ),
                argv=self.argv,
                exit_code=self.exit_code,
                stderr_tail=tail,
            )
        return self


def launch(
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    stdin: int = -1,
    stdout: int = -1,
    stderr: int = -1,
    keep: Sequence[int] = (),
    new_session: bool = False,
) -> int:
    """Start *argv* (the program by its absolute path) and return its pid; the caller waits for it.

    File descriptors: -1 is `/dev/null`; those in *keep* stay open under the same number.

    Raises:
        HostLacks: the program does not exist.
    """
    actions: list[tuple[int, ...]] = []
    opened: list[int] = []
    kept: list[int] = []
    try:
        null = -1
        for number, given in ((0, stdin), (1, stdout), (2, stderr)):
            if given == -1:
                if null == -1:
                    null = os.open(os.devnull, os.O_RDWR)
                    opened.append(null)
                given = null
            if given < 3:
                # The source could be overwritten by an earlier action; a copy above the standard three cannot.
                given = _copy_above(given)
                opened.append(given)
            actions.append((os.POSIX_SPAWN_DUP2, given, number))
        for descriptor in keep:
            if not os.get_inheritable(descriptor):
                os.set_inheritable(descriptor, True)
                kept.append(descriptor)
        try:
            return os.posix_spawn(
                argv[0],
                tuple(argv),
                os.environ if env is None else env,
                file_actions=actions,
                setsid=new_session,
                setsigmask=(),
                setsigdef=_RESTORED_SIGNALS,
            )
        except FileNotFoundError as error:
            raise HostLacks(argv[0]) from error
    finally:
        for descriptor in opened:
            os.close(descriptor)
        for descriptor in kept:
            os.set_inheritable(descriptor, False)


def wait(pid: int) -> int:
    """The exit code of our child *pid*; 128 + the number of the signal that ended it."""
    # Not `wait4`, which loads a module for what it counts.
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    return 128 - code if code < 0 else code


def wait_with_usage(pid: int) -> tuple[int, float]:
    """As `wait`, and the CPU time (seconds) that the child and those it waited for took."""
    _, status, used = os.wait4(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    return 128 - code if code < 0 else code, used.ru_utime + used.ru_stime


def capture(
    argv: Sequence[str], *, stdin: bytes = b"", env: Mapping[str, str] | None = None, keep: Sequence[int] = ()
) -> Captured:
    """Run *argv* to its end and keep what it wrote. Files in memory, not pipes: nothing can fill up or hang.

    Raises:
        HostLacks: the program does not exist.
    """
    files = [memory_file(), memory_file()]
    source = -1
    try:
        if stdin:
            source = memory_file(stdin)
            files.append(source)
        pid = launch(argv, env=env, stdin=source, stdout=files[0], stderr=files[1], keep=keep)
        code = wait(pid)
        return Captured(tuple(argv), code, content(files[0]), content(files[1]))
    finally:
        for descriptor in files:
            os.close(descriptor)


def memory_file(data: bytes = b"") -> int:
    """A file that only its descriptor holds, with *data* in it and its position at the beginning."""
    descriptor = os.memfd_create("teul", os.MFD_CLOEXEC)
    while data:
        data = data[os.write(descriptor, data) :]
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def content(descriptor: int) -> bytes:
    """All that a memory file holds."""
    return os.pread(descriptor, os.fstat(descriptor).st_size, 0)


class Stage:
    """A child in a mount namespace of its own where *mounts* are mounted over the folder *target*, or their own targets; then
    *inside*, whose targets are resolved within it.

    After `with Stage(…) as stage`, `stage.root` is the child's `/` as seen from here, so the tree can be read and
    prepared before anything runs in it. `become` makes the child the program; `supervise` makes it watch over one.
    Leaving the block before either of them ends the child. File descriptors for the program are chosen at the start.

    The child mounts while its parent goes on; the first of these that is asked for waits for it, and raises what went
    wrong (`OSError`, `MountFailed`).
    """

    def __init__(
        self,
        mounts: Sequence[Mount],
        target: str,
        *,
        stdin: int = -1,
        stdout: int = -1,
        stderr: int = -1,
        keep: Sequence[int] = (),
        inside: Sequence[Mount] = (),
    ) -> None:
        self._inside = tuple(inside)
        self._mounts = tuple(mounts)
        self._target = target
        self._standard = (stdin, stdout, stderr)
        self._keep = tuple(keep)
        self._orders = -1
        self._lifeline = -1
        self._answers = -1
        self.pid = 0

    @property
    def root(self) -> str:
        """The child's root folder, everything mounted."""
        self._wait_ready()
        return f"/proc/{self.pid}/root"

    def __enter__(self) -> Stage:
        # Before the fork: an import in the child could meet a lock that another thread holds.
        import ctypes  # noqa: F401

        import teul.host.mount  # noqa: F401

        orders_in, orders = os.pipe()
        answers, answers_in = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            self._live(orders_in, answers_in)
        os.close(orders_in)
        os.close(answers_in)
        self._orders = orders
        self._answers = answers
        return self

    def _wait_ready(self) -> None:
        if self._answers == -1:
            return
        try:
            said = _read_frame(self._answers)
        finally:
            os.close(self._answers)
            self._answers = -1
        if said != ("ready",):
            self._end()
            number, path, words = said if said else (errno.EIO, "", "ended early")
            if number == 0:
                raise MountFailed("overlay", self._target, words)
            raise OSError(number, words, path or self._target)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._answers != -1:
            os.close(self._answers)
            self._answers = -1
        if self._orders != -1:
            self._end()

    def become(self, argv: Sequence[str], env: Mapping[str, str]) -> int:
        """Let the child become *argv* (absolute) with *env*; returns its pid, which the caller waits for."""
        self._wait_ready()
        self._order(("exec", tuple(argv), dict(env), ()))
        return self.pid

    def supervise(self, argv: Sequence[str], env: Mapping[str, str], *, clean_up: Sequence[str]) -> int:
        """Let the child run *argv* and end with its exit code; returns the child's pid.

        When `abandon` is called, or this process ends in any way, the child runs *clean_up* and then ends.
        """
        self._wait_ready()
        self._lifeline = self._orders
        self._order(("supervise", tuple(argv), dict(env), tuple(clean_up)), close=False)
        self._orders = -1
        return self.pid

    def abandon(self) -> None:
        """Tell a supervising child to clean up; it ends soon after."""
        if self._lifeline != -1:
            os.close(self._lifeline)
            self._lifeline = -1

    def _order(self, order: tuple[Any, ...], *, close: bool = True) -> None:
        _write_frame(self._orders, order)
        if close:
            os.close(self._orders)
            self._orders = -1

    def _end(self) -> None:
        os.close(self._orders)
        self._orders = -1
        try:
            os.waitpid(self.pid, 0)
        except ChildProcessError:
            pass

    def _live(self, orders: int, answers: int) -> None:
        """The child's life; never returns."""
        code = 125
        try:
            # A Ctrl-C is for our parent, which decides what becomes of us. What else is open here belongs to others:
            # whoever waits for the end of a pipe must not wait for us.
            os.setsid()
            # A monitor lives for days: it must not hold our caller's folder, nor hand its umask to the container.
            os.chdir("/")
            os.umask(0o022)
            _close_all_but(orders, answers, *self._standard, *self._keep)
            try:
                from teul.host.mount import enter_mount_namespace, mount

                enter_mount_namespace()
                for item in self._mounts:
                    mount(item, item.target or self._target)
                if self._inside:
                    from teul.host.mount import mount_inside

                    mount_inside(self._inside, self._target)
            except OSError as error:
                filename = error.filename if isinstance(error.filename, str) else ""
                _write_frame(answers, (error.errno or errno.EIO, filename, error.strerror or str(error)))
                return
            except MountFailed as error:
                _write_frame(answers, (0, "", str(error.reason)))
                return
            _write_frame(answers, ("ready",))
            os.close(answers)
            order = _read_frame(orders)
            if order is None:
                return
            kind, argv, env, clean_up = order
            if kind == "exec":
                self._settle()
                os.execve(argv[0], argv, env)  # noqa: S606
            code = self._watch(orders, argv, env, clean_up)
        except BrokenPipeError:
            # Our parent does not want us any more.
            pass
        except BaseException as error:
            # stderr may be the user's; one line is all that a child between fork and exec may say.
            os.write(2, f"teul: {error}\n".encode())
        finally:
            os._exit(code)

    def _settle(self) -> None:
        """Put the standard streams in place and hand on the descriptors that are kept."""
        copies = [os.open(os.devnull, os.O_RDWR) if given == -1 else _copy_above(given) for given in self._standard]
        copies = [_copy_above(item) for item in copies]
        for number, descriptor in enumerate(copies):
            os.dup2(descriptor, number)
        for descriptor in self._keep:
            os.set_inheritable(descriptor, True)
        for number in _RESTORED_SIGNALS:
            signal.signal(number, signal.SIG_DFL)

    def _watch(self, lifeline: int, argv: tuple[str, ...], env: dict[str, str], clean_up: tuple[str, ...]) -> int:
        stdin, stdout, stderr = self._standard
        child = launch(argv, env=env, stdin=stdin, stdout=stdout, stderr=stderr, keep=self._keep)
        for number in (0, 1, 2):
            os.dup2(os.open(os.devnull, os.O_RDWR), number)
        _close_all_but(lifeline)
        ended = os.pidfd_open(child)
        poll = select.poll()
        poll.register(ended, select.POLLIN)
        poll.register(lifeline, select.POLLIN | select.POLLHUP)
        ready = {descriptor for descriptor, _ in poll.poll()}
        if ended not in ready:
            wait(launch(clean_up, env=env))
        return wait(child)


def _write_frame(descriptor: int, value: tuple[Any, ...]) -> None:
    data = marshal.dumps(value)
    data = len(data).to_bytes(8, "big") + data
    while data:
        data = data[os.write(descriptor, data) :]


def _read_frame(descriptor: int) -> tuple[Any, ...] | None:
    """What `_write_frame` wrote, or None when the other side went away."""
    data = b""
    size = 8
    while len(data) < size:
        more = os.read(descriptor, 1 << 20)
        if not more:
            return None
        data += more
        if len(data) >= 8:
            size = 8 + int.from_bytes(data[:8], "big")
    made: tuple[Any, ...] = marshal.loads(data[8:])  # noqa: S302
    return made


def _copy_above(descriptor: int) -> int:
    import fcntl

    copy: int = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 10)
    return copy


def _close_all_but(*kept: int) -> None:
    start = 3
    for descriptor in sorted(item for item in kept if item >= 3):
        os.closerange(start, descriptor)
        start = descriptor + 1
    os.closerange(start, 1 << 20)
