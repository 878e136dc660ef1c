"""Aliases, the gate in front of `production`, and the history that nobody can rewrite.

Every change of an alias is a line of `alias_history` with who, when and why. A version whose gate failed cannot get the
alias `production` (nor the stage), whoever asks and by whichever way.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from teul.errors import GateFailed, NotApproved, TrackingInvalid, TrackingNotFound
from teul.ml.tracking import limits, registry
from teul.ml.tracking.alias_history import note
from teul.ml.tracking.clock import now_ms
from teul.ml.tracking.database import Database
from teul.ml.tracking.values import AliasChange, ModelVersion


def set_alias(db: Database, name: str, alias: str, version: str | int, *, who: str, reason: str = "") -> None:
    """Point *alias* at a version; moving it to where it is already writes no history.

    Raises:
        GateFailed: the alias is `production` and the version's gate failed.
        NotApproved: likewise, and it was rejected or lacks the approval that the model asks for.
        TrackingNotFound: no such model or version.
        TrackingInvalid: a name that MLflow refuses or reserves.
    """
    limits.check_model_name(name)
    limits.check_alias(alias)
    with db.write():
        number, wanted = registry.version_number(db, name, version)
        registry.check_promotion(db, registry.get_version(db, name, wanted), alias)
        row = db.one("SELECT version FROM aliases WHERE model = ? AND alias = ?", (number, alias))
        previous = row[0] if row else None
        if previous == wanted:
            return
        db.execute(
            "INSERT INTO aliases VALUES (?, ?, ?) ON CONFLICT (model, alias) DO UPDATE SET version = excluded.version",
            (number, alias, wanted),
        )
        note(db, number, name, alias, wanted, previous, who, reason)


def delete_alias(db: Database, name: str, alias: str, *, who: str, reason: str = "") -> None:
    """Idempotent for an alias that is not there. Raises: TrackingNotFound (the model)."""
    limits.check_alias(alias, reserved=False)
    with db.write():
        number = registry.model_number(db, name)
        row = db.one("SELECT version FROM aliases WHERE model = ? AND alias = ?", (number, alias))
        if row is not None:
            db.execute("DELETE FROM aliases WHERE model = ? AND alias = ?", (number, alias))
            note(db, number, name, alias, None, row[0], who, reason)


def version_of(db: Database, name: str, alias: str) -> ModelVersion | None:
    """The version that *alias* points at, or None. Raises: TrackingNotFound (the model)."""
    with db.read():
        number = registry.model_number(db, name)
        row = db.one("SELECT version FROM aliases WHERE model = ? AND alias = ?", (number, alias))
        return registry.get_version(db, name, row[0]) if row else None


def get_by_alias(db: Database, name: str, alias: str) -> ModelVersion:
    """As MLflow answers it, `latest` included. Raises: TrackingNotFound, TrackingInvalid."""
    limits.check_model_name(name)
    limits.check_alias(alias, reserved=False)
    if alias.lower() == "latest":
        versions = registry.latest_versions(db, name)
        if not versions:
            raise TrackingNotFound(f"Latest version not found for model {name}.")
        return max(versions, key=lambda version: version.version)
    found = version_of(db, name, alias)
    if found is None:
        raise TrackingInvalid(f"Registered model alias {alias} not found.")
    return found


def set_gate(
    db: Database, name: str, version: str | int, *, passed: bool, report: Sequence[Mapping[str, object]]
) -> None:
    """Keep the verdict on a version, with what was compared."""
    with db.write():
        number, wanted = registry.version_number(db, name, version)
        db.execute(
            "UPDATE model_versions SET gate = ?, gate_report = ?, last_update_time = ? WHERE model = ? AND version = ?",
            (
                "passed" if passed else "failed",
                json.dumps([dict(line) for line in report], ensure_ascii=False),
                now_ms(),
                number,
                wanted,
            ),
        )


def rollback(db: Database, name: str, alias: str, *, who: str, reason: str = "") -> tuple[int, int]:
    """Point *alias* back at the version that it pointed at before the present one; returns (from, to).

    Done again it goes back further, not forth: a version that was left by a rollback is not returned to. Versions that
    are deleted, or may not have the alias any more, are passed over.

    Raises:
        TrackingNotFound: no such model, no such alias, or nothing to go back to.
    """
    with db.write():
        current = version_of(db, name, alias)
        if current is None:
            raise TrackingNotFound(f"Registered model alias {alias} not found.")
        stack: list[int] = []
        for change in history(db, name, alias=alias):
            if change.version is None:
                continue
            if change.version in stack:
                del stack[stack.index(change.version) :]
            stack.append(change.version)
        for version in reversed([item for item in stack if item != current.version]):
            try:
                set_alias(
                    db, name, alias, version, who=who, reason=reason or f"rolled back from version {current.version}"
                )
            except (TrackingNotFound, GateFailed, NotApproved):
                continue
            return current.version, version
    raise TrackingNotFound(f"{name}: there is no version before {current.version} that {alias} could go back to")


def history(db: Database, name: str, *, alias: str = "") -> list[AliasChange]:
    """All changes, oldest first; of a deleted model too, by the name it had."""
    where, values = ("AND alias = ?", (alias,)) if alias else ("", ())
    with db.read():
        row = db.one("SELECT id FROM registered_models WHERE name = ?", (name,))
        by, key = ("model = ?", row[0]) if row else ("name = ?", name)
        rows = db.all(
            "SELECT number, name, alias, version, previous, who, reason, at, gate, gate_report, approved_by"
            f" FROM alias_history WHERE {by} {where} ORDER BY number",
            (key, *values),
        )
    return [AliasChange(*(*line[:9], tuple(json.loads(line[9])), line[10])) for line in rows]


def periods(changes: Sequence[AliasChange]) -> list[tuple[AliasChange, int | None]]:
    """Each change that pointed an alias at a version, with the time (ms) at which that ended, None while it lasts."""
    made: list[tuple[AliasChange, int | None]] = []
    for index, change in enumerate(changes):
        if change.version is not None:
            following = (later.at for later in changes[index + 1 :] if later.alias == change.alias)
            made.append((change, next(following, None)))
    return made
