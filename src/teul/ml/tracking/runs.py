"""Runs: create, update, params, tags, inputs and outputs, delete and restore (soft).

A param is written once; writing the same value again is nothing, another value is refused. The tag `mlflow.runName`
and the run's name are one thing, whichever of them is set.
"""

from __future__ import annotations

import json
import math
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from teul.errors import TrackingInvalid, TrackingNotFound
from teul.ml.tracking import experiments, limits
from teul.ml.tracking.clock import now_ms
from teul.ml.tracking.database import Database
from teul.ml.tracking.names import random_name
from teul.ml.tracking.values import (
    ACTIVE,
    DELETED,
    LOGGED_MODELS_TAG,
    RUN_NAME_TAG,
    DatasetInput,
    Metric,
    ModelOutput,
    Run,
)

COLUMNS = "number, id, experiment, name, user_id, status, start_time, end_time, artifact_uri, lifecycle_stage"
_PUT_TAG = "INSERT INTO tags VALUES (?, ?, ?) ON CONFLICT (run, key) DO UPDATE SET value = excluded.value"


def create(
    db: Database,
    experiment_id: str,
    *,
    name: str = "",
    user_id: str = "",
    start_time: int = 0,
    tags: Sequence[tuple[str, str]] = (),
    run_id: str = "",
) -> Run:
    """Begin a run; without a name, here or in its tags, it gets a random one. *run_id* is for a run that had an id
    elsewhere.

    Raises:
        TrackingNotFound: no such experiment.
        TrackingInvalid: a deleted experiment, or a tag that MLflow refuses.
    """
    written = dict(tags)
    tag_name = written.get(RUN_NAME_TAG, "")
    if name and tag_name and name != tag_name:
        raise TrackingInvalid(
            "Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different values"
            f" (run_name='{name}', mlflow.runName='{tag_name}')."
        )
    name = name or tag_name or random_name()
    for index, (key, value) in enumerate(tags):
        written[key] = limits.check_tag(key, value, f"tags[{index}].")
    written[RUN_NAME_TAG] = name
    if run_id:
        limits.check_run_id(run_id)
    run_id = run_id or uuid.uuid4().hex
    with db.write():
        experiment = experiments.get(db, experiment_id)
        number = experiments.check_active(experiment)
        ((row,),) = db.execute(
            "INSERT INTO runs(id, experiment, name, user_id, status, start_time, artifact_uri, lifecycle_stage)"
            " VALUES (?, ?, ?, ?, 'RUNNING', ?, ?, ?) RETURNING number",
            (
                run_id,
                number,
                name,
                user_id,
                start_time,
                f"{experiment.artifact_location.rstrip('/')}/{run_id}/artifacts",
                ACTIVE,
            ),
        ).fetchall()
        db.executemany("INSERT INTO tags VALUES (?, ?, ?)", [(row, key, value) for key, value in written.items()])
        return get(db, run_id)


def get(db: Database, run_id: str) -> Run:
    """Raises: TrackingNotFound."""
    with db.read():
        row = db.one(f"SELECT {COLUMNS} FROM runs WHERE id = ?", (run_id,))
        if row is None:
            raise TrackingNotFound(f"Run with id={run_id} not found")
        return load(db, [row])[0]


def load(db: Database, rows: Sequence[tuple[Any, ...]]) -> list[Run]:
    """Rows of `COLUMNS` as values with everything that belongs to them: seven queries, however many runs."""
    numbers: list[int] = [row[0] for row in rows]
    metrics = _latest_metrics(db, numbers)
    params = _pairs(db, "params", numbers)
    tags = _pairs(db, "tags", numbers)
    datasets = _datasets(db, numbers)
    inputs: dict[int, list[str]] = {}
    outputs: dict[int, list[ModelOutput]] = {}
    for number, direction, model, step in db.grouped(
        "SELECT run, direction, model, step FROM run_models WHERE run IN ({keys}) ORDER BY number", numbers
    ):
        if direction == "input":
            inputs.setdefault(number, []).append(model)
        else:
            outputs.setdefault(number, []).append(ModelOutput(model, step))
    return [
        Run(
            id=run_id,
            experiment_id=str(experiment),
            name=name,
            user_id=user_id,
            status=status,
            start_time=start_time,
            end_time=end_time,
            artifact_uri=artifact_uri,
            lifecycle_stage=stage,
            metrics=tuple(metrics.get(number, ())),
            params=params.get(number, {}),
            tags=tags.get(number, {}),
            datasets=tuple(datasets.get(number, ())),
            model_inputs=tuple(inputs.get(number, ())),
            model_outputs=tuple(outputs.get(number, ())),
        )
        for number, run_id, experiment, name, user_id, status, start_time, end_time, artifact_uri, stage in rows
    ]


def tagged(db: Database, key: str, value: str, *, experiment: str = "", max_results: int) -> list[Run]:
    """The active runs whose tag *key* is *value*, the newest first: of all experiments, or of that named *experiment*."""
    columns = ", ".join(f"r.{name}" for name in COLUMNS.split(", "))
    only, named = (" AND e.name = ?", (experiment,)) if experiment else ("", ())
    with db.read():
        rows = db.all(
            f"SELECT {columns} FROM tags t JOIN runs r ON r.number = t.run JOIN experiments e ON e.id = r.experiment"
            f" WHERE t.key = ? AND t.value = ? AND r.lifecycle_stage = ?{only} ORDER BY r.start_time DESC, r.id LIMIT ?",
            (key, value, ACTIVE, *named, max_results),
        )
        return load(db, rows)


def update(db: Database, run_id: str, *, status: str = "", end_time: int | None = None, name: str = "") -> Run:
    """Change what is given; returns the run afterwards. Raises: TrackingNotFound, TrackingInvalid."""
    with db.write():
        number = active_number(db, run_id)
        if status:
            db.execute("UPDATE runs SET status = ? WHERE number = ?", (status, number))
        if end_time is not None:
            db.execute("UPDATE runs SET end_time = ? WHERE number = ?", (end_time, number))
        if name:
            _set_name(db, number, name)
        return get(db, run_id)


def note_process(db: Database, run_id: str, pid: int, started: str) -> None:
    """Remember which process of this machine began the run (pid and start: `state.leases.process_start`)."""
    with db.write():
        number = check_exists(db, run_id)
        db.execute("INSERT INTO run_processes VALUES (?, ?, ?, '') ON CONFLICT DO NOTHING", (number, pid, started))


def begun_by_processes(db: Database) -> list[tuple[str, int, str]]:
    """(run, pid, start) of the runs that still run and whose process is known."""
    return db.all(
        "SELECT r.id, p.pid, p.started FROM run_processes p JOIN runs r ON r.number = p.run"
        " WHERE p.pid > 0 AND r.status = 'RUNNING' AND r.lifecycle_stage = ?",
        (ACTIVE,),
    )


def close_abandoned(db: Database, run_id: str) -> None:
    """End (KILLED) a run that still runs. Idempotent."""
    with db.write():
        db.execute(
            "UPDATE runs SET status = 'KILLED', end_time = ? WHERE id = ? AND status = 'RUNNING'", (now_ms(), run_id)
        )


def delete(db: Database, run_id: str) -> None:
    """Mark it as deleted; its artifacts stay until `teul` forgets the run."""
    with db.write():
        number = check_exists(db, run_id)
        db.execute(
            "UPDATE runs SET lifecycle_stage = ?, deleted_time = ? WHERE number = ?", (DELETED, now_ms(), number)
        )


def restore(db: Database, run_id: str) -> None:
    with db.write():
        number = check_exists(db, run_id)
        db.execute("UPDATE runs SET lifecycle_stage = ?, deleted_time = NULL WHERE number = ?", (ACTIVE, number))


def log_param(db: Database, run_id: str, key: str, value: str) -> None:
    """Raises: TrackingInvalid when the param has another value already."""
    value = limits.check_param(key, value)
    with db.write():
        number = active_number(db, run_id)
        row = db.one("SELECT value FROM params WHERE run = ? AND key = ?", (number, key))
        if row is None:
            db.execute("INSERT INTO params VALUES (?, ?, ?)", (number, key, value))
        elif row[0] != value:
            raise TrackingInvalid(
                f"Changing param values is not allowed. Param with key='{key}' was already logged with"
                f" value='{row[0]}' for run ID='{run_id}'. Attempted logging new value '{value}'."
            )


def log_params(db: Database, run_id: str, params: Sequence[tuple[str, str]]) -> None:
    """All or none. Raises: TrackingInvalid when one of them has another value already."""
    checked = [(key, limits.check_param(key, value, f"params[{index}].")) for index, (key, value) in enumerate(params)]
    limits.check_unique_params(checked)
    if not checked:
        return
    with db.write():
        number = active_number(db, run_id)
        there = dict(db.all("SELECT key, value FROM params WHERE run = ?", (number,)))
        other = [
            {"key": key, "old_value": there[key], "new_value": value}
            for key, value in checked
            if key in there and there[key] != value
        ]
        if other:
            raise TrackingInvalid(
                f"Changing param values is not allowed. Params were already logged='{other}' for run ID='{run_id}'."
            )
        db.executemany(
            "INSERT INTO params VALUES (?, ?, ?)", [(number, key, value) for key, value in checked if key not in there]
        )


def set_tag(db: Database, run_id: str, key: str, value: str) -> None:
    value = limits.check_tag(key, value)
    with db.write():
        _set_tag(db, active_number(db, run_id), key, value)


def set_tags(db: Database, run_id: str, tags: Sequence[tuple[str, str]]) -> None:
    checked = [(key, limits.check_tag(key, value, f"tags[{index}].")) for index, (key, value) in enumerate(tags)]
    with db.write():
        number = active_number(db, run_id)
        for key, value in checked:
            _set_tag(db, number, key, value)


def delete_tag(db: Database, run_id: str, key: str) -> None:
    with db.write():
        number = active_number(db, run_id)
        if not db.execute("DELETE FROM tags WHERE run = ? AND key = ?", (number, key)).rowcount:
            raise TrackingNotFound(f"No tag with name: {key} in run with id {run_id}")


def record_model(db: Database, run_id: str, model: Mapping[str, object]) -> None:
    """Append to the tag in which clients before MLflow 3 keep the models of a run."""
    with db.write():
        number = active_number(db, run_id)
        row = db.one("SELECT value FROM tags WHERE run = ? AND key = ?", (number, LOGGED_MODELS_TAG))
        value = json.dumps([*(json.loads(row[0]) if row else []), model])
        limits.check_length("value", limits.MAX_TAG_VALUE, value)
        _set_tag(db, number, LOGGED_MODELS_TAG, value)


def log_inputs(db: Database, run_id: str, datasets: Sequence[DatasetInput], models: Sequence[str] = ()) -> None:
    """Say what a run read. A dataset that it has already is kept as it was."""
    limits.check_run_id(run_id)
    for item in datasets:
        limits.check_dataset(
            {
                "name": item.name,
                "digest": item.digest,
                "source": item.source,
                "schema": item.schema,
                "profile": item.profile,
            },
            item.tags,
        )
    with db.write():
        number = active_number(db, run_id)
        for item in datasets:
            db.execute(
                "INSERT INTO datasets(experiment, name, digest, source_type, source, schema, profile)"
                " SELECT experiment, ?, ?, ?, ?, ?, ? FROM runs WHERE number = ? ON CONFLICT DO NOTHING",
                (item.name, item.digest, item.source_type, item.source, item.schema, item.profile, number),
            )
            made = db.execute(
                "INSERT INTO dataset_inputs(run, dataset) SELECT runs.number, datasets.id FROM runs JOIN"
                " datasets USING (experiment) WHERE runs.number = ? AND datasets.name = ? AND datasets.digest = ?"
                " ON CONFLICT DO NOTHING RETURNING id",
                (number, item.name, item.digest),
            ).fetchall()
            if made:
                db.executemany(
                    "INSERT INTO dataset_input_tags VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                    [(made[0][0], key, value) for key, value in item.tags],
                )
        db.executemany(
            "INSERT INTO run_models(run, direction, model, step) VALUES (?, 'input', ?, 0) ON CONFLICT DO NOTHING",
            [(number, model) for model in models],
        )


def log_outputs(db: Database, run_id: str, models: Sequence[ModelOutput]) -> None:
    """Say which logged models a run wrote."""
    with db.write():
        number = active_number(db, run_id)
        db.executemany(
            "INSERT INTO run_models(run, direction, model, step) VALUES (?, 'output', ?, ?) ON CONFLICT DO NOTHING",
            [(number, model.model_id, model.step) for model in models],
        )


def check_exists(db: Database, run_id: str) -> int:
    """The row number of a run, deleted or not. Raises: TrackingNotFound."""
    row = db.one("SELECT number FROM runs WHERE id = ?", (run_id,))
    if row is None:
        raise TrackingNotFound(f"Run with id={run_id} not found")
    number: int = row[0]
    return number


def active_number(db: Database, run_id: str) -> int:
    """The row number of a run that may be written to. Raises: TrackingNotFound, TrackingInvalid."""
    row = db.one("SELECT number, lifecycle_stage FROM runs WHERE id = ?", (run_id,))
    if row is None:
        raise TrackingNotFound(f"Run with id={run_id} not found")
    if row[1] != ACTIVE:
        raise TrackingInvalid(f"The run {run_id} must be in the 'active' state. Current state is {row[1]}.")
    number: int = row[0]
    return number


def experiment_of(db: Database, run_id: str) -> str:
    """The id of the experiment that a run is in. Raises: TrackingNotFound."""
    row = db.one("SELECT experiment FROM runs WHERE id = ?", (run_id,))
    if row is None:
        raise TrackingNotFound(f"Run with id={run_id} not found")
    return str(row[0])


def _set_tag(db: Database, number: int, key: str, value: str) -> None:
    if key == RUN_NAME_TAG:
        _set_name(db, number, value)
    else:
        db.execute(_PUT_TAG, (number, key, value))


def _set_name(db: Database, number: int, name: str) -> None:
    db.execute("UPDATE runs SET name = ? WHERE number = ?", (name, number))
    db.execute(_PUT_TAG, (number, RUN_NAME_TAG, name))


def _pairs(db: Database, table: str, numbers: Sequence[int]) -> dict[int, dict[str, str]]:
    made: dict[int, dict[str, str]] = {}
    for number, key, value in db.grouped(f"SELECT run, key, value FROM {table} WHERE run IN ({{keys}})", numbers):
        made.setdefault(number, {})[key] = value
    return made


def _datasets(db: Database, numbers: Sequence[int]) -> dict[int, list[DatasetInput]]:
    rows = db.grouped(
        "SELECT i.run, i.id, d.name, d.digest, d.source_type, d.source, d.schema, d.profile FROM dataset_inputs i"
        " JOIN datasets d ON d.id = i.dataset WHERE i.run IN ({keys}) ORDER BY i.id",
        numbers,
    )
    tags: dict[int, list[tuple[str, str]]] = {}
    for number, key, value in db.grouped(
        "SELECT input, key, value FROM dataset_input_tags WHERE input IN ({keys})", [row[1] for row in rows]
    ):
        tags.setdefault(number, []).append((key, value))
    made: dict[int, list[DatasetInput]] = {}
    for run, number, name, digest, source_type, source, schema, profile in rows:
        made.setdefault(run, []).append(
            DatasetInput(name, digest, source_type, source, schema, profile, tuple(tags.get(number, ())))
        )
    return made


def _latest_metrics(db: Database, numbers: Sequence[int]) -> dict[int, list[Metric]]:
    made: dict[int, list[Metric]] = {}
    for number, key, timestamp, step, value, is_nan in db.grouped(
        "SELECT run, key, timestamp, step, value, is_nan FROM latest_metrics WHERE run IN ({keys})", numbers
    ):
        made.setdefault(number, []).append(Metric(key, math.nan if is_nan else value, timestamp, step))
    return made
