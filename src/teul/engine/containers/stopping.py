"""`stop`, `kill`, `wait`: signals to a container's first process, and waiting for its end.

Who ends a container attends to it: the monitor's own command, a Python of its own, then steps aside, and what has to
happen afterwards happens here, where everything is loaded. When we are killed meanwhile, whoever looks next does it.
"""

from __future__ import annotations

import os
import select
import time

from teul.containers import EXITED, RESTARTING, RUNNING, signal_number
from teul.engine.containers.control import resume_if_paused
from teul.engine.containers.lookup import bundle_of, change, folder_of, get, has_monitor, is_alive, reread
from teul.engine.containers.settlement import ATTENDED, settle
from teul.engine.event_log import emit_container
from teul.errors import ContainerNotFound, ContainerNotRunning, TeulError, text
from teul.host.fs import FolderLock, crash_point
from teul.state import containers as rows
from teul.state.leases import process_start

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal

    from teul.engine import Engine
    from teul.engine.containers.record import Container
else:
    import _signal as signal

STOP_TIMEOUT_S = 10
KILL_WAIT_S = 10.0
WAIT_INTERVAL_S = 0.05
HARMLESS = frozenset((1, 10, 12, 17, 18, 19, 20, 21, 22, 23, 28))
"""Signals that ask for something else than an end (HUP, USR1, USR2, CHLD, CONT, STOP … WINCH)."""


def stop(engine: Engine, container: str, *, timeout_s: float | None = None, signal: str = "") -> None:
    """Ask a container to end, and kill it after *timeout_s* (-1 waits for ever; default: the container's own, or 10 s).

    One that does not run is left alone.

    Raises:
        ContainerNotFound.
    """
    found = get(engine, container)
    if found.status == RESTARTING:
        found = _call_off(engine, found)
    if found.status != RUNNING:
        return
    # Before the signal: who settles its end must see that a user wanted it.
    change(engine, found.id, {"stopped": True})
    if timeout_s is None:
        timeout_s = STOP_TIMEOUT_S if found.stop_timeout_s is None else found.stop_timeout_s
    attended = _attend(engine, found)
    try:
        _signal(engine, found, signal_number(signal or found.stop_signal or "TERM"))
        resume_if_paused(engine, found)
        if not wait_ended(found, None if timeout_s < 0 else float(timeout_s)):
            _signal(engine, found, 9)
            if not wait_ended(found, KILL_WAIT_S):
                raise TeulError(text("container `{name}` does not end, not even killed", name=found.name))
        wait_settled(engine, found.id)
    finally:
        if attended is not None:
            attended.release()
    emit_container(engine, found, "stop")


def kill(engine: Engine, container: str, signal: str = "KILL") -> None:
    """Send *signal* to the container's first process.

    Raises:
        ContainerNotFound. ContainerNotRunning: it does not run. InvalidInput: no such signal.
    """
    number = signal_number(signal)
    found = get(engine, container)
    if number not in HARMLESS and found.status == RUNNING:
        change(engine, found.id, {"stopped": True})
    attended = _attend(engine, found) if number == 9 and found.status == RUNNING else None
    try:
        if found.status != RUNNING or not _signal(engine, found, number):
            raise ContainerNotRunning(found.name)
        if number == 9:
            resume_if_paused(engine, found)
            if wait_ended(found, KILL_WAIT_S):
                wait_settled(engine, found.id)
    finally:
        if attended is not None:
            attended.release()


def wait(engine: Engine, container: str, *, timeout_s: float | None = None, condition: str = "not-running") -> int:
    """Wait for a container's end and return its exit code; a removed one's is known for an hour.

    Args:
        condition: "not-running" (one that waits to be started again counts as running), "next-exit" (an end that is yet
            to come, whatever its restart policy makes of it) or "removed".
    Raises:
        ContainerNotFound. TimeoutError: not so after *timeout_s* seconds.
    """
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    try:
        found: Container | None = get(engine, container)
    except ContainerNotFound:
        known = rows.find_exit(engine.db, container)
        if known is None:
            raise
        return known[1]
    assert found is not None
    id, code = found.id, found.exit_code  # noqa: A001
    has_ended = False
    while found is not None:
        if found.status == RUNNING:
            left = None if deadline is None else max(deadline - time.monotonic(), 0.0)
            if not wait_ended(found, left):
                raise TimeoutError(f"container {found.name} still runs")
            found = wait_settled(engine, id)
            has_ended = True
            code = code if found is None else found.exit_code
            continue
        code = found.exit_code
        if condition == "next-exit" and has_ended:
            return code
        if condition == "not-running" and found.status != RESTARTING:
            return code
        if deadline is not None and time.monotonic() > deadline:
            raise TimeoutError(f"container {found.name} is {found.status}")
        time.sleep(WAIT_INTERVAL_S)
        found = reread(engine, id)
    known = rows.find_exit(engine.db, id)
    return code if known is None else known[1]


def send(container: Container, number: int) -> bool:
    """Send a signal to the first process, and to no other that may have its pid now; False when it is gone."""
    try:
        descriptor = os.pidfd_open(container.pid)
    except (ProcessLookupError, OSError):
        return False
    try:
        if process_start(container.pid) != container.process_start:
            return False
        signal.pidfd_send_signal(descriptor, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(descriptor)
    return True


def _attend(engine: Engine, container: Container) -> FolderLock | None:
    """The lock that makes the monitor's command step aside; None when somebody else has it, who will clean up."""
    try:
        return FolderLock.take(f"{bundle_of(engine, container.id)}/{ATTENDED}", wait=False)
    except FileNotFoundError:
        return None


def _signal(engine: Engine, container: Container, number: int) -> bool:
    """`send`, and an event of it."""
    sent = send(container, number)
    crash_point("container-signalled")
    if sent:
        emit_container(engine, container, "kill", {"signal": str(number)})
    return sent


def _call_off(engine: Engine, container: Container) -> Container:
    """Let a container that waits to be started again be; what it is now (it may have been started meanwhile)."""
    lock = FolderLock.take(folder_of(engine, container.id))
    assert lock is not None
    with lock:
        found = reread(engine, container.id)
        if found is None or found.status != RESTARTING:
            return found or container
        changed = change(engine, container.id, {"status": EXITED, "stopped": True, "restart_at": 0.0})
    emit_container(engine, found, "stop")
    return changed or found


def wait_ended(container: Container, timeout_s: float | None) -> bool:
    """Wait until the first process of a running container is gone; False when it is not within *timeout_s*."""
    try:
        descriptor = os.pidfd_open(container.pid)
    except (ProcessLookupError, OSError):
        return True
    try:
        if not is_alive(container):
            return True
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return bool(poll.poll(None if timeout_s is None else int(timeout_s * 1000)))
    finally:
        os.close(descriptor)


def wait_settled(engine: Engine, container: str) -> Container | None:
    """Wait until somebody has cleaned up after a container that ended, or do it; None when it is removed with that."""
    found = reread(engine, container)
    if found is None or found.status != RUNNING:
        return found
    # The monitor writes down how it ended, and unless we attend its command cleans up; it costs nothing to let it.
    deadline = time.monotonic() + 2.0
    while has_monitor(found) and time.monotonic() < deadline:
        descriptor = -1
        try:
            descriptor = os.pidfd_open(found.monitor_pid)
            poll = select.poll()
            poll.register(descriptor, select.POLLIN)
            poll.poll(50)
        except OSError:
            break
        finally:
            if descriptor != -1:
                os.close(descriptor)
        now = reread(engine, container)
        if now is None or now.status != RUNNING:
            return now
    return settle(engine, container)
