"""`exec_`: one more process in a running container. No monitor: the runtime itself stands between it and our streams, or we
do where the runtime is not needed (see `entering`).
"""

from __future__ import annotations

import os

from teul.containers import RESTARTING, RUNNING
from teul.engine.containers.lookup import bundle_of, get
from teul.engine.containers.processes import process_of
from teul.engine.event_log import emit_container
from teul.errors import Conflict, ContainerNotRunning, InvalidInput, RuntimeFailed, text
from teul.host.launch import launch, wait
from teul.plain_json import dumps
from teul.runtime.driver import failure, message_in
from teul.runtime.spec import Host, process_spec

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Mapping, Sequence
    from dataclasses import dataclass, replace

    from teul.engine import Engine
else:
    import _signal as signal

    from teul.values import dataclass, replace

_WITH_MASK = ("/bin/sh", "-c", 'umask 022; exec "$@"', "sh")
"""Docker's mask; ours is for all threads, so it is not touched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecOptions:
    """As `docker exec` takes them. `env` entries come on top of the container's; "" is "as the container"."""

    env: tuple[str, ...] = ()
    user: str = ""
    working_dir: str = ""
    interactive: bool = False
    tty: bool = False
    detach: bool = False
    privileged: bool = False
    detach_keys: str = ""
    """"" is Docker's own."""


def exec_(
    engine: Engine,
    container: str,
    argv: Sequence[str],
    *,
    options: ExecOptions | None = None,
    stdin: int = 0,
    stdout: int = 1,
    stderr: int = 2,
) -> int:
    """Run *argv* in a running container and return its exit code (0 at once with `detach`).

    stdin, stdout, stderr: descriptors that the process gets; stdin only with `interactive`.

    Raises:
        ContainerNotFound. ContainerNotRunning.
        InvalidInput: the keys to detach are none. Detached: the user typed them, on a terminal.
        RuntimeFailed: *argv* cannot be run, or there is no such user; `exit_code` is 126 or 127.
    """
    options = options or ExecOptions()
    found = get(engine, container)
    if found.status == RESTARTING:
        raise Conflict(text("Container {id} is restarting, wait until the container is running", id=found.id))
    if found.status != RUNNING:
        raise ContainerNotRunning(found.name)
    if found.paused:
        raise Conflict(text("container {name} is paused, unpause the container before exec", name=found.name))
    rootfs = f"/proc/{found.pid}/root"
    if options.detach_keys:
        from teul.runtime.attach import parse_detach_keys

        parse_detach_keys(options.detach_keys)
    try:
        process = process_of(engine, found, rootfs, args=tuple(argv), user=options.user)
    except InvalidInput as problem:
        raise RuntimeFailed(problem.message, exit_code=126) from problem
    env = dict(entry.partition("=")[::2] for entry in process.env)
    if options.tty:
        env.setdefault("TERM", "xterm")
    for entry in options.env:
        name, equals, value = entry.partition("=")
        if equals:
            env[name] = value
        else:
            env.pop(name, None)
    console_size = None
    if options.tty and options.interactive:
        from teul.engine.containers.attached import terminal_size

        console_size = terminal_size(stdin)
    process = replace(
        process,
        env=tuple(f"{name}={value}" for name, value in env.items()),
        cwd=options.working_dir or found.working_dir or "/",
        terminal=options.tty,
        console_size=console_size,
    )
    folder = bundle_of(engine, found.id)
    mark = os.urandom(6).hex()
    about = {"execID": os.urandom(32).hex()}
    words_said = " ".join(argv)
    emit_container(engine, found, f"exec_create: {words_said}", about)
    emit_container(engine, found, f"exec_start: {words_said}", about)
    if not (options.tty or options.detach or options.interactive or options.privileged):
        from teul.engine.containers.entering import enter

        entered = enter(engine, found, process, stdout=stdout, stderr=stderr)
        if entered is not None:
            emit_container(engine, found, "exec_die", {**about, "exitCode": str(entered)})
            return entered
    spec, log = f"{folder}/exec-{mark}.json", f"{folder}/exec-{mark}.log"
    with open(spec, "w") as file:
        file.write(
            dumps(
                process_spec(
                    process,
                    Host.here(with_limits=bool(found.ulimits)),
                    privileged=options.privileged or found.privileged,
                )
            )
        )
    words = ["exec", "--process", spec]
    if options.tty:
        words.append("--tty")
    if options.detach:
        words.append("--detach")
    try:
        # runc hands its own mask of new files to the process.
        command = [*_WITH_MASK, *engine.driver.argv(*words, found.id, log=log)]
        given = (stdin if options.interactive else -1, stdout, stderr)
        if options.detach:
            given = (-1, -1, -1)
        if options.tty and not options.detach and not any(item >= 0 and os.isatty(item) for item in given):
            code = _run_on_own_terminal(command, engine.driver.environment, stdout)
        elif options.tty and options.interactive and not options.detach and os.isatty(stdin):
            from teul.engine.containers.own_terminal import run_on_terminal

            code = run_on_terminal(
                command, env=engine.driver.environment, stdin=stdin, stdout=stdout, keys=options.detach_keys
            )
        else:
            code = _wait(
                launch(command, env=engine.driver.environment, stdin=given[0], stdout=given[1], stderr=given[2])
            )
        message = _message(log) if code != 0 else ""
        if not options.detach:
            emit_container(engine, found, "exec_die", {**about, "exitCode": str(code)})
    finally:
        for path in (spec, log):
            try:
                os.unlink(path)
            except FileNotFoundError:
                pass
    if message:
        error = failure(message)
        if ("no such file or directory" in message and "chdir" in message) or "Cwd must be" in message:
            error.exit_code = 126
        raise error
    return code


def _run_on_own_terminal(command: Sequence[str], env: Mapping[str, str], stdout: int) -> int:
    """The runtime wants a terminal to put the process' one on; where we have none, it gets one that we read."""
    from teul.engine.containers.attached import write_through

    master, slave = os.openpty()
    try:
        child = launch(command, env=env, stdin=slave, stdout=slave, stderr=slave, new_session=True)
        os.close(slave)
        while True:
            try:
                data = os.read(master, 65536)
            except OSError:
                break
            if not data:
                break
            write_through(stdout, data)
        return _wait(child)
    finally:
        os.close(master)


def _wait(child: int) -> int:
    """Wait for the runtime, which hands our signals on; a Ctrl-C is for the process, not for us."""
    try:
        found = signal.signal(signal.SIGINT, signal.SIG_IGN)
    except ValueError:
        return wait(child)
    try:
        return wait(child)
    finally:
        signal.signal(signal.SIGINT, found)


def _message(log: str) -> str:
    try:
        with open(log, "rb") as file:
            return message_in(file.read())
    except OSError:
        return ""
