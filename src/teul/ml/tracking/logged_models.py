"""Logged models (MLflow 3): a model as a run wrote it, with its own params, tags, metrics and artifacts."""

from __future__ import annotations

import base64
import binascii
import json
import math
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from teul.errors import TrackingExists, TrackingInvalid, TrackingNotFound
from teul.ml.tracking import experiments, filters, limits
from teul.ml.tracking.clock import now_ms
from teul.ml.tracking.database import Database
from teul.ml.tracking.filters import ATTRIBUTE, METRIC, PARAM, Comparison
from teul.ml.tracking.names import random_name
from teul.ml.tracking.search import condition
from teul.ml.tracking.values import ACTIVE, DELETED, LoggedModel, Metric, Page

PENDING = 1
COLUMNS = (
    "id, experiment, name, artifact_location, creation_time, last_update_time, status, lifecycle_stage, model_type,"
    " source_run_id, status_message"
)
_COLUMNS = {
    "model_id": "m.id",
    "name": "m.name",
    "model_type": "m.model_type",
    "source_run_id": "m.source_run_id",
    "status": "CAST(m.status AS TEXT)",
    "artifact_location": "m.artifact_location",
    "experiment_id": "CAST(m.experiment AS TEXT)",
    "creation_timestamp_ms": "m.creation_time",
    "last_updated_timestamp_ms": "m.last_update_time",
}


@dataclass(frozen=True, slots=True)
class ModelOrder:
    """An order clause of a search: an attribute, or `metrics.<key>` measured on a dataset."""

    field: str
    is_ascending: bool = True
    dataset_name: str = ""
    dataset_digest: str = ""


def create(
    db: Database,
    experiment_id: str,
    *,
    name: str = "",
    model_type: str = "",
    source_run_id: str = "",
    params: Mapping[str, str] | None = None,
    tags: Mapping[str, str] | None = None,
    model_id: str = "",
) -> LoggedModel:
    """Begin a logged model; it is pending until `finalize`. *model_id* is for one that had an id elsewhere."""
    if name:
        limits.check_logged_model_name(name)
    model_id = model_id or f"m-{uuid.uuid4().hex}"
    now = now_ms()
    with db.write():
        experiment = experiments.get(db, experiment_id)
        number = experiments.check_active(experiment)
        db.execute(
            f"INSERT INTO logged_models({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)",
            (
                model_id,
                number,
                name or random_name(),
                f"{experiment.artifact_location.rstrip('/')}/models/{model_id}/artifacts",
                now,
                now,
                PENDING,
                ACTIVE,
                model_type,
                source_run_id,
            ),
        )
        db.executemany(
            "INSERT INTO logged_model_params VALUES (?, ?, ?)", [(model_id, k, v) for k, v in (params or {}).items()]
        )
        db.executemany(
            "INSERT INTO logged_model_tags VALUES (?, ?, ?)", [(model_id, k, v) for k, v in (tags or {}).items()]
        )
        return get(db, model_id)


def get(db: Database, model_id: str, *, allow_deleted: bool = False) -> LoggedModel:
    """Raises: TrackingNotFound."""
    with db.read():
        row = db.one(f"SELECT {COLUMNS} FROM logged_models WHERE id = ?", (model_id,))
        if row is None or (row[7] == DELETED and not allow_deleted):
            raise TrackingNotFound(f"Logged model with ID '{model_id}' not found.")
        return _load(db, [row])[0]


def finalize(db: Database, model_id: str, status: int) -> LoggedModel:
    """Set its status (`values.MODEL_STATUSES`)."""
    with db.write():
        _change(db, model_id, "status = ?", status)
        return get(db, model_id, allow_deleted=True)


def delete(db: Database, model_id: str) -> None:
    with db.write():
        _change(db, model_id, "lifecycle_stage = ?", DELETED)


def log_params(db: Database, model_id: str, params: Mapping[str, str]) -> None:
    with db.write():
        get(db, model_id, allow_deleted=True)
        for key, value in params.items():
            row = db.one("SELECT value FROM logged_model_params WHERE model = ? AND key = ?", (model_id, key))
            if row is not None and row[0] != value:
                raise TrackingExists(
                    f"Param with key='{key}' was already logged with value='{row[0]}' for model '{model_id}'."
                )
            db.execute(
                "INSERT INTO logged_model_params VALUES (?, ?, ?) ON CONFLICT DO NOTHING", (model_id, key, value)
            )


def set_tags(db: Database, model_id: str, tags: Mapping[str, str]) -> None:
    with db.write():
        get(db, model_id, allow_deleted=True)
        db.executemany(
            "INSERT INTO logged_model_tags VALUES (?, ?, ?) ON CONFLICT (model, key) DO UPDATE SET value = excluded.value",
            [(model_id, k, v) for k, v in tags.items()],
        )


def delete_tag(db: Database, model_id: str, key: str) -> None:
    with db.write():
        get(db, model_id, allow_deleted=True)
        if not db.execute("DELETE FROM logged_model_tags WHERE model = ? AND key = ?", (model_id, key)).rowcount:
            raise TrackingNotFound(f"No tag with key {key!r} found for model with ID {model_id!r}.")


def experiment_of(db: Database, model_id: str) -> str:
    """The id of the experiment that a logged model is in. Raises: TrackingNotFound."""
    row = db.one("SELECT experiment FROM logged_models WHERE id = ?", (model_id,))
    if row is None:
        raise TrackingNotFound(f"Logged model with ID '{model_id}' not found.")
    return str(row[0])


def search(
    db: Database,
    experiment_ids: Sequence[str],
    *,
    filter_text: str = "",
    datasets: Sequence[tuple[str, str]] = (),
    max_results: int = 100,
    order_by: Sequence[ModelOrder] = (),
    token: str = "",
) -> Page[LoggedModel]:
    """Logged models of some experiments. *datasets* are (name, digest or ""), and narrow the metrics looked at.

    Raises: TrackingInvalid.
    """
    if not all(name for name, _ in datasets):
        raise TrackingInvalid("`dataset_name` in the `datasets` clause must be specified.")
    comparisons = filters.parse_filter(filter_text, filters.LOGGED_MODELS)
    asked = {
        "experiment_ids": list(experiment_ids),
        "filter_string": filter_text or None,
        "order_by": [
            {
                "field_name": order.field,
                "ascending": order.is_ascending,
                "dataset_name": order.dataset_name or None,
                "dataset_digest": order.dataset_digest or None,
            }
            for order in order_by
        ]
        or None,
    }
    offset = _read_token(token, asked)
    numbers = [limits.parse_experiment_id(experiment_id) for experiment_id in experiment_ids]
    where = ["m.lifecycle_stage = ?", f"m.experiment IN ({','.join('?' * len(numbers))})"]
    values: list[object] = [ACTIVE, *numbers]
    on, on_values = _on_datasets(datasets)
    for comparison in comparisons:
        sql, bound = _condition(comparison, on, on_values)
        where.append(sql)
        values += bound
    if datasets and not any(comparison.entity == METRIC for comparison in comparisons):
        where.append(f"EXISTS (SELECT 1 FROM logged_model_metrics e WHERE e.model = m.id{on})")
        values += on_values
    terms, ordered = _order(order_by)
    columns = ", ".join(f"m.{name.strip()}" for name in COLUMNS.split(","))
    with db.read():
        rows = db.all(
            f"SELECT {columns} FROM logged_models m WHERE {' AND '.join(where)} ORDER BY {', '.join(terms)}"
            " LIMIT ? OFFSET ?",
            [*values, *ordered, max_results + 1, offset],
        )
        found = _load(db, rows[:max_results])
    following = ""
    if len(rows) > max_results:
        following = base64.b64encode(json.dumps({**asked, "offset": offset + max_results}).encode()).decode()
    return Page(tuple(found), following)


def _condition(comparison: Comparison, on: str, on_values: list[object]) -> tuple[str, list[object]]:
    key, operator, value = comparison.key, comparison.operator, comparison.value
    if comparison.entity == ATTRIBUTE:
        return condition(_COLUMNS[key], operator, value)
    sql, bound = condition("e.value", operator, value)
    if comparison.entity == METRIC:
        where = f"e.model = m.id AND e.key = ? AND {sql} AND e.is_nan = 0{on}"
        return f"EXISTS (SELECT 1 FROM logged_model_metrics e WHERE {where})", [key, *bound, *on_values]
    table = "logged_model_params" if comparison.entity == PARAM else "logged_model_tags"
    return f"EXISTS (SELECT 1 FROM {table} e WHERE e.model = m.id AND e.key = ? AND {sql})", [key, *bound]


def _on_datasets(datasets: Sequence[tuple[str, str]]) -> tuple[str, list[object]]:
    if not datasets:
        return "", []
    parts: list[str] = []
    values: list[object] = []
    for name, digest in datasets:
        parts.append("(e.dataset_name = ? AND e.dataset_digest = ?)" if digest else "e.dataset_name = ?")
        values += [name, digest] if digest else [name]
    return f" AND ({' OR '.join(parts)})", values


def _order(order_by: Sequence[ModelOrder]) -> tuple[list[str], list[object]]:
    terms: list[str] = []
    values: list[object] = []
    aliases = dict(filters.LOGGED_MODELS.aliases)
    seen: set[str] = set()
    for order in order_by:
        direction = "ASC" if order.is_ascending else "DESC"
        if "." not in order.field:
            key = aliases.get(order.field, order.field)
            if key not in _COLUMNS:
                raise TrackingInvalid(f"Invalid order by field name: {order.field}")
            seen.add(key)
            terms += [f"{_COLUMNS[key]} IS NULL", f"{_COLUMNS[key]} {direction}"]
            continue
        entity, _, name = order.field.partition(".")
        if entity != "metrics":
            raise TrackingInvalid(f"Invalid order by field name: {order.field}. Only metrics are supported.")
        where = ""
        bound: list[object] = [name]
        for column, wanted in (("dataset_name", order.dataset_name), ("dataset_digest", order.dataset_digest)):
            if wanted:
                where += f" AND e.{column} = ?"
                bound.append(wanted)
        query = (
            f"(SELECT e.value FROM logged_model_metrics e WHERE e.model = m.id AND e.key = ?{where}"
            " ORDER BY e.timestamp DESC, e.step DESC, e.run_id LIMIT 1)"
        )
        terms += [f"{query} IS NULL", f"{query} {direction}"]
        values += [*bound, *bound]
    if "creation_timestamp_ms" not in seen:
        terms.append("m.creation_time DESC")
    if "model_id" not in seen:
        terms.append("m.id")
    return terms, values


def _read_token(token: str, asked: Mapping[str, Any]) -> int:
    if not token:
        return 0
    try:
        parsed = json.loads(base64.b64decode(token))
        offset = int(parsed.get("offset") or 0)
    except (binascii.Error, ValueError, AttributeError, TypeError) as error:
        raise TrackingInvalid(f"Invalid page token: {token}. {error}") from error
    for key, what in (
        ("experiment_ids", "Experiment IDs"),
        ("filter_string", "Filter string"),
        ("order_by", "Order by"),
    ):
        if (parsed.get(key) or None) != (asked[key] or None):
            raise TrackingInvalid(
                f"{what} in the page token does not match the requested {what[0].lower() + what[1:]}."
                f" Expected: {asked[key]}. Found: {parsed.get(key)}"
            )
    return offset


def _change(db: Database, model_id: str, assignment: str, value: object) -> None:
    changed = db.execute(
        f"UPDATE logged_models SET {assignment}, last_update_time = ? WHERE id = ?", (value, now_ms(), model_id)
    ).rowcount
    if not changed:
        raise TrackingNotFound(f"Logged model with ID '{model_id}' not found.")


def _load(db: Database, rows: Sequence[tuple[Any, ...]]) -> list[LoggedModel]:
    ids = [row[0] for row in rows]
    params: dict[str, dict[str, str]] = {}
    tags: dict[str, dict[str, str]] = {}
    metrics: dict[str, list[Metric]] = {}
    for table, into in (("logged_model_params", params), ("logged_model_tags", tags)):
        for model, key, value in db.grouped(f"SELECT model, key, value FROM {table} WHERE model IN ({{keys}})", ids):
            into.setdefault(model, {})[key] = value
    for model, key, timestamp, step, run_id, value, is_nan, dataset, digest in db.grouped(
        "SELECT model, key, timestamp, step, run_id, value, is_nan, dataset_name, dataset_digest"
        " FROM logged_model_metrics WHERE model IN ({keys})",
        ids,
    ):
        metrics.setdefault(model, []).append(
            Metric(key, math.nan if is_nan else value, timestamp, step, run_id, model, dataset, digest)
        )
    return [
        LoggedModel(
            id=model_id,
            experiment_id=str(experiment),
            name=name,
            artifact_location=location,
            creation_time=created,
            last_update_time=updated,
            status=status,
            lifecycle_stage=stage,
            model_type=model_type,
            source_run_id=source_run_id,
            status_message=message,
            tags=tags.get(model_id, {}),
            params=params.get(model_id, {}),
            metrics=tuple(metrics.get(model_id, ())),
        )
        for (
            model_id,
            experiment,
            name,
            location,
            created,
            updated,
            status,
            stage,
            model_type,
            source_run_id,
            message,
        ) in rows
    ]
