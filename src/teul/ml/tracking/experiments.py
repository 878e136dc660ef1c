"""Experiments: create, find, rename, tag, delete and restore (both soft, with their runs).

An experiment's artifacts lie below `mlflow-artifacts:/<id>`, which the client turns into requests to the server it
talks to; a location that the caller gives is kept as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from teul.errors import TrackingExists, TrackingInvalid, TrackingNotFound, TrackingState
from teul.ml.tracking import limits
from teul.ml.tracking.clock import now_ms
from teul.ml.tracking.database import Database
from teul.ml.tracking.values import ACTIVE, DELETED, Experiment, ExperimentActivity

DEFAULT_NAME = "Default"
COLUMNS = "id, name, artifact_location, lifecycle_stage, creation_time, last_update_time"


def ensure_default(db: Database) -> None:
    """Make experiment 0, which MLflow's clients expect; idempotent."""
    if db.one("SELECT 1 FROM experiments WHERE id = 0") is None:
        now = now_ms()
        with db.write():
            db.execute(
                "INSERT INTO experiments VALUES (0, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (DEFAULT_NAME, artifact_location(0), ACTIVE, now, now),
            )


def artifact_location(number: int) -> str:
    return f"mlflow-artifacts:/{number}"


def create(db: Database, name: str, *, location: str = "", tags: Mapping[str, str] | None = None) -> str:
    """Returns the new id.

    Raises:
        TrackingExists: an experiment (a deleted one too) has this name.
        TrackingInvalid: a name or a tag that MLflow refuses.
    """
    limits.check_experiment_name(name)
    if location.startswith("runs:"):
        raise TrackingInvalid(f"Artifact location cannot be a runs:/ URI. Given: '{location}'")
    if len(location) > limits.MAX_ARTIFACT_LOCATION:
        raise TrackingInvalid(
            "Invalid artifact path length. The length of the artifact path cannot be greater than"
            f" {limits.MAX_ARTIFACT_LOCATION} characters."
        )
    for key, value in (tags or {}).items():
        limits.check_experiment_tag(key, value)
    now = now_ms()
    with db.write():
        # Asked first: a refused INSERT would use up a number in PostgreSQL.
        if db.one("SELECT 1 FROM experiments WHERE name = ?", (name,)):
            raise _name_taken(name)
        rows = db.execute(
            "INSERT INTO experiments(name, artifact_location, lifecycle_stage, creation_time, last_update_time)"
            " VALUES (?, ?, ?, ?, ?) RETURNING id",
            (name, location, ACTIVE, now, now),
        ).fetchall()
        number: int = rows[0][0]
        if not location:
            db.execute("UPDATE experiments SET artifact_location = ? WHERE id = ?", (artifact_location(number), number))
        db.executemany(
            "INSERT INTO experiment_tags VALUES (?, ?, ?)", [(number, k, v) for k, v in (tags or {}).items()]
        )
    return str(number)


def get(db: Database, experiment_id: str) -> Experiment:
    """Raises: TrackingNotFound, TrackingInvalid."""
    number = limits.parse_experiment_id(experiment_id or "0")
    with db.read():
        row = db.one(f"SELECT {COLUMNS} FROM experiments WHERE id = ?", (number,))
        if row is None:
            raise TrackingNotFound(f"No Experiment with id={number} exists")
        return _with_tags(db, [row])[0]


def find(db: Database, name: str) -> Experiment | None:
    """The experiment of this name, deleted ones too."""
    with db.read():
        row = db.one(f"SELECT {COLUMNS} FROM experiments WHERE name = ?", (name,))
        return None if row is None else _with_tags(db, [row])[0]


def load(db: Database, rows: Sequence[tuple[Any, ...]]) -> list[Experiment]:
    """Rows of `COLUMNS` as values, with their tags."""
    return _with_tags(db, rows)


def activity(
    db: Database, *, contains: str = "", name: str = "", is_deleted: bool = False, skip: int = 0, max_results: int
) -> list[ExperimentActivity]:
    """Experiments with how much ran in them, the one that ran last first.

    *contains* is a piece of the name in any case, *name* the whole name; both empty are all.
    """
    where, values = ["lifecycle_stage = ?"], [DELETED if is_deleted else ACTIVE]
    if contains:
        where.append("fold(name) LIKE fold(?) ESCAPE '\\'")
        values.append("%" + contains.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%")
    if name:
        where.append("name = ?")
        values.append(name)
    with db.read():
        rows = db.all(
            f"SELECT id, name, creation_time FROM experiments WHERE {' AND '.join(where)}"
            " ORDER BY (SELECT max(start_time) FROM runs WHERE experiment = experiments.id) DESC NULLS LAST, id DESC"
            " LIMIT ? OFFSET ?",
            (*values, max_results, skip),
        )
        counts: dict[int, list[tuple[str, int, int | None]]] = {}
        for number, status, count, last in db.grouped(
            "SELECT experiment, status, count(*), max(start_time) FROM runs WHERE lifecycle_stage = 'active'"
            " AND experiment IN ({keys}) GROUP BY experiment, status",
            [row[0] for row in rows],
        ):
            counts.setdefault(number, []).append((status, count, last))
    return [
        ExperimentActivity(
            id=str(number),
            name=found,
            creation_time=created,
            runs=sum(count for _, count, _ in counts.get(number, ())),
            running=sum(count for status, count, _ in counts.get(number, ()) if status == "RUNNING"),
            failed=sum(count for status, count, _ in counts.get(number, ()) if status in ("FAILED", "KILLED")),
            last_start=max((last for _, _, last in counts.get(number, ()) if last is not None), default=None),
        )
        for number, found, created in rows
    ]


def rename(db: Database, experiment_id: str, name: str) -> None:
    limits.check_experiment_name(name)
    with db.write():
        experiment = get(db, experiment_id)
        if experiment.lifecycle_stage != ACTIVE:
            raise TrackingState("Cannot rename a non-active experiment.")
        if db.one("SELECT 1 FROM experiments WHERE name = ? AND id != ?", (name, int(experiment.id))):
            raise _name_taken(name)
        db.execute(
            "UPDATE experiments SET name = ?, last_update_time = ? WHERE id = ?", (name, now_ms(), int(experiment.id))
        )


def delete(db: Database, experiment_id: str) -> None:
    """Mark it and its runs as deleted."""
    _move(db, experiment_id, ACTIVE, DELETED)


def restore(db: Database, experiment_id: str) -> None:
    """Undo `delete`."""
    _move(db, experiment_id, DELETED, ACTIVE)


def set_tag(db: Database, experiment_id: str, key: str, value: str) -> None:
    limits.check_experiment_tag(key, value)
    with db.write():
        number = check_active(get(db, experiment_id))
        db.execute(
            "INSERT INTO experiment_tags VALUES (?, ?, ?) ON CONFLICT (experiment, key) DO UPDATE SET"
            " value = excluded.value",
            (number, key, value),
        )


def delete_tag(db: Database, experiment_id: str, key: str) -> None:
    with db.write():
        number = check_active(get(db, experiment_id))
        if not db.execute("DELETE FROM experiment_tags WHERE experiment = ? AND key = ?", (number, key)).rowcount:
            raise TrackingNotFound(f"No tag with name: {key} in experiment with id {experiment_id}")


def check_active(experiment: Experiment) -> int:
    """The number of an experiment that may be written to."""
    if experiment.lifecycle_stage != ACTIVE:
        raise TrackingInvalid(
            f"The experiment {experiment.id} must be in the 'active' state. Current state is"
            f" {experiment.lifecycle_stage}."
        )
    return int(experiment.id)


def _name_taken(name: str) -> TrackingExists:
    return TrackingExists(f"Experiment(name={name}) already exists. Error: UNIQUE constraint failed: experiments.name")


def _move(db: Database, experiment_id: str, before: str, after: str) -> None:
    number = limits.parse_experiment_id(experiment_id or "0")
    now = now_ms()
    with db.write():
        changed = db.execute(
            "UPDATE experiments SET lifecycle_stage = ?, last_update_time = ? WHERE id = ? AND lifecycle_stage = ?",
            (after, now, number, before),
        ).rowcount
        if not changed:
            raise TrackingNotFound(f"No Experiment with id={number} exists")
        db.execute(
            "UPDATE runs SET lifecycle_stage = ?, deleted_time = ? WHERE experiment = ?",
            (after, now if after == DELETED else None, number),
        )


def _with_tags(db: Database, rows: Sequence[tuple[Any, ...]]) -> list[Experiment]:
    tags: dict[int, dict[str, str]] = {}
    for number, key, value in db.grouped(
        "SELECT experiment, key, value FROM experiment_tags WHERE experiment IN ({keys})", [row[0] for row in rows]
    ):
        tags.setdefault(number, {})[key] = value
    return [
        Experiment(
            id=str(number),
            name=name,
            artifact_location=location,
            lifecycle_stage=stage,
            creation_time=created,
            last_update_time=updated,
            tags=tags.get(number, {}),
        )
        for number, name, location, stage, created, updated in rows
    ]
