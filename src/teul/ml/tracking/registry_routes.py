"""The routes of logged models, registered models and versions: `/api/2.0/mlflow/{logged,registered}-models/…` and
`/api/2.0/mlflow/model-versions/…`. Every handler that writes asks the call's grant first.
"""

from __future__ import annotations

from teul.errors import TrackingInvalid, TrackingNotFound
from teul.ml.tracking import (
    aliases,
    artifacts,
    limits,
    logged_models,
    registry,
    registry_search,
    runs,
    sources,
)
from teul.ml.tracking.logged_models import ModelOrder
from teul.ml.tracking.routing import EMPTY, Answer, Call, Route
from teul.ml.tracking.values import MODEL_STATUSES, PROMPT_TAG
from teul.ml.tracking.wire import (
    Field,
    enum,
    file_json,
    integer,
    logged_model_json,
    messages,
    registered_model_json,
    string,
    strings,
    version_json,
)


def create_logged_model(call: Call) -> Answer:
    experiment_id = call.string("experiment_id")
    call.grant.check_experiment(call.db, experiment_id)
    model = logged_models.create(
        call.db,
        experiment_id,
        name=call.string("name"),
        model_type=call.string("model_type"),
        source_run_id=call.string("source_run_id"),
        params=dict(call.pairs("params")),
        tags=dict(call.pairs("tags")),
    )
    return {"model": logged_model_json(model)}


def get_logged_model(call: Call) -> Answer:
    allow = bool(call.values.get("allow_deleted"))
    return {"model": logged_model_json(logged_models.get(call.db, call.string("model_id"), allow_deleted=allow))}


def finalize_logged_model(call: Call) -> Answer:
    model_id = call.string("model_id")
    call.grant.check_logged_model(call.db, model_id)
    numbers = {name: number for number, name in MODEL_STATUSES.items()}
    return {"model": logged_model_json(logged_models.finalize(call.db, model_id, numbers[call.string("status")]))}


def delete_logged_model(call: Call) -> Answer:
    call.grant.check_admin()
    call.grant.check_logged_model(call.db, call.string("model_id"))
    logged_models.delete(call.db, call.string("model_id"))
    return EMPTY


def log_logged_model_params(call: Call) -> Answer:
    model_id = call.string("model_id")
    call.grant.check_logged_model(call.db, model_id)
    logged_models.log_params(call.db, model_id, dict(call.pairs("params")))
    return EMPTY


def set_logged_model_tags(call: Call) -> Answer:
    model_id = call.string("model_id")
    call.grant.check_logged_model(call.db, model_id)
    logged_models.set_tags(call.db, model_id, dict(call.pairs("tags")))
    return EMPTY


def delete_logged_model_tag(call: Call) -> Answer:
    model_id = call.string("model_id")
    call.grant.check_logged_model(call.db, model_id)
    logged_models.delete_tag(call.db, model_id, call.string("tag_key"))
    return EMPTY


def search_logged_models(call: Call) -> Answer:
    experiment_ids = call.strings("experiment_ids")
    if not experiment_ids:
        raise TrackingInvalid(
            "Missing value for required parameter 'experiment_ids'."
            " See the API docs for more information about request parameters."
        )
    page = logged_models.search(
        call.db,
        experiment_ids,
        filter_text=call.string("filter"),
        datasets=[(item.get("dataset_name", ""), item.get("dataset_digest", "")) for item in call.messages("datasets")],
        max_results=call.integer("max_results", 50) or 100,
        order_by=[
            ModelOrder(
                item.get("field_name", ""),
                item.get("ascending", True),
                item.get("dataset_name", ""),
                item.get("dataset_digest", ""),
            )
            for item in call.messages("order_by")
        ],
        token=call.string("page_token"),
    )
    made: dict[str, object] = {}
    if page.items:
        made["models"] = [logged_model_json(model) for model in page.items]
    return _with_token(made, page.token)


def list_logged_model_artifacts(call: Call) -> Answer:
    model = logged_models.get(call.db, call.string("model_id"))
    path = artifacts.check_path(call.string("artifact_directory_path"))
    root = sources.artifact_path(model.artifact_location)
    found = [] if root is None else artifacts.listing(call.db, f"{root}/{path}")
    made: dict[str, object] = {"root_uri": model.artifact_location}
    if found:
        made["files"] = [file_json(info, path) for info in found]
    return made


def create_registered_model(call: Call) -> Answer:
    call.grant.check_writing()
    model = registry.create_model(
        call.db, call.string("name"), description=call.string("description"), tags=dict(call.pairs("tags"))
    )
    return {"registered_model": registered_model_json(model)}


def get_registered_model(call: Call) -> Answer:
    return {"registered_model": registered_model_json(registry.get_model(call.db, call.string("name")))}


def update_registered_model(call: Call) -> Answer:
    name = call.string("name")
    call.grant.check_model(call.db, name)
    model = registry.update_model(call.db, name, description=call.string("description"))
    return {"registered_model": registered_model_json(model)}


def rename_registered_model(call: Call) -> Answer:
    call.grant.check_admin()
    call.grant.check_model(call.db, call.string("name"))
    model = registry.rename_model(call.db, call.string("name"), call.string("new_name"))
    return {"registered_model": registered_model_json(model)}


def delete_registered_model(call: Call) -> Answer:
    call.grant.check_admin()
    call.grant.check_model(call.db, call.string("name"))
    registry.delete_model(call.db, call.string("name"), who=call.grant.who)
    return EMPTY


def search_registered_models(call: Call) -> Answer:
    page = registry_search.search_models(
        call.db,
        filter_text=call.string("filter"),
        max_results=call.integer("max_results", 100),
        order_by=call.strings("order_by"),
        token=call.string("page_token"),
    )
    made: dict[str, object] = {}
    if page.items:
        made["registered_models"] = [registered_model_json(model) for model in page.items]
    return _with_token(made, page.token)


def get_latest_versions(call: Call) -> Answer:
    found = registry.latest_versions(call.db, call.string("name"), call.strings("stages"))
    return {"model_versions": [version_json(version) for version in found]} if found else EMPTY


def set_registered_model_tag(call: Call) -> Answer:
    name = call.string("name")
    call.grant.check_model(call.db, name)
    registry.set_model_tag(call.db, name, call.string("key"), call.string("value"))
    return EMPTY


def delete_registered_model_tag(call: Call) -> Answer:
    name = call.string("name")
    call.grant.check_model(call.db, name)
    registry.delete_model_tag(call.db, name, call.string("key"))
    return EMPTY


def set_alias(call: Call) -> Answer:
    name, alias, version = call.string("name"), call.string("alias"), call.string("version")
    call.grant.check_alias(alias)
    call.grant.check_version(call.db, name, version)
    aliases.set_alias(call.db, name, alias, version, who=call.grant.who)
    return EMPTY


def delete_alias(call: Call) -> Answer:
    name, alias = call.string("name"), call.string("alias")
    call.grant.check_alias(alias)
    call.grant.check_model(call.db, name)
    aliases.delete_alias(call.db, name, alias, who=call.grant.who)
    return EMPTY


def get_by_alias(call: Call) -> Answer:
    return {"model_version": version_json(aliases.get_by_alias(call.db, call.string("name"), call.string("alias")))}


def create_version(call: Call) -> Answer:
    db, source, run_id, model_id = call.db, call.string("source"), call.string("run_id"), call.string("model_id")
    tags = dict(call.pairs("tags"))
    if tags.get(PROMPT_TAG, "false").lower() != "true":
        linked = sources.parse_models_uri(source)
        if linked is not None and not linked.model_id:
            original = registry.resolve(db, linked)
            for name, given, there in (("run_id", run_id, original.run_id), ("model_id", model_id, original.model_id)):
                if name in call.values and given != (there or ""):
                    raise TrackingInvalid(
                        f"Invalid model version source: '{source}'. The run_id and model_id request parameters must"
                        " match the referenced model version."
                    )
            source = f"models:/{original.name}/{original.version}"
            run_id, model_id = run_id or original.run_id or "", model_id or original.model_id or ""
        sources.check_source(
            source,
            run_id=run_id,
            run_artifacts=_run_artifacts(call, run_id),
            model_id=model_id,
            model_artifacts=_model_artifacts(call, model_id),
        )
    call.grant.check_new_version(db, run_id, model_id, source)
    version = registry.create_version(
        db,
        call.string("name"),
        source,
        run_id=run_id,
        run_link=call.string("run_link"),
        description=call.string("description"),
        model_id=model_id,
        tags=tags,
    )
    return {"model_version": version_json(version)}


def get_version(call: Call) -> Answer:
    return {"model_version": version_json(registry.get_version(call.db, call.string("name"), call.string("version")))}


def update_version(call: Call) -> Answer:
    name, version = call.string("name"), call.string("version")
    call.grant.check_version(call.db, name, version)
    changed = registry.update_version(call.db, name, version, description=call.values.get("description"))
    return {"model_version": version_json(changed)}


def delete_version(call: Call) -> Answer:
    call.grant.check_admin()
    call.grant.check_version(call.db, call.string("name"), call.string("version"))
    registry.delete_version(call.db, call.string("name"), call.string("version"), who=call.grant.who)
    return EMPTY


def search_versions(call: Call) -> Answer:
    page = registry_search.search_versions(
        call.db,
        filter_text=call.string("filter"),
        max_results=call.integer("max_results", limits.MAX_VERSION_RESULTS),
        order_by=call.strings("order_by"),
        token=call.string("page_token"),
    )
    made: dict[str, object] = {}
    if page.items:
        made["model_versions"] = [version_json(version) for version in page.items]
    return _with_token(made, page.token)


def get_download_uri(call: Call) -> Answer:
    version = registry.get_version(call.db, call.string("name"), call.string("version"))
    return {"artifact_uri": version.storage_location or version.source}


def transition_stage(call: Call) -> Answer:
    name, version, stage = call.string("name"), call.string("version"), call.string("stage")
    call.grant.check_alias(stage)
    call.grant.check_version(call.db, name, version)
    if call.values.get("archive_existing_versions"):
        call.grant.check_model(call.db, name)
    changed = registry.transition_stage(
        call.db,
        name,
        version,
        stage,
        archive_existing=bool(call.values.get("archive_existing_versions")),
        who=call.grant.who,
    )
    return {"model_version": version_json(changed)}


def set_version_tag(call: Call) -> Answer:
    name, version = call.string("name"), call.string("version")
    call.grant.check_version(call.db, name, version)
    registry.set_version_tag(call.db, name, version, call.string("key"), call.string("value"))
    return EMPTY


def delete_version_tag(call: Call) -> Answer:
    name, version = call.string("name"), call.string("version")
    call.grant.check_version(call.db, name, version)
    registry.delete_version_tag(call.db, name, version, call.string("key"))
    return EMPTY


def _run_artifacts(call: Call, run_id: str) -> str:
    try:
        return runs.get(call.db, run_id).artifact_uri if run_id else ""
    except TrackingNotFound:
        return ""


def _model_artifacts(call: Call, model_id: str) -> str:
    try:
        return logged_models.get(call.db, model_id).artifact_location if model_id else ""
    except TrackingNotFound:
        return ""


def _with_token(made: dict[str, object], token: str) -> dict[str, object]:
    if token:
        made["next_page_token"] = token
    return made


_NAME = string("name", required=True)
_VERSION = string("version", required=True)
_KEY = string("key", required=True)
_ALIAS = string("alias", required=True)
_MODEL_ID = string("model_id", required=True)
_TAGS = messages("tags", string("key"), string("value"))
_PARAMS = messages("params", string("key"), string("value"))


def _search(most: int) -> tuple[Field, ...]:
    return (string("filter"), integer("max_results", most=most), strings("order_by"), string("page_token"))


ROUTES = (
    Route(
        "POST",
        "logged-models",
        create_logged_model,
        (
            string("experiment_id", required=True),
            string("name"),
            string("model_type"),
            string("source_run_id"),
            _PARAMS,
            _TAGS,
        ),
        writes=True,
    ),
    Route(
        "POST",
        "logged-models/search",
        search_logged_models,
        (
            strings("experiment_ids"),
            string("filter"),
            messages("datasets", string("dataset_name"), string("dataset_digest")),
            integer("max_results"),
            messages(
                "order_by",
                string("field_name"),
                Field("ascending", "bool"),
                string("dataset_name"),
                string("dataset_digest"),
            ),
            string("page_token"),
        ),
    ),
    Route("GET", "logged-models/<model_id>", get_logged_model, (_MODEL_ID, Field("allow_deleted", "bool"))),
    Route(
        "PATCH",
        "logged-models/<model_id>",
        finalize_logged_model,
        (_MODEL_ID, enum("status", MODEL_STATUSES, required=True)),
        writes=True,
    ),
    Route("DELETE", "logged-models/<model_id>", delete_logged_model, (_MODEL_ID,), writes=True),
    Route("POST", "logged-models/<model_id>/params", log_logged_model_params, (_MODEL_ID, _PARAMS), writes=True),
    Route("PATCH", "logged-models/<model_id>/tags", set_logged_model_tags, (_MODEL_ID, _TAGS), writes=True),
    Route(
        "DELETE",
        "logged-models/<model_id>/tags/<tag_key>",
        delete_logged_model_tag,
        (_MODEL_ID, string("tag_key", required=True)),
        writes=True,
    ),
    Route(
        "GET",
        "logged-models/<model_id>/artifacts/directories",
        list_logged_model_artifacts,
        (_MODEL_ID, string("artifact_directory_path"), string("page_token")),
    ),
    Route(
        "POST",
        "registered-models/create",
        create_registered_model,
        (_NAME, _TAGS, string("description"), string("deployment_job_id")),
        writes=True,
    ),
    Route("GET", "registered-models/get", get_registered_model, (_NAME,)),
    Route("PATCH", "registered-models/update", update_registered_model, (_NAME, string("description")), writes=True),
    Route(
        "POST",
        "registered-models/rename",
        rename_registered_model,
        (_NAME, string("new_name", required=True)),
        writes=True,
    ),
    Route("DELETE", "registered-models/delete", delete_registered_model, (_NAME,), writes=True),
    Route("GET", "registered-models/search", search_registered_models, _search(limits.MAX_REGISTERED_MODEL_RESULTS)),
    Route("POST", "registered-models/get-latest-versions", get_latest_versions, (_NAME, strings("stages"))),
    Route("GET", "registered-models/get-latest-versions", get_latest_versions, (_NAME, strings("stages"))),
    Route("POST", "registered-models/set-tag", set_registered_model_tag, (_NAME, _KEY, string("value")), writes=True),
    Route("DELETE", "registered-models/delete-tag", delete_registered_model_tag, (_NAME, _KEY), writes=True),
    Route("POST", "registered-models/alias", set_alias, (_NAME, _ALIAS, _VERSION), writes=True),
    Route("DELETE", "registered-models/alias", delete_alias, (_NAME, _ALIAS), writes=True),
    Route("GET", "registered-models/alias", get_by_alias, (_NAME, _ALIAS)),
    Route(
        "POST",
        "model-versions/create",
        create_version,
        (
            _NAME,
            string("source", required=True),
            string("run_id"),
            _TAGS,
            string("run_link"),
            string("description"),
            string("model_id"),
        ),
        writes=True,
    ),
    Route("GET", "model-versions/get", get_version, (_NAME, _VERSION)),
    Route("PATCH", "model-versions/update", update_version, (_NAME, _VERSION, string("description")), writes=True),
    Route("DELETE", "model-versions/delete", delete_version, (_NAME, _VERSION), writes=True),
    Route("GET", "model-versions/search", search_versions, _search(limits.MAX_VERSION_RESULTS)),
    Route("GET", "model-versions/get-download-uri", get_download_uri, (_NAME, _VERSION)),
    Route(
        "POST",
        "model-versions/transition-stage",
        transition_stage,
        (_NAME, _VERSION, string("stage", required=True), Field("archive_existing_versions", "bool")),
        writes=True,
    ),
    Route("POST", "model-versions/set-tag", set_version_tag, (_NAME, _VERSION, _KEY, string("value")), writes=True),
    Route("DELETE", "model-versions/delete-tag", delete_version_tag, (_NAME, _VERSION, _KEY), writes=True),
)
