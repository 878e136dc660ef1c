"""`why`: what happened to the steps of a build, and which input made them run."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dataclasses import dataclass

    from teul.engine import Engine
    from teul.solver.solve import Cause
else:
    from teul.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedStep:
    """What happened to a step when it last changed; `at` is seconds since 1970. See `teul.solver.Explained`."""

    name: str
    state: str
    reason: str
    causes: tuple[Cause, ...]
    at: float
    seconds: float


def explain(engine: Engine, thing: str) -> list[ExplainedStep]:
    """The steps of the last build that gave the image *thing*, or the steps whose name has *thing* in it.

    Empty when nothing is known. In the order of the build.
    """
    from teul.solver.solve import Explained
    from teul.state.cache import explained_rows, scopes

    image = engine.images.find(thing)
    known = scopes(engine.db)
    chosen = [scope for scope, row, _ in known if image is not None and row.get("key") == image.id][:1]
    made: list[ExplainedStep] = []
    for scope in chosen or [scope for scope, _, _ in known]:
        for _, row, at in sorted(explained_rows(engine.db, scope), key=lambda row: _order(row[0])):
            step = Explained.from_json(row)
            if step.name and (chosen or thing.lower() in step.name.lower()):
                made.append(
                    ExplainedStep(
                        name=step.name,
                        state=step.state,
                        reason=step.reason,
                        causes=step.causes,
                        at=at,
                        seconds=step.seconds,
                    )
                )
    return made


def _order(place: str) -> tuple[str, int, str]:
    """Places in the order of a Dockerfile: `builder 2` before `builder 10`; bases first."""
    stage, _, number = place.rpartition(" ")
    return ("" if place.startswith("base ") else stage, int(number) if number.isdigit() else 0, place)
