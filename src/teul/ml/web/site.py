"""Finds the page of an address and sends it. Everything that a browser must not do with these pages is said in headers.

Reads only: the one `POST` is the sign-in, which sets a cookie. The cookie lets nobody write: the API never reads it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from concurrent.futures import Executor
from dataclasses import replace
from importlib import resources
from typing import Any
from urllib.parse import parse_qs, quote, unquote

from teul.errors import TeulError, Unauthorized
from teul.ml.tracking.access import Grant
from teul.ml.tracking.store import TrackingStore
from teul.ml.tracking.translate import to_answer
from teul.ml.web.html import Html, e
from teul.ml.web.layout import Page, frame, heading
from teul.ml.web.pages.compare import compare
from teul.ml.web.pages.experiments import experiments
from teul.ml.web.pages.files import file, raw
from teul.ml.web.pages.images import image
from teul.ml.web.pages.models import model, models, version
from teul.ml.web.pages.run import run
from teul.ml.web.pages.runs import runs
from teul.ml.web.view import ROOT, View

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none';"
    " frame-ancestors 'none'"
)
SAFE: Headers = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
STATIC = {
    "style.css": "text/css; charset=utf-8",
    "script.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
LANGUAGES = ("en", "ko")
TOKEN_COOKIE, LANGUAGE_COOKIE = "teul_token", "teul_lang"
YEAR_S = 365 * 24 * 3600

ROUTES: tuple[tuple[tuple[str, ...], Callable[..., Page]], ...] = (
    ((), experiments),
    (("experiments", ""), runs),
    (("runs", ""), run),
    (("runs", "", "file"), file),
    (("compare",), compare),
    (("models",), models),
    (("models", ""), model),
    (("models", "", "versions", ""), version),
    (("images", ""), image),
)
"""Address below `/ui`, "" for a part that the page is given; and the page."""

NAMES = {"experiments": "experiment_id", "runs": "run_id", "models": "name"}
"""What the first given part of an address is called in the API, so that the same check lets it in."""
NOBODY = Grant("nobody", role="read", project="\0")


class Site:
    """The pages of one store. *check* says whether a token may read, and raises `Unauthorized` when not."""

    def __init__(self, store: TrackingStore, readers: Executor) -> None:
        self._store = store
        self._readers = readers
        folder = resources.files("teul.ml.web").joinpath("static")
        self._static = {name: folder.joinpath(name).read_bytes() for name in STATIC}

    async def serve(
        self, scope: Scope, headers: dict[bytes, bytes], check: Callable[[str], Grant], body: bytes, send: Send
    ) -> None:
        """Answer one request below `/ui`."""
        path: str = scope["path"]
        parts = [part for part in path.removeprefix(ROOT).split("/") if part]
        method = scope["method"]
        if method not in ("GET", "HEAD", "POST"):
            await answer(send, 405, b"", [(b"allow", b"GET, HEAD")])
            return
        if len(parts) == 1 and parts[0] in STATIC:
            kind = STATIC[parts[0]].encode()
            await answer(
                send, 200, self._static[parts[0]], [(b"content-type", kind), (b"cache-control", b"max-age=3600")]
            )
            return
        cookies = read_cookies(headers.get(b"cookie", b"").decode("latin-1"))
        query = parse_qs(scope["query_string"].decode("ascii", "replace"), keep_blank_values=True, max_num_fields=1000)
        view = View(
            store=self._store,
            grant=NOBODY,
            path=quote(path),
            query=query,
            language=language_of(query, cookies, headers.get(b"accept-language", b"").decode("latin-1")),
            now=time.time_ns() // 1_000_000,
        )
        more: Headers = []
        if query.get("lang"):
            more.append(
                (
                    b"set-cookie",
                    f"{LANGUAGE_COOKIE}={view.language}; Path={ROOT}; Max-Age={YEAR_S}; SameSite=Lax".encode(),
                )
            )
        token = cookies.get(TOKEN_COOKIE, "")
        if method == "POST":
            await self._sign_in(view, parts, check, body, send)
            return

        def job() -> tuple[Page, None] | tuple[None, tuple[str, int, Iterator[bytes]]]:
            seen = replace(view, grant=check(token))
            if len(parts) > 3 and parts[0] == "runs" and parts[2] == "raw":
                seen.grant.check_reading(self._store.db, {"run_id": parts[1]})
                return None, raw(seen, parts[1], "/".join(parts[3:]))
            with self._store.db.read():
                return self._page(seen, parts), None

        loop = asyncio.get_running_loop()
        try:
            page, found = await loop.run_in_executor(self._readers, job)
        except Unauthorized:
            page, found = sign_in(view, wrong=bool(token)), None
        except TeulError as error:
            page, found = refused(view, error), None
        if found is not None:
            await self._send_file(send, parts[-1], found, is_head=method == "HEAD")
            return
        assert page is not None
        await answer(send, page.status, frame(view, page) if method == "GET" else b"", [*more, *page_headers()])

    def _page(self, view: View, parts: list[str]) -> Page:
        for pattern, show in ROUTES:
            if len(pattern) == len(parts) and all(
                not wanted or wanted == part for wanted, part in zip(pattern, parts, strict=True)
            ):
                given = [part for wanted, part in zip(pattern, parts, strict=True) if not wanted]
                names = NAMES.get(pattern[0] if pattern else "")
                named = {names: given[0]} if names and given else {"run_ids": view.many("run")}
                view.grant.check_reading(self._store.db, named)
                return show(view, *(unquote(part) for wanted, part in zip(pattern, parts, strict=True) if not wanted))
        return not_found(view)

    async def _sign_in(
        self, view: View, parts: list[str], check: Callable[[str], Grant], body: bytes, send: Send
    ) -> None:
        if parts != ["sign-in"]:
            await answer(send, 405, b"", [(b"allow", b"GET, HEAD")])
            return
        token = next(iter(parse_qs(body.decode("utf-8", "replace")).get("token", [])), "").strip()
        try:
            await asyncio.get_running_loop().run_in_executor(self._readers, check, token)
        except TeulError:
            page = sign_in(view, wrong=True)
            await answer(send, page.status, frame(view, page), page_headers())
            return
        cookie = f"{TOKEN_COOKIE}={quote(token)}; Path={ROOT}; HttpOnly; SameSite=Strict"
        await answer(send, 303, b"", [(b"location", ROOT.encode()), (b"set-cookie", cookie.encode())])

    async def _send_file(
        self, send: Send, name: str, found: tuple[str, int, Iterator[bytes]], *, is_head: bool
    ) -> None:
        kind, size_bytes, chunks = found
        disposition = "inline" if kind.startswith("image/") else f"attachment; filename*=UTF-8''{quote(name)}"
        headers: Headers = [
            (b"content-type", kind.encode()),
            (b"content-length", str(size_bytes).encode()),
            (b"content-disposition", disposition.encode()),
            (b"content-security-policy", b"default-src 'none'; sandbox"),
            *SAFE,
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        loop = asyncio.get_running_loop()
        while not is_head and (chunk := await loop.run_in_executor(self._readers, next, chunks, b"")):
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


def page_headers() -> Headers:
    return [
        (b"content-type", b"text/html; charset=utf-8"),
        (b"content-security-policy", POLICY.encode()),
        (b"cache-control", b"no-store"),
        (b"vary", b"accept-language, cookie"),
        *SAFE,
    ]


async def answer(send: Send, status: int, body: bytes, headers: Headers) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})


def read_cookies(header: str) -> dict[str, str]:
    pairs = (part.strip().partition("=") for part in header.split(";"))
    return {name: unquote(value) for name, _, value in pairs if name}


def language_of(query: dict[str, list[str]], cookies: dict[str, str], accepted: str) -> str:
    """What was asked for, what was chosen before, what the browser prefers (RFC 9110, "Accept-Language")."""
    for wanted in (query.get("lang", [""])[0], cookies.get(LANGUAGE_COOKIE, "")):
        if wanted in LANGUAGES:
            return wanted
    ranked: list[tuple[float, int, str]] = []
    for index, part in enumerate(accepted.split(",")):
        name, _, parameter = part.strip().partition(";")
        try:
            quality = float(parameter.strip().removeprefix("q=")) if parameter else 1.0
        except ValueError:
            quality = 0.0
        primary = name.split("-")[0].lower()
        if primary in LANGUAGES and quality > 0:
            ranked.append((-quality, index, primary))
    return min(ranked)[2] if ranked else "en"


def not_found(view: View) -> Page:
    words = view.t("Not found")
    return Page(words, e("section", heading(words), e("p", view.t("There is nothing at this address."))), status=404)


def refused(view: View, error: TeulError) -> Page:
    """An address that means nothing, or a request that the store refuses."""
    status, _ = to_answer(error)
    words = view.t("Not found") if status == 404 else view.t("Not allowed") if status == 403 else view.t("Refused")
    return Page(words, e("section", heading(words), e("p", str(error), class_="problem")), status=status)


def sign_in(view: View, *, wrong: bool) -> Page:
    problem = e("p", view.t("This token is unknown or has ended."), class_="problem", role="alert") if wrong else None
    form: Html = e(
        "form",
        e("label", view.t("Token"), for_="token"),
        e("input", type="password", name="token", id="token", required=True, autocomplete="current-password"),
        e("button", view.t("Sign in")),
        method="post",
        action=f"{ROOT}/sign-in",
        class_="filter",
    )
    title = view.t("Sign in")
    return Page(
        title, e("section", heading(title), e("p", view.t("This server asks for a token.")), problem, form), status=401
    )
