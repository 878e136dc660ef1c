"""`logs`: what a container has printed, and what it prints."""

from __future__ import annotations

import time

from teul.containers import RUNNING
from teul.engine.containers.lookup import folder_of, get, is_alive, reread
from teul.errors import OptionUnsupported, text
from teul.runtime.logs import LogLine, parse_time, read_log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from teul.engine import Engine

__all__ = ["LogLine", "logs"]


def details_of(engine: Engine, container: str) -> str:
    """The labels and variables that the log options `labels` and `env` name: `A=b,c=d`.

    Raises:
        ContainerNotFound.
    """
    found = get(engine, container)
    env = dict(entry.partition("=")[::2] for entry in found.env)
    made = {name: found.labels[name] for name in _names(found.log_options.get("labels", "")) if name in found.labels}
    made |= {name: env[name] for name in _names(found.log_options.get("env", "")) if name in env}
    return ",".join(f"{name}={made[name]}" for name in sorted(made))


def _names(word: str) -> list[str]:
    return [name.strip() for name in word.split(",") if name.strip()]


def logs(
    engine: Engine, container: str, *, follow: bool = False, tail: int | None = None, since: str = "", until: str = ""
) -> Iterator[LogLine]:
    """The records of a container's log; with *follow* until it has ended.

    Args:
        since, until: RFC 3339, seconds since 1970, or a duration before now (`10m`).
    Raises:
        ContainerNotFound, InvalidInput. OptionUnsupported: it keeps no log.
    """
    found = get(engine, container)
    if not found.keep_log:
        raise OptionUnsupported(
            "logs", hint=text("container `{name}` was made with --log-driver none", name=found.name)
        )
    now = time.time()
    first = parse_time(since, now) if since else ""
    last = parse_time(until, now) if until else ""

    def has_ended() -> bool:
        current = reread(engine, found.id)
        return current is None or current.status != RUNNING or not is_alive(current)

    return read_log(
        f"{folder_of(engine, found.id)}/log",
        follow=follow,
        tail=tail,
        since=first,
        until=last,
        has_ended=has_ended,
    )
