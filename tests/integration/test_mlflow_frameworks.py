"""What MLflow's clients sent while they trained with five frameworks, sent to our server: it answers and keeps the same.

`make compare-frameworks` trains for real, against MLflow's servers and ours, and writes down what was sent and what then
stood in MLflow's: no framework is needed here.
"""

import http.client
import json
import os
import re
from urllib.parse import urlsplit

import pytest

from teul.ml.tracking import TrackingStore, logged_models, service

pytestmark = pytest.mark.slow
HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "mlflow_client")
STATUSES = {1: "PENDING", 2: "READY", 3: "FAILED"}


def told(version):
    with open(f"{HERE}/frameworks-{version}.json", encoding="utf-8") as file:
        return json.load(file)


class Replay:
    """Sends what was recorded, with the ids that our server gave in the place of those that it gave then."""

    def __init__(self, uri):
        self.connection = http.client.HTTPConnection(urlsplit(uri).netloc, timeout=60)
        self.ids = {}

    def translated(self, text):
        return re.sub(r"(m-)?[0-9a-f]{32}", lambda found: self.ids.get(found[0], found[0]), text)

    def send(self, request):
        """What was answered otherwise than then, or ""."""
        headers, body = {"Content-Type": "application/json"}, b""
        if "json" in request:
            body = self.translated(json.dumps(request["json"])).encode()
        elif "size" in request:
            body, headers = b"x" * min(request["size"], 10_000), {"Content-Type": "application/octet-stream"}
        self.connection.request(request["method"], self.translated(request["path"]), body, headers)
        answer = self.connection.getresponse()
        said = answer.read()
        if "made" in request and answer.status == 200:
            made = json.loads(said)
            info = (made.get("run") or made["model"])["info"]
            self.ids[request["made"]] = info.get("run_id") or info["model_id"]
        if answer.status == request["status"]:
            return ""
        return f"{request['method']} {request['path']}: {answer.status} for {request['status']}, {said[:300]!r}"


def standing(store, name, *, has_models):
    experiment = store.find_experiment(name).id
    found = []
    for run in store.search_runs([experiment]).items:
        one = {
            "status": run.status,
            "params": dict(run.params),
            "metrics": {metric.key: len(store.metric_history(run.id, metric.key)) for metric in run.metrics},
            "tags": sorted(run.tags),
            "artifacts": sorted(path for path, _, _ in store.walk_artifacts(run.id)),
            "inputs": sorted(item.name for item in run.datasets),
        }
        if has_models:
            one["outputs"] = len(run.model_outputs)
            made = logged_models.search(store.db, [experiment]).items
            one["models"] = sorted(
                [model.name, STATUSES[model.status], model.model_type]
                for model in made
                if model.source_run_id == run.id
            )
        found.append(one)
    return found


def without_order(runs):
    return sorted(json.dumps(one, sort_keys=True, ensure_ascii=False) for one in runs)


@pytest.mark.parametrize("version", ["2.22.5", "3.0.1", "3.17.2"])
def test_what_five_frameworks_log_is_answered_and_kept_as_by_mlflow(settings, version):
    cases = told(version)
    replay = Replay(service.ensure_running(settings).uri)
    try:
        wrong = [
            f"{case['name']}: {said}" for case in cases for item in case["requests"] if (said := replay.send(item))
        ]
    finally:
        replay.connection.close()
        service.stop(settings)

    assert wrong == []
    assert sum(len(case["requests"]) for case in cases) > 200
    with TrackingStore.of(settings) as store:
        for case in cases[:-1]:
            found = standing(store, case["name"], has_models=version >= "3")
            assert without_order(found) == without_order(case["runs"])
        assert [str(item.version) for item in store.versions_of("붓꽃")] == ["1"]
        assert store.check() == []


def test_every_framework_logged_something():
    for version in ("2.22.5", "3.0.1", "3.17.2"):
        cases = {case["name"]: case for case in told(version)}
        assert list(cases) == ["scikit_learn", "evaluate", "catboost", "xgboost", "lightgbm", "pytorch", "command_line"]
        for name, case in list(cases.items())[:-1]:
            assert case["runs"][0]["params"] or name == "evaluate"
            assert all(run["metrics"] and run["status"] == "FINISHED" for run in case["runs"]), name
        assert "training_accuracy_score" in cases["scikit_learn"]["runs"][-1]["metrics"] or any(
            "training_accuracy_score" in run["metrics"] for run in cases["scikit_learn"]["runs"]
        )
