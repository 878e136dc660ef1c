"""Who may do what. Pure decisions over the store; no sockets, no tokens parsed here.

A request on loopback needs no token and may do everything: whoever can reach it can read the database's file, too.
(`tracking serve --require-tokens` asks for one there, too.) On any other address a request carries a token. One for
people and programs (`keys`) has a role, read, write or admin, in all projects or in one: the experiment of that name, its
runs, and the models whose versions all come from them. Writing is all but deleting, renaming and `production`; admin may
do that, too. In one project one sees nothing of the others.

A token of a container is for one run. With it one may

- read everything (a training script compares itself with earlier runs and loads earlier models);
- write what belongs to the run's experiment: its runs (child runs too), their params, metrics, tags and artifacts, and
  its logged models; and make new experiments, in which the same holds;
- make registered models, and add versions that come from such a run; tag those versions and set aliases on them, but
  not `production` (nor the stage): promotion goes through the gate, outside of the container;
- delete nothing but tags and artifacts of its own.

Everything else is for the owner: loopback.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from teul.errors import Forbidden, TrackingInvalid, TrackingNotFound, text
from teul.ml.tracking import experiments, logged_models, registry, runs, sources
from teul.ml.tracking.database import Database
from teul.ml.tracking.values import PRODUCTION

CREATED_BY_TAG = "teul.createdByRun"


@dataclass(frozen=True, slots=True)
class Grant:
    """What a request was let in as. *who* is for the history; *run_id* is of a container's token, *role* of a key
    ("read", "write", "admin"), *project* what the key is limited to. Without any of them it is the owner.
    """

    who: str
    run_id: str = ""
    role: str = ""
    project: str = ""
    container: str = ""
    """The mark of a tracked container: it may write as one with the role may, and its runs get what is known of it."""

    @property
    def is_limited(self) -> bool:
        """Whether it may write in some experiments only, or in none."""
        return bool(self.run_id or self.project) or self.role == "read"

    def check_admin(self) -> None:
        """For what deletes, restores, renames; where it is done, the other checks say. Raises: Forbidden."""
        if self.run_id or self.role in ("read", "write"):
            raise self._forbidden("this")

    def check_writing(self) -> None:
        """Raises: Forbidden for one that may only read."""
        if self.role == "read":
            raise self._forbidden("anything")

    def check_new_experiment(self, name: str) -> None:
        """Raises: Forbidden."""
        self.check_writing()
        if self.project and name != self.project:
            raise self._forbidden(f"experiment {name}")

    def check_experiment(self, db: Database, experiment_id: str) -> None:
        """Raises: Forbidden."""
        if not self.is_limited:
            return
        self.check_writing()
        if self.project:
            if not self.sees_experiment(db, experiment_id):
                raise self._forbidden(f"experiment {experiment_id}")
            return
        if experiment_id == runs.experiment_of(db, self.run_id):
            return
        try:
            if experiments.get(db, experiment_id).tags.get(CREATED_BY_TAG) == self.run_id:
                return
        except TrackingNotFound:
            pass
        raise self._forbidden(f"experiment {experiment_id}")

    def check_run(self, db: Database, run_id: str) -> None:
        """A run that is not there is not forbidden: the call itself says that. Raises: Forbidden."""
        if self.is_limited and (not self.run_id or run_id != self.run_id):
            try:
                experiment_id = runs.experiment_of(db, run_id)
            except TrackingNotFound:
                return
            self.check_experiment(db, experiment_id)

    def check_logged_model(self, db: Database, model_id: str) -> None:
        """Raises: Forbidden."""
        if self.is_limited:
            try:
                experiment_id = logged_models.experiment_of(db, model_id)
            except TrackingNotFound:
                return
            self.check_experiment(db, experiment_id)

    def check_version(self, db: Database, name: str, version: str) -> None:
        """Raises: Forbidden unless the version came from a run that the token may write."""
        if self.is_limited:
            self.check_writing()
            try:
                found = registry.get_version(db, name, version)
            except TrackingNotFound:
                return
            if not found.run_id:
                raise self._forbidden(f"model {name} version {version}")
            self.check_run(db, found.run_id)

    def check_model(self, db: Database, name: str) -> None:
        """Raises: Forbidden unless every version of the model came from a run that the token may write."""
        if self.is_limited:
            self.check_writing()
            rows = db.all(
                "SELECT DISTINCT v.run_id FROM model_versions v JOIN registered_models r ON r.id = v.model"
                " WHERE r.name = ? AND v.current_stage != ?",
                (name, registry.DELETED_STAGE),
            )
            for (run_id,) in rows:
                if not run_id:
                    raise self._forbidden(f"model {name}")
                self.check_run(db, run_id)

    def check_new_version(self, db: Database, run_id: str, model_id: str, source: str) -> None:
        """Raises: Forbidden unless the version to be made comes from a run or logged model that the token may write."""
        if not self.is_limited:
            return
        self.check_writing()
        linked = sources.parse_models_uri(source)
        model_id = model_id or (linked.model_id if linked else "")
        if not run_id and not model_id:
            raise self._forbidden("a version of another run")
        if run_id:
            self.check_run(db, run_id)
        if model_id:
            self.check_logged_model(db, model_id)

    def check_alias(self, alias: str) -> None:
        """Raises: Forbidden for `production`."""
        if (self.run_id or self.role in ("read", "write")) and alias.casefold() == PRODUCTION:
            raise self._forbidden(f"the alias {alias}")

    def check_artifact(self, db: Database, path: str) -> None:
        """Raises: Forbidden unless *path* lies below an experiment that the token may write."""
        if self.is_limited:
            experiment_id = path.split("/", 1)[0]
            if not experiment_id.isdigit():
                raise self._forbidden(path)
            self.check_experiment(db, experiment_id)

    def sees_experiment(self, db: Database, experiment_id: str) -> bool:
        """Whether it may read what is in the experiment; one that is not there hides nothing."""
        if not self.project:
            return True
        try:
            return experiments.get(db, experiment_id).name == self.project
        except (TrackingNotFound, TrackingInvalid):
            return True

    def sees_model(self, db: Database, name: str) -> bool:
        """Whether it may read of the registered model."""
        if not self.project:
            return True
        rows = db.all(
            "SELECT DISTINCT e.name FROM model_versions v JOIN registered_models r ON r.id = v.model"
            " LEFT JOIN runs ON runs.id = v.run_id LEFT JOIN experiments e ON e.id = runs.experiment"
            " WHERE r.name = ? AND v.current_stage != ?",
            (name, registry.DELETED_STAGE),
        )
        return all(row[0] == self.project for row in rows)

    def check_reading(self, db: Database, values: Mapping[str, Any]) -> None:
        """Raises: Forbidden when a request's fields name what belongs to another project.

        Every route that reads names what it reads by one of these fields, or its answer is gone through (`visible`).
        """
        if not self.project:
            return
        wanted = [
            *values.get("experiment_ids", ()),
            *([values["experiment_id"]] if values.get("experiment_id") else ()),
        ]
        for name in ("run_ids", "run_id", "run_uuid"):
            given = values.get(name) or ()
            for run_id in (given,) if isinstance(given, str) else given:
                wanted += _or_nothing(runs.experiment_of, db, run_id)
        if values.get("model_id"):
            wanted += _or_nothing(logged_models.experiment_of, db, values["model_id"])
        for experiment_id in wanted:
            if not self.sees_experiment(db, str(experiment_id)):
                raise self._unseen(f"experiment {experiment_id}")
        if values.get("experiment_name", self.project) != self.project:
            raise self._unseen(f"experiment {values['experiment_name']}")
        if values.get("name") and not self.sees_model(db, str(values["name"])):
            raise self._unseen(f"model {values['name']}")

    def check_deleting_artifact(self, db: Database, path: str) -> None:
        """Raises: Forbidden for a key that may not delete; with the token of a run one deletes what one may write."""
        if self.role:
            self.check_admin()
        self.check_artifact(db, path)

    def check_reading_artifact(self, db: Database, path: str) -> None:
        """Raises: Forbidden when *path* does not lie below an experiment that it may see."""
        if self.project:
            experiment_id = path.split("/", 1)[0]
            if not experiment_id.isdigit() or not self.sees_experiment(db, experiment_id):
                raise self._unseen(path)

    def visible(self, db: Database, answer: Mapping[str, Any]) -> Mapping[str, Any]:
        """An answer without what belongs to other projects."""
        if not self.project:
            return answer
        made = dict(answer)
        for field, sees in (
            ("experiments", lambda item: item.get("name") == self.project),
            ("registered_models", lambda item: self.sees_model(db, str(item.get("name")))),
            ("model_versions", lambda item: self.sees_model(db, str(item.get("name")))),
        ):
            if field in made:
                made[field] = [item for item in made[field] if sees(item)]
        return made

    def _unseen(self, what: str) -> Forbidden:
        return Forbidden(text("the token `{who}` may not see {what}", who=self.who, what=what))

    def _forbidden(self, what: str) -> Forbidden:
        if not self.run_id:
            return Forbidden(text("the token `{who}` may not write {what}", who=self.who, what=what))
        return Forbidden(text("the token of run {run_id} may not write {what}", run_id=self.run_id, what=what))


def _or_nothing(find: Callable[[Database, str], str], db: Database, key: str) -> list[str]:
    try:
        return [find(db, key)]
    except (TrackingNotFound, TrackingInvalid):
        return []
