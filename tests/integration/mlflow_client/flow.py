"""A client's day, run by the stock MLflow client in its own environment: `flow.py URI`. Prints what it saw as JSON."""

import json
import math
import os
import sys
import tempfile
import time

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

uri = sys.argv[1]
mlflow.set_tracking_uri(uri)
client = MlflowClient()
major = int(mlflow.__version__.split(".")[0])
seen = {"version": mlflow.__version__}


def refused(call, *arguments, **options):
    try:
        call(*arguments, **options)
    except MlflowException as error:
        return error.error_code
    raise AssertionError(f"{call} was not refused")


# experiments
name = f"이탈 예측 {time.time_ns()}"
experiment_id = client.create_experiment(name, tags={"팀": "데이터"})
assert refused(client.create_experiment, name) == "RESOURCE_ALREADY_EXISTS"
assert client.get_experiment(experiment_id).name == name
assert client.get_experiment_by_name(name).tags == {"팀": "데이터"}
assert client.get_experiment_by_name("없는 실험") is None
client.set_experiment_tag(experiment_id, "note", "one")
client.rename_experiment(experiment_id, name + " 2")
assert client.get_experiment(experiment_id).name == name + " 2"
found = client.search_experiments(filter_string="name LIKE '이탈 예측%' AND tags.note = 'one'")
assert experiment_id in [item.experiment_id for item in found]
mlflow.set_experiment(name + " 2")

# a run
with mlflow.start_run(run_name="첫 실행", tags={"단계": "학습"}) as run:
    run_id = run.info.run_id
    mlflow.log_param("학습률", 0.1)
    mlflow.log_params({"iterations": 500, "depth": 6})
    assert refused(client.log_param, run_id, "depth", 7) == "INVALID_PARAMETER_VALUE"
    client.log_param(run_id, "depth", 6)
    for step in range(5):
        mlflow.log_metric("정확도", 0.5 + step / 10, step=step)
    mlflow.log_metric("정확도", 0.5, step=2)
    mlflow.log_metrics({"loss": math.nan, "best": math.inf, "worst": -math.inf})
    client.log_batch(
        run_id,
        metrics=[Metric(f"m{index}", index, 1, index) for index in range(900)],
        params=[Param("배치", "예")],
        tags=[RunTag("한글", "값")],
    )
    mlflow.set_tag("지울 것", "x")
    client.delete_tag(run_id, "지울 것")
    with tempfile.TemporaryDirectory() as folder:
        with open(f"{folder}/한글 파일.txt", "w") as stream:
            stream.write("안녕")
        os.makedirs(f"{folder}/안/더 안")
        with open(f"{folder}/안/더 안/큰 것.bin", "wb") as stream:
            stream.write(os.urandom(3_000_000))
        mlflow.log_artifact(f"{folder}/한글 파일.txt")
        mlflow.log_artifacts(folder, "모음")
        original = open(f"{folder}/안/더 안/큰 것.bin", "rb").read()
    mlflow.log_text("본문", "문서/본문.txt")
    mlflow.log_dict({"값": 1}, "문서/사전.json")
    with mlflow.start_run(nested=True, run_name="자식") as child:
        mlflow.log_metric("정확도", 0.2)

data = client.get_run(run_id).data
assert data.params == {"학습률": "0.1", "iterations": "500", "depth": "6", "배치": "예"}, data.params
assert data.metrics["정확도"] == 0.9 and math.isnan(data.metrics["loss"]) and data.metrics["best"] == math.inf
assert data.tags["한글"] == "값" and "지울 것" not in data.tags and data.tags["mlflow.runName"] == "첫 실행"
info = client.get_run(run_id).info
assert info.status == "FINISHED" and info.end_time and info.run_name == "첫 실행"
history = client.get_metric_history(run_id, "정확도")
assert sorted((point.step, point.value) for point in history) == [
    (0, 0.5),
    (1, 0.6),
    (2, 0.5),
    (2, 0.7),
    (3, 0.8),
    (4, 0.9),
], history
assert math.isnan(client.get_metric_history(run_id, "loss")[0].value)

# artifacts
assert sorted(item.path for item in client.list_artifacts(run_id)) == ["모음", "문서", "한글 파일.txt"]
assert [item.path for item in client.list_artifacts(run_id, "문서")] == ["문서/본문.txt", "문서/사전.json"]
assert client.list_artifacts(run_id, "한글 파일.txt") == []
with tempfile.TemporaryDirectory() as folder:
    path = client.download_artifacts(run_id, "모음", folder)
    assert open(f"{path}/안/더 안/큰 것.bin", "rb").read() == original
    assert open(f"{path}/한글 파일.txt").read() == "안녕"
assert mlflow.artifacts.load_text(f"runs:/{run_id}/문서/본문.txt") == "본문"
repository = get_artifact_repository(info.artifact_uri)
repository.delete_artifacts("문서/본문.txt")
assert [item.path for item in client.list_artifacts(run_id, "문서")] == ["문서/사전.json"]

# search
others = []
for index in range(7):
    other = client.create_run(experiment_id, run_name=f"run {index}", tags={"짝": str(index % 2)})
    client.log_metric(other.info.run_id, "f1", index / 10)
    client.log_param(other.info.run_id, "kind", "tree" if index % 2 else "linear")
    client.set_terminated(other.info.run_id, "FAILED" if index == 3 else "FINISHED")
    others.append(other.info.run_id)
query = "metrics.f1 >= 0.2 and params.kind = 'tree' and tags.`짝` LIKE '1%' and attributes.status = 'FINISHED'"
assert [r.info.run_name for r in client.search_runs([experiment_id], query, order_by=["metrics.f1 DESC"])] == ["run 5"]
pages, token = [], None
while True:
    page = client.search_runs(
        [experiment_id], "metrics.f1 > -1", order_by=["metrics.f1 ASC"], max_results=3, page_token=token
    )
    pages.append([item.info.run_id for item in page])
    token = page.token
    if not token:
        break
assert [len(page) for page in pages] == [3, 3, 1] and [run for page in pages for run in page] == others
assert [r.info.run_id for r in client.search_runs([experiment_id], f"tags.mlflow.parentRunId = '{run_id}'")] == [
    child.info.run_id
]
assert refused(client.search_runs, [experiment_id], "metrics.f1 >") == "INVALID_PARAMETER_VALUE"
assert refused(client.search_runs, [experiment_id], "nonsense.f1 > 1") == "INVALID_PARAMETER_VALUE"

# inputs
with_input = client.create_run(experiment_id, run_name="입력")
read = DatasetInput(
    Dataset("고객", "abc123", "http", '{"url": "http://example.com/고객.csv"}', '{"열": 1}', "{}"),
    [InputTag("mlflow.data.context", "training")],
)
client.log_inputs(with_input.info.run_id, [read])
client.log_inputs(with_input.info.run_id, [read])
inputs = client.get_run(with_input.info.run_id).inputs.dataset_inputs
assert inputs[0].dataset.name == "고객" and inputs[0].tags[0].value == "training"
assert len(client.search_runs([experiment_id], "dataset.name = '고객' and dataset.context = 'training'")) == 1

# soft deletion
client.delete_run(others[0])
assert refused(client.log_metric, others[0], "f1", 1.0) == "INVALID_PARAMETER_VALUE"
assert others[0] not in [item.info.run_id for item in client.search_runs([experiment_id])]
client.restore_run(others[0])
assert others[0] in [item.info.run_id for item in client.search_runs([experiment_id])]
client.delete_experiment(experiment_id)
assert client.get_experiment(experiment_id).lifecycle_stage == "deleted"
client.restore_experiment(experiment_id)
assert client.get_run(others[1]).info.lifecycle_stage == "active"

# registry
model = f"이탈 {time.time_ns()}"
client.create_registered_model(model, tags={"팀": "데이터"}, description="고객 이탈")
assert refused(client.create_registered_model, model) == "RESOURCE_ALREADY_EXISTS"
first = client.create_model_version(model, f"{info.artifact_uri}/모음", run_id, tags={"a": "b"}, description="첫 버전")
second = client.create_model_version(model, f"runs:/{run_id}/문서", run_id)
assert (first.version, second.version) in (("1", "2"), (1, 2)), (first, second)
assert refused(client.create_model_version, model, "/etc", run_id) == "INVALID_PARAMETER_VALUE"
client.set_registered_model_alias(model, "champion", "1")
assert str(client.get_model_version_by_alias(model, "champion").version) == "1"
client.set_registered_model_alias(model, "champion", "2")
assert client.get_registered_model(model).aliases in ({"champion": "2"}, {"champion": 2})
assert refused(client.set_registered_model_alias, model, "latest", "1") == "INVALID_PARAMETER_VALUE"
client.delete_registered_model_alias(model, "champion")
assert client.get_registered_model(model).aliases == {}
client.set_model_version_tag(model, "1", "검증", "통과")
assert client.get_model_version(model, "1").tags == {"a": "b", "검증": "통과"}
client.delete_model_version_tag(model, "1", "a")
client.update_model_version(model, "1", "고친 설명")
assert client.get_model_version(model, "1").description == "고친 설명"
assert [str(v.version) for v in client.search_model_versions(f"name = '{model}'")] in (["2", "1"], ["1", "2"])
assert [str(v.version) for v in client.search_model_versions(f"run_id = '{run_id}' and tags.`검증` = '통과'")] == ["1"]
assert [m.name for m in client.search_registered_models(f"name = '{model}' and tags.`팀` = '데이터'")] == [model]
client.transition_model_version_stage(model, "1", "Staging")
assert [str(v.version) for v in client.get_latest_versions(model, ["Staging"])] == ["1"]
assert client.get_model_version_download_uri(model, "1") == f"{info.artifact_uri}/모음"
with tempfile.TemporaryDirectory() as folder:
    path = mlflow.artifacts.download_artifacts(f"models:/{model}/1", dst_path=folder)
    assert open(f"{path}/한글 파일.txt").read() == "안녕"
client.rename_registered_model(model, model + " 2")
client.set_registered_model_tag(model + " 2", "k", "v")
client.delete_registered_model_tag(model + " 2", "k")
client.update_registered_model(model + " 2", "설명")
client.delete_model_version(model + " 2", "2")
assert refused(client.get_model_version, model + " 2", "2") == "RESOURCE_DOES_NOT_EXIST"
client.delete_registered_model(model + " 2")
assert refused(client.get_registered_model, model + " 2") == "RESOURCE_DOES_NOT_EXIST"

# errors
assert refused(client.get_run, "0" * 32) == "RESOURCE_DOES_NOT_EXIST"
assert refused(client.log_metric, "0" * 32, "a", 1.0) == "RESOURCE_DOES_NOT_EXIST"
assert refused(client.get_experiment, "123456789") == "RESOURCE_DOES_NOT_EXIST"

if major >= 3:
    logged = client.create_logged_model(
        experiment_id, name="모델", source_run_id=run_id, params={"a": "1"}, tags={"t": "1"}
    )
    client.set_logged_model_tags(logged.model_id, {"u": "2"})
    client.delete_logged_model_tag(logged.model_id, "t")
    client.log_metric(
        others[1], "acc", 0.75, step=1, model_id=logged.model_id, dataset_name="고객", dataset_digest="abc"
    )
    client.finalize_logged_model(logged.model_id, "READY")
    back = client.get_logged_model(logged.model_id)
    assert back.tags == {"u": "2"} and back.params == {"a": "1"} and back.status == "READY", back
    assert [(m.key, m.value) for m in back.metrics] == [("acc", 0.75)]
    found = client.search_logged_models(
        [experiment_id],
        filter_string="metrics.acc > 0.5 AND params.a = '1'",
        order_by=[{"field_name": "metrics.acc", "ascending": False}],
    )
    assert [item.model_id for item in found] == [logged.model_id]
    client.log_outputs(others[1], [mlflow.entities.LoggedModelOutput(logged.model_id, 3)])
    outputs = client.get_run(others[1]).outputs.model_outputs
    assert [(item.model_id, item.step) for item in outputs] == [(logged.model_id, 3)]
    client.delete_logged_model(logged.model_id)
    assert refused(client.get_logged_model, logged.model_id) == "RESOURCE_DOES_NOT_EXIST"

print(json.dumps(seen))
