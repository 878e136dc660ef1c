"""`enter`: the short way of an `exec`, without a runtime: for a process without terminal and input, in a container that
has no more than Docker's default rights. As with the runtime its output goes through pipes of ours, so that it never holds
a file of the host, and our signals are handed on to it.
"""

from __future__ import annotations

import errno
import os
import select

from teul.engine.containers.lookup import bundle_of, is_alive
from teul.engine.containers.processes import is_enterable
from teul.host.entering import CannotEnter, can_enter
from teul.host.entering import enter as enter_namespaces
from teul.host.launch import wait
from teul.runtime.entry import entry_of
from teul.state import containers as rows

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal

    from teul.engine import Engine
    from teul.engine.containers.record import Container
    from teul.host.entering import Entry
    from teul.runtime.spec import Process
else:
    import _signal as signal

_HANDED_ON = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
_BLOCK_BYTES = 1 << 16


def enter(engine: Engine, container: Container, process: Process, *, stdout: int, stderr: int) -> int | None:
    """Run *process* in *container* to its end; its exit code, or None when nothing was run and the runtime has to do it.

    stdout, stderr: descriptors that its output is written to, -1 for nowhere.
    """
    if not is_enterable(container) or not can_enter() or rows.shares_processes(engine.db):
        return None
    entry = entry_of(engine.driver, container.id, container.pid, bundle_of(engine, container.id), process)
    if entry is None:
        return None
    # What comes before there is somebody to hand it on to waits.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _HANDED_ON)
    handlers = {}
    codes: list[int] = []
    try:
        begun = _begin(container, entry)
        if begun is None:
            return None
        child, out, err = begun

        def hand_on(number: int, frame: object) -> None:
            if not codes:
                os.kill(child, number)

        def take_away(number: int, frame: object) -> None:
            # At once, though we may be waiting for whoever reads our output: until its last process has been taken away
            # the kernel keeps the container.
            if not codes and os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT | os.WNOHANG):
                # First, so that nobody sends anything to a number that is not its own any more.
                codes.append(0)
                codes[0] = wait(child)

        handlers[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, take_away)
        for number in _HANDED_ON:
            if signal.getsignal(number) != signal.SIG_IGN:
                handlers[number] = signal.signal(number, hand_on)
        signal.pthread_sigmask(signal.SIG_SETMASK, before - {signal.SIGCHLD})
        take_away(signal.SIGCHLD, None)
        _hand_out({out: stdout, err: stderr})
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGCHLD,))
        if not codes:
            os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return codes[0] if codes else wait(child)


def _begin(container: Container, entry: Entry) -> tuple[int, int, int] | None:
    """The pid of the process, and the pipes that its output comes from; None when it could not be begun."""
    opened: list[int] = []
    try:
        target = os.pidfd_open(container.pid)
        opened.append(target)
        # Now that it is held, nobody else can have its number.
        if not is_alive(container):
            return None
        nothing, nobody = os.pipe()
        # A pipe that nobody writes to is at its end at once.
        os.close(nobody)
        opened.append(nothing)
        out, out_in = os.pipe()
        opened += (out, out_in)
        err, err_in = os.pipe()
        opened += (err, err_in)
        child = enter_namespaces(entry, target, stdin=nothing, stdout=out_in, stderr=err_in)
        opened = [target, nothing, out_in, err_in]
        return child, out, err
    except (CannotEnter, OSError):
        return None
    finally:
        for descriptor in opened:
            os.close(descriptor)


def _hand_out(outputs: dict[int, int]) -> None:
    """Write what comes from each pipe to its descriptor until both are at their end; closes the pipes.

    A pipe whose reader is gone is closed, so that the process hears of it at its next write.
    """
    poll = select.poll()
    try:
        for pipe in outputs:
            poll.register(pipe, select.POLLIN)
        while outputs:
            for pipe, _ in poll.poll():
                data = os.read(pipe, _BLOCK_BYTES)
                if not data or not _write(outputs[pipe], data):
                    poll.unregister(pipe)
                    del outputs[pipe]
                    os.close(pipe)
    finally:
        for pipe in outputs:
            os.close(pipe)


def _write(descriptor: int, data: bytes) -> bool:
    """Write all of *data*; False when nobody is there to read it."""
    view = memoryview(data if descriptor != -1 else b"")
    while view:
        try:
            view = view[os.write(descriptor, view) :]
        except BlockingIOError:
            select.select([], [descriptor], [])
        except OSError as error:
            if error.errno in (errno.EPIPE, errno.EIO, errno.ECONNRESET):
                return False
            raise
    return True
