"""`teul models show`: a model, its versions with their gates, and who moved which alias when and why."""

from __future__ import annotations

from teul.cli.flags import Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from teul.cli.context import Context
    from teul.cli.flags import Arguments
    from teul.ml.tracking.values import AliasChange, ModelVersion, RegisteredModel

USAGE = "[OPTIONS] MODEL"
FLAGS = (
    Flag("card", kind="bool", help="Show the model card (Markdown) of one version"),
    Flag("version", help="Whose card; default: the version in production, else the newest", metavar="VERSION"),
    Flag("format", "f", help="Output format: json, or a Go template such as {{.Production}}"),
)


def run(arguments: Arguments, context: Context) -> int:
    from teul.cli.positionals import expect
    from teul.cli.templates import render_template
    from teul.errors import ModelNotFound, TrackingNotFound
    from teul.ml.tracking import TrackingStore
    from teul.ml.tracking.values import PRODUCTION

    (name,) = expect(arguments, "models show", exactly=1)
    if not context.settings.has_tracking:
        raise ModelNotFound(name)
    with TrackingStore.of(context.settings) as store:
        try:
            model = store.get_registered_model(name)
        except TrackingNotFound as error:
            raise ModelNotFound(name) from error
        versions = store.versions_of(name)
        history = store.alias_history(name)
        if arguments.flag("card") or arguments.string("version"):
            from teul.ml.promotion import keep_card

            wanted = arguments.string("version")
            chosen = store.get_model_version(name, wanted) if wanted else store.alias(name, PRODUCTION)
            if chosen is None and not versions:
                raise ModelNotFound(name)
            context.stdout.write(keep_card(store, chosen or versions[0]))
            return 0
    template = arguments.string("format")
    if template:
        context.print(render_template(template, _record(model, versions, history)))
    else:
        context.print(_page(model, versions, history))
    return 0


def _record(
    model: RegisteredModel, versions: Sequence[ModelVersion], history: Sequence[AliasChange]
) -> dict[str, object]:
    from teul.ml.tracking.values import PRODUCTION

    return {
        "Name": model.name,
        "Description": model.description or "",
        "Production": str(model.aliases.get(PRODUCTION, "")),
        "Aliases": {alias: str(version) for alias, version in model.aliases.items()},
        "Tags": dict(model.tags),
        "Versions": [
            {
                "Version": str(version.version),
                "CreatedAt": _moment(version.creation_time),
                "Gate": version.gate,
                "Approval": version.approval,
                "GateReport": [dict(line) for line in version.gate_report],
                "Aliases": list(version.aliases),
                "Run": version.run_id or "",
                "Source": version.source,
                "Tags": dict(version.tags),
            }
            for version in versions
        ],
        "History": [
            {
                "At": _moment(change.at),
                "Alias": change.alias,
                "Version": str(change.version or ""),
                "Previous": str(change.previous or ""),
                "Who": change.who,
                "Reason": change.reason,
                "Gate": change.gate,
                "ApprovedBy": change.approved_by,
            }
            for change in history
        ],
    }


def _page(model: RegisteredModel, versions: Sequence[ModelVersion], history: Sequence[AliasChange]) -> str:
    from teul.cli.columns import render_table
    from teul.ml.tracking.values import PRODUCTION

    head = [("model", model.name), ("production", str(model.aliases.get(PRODUCTION, "")) or "—")]
    if model.description:
        head.append(("description", model.description))
    head += [(f"tag {key}", value) for key, value in sorted(model.tags.items())]
    parts = [render_table((), head)]
    if versions:
        rows = [
            (
                str(version.version),
                _moment(version.creation_time),
                version.gate or "—",
                version.approval or "—",
                ", ".join(version.aliases),
                (version.run_id or "")[:12],
                version.source,
            )
            for version in versions
        ]
        parts.append(render_table(("VERSION", "CREATED", "GATE", "APPROVAL", "ALIASES", "RUN", "SOURCE"), rows))
    judged = next((version for version in versions if version.gate_report), None)
    if judged is not None:
        lines = [(_mark(line), str(line.get("gate", "")), str(line.get("reason", ""))) for line in judged.gate_report]
        parts.append(f"GATE OF VERSION {judged.version}\n" + render_table((), lines))
    if history:
        moves = [
            (
                _moment(change.at),
                change.alias,
                f"{change.previous or '—'} → {change.version or '—'}",
                change.who,
                change.reason,
            )
            for change in reversed(history)
        ]
        parts.append(render_table(("WHEN", "ALIAS", "CHANGE", "WHO", "WHY"), moves))
    return "\n\n".join(parts)


def _mark(line: object) -> str:
    return "passed" if isinstance(line, dict) and line.get("passed") else "failed"


def _moment(milliseconds: int) -> str:
    import time

    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(milliseconds / 1000))
