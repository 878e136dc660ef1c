"""The front: HTTP in, frames to a worker, HTTP out. Must not decode a prediction request.

Environment: `TEUL_HOST` (0.0.0.0), `TEUL_PORT` (8000), `TEUL_WORKERS` (1), `TEUL_QUEUE` (256 requests),
`TEUL_TIMEOUT_S` (60), `TEUL_BODY_LIMIT_BYTES` (32 MiB), `TEUL_ACCESS_LOG` (1 logs every request), and for the model
`TEUL_MODEL_NAME`, `TEUL_MODEL_VERSION`, `TEUL_MODEL_PATH`, `TEUL_MODEL_PREDICT`, `TEUL_MODEL_CODE`.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time

from teul_model import __version__, frames
from teul_model.http1 import Parser, ProtocolError, Request, response
from teul_model.metrics import CONTENT_TYPE, Metrics
from teul_model.pool import Pool, Ticket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

IDLE_TIMEOUT_S = 75.0
REQUEST_TIMEOUT_S = 30.0
"""A request whose bytes do not all come within this time is given up (slow clients must not hold connections)."""
DRAIN_S = 8.0
"""After SIGTERM: how long running requests may take; below the 10 s after which `stop` kills."""


def log(message: str) -> None:
    sys.stderr.write(f"teul-model: {message}\n")
    sys.stderr.flush()


class Options:
    """The environment, read once."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.host = environ.get("TEUL_HOST", "0.0.0.0")
        self.port = int(environ.get("TEUL_PORT", "8000"))
        self.workers = max(1, int(environ.get("TEUL_WORKERS", "1")))
        self.queue = int(environ.get("TEUL_QUEUE", "256"))
        self.timeout_s = float(environ.get("TEUL_TIMEOUT_S", "60"))
        self.body_limit_bytes = int(environ.get("TEUL_BODY_LIMIT_BYTES", str(32 << 20)))
        self.access_log = environ.get("TEUL_ACCESS_LOG", "") not in ("", "0")
        self.model = environ.get("TEUL_MODEL_NAME", "model")
        self.version = environ.get("TEUL_MODEL_VERSION", "")


class Front:
    """What all connections share: the pool, the numbers, the answers that need no model."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.metrics = Metrics(options.model, options.version, time.time())
        self.connections: set[Connection] = set()
        self.is_draining = False
        self.stopped = asyncio.Event()
        self.pool = Pool(
            options.workers,
            queue_limit=options.queue,
            timeout_s=options.timeout_s,
            on_change=self._on_change,
            log=log,
        )
        self._was_ready = False

    @property
    def is_ready(self) -> bool:
        return bool(self.pool.ready) and not self.is_draining

    def _on_change(self) -> None:
        if self.pool.first_failure and not self.pool.ready:
            log(f"cannot load the model: {self.pool.first_failure}")
            self.stopped.set()
        elif self.is_ready and not self._was_ready:
            self._was_ready = True
            version = f" version {self.options.version}" if self.options.version else ""
            log(f"model `{self.options.model}`{version} is ready on port {self.options.port}")

    def get(self, path: str) -> tuple[int, bytes, str]:
        """Answer a GET: status, body, content type."""
        parts = [part for part in path.split("/") if part]
        if path in ("/ping", "/health"):
            return (200, b"\n", "application/json") if self.is_ready else (503, b"not ready\n", "text/plain")
        if path == "/version":
            return 200, __version__.encode(), "text/plain; charset=utf-8"
        if path == "/metrics":
            self.metrics.worker_restarts = self.pool.restarts
            text = self.metrics.to_text(
                in_flight=self.pool.in_flight, workers_ready=len(self.pool.ready), workers=self.pool.count
            )
            return 200, text.encode(), CONTENT_TYPE
        if path == "/":
            from teul_model.form import page

            return 200, page(self.options.model, self.options.version).encode(), "text/html; charset=utf-8"
        if parts == ["v2"]:
            return self._json(200, {"name": "teul-model", "version": __version__, "extensions": []})
        if parts == ["v2", "health", "live"]:
            return self._json(200, {"live": True})
        if parts == ["v2", "health", "ready"]:
            return self._json(200 if self.is_ready else 503, {"ready": self.is_ready, "live": True})
        if parts[:2] == ["v2", "models"] and len(parts) in (3, 4, 5, 6):
            name, rest, problem = self.find_model(parts)
            if problem:
                return self._json(404, {"error": problem})
            if rest == ["ready"]:
                return self._json(200 if self.is_ready else 503, {"name": name, "ready": self.is_ready})
            if not rest:
                return self._metadata(name)
        return self._json(404, {"error": f"no such path: {path}"})

    def find_model(self, parts: list[str]) -> tuple[str, list[str], str]:
        """From `v2/models/NAME[/versions/VERSION]/REST`: the name, the rest, and what is wrong ("" when nothing)."""
        name, rest = parts[2], parts[3:]
        if name != self.options.model:
            return name, rest, f"unknown model `{name}`; this server has `{self.options.model}`"
        if rest[:1] == ["versions"]:
            version, rest = rest[1] if len(rest) > 1 else "", rest[2:]
            if version != self.options.version:
                return name, rest, f"model `{name}`: expected version `{self.options.version}`, got `{version}`"
        return name, rest, ""

    def _metadata(self, name: str) -> tuple[int, bytes, str]:
        about = self.pool.about
        if about is None:
            return self._json(503, {"error": f"model `{name}` is not loaded yet"})
        return self._json(
            200,
            {
                "name": name,
                "versions": [self.options.version] if self.options.version else [],
                "platform": about["platform"],
                "inputs": about["inputs"] or [],
                "outputs": about["outputs"] or [],
                "parameters": {"example": about["example"]} if about["example"] is not None else {},
            },
        )

    def _json(self, status: int, value: object) -> tuple[int, bytes, str]:
        return status, json.dumps(value, ensure_ascii=False).encode(), "application/json"


class Connection(asyncio.Protocol):
    """One client: requests are answered in the order in which they came."""

    def __init__(self, front: Front) -> None:
        self._front = front
        self._parser = Parser(front.options.body_limit_bytes)
        self._transport: asyncio.Transport | None = None
        self._ticket: Ticket | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._is_paused = False
        self._is_closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._front.connections.add(self)
        self._arm(IDLE_TIMEOUT_S)

    def connection_lost(self, error: Exception | None) -> None:
        self._is_closed = True
        self._front.connections.discard(self)
        if self._timer is not None:
            self._timer.cancel()
        if self._ticket is not None:
            self._ticket.is_cancelled = True
            self._ticket = None

    def eof_received(self) -> bool:
        # A client that has shut down its sending side still gets the answer to what it sent.
        return self._ticket is not None

    def data_received(self, data: bytes) -> None:
        if self._is_closed:
            return
        was_idle = self._parser.is_idle
        self._parser.feed(data)
        if self._ticket is None:
            if was_idle:
                self._arm(REQUEST_TIMEOUT_S)
            self._advance()
        elif not self._is_paused and self._transport is not None:
            # Pipelined requests wait for the answer before them; do not let them pile up.
            self._transport.pause_reading()
            self._is_paused = True

    def close_if_idle(self) -> None:
        """While draining: close unless a request is running."""
        if self._ticket is None and self._transport is not None:
            self._transport.close()

    def _arm(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._on_timeout)

    def _on_timeout(self) -> None:
        if self._ticket is not None or self._transport is None:
            return
        if not self._parser.is_idle:
            self._send(408, b'{"error":"the request did not arrive in time"}', "application/json", keep_alive=False)
        self._transport.close()

    def _advance(self) -> None:
        """Take requests from the parser until one needs the model or bytes are missing."""
        while self._ticket is None and not self._is_closed:
            try:
                request = self._parser.next_request()
            except ProtocolError as error:
                body = json.dumps({"error": str(error)}).encode()
                self._send(error.status, body, "application/json", keep_alive=False)
                return
            if request is None:
                if self._parser.expects_continue and self._transport is not None:
                    self._parser.expects_continue = False
                    self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                return
            self._handle(request)

    def _handle(self, request: Request) -> None:
        keep = request.keep_alive and not self._front.is_draining
        path = request.path
        kind = self._kind(request)
        if isinstance(kind, int):
            self._predict(request, kind, keep)
            return
        if kind is not None:
            status, message = kind
            self._send_problem(request, status, message, keep)
        elif request.method in ("GET", "HEAD"):
            status, body, content_type = self._front.get(path)
            self._send(status, body, content_type, keep_alive=keep, head_only=request.method == "HEAD")
        else:
            body = json.dumps({"error": f"method {request.method} is not allowed here"}).encode()
            allowed = "POST" if self._is_predict(path) else "GET, HEAD"
            self._send(405, body, "application/json", keep_alive=keep, headers=(("allow", allowed),))

    def _is_predict(self, path: str) -> bool:
        return path == "/invocations" or (path.startswith("/v2/models/") and path.endswith("/infer"))

    def _kind(self, request: Request) -> int | tuple[int, str] | None:
        """The frame kind of a prediction request, what is wrong with it, or None for any other request."""
        if not self._is_predict(request.path):
            return None
        if request.method != "POST":
            return None if request.method not in ("GET", "HEAD") else (405, "expected POST")
        if request.headers.get("content-encoding", "identity") != "identity":
            return 415, f"content-encoding: expected none, got `{request.headers['content-encoding']}`"
        words = request.headers.get("content-type", "").lower().split(";")
        content_type = words[0].strip()
        if request.path == "/invocations":
            if content_type == "text/csv":
                return frames.CSV
            if content_type == "application/json":
                return frames.JSON
            return 415, f"content-type: expected `application/json` or `text/csv`, got `{content_type}`"
        if "inference-header-content-length" in request.headers:
            return 400, "binary tensor data is not supported; send `data` as JSON (tritonclient: binary_data=False)"
        _, rest, problem = self._front.find_model([part for part in request.path.split("/") if part])
        if problem or rest != ["infer"]:
            return 404, problem or f"no such path: {request.path}"
        return frames.INFER

    def _predict(self, request: Request, kind: int, keep: bool) -> None:
        front = self._front
        if not front.pool.ready:
            self._send_problem(request, 503, "the model is not ready", keep)
            return

        def answer(status: int, body: bytes, rows: int) -> None:
            self._ticket = None
            front.metrics.observe(
                "infer" if kind == frames.INFER else "invocations",
                status,
                time.monotonic() - ticket.started_at,
                rows,
            )
            still = keep and not front.is_draining
            if status == 200:
                self._send(200, body, "application/json", keep_alive=still)
            else:
                self._send_problem(request, status, body.decode("utf-8", "replace"), still)
            if front.options.access_log:
                log(f"{request.method} {request.path} {status} {(time.monotonic() - ticket.started_at) * 1000:.1f} ms")
            if self._is_paused and self._transport is not None and not self._is_closed:
                self._is_paused = False
                self._transport.resume_reading()
            self._advance()

        ticket = Ticket(kind, request.body, answer)
        self._ticket = ticket
        if not front.pool.submit(ticket):
            self._ticket = None
            front.metrics.shed += 1
            self._send_problem(request, 503, f"the queue is full ({front.options.queue} requests)", keep)

    def _send_problem(self, request: Request, status: int, message: str, keep: bool) -> None:
        """An error in the words of the protocol that was spoken."""
        if request.path == "/invocations":
            code = {400: "BAD_REQUEST", 415: "BAD_REQUEST", 503: "TEMPORARILY_UNAVAILABLE"}.get(
                status, "INTERNAL_ERROR"
            )
            value = {"error_code": code, "message": message}
        else:
            value = {"error": message}
        headers = (("retry-after", "1"),) if status == 503 else (("allow", "POST"),) if status == 405 else ()
        body = json.dumps(value, ensure_ascii=False).encode()
        self._send(status, body, "application/json", keep_alive=keep, headers=headers)

    def _send(
        self,
        status: int,
        body: bytes,
        content_type: str,
        *,
        keep_alive: bool,
        headers: tuple[tuple[str, str], ...] = (),
        head_only: bool = False,
    ) -> None:
        if self._is_closed or self._transport is None:
            return
        self._transport.write(
            response(status, body, content_type, keep_alive=keep_alive, headers=headers, head_only=head_only)
        )
        if keep_alive:
            self._arm(IDLE_TIMEOUT_S if self._parser.is_idle else REQUEST_TIMEOUT_S)
        else:
            self._is_closed = True
            self._transport.close()


async def serve(options: Options) -> int:
    """Serve until SIGTERM or SIGINT; the exit code is 1 when the model could not be loaded."""
    loop = asyncio.get_running_loop()
    front = Front(options)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, front.stopped.set)
    loop.add_signal_handler(signal.SIGCHLD, front.pool.reap)
    server = await loop.create_server(lambda: Connection(front), options.host, options.port, backlog=1024)
    await front.pool.start()
    await front.stopped.wait()

    front.is_draining = True
    server.close()
    for connection in list(front.connections):
        connection.close_if_idle()
    deadline = loop.time() + DRAIN_S
    while front.connections and loop.time() < deadline and front.pool.in_flight:
        await asyncio.sleep(0.02)
    front.pool.close()
    return 1 if front.pool.first_failure and not front.pool.ready else 0


def check(port: int) -> int:
    """Ask a running server whether it is healthy; for HEALTHCHECK."""
    import socket

    try:
        with socket.create_connection(("127.0.0.1", port), timeout=3) as connection:
            connection.sendall(b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
            return 0 if connection.recv(12) == b"HTTP/1.1 200" else 1
    except OSError:
        return 1


def main() -> int:
    options = Options(os.environ)
    if "--check" in sys.argv[1:]:
        return check(options.port)
    return asyncio.run(serve(options))
