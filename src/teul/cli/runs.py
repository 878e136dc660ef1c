"""`teul runs [ls]`: runs, newest first, read from the store without a server."""

from __future__ import annotations

from teul.cli.flags import Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments
    from teul.ml.tracking import TrackingStore
    from teul.ml.tracking.values import Run

USAGE = "[OPTIONS]"
FLAGS = (
    Flag("experiment", "e", kind="list", help="Only runs of this experiment (name or id)"),
    Flag("filter", "f", help="Only runs that match, such as \"metrics.recall > 0.9 and params.depth = '6'\""),
    Flag("order-by", kind="list", help='Order, such as "metrics.recall DESC"; default: newest first'),
    Flag("last", "n", kind="int", help="Show at most this many runs", default=20),
    Flag("page-token", help="Go on where the last page ended; it said the token", metavar="TOKEN"),
    Flag("status", kind="list", help="Only runs with this status: running, scheduled, finished, failed or killed"),
    Flag("all", "a", kind="bool", help="Show deleted runs too"),
    Flag("no-trunc", kind="bool", help="Don't truncate output"),
    Flag("quiet", "q", kind="bool", help="Only display run IDs"),
    Flag("format", help="Output format: json, or a Go template for each line such as {{.ID}} {{.Metrics}}"),
)
HEADINGS = {
    "ID": "RUN ID",
    "Name": "NAME",
    "Experiment": "EXPERIMENT",
    "Status": "STATUS",
    "Started": "STARTED",
    "Took": "TOOK",
    "Metrics": "METRICS",
}
METRICS_SHOWN = 4


def run(arguments: Arguments, context: Context) -> int:
    from teul.cli.positionals import expect

    expect(arguments, "runs", exactly=0)
    return list_runs(arguments, context, arguments.string("filter"))


def list_runs(arguments: Arguments, context: Context, filter_text: str) -> int:
    """Print the runs that match *filter_text* and the flags."""
    from teul.cli.templates import render_records
    from teul.errors import text
    from teul.ml.tracked import settle
    from teul.ml.tracking import TrackingStore
    from teul.ml.tracking.wire import float_json

    filter_text = " and ".join(part for part in (filter_text.strip(), _status(arguments.strings("status"))) if part)
    token = ""
    template = arguments.string("format")
    records: list[dict[str, object]] = []
    if context.settings.has_tracking:
        with TrackingStore.of(context.settings) as store:
            settle(context.engine, store)
            names = {item.id: item.name for item in store.search_experiments(view="ALL", max_results=50_000).items}
            page = store.search_runs(
                _experiments(store, arguments.strings("experiment"), names),
                filter_text=filter_text,
                view="ALL" if arguments.flag("all") else "ACTIVE_ONLY",
                max_results=max(arguments.integer("last") or 0, 1),
                order_by=arguments.strings("order-by"),
                token=arguments.string("page-token"),
            )
            token = page.token
            whole = arguments.flag("no-trunc") or template == "json"
            records = [record(item, names[item.experiment_id], is_whole=whole) for item in page.items]
            if template == "json":
                for made, item in zip(records, page.items, strict=True):
                    made["Metrics"] = {metric.key: float_json(metric.value) for metric in item.metrics}
    if arguments.flag("quiet"):
        for made in records:
            context.print(made["ID"])
        return 0
    shown = render_records(template, HEADINGS, records)
    if shown:
        context.print(shown)
    if token and not template:
        context.say(text("there are more: --page-token {token}", token=token))
    return 0


def _status(words: list[str]) -> str:
    """The clause for `--status`, "" for none."""
    from teul.errors import InvalidInput, text
    from teul.ml.tracking.values import RUN_STATUSES

    known = tuple(RUN_STATUSES.values())
    for word in words:
        if word.upper() not in known:
            choices = ", ".join(item.lower() for item in known)
            raise InvalidInput(text("status `{status}`: expected {choices}", status=word, choices=choices))
    if len(words) > 1:
        quoted = ", ".join(f"'{word.upper()}'" for word in words)
        return f"attributes.status IN ({quoted})"
    return f"attributes.status = '{words[0].upper()}'" if words else ""


def record(run: Run, experiment: str, *, is_whole: bool) -> dict[str, object]:
    """A run as `--format` sees it; *is_whole* keeps the id and all metrics."""
    import time

    from teul.cli.units import human_age, human_duration

    ended = (run.end_time or 0) / 1000
    started = run.start_time / 1000
    status = run.status if run.lifecycle_stage == "active" else f"{run.status} (deleted)"
    metrics = sorted(run.metrics, key=lambda metric: metric.key)
    shown = metrics if is_whole else metrics[:METRICS_SHOWN]
    return {
        "ID": run.id if is_whole else run.id[:12],
        "Name": run.name,
        "Experiment": experiment,
        "Status": status,
        "Started": human_age(max(0.0, time.time() - started)) if started else "",
        "Took": human_duration(max(0.0, ended - started)) if ended and started else "",
        "Metrics": " ".join(f"{item.key}={number(item.value)}" for item in shown)
        + (f" (+{len(metrics) - len(shown)})" if len(metrics) > len(shown) else ""),
        "Params": dict(run.params),
        "Tags": dict(run.tags),
        "User": run.user_id,
    }


def number(value: float) -> str:
    """Four significant digits and no more than are there."""
    return f"{value:.0f}" if value == value and abs(value) < 1e15 and value == int(value) else f"{value:.4g}"


def _experiments(store: TrackingStore, wanted: list[str], names: dict[str, str]) -> list[str]:
    if not wanted:
        return list(names)
    from teul.errors import ExperimentNotFound

    found = []
    for name in wanted:
        experiment = store.find_experiment(name)
        if experiment is not None:
            found.append(experiment.id)
        elif name in names:
            found.append(name)
        else:
            raise ExperimentNotFound(name)
    return found
