import json
import threading

import pytest

from teul.ml.tracking import TrackingStore
from teul.ml.tracking.app import TrackingApp

from .asgi import GATEWAY, Client

ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"


@pytest.fixture
def store(tmp_path):
    return TrackingStore.open(str(tmp_path / "tracking.db"))


@pytest.fixture
def client(store):
    app = TrackingApp(store)
    yield Client(app)
    app._committer = None
    app.close()


@pytest.fixture
def run(store):
    return store.create_run("0", run_name="r").id


def test_both_prefixes_answer(client):
    for prefix in ("/api/2.0/mlflow/", "/ajax-api/2.0/mlflow/"):
        status, _, body = client.raw("GET", f"{prefix}experiments/get", query={"experiment_id": "0"})
        assert (status, json.loads(body)["experiment"]["name"]) == (200, "Default")


@pytest.mark.parametrize(
    ("path", "expected"), [("/health", b"OK"), ("/version", b"3.17.2"), ("/api/3.0/mlflow/server-info", b'"SqlStore"')]
)
def test_what_needs_no_token_answers_everywhere(client, path, expected):
    for each in (client, client.on(GATEWAY)):
        status, _, body = each.raw("GET", path)
        assert (status, expected in body) == (200, True)


def test_an_unknown_path_is_said_to_be_unknown(client):
    status, body = client.ask("POST", "nothing/at-all", {})

    assert (status, body["error_code"]) == (404, "ENDPOINT_NOT_FOUND")


@pytest.mark.parametrize(
    ("error", "path", "body", "expected"),
    [
        ("missing", "runs/log-metric", {"key": "a"}, (400, "Missing value for required parameter 'run_id'.")),
        ("empty", "runs/set-tag", {"run_id": "", "key": "a"}, (400, "Missing value for required parameter 'run_id'.")),
        ("type", "experiments/create", {"name": 5}, (400, "Invalid value 5 for parameter 'name' supplied")),
        ("list", "runs/log-batch", {"run_id": "x", "metrics": 5}, (400, "Invalid value 5 for parameter 'metrics'")),
        ("inner", "runs/log-batch", {"run_id": "x", "params": [{"value": "1"}]}, (400, "'params[0].key'")),
        ("range", "runs/log-metric", {"run_id": "x", "key": "k", "value": 1, "timestamp": 2**63}, (400, "timestamp")),
        ("not found", "runs/update", {"run_id": "x"}, (404, "Run with id=x not found")),
    ],
)  # fmt: skip
def test_errors_are_mlflows(client, error, path, body, expected):
    status, answer = client.ask("POST", path, body)

    assert (status, expected[1] in answer["message"]) == (expected[0], True)


@pytest.mark.parametrize(
    "data", [b"{", b"[]", b"5", b'"x"', b'"\\"{\\""', b"\xff", b'{"name": "\\ud800"}', b"[" * 100_000]
)
def test_a_body_that_is_no_object_is_refused(client, data):
    status, _, body = client.raw(
        "POST", "/api/2.0/mlflow/experiments/create", data, headers={"content-type": "application/json"}
    )

    assert (status, json.loads(body)["error_code"]) == (400, "INVALID_PARAMETER_VALUE")


def test_bare_nan_and_twice_encoded_json_of_old_clients_are_read(client, run):
    body = json.dumps({"run_id": run, "key": "m", "value": float("nan"), "timestamp": 1})
    for data in (body, json.dumps(body.replace("NaN", '"NaN"').replace('"m"', '"n"'))):
        status, _, _ = client.raw(
            "POST", "/api/2.0/mlflow/runs/log-metric", data.encode(), headers={"content-type": "application/json"}
        )
        assert status == 200

    _, answer = client.ask("GET", "runs/get", query={"run_id": run})
    assert [item["value"] for item in answer["run"]["data"]["metrics"]] == ["NaN", "NaN"]


def test_a_page_of_another_site_cannot_write(client):
    for headers in (
        {"content-type": "text/plain"},
        {"content-type": "application/json", "origin": "https://evil.example"},
        {"content-type": "application/json", "host": "rebound.evil.example:5000"},
    ):
        status, _, _ = client.raw("POST", "/api/2.0/mlflow/experiments/create", b'{"name": "evil"}', headers=headers)
        assert status in (400, 403)

    _, answer = client.ask("POST", "experiments/search", {"max_results": 10})
    assert [item["name"] for item in answer["experiments"]] == ["Default"]


@pytest.mark.parametrize("host", ["localhost:5000", "127.0.0.1", "[::1]:5000", "10.0.0.5:5000", "gpubox:5000"])
def test_names_of_this_machine_are_let_in(client, host):
    client.host = host

    assert client.ask("GET", "experiments/get", query={"experiment_id": "0"})[0] == 200


@pytest.mark.parametrize("path", ["/api/2.0/mlflow/traces", "/api/3.0/mlflow/traces/search", "/v1/traces"])
def test_traces_are_said_not_to_be_supported_and_are_not_tried_again(client, path):
    status, _, body = client.raw("POST", path, b"{}", headers={"content-type": "application/json"})

    assert (status, json.loads(body)["error_code"]) == (501, "NOT_IMPLEMENTED")


def test_a_gate_that_failed_is_a_conflict_that_no_client_repeats(client, store):
    store.create_registered_model("m")
    store.create_model_version("m", "s3://x/y")
    store.set_gate("m", 1, False, [])
    status, body = client.ask("POST", "registered-models/alias", {"name": "m", "alias": "production", "version": "1"})

    assert (status, body["error_code"]) == (409, "RESOURCE_CONFLICT")
    assert "its gate failed" in body["message"]
    status, _ = client.ask(
        "POST", "model-versions/transition-stage", {"name": "m", "version": "1", "stage": "Production"}
    )
    assert status == 409


def test_the_history_says_where_a_change_came_from(client, store):
    store.create_registered_model("m")
    store.create_model_version("m", "s3://x/y")
    client.ask("POST", "registered-models/alias", {"name": "m", "alias": "production", "version": "1"})

    assert [line.who for line in store.alias_history("m")] == ["client at 10.88.0.7"]


def test_an_upload_in_pieces_is_one_file(client, run):
    path = f"{ARTIFACTS}/0/{run}/artifacts/%ED%81%B0%20%EA%B2%83.bin"
    parts = [b"a" * 700_000, b"b" * 700_000, b"", b"c"]
    assert client.raw("PUT", path, parts=parts)[0] == 200

    status, headers, body = client.raw("GET", path)

    assert (status, body) == (200, b"".join(parts))
    assert headers["content-length"] == "1400001"
    assert headers["content-disposition"].startswith("attachment")
    assert headers["etag"].startswith('"sha256:')


def test_an_upload_that_ends_early_leaves_nothing(client, store, run):
    path = f"{ARTIFACTS}/0/{run}/artifacts/half.bin"
    client.raw("PUT", path, parts=[b"a" * 2_000_000], ends_early=True)

    assert client.raw("GET", path)[0] == 404
    assert list(store.content.walk()) == []
    assert store.collect() == (0, 0)


@pytest.mark.parametrize(
    "path", ["../x", "..%2fx", "%2e%2e/x", "%252e%252e/x", "/etc/passwd", "a%00b", "a%5c..%5cb", "0/../../x", "file:%2f%2fx", ""]
)  # fmt: skip
def test_a_hostile_path_is_refused_by_every_verb(client, store, path):
    for method in ("PUT", "DELETE"):
        assert client.raw(method, f"{ARTIFACTS}/{path}", b"x")[0] in (400, 404)
    assert client.raw("GET", f"{ARTIFACTS}/{path}")[0] in (200 if path == "" else 400, 404)
    assert store.db.all("SELECT path FROM artifacts") == []


def test_a_damaged_artifact_is_never_sent_whole(client, store, run):
    path = f"{ARTIFACTS}/0/{run}/artifacts/model.bin"
    client.raw("PUT", path, b"x" * 3_000_000)
    (_, digest, _) = store.walk_artifacts(run)[0]
    import os

    blob = f"{store.content.root}/blobs/sha256/{digest.hex}"
    os.chmod(blob, 0o600)
    with open(blob, "r+b") as file:
        file.write(b"evil")
    try:
        _, _, body = client.raw("GET", path)
    except Exception:
        body = b""

    assert len(body) < 3_000_000


def test_parts_that_arrive_in_any_order_are_one_file(client, run):
    folder = f"0/{run}/artifacts/model"
    _, _, body = client.raw(
        "POST",
        f"/api/2.0/mlflow-artifacts/mpu/create/{folder}",
        json.dumps({"path": "/home/me/큰 모델.bin", "num_parts": 3}).encode(),
        headers={"content-type": "application/json"},
    )
    made = json.loads(body)
    parts = {item["part_number"]: item["url"].partition("127.0.0.1:5000")[2] for item in made["credentials"]}
    complete = json.dumps({"path": "/home/me/큰 모델.bin", "upload_id": made["upload_id"], "parts": []}).encode()
    json_type = {"content-type": "application/json"}
    client.raw("PUT", parts[3], b"three")
    client.raw("PUT", parts[1], b"one")
    early, _, _ = client.raw("POST", f"/api/2.0/mlflow-artifacts/mpu/complete/{folder}", complete, headers=json_type)
    client.raw("PUT", parts[2], b"two")
    status, _, _ = client.raw("POST", f"/api/2.0/mlflow-artifacts/mpu/complete/{folder}", complete, headers=json_type)

    assert (early, status) == (400, 200)
    assert client.raw("GET", f"{ARTIFACTS}/{folder}/%ED%81%B0%20%EB%AA%A8%EB%8D%B8.bin")[2] == b"onetwothree"


def test_a_full_disk_is_said_and_not_repeated(client, run, monkeypatch):
    from teul.ml.tracking.sqlite import SqliteDatabase

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(SqliteDatabase, "executemany", full)
    status, body = client.ask("POST", "runs/log-metric", {"run_id": run, "key": "m", "value": 1, "timestamp": 1})

    assert (status, body["error_code"]) == (507, "RESOURCE_EXHAUSTED")


def test_a_fault_of_ours_says_nothing_of_the_inside(client, run, monkeypatch, caplog):
    from teul.ml.tracking.sqlite import SqliteDatabase

    def broken(*_):
        raise RuntimeError("secret")

    monkeypatch.setattr(SqliteDatabase, "executemany", broken)
    status, body = client.ask("POST", "runs/log-metric", {"run_id": run, "key": "m", "value": 1, "timestamp": 1})

    assert (status, "secret" in str(body)) == (500, False)
    assert "secret" in caplog.text


def test_requests_that_come_together_share_a_commit(store, run):
    import asyncio

    from teul.ml.tracking.committer import Committer

    commits = []

    async def work():
        store.db._writer.set_trace_callback(lambda sql: commits.append(sql) if sql == "COMMIT" else None)
        committer = Committer(store.db)

        def job(index):
            if index == 3:
                raise ValueError(index)
            store.log_metric(run, "m", float(index), step=index)
            return index

        done = await asyncio.gather(*(committer.run(lambda i=i: job(i)) for i in range(20)), return_exceptions=True)
        await asyncio.get_running_loop().run_in_executor(None, committer.close)
        return done

    done = asyncio.run(work())

    assert [item for item in done if not isinstance(item, ValueError)] == [i for i in range(20) if i != 3]
    assert len(commits) < 5
    assert len(store.metric_history(run, "m")) == 19
    store.close()


def test_metrics_that_come_together_are_written_at_once_and_each_has_its_answer(store, run):
    """One that is wrong takes nothing with it; those around it ask the database once for all of them."""
    import asyncio

    gone = store.create_run("0").id
    store.delete_run(gone)
    app = TrackingApp(store)

    async def log(run_id, key, step, token=""):
        body = json.dumps({"run_id": run_id, "key": key, "value": step, "timestamp": 1, "step": step}).encode()
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/api/2.0/mlflow/runs/log-metric",
            "query_string": b"",
            "headers": [(b"content-type", b"application/json"), (b"authorization", f"Bearer {token}".encode())],
            "server": GATEWAY if token else ("127.0.0.1", 5000),
            "client": ("10.88.0.9", 1),
        }
        sent = []

        async def receive():
            return {"type": "http.request", "body": body}

        async def send(message):
            sent.append(message)

        await app(scope, receive, send)
        return sent[0]["status"]

    async def work(points):
        app._committer = None
        asked = []
        store.db._writer.set_trace_callback(asked.append)
        done = await asyncio.gather(*(log(*point) for point in points))
        store.db._writer.set_trace_callback(None)
        await asyncio.get_running_loop().run_in_executor(None, app._committer.close)
        return done, asked

    good = [(run, "m", step) for step in range(20)]
    done, asked = asyncio.run(work(good))
    assert done == [200] * 20
    assert sum("FROM runs" in sql for sql in asked) < 5
    done, _ = asyncio.run(work([(run, "m", 20), (gone, "m", 0), ("f" * 32, "m", 0), (run, "/", 0), (run, "m", 21)]))
    assert done == [200, 400, 404, 400, 200]
    good = [(run, "m", step, store.issue_run_token(run)) for step in (22, 23)]
    done, _ = asyncio.run(work([*good, (run, "m", 24, "guess"), (gone, "m", 0)]))
    assert done == [200, 200, 401, 400]
    assert app._failures._counts["10.88.0.9"][1] == 1, "one guess is counted once"
    assert [metric.step for metric in store.metric_history(run, "m")] == list(range(24))
    assert store.get_run(run).metrics[0].value == 23
    app._committer = None
    app.close()


def test_closing_waits_for_no_thread_of_its_own(tmp_path):
    before = threading.active_count()
    app = TrackingApp(TrackingStore.open(str(tmp_path / "t.db")))
    app.close()

    assert threading.active_count() == before
