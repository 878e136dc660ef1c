"""What has to happen when a container has ended: remember how, let go of what it held, remove it if it is to be.

Whoever comes first does it: the `teul` that attends to the container, the command that its monitor runs, or the next
command that looks. All of it is idempotent, under a lock on the container's folder.
"""

from __future__ import annotations

import os
import time

from teul.containers import CREATED, EXITED, RESTARTING, RUNNING
from teul.engine.containers.lookup import (
    bundle_of,
    change,
    folder_of,
    has_monitor,
    is_alive,
    names_in,
    reread,
    without_row,
)
from teul.engine.event_log import emit, emit_container
from teul.errors import TeulError
from teul.host.fs import FolderLock, crash_point, remove_tree
from teul.runtime import monitor
from teul.state import containers as rows
from teul.state import networks as network_rows
from teul.state.leases import process_start

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from dataclasses import replace
    from typing import Any

    from teul.engine import Engine
    from teul.engine.containers.record import Container
else:
    from teul.values import replace

MONITOR_GRACE_S = 5.0
"""How long a monitor may take to write down how its container ended."""
STATE_FILES = ("state.json", "status")
"""What a runtime writes (runc, crun) once it can end what it creates."""
ATTENDED = "attended"
"""A file in the container's bundle, locked by a `teul` that cleans up itself when the container ends."""
ENDED_FIELDS = (
    *("status", "pid", "process_start", "monitor_pid", "monitor_start", "exit_code", "error", "oom_killed"),
    *("finished_at", "places", "ports", "paused"),
)
"""What the end of a container changes in its record."""
UNKNOWN_EXIT_CODE = 255
"""Docker's, for a container whose end nobody saw."""


def take_locks(folder: str, bundle: str, *, check: Callable[[], None]) -> tuple[FolderLock, FolderLock]:
    """The lock on a container's *folder*, and that of attending to it, in its *bundle*, which is made.

    A monitor's command has the second one already when it waits for the first. So the second is never waited for with
    the first in hand.

    Args:
        check: raises where there is nothing to start; called with the first lock in hand.
    """
    path = f"{bundle}/{ATTENDED}"
    while True:
        first = FolderLock.take(folder)
        assert first is not None
        try:
            check()
            # Ours alone: the bundle has the environment, which may hold secrets, and the socket to the streams.
            os.makedirs(os.path.dirname(bundle), mode=0o711, exist_ok=True)
            os.makedirs(bundle, mode=0o700, exist_ok=True)
            second = FolderLock.take(path, make=True, wait=False)
        except BaseException:
            first.release()
            raise
        if second is not None:
            return first, second
        first.release()
        try:
            other = FolderLock.take(path)
        except FileNotFoundError:
            continue
        assert other is not None
        other.release()


def settle(engine: Engine, container: str, *, defer_network: bool = False) -> Container | None:
    """Bring what is remembered of *container* (a full id) in line with what is; None when it is gone (now or before).

    Args:
        defer_network: leave a tear-down that takes time to whoever looks next (its journal stays).
    """
    bundle = bundle_of(engine, container)
    try:
        lock = FolderLock.take(folder_of(engine, container))
    except FileNotFoundError:
        return reread(engine, container)
    assert lock is not None
    with lock:
        found = reread(engine, container)
        if found is None or found.status != RUNNING or _really_runs(engine, found):
            return found
        _wait_for_monitor(found, bundle)
        code = monitor.exit_code(bundle, container)
        ended = replace(
            found,
            status=EXITED,
            pid=0,
            paused=False,
            process_start="",
            monitor_pid=0,
            monitor_start="",
            exit_code=UNKNOWN_EXIT_CODE if code is None else code,
            error="" if code is not None else "nobody saw it end",
            oom_killed=monitor.was_out_of_memory(bundle),
            # A file's time comes from a coarser clock, up to 10 ms behind.
            finished_at=max(monitor.ended_at(bundle, container) or time.time(), found.started_at),
            places=tuple(replace(place, address="", address6="", mac="") for place in found.places),
            ports=(),
        )
        if code is None:
            engine.driver.delete(container, force=True)
        else:
            engine.driver.forget(container)
        crash_point("container-deleted")
        _announce(engine, ended)
        if found.remove:
            from teul.engine.containers.removal import discard

            discard(engine, ended, with_volumes=True)
        else:
            ended = _remember(engine, ended)
        crash_point("container-settled")
        if any(mount.kind == "volume" for mount in found.mounts):
            from teul.engine import volumes

            volumes.release(engine, {mount.name for mount in found.mounts if mount.kind == "volume"}, settled=container)
        if found.places:
            from teul.engine import networks

            if not defer_network or not networks.leaves_something(engine, container):
                networks.leave(engine, container)
        if ended.status == RESTARTING and not found.remove:
            from teul.engine import supervision

            supervision.ensure(engine)
        return None if found.remove else ended


def _remember(engine: Engine, ended: Container) -> Container:
    """Write the end down, and what its restart policy makes of it."""
    fields: dict[str, Any] = {name: getattr(ended, name) for name in ENDED_FIELDS}
    if not ended.restart:
        return change(engine, ended.id, fields) or ended
    from teul.engine.supervision import policy

    with engine.db:
        # Read in the same transaction: a `stop` says that it came from a user before it sends its signal.
        now = reread(engine, ended.id) or ended
        again = policy.after_end(replace(ended, stopped=now.stopped, restart=now.restart))
        if again is not None:
            fields |= {
                "status": RESTARTING,
                "restart_count": ended.restart_count + 1,
                "restart_delay_s": again,
                "restart_at": time.time() + again,
            }
        return change(engine, ended.id, fields) or ended


def _announce(engine: Engine, ended: Container) -> None:
    """The events of a container's end, in Docker's order."""
    for place in ended.places:
        emit(
            engine,
            "network",
            "disconnect",
            place.network_id,
            {"container": ended.id, "name": place.network, "type": "bridge"},
        )
    for mount in ended.mounts:
        if mount.kind == "volume":
            emit(engine, "volume", "unmount", mount.name, {"container": ended.id, "driver": "local"})
    if ended.oom_killed:
        emit_container(engine, ended, "oom")
    lived_s = max(ended.finished_at - ended.started_at, 0)
    emit_container(engine, ended, "die", {"execDuration": str(int(lived_s)), "exitCode": str(ended.exit_code)})


def settle_all(engine: Engine) -> None:
    """Settle every container that is said to run and does not, and end what runs and is not said to."""
    from teul.engine.containers.record import Container

    for row in rows.with_status(engine.db, CREATED):
        _sweep_created(engine, Container.from_row(row))
    running = set()
    for row in rows.with_status(engine.db, RUNNING):
        container = Container.from_row(row)
        if not is_alive(container) or _waits_for_nobody(engine, container):
            settle(engine, container.id)
        else:
            running.add(container.id)
    for name in names_in(f"{engine.settings.run_root}/containers"):
        if name not in running:
            _sweep(engine, name)
    for name in without_row(engine, names_in(engine.settings.containers)):
        _sweep_folder(engine, name)
    if os.path.isdir(f"{engine.settings.run_root}/volumes"):
        from teul.engine import volumes

        volumes.sweep(engine)
    if network_rows.orphans(engine.db):
        from teul.engine import networks

        networks.sweep(engine)


def _sweep_created(engine: Engine, container: Container) -> None:
    """Remove a container of a `run --rm` that was killed before it started it: nobody else ever will."""
    pid, _, started = container.run_by.partition("/")
    if not (container.remove and pid) or process_start(int(pid)) == started:
        return
    from teul.engine.containers.removal import remove

    try:
        remove(engine, container.id, with_volumes=True)
    except TeulError:
        # Somebody else has removed or started it meanwhile.
        return


def end_leftovers(engine: Engine, container: str) -> None:
    """End what a start left that was killed before the row said `running`; the caller holds the container's lock."""
    bundle = bundle_of(engine, container)
    state = f"{engine.driver.root}/{container}"
    deadline = time.monotonic() + MONITOR_GRACE_S
    # A monitor whose `teul` was killed goes on to create the container; that takes a moment, and can be undone then.
    while monitor.is_there(bundle, container) and time.monotonic() < deadline:
        # Not its `exec.fifo`: that comes first, and a `delete` before the state is written takes the folder away from
        # under a `create`, which goes on.
        if any(os.path.exists(f"{state}/{name}") for name in STATE_FILES):
            break
        time.sleep(0.005)
    if os.path.isdir(state):
        engine.driver.delete(container, force=True)
        # What it writes at its end would come into a bundle that is being removed, or is the next start's.
        while monitor.is_there(bundle, container) and time.monotonic() < deadline + MONITOR_GRACE_S:
            time.sleep(0.005)


def _sweep_folder(engine: Engine, container: str) -> None:
    """Remove a folder that has no row: of a creation or a removal that was killed."""
    folder = folder_of(engine, container)
    try:
        lock = FolderLock.take(folder, wait=False)
    except FileNotFoundError:
        return
    if lock is None:
        return
    with lock:
        remove_tree(folder)


def _sweep(engine: Engine, container: str) -> None:
    """Look at one bundle whose container is not running: most are of containers that have ended, and hold nothing."""
    bundle = bundle_of(engine, container)
    found = reread(engine, container)
    if (
        found is not None
        and not os.path.isdir(f"{engine.driver.root}/{container}")
        and not monitor.is_there(bundle, container)
    ):
        return
    locks = []
    try:
        for path in (f"{bundle}/{ATTENDED}", folder_of(engine, container)):
            try:
                lock = FolderLock.take(path, wait=False)
            except FileNotFoundError:
                continue
            if lock is None:
                # Somebody starts, attends to, settles or removes it this moment.
                return
            locks.append(lock)
        found = reread(engine, container)
        if found is not None and found.status == RUNNING:
            return
        end_leftovers(engine, container)
        if found is None:
            remove_tree(bundle)
        from teul.engine import networks

        networks.leave(engine, container)
    finally:
        for lock in locks:
            lock.release()


def _really_runs(engine: Engine, container: Container) -> bool:
    if not is_alive(container):
        return False
    if _waits_for_nobody(engine, container):
        # Its `teul` was killed between "created" and "started"; it never ran, and nobody will let it.
        engine.driver.delete(container.id, force=True)
        return False
    return True


def _waits_for_nobody(engine: Engine, container: Container) -> bool:
    """Whether it was created and never started, with nobody about to start it (who would hold the folder's lock)."""
    if not os.path.exists(f"{engine.driver.root}/{container.id}/exec.fifo"):
        return False
    try:
        lock = FolderLock.take(f"{bundle_of(engine, container.id)}/{ATTENDED}", wait=False)
    except FileNotFoundError:
        return False
    if lock is None:
        return False
    lock.release()
    return os.path.exists(f"{engine.driver.root}/{container.id}/exec.fifo")


def _wait_for_monitor(container: Container, bundle: str) -> None:
    """Give the monitor time to write the exit code, if it is there at all."""
    deadline = time.monotonic() + MONITOR_GRACE_S
    while monitor.exit_code(bundle, container.id) is None and has_monitor(container):
        if time.monotonic() > deadline:
            return
        time.sleep(0.005)


def main() -> None:
    """The command that a container's monitor runs at its end; the container's id is the last argument."""
    import sys

    from teul.config import Settings
    from teul.engine import Engine

    engine = Engine.open(Settings.from_environ(os.environ))
    try:
        settle(engine, sys.argv[-1])
    except TeulError:
        # Nobody reads what this says; whoever looks next settles it, and says it again.
        sys.exit(1)
    finally:
        engine.close()
