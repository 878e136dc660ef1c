"""An image by its digest: what is in it, and which runs it made."""

from __future__ import annotations

from teul.ml.record import IMAGE_TAG
from teul.ml.web.html import Html, e
from teul.ml.web.layout import Page, facts, heading, nothing
from teul.ml.web.view import ROOT, View, link, short

RUNS_SHOWN = 50


def image(view: View, digest: str) -> Page:
    runs = [
        [link(run.name or short(run.id, 8), "runs", run.id), view.status(run.status), view.ago(run.start_time)]
        for run in view.store.runs_tagged(IMAGE_TAG, digest, experiment=view.grant.project, max_results=RUNS_SHOWN)
    ]
    known = view.store.environment(digest) if runs or not view.grant.project else None
    body = e(
        "section",
        heading(view.t("Image {digest}", digest=short(digest))),
        facts(
            (
                (view.t("Id"), e("code", digest)),
                (view.t("On this machine"), e("code", f"teul image inspect {short(digest)}")),
            )
        ),
        e("div", _packages(view, known), _layers(view, known), class_="columns")
        if known
        else nothing(view.t("What is in this image was not kept.")),
        e(
            "section",
            e("h2", view.t("Runs that used it")),
            view.table([view.t("Run"), view.t("Status"), view.t("Began")], runs),
        )
        if runs
        else None,
    )
    return Page(
        view.t("Image {digest}", digest=short(digest)),
        body,
        ((view.t("Experiments"), ROOT),),
        status=200 if known or runs else 404,
    )


def _packages(view: View, known: dict[str, object]) -> Html | None:
    found = known.get("packages")
    rows = (
        [[item[1], item[2], item[0]] for item in found if isinstance(item, list) and len(item) >= 3]
        if isinstance(found, list)
        else []
    )
    if not rows:
        return None
    rows.sort(key=lambda row: (row[2] != "python", str(row[0])))
    title = e("h2", view.t("Packages"), e("span", f" {len(rows)}", class_="quiet"))
    return e(
        "section", title, view.table([view.t("Package"), view.t("Version"), view.t("Kind")], rows, class_="packages")
    )


def _layers(view: View, known: dict[str, object]) -> Html | None:
    found = known.get("layers")
    rows = (
        [[e("code", short(str(item[0]))), str(item[1])] for item in found if isinstance(item, list) and len(item) == 2]
        if isinstance(found, list)
        else []
    )
    if not rows:
        return None
    return e(
        "section",
        e("h2", view.t("Layers"), e("span", f" {len(rows)}", class_="quiet")),
        view.table([view.t("Layer"), view.t("Made by")], rows),
    )
