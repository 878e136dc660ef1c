"""One run: what it measured, with what, from what; its files."""

from __future__ import annotations

from collections.abc import Sequence

from teul.ml import record
from teul.ml.plots import Chart, Series, svg
from teul.ml.tracking.values import NOTE_TAG, Run
from teul.ml.web.html import Html, e
from teul.ml.web.layout import Page, facts, heading, nothing
from teul.ml.web.pages.files import listing
from teul.ml.web.view import ROOT, View, address, link, number, short

PLOTS_SHOWN = 24
POINTS = 1500


def run(view: View, run_id: str) -> Page:
    found = view.store.get_run(run_id)
    experiment = view.store.get_experiment(found.experiment_id)
    tabs = (
        ("", view.t("Overview"), _overview),
        ("metrics", view.t("Plots"), _plots),
        ("files", view.t("Files"), _files),
        ("origin", view.t("Origin"), _origin),
    )
    chosen = view.one("tab")
    shown = next((item for item in tabs if item[0] == chosen), tabs[0])
    bar = e(
        "nav",
        (
            e(
                "a",
                words,
                href=view.again(tab=name or None, path=None),
                aria_current="page" if name == shown[0] else None,
            )
            for name, words, _ in tabs
        ),
        class_="tabs",
        aria_label=view.t("Parts of the run"),
    )
    note = found.tags.get(NOTE_TAG)
    body = e(
        "section",
        heading(found.name or short(found.id), view.status(found.status)),
        e("p", note, class_="note") if note else None,
        bar,
        shown[2](view, found),
    )
    trail = ((view.t("Experiments"), ROOT), (experiment.name, address("experiments", experiment.id)))
    return Page(found.name or short(found.id), body, trail)


def _overview(view: View, found: Run) -> Html:
    image = found.tags.get(record.IMAGE_TAG, "")
    commit = found.tags.get(record.COMMIT_TAG, "")
    about = facts(
        (
            (view.t("Id"), e("code", found.id)),
            (view.t("Began"), view.ago(found.start_time)),
            (view.t("Lasted"), view.lasted(found.start_time, found.end_time, found.status)),
            (view.t("By"), found.user_id),
            (view.t("Step"), found.tags.get(record.STEP_TAG, "")),
            (view.t("Image"), link(e("code", short(image)), "images", image) if image else None),
            (view.t("Commit"), e("code", short(commit)) if commit else None),
            (view.t("Source"), found.tags.get("mlflow.source.name", "")),
        )
    )
    own = [metric for metric in found.metrics if not metric.key.startswith("system/")]
    system = [metric for metric in found.metrics if metric.key.startswith("system/")]
    tags = [(key, value) for key, value in sorted(found.tags.items()) if not key.startswith(("mlflow.", "teul."))]
    versions = _versions(view, found.id)
    return e(
        "div",
        about,
        e(
            "div",
            _pairs(
                view,
                view.t("Metrics"),
                [
                    (metric.key, number(metric.value), repr(metric.value))
                    for metric in sorted(own, key=lambda item: item.key)
                ],
            ),
            _pairs(view, view.t("Parameters"), [(key, value, "") for key, value in sorted(found.params.items())]),
            _pairs(view, view.t("Tags"), [(key, value, "") for key, value in tags]),
            _pairs(
                view,
                view.t("Resources"),
                [
                    (metric.key.removeprefix("system/"), number(metric.value), "")
                    for metric in sorted(system, key=lambda item: item.key)
                ],
            ),
            class_="columns",
        ),
        versions,
    )


def _pairs(view: View, title: str, pairs: Sequence[tuple[str, str, str]]) -> Html | None:
    if not pairs:
        return None
    rows = (
        e("tr", e("th", name, scope="row"), e("td", value, title=whole or None, class_="number" if whole else None))
        for name, value, whole in pairs
    )
    return e(
        "section",
        e("h2", title, e("span", f" {len(pairs)}", class_="quiet")),
        e("div", e("table", e("tbody", rows), class_="pairs"), class_="scroll"),
    )


def _versions(view: View, run_id: str) -> Html | None:
    found = view.store.versions_from(run_id)
    if not found:
        return None
    items = (
        e(
            "li",
            link(f"{item.name} {item.version}", "models", item.name, "versions", str(item.version)),
            " ",
            gate_mark(view, item.gate),
        )
        for item in found
    )
    return e("section", e("h2", view.t("Registered as")), e("ul", items, class_="plain"))


def gate_mark(view: View, gate: str) -> Html | None:
    if not gate:
        return None
    return e(
        "span",
        view.t("gate passed") if gate == "passed" else view.t("gate failed"),
        class_=f"status {'finished' if gate == 'passed' else 'failed'}",
    )


def _plots(view: View, found: Run) -> Html:
    keys = sorted({metric.key for metric in found.metrics})
    wanted = view.one("metric")
    if wanted:
        keys = [key for key in keys if key == wanted]
    charts: list[Html] = []
    single: list[tuple[str, str, str]] = []
    for key in keys[:PLOTS_SHOWN]:
        points = view.store.metric_history(found.id, key)
        if len(points) < 2:
            single.append((key, number(points[0].value) if points else "–", ""))
            continue
        by_step = len({point.step for point in points}) > 1
        start = points[0].timestamp
        series = Series(
            key,
            tuple(
                (float(point.step if by_step else (point.timestamp - start) / 1000), point.value) for point in points
            ),
        )
        charts.append(
            e("figure", Html(svg.draw(Chart(key, (series,), view.t("step") if by_step else view.t("seconds")))))
        )
    more = len(keys) - PLOTS_SHOWN
    return e(
        "div",
        e("div", charts, class_="charts") if charts else None,
        _pairs(view, view.t("Single values"), single),
        e("p", view.t("{n} more metrics are not drawn here.", n=more), class_="quiet") if more > 0 else None,
        nothing(view.t("This run has no metrics.")) if not keys else None,
    )


def _files(view: View, found: Run) -> Html:
    return listing(view, found.id, view.one("path"), found.artifact_uri)


def _origin(view: View, found: Run) -> Html:
    """What the run came from: image, code, inputs, data sets, models; enough to make it again."""
    tags = found.tags
    inputs = [
        (key.removeprefix(record.INPUT_TAG), short(value, 16), value)
        for key, value in sorted(tags.items())
        if key.startswith(record.INPUT_TAG)
    ]
    outputs = [
        (key.removeprefix(record.OUTPUT_TAG), short(value, 16), value)
        for key, value in sorted(tags.items())
        if key.startswith(record.OUTPUT_TAG)
    ]
    rest = [
        (key, value, "")
        for key, value in sorted(tags.items())
        if key.startswith(("mlflow.", "teul."))
        and not key.startswith((record.INPUT_TAG, record.OUTPUT_TAG))
        and key != NOTE_TAG
    ]
    datasets = [(item.name, f"{short(item.digest)} · {item.source_type}", "") for item in found.datasets]
    models = [(item.model_id, view.t("step {n}", n=item.step), "") for item in found.model_outputs]
    image = tags.get(record.IMAGE_TAG, "")
    return e(
        "div",
        facts(
            (
                (view.t("Image"), link(e("code", image), "images", image) if image else None),
                (view.t("Again"), e("code", f"teul runs show {short(found.id, 8)}")),
            )
        ),
        e(
            "div",
            _pairs(view, view.t("Inputs"), inputs),
            _pairs(view, view.t("Outputs"), outputs),
            _pairs(view, view.t("Data sets"), datasets),
            _pairs(view, view.t("Models"), models),
            _pairs(view, view.t("Recorded by the client"), rest),
            class_="columns",
        ),
    )
