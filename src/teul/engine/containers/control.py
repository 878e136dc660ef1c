"""`pause`, `unpause`, `rename`, `restart`, `update`, `top`, `port`: what may be done to a container between its start and
its end. A change of what is remembered happens under the lock on the container's folder, as a start and a settlement do.
"""

from __future__ import annotations

import os

from teul.containers import RESTARTING, RUNNING, check_name
from teul.engine.containers.lookup import change as write
from teul.engine.containers.lookup import folder_of, get, reread
from teul.engine.event_log import emit_container
from teul.errors import (
    Conflict,
    ContainerNotFound,
    ContainerNotRunning,
    HostLacks,
    InvalidInput,
    NameInUse,
    NotFound,
    TeulError,
    text,
)
from teul.host.fs import FolderLock
from teul.state import containers as rows
from teul.values import fields as value_fields

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from dataclasses import replace
    from typing import Any

    from teul.engine import Engine
    from teul.engine.containers.record import Container
    from teul.network.ports import PortMapping
    from teul.runtime.spec import Limits
else:
    from teul.values import replace

DEFAULT_PS = ("-ef",)


def pause(engine: Engine, container: str) -> None:
    """Freeze every process of a container, until `unpause`.

    Raises:
        ContainerNotFound, ContainerNotRunning. Conflict: it is paused already.
    """

    def change(found: Container) -> Container:
        if found.status != RUNNING:
            raise ContainerNotRunning(found.name)
        if found.paused:
            raise Conflict(text("container {id} is already paused", id=found.id))
        engine.driver.pause(found.id)
        return replace(found, paused=True)

    emit_container(engine, changed(engine, get(engine, container), change), "pause")


def unpause(engine: Engine, container: str) -> None:
    """Let a paused container go on.

    Raises:
        ContainerNotFound, ContainerNotRunning. Conflict: it is not paused.
    """

    def change(found: Container) -> Container:
        if found.status != RUNNING:
            raise ContainerNotRunning(found.name)
        if not found.paused:
            raise Conflict(text("container {id} is not paused", id=found.id))
        engine.driver.resume(found.id)
        return replace(found, paused=False)

    emit_container(engine, changed(engine, get(engine, container), change), "unpause")


def rename(engine: Engine, container: str, name: str) -> None:
    """Give a container another name; those on its networks find it by the new one after its next start.

    Raises:
        ContainerNotFound, NameInUse. InvalidInput: not a name, or its own.
    """
    found = get(engine, container)
    wanted = check_name(name)
    if wanted == found.name:
        raise InvalidInput(text("Renaming a container with the same name as its current name"))
    with _locked(engine, found):
        owner = rows.rename(engine.db, found.id, wanted)
    if owner:
        raise NameInUse("container", wanted, owner=owner[:12])
    emit_container(engine, replace(found, name=wanted), "rename", {"oldName": f"/{found.name}"})


def restart(engine: Engine, container: str, *, timeout_s: float | None = None, signal: str = "") -> None:
    """Stop a container (as `stop`) and start it; one that does not run is started.

    Raises:
        As `stop` and `start`.
    """
    from teul.engine.containers.startup import start
    from teul.engine.containers.stopping import stop

    found = get(engine, container)
    if found.status in (RUNNING, RESTARTING):
        stop(engine, found.id, timeout_s=timeout_s, signal=signal)
    emit_container(engine, start(engine, found.id), "restart")


def update(engine: Engine, container: str, change_limits: Callable[[Limits], Limits], *, restart: str = "") -> None:
    """Give a container other limits, at once when it runs, and another restart policy.

    Raises:
        ContainerNotFound. InvalidInput: limits that do not go together. RuntimeFailed: the kernel does not take them.
    """
    from teul.engine.containers.creation import check_limits
    from teul.runtime.spec import Host, resources

    def change(found: Container) -> Container:
        limits = change_limits(found.limits)
        check_limits(limits)
        before = found.limits
        total = limits.memory_swap_bytes or before.memory_bytes * 2
        if limits.memory_bytes != before.memory_bytes and 0 < total < limits.memory_bytes:
            raise InvalidInput(
                text(
                    "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the "
                    "same time"
                )
            )
        if restart and restart != "no" and found.remove:
            raise InvalidInput(text("Restart policy cannot be updated because AutoRemove is enabled for the container"))
        if found.status == RUNNING and limits != before:
            wanted = resources(limits, Host.here(with_limits=False))
            if not limits.pids and before.pids:
                wanted["pids"] = {"limit": -1}
            engine.driver.update(found.id, wanted)
        changes: dict[str, Any] = {"limits": limits}
        if restart:
            changes["restart"] = "" if restart == "no" else restart
        made: Container = replace(found, **changes)
        return made

    emit_container(engine, changed(engine, get(engine, container), change), "update")


def top(engine: Engine, container: str, words: Sequence[str] = ()) -> tuple[list[str], list[list[str]]]:
    """The processes of a running container as the host's `ps` tells them: headings, and a row for each.

    Args:
        words: options of `ps`; the default is `-ef`.
    Raises:
        ContainerNotRunning. HostLacks: no `ps`. InvalidInput: `ps` does not take the options, or shows no pids.
    """
    from teul.host.launch import capture

    found = get(engine, container)
    if found.status != RUNNING:
        raise ContainerNotRunning(found.name)
    program = next((path for path in ("/usr/bin/ps", "/bin/ps") if os.access(path, os.X_OK)), "")
    if not program:
        raise HostLacks("ps", hint=text("apt-get install {package}", package="procps"))
    options = list(words or DEFAULT_PS)
    done = capture((program, *options), env={**os.environ, "LC_ALL": "C", "COLUMNS": "4096"})
    if done.exit_code != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise InvalidInput(text("ps {words}: {problem}", words=" ".join(options), problem=said[0] if said else ""))
    lines = done.stdout.decode(errors="replace").splitlines()
    headings = lines[0].split() if lines else []
    if "PID" not in headings:
        raise InvalidInput(text("Couldn't find PID field in ps output"))
    place = headings.index("PID")
    inside = {str(pid) for pid in processes(engine, found)}
    made = []
    for line in lines[1:]:
        fields = line.split(None, len(headings) - 1)
        if len(fields) > place and fields[place] in inside:
            made.append(fields)
    return headings, made


def processes(engine: Engine, container: Container) -> list[int]:
    """The pids of a running container, as the host counts them."""
    paths = engine.driver.cgroups(container.id)
    # Every hierarchy counts the same processes; the first that can be read will do.
    for path in paths:
        made: list[int] = []
        try:
            for folder, _, files in os.walk(path):
                if "cgroup.procs" in files:
                    with open(f"{folder}/cgroup.procs") as file:
                        made += [int(line) for line in file]
        except OSError:
            continue
        if made:
            return sorted(set(made))
    return [container.pid] if container.pid else []


def ports(engine: Engine, container: str, wanted: str = "") -> tuple[PortMapping, ...]:
    """Where the ports of a container are published; with *wanted* (`80`, `53/udp`) that one alone.

    Raises:
        ContainerNotFound. InvalidInput: not a port. NotFound: it is not published.
    """
    found = get(engine, container)
    held = found.ports if found.is_running else ()
    if not wanted:
        return held
    port, _, protocol = wanted.partition("/")
    if not port.isdigit() or protocol not in ("", "tcp", "udp", "sctp"):
        raise InvalidInput(text("invalid port: {port}", port=wanted))
    key = f"{port}/{protocol or 'tcp'}"
    made = tuple(mapping for mapping in held if mapping.key == key)
    if not made:
        raise NotFound(text("No public port '{port}' published for {name}", port=key, name=container))
    return made


def changed(engine: Engine, container: Container, change: Callable[[Container], Container]) -> Container:
    """What *change* makes of the container as it is now, written down.

    Raises:
        ContainerNotFound: it is gone meanwhile.
    """
    with _locked(engine, container):
        found = reread(engine, container.id)
        if found is None:
            raise ContainerNotFound(container.name)
        made = change(found)
        # What differs, and no more: a `stop` writes beside the lock.
        fields = {name: value for name in value_fields(made) if (value := getattr(made, name)) != getattr(found, name)}
        return write(engine, found.id, fields) or made


def resume_if_paused(engine: Engine, container: Container) -> None:
    """Let a container that got a signal it is to die of notice it."""
    if container.paused:
        try:
            unpause(engine, container.id)
        except TeulError:
            # It may be gone, or have been let go by another.
            pass


def _locked(engine: Engine, container: Container) -> FolderLock:
    try:
        lock = FolderLock.take(folder_of(engine, container.id))
    except FileNotFoundError:
        raise ContainerNotFound(container.name) from None
    assert lock is not None
    return lock
