"""The few GraphQL queries of MLflow's own web interface, answered by the same handlers as the REST routes.

A REST answer is a tree of dictionaries in snake case; the fields of the schema are their names in camel case, so one
default resolver serves them all. Loaded when the first query comes. Source: MLflow's GraphQL schema (3.17), as far as
its pages use it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from graphql import (
    ExecutionResult,
    GraphQLError,
    GraphQLSchema,
    build_schema,
    get_nullable_type,
    graphql_sync,
    is_list_type,
    is_object_type,
)

from teul.errors import TeulError, TrackingInvalid
from teul.ml.tracking.translate import to_answer

Ask = Callable[[str, Mapping[str, Any]], Mapping[str, Any]]
"""A REST route by its path, and its fields; gives its answer."""

MAX_QUERY = 32_000
"""Characters."""
MAX_QUERIES = 10
QUERIES = {
    "mlflowGetExperiment": "experiments/get",
    "mlflowGetMetricHistoryBulkInterval": "metrics/get-history-bulk-interval",
    "mlflowGetRun": "runs/get",
    "mlflowListArtifacts": "artifacts/list",
    "mlflowSearchModelVersions": "model-versions/search",
    "mlflowSearchRuns": "runs/search",
}
SCHEMA = """
directive @component(name: String!) on QUERY | MUTATION
scalar LongString

type Query {
  mlflowGetExperiment(input: MlflowGetExperimentInput): MlflowGetExperimentResponse
  mlflowGetMetricHistoryBulkInterval(input: MlflowGetMetricHistoryBulkIntervalInput): MlflowGetMetricHistoryBulkIntervalResponse
  mlflowGetRun(input: MlflowGetRunInput): MlflowGetRunResponse
  mlflowListArtifacts(input: MlflowListArtifactsInput): MlflowListArtifactsResponse
  mlflowSearchModelVersions(input: MlflowSearchModelVersionsInput): MlflowSearchModelVersionsResponse
  mlflowSearchRuns(input: MlflowSearchRunsInput): MlflowSearchRunsResponse
}
type Mutation {
  mlflowSearchRuns(input: MlflowSearchRunsInput): MlflowSearchRunsResponse
}

input MlflowGetExperimentInput { experimentId: String }
input MlflowGetRunInput { runId: String runUuid: String }
input MlflowListArtifactsInput { runId: String runUuid: String path: String pageToken: String }
input MlflowGetMetricHistoryBulkIntervalInput {
  runIds: [String] metricKey: String startStep: Int endStep: Int maxResults: Int
}
input MlflowSearchModelVersionsInput { filter: String maxResults: LongString orderBy: [String] pageToken: String }
input MlflowSearchRunsInput {
  experimentIds: [String] filter: String runViewType: MlflowViewType maxResults: Int orderBy: [String] pageToken: String
}

enum MlflowViewType { ACTIVE_ONLY DELETED_ONLY ALL }
enum MlflowRunStatus { RUNNING SCHEDULED FINISHED FAILED KILLED }
enum MlflowModelVersionStatus { PENDING_REGISTRATION FAILED_REGISTRATION READY }

type ApiError { code: String message: String helpUrl: String traceId: String errorDetails: [ErrorDetail] }
type ErrorDetail { field: String message: String }
type MlflowGetExperimentResponse { experiment: MlflowExperiment apiError: ApiError }
type MlflowGetRunResponse { run: MlflowRunExtension apiError: ApiError }
type MlflowListArtifactsResponse { rootUri: String files: [MlflowFileInfo!] nextPageToken: String apiError: ApiError }
type MlflowGetMetricHistoryBulkIntervalResponse { metrics: [MlflowMetricWithRunId!] apiError: ApiError }
type MlflowSearchModelVersionsResponse { modelVersions: [MlflowModelVersion!] nextPageToken: String apiError: ApiError }
type MlflowSearchRunsResponse { runs: [MlflowRunExtension!] nextPageToken: String apiError: ApiError }

type MlflowExperiment {
  experimentId: String name: String artifactLocation: String lifecycleStage: String lastUpdateTime: LongString
  creationTime: LongString tags: [MlflowExperimentTag!] effectiveTraceArchivalRetention: String workspace: String
}
type MlflowExperimentTag { key: String value: String }
type MlflowRunExtension {
  info: MlflowRunInfo data: MlflowRunData inputs: MlflowRunInputs outputs: MlflowRunOutputs experiment: MlflowExperiment
  modelVersions: [MlflowModelVersion!]
}
type MlflowRunInfo {
  runId: String runUuid: String runName: String experimentId: String userId: String status: MlflowRunStatus
  startTime: LongString endTime: LongString artifactUri: String lifecycleStage: String
}
type MlflowRunData { metrics: [MlflowMetricExtension!] params: [MlflowParam!] tags: [MlflowRunTag!] }
type MlflowMetricExtension {
  key: String value: Float timestamp: LongString step: LongString datasetName: String datasetDigest: String
  modelId: String runId: String
}
type MlflowMetricWithRunId { key: String value: Float timestamp: LongString step: LongString runId: String }
type MlflowParam { key: String value: String }
type MlflowRunTag { key: String value: String }
type MlflowRunInputs { datasetInputs: [MlflowDatasetInput!] modelInputs: [MlflowModelInput!] }
type MlflowRunOutputs { modelOutputs: [MlflowModelOutput!] }
type MlflowModelInput { modelId: String }
type MlflowModelOutput { modelId: String step: LongString }
type MlflowDatasetInput { tags: [MlflowInputTag!] dataset: MlflowDataset }
type MlflowInputTag { key: String value: String }
type MlflowDataset { name: String digest: String sourceType: String source: String schema: String profile: String }
type MlflowFileInfo { path: String isDir: Boolean fileSize: LongString }
type MlflowModelVersion {
  name: String version: String creationTimestamp: LongString lastUpdatedTimestamp: LongString userId: String
  currentStage: String description: String source: String runId: String status: MlflowModelVersionStatus
  statusMessage: String tags: [MlflowModelVersionTag!] runLink: String aliases: [String] modelId: String
  modelParams: [MlflowModelParam!] modelMetrics: [MlflowMetricExtension!]
}
type MlflowModelVersionTag { key: String value: String }
type MlflowModelParam { name: String value: String }
"""


@cache
def schema() -> GraphQLSchema:
    """Built once, on the first query."""
    return build_schema(SCHEMA)


def execute(body: Mapping[str, Any], ask: Ask) -> dict[str, Any]:
    """Answer one request: `query`, `variables`, `operationName`. Errors of a handler stand in its `apiError`.

    Raises: TrackingInvalid when there is no query.
    """
    query = body.get("query")
    variables, operation = body.get("variables"), body.get("operationName")
    if not isinstance(query, str) or not isinstance(variables, dict | None) or not isinstance(operation, str | None):
        raise TrackingInvalid("Bad Request. Expected a GraphQL query.")
    if len(query) > MAX_QUERY:
        raise TrackingInvalid("Bad Request. The query is too long.")
    result: ExecutionResult = graphql_sync(
        schema(), query, context_value=ask, variable_values=variables, operation_name=operation, field_resolver=resolve
    )
    errors = [error.message for error in result.errors] if result.errors else None
    return {"data": result.data, "errors": errors}


def resolve(source: Any, info: Any, **arguments: Any) -> Any:
    """One field: a query at the top, what a run refers to, otherwise a name in the answer."""
    name: str = info.field_name
    ask: Ask = info.context
    if source is None:
        if len(info.operation.selection_set.selections) > MAX_QUERIES:
            raise GraphQLError(f"expected at most {MAX_QUERIES} queries in one request")
        return _answer(ask, QUERIES[name], arguments.get("input") or {})
    if name == "experiment" and "info" in source:
        return _answer(ask, "experiments/get", {"experiment_id": source["info"]["experiment_id"]}).get("experiment")
    if name == "modelVersions" and "info" in source:
        wanted = {"filter": f"run_id='{source['info']['run_id']}'"}
        return _answer(ask, "model-versions/search", wanted).get("model_versions", [])
    value = source.get(name, source.get(_snake(name)))
    if isinstance(value, int) and str(get_nullable_type(info.return_type)) == "LongString":
        # JavaScript would round it.
        return str(value)
    if isinstance(value, str) and name == "value" and value in ("NaN", "Infinity", "-Infinity"):
        return None
    if value is None and name != "apiError":
        # A message that was not sent is an empty one: MLflow's pages do not look before they read.
        kind = get_nullable_type(info.return_type)
        return [] if is_list_type(kind) else {} if is_object_type(kind) else None
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _answer(ask: Ask, path: str, fields: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        return ask(path, {name: value for name, value in fields.items() if value is not None})
    except TeulError as error:
        _, body = to_answer(error)
        return {"api_error": {"code": body.get("error_code"), "message": body.get("message")}}


def _snake(name: str) -> str:
    return "".join(f"_{char.lower()}" if char.isupper() else char for char in name)
