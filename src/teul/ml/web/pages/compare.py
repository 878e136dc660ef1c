"""Several runs side by side: what differs first, then curves over each other."""

from __future__ import annotations

from collections.abc import Sequence

from teul.ml import record
from teul.ml.plots import Chart, Series, svg
from teul.ml.tracking.values import Run
from teul.ml.web.html import Html, e
from teul.ml.web.layout import Page, heading, nothing
from teul.ml.web.pages.parallel import draw as draw_parallel
from teul.ml.web.view import ROOT, View, address, link, number, short

MOST_RUNS = 20
PLOTS_SHOWN = 16


def compare(view: View) -> Page:
    wanted = list(dict.fromkeys(view.many("run")))
    found = [view.store.get_run(run_id) for run_id in wanted[:MOST_RUNS]]
    trail: list[tuple[str, str]] = [(view.t("Experiments"), ROOT)]
    trail += [
        (view.store.get_experiment(experiment_id).name, address("experiments", experiment_id))
        for experiment_id in dict.fromkeys(run.experiment_id for run in found)
    ]
    title = view.t("{n} runs compared", n=len(found))
    if len(found) < 2:
        return Page(
            view.t("Compare"),
            e("section", heading(view.t("Compare")), nothing(view.t("Select two or more runs."))),
            trail,
        )
    only = view.one("all") != "1"
    toggle = e(
        "a",
        view.t("Show what is the same too") if only else view.t("Show only what differs"),
        href=view.again(all="1" if only else None),
        class_="quiet",
    )
    too_many = (
        e("p", view.t("Only the first {n} are compared.", n=MOST_RUNS), class_="quiet")
        if len(wanted) > MOST_RUNS
        else None
    )
    heads: list[Html | str] = [""]
    for run in found:
        others = [item.id for item in found if item is not run]
        away = (
            e(
                "a",
                "×",
                href=view.again(run=others),
                class_="quiet",
                title=view.t("take away"),
                aria_label=view.t("take away"),
            )
            if len(found) > 2
            else None
        )
        heads.append(
            e("span", link(run.name or short(run.id, 8), "runs", run.id), e("small", f" {short(run.id, 8)} "), away)
        )
    groups = (
        (view.t("Run"), _about(view, found)),
        (view.t("Parameters"), [(key, [run.params.get(key) for run in found]) for key in _keys(found, "params")]),
        (view.t("Metrics"), [(key, [run.metric(key) for run in found]) for key in _keys(found, "metrics")]),
        (view.t("Inputs"), [(key.removeprefix(record.INPUT_TAG), [_short(run.tags.get(key)) for run in found]) for key in _tags(found, record.INPUT_TAG)]),
    )  # fmt: skip
    bodies = []
    for name, rows in groups:
        shown = [(key, values) for key, values in rows if not only or len({str(value) for value in values}) > 1]
        if shown:
            bodies.append(
                e(
                    "tbody",
                    e("tr", e("th", name, colspan=len(found) + 1, scope="rowgroup"), class_="group"),
                    (_row(key, values) for key, values in shown),
                )
            )
    table = e(
        "div",
        e("table", e("thead", e("tr", (e("th", head, scope="col") for head in heads))), bodies, class_="compared"),
        class_="scroll",
        tabindex="0",
    )
    return Page(
        title,
        e(
            "section",
            heading(title, toggle),
            too_many,
            table if bodies else nothing(view.t("They do not differ.")),
            _pictures(view, found),
        ),
        trail,
    )


def _row(key: str, values: Sequence[object]) -> Html:
    differs = len({str(value) for value in values}) > 1
    numbers = [value for value in values if isinstance(value, float)]
    best = (max(numbers), min(numbers)) if differs and len(numbers) > 1 else ()
    return e(
        "tr",
        e("th", key, scope="row"),
        (
            e(
                "td",
                number(value),
                class_="number"
                + (" high" if best and value == best[0] else " low" if best and value == best[1] else ""),
                title=repr(value),
            )
            if isinstance(value, float)
            else e(
                "td",
                value if isinstance(value, Html) else "–" if value is None else str(value),
                class_="differs" if differs else None,
            )
            for value in values
        ),
    )


def _about(view: View, found: Sequence[Run]) -> list[tuple[str, list[object]]]:
    return [
        (view.t("Status"), [view.t(run.status.lower()) for run in found]),
        (view.t("Began"), [str(view.ago(run.start_time)) and view.ago(run.start_time) for run in found]),
        (view.t("Lasted"), [view.lasted(run.start_time, run.end_time, run.status) for run in found]),
        (view.t("Image"), [_short(run.tags.get(record.IMAGE_TAG)) for run in found]),
        (view.t("Commit"), [_short(run.tags.get(record.COMMIT_TAG)) for run in found]),
        (view.t("Command"), [run.tags.get(record.COMMAND_TAG) for run in found]),
        (view.t("Seed"), [run.tags.get(record.SEED_TAG) for run in found]),
    ]


def _short(digest: str | None) -> str | None:
    return short(digest) if digest else None


def _keys(found: Sequence[Run], what: str) -> list[str]:
    if what == "params":
        return sorted({key for run in found for key in run.params})
    return sorted({metric.key for run in found for metric in run.metrics})


def _tags(found: Sequence[Run], prefix: str) -> list[str]:
    return sorted({key for run in found for key in run.tags if key.startswith(prefix)})


def _pictures(view: View, found: Sequence[Run]) -> Html | None:
    names = {run.id: f"{run.name or ''} {short(run.id, 8)}".strip() for run in found}
    figures: list[Html] = []
    parallel = draw_parallel(found, names, view.t("Parameters and metrics"))
    if parallel:
        figures.append(e("figure", parallel, class_="wide"))
    for key in _keys(found, "metrics"):
        histories = {run.id: view.store.metric_history(run.id, key) for run in found}
        if not any(len(points) > 1 for points in histories.values()):
            continue
        by_step = any(len({point.step for point in points}) > 1 for points in histories.values())
        series = tuple(
            Series(
                names[run_id],
                tuple(
                    (float(point.step) if by_step else (point.timestamp - points[0].timestamp) / 1000, point.value)
                    for point in points
                ),
            )
            for run_id, points in histories.items()
            if points
        )
        figures.append(
            e("figure", Html(svg.draw(Chart(key, series, view.t("step") if by_step else view.t("seconds")))))
        )
        if len(figures) > PLOTS_SHOWN:
            break
    return e("section", e("h2", view.t("Plots")), e("div", figures, class_="charts")) if figures else None
