import pytest

from teul.errors import InvalidInput, TrackingNotFound, Unavailable
from teul.ml.tracking import TrackingStore, keys
from teul.ml.tracking.app import Failures, TrackingApp
from teul.ml.tracking.database import RowConflict
from unit.ml.tracking.asgi import GATEWAY, Client

DAY_S = 86400


@pytest.fixture
def store(tmp_path):
    with TrackingStore.open(str(tmp_path / "tracking.db")) as made:
        yield made


@pytest.fixture
def there(store):
    """Two projects with a run, an artifact and a model each."""
    made = {}
    for name in ("churn", "fraud"):
        experiment = store.create_experiment(name)
        run = store.create_run(experiment)
        store.log_artifact(run.id, "a.txt", name.encode())
        store.create_registered_model(f"{name}-model")
        store.create_model_version(f"{name}-model", f"{run.artifact_uri}/a", run_id=run.id)
        made[name] = (experiment, run.id)
    return made


@pytest.fixture
def client(store):
    app = TrackingApp(store)

    def with_key(role, project=""):
        token, _ = store.issue_key("kim", role=role, project=project, ttl_s=DAY_S, who="root")
        return Client(app).on(GATEWAY, token)

    return with_key


def test_a_reader_reads_and_does_not_write(client, there):
    made = client("read")
    experiment, run = there["churn"]

    assert made.ask("GET", "runs/get", query={"run_id": run})[0] == 200
    assert made.ask("POST", "runs/search", {"experiment_ids": [experiment]})[0] == 200
    for path, body in (
        ("runs/create", {"experiment_id": experiment}),
        ("runs/log-metric", {"run_id": run, "key": "m", "value": 1, "timestamp": 1}),
        ("experiments/create", {"name": "new"}),
        ("registered-models/create", {"name": "new"}),
        ("registered-models/alias", {"name": "churn-model", "alias": "a", "version": "1"}),
        ("runs/delete", {"run_id": run}),
    ):
        assert made.ask("POST", path, body)[0] == 403, path


def test_a_writer_writes_but_deletes_and_promotes_nothing(client, there):
    made = client("write")
    experiment, run = there["churn"]

    assert made.ask("POST", "runs/create", {"experiment_id": experiment})[0] == 200
    assert made.ask("POST", "registered-models/alias", {"name": "churn-model", "alias": "a", "version": "1"})[0] == 200
    promotion = {"name": "churn-model", "alias": "production", "version": "1"}
    assert made.ask("POST", "registered-models/alias", promotion)[0] == 403
    assert made.ask("POST", "runs/delete", {"run_id": run})[0] == 403
    admin = client("admin")
    assert admin.ask("POST", "registered-models/alias", promotion)[0] == 200
    assert admin.ask("POST", "runs/delete", {"run_id": run})[0] == 200


@pytest.mark.parametrize("role", ["read", "write", "admin"])
def test_in_one_project_one_sees_nothing_of_the_others(client, there, role):
    made = client(role, "churn")
    (mine, my_run), (other, other_run) = there["churn"], there["fraud"]

    assert made.ask("GET", "runs/get", query={"run_id": my_run})[0] == 200
    assert made.ask("GET", "experiments/get-by-name", query={"experiment_name": "churn"})[0] == 200
    listed = made.ask("POST", "experiments/search", {"max_results": 100})[1]["experiments"]
    assert [item["name"] for item in listed] == ["churn"]
    models = made.ask("GET", "registered-models/search", query={"max_results": 100})[1]["registered_models"]
    assert [item["name"] for item in models] == ["churn-model"]
    versions = made.ask("GET", "model-versions/search", query={"max_results": 100})[1]["model_versions"]
    assert [item["name"] for item in versions] == ["churn-model"]
    for method, path, body, query in (
        ("GET", "runs/get", None, {"run_id": other_run}),
        ("GET", "experiments/get", None, {"experiment_id": other}),
        ("GET", "experiments/get-by-name", None, {"experiment_name": "fraud"}),
        ("POST", "runs/search", {"experiment_ids": [mine, other]}, None),
        ("GET", "metrics/get-history", None, {"run_id": other_run, "metric_key": "m"}),
        ("GET", "artifacts/list", None, {"run_id": other_run}),
        ("GET", "registered-models/get", None, {"name": "fraud-model"}),
        ("GET", "model-versions/get", None, {"name": "fraud-model", "version": "1"}),
        ("POST", "runs/set-tag", {"run_id": other_run, "key": "a", "value": "b"}, None),
        ("POST", "runs/delete", {"run_id": other_run}, None),
        ("POST", "experiments/create", {"name": "third"}, None),
    ):
        assert made.ask(method, path, body, query=query)[0] == 403, path
    files = "/api/2.0/mlflow-artifacts/artifacts"
    assert made.raw("GET", f"{files}/{mine}/{my_run}/artifacts/a.txt")[2] == b"churn"
    assert made.raw("GET", f"{files}/{other}/{other_run}/artifacts/a.txt")[0] == 403
    assert made.raw("GET", files, query={"path": other})[0] == 403
    assert made.raw("GET", files)[0] == 403
    assert made.raw("GET", "/get-artifact", query={"run_id": other_run, "path": "a.txt"})[0] == 403


def test_every_route_that_reads_names_what_it_reads():
    """`check_reading` looks at the fields, so a route without one of them would be open to every project."""
    from teul.ml.tracking import registry_routes, tracking_routes

    known = {"experiment_id", "experiment_ids", "experiment_name", "run_id", "run_ids", "run_uuid", "model_id", "name"}
    gone_through = {"experiments/search", "registered-models/search", "model-versions/search"}
    silent = [
        route.path
        for module in (tracking_routes, registry_routes)
        for route in module.ROUTES
        if not route.writes and route.path not in gone_through and not known & {field.name for field in route.fields}
    ]

    assert silent == []


def test_a_key_ends_and_can_be_ended(store):
    token, key = store.issue_key("ci", role="read", ttl_s=DAY_S, who="root")
    ended, _ = store.issue_key("old", role="read", ttl_s=-1, who="root")

    assert keys.find(store.db, token).id == key.id
    assert keys.find(store.db, ended) is None
    assert store.remove_key("ci", who="root") == key
    assert keys.find(store.db, token) is None
    with pytest.raises(TrackingNotFound):
        store.remove_key("ci", who="root")
    assert [(entry.action, entry.who) for entry in store.audit()] == [
        ("token create", "root"),
        ("token create", "root"),
        ("token rm", "root"),
    ]


def test_of_two_keys_of_a_name_the_id_says_which(store):
    for _ in range(2):
        store.issue_key("ci", role="read", ttl_s=DAY_S, who="root")

    with pytest.raises(InvalidInput, match="say which"):
        store.remove_key("ci", who="root")


def test_a_key_is_not_kept_readable(store, tmp_path):
    token, _ = store.issue_key("ci", role="read", ttl_s=DAY_S, who="root")
    store.close()

    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    assert token.encode() not in kept


def test_where_tokens_are_required_loopback_needs_one_too(store, there):
    client = Client(TrackingApp(store, requires_tokens=True))
    assert client.ask("GET", "runs/get", query={"run_id": there["churn"][1]})[0] == 401
    client.token, _ = store.issue_key("kim", role="read", ttl_s=DAY_S, who="root")

    assert client.ask("GET", "runs/get", query={"run_id": there["churn"][1]})[0] == 200
    assert client.raw("GET", "/health")[0] == 200


def test_who_guesses_has_to_wait_and_is_written_down(store, there):
    client = Client(TrackingApp(store)).on(GATEWAY, "guess")
    query = {"run_id": there["churn"][1]}

    answers = [client.ask("GET", "runs/get", query=query)[0] for _ in range(Failures.ALLOWED + 2)]

    assert answers == [401] * Failures.ALLOWED + [429] * 2
    client.token, _ = store.issue_key("late", role="read", ttl_s=DAY_S, who="root")
    status, headers, _ = client.raw("GET", "/api/2.0/mlflow/runs/get", query=query)
    assert (status, headers["retry-after"]) == (429, "60")
    refused = [entry for entry in store.audit() if entry.outcome == "UNAUTHENTICATED"]
    assert len(refused) == Failures.NOTED
    assert refused[0].address == "10.88.0.7"


def test_failures_are_forgotten_after_a_while():
    now = [0.0]
    failures = Failures(lambda: now[0])
    for _ in range(Failures.ALLOWED):
        failures.add("a")
    with pytest.raises(Unavailable):
        failures.check("a")
    failures.check("b")

    now[0] = Failures.PERIOD_S + 1

    failures.check("a")


def test_changes_are_written_down_with_who_and_where(client, store, there):
    client("admin").ask("POST", "runs/delete", {"run_id": there["churn"][1]})
    store.set_alias("churn-model", "production", 1, who="lee")

    last = store.audit(last=2)
    assert [(entry.action, entry.subject, entry.address) for entry in last] == [
        ("POST runs/delete", there["churn"][1], "10.88.0.7"),
        ("promote", "churn-model 1 production", "local"),
    ]
    assert last[0].who.startswith("kim (")
    with pytest.raises(RowConflict), store.db.write():
        store.db.execute("DELETE FROM audit")


def test_when_a_key_was_used_is_known_even_if_it_only_reads(store, client, there, monkeypatch):
    made = client("read")
    clock = [10**12]
    monkeypatch.setattr(keys, "now_ms", lambda: clock[0])

    def use():
        assert made.ask("GET", "runs/get", query={"run_id": there["churn"][1]})[0] == 200
        made.later(made.app.close_abandoned)
        return store.all_keys()[0].used_at

    first = use()
    assert first == clock[0]
    clock[0] += keys.USED_EVERY_MS
    assert use() == first, "not more than once a minute"
    clock[0] += 1
    assert use() == clock[0]
