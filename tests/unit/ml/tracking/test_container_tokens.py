import pytest

from teul.ml.tracking import TrackingStore, container_tokens
from teul.ml.tracking.app import TrackingApp
from unit.ml.tracking.asgi import GATEWAY, Client

FACTS = {"tags": {"teul.image": "sha256:1", "mlflow.source.git.commit": "abc"}, "files": {"git/uncommitted.diff": "+x"}}


@pytest.fixture
def store(tmp_path):
    with TrackingStore.open(str(tmp_path / "tracking.db")) as made:
        yield made


@pytest.fixture
def inside(store):
    """A stock client in a container, which knows nothing but its address and its token."""
    store.create_experiment("churn")
    return Client(TrackingApp(store)).on(GATEWAY, store.issue_container_token("c1", "churn", FACTS))


def begin(client, **fields):
    return client.ask("POST", "runs/create", {"experiment_id": "1", **fields})[1]["run"]


def test_a_run_of_a_stock_client_gets_what_is_known_of_its_container(store, inside):
    run = begin(inside, tags=[{"key": "mlflow.source.git.commit", "value": "its own"}])

    tags = {item["key"]: item["value"] for item in run["data"]["tags"]}
    assert (tags["teul.image"], tags["mlflow.source.git.commit"]) == ("sha256:1", "its own")
    assert store.read_artifact(run["info"]["run_id"], "git/uncommitted.diff") == b"+x"


def test_what_a_container_may_not_do(store, inside):
    run = begin(inside)["info"]["run_id"]

    assert inside.ask("POST", "experiments/create", {"name": "of its own"})[0] == 200
    assert inside.ask("POST", "runs/delete", {"run_id": run})[0] == 403
    assert inside.ask("POST", "experiments/delete", {"experiment_id": "1"})[0] == 403


def test_when_the_container_has_ended_its_runs_have_ended_too(store, inside):
    dying, done = (begin(inside)["info"]["run_id"] for _ in range(2))
    inside.ask("POST", "runs/update", {"run_id": done, "status": "FINISHED", "end_time": 9})
    other = store.create_run("1").id

    settled = store.settle_container("c1", {"logs/stdout.txt": b"hello"}, {"teul.exit-code": "3"})

    assert settled == [dying, done]
    assert [store.get_run(run).status for run in (dying, done, other)] == ["KILLED", "FINISHED", "RUNNING"]
    assert store.read_artifact(dying, "logs/stdout.txt") == b"hello"
    assert store.get_run(done).tags["teul.exit-code"] == "3"
    assert inside.ask("POST", "runs/create", {"experiment_id": "1"})[0] == 401
    assert store.settle_container("c1", {}, {}) == settled
    assert store.unsettled_containers() == []


def test_a_token_is_not_kept_readable(store, inside, tmp_path):
    assert container_tokens.find(store.db, inside.token).container == "c1"
    assert container_tokens.find(store.db, inside.token[:-1]) is None
    store.close()

    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    assert inside.token.encode() not in kept
