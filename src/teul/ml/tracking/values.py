"""The records of the tracking store, with the words of MLflow's API. Must not do any IO.

Ids are strings, as on the wire; times are milliseconds since 1970; a metric's value may be NaN or infinite.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

ACTIVE = "active"
DELETED = "deleted"
RUN_STATUSES = {1: "RUNNING", 2: "SCHEDULED", 3: "FINISHED", 4: "FAILED", 5: "KILLED"}
MODEL_STATUSES = {
    0: "LOGGED_MODEL_STATUS_UNSPECIFIED",
    1: "LOGGED_MODEL_PENDING",
    2: "LOGGED_MODEL_READY",
    3: "LOGGED_MODEL_UPLOAD_FAILED",
}
VERSION_STATUSES = {1: "PENDING_REGISTRATION", 2: "FAILED_REGISTRATION", 3: "READY"}
VIEW_TYPES = {1: "ACTIVE_ONLY", 2: "DELETED_ONLY", 3: "ALL"}
STAGES = {"none": "None", "staging": "Staging", "production": "Production", "archived": "Archived"}

RUN_NAME_TAG = "mlflow.runName"
PARENT_RUN_TAG = "mlflow.parentRunId"
USER_TAG = "mlflow.user"
NOTE_TAG = "mlflow.note.content"
LOGGED_MODELS_TAG = "mlflow.log-model.history"
DATASET_CONTEXT_TAG = "mlflow.data.context"
PROMPT_TAG = "mlflow.prompt.is_prompt"
MODEL_VERSIONS_TAG = "mlflow.modelVersions"

PRODUCTION = "production"
"""The alias that serving follows; a version whose gate failed cannot have it."""


@dataclass(frozen=True, slots=True)
class Experiment:
    id: str
    name: str
    artifact_location: str
    lifecycle_stage: str
    creation_time: int
    last_update_time: int
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentActivity:
    """An experiment and how many active runs it has."""

    id: str
    name: str
    creation_time: int
    runs: int = 0
    running: int = 0
    failed: int = 0
    """FAILED or KILLED."""
    last_start: int | None = None


@dataclass(frozen=True, slots=True)
class Metric:
    """One point. The latest of a key is the greatest (step, timestamp, value)."""

    key: str
    value: float
    timestamp: int
    step: int = 0
    run_id: str = ""
    model_id: str = ""
    dataset_name: str = ""
    dataset_digest: str = ""


@dataclass(frozen=True, slots=True)
class DatasetInput:
    """A dataset that a run read; *tags* say how (`mlflow.data.context`: "train", "eval" …)."""

    name: str
    digest: str
    source_type: str
    source: str
    schema: str | None = None
    profile: str | None = None
    tags: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class ModelOutput:
    model_id: str
    step: int


@dataclass(frozen=True, slots=True)
class Run:
    """A run with the latest value of each of its metrics."""

    id: str
    experiment_id: str
    name: str
    user_id: str
    status: str
    start_time: int
    end_time: int | None
    artifact_uri: str
    lifecycle_stage: str
    metrics: tuple[Metric, ...] = ()
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    datasets: tuple[DatasetInput, ...] = ()
    model_inputs: tuple[str, ...] = ()
    model_outputs: tuple[ModelOutput, ...] = ()

    def metric(self, key: str) -> float | None:
        """The latest value of *key*, or None."""
        return next((metric.value for metric in self.metrics if metric.key == key), None)


@dataclass(frozen=True, slots=True)
class LoggedModel:
    """A model as a run wrote it (MLflow 3), before anybody registers it."""

    id: str
    experiment_id: str
    name: str
    artifact_location: str
    creation_time: int
    last_update_time: int
    status: int
    lifecycle_stage: str
    model_type: str | None = None
    source_run_id: str | None = None
    status_message: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    metrics: tuple[Metric, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One version of a registered model. *gate* is "", "passed" or "failed"."""

    name: str
    version: int
    creation_time: int
    last_update_time: int
    current_stage: str
    source: str
    storage_location: str
    run_id: str | None
    run_link: str | None
    description: str | None
    user_id: str | None
    model_id: str | None
    status: str
    status_message: str | None
    tags: Mapping[str, str] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    gate: str = ""
    gate_report: tuple[Mapping[str, object], ...] = ()
    approval: str = ""
    """"approved", "rejected", or "" when nobody has said anything."""


@dataclass(frozen=True, slots=True)
class Approval:
    """What somebody said of a version; *verdict* is "approved" or "rejected"."""

    number: int
    name: str
    version: int
    verdict: str
    who: str
    reason: str
    at: int


@dataclass(frozen=True, slots=True)
class RegisteredModel:
    name: str
    creation_time: int
    last_update_time: int
    description: str | None
    latest_versions: tuple[ModelVersion, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    aliases: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AliasChange:
    """A line of the append-only history of a model; *version* is None when the alias was taken away."""

    number: int
    name: str
    alias: str
    version: int | None
    previous: int | None
    who: str
    reason: str
    at: int
    gate: str = ""
    """The gate's verdict on the version at that moment, with its report, and who had approved it."""
    gate_report: tuple[Mapping[str, object], ...] = ()
    approved_by: str = ""


@dataclass(frozen=True, slots=True)
class FileInfo:
    """A name in an artifact folder; *path* is relative to what was asked for its parents."""

    path: str
    is_dir: bool
    size_bytes: int = 0


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A part of a search's answer; *token* is "" on the last page."""

    items: tuple[T, ...]
    token: str = ""
