"""Docker's events: what happened to containers, images, networks and volumes, in one file that every command appends to.

A line of JSON an event, written in one piece, so that commands at the same time do not cut each other's. The file
outlives commands and reboots; above `LIMIT_BYTES` it becomes the old one and the one before goes, so that the whole is
bounded. Not flushed to the disk: a power cut may take the last seconds of it, a kill takes nothing.

Source: Docker Engine API, `GET /events`; the shape of a line is `docker events --format '{{json .}}'`.
"""

from __future__ import annotations

import os
import time

from teul.plain_json import dumps, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

    from teul.config import Settings
    from teul.engine import Engine
    from teul.engine.containers.record import Container

LIMIT_BYTES = 4 << 20
FOLLOW_INTERVAL_S = 0.1
BLOCK_BYTES = 1 << 16
_NOTHING: Mapping[str, str] = {}


def emit(engine: Engine, kind: str, action: str, actor: str, attributes: Mapping[str, str] = _NOTHING) -> None:
    """Remember that *action* was done to *actor* (an id, or a volume's name).

    Never fails: what happened has happened, whether it can be written down or not.

    Args:
        kind: "container", "image", "network" or "volume".
        attributes: Docker's, in any order.
    """
    now = time.time_ns()
    made: dict[str, Any] = {}
    if kind in ("container", "image"):
        made = {"status": action, "id": actor}
        if kind == "container" and attributes.get("image"):
            made["from"] = attributes["image"]
    made |= {
        "Type": kind,
        "Action": action,
        "Actor": {"ID": actor, "Attributes": dict(sorted(attributes.items()))},
        "scope": "local",
        "time": now // 1_000_000_000,
        "timeNano": now,
    }
    try:
        _append(path_of(engine.settings), dumps(made, separators=(",", ":")).encode() + b"\n")
    except OSError:
        return


def emit_container(engine: Engine, container: Container, action: str, more: Mapping[str, str] = _NOTHING) -> None:
    """`emit` of a container: its labels, image and name, and what *more* says."""
    emit(
        engine,
        "container",
        action,
        container.id,
        {**container.labels, "image": container.image_name, "name": container.name, **more},
    )


def read(
    engine: Engine,
    *,
    since_ns: int = 0,
    until_ns: int | None = None,
    follow: bool = False,
    should_stop: Callable[[], bool] | None = None,
) -> Iterator[dict[str, Any]]:
    """The events from *since_ns* to *until_ns* (nanoseconds since 1970), in the order in which they were written.

    Args:
        follow: go on with what comes, until *until_ns* has passed (None: for ever) or *should_stop* says so.
    """
    path = path_of(engine.settings)
    descriptor = _open(f"{path}.1") if since_ns else -1
    rest = b""
    while True:
        over = not follow or (until_ns is not None and time.time_ns() > until_ns)
        over = over or (should_stop is not None and should_stop())
        if descriptor == -1:
            descriptor = _open(path)
        while descriptor != -1:
            # Asked before the read: who still holds the old file writes nothing after the new one has begun, but for
            # a moment that the next read covers.
            current = _is_current(descriptor, path)
            while data := os.read(descriptor, BLOCK_BYTES):
                rest += data
                *lines, rest = rest.split(b"\n")
                for line in lines:
                    event = _parsed(line)
                    if event is not None and since_ns <= event["timeNano"] and _is_before(event, until_ns):
                        yield event
            if current:
                break
            os.close(descriptor)
            rest = b""
            descriptor = _open(path)
        if over:
            break
        time.sleep(FOLLOW_INTERVAL_S)
    if descriptor != -1:
        os.close(descriptor)


def path_of(settings: Settings) -> str:
    """The file that is written; the one before it has `.1` at the end."""
    return f"{settings.root}/events.jsonl"


def _append(path: str, line: bytes) -> None:
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        descriptor = os.open(path, flags, 0o600)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), mode=0o711, exist_ok=True)
        descriptor = os.open(path, flags, 0o600)
    try:
        os.write(descriptor, line)
        if os.fstat(descriptor).st_size > LIMIT_BYTES:
            _turn(path, descriptor)
    finally:
        os.close(descriptor)


def _turn(path: str, descriptor: int) -> None:
    """Begin a new file; of several that find it full, one does it."""
    import fcntl

    fcntl.flock(descriptor, fcntl.LOCK_EX)
    if _is_current(descriptor, path):
        os.rename(path, f"{path}.1")


def _open(path: str) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return -1


def _is_current(descriptor: int, path: str) -> bool:
    try:
        there = os.stat(path)
    except FileNotFoundError:
        # Turned, and nobody has written since.
        return False
    here = os.fstat(descriptor)
    return (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino)


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        event = loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and isinstance(event.get("timeNano"), int) else None


def _is_before(event: dict[str, Any], until_ns: int | None) -> bool:
    return until_ns is None or event["timeNano"] <= until_ns
