"""`teul runs show`: one run with its params, metrics, tags and artifacts, read from the store without a server."""

from __future__ import annotations

from teul.cli.flags import Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from teul.cli.context import Context
    from teul.cli.flags import Arguments
    from teul.ml.tracking.values import Run

USAGE = "[OPTIONS] RUN"
FLAGS = (
    Flag("format", "f", help="Output format: json, or a Go template such as {{.Params.depth}}"),
    Flag("no-plots", kind="bool", help="Don't plot the metrics' histories"),
    Flag("html", help="Write the run and its plots into this file, as a page that needs nothing else", metavar="FILE"),
    Flag("png", help="Write the plots into this file", metavar="FILE"),
)
PLOTS = 4
HIDDEN_TAGS = ("mlflow.runName", "mlflow.user", "mlflow.log-model.history")


def run(arguments: Arguments, context: Context) -> int:
    """RUN is an id, the first digits of one (at least four), or a name: the newest run of that name."""
    from teul.cli.positionals import expect
    from teul.cli.runs_compare import history_charts, write_file
    from teul.cli.templates import render_template
    from teul.errors import RunNotFound, text
    from teul.ml.plots import terminal
    from teul.ml.tracked import settle
    from teul.ml.tracking import TrackingStore
    from teul.ml.tracking.sources import artifact_path

    (wanted,) = expect(arguments, "runs show", exactly=1)
    if not context.settings.has_tracking:
        raise RunNotFound(wanted)
    with TrackingStore.of(context.settings) as store:
        settle(context.engine, store)
        found = store.find_run(wanted)
        experiment = store.get_experiment(found.experiment_id).name
        files = store.walk_artifacts(found.id) if artifact_path(found.artifact_uri) is not None else []
        charts = history_charts(store, [found], sorted(item.key for item in found.metrics))
    record = _record(found, experiment, {path: size for path, _, size in files})
    template = arguments.string("format")
    if arguments.string("html"):
        from teul.ml.plots.page import page

        tables = [(title, ("", found.id[:12]), rows) for title, rows in _tables(found, record)]
        write_file(arguments.string("html"), page(found.name, tables, charts).encode())
    if arguments.string("png"):
        from teul.ml.plots import png

        write_file(arguments.string("png"), png.draw(charts))
    context.print(render_template(template, record) if template else _page(found, experiment, record))
    if template or arguments.flag("no-plots") or arguments.string("html") or arguments.string("png"):
        return 0
    for chart in charts[:PLOTS]:
        context.print("\n" + terminal.draw(chart))
    if len(charts) > PLOTS:
        context.say(text("and {count} more plots: --html FILE has all", count=len(charts) - PLOTS))
    return 0


def _record(run: Run, experiment: str, files: Mapping[str, int]) -> dict[str, object]:
    from teul.ml.tracking.wire import float_json

    return {
        "ID": run.id,
        "Name": run.name,
        "Experiment": experiment,
        "Status": run.status,
        "User": run.user_id,
        "StartedAt": moment(run.start_time),
        "EndedAt": moment(run.end_time),
        "ArtifactURI": run.artifact_uri,
        "Params": dict(sorted(run.params.items())),
        "Metrics": {item.key: float_json(item.value) for item in sorted(run.metrics, key=lambda item: item.key)},
        "Tags": dict(sorted(run.tags.items())),
        "Datasets": [{"Name": item.name, "Digest": item.digest, "Source": item.source} for item in run.datasets],
        "Artifacts": dict(files),
    }


def _page(run: Run, experiment: str, record: Mapping[str, object]) -> str:
    from teul.cli.columns import render_table
    from teul.cli.units import human_duration

    head = [
        ("run", run.id),
        ("name", run.name),
        ("experiment", experiment),
        ("status", run.status if run.lifecycle_stage == "active" else f"{run.status} (deleted)"),
        ("started", record["StartedAt"]),
    ]
    if run.end_time:
        head.append(("took", human_duration((run.end_time - run.start_time) / 1000)))
    parts = [render_table((), head)]
    for title, rows in _tables(run, record):
        if rows:
            table = render_table((), rows)
            parts.append(f"{title}\n" + "\n".join(f"  {line}" for line in table.splitlines()))
    return "\n\n".join(parts)


def _tables(run: Run, record: Mapping[str, object]) -> list[tuple[str, list[tuple[str, ...]]]]:
    """(heading, rows) of all that a run has, names first."""
    from teul.cli.runs import number
    from teul.cli.units import human_size

    latest = {item.key: item for item in run.metrics}
    tags = {key: value for key, value in sorted(run.tags.items()) if key not in HIDDEN_TAGS}
    files = record["Artifacts"]
    assert isinstance(files, dict)
    return [
        ("PARAMS", sorted(run.params.items())),
        ("METRICS", [(key, number(latest[key].value), f"step {latest[key].step}") for key in sorted(latest)]),
        ("TAGS", [(key, _one_line(value)) for key, value in tags.items()]),
        ("DATASETS", [(item.name, item.digest) for item in run.datasets]),
        ("ARTIFACTS", [(path, human_size(size)) for path, size in files.items()]),
    ]


def moment(milliseconds: int | None) -> str:
    """A time as a person reads it, "" for none."""
    import time

    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(milliseconds / 1000)) if milliseconds else ""


def _one_line(value: str) -> str:
    first, _, rest = value.partition("\n")
    return f"{first[:200]}…" if rest or len(first) > 200 else first
