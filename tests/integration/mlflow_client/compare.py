"""Ask two servers the same and print where their answers differ: `compare.py OURS THEIRS [FILE]`.

With FILE, what THEIRS answered is written down; a file written so may stand for THEIRS later.

Ids, times and generated names are replaced by what they are; everything else must be equal, messages too, but for what
`allowed` names. It needs nothing but Python, and a server of MLflow to compare with (`mlflow server`).
"""

import hashlib
import json
import re
import sys
import urllib.error
import urllib.parse
import urllib.request

from allowed import why_allowed

API = "/api/2.0/mlflow/"
LONG = "k" * 251

# (method, path below API, body or query, {name: where in the answer to take it from})
REQUESTS = [
    ("POST", "experiments/create", {"name": "실험 A", "tags": [{"key": "팀", "value": "데이터"}]}, {"exp": "experiment_id"}),
    ("POST", "experiments/create", {"name": "실험 A"}, {}),
    ("POST", "experiments/create", {}, {}),
    ("POST", "experiments/create", {"name": ""}, {}),
    ("POST", "experiments/create", {"name": 5}, {}),
    ("POST", "experiments/create", {"name": "x" * 501}, {}),
    ("POST", "experiments/create", {"name": "B", "artifact_location": "s3://bucket/b"}, {"expb": "experiment_id"}),
    ("GET", "experiments/get", {"experiment_id": "{exp}"}, {}),
    ("GET", "experiments/get", {"experiment_id": "{expb}"}, {}),
    ("GET", "experiments/get", {"experiment_id": "0"}, {}),
    ("GET", "experiments/get", {"experiment_id": "99999"}, {}),
    ("GET", "experiments/get", {"experiment_id": "abc"}, {}),
    ("GET", "experiments/get", {}, {}),
    ("GET", "experiments/get-by-name", {"experiment_name": "실험 A"}, {}),
    ("GET", "experiments/get-by-name", {"experiment_name": "없음"}, {}),
    ("POST", "experiments/set-experiment-tag", {"experiment_id": "{exp}", "key": "a b", "value": "1"}, {}),
    ("POST", "experiments/set-experiment-tag", {"experiment_id": "{exp}", "key": "a$b", "value": "1"}, {}),
    ("POST", "experiments/set-experiment-tag", {"experiment_id": "{exp}", "key": LONG, "value": "1"}, {}),
    ("POST", "experiments/set-experiment-tag", {"experiment_id": "{exp}", "value": "1"}, {}),
    ("POST", "experiments/delete-experiment-tag", {"experiment_id": "{exp}", "key": "none"}, {}),
    ("POST", "experiments/delete-experiment-tag", {"experiment_id": "{exp}", "key": "a b"}, {}),
    ("POST", "experiments/update", {"experiment_id": "{expb}", "new_name": "B2"}, {}),
    ("POST", "experiments/update", {"experiment_id": "{expb}"}, {}),
    ("POST", "experiments/search", {"max_results": 10}, {}),
    ("POST", "experiments/search", {"max_results": 10, "filter": "name = 'B2'"}, {}),
    ("POST", "experiments/search", {"max_results": 10, "filter": "name ILIKE 'b%' AND tags.x IS NULL"}, {}),
    ("POST", "experiments/search", {"max_results": 10, "filter": "name LIKE 'b%'"}, {}),
    ("POST", "experiments/search", {"max_results": 10, "filter": "tags.`팀` = '데이터'"}, {}),
    ("POST", "experiments/search", {"max_results": 10, "filter": "experiment_id IN ('0', '{exp}')"}, {}),
    ("POST", "experiments/search", {"max_results": 10, "filter": "nope = 'x'"}, {}),
    ("POST", "experiments/search", {"max_results": 10, "filter": "name > 'x'"}, {}),
    ("POST", "experiments/search", {"max_results": 10, "filter": "metrics.a > 1"}, {}),
    ("POST", "experiments/search", {"max_results": 10, "filter": "creation_time > 5 and name != 'q'"}, {}),
    ("POST", "experiments/search", {"max_results": 1, "order_by": ["name ASC"]}, {"etoken": "next_page_token"}),
    ("POST", "experiments/search", {"max_results": 1, "order_by": ["name ASC"], "page_token": "{etoken}"}, {}),
    ("POST", "experiments/search", {"max_results": 10, "order_by": ["nope DESC"]}, {}),
    ("POST", "experiments/search", {"max_results": 10, "order_by": ["name DOWN"]}, {}),
    ("POST", "experiments/search", {"max_results": 0}, {}),
    ("POST", "experiments/search", {}, {}),
    ("POST", "experiments/search", {"max_results": 50001}, {}),
    ("POST", "experiments/search", {"max_results": 5, "page_token": "!!"}, {}),
    ("GET", "experiments/search", {"max_results": "5", "view_type": "ALL"}, {}),
    ("POST", "runs/create", {"experiment_id": "{exp}", "start_time": 1, "run_name": "하나", "user_id": "u", "tags": [{"key": "t", "value": "v"}]}, {"run": "run.info.run_id"}),
    ("POST", "runs/create", {"experiment_id": "{exp}", "start_time": "2", "tags": [{"key": "mlflow.runName", "value": "둘"}]}, {"run2": "run.info.run_id"}),
    ("POST", "runs/create", {"experiment_id": "{exp}", "run_name": "a", "tags": [{"key": "mlflow.runName", "value": "b"}]}, {}),
    ("POST", "runs/create", {"experiment_id": "{expb}"}, {"run3": "run.info.run_id"}),
    ("POST", "runs/create", {"experiment_id": "77777"}, {}),
    ("POST", "runs/create", {}, {"run0": "run.info.run_id"}),
    ("GET", "runs/get", {"run_id": "{run3}"}, {}),
    ("GET", "runs/get", {"run_id": "0" * 32}, {}),
    ("GET", "runs/get", {}, {}),
    ("POST", "runs/update", {"run_id": "{run2}", "status": "FINISHED", "end_time": 5}, {}),
    ("POST", "runs/update", {"run_id": "{run2}", "status": 4, "run_name": "둘째"}, {}),
    ("POST", "runs/update", {"run_id": "{run2}", "status": "NOPE"}, {}),
    ("POST", "runs/update", {"status": "FINISHED"}, {}),
    ("GET", "runs/get", {"run_id": "{run2}"}, {}),
    ("POST", "runs/log-parameter", {"run_id": "{run}", "key": "p", "value": "1"}, {}),
    ("POST", "runs/log-parameter", {"run_id": "{run}", "key": "p", "value": "1"}, {}),
    ("POST", "runs/log-parameter", {"run_id": "{run}", "key": "p", "value": "2"}, {}),
    ("POST", "runs/log-parameter", {"run_id": "{run}", "key": "", "value": "2"}, {}),
    ("POST", "runs/log-parameter", {"run_id": "{run}", "key": "../x", "value": "2"}, {}),
    ("POST", "runs/log-parameter", {"run_id": "{run}", "key": "a/./b", "value": "2"}, {}),
    ("POST", "runs/log-parameter", {"run_id": "{run}", "key": "x!", "value": "2"}, {}),
    ("POST", "runs/log-parameter", {"run_id": "{run}", "key": LONG, "value": "2"}, {}),
    ("POST", "runs/log-parameter", {"run_id": "{run}", "key": "long", "value": "v" * 6001}, {}),
    ("POST", "runs/log-parameter", {"run_id": "{run}", "key": "empty"}, {}),
    ("POST", "runs/log-parameter", {"run_id": "{run}", "key": "n", "value": 3}, {}),
    ("POST", "runs/log-metric", {"run_id": "{run}", "key": "m", "value": 1.5, "timestamp": 10, "step": 1}, {}),
    ("POST", "runs/log-metric", {"run_id": "{run}", "key": "m", "value": 1.5, "timestamp": 10, "step": 1}, {}),
    ("POST", "runs/log-metric", {"run_id": "{run}", "key": "m", "value": 0.5, "timestamp": 20, "step": 0}, {}),
    ("POST", "runs/log-metric", {"run_id": "{run}", "key": "m", "value": "2.5", "timestamp": "30", "step": "1"}, {}),
    ("POST", "runs/log-metric", {"run_id": "{run}", "key": "m", "value": 1.0, "timestamp": 30, "step": 1}, {}),
    ("POST", "runs/log-metric", {"run_id": "{run}", "key": "nan", "value": "NaN", "timestamp": 1}, {}),
    ("POST", "runs/log-metric", {"run_id": "{run}", "key": "nan", "value": "NaN", "timestamp": 1}, {}),
    ("POST", "runs/log-metric", {"run_id": "{run}", "key": "bad", "value": "abc", "timestamp": 1}, {}),
    ("POST", "runs/log-metric", {"run_id": "{run}", "key": "bad", "timestamp": 1}, {}),
    ("POST", "runs/log-metric", {"run_id": "{run}", "key": "bad", "value": 1}, {}),
    ("POST", "runs/log-metric", {"run_id": "{run}", "key": "bad", "value": 1, "timestamp": -1}, {}),
    ("POST", "runs/log-metric", {"run_id": "{run3}", "key": "bad", "value": 1, "timestamp": 1, "step": 1.5}, {}),
    ("POST", "runs/log-metric", {"run_id": "{run}", "key": LONG, "value": 1, "timestamp": 1}, {}),
    ("POST", "runs/log-metric", {"run_id": "{run}", "key": "k" * 250, "value": 1, "timestamp": 1, "step": -3}, {}),
    ("POST", "runs/log-metric", {"key": "m", "value": 1, "timestamp": 1}, {}),
    ("POST", "runs/log-metric", {"run_id": "f" * 32, "key": "m", "value": 1, "timestamp": 1}, {}),
    ("POST", "runs/log-metric", {"run_uuid": "{run}", "key": "u", "value": 1, "timestamp": 1}, {}),
    ("POST", "runs/log-metric", {"runId": "{run3}", "key": "camel", "value": 1, "timestamp": 1, "unknown": {}}, {}),
    ("GET", "metrics/get-history", {"run_id": "{run}", "metric_key": "m"}, {}),
    ("GET", "metrics/get-history", {"run_id": "{run}", "metric_key": "m", "max_results": "2"}, {"mtoken": "next_page_token"}),
    ("GET", "metrics/get-history", {"run_id": "{run}", "metric_key": "m", "max_results": "2", "page_token": "{mtoken}"}, {}),
    ("GET", "metrics/get-history", {"run_id": "{run}", "metric_key": "m", "max_results": "0"}, {}),
    ("GET", "metrics/get-history", {"run_id": "{run}", "metric_key": "none"}, {}),
    ("GET", "metrics/get-history", {"run_id": "{run}"}, {}),
    ("GET", "metrics/get-history", {"run_id": "f" * 32, "metric_key": "m"}, {}),
    ("GET", "metrics/get-history-bulk-interval", [("run_ids", "{run}"), ("metric_key", "m"), ("max_results", "2")], {}),
    ("GET", "metrics/get-history-bulk-interval", [("run_ids", "{run}"), ("metric_key", "m"), ("start_step", "1"), ("end_step", "2")], {}),
    ("GET", "metrics/get-history-bulk-interval", [("run_ids", "{run}"), ("metric_key", "m"), ("start_step", "1")], {}),
    ("GET", "metrics/get-history-bulk-interval", [("metric_key", "m")], {}),
    ("POST", "runs/set-tag", {"run_id": "{run}", "key": "태그", "value": "값"}, {}),
    ("POST", "runs/set-tag", {"run_id": "{run}", "key": "mlflow.runName", "value": "하나!"}, {}),
    ("POST", "runs/set-tag", {"run_id": "{run}", "key": "big", "value": "v" * 8001}, {}),
    ("POST", "runs/set-tag", {"run_id": "{run}", "key": LONG, "value": "v"}, {}),
    ("POST", "runs/set-tag", {"run_id": "{run}", "key": "a\\b", "value": "v"}, {}),
    ("POST", "runs/set-tag", {"run_id": "{run}", "value": "v"}, {}),
    ("POST", "runs/delete-tag", {"run_id": "{run}", "key": "none"}, {}),
    ("POST", "runs/delete-tag", {"run_id": "{run}", "key": "big"}, {}),
    ("POST", "runs/log-batch", {"run_id": "{run}", "metrics": [{"key": "b", "value": 1, "timestamp": 1, "step": 0}, {"key": "b", "value": 2, "timestamp": 1, "step": 1}], "params": [{"key": "q", "value": "x"}], "tags": [{"key": "w", "value": "y"}]}, {}),
    ("POST", "runs/log-batch", {"run_id": "{run}", "params": [{"key": "q", "value": "z"}]}, {}),
    ("POST", "runs/log-batch", {"run_id": "{run}", "params": [{"key": "d", "value": "z"}, {"key": "d", "value": "z"}]}, {}),
    ("POST", "runs/log-batch", {"run_id": "{run}", "metrics": [{"key": "b", "value": 1}]}, {}),
    ("POST", "runs/log-batch", {"run_id": "{run}", "metrics": [{"value": 1, "timestamp": 1}]}, {}),
    ("POST", "runs/log-batch", {"run_id": "{run}", "metrics": [{"key": "b!", "value": 1, "timestamp": 1}]}, {}),
    ("POST", "runs/log-batch", {"run_id": "{run}", "params": [{"value": "1"}]}, {}),
    ("POST", "runs/log-batch", {"run_id": "{run}", "tags": [{"key": LONG, "value": "1"}]}, {}),
    ("POST", "runs/log-batch", {"run_id": "{run}", "metrics": [{"key": f"c{i}", "value": 1, "timestamp": 1} for i in range(1001)]}, {}),
    ("POST", "runs/log-batch", {"run_id": "{run}", "params": [{"key": f"c{i}", "value": "1"} for i in range(101)]}, {}),
    ("POST", "runs/log-batch", {"run_id": "{run}", "metrics": [{"key": f"c{i}", "value": 1, "timestamp": 1} for i in range(950)], "params": [{"key": f"c{i}", "value": "1"} for i in range(51)]}, {}),
    ("POST", "runs/log-batch", {"run_id": "bad id!"}, {}),
    ("POST", "runs/log-batch", {"run_id": "{run}"}, {}),
    ("POST", "runs/log-model", {"run_id": "{run3}", "model_json": "{\"artifact_path\": \"model\", \"flavors\": {}, \"utc_time_created\": \"2026-01-01 00:00:00\", \"run_id\": \"x\"}"}, {}),
    ("POST", "runs/log-model", {"run_id": "{run}", "model_json": "nope"}, {}),
    ("POST", "runs/log-inputs", {"run_id": "{run}", "datasets": [{"tags": [{"key": "mlflow.data.context", "value": "training"}], "dataset": {"name": "고객", "digest": "d1", "source_type": "local", "source": "{}", "schema": "{}", "profile": "{}"}}]}, {}),
    ("POST", "runs/log-inputs", {"run_id": "{run}", "datasets": [{"dataset": {"name": "n" * 501, "digest": "d1", "source_type": "local", "source": "{}"}}]}, {}),
    ("GET", "runs/get", {"run_id": "{run}"}, {}),
    ("POST", "runs/search", {"experiment_ids": ["{exp}"], "filter": "metrics.m > 1 and params.p = '1' and tags.`태그` = '값'"}, {}),
    ("POST", "runs/search", {"experiment_ids": ["{exp}"], "filter": "metrics.nan != 3"}, {}),
    ("POST", "runs/search", {"experiment_ids": ["{exp}"], "filter": "metrics.nan < 3"}, {}),
    ("POST", "runs/search", {"experiment_ids": ["{exp}"], "filter": "attributes.run_name LIKE '하%'"}, {}),
    ("POST", "runs/search", {"experiment_ids": ["{exp}"], "filter": "run_id IN ('{run}', '{run2}')", "order_by": ["run_name ASC"]}, {}),
    ("POST", "runs/search", {"experiment_ids": ["{exp}"], "filter": "status = 'FAILED'"}, {}),
    ("POST", "runs/search", {"experiment_ids": ["{exp}"], "filter": "params.p IS NOT NULL"}, {}),
    ("POST", "runs/search", {"experiment_ids": ["{exp}"], "filter": "tags.nothing IS NULL AND params.p IS NULL"}, {}),
    ("POST", "runs/search", {"experiment_ids": ["{exp}"], "filter": "dataset.name = '고객' and dataset.context = 'training'"}, {}),
    ("POST", "runs/search", {"experiment_ids": ["{exp}"], "filter": "start_time >= 2"}, {}),
    ("POST", "runs/search", {"experiment_ids": ["{exp}"], "order_by": ["metrics.m ASC"]}, {}),
    ("POST", "runs/search", {"experiment_ids": ["{exp}"], "order_by": ["params.p DESC", "attributes.start_time ASC"]}, {}),
    ("POST", "runs/search", {"experiment_ids": ["{exp}"], "max_results": 1}, {"rtoken": "next_page_token"}),
    ("POST", "runs/search", {"experiment_ids": ["{exp}"], "max_results": 1, "page_token": "{rtoken}"}, {}),
    ("POST", "runs/search", {"experiment_ids": ["{exp}"], "max_results": 50001}, {}),
    ("POST", "runs/search", {"experiment_ids": []}, {}),
    ("POST", "runs/search", {"experiment_ids": ["x"]}, {}),
    ("POST", "runs/search", {"experiment_ids": ["{exp}"], "filter": "metrics.m > 'a'"}, {}),
    ("POST", "runs/search", {"experiment_ids": ["{exp}"], "filter": "params.p = 1"}, {}),
    ("POST", "runs/search", {"experiment_ids": ["{exp}"], "filter": "params.p > '1'"}, {}),
    ("POST", "runs/search", {"experiment_ids": ["{exp}"], "filter": "metrics.m > 1 OR metrics.m < 0"}, {}),
    ("POST", "runs/search", {"experiment_ids": ["{exp}"], "filter": "attributes.nope = 'x'"}, {}),
    ("POST", "runs/search", {"experiment_ids": ["{exp}"], "filter": "nope.x = 'x'"}, {}),
    ("POST", "runs/search", {"experiment_ids": ["{exp}"], "filter": "metrics.m"}, {}),
    ("POST", "runs/search", {"experiment_ids": ["{exp}"], "order_by": ["metrics.m ASC", "metrics.m DESC"]}, {}),
    ("POST", "runs/search", {"experiment_ids": ["{exp}"], "order_by": ["nope.m ASC"]}, {}),
    ("POST", "runs/delete", {"run_id": "{run2}"}, {}),
    ("POST", "runs/delete", {"run_id": "{run2}"}, {}),
    ("POST", "runs/log-metric", {"run_id": "{run2}", "key": "m", "value": 1, "timestamp": 1}, {}),
    ("POST", "runs/update", {"run_id": "{run2}", "status": "KILLED"}, {}),
    ("POST", "runs/search", {"experiment_ids": ["{exp}"], "run_view_type": "DELETED_ONLY"}, {}),
    ("POST", "runs/search", {"experiment_ids": ["{exp}"], "run_view_type": 3}, {}),
    ("POST", "runs/restore", {"run_id": "{run2}"}, {}),
    ("POST", "runs/restore", {"run_id": "f" * 32}, {}),
    ("PUT", "/api/2.0/mlflow-artifacts/artifacts/{exp}/{run}/artifacts/model/MLmodel", b"flavors: {}", {}),
    ("PUT", "/api/2.0/mlflow-artifacts/artifacts/{exp}/{run}/artifacts/%ED%95%9C%EA%B8%80.txt", "안녕".encode(), {}),
    ("PUT", "/api/2.0/mlflow-artifacts/artifacts/{exp}/..%2f..%2fevil", b"x", {}),
    ("PUT", "/api/2.0/mlflow-artifacts/artifacts/%2Fetc/evil", b"x", {}),
    ("PUT", "/api/2.0/mlflow-artifacts/artifacts/a%23b", b"x", {}),
    ("GET", "/api/2.0/mlflow-artifacts/artifacts", {"path": "{exp}/{run}/artifacts"}, {}),
    ("GET", "/api/2.0/mlflow-artifacts/artifacts", {"path": "{exp}/{run}/artifacts/model"}, {}),
    ("GET", "/api/2.0/mlflow-artifacts/artifacts", {"path": "{exp}/{run}/artifacts/model/MLmodel"}, {}),
    ("GET", "/api/2.0/mlflow-artifacts/artifacts", {"path": "../x"}, {}),
    ("GET", "/api/2.0/mlflow-artifacts/artifacts/{exp}/{run}/artifacts/model/MLmodel", {}, {}),
    ("GET", "artifacts/list", {"run_id": "{run}"}, {}),
    ("GET", "artifacts/list", {"run_id": "{run}", "path": "model"}, {}),
    ("GET", "artifacts/list", {"run_id": "{run}", "path": "none"}, {}),
    ("GET", "artifacts/list", {"run_id": "{run}", "path": "../.."}, {}),
    ("GET", "artifacts/list", {"run_id": "{run}", "path": "/etc"}, {}),
    ("POST", "logged-models", {"experiment_id": "{exp}", "name": "모델", "model_type": "classifier", "source_run_id": "{run}", "params": [{"key": "a", "value": "1"}], "tags": [{"key": "t", "value": "1"}]}, {"lm": "model.info.model_id"}),
    ("POST", "logged-models", {"experiment_id": "{exp}", "name": "a/b"}, {}),
    ("POST", "logged-models", {"name": "a"}, {}),
    ("GET", "logged-models/{lm}", {}, {}),
    ("GET", "logged-models/m-none", {}, {}),
    ("PATCH", "logged-models/{lm}/tags", {"tags": [{"key": "u", "value": "2"}]}, {}),
    ("DELETE", "logged-models/{lm}/tags/t", {}, {}),
    ("DELETE", "logged-models/{lm}/tags/none", {}, {}),
    ("POST", "logged-models/{lm}/params", {"model_id": "{lm}", "params": [{"key": "b", "value": "2"}]}, {}),
    ("POST", "runs/log-metric", {"run_id": "{run}", "key": "acc", "value": 0.9, "timestamp": 1, "step": 2, "model_id": "{lm}", "dataset_name": "고객", "dataset_digest": "d1"}, {}),
    ("POST", "runs/outputs", {"run_id": "{run}", "models": [{"model_id": "{lm}", "step": 1}]}, {}),
    ("POST", "runs/outputs", {"run_id": "{run}"}, {}),
    ("PATCH", "logged-models/{lm}", {"model_id": "{lm}", "status": "LOGGED_MODEL_READY"}, {}),
    ("PATCH", "logged-models/{lm}", {"model_id": "{lm}", "status": 9}, {}),
    ("PATCH", "logged-models/{lm}", {"model_id": "{lm}", "status": "LOGGED_MODEL_READY"}, {}),
    ("PUT", "/api/2.0/mlflow-artifacts/artifacts/{exp}/models/{lm}/artifacts/MLmodel", b"a: 1", {}),
    ("GET", "logged-models/{lm}/artifacts/directories", {}, {}),
    ("POST", "logged-models/search", {"experiment_ids": ["{exp}"], "filter": "metrics.acc > 0.5 and params.a = '1' and name LIKE '모%'"}, {}),
    ("POST", "logged-models/search", {"experiment_ids": ["{exp}"], "order_by": [{"field_name": "metrics.acc", "ascending": False}]}, {}),
    ("POST", "logged-models/search", {"experiment_ids": ["{exp}"], "order_by": [{"field_name": "nope"}]}, {}),
    ("POST", "logged-models/search", {"experiment_ids": ["{exp}"], "filter": "metrics.acc LIKE 'x'"}, {}),
    ("POST", "logged-models/search", {}, {}),
    ("GET", "runs/get", {"run_id": "{run}"}, {}),
    ("POST", "registered-models/create", {"name": "이탈", "description": "설명", "tags": [{"key": "a", "value": "b"}]}, {}),
    ("POST", "registered-models/create", {"name": "이탈"}, {}),
    ("POST", "registered-models/create", {"name": "a/b"}, {}),
    ("POST", "registered-models/create", {"name": " "}, {}),
    ("POST", "registered-models/create", {}, {}),
    ("GET", "registered-models/get", {"name": "이탈"}, {}),
    ("GET", "registered-models/get", {"name": "없음"}, {}),
    ("PATCH", "registered-models/update", {"name": "이탈", "description": "새 설명"}, {}),
    ("POST", "model-versions/create", {"name": "이탈", "source": "mlflow-artifacts:/{exp}/{run}/artifacts/model", "run_id": "{run}", "tags": [{"key": "x", "value": "y"}]}, {}),
    ("POST", "model-versions/create", {"name": "이탈", "source": "runs:/{run}/model", "run_id": "{run}"}, {}),
    ("POST", "model-versions/create", {"name": "이탈", "source": "models:/{lm}", "model_id": "{lm}"}, {}),
    ("POST", "model-versions/create", {"name": "이탈", "source": "models:/이탈/1"}, {}),
    ("POST", "model-versions/create", {"name": "이탈", "source": "s3://b/x"}, {}),
    ("POST", "model-versions/create", {"name": "이탈", "source": "/etc/passwd"}, {}),
    ("POST", "model-versions/create", {"name": "이탈", "source": "file:///etc/passwd", "run_id": "{run}"}, {}),
    ("POST", "model-versions/create", {"name": "이탈", "source": "mlflow-artifacts:/0/other/artifacts", "run_id": "{run}"}, {}),
    ("POST", "model-versions/create", {"name": "이탈", "source": "mlflow-artifacts:/{exp}/{run}/artifacts/../../../x", "run_id": "{run}"}, {}),
    ("POST", "model-versions/create", {"name": "이탈", "source": "runs:/{run2}/model", "run_id": "{run}"}, {}),
    ("POST", "model-versions/create", {"name": "이탈"}, {}),
    ("POST", "model-versions/create", {"name": "없음", "source": "s3://b/x"}, {}),
    ("GET", "model-versions/get", {"name": "이탈", "version": "1"}, {}),
    ("GET", "model-versions/get", {"name": "이탈", "version": "3"}, {}),
    ("GET", "model-versions/get", {"name": "이탈", "version": "9"}, {}),
    ("GET", "model-versions/get", {"name": "이탈", "version": "x"}, {}),
    ("GET", "model-versions/get-download-uri", {"name": "이탈", "version": "1"}, {}),
    ("GET", "model-versions/get-download-uri", {"name": "이탈", "version": "3"}, {}),
    ("GET", "model-versions/get-download-uri", {"name": "이탈", "version": "4"}, {}),
    ("PATCH", "model-versions/update", {"name": "이탈", "version": "1", "description": "d"}, {}),
    ("PATCH", "model-versions/update", {"name": "이탈", "version": "1"}, {}),
    ("POST", "model-versions/set-tag", {"name": "이탈", "version": "1", "key": "검증", "value": "통과"}, {}),
    ("POST", "model-versions/set-tag", {"name": "이탈", "version": "9", "key": "검증", "value": "통과"}, {}),
    ("DELETE", "model-versions/delete-tag", {"name": "이탈", "version": "1", "key": "x"}, {}),
    ("DELETE", "model-versions/delete-tag", {"name": "이탈", "version": "1", "key": "none"}, {}),
    ("POST", "registered-models/alias", {"name": "이탈", "alias": "챔피언", "version": "1"}, {}),
    ("POST", "registered-models/alias", {"name": "이탈", "alias": "champion", "version": "2"}, {}),
    ("POST", "registered-models/alias", {"name": "이탈", "alias": "champion", "version": "9"}, {}),
    ("POST", "registered-models/alias", {"name": "이탈", "alias": "latest", "version": "1"}, {}),
    ("POST", "registered-models/alias", {"name": "이탈", "alias": "v1", "version": "1"}, {}),
    ("POST", "registered-models/alias", {"name": "이탈", "alias": "a b", "version": "1"}, {}),
    ("GET", "registered-models/alias", {"name": "이탈", "alias": "champion"}, {}),
    ("GET", "registered-models/alias", {"name": "이탈", "alias": "latest"}, {}),
    ("GET", "registered-models/alias", {"name": "이탈", "alias": "none"}, {}),
    ("GET", "registered-models/get", {"name": "이탈"}, {}),
    ("POST", "model-versions/transition-stage", {"name": "이탈", "version": "1", "stage": "production"}, {}),
    ("POST", "model-versions/transition-stage", {"name": "이탈", "version": "2", "stage": "Production", "archive_existing_versions": True}, {}),
    ("POST", "model-versions/transition-stage", {"name": "이탈", "version": "2", "stage": "Nope"}, {}),
    ("GET", "registered-models/get-latest-versions", {"name": "이탈"}, {}),
    ("POST", "registered-models/get-latest-versions", {"name": "이탈", "stages": ["Production"]}, {}),
    ("POST", "registered-models/get-latest-versions", {"name": "이탈", "stages": ["x"]}, {}),
    ("POST", "registered-models/set-tag", {"name": "이탈", "key": "k", "value": "v"}, {}),
    ("DELETE", "registered-models/delete-tag", {"name": "이탈", "key": "k"}, {}),
    ("POST", "registered-models/create", {"name": "둘째"}, {}),
    ("GET", "registered-models/search", {}, {}),
    ("GET", "registered-models/search", {"filter": "name = '이탈'"}, {}),
    ("GET", "registered-models/search", {"filter": "name ILIKE '%탈' and tags.a = 'b'"}, {}),
    ("GET", "registered-models/search", [("order_by", "name DESC"), ("max_results", "1")], {"gtoken": "next_page_token"}),
    ("GET", "registered-models/search", [("order_by", "name DESC"), ("max_results", "1"), ("page_token", "{gtoken}")], {}),
    ("GET", "registered-models/search", [("order_by", "nope")], {}),
    ("GET", "registered-models/search", {"filter": "run_id = 'x'"}, {}),
    ("GET", "registered-models/search", {"max_results": "1001"}, {}),
    ("GET", "model-versions/search", {"filter": "name='이탈'"}, {}),
    ("GET", "model-versions/search", {"filter": "run_id = '{run}' and tags.`검증` = '통과'"}, {}),
    ("GET", "model-versions/search", {"filter": "run_id IN ('{run}', 'x')"}, {}),
    ("GET", "model-versions/search", {"filter": "version_number > 2"}, {}),
    ("GET", "model-versions/search", {"filter": "source_path LIKE 'runs:%'"}, {}),
    ("GET", "model-versions/search", [("filter", "name='이탈'"), ("order_by", "version_number ASC"), ("max_results", "2")], {}),
    ("GET", "model-versions/search", {"filter": "nope = 'x'"}, {}),
    ("DELETE", "model-versions/delete", {"name": "이탈", "version": "2"}, {}),
    ("DELETE", "model-versions/delete", {"name": "이탈", "version": "2"}, {}),
    ("GET", "registered-models/alias", {"name": "이탈", "alias": "champion"}, {}),
    ("DELETE", "registered-models/alias", {"name": "이탈", "alias": "챔피언"}, {}),
    ("DELETE", "registered-models/alias", {"name": "이탈", "alias": "none"}, {}),
    ("POST", "registered-models/rename", {"name": "이탈", "new_name": "둘째"}, {}),
    ("POST", "registered-models/rename", {"name": "이탈", "new_name": "새 이름"}, {}),
    ("POST", "registered-models/rename", {"name": "없음", "new_name": "x"}, {}),
    ("DELETE", "registered-models/delete", {"name": "새 이름"}, {}),
    ("DELETE", "registered-models/delete", {"name": "새 이름"}, {}),
    ("DELETE", "logged-models/{lm}", {}, {}),
    ("GET", "logged-models/{lm}", {}, {}),
    ("GET", "logged-models/{lm}", {"allow_deleted": "true"}, {}),
    ("POST", "experiments/delete", {"experiment_id": "{exp}"}, {}),
    ("POST", "experiments/delete", {"experiment_id": "{exp}"}, {}),
    ("POST", "runs/create", {"experiment_id": "{exp}"}, {}),
    ("GET", "experiments/get", {"experiment_id": "{exp}"}, {}),
    ("POST", "experiments/set-experiment-tag", {"experiment_id": "{exp}", "key": "a", "value": "1"}, {}),
    ("POST", "experiments/update", {"experiment_id": "{exp}", "new_name": "x"}, {}),
    ("POST", "experiments/restore", {"experiment_id": "{exp}"}, {}),
    ("POST", "experiments/restore", {"experiment_id": "{exp}"}, {}),
    ("GET", "runs/get", {"run_id": "{run2}"}, {}),
    ("DELETE", "/api/2.0/mlflow-artifacts/artifacts/{exp}/{run}/artifacts/model", {}, {}),
    ("GET", "artifacts/list", {"run_id": "{run}"}, {}),
    ("POST", "/api/2.0/mlflow-artifacts/mpu/create/{exp}/{run}/artifacts", {}, {}),
    ("GET", "/health", {}, {}),
    ("GET", "/version", {}, {}),
    ("GET", "/api/3.0/mlflow/server-info", {}, {}),
]  # fmt: skip


# What of the path and the body → why our answer may be another one.
def ask(base, method, path, body, names):
    path = fill(path, names)
    url = base + (path if path.startswith("/") else API + path)
    data, headers = None, {}
    if isinstance(body, bytes):
        data = body
    elif method == "GET":
        pairs = body.items() if isinstance(body, dict) else body
        query = urllib.parse.urlencode([(key, fill(value, names)) for key, value in pairs])
        url += f"?{query}" if query else ""
    else:
        data = fill(json.dumps(body, ensure_ascii=False), names).encode()
        headers["Content-Type"] = "application/json"
    request = urllib.request.Request(url, data, headers, method=method)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def fill(text, names):
    for name, value in names.items():
        text = text.replace("{" + name + "}", value)
    return text


def take(answer, path):
    try:
        found = json.loads(answer)
    except ValueError:
        return "missing"
    for name in path.split("."):
        found = found.get(name, {})
    return found or "missing"


def plain(data, names):
    """The answer with ids and times replaced, lists of pairs in order, and errors without what only MLflow adds."""
    text = data.decode(errors="replace")
    for name, value in sorted(names.items(), key=lambda item: -len(item[1])):
        if len(value) > 6:
            text = text.replace(value, f"<{name}>")
    try:
        return tidy(json.loads(text))
    except ValueError:
        return text.strip()


def tidy(value, key=""):
    if isinstance(value, dict):
        made = {name: tidy(item, name) for name, item in value.items()}
        if "error_code" in made:
            made.pop("sqlstate", None)
            made.pop("error_class", None)
            message = re.sub(r"Error: .*|\(sqlite3.*", "…", str(made["message"]), flags=re.S)
            made["message"] = re.sub(r"\{('[^{}]*')\}", in_order, message)
        return {name: item for name, item in made.items() if name not in IGNORED and item not in ([], {})}
    if isinstance(value, list):
        items = [tidy(item) for item in value]
        return sorted(items, key=str) if key in UNORDERED else items
    if isinstance(value, int) and value > 1_000_000_000_000:
        return "<time>"
    if isinstance(value, str) and re.fullmatch(r"[a-z]+-[a-z]+-\d+", value):
        return "<name>"
    if not isinstance(value, str):
        return value
    return re.sub(r"(.)\1{40,}", lambda run: f"<{len(run[0])} {run[1]}>", re.sub(r"\b[0-9a-f]{32}\b", "<id>", value))


def differences(mine, other, where=""):
    """The places where two answers differ, each with both sides."""
    if isinstance(mine, dict) and isinstance(other, dict):
        for name in [*mine, *(name for name in other if name not in mine)]:
            yield from differences(mine.get(name), other.get(name), f"{where}.{name}")
    elif isinstance(mine, list | tuple) and isinstance(other, list | tuple) and len(mine) == len(other):
        for index, (one, two) in enumerate(zip(mine, other, strict=True)):
            yield from differences(one, two, f"{where}[{index}]")
    elif mine != other:
        yield where, mine, other


def in_order(match):
    """The words of a Python set as text: their order differs from run to run."""
    return "{" + ", ".join(sorted(match[1].split(", "))) + "}"


UNORDERED = {"tags", "metrics", "params", "aliases"}
IGNORED = {"effective_trace_archival_retention", "workspace", "presigned_upload_run_id_supported",
           "presigned_upload_model_id_supported", "features_enabled"}  # fmt: skip


class Server:
    """One that answers."""

    def __init__(self, base):
        self.base = base
        self.names = {}
        self.version = ask(base, "GET", "/version", {}, {})[1].decode()

    def answer(self, index):
        method, path, body, wanted = REQUESTS[index]
        status, data = ask(self.base, method, path, body, self.names)
        for name, where in wanted.items():
            self.names[name] = take(data, where)
        return status, plain(data, self.names)


class Record:
    """What one answered once."""

    def __init__(self, file):
        with open(file, encoding="utf-8") as stream:
            made = json.load(stream)
        self.version = made["version"]
        self.answers = made["answers"]
        if made["requests"] != digest():
            raise SystemExit(f"{file}: the requests are others now; record it again: make compare-mlflow")

    def answer(self, index):
        status, data = self.answers[index]
        return status, data


def digest():
    """Tells these requests from others."""
    return hashlib.sha256(repr(REQUESTS).encode()).hexdigest()[:16]


def main():
    ours = Server(sys.argv[1])
    theirs = Server(sys.argv[2]) if sys.argv[2].startswith("http") else Record(sys.argv[2])
    answers = []
    different = 0
    for index, (method, path, body, _) in enumerate(REQUESTS):
        mine, other = ours.answer(index), theirs.answer(index)
        answers.append(other)
        if mine != other and not why_allowed(theirs.version, path, body):
            different += 1
            print(f"\n{method} {path} {str(body)[:160]}")
            for where, one, two in list(differences(mine, other))[:4]:
                print(f"  {where}\n    ours   {str(one)[:300]}\n    theirs {str(two)[:300]}")
    if sys.argv[3:]:
        made = {"version": theirs.version, "requests": digest(), "answers": answers}
        with open(sys.argv[3], "w", encoding="utf-8") as stream:
            lines = ",\n".join(json.dumps(answer, ensure_ascii=False, sort_keys=True) for answer in answers)
            head = json.dumps({**made, "answers": []})[:-3]
            stream.write(f"{head}[\n{lines}\n]}}\n")
    print(
        f"\n{theirs.version}: {len(REQUESTS)} requests, {different} answered differently without a reason that we know"
    )
    return bool(different)


if __name__ == "__main__":
    sys.exit(main())
