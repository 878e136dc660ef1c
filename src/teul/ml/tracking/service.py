"""A tracking server for whoever needs one: found when it runs, started when not. Must not listen itself.

One server per state folder. Starting is locked, so two `teul up` at once start one; what runs is known by its pid and
start time (`<run directory>/tracking.json`), never by its name. The server is no child of ours: it goes on when the
command that started it ends, until `stop` or the end of the machine.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from teul import __version__
from teul.config import Settings
from teul.errors import Conflict, Unavailable, text
from teul.host.fs import write_atomic
from teul.host.launch import launch, wait
from teul.host.process import require
from teul.state.leases import process_start

START_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 15.0
POLL_S = 0.01
KEPT_ENVIRONMENT = (
    "PATH",
    "VIRTUAL_ENV",
    "CONDA_PREFIX",
    "HOME",
    "TZ",
    "TMPDIR",
    "LANG",
    "LC_ALL",
    "LC_MESSAGES",
    "XDG_RUNTIME_DIR",
    "XDG_DATA_HOME",
)


@dataclass(frozen=True, slots=True)
class TrackingEndpoint:
    """A server that answers. *uri* is for this machine; *addresses* are those it listens on besides."""

    uri: str
    host: str
    port: int
    pid: int
    addresses: tuple[str, ...] = ()
    version: str = ""
    """Of the teul that it runs."""
    store: str = ""
    """Where its database is, without a password."""

    def uri_on(self, address: str) -> str:
        """The URI for a container that reaches this machine at *address* (the gateway of its network)."""
        from teul.ml.tracking.server import uri_of

        return uri_of(address, self.port)


def find(settings: Settings) -> TrackingEndpoint | None:
    """The server that runs for this state folder, or None."""
    try:
        with open(f"{settings.run_root}/tracking.json", "rb") as stream:
            state = json.loads(stream.read())
    except (FileNotFoundError, ValueError):
        return None
    if not state["started"] or process_start(state["pid"]) != state["started"]:
        return None
    return TrackingEndpoint(
        state["uri"], state["host"], state["port"], state["pid"], tuple(state["addresses"]), state.get("version", ""),
        state.get("store", ""),
    )  # fmt: skip


def ensure_running(settings: Settings, *, addresses: Sequence[str] = ()) -> TrackingEndpoint:
    """The server of this state folder, started when none runs; it listens on *addresses* too, with tokens there.

    One of another version of teul is ended first: it would go on with a schema that may be migrated under it.

    Raises:
        Unavailable: it did not come up, or cannot listen on an address; the message has the end of its log.
        Conflict: the one that runs was started on another store than these settings name.
    """
    found = find(settings)
    _check_store(settings, found)
    if found is not None and found.version == __version__ and set(addresses) <= set(found.addresses):
        return found
    with _starting(settings):
        found = find(settings)
        if found is not None and found.version != __version__:
            stop(settings)
        wanted = sorted({*(found.addresses if found else _remembered(settings)), *addresses})
        write_atomic(f"{settings.run_root}/tracking.addresses", json.dumps(wanted).encode())
        if found is None or found.version != __version__:
            _start(settings)
        else:
            os.kill(found.pid, signal.SIGHUP)
        return _wait_until_ready(settings, addresses)


def store_of(settings: Settings) -> str:
    """Where these settings keep the tracking database, without a password."""
    if not settings.tracking_store:
        return settings.tracking_database
    from teul.ml.tracking.database import without_password

    return without_password(settings.tracking_store)


def _check_store(settings: Settings, found: TrackingEndpoint | None) -> None:
    """What a command writes itself and what its containers write over HTTP must meet in one store."""
    expected = store_of(settings)
    if found is not None and found.store and found.store != expected:
        raise Conflict(
            text(
                "the tracking server at {uri}: expected one on store {expected}, got {actual}",
                uri=found.uri,
                expected=expected,
                actual=found.store,
            ),
            hint=text("set TEUL_TRACKING_STORE for all commands, or end that server (pid {pid})", pid=found.pid),
        )


def stop(settings: Settings) -> bool:
    """End the server of this state folder; returns whether one ran.

    Raises:
        Unavailable: it did not end in time.
    """
    found = find(settings)
    if found is None:
        return False
    os.kill(found.pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_TIMEOUT_S
    while process_start(found.pid):
        if time.monotonic() > deadline:
            raise Unavailable(text("the tracking server (pid {pid}) does not end", pid=found.pid))
        time.sleep(POLL_S)
    return True


def log_path(settings: Settings) -> str:
    """Where a server that was started by `ensure_running` writes what goes wrong."""
    return f"{settings.root}/tracking.log"


@contextmanager
def _starting(settings: Settings) -> Iterator[None]:
    os.makedirs(settings.run_root, mode=0o700, exist_ok=True)
    descriptor = os.open(f"{settings.run_root}/tracking.starting", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _remembered(settings: Settings) -> list[str]:
    try:
        with open(f"{settings.run_root}/tracking.addresses", "rb") as stream:
            found: list[str] = json.loads(stream.read())
            return found
    except (FileNotFoundError, ValueError):
        return []


def _start(settings: Settings) -> None:
    os.makedirs(settings.root, mode=0o711, exist_ok=True)
    log = os.open(log_path(settings), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    source = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    # It outlives the command that started it, so it gets none of the secrets that may be in that one's environment.
    kept = ("TEUL_", "PG") if settings.tracking_store else ("TEUL_",)  # libpq's: the password, among others
    env = {name: value for name, value in os.environ.items() if name in KEPT_ENVIRONMENT or name.startswith(kept)}
    env |= {"TEUL_ROOT": settings.root, "PYTHONPATH": source}
    try:
        # `setsid --fork` gives the server to init: nobody has to wait for it, and no terminal can end it.
        argv = [require("setsid", package="util-linux"), "--fork", sys.executable, "-P", "-m", "teul.cli.main"]
        argv += ["tracking", "serve", "--any-port"]
        wait(launch(argv, env=env, stdout=log, stderr=log))
    finally:
        os.close(log)


def _wait_until_ready(settings: Settings, addresses: Sequence[str]) -> TrackingEndpoint:
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        found = find(settings)
        if found is not None and set(addresses) <= set(found.addresses):
            return found
        if time.monotonic() > deadline:
            raise Unavailable(
                text(
                    "the tracking server did not come up on {addresses}: {tail}",
                    addresses=", ".join(["127.0.0.1", *addresses]),
                    tail=_log_tail(settings),
                ),
                hint=text("see {path}", path=log_path(settings)),
            )
        time.sleep(POLL_S)


def _log_tail(settings: Settings) -> str:
    try:
        with open(log_path(settings), "rb") as stream:
            lines = stream.read()[-2000:].decode(errors="replace").strip().splitlines()
    except FileNotFoundError:
        return ""
    return lines[-1] if lines else ""
