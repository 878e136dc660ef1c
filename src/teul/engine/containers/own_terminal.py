"""A process put on our own terminal through one in between, so that a key sequence can leave it running (`exec -it`).

The runtime gets the terminal in between as its own; we hand on what is typed and shown, the size and our signals. Who
detaches leaves a small process behind that goes on reading: without a reader the terminal would end with us, and the
process on it.
"""

from __future__ import annotations

import os
import select

from teul.engine.containers.attached import terminal_size, write_through
from teul.errors import Detached
from teul.host.launch import launch, wait
from teul.runtime.attach import DETACH_KEYS, KeyFilter, SignalPipe, parse_detach_keys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Mapping, Sequence
else:
    import _signal as signal

BLOCK_BYTES = 1 << 16


def run_on_terminal(command: Sequence[str], *, env: Mapping[str, str], stdin: int, stdout: int, keys: str = "") -> int:
    """Run the runtime's *command* and return its exit code; *stdin* is a terminal, raw for as long.

    Raises:
        Detached: the user typed *keys* ("" is Docker's own); what was run goes on.
    """
    import termios
    import tty

    master, slave = os.openpty()
    saved = termios.tcgetattr(stdin)
    signals = SignalPipe()
    try:
        # What is typed ahead is the process' to echo.
        tty.setraw(slave, termios.TCSANOW)
        _fit(stdin, master)
        child = launch(command, env=env, stdin=slave, stdout=slave, stderr=slave, new_session=True)
        os.close(slave)
        slave = -1
        tty.setraw(stdin, termios.TCSANOW)
        try:
            detached = _relay(master, child, stdin, stdout, parse_detach_keys(keys or DETACH_KEYS), signals)
        finally:
            try:
                termios.tcsetattr(stdin, termios.TCSADRAIN, saved)
            except termios.error:
                # It went away.
                pass
        if detached:
            _leave(master)
            raise Detached
        return wait(child)
    finally:
        signals.close()
        for descriptor in (master, slave):
            if descriptor != -1:
                os.close(descriptor)


def _fit(ours: int, master: int) -> None:
    size = terminal_size(ours)
    if size is not None:
        import fcntl
        import struct
        import termios

        fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))


def _relay(master: int, child: int, stdin: int, stdout: int, detach_keys: bytes, signals: SignalPipe) -> bool:
    """Until the runtime closes its terminal (False), or the user detaches (True)."""
    keys = KeyFilter(detach_keys)
    os.set_blocking(master, False)
    poll = select.poll()
    for descriptor in (master, stdin, signals.descriptor):
        poll.register(descriptor, select.POLLIN)
    waiting = b""
    while True:
        ready = dict(poll.poll())
        for number in signals.take() if signals.descriptor in ready else b"":
            if number == signal.SIGWINCH:
                _fit(stdin, master)
            try:
                os.kill(child, number)
            except ProcessLookupError:
                continue
        if ready.get(master, 0) & ~select.POLLOUT:
            try:
                data = os.read(master, BLOCK_BYTES)
            except BlockingIOError:
                pass
            except OSError:
                return False
            else:
                if not data:
                    return False
                write_through(stdout, data)
        if stdin in ready and not waiting:
            try:
                typed = os.read(stdin, BLOCK_BYTES)
            except OSError:
                typed = b""
            if not typed:
                poll.unregister(stdin)
                continue
            waiting, detached = keys.filter(typed)
            if detached:
                return True
        if waiting:
            try:
                waiting = waiting[os.write(master, waiting) :]
            except BlockingIOError:
                pass
            # Nobody reads there: nor do we, until somebody does.
            poll.modify(master, select.POLLIN | select.POLLOUT if waiting else select.POLLIN)
            poll.modify(stdin, 0 if waiting else select.POLLIN)


def _leave(master: int) -> None:
    """Leave a child of ours behind that reads what is shown, to the end."""
    if os.fork():
        return
    try:
        os.setsid()
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(null, descriptor)
        os.dup2(master, 3)
        os.closerange(4, 1 << 16)
        os.set_blocking(3, True)
        while os.read(3, BLOCK_BYTES):
            pass
    finally:
        os._exit(0)
