"""Registered models: versions, where each stands, what let it in, and what was in production on a day."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from teul.ml.record import IMAGE_TAG
from teul.ml.tracking.alias_history import STAGE
from teul.ml.tracking.paging import token_of
from teul.ml.tracking.values import PRODUCTION, AliasChange, ModelVersion
from teul.ml.web.html import Html, e
from teul.ml.web.layout import Page, facts, heading, nothing, pager
from teul.ml.web.pages.experiments import page_number
from teul.ml.web.pages.files import listing
from teul.ml.web.pages.run import gate_mark
from teul.ml.web.view import ROOT, View, address, link, short

PAGE_SIZE = 100


def models(view: View) -> Page:
    number_of_page = page_number(view)
    wanted = view.one("q").strip().replace("'", "")
    found = view.store.search_registered_models(
        filter_text=f"name ILIKE '%{wanted}%'" if wanted else "",
        max_results=PAGE_SIZE,
        token=token_of((number_of_page - 1) * PAGE_SIZE) if number_of_page > 1 else "",
    )
    rows: list[list[object]] = []
    for model in found.items:
        if not view.grant.sees_model(view.store.db, model.name):
            continue
        latest = max((version.version for version in model.latest_versions), default=None)
        served = model.aliases.get(PRODUCTION)
        rows.append(
            [
                link(model.name, "models", model.name),
                link(str(served), "models", model.name, "versions", str(served)) if served else "",
                latest if latest is not None else "",
                ", ".join(
                    f"{alias} → {version}" for alias, version in sorted(model.aliases.items()) if alias != PRODUCTION
                ),
                view.ago(model.last_update_time),
            ]
        )
    heads = [view.t(words) for words in ("Model", "In production", "Newest", "Aliases", "Changed")]
    search = e(
        "form",
        e("label", view.t("Name contains"), for_="q", class_="quiet"),
        e("input", type="search", name="q", id="q", value=view.one("q"), autocomplete="off", spellcheck="false"),
        e("button", view.t("Filter")),
        method="get",
        class_="filter",
        role="search",
    )
    body = (
        view.table(heads, rows, class_="rows")
        if rows
        else nothing(view.t("No model is registered.") if not wanted else view.t("Nothing here."))
    )
    title = view.t("Models")
    return Page(
        title,
        e("section", heading(title), search, body, pager(view, number_of_page, bool(found.token))),
        area="models",
    )


def model(view: View, name: str) -> Page:
    found = view.store.get_registered_model(name)
    versions = sorted(view.store.versions_of(name), key=lambda item: -item.version)
    history = view.store.alias_history(name)
    served = found.aliases.get(PRODUCTION)
    rows = []
    for version in versions:
        run = link(short(version.run_id, 8), "runs", version.run_id) if version.run_id else ""
        marks = [
            e("span", alias, class_="alias" + (" production" if alias == PRODUCTION else ""))
            for alias in version.aliases
        ]
        rows.append(
            [
                link(str(version.version), "models", name, "versions", str(version.version)),
                e("span", [(mark, " ") for mark in marks]),
                gate_mark(view, version.gate) or "",
                run,
                version.description or "",
                view.ago(version.creation_time),
            ]
        )
    heads = [view.t(words) for words in ("Version", "Aliases", "Gate", "Run", "Description", "Registered")]
    body = e(
        "section",
        heading(name, e("span", view.t("version {n} is in production", n=served), class_="quiet") if served else None),
        e("p", found.description, class_="note") if found.description else None,
        view.table(heads, rows, class_="rows") if rows else nothing(view.t("No version yet.")),
        _history(view, name, history),
    )
    return Page(name, body, ((view.t("Models"), f"{ROOT}/models"),), area="models")


def _history(view: View, name: str, history: list[AliasChange]) -> Html | None:
    if not history:
        return None
    rows = []
    for change in reversed(history[-200:]):
        target = (
            link(str(change.version), "models", name, "versions", str(change.version))
            if change.version
            else view.t("taken away")
        )
        rows.append(
            [
                view.ago(change.at),
                change.alias,
                e("span", f"{change.previous or '–'} → ", target),
                change.who,
                change.reason,
            ]
        )
    heads = [view.t(words) for words in ("When", "Alias", "Version", "Who", "Why")]
    asked = view.one("on")
    answer: Html | str = ""
    if asked:
        try:
            end = (
                datetime.combine(date.fromisoformat(asked) + timedelta(days=1), datetime.min.time(), UTC).timestamp()
                * 1000
            )
        except (ValueError, OverflowError):
            answer = e("span", view.t("expected a date such as 2026-01-31"), class_="problem", role="alert")
        else:
            version = in_production(history, end)
            answer = (
                e("span", link(view.t("version {n}", n=version), "models", name, "versions", str(version)))
                if version
                else view.t("nothing was in production")
            )
    form = e(
        "form",
        e("label", view.t("In production on"), for_="on", class_="quiet"),
        e("input", type="date", name="on", id="on", value=asked),
        e("button", view.t("Show")),
        e("output", answer, for_="on"),
        method="get",
        class_="filter",
    )
    return e("section", e("h2", view.t("History")), form, view.table(heads, rows))


def in_production(history: list[AliasChange], before: float) -> int | None:
    """What `production` was just before *before* (ms): the alias, or the stage where nobody used the alias."""
    found = {change.alias: change.version for change in history if change.at < before}
    return found.get(PRODUCTION) or found.get(STAGE)


def version(view: View, name: str, number_of_version: str) -> Page:
    found = view.store.get_model_version(name, number_of_version)
    run = view.store.get_run(found.run_id) if found.run_id else None
    image = found.tags.get(IMAGE_TAG) or (run.tags.get(IMAGE_TAG, "") if run else "")
    marks = [
        e("span", alias, class_="alias" + (" production" if alias == PRODUCTION else "")) for alias in found.aliases
    ]
    about = facts(
        (
            (view.t("Registered"), view.ago(found.creation_time)),
            (view.t("By"), found.user_id or ""),
            (view.t("Run"), link(run.name or short(run.id), "runs", run.id) if run else None),
            (view.t("Image"), link(e("code", short(image)), "images", image) if image else None),
            (view.t("Source"), e("code", found.source)),
            (view.t("Stage"), found.current_stage if found.current_stage != "None" else ""),
        )
    )
    tags = [e("tr", e("th", key, scope="row"), e("td", value)) for key, value in sorted(found.tags.items())]
    body = e(
        "section",
        heading(f"{name} {found.version}", *marks, gate_mark(view, found.gate)),
        e("p", found.description, class_="note") if found.description else None,
        about,
        _gate(view, found),
        e("section", e("h2", view.t("Tags")), e("table", e("tbody", tags), class_="pairs")) if tags else None,
        e("section", e("h2", view.t("Files of its run")), listing(view, run.id, view.one("path"), run.artifact_uri))
        if run
        else None,
    )
    trail = ((view.t("Models"), f"{ROOT}/models"), (name, address("models", name)))
    return Page(f"{name} {found.version}", body, trail, area="models")


def _gate(view: View, found: ModelVersion) -> Html | None:
    """What was compared when the version was judged."""
    if not found.gate_report:
        return None
    rows = []
    for line in found.gate_report:
        passed = bool(line.get("passed"))
        margin = line.get("margin")
        rows.append(
            [
                e(
                    "span",
                    "✓" if passed else "✗",
                    class_="passed" if passed else "refused",
                    title=view.t("passed") if passed else view.t("failed"),
                ),
                e("code", str(line.get("gate", ""))),
                margin if isinstance(margin, int | float) else "",
                str(line.get("reason", "")),
            ]
        )
    return e(
        "section",
        e("h2", view.t("Gate")),
        view.table(["", view.t("Condition"), view.t("To spare"), view.t("Reason")], rows),
    )
