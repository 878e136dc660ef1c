"""The client of a monitor's attach socket: what a container prints, and what it is given to read.

conmon speaks packets: one byte that tells the stream (2 stdout, 3 stderr), then at most 8 KiB of output; input goes the
other way as it is, and closing our half closes the container's stdin.
"""

from __future__ import annotations

import os
import select

from teul.errors import Cancelled, InvalidInput, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Callable
    from types import FrameType
else:
    # Its C half: the names and numbers, without the enumerations around them (1 ms).
    import _signal as signal

STDOUT = 2
STDERR = 3
PACKET_BYTES = 8193
INPUT_BYTES = 8192
DETACH_KEYS = "ctrl-p,ctrl-q"
ENDED, DETACHED = "ended", "detached"
PROXIED = tuple(
    getattr(signal, name)
    for name in (
        *("SIGHUP", "SIGINT", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGTERM", "SIGCONT", "SIGWINCH"),
        *("SIGPROF", "SIGVTALRM", "SIGPWR", "SIGIO", "SIGURG", "SIGTRAP", "SIGSYS"),
    )
)
"""Signals that are handed on to the container's first process (not those that the kernel means for us alone)."""


class Attachment:
    """A connection to a running (or created) container; close it with `close` or a `with` block."""

    def __init__(self, bundle: str) -> None:
        import _socket

        folder = os.open(bundle, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self._socket = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
            # Through the descriptor, because a socket's path has only 108 bytes.
            self._socket.connect(f"/proc/self/fd/{folder}/attach")
        finally:
            os.close(folder)

    def __enter__(self) -> Attachment:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def close_input(self) -> None:
        """The container reads end-of-file."""
        try:
            self._socket.shutdown(1)
        except OSError:
            pass

    def relay(
        self,
        *,
        on_output: Callable[[int, bytes], None],
        stdin: int | None = None,
        detach_keys: bytes = b"",
        on_signal: Callable[[int], None] | None = None,
        signals: SignalPipe | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> str:
        """Hand everything on, both ways, until the container's streams end or the user detaches.

        Args:
            on_output: gets 1 or 2 (the descriptor's number) and bytes.
            stdin: read from here; None gives the container nothing (its stdin is closed by `close_input`).
            detach_keys: the sequence, among what comes from *stdin*, that ends this and not the container.
            on_signal: called, outside of any handler, for each signal that *signals* noted.
            should_stop: asked ten times a second.
        Returns: `ENDED` or `DETACHED`.
        Raises:
            Cancelled: *should_stop* said yes.
        """
        descriptor = self._socket.fileno()
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        if stdin is not None:
            poll.register(stdin, select.POLLIN)
        if signals is not None:
            poll.register(signals.descriptor, select.POLLIN)
        self._socket.setblocking(False)
        keys = KeyFilter(detach_keys)
        waiting = b""
        while True:
            ready = dict(poll.poll(None if should_stop is None else 100))
            if should_stop is not None and should_stop():
                raise Cancelled(text("cancelled"))
            if signals is not None and signals.descriptor in ready:
                for number in signals.take():
                    if on_signal is not None:
                        on_signal(number)
            if descriptor in ready:
                events = ready[descriptor]
                if events & (select.POLLIN | select.POLLHUP | select.POLLERR) and not self._drain(on_output):
                    return ENDED
                if events & select.POLLOUT and waiting:
                    waiting = self._send(waiting)
                    if not waiting:
                        poll.modify(descriptor, select.POLLIN)
                        if stdin is not None:
                            poll.register(stdin, select.POLLIN)
            if stdin is not None and stdin in ready and not waiting:
                try:
                    data = os.read(stdin, INPUT_BYTES)
                except OSError:
                    data = b""
                if not data:
                    poll.unregister(stdin)
                    stdin = None
                    self.close_input()
                    continue
                data, detached = keys.filter(data)
                waiting = self._send(data) if data else b""
                if detached:
                    return DETACHED
                if waiting:
                    # The container is not reading: nor do we, until it does.
                    poll.unregister(stdin)
                    poll.modify(descriptor, select.POLLIN | select.POLLOUT)

    def _drain(self, on_output: Callable[[int, bytes], None]) -> bool:
        """Hand on what has come; False at the end."""
        while True:
            try:
                packet = self._socket.recv(PACKET_BYTES)
            except BlockingIOError:
                return True
            except OSError:
                return False
            if not packet:
                return False
            on_output(2 if packet[0] == STDERR else 1, packet[1:])

    def _send(self, data: bytes) -> bytes:
        """Send *data* and return what did not fit."""
        try:
            sent: int = self._socket.send(data)
        except BlockingIOError:
            return data
        except OSError:
            # The container closed its stdin, or is gone; the end of its output will say so.
            return b""
        return data[sent:]


class SignalPipe:
    """Signals noted while they come, to be acted on by a poll loop. Only in the main thread; restores what it found."""

    def __init__(self, numbers: tuple[int, ...] = PROXIED) -> None:
        self.descriptor, self._in = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._found: dict[int, object] = {}
        for number in numbers:
            try:
                self._found[number] = signal.signal(number, self._note)
            except (OSError, ValueError):
                continue

    def _note(self, number: int, frame: FrameType | None) -> None:
        try:
            os.write(self._in, bytes([number]))
        except BlockingIOError:
            pass

    def take(self) -> bytes:
        """The numbers that came since the last time."""
        try:
            return os.read(self.descriptor, 4096)
        except BlockingIOError:
            return b""

    def close(self) -> None:
        for number, handler in self._found.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)  # type: ignore[arg-type]
        self._found = {}
        os.close(self.descriptor)
        os.close(self._in)

    def __enter__(self) -> SignalPipe:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class KeyFilter:
    """Finds the detach sequence in a stream that comes in pieces; what began like it and was not is given back."""

    def __init__(self, sequence: bytes) -> None:
        self._sequence = sequence
        self._matched = 0

    def filter(self, data: bytes) -> tuple[bytes, bool]:
        if not self._sequence:
            return data, False
        made = bytearray()
        for value in data:
            if value == self._sequence[self._matched]:
                self._matched += 1
                if self._matched == len(self._sequence):
                    return bytes(made), True
                continue
            if self._matched:
                made += self._sequence[: self._matched]
                self._matched = 0
                if value == self._sequence[0]:
                    self._matched = 1
                    continue
            made.append(value)
        return bytes(made), False


def parse_detach_keys(value: str) -> bytes:
    """The bytes of `ctrl-p,ctrl-q` or `a,b`.

    Raises:
        InvalidInput: with Docker's words.
    """
    made = bytearray()
    for key in value.split(",") if value else ():
        if len(key) == 1:
            made += key.encode()
        elif key.lower().startswith("ctrl-") and len(key) == 6:
            char = key[5].lower()
            code = "@abcdefghijklmnopqrstuvwxyz[\\]^_".find(char)
            if code < 0:
                raise InvalidInput(text("Invalid escape keys ({keys}) provided", keys=value))
            made.append(code)
        else:
            raise InvalidInput(text("Invalid escape keys ({keys}) provided", keys=value))
    return bytes(made)
