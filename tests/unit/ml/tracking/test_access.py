import pytest

from teul.ml.tracking import TrackingStore
from teul.ml.tracking.app import TrackingApp

from .asgi import GATEWAY, Client

ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"


@pytest.fixture
def store(tmp_path):
    return TrackingStore.open(str(tmp_path / "tracking.db"))


@pytest.fixture
def owner(store):
    app = TrackingApp(store)
    yield Client(app)
    app._committer = None
    app.close()


@pytest.fixture
def mine(store):
    return store.create_run(store.create_experiment("mine"), run_name="mine")


@pytest.fixture
def other(store):
    return store.create_run(store.create_experiment("other"), run_name="other")


@pytest.fixture
def container(owner, store, mine):
    """A client with the token of the run *mine* on a gateway."""
    return owner.on(GATEWAY, store.issue_run_token(mine.id))


def test_without_a_token_only_loopback_is_let_in(owner, mine):
    fields = {"run_id": mine.id, "key": "m", "value": 1, "timestamp": 1}

    assert owner.ask("POST", "runs/log-metric", fields)[0] == 200
    status, body = owner.on(GATEWAY).ask("POST", "runs/log-metric", fields)
    assert (status, body["error_code"]) == (401, "UNAUTHENTICATED")
    assert "MLFLOW_TRACKING_TOKEN" in body["message"]
    assert owner.on(GATEWAY, "teul_run_guess").ask("GET", "runs/get", query={"run_id": mine.id})[0] == 401
    assert owner.on(GATEWAY).raw("GET", f"{ARTIFACTS}/x")[0] == 401
    assert owner.on(GATEWAY).raw("PUT", f"{ARTIFACTS}/0/x", b"x")[0] == 401


def test_a_server_that_trusts_its_network_lets_everybody_in(tmp_path):
    app = TrackingApp(TrackingStore.open(str(tmp_path / "t.db")), trusts_network=True)
    try:
        assert Client(app, server=GATEWAY).ask("POST", "experiments/create", {"name": "a"})[0] == 200
    finally:
        app._committer = None
        app.close()


def test_a_revoked_token_is_none(container, store, mine):
    assert container.ask("GET", "runs/get", query={"run_id": mine.id})[0] == 200
    store.end_run(mine.id)

    assert container.ask("GET", "runs/get", query={"run_id": mine.id})[0] == 401


def test_a_token_reads_everything(container, other):
    assert container.ask("GET", "runs/get", query={"run_id": other.id})[0] == 200
    assert container.ask("POST", "runs/search", {"experiment_ids": [other.experiment_id]})[0] == 200
    assert container.raw("GET", f"{ARTIFACTS}/{other.experiment_id}/none")[0] == 404


def test_what_one_run_needs_is_allowed(container, mine):
    experiment_id = mine.experiment_id
    ask = container.ask
    assert ask("POST", "runs/log-metric", {"run_id": mine.id, "key": "m", "value": 1, "timestamp": 1})[0] == 200
    assert ask("POST", "runs/log-batch", {"run_id": mine.id, "params": [{"key": "p", "value": "1"}]})[0] == 200
    assert ask("POST", "runs/set-tag", {"run_id": mine.id, "key": "t", "value": "1"})[0] == 200
    assert ask("POST", "runs/update", {"run_id": mine.id, "status": "FINISHED"})[0] == 200
    assert container.raw("PUT", f"{ARTIFACTS}/{experiment_id}/{mine.id}/artifacts/a", b"x")[0] == 200
    status, child = ask("POST", "runs/create", {"experiment_id": experiment_id, "start_time": 1})
    assert status == 200
    child_id = child["run"]["info"]["run_id"]
    assert ask("POST", "runs/log-metric", {"run_id": child_id, "key": "m", "value": 1, "timestamp": 1})[0] == 200
    status, logged = ask(
        "POST", "logged-models", {"experiment_id": experiment_id, "name": "m", "source_run_id": mine.id}
    )
    assert status == 200
    model_id = logged["model"]["info"]["model_id"]
    assert ask("PATCH", f"logged-models/{model_id}/tags", {"tags": [{"key": "a", "value": "b"}]})[0] == 200
    assert ask("PATCH", f"logged-models/{model_id}", {"status": "LOGGED_MODEL_READY"})[0] == 200
    assert ask("POST", "registered-models/create", {"name": "model"})[0] == 200
    for source, ids in (
        (f"{mine.artifact_uri}/a", {"run_id": mine.id}),
        (f"models:/{model_id}", {"model_id": model_id}),
    ):
        assert ask("POST", "model-versions/create", {"name": "model", "source": source, **ids})[0] == 200
    assert ask("POST", "registered-models/alias", {"name": "model", "alias": "champion", "version": "1"})[0] == 200
    assert ask("POST", "model-versions/set-tag", {"name": "model", "version": "1", "key": "a", "value": "b"})[0] == 200


def test_an_experiment_that_a_run_made_is_its_own(container):
    status, made = container.ask("POST", "experiments/create", {"name": "made inside"})
    assert status == 200

    assert container.ask("POST", "runs/create", {"experiment_id": made["experiment_id"]})[0] == 200


@pytest.mark.parametrize(
    ("method", "path", "fields"),
    [
        ("POST", "runs/log-metric", {"run_id": "{other}", "key": "m", "value": 1, "timestamp": 1}),
        ("POST", "runs/log-parameter", {"run_id": "{other}", "key": "p", "value": "1"}),
        ("POST", "runs/log-batch", {"run_id": "{other}", "tags": [{"key": "t", "value": "1"}]}),
        ("POST", "runs/set-tag", {"run_id": "{other}", "key": "t", "value": "1"}),
        ("POST", "runs/delete-tag", {"run_id": "{other}", "key": "t"}),
        ("POST", "runs/update", {"run_id": "{other}", "status": "FAILED"}),
        ("POST", "runs/log-inputs", {"run_id": "{other}", "datasets": []}),
        ("POST", "runs/outputs", {"run_id": "{other}", "models": [{"model_id": "m"}]}),
        ("POST", "runs/log-model", {"run_id": "{other}", "model_json": "{}"}),
        ("POST", "runs/delete", {"run_id": "{other}"}),
        ("POST", "runs/delete", {"run_id": "{mine}"}),
        ("POST", "runs/restore", {"run_id": "{mine}"}),
        ("POST", "runs/create", {"experiment_id": "0"}),
        ("POST", "experiments/delete", {"experiment_id": "{experiment}"}),
        ("POST", "experiments/restore", {"experiment_id": "{experiment}"}),
        ("POST", "experiments/update", {"experiment_id": "{experiment}", "new_name": "x"}),
        ("POST", "experiments/set-experiment-tag", {"experiment_id": "0", "key": "a", "value": "b"}),
        (
            "POST",
            "experiments/set-experiment-tag",
            {"experiment_id": "{experiment}", "key": "teul.createdByRun", "value": "x"},
        ),
        ("POST", "experiments/delete-experiment-tag", {"experiment_id": "0", "key": "a"}),
        ("POST", "logged-models", {"experiment_id": "0", "name": "m"}),
        ("PATCH", "registered-models/update", {"name": "theirs", "description": "x"}),
        ("POST", "registered-models/rename", {"name": "theirs", "new_name": "x"}),
        ("DELETE", "registered-models/delete", {"name": "theirs"}),
        ("POST", "registered-models/set-tag", {"name": "theirs", "key": "a", "value": "b"}),
        ("POST", "registered-models/alias", {"name": "theirs", "alias": "champion", "version": "1"}),
        ("DELETE", "registered-models/alias", {"name": "theirs", "alias": "champion"}),
        ("POST", "model-versions/create", {"name": "theirs", "source": "s3://x/y"}),
        ("POST", "model-versions/create", {"name": "theirs", "source": "s3://x/y", "run_id": "{other}"}),
        ("PATCH", "model-versions/update", {"name": "theirs", "version": "1", "description": "x"}),
        ("DELETE", "model-versions/delete", {"name": "theirs", "version": "1"}),
        ("POST", "model-versions/set-tag", {"name": "theirs", "version": "1", "key": "a", "value": "b"}),
        ("DELETE", "model-versions/delete-tag", {"name": "theirs", "version": "1", "key": "a"}),
        ("POST", "model-versions/transition-stage", {"name": "theirs", "version": "1", "stage": "Staging"}),
    ],
)
def test_what_belongs_to_others_is_forbidden(container, store, mine, other, method, path, fields):
    store.create_registered_model("theirs")
    store.create_model_version("theirs", "s3://x/y", run_id=other.id)
    names = {"{other}": other.id, "{mine}": mine.id, "{experiment}": mine.experiment_id}
    status, body = container.ask(
        method,
        path,
        {key: names.get(value, value) if isinstance(value, str) else value for key, value in fields.items()},
    )

    assert (status, body["error_code"]) == (403, "PERMISSION_DENIED")


def test_artifacts_of_others_are_not_written(container, other, store):
    for path in (f"{other.experiment_id}/{other.id}/artifacts/a", "0/x/a", "x", "models/a"):
        assert container.raw("PUT", f"{ARTIFACTS}/{path}", b"x")[0] == 403
        assert container.raw("DELETE", f"{ARTIFACTS}/{path}")[0] == 403
    assert store.db.all("SELECT * FROM artifacts") == []


def test_production_is_for_the_gate_and_not_for_the_container(container, store, mine):
    store.create_registered_model("m")
    store.create_model_version("m", "s3://x/y", run_id=mine.id)
    for alias in ("production", "Production"):
        status, _ = container.ask("POST", "registered-models/alias", {"name": "m", "alias": alias, "version": "1"})
        assert status == 403
    status, _ = container.ask(
        "POST", "model-versions/transition-stage", {"name": "m", "version": "1", "stage": "production"}
    )
    assert status == 403
    assert store.alias("m", "production") is None


def test_on_loopback_a_token_still_says_who_it_is(owner, store, mine, other):
    inside = Client(owner.app, token=store.issue_run_token(mine.id))

    assert inside.ask("POST", "runs/set-tag", {"run_id": other.id, "key": "a", "value": "b"})[0] == 403
    assert Client(owner.app, token="of something else").ask("POST", "runs/create", {"experiment_id": "0"})[0] == 200


def test_every_route_that_writes_asks_the_grant():
    import inspect

    from teul.ml.tracking import registry_routes, tracking_routes

    silent = [
        route.path
        for module in (tracking_routes, registry_routes)
        for route in module.ROUTES
        if route.writes and "call.grant" not in inspect.getsource(route.together or route.handler)
    ]

    assert silent == []


def test_deleting_artifacts_is_for_those_who_may_delete(owner, store, mine):
    store.log_artifact(mine.id, "a", b"x")
    path = f"{ARTIFACTS}/{mine.experiment_id}/{mine.id}/artifacts/a"

    def keyed(role, project=""):
        return owner.on(GATEWAY, store.issue_key("k", role=role, project=project, ttl_s=60, who="kim")[0])

    for role, project in (("read", ""), ("write", ""), ("write", "mine")):
        assert keyed(role, project).raw("DELETE", path)[0] == 403
    assert keyed("admin", "mine").raw("DELETE", path)[0] == 200


def test_a_key_of_one_project_reads_histories_of_its_own_runs_only(owner, store, mine, other):
    store.log_metric(mine.id, "m", 1.0)
    client = owner.on(GATEWAY, store.issue_key("k", role="read", project="mine", ttl_s=60, who="kim")[0])

    for path, name in (
        ("metrics/get-history", "run_id"),
        ("metrics/get-history-bulk", "run_id"),
        ("metrics/get-history-bulk-interval", "run_ids"),
    ):
        asked = {"metric_key": "m"}
        status, answer = client.ask("GET", path, query={**asked, name: [mine.id]})
        assert (status, len(answer["metrics"])) == (200, 1)
        assert client.ask("GET", path, query={**asked, name: [other.id]})[0] == 403
    assert client.ask("GET", "metrics/get-history-bulk", query={**asked, "run_id": [mine.id, other.id]})[0] == 403
