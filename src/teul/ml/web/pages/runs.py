"""The runs of one experiment: filtered, sorted and paged by the store; columns of what the page's runs have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from teul.errors import TeulError
from teul.ml.record import IMAGE_TAG, STEP_TAG
from teul.ml.tracking.paging import token_of
from teul.ml.tracking.values import NOTE_TAG, Run
from teul.ml.tracking.values import Page as Found
from teul.ml.web.html import Html, e
from teul.ml.web.layout import Page, heading, nothing, pager
from teul.ml.web.pages.experiments import page_number
from teul.ml.web.view import ROOT, View, address, cell, link, short

PAGE_SIZE = 100
METRICS_SHOWN = 6
PARAMS_SHOWN = 4
SYSTEM = "system/"
DEFAULT_SORT = "-attributes.start_time"


def runs(view: View, experiment_id: str) -> Page:
    experiment = view.store.get_experiment(experiment_id)
    number = page_number(view)
    sort = view.one("sort", DEFAULT_SORT)
    deleted = view.one("deleted") == "1"
    problem = ""
    found: Found[Run] = Found(())
    try:
        found = view.store.search_runs(
            [experiment.id],
            filter_text=view.one("q"),
            view="DELETED_ONLY" if deleted else "ACTIVE_ONLY",
            max_results=PAGE_SIZE,
            order_by=[order_of(sort)],
            token=token_of((number - 1) * PAGE_SIZE) if number > 1 else "",
        )
    except TeulError as error:
        problem = str(error)
    search = e(
        "form",
        e("label", view.t("Filter"), for_="q", class_="quiet"),
        e("input", type="search", name="q", id="q", value=view.one("q"), autocomplete="off", spellcheck="false",
          placeholder="metrics.loss < 0.1 AND params.model = 'catboost'", aria_invalid="true" if problem else None,
          aria_describedby="problem" if problem else None),
        e("input", type="hidden", name="sort", value=sort) if sort != DEFAULT_SORT else None,
        e("button", view.t("Filter")),
        method="get",
        class_="filter",
        role="search",
    )  # fmt: skip
    note = experiment.tags.get(NOTE_TAG)
    toggle = e(
        "a",
        view.t("Active runs") if deleted else view.t("Deleted runs"),
        href=view.again(deleted=None if deleted else "1", page=None),
        class_="quiet",
    )
    body = e(
        "section",
        heading(experiment.name, e("span", f"#{experiment.id}", class_="quiet"), toggle),
        e("p", note, class_="note") if note else None,
        search,
        e("p", problem, class_="problem", id="problem", role="alert") if problem else None,
        _table(view, found.items, sort) if found.items else (None if problem else nothing(view.t("No run fits."))),
        pager(view, number, bool(found.token)),
    )
    return Page(experiment.name, body, ((view.t("Experiments"), ROOT),))


def order_of(sort: str) -> str:
    """`-metrics.loss` → "metrics.`loss` DESC": the grammar of MLflow's `order_by`, with the key quoted."""
    descending = sort.startswith("-")
    entity, _, key = sort.removeprefix("-").partition(".")
    quoted = key if entity == "attributes" else "`" + key.replace("`", "") + "`"
    return f"{entity}.{quoted} {'DESC' if descending else 'ASC'}"


def _table(view: View, found: Sequence[Run], sort: str) -> Html:
    metrics = _common(
        Counter(metric.key for run in found for metric in run.metrics if not metric.key.startswith(SYSTEM)),
        METRICS_SHOWN,
        view.many("metric"),
    )
    params = _common(Counter(key for run in found for key in run.params), PARAMS_SHOWN, view.many("param"))
    heads: list[Html | str] = [
        e("input", type="checkbox", class_="all", aria_label=view.t("Select all"), hidden=True),
        _sorted(view, sort, "attributes.run_name", view.t("Run")),
        _sorted(view, sort, "attributes.status", view.t("Status")),
        _sorted(view, sort, "attributes.start_time", view.t("Began"), descending=True),
        view.t("Lasted"),
        view.t("Image"),
        *(_sorted(view, sort, f"metrics.{key}", key, descending=True) for key in metrics),
        *(_sorted(view, sort, f"params.{key}", key) for key in params),
    ]
    kinds = ["", "", "", "", "", "", *("metric" for _ in metrics), *("param" for _ in params)]
    rows = []
    for run in found:
        values = {metric.key: metric.value for metric in run.metrics}
        image = run.tags.get(IMAGE_TAG, "")
        cells: list[object] = [
            e("input", type="checkbox", name="run", value=run.id, aria_label=view.t("Compare {name}", name=run.name)),
            _named(run),
            view.status(run.status),
            view.ago(run.start_time),
            view.lasted(run.start_time, run.end_time, run.status),
            link(e("code", short(image, 8)), "images", image) if image else "",
            *(values.get(key, "") for key in metrics),
            *(run.params.get(key, "")[:80] for key in params),
        ]
        rows.append(e("tr", (cell(value) for value in cells)))
    table = e(
        "table",
        e(
            "thead",
            e("tr", (e("th", head, scope="col", class_=kind or None) for head, kind in zip(heads, kinds, strict=True))),
        ),
        e("tbody", rows),
        class_="rows runs",
    )
    bar = e(
        "div",
        e("button", view.t("Compare the selected"), class_="compare"),
        e("span", view.t("Select two or more runs."), class_="quiet hint"),
        class_="bar",
    )
    return e(
        "form",
        e("div", table, class_="scroll", tabindex="0"),
        bar,
        action=address("compare"),
        method="get",
        class_="list",
    )


def _named(run: Run) -> Html:
    step = run.tags.get(STEP_TAG, "")
    words: list[Html | str] = [link(run.name or short(run.id, 8), "runs", run.id)]
    words.append(e("small", f" {short(run.id, 8)}"))
    if step and step != run.name:
        words.append(e("small", f" · {step}"))
    return e("span", words, class_="name")


def _common(found: Counter[str], count: int, wanted: Sequence[str]) -> list[str]:
    """The columns: those that are asked for, else those that most runs of the page have, by name."""
    if wanted:
        return [key for key in wanted if key]
    return sorted(key for key, _ in sorted(found.items(), key=lambda item: (-item[1], item[0]))[:count])


def _sorted(view: View, sort: str, key: str, words: str, *, descending: bool = False) -> Html:
    """A column's head: a link that sorts by it, the other way round when it does already."""
    current = sort.removeprefix("-") == key
    is_descending = sort.startswith("-")
    target = ("" if is_descending else "-") + key if current else ("-" if descending else "") + key
    mark = e("span", "↓" if is_descending else "↑", aria_hidden="true") if current else None
    return e(
        "a",
        words,
        mark,
        href=view.again(sort=target, page=None),
        class_="sort",
        title=view.t("sorted, descending")
        if current and is_descending
        else view.t("sorted, ascending")
        if current
        else None,
    )
