"""Registered models and their versions. Aliases and gates are in `aliases`, searches in `registry_search`.

A version's number is never given twice, a deleted one's neither: deleting a version empties its row and keeps it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from teul.errors import GateFailed, NotApproved, TrackingExists, TrackingInvalid, TrackingNotFound, text
from teul.ml.tracking import alias_history, limits, logged_models, sources, version_files
from teul.ml.tracking.clock import now_ms
from teul.ml.tracking.database import Database
from teul.ml.tracking.values import MODEL_VERSIONS_TAG, PRODUCTION, PROMPT_TAG, STAGES, ModelVersion, RegisteredModel

DELETED_STAGE = "Deleted_Internal"
READY = "READY"
VERSION_COLUMNS = (
    "r.name, v.version, v.creation_time, v.last_update_time, v.current_stage, v.source, v.storage_location, v.run_id,"
    " v.run_link, v.description, v.user_id, v.model_id, v.status, v.status_message, v.gate, v.gate_report, v.model"
)
VERSION_TABLES = "model_versions v JOIN registered_models r ON r.id = v.model"


def create_model(
    db: Database, name: str, *, description: str = "", tags: Mapping[str, str] | None = None
) -> RegisteredModel:
    """Raises: TrackingExists, TrackingInvalid."""
    limits.check_model_name(name)
    for key, value in (tags or {}).items():
        limits.check_registry_tag(key, value)
    now = now_ms()
    with db.write():
        rows = db.execute(
            "INSERT INTO registered_models(name, description, creation_time, last_update_time) VALUES (?, ?, ?, ?)"
            " ON CONFLICT DO NOTHING RETURNING id",
            (name, description, now, now),
        ).fetchall()
        if not rows:
            raise _name_taken(db, name, (tags or {}).get(PROMPT_TAG, "") == "true")
        number: int = rows[0][0]
        db.executemany(
            "INSERT INTO registered_model_tags VALUES (?, ?, ?)", [(number, k, v) for k, v in (tags or {}).items()]
        )
        return get_model(db, name)


def get_model(db: Database, name: str) -> RegisteredModel:
    """Raises: TrackingNotFound."""
    with db.read():
        number = model_number(db, name)
        return load_models(db, [number])[0]


def update_model(db: Database, name: str, *, description: str) -> RegisteredModel:
    with db.write():
        number = model_number(db, name)
        db.execute(
            "UPDATE registered_models SET description = ?, last_update_time = ? WHERE id = ?",
            (description, now_ms(), number),
        )
        return get_model(db, name)


def rename_model(db: Database, name: str, new_name: str) -> RegisteredModel:
    """Raises: TrackingNotFound, TrackingExists."""
    limits.check_model_name(new_name, "new_name")
    with db.write():
        number = model_number(db, name)
        now = now_ms()
        if db.one("SELECT 1 FROM registered_models WHERE name = ? AND id != ?", (new_name, number)):
            raise TrackingExists(
                f"Registered Model (name={new_name}) already exists. Error: UNIQUE constraint failed:"
                " registered_models.name"
            )
        db.execute("UPDATE registered_models SET name = ?, last_update_time = ? WHERE id = ?", (new_name, now, number))
        db.execute("UPDATE model_versions SET last_update_time = ? WHERE model = ?", (now, number))
        return get_model(db, new_name)


def delete_model(db: Database, name: str, *, who: str = "", reason: str = "") -> None:
    """Forget a model and its versions; what was aliased when stays in the history."""
    with db.write():
        number = model_number(db, name)
        now = now_ms()
        db.execute(
            "INSERT INTO alias_history(model, name, alias, version, previous, who, reason, at)"
            " SELECT model, ?, alias, NULL, version, ?, ?, ? FROM aliases WHERE model = ?",
            (name, who, reason or "the model was deleted", now, number),
        )
        with alias_history.stage_noted(db, number, name, who=who, reason=reason or "the model was deleted"):
            db.execute("DELETE FROM registered_models WHERE id = ?", (number,))


def set_model_tag(db: Database, name: str, key: str, value: str) -> None:
    limits.check_registry_tag(key, value)
    with db.write():
        number = model_number(db, name)
        db.execute(
            "INSERT INTO registered_model_tags VALUES (?, ?, ?) ON CONFLICT (model, key) DO UPDATE SET"
            " value = excluded.value",
            (number, key, value),
        )


def delete_model_tag(db: Database, name: str, key: str) -> None:
    limits.check_key(key, "key")
    with db.write():
        number = model_number(db, name)
        db.execute("DELETE FROM registered_model_tags WHERE model = ? AND key = ?", (number, key))


def create_version(
    db: Database,
    name: str,
    source: str,
    *,
    run_id: str = "",
    run_link: str = "",
    description: str = "",
    model_id: str = "",
    tags: Mapping[str, str] | None = None,
    user_id: str | None = None,
) -> ModelVersion:
    """Add a version; *source* is where its files are, and may be `models:/…` of another version or a logged model.

    Raises: TrackingNotFound (the registered model, or what *source* names), TrackingInvalid.
    """
    limits.check_model_name(name)
    for key, value in (tags or {}).items():
        limits.check_registry_tag(key, value)
    now = now_ms()
    with db.write():
        number = model_number(db, name)
        location = source
        linked = sources.parse_models_uri(source)
        if linked is not None and linked.model_id:
            model = logged_models.get(db, linked.model_id)
            location, run_id = model.artifact_location, run_id or model.source_run_id or ""
        elif linked is not None:
            original = resolve(db, linked)
            location, source = original.storage_location, f"models:/{original.name}/{original.version}"
        if model_id and not run_id:
            run_id = logged_models.get(db, model_id).source_run_id or ""
        row = db.one("SELECT max(version) FROM model_versions WHERE model = ?", (number,))
        version: int = 1 + ((row[0] if row else 0) or 0)
        db.execute(
            "INSERT INTO model_versions(model, version, creation_time, last_update_time, current_stage, source,"
            " storage_location, run_id, run_link, description, user_id, model_id, status)"
            " VALUES (?, ?, ?, ?, 'None', ?, ?, ?, ?, ?, ?, ?, ?)",
            (number, version, now, now, source, location, run_id, run_link, description, user_id, model_id, READY),
        )
        db.executemany(
            "INSERT INTO model_version_tags VALUES (?, ?, ?, ?)",
            [(number, version, key, value) for key, value in (tags or {}).items()],
        )
        _take_verdict(db, number, version, location)
        _touch(db, number, now)
        if model_id:
            _note_registration(db, model_id, name, version)
        return get_version(db, name, version)


def get_version(db: Database, name: str, version: str | int) -> ModelVersion:
    """Raises: TrackingNotFound, TrackingInvalid."""
    limits.check_model_name(name)
    wanted = limits.parse_version(version)
    with db.read():
        rows = db.all(
            f"SELECT {VERSION_COLUMNS} FROM {VERSION_TABLES} WHERE r.name = ? AND v.version = ? AND v.current_stage != ?",
            (name, wanted, DELETED_STAGE),
        )
        if not rows:
            raise TrackingNotFound(f"Model Version (name={name}, version={wanted}) not found")
        return load_versions(db, rows)[0]


def update_version(db: Database, name: str, version: str | int, *, description: str | None) -> ModelVersion:
    with db.write():
        number, wanted = version_number(db, name, version)
        db.execute(
            "UPDATE model_versions SET description = ?, last_update_time = ? WHERE model = ? AND version = ?",
            (description, now_ms(), number, wanted),
        )
        return get_version(db, name, wanted)


def delete_version(db: Database, name: str, version: str | int, *, who: str = "") -> None:
    """Empty the version and take its aliases away; its number is not given again."""
    with db.write():
        number, wanted = version_number(db, name, version)
        now = now_ms()
        db.execute(
            "INSERT INTO alias_history(model, name, alias, version, previous, who, reason, at)"
            " SELECT model, ?, alias, NULL, version, ?, 'the version was deleted', ? FROM aliases"
            " WHERE model = ? AND version = ?",
            (name, who, now, number, wanted),
        )
        db.execute("DELETE FROM aliases WHERE model = ? AND version = ?", (number, wanted))
        with alias_history.stage_noted(db, number, name, who=who, reason="the version was deleted"):
            db.execute(
                "UPDATE model_versions SET current_stage = ?, last_update_time = ?, description = NULL, user_id = NULL,"
                " source = 'REDACTED-SOURCE-PATH', storage_location = '', run_id = 'REDACTED-RUN-ID',"
                " run_link = 'REDACTED-RUN-LINK', status_message = NULL WHERE model = ? AND version = ?",
                (DELETED_STAGE, now, number, wanted),
            )
        _touch(db, number, now)


def transition_stage(
    db: Database, name: str, version: str | int, stage: str, *, archive_existing: bool = False, who: str = ""
) -> ModelVersion:
    """Stages are the old form of aliases; `Production` obeys the gate as the alias does.

    Raises: TrackingNotFound, TrackingInvalid, GateFailed.
    """
    wanted_stage = STAGES.get(stage.lower())
    if wanted_stage is None:
        raise TrackingInvalid(
            f"Invalid Model Version stage: {stage}. Value must be one of {', '.join(STAGES.values())}."
        )
    if archive_existing and wanted_stage not in ("Staging", "Production"):
        raise TrackingInvalid(
            f"Model version transition cannot archive existing model versions because '{stage}' is not an Active stage."
            " Valid stages are ['Staging', 'Production']"
        )
    with db.write():
        number, wanted = version_number(db, name, version)
        check_promotion(db, get_version(db, name, wanted), wanted_stage)
        now = now_ms()
        with alias_history.stage_noted(db, number, name, who=who):
            if archive_existing:
                db.execute(
                    "UPDATE model_versions SET current_stage = 'Archived', last_update_time = ?"
                    " WHERE model = ? AND version != ? AND current_stage = ?",
                    (now, number, wanted, wanted_stage),
                )
            db.execute(
                "UPDATE model_versions SET current_stage = ?, last_update_time = ? WHERE model = ? AND version = ?",
                (wanted_stage, now, number, wanted),
            )
        _touch(db, number, now)
        return get_version(db, name, wanted)


def latest_versions(db: Database, name: str, stages: Sequence[str] = ()) -> list[ModelVersion]:
    """The newest version of each stage, or of the *stages* asked for."""
    wanted = set()
    for stage in stages or STAGES:
        canonical = STAGES.get(stage.lower())
        if canonical is None:
            raise TrackingInvalid(
                f"Invalid Model Version stage: {stage}. Value must be one of {', '.join(STAGES.values())}."
            )
        wanted.add(canonical)
    found = [version for version in get_model(db, name).latest_versions if version.current_stage in wanted]
    return sorted(found, key=lambda version: version.version)


def versions_of(db: Database, name: str) -> list[ModelVersion]:
    """All versions of a model, newest first. Raises: TrackingNotFound."""
    with db.read():
        number = model_number(db, name)
        rows = db.all(
            f"SELECT {VERSION_COLUMNS} FROM {VERSION_TABLES} WHERE v.model = ? AND v.current_stage != ?"
            " ORDER BY v.version DESC",
            (number, DELETED_STAGE),
        )
        return load_versions(db, rows)


def versions_from(db: Database, run_id: str) -> list[ModelVersion]:
    """The versions of any model that came from a run, by the model's name."""
    with db.read():
        rows = db.all(
            f"SELECT {VERSION_COLUMNS} FROM {VERSION_TABLES} WHERE v.run_id = ? AND v.current_stage != ?",
            (run_id, DELETED_STAGE),
        )
        return sorted(load_versions(db, rows), key=lambda found: (found.name, found.version))


def set_version_tag(db: Database, name: str, version: str | int, key: str, value: str) -> None:
    limits.check_model_name(name)
    limits.check_registry_tag(key, value)
    with db.write():
        number, wanted = version_number(db, name, version)
        db.execute(
            "INSERT INTO model_version_tags VALUES (?, ?, ?, ?) ON CONFLICT (model, version, key) DO UPDATE SET"
            " value = excluded.value",
            (number, wanted, key, value),
        )


def delete_version_tag(db: Database, name: str, version: str | int, key: str) -> None:
    limits.check_key(key, "key")
    with db.write():
        number, wanted = version_number(db, name, version)
        db.execute("DELETE FROM model_version_tags WHERE model = ? AND version = ? AND key = ?", (number, wanted, key))


def check_gate(version: ModelVersion, alias: str) -> None:
    """Raises: GateFailed when *alias* is `production` in any case of letters and the version's gate failed."""
    if alias.casefold() == PRODUCTION and version.gate == "failed":
        raise GateFailed(
            text(
                "model `{name}` version {version}: its gate failed, so it cannot be `{alias}`",
                name=version.name,
                version=version.version,
                alias=alias,
            ),
            hint=text("teul models show {name}", name=version.name),
        )


def check_promotion(db: Database, version: ModelVersion, alias: str) -> None:
    """Whether the version may get *alias* (or the stage of that name): the gate first, then the people.

    Raises:
        GateFailed: its gate failed.
        NotApproved: it was rejected, or the model asks for an approval that it has not.
    """
    check_gate(version, alias)
    if alias.casefold() != PRODUCTION or version.approval == "approved":
        return
    named = {"name": version.name, "version": version.version, "alias": alias}
    if version.approval == "rejected":
        raise NotApproved(
            text("model `{name}` version {version} was rejected, so it cannot be `{alias}`", **named),
            hint=text("teul models show {name}", name=version.name),
        )
    row = db.one("SELECT needs_approval FROM registered_models WHERE name = ?", (version.name,))
    if row and row[0]:
        raise NotApproved(
            text("model `{name}` version {version} has no approval, so it cannot be `{alias}`", **named),
            hint=text("teul models approve {name} {version}", name=version.name, version=version.version),
        )


def resolve(db: Database, uri: sources.ModelsUri) -> ModelVersion:
    """The version that `models:/name/version`, `…/stage`, `…/latest` or `models:/name@alias` means.

    Raises: TrackingNotFound, TrackingInvalid.
    """
    with db.read():
        if uri.alias and uri.alias.lower() != "latest":
            row = db.one(
                "SELECT version FROM aliases WHERE model = ? AND alias = ?", (model_number(db, uri.name), uri.alias)
            )
            if row is None:
                raise TrackingInvalid(f"Registered model alias {uri.alias} not found.")
            return get_version(db, uri.name, row[0])
        if uri.version.isdigit():
            return get_version(db, uri.name, uri.version)
        word = (uri.alias or uri.version).lower()
        found = latest_versions(db, uri.name, () if word == "latest" else (word,))
        if not found:
            raise TrackingNotFound(f"No versions of model with name '{uri.name}' and stage '{uri.version}' found")
        return max(found, key=lambda version: version.version)


def model_number(db: Database, name: str) -> int:
    """The row number of a registered model. Raises: TrackingNotFound, TrackingInvalid."""
    limits.check_model_name(name)
    row = db.one("SELECT id FROM registered_models WHERE name = ?", (name,))
    if row is None:
        raise TrackingNotFound(f"Registered Model with name={name} not found")
    number: int = row[0]
    return number


def version_number(db: Database, name: str, version: str | int) -> tuple[int, int]:
    """The row number of the model and the number of a version that is there."""
    number, wanted = model_number(db, name), limits.parse_version(version)
    if not db.one(
        "SELECT 1 FROM model_versions WHERE model = ? AND version = ? AND current_stage != ?",
        (number, wanted, DELETED_STAGE),
    ):
        raise TrackingNotFound(f"Model Version (name={name}, version={wanted}) not found")
    return number, wanted


def load_models(db: Database, numbers: Sequence[int]) -> list[RegisteredModel]:
    """Models by row number, in the order given, with tags, aliases and the newest version of each stage."""
    rows = {
        row[0]: row[1:]
        for row in db.grouped(
            "SELECT id, name, creation_time, last_update_time, description FROM registered_models WHERE id IN ({keys})",
            numbers,
        )
    }
    tags: dict[int, dict[str, str]] = {}
    for number, key, value in db.grouped(
        "SELECT model, key, value FROM registered_model_tags WHERE model IN ({keys})", numbers
    ):
        tags.setdefault(number, {})[key] = value
    aliases: dict[int, dict[str, int]] = {}
    for number, alias, version in db.grouped(
        "SELECT model, alias, version FROM aliases WHERE model IN ({keys})", numbers
    ):
        aliases.setdefault(number, {})[alias] = version
    newest = db.grouped(
        f"SELECT {VERSION_COLUMNS} FROM {VERSION_TABLES} WHERE v.model IN ({{keys}}) AND v.current_stage != 'Deleted_Internal'"
        " AND v.version = (SELECT max(w.version) FROM model_versions w WHERE w.model = v.model"
        " AND w.current_stage = v.current_stage) ORDER BY v.current_stage",
        numbers,
    )
    versions: dict[int, list[ModelVersion]] = {}
    for row, version_value in zip(newest, load_versions(db, newest), strict=True):
        versions.setdefault(row[-1], []).append(version_value)
    made: list[RegisteredModel] = []
    for number in numbers:
        name, created, updated, description = rows[number]
        made.append(
            RegisteredModel(
                name=name,
                creation_time=created,
                last_update_time=updated,
                description=description,
                latest_versions=tuple(versions.get(number, ())),
                tags=tags.get(number, {}),
                aliases=aliases.get(number, {}),
            )
        )
    return made


def load_versions(db: Database, rows: Sequence[tuple[Any, ...]]) -> list[ModelVersion]:
    """Rows of `VERSION_COLUMNS` as values, with tags and aliases."""
    numbers = sorted({row[-1] for row in rows})
    tags: dict[tuple[int, int], dict[str, str]] = {}
    aliases: dict[tuple[int, int], list[str]] = {}
    where = ("WHERE model IN ({keys})", numbers)
    if len(rows) == 1:
        where = (f"WHERE version = {int(rows[0][1])} AND model IN ({{keys}})", numbers)
    for number, version, key, value in db.grouped(
        f"SELECT model, version, key, value FROM model_version_tags {where[0]}", where[1]
    ):
        tags.setdefault((number, version), {})[key] = value
    for number, version, alias in db.grouped(f"SELECT model, version, alias FROM aliases {where[0]}", where[1]):
        aliases.setdefault((number, version), []).append(alias)
    verdicts: dict[tuple[int, int], str] = {
        (number, version): verdict
        for number, version, verdict in db.grouped(
            f"SELECT model, version, verdict FROM approvals {where[0]} ORDER BY number", where[1]
        )
    }
    return [
        ModelVersion(
            name=name,
            version=version,
            creation_time=created,
            last_update_time=updated,
            current_stage=stage,
            source=source,
            storage_location=location,
            run_id=run_id,
            run_link=run_link,
            description=description,
            user_id=user_id,
            model_id=model_id,
            status=status,
            status_message=message,
            tags=tags.get((number, version), {}),
            aliases=tuple(aliases.get((number, version), ())),
            gate=gate,
            gate_report=tuple(json.loads(report)),
            approval=verdicts.get((number, version), ""),
        )
        for (
            name,
            version,
            created,
            updated,
            stage,
            source,
            location,
            run_id,
            run_link,
            description,
            user_id,
            model_id,
            status,
            message,
            gate,
            report,
            number,
        ) in rows
    ]


def _touch(db: Database, number: int, now: int) -> None:
    db.execute("UPDATE registered_models SET last_update_time = ? WHERE id = ?", (now, number))


def _take_verdict(db: Database, number: int, version: int, location: str) -> None:
    """The files that failed a gate have failed it under every name: a version on them is marked like the one before."""
    files = version_files.path_of(db, location)
    if files is None:
        return
    for there, report in db.all(
        "SELECT storage_location, gate_report FROM model_versions WHERE gate = 'failed' AND current_stage != ?",
        (DELETED_STAGE,),
    ):
        if version_files.path_of(db, there) == files:
            db.execute(
                "UPDATE model_versions SET gate = 'failed', gate_report = ? WHERE model = ? AND version = ?",
                (report, number, version),
            )
            return


def _note_registration(db: Database, model_id: str, name: str, version: int) -> None:
    """MLflow's clients find the versions that came from a logged model in a tag of it."""
    model = logged_models.get(db, model_id)
    there = json.loads(model.tags.get(MODEL_VERSIONS_TAG, "[]"))
    there.append({"name": name, "version": version})
    logged_models.set_tags(db, model_id, {MODEL_VERSIONS_TAG: json.dumps(there)})


def _name_taken(db: Database, name: str, is_prompt: bool) -> TrackingExists:
    was_prompt = get_model(db, name).tags.get(PROMPT_TAG, "") == "true"
    old, new = ("Prompt" if prompt else "Registered Model" for prompt in (was_prompt, is_prompt))
    if old != new:
        return TrackingExists(
            f"Tried to create a {new.lower()} with name {name!r}, but the name is already taken by a {old.lower()}."
            " MLflow does not allow creating a model and a prompt with the same name."
        )
    return TrackingExists(f"{old} (name={name}) already exists.")
