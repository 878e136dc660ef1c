"""All experiments: how many runs, when the last one began."""

from __future__ import annotations

from teul.ml.web.html import Html, e
from teul.ml.web.layout import Page, heading, nothing, pager
from teul.ml.web.view import View, link

PAGE_SIZE = 100


def experiments(view: View) -> Page:
    wanted = view.one("q").strip()
    number = page_number(view)
    deleted = view.one("deleted") == "1"
    found = view.store.experiment_activity(
        contains=wanted,
        name=view.grant.project,
        is_deleted=deleted,
        skip=(number - 1) * PAGE_SIZE,
        max_results=PAGE_SIZE + 1,
    )
    shown: list[list[object]] = [
        [
            link(item.name, "experiments", item.id),
            item.runs,
            item.running or "",
            item.failed or "",
            view.ago(item.last_start),
            view.ago(item.creation_time),
        ]
        for item in found[:PAGE_SIZE]
    ]
    heads = [view.t(words) for words in ("Experiment", "Runs", "Running", "Failed", "Last run", "Created")]
    search = e(
        "form",
        e("label", view.t("Name contains"), for_="q", class_="quiet"),
        e("input", type="search", name="q", id="q", value=wanted, autocomplete="off", spellcheck="false"),
        e("button", view.t("Filter")),
        method="get",
        class_="filter",
        role="search",
    )
    toggle = e(
        "a",
        view.t("Active experiments") if deleted else view.t("Deleted experiments"),
        href=view.again(deleted=None if deleted else "1", page=None),
        class_="quiet",
    )
    if shown:
        body: Html = view.table(heads, shown, class_="rows experiments")
    elif wanted or deleted:
        body = nothing(view.t("Nothing here."))
    else:
        body = nothing(
            view.t("No experiment yet. Train something:"),
            'import mlflow\n\nwith mlflow.start_run():\n    mlflow.log_metric("loss", 0.1)',
        )
    more = pager(view, number, len(found) > PAGE_SIZE)
    return Page(view.t("Experiments"), e("section", heading(view.t("Experiments"), toggle), search, body, more))


def page_number(view: View) -> int:
    text = view.one("page", "1")
    return min(int(text), 1_000_000) if text.isascii() and text.isdigit() and int(text[:9]) > 0 else 1
