"""`teul runs show`: one run with its params, metrics, tags and artifacts, read from the store without a server."""

from __future__ import annotations

import os

from teul.cli.flags import Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from teul.cli.context import Context
    from teul.cli.flags import Arguments
    from teul.ml.tracking.values import Run

USAGE = "[OPTIONS] RUN"
FLAGS = (Flag("format", "f", help="Output format: json, or a Go template such as {{.Params.depth}}"),)
HIDDEN_TAGS = ("mlflow.runName", "mlflow.user", "mlflow.log-model.history")


def run(arguments: Arguments, context: Context) -> int:
    """RUN is an id, the first digits of one (at least four), or a name: the newest run of that name."""
    from teul.cli.positionals import expect
    from teul.cli.templates import render_template
    from teul.errors import RunNotFound
    from teul.ml.tracking import TrackingStore
    from teul.ml.tracking.sources import artifact_path

    (wanted,) = expect(arguments, "runs show", exactly=1)
    if not os.path.exists(context.settings.tracking_database):
        raise RunNotFound(wanted)
    with TrackingStore.of(context.settings) as store:
        found = store.find_run(wanted)
        experiment = store.get_experiment(found.experiment_id).name
        files = store.walk_artifacts(found.id) if artifact_path(found.artifact_uri) is not None else []
    record = _record(found, experiment, {path: size for path, _, size in files})
    template = arguments.string("format")
    context.print(render_template(template, record) if template else _page(found, experiment, record))
    return 0


def _record(run: Run, experiment: str, files: Mapping[str, int]) -> dict[str, object]:
    from teul.ml.tracking.wire import float_json

    return {
        "ID": run.id,
        "Name": run.name,
        "Experiment": experiment,
        "Status": run.status,
        "User": run.user_id,
        "StartedAt": _moment(run.start_time),
        "EndedAt": _moment(run.end_time),
        "ArtifactURI": run.artifact_uri,
        "Params": dict(sorted(run.params.items())),
        "Metrics": {item.key: float_json(item.value) for item in sorted(run.metrics, key=lambda item: item.key)},
        "Tags": dict(sorted(run.tags.items())),
        "Datasets": [{"Name": item.name, "Digest": item.digest, "Source": item.source} for item in run.datasets],
        "Artifacts": dict(files),
    }


def _page(run: Run, experiment: str, record: Mapping[str, object]) -> str:
    from teul.cli.columns import render_table
    from teul.cli.runs import number
    from teul.cli.units import human_duration, human_size

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
    steps = {item.key: item.step for item in run.metrics}
    values = {item.key: item.value for item in run.metrics}
    tags = {key: value for key, value in sorted(run.tags.items()) if key not in HIDDEN_TAGS}
    files = record["Artifacts"]
    assert isinstance(files, dict)
    for title, rows in (
        ("PARAMS", [(key, value) for key, value in sorted(run.params.items())]),
        ("METRICS", [(key, number(values[key]), f"step {steps[key]}") for key in sorted(values)]),
        ("TAGS", [(key, _one_line(value)) for key, value in tags.items()]),
        ("DATASETS", [(item.name, item.digest) for item in run.datasets]),
        ("ARTIFACTS", [(path, human_size(size)) for path, size in files.items()]),
    ):
        if rows:
            table = render_table((), rows)
            parts.append(f"{title}\n" + "\n".join(f"  {line}" for line in table.splitlines()))
    return "\n\n".join(parts)


def _moment(milliseconds: int | None) -> str:
    import time

    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(milliseconds / 1000)) if milliseconds else ""


def _one_line(value: str) -> str:
    first, _, rest = value.partition("\n")
    return f"{first[:200]}…" if rest or len(first) > 200 else first
