"""Searches of registered models and versions. Prompts share MLflow's tables and are left out unless asked for."""

from __future__ import annotations

from collections.abc import Sequence

from teul.errors import TrackingInvalid
from teul.ml.tracking import filters, limits, registry
from teul.ml.tracking.database import Database
from teul.ml.tracking.filters import TAG, Comparison
from teul.ml.tracking.paging import offset_of, token_of
from teul.ml.tracking.search import condition
from teul.ml.tracking.values import PROMPT_TAG, ModelVersion, Page, RegisteredModel

_MODEL_COLUMNS = {"name": "r.name", "timestamp": "r.last_update_time", "last_updated_timestamp": "r.last_update_time"}
_VERSION_COLUMNS = {
    "name": "r.name",
    "run_id": "v.run_id",
    "source_path": "v.source",
    "version_number": "v.version",
    "creation_timestamp": "v.creation_time",
    "last_updated_timestamp": "v.last_update_time",
}


def search_models(
    db: Database, *, filter_text: str = "", max_results: int = 100, order_by: Sequence[str] = (), token: str = ""
) -> Page[RegisteredModel]:
    """Raises: TrackingInvalid."""
    _check_max_results(max_results, limits.MAX_REGISTERED_MODEL_RESULTS)
    comparisons = filters.parse_filter(filter_text, filters.REGISTERED_MODELS)
    orders = filters.parse_orders(order_by, filters.REGISTERED_MODELS)
    offset = offset_of(token)
    where, values = _conditions(comparisons, {"name": "r.name"}, "registered_model_tags", "t.model = r.id")
    terms = [f"{_MODEL_COLUMNS[order.key]} {'ASC' if order.is_ascending else 'DESC'}" for order in orders]
    if not any(order.key == "name" for order in orders):
        terms.append("r.name")
    with db.read():
        rows = db.all(
            f"SELECT r.id FROM registered_models r WHERE {' AND '.join(where)} ORDER BY {', '.join(terms)}"
            " LIMIT ? OFFSET ?",
            [*values, max_results + 1, offset],
        )
        found = registry.load_models(db, [row[0] for row in rows[:max_results]])
    return Page(tuple(found), token_of(offset + max_results) if len(rows) > max_results else "")


def search_versions(
    db: Database, *, filter_text: str = "", max_results: int = 10_000, order_by: Sequence[str] = (), token: str = ""
) -> Page[ModelVersion]:
    """Raises: TrackingInvalid."""
    if max_results < 1:
        raise TrackingInvalid(f"Invalid value for max_results. It must be a positive integer, but got {max_results}")
    _check_max_results(max_results, limits.MAX_VERSION_RESULTS)
    comparisons = filters.parse_filter(filter_text, filters.MODEL_VERSIONS)
    orders = filters.parse_orders(
        order_by or ("last_updated_timestamp DESC", "name ASC", "version_number DESC"), filters.MODEL_VERSIONS
    )
    offset = offset_of(token)
    where, values = _conditions(
        comparisons, _VERSION_COLUMNS, "model_version_tags", "t.model = v.model AND t.version = v.version"
    )
    where.append("v.current_stage != ?")
    values.append(registry.DELETED_STAGE)
    terms = [f"{_VERSION_COLUMNS[order.key]} {'ASC' if order.is_ascending else 'DESC'}" for order in orders]
    for key, term in (("name", "r.name"), ("version_number", "v.version DESC")):
        if not any(order.key == key for order in orders):
            terms.append(term)
    with db.read():
        rows = db.all(
            f"SELECT {registry.VERSION_COLUMNS} FROM {registry.VERSION_TABLES} WHERE {' AND '.join(where)}"
            f" ORDER BY {', '.join(terms)} LIMIT ? OFFSET ?",
            [*values, max_results + 1, offset],
        )
        found = registry.load_versions(db, rows[:max_results])
    return Page(tuple(found), token_of(offset + max_results) if len(rows) > max_results else "")


def _check_max_results(value: int, limit: int) -> None:
    if value > limit:
        raise TrackingInvalid(
            f"Invalid value for request parameter max_results. It must be at most {limit}, but got value {value}"
        )


def _conditions(
    comparisons: Sequence[Comparison], columns: dict[str, str], tags: str, join: str
) -> tuple[list[str], list[object]]:
    prompts = (
        f"EXISTS (SELECT 1 FROM registered_model_tags p WHERE p.model = r.id AND p.key = '{PROMPT_TAG}'"
        " AND p.value = 'true')"
    )
    wants_prompts = any(
        comparison.entity == TAG
        and comparison.key == PROMPT_TAG
        and (comparison.operator, str(comparison.value).lower()) in (("=", "true"), ("!=", "false"))
        for comparison in comparisons
    )
    where: list[str] = [prompts if wants_prompts else f"NOT {prompts}"]
    values: list[object] = []
    for comparison in comparisons:
        if comparison.entity == TAG:
            if comparison.key == PROMPT_TAG:
                continue
            sql, bound = condition("t.value", comparison.operator, comparison.value)
            where.append(f"EXISTS (SELECT 1 FROM {tags} t WHERE {join} AND t.key = ? AND {sql})")
            values += [comparison.key, *bound]
            continue
        if isinstance(comparison.value, float):
            raise TrackingInvalid(f"Invalid value for numeric attribute '{comparison.key}': {comparison.value!r}")
        sql, bound = condition(columns[comparison.key], comparison.operator, comparison.value)
        where.append(sql)
        values += bound
    return where, values
