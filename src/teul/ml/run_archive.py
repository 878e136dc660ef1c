"""Runs as one portable file: a tar of MLflow's own folder layout, with all that belongs to the runs.

Unpacked anywhere it is a `mlruns` folder that MLflow's file store reads (`--backend-store-uri ./mlruns` beside it); such a folder, or a tar of one, is imported
too, whoever made it. What teul knows besides (packages of the images) lies in a folder of its own, `teul/`.

An archive is input from outside: names that lead out of it are refused, links and devices are passed over, and every
file that comes with a digest is checked. Source: MLflow 2.22 and 3, layout of the file store
(`<experiment>/<run>/{meta.yaml,metrics,params,tags,artifacts,inputs,outputs}`, `<experiment>/{datasets,models}`).
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import posixpath
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from teul.errors import MalformedArchive, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO

    from teul.content import Reader
    from teul.ml.tracking import TrackingStore
    from teul.ml.tracking.values import LoggedModel, Run

ROOT = "mlruns"
FIRST_FILE, LAST_FILE = "teul/export.json", "teul/whole.json"
"""A tar that was cut between two files looks whole: one that has the first of these must have the last."""
STATUSES = {"RUNNING": 1, "SCHEDULED": 2, "FINISHED": 3, "FAILED": 4, "KILLED": 5}
SOURCE_TYPES = {"NOTEBOOK": 1, "JOB": 2, "PROJECT": 3, "LOCAL": 4}


@dataclass(frozen=True, slots=True)
class Imported:
    """One run as it came in; *is_new* is False for one that was here already."""

    run_id: str
    name: str
    experiment: str
    is_new: bool


def export(tracking: TrackingStore, run_ids: Sequence[str], out: BinaryIO) -> int:
    """Write the runs *run_ids* to *out* as an uncompressed tar; returns how many bytes their artifacts have.

    The same runs give the same bytes.
    """
    writer = _Writer(tracking, out, run_ids)
    for run_id in run_ids:
        writer.add(tracking.get_run(run_id))
    return writer.finish()


class _Writer:
    def __init__(self, tracking: TrackingStore, out: BinaryIO, run_ids: Sequence[str]) -> None:
        self._tracking = tracking
        self._run_ids = list(run_ids)
        self._tar = tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT)
        self._known: set[str] = set()
        self._size_bytes = 0
        self._yaml(FIRST_FILE, {"runs": self._run_ids})

    def add(self, run: Run) -> None:
        from teul.ml.tracking.sources import artifact_path

        experiment = self._experiment(run.experiment_id)
        root = f"{experiment}/{run.id}"
        self._yaml(
            f"{root}/meta.yaml",
            {
                "artifact_uri": f"{root}/artifacts",
                "end_time": run.end_time,
                "entry_point_name": run.tags.get("mlflow.project.entryPoint", ""),
                "experiment_id": run.experiment_id,
                "lifecycle_stage": run.lifecycle_stage,
                "run_id": run.id,
                "run_name": run.name,
                "run_uuid": run.id,
                "source_name": run.tags.get("mlflow.source.name", ""),
                "source_type": SOURCE_TYPES.get(run.tags.get("mlflow.source.type", ""), 4),
                "source_version": run.tags.get("mlflow.source.git.commit", ""),
                "start_time": run.start_time,
                "status": STATUSES.get(run.status, 1),
                "tags": [],
                "user_id": run.user_id,
            },
        )
        for kind, values in (("params", run.params), ("tags", run.tags)):
            for key, value in sorted(values.items()):
                self._file(f"{root}/{kind}/{key}", value.encode())
        for metric in sorted(run.metrics, key=lambda item: item.key):
            lines = [
                f"{point.timestamp} {point.value!r} {point.step}\n"
                for point in self._tracking.metric_history(run.id, metric.key)
            ]
            self._file(f"{root}/metrics/{metric.key}", "".join(lines).encode())
        for dataset in run.datasets:
            number = hashlib.md5(f"{dataset.name}{dataset.digest}".encode(), usedforsecurity=False).hexdigest()
            meta = {
                name: getattr(dataset, name)
                for name in ("name", "digest", "source_type", "source", "schema", "profile")
            }
            self._once(f"{experiment}/datasets/{number}/meta.yaml", meta)
            link = {
                "source_type": "DATASET",
                "source_id": number,
                "destination_type": "RUN",
                "destination_id": run.id,
                "tags": dict(dataset.tags),
            }
            self._yaml(f"{root}/inputs/{number}/meta.yaml", link)
        for model_id in dict.fromkeys((*run.model_inputs, *(output.model_id for output in run.model_outputs))):
            self._model(experiment, model_id)
        for model_id in run.model_inputs:
            self._link(f"{root}/inputs/{model_id}", run.id, model_id, "INPUT", {})
        for output in run.model_outputs:
            self._link(f"{root}/outputs/{output.model_id}", run.id, output.model_id, "OUTPUT", {"step": output.step})
        if artifact_path(run.artifact_uri) is not None:
            for path, _, size_bytes in self._tracking.walk_artifacts(run.id):
                with self._tracking.open_artifact(run.id, path) as reader:
                    self._stream(f"{root}/artifacts/{path}", reader, size_bytes)
        image = run.tags.get("teul.image", "")
        environment = self._tracking.environment(image) if image else None
        if environment is not None:
            self._once(f"teul/environments/{image.removeprefix('sha256:')}.json", environment)

    def finish(self) -> int:
        self._yaml(LAST_FILE, {"runs": self._run_ids})
        self._tar.close()
        return self._size_bytes

    def _experiment(self, experiment_id: str) -> str:
        found = self._tracking.get_experiment(experiment_id)
        folder = f"{ROOT}/{found.id}"
        self._once(
            f"{folder}/meta.yaml",
            {
                "artifact_location": folder,
                "creation_time": found.creation_time,
                "experiment_id": found.id,
                "last_update_time": found.last_update_time,
                "lifecycle_stage": found.lifecycle_stage,
                "name": found.name,
            },
        )
        if f"{folder}/tags" not in self._known:
            self._known.add(f"{folder}/tags")
            for key, value in sorted(found.tags.items()):
                self._file(f"{folder}/tags/{key}", value.encode())
        return folder

    def _model(self, experiment: str, model_id: str) -> None:
        model = self._tracking.find_logged_model(model_id)
        folder = f"{experiment}/models/{model_id}"
        if model is None or folder in self._known:
            return
        self._known.add(folder)
        self._yaml(f"{folder}/meta.yaml", _model_meta(model))
        for kind, values in (("tags", model.tags), ("params", model.params)):
            for key, value in sorted(values.items()):
                self._file(f"{folder}/{kind}/{key}", value.encode())
        for path, _, size_bytes in self._tracking.walk_model_artifacts(model):
            with self._tracking.open_model_artifact(model, path) as reader:
                self._stream(f"{folder}/artifacts/{path}", reader, size_bytes)

    def _link(self, folder: str, run_id: str, model_id: str, direction: str, more: Mapping[str, object]) -> None:
        ends = {
            "INPUT": ("RUN_INPUT", run_id, "MODEL_INPUT", model_id),
            "OUTPUT": ("RUN_OUTPUT", run_id, "MODEL_OUTPUT", model_id),
        }
        kind, source, other, target = ends[direction]
        meta = {
            "source_type": kind,
            "source_id": source,
            "destination_type": other,
            "destination_id": target,
            "tags": {},
        }
        self._yaml(f"{folder}/meta.yaml", {**meta, **more})

    def _once(self, path: str, value: Mapping[str, Any]) -> None:
        if path not in self._known:
            self._known.add(path)
            self._yaml(path, value)

    def _yaml(self, path: str, value: Mapping[str, Any]) -> None:
        # JSON is YAML, and every reader of YAML reads it. Spec: YAML 1.2.2, section 1.2.
        self._file(path, json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True).encode() + b"\n")

    def _file(self, path: str, data: bytes) -> None:
        self._stream(path, io.BytesIO(data), len(data))

    def _stream(self, path: str, reader: Reader | io.BytesIO, size_bytes: int) -> None:
        member = tarfile.TarInfo(path)
        member.size, member.mode = size_bytes, 0o644
        self._tar.addfile(member, reader)
        self._size_bytes += size_bytes if "/artifacts/" in path else 0


def _model_meta(model: LoggedModel) -> dict[str, object]:
    return {
        "experiment_id": model.experiment_id,
        "model_id": model.id,
        "name": model.name,
        "artifact_location": f"{ROOT}/{model.experiment_id}/models/{model.id}/artifacts",
        "creation_timestamp": model.creation_time,
        "last_updated_timestamp": model.last_update_time,
        "status": model.status,
        "model_type": model.model_type,
        "source_run_id": model.source_run_id,
        "status_message": model.status_message,
        "lifecycle_stage": model.lifecycle_stage,
        "tags": [],
    }


def import_tar(tracking: TrackingStore, stream: BinaryIO, scratch: str) -> list[Imported]:
    """Take in the runs of a tar (plain or compressed); *scratch* is an empty folder for it to be unpacked into.

    Raises:
        MalformedArchive: no tar, a name that leads out of it, or no run in it.
    """
    try:
        with tarfile.open(fileobj=stream, mode="r|*") as tar:
            for member in tar:
                if not member.isreg():
                    continue
                path = f"{scratch}/{_inside(member.name)}"
                os.makedirs(os.path.dirname(path), exist_ok=True)
                source = tar.extractfile(member)
                assert source is not None
                with open(path, "wb") as file:
                    while data := source.read(1 << 20):
                        file.write(data)
                    if file.tell() != member.size:
                        raise EOFError(f"`{member.name}` ends early")
    except (tarfile.TarError, EOFError, NotADirectoryError, IsADirectoryError, OverflowError) as error:
        raise MalformedArchive(text("the archive cannot be read: {problem}", problem=error)) from error
    if os.path.exists(f"{scratch}/{FIRST_FILE}") and not os.path.exists(f"{scratch}/{LAST_FILE}"):
        raise MalformedArchive(text("the archive ends early"))
    return import_folder(tracking, scratch)


def _inside(name: str) -> str:
    plain = posixpath.normpath(name)
    if name.startswith("/") or "\0" in name or plain in ("..", ".") or plain.startswith("../"):
        raise MalformedArchive(text("the archive has a file `{name}` that leads out of it", name=name))
    return plain


def import_folder(tracking: TrackingStore, folder: str) -> list[Imported]:
    """Take in the runs of an `mlruns` folder, or of a folder with one in it. A run that is here already is left alone.

    Raises:
        MalformedArchive: there is no run in it, or what is written of one cannot be read.
    """
    root = f"{folder}/{ROOT}" if os.path.isdir(f"{folder}/{ROOT}") else folder
    made = []
    for experiment in _folders(root):
        if not os.path.isfile(f"{root}/{experiment}/meta.yaml"):
            continue
        name = str(_meta(f"{root}/{experiment}")["name"])
        for run_id in _folders(f"{root}/{experiment}"):
            path = f"{root}/{experiment}/{run_id}"
            if os.path.isfile(f"{path}/meta.yaml") and run_id not in ("models", "datasets", "traces", "tags"):
                made.append(_Reader(tracking, f"{root}/{experiment}", name).take(run_id))
    if not made:
        raise MalformedArchive(text("`{path}`: no run was found in it", path=folder))
    environments = f"{folder}/teul/environments"
    for file in _files(environments):
        data = _load(f"{environments}/{file}")
        if "sha256:" + file.removesuffix(".json") == data.get("image"):
            tracking.keep_environment(str(data["image"]), data)
    return made


class _Reader:
    """Reads the runs of one experiment's folder."""

    def __init__(self, tracking: TrackingStore, folder: str, name: str) -> None:
        self._tracking = tracking
        self._folder = folder
        self._name = name

    def take(self, run_id: str) -> Imported:
        from teul.errors import TrackingNotFound
        from teul.ml.tracking.values import Metric

        tracking, root = self._tracking, f"{self._folder}/{run_id}"
        meta = _meta(root)
        name = str(meta.get("run_name") or "")
        try:
            there = tracking.get_run(run_id)
            return Imported(there.id, there.name, tracking.get_experiment(there.experiment_id).name, False)
        except TrackingNotFound:
            pass
        experiment_id = tracking.ensure_experiment(self._name)
        with tracking.db.write():
            run = tracking.create_run(
                experiment_id,
                run_id=run_id,
                run_name=name,
                user_id=str(meta.get("user_id") or ""),
                start_time=int(meta.get("start_time") or 0),
                tags={key: _text(f"{root}/tags/{key}") for key in _files(f"{root}/tags")},
            )
            tracking.log_params(run.id, {key: _text(f"{root}/params/{key}") for key in _files(f"{root}/params")})
            for key in _files(f"{root}/metrics"):
                points = []
                for line in _text(f"{root}/metrics/{key}").splitlines():
                    words = line.split()
                    if len(words) >= 2:
                        step = int(words[2]) if len(words) > 2 else 0
                        points.append(Metric(key, float(words[1]), int(words[0]), step))
                for start in range(0, len(points), 1000):
                    tracking.log_batch(run.id, points=points[start : start + 1000])
            self._take_links(run.id, root)
            tracking.log_folder(run.id, "", f"{root}/artifacts")
            status = meta.get("status", 1)
            known = {number: word for word, number in STATUSES.items()}
            tracking.update_run(
                run.id,
                status=status if isinstance(status, str) else known.get(status, "KILLED"),
                end_time=int(meta["end_time"]) if meta.get("end_time") else None,
            )
            if meta.get("lifecycle_stage") == "deleted":
                tracking.delete_run(run.id)
        return Imported(run.id, run.name, self._name, True)

    def _take_links(self, run_id: str, root: str) -> None:
        """Datasets and logged models that the run read or wrote."""
        from teul.ml.tracking.values import DatasetInput, ModelOutput

        datasets, models = [], []
        for item in _folders(f"{root}/inputs"):
            link = _meta(f"{root}/inputs/{item}")
            target = str(link.get("source_id") if link.get("source_type") == "DATASET" else link.get("destination_id"))
            if link.get("source_type") == "DATASET" and os.path.isfile(f"{self._folder}/datasets/{target}/meta.yaml"):
                data = _meta(f"{self._folder}/datasets/{target}")
                tags = tuple((str(key), str(value)) for key, value in dict(link.get("tags") or {}).items())
                fields = {name: data.get(name) for name in ("schema", "profile")}
                datasets.append(
                    DatasetInput(
                        str(data["name"]), str(data["digest"]), str(data["source_type"]), str(data["source"]),
                        tags=tags, **fields,
                    )
                )  # fmt: skip
            elif self._take_model(target):
                models.append(target)
        if datasets or models:
            self._tracking.log_inputs(run_id, datasets, models)
        outputs = []
        for item in _folders(f"{root}/outputs"):
            link = _meta(f"{root}/outputs/{item}")
            target = str(link.get("destination_id"))
            if self._take_model(target):
                outputs.append(ModelOutput(target, int(link.get("step") or 0)))
        if outputs:
            self._tracking.log_outputs(run_id, outputs)

    def _take_model(self, model_id: str) -> bool:
        root = f"{self._folder}/models/{model_id}"
        if not os.path.isfile(f"{root}/meta.yaml"):
            return False
        meta = _meta(root)
        self._tracking.take_logged_model(
            self._tracking.ensure_experiment(self._name),
            model_id,
            name=str(meta["name"]),
            model_type=str(meta.get("model_type") or ""),
            source_run_id=str(meta.get("source_run_id") or ""),
            status=int(meta.get("status") or 2),
            tags={key: _text(f"{root}/tags/{key}") for key in _files(f"{root}/tags")},
            params={key: _text(f"{root}/params/{key}") for key in _files(f"{root}/params")},
            folder=f"{root}/artifacts",
        )
        return True


def _folders(path: str) -> list[str]:
    try:
        with os.scandir(path) as found:
            return sorted(entry.name for entry in found if entry.is_dir(follow_symlinks=False))
    except FileNotFoundError:
        return []


def _files(path: str) -> list[str]:
    """Relative paths of the regular files below *path*: a key with a slash in it is a path."""
    return sorted(_walk(path))


def _walk(path: str) -> Iterator[str]:
    for where, _, names in os.walk(path):
        for name in names:
            file = f"{where}/{name}"
            if os.path.isfile(file) and not os.path.islink(file):
                yield os.path.relpath(file, path)


def _text(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace", newline="") as file:
        return file.read()


def _meta(folder: str) -> dict[str, Any]:
    return _load(f"{folder}/meta.yaml")


def _load(path: str) -> dict[str, Any]:
    import yaml

    try:
        if os.path.islink(path):
            raise ValueError("a link")
        value = yaml.safe_load(_text(path))
        if not isinstance(value, dict):
            raise ValueError("expected a mapping")
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise MalformedArchive(text("`{path}`: {problem}", path=os.path.basename(path), problem=error)) from error
    return value
