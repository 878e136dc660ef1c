"""`teul why IMAGE|STEP`: which input made a step run again, against the build before."""

from __future__ import annotations

import time

from teul.cli.flags import Flag
from teul.errors import InvalidInput, UsageError, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from teul.cli.context import Context
    from teul.cli.flags import Arguments
    from teul.solver.solve import Cause

USAGE = "[OPTIONS] IMAGE | STEP"
FLAGS = (Flag("all", "a", "bool", help="Show the steps that were taken from the cache too"),)
SHOWN_CAUSES = 10


def run(arguments: Arguments, context: Context) -> int:
    """Print, for each step of a build, what happened to it the last time something changed, and why."""
    from teul.cli.units import human_age
    from teul.engine.build import explain

    if len(arguments.rest) != 1:
        raise UsageError(
            text("`teul why` requires 1 argument, got {count}", count=len(arguments.rest)), hint="teul why --help"
        )
    wanted = arguments.rest[0]
    found = explain(context.engine, wanted)
    if not found:
        raise InvalidInput(
            text("`{thing}`: no build of this state folder made it or has a step of that name", thing=wanted),
            hint=text("teul images"),
        )
    shown = 0
    for step in found:
        if step.state != "ran" and not arguments.flag("all") and len(found) > 1:
            continue
        shown += 1
        what = text("ran") if step.state == "ran" else text("taken from the cache")
        context.print(f"{step.name}: {context.translate(what)}, {human_age(max(0.0, time.time() - step.at))}")
        for line in because(step.reason, step.causes):
            context.print(f"   {context.translate(line)}")
    if not shown:
        context.print(context.translate(text("every step was taken from the cache")))
    return 0


def because(reason: str, causes: Sequence[Cause]) -> list[str]:
    """The reason in words, one line for each cause."""
    if reason == "first":
        return [text("because it had never run before")]
    if reason == "gone":
        return [text("because its result was no longer there")]
    if reason == "asked":
        return [text("because the cache was not to be used")]
    made: list[str] = []
    for cause in causes[:SHOWN_CAUSES]:
        if cause.before is None:
            made.append(text("because {part} is new: {after}", part=_part(cause.part), after=_short(cause.after)))
        elif cause.after is None:
            made.append(text("because {part} is gone", part=_part(cause.part)))
        else:
            before, after = _apart(cause.before, cause.after)
            made.append(
                text("because {part} changed: {before} → {after}", part=_part(cause.part), before=before, after=after)
            )
    if len(causes) > SHOWN_CAUSES:
        made.append(text("and {count} more", count=len(causes) - SHOWN_CAUSES))
    return made


def _part(name: str) -> str:
    """A part of a key as words that are translated."""
    kind, _, rest = name.partition(" ")
    if not rest:
        return text("command") if kind == "command" else text("user") if kind == "user" else name
    if name == "input base":
        return text("input base")
    if kind == "input":
        return text("input {name}", name=rest)
    if kind == "file":
        return text("file {name}", name=rest)
    if kind == "files":
        return text("files {name}", name=rest)
    if kind == "env":
        return text("env {name}", name=rest)
    return text("working directory") if name == "working directory" else name


def _apart(before: str, after: str) -> tuple[str, str]:
    """Both shortened; where the modes of a file are the same, only what differs."""
    old, new = before.split(" "), after.split(" ")
    if len(old) == len(new) and len(old[-1]) == len(new[-1]) == 64:
        while len(old) > 1 and old[0] == new[0]:
            del old[0], new[0]
    return _short(" ".join(old)), _short(" ".join(new))


def _short(value: str | None) -> str:
    """A digest as its first twelve digits, anything else as it is, up to a line."""
    words = [word.removeprefix("sha256:")[:12] if len(word) >= 64 else word for word in (value or "").split(" ")]
    made = " ".join(words)
    return made if len(made) <= 100 else made[:99] + "…"
