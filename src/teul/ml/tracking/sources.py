"""Where a model version's files may come from: URIs parsed and checked. Must not read files.

A source that names this server's artifacts must lie below the run or the logged model that the caller names, so that
nobody registers what is not theirs; a path on the server's disk is never one.

Source: the answers of MLflow 3.17's server to `model-versions/create`.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from urllib.parse import unquote, unquote_plus, urlsplit

from teul.errors import TrackingInvalid

_MODEL_ID = re.compile(r"m-[0-9a-zA-Z]+")


@dataclass(frozen=True, slots=True)
class ModelsUri:
    """`models:/<model id>`, `models:/<name>/<version>` or `models:/<name>@<alias>`."""

    model_id: str = ""
    name: str = ""
    version: str = ""
    alias: str = ""


def parse_models_uri(uri: str) -> ModelsUri | None:
    """None when *uri* is no `models:` URI.

    Raises:
        TrackingInvalid: it is one, of no form that is known.
    """
    parts = urlsplit(uri)
    if parts.scheme != "models":
        return None
    path = parts.path.lstrip("/")
    if parts.netloc:
        raise TrackingInvalid(
            f"Invalid model version source: '{uri}'. Registered model sources must use the active model registry."
        )
    if _MODEL_ID.fullmatch(path):
        return ModelsUri(model_id=path)
    name, at, alias = path.partition("@")
    if at and name and alias and "/" not in path:
        return ModelsUri(name=name, alias=alias)
    name, slash, version = path.partition("/")
    if slash and name and version and "/" not in version:
        return ModelsUri(name=name, version=version)
    raise TrackingInvalid(f"Invalid model version source: '{uri}'. {_must_identify('model_id')}")


def parse_runs_uri(uri: str) -> tuple[str, str]:
    """The run and the path below its artifacts that a `runs:/<run>/<path>` means; two times "" for any other URI."""
    parts = urlsplit(uri)
    if parts.scheme != "runs":
        return "", ""
    run_id, _, path = parts.path.strip("/").partition("/")
    return run_id, unquote(path)


def check_source(source: str, *, run_id: str, run_artifacts: str, model_id: str, model_artifacts: str) -> None:
    """Refuse a source that the caller has no business with.

    Args:
        run_id: as the caller gave it; *run_artifacts* is the artifact URI of that run, "" when there is none.
        model_id: as the caller gave it; *model_artifacts* likewise.

    Raises:
        TrackingInvalid: a local path, a path with `..`, or one outside of what the ids name.
    """
    owner, root = ("model_id", model_artifacts) if model_id else ("run_id", run_artifacts)
    parts = urlsplit(source)
    if parts.scheme in ("", "file"):
        if (
            root
            and urlsplit(root).scheme in ("", "file")
            and _is_within(source, root)
            and ".." not in source.split("/")
        ):
            return
        raise TrackingInvalid(
            f"Invalid model version source: '{source}'. To use a local path as a model version source, the {owner}"
            " request parameter has to be specified and the local path has to be contained within the artifact"
            f" directory of the run specified by the {owner}."
        )
    _check_no_relative_parts(source)
    if parts.scheme == "runs":
        if not model_id and not parts.netloc and run_id and parts.path.lstrip("/").split("/")[0] == run_id:
            return
        raise TrackingInvalid(f"Invalid model version source: '{source}'. {_must_identify(owner)}")
    if parts.scheme == "models":
        linked = parse_models_uri(source)
        if linked is not None and linked.model_id and linked.model_id != model_id:
            raise TrackingInvalid(f"Invalid model version source: '{source}'. {_must_identify('model_id')}")
        return
    if is_served_artifact(source) and not (root and _is_within(source, root)):
        raise TrackingInvalid(f"Invalid model version source: '{source}'. {_must_identify(owner)}")


def is_served_artifact(uri: str) -> bool:
    """Whether *uri* is answered by an MLflow artifact proxy."""
    scheme, _, path = _parts(uri)
    route = ("api", "2.0", "mlflow-artifacts", "artifacts")
    return scheme == "mlflow-artifacts" or (
        scheme in ("http", "https") and any(path[i : i + 4] == route for i in range(len(path) - 3))
    )


def artifact_path(uri: str) -> str | None:
    """The path in our artifact tree that an `mlflow-artifacts:` URI means, or None for any other."""
    parts = urlsplit(uri)
    return unquote(parts.path).strip("/") if parts.scheme == "mlflow-artifacts" else None


def _must_identify(owner: str) -> str:
    return f"The {owner} request parameter must identify the resource that contains the source."


def _check_no_relative_parts(source: str) -> None:
    plain = source
    while (once := unquote_plus(plain)) != plain:
        plain = once
    path = re.sub(r"/+", "/", urlsplit(plain).path.rstrip("/"))
    if "\0" in plain or ".." in plain.split("/") or posixpath.normpath(path or "/") != (path or "/"):
        raise TrackingInvalid(
            f"Invalid model version source: '{source}'. If supplying a source as an http, https, local file path, ftp,"
            " objectstore, or mlflow-artifacts uri, an absolute path must be provided without relative path references"
            " present. Please provide an absolute path."
        )


def _parts(uri: str) -> tuple[str, str, tuple[str, ...]]:
    parts = urlsplit(uri)
    names = []
    for name in parts.path.split("/"):
        while (once := unquote(name)) != name:
            name = once
        if name:
            names.append(name)
    return parts.scheme.lower(), parts.netloc.lower(), tuple(names)


def _is_within(source: str, root: str) -> bool:
    scheme, host, path = _parts(source)
    root_scheme, root_host, root_path = _parts(root)
    return (scheme, host) == (root_scheme, root_host) and bool(root_path) and path[: len(root_path)] == root_path
