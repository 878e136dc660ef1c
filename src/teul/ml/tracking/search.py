"""Searches: comparisons and orders become SQL here, with every value bound. Must not parse text itself.

Order is MLflow's: what was asked for, with what lacks the key at the end (NaN before it), then the newest first, then
by id, so that pages never overlap.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from teul.errors import TrackingInvalid
from teul.ml.tracking import experiments, filters, limits, runs
from teul.ml.tracking.database import Database
from teul.ml.tracking.filters import ATTRIBUTE, DATASET, METRIC, PARAM, TAG, Comparison
from teul.ml.tracking.paging import offset_of, token_of
from teul.ml.tracking.values import ACTIVE, DATASET_CONTEXT_TAG, DELETED, Experiment, Page, Run

STAGES_OF_VIEW = {"ACTIVE_ONLY": (ACTIVE,), "DELETED_ONLY": (DELETED,), "ALL": (ACTIVE, DELETED)}
_RUN_COLUMNS = {
    "run_id": "runs.id",
    "run_name": "runs.name",
    "user_id": "runs.user_id",
    "status": "runs.status",
    "artifact_uri": "runs.artifact_uri",
    "start_time": "runs.start_time",
    "end_time": "runs.end_time",
}
_RUN_TABLES = {METRIC: "latest_metrics", PARAM: "params", TAG: "tags"}
_EXPERIMENT_COLUMNS = {
    "name": "name",
    "experiment_id": "id",
    "creation_time": "creation_time",
    "last_update_time": "last_update_time",
}


def condition(column: str, operator: str, value: object) -> tuple[str, list[object]]:
    """`column operator value` as SQL and what to bind."""
    if operator in ("IN", "NOT IN"):
        assert isinstance(value, tuple)
        return f"{column} {operator} ({','.join('?' * len(value))})", list(value)
    if operator == "ILIKE":
        return f"fold({column}) LIKE fold(?)", [value]
    return f"{column} {operator} ?", [value]


def search_runs(
    db: Database,
    experiment_ids: Sequence[str],
    *,
    filter_text: str = "",
    view: str = "ACTIVE_ONLY",
    max_results: int = 1000,
    order_by: Sequence[str] = (),
    token: str = "",
) -> Page[Run]:
    """Runs of some experiments that fulfil every clause.

    Raises:
        TrackingInvalid: filter, order, token or *max_results* are not what MLflow takes.
    """
    check_max_results(max_results, limits.MAX_SEARCH_RESULTS)
    comparisons = filters.parse_filter(filter_text, filters.RUNS)
    orders = filters.parse_orders(order_by, filters.RUNS)
    offset = offset_of(token)
    numbers = [limits.parse_experiment_id(experiment_id) for experiment_id in experiment_ids]
    if not numbers:
        return Page(())

    where: list[str] = [f"runs.experiment IN ({','.join('?' * len(numbers))})"]
    values: list[object] = list(numbers)
    stages = STAGES_OF_VIEW[view]
    where.append(f"runs.lifecycle_stage IN ({','.join('?' * len(stages))})")
    values += stages
    for comparison in comparisons:
        sql, bound = _run_condition(comparison)
        where.append(sql)
        values += bound

    joins: list[str] = []
    joined: list[object] = []
    terms: list[str] = []
    for index, order in enumerate(orders):
        direction = "ASC" if order.is_ascending else "DESC"
        if order.entity == ATTRIBUTE:
            column = _RUN_COLUMNS[order.key]
            terms += [f"{column} IS NULL", f"{column} {direction}"]
            continue
        name = f"o{index}"
        joins.append(f" LEFT JOIN {_RUN_TABLES[order.entity]} {name} ON {name}.run = runs.number AND {name}.key = ?")
        joined.append(order.key)
        rank = (
            f"CASE WHEN {name}.is_nan = 1 THEN 1 WHEN {name}.value IS NULL THEN 2 ELSE 0 END"
            if order.entity == METRIC
            else f"{name}.value IS NULL"
        )
        terms += [rank, f"{name}.value {direction}"]
    if not any(order.entity == ATTRIBUTE and order.key == "start_time" for order in orders):
        terms.append("runs.start_time DESC")
    terms.append("runs.id")

    columns = ", ".join(f"runs.{name.strip()}" for name in runs.COLUMNS.split(","))
    with db.read():
        rows = db.all(
            f"SELECT {columns} FROM runs{''.join(joins)} WHERE {' AND '.join(where)} ORDER BY {', '.join(terms)}"
            " LIMIT ? OFFSET ?",
            [*joined, *values, max_results + 1, offset],
        )
        found = runs.load(db, rows[:max_results])
    return Page(tuple(found), token_of(offset + max_results) if len(rows) > max_results else "")


def search_experiments(
    db: Database,
    *,
    filter_text: str = "",
    view: str = "ACTIVE_ONLY",
    max_results: int = 1000,
    order_by: Sequence[str] = (),
    token: str = "",
) -> Page[Experiment]:
    """Experiments that fulfil every clause. Raises: TrackingInvalid."""
    check_max_results(max_results, limits.MAX_SEARCH_RESULTS)
    comparisons = filters.parse_filter(filter_text, filters.EXPERIMENTS)
    orders = filters.parse_orders(order_by or ("creation_time DESC", "experiment_id ASC"), filters.EXPERIMENTS)
    offset = offset_of(token)
    stages = STAGES_OF_VIEW[view]
    where = [f"lifecycle_stage IN ({','.join('?' * len(stages))})"]
    values: list[object] = list(stages)
    for comparison in comparisons:
        sql, bound = _experiment_condition(comparison)
        where.append(sql)
        values += bound
    terms = [f"{_EXPERIMENT_COLUMNS[order.key]} {'ASC' if order.is_ascending else 'DESC'}" for order in orders]
    if not any(order.key == "experiment_id" for order in orders):
        terms.append("id DESC")
    with db.read():
        rows = db.all(
            f"SELECT {experiments.COLUMNS} FROM experiments WHERE {' AND '.join(where)} ORDER BY {', '.join(terms)}"
            " LIMIT ? OFFSET ?",
            [*values, max_results + 1, offset],
        )
        found = experiments.load(db, rows[:max_results])
    return Page(tuple(found), token_of(offset + max_results) if len(rows) > max_results else "")


def check_max_results(value: int, limit: int) -> None:
    """Raises: TrackingInvalid."""
    if value < 1:
        raise TrackingInvalid(
            f"Invalid value {value} for parameter 'max_results' supplied. It must be a positive integer"
        )
    if value > limit:
        raise TrackingInvalid(f"Invalid value {value} for parameter 'max_results' supplied. It must be at most {limit}")


def _run_condition(comparison: Comparison) -> tuple[str, list[Any]]:
    entity, key, operator, value = comparison.entity, comparison.key, comparison.operator, comparison.value
    if entity == ATTRIBUTE:
        return condition(_RUN_COLUMNS[key], operator, value)
    if entity == DATASET:
        inputs = "SELECT 1 FROM dataset_inputs i JOIN datasets d ON d.id = i.dataset"
        if key == "context":
            sql, bound = condition("t.value", operator, value)
            inputs += " JOIN dataset_input_tags t ON t.input = i.id AND t.key = ?"
            return f"EXISTS ({inputs} WHERE i.run = runs.number AND {sql})", [DATASET_CONTEXT_TAG, *bound]
        sql, bound = condition(f"d.{key}", operator, value)
        return f"EXISTS ({inputs} WHERE i.run = runs.number AND {sql})", bound
    exists = f"EXISTS (SELECT 1 FROM {_RUN_TABLES[entity]} e WHERE e.run = runs.number AND e.key = ?"
    if operator in ("IS NULL", "IS NOT NULL"):
        return f"{'NOT ' if operator == 'IS NULL' else ''}{exists})", [key]
    sql, bound = condition("e.value", operator, value)
    if entity == METRIC:
        # A NaN is stored as 0; only != is true of it.
        sql = f"({sql} OR e.is_nan = 1)" if operator == "!=" else f"{sql} AND e.is_nan = 0"
    return f"{exists} AND {sql})", [key, *bound]


def _experiment_condition(comparison: Comparison) -> tuple[str, list[Any]]:
    key, operator, value = comparison.key, comparison.operator, comparison.value
    if comparison.entity == TAG:
        exists = "EXISTS (SELECT 1 FROM experiment_tags e WHERE e.experiment = experiments.id AND e.key = ?"
        if operator in ("IS NULL", "IS NOT NULL"):
            return f"{'NOT ' if operator == 'IS NULL' else ''}{exists})", [key]
        sql, bound = condition("e.value", operator, value)
        return f"{exists} AND {sql})", [key, *bound]
    if key == "experiment_id":
        if operator not in ("=", "!=", "IN", "NOT IN"):
            raise TrackingInvalid(f"Invalid comparator for experiment_id: {operator}")
        wanted = tuple(
            limits.parse_experiment_id(item) for item in (value if isinstance(value, tuple) else (str(value),))
        )
        return condition("id", operator, wanted if isinstance(value, tuple) else wanted[0])
    if operator in ("IN", "NOT IN"):
        raise TrackingInvalid(f"Invalid comparator for string attribute: {operator}")
    if isinstance(value, float):
        raise TrackingInvalid(f"Invalid value for numeric attribute '{key}': {str(value)!r}")
    return condition(_EXPERIMENT_COLUMNS[key], operator, value)


def datasets(db: Database, experiment_ids: Sequence[str], *, limit: int = 1000) -> list[dict[str, str]]:
    """The data sets of some experiments: `experiment_id`, `name`, `digest`, and the `context` that runs gave."""
    numbers = [limits.parse_experiment_id(experiment_id) for experiment_id in experiment_ids]
    rows = db.all(
        "SELECT DISTINCT d.experiment, d.name, d.digest, t.value FROM datasets d JOIN dataset_inputs i ON i.dataset = d.id"
        " LEFT JOIN dataset_input_tags t ON t.input = i.id AND t.key = ?"
        f" WHERE d.experiment IN ({','.join('?' * len(numbers))}) ORDER BY d.name, d.digest, t.value NULLS FIRST LIMIT ?",
        [DATASET_CONTEXT_TAG, *numbers, limit],
    )
    made = []
    for experiment, name, digest, context in rows:
        line = {"experiment_id": str(experiment), "name": name, "digest": digest}
        made.append({**line, "context": context} if context else line)
    return made
