"""`TrackingStore`: the tracking database and its artifacts, for callers in this process. Must not know HTTP.

Several processes may hold one open; each call is one transaction that is on the disk when it returns.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from types import TracebackType

from teul.content import Reader
from teul.errors import ArtifactNotFound, RunNotFound, TrackingNotFound
from teul.ml.tracking import (
    aliases,
    approvals,
    artifacts,
    audit,
    cleaning,
    container_tokens,
    environments,
    experiments,
    keys,
    logged_models,
    metrics,
    registry,
    registry_search,
    runs,
    search,
    sources,
    tokens,
    version_files,
)
from teul.ml.tracking.artifact_content import ArtifactContent
from teul.ml.tracking.audit import Entry as AuditEntry
from teul.ml.tracking.cleaning import Cleaned
from teul.ml.tracking.clock import now_ms
from teul.ml.tracking.database import Database, is_url, open_database
from teul.ml.tracking.keys import Key
from teul.ml.tracking.values import (
    AliasChange,
    Approval,
    DatasetInput,
    Experiment,
    ExperimentActivity,
    FileInfo,
    LoggedModel,
    Metric,
    ModelOutput,
    ModelVersion,
    Page,
    RegisteredModel,
    Run,
)
from teul.oci.digest import Digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from teul.config import Settings


class TrackingStore:
    """`db` and `content` are open to this package's modules; everybody else uses the methods."""

    def __init__(self, db: Database, content: ArtifactContent) -> None:
        self.db = db
        self.content = content

    @classmethod
    def open(cls, path: str, *, root: str = "", artifacts_root: str = "") -> TrackingStore:
        """Open or make the store whose database is at *path*, or at a `postgresql://` URL.

        Artifacts lie in the folder *artifacts_root*; without one, among the blobs of the state folder *root*, which for
        a database that is a file is the folder that it lies in.

        Raises:
            Unsupported: the database was written by a newer teul, or its artifacts are in another folder.
            StoreLocked: another process holds it.
            Unavailable: its server does not answer.
        """
        assert root or artifacts_root or not is_url(path)
        root = root or os.path.dirname(path)
        db = open_database(path)
        try:
            experiments.ensure_default(db)
            content = artifacts.open_content(db, root, artifacts_root)
        except BaseException:
            db.close()
            raise
        return cls(db, content)

    @classmethod
    def of(cls, settings: Settings) -> TrackingStore:
        """The store of a state folder."""
        return cls.open(
            settings.tracking_store or settings.tracking_database,
            root=settings.root,
            artifacts_root=settings.tracking_artifacts if settings.tracking_store else "",
        )

    def close(self) -> None:
        self.content.close()
        self.db.close()

    def __enter__(self) -> TrackingStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def create_experiment(self, name: str, *, tags: Mapping[str, str] | None = None) -> str:
        """Returns the id. Raises: TrackingExists, TrackingInvalid."""
        return experiments.create(self.db, name, tags=tags)

    def ensure_experiment(self, name: str) -> str:
        """The id of the experiment *name*: made when it is not there, restored when it was deleted."""
        with self.db.write():
            found = experiments.find(self.db, name)
            if found is None:
                return experiments.create(self.db, name)
            if found.lifecycle_stage != "active":
                experiments.restore(self.db, found.id)
            return found.id

    def get_experiment(self, experiment_id: str) -> Experiment:
        return experiments.get(self.db, experiment_id)

    def find_experiment(self, name: str) -> Experiment | None:
        return experiments.find(self.db, name)

    def rename_experiment(self, experiment_id: str, name: str) -> None:
        experiments.rename(self.db, experiment_id, name)

    def set_experiment_tag(self, experiment_id: str, key: str, value: str) -> None:
        experiments.set_tag(self.db, experiment_id, key, value)

    def delete_experiment(self, experiment_id: str) -> None:
        experiments.delete(self.db, experiment_id)

    def restore_experiment(self, experiment_id: str) -> None:
        experiments.restore(self.db, experiment_id)

    def search_experiments(
        self,
        *,
        filter_text: str = "",
        view: str = "ACTIVE_ONLY",
        max_results: int = 1000,
        order_by: Sequence[str] = (),
        token: str = "",
    ) -> Page[Experiment]:
        return search.search_experiments(
            self.db, filter_text=filter_text, view=view, max_results=max_results, order_by=order_by, token=token
        )

    def experiment_activity(
        self, *, contains: str = "", name: str = "", is_deleted: bool = False, skip: int = 0, max_results: int = 100
    ) -> list[ExperimentActivity]:
        """Experiments with how much ran in them, the one that ran last first."""
        return experiments.activity(
            self.db, contains=contains, name=name, is_deleted=is_deleted, skip=skip, max_results=max_results
        )

    def create_run(
        self,
        experiment_id: str,
        *,
        run_name: str = "",
        tags: Mapping[str, str] | None = None,
        user_id: str = "",
        start_time: int | None = None,
        run_id: str = "",
    ) -> Run:
        """Begin a run, now unless *start_time* (ms) says otherwise; *run_id* is for one that had an id elsewhere.

        Raises: TrackingNotFound, TrackingInvalid.
        """
        return runs.create(
            self.db,
            experiment_id,
            name=run_name,
            user_id=user_id,
            start_time=now_ms() if start_time is None else start_time,
            tags=tuple((tags or {}).items()),
            run_id=run_id,
        )

    def get_run(self, run_id: str) -> Run:
        """Raises: TrackingNotFound."""
        return runs.get(self.db, run_id)

    def find_run(self, prefix: str) -> Run:
        """The run whose id begins with *prefix* (at least 4 digits) or is named so. Raises: RunNotFound."""
        return runs.get(self.db, self._run_id(prefix))

    def end_run(self, run_id: str, status: str = "FINISHED", *, end_time: int | None = None) -> Run:
        """*status* is FINISHED, FAILED or KILLED; the run's tokens end with it."""
        with self.db.write():
            tokens.revoke(self.db, run_id)
            return runs.update(self.db, run_id, status=status, end_time=now_ms() if end_time is None else end_time)

    def update_run(self, run_id: str, *, status: str = "", end_time: int | None = None, run_name: str = "") -> Run:
        return runs.update(self.db, run_id, status=status, end_time=end_time, name=run_name)

    def delete_run(self, run_id: str) -> None:
        runs.delete(self.db, run_id)

    def restore_run(self, run_id: str) -> None:
        runs.restore(self.db, run_id)

    def search_runs(
        self,
        experiment_ids: Sequence[str],
        *,
        filter_text: str = "",
        view: str = "ACTIVE_ONLY",
        max_results: int = 1000,
        order_by: Sequence[str] = (),
        token: str = "",
    ) -> Page[Run]:
        """Raises: TrackingInvalid."""
        return search.search_runs(
            self.db,
            experiment_ids,
            filter_text=filter_text,
            view=view,
            max_results=max_results,
            order_by=order_by,
            token=token,
        )

    def runs_tagged(self, key: str, value: str, *, experiment: str = "", max_results: int = 100) -> list[Run]:
        """The active runs whose tag *key* is *value*, the newest first; of one experiment when it is named."""
        return runs.tagged(self.db, key, value, experiment=experiment, max_results=max_results)

    def log_metric(self, run_id: str, key: str, value: float, *, step: int = 0, timestamp: int | None = None) -> None:
        """Raises: TrackingNotFound, TrackingInvalid."""
        metrics.log(self.db, run_id, (Metric(key, value, now_ms() if timestamp is None else timestamp, step),))

    def log_metrics(
        self, run_id: str, values: Mapping[str, float], *, step: int = 0, timestamp: int | None = None
    ) -> None:
        """Any number of them, in one transaction."""
        at = now_ms() if timestamp is None else timestamp
        metrics.log(self.db, run_id, [Metric(key, value, at, step) for key, value in values.items()])

    def log_batch(
        self,
        run_id: str,
        *,
        points: Sequence[Metric] = (),
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Up to MLflow's limits (1,000 points, 100 params, 100 tags), all or none."""
        metrics.log_batch(self.db, run_id, points, tuple((params or {}).items()), tuple((tags or {}).items()))

    def metric_history(self, run_id: str, key: str) -> tuple[Metric, ...]:
        """All points, by (timestamp, step, value)."""
        return metrics.history(self.db, run_id, key).items

    def log_param(self, run_id: str, key: str, value: str) -> None:
        """Raises: TrackingInvalid when it has another value already."""
        runs.log_param(self.db, run_id, key, value)

    def log_params(self, run_id: str, params: Mapping[str, str]) -> None:
        runs.log_params(self.db, run_id, tuple(params.items()))

    def set_tag(self, run_id: str, key: str, value: str) -> None:
        runs.set_tag(self.db, run_id, key, value)

    def set_tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        runs.set_tags(self.db, run_id, tuple(tags.items()))

    def delete_tag(self, run_id: str, key: str) -> None:
        runs.delete_tag(self.db, run_id, key)

    def log_inputs(self, run_id: str, datasets: Sequence[DatasetInput], models: Sequence[str] = ()) -> None:
        """Say what the run read: datasets, and logged models by id."""
        runs.log_inputs(self.db, run_id, datasets, models)

    def log_outputs(self, run_id: str, models: Sequence[ModelOutput]) -> None:
        """Say which logged models the run wrote."""
        runs.log_outputs(self.db, run_id, models)

    def find_logged_model(self, model_id: str) -> LoggedModel | None:
        """The logged model, deleted ones too, or None."""
        try:
            return logged_models.get(self.db, model_id, allow_deleted=True)
        except TrackingNotFound:
            return None

    def take_logged_model(
        self,
        experiment_id: str,
        model_id: str,
        *,
        name: str,
        model_type: str,
        source_run_id: str,
        status: int,
        tags: Mapping[str, str],
        params: Mapping[str, str],
        folder: str,
    ) -> None:
        """A logged model from elsewhere, with the files below *folder*. One that is here already is left alone."""
        if self.find_logged_model(model_id) is not None:
            return
        with self.db.write():
            model = logged_models.create(
                self.db,
                experiment_id,
                name=name,
                model_type=model_type,
                source_run_id=source_run_id,
                params=params,
                tags=tags,
                model_id=model_id,
            )
            logged_models.finalize(self.db, model_id, status)
            artifacts.put_tree(self.db, self.content, self._root_of(model.artifact_location), folder)

    def walk_model_artifacts(self, model: LoggedModel) -> list[tuple[str, Digest, int]]:
        """The files of a logged model, when they are here: relative path, digest, size in bytes."""
        return artifacts.walk(self.db, self._root_of(model.artifact_location))

    def open_model_artifact(self, model: LoggedModel, path: str) -> Reader:
        """A verified stream. Raises: ArtifactNotFound."""
        return artifacts.open_file(
            self.db, self.content, f"{self._root_of(model.artifact_location)}/{artifacts.check_path(path)}"
        )

    def log_artifact(self, run_id: str, path: str, data: bytes) -> None:
        """Store *data* as *path* among the run's artifacts. Raises: TrackingNotFound, TrackingInvalid."""
        artifacts.put_bytes(self.db, self.content, f"{self._artifact_root(run_id)}/{artifacts.check_path(path)}", data)

    def log_file(self, run_id: str, path: str, file: str) -> Digest:
        """Store the file *file* of this machine as *path*; returns its digest."""
        return artifacts.put_file(
            self.db, self.content, f"{self._artifact_root(run_id)}/{artifacts.check_path(path)}", file
        )

    def name_artifact(self, run_id: str, path: str, digest: Digest, size_bytes: int) -> None:
        """Give content that is stored already the name *path*. Raises: Unavailable when it is not."""
        root = self._artifact_root(run_id)
        artifacts.put(self.db, self.content, f"{root}/{artifacts.check_path(path)}", digest, size_bytes)

    def log_folder(self, run_id: str, path: str, folder: str) -> None:
        """Store every regular file below *folder* below *path* ("" for the run's root)."""
        artifacts.put_tree(self.db, self.content, f"{self._artifact_root(run_id)}/{artifacts.check_path(path)}", folder)

    def list_artifacts(self, run_id: str, path: str = "") -> list[FileInfo]:
        """What is directly below *path*; paths are relative to it."""
        return artifacts.listing(self.db, f"{self._artifact_root(run_id)}/{artifacts.check_path(path)}")

    def walk_artifacts(self, run_id: str, path: str = "") -> list[tuple[str, Digest, int]]:
        """All files below *path*: relative path, digest, size in bytes."""
        return artifacts.walk(self.db, f"{self._artifact_root(run_id)}/{artifacts.check_path(path)}")

    def open_artifact(self, run_id: str, path: str) -> Reader:
        """A verified stream. Raises: ArtifactNotFound."""
        return artifacts.open_file(self.db, self.content, f"{self._artifact_root(run_id)}/{artifacts.check_path(path)}")

    def read_artifact(self, run_id: str, path: str) -> bytes:
        """All of a small one. Raises: ArtifactNotFound."""
        with self.open_artifact(run_id, path) as reader:
            return reader.read()

    def create_registered_model(
        self, name: str, *, description: str = "", tags: Mapping[str, str] | None = None
    ) -> RegisteredModel:
        """Raises: TrackingExists, TrackingInvalid."""
        return registry.create_model(self.db, name, description=description, tags=tags)

    def ensure_registered_model(self, name: str) -> RegisteredModel:
        """The model *name*, made when it is not there."""
        with self.db.write():
            if self.db.one("SELECT 1 FROM registered_models WHERE name = ?", (name,)) is None:
                return registry.create_model(self.db, name)
            return registry.get_model(self.db, name)

    def get_registered_model(self, name: str) -> RegisteredModel:
        """Raises: TrackingNotFound."""
        return registry.get_model(self.db, name)

    def rename_registered_model(self, name: str, new_name: str) -> RegisteredModel:
        return registry.rename_model(self.db, name, new_name)

    def delete_registered_model(self, name: str, *, who: str, reason: str = "") -> None:
        registry.delete_model(self.db, name, who=who, reason=reason)

    def search_registered_models(
        self, *, filter_text: str = "", max_results: int = 100, order_by: Sequence[str] = (), token: str = ""
    ) -> Page[RegisteredModel]:
        return registry_search.search_models(
            self.db, filter_text=filter_text, max_results=max_results, order_by=order_by, token=token
        )

    def create_model_version(
        self,
        name: str,
        source: str,
        *,
        run_id: str = "",
        description: str = "",
        tags: Mapping[str, str] | None = None,
        user_id: str | None = None,
    ) -> ModelVersion:
        """Add a version; *source* is a URI (`mlflow-artifacts:/…`, `models:/…` or one of the caller's own)."""
        return registry.create_version(
            self.db, name, source, run_id=run_id, description=description, tags=tags, user_id=user_id
        )

    def get_model_version(self, name: str, version: int | str) -> ModelVersion:
        """Raises: TrackingNotFound."""
        return registry.get_version(self.db, name, version)

    def versions_of(self, name: str) -> list[ModelVersion]:
        """All versions of a model, newest first. Raises: TrackingNotFound."""
        return registry.versions_of(self.db, name)

    def versions_from(self, run_id: str) -> list[ModelVersion]:
        """The versions of any model that came from a run, by the model's name."""
        return registry.versions_from(self.db, run_id)

    def search_model_versions(
        self, *, filter_text: str = "", max_results: int = 10_000, order_by: Sequence[str] = (), token: str = ""
    ) -> Page[ModelVersion]:
        return registry_search.search_versions(
            self.db, filter_text=filter_text, max_results=max_results, order_by=order_by, token=token
        )

    def set_model_version_tag(self, name: str, version: int | str, key: str, value: str) -> None:
        registry.set_version_tag(self.db, name, version, key, value)

    def delete_model_version(self, name: str, version: int | str, *, who: str) -> None:
        registry.delete_version(self.db, name, version, who=who)

    def version_files(self, version: ModelVersion) -> list[tuple[str, Digest, int]]:
        """The files of a version whose source is among our artifacts: relative path, digest, size; else nothing."""
        root = version_files.path_of(self.db, version.storage_location)
        return artifacts.walk(self.db, root) if root else []

    def read_version_file(self, version: ModelVersion, path: str, limit_bytes: int) -> bytes:
        """A small file of a version, at most *limit_bytes* of it. Raises: ArtifactNotFound."""
        root = version_files.path_of(self.db, version.storage_location)
        if not root:
            raise ArtifactNotFound(path)
        name = f"{root}/{artifacts.check_path(path)}"
        with artifacts.open_file(self.db, self.content, name) as reader:
            return reader.read(limit_bytes)

    def set_gate(self, name: str, version: int | str, passed: bool, report: Sequence[Mapping[str, object]]) -> None:
        """Keep the verdict on a version; one that failed cannot become `production`."""
        aliases.set_gate(self.db, name, version, passed=passed, report=report)

    def alias(self, name: str, alias: str) -> ModelVersion | None:
        """The version that *alias* points at, or None; None too when there is no such model."""
        if self.db.one("SELECT 1 FROM registered_models WHERE name = ?", (name,)) is None:
            return None
        return aliases.version_of(self.db, name, alias)

    def set_alias(self, name: str, alias: str, version: int | str, *, who: str, reason: str = "") -> None:
        """Raises: GateFailed, TrackingNotFound, TrackingInvalid."""
        with audit.judged(self.db, who, "promote", f"{name} {version} {alias}"), self.db.write():
            aliases.set_alias(self.db, name, alias, version, who=who, reason=reason)
            audit.note(self.db, who, "promote", f"{name} {version} {alias}")

    def delete_alias(self, name: str, alias: str, *, who: str, reason: str = "") -> None:
        aliases.delete_alias(self.db, name, alias, who=who, reason=reason)

    def rollback(self, name: str, alias: str, *, who: str, reason: str = "") -> tuple[int, int]:
        """Point *alias* back at what it pointed at before; (from, to). Raises: TrackingNotFound."""
        with audit.judged(self.db, who, "rollback", f"{name} {alias}"), self.db.write():
            moved = aliases.rollback(self.db, name, alias, who=who, reason=reason)
            audit.note(self.db, who, "rollback", f"{name} {moved[0]} {moved[1]} {alias}")
            return moved

    def decide(self, name: str, version: int | str, verdict: str, *, who: str, reason: str = "") -> Approval:
        """Approve or reject a version. Raises: GateFailed, NotApproved, TrackingNotFound."""
        with audit.judged(self.db, who, verdict, f"{name} {version}"), self.db.write():
            said = approvals.decide(self.db, name, version, verdict, who=who, reason=reason)
            audit.note(self.db, who, verdict, f"{name} {version}")
            return said

    def approvals(self, name: str, version: int | str) -> list[Approval]:
        """All that was said of a version, oldest first."""
        return approvals.of_version(self.db, name, version)

    def require_approval(self, name: str, is_needed: bool) -> None:
        """Whether `production` is only for versions that somebody approved; nothing is written when it is so already."""
        if approvals.is_required(self.db, name) != is_needed:
            approvals.require(self.db, name, is_needed)

    def requires_approval(self, name: str) -> bool:
        return approvals.is_required(self.db, name)

    def alias_history(self, name: str, *, alias: str = "") -> list[AliasChange]:
        """Who moved which alias when and why, oldest first."""
        return aliases.history(self.db, name, alias=alias)

    def keep_environment(self, image: str, data: Mapping[str, Any]) -> None:
        """Keep what an image is made of; idempotent."""
        environments.keep(self.db, image, data)

    def environment(self, image: str) -> dict[str, Any] | None:
        """What is known of the image with this digest."""
        return environments.find(self.db, image)

    def issue_run_token(self, run_id: str, *, ttl_s: float = tokens.DEFAULT_TTL_S) -> str:
        """A token with which a container may write what belongs to this run (see `access`)."""
        return tokens.issue(self.db, run_id, ttl_s=ttl_s)

    def revoke_run_tokens(self, run_id: str) -> None:
        tokens.revoke(self.db, run_id)

    def issue_container_token(self, container: str, experiment: str, facts: Mapping[str, Any]) -> str:
        """A token for a container that begins runs of its own; each of them gets *facts*."""
        return container_tokens.issue(self.db, container, experiment, facts)

    def unsettled_containers(self) -> list[str]:
        """The marks of tracked containers that were not settled yet."""
        return container_tokens.containers(self.db)

    def settle_container(self, container: str, files: Mapping[str, bytes], tags: Mapping[str, str]) -> list[str]:
        """A tracked container has ended; gives the ids of its runs. Idempotent."""
        return container_tokens.settle(self.db, self.content, container, files, tags)

    def issue_key(self, name: str, *, role: str, project: str = "", ttl_s: float, who: str) -> tuple[str, Key]:
        """A token for a person or a program, and what is known of it. Raises: InvalidInput."""
        with self.db.write():
            token, key = keys.issue(self.db, name, role=role, project=project, ttl_s=ttl_s, who=who)
            audit.note(self.db, who, "token create", f"{key.id} {name} {role} {project}".strip())
            return token, key

    def all_keys(self) -> Sequence[Key]:
        """Those that have ended, too."""
        return keys.listed(self.db)

    def remove_key(self, wanted: str, *, who: str) -> Key:
        """By id or name. Raises: TrackingNotFound, InvalidInput."""
        with self.db.write():
            key = keys.remove(self.db, wanted)
            audit.note(self.db, who, "token rm", f"{key.id} {key.name}")
            return key

    def audit(self, *, last: int = 100, since: int = 0, who: str = "") -> list[AuditEntry]:
        """The last lines of the audit log, oldest first."""
        return audit.entries(self.db, last=last, since=since, who=who)

    def clean(
        self,
        *,
        older_than_s: float = 0,
        run_ids: Sequence[str] = (),
        with_orphans: bool = False,
        is_dry: bool = False,
        who: str,
    ) -> Cleaned:
        """Remove for good what was deleted; the content goes with `collect`."""
        return cleaning.clean(
            self.db, older_than_s=older_than_s, run_ids=run_ids, with_orphans=with_orphans, is_dry=is_dry, who=who
        )

    def collect(self, *, grace_s: float = artifacts.GRACE_S) -> tuple[int, int]:
        """Let go of artifact content that nothing names; how many blobs, and bytes that are freed already.

        The rest is freed by the engine's gc. In a folder of its own only what is older than *grace_s* goes.
        """
        return artifacts.collect(self.db, self.content, grace_s=grace_s)

    def check(self, damaged: Mapping[str, str] | None = None) -> list[tuple[str, str]]:
        """(path, what is wrong) of each artifact; reads all, or takes what was found *damaged* (digest → what is wrong)."""
        return list(artifacts.check(self.db, self.content, damaged))

    def _artifact_root(self, run_id: str) -> str:
        return self._root_of(runs.get(self.db, run_id).artifact_uri)

    def _root_of(self, uri: str) -> str:
        root = sources.artifact_path(uri)
        if root is None:
            from teul.errors import Unsupported, text

            raise Unsupported(text("artifacts at {uri} are kept elsewhere", uri=uri))
        return root

    def _run_id(self, prefix: str) -> str:
        rows = self.db.all(
            "SELECT id FROM runs WHERE id = ? OR (length(?) >= 4 AND id >= ? AND id < ?) LIMIT 2",
            (prefix, prefix, prefix, f"{prefix}g"),
        ) or self.db.all("SELECT id FROM runs WHERE name = ? ORDER BY start_time DESC LIMIT 1", (prefix,))
        if len(rows) != 1:
            raise RunNotFound(prefix)
        run_id: str = rows[0][0]
        return run_id
