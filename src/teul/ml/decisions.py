"""What `up` does about the registry and about serving, decided from what was observed. Pure; plans print.

Every operation names its cause. Executors (`teul.ml.up`, `teul.ml.serving`) hold no policy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from teul.errors import Text, text
from teul.ml.gate import Verdict

PROMOTE, KEEP, REFUSE, WAIT = "promote", "keep", "refuse", "wait"


@dataclass(frozen=True, slots=True)
class Promotion:
    """What becomes of the candidate: it is promoted, left as it is, refused by a gate, or waits for an approval."""

    action: str
    cause: Text

    def __str__(self) -> str:
        return f"{self.action}: {self.cause}"


def decide_promotion(
    *,
    candidate: str,
    production: str,
    last_candidate: str,
    was_judged: bool,
    verdicts: Sequence[Verdict],
    approval: str = "",
    needs_approval: bool = False,
) -> Promotion:
    """Whether *candidate* becomes what serves.

    A candidate that was there, and judged, at the last `up` too is never promoted again: if something else is in
    production now, somebody wanted it so (a rollback). Versions are their numbers, "" is none. *approval* is "approved",
    "rejected" or "".
    """
    failed = [verdict for verdict in verdicts if not verdict.passed]
    if candidate == production and not failed:
        return Promotion(KEEP, text("version {version} is in production", version=candidate))
    if failed:
        first = failed[0]
        return Promotion(
            REFUSE,
            text("version {version}: gate `{gate}`: {reason}", version=candidate, gate=first.gate, reason=first.reason),
        )
    if production and was_judged and candidate == last_candidate:
        return Promotion(
            KEEP,
            text(
                "version {production} was put in production by hand; version {version} is registered",
                production=production,
                version=candidate,
            ),
        )
    if approval == "rejected":
        return Promotion(WAIT, text("version {version} was rejected", version=candidate))
    if needs_approval and approval != "approved":
        return Promotion(WAIT, text("version {version} waits for an approval", version=candidate))
    if not production:
        return Promotion(PROMOTE, text("version {version} is the first", version=candidate))
    return Promotion(
        PROMOTE,
        text("version {version} passed the gate; it was version {before}", version=candidate, before=production),
    )


@dataclass(frozen=True, slots=True)
class Service:
    """A serving container as it is: *spec* is the digest of what it was started with."""

    container: str
    name: str
    version: str
    spec: str
    is_running: bool


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing to do; *action* is "keep", "start", "replace", "remove" or "stop"."""

    action: str
    name: str
    cause: Text

    def __str__(self) -> str:
        return f"{self.action} {self.name}: {self.cause}"


def decide_serving(*, wanted: str, version: str, name: str, present: Sequence[Service]) -> tuple[Operation, ...]:
    """From what there is to one container with the spec *wanted* ("" for none at all).

    Args:
        wanted: the digest of the spec; *version* and *name* are for the words.
        present: all serving containers of the project, running or not.
    """
    made: list[Operation] = []
    running = [service for service in present if service.is_running]
    kept = next((service for service in running if wanted and service.spec == wanted), None)
    if kept is not None:
        made.append(Operation("keep", kept.name, text("version {version} serves already", version=version)))
    elif wanted and running:
        made.append(Operation("replace", running[0].name, _difference(running[0], version)))
    elif wanted:
        made.append(Operation("start", name, text("version {version} is in production", version=version)))
    for service in present:
        if service is kept or (wanted and kept is None and running and service is running[0]):
            continue
        if service.is_running:
            made.append(Operation("stop", service.name, text("nothing is to be served from it")))
        else:
            made.append(Operation("remove", service.name, text("it has ended")))
    return tuple(made)


def _difference(service: Service, version: str) -> Text:
    if service.version != version:
        return text("version {after} takes the place of version {before}", after=version, before=service.version)
    return text("version {version} with other settings", version=version)


def free_name(base: str, taken: Sequence[str]) -> str:
    """*base*, or *base* with the first number from 2 that is free."""
    if base not in taken:
        return base
    number = 2
    while f"{base}-{number}" in taken:
        number += 1
    return f"{base}-{number}"
