"""GraphQL as MLflow's pages ask it, answered by the REST handlers."""

import asyncio
import json

import pytest

from teul.ml.tracking import TrackingStore, registry
from teul.ml.tracking.app import TrackingApp
from teul.ml.tracking.values import Metric

RUN = """
query GetRun($data: MlflowGetRunInput!) @component(name: "MLflow.ExperimentRunTracking") {
  mlflowGetRun(input: $data) {
    apiError { code message }
    run {
      info { runName runId status startTime endTime experimentId lifecycleStage }
      experiment { experimentId name tags { key value } }
      modelVersions { status version name source }
      data { metrics { key value step timestamp } params { key value } tags { key value } }
      inputs { datasetInputs { dataset { name } tags { key } } }
    }
  }
}
"""


@pytest.fixture
def store(tmp_path):
    with TrackingStore.open(str(tmp_path / "tracking.db")) as store:
        yield store


@pytest.fixture
def ask(store):
    app = TrackingApp(store)

    def ask(query, status=200, **variables):
        sent = []
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/graphql",
            "query_string": b"",
            "headers": [(b"host", b"localhost"), (b"content-type", b"application/json")],
            "server": ("127.0.0.1", 80),
            "client": ("127.0.0.1", 1),
        }

        async def receive():
            return {"type": "http.request", "body": json.dumps({"query": query, "variables": variables}).encode()}

        async def send(message):
            sent.append(message)

        asyncio.run(app(scope, receive, send))
        assert sent[0]["status"] == status
        return json.loads(sent[1]["body"])

    return ask


def test_a_run_with_what_it_refers_to(ask, store):
    run = store.create_run(store.create_experiment("churn"), run_name="train", start_time=5)
    store.log_batch(run.id, points=[Metric("loss", 0.5, 1, 2), Metric("odd", float("nan"), 1, 0)], params={"a": "1"})
    store.end_run(run.id, end_time=9_007_199_254_740_993)
    registry.create_model(store.db, "m")
    registry.create_version(store.db, "m", source=f"runs:/{run.id}/model", run_id=run.id)
    answer = ask(RUN, data={"runId": run.id})
    assert answer["errors"] is None
    found = answer["data"]["mlflowGetRun"]["run"]
    assert found["info"]["status"] == "FINISHED"
    # A long number is a string, or JavaScript would round it.
    assert found["info"]["endTime"] == "9007199254740993"
    assert found["experiment"] == {"experimentId": "1", "name": "churn", "tags": []}
    assert found["data"]["params"] == [{"key": "a", "value": "1"}]
    values = {metric["key"]: metric["value"] for metric in found["data"]["metrics"]}
    assert values == {"loss": 0.5, "odd": None}
    assert found["inputs"] == {"datasetInputs": []}
    assert [version["version"] for version in found["modelVersions"]] == ["1"]


def test_an_error_of_the_store_stands_beside_the_data(ask):
    answer = ask(RUN, data={"runId": "0" * 32})
    assert answer["data"]["mlflowGetRun"]["apiError"]["code"] == "RESOURCE_DOES_NOT_EXIST"


def test_runs_are_searched(ask, store):
    store.create_run(store.create_experiment("churn"), run_name="one")
    query = "mutation S($data: MlflowSearchRunsInput!) { mlflowSearchRuns(input: $data) { runs { info { runName } } } }"
    answer = ask(query, data={"experimentIds": ["1"], "runViewType": "ACTIVE_ONLY", "maxResults": 5})
    assert answer["data"]["mlflowSearchRuns"]["runs"] == [{"info": {"runName": "one"}}]


@pytest.mark.parametrize(
    "query",
    [
        "{ nothing }",
        "{",
        "query {" + " ".join(f"a{n}: mlflowGetRun(input: {{}}) {{ apiError {{ code }} }}" for n in range(11)) + "}",
    ],
)
def test_what_is_no_query_of_ours_is_an_error_and_no_data(ask, query):
    answer = ask(query)
    assert answer["errors"]
    assert not answer["data"] or not any(answer["data"].values())


def test_what_is_no_query_at_all_is_refused(ask):
    assert ask("x" * 40_000, 400)["error_code"] == "INVALID_PARAMETER_VALUE"
    assert ask(None, 400)["error_code"] == "INVALID_PARAMETER_VALUE"
