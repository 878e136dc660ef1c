"""What a training script in a container does, with the token of its run: `contained.py`, all else from the environment.

MLFLOW_TRACKING_URI, MLFLOW_TRACKING_TOKEN, MLFLOW_RUN_ID and MLFLOW_EXPERIMENT_NAME are set as teul sets them;
OTHER_RUN is somebody else's.
"""

import os
import warnings

warnings.filterwarnings("ignore")

import mlflow  # noqa: E402
import mlflow.sklearn  # noqa: E402
from mlflow import MlflowClient  # noqa: E402
from mlflow.exceptions import MlflowException  # noqa: E402
from sklearn.datasets import load_iris  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402

run_id, other = os.environ["MLFLOW_RUN_ID"], os.environ["OTHER_RUN"]
rows, labels = load_iris(return_X_y=True)
client = MlflowClient()


def refused(call, *arguments):
    try:
        call(*arguments)
    except MlflowException as error:
        return error.error_code
    raise AssertionError(f"{call} was not refused")


mlflow.sklearn.autolog(log_models=False)
with mlflow.start_run() as run:
    assert run.info.run_id == run_id
    mlflow.log_param("깊이", 3)
    model = LogisticRegression(max_iter=200).fit(rows, labels)
    mlflow.log_metric("정확도", model.score(rows, labels))
    mlflow.log_dict({"열": ["a", "b"]}, "설명/열.json")
    info = mlflow.sklearn.log_model(
        model, name="model", registered_model_name="붓꽃", pip_requirements=["scikit-learn"], input_example=rows[:2]
    )
    with mlflow.start_run(nested=True, run_name="자식"):
        mlflow.log_metric("정확도", 0.5)

data = client.get_run(run_id).data
assert data.params["max_iter"] == "200"
assert data.params["깊이"] == "3"
assert data.metrics["training_accuracy_score"] == data.metrics["정확도"]
assert client.get_run(run_id).info.status == "FINISHED"
client.set_registered_model_alias("붓꽃", "champion", "1")
again = mlflow.sklearn.load_model("models:/붓꽃@champion")
assert (again.predict(rows) == model.predict(rows)).all()
assert (mlflow.pyfunc.load_model(info.model_uri).predict(rows) == model.predict(rows)).all()
version = client.get_model_version("붓꽃", "1")
assert version.run_id == run_id
assert client.search_registered_models()[0].name == "붓꽃"

assert client.get_run(other).info.run_id == other
assert refused(client.log_metric, other, "m", 1.0) == "PERMISSION_DENIED"
assert refused(client.set_registered_model_alias, "붓꽃", "production", "1") == "PERMISSION_DENIED"
assert refused(client.delete_registered_model, "붓꽃") == "PERMISSION_DENIED"
print("done")
