"""The one door to other programs. Must not know what they are for.

A program that is missing is `HostLacks`; one that fails is `CommandFailed` with the end of its stderr.
No shell is ever involved: arguments go as they are.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any

from teul.errors import Cancelled, CommandFailed, HostLacks, text

STDERR_TAIL_BYTES = 4096
POLL_S = 0.2
PIPE, DEVNULL = subprocess.PIPE, subprocess.DEVNULL
"""For `spawn`."""


@dataclass(frozen=True, slots=True)
class Completed:
    """What a program left behind; the streams are whole, undecoded."""

    argv: tuple[str, ...]
    exit_code: int
    stdout: bytes
    stderr: bytes


def find(program: str, path: str | None = None) -> str | None:
    """The absolute path of *program* on PATH and in the system's own folders, or None."""
    if "/" in program:
        return program if os.access(program, os.X_OK) else None
    places = (path if path is not None else os.environ.get("PATH", "")).split(":")
    for place in [*places, "/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/local/bin", "/usr/bin", "/bin"]:
        candidate = f"{place}/{program}"
        if place and os.access(candidate, os.X_OK) and not os.path.isdir(candidate):
            return candidate
    return None


def require(program: str, *, package: str = "") -> str:
    """As `find`, but a missing program is an error that names the Debian package.

    Raises:
        HostLacks: not found.
    """
    found = find(program)
    if found is None:
        raise HostLacks(program, hint=text("apt-get install {package}", package=package or program))
    return found


def run(
    argv: Sequence[str],
    *,
    stdin: bytes | None = None,
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
    timeout_s: float | None = None,
    check: bool = True,
    pass_fds: Sequence[int] = (),
    stdout: int | IO[Any] | None = None,
    stderr: int | IO[Any] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Completed:
    """Run *argv* to its end. The streams are captured unless *stdout* or *stderr* says otherwise.

    Args:
        should_stop: asked several times a second; when it says so, the program is killed. Not together with *stdin*.

    Raises:
        Cancelled: *should_stop* said so.
        HostLacks: the program does not exist.
        CommandFailed: exit code not 0 (with *check*), or *timeout_s* seconds passed.
    """
    command = tuple(argv)
    try:
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=subprocess.PIPE if stdout is None else stdout,
            stderr=subprocess.PIPE if stderr is None else stderr,
            env=env,
            cwd=cwd,
            pass_fds=pass_fds,
        ) as child:
            try:
                out, err = _communicate(child, stdin, timeout_s, should_stop)
            except BaseException:
                child.kill()
                raise
        done = subprocess.CompletedProcess(command, child.returncode, out, err)
    except FileNotFoundError as error:
        if cwd is not None and not os.path.isdir(cwd):
            raise
        raise HostLacks(command[0]) from error
    except subprocess.TimeoutExpired as error:
        raise CommandFailed(
            text(
                "`{program}` did not end within {timeout_s} s",
                program=os.path.basename(command[0]),
                timeout_s=timeout_s,
            ),
            argv=command,
            exit_code=124,
        ) from error
    if check and done.returncode != 0:
        tail = (done.stderr or b"")[-STDERR_TAIL_BYTES:].decode(errors="replace").strip()
        raise CommandFailed(
            text(
                "`{program}` ended with exit code {exit_code}: {tail}",
                program=os.path.basename(command[0]),
                exit_code=done.returncode,
                tail=tail.splitlines()[-1] if tail else "",
            ),
            argv=command,
            exit_code=done.returncode,
            stderr_tail=tail,
        )
    return Completed(command, done.returncode, done.stdout or b"", done.stderr or b"")


def _communicate(
    child: subprocess.Popen[bytes],
    stdin: bytes | None,
    timeout_s: float | None,
    should_stop: Callable[[], bool] | None,
) -> tuple[bytes | None, bytes | None]:
    if should_stop is None:
        return child.communicate(stdin, timeout=timeout_s)
    assert stdin is None  # what is left of it is not written when `communicate` is called again
    end = None if timeout_s is None else time.monotonic() + timeout_s
    while True:
        try:
            return child.communicate(timeout=POLL_S)
        except subprocess.TimeoutExpired:
            if should_stop():
                raise Cancelled(text("cancelled")) from None
            if end is not None and time.monotonic() >= end:
                raise


def spawn(
    argv: Sequence[str],
    *,
    stdin: int | IO[Any] | None = subprocess.DEVNULL,
    stdout: int | IO[Any] | None = None,
    stderr: int | IO[Any] | None = None,
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
    pass_fds: Sequence[int] = (),
    new_session: bool = False,
) -> subprocess.Popen[bytes]:
    """Start *argv* and return at once; the caller waits for it.

    Raises:
        HostLacks: the program does not exist.
    """
    try:
        return subprocess.Popen(
            tuple(argv),
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            env=env,
            cwd=cwd,
            pass_fds=pass_fds,
            start_new_session=new_session,
        )
    except FileNotFoundError as error:
        if cwd is not None and not os.path.isdir(cwd):
            raise
        raise HostLacks(argv[0]) from error
