"""A container's health: what its checks' results come to. Pure but for the file that holds them.

The file lies in the container's bundle, so it ends with the run of the container that it speaks of.

Source: Docker Engine API, `Health` and `HealthcheckResult`; Dockerfile reference, HEALTHCHECK.
"""

from __future__ import annotations

import os

from teul.containers import rfc3339
from teul.errors import InvalidInput, text
from teul.plain_json import dumps, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from dataclasses import dataclass
    from typing import Any

    from teul.oci.image import Healthcheck
else:
    from teul.values import dataclass

STARTING, HEALTHY, UNHEALTHY = "starting", "healthy", "unhealthy"
FILE = "health.json"
KEPT_RESULTS = 5
OUTPUT_BYTES = 4096
_SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """How health is found out; times in seconds."""

    test: tuple[str, ...]
    interval_s: float = 30.0
    timeout_s: float = 30.0
    start_period_s: float = 0.0
    start_interval_s: float = 5.0
    retries: int = 3

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Check | None:
        """From Docker's object, with its defaults; None when there is nothing to be run."""
        test = tuple(value.get("Test") or ())
        if len(test) < 2 or test[0] not in ("CMD", "CMD-SHELL"):
            return None
        return cls(
            test=test,
            interval_s=(value.get("Interval") or 30 * _SECOND) / _SECOND,
            timeout_s=(value.get("Timeout") or 30 * _SECOND) / _SECOND,
            start_period_s=(value.get("StartPeriod") or 0) / _SECOND,
            start_interval_s=(value.get("StartInterval") or 5 * _SECOND) / _SECOND,
            retries=value.get("Retries") or 3,
        )

    @property
    def args(self) -> tuple[str, ...]:
        """The command line inside the container."""
        return ("/bin/sh", "-c", self.test[1]) if self.test[0] == "CMD-SHELL" else self.test[1:]

    def pause_s(self, status: str, age_s: float) -> float:
        """Seconds from one check's end (or the start) to the next, of a container that started *age_s* ago."""
        if status == STARTING and age_s < self.start_period_s:
            return self.start_interval_s
        return self.interval_s


def merged(image: Healthcheck | None, given: Healthcheck | None) -> dict[str, Any]:
    """The check of a container, as Docker's object: the image's, with what was given on top; {} when there is none.

    Raises:
        InvalidInput: with Docker's words.
    """
    made = image.to_json() if image is not None else {}
    if given is not None:
        test = list(given.test)
        made |= {name: value for name, value in given.to_json().items() if name != "Test"}
        if test:
            made["Test"] = test
    for name in ("Interval", "Timeout", "StartPeriod", "StartInterval"):
        if name in made and 0 < made[name] < 1_000_000:
            raise InvalidInput(text("{name} in Healthcheck cannot be less than 1ms", name=name))
    # Times without a test are nothing that could be run.
    return made if made.get("Test") and made["Test"][0] else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One check: seconds since 1970, the exit code (-1: it took too long), the beginning of what it printed."""

    begun_at: float
    ended_at: float
    exit_code: int
    output: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What is known: `log` has the last `KEPT_RESULTS` results in Docker's shape."""

    status: str = STARTING
    failing_streak: int = 0
    log: tuple[Mapping[str, Any], ...] = ()

    def after(self, result: Result, check: Check, *, started_at: float) -> Health:
        """The health with one more result; failures in the start period of a starting container do not count."""
        status, streak = self.status, self.failing_streak
        if result.exit_code == 0:
            status, streak = HEALTHY, 0
        elif not (status == STARTING and result.begun_at - started_at < check.start_period_s):
            streak += 1
            if streak >= check.retries:
                status = UNHEALTHY
        entry = {
            "Start": rfc3339(result.begun_at),
            "End": rfc3339(result.ended_at),
            "ExitCode": result.exit_code,
            "Output": result.output,
        }
        return Health(status=status, failing_streak=streak, log=(*self.log, entry)[-KEPT_RESULTS:])

    def to_json(self) -> dict[str, Any]:
        return {"Status": self.status, "FailingStreak": self.failing_streak, "Log": [dict(item) for item in self.log]}


def load(bundle: str) -> Health:
    """The health of the container in *bundle*; starting, when nothing is known yet."""
    try:
        with open(f"{bundle}/{FILE}", "rb") as file:
            value = loads(file.read())
        return Health(status=value["Status"], failing_streak=int(value["FailingStreak"]), log=tuple(value["Log"] or ()))
    except (OSError, ValueError, KeyError, TypeError):
        return Health()


def save(bundle: str, health: Health) -> None:
    """Whoever reads sees the old or the new; nothing when the bundle is gone."""
    temporary = f"{bundle}/{FILE}.tmp"
    try:
        with open(temporary, "w") as file:
            file.write(dumps(health.to_json(), separators=(",", ":")))
        os.rename(temporary, f"{bundle}/{FILE}")
    except OSError:
        return
