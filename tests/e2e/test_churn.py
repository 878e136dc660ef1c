"""`examples/churn` for real: base image, packages, training with CatBoost, the stock MLflow client, predictions."""

import json
import os
import shutil
import socket
import time
import urllib.request

import pytest

from teul.config import Settings
from teul.ml.tracking import TrackingStore

pytestmark = [
    pytest.mark.needs_root,
    pytest.mark.needs_runc,
    pytest.mark.needs_network,
    pytest.mark.needs_base,
    pytest.mark.needs_index,
    pytest.mark.slow,
]
EXAMPLE = os.path.join(os.path.dirname(__file__), "../../examples/churn")


@pytest.fixture
def churn(teul, tmp_path, python_base):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = tmp_path / "churn"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("model", "metrics.json", "__pycache__"))
    text = (folder / "teul.toml").read_text()
    (folder / "teul.toml").write_text(text.replace("port = 8000", f"port = {port}"))
    teul("load", "-i", python_base)
    yield folder, port
    teul("down", str(folder))


def ask(port, path, body, content_type="application/json"):
    data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, {"Content-Type": content_type})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def test_churn_is_trained_checked_registered_and_served(teul, churn):
    folder, port = churn
    first = teul("up", str(folder), "--progress", "quiet").stdout

    assert "✓ test.recall >= 0.55" in first
    assert "in production" in first
    row = {
        "Age": 28,
        "FrequentFlyer": "Yes",
        "AnnualIncomeClass": "High Income",
        "ServicesOpted": 5,
        "AccountSyncedToSocialMedia": "Yes",
        "BookedHotelOrNot": "No",
    }
    (leaves,) = ask(port, "/invocations", {"dataframe_records": [row]})["predictions"]
    assert leaves["churn"] is True
    with open(folder / "data" / "customers.csv") as file:
        head, *lines = file.read().splitlines()
    csv = "\n".join(line.rpartition(",")[0] for line in [head, *lines])
    predictions = ask(port, "/invocations", csv, "text/csv")["predictions"]
    right = sum(item["churn"] == line.endswith(",1") for item, line in zip(predictions, lines, strict=True))
    assert len(predictions) == 954
    assert right / 954 > 0.85
    inputs = [
        {"name": name, "shape": [1], "datatype": "INT64" if isinstance(value, int) else "BYTES", "data": [value]}
        for name, value in row.items()
    ]
    outputs = {
        item["name"]: item["data"] for item in ask(port, "/v2/models/churn/infer", {"inputs": inputs})["outputs"]
    }
    assert {"churn": [True], "probability": [leaves["probability"]]} == outputs

    with TrackingStore.of(Settings.from_environ({**os.environ, "TEUL_ROOT": teul.root})) as tracking:
        (run,) = tracking.search_runs([tracking.find_experiment("churn").id]).items
        with open(folder / "metrics.json") as file:
            assert json.load(file)["test"]["recall"] == run.metric("test.recall")
        assert {"iterations": "500", "depth": "4"}.items() <= run.params.items()
        assert len(tracking.metric_history(run.id, "validation.logloss")) == 20
        logged = {path: digest for path, digest, _ in tracking.walk_artifacts(run.id)}
        assert logged["model/churn.cbm"] == logged["outs/model/churn.cbm"]

    started = time.monotonic()
    again = teul("up", str(folder)).stdout
    assert time.monotonic() - started < 10
    assert "unchanged" in again
    assert "cached" in again
    assert "kept running" in again

    retrained = teul("up", "-P", "iterations=400", str(folder), "--progress", "quiet").stdout
    assert "unchanged" in retrained
    assert leaves == ask(port, "/invocations", {"dataframe_records": [row]})["predictions"][0]
