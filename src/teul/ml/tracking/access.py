"""Who may do what. Pure decisions over the store; no sockets, no tokens parsed here.

A request on loopback needs no token and may do everything: whoever can reach it can read the database's file, too.
On any other address a request carries a token, and a token is for one run. With it one may

- read everything (a training script compares itself with earlier runs and loads earlier models);
- write what belongs to the run's experiment: its runs (child runs too), their params, metrics, tags and artifacts, and
  its logged models; and make new experiments, in which the same holds;
- make registered models, and add versions that come from such a run; tag those versions and set aliases on them, but
  not `production` (nor the stage): promotion goes through the gate, outside of the container;
- delete nothing but tags and artifacts of its own.

Everything else is for a `Grant` with no run: loopback.
"""

from __future__ import annotations

from dataclasses import dataclass

from teul.errors import Forbidden, TrackingNotFound, text
from teul.ml.tracking import experiments, logged_models, registry, runs, sources
from teul.ml.tracking.database import Database
from teul.ml.tracking.values import PRODUCTION

CREATED_BY_TAG = "teul.createdByRun"


@dataclass(frozen=True, slots=True)
class Grant:
    """What a request was let in as: *run_id* is "" for one that may do everything. *who* is for the history."""

    who: str
    run_id: str = ""

    @property
    def is_owner(self) -> bool:
        return not self.run_id

    def check_owner(self) -> None:
        """Raises: Forbidden."""
        if self.run_id:
            raise self._forbidden("this")

    def check_experiment(self, db: Database, experiment_id: str) -> None:
        """Raises: Forbidden."""
        if not self.run_id:
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
        if self.run_id and run_id != self.run_id:
            try:
                experiment_id = runs.experiment_of(db, run_id)
            except TrackingNotFound:
                return
            self.check_experiment(db, experiment_id)

    def check_logged_model(self, db: Database, model_id: str) -> None:
        """Raises: Forbidden."""
        if self.run_id:
            try:
                experiment_id = logged_models.experiment_of(db, model_id)
            except TrackingNotFound:
                return
            self.check_experiment(db, experiment_id)

    def check_version(self, db: Database, name: str, version: str) -> None:
        """Raises: Forbidden unless the version came from a run that the token may write."""
        if self.run_id:
            try:
                found = registry.get_version(db, name, version)
            except TrackingNotFound:
                return
            if not found.run_id:
                raise self._forbidden(f"model {name} version {version}")
            self.check_run(db, found.run_id)

    def check_model(self, db: Database, name: str) -> None:
        """Raises: Forbidden unless every version of the model came from a run that the token may write."""
        if self.run_id:
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
        if not self.run_id:
            return
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
        if self.run_id and alias.casefold() == PRODUCTION:
            raise self._forbidden(f"the alias {alias}")

    def check_artifact(self, db: Database, path: str) -> None:
        """Raises: Forbidden unless *path* lies below an experiment that the token may write."""
        if self.run_id:
            experiment_id = path.split("/", 1)[0]
            if not experiment_id.isdigit():
                raise self._forbidden(path)
            self.check_experiment(db, experiment_id)

    def _forbidden(self, what: str) -> Forbidden:
        return Forbidden(text("the token of run {run_id} may not write {what}", run_id=self.run_id, what=what))
