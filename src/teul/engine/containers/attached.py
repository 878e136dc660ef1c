"""A container in the foreground: its streams are ours, our signals are its, its exit code is the answer.

While we attend, the monitor's own clean-up steps aside (a lock tells it); we do it, in the process that is warm already.
When we are killed, the lock goes with us and the monitor's command does it all.
"""

from __future__ import annotations

import errno
import os

from teul.engine.containers.lookup import bundle_of, get, reread
from teul.engine.containers.startup import Started
from teul.engine.event_log import emit_container
from teul.errors import Cancelled, ContainerNotRunning, Detached, TeulError, text
from teul.events import silent
from teul.host.launch import wait as wait_for_child
from teul.runtime import monitor
from teul.runtime.attach import DETACH_KEYS, DETACHED, Attachment, SignalPipe, parse_detach_keys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Sequence
    from dataclasses import replace

    from teul.engine import Engine
    from teul.engine.containers.options import ContainerOptions
    from teul.engine.containers.record import Container
    from teul.events import Sink
else:
    import _signal as signal

    from teul.values import replace

READER_GONE = {errno.EIO: 129, errno.EPIPE: 141}
"""What a write says when its reader is gone (a terminal, a pipe), and the exit code: as of SIGHUP, as of SIGPIPE."""
PATIENCE = 3
"""So many SIGINT or SIGTERM in a row that the container ignores end us, as they end Docker."""


class Streams:
    """Where a container's output goes and its input comes from; descriptors, or a callable for output."""

    __slots__ = ("detach_keys", "on_output", "proxies_signals", "stdin")

    def __init__(
        self,
        *,
        stdin: int | None = None,
        on_output: Callable[[int, bytes], None] | None = None,
        detach_keys: str = DETACH_KEYS,
        proxies_signals: bool = False,
    ) -> None:
        self.stdin = stdin
        self.on_output = on_output or write_through
        self.detach_keys = detach_keys
        self.proxies_signals = proxies_signals


def write_through(descriptor: int, data: bytes) -> None:
    """Write to our own stdout or stderr, all of it, whatever its buffers."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(descriptor, view) :]
        except BlockingIOError:
            import select

            select.select([], [descriptor], [])


def run_foreground(
    engine: Engine,
    options: ContainerOptions,
    *,
    streams: Streams | None = None,
    on_created: Callable[[Container], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
    events: Sink = silent,
    defer: Callable[[Callable[[Engine], None]], None] | None = None,
) -> int:
    """Create a container, run it to its end with its streams attached, and return its exit code.

    Nothing that it prints is lost: the streams are attached before it starts. With `options.remove` it is gone, or its
    name free at least, when this returns; so is what it made when this raises.

    Args:
        streams: default: our own stdout and stderr, no stdin.
        on_created: called once, before anything runs.
        should_stop: asked ten times a second; when it says yes, the container is killed.
        defer: given what is left to be done (a tear-down that may as well happen later); default: done before the return.
    Raises:
        As `create` and `start`. Cancelled: *should_stop* said so.
    """
    from teul.engine.containers.creation import create

    container = create(engine, replace(options, starts=True), events=events)
    try:
        if on_created is not None:
            on_created(container)
        return start_attached(engine, container, streams=streams, should_stop=should_stop, defer=defer)
    except BaseException:
        if container.remove:
            _discard(engine, container)
        raise


def start_attached(
    engine: Engine,
    container: Container,
    *,
    streams: Streams | None = None,
    should_stop: Callable[[], bool] | None = None,
    defer: Callable[[Callable[[Engine], None]], None] | None = None,
) -> int:
    """Start *container* and stay with it to its end, as `run_foreground`; 0 when the user detached."""
    streams = streams or Streams()
    bundle = bundle_of(engine, container.id)
    keys = parse_detach_keys(streams.detach_keys) if container.tty and streams.stdin is not None else b""
    # Known from the first moment: a resize after the start would come too late for what looks at once.
    size = terminal_size(streams.stdin) if container.tty and streams.stdin is not None else None
    with (
        Started(engine, container, is_attended=True, console_size=size) as started,
        Attachment(bundle) as attachment,
    ):
        terminal = _Terminal(streams.stdin, bundle) if container.tty and streams.stdin is not None else None
        signals = SignalPipe() if streams.proxies_signals else None
        running = container
        try:
            emit_container(engine, container, "attach")
            running = started.go()
            if container.interactive and streams.stdin is None:
                attachment.close_input()
            if terminal is not None:
                terminal.enter()
            how = _relay(attachment, running, streams, keys, signals, terminal, should_stop)
        except BaseException as error:
            if running.is_running and isinstance(error, OSError) and error.errno in READER_GONE:
                # Our terminal went away, or who read our output, which is no reason for the container to end: nobody
                # attends from now on.
                started.leave()
                return READER_GONE[error.errno]
            if terminal is not None:
                terminal.leave()
            _end(running)
            # The monitor may wait for us to read what is left, and we are about to wait for the monitor.
            attachment.close()
            if started.monitor:
                wait_for_child(started.monitor)
            _settle(engine, container, None)
            raise
        finally:
            if terminal is not None:
                terminal.leave()
            if signals is not None:
                signals.close()
        if how == DETACHED:
            started.leave()
            return 0
        wait_for_child(started.monitor)
        code = monitor.exit_code(bundle, container.id)
        settled = _settle(engine, container, defer)
        return settled if code is None else code


def attach(engine: Engine, container: str, *, streams: Streams) -> int:
    """Stay with a container that runs already, to its end; its exit code.

    Raises:
        ContainerNotRunning. Detached: the user did.
    """
    found = get(engine, container)
    if not found.is_running:
        raise ContainerNotRunning(found.name)
    bundle = bundle_of(engine, found.id)
    keys = parse_detach_keys(streams.detach_keys) if found.tty and streams.stdin is not None else b""
    with Attachment(bundle) as attachment:
        emit_container(engine, found, "attach")
        terminal = _Terminal(streams.stdin, bundle) if found.tty and streams.stdin is not None else None
        signals = SignalPipe() if streams.proxies_signals else None
        try:
            if terminal is not None:
                terminal.enter()
            how = _relay(attachment, found, streams, keys, signals, terminal, None)
        finally:
            if terminal is not None:
                terminal.leave()
            if signals is not None:
                signals.close()
    if how == DETACHED:
        raise Detached
    return _wait_for_this_end(engine, found)


def _wait_for_this_end(engine: Engine, container: Container) -> int:
    """The exit code of the process that *container* had when we looked, ended already or not, restarted or not."""
    from teul.engine.containers.settlement import UNKNOWN_EXIT_CODE
    from teul.engine.containers.stopping import wait_ended, wait_settled
    from teul.state.containers import find_exit

    wait_ended(container, None)
    found = reread(engine, container.id)
    if found is not None and found.pid == container.pid:
        found = wait_settled(engine, container.id)
    if found is not None:
        return found.exit_code
    known = find_exit(engine.db, container.id)
    return UNKNOWN_EXIT_CODE if known is None else known[1]


def _relay(
    attachment: Attachment,
    container: Container,
    streams: Streams,
    keys: bytes,
    signals: SignalPipe | None,
    terminal: _Terminal | None,
    should_stop: Callable[[], bool] | None,
) -> str:
    from teul.engine.containers.stopping import send

    asked = 0

    def on_signal(number: int) -> None:
        nonlocal asked
        if number == signal.SIGWINCH:
            if terminal is not None:
                terminal.fit()
            return
        if number in (signal.SIGINT, signal.SIGTERM):
            asked += 1
            if asked >= PATIENCE and not send(container, 0):
                raise Cancelled(text("interrupted"))
        send(container, number)

    return attachment.relay(
        on_output=streams.on_output,
        stdin=streams.stdin if container.interactive else None,
        detach_keys=keys,
        signals=signals,
        on_signal=on_signal,
        should_stop=should_stop,
    )


def _settle(engine: Engine, container: Container, defer: Callable[[Callable[[Engine], None]], None] | None) -> int:
    from teul.engine.containers.settlement import UNKNOWN_EXIT_CODE, settle

    settled = settle(engine, container.id, defer_network=defer is not None)
    if defer is not None and container.places:
        from teul.engine import networks

        if networks.leaves_something(engine, container.id):
            container_id = container.id
            defer(lambda later: networks.leave(later, container_id))
    return UNKNOWN_EXIT_CODE if settled is None else settled.exit_code


def _end(container: Container) -> None:
    from teul.engine.containers.stopping import KILL_WAIT_S, send, wait_ended

    if container.pid and send(container, 9):
        wait_ended(container, KILL_WAIT_S)


def _discard(engine: Engine, container: Container) -> None:
    """Remove a container that was to remove itself and did not get so far; never hides the error that is under way."""
    from teul.engine.containers.removal import remove

    try:
        if reread(engine, container.id) is not None:
            remove(engine, container.id, force=True, with_volumes=True)
    except (TeulError, OSError):
        pass


def terminal_size(descriptor: int) -> tuple[int, int] | None:
    """(rows, columns) of the terminal at *descriptor*; None when it is none, or has no size."""
    try:
        size = os.get_terminal_size(descriptor)
    except OSError:
        return None
    return (size.lines, size.columns) if size.lines and size.columns else None


class _Terminal:
    """Our terminal in raw mode while the container has it, and the container's in our size."""

    def __init__(self, descriptor: int, bundle: str) -> None:
        self._descriptor = descriptor
        self._bundle = bundle
        self._saved: Sequence[object] | None = None

    def enter(self) -> None:
        if os.isatty(self._descriptor):
            import termios
            import tty

            self._saved = termios.tcgetattr(self._descriptor)
            tty.setraw(self._descriptor, termios.TCSANOW)
        self.fit()

    def fit(self) -> None:
        size = terminal_size(self._descriptor)
        if size is not None:
            monitor.resize(self._bundle, rows=size[0], columns=size[1])

    def leave(self) -> None:
        """Idempotent."""
        if self._saved is not None:
            import termios

            saved, self._saved = self._saved, None
            try:
                termios.tcsetattr(self._descriptor, termios.TCSADRAIN, list(saved))  # type: ignore[arg-type]
            except termios.error:
                # It went away.
                pass
