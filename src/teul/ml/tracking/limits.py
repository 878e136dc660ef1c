"""MLflow's rules for names, lengths and counts, in MLflow's own words. Must not read the database.

The messages of this package are a part of MLflow's protocol (scripts and the client's tests look at them), so they
are plain English strings, not translated texts.

Source: MLflow 3.17, the answers of its server; reference/mlops.md Appendix B, "Limits to mirror".
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Mapping, Sequence

from teul.errors import TrackingInvalid

MAX_KEY = 250
MAX_PARAM_VALUE = 6000
MAX_TAG_VALUE = 8000
MAX_EXPERIMENT_NAME = 500
MAX_EXPERIMENT_TAG_VALUE = 20000
MAX_REGISTRY_TAG_VALUE = 100_000
MAX_ALIAS = 255
MAX_ARTIFACT_LOCATION = 2048
MAX_METRICS_PER_BATCH = 1000
MAX_PARAMS_PER_BATCH = 100
MAX_TAGS_PER_BATCH = 100
MAX_ENTITIES_PER_BATCH = 1000
MAX_BATCH_BYTES = 1_000_000
MAX_SEARCH_RESULTS = 50_000
MAX_REGISTERED_MODEL_RESULTS = 1000
MAX_VERSION_RESULTS = 200_000
MAX_DATASET = {"name": 500, "digest": 36, "source": 65535, "schema": 1048575, "profile": 16777215}
MAX_INPUT_TAG_KEY = 255
MAX_INPUT_TAG_VALUE = 500

_KEY = re.compile(r"[/\w.\- :]*")
_RUN_ID = re.compile(r"[a-zA-Z0-9][\w\-]{0,255}")
_ALIAS = re.compile(r"[\w\-]*")
_VERSION_ALIAS = re.compile(r"[vV]\d+")
_BAD_KEY = (
    "Names may only contain alphanumerics, underscores (_), dashes (-), periods (.), spaces ( ), colon(:) and slashes"
    " (/)."
)


def invalid_value(path: str, value: object, message: str = "") -> TrackingInvalid:
    """`Invalid value … for parameter '…' supplied`, as MLflow says it."""
    shown = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return TrackingInvalid(
        f"Invalid value {shown} for parameter '{path}' supplied" + (f": {message}" if message else ".")
    )


def missing_value(path: str) -> TrackingInvalid:
    return TrackingInvalid(f"Missing value for required parameter '{path}'.")


def check_length(what: str, limit: int, value: str) -> None:
    if len(value) > limit:
        raise TrackingInvalid(f"'{what}' exceeds the maximum length of {limit} characters")


def check_key(key: str, path: str) -> None:
    """A name of a metric, param or tag: Unicode letters are fine, a path that resolves to another one is not."""
    if _KEY.fullmatch(key) is None:
        raise invalid_value(path, key, _BAD_KEY)
    normal = posixpath.normpath(key)
    if normal != key or normal == "." or normal.startswith(("..", "/")):
        raise invalid_value(
            path,
            key,
            "Names may be treated as files in certain cases, and must not resolve to other names when treated as such."
            f" This name would resolve to {normal!r}",
        )


def check_metric(key: str, value: float, timestamp: int, path: str = "") -> None:
    """Refuse a metric that MLflow refuses; *path* is its place in a batch, with a final dot."""
    check_key(key, f"{path}name")
    if timestamp < 0:
        raise invalid_value(
            f"{path}timestamp",
            timestamp,
            f"metric '{key}' (value={value}). Timestamp must be a nonnegative long (64-bit integer) ",
        )
    if len(key) > MAX_KEY:
        check_length("Metric name", MAX_KEY, key)


def check_param(key: str, value: str, path: str = "") -> str:
    """Returns the value, cut to `MAX_PARAM_VALUE` as MLflow's server does it."""
    if key == "":
        raise invalid_value(f"{path}key", "", "A key name must be provided.")
    check_key(key, f"{path}key")
    check_length("Param key", MAX_KEY, key)
    return value[:MAX_PARAM_VALUE]


def check_tag(key: str, value: str, path: str = "") -> str:
    """Returns the value, cut to `MAX_TAG_VALUE`."""
    check_key(key, f"{path}key")
    check_length(f"{path}key", MAX_KEY, key)
    return value[:MAX_TAG_VALUE]


def check_experiment_tag(key: str, value: str) -> None:
    check_key(key, "key")
    check_length("key", MAX_KEY, key)
    check_length("value", MAX_EXPERIMENT_TAG_VALUE, value)


def check_registry_tag(key: str, value: str) -> None:
    check_key(key, "key")
    check_length("key", MAX_KEY, key)
    check_length("value", MAX_REGISTRY_TAG_VALUE, value)


def check_run_id(run_id: str) -> None:
    if _RUN_ID.fullmatch(run_id) is None:
        raise invalid_value("run_id", run_id)


def parse_experiment_id(experiment_id: str) -> int:
    try:
        number = int(experiment_id)
    except ValueError:
        number = -1
    if not 0 <= number < 2**63:
        raise TrackingInvalid(f"Invalid experiment ID '{experiment_id}'. Experiment ID must be a valid integer.")
    return number


def check_experiment_name(name: str) -> None:
    if not name:
        raise TrackingInvalid(f"Invalid experiment name: '{name}'")
    check_length("name", MAX_EXPERIMENT_NAME, name)


def check_model_name(name: str, parameter: str = "name") -> None:
    if not name.strip():
        raise missing_value(parameter)
    if "/" in name or ":" in name:
        raise TrackingInvalid(f"Invalid model name '{name}'. Names cannot contain '/' or ':'.")
    normal = posixpath.normpath(name)
    if normal != name or normal == "." or normal.startswith(".."):
        raise invalid_value(
            "name",
            name,
            "Names may be treated as files in certain cases, and must not resolve to other names when treated as such."
            f" This name would resolve to {normal!r}",
        )
    check_length("name", MAX_KEY + 6, name)


def check_logged_model_name(name: str) -> None:
    bad = ("/", ":", ".", "%", '"', "'")
    if not name or any(character in name for character in bad):
        raise TrackingInvalid(
            f"Invalid model name ({name!r}) provided. Model name must be a non-empty string and cannot contain the"
            f" following characters: {bad}"
        )


def parse_version(version: str | int) -> int:
    try:
        number = int(version)
    except ValueError:
        number = -1
    if number < 0:
        raise TrackingInvalid(f"Parameter 'version' must be an integer, got '{version}'.")
    return number


def check_alias(alias: str, *, reserved: bool = True) -> None:
    """With *reserved*, also refuse the names that MLflow keeps (`latest`, `v1` …)."""
    if not alias:
        raise TrackingInvalid("Registered model alias name cannot be empty.")
    if _ALIAS.fullmatch(alias) is None:
        raise TrackingInvalid(
            f"Invalid alias name: '{alias}'. Names may only contain alphanumerics, underscores (_), and dashes (-)."
        )
    check_length("Registered model alias name", MAX_ALIAS, alias)
    if reserved and alias.lower() == "latest":
        raise TrackingInvalid("'latest' alias name (case insensitive) is reserved.")
    if reserved and _VERSION_ALIAS.fullmatch(alias):
        raise TrackingInvalid(f"Version alias name '{alias}' is reserved.")


def check_batch(metrics: int, params: int, tags: int) -> None:
    """How many of each one call may carry."""
    for what, limit, length in (
        ("metrics", MAX_METRICS_PER_BATCH, metrics),
        ("params", MAX_PARAMS_PER_BATCH, params),
        ("tags", MAX_TAGS_PER_BATCH, tags),
        ("metrics, params, and tags", MAX_ENTITIES_PER_BATCH, metrics + params + tags),
    ):
        if length > limit:
            raise TrackingInvalid(
                f"A batch logging request can contain at most {limit} {what}. Got {length} {what}. Please split up"
                f" {what} across multiple requests and try again."
            )


def check_unique_params(params: Sequence[tuple[str, str]]) -> None:
    seen: set[str] = set()
    again = [key for key, _ in params if key in seen or seen.add(key)]  # type: ignore[func-returns-value]
    if again:
        raise TrackingInvalid(
            f"Duplicate parameter keys have been submitted: {again}. Please ensure the request contains only one param"
            " value per param key."
        )


def check_dataset(fields: Mapping[str, str | None], tags: Sequence[tuple[str, str]]) -> None:
    for name, limit in MAX_DATASET.items():
        value = fields.get(name)
        if value is not None:
            check_length(name, limit, value)
    for key, value in tags:
        check_length("key", MAX_INPUT_TAG_KEY, key)
        check_length("value", MAX_INPUT_TAG_VALUE, value)
