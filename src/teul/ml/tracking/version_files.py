"""Where the files of a model version are in our artifact tree, whatever its source is called. Must not read them."""

from __future__ import annotations

from teul.ml.tracking import artifacts, sources
from teul.ml.tracking.database import Database


def path_of(db: Database, location: str) -> str | None:
    """The folder in our tree that a version's location means, or None when its files are not here.

    A `runs:/<run>/<path>` is below the artifacts of that run. Since MLflow 3 it may as well name a logged model that the
    run made: then it is that one's folder.
    """
    run_id, path = sources.parse_runs_uri(location)
    if not run_id:
        return sources.artifact_path(location)
    with db.read():
        row = db.one("SELECT artifact_uri FROM runs WHERE id = ?", (run_id,))
        root = sources.artifact_path(row[0]) if row else None
        if root is None:
            return None
        found = f"{root}/{path}".rstrip("/")
        name, _, rest = path.partition("/")
        row = db.one(
            "SELECT artifact_location FROM logged_models WHERE source_run_id = ? AND name = ?"
            " ORDER BY creation_time DESC LIMIT 1",
            (run_id, name),
        )
        if row is not None and not artifacts.is_anything(db, found):
            model = sources.artifact_path(row[0])
            return None if model is None else f"{model}/{rest}".rstrip("/")
        return found
