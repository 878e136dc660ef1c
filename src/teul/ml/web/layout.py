"""What is around every page: head, navigation, language, foot. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from teul.ml.web.html import Html, e
from teul.ml.web.view import ROOT, View, link


@dataclass(frozen=True, slots=True)
class Page:
    """A page's title, its way from the top (words, address), and what it shows."""

    title: str
    body: Html
    trail: Sequence[tuple[str, str]] = ()
    area: str = "experiments"
    status: int = 200


def frame(view: View, page: Page) -> bytes:
    """The whole document."""
    areas = (("experiments", view.t("Experiments"), ROOT), ("models", view.t("Models"), f"{ROOT}/models"))
    navigation = e(
        "nav",
        (e("a", words, href=href, aria_current="page" if area == page.area else None) for area, words, href in areas),
        aria_label=view.t("Main"),
    )
    other, words = ("en", "English") if view.language == "ko" else ("ko", "한국어")
    language = e("a", words, href=view.again(lang=other), hreflang=other, lang=other, class_="language")
    header = e(
        "header",
        e("a", view.t("Skip to content"), href="#content", class_="skip"),
        e("a", e("b", "teul"), href=ROOT, class_="brand", aria_label="teul"),
        navigation,
        language,
    )
    trail = (
        e(
            "nav",
            e("ol", (e("li", e("a", words, href=href)) for words, href in page.trail)),
            class_="trail",
            aria_label=view.t("You are here"),
        )
        if page.trail
        else None
    )
    document = e(
        "html",
        e(
            "head",
            e("meta", charset="utf-8"),
            e("meta", name="viewport", content="width=device-width, initial-scale=1"),
            e("meta", name="color-scheme", content="light dark"),
            e("title", f"{page.title} · teul"),
            e("link", rel="icon", href=f"{ROOT}/icon.svg", type="image/svg+xml"),
            e("link", rel="stylesheet", href=f"{ROOT}/style.css"),
            e("script", src=f"{ROOT}/script.js", defer=True),
        ),
        e("body", header, e("main", trail, page.body, id="content", tabindex="-1"), footer(view)),
        lang=view.language,
    )
    return b"<!doctype html>\n" + document.encode("utf-8", "replace")


def footer(view: View) -> Html:
    keys = (("/", "filter"), ("j", "next row"), ("k", "previous row"), ("Enter", "open"), ("x", "select"))
    return e(
        "footer",
        e(
            "span",
            view.t("Keys:"),
            " ",
            ((e("kbd", key), " ", view.t(words), "  ") for key, words in keys),
            class_="keys",
        ),
        e("span", view.t("MLflow clients: set MLFLOW_TRACKING_URI to this address")),
    )


def heading(title: Html | str, *more: Html | str | None) -> Html:
    return e("div", e("h1", title), *more, class_="heading")


def facts(pairs: Sequence[tuple[str, Html | str | None]]) -> Html:
    """A list of names and values; what is empty is left out."""
    return e("dl", ((e("dt", name), e("dd", value)) for name, value in pairs if value), class_="facts")


def nothing(words: str, hint: str = "") -> Html:
    return e("div", e("p", words), e("pre", hint) if hint else None, class_="nothing")


def pager(view: View, page: int, has_more: bool) -> Html | None:
    if page == 1 and not has_more:
        return None
    before, after = "← " + view.t("Previous"), view.t("Next") + " →"
    return e(
        "nav",
        e("a", before, href=view.again(page=str(page - 1)), rel="prev") if page > 1 else e("span", before),
        e("span", view.t("page {n}", n=page)),
        e("a", after, href=view.again(page=str(page + 1)), rel="next") if has_more else e("span", after),
        class_="pager",
        aria_label=view.t("Pages"),
    )


__all__ = ["Page", "facts", "frame", "heading", "link", "nothing", "pager"]
