"""`teul models [ls]`: registered models, read from the store without a server."""

from __future__ import annotations

from teul.cli.flags import Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments
    from teul.ml.tracking.values import RegisteredModel

USAGE = "[OPTIONS]"
FLAGS = (
    Flag("filter", "f", help="Only models that match, such as \"name LIKE 'churn%'\""),
    Flag("quiet", "q", kind="bool", help="Only display model names"),
    Flag("format", help="Output format: json, or a Go template for each line such as {{.Name}} {{.Production}}"),
)
HEADINGS = {
    "Name": "NAME",
    "Latest": "LATEST",
    "Production": "PRODUCTION",
    "Aliases": "ALIASES",
    "Updated": "UPDATED",
    "Description": "DESCRIPTION",
}


def run(arguments: Arguments, context: Context) -> int:
    from teul.cli.positionals import expect
    from teul.cli.templates import render_records
    from teul.ml.tracking import TrackingStore

    expect(arguments, "models", exactly=0)
    records: list[dict[str, object]] = []
    if context.settings.has_tracking:
        with TrackingStore.of(context.settings) as store:
            page = store.search_registered_models(filter_text=arguments.string("filter"), max_results=1000)
            records = [_record(model) for model in page.items]
    if arguments.flag("quiet"):
        for record in records:
            context.print(record["Name"])
        return 0
    context.print(render_records(arguments.string("format"), HEADINGS, records))
    return 0


def _record(model: RegisteredModel) -> dict[str, object]:
    import time

    from teul.cli.units import human_age
    from teul.ml.tracking.values import PRODUCTION

    others = sorted((alias, version) for alias, version in model.aliases.items() if alias != PRODUCTION)
    return {
        "Name": model.name,
        "Latest": str(max((version.version for version in model.latest_versions), default="")),
        "Production": str(model.aliases.get(PRODUCTION, "")),
        "Aliases": ", ".join(f"{alias}={version}" for alias, version in others),
        "Updated": human_age(max(0.0, time.time() - model.last_update_time / 1000)),
        "Description": (model.description or "").partition("\n")[0],
    }
