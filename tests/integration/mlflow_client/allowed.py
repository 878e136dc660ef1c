"""Where our answers may differ from those of a MLflow server, and why. `compare.py` reads it.

Ours are those of the newest MLflow; what older ones said in another way is in `OLDER`, by the versions that did.
"""

# (path begins with, body contains): why
ALLOWED = {
    ("runs/create", "{}"): "MLflow fails inside; we use experiment 0, as its documentation says",
    ("runs/update", "'NOPE'"): "MLflow ignores a status that it does not know; we refuse it",
    ("runs/log-metric", "1.5"): "MLflow cuts a step to an integer; we refuse it",
    ("runs/log-metric", "runId"): "we take the other spelling of the protocol buffers' JSON everywhere",
    ("logged-models/{lm}", "'status': 9"): "MLflow takes any number as a status; we refuse those without a meaning",
    ("runs/search", "metrics.m DESC"): "MLflow answers 500 where the request is wrong",
    ("logged-models/search", "LIKE 'x'"): "the same refusal in other words",
    ("model-versions/create", "file:///etc/passwd"): "we name the source as it was sent",
    ("registered-models/search", ""): "MLflow leaves out the aliases of the versions in a list of models",
    ("model-versions/search", ""): "MLflow leaves out the aliases in a list of versions",
    ("/api/2.0/mlflow-artifacts/artifacts/", "b'"): "MLflow answers an upload with nothing; we with {}",
}

BOTH, FIRST, SECOND = ("2.22", "3.0"), ("2.22",), ("3.0",)
LATER = "it came with a later MLflow"
STRICTER = "later versions are stricter, and we with them"
FOLLOWS = "what a request before this one left behind, which is listed here itself"
OLDER = (
    (BOTH, "/version", "", "each says its own"),
    (BOTH, "/api/3.0/mlflow/server-info", "", LATER),
    (BOTH, "experiments/get", "'abc'", "an id that is no number was not found; now it is invalid"),
    (BOTH, "experiments/delete-experiment-tag", "", LATER),
    (BOTH, "experiments/search", "{'max_results': 10}", FOLLOWS),
    (BOTH, "experiments/search", "IS NULL", LATER),
    (BOTH, "experiments/search", "팀", FOLLOWS),
    (BOTH, "experiments/search", "experiment_id IN", LATER),
    (BOTH, "experiments/search", "nope = 'x'", "fewer attributes to name in the message"),
    (BOTH, "experiments/search", "creation_time > 5", FOLLOWS),
    (BOTH, "experiments/search", "'view_type': 'ALL'", FOLLOWS),
    (BOTH, "experiments/get", "{exp}", FOLLOWS),
    (BOTH, "runs/log-metric", "'NaN'", "a NaN logged twice broke a constraint of its table"),
    (BOTH, "metrics/get-history", "'max_results': ", "pages of a history came later"),
    (BOTH, "metrics/get-history-bulk-interval", "'max_results', '2'", "few points were not thinned out"),
    (BOTH, "runs/search", "metrics.nan", "a NaN was compared as 0"),
    (BOTH, "runs/search", "NULL", LATER),
    (BOTH, "runs/search", "'page_token'", "a last page that is full had a token to an empty one"),
    (BOTH, "runs/search", "['x']", STRICTER),
    (BOTH, "runs/search", "params.p > '1'", "fewer comparisons to name in the message"),
    (BOTH, "registered-models/create", "'a/b'", STRICTER),
    (BOTH, "registered-models/create", "' '", STRICTER),
    (BOTH, "model-versions/create", "models:/이탈/1", "a copy did not know the run of its original"),
    (BOTH, "model-versions/create", "'mlflow-artifacts:/0/other/artifacts'", STRICTER),
    (BOTH, "model-versions/create", "runs:/{run2}/model", STRICTER),
    (BOTH, "registered-models/alias", "'latest'", "the alias `latest` could not be asked for"),
    (BOTH, "registered-models/alias", "'champion'", "an alias outlived its version"),
    (BOTH, "registered-models/get", "", FOLLOWS),
    (BOTH, "registered-models/rename", "새 이름", FOLLOWS),
    (SECOND, "logged-models/{lm}", "allow_deleted", LATER),
    (FIRST, "logged-models", "", LATER),
    (FIRST, "runs/outputs", "", LATER),
    (FIRST, "runs/get", "{run}", FOLLOWS),
    (FIRST, "model-versions/create", "models:/{lm}", LATER),
    (FIRST, "model-versions/create", "s3://b/x", FOLLOWS),
    (FIRST, "model-versions/get", "'version': '3'", FOLLOWS),
    (FIRST, "model-versions/get-download-uri", "", FOLLOWS),
)  # fmt: skip


def why_allowed(version, path, body):
    """Why the answer to a request may differ from that of this version, or ""."""
    for (where, what), why in ALLOWED.items():
        if path.startswith(where) and (str(body) == what if what == "{}" else what in str(body)):
            return why
    for versions, where, what, why in OLDER:
        if version.startswith(tuple(f"{item}." for item in versions)) and path.startswith(where) and what in str(body):
            return why
    return ""
