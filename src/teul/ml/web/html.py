"""Markup that cannot be anything else: whatever is not `Html` already is escaped. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

VOID = frozenset(("br", "hr", "img", "input", "link", "meta", "wbr"))


class Html(str):
    """A string that is markup."""

    __slots__ = ()


Child = Html | str | int | float | None | Iterable["Child"]
Value = str | int | bool | None


def e(tag: str, *children: Child, **attributes: Value) -> Html:
    """One element. `class_` and `for_` lose their underscore, `data_x` becomes `data-x`; None and False leave an
    attribute out, True writes it alone.
    """
    shown = "".join(
        f" {name.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{escape(str(value))}"')
        for name, value in attributes.items()
        if value is not None and value is not False
    )
    if tag in VOID:
        return Html(f"<{tag}{shown}>")
    return Html(f"<{tag}{shown}>{join(children)}</{tag}>")


def join(children: Child) -> Html:
    """Several children one after another."""
    if children is None:
        return Html("")
    if isinstance(children, Html):
        return children
    if isinstance(children, str | int | float):
        return Html(escape(str(children)))
    return Html("".join(join(child) for child in children))
