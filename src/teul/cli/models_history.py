"""`teul models history`: what an alias pointed at and when, who moved it and why, which gate let it in."""

from __future__ import annotations

from teul.cli.flags import Flag
from teul.errors import InvalidInput, ModelNotFound, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from teul.cli.context import Context
    from teul.cli.flags import Arguments
    from teul.ml.tracking.values import AliasChange

USAGE = "[OPTIONS] MODEL"
FLAGS = (
    Flag("alias", help="Only this alias; default: production with --on, all without"),
    Flag("on", help="Only what it was on this day or at this moment (2026-11-21, 2026-11-21T09:30)", metavar="DATE"),
    Flag("format", help="Output format: json, or a Go template for each line such as {{.Version}} {{.From}}"),
)
HEADINGS = {
    "From": "FROM",
    "To": "TO",
    "Alias": "ALIAS",
    "Version": "VERSION",
    "Gate": "GATE",
    "ApprovedBy": "APPROVED BY",
    "Who": "WHO",
    "Why": "WHY",
}


def run(arguments: Arguments, context: Context) -> int:
    """The history of a model that was deleted is kept, too."""
    from teul.cli.positionals import expect
    from teul.cli.templates import render_records
    from teul.ml.tracking import TrackingStore
    from teul.ml.tracking.alias_history import STAGE
    from teul.ml.tracking.aliases import periods

    (name,) = expect(arguments, "models history", exactly=1)
    on = arguments.string("on")
    between = moments(on) if on else None
    alias = arguments.string("alias") or ("production" if on else "")
    if not context.settings.has_tracking:
        raise ModelNotFound(name)
    with TrackingStore.of(context.settings) as store:
        changes = store.alias_history(name, alias=alias)
        if on and not arguments.string("alias"):
            # Old clients have no alias and promote by the stage.
            changes = [change for change in store.alias_history(name) if change.alias in (alias, STAGE)]
        if not changes and not any(
            model.name == name for model in store.search_registered_models(max_results=1000).items
        ):
            raise ModelNotFound(name)
    found = [
        (change, until)
        for change, until in periods(changes)
        if between is None or (change.at < between[1] and (until is None or until > between[0]))
    ]
    template = arguments.string("format")
    records = [_record(change, until) for change, until in found]
    if not records and not template:
        context.print(context.translate(text("nothing was `{alias}`", alias=alias or "*")))
        return 0
    context.print(render_records(template, HEADINGS, records))
    if on and not template:
        for record in records:
            for line in record["GateReport"]:  # type: ignore[attr-defined]
                context.print(
                    f"  {'✓' if line.get('passed') else '✗'} {line.get('gate', '')}  {line.get('reason', '')}"
                )
    return 0


def moments(value: str) -> tuple[int, int]:
    """From and to (ms, to is exclusive) of a day or a moment of local time. Raises: InvalidInput."""
    from datetime import datetime, timedelta

    try:
        begin = datetime.fromisoformat(value)
    except ValueError:
        raise InvalidInput(
            text("date `{value}`: expected one such as 2026-11-21 or 2026-11-21T09:30", value=value)
        ) from None
    is_day = len(value) <= 10
    end = begin + timedelta(days=1) if is_day else begin + timedelta(milliseconds=1)
    return round(begin.timestamp() * 1000), round(end.timestamp() * 1000)


def _record(change: AliasChange, until: int | None) -> Mapping[str, object]:
    return {
        "From": _moment(change.at),
        "To": _moment(until) if until else "",
        "Alias": change.alias,
        "Version": str(change.version),
        "Previous": str(change.previous or ""),
        "Gate": change.gate,
        "GateReport": [dict(line) for line in change.gate_report],
        "ApprovedBy": change.approved_by,
        "Who": change.who,
        "Why": change.reason,
    }


def _moment(milliseconds: int) -> str:
    import time

    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(milliseconds / 1000))
