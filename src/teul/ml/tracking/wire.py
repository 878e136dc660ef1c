"""MLflow's messages on the wire: requests read by a list of fields, values written as MLflow writes them.

The real thing is protobuf's JSON mapping: 64-bit numbers may come as strings, doubles as "NaN" or "Infinity", enums by
name or number, fields in snake or camel case, unknown fields are ignored. An absent string is the empty string. Must
not know routes or the store.

Spec: protobuf JSON mapping; reference/mlops.md Appendix B.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from teul.errors import TrackingInvalid
from teul.ml.tracking.values import (
    MODEL_STATUSES,
    Experiment,
    FileInfo,
    LoggedModel,
    Metric,
    ModelVersion,
    RegisteredModel,
    Run,
)

_SEE = " See the API docs for more information about request parameters."
_FLOATS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a request. *kind*: "string", "int", "double", "bool", "strings", "messages" or "enum"."""

    name: str
    kind: str = "string"
    is_required: bool = False
    names: Mapping[int, str] | None = None
    """Of an enum: number → name."""
    inner: tuple[Field, ...] = ()
    """Of messages: their fields; none are checked when empty."""
    most: int = 0
    """Of an integer: the greatest value; 0 for any."""
    camel: str = ""
    """The other spelling, when it differs."""

    def __post_init__(self) -> None:
        first, *rest = self.name.split("_")
        object.__setattr__(self, "camel", first + "".join(word.capitalize() for word in rest) if rest else "")


def string(name: str, *, required: bool = False) -> Field:
    return Field(name, "string", required)


def integer(name: str, *, required: bool = False, most: int = 0) -> Field:
    return Field(name, "int", required, most=most)


def strings(name: str) -> Field:
    return Field(name, "strings")


def messages(name: str, *inner: Field, required: bool = False) -> Field:
    return Field(name, "messages", required, inner=inner)


def enum(name: str, names: Mapping[int, str], *, required: bool = False) -> Field:
    return Field(name, "enum", required, names)


def read(fields: Sequence[Field], body: Mapping[str, Any]) -> dict[str, Any]:
    """What a JSON body says, checked; fields that are absent are absent.

    Raises:
        TrackingInvalid: a required field is missing or a value is of another type.
    """
    return _read(fields, body, "")


def _read(fields: Sequence[Field], body: Mapping[str, Any], path: str) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for field in fields:
        name = field.name
        value = body.get(name)
        if value is None and field.camel:
            value = body.get(field.camel)
        if value is None and name == "run_id":
            # What it was called before MLflow 1.0; the oldest clients still say so.
            value = body.get("run_uuid")
        if value is None or (value == "" and field.is_required):
            if field.is_required:
                raise TrackingInvalid(f"Missing value for required parameter '{path}{name}'.{_SEE}")
            continue
        try:
            made[name] = _convert(field, value, f"{path}{name}")
        except (ValueError, TypeError, OverflowError) as error:
            if isinstance(error, TrackingInvalid):
                raise
            shown = json.dumps(value, sort_keys=True, separators=(",", ":"))
            raise TrackingInvalid(
                f"Invalid value {shown} for parameter '{path}{name}' supplied:  Hint: Value was of type"
                f" '{type(value).__name__}'.{_SEE}"
            ) from error
    return made


def read_query(fields: Sequence[Field], query: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """What a query string says: every value is text, a repeated field may come several times."""
    body: dict[str, Any] = {}
    known = {field.name: field for field in fields}
    if "run_id" in known:
        known["run_uuid"] = known["run_id"]
    for name, value in query:
        field = known.get(name)
        if field is None:
            continue
        if field.kind == "strings":
            body.setdefault(name, []).append(value)
        elif field.kind == "bool":
            if value.lower() not in ("true", "false"):
                raise TrackingInvalid(f"Invalid boolean value: {value}, must be 'true' or 'false'.")
            body.setdefault(name, value.lower() == "true")
        elif field.kind == "enum" and value.lstrip("-").isdigit():
            body.setdefault(name, int(value))
        else:
            body.setdefault(name, value)
    return read(fields, body)


def number(value: object) -> float:
    """A double as JSON has it. Raises: ValueError, TypeError."""
    if isinstance(value, float | int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, str):
        found = _FLOATS.get(value)
        return float(value) if found is None else found
    raise TypeError(value)


def _convert(field: Field, value: Any, path: str) -> Any:
    kind = field.kind
    if kind == "string":
        if not isinstance(value, str):
            raise TypeError(value)
        return value
    if kind == "int":
        made = _integer(value)
        if field.most and made > field.most:
            raise ValueError(value)
        return made
    if kind == "double":
        return number(value)
    if kind == "bool":
        if not isinstance(value, bool):
            raise TypeError(value)
        return value
    if kind == "enum":
        assert field.names is not None
        if isinstance(value, int) and not isinstance(value, bool) and value in field.names:
            return field.names[value]
        if isinstance(value, str) and value in field.names.values():
            return value
        raise ValueError(value)
    if not isinstance(value, list):
        raise TypeError(value)
    if kind == "strings":
        if not all(isinstance(item, str) for item in value):
            raise TypeError(value)
        return value
    return [_message(field, item, f"{path}[{index}].") for index, item in enumerate(value)]


def _message(field: Field, item: Any, path: str) -> Any:
    if not isinstance(item, dict):
        raise TypeError(item)
    return _read(field.inner, item, path) if field.inner else item


def _integer(value: object) -> int:
    if isinstance(value, bool):
        raise TypeError(value)
    made = int(value) if isinstance(value, int | str) else _whole(value)
    if not -(2**63) <= made < 2**63:
        raise ValueError(value)
    return made


def _whole(value: object) -> int:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    raise TypeError(value)


def float_json(value: float) -> float | str:
    """JSON has no NaN and no infinity: they are strings."""
    if value - value == 0.0:
        return value
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"


def pairs_json(pairs: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in pairs.items()]


def metric_json(metric: Metric) -> dict[str, object]:
    made: dict[str, object] = {
        "key": metric.key,
        "value": float_json(metric.value),
        "timestamp": metric.timestamp,
        "step": metric.step,
    }
    for name in ("dataset_name", "dataset_digest", "model_id", "run_id"):
        value = getattr(metric, name)
        if value:
            made[name] = value
    return made


def experiment_json(experiment: Experiment) -> dict[str, object]:
    made: dict[str, object] = {
        "experiment_id": experiment.id,
        "name": experiment.name,
        "artifact_location": experiment.artifact_location,
        "lifecycle_stage": experiment.lifecycle_stage,
        "last_update_time": experiment.last_update_time,
        "creation_time": experiment.creation_time,
    }
    if experiment.tags:
        made["tags"] = pairs_json(experiment.tags)
    return made


def run_info_json(run: Run) -> dict[str, object]:
    made: dict[str, object] = {
        "run_id": run.id,
        "run_uuid": run.id,
        "run_name": run.name,
        "experiment_id": run.experiment_id,
        "user_id": run.user_id,
        "status": run.status,
        "start_time": run.start_time,
        "artifact_uri": run.artifact_uri,
        "lifecycle_stage": run.lifecycle_stage,
    }
    if run.end_time:
        made["end_time"] = run.end_time
    return made


def run_json(run: Run) -> dict[str, object]:
    data: dict[str, object] = {}
    if run.metrics:
        data["metrics"] = [metric_json(metric) for metric in run.metrics]
    if run.params:
        data["params"] = pairs_json(run.params)
    if run.tags:
        data["tags"] = pairs_json(run.tags)
    made: dict[str, object] = {"info": run_info_json(run), "data": data}
    inputs: dict[str, object] = {}
    if run.datasets:
        inputs["dataset_inputs"] = [
            {
                **({"tags": [{"key": key, "value": value} for key, value in item.tags]} if item.tags else {}),
                "dataset": {
                    "name": item.name,
                    "digest": item.digest,
                    "source_type": item.source_type,
                    "source": item.source,
                    **({} if item.schema is None else {"schema": item.schema}),
                    **({} if item.profile is None else {"profile": item.profile}),
                },
            }
            for item in run.datasets
        ]
    if run.model_inputs:
        inputs["model_inputs"] = [{"model_id": model} for model in run.model_inputs]
    made["inputs"] = inputs
    if run.model_outputs:
        made["outputs"] = {"model_outputs": [{"model_id": m.model_id, "step": m.step} for m in run.model_outputs]}
    return made


def logged_model_json(model: LoggedModel) -> dict[str, object]:
    info: dict[str, object] = {
        "model_id": model.id,
        "experiment_id": model.experiment_id,
        "name": model.name,
        "creation_timestamp_ms": model.creation_time,
        "last_updated_timestamp_ms": model.last_update_time,
        "artifact_uri": model.artifact_location,
        "status": MODEL_STATUSES[model.status],
    }
    for name, value in (
        ("model_type", model.model_type),
        ("source_run_id", model.source_run_id),
        ("status_message", model.status_message),
    ):
        if value is not None:
            info[name] = value
    if model.tags:
        info["tags"] = pairs_json(model.tags)
    data: dict[str, object] = {}
    if model.params:
        data["params"] = pairs_json(model.params)
    if model.metrics:
        data["metrics"] = [metric_json(metric) for metric in model.metrics]
    return {"info": info, "data": data}


def version_json(version: ModelVersion) -> dict[str, object]:
    made: dict[str, object] = {
        "name": version.name,
        "version": str(version.version),
        "creation_timestamp": version.creation_time,
        "last_updated_timestamp": version.last_update_time,
        "current_stage": version.current_stage,
        "source": version.source,
        "status": version.status,
    }
    for name, value in (
        ("user_id", version.user_id),
        ("description", version.description),
        ("run_id", version.run_id),
        ("run_link", version.run_link),
    ):
        if value is not None:
            made[name] = value
    if version.status_message:
        made["status_message"] = version.status_message
    if version.tags:
        made["tags"] = pairs_json(version.tags)
    if version.aliases:
        made["aliases"] = list(version.aliases)
    return made


def registered_model_json(model: RegisteredModel) -> dict[str, object]:
    made: dict[str, object] = {
        "name": model.name,
        "creation_timestamp": model.creation_time,
        "last_updated_timestamp": model.last_update_time,
    }
    if model.description:
        made["description"] = model.description
    if model.latest_versions:
        made["latest_versions"] = [version_json(version) for version in model.latest_versions]
    if model.tags:
        made["tags"] = pairs_json(model.tags)
    if model.aliases:
        made["aliases"] = [{"alias": alias, "version": str(version)} for alias, version in model.aliases.items()]
    return made


def file_json(info: FileInfo, folder: str = "") -> dict[str, object]:
    """A name in a listing, with *folder* before it."""
    made: dict[str, object] = {"path": f"{folder}/{info.path}" if folder else info.path, "is_dir": info.is_dir}
    if info.size_bytes:
        made["file_size"] = info.size_bytes
    return made
