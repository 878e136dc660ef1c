"""A tracker that speaks MLflow's REST API to a server: what `TrackerSuite` asks for, over HTTP."""

import http.client
import json
import urllib.parse

from teul.errors import AlreadyExists, Conflict, Forbidden, InvalidInput, NotFound, TeulError, Unauthorized
from teul.ml.tracking.values import Experiment, FileInfo, Metric, ModelVersion, Page, RegisteredModel, Run

ERRORS = {
    "RESOURCE_DOES_NOT_EXIST": NotFound,
    "RESOURCE_ALREADY_EXISTS": AlreadyExists,
    "INVALID_PARAMETER_VALUE": InvalidInput,
    "RESOURCE_CONFLICT": Conflict,
    "PERMISSION_DENIED": Forbidden,
    "UNAUTHENTICATED": Unauthorized,
}


class HttpTracker:
    def __init__(self, address, *, token="", close=lambda: None):
        self._connection = http.client.HTTPConnection(*address)
        self._token = token
        self._on_close = close

    def close(self):
        self._connection.close()
        self._on_close()

    def raw(self, method, path, data=None, headers=None):
        """Status and body of one request."""
        headers = dict(headers or {})
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        self._connection.request(method, path, data, headers)
        answer = self._connection.getresponse()
        return answer.status, answer.read()

    def ask(self, method, route, /, **fields):
        """A request of MLflow's API. Raises: the family of the error that is answered."""
        fields = {name: value for name, value in fields.items() if value is not None}
        url, data, headers = f"/api/2.0/mlflow/{route}", None, {}
        if method == "GET":
            url += "?" + urllib.parse.urlencode(fields, doseq=True)
        else:
            data, headers = json.dumps(fields).encode(), {"Content-Type": "application/json"}
        return self._read(*self.raw(method, url, data, headers))

    def _read(self, status, data):
        if status == 200:
            return json.loads(data)
        body = json.loads(data)
        raise ERRORS.get(body["error_code"], TeulError)(body["message"])

    def create_experiment(self, name, *, tags=None):
        return self.ask("POST", "experiments/create", name=name, tags=_pairs(tags))["experiment_id"]

    def get_experiment(self, experiment_id):
        return _experiment(self.ask("GET", "experiments/get", experiment_id=experiment_id)["experiment"])

    def find_experiment(self, name):
        try:
            return _experiment(self.ask("GET", "experiments/get-by-name", experiment_name=name)["experiment"])
        except NotFound:
            return None

    def delete_experiment(self, experiment_id):
        self.ask("POST", "experiments/delete", experiment_id=experiment_id)

    def restore_experiment(self, experiment_id):
        self.ask("POST", "experiments/restore", experiment_id=experiment_id)

    def search_experiments(self, *, filter_text="", order_by=()):
        found = self.ask("POST", "experiments/search", filter=filter_text, order_by=list(order_by), max_results=1000)
        return Page(tuple(_experiment(item) for item in found.get("experiments", ())))

    def create_run(self, experiment_id, *, run_name="", start_time=0):
        made = self.ask("POST", "runs/create", experiment_id=experiment_id, run_name=run_name, start_time=start_time)
        return _run(made["run"])

    def get_run(self, run_id):
        return _run(self.ask("GET", "runs/get", run_id=run_id)["run"])

    def update_run(self, run_id, *, status=None, end_time=None, run_name=None):
        info = self.ask("POST", "runs/update", run_id=run_id, status=status, end_time=end_time, run_name=run_name)
        return _run({"info": info["run_info"], "data": {}})

    def delete_run(self, run_id):
        self.ask("POST", "runs/delete", run_id=run_id)

    def restore_run(self, run_id):
        self.ask("POST", "runs/restore", run_id=run_id)

    def search_runs(self, ids, *, filter_text="", view="ACTIVE_ONLY", max_results=1000, order_by=(), token=""):
        found = self.ask(
            "POST",
            "runs/search",
            experiment_ids=list(ids),
            filter=filter_text,
            run_view_type=view,
            max_results=max_results,
            order_by=list(order_by),
            page_token=token,
        )
        return Page(tuple(_run(item) for item in found.get("runs", ())), found.get("next_page_token", ""))

    def log_metric(self, run_id, key, value, *, step=0, timestamp=1):
        self.ask("POST", "runs/log-metric", run_id=run_id, key=key, value=value, step=step, timestamp=timestamp)

    def log_batch(self, run_id, *, points=(), params=None, tags=None):
        rows = [{"key": p.key, "value": p.value, "timestamp": p.timestamp, "step": p.step} for p in points]
        self.ask("POST", "runs/log-batch", run_id=run_id, metrics=rows, params=_pairs(params), tags=_pairs(tags))

    def metric_history(self, run_id, key):
        found = self.ask("GET", "metrics/get-history", run_id=run_id, metric_key=key)
        return tuple(_metric(item) for item in found.get("metrics", ()))

    def log_param(self, run_id, key, value):
        self.ask("POST", "runs/log-parameter", run_id=run_id, key=key, value=value)

    def set_tag(self, run_id, key, value):
        self.ask("POST", "runs/set-tag", run_id=run_id, key=key, value=value)

    def delete_tag(self, run_id, key):
        self.ask("POST", "runs/delete-tag", run_id=run_id, key=key)

    def _artifact(self, run_id, path):
        run = self.get_run(run_id)
        whole = f"{run.experiment_id}/{run_id}/artifacts/{path}"
        return "/api/2.0/mlflow-artifacts/artifacts/" + urllib.parse.quote(whole, safe="/")

    def log_artifact(self, run_id, path, data):
        self._read(*self.raw("PUT", self._artifact(run_id, path), data))

    def read_artifact(self, run_id, path):
        status, data = self.raw("GET", self._artifact(run_id, path))
        return data if status == 200 else self._read(status, data)

    def list_artifacts(self, run_id, path=None):
        found = self.ask("GET", "artifacts/list", run_id=run_id, path=path)
        return [FileInfo(item["path"], item["is_dir"], item.get("file_size", 0)) for item in found.get("files", ())]

    def create_registered_model(self, name, *, tags=None):
        return _model(self.ask("POST", "registered-models/create", name=name, tags=_pairs(tags))["registered_model"])

    def get_registered_model(self, name):
        return _model(self.ask("GET", "registered-models/get", name=name)["registered_model"])

    def rename_registered_model(self, name, new_name):
        self.ask("POST", "registered-models/rename", name=name, new_name=new_name)

    def search_registered_models(self, *, filter_text=""):
        found = self.ask("GET", "registered-models/search", filter=filter_text)
        return Page(tuple(_model(item) for item in found.get("registered_models", ())))

    def create_model_version(self, name, source, *, run_id=""):
        return _version(
            self.ask("POST", "model-versions/create", name=name, source=source, run_id=run_id)["model_version"]
        )

    def get_model_version(self, name, version):
        return _version(self.ask("GET", "model-versions/get", name=name, version=str(version))["model_version"])

    def delete_model_version(self, name, version, *, who):
        self.ask("DELETE", "model-versions/delete", name=name, version=str(version))

    def set_model_version_tag(self, name, version, key, value):
        self.ask("POST", "model-versions/set-tag", name=name, version=str(version), key=key, value=value)

    def search_model_versions(self, *, filter_text=""):
        found = self.ask("GET", "model-versions/search", filter=filter_text)
        return Page(tuple(_version(item) for item in found.get("model_versions", ())))

    def alias(self, name, alias):
        try:
            return _version(self.ask("GET", "registered-models/alias", name=name, alias=alias)["model_version"])
        except InvalidInput:
            return None

    def set_alias(self, name, alias, version, *, who, reason=""):
        self.ask("POST", "registered-models/alias", name=name, alias=alias, version=str(version))

    def delete_alias(self, name, alias, *, who):
        self.ask("DELETE", "registered-models/alias", name=name, alias=alias)


def _pairs(pairs):
    return [{"key": key, "value": value} for key, value in (pairs or {}).items()]


def _dict(items):
    return {item["key"]: item["value"] for item in items}


def _experiment(item):
    return Experiment(
        item["experiment_id"],
        item["name"],
        item["artifact_location"],
        item["lifecycle_stage"],
        item["creation_time"],
        item["last_update_time"],
        _dict(item.get("tags", ())),
    )


def _metric(item):
    return Metric(item["key"], float(item["value"]), item["timestamp"], item["step"])


def _run(item):
    info, data = item["info"], item["data"]
    return Run(
        info["run_id"],
        info["experiment_id"],
        info["run_name"],
        info["user_id"],
        info["status"],
        info["start_time"],
        info.get("end_time"),
        info["artifact_uri"],
        info["lifecycle_stage"],
        tuple(_metric(metric) for metric in data.get("metrics", ())),
        _dict(data.get("params", ())),
        _dict(data.get("tags", ())),
    )


def _version(item):
    return ModelVersion(
        name=item["name"],
        version=int(item["version"]),
        creation_time=item["creation_timestamp"],
        last_update_time=item["last_updated_timestamp"],
        current_stage=item["current_stage"],
        source=item["source"],
        storage_location="",
        run_id=item.get("run_id"),
        run_link=item.get("run_link"),
        description=item.get("description"),
        user_id=item.get("user_id"),
        model_id=None,
        status=item["status"],
        status_message=None,
        tags=_dict(item.get("tags", ())),
        aliases=tuple(item.get("aliases", ())),
    )


def _model(item):
    return RegisteredModel(
        item["name"],
        item["creation_timestamp"],
        item["last_updated_timestamp"],
        item.get("description"),
        tags=_dict(item.get("tags", ())),
        aliases={pair["alias"]: int(pair["version"]) for pair in item.get("aliases", ())},
    )
