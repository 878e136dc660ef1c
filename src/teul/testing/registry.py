"""`FakeRegistry`: a real registry in this process, on loopback, that can be told to misbehave.

It speaks the distribution specification (it passes the contract suite that `docker-registry` passes), keeps
everything in memory, and writes down every request. Must not be used for anything but tests.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from urllib.parse import parse_qs, urlsplit

from teul.errors import InvalidDigest
from teul.oci.digest import Digest

_NAME = r"[a-z0-9]+(?:[._/-]+[a-z0-9]+)*"
_ROUTES = tuple(
    (kind, re.compile(pattern))
    for kind, pattern in (
        ("upload", rf"/v2/(?P<name>{_NAME})/blobs/uploads/(?P<what>[a-z0-9]*)"),
        ("blob", rf"/v2/(?P<name>{_NAME})/blobs/(?P<what>sha256:[^/]*)"),
        ("manifest", rf"/v2/(?P<name>{_NAME})/manifests/(?P<what>[^/]+)"),
        ("tags", rf"/v2/(?P<name>{_NAME})/tags/(?P<what>list)"),
        ("storage", r"/storage/(?P<what>sha256:[0-9a-f]+)"),
        ("token", r"/token"),
        ("base", r"/v2/?"),
    )
)


@dataclass(slots=True)
class Fault:
    """Something that goes wrong for the next *times* requests that match *method* and *path* (a regular expression).

    Args (fields):
        status: answer this status instead (with *headers*).
        cut_after_bytes: send so many bytes of the body, then drop the connection.
        corrupt: flip a bit in the middle of the body.
        redirect: answer 307 to the same content on another host name.
        ignore_range: answer a `Range` request with the whole body.
        stall: wait until `FakeRegistry.resume` is set, before the answer, or with *cut_after_bytes* instead of
            dropping the connection.
    """

    method: str = "GET"
    path: str = ".*"
    times: int = 1
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    cut_after_bytes: int | None = None
    corrupt: bool = False
    redirect: bool = False
    ignore_range: bool = False
    stall: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came; header names are lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    host: str

    def __str__(self) -> str:
        return f"{self.method} {self.target}"


class FakeRegistry:
    """Start with `with FakeRegistry() as registry:`; `registry.domain` is what goes before the first slash.

    Args:
        users: user name → password; given, authentication is required.
        token: authenticate by bearer tokens (the registry is its own token server) instead of basic.
        anonymous_pull: with *token*, anyone gets a token for pulling.
        token_life_s: what `expires_in` says, and means.
        page_size: tags in one page.
        certificate: files of a certificate and its key; given, it speaks TLS.
    """

    def __init__(
        self,
        *,
        users: Mapping[str, str] | None = None,
        token: bool = False,
        anonymous_pull: bool = True,
        token_life_s: float = 300,
        page_size: int = 0,
        certificate: tuple[str, str] | None = None,
    ) -> None:
        self.users = dict(users or {})
        self.token = token
        self.anonymous_pull = anonymous_pull
        self.token_life_s = token_life_s
        self.page_size = page_size
        self.certificate = certificate
        self.blobs: dict[str, bytes] = {}
        self.links: dict[str, set[str]] = {}
        self.manifests: dict[str, dict[str, tuple[str, bytes]]] = {}
        self.tags: dict[str, dict[str, str]] = {}
        self.uploads: dict[str, bytearray] = {}
        self.tokens: dict[str, tuple[frozenset[str], float]] = {}
        self.requests: list[Request] = []
        self.faults: list[Fault] = []
        self.lock = threading.RLock()
        self.stalled = threading.Event()
        """Set when a stalling answer has come to its stop."""
        self.resume = threading.Event()
        self._server: ThreadingHTTPServer | None = None

    def __enter__(self) -> FakeRegistry:
        handler = type("Handler", (_Handler,), {"registry": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        if self.certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*self.certificate)
            # The handshake in the handler's thread: a client that refuses us must not stop the others.
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self.resume.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def port(self) -> int:
        assert self._server is not None
        return int(self._server.server_address[1])

    @property
    def domain(self) -> str:
        return f"127.0.0.1:{self.port}"

    def fail(self, fault: Fault) -> None:
        """Let *fault* happen to the requests to come."""
        with self.lock:
            self.faults.append(fault)

    def count(self, method: str, path: str = ".*") -> int:
        """How many requests of *method* came for *path* (a regular expression)."""
        with self.lock:
            return sum(item.method == method and bool(re.search(path, item.target)) for item in self.requests)

    def put_blob(self, repository: str, data: bytes) -> Digest:
        """Have a blob without uploading it."""
        digest = Digest.of(data)
        with self.lock:
            self.blobs[digest] = data
            self.links.setdefault(repository, set()).add(digest)
        return digest

    def put_manifest(self, repository: str, tag: str, data: bytes, media_type: str) -> Digest:
        """Have a manifest without uploading it."""
        digest = Digest.of(data)
        with self.lock:
            self.manifests.setdefault(repository, {})[digest] = (media_type, data)
            if tag:
                self.tags.setdefault(repository, {})[tag] = digest
        return digest

    def take_fault(self, method: str, target: str) -> Fault:
        with self.lock:
            for fault in self.faults:
                if fault.method == method and re.search(fault.path, target):
                    fault.times -= 1
                    if fault.times <= 0:
                        self.faults.remove(fault)
                    return fault
        return Fault()


class _Handler(BaseHTTPRequestHandler):
    registry: FakeRegistry
    protocol_version = "HTTP/1.1"
    # An answer in two segments would wait for the other side's delayed acknowledgement: 40 ms each.
    disable_nagle_algorithm = True
    wbufsize = 1 << 16

    def log_message(self, template: str, *args: object) -> None:
        pass

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:
            # The other side went away; that is its business, and nobody reads this thread's traceback.
            self.close_connection = True

    def do_GET(self) -> None:
        self._handle()

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815

    def _handle(self) -> None:
        registry = self.registry
        body = self._body()
        headers = {name.lower(): value for name, value in self.headers.items()}
        with registry.lock:
            registry.requests.append(Request(self.command, self.path, headers, headers.get("host", "")))
        self.fault = registry.take_fault(self.command, self.path)
        if self.fault.stall and self.fault.cut_after_bytes is None:
            registry.stalled.set()
            registry.resume.wait(60)
        if self.fault.status:
            return self._error(self.fault.status, "UNAVAILABLE", "told to", self.fault.headers)
        parts = urlsplit(self.path)
        self.query = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        for kind, pattern in _ROUTES:
            found = pattern.fullmatch(parts.path)
            if found:
                groups = found.groupdict()
                name, what = groups.get("name") or "", groups.get("what") or ""
                if kind == "token":
                    return self._give_token(parse_qs(parts.query).get("scope", []), body)
                if kind != "storage" and not self._is_allowed(name):
                    return self._challenge(name)
                getattr(self, f"_{kind}")(name, what, body)
                return None
        return self._error(404, "UNSUPPORTED", "no such route")

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            made = b""
            while size := int(self.rfile.readline().partition(b";")[0], 16):
                made += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return made
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    # Authentication.

    def _is_allowed(self, name: str) -> bool:
        registry = self.registry
        if not registry.users:
            return True
        scheme, _, value = self.headers.get("Authorization", "").partition(" ")
        if not registry.token:
            return scheme == "Basic" and self._user(value)
        with registry.lock:
            granted, expires_at = registry.tokens.get(value, (frozenset[str](), 0.0))
        if scheme != "Bearer" or expires_at < time.monotonic():
            return False
        action = "pull" if self.command in ("GET", "HEAD") else "push"
        return not name or f"{name}:{action}" in granted

    def _user(self, encoded: str) -> bool:
        name, _, password = base64.b64decode(encoded).decode().partition(":")
        return name in self.registry.users and self.registry.users[name] == password

    def _challenge(self, name: str) -> None:
        if self.registry.token:
            scope = f',scope="repository:{name}:pull,push"' if name else ""
            header = f'Bearer realm="http://{self.registry.domain}/token",service="fake"{scope}'
        else:
            header = 'Basic realm="fake"'
        self._error(401, "UNAUTHORIZED", "authentication required", {"WWW-Authenticate": header})

    def _give_token(self, scopes: list[str], body: bytes) -> None:
        registry = self.registry
        form = {name: values[-1] for name, values in parse_qs(body.decode()).items()}
        scheme, _, value = self.headers.get("Authorization", "").partition(" ")
        is_known = (scheme == "Basic" and self._user(value)) or form.get("refresh_token") in registry.users.values()
        if not is_known and (scheme or form or not registry.anonymous_pull):
            return self._error(401, "UNAUTHORIZED", "incorrect username or password")
        granted = set()
        for scope in [item for line in [*scopes, form.get("scope", "")] for item in line.split()]:
            _, name, actions = scope.split(":")
            granted |= {f"{name}:{action}" for action in actions.split(",") if is_known or action == "pull"}
        made = secrets.token_hex(8)
        with registry.lock:
            registry.tokens[made] = (frozenset(granted), time.monotonic() + registry.token_life_s)
        document = json.dumps({"token": made, "expires_in": registry.token_life_s}).encode()
        return self._send(200, document, "application/json")

    # Routes.

    def _base(self, name: str, what: str, body: bytes) -> None:
        self._send(200, b"{}", "application/json")

    def _blob(self, name: str, what: str, body: bytes) -> None:
        registry = self.registry
        if what not in registry.links.get(name, set()):
            return self._error(404, "BLOB_UNKNOWN", "blob unknown to registry")
        if self.command == "DELETE":
            registry.links[name].discard(what)
            return self._send(202)
        if self.fault.redirect:
            location = f"http://localhost:{registry.port}/storage/{what}"
            return self._send(307, headers={"Location": location})
        return self._send_content(registry.blobs[what], what)

    def _storage(self, name: str, what: str, body: bytes) -> None:
        self._send_content(self.registry.blobs[what], what)

    def _send_content(self, data: bytes, digest: str) -> None:
        headers = {"Docker-Content-Digest": digest, "ETag": f'"{digest}"', "Accept-Ranges": "bytes"}
        if self.fault.corrupt:
            middle = len(data) // 2
            data = data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if asked and not self.fault.ignore_range:
            start, end = int(asked[1]), min(int(asked[2] or len(data) - 1), len(data) - 1)
            if start > end:
                return self._send(416, headers={"Content-Range": f"bytes */{len(data)}"})
            headers["Content-Range"] = f"bytes {start}-{end}/{len(data)}"
            return self._send(206, data[start : end + 1], "application/octet-stream", headers)
        return self._send(200, data, "application/octet-stream", headers)

    def _upload(self, name: str, what: str, body: bytes) -> None:
        registry = self.registry
        if self.command == "POST" and not what:
            source, digest = self.query.get("from", ""), self.query.get("mount", "")
            if digest and digest in registry.links.get(source, set()):
                registry.links.setdefault(name, set()).add(digest)
                return self._send(201, headers=self._created(name, f"blobs/{digest}", digest))
            made = secrets.token_hex(8)
            registry.uploads[made] = bytearray()
            return self._send(202, headers=self._progress(name, made))
        upload = registry.uploads.get(what)
        if upload is None:
            return self._error(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
        if self.command == "DELETE":
            del registry.uploads[what]
            return self._send(204)
        if self.command in ("PATCH", "PUT"):
            upload += body
        if self.command != "PUT":
            return self._send(204 if self.command == "GET" else 202, headers=self._progress(name, what))
        digest = self.query.get("digest", "")
        if digest != Digest.of(bytes(upload)):
            return self._error(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
        del registry.uploads[what]
        registry.put_blob(name, bytes(upload))
        return self._send(201, headers=self._created(name, f"blobs/{digest}", digest))

    def _progress(self, name: str, upload: str) -> dict[str, str]:
        end = max(0, len(self.registry.uploads[upload]) - 1)
        return {
            "Location": f"/v2/{name}/blobs/uploads/{upload}?_state=1",
            "Docker-Upload-UUID": upload,
            "Range": f"0-{end}",
        }

    def _created(self, name: str, path: str, digest: str) -> dict[str, str]:
        return {"Location": f"/v2/{name}/{path}", "Docker-Content-Digest": digest}

    def _manifest(self, name: str, what: str, body: bytes) -> None:
        registry = self.registry
        if self.command == "PUT":
            return self._put_manifest(name, what, body)
        digest = registry.tags.get(name, {}).get(what, what)
        if digest not in registry.manifests.get(name, {}):
            code = "MANIFEST_UNKNOWN" if name in registry.manifests else "NAME_UNKNOWN"
            return self._error(404, code, "manifest unknown")
        if self.command == "DELETE":
            del registry.manifests[name][digest]
            registry.tags[name] = {tag: to for tag, to in registry.tags.get(name, {}).items() if to != digest}
            return self._send(202)
        media_type, data = registry.manifests[name][digest]
        if self.fault.corrupt:
            data = data.replace(b'"schemaVersion":2', b'"schemaVersion": 2')
        return self._send(200, data, media_type, {"Docker-Content-Digest": digest})

    def _put_manifest(self, name: str, what: str, body: bytes) -> None:
        registry = self.registry
        try:
            value = json.loads(body)
            needed = [value["config"], *value["layers"]] if "layers" in value else []
            missing = [item["digest"] for item in needed if item["digest"] not in registry.links.get(name, set())]
            missing += [
                item["digest"]
                for item in value.get("manifests", ())
                if item["digest"] not in registry.manifests.get(name, {})
            ]
        except (ValueError, KeyError, TypeError):
            return self._error(400, "MANIFEST_INVALID", "manifest invalid")
        if missing:
            return self._error(400, "MANIFEST_BLOB_UNKNOWN", f"blob unknown to registry: {missing[0]}")
        try:
            if Digest.parse(what) != Digest.of(body):
                return self._error(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
            tag = ""
        except InvalidDigest:
            tag = what
        digest = registry.put_manifest(name, tag, body, self.headers.get("Content-Type", ""))
        return self._send(201, headers=self._created(name, f"manifests/{digest}", digest))

    def _tags(self, name: str, what: str, body: bytes) -> None:
        registry = self.registry
        if name not in registry.manifests:
            return self._error(404, "NAME_UNKNOWN", "repository name not known to registry")
        tags = [tag for tag in sorted(registry.tags.get(name, {})) if tag > self.query.get("last", "")]
        size = int(self.query.get("n") or registry.page_size or len(tags) or 1)
        headers = {}
        if len(tags) > size:
            headers["Link"] = f'</v2/{name}/tags/list?n={size}&last={tags[size - 1]}>; rel="next"'
        document = json.dumps({"name": name, "tags": tags[:size]}).encode()
        return self._send(200, document, "application/json", headers)

    # Answers.

    def _error(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        document = json.dumps({"errors": [{"code": code, "message": message}]}).encode()
        self._send(status, document, "application/json", headers)

    def _send(
        self, status: int, body: bytes = b"", media_type: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        self.send_response(status)
        self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if media_type:
            self.send_header("Content-Type", media_type)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            cut = self.fault.cut_after_bytes
            self.wfile.write(body if cut is None else body[:cut])
            if cut is not None:
                self.close_connection = True
            if self.fault.stall and cut is not None:
                self.wfile.flush()
                self.registry.stalled.set()
                self.registry.resume.wait(60)
        self.wfile.flush()
