"""Metrics: log, read back, sample. The hot path of the whole server is `log`.

A point that is there already is kept once. The latest of a key is the greatest (step, timestamp, value); a NaN counts
as 0 there, as in MLflow. SQLite has no NaN: it is stored as 0 with `is_nan`; infinities are stored as they are
(MLflow's SQL store turns them into the largest finite number; ours come back as they were logged).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from teul.errors import TrackingInvalid
from teul.ml.tracking import limits, runs
from teul.ml.tracking.database import NO_LIMIT, Database
from teul.ml.tracking.paging import offset_of, token_of
from teul.ml.tracking.values import Metric, Page

MAX_SAMPLED_RUNS = 100
MAX_SAMPLED = 2500
_NAN = math.nan


def log(db: Database, run_id: str, metrics: Sequence[Metric], *, in_batch: bool = False) -> None:
    """Store points of one run; errors name the place of a point when they come *in_batch*.

    Raises:
        TrackingNotFound: no such run.
        TrackingInvalid: a deleted run, or a name or value that MLflow refuses.
    """
    rows = [_row(metric, f"metrics[{index}]." if in_batch else "") for index, metric in enumerate(metrics)]
    with db.write():
        number = runs.active_number(db, run_id)
        _insert(db, [(number, *row) for row in rows])
        for metric in metrics:
            if metric.model_id:
                _log_for_model(db, run_id, metric)


def log_points(db: Database, metrics: Sequence[Metric]) -> None:
    """Store one point each of many runs, all or none. Only inside a write: whoever calls holds the savepoint.

    Raises: as `log`.
    """
    numbers: dict[str, int] = {}
    rows = []
    for metric in metrics:
        row = _row(metric, "")
        number = numbers.get(metric.run_id)
        if number is None:
            number = numbers[metric.run_id] = runs.active_number(db, metric.run_id)
        rows.append((number, *row))
    _insert(db, rows)
    for metric in metrics:
        if metric.model_id:
            _log_for_model(db, metric.run_id, metric)


def _row(metric: Metric, path: str) -> tuple[str, int, int, float, int]:
    """What both tables keep of a point; *path* is its place in a batch. Raises: TrackingInvalid."""
    value = metric.value
    limits.check_metric(metric.key, value, metric.timestamp, path)
    is_nan = value != value
    return metric.key, metric.timestamp, metric.step, 0.0 if is_nan else value, 1 if is_nan else 0


def _insert(db: Database, rows: Sequence[tuple[int, str, int, int, float, int]]) -> None:
    # In the order of the key, and only the latest of each to the table of the latest: half of the work of a batch.
    db.executemany("INSERT INTO metrics VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", sorted(rows))
    latest: dict[tuple[int, str], tuple[int, str, int, int, float, int]] = {}
    for row in rows:
        there = latest.setdefault(row[:2], row)
        if (row[3], row[2], row[4]) > (there[3], there[2], there[4]):
            latest[row[:2]] = row
    db.executemany(
        "INSERT INTO latest_metrics VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (run, key) DO UPDATE SET timestamp ="
        " excluded.timestamp, step = excluded.step, value = excluded.value, is_nan = excluded.is_nan"
        " WHERE (excluded.step, excluded.timestamp, excluded.value)"
        " > (latest_metrics.step, latest_metrics.timestamp, latest_metrics.value)",
        list(latest.values()),
    )


def log_batch(
    db: Database,
    run_id: str,
    metrics: Sequence[Metric],
    params: Sequence[tuple[str, str]],
    tags: Sequence[tuple[str, str]],
) -> None:
    """Params, metrics and tags in one transaction: all or none."""
    limits.check_run_id(run_id)
    limits.check_batch(len(metrics), len(params), len(tags))
    with db.write():
        runs.active_number(db, run_id)
        runs.log_params(db, run_id, params)
        if metrics:
            log(db, run_id, metrics, in_batch=True)
        if tags:
            runs.set_tags(db, run_id, tags)


def history(db: Database, run_id: str, key: str, *, limit: int | None = None, token: str = "") -> Page[Metric]:
    """All points of *key* by (timestamp, step, value); with *limit*, a page. A run that is not there has none.

    Raises: TrackingInvalid (token).
    """
    offset = offset_of(token)
    rows = db.all(
        "SELECT value, timestamp, step, is_nan FROM metrics WHERE run = (SELECT number FROM runs WHERE id = ?)"
        " AND key = ? ORDER BY timestamp, step, value LIMIT ? OFFSET ?",
        (run_id, key, NO_LIMIT if limit is None else limit + 1, offset),
    )
    more = limit is not None and len(rows) > limit
    return Page(
        tuple(
            Metric(key, _NAN if is_nan else value, timestamp, step)
            for value, timestamp, step, is_nan in rows[: limit if more else None]
        ),
        token_of(offset + (limit or 0)) if more else "",
    )


def history_of_many(db: Database, run_ids: Sequence[str], key: str, *, limit: int) -> list[Metric]:
    """Points of *key* of several runs by (run, timestamp, step, value), *limit* in all."""
    made: list[Metric] = []
    with db.read():
        for run_id in sorted(set(run_ids)):
            rows = db.all(
                "SELECT value, timestamp, step, is_nan FROM metrics JOIN runs ON number = run"
                " WHERE runs.id = ? AND key = ? ORDER BY timestamp, step, value LIMIT ?",
                (run_id, key, limit - len(made)),
            )
            made += [
                Metric(key, _NAN if nan else value, timestamp, step, run_id) for value, timestamp, step, nan in rows
            ]
    return made


def sampled(
    db: Database, run_ids: Sequence[str], key: str, *, limit: int, steps: tuple[int, int] | None
) -> list[Metric]:
    """At most *limit* points per run, evenly spaced by (step, timestamp, value), first and last among them."""
    made: list[Metric] = []
    where, values = ("", ()) if steps is None else (" AND step BETWEEN ? AND ?", steps)
    with db.read():
        numbers = [(run_id, runs.check_exists(db, run_id)) for run_id in run_ids]
        for run_id, number in numbers:
            rows = db.all(
                f"SELECT value, timestamp, step, is_nan FROM metrics WHERE run = ? AND key = ?{where}"
                " ORDER BY step, timestamp, value, is_nan",
                (number, key, *values),
            )
            made += [
                Metric(key, _NAN if nan else value, timestamp, step, run_id)
                for value, timestamp, step, nan in _spread(rows, limit)
            ]
    return made


def check_sampling(run_ids: Sequence[str], limit: int, start: int | None, end: int | None) -> tuple[int, int] | None:
    """The rules of `get-history-bulk-interval`; returns the steps to look at.

    Raises: TrackingInvalid.
    """
    if len(run_ids) > MAX_SAMPLED_RUNS:
        raise TrackingInvalid(
            f"GetMetricHistoryBulkInterval request must specify at most {MAX_SAMPLED_RUNS} run_ids. Received"
            f" {len(run_ids)} run_ids."
        )
    if not 1 <= limit <= MAX_SAMPLED:
        raise TrackingInvalid(f"max_results must be between 1 and {MAX_SAMPLED}.")
    if (start is None) != (end is None):
        raise TrackingInvalid("If either start step or end step are specified, both must be specified.")
    if start is None or end is None:
        return None
    if start > end:
        raise TrackingInvalid(f"end_step must be greater than start_step. Found start_step={start} and end_step={end}.")
    return start, end


def _spread(rows: list[tuple[float, int, int, int]], limit: int) -> list[tuple[float, int, int, int]]:
    count = len(rows)
    if count <= limit:
        return rows
    if limit == 1:
        return rows[-1:]
    return [rows[index * (count - 1) // (limit - 1)] for index in range(limit)]


def _log_for_model(db: Database, run_id: str, metric: Metric) -> None:
    value = metric.value
    is_nan = value != value
    db.execute(
        "INSERT INTO logged_model_metrics SELECT id, ?, ?, ?, ?, ?, ?, ?, ? FROM logged_models WHERE id = ?"
        " ON CONFLICT DO NOTHING",
        (
            metric.key,
            metric.timestamp,
            metric.step,
            run_id,
            0.0 if is_nan else value,
            int(is_nan),
            metric.dataset_name,
            metric.dataset_digest,
            metric.model_id,
        ),
    )
