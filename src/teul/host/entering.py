"""One more process in the namespaces of another one, without a runtime in between (which takes 27 ms for that).

`enter` makes the steps that runc 1.1 makes for an `exec`, and in two processes as runc does. The first is outside, where
nobody in the container sees it: it goes into the control groups and all other namespaces, and lets go of every descriptor
of the host. The second is born inside: session keyring, system call filter, bounding set, groups and user, capabilities,
working folder, program. When any of it fails nothing has been run, and the caller lets the runtime do it, in whose words
the user then hears why.

What is born inside has rights for a moment that the container does not have, and others in there may stop it for as long
as they like. So it has nothing of the host that they could reach: its mounts, its networks and its root are the
container's, its command line is empty, and it is not dumpable, so that nobody without CAP_SYS_PTRACE can look into it;
for containers that have that, and for others with more than Docker's default rights, callers must not come here. It looks
at no path before it has no more rights than the program will have: a working folder that leads into another process which
is on its way in does not open (CVE-2024-21626). And the last call that it makes is not that of the program: a program whose
path, interpreter or link leads to `/proc/self/exe` would be the host's Python, which a container could then write to
(CVE-2019-5736). It first becomes a sealed file of 260 bytes in memory, whose only work is to become the program.

`read_filter` gives the system call filter of a process as the kernel has it, so that the child gets the very same one.

Spec: runtime-spec v1.1 config.md, "Process"; credentials(7), capabilities(7), ptrace(2), setns(2), elf(5).
"""

from __future__ import annotations

import errno
import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ctypes
    import signal
    from collections.abc import Mapping
    from dataclasses import dataclass
    from typing import NoReturn
else:
    import _signal as signal

    from teul.values import dataclass

NAMESPACES = {"NEWNS": 0x00020000, "NEWCGROUP": 0x02000000, "NEWUTS": 0x04000000, "NEWIPC": 0x08000000,
              "NEWPID": 0x20000000, "NEWNET": 0x40000000}  # fmt: skip
"""The kinds that can be entered, and their flags; user namespaces are not among them."""
MACHINE = "x86_64"
"""The one machine that the program in memory is written for."""

_CODE = bytes.fromhex(
    # fcntl(3, F_SETFD, FD_CLOEXEC): the pipe to our parent closes when the program begins. It is not there when a program
    # leads back here (a script whose interpreter is `/proc/self/exe`): on to the exit_group below.
    "b848000000" "bf03000000" "be02000000" "ba01000000" "0f05" "85c0" "752e"
    # execve(argv[0], &argv[1], envp), all of them where the kernel has put them for us.
    "488b7c2408" "488d742410" "488b0424" "488d54c410" "b83b000000" "0f05"
    # It came back: write(3, <any byte>, 1), exit_group(1).
    "b801000000" "bf03000000" "4889e6" "ba01000000" "0f05"
    "b8e7000000" "bf01000000" "0f05"
)  # fmt: skip
"""System V AMD64: at the start, the stack is argc, argv[0] … argv[argc - 1], NULL, envp."""
_BASE = 0x400000
_MFD_CLOEXEC, _MFD_ALLOW_SEALING, _MFD_EXEC = 1, 2, 0x10
_F_ADD_SEALS, _ALL_SEALS = 1033, 0xF
_SYS_KEYCTL, _KEYCTL_JOIN_SESSION_KEYRING = 250, 1
_SYS_CLONE3, _CLONE_PARENT, _CLONE_INTO_CGROUP = 435, 0x8000, 0x200000000
_PR_GET_DUMPABLE, _PR_SET_DUMPABLE, _PR_SET_KEEPCAPS, _PR_SET_SECCOMP = 3, 4, 8, 22
_PR_CAPBSET_DROP, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 24, 47, 4
_SECCOMP_MODE_FILTER = 2
_RLIMIT_NOFILE = 7
_CAPABILITY_VERSION_3 = 0x20080522
_FIRST_COPY = 16
_SAY, _PROGRAM, _GO, _TELL = 3, 4, 5, 6
"""The numbers of the descriptors that the child begins with; the program in memory knows the first."""
_ABOUT_TO = b"."
_PATIENCE_MS = 1000
_PTRACE_DETACH, _PTRACE_SEIZE, _PTRACE_INTERRUPT, _PTRACE_SECCOMP_GET_FILTER = 17, 0x4206, 0x4207, 0x420C
_WALL = 0x40000000
_INSTRUCTION_BYTES = 8
_UMASK = 0o022
_PAUSE_S = 0.001


class CannotEnter(Exception):
    """A step failed; nothing has been run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What the child becomes. `namespaces` is a union of flags, `capabilities` are numbers, `filter` is the BPF program."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: str
    uid: int
    gid: int
    groups: tuple[int, ...]
    capabilities: tuple[int, ...]
    cgroup: str
    """Its folder in the tree of version 2, "" where there is none."""
    cgroups: tuple[str, ...]
    """Its folders in the trees of version 1."""
    namespaces: int
    filter: bytes
    keyring: str
    oom_score_adj: int | None = None


def can_enter() -> bool:
    """Whether this process may: as root, on the machine that the program is for, and with no thread but this one."""
    return os.geteuid() == 0 and os.uname().machine == MACHINE and len(os.listdir("/proc/self/task")) == 1


def enter(entry: Entry, process: int, *, stdin: int, stdout: int, stderr: int) -> int:
    """Run the program of *entry* in the namespaces of *process* (a pidfd); returns the pid of what is our child.

    It is in a session of its own and has the three descriptors, and no others.

    Raises:
        CannotEnter, OSError: a step failed, or the program cannot be run; nothing is left behind.
    """
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    opened: list[int] = []
    cgroup = -1
    try:
        if entry.cgroup:
            cgroup = os.open(entry.cgroup, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            opened.append(cgroup)
        program = _program()
        opened.append(program)
        told, tell = os.pipe()
        opened += (told, tell)
        wait_for, go = os.pipe()
        opened += (wait_for, go)
        said, say = os.pipe()
        opened += (said, say)
        # Made before the fork: the child is to do as little as it can.
        loaded = _loaded(entry.filter)
        was_dumpable = libc.prctl(_PR_GET_DUMPABLE, 0, 0, 0, 0)
        _check(libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0))
        try:
            outside = _clone(cgroup=cgroup)
            if outside == 0:
                _go_in(libc, entry, loaded, process, (stdin, stdout, stderr, say, program, wait_for, tell))
        finally:
            libc.prctl(_PR_SET_DUMPABLE, was_dumpable, 0, 0, 0)
        for descriptor in (tell, wait_for, say):
            opened.remove(descriptor)
            os.close(descriptor)
        try:
            child = int(_heard(told, outside, 16) or b"0")
        finally:
            os.waitpid(outside, 0)
        if child == 0:
            raise CannotEnter
        try:
            os.write(go, _ABOUT_TO)
            # Who is in the container may have got hold of this pipe by now, and write to it or keep it.
            if _heard(said, child, len(_ABOUT_TO)) != _ABOUT_TO:
                raise CannotEnter
        except BaseException:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            raise
        return child
    finally:
        for descriptor in opened:
            os.close(descriptor)


def _heard(pipe: int, child: int, most: int) -> bytes:
    """What comes from *pipe* until its end, *most* bytes and no more.

    *child* is ended when it takes long and there is a signal for us, which may be blocked: it may have been stopped.
    """
    import select

    poll = select.poll()
    poll.register(pipe, select.POLLIN)
    heard = b""
    while True:
        if not poll.poll(_PATIENCE_MS):
            if signal.sigpending():
                os.kill(child, signal.SIGKILL)
                raise CannotEnter
            continue
        more = os.read(pipe, most + 1)
        heard += more
        if not more:
            return heard
        if len(heard) > most:
            raise CannotEnter


def _clone(flags: int = 0, *, cgroup: int = -1) -> int:
    """As `os.fork`, but the child begins in the control group whose folder is open at *cgroup* (version 2), if any.

    Nothing that hangs on a fork is called in the child, which must be on its way to another program.
    """
    import ctypes

    # The lock of the interpreter is kept over the call, so that the child has it.
    call = ctypes.PyDLL(None, use_errno=True).syscall
    arguments = (ctypes.c_uint64 * 11)()
    # A child of our parent ends with the signal with which we do.
    arguments[0], arguments[4] = flags, 0 if flags & _CLONE_PARENT else signal.SIGCHLD
    if cgroup != -1:
        arguments[0] |= _CLONE_INTO_CGROUP
        arguments[10] = cgroup
    child: int = call(ctypes.c_long(_SYS_CLONE3), arguments, ctypes.c_size_t(ctypes.sizeof(arguments)))
    if child < 0:
        raise CannotEnter
    return child


def read_filter(pid: int, *, timeout_s: float = 0.0) -> bytes:
    """The system call filter of process *pid*, the last that it was given; b"" when it has none within *timeout_s*, or the
    kernel does not tell.

    The process is stopped for a moment; a call that it waits in goes on afterwards.
    """
    import ctypes

    deadline = time.monotonic() + timeout_s
    while not _has_filter(pid):
        if time.monotonic() >= deadline or not os.path.exists(f"/proc/{pid}"):
            return b""
        time.sleep(_PAUSE_S)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
    libc.ptrace.restype = ctypes.c_long
    if libc.ptrace(_PTRACE_SEIZE, pid, None, None) != 0:
        return b""
    status = 0
    try:
        if libc.ptrace(_PTRACE_INTERRUPT, pid, None, None) != 0:
            return b""
        _, status = os.waitpid(pid, _WALL)
        if not os.WIFSTOPPED(status):
            return b""
        count = libc.ptrace(_PTRACE_SECCOMP_GET_FILTER, pid, None, None)
        if count <= 0:
            return b""
        made = ctypes.create_string_buffer(count * _INSTRUCTION_BYTES)
        if libc.ptrace(_PTRACE_SECCOMP_GET_FILTER, pid, None, made) != count:
            return b""
        return made.raw
    except ChildProcessError:
        return b""
    finally:
        # It may have been stopped by a signal just then, which it is still to get.
        signal_ = 0
        if os.WIFSTOPPED(status) and status >> 16 == 0:
            signal_ = os.WSTOPSIG(status)
        libc.ptrace(_PTRACE_DETACH, pid, None, signal_)


def _has_filter(pid: int) -> bool:
    """Whether *pid* has exactly one filter more than we have ourselves."""
    counts = []
    for place in (f"/proc/{pid}/status", "/proc/self/status"):
        found = -1
        try:
            with open(place, "rb") as file:
                for line in file:
                    if line.startswith(b"Seccomp_filters:"):
                        found = int(line[16:])
        except OSError:
            return False
        counts.append(found)
    return counts[1] >= 0 and counts[0] == counts[1] + 1


def _program() -> int:
    """A sealed file in memory: an ELF program of `_CODE`, read-only, with a stack that is not executable."""
    import fcntl

    flags = _MFD_CLOEXEC | _MFD_ALLOW_SEALING
    try:
        descriptor = os.memfd_create("teul", flags | _MFD_EXEC)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        # A kernel before 6.3, where every such file may be run.
        descriptor = os.memfd_create("teul", flags)
    try:
        os.write(descriptor, program_image())
        fcntl.fcntl(descriptor, _F_ADD_SEALS, _ALL_SEALS)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def program_image() -> bytes:
    """The bytes of the program that becomes another one."""

    def words(*sized: tuple[int, int]) -> bytes:
        return b"".join(value.to_bytes(size, "little") for value, size in sized)

    header, entry, count = 64, 56, 2
    start = header + count * entry
    size = start + len(_CODE)
    made = b"\x7fELF" + bytes((2, 1, 1, 0)) + bytes(8)
    # ET_EXEC, EM_X86_64, version, entry point, program headers, no sections, flags, sizes.
    made += words((2, 2), (62, 2), (1, 4), (_BASE + start, 8), (header, 8), (0, 8), (0, 4))
    made += words((header, 2), (entry, 2), (count, 2), (0, 2), (0, 2), (0, 2))
    # PT_LOAD, readable and executable; PT_GNU_STACK, readable and writable.
    made += words((1, 4), (5, 4), (0, 8), (_BASE, 8), (_BASE, 8), (size, 8), (size, 8), (0x1000, 8))
    made += words((0x6474E551, 4), (6, 4), (0, 8), (0, 8), (0, 8), (0, 8), (0, 8), (16, 8))
    return made + _CODE


def _loaded(program: bytes) -> ctypes.Structure:
    """The filter as prctl(2) takes it (`struct sock_fprog`)."""
    import ctypes

    class Program(ctypes.Structure):
        _fields_ = [("count", ctypes.c_ushort), ("instructions", ctypes.c_char_p)]

    return Program(len(program) // _INSTRUCTION_BYTES, program)


def _go_in(
    libc: ctypes.CDLL, entry: Entry, loaded: ctypes.Structure, process: int, descriptors: tuple[int, ...]
) -> NoReturn:
    """The life of the process outside: it makes the one inside, tells its pid and ends.

    *descriptors* get the numbers from 0 on: the three streams, `_SAY` and so on.
    """
    try:
        import ctypes
        import fcntl
        import sys

        # From here on an import could find something of the container's; all that is needed is loaded.
        sys.meta_path.clear()
        for number in range(1, signal.NSIG):
            if number not in (9, 19, 32, 33):
                signal.signal(number, signal.SIG_DFL)
        os.umask(_UMASK)
        _open_many(libc)
        # Out of the way of the numbers that they are to have.
        process, *moved = (fcntl.fcntl(item, fcntl.F_DUPFD_CLOEXEC, _FIRST_COPY) for item in (process, *descriptors))
        if entry.oom_score_adj is not None:
            _write("/proc/self/oom_score_adj", str(entry.oom_score_adj))
        for path in entry.cgroups:
            # Of one thread, and by itself: the kernel need not wait until nobody forks anywhere, as it does for
            # `cgroup.procs` (15 ms).
            _write(f"{path}/tasks", "0")
        # Everybody may read a command line, and ours can have somebody's secrets in it (`--env`).
        start, end = _command_line()
        ctypes.memset(start, 0, end - start)
        # The process namespace is for children alone: nobody in the container sees this process.
        _check(libc.setns(process, entry.namespaces))
        for number, descriptor in enumerate(moved):
            os.dup2(descriptor, number, inheritable=number <= _SAY)
        # Nothing of the host is within reach of `/proc/self/fd` from here on, the working folder included.
        os.closerange(len(moved), 1 << 20)
        child = _clone(_CLONE_PARENT)
        if child == 0:
            os.close(_TELL)
            _become(libc, entry, loaded)
        os.write(_TELL, b"%d" % child)
    finally:
        os._exit(1)


def _open_many(libc: ctypes.CDLL) -> None:
    """As many open files as our caller may have at the most, as the first process of a container."""
    import ctypes

    limits = (ctypes.c_uint64 * 2)()
    _check(libc.getrlimit(_RLIMIT_NOFILE, limits))
    limits[0] = limits[1]
    _check(libc.setrlimit(_RLIMIT_NOFILE, limits))


def _command_line() -> tuple[int, int]:
    """Where ours begins and ends in memory."""
    with open("/proc/self/stat", "rb") as file:
        # The name in brackets may have anything in it; what follows begins with the third field.
        fields = file.read().rpartition(b")")[2].split()
    return int(fields[48 - 3]), int(fields[49 - 3])


def _become(libc: ctypes.CDLL, entry: Entry, loaded: ctypes.Structure) -> NoReturn:
    """The life of the process inside; it becomes the program, or writes nothing more than a byte and ends."""
    try:
        import ctypes

        # Not before our parent knows of us: if it is not to know, nothing may be run.
        if os.read(_GO, 1) != _ABOUT_TO:
            raise CannotEnter
        os.close(_GO)
        os.setsid()
        _join_keyring(libc, entry.keyring)
        for number in range(3):
            os.fchown(number, entry.uid, -1)
        _check(libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(loaded), 0, 0))
        _take_identity(libc, entry)
        # The runtime tries with its own rights first; whoever needs them is sent there.
        os.chdir(entry.cwd)
        # It fails when the folder is not below our root.
        os.getcwd()
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        words = (_found(entry), *entry.argv)
        os.write(_SAY, _ABOUT_TO)
        os.execve(_PROGRAM, words, entry.env)  # noqa: S606
    except BaseException:
        os.write(_SAY, b"!")
    finally:
        os._exit(1)


def _take_identity(libc: ctypes.CDLL, entry: Entry) -> None:
    import ctypes

    mask = 0
    for number in entry.capabilities:
        mask |= 1 << number
    for number in range(64):
        if not mask >> number & 1 and libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0) != 0:
            if ctypes.get_errno() == errno.EINVAL:
                # Beyond the last that this kernel knows.
                break
            raise CannotEnter
    _check(libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0))
    os.setgroups(entry.groups)
    os.setresgid(entry.gid, entry.gid, entry.gid)
    os.setresuid(entry.uid, entry.uid, entry.uid)
    # Another user may have made us dumpable (fs.suid_dumpable).
    _check(libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0))
    _check(libc.prctl(_PR_SET_KEEPCAPS, 0, 0, 0, 0))
    low, high = mask & 0xFFFFFFFF, mask >> 32
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    # Effective, permitted, inheritable; twice.
    _check(libc.capset(header, (ctypes.c_uint32 * 6)(low, low, 0, high, high, 0)))
    _check(libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0))


def _join_keyring(libc: ctypes.CDLL, name: str) -> None:
    """The container's session keyring instead of our own; a kernel without keyrings has none to be kept out of."""
    import ctypes

    number = ctypes.c_long(_SYS_KEYCTL)
    joined = libc.syscall(number, ctypes.c_long(_KEYCTL_JOIN_SESSION_KEYRING), ctypes.c_char_p(name.encode()))
    if joined < 0 and ctypes.get_errno() != errno.ENOSYS:
        raise CannotEnter


def _found(entry: Entry) -> str:
    """The program's path, as `exec.LookPath` of Go finds it."""
    name = entry.argv[0]
    if "/" in name:
        return name
    for folder in entry.env.get("PATH", "").split(":"):
        if folder[:1] != "/" or not {"", ".", ".."}.isdisjoint(folder[1:].split("/")):
            # Go makes another path of it, or refuses what is there.
            break
        path = f"{folder}/{name}"
        try:
            mode = os.stat(path).st_mode
        except OSError:
            continue
        if mode & 0o170000 == 0o040000 or not mode & 0o111:
            continue
        return path
    raise CannotEnter


def _write(path: str, words: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, words.encode())
    finally:
        os.close(descriptor)


def _check(returned: int) -> None:
    if returned != 0:
        raise CannotEnter
