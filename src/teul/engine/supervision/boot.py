"""After a reboot: what is remembered is brought in line with a machine on which nothing runs, and what is to run is started."""

from __future__ import annotations

import time

from teul.containers import EXITED, RESTARTING
from teul.engine import supervision
from teul.engine.containers.lookup import change, folder_of, reread
from teul.engine.containers.record import Container
from teul.engine.supervision import policy
from teul.errors import TeulError
from teul.host.fs import FolderLock
from teul.state import containers as rows

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from teul.engine import Engine


def boot(engine: Engine) -> Iterator[tuple[Container, TeulError | None]]:
    """Start every container whose policy wants it to come back, oldest first; each with what went wrong, if anything did.

    Idempotent: what runs is left alone. `always` comes back even when a user had stopped it, as with Docker's daemon.
    """
    from teul.engine.containers.restarting import restart
    from teul.engine.containers.settlement import settle_all

    settle_all(engine)
    for row in reversed(rows.every(engine.db)):
        container = Container.from_row(row)
        if container.status not in (EXITED, RESTARTING) or not policy.at_boot(container):
            continue
        if not _let_restart(engine, container.id):
            continue
        try:
            started = restart(engine, container.id)
        except TeulError as error:
            yield container, error
            continue
        if started is None:
            # The supervisor, which a settlement began, was there first.
            started = reread(engine, container.id)
        if started is not None:
            yield started, None
    if any(supervision.is_wanted(Container.from_row(row)) for row in rows.alive(engine.db)):
        supervision.ensure(engine)


def _let_restart(engine: Engine, container: str) -> bool:
    lock = FolderLock.take(folder_of(engine, container))
    assert lock is not None
    with lock:
        found = reread(engine, container)
        if found is None or found.status not in (EXITED, RESTARTING):
            return found is not None
        change(engine, container, {"status": RESTARTING, "restart_at": time.time(), "restart_delay_s": 0.0})
    return True


def unit(program: tuple[str, ...], environment: Mapping[str, str]) -> str:
    """A systemd unit that runs *program* (a command line, absolute) once the machine is up."""
    variables = "\n".join(f'Environment="{name}={value}"' for name, value in sorted(environment.items()))
    words = " ".join(f'"{word}"' if " " in word else word for word in program)
    return f"""[Unit]
Description=Containers of teul that come back with the machine
Wants=network-online.target
After=network-online.target local-fs.target

[Service]
Type=oneshot
RemainAfterExit=yes
{variables}
ExecStart={words}
KillMode=process
Delegate=yes
TimeoutStartSec=infinity

[Install]
WantedBy=multi-user.target
"""
