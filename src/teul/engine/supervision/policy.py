"""When a container that has ended is started again. Pure.

Source: Docker's documentation, "Start containers automatically"; the pauses are its daemon's: 100 ms, doubled after each
failure up to a minute, from the beginning again when the container has run for ten seconds.
"""

from __future__ import annotations

from teul.errors import InvalidInput, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.engine.containers.record import Container

ALWAYS, UNLESS_STOPPED, ON_FAILURE = "always", "unless-stopped", "on-failure"
FIRST_DELAY_S = 0.1
LAST_DELAY_S = 60.0
STEADY_S = 10.0


def parse(word: str) -> str:
    """A `--restart` word as it is remembered: "" is "no".

    Raises:
        InvalidInput: with Docker's words.
    """
    name, colon, count = word.partition(":")
    if name in ("", "no") and not colon:
        return ""
    if name not in ("no", ALWAYS, UNLESS_STOPPED, ON_FAILURE):
        raise InvalidInput(
            text(
                "invalid restart policy: unknown policy '{name}'; use one of 'no', 'always', 'on-failure', or "
                "'unless-stopped'",
                name=name,
            )
        )
    if not colon:
        return name
    try:
        tries = int(count)
    except ValueError:
        raise InvalidInput(text("invalid restart policy format: maximum retry count must be an integer")) from None
    if name != ON_FAILURE:
        raise InvalidInput(text("invalid restart policy: maximum retry count can only be used with 'on-failure'"))
    if tries < 0:
        raise InvalidInput(text("invalid restart policy: maximum retry count cannot be negative"))
    return f"{ON_FAILURE}:{tries}" if tries else ON_FAILURE


def name_of(restart: str) -> str:
    """Docker's name of a policy."""
    return restart.partition(":")[0] or "no"


def tries_of(restart: str) -> int:
    """How often an `on-failure` container is started again; 0 is "without limit"."""
    return int(restart.partition(":")[2] or 0)


def after_end(container: Container) -> float | None:
    """Seconds until *container*, which has just ended, is started again; None when it is not."""
    if container.stopped or not _wants(container, container.restart_count):
        return None
    lived_s = container.finished_at - container.started_at
    if lived_s >= STEADY_S or not container.restart_delay_s:
        return FIRST_DELAY_S
    return min(container.restart_delay_s * 2, LAST_DELAY_S)


def at_boot(container: Container) -> bool:
    """Whether *container*, which does not run, is started after a reboot."""
    name = name_of(container.restart)
    if not container.finished_at and not container.started_at:
        # It was made and never started: no policy applies yet.
        return False
    if name == ALWAYS:
        # Docker: one that a user stopped comes back with the machine.
        return True
    return container.status == "restarting" and not container.stopped


def _wants(container: Container, count: int) -> bool:
    name = name_of(container.restart)
    if name == ON_FAILURE:
        tries = tries_of(container.restart)
        return container.exit_code != 0 and (not tries or count < tries)
    return name in (ALWAYS, UNLESS_STOPPED)
