"""Trains with each framework as its users do: `frameworks.py URI RESULT [NAME …]`, with MLflow and the frameworks around.

Writes what every request was and what stood in each run at the end to the file RESULT, as JSON: `servers.py` compares it
with another server's, and the tests replay the requests where no framework is installed. A case that fails is an error.
"""

import json
import os
import re
import sys
import tempfile
import threading
import warnings
from urllib.parse import urlsplit

os.environ.update(MLFLOW_DISABLE_TELEMETRY="true", CUDA_VISIBLE_DEVICES="", GIT_PYTHON_REFRESH="quiet")
os.environ.update(MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR="false", MLFLOW_HTTP_REQUEST_MAX_RETRIES="1")
warnings.filterwarnings("ignore")

import mlflow  # noqa: E402 (what is above is for them)
import numpy  # noqa: E402
import requests  # noqa: E402
from click.testing import CliRunner  # noqa: E402
from mlflow import MlflowClient  # noqa: E402
from sklearn.datasets import load_iris  # noqa: E402

ROWS, LABELS = load_iris(return_X_y=True, as_frame=True)
ROWS.columns = ["a", "b", "c", "너비"]
LIBRARIES = ["scikit-learn"]
"""What a model needs, said outright: to find it out would load each model in another process."""
VARYING = (
    (r"\d{4}[-/]\d\d[-/]\d\d \d\d:\d\d:\d\d[.\d]*( UTC|\+00:00)?|\b\d{12,}\b", "TIME"),
    (r"\b[0-9a-f]{32}\b", "ID"),
    (r"http://127\.0\.0\.1:\d+|(/[\w.-]+)*/tmp\w+", "PLACE"),
    (r"(already exists\.) Error: (?s:.*)", r"\1"),
)
"""What differs from one time to the next in what `mlflow` prints; and the SQL that failed, which MLflow tells, too."""
requested, guard = [], threading.Lock()
send = requests.Session.send


def recorded(self, request, **options):
    """Send it, and keep what it was, how it was answered and which id it made."""
    body, made = request.body, ""
    answer = send(self, request, **options)
    parts = urlsplit(request.url)
    kept = {"method": request.method, "path": parts.path + (f"?{parts.query}" if parts.query else "")}
    if "/mlflow-artifacts/artifacts/" in parts.path and request.method == "PUT":
        kept["size"] = int(request.headers.get("Content-Length") or 0)
    elif body:
        kept["json"] = json.loads(body)
    if answer.status_code == 200 and parts.path.endswith(("/runs/create", "/logged-models")):
        info = answer.json().get("run", answer.json().get("model"))["info"]
        made = info.get("run_id") or info.get("model_id")
    with guard:
        requested.append({**kept, "status": answer.status_code, **({"made": made} if made else {})})
    return answer


requests.Session.send = recorded


def score(uri, wanted):
    """Load a model as anybody would who knows only its address; and it says what it said when it was made."""
    found = mlflow.pyfunc.load_model(uri).predict(ROWS)
    assert numpy.allclose(numpy.asarray(found).ravel(), numpy.asarray(wanted).ravel(), atol=1e-5)


def logged(flavour, model, **options):
    """`log_model` in the words of this version; its URI."""
    name = {"name": "model"} if mlflow.__version__ >= "3" else {"artifact_path": "model"}
    return flavour.log_model(model, **name, pip_requirements=LIBRARIES, **options).model_uri


def scikit_learn():
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV

    mlflow.sklearn.autolog(log_models=False, max_tuning_runs=2)
    with mlflow.start_run(run_name="분류"):
        model = LogisticRegression(max_iter=200).fit(ROWS, LABELS)
        model.score(ROWS, LABELS)
        uri = logged(mlflow.sklearn, model, input_example=ROWS[:2], registered_model_name="붓꽃")
    with mlflow.start_run(run_name="탐색"):
        GridSearchCV(LogisticRegression(max_iter=200), {"C": [0.1, 1.0]}, cv=2).fit(ROWS, LABELS)
    mlflow.sklearn.autolog(disable=True)
    score(uri, model.predict(ROWS))
    score("models:/붓꽃/1", model.predict(ROWS))


def evaluate():
    from sklearn.linear_model import LinearRegression, LogisticRegression

    table = ROWS.assign(label=LABELS)
    for kind, model in (("classifier", LogisticRegression(max_iter=200)), ("regressor", LinearRegression())):
        with mlflow.start_run(run_name=kind):
            uri = logged(mlflow.sklearn, model.fit(ROWS, LABELS))
            asked = {"targets": "label", "model_type": kind, "evaluators": "default"}
            made = mlflow.models.evaluate(
                uri, table, **asked, evaluator_config={"log_model_explainability": False, "log_explainer": False}
            )
        assert made.metrics
        assert all(item.uri for item in made.artifacts.values())


def catboost():
    """MLflow logs nothing of CatBoost by itself in any version: a user logs it."""
    from catboost import CatBoostClassifier

    with mlflow.start_run():
        model = CatBoostClassifier(iterations=5, random_seed=1, verbose=False, allow_writing_files=False)
        model.fit(ROWS, LABELS)
        mlflow.log_params(model.get_params())
        for step, value in enumerate(model.get_evals_result()["learn"]["MultiClass"]):
            mlflow.log_metric("MultiClass", value, step=step)
        uri = logged(mlflow.catboost, model)
    score(uri, model.predict(ROWS))


def xgboost():
    import xgboost

    mlflow.xgboost.autolog(log_models=False)
    with mlflow.start_run():
        data = xgboost.DMatrix(ROWS, LABELS)
        asked = {"objective": "multi:softprob", "num_class": 3, "seed": 1, "nthread": 1}
        model = xgboost.train(asked, data, num_boost_round=5, evals=[(data, "train")], verbose_eval=False)
        uri = logged(mlflow.xgboost, model)
    mlflow.xgboost.autolog(disable=True)
    score(uri, model.predict(data))


def lightgbm():
    import lightgbm

    mlflow.lightgbm.autolog(log_models=False)
    with mlflow.start_run():
        rows = ROWS.rename(columns={"너비": "d"})
        data = lightgbm.Dataset(rows, LABELS)
        asked = {"objective": "multiclass", "num_class": 3, "seed": 1, "num_threads": 1, "verbosity": -1}
        model = lightgbm.train(asked, data, num_boost_round=5, valid_sets=[data], valid_names=["train"])
        uri = logged(mlflow.lightgbm, model)
    mlflow.lightgbm.autolog(disable=True)
    score(uri, model.predict(rows))


def pytorch():
    import lightning
    import torch

    class Line(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(4, 3)

        def forward(self, rows):
            return self.layer(rows)

        def training_step(self, batch, _):
            loss = torch.nn.functional.cross_entropy(self(batch[0]), batch[1])
            self.log("loss", loss, on_epoch=True)
            return loss

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.01)

    torch.manual_seed(1)
    torch.set_num_threads(1)
    rows, labels = torch.tensor(ROWS.to_numpy(), dtype=torch.float32), torch.tensor(LABELS.to_numpy())
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(rows, labels), batch_size=50)
    mlflow.pytorch.autolog(log_models=False, checkpoint=False)
    with mlflow.start_run(), tempfile.TemporaryDirectory() as folder:
        quiet = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False}
        trainer = lightning.Trainer(max_epochs=3, accelerator="cpu", default_root_dir=folder, **quiet)
        model = Line()
        trainer.fit(model, loader)
        plain = torch.nn.Sequential(model.layer)
        uri = logged(mlflow.pytorch, plain, input_example=rows[:2].numpy())
    mlflow.pytorch.autolog(disable=True)
    back = mlflow.pytorch.load_model(uri)
    assert torch.allclose(back(rows), plain(rows))


def command_line():
    """What `mlflow` prints of runs, experiments, artifacts and models."""
    from mlflow.cli import cli

    said = []

    def do(*words):
        done = CliRunner().invoke(cli, words)
        raised = f"{done.exception}" if done.exception and not isinstance(done.exception, SystemExit) else ""
        printed = done.output + raised
        for what, name in VARYING:
            printed = re.sub(what, name, printed)
        said.append([" ".join(words[:2]), done.exit_code, " ".join(printed.split())])
        return done

    with tempfile.TemporaryDirectory() as folder:
        # Not of Hangul: a server of MLflow 2.22 with today's libraries breaks off when it hands out a file so named.
        with open(f"{folder}/memo.txt", "w", encoding="utf-8") as stream:
            stream.write("안녕")
        do("experiments", "create", "-n", "명령줄")
        number = MlflowClient().get_experiment_by_name("명령줄").experiment_id
        run = MlflowClient().create_run(number, run_name="하나").info.run_id
        do("experiments", "rename", "--experiment-id", number, "--new-name", "명령줄 2")
        do("experiments", "search", "--view", "all")
        do("experiments", "create", "-n", "명령줄 2")
        do("artifacts", "log-artifact", "--local-file", f"{folder}/memo.txt", "--run-id", run, "--artifact-path", "글")
        do("artifacts", "log-artifacts", "--local-dir", folder, "--run-id", run)
        do("artifacts", "list", "--run-id", run)
        do("artifacts", "download", "--run-id", run, "--artifact-path", "글", "--dst-path", f"{folder}/down")
        with open(f"{folder}/down/글/memo.txt", encoding="utf-8") as stream:
            assert stream.read() == "안녕", said
        do("runs", "list", "--experiment-id", number)
        do("runs", "describe", "--run-id", run)
        do("runs", "delete", "--run-id", run)
        do("runs", "list", "--experiment-id", number)
        do("runs", "restore", "--run-id", run)
        do("experiments", "csv", "--experiment-id", number)
        do("experiments", "delete", "--experiment-id", number)
        do("experiments", "restore", "--experiment-id", number)
        do("runs", "describe", "--run-id", "0" * 32)
        ROWS[:3].to_csv(f"{folder}/rows.csv", index=False)
        asked = ("-m", "models:/붓꽃/1", "--env-manager", "local", "-t", "csv")
        predicted = do("models", "predict", *asked, "-i", f"{folder}/rows.csv", "-o", f"{folder}/out.json")
        assert predicted.exit_code == 0, predicted.output
        with open(f"{folder}/out.json") as stream:
            assert json.load(stream) == {"predictions": [0, 0, 0]}
    return said


def walk(client, run_id, path=None):
    for item in client.list_artifacts(run_id, path):
        if item.is_dir:
            yield from walk(client, run_id, item.path)
        else:
            yield item.path


def standing(client, experiment_id):
    """What is in every run of the experiment."""
    found = []
    for listed in client.search_runs([experiment_id]):
        run = client.get_run(listed.info.run_id)  # a search did not tell the outputs before MLflow 3.1
        points = {key: len(client.get_metric_history(run.info.run_id, key)) for key in sorted(run.data.metrics)}
        one = {
            "status": run.info.status,
            "params": dict(sorted(run.data.params.items())),
            "metrics": points,
            "tags": sorted(run.data.tags),
            "artifacts": sorted(walk(client, run.info.run_id)),
            "inputs": sorted(item.dataset.name for item in run.inputs.dataset_inputs),
        }
        if mlflow.__version__ >= "3":
            one["outputs"] = len(run.outputs.model_outputs)
            one["models"] = sorted(
                [model.name, str(model.status), model.model_type]
                for model in client.search_logged_models([experiment_id])
                if model.source_run_id == run.info.run_id
            )
        found.append(one)
    # By what is in them: of runs that began in the same millisecond neither is the first.
    return sorted(found, key=lambda one: json.dumps(one, sort_keys=True))


CASES = (scikit_learn, evaluate, catboost, xgboost, lightgbm, pytorch, command_line)


def main():
    uri, result, *names = sys.argv[1:]
    mlflow.set_tracking_uri(uri)
    os.environ["MLFLOW_TRACKING_URI"] = uri
    client, cases = MlflowClient(), []
    for case in CASES:
        if names and case.__name__ not in names:
            continue
        print(f"  {case.__name__}", file=sys.stderr, flush=True)
        requested.clear()
        experiment = mlflow.set_experiment(case.__name__).experiment_id
        printed = case()
        until = len(requested)
        runs = standing(client, experiment)
        cases.append(
            {
                "name": case.__name__,
                "requests": requested[:until],
                "runs": runs,
                **({"said": printed} if printed else {}),
            }
        )
    with open(result, "w", encoding="utf-8") as file:
        json.dump(cases, file, ensure_ascii=False)


if __name__ == "__main__":
    main()
