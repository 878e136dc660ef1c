"""conmon: the process that stands over one container. It creates it, keeps its streams, writes its log and exit code, and
runs one command when it has ended, so that nothing of teul needs to stay. Must not know what that command does.

A container's *bundle* is a folder below the run folder: `config.json`, `rootfs`, `attach`, `ctl`, pids, and the exit code in
a file that has the container's id for its name. The log is a file elsewhere.
"""

from __future__ import annotations

import os
import select

from teul.plain_json import loads
from teul.runtime.driver import failure, message_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from teul.host.launch import Stage
    from teul.runtime.driver import Driver

PROGRAM = "/usr/bin/conmon"
STAGE_PID = "stage.pid"
RESIZE = 1
ANSWER_PATIENCE_S = 10
REOPEN = 2


class Channel:
    """The two pipes to a monitor that is to be: one on which it waits, one on which it answers."""

    def __init__(self) -> None:
        self._answers, self.answers_in = os.pipe()
        self.begin_out, self._begin = os.pipe()
        self.has_begun = False

    @property
    def kept(self) -> tuple[int, int]:
        """The ends that belong to the monitor."""
        return (self.answers_in, self.begin_out)

    def __enter__(self) -> Channel:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for descriptor in (self._answers, self._begin):
            os.close(descriptor)
        self.hand_over()

    def hand_over(self) -> None:
        """Close the monitor's ends here; idempotent."""
        for descriptor in (self.answers_in, self.begin_out):
            if descriptor != -1:
                os.close(descriptor)
        self.answers_in = self.begin_out = -1

    def begin(self) -> None:
        """Let the monitor create the container."""
        self.has_begun = True
        os.write(self._begin, b"\0")

    def call_off(self, pid: int) -> None:
        """End a monitor that has not begun: the end of its pipe alone would let it go on."""
        if not self.has_begun:
            try:
                os.kill(pid, 9)
            except ProcessLookupError:
                pass

    def wait_created(self, mark: str = "") -> int:
        """The pid of the container's first process, which waits to be started.

        *mark* is a file that the runtime makes at the end of a creation: with it there and no answer for
        `ANSWER_PATIENCE_S`, the runtime failed afterwards, and conmon waits for words that do not come, because the
        container itself holds their pipe open.

        Raises:
            RuntimeFailed: the container could not be created.
        """
        said = b""
        patience = ANSWER_PATIENCE_S
        while b"\n" not in said:
            if mark and not select.select([self._answers], [], [], 1.0)[0]:
                patience -= os.path.exists(mark)
                if patience < 0:
                    raise failure("the runtime failed after it had created the container")
                continue
            more = os.read(self._answers, 65536)
            if not more:
                break
            said += more
        try:
            answer = loads(said or b"{}")
        except ValueError:
            answer = {}
        pid = answer.get("data", answer.get("pid", -1))
        if isinstance(pid, int) and pid > 0:
            return pid
        message = str(answer.get("message") or "").strip()
        raise failure(_unwrap(message) or "conmon ended without an answer")


def become_monitor(
    stage: Stage,
    channel: Channel,
    driver: Driver,
    *,
    id: str,  # noqa: A002
    name: str,
    bundle: str,
    log: str,
    terminal: bool = False,
    stdin: bool = False,
    leave_stdin_open: bool = False,
    is_child: bool = False,
    exit_command: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> int:
    """Turn *stage* into the monitor of container *id*; it waits for `Channel.begin`, and the bundle may be made meanwhile.

    Args:
        log: the file that takes what the container prints; "" keeps nothing.
        is_child: it stays our child until it ends; otherwise the first process ends at once and is waited for here.
        environment: what *exit_command* needs beside the runtime's own.
    Returns: the pid of the stage's process, which is the monitor's when *is_child*.
    """
    argv = [
        find_conmon(),
        *("--api-version", "1", "--cid", id, "--cuuid", id, "--name", name),
        *("--runtime", driver.path, "--bundle", bundle, "--full-attach"),
        *("--container-pidfile", f"{bundle}/pid", "--conmon-pidfile", f"{bundle}/conmon.pid"),
        *("--exit-dir", bundle, "--persist-dir", bundle),
        # The log is written as it comes; a flush to the disk at the end would only make the last line late.
        *("--log-path", f"k8s-file:{log}" if log else "none:", "--no-sync-log", "--log-level", "error"),
    ]
    for word in driver.argv()[1:]:
        argv += ["--runtime-arg", word]
    if terminal:
        argv.append("--terminal")
    if stdin:
        argv.append("--stdin")
    if leave_stdin_open:
        argv.append("--leave-stdin-open")
    if is_child:
        argv.append("--sync")
    if exit_command:
        argv += ["--exit-command", exit_command[0]]
        for word in exit_command[1:]:
            argv += ["--exit-command-arg", word]
    env = {
        **driver.environment,
        **(environment or {}),
        "_OCI_SYNCPIPE": str(channel.answers_in),
        "_OCI_STARTPIPE": str(channel.begin_out),
    }
    # Before it is one: should we be killed now, whoever looks next must find it.
    with open(f"{bundle}/{STAGE_PID}", "w") as file:
        file.write(str(stage.pid))
    pid = stage.become(argv, env)
    channel.hand_over()
    return pid


def find_conmon() -> str:
    """Raises: HostLacks."""
    if os.access(PROGRAM, os.X_OK):
        return PROGRAM
    from teul.host.process import require

    return require("conmon")


def monitor_pid(bundle: str) -> int:
    """The pid that the monitor wrote, or 0."""
    return _number(f"{bundle}/conmon.pid")


def is_there(bundle: str, id: str) -> bool:  # noqa: A002
    """Whether a monitor of container *id* lives, of this or of an earlier start.

    At its end it becomes its exit command, which writes nothing into the bundle and is none any more.
    """
    for name in (STAGE_PID, "conmon.pid"):
        pid = _number(f"{bundle}/{name}")
        if not pid:
            continue
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
        except OSError:
            continue
        if id.encode() in words and b"--cid" in words:
            return True
    return False


def exit_code(bundle: str, id: str) -> int | None:  # noqa: A002
    """What the monitor wrote when the container ended, or None."""
    try:
        with open(f"{bundle}/{id}", "rb") as file:
            return int(file.read().strip() or b"0")
    except (OSError, ValueError):
        return None


def ended_at(bundle: str, id: str) -> float:  # noqa: A002
    """When the monitor wrote the exit code; 0 when it did not."""
    try:
        return os.stat(f"{bundle}/{id}").st_mtime
    except OSError:
        return 0.0


def was_out_of_memory(bundle: str) -> bool:
    return os.path.exists(f"{bundle}/oom")


def resize(bundle: str, *, rows: int, columns: int) -> None:
    """Tell the container's terminal its size; quietly nothing when the container is gone."""
    _control(bundle, f"{RESIZE} {rows} {columns}\n")


def reopen_log(bundle: str) -> bool:
    """Tell the monitor to begin a new file under its log's name; False when the monitor is gone."""
    return _control(bundle, f"{REOPEN} 0 0\n")


def forget(bundle: str, id: str) -> None:  # noqa: A002
    """Take away what an earlier run of the same container left, before it is started again."""
    for path in (id, "oom", "pid", "conmon.pid", STAGE_PID, "attach", "health.json"):
        try:
            os.unlink(f"{bundle}/{path}")
        except FileNotFoundError:
            pass


def is_listening(bundle: str) -> bool:
    """Whether the monitor takes what `reopen_log` and `resize` say."""
    return _control(bundle, "")


def _control(bundle: str, words: str) -> bool:
    try:
        descriptor = os.open(f"{bundle}/ctl", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        os.write(descriptor, words.encode())
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def _number(path: str) -> int:
    try:
        with open(path, "rb") as file:
            return int(file.read().strip() or b"0")
    except (OSError, ValueError):
        return 0


def _unwrap(message: str) -> str:
    """The runtime's own message, without the time and the level that it was logged with."""
    return message_in(message.encode()).removeprefix("container_linux.go: ")
