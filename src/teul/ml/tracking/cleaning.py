"""Permanent deletion of what was deleted: runs, experiments, logged models, with their artifacts. As `mlflow gc`.

What a version of a registered model still stands on is kept, deleted or not: its files are the version's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from teul.ml.tracking import artifacts, audit, sources, version_files
from teul.ml.tracking.clock import now_ms
from teul.ml.tracking.database import Database
from teul.ml.tracking.registry import DELETED_STAGE
from teul.ml.tracking.values import DELETED


@dataclass(frozen=True, slots=True)
class Cleaned:
    """Ids of what is gone (or, when nothing was done, would go), of the deleted runs that a version needs, and of the
    logged models that nobody deleted but whose run is gone.
    """

    runs: tuple[str, ...] = ()
    experiments: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    orphans: tuple[str, ...] = ()


def clean(
    db: Database,
    *,
    older_than_s: float = 0,
    run_ids: Sequence[str] = (),
    with_orphans: bool = False,
    is_dry: bool = False,
    who: str,
) -> Cleaned:
    """Remove what was deleted at least *older_than_s* seconds ago, or only the deleted runs *run_ids*.

    Since MLflow 3 the files of a model are not the run's, and stay when that is deleted; *with_orphans* those go, too.
    """
    before = now_ms() - int(older_than_s * 1000)
    with db.write():
        needed = {version_files.path_of(db, location) or "" for (location,) in db.all(
            "SELECT storage_location FROM model_versions WHERE current_stage != ?", (DELETED_STAGE,)
        )} - {""}  # fmt: skip
        runs, models, kept = [], [], []
        for number, run_id, uri in db.all(
            "SELECT number, id, artifact_uri FROM runs WHERE lifecycle_stage = ? AND coalesce(deleted_time, 0) <= ?",
            (DELETED, before),
        ):
            if run_ids and run_id not in run_ids:
                continue
            if _is_needed(uri, needed):
                kept.append(run_id)
                continue
            runs.append(run_id)
            if not is_dry:
                db.execute("DELETE FROM runs WHERE number = ?", (number,))
                db.execute("DELETE FROM tokens WHERE run_id = ?", (run_id,))
                _forget(db, uri)
        experiments: list[str] = []
        if not run_ids:
            for model_id, uri in db.all(
                "SELECT id, artifact_location FROM logged_models WHERE lifecycle_stage = ? AND last_update_time <= ?",
                (DELETED, before),
            ):
                if not _is_needed(uri, needed):
                    models.append(model_id)
                    if not is_dry:
                        db.execute("DELETE FROM logged_models WHERE id = ?", (model_id,))
                        _forget(db, uri)
            experiments = list(_experiments(db, before, needed, kept, is_dry=is_dry))
        orphans = [item for item in _orphans(db, {*runs}, needed) if item[0] not in models]
        if with_orphans:
            for model_id, uri in orphans:
                models.append(model_id)
                if not is_dry:
                    db.execute("DELETE FROM logged_models WHERE id = ?", (model_id,))
                    _forget(db, uri)
            orphans = []
        if not is_dry and (runs or experiments or models):
            counts = f"{len(runs)} runs, {len(experiments)} experiments, {len(models)} models"
            audit.note(db, who, "gc", counts)
    return Cleaned(
        tuple(runs), tuple(experiments), tuple(models), tuple(kept), tuple(model_id for model_id, _ in orphans)
    )


def _orphans(db: Database, gone: set[str], needed: set[str]) -> Iterator[tuple[str, str]]:
    """Logged models (id, where their files are) that no version stands on and whose run, and all that used them, is
    gone; *gone* are runs that go.
    """
    used: dict[str, set[str]] = {}
    for model_id, run_id in db.all("SELECT m.model, r.id FROM run_models m JOIN runs r ON r.number = m.run"):
        used.setdefault(model_id, set()).add(run_id)
    there = {run_id for (run_id,) in db.all("SELECT id FROM runs")} - gone
    for model_id, uri, run_id in db.all("SELECT id, artifact_location, source_run_id FROM logged_models"):
        if run_id and run_id not in there and not used.get(model_id, set()) - gone and not _is_needed(uri, needed):
            yield model_id, uri


def _experiments(db: Database, before: int, needed: set[str], kept: list[str], *, is_dry: bool) -> Iterator[str]:
    for number, uri in db.all(
        "SELECT id, artifact_location FROM experiments WHERE lifecycle_stage = ? AND last_update_time <= ? AND id != 0",
        (DELETED, before),
    ):
        roots = [uri]
        if _is_shared(db, number, uri):
            # Several experiments may lie in one folder: then only what is this one's goes.
            roots = [own for (own,) in db.all(
                "SELECT artifact_uri FROM runs WHERE experiment = ?"
                " UNION ALL SELECT artifact_location FROM logged_models WHERE experiment = ?", (number, number),
            )]  # fmt: skip
        there = {run_id for (run_id,) in db.all("SELECT id FROM runs WHERE experiment = ?", (number,))}
        if there & set(kept) or any(_is_needed(root, needed) for root in roots):
            continue
        yield str(number)
        if not is_dry:
            db.execute("DELETE FROM experiments WHERE id = ?", (number,))
            for root in roots:
                _forget(db, root)


def _is_shared(db: Database, number: int, uri: str) -> bool:
    """Whether another experiment has its artifacts in this folder, above it or below it."""
    path = sources.artifact_path(uri)
    if path is None:
        return False
    for (location,) in db.all("SELECT artifact_location FROM experiments WHERE id != ?", (number,)):
        other = sources.artifact_path(location)
        if other is not None and (_is_within(path, other) or _is_within(other, path)):
            return True
    return False


def _is_needed(uri: str, needed: set[str]) -> bool:
    root = sources.artifact_path(uri)
    return root is not None and any(_is_within(path, root) for path in needed)


def _is_within(path: str, folder: str) -> bool:
    return not folder or f"{path}/".startswith(f"{folder}/")


def _forget(db: Database, uri: str) -> None:
    """The names of the artifacts below *uri*, and uploads that were begun there; content goes with the next `collect`."""
    path = sources.artifact_path(uri)
    if path:
        artifacts.forget(db, path)
        artifacts.abort_uploads(db, path)
