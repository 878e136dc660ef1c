"""What goes on when no command runs: restarts, health checks and rotated logs, by one process for a state folder.

No daemon: the supervisor begins when there is something for it to do, and ends when there is nothing more. Commands talk to
it through a pipe in the run folder. The pipe is there as long as a supervisor is wanted; one that nobody reads means that
the supervisor died, and whichever command comes next begins another (`notice`). The supervisor keeps nothing in its
head that matters: what is to be done it reads from the containers' records.

`policy` decides about restarts and `health` about a check's results, both without side effects; `rotation` turns logs;
`supervisor` is the process.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.config import Settings
    from teul.engine import Engine
    from teul.engine.containers.record import Container

PIPE = "supervisor"
PASSED_ON = (
    *("TEUL_ROOT", "TEUL_RUNTIME", "TEUL_SNAPSHOTTER", "TEUL_CRASH_AT", "TEUL_CRASH_LOG", "HOME", "PATH"),
    *("XDG_DATA_HOME", "XDG_RUNTIME_DIR", "PYTHONPATH", "VIRTUAL_ENV"),
)
_NO_READER = 6
"""ENXIO."""


def is_wanted(container: Container) -> bool:
    """Whether *container*, as it is now, needs a supervisor."""
    if container.status == "restarting":
        return True
    return container.status == "running" and bool(container.healthcheck or container.log_options.get("max-size"))


def ensure(engine: Engine) -> None:
    """Tell the supervisor to look again, and begin one when there is none."""
    path = pipe_of(engine.settings)
    try:
        os.mkfifo(path, 0o600)
    except FileExistsError:
        pass
    except FileNotFoundError:
        os.makedirs(engine.settings.run_root, mode=0o711, exist_ok=True)
        return ensure(engine)
    if not _tell(path, b"\0"):
        _begin(engine.settings)
    return None


def notice(settings: Settings) -> None:
    """Replace a supervisor that died; one system call when none is wanted."""
    if not _tell(pipe_of(settings), b""):
        _begin(settings)


def pipe_of(settings: Settings) -> str:
    return f"{settings.run_root}/{PIPE}"


def environment(settings: Settings) -> dict[str, str]:
    """What a command of teul's needs that is begun by another process than a user's."""
    environ = settings.environ or {}
    made = {name: environ[name] for name in PASSED_ON if name in environ}
    made["TEUL_ROOT"] = settings.root
    # The command must find the teul that started it, installed or not.
    source = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    if source in sys.path and "PYTHONPATH" not in made and not source.endswith("site-packages"):
        made["PYTHONPATH"] = source
    return made


def _tell(path: str, what: bytes) -> bool:
    """Write to the pipe; False when it is there and nobody reads it."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    except OSError as error:
        return error.errno != _NO_READER
    try:
        if what:
            os.write(descriptor, what)
    except BlockingIOError:
        # Full: it is awake already.
        pass
    except BrokenPipeError:
        return False
    finally:
        os.close(descriptor)
    return True


def _begin(settings: Settings) -> None:
    from teul.host.launch import launch, wait

    # Its parent ends at once, so that nobody who lives long has a child to wait for.
    code = "import os\nos.fork() and os._exit(0)\nfrom teul.engine.supervision.supervisor import main\nmain()"
    wait(launch((sys.executable, "-P", "-c", code), env=environment(settings), new_session=True))
