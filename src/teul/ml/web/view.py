"""What a page knows of the request, and the small things that all pages show the same way. Pure but for the store."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote, urlencode

from teul.ml.web.html import Html, e
from teul.ml.web.words import KOREAN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.ml.tracking.access import Grant
    from teul.ml.tracking.store import TrackingStore

ROOT = "/ui"


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One request for a page."""

    store: TrackingStore
    grant: Grant
    """Who asks; a token for one project sees nothing of the others."""
    path: str
    query: Mapping[str, Sequence[str]]
    language: str
    now: int
    """Milliseconds since 1970."""

    def t(self, words: str, **values: object) -> str:
        """*words* in the reader's language, with *values* filled in."""
        template = KOREAN.get(words, words) if self.language == "ko" else words
        return template.format(**values) if values else template

    def one(self, name: str, default: str = "") -> str:
        return next(iter(self.query.get(name, ())), default)

    def many(self, name: str) -> list[str]:
        return list(self.query.get(name, ()))

    def again(self, **changes: str | Sequence[str] | None) -> str:
        """The address of this page with some of the query changed; None takes a name away."""
        query = {name: list(values) for name, values in self.query.items() if name != "lang"}
        for name, value in changes.items():
            if value is None:
                query.pop(name, None)
            else:
                query[name] = [value] if isinstance(value, str) else list(value)
        encoded = urlencode(query, doseq=True)
        return self.path + (f"?{encoded}" if encoded else "")

    # What is shown the same way everywhere

    def ago(self, at: int | None) -> Html:
        """A time, as how long ago; the whole time is its title."""
        if not at:
            return Html("–")
        moment = datetime.fromtimestamp(at / 1000, UTC) if 0 < at < 253402300800000 else None
        if moment is None:
            return Html("–")
        seconds = (self.now - at) / 1000
        shown = self._distance(seconds)
        iso = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
        return e("time", shown, datetime=iso, title=moment.strftime("%Y-%m-%d %H:%M:%S UTC"))

    def _distance(self, seconds: float) -> str:
        for limit, size, words in (
            (90, 1, "{n} s ago"),
            (5400, 60, "{n} min ago"),
            (36 * 3600, 3600, "{n} h ago"),
            (45 * 86400, 86400, "{n} d ago"),
            (math.inf, 0, ""),
        ):
            if seconds < limit and size:
                return self.t("now") if seconds < 2 else self.t(words, n=round(seconds / size))
        return datetime.fromtimestamp((self.now / 1000) - seconds, UTC).strftime("%Y-%m-%d")

    def lasted(self, start: int, end: int | None, status: str = "") -> str:
        if not end:
            if status != "RUNNING":
                return "–"
            end = self.now
        seconds = max(0, end - start) / 1000
        if seconds < 10:
            return self.t("{n} s", n=f"{seconds:.1f}")
        if seconds < 120:
            return self.t("{n} s", n=round(seconds))
        if seconds < 7200:
            return self.t("{n} min", n=round(seconds / 60))
        if seconds < 72 * 3600:
            return self.t("{n} h", n=f"{seconds / 3600:.1f}")
        return self.t("{n} d", n=f"{seconds / 86400:.1f}")

    def status(self, status: str) -> Html:
        names = {"FINISHED": "finished", "FAILED": "failed", "KILLED": "killed", "RUNNING": "running"}
        name = names.get(status, "scheduled")
        return e("span", self.t(name), class_=f"status {name}")

    def size(self, size_bytes: int) -> str:
        value = float(size_bytes)
        for unit in ("B", "kB", "MB", "GB", "TB"):
            if value < 1000 or unit == "TB":
                return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"
            value /= 1000
        raise AssertionError

    def table(self, heads: Sequence[Html | str], rows: Sequence[Sequence[object]], *, class_: str = "") -> Html:
        """A table in a box that scrolls sideways on a narrow screen. A cell that is a number stands right."""
        return e(
            "div",
            e(
                "table",
                e("thead", e("tr", (e("th", head, scope="col") for head in heads))),
                e("tbody", (e("tr", (cell(value) for value in row)) for row in rows)),
                class_=class_ or None,
            ),
            class_="scroll",
            tabindex="0",
        )


def cell(value: object) -> Html:
    if isinstance(value, Html):
        return e("td", value)
    if isinstance(value, bool) or value is None:
        return e("td", "–" if value is None else str(value).lower())
    if isinstance(value, int | float):
        return e("td", number(value), class_="number", title=repr(value) if isinstance(value, float) else None)
    return e("td", str(value))


def number(value: float) -> str:
    """A metric as people compare it: six digits that count, and all before the point; whole numbers whole."""
    if isinstance(value, int) or (math.isfinite(value) and value == int(value) and abs(value) < 1e15):
        return f"{int(value):,}".replace(",", "\u202f") if abs(value) >= 10_000 else str(int(value))
    if math.isfinite(value) and 1e5 <= abs(value) < 1e15:
        return f"{value:,.1f}".replace(",", "\u202f")
    return f"{value:.6g}"


def link(words: Html | str, *parts: str, **query: str) -> Html:
    """A link to a page: path segments are quoted each."""
    return e("a", words, href=address(*parts, **query))


def address(*parts: str, **query: str) -> str:
    path = "/".join((ROOT, *(quote(part, safe="") for part in parts)))
    return path + (f"?{urlencode(query)}" if query else "")


def short(digest: str, length: int = 12) -> str:
    return digest.removeprefix("sha256:")[:length]
