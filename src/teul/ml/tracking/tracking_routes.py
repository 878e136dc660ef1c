"""The routes of experiments, runs and metrics: `/api/2.0/mlflow/{experiments,runs,metrics,artifacts}/…`.

Every handler that writes asks the call's grant first.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from teul.errors import TrackingInvalid, TrackingNotFound
from teul.ml.tracking import artifacts, container_tokens, experiments, limits, metrics, runs, search, sources
from teul.ml.tracking.access import CREATED_BY_TAG
from teul.ml.tracking.routing import EMPTY, Answer, Call, Route
from teul.ml.tracking.values import RUN_STATUSES, VIEW_TYPES, DatasetInput, Metric, ModelOutput
from teul.ml.tracking.wire import (
    Field,
    enum,
    experiment_json,
    file_json,
    float_json,
    integer,
    messages,
    metric_json,
    run_info_json,
    run_json,
    string,
    strings,
)

RUN_ID = string("run_id", required=True)
TAGS = messages("tags", string("key"), string("value"))


def create_experiment(call: Call) -> Answer:
    tags = dict(call.pairs("tags"))
    call.grant.check_new_experiment(call.string("name"))
    if call.grant.run_id:
        tags[CREATED_BY_TAG] = call.grant.run_id
    location = call.string("artifact_location")
    return {"experiment_id": experiments.create(call.db, call.string("name"), location=location, tags=tags)}


def get_experiment(call: Call) -> Answer:
    return {"experiment": experiment_json(experiments.get(call.db, call.string("experiment_id")))}


def get_experiment_by_name(call: Call) -> Answer:
    name = call.string("experiment_name")
    found = experiments.find(call.db, name)
    if found is None:
        raise TrackingNotFound(f"Could not find experiment with name '{name}'")
    return {"experiment": experiment_json(found)}


def delete_experiment(call: Call) -> Answer:
    call.grant.check_admin()
    call.grant.check_experiment(call.db, call.string("experiment_id"))
    experiments.delete(call.db, call.string("experiment_id"))
    return EMPTY


def restore_experiment(call: Call) -> Answer:
    call.grant.check_admin()
    call.grant.check_experiment(call.db, call.string("experiment_id"))
    experiments.restore(call.db, call.string("experiment_id"))
    return EMPTY


def update_experiment(call: Call) -> Answer:
    call.grant.check_admin()
    call.grant.check_experiment(call.db, call.string("experiment_id"))
    experiments.rename(call.db, call.string("experiment_id"), call.string("new_name"))
    return EMPTY


def search_experiments(call: Call) -> Answer:
    page = search.search_experiments(
        call.db,
        filter_text=call.string("filter"),
        view=call.values.get("view_type", "ACTIVE_ONLY"),
        max_results=call.integer("max_results"),
        order_by=call.strings("order_by"),
        token=call.string("page_token"),
    )
    made: dict[str, object] = {}
    if page.items:
        made["experiments"] = [experiment_json(experiment) for experiment in page.items]
    return _with_token(made, page.token)


def set_experiment_tag(call: Call) -> Answer:
    experiment_id, key = call.string("experiment_id"), call.string("key")
    call.grant.check_experiment(call.db, experiment_id)
    if key == CREATED_BY_TAG:
        call.grant.check_admin()
    experiments.set_tag(call.db, experiment_id, key, call.string("value"))
    return EMPTY


def delete_experiment_tag(call: Call) -> Answer:
    experiment_id = call.string("experiment_id")
    call.grant.check_experiment(call.db, experiment_id)
    experiments.delete_tag(call.db, experiment_id, call.string("key"))
    return EMPTY


def create_run(call: Call) -> Answer:
    experiment_id = call.string("experiment_id") or "0"
    call.grant.check_experiment(call.db, experiment_id)
    run = runs.create(
        call.db,
        experiment_id,
        name=call.string("run_name"),
        user_id=call.string("user_id"),
        start_time=call.integer("start_time"),
        tags=call.pairs("tags"),
    )
    if call.grant.container:
        container_tokens.apply(call.db, call.content, run.id, call.grant.container)
        run = runs.get(call.db, run.id)
    return {"run": run_json(run)}


def get_run(call: Call) -> Answer:
    return {"run": run_json(runs.get(call.db, call.string("run_id")))}


def update_run(call: Call) -> Answer:
    run_id = call.string("run_id")
    call.grant.check_run(call.db, run_id)
    run = runs.update(
        call.db,
        run_id,
        status=call.string("status"),
        end_time=call.optional_integer("end_time"),
        name=call.string("run_name"),
    )
    return {"run_info": run_info_json(run)}


def delete_run(call: Call) -> Answer:
    call.grant.check_admin()
    call.grant.check_run(call.db, call.string("run_id"))
    runs.delete(call.db, call.string("run_id"))
    return EMPTY


def restore_run(call: Call) -> Answer:
    call.grant.check_admin()
    call.grant.check_run(call.db, call.string("run_id"))
    runs.restore(call.db, call.string("run_id"))
    return EMPTY


def search_runs(call: Call) -> Answer:
    page = search.search_runs(
        call.db,
        call.strings("experiment_ids"),
        filter_text=call.string("filter"),
        view=call.values.get("run_view_type", "ACTIVE_ONLY"),
        max_results=call.integer("max_results", 1000),
        order_by=call.strings("order_by"),
        token=call.string("page_token"),
    )
    made: dict[str, object] = {}
    if page.items:
        made["runs"] = [run_json(run) for run in page.items]
    return _with_token(made, page.token)


def log_metric(call: Call) -> Answer:
    return log_metrics((call,))[0]


def log_metrics(calls: Sequence[Call]) -> Sequence[Answer]:
    points = []
    for call in calls:
        values = call.values
        run_id = values["run_id"]
        if call.grant.is_limited:
            call.grant.check_run(call.db, run_id)
        points.append(
            Metric(
                values["key"],
                values["value"],
                values["timestamp"],
                values.get("step", 0),
                run_id,
                values.get("model_id", ""),
                values.get("dataset_name", ""),
                values.get("dataset_digest", ""),
            )
        )
    metrics.log_points(calls[0].db, points)
    return [EMPTY] * len(points)


def log_parameter(call: Call) -> Answer:
    run_id = call.string("run_id")
    call.grant.check_run(call.db, run_id)
    runs.log_param(call.db, run_id, call.string("key"), call.string("value"))
    return EMPTY


def set_tag(call: Call) -> Answer:
    run_id = call.string("run_id")
    call.grant.check_run(call.db, run_id)
    runs.set_tag(call.db, run_id, call.string("key"), call.string("value"))
    return EMPTY


def delete_tag(call: Call) -> Answer:
    run_id = call.string("run_id")
    call.grant.check_run(call.db, run_id)
    runs.delete_tag(call.db, run_id, call.string("key"))
    return EMPTY


def log_batch(call: Call) -> Answer:
    run_id = call.string("run_id")
    call.grant.check_run(call.db, run_id)
    points = [
        Metric(
            item["key"],
            item["value"],
            item["timestamp"],
            item.get("step", 0),
            run_id,
            item.get("model_id", ""),
            item.get("dataset_name", ""),
            item.get("dataset_digest", ""),
        )
        for item in call.messages("metrics")
    ]
    metrics.log_batch(call.db, run_id, points, call.pairs("params"), call.pairs("tags"))
    return EMPTY


def log_model(call: Call) -> Answer:
    run_id, text = call.string("run_id"), call.string("model_json")
    call.grant.check_run(call.db, run_id)
    try:
        model = json.loads(text)
    except ValueError as error:
        raise TrackingInvalid(f"Malformed model info. \n {text} \n is not a valid JSON.") from error
    if not isinstance(model, dict):
        raise TrackingInvalid(f"Malformed model info. \n {text} \n is not a valid JSON.")
    missing = {"artifact_path", "flavors", "utc_time_created", "run_id"} - set(model)
    if missing:
        raise TrackingInvalid(f"Model json is missing mandatory fields: {missing}")
    # The whole file with its signature is in the artifacts; the tag keeps what clients look for in it.
    runs.record_model(call.db, run_id, {k: v for k, v in model.items() if k != "signature"})
    return EMPTY


def log_inputs(call: Call) -> Answer:
    run_id = call.string("run_id")
    call.grant.check_run(call.db, run_id)
    datasets = []
    for item in call.messages("datasets"):
        dataset = item.get("dataset")
        if not isinstance(dataset, dict):
            raise TrackingInvalid("Dataset cannot be None")
        for name in ("name", "digest", "source_type", "source"):
            if not isinstance(dataset.get(name), str):
                raise TrackingInvalid(f"Dataset {name} cannot be None")
        tags = []
        for tag in item.get("tags") or []:
            for name in ("key", "value"):
                if not isinstance(tag.get(name), str):
                    raise TrackingInvalid(f"InputTag {name} cannot be None")
            tags.append((tag["key"], tag["value"]))
        datasets.append(
            DatasetInput(
                dataset["name"],
                dataset["digest"],
                dataset["source_type"],
                dataset["source"],
                dataset.get("schema"),
                dataset.get("profile"),
                tuple(tags),
            )
        )
    models = [item.get("model_id", "") for item in call.messages("models")]
    runs.log_inputs(call.db, run_id, datasets, models)
    return EMPTY


def log_outputs(call: Call) -> Answer:
    run_id = call.string("run_id")
    call.grant.check_run(call.db, run_id)
    runs.log_outputs(
        call.db, run_id, [ModelOutput(item["model_id"], item.get("step", 0)) for item in call.messages("models")]
    )
    return EMPTY


def list_artifacts(call: Call) -> Answer:
    run = runs.get(call.db, call.string("run_id"))
    path = artifacts.check_path(call.string("path"))
    root = sources.artifact_path(run.artifact_uri)
    found = [] if root is None else artifacts.listing(call.db, f"{root}/{path}")
    made: dict[str, object] = {"root_uri": run.artifact_uri}
    if found:
        made["files"] = [file_json(info, path) for info in found]
    return made


def get_history(call: Call) -> Answer:
    limit = call.optional_integer("max_results")
    if limit is not None and limit <= 0:
        raise TrackingInvalid(
            f"Invalid value {limit} for parameter 'max_results' supplied. It must be a positive integer."
        )
    page = metrics.history(
        call.db, call.string("run_id"), call.string("metric_key"), limit=limit, token=call.string("page_token")
    )
    made: dict[str, object] = {}
    if page.items:
        made["metrics"] = [metric_json(metric) for metric in page.items]
    return _with_token(made, page.token)


def get_history_bulk(call: Call) -> Answer:
    run_ids = call.strings("run_id")
    if not run_ids:
        raise TrackingInvalid("GetMetricHistoryBulk request must specify at least one run_id.")
    if len(run_ids) > metrics.MAX_SAMPLED_RUNS:
        raise TrackingInvalid(
            f"GetMetricHistoryBulk request cannot specify more than {metrics.MAX_SAMPLED_RUNS} run_ids. Received"
            f" {len(run_ids)} run_ids."
        )
    if "metric_key" not in call.values:
        raise TrackingInvalid("GetMetricHistoryBulk request must specify a metric_key.")
    limit = min(max(call.integer("max_results", 25000), 0), 25000)
    found = metrics.history_of_many(call.db, run_ids, call.string("metric_key"), limit=limit)
    return {"metrics": [_with_run(metric) for metric in found]}


def get_history_bulk_interval(call: Call) -> Answer:
    run_ids = call.strings("run_ids")
    if not run_ids:
        raise TrackingInvalid(
            "Missing value for required parameter 'run_ids'."
            " See the API docs for more information about request parameters."
        )
    limit = call.integer("max_results", metrics.MAX_SAMPLED)
    steps = metrics.check_sampling(
        run_ids, limit, call.optional_integer("start_step"), call.optional_integer("end_step")
    )
    found = metrics.sampled(call.db, run_ids, call.string("metric_key"), limit=limit, steps=steps)
    return {"metrics": [_with_run(metric) for metric in found]} if found else EMPTY


def search_datasets(call: Call) -> Answer:
    """The data sets that runs of some experiments read, each with how (as MLflow's web interface lists them)."""
    wanted = call.strings("experiment_ids")
    if not wanted:
        raise TrackingInvalid("SearchDatasets request must specify at least one experiment_id.")
    if len(wanted) > MAX_DATASET_EXPERIMENTS:
        raise TrackingInvalid(
            f"SearchDatasets request cannot specify more than {MAX_DATASET_EXPERIMENTS} experiment_ids."
            f" Received {len(wanted)} experiment_ids."
        )
    found = search.datasets(call.db, wanted)
    return {"dataset_summaries": found} if found else EMPTY


def _with_run(metric: Metric) -> dict[str, object]:
    return {
        "key": metric.key,
        "value": float_json(metric.value),
        "timestamp": metric.timestamp,
        "step": metric.step,
        "run_id": metric.run_id,
    }


def _with_token(made: dict[str, object], token: str) -> dict[str, object]:
    if token:
        made["next_page_token"] = token
    return made


MAX_DATASET_EXPERIMENTS = 20
_EXPERIMENT_ID = string("experiment_id", required=True)
_SEARCH_EXPERIMENTS = (
    integer("max_results"),
    string("page_token"),
    string("filter"),
    strings("order_by"),
    enum("view_type", VIEW_TYPES),
)
_METRIC = (
    string("key", required=True),
    Field("value", "double", is_required=True),
    integer("timestamp", required=True),
    integer("step"),
    string("model_id"),
    string("dataset_name"),
    string("dataset_digest"),
)

ROUTES = (
    Route(
        "POST",
        "experiments/create",
        create_experiment,
        (string("name", required=True), string("artifact_location"), TAGS),
        writes=True,
    ),
    Route("GET", "experiments/get", get_experiment, (_EXPERIMENT_ID,)),
    Route("GET", "experiments/get-by-name", get_experiment_by_name, (string("experiment_name", required=True),)),
    Route("POST", "experiments/search", search_experiments, _SEARCH_EXPERIMENTS),
    Route("GET", "experiments/search", search_experiments, _SEARCH_EXPERIMENTS),
    Route("POST", "experiments/search-datasets", search_datasets, (strings("experiment_ids"),)),
    Route("POST", "experiments/delete", delete_experiment, (_EXPERIMENT_ID,), writes=True),
    Route("POST", "experiments/restore", restore_experiment, (_EXPERIMENT_ID,), writes=True),
    Route(
        "POST",
        "experiments/update",
        update_experiment,
        (_EXPERIMENT_ID, string("new_name", required=True)),
        writes=True,
    ),
    Route(
        "POST",
        "experiments/set-experiment-tag",
        set_experiment_tag,
        (_EXPERIMENT_ID, string("key", required=True), string("value")),
        writes=True,
    ),
    Route(
        "POST",
        "experiments/delete-experiment-tag",
        delete_experiment_tag,
        (_EXPERIMENT_ID, string("key", required=True)),
        writes=True,
    ),
    Route(
        "POST",
        "runs/create",
        create_run,
        (string("experiment_id"), string("user_id"), string("run_name"), integer("start_time"), TAGS),
        writes=True,
    ),
    Route("GET", "runs/get", get_run, (RUN_ID,)),
    Route(
        "POST",
        "runs/update",
        update_run,
        (RUN_ID, enum("status", RUN_STATUSES), integer("end_time"), string("run_name")),
        writes=True,
    ),
    Route("POST", "runs/delete", delete_run, (RUN_ID,), writes=True),
    Route("POST", "runs/restore", restore_run, (RUN_ID,), writes=True),
    Route(
        "POST",
        "runs/search",
        search_runs,
        (
            strings("experiment_ids"),
            string("filter"),
            enum("run_view_type", VIEW_TYPES),
            integer("max_results", most=limits.MAX_SEARCH_RESULTS),
            strings("order_by"),
            string("page_token"),
        ),
    ),
    Route("POST", "runs/log-metric", log_metric, (RUN_ID, *_METRIC), writes=True, together=log_metrics),
    Route(
        "POST",
        "runs/log-parameter",
        log_parameter,
        (RUN_ID, string("key", required=True), string("value")),
        writes=True,
    ),
    Route("POST", "runs/set-tag", set_tag, (RUN_ID, string("key", required=True), string("value")), writes=True),
    Route("POST", "runs/delete-tag", delete_tag, (RUN_ID, string("key", required=True)), writes=True),
    Route(
        "POST",
        "runs/log-batch",
        log_batch,
        (
            RUN_ID,
            messages("metrics", *_METRIC),
            messages("params", string("key", required=True), string("value")),
            messages("tags", string("key", required=True), string("value")),
        ),
        writes=True,
    ),
    Route("POST", "runs/log-model", log_model, (RUN_ID, string("model_json", required=True)), writes=True),
    Route("POST", "runs/log-inputs", log_inputs, (RUN_ID, messages("datasets"), messages("models")), writes=True),
    Route(
        "POST",
        "runs/outputs",
        log_outputs,
        (RUN_ID, messages("models", string("model_id", required=True), integer("step"), required=True)),
        writes=True,
    ),
    Route("GET", "artifacts/list", list_artifacts, (RUN_ID, string("path"), string("page_token"))),
    Route(
        "GET",
        "metrics/get-history",
        get_history,
        (RUN_ID, string("metric_key", required=True), string("page_token"), integer("max_results")),
    ),
    Route(
        "GET",
        "metrics/get-history-bulk",
        get_history_bulk,
        (strings("run_id"), string("metric_key"), integer("max_results")),
    ),
    Route(
        "GET",
        "metrics/get-history-bulk-interval",
        get_history_bulk_interval,
        (
            strings("run_ids"),
            string("metric_key", required=True),
            integer("start_step"),
            integer("end_step"),
            integer("max_results"),
        ),
    ),
)
