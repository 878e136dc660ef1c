"""The supervisor's process: one loop over what is due. Must not decide what a result means; `policy` and `health` do.

It starts nothing in its own memory: a restart is a forked child, a health check the runtime's own process. So it stays
small, and a start that goes wrong takes nothing else with it.

Ending is where a wish could get lost. A command writes what it wants into the database first and tells the pipe second;
the supervisor closes the pipe first and looks into the database second. Either it still hears the command, or it sees
what the command wrote, or the command finds nobody there and begins another.
"""

from __future__ import annotations

import os
import select
import sys
import time

from teul.containers import RESTARTING
from teul.engine import supervision
from teul.engine.containers.lookup import bundle_of, folder_of, has_monitor, is_alive, reread
from teul.engine.containers.record import Container
from teul.engine.supervision import rotation
from teul.engine.supervision.health import Check
from teul.engine.supervision.probe import Probe
from teul.errors import TeulError
from teul.host.fs import FolderLock, remove_file
from teul.state import containers as rows

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from teul.engine import Engine

LOOK_INTERVAL_S = 10.0
LOG_INTERVAL_S = 1.0
LINGER_S = 3.0
LOCK_TRIES = 40
LOCK_PAUSE_S = 0.05
RETRY_DELAYS_S = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0)


class _Watched:
    """A running container that has health checks or a log to be turned."""

    __slots__ = ("check", "container", "log_at", "log_files", "log_limit", "log_size", "probe", "probe_at", "seen_at")

    def __init__(self, container: Container, now: float) -> None:
        self.container = container
        self.check = Check.from_json(container.healthcheck) if container.healthcheck else None
        self.log_limit, self.log_files = rotation.limits(container.log_driver, container.log_options)
        self.log_size, self.log_at, self.seen_at = 0, now if self.log_limit else 0.0, now
        self.probe: Probe | None = None
        self.probe_at = 0.0


class _Guard:
    """Tells when a process of a container that is to be restarted has ended: its monitor, or itself when that is gone.

    Who ends both with `kill -9` leaves nobody who would say so.
    """

    __slots__ = ("descriptor", "process")

    def __init__(self, process: tuple[int, str]) -> None:
        self.process = process
        try:
            self.descriptor = os.pidfd_open(process[0])
        except OSError:
            self.descriptor = -1

    def close(self) -> None:
        """Idempotent; the same process is not guarded again."""
        if self.descriptor != -1:
            os.close(self.descriptor)
            self.descriptor = -1


class Supervisor:
    """See the module."""

    def __init__(self, engine: Engine, pipe: int) -> None:
        self.engine = engine
        self._pipe = pipe
        self._poll = select.poll()
        self._poll.register(pipe, select.POLLIN)
        self._watched: dict[str, _Watched] = {}
        self._restarts: dict[str, float] = {}
        self._children: dict[int, tuple[int, str]] = {}
        """pidfd → (pid, container) of a forked child at work."""
        self._failures: dict[str, int] = {}
        self._guards: dict[str, _Guard] = {}
        self._look_at = 0.0
        self._idle_since = 0.0

    def run(self) -> bool:
        """Until there has been nothing to do for `LINGER_S`; False when nobody can hear us any more."""
        while True:
            now = time.monotonic()
            if now >= self._look_at:
                if not self._is_heard():
                    return False
                self._look(now)
            self._do_due(now)
            if self._watched or self._restarts or self._children:
                self._idle_since = 0.0
            elif not self._idle_since:
                self._idle_since = now
            elif now - self._idle_since >= LINGER_S:
                return True
            self._wait(now)

    def _is_heard(self) -> bool:
        """Whether commands still find our pipe: whoever cleared the run folder begins another supervisor."""
        try:
            there = os.stat(supervision.pipe_of(self.engine.settings))
        except FileNotFoundError:
            return False
        return there.st_ino == os.fstat(self._pipe).st_ino

    def has_work(self) -> bool:
        """Whether the database asks for something now."""
        return any(supervision.is_wanted(Container.from_row(row)) for row in rows.alive(self.engine.db))

    def _look(self, now: float) -> None:
        """Bring what is watched in line with the records."""
        self._look_at = now + LOOK_INTERVAL_S
        found: set[str] = set()
        guarded: set[str] = set()
        self._restarts = {}
        busy = {container for _, container in self._children.values()}
        for row in rows.alive(self.engine.db):
            container = Container.from_row(row)
            if container.id in busy:
                continue
            if container.status == RESTARTING:
                # The wall's clock may have been set; no pause is longer than the longest.
                pause = min(max(container.restart_at - time.time(), 0.0), supervision_last_delay())
                failures = self._failures.get(container.id, 0)
                if failures:
                    pause = max(pause, RETRY_DELAYS_S[min(failures, len(RETRY_DELAYS_S)) - 1])
                self._restarts[container.id] = now + pause
                continue
            if not is_alive(container):
                if not has_monitor(container) and container.restart:
                    # Its monitor was killed, and whoever would have told.
                    self._fork(container.id, _settle)
                continue
            if container.restart:
                guarded.add(container.id)
                self._guard(container)
            if not supervision.is_wanted(container):
                continue
            found.add(container.id)
            known = self._watched.get(container.id)
            if known is not None and known.container.process_start == container.process_start:
                known.container = container
                continue
            self._drop(container.id)
            watched = _Watched(container, now)
            if watched.check is not None:
                age = max(time.time() - container.started_at, 0.0)
                known_health = health_status(bundle_of(self.engine, container.id))
                watched.probe_at = now + max(watched.check.pause_s(known_health, age) - age, 0.0)
            elif not watched.log_limit:
                found.discard(container.id)
                continue
            self._watched[container.id] = watched
        for id in [name for name in self._watched if name not in found]:  # noqa: A001
            self._drop(id)
        for id in [name for name in self._guards if name not in guarded]:  # noqa: A001
            self._unguard(self._guards.pop(id))

    def _guard(self, container: Container) -> None:
        if has_monitor(container):
            process = (container.monitor_pid, container.monitor_start)
        else:
            process = (container.pid, container.process_start)
        known = self._guards.get(container.id)
        if known is not None:
            if known.process == process:
                return
            self._unguard(known)
        guard = self._guards[container.id] = _Guard(process)
        if guard.descriptor != -1:
            self._poll.register(guard.descriptor, select.POLLIN)

    def _unguard(self, guard: _Guard) -> None:
        if guard.descriptor != -1:
            self._poll.unregister(guard.descriptor)
            guard.close()

    def _drop(self, id: str) -> None:  # noqa: A002
        watched = self._watched.pop(id, None)
        if watched is not None and watched.probe is not None:
            self._forget(watched.probe)
            watched.probe.kill()

    def _do_due(self, now: float) -> None:
        for id, at in list(self._restarts.items()):  # noqa: A001
            if now >= at:
                del self._restarts[id]
                self._fork(id, _restart)
        for id, watched in list(self._watched.items()):  # noqa: A001
            if watched.log_limit and now >= watched.log_at:
                self._watch_log(watched, now)
            if watched.check is None:
                continue
            if watched.probe is not None:
                if now >= watched.probe.deadline:
                    self._end_probe(watched, now, timed_out=True)
            elif now >= watched.probe_at:
                if not is_alive(watched.container):
                    self._drop(id)
                    self._look_at = now + 0.5
                    continue
                fresh = reread(self.engine, id)
                if fresh is not None and fresh.paused:
                    # Nothing runs in there, a check neither.
                    watched.probe_at = now + watched.check.interval_s
                    continue
                watched.probe = Probe(self.engine, watched.container, watched.check, now)
                for descriptor in watched.probe.descriptors:
                    self._poll.register(descriptor, select.POLLIN)

    def _watch_log(self, watched: _Watched, now: float) -> None:
        path = f"{folder_of(self.engine, watched.container.id)}/log"
        size = rotation.size_of(path)
        rate = max(size - watched.log_size, 0) / max(now - watched.seen_at, 0.001)
        if size > watched.log_limit:
            bundle = bundle_of(self.engine, watched.container.id)
            try:
                turned = rotation.rotate(path, bundle, watched.log_files)
            except OSError:
                turned = False
            if not turned:
                # Its monitor is ending, or the disk is full: not in a hurry again.
                watched.log_at = now + LOG_INTERVAL_S
                return
            # The old file's growth is the measure of the new one's: a loud container is looked at again at once.
            size = rotation.size_of(path)
        # Half of the time that is left at this speed, so that a burst does not go far beyond its limit.
        left = (watched.log_limit - size) / rate / 2 if rate else LOG_INTERVAL_S
        watched.log_size, watched.seen_at = size, now
        watched.log_at = now + min(max(left, 0.02), LOG_INTERVAL_S)

    def _end_probe(self, watched: _Watched, now: float, *, timed_out: bool = False) -> None:
        probe, check = watched.probe, watched.check
        assert probe is not None
        assert check is not None
        watched.probe = None
        self._forget(probe)
        status = probe.finish(timed_out=timed_out)
        age = max(time.time() - watched.container.started_at, 0.0)
        watched.probe_at = now + check.pause_s(status, age)

    def _forget(self, probe: Probe) -> None:
        for descriptor in probe.descriptors:
            self._poll.unregister(descriptor)

    def _fork(self, container: str, work: Callable[[Engine, str], None]) -> None:
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                # Who holds the pipe is the supervisor, to all others.
                os.close(self._pipe)
                from teul.engine import Engine

                # The connection to the database is our parent's; SQLite's do not survive a fork.
                work(Engine.open(self.engine.settings), container)
                code = 0
            except (TeulError, OSError):
                pass
            finally:
                os._exit(code)
        descriptor = os.pidfd_open(pid)
        self._children[descriptor] = (pid, container)
        self._poll.register(descriptor, select.POLLIN)

    def _reap(self, descriptor: int) -> None:
        pid, container = self._children.pop(descriptor)
        self._poll.unregister(descriptor)
        os.close(descriptor)
        _, status = os.waitpid(pid, 0)
        if status == 0:
            self._failures.pop(container, None)
        else:
            self._failures[container] = self._failures.get(container, 0) + 1
        self._look_at = 0.0

    def _wait(self, now: float) -> None:
        due = [self._look_at, *self._restarts.values()]
        for watched in self._watched.values():
            if watched.log_limit:
                due.append(watched.log_at)
            if watched.probe is not None:
                due.append(watched.probe.deadline)
            elif watched.check is not None:
                due.append(watched.probe_at)
        if self._idle_since:
            due.append(self._idle_since + LINGER_S)
        ready = self._poll.poll(max(int((min(due) - now) * 1000) + 1, 0))
        now = time.monotonic()
        for descriptor, _ in ready:
            if descriptor == self._pipe:
                try:
                    os.read(self._pipe, 4096)
                except BlockingIOError:
                    pass
                self._look_at = 0.0
            elif descriptor in self._children:
                self._reap(descriptor)
            elif guard := next((each for each in self._guards.values() if each.descriptor == descriptor), None):
                self._unguard(guard)
                self._look_at = 0.0
            else:
                for watched in list(self._watched.values()):
                    probe = watched.probe
                    if probe is not None and descriptor in probe.descriptors:
                        if descriptor == probe.output:
                            if not probe.take():
                                self._poll.unregister(descriptor)
                                probe.close_output()
                        else:
                            self._end_probe(watched, now)
                        break


def supervision_last_delay() -> float:
    from teul.engine.supervision.policy import LAST_DELAY_S

    return LAST_DELAY_S


def health_status(bundle: str) -> str:
    from teul.engine.supervision.health import load

    return load(bundle).status


def _restart(engine: Engine, container: str) -> None:
    from teul.engine.containers.restarting import restart

    restart(engine, container)


def _settle(engine: Engine, container: str) -> None:
    from teul.engine.containers.settlement import settle

    settle(engine, container)


def main() -> None:
    """The process that `supervision.ensure` begins; ends at once when there is one already."""
    from teul.config import Settings
    from teul.engine import Engine

    # Whoever began us may hold locks in descriptors that it hands on (`flock` does), and a folder, and a umask.
    os.closerange(3, 1 << 16)
    os.chdir("/")
    os.umask(0o022)
    settings = Settings.from_environ(os.environ)
    lock = None
    for _ in range(LOCK_TRIES):
        try:
            lock = FolderLock.take(f"{settings.run_root}/supervisor.lock", wait=False, make=True)
        except FileNotFoundError:
            return
        if lock is not None:
            break
        time.sleep(LOCK_PAUSE_S)
    if lock is None:
        return
    # Ours from now on; who comes meanwhile finds the lock taken and ends.
    with open(f"{settings.run_root}/supervisor.pid", "w") as file:
        file.write(str(os.getpid()))
    engine = Engine.open(settings)
    path = supervision.pipe_of(settings)
    while True:
        try:
            os.mkfifo(path, 0o600)
        except FileExistsError:
            pass
        pipe = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        supervisor = Supervisor(engine, pipe)
        if not supervisor.run():
            os._exit(0)
        # In this order; see the module.
        os.close(pipe)
        remove_file(path)
        if not supervisor.has_work():
            break
    remove_file(f"{settings.run_root}/supervisor.pid")
    engine.close()
    lock.release()
    sys.exit(0)
