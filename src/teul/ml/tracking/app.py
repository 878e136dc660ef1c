"""The ASGI application: finds the route, lets the request in, answers in JSON. Must not listen or know sockets' files.

Plain ASGI and a dictionary of paths instead of a framework: the path of `runs/log-metric` is the hot one, and the
fixed paths need no patterns. Reads run on a few threads, writes on the `Committer`'s one; the loop only moves bytes.

What a browser could be made to do is refused: on loopback the `Host` must be an address, `localhost` or a name without
a dot (a rebound DNS name has one), a write from another origin is not answered, and JSON must say that it is JSON.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import os
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import orjson

from teul.errors import Forbidden, TeulError, TrackingInvalid, Unauthorized, Unavailable, text
from teul.ml.tracking import audit, container_tokens, keys, peers, registry_routes, runs, tokens, tracking_routes, wire
from teul.ml.tracking.access import Grant
from teul.ml.tracking.artifact_transfer import ArtifactTransfer
from teul.ml.tracking.committer import Committer, Together
from teul.ml.tracking.routing import Answer, Call, Route
from teul.ml.tracking.store import TrackingStore
from teul.ml.tracking.translate import to_answer
from teul.state.leases import process_start

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.ml.web.site import Site

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

MLFLOW_VERSION = "3.17.2"
"""The MLflow whose REST API this is; `/version` answers it."""
MAX_JSON_BYTES = 32 << 20
MAX_FORM_BYTES = 16 << 10
READ_THREADS = 4
SILENCE_S = 30.0
MOST_RUNS_WATCHED = 10_000
PREFIXES = ("/api/2.0/mlflow/", "/ajax-api/2.0/mlflow/")
ARTIFACT_PREFIXES = ("/api/2.0/mlflow-artifacts/", "/ajax-api/2.0/mlflow-artifacts/")
SERVER_INFO = {
    "store_type": "SqlStore",
    "workspaces_enabled": False,
    "trace_archival_enabled": False,
    "multipart_uploads_enabled": False,
    "multipart_downloads_enabled": False,
}
AUDITED = frozenset(
    {
        "experiments/delete", "experiments/restore", "experiments/update", "runs/delete", "runs/restore",
        "registered-models/create", "registered-models/rename", "registered-models/update", "registered-models/alias",
        "model-versions/create", "model-versions/update", "model-versions/transition-stage",
    }
)  # fmt: skip
"""Writes that the audit log keeps, beside all that deletes."""
SUBJECTS = ("name", "new_name", "version", "alias", "stage", "experiment_id", "run_id", "model_id", "key")
_JSON = (b"content-type", b"application/json")
_LOGGER = logging.getLogger("teul.ml.tracking")


class TrackingApp:
    """One per process. *trusts_network* lets requests without a token in on every address, *requires_tokens* on none."""

    def __init__(self, store: TrackingStore, *, trusts_network: bool = False, requires_tokens: bool = False) -> None:
        self._store = store
        self._trusts_network = trusts_network
        self._requires_tokens = requires_tokens
        self._failures = Failures()
        self._wrote_at: dict[str, float] = {}
        """When each run was last written to, for `close_abandoned`."""
        self._used_keys: dict[str, keys.Key] = {}
        """Keys that were used and not noted as such yet; a request that only reads must not wait for a write."""
        self._tasks: set[asyncio.Future[None]] = set()
        self._fixed: dict[tuple[str, str], Route] = {}
        self._patterns: list[tuple[tuple[str, ...], Route]] = []
        for route in (*tracking_routes.ROUTES, *registry_routes.ROUTES):
            if "<" in route.path:
                self._patterns.append((tuple(route.path.split("/")), route))
            else:
                for prefix in PREFIXES:
                    self._fixed[route.method, prefix + route.path] = route
        self._began = time.monotonic()
        self._readers = ThreadPoolExecutor(READ_THREADS, thread_name_prefix="read")
        self._committer: Committer[Any] | None = None
        self._transfer = ArtifactTransfer(store, self._readers)
        self._site: Site | None = None
        self._mlflow_folder: str | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        path: str = scope["path"]
        if path.startswith("/mlflow/") and await self._mlflow_pages(scope, path.removeprefix("/mlflow/"), send):
            return
        if path.startswith("/mlflow/"):
            # What MLflow's own pages ask for, by addresses relative to themselves.
            path = path.removeprefix("/mlflow")
            scope = {**scope, "path": path}
        try:
            status: int
            body: Answer | bytes
            route = self._fixed.get((scope["method"], path))
            headers = _headers(scope)
            grant = self._let_in(scope, headers)
            if route is not None:
                status, body = 200, await self._answer(route, {}, scope, headers, grant, receive)
            elif path.startswith(ARTIFACT_PREFIXES) or path in ("/get-artifact", "/model-versions/get-artifact"):
                await self._transfer.serve(self, scope, headers, grant, receive, send)
                return
            elif path == "/" and b"text/html" in headers.get(b"accept", b""):
                await redirect(send, "/ui")
                return
            elif path == "/ui" or path.startswith("/ui/"):
                await self._pages(scope, headers, receive, send)
                return
            else:
                status, body = await self._other(path, scope, headers, grant, receive)
        except Exception as error:
            status, body = self._failed(error, path)
            if status in (401, 403, 409, 429):
                await self._note_refusal(scope, status, body)
        await respond(send, status, body)

    async def _note_refusal(self, scope: Scope, status: int, body: Answer) -> None:
        """A line of the audit log for who was turned away; of those who come again and again, only the first times."""
        address = _address(scope)
        if not self._failures.is_worth_noting(address):
            return
        db, action = self._store.db, f"{scope['method']} {scope['path']}"
        try:
            await self.write(
                lambda: audit.note(
                    db, "", action, str(body["message"]), address=address, outcome=str(body["error_code"])
                )
            )
        except Exception as error:
            _LOGGER.error("the audit log could not be written", exc_info=error)

    async def write(self, job: Callable[[], Any], together: Together[Any] | None = None) -> Any:
        """Run *job* on the committer; answered when it is on the disk."""
        if self._committer is None:
            self._committer = Committer(self._store.db)
        return await self._committer.run(job, together)

    async def read(self, job: Callable[[], Any]) -> Any:
        """Run *job* on a reading thread."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, job)

    def _graphql(self, body: dict[str, Any], grant: Grant) -> Answer:
        from teul.ml.tracking import graphql

        db = self._store.db

        def ask(path: str, fields: Mapping[str, Any]) -> Answer:
            route = self._fixed.get(("GET", PREFIXES[0] + path)) or self._fixed["POST", PREFIXES[0] + path]
            values = wire.read(route.fields, dict(fields))
            grant.check_reading(db, values)
            return grant.visible(db, route.handler(Call(db, self._store.content, grant, values)))

        with db.read():
            return graphql.execute(body, ask)

    async def _pages(self, scope: Scope, headers: dict[bytes, bytes], receive: Receive, send: Send) -> None:
        """The web interface, which nobody loads who never looks at it. Its token comes in a cookie."""
        if self._site is None:
            from teul.ml.web.site import Site

            self._site = Site(self._store, self._readers)
        body = await read_body(receive, MAX_FORM_BYTES) if scope["method"] == "POST" else b""

        await self._site.serve(scope, headers, lambda token: self.grant_of(scope, token), body, send)

    async def _mlflow_pages(self, scope: Scope, path: str, send: Send) -> bool:
        """Answer with a file of MLflow's own web interface; False when this is none of them."""
        if scope["method"] not in ("GET", "HEAD") or not (path == "" or path.startswith("static-files/")):
            return False
        from teul.ml.web import mlflow_ui, site

        if self._mlflow_folder is None:
            self._mlflow_folder = await self.read(lambda: mlflow_ui.find(os.environ))
        folder = self._mlflow_folder
        found = await self.read(lambda: mlflow_ui.read(folder, path)) if folder else None
        if found is None:
            words = b"no mlflow is installed here: pip install mlflow, or start this server in its environment\n"
            await respond(send, 404, words)
            return True
        kind, data = found
        headers = [
            (b"content-type", kind.encode()),
            (b"content-security-policy", mlflow_ui.POLICY.encode()),
            *site.SAFE,
        ]
        if path:
            headers.append((b"cache-control", b"max-age=86400"))
        await site.answer(send, 200, data if scope["method"] == "GET" else b"", headers)
        return True

    def close(self) -> None:
        """Wait for what is in flight, then close the store."""
        if self._committer is not None:
            self._committer.close()
        self._readers.shutdown()
        self._store.close()

    def grant_of(self, scope: Scope, token: str) -> Grant:
        """Who a request is; reads the database.

        Raises:
            Unauthorized: a token is needed, and this one is none.
        """
        address = _address(scope)
        who = f"client at {address}" if address else "client"
        self._failures.check(address)
        if token:
            run_id = tokens.run_of(self._store.db, token)
            if run_id is not None:
                return Grant(f"run {run_id}", run_id)
            tracked = container_tokens.find(self._store.db, token)
            if tracked is not None:
                return Grant(f"container {tracked.container}", role="write", container=tracked.container)
            key = keys.find(self._store.db, token)
            if key is not None:
                if keys.is_worth_noting(key):
                    self._used_keys[key.id] = key
                return Grant(f"{key.name} ({key.id})", role=key.role, project=key.project)
        if self._trusts_network or (is_loopback(scope) and not self._requires_tokens):
            return Grant(who)
        if token:
            # Who has none is not guessing.
            self._failures.add(address)
        raise Unauthorized(
            text("a token is needed here: set MLFLOW_TRACKING_TOKEN to the one of the run")
            if not token
            else text("this token is unknown or has ended")
        )

    async def _answer(
        self,
        route: Route,
        parameters: dict[str, str],
        scope: Scope,
        headers: dict[bytes, bytes],
        grant: Callable[[], Grant],
        receive: Receive,
    ) -> Answer:
        query = scope["query_string"]
        if route.method == "GET" and query:
            pairs = parse_qsl(query.decode("ascii", "replace"), keep_blank_values=True)
            values = wire.read_query(route.fields, [*pairs, *parameters.items()])
        else:
            body = read_json(await read_body(receive, MAX_JSON_BYTES), route.method, headers)
            if parameters:
                body = {**body, **parameters}
            values = wire.read(route.fields, body)
        store = self._store

        def job() -> Answer:
            who = grant()
            if not route.writes:
                who.check_reading(store.db, values)
                return who.visible(store.db, route.handler(Call(store.db, store.content, who, values)))
            made = route.handler(Call(store.db, store.content, who, values))
            if route.path in AUDITED or route.method == "DELETE":
                subject = " ".join(str(values[name]) for name in SUBJECTS if values.get(name))
                audit.note(store.db, who.who, f"{route.method} {route.path}", subject, address=_address(scope))
            return made

        answer: Answer
        if route.together is not None:
            answer = await self.write(lambda: Call(store.db, store.content, grant(), values), route.together)
        else:
            answer = await (self.write(job) if route.writes else self.read(job))
        if route.writes and "run_id" in values:
            self._wrote_at[values["run_id"]] = time.monotonic()
        elif route.path == "runs/create":
            run_id = str(answer["run"]["info"]["run_id"])  # type: ignore[index]
            self._wrote_at[run_id] = time.monotonic()
            self._note_process(scope, run_id)
        return answer

    def _note_process(self, scope: Scope, run_id: str) -> None:
        """Find out, beside the answer, which process of this machine began a run."""
        client, server = scope.get("client"), scope.get("server")
        if not is_loopback(scope) or not client or not server:
            return

        async def look() -> None:
            found = await self.read(lambda: peers.process_at(client, server))
            if found is not None:
                await self.write(lambda: runs.note_process(self._store.db, run_id, *found))

        task = asyncio.ensure_future(look())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close_abandoned(self, *, silence_s: float = SILENCE_S) -> list[str]:
        """End (KILLED) the runs whose process is gone and that nobody has written to for *silence_s* seconds.

        The silence is for runs that one process begins and another goes on with. Whoever calls this now and then has
        the rest that is done now and then, too: what idle uploads hold is ended, and which keys were used is noted.
        """
        now = time.monotonic()

        def gone() -> list[str]:
            return [
                run_id
                for run_id, pid, started in runs.begun_by_processes(self._store.db)
                if self._may_judge(started)
                and process_start(pid) != started
                and now - self._wrote_at.get(run_id, self._began) >= silence_s
            ]

        await self.read(self._store.content.tidy)
        used, self._used_keys = self._used_keys, {}
        for key in used.values():
            await self.write(partial(keys.note_use, self._store.db, key))
        found: list[str] = await self.read(gone)
        for run_id in found:
            await self.write(partial(runs.close_abandoned, self._store.db, run_id))
            self._wrote_at.pop(run_id, None)
        if len(self._wrote_at) > MOST_RUNS_WATCHED:
            self._wrote_at = {run: at for run, at in self._wrote_at.items() if now - at < silence_s}
        return found

    def _may_judge(self, started: str) -> bool:
        """Whether a process that began a run was one of this machine since it came up; others write a shared store, too."""
        boot = process_start(os.getpid()).partition("/")[0]
        return not self._store.db.is_shared or started.partition("/")[0] == boot

    async def _other(
        self,
        path: str,
        scope: Scope,
        headers: dict[bytes, bytes],
        grant: Callable[[], Grant],
        receive: Receive,
    ) -> tuple[int, Answer | bytes]:
        method = scope["method"]
        if path == "/health":
            return 200, b"OK"
        if path == "/version":
            return 200, MLFLOW_VERSION.encode()
        if path in ("/api/3.0/mlflow/server-info", "/ajax-api/3.0/mlflow/server-info"):
            return 200, SERVER_INFO
        if "/mlflow/traces" in path or path.startswith("/v1/traces"):
            return 501, {
                "error_code": "NOT_IMPLEMENTED",
                "message": "traces are not supported by teul's tracking server; switch them off with"
                " MLFLOW_TRACE_SAMPLING_RATIO=0 or mlflow.tracing.disable()",
            }
        if path == "/graphql":
            body = read_json(await read_body(receive, MAX_JSON_BYTES), method, headers)
            return 200, await self.read(lambda: self._graphql(body, grant()))
        if path == "/ajax-api/2.0/mlflow/gateway-proxy":
            return 200, {"endpoints": []}
        if path == "/ajax-api/3.0/mlflow/ui-telemetry":
            return 200, {"disable_ui_telemetry": True, "disable_ui_events": [], "ui_rollout_percentage": 0}
        if path == "/":
            return 200, b"teul tracking: set MLFLOW_TRACKING_URI to this address\n"
        for prefix in PREFIXES:
            if path.startswith(prefix):
                parts = path[len(prefix) :].split("/")
                for pattern, route in self._patterns:
                    parameters = _match(pattern, parts)
                    if parameters is not None and route.method == method:
                        return 200, await self._answer(route, parameters, scope, headers, grant, receive)
        return 404, {
            "error_code": "ENDPOINT_NOT_FOUND",
            "message": f"teul's tracking server has no {method} {path}",
        }

    def _let_in(self, scope: Scope, headers: dict[bytes, bytes]) -> Callable[[], Grant]:
        """Refuse what no token could let in; the token itself is looked at by the job, on its thread."""
        if is_loopback(scope):
            host = headers.get(b"host", b"").decode("latin-1")
            if host and not _is_local_name(host):
                raise Forbidden(text("host `{host}`: expected an address or localhost", host=host))
            origin = headers.get(b"origin", b"").decode("latin-1")
            if origin and scope["method"] not in ("GET", "HEAD") and not _is_local_name(urlsplit(origin).netloc):
                raise Forbidden(text("origin `{origin}` may not write here", origin=origin))
        token = ""
        authorization = headers.get(b"authorization", b"").decode("latin-1")
        if authorization[:7].lower() == "bearer ":
            token = authorization[7:].strip()
        return lambda: self.grant_of(scope, token)

    def _failed(self, error: BaseException, path: str) -> tuple[int, Answer]:
        status, body = to_answer(error)
        if not isinstance(error, TeulError):
            _LOGGER.error("%s failed", path, exc_info=error)
        return status, body


async def respond(send: Send, status: int, body: Answer | bytes) -> None:
    """Send one answer, JSON unless it is bytes."""
    if isinstance(body, bytes):
        data, kind = body, (b"content-type", b"text/plain; charset=utf-8")
    else:
        data, kind = orjson.dumps(body), _JSON
    headers = [kind, (b"content-length", str(len(data)).encode())]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if status == 429:
        headers.append((b"retry-after", str(int(Failures.PERIOD_S)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": data})


async def redirect(send: Send, location: str) -> None:
    """Send the browser to another address."""
    headers = [(b"location", location.encode()), (b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 303, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


async def read_body(receive: Receive, limit: int) -> bytes:
    """The whole body. Raises: TrackingInvalid when it is larger than *limit* bytes."""
    message = await receive()
    data: bytes = message.get("body", b"")
    if not message.get("more_body"):
        return data
    parts = [data]
    size = len(data)
    while message.get("more_body"):
        message = await receive()
        if message["type"] == "http.disconnect":
            raise TrackingInvalid("the client went away")
        part = message.get("body", b"")
        parts.append(part)
        size += len(part)
        if size > limit:
            raise TrackingInvalid(f"Requests must be at most {limit} bytes")
    return b"".join(parts)


def read_json(data: bytes, method: str, headers: dict[bytes, bytes]) -> dict[str, Any]:
    """A JSON object; nothing is an empty one. Raises: TrackingInvalid."""
    if method in ("POST", "PUT"):
        kind = headers.get(b"content-type")
        if kind is None:
            raise TrackingInvalid("Bad Request. Content-Type header is missing.")
        if kind.split(b";")[0].strip().lower() != b"application/json":
            raise TrackingInvalid("Bad Request. Content-Type must be one of ['application/json'].")
    if not data:
        return {}
    try:
        body = orjson.loads(data)
        if isinstance(body, str):
            # Old clients encode twice.
            body = orjson.loads(body)
    except orjson.JSONDecodeError:
        body = _loads_loosely(data)
    if body is None:
        return {}
    if not isinstance(body, dict):
        raise TrackingInvalid("Bad Request. The body must be a JSON object.")
    return body


class Failures:
    """How often each address showed no good token of late: after so many it has to wait, whatever it shows."""

    PERIOD_S = 60.0
    ALLOWED = 20
    NOTED = 5
    MOST_ADDRESSES = 10_000

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._counts: dict[str, tuple[float, int]] = {}
        self._noted: dict[str, tuple[float, int]] = {}

    def check(self, address: str) -> None:
        """Raises: Unavailable, with `retry_after_s`."""
        if self._count(self._counts, address) >= self.ALLOWED:
            error = Unavailable(text("too many requests without a good token; wait a minute"))
            error.retry_after_s = self.PERIOD_S
            raise error

    def add(self, address: str) -> None:
        self._add(self._counts, address)

    def is_worth_noting(self, address: str) -> bool:
        self._add(self._noted, address)
        return self._count(self._noted, address) <= self.NOTED

    def _count(self, counts: dict[str, tuple[float, int]], address: str) -> int:
        began, count = counts.get(address, (0.0, 0))
        return count if self._clock() - began < self.PERIOD_S else 0

    def _add(self, counts: dict[str, tuple[float, int]], address: str) -> None:
        count = self._count(counts, address)
        if not count and len(counts) >= self.MOST_ADDRESSES:
            counts.clear()
        counts[address] = (counts[address][0] if count else self._clock(), count + 1)


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else ""


def is_loopback(scope: Scope) -> bool:
    """Whether the request came in on a loopback address of ours (not: from one)."""
    server: tuple[str, int] | None = scope.get("server")
    return server is not None and (server[0].startswith("127.") or server[0] in ("::1", "localhost"))


def _loads_loosely(data: bytes) -> object:
    """Python's clients write NaN and Infinity bare, which JSON has not."""
    import json

    try:
        body: object = json.loads(data)
        # Half of a surrogate pair is no text; the database would say so too late.
        orjson.dumps(body)
    except (ValueError, TypeError, RecursionError) as error:
        raise TrackingInvalid(f"Bad Request. The body is not JSON: {error}") from error
    return body


def _headers(scope: Scope) -> dict[bytes, bytes]:
    return dict(scope["headers"])


def _match(pattern: tuple[str, ...], parts: list[str]) -> dict[str, str] | None:
    if len(pattern) != len(parts):
        return None
    made = {}
    for wanted, part in zip(pattern, parts, strict=True):
        if wanted[0] == "<":
            if not part:
                return None
            made[wanted[1:-1]] = part
        elif wanted != part:
            return None
    return made


@lru_cache(maxsize=64)
def _is_local_name(host: str) -> bool:
    name = urlsplit(f"//{host}").hostname or ""
    if name == "localhost" or name.endswith(".localhost") or (name and "." not in name and ":" not in name):
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
