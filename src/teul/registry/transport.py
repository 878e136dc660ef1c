"""HTTP as registries need it: one connection pool, proxies, certificates, redirects, retries. Must not know the verbs.

Every exception of urllib3 is translated here, in `translate`; the table `FAMILIES` names each class, and a test
demands that it stays complete. Only `Unavailable` is ever retried.
"""

from __future__ import annotations

import http.client
import ipaddress
import os
import random
import socket
import ssl
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urljoin, urlsplit
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]

import urllib3
from urllib3 import exceptions as foreign
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from teul import __version__
from teul.errors import (
    Cancelled,
    InvalidInput,
    RegistryProtocolError,
    RegistryUnavailable,
    Text,
    UntrustedRegistry,
    text,
)

if TYPE_CHECKING:
    from teul.errors import TeulError

CONNECT_TIMEOUT_S = 15.0
READ_TIMEOUT_S = 60.0
REDIRECT_LIMIT = 5
TRIES = 5
LONGEST_WAIT_S = 60.0
"""A registry that asks for a longer pause than this is not waited for; the error carries its wish."""
CONNECTIONS_PER_HOST = 16

UNAVAILABLE, PROTOCOL, UNTRUSTED, SETTING = "unavailable", "protocol", "untrusted", "setting"
FAMILIES: dict[type[BaseException], str] = {
    foreign.HTTPError: UNAVAILABLE,
    foreign.PoolError: UNAVAILABLE,
    foreign.RequestError: UNAVAILABLE,
    foreign.SSLError: UNTRUSTED,
    foreign.ProxyError: UNAVAILABLE,
    foreign.DecodeError: PROTOCOL,
    foreign.ProtocolError: UNAVAILABLE,
    foreign.MaxRetryError: UNAVAILABLE,
    foreign.HostChangedError: PROTOCOL,
    foreign.TimeoutStateError: UNAVAILABLE,
    foreign.TimeoutError: UNAVAILABLE,
    foreign.ReadTimeoutError: UNAVAILABLE,
    foreign.ConnectTimeoutError: UNAVAILABLE,
    foreign.NewConnectionError: UNAVAILABLE,
    foreign.NameResolutionError: UNAVAILABLE,
    foreign.EmptyPoolError: UNAVAILABLE,
    foreign.FullPoolError: UNAVAILABLE,
    foreign.ClosedPoolError: UNAVAILABLE,
    foreign.LocationValueError: PROTOCOL,
    foreign.LocationParseError: PROTOCOL,
    foreign.URLSchemeUnknown: PROTOCOL,
    foreign.ResponseError: PROTOCOL,
    foreign.ResponseNotChunked: PROTOCOL,
    foreign.BodyNotHttplibCompatible: PROTOCOL,
    foreign.IncompleteRead: UNAVAILABLE,
    foreign.InvalidChunkLength: UNAVAILABLE,
    foreign.InvalidHeader: PROTOCOL,
    foreign.ProxySchemeUnknown: SETTING,
    foreign.ProxySchemeUnsupported: SETTING,
    foreign.HeaderParsingError: PROTOCOL,
    foreign.UnrewindableBodyError: UNAVAILABLE,
    http.client.HTTPException: UNAVAILABLE,
    OSError: UNAVAILABLE,
}
"""What each foreign exception means to the caller."""

FOREIGN = (foreign.HTTPError, foreign.ProxySchemeUnsupported, http.client.HTTPException, OSError)
"""What a request or a read may raise."""

_Result = TypeVar("_Result")


def translate(error: BaseException, host: str) -> TeulError:
    """Our word for *error*, which came from talking to *host*."""
    family = next(FAMILIES[kind] for kind in type(error).__mro__ if kind in FAMILIES)
    certificate = _cause(error, ssl.SSLCertVerificationError)
    if certificate is not None:
        return UntrustedRegistry(
            text(
                "registry `{host}`: certificate not trusted: {problem}",
                host=host,
                problem=getattr(certificate, "verify_message", "") or str(certificate),
            ),
            hint=text("point SSL_CERT_FILE at the CA bundle that signed it"),
        )
    tls = _cause(error, ssl.SSLError)
    if tls is not None and "WRONG_VERSION_NUMBER" in str(tls):
        return UntrustedRegistry(
            text("registry `{host}`: expected TLS, got something else", host=host),
            hint=text("if it speaks plain HTTP: TEUL_INSECURE_REGISTRIES={host}", host=host),
        )
    if family == SETTING:
        return InvalidInput(text("proxy: {problem}", problem=error))
    if family == PROTOCOL:
        return RegistryProtocolError(text("registry `{host}`: {problem}", host=host, problem=_words(error)))
    made = RegistryUnavailable(text("registry `{host}`: {problem}", host=host, problem=_reason(error)))
    made.is_unreachable = isinstance(
        _unwrap(error), foreign.NewConnectionError | foreign.ConnectTimeoutError | foreign.ProxyError
    )
    return made


def _unwrap(error: BaseException) -> BaseException:
    while isinstance(error, foreign.MaxRetryError) and isinstance(inner := getattr(error, "reason", None), Exception):
        error = inner
    return error


def _cause(error: BaseException | None, kind: type[_Result]) -> _Result | None:
    """The first exception of *kind* among *error*, its arguments and its causes."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        current = waiting.pop()
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        if isinstance(current, kind):
            return current
        waiting += [current.__cause__, current.__context__]
        waiting += [item for item in current.args if isinstance(item, BaseException)]
    return None


def _reason(error: BaseException) -> Text:
    error = _unwrap(error)
    if isinstance(error, foreign.NameResolutionError):
        return text("its name does not resolve")
    if isinstance(error, foreign.NewConnectionError):
        refused = _cause(error, ConnectionRefusedError)
        return text("connection refused") if refused else text("no connection: {problem}", problem=_words(error))
    if isinstance(error, foreign.ConnectTimeoutError):
        return text("no connection within {timeout_s} s", timeout_s=CONNECT_TIMEOUT_S)
    if isinstance(error, foreign.TimeoutError | TimeoutError):
        return text("no answer within {timeout_s} s", timeout_s=READ_TIMEOUT_S)
    if isinstance(error, foreign.ProxyError):
        return text("the proxy does not let us through: {problem}", problem=_words(error))
    return text("the connection broke: {problem}", problem=_words(error))


def _words(error: BaseException) -> str:
    # urllib3 puts the repr of a connection object before the message; nobody wants to read its address.
    if isinstance(error, foreign.ProtocolError) and error.args and isinstance(error.args[0], str):
        # Its words, then what made it say them, whose own words may hold anything that a server sends.
        message = error.args[0].removesuffix(".")
        cause = ascii(str(error.args[1]))[1:-1] if len(error.args) > 1 else ""
        return message if not cause or cause in message else f"{message}: {cause[:200]}"
    try:
        return str(error).rpartition(">: ")[2].rpartition("): ")[2] or type(error).__name__
    except (TypeError, AttributeError):
        return type(error).__name__


class Response:
    """An answer whose body is not read yet; close it, or read it to the end, to give the connection back."""

    def __init__(self, raw: urllib3.BaseHTTPResponse, url: str) -> None:
        self._raw = raw
        self.url = url
        self.status = raw.status
        self.headers: Mapping[str, str] = raw.headers

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc

    def chunks(self, size_bytes: int = 1 << 18) -> Iterator[bytes]:
        """The body as it came, undecoded. Raises: RegistryUnavailable when the connection breaks."""
        try:
            yield from self._raw.stream(size_bytes, decode_content=False)
        except FOREIGN as error:
            raise translate(error, self.host) from error
        finally:
            self._raw.release_conn()

    def read(self, limit_bytes: int) -> bytes:
        """The whole body.

        Raises:
            RegistryProtocolError: it is longer than *limit_bytes*.
        """
        made = bytearray()
        for chunk in self.chunks():
            made += chunk
            if len(made) > limit_bytes:
                self.close()
                raise RegistryProtocolError(
                    text(
                        "registry `{host}`: expected an answer of at most {limit} bytes",
                        host=self.host,
                        limit=limit_bytes,
                    )
                )
        return bytes(made)

    def shutdown(self) -> None:
        """Wake a thread that waits for this body; its read fails."""
        try:
            self._raw.shutdown()
        except (AttributeError, OSError, RuntimeError, ValueError):
            # Nothing to wake: the body ended, or the library is older than this verb.
            return

    def close(self) -> None:
        """Drop the connection; the rest of the body is never read."""
        self._raw.close()
        self._raw.release_conn()

    def drain(self, limit_bytes: int = 1 << 16) -> bytes:
        """Read a short body so that the connection can be used again; a long one is dropped."""
        try:
            return self.read(limit_bytes)
        except (RegistryUnavailable, RegistryProtocolError):
            self.close()
            return b""


def _shut(connection: HTTPConnection) -> None:
    """Wake a thread that waits on *connection*, below TLS; the socket stays its owner's."""
    if connection.sock is not None:
        try:
            socket.socket.shutdown(connection.sock, socket.SHUT_RDWR)
        except OSError:
            # The other side was first.
            return


class Transport:
    """Pools of connections, safe for threads. *environ* gives proxies and the CA bundle."""

    def __init__(
        self,
        environ: Mapping[str, str],
        *,
        sleep: Callable[[float], object] | None = None,
        certificates: str = "/etc/docker/certs.d",
    ) -> None:
        self._environ = environ
        self._pools: dict[tuple[str, str, bool], urllib3.PoolManager] = {}
        self._lock = threading.Lock()
        self._sleep = sleep or time.sleep
        self._certificates = certificates
        self._live: weakref.WeakSet[Response] = weakref.WeakSet()
        self._connections: weakref.WeakSet[HTTPConnection] = weakref.WeakSet()
        self._classes = self._watched_pools()
        self._is_aborted = False

    def __enter__(self) -> Transport:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        with self._lock:
            for pool in self._pools.values():
                pool.clear()
            self._pools.clear()

    def abort(self) -> None:
        """End every transfer in flight, from another thread; whoever waits for an answer or for bytes gets `Cancelled`."""
        with self._lock:
            self._is_aborted = True
            live, connections = list(self._live), list(self._connections)
        for response in live:
            response.shutdown()
        for connection in connections:
            _shut(connection)

    def _watched_pools(self) -> dict[str, type[HTTPConnectionPool]]:
        """Pools of connections that `abort` finds, while nothing was answered on them yet."""
        watch = self._watch

        class Plain(HTTPConnection):
            def connect(self) -> None:
                super().connect()
                watch(self)

        class Secure(HTTPSConnection):
            def connect(self) -> None:
                super().connect()
                watch(self)

        class PlainPool(HTTPConnectionPool):
            ConnectionCls = Plain

        class SecurePool(HTTPSConnectionPool):
            ConnectionCls = Secure

        return {"http": PlainPool, "https": SecurePool}

    def _watch(self, connection: HTTPConnection) -> None:
        with self._lock:
            self._connections.add(connection)
            is_late = self._is_aborted
        if is_late:
            _shut(connection)

    def proxy_for(self, url: str) -> str:
        """The proxy that the environment names for *url*, or "".

        The words are curl's: `https_proxy`, `http_proxy` (lower case only may be set by a CGI client, so the upper
        case one counts as well here), `all_proxy`, `no_proxy`; lower case wins.
        """
        parts = urlsplit(url)

        def value(name: str) -> str:
            return self._environ.get(name) or self._environ.get(name.upper()) or ""

        if is_loopback(parts.netloc) or proxy_bypass_environment(parts.netloc, {"no": value("no_proxy")}):
            return ""
        found = value(f"{parts.scheme}_proxy") or value("all_proxy")
        return found if not found or "://" in found else f"http://{found}"

    def prepare(self, url: str) -> None:
        """Do what connections to *url* need beforehand: for TLS the certificates are read. Fetches nothing."""
        self._pool(url)

    def _context(self, host: str) -> ssl.SSLContext:
        bundle = next(
            (
                self._environ[name]
                for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
                if os.path.isfile(self._environ.get(name, ""))
            ),
            None,
        )
        made = ssl.create_default_context(cafile=bundle)
        folder = f"{self._certificates}/{host}"
        if os.path.isdir(folder):
            for name in sorted(os.listdir(folder)):
                if name.endswith(".crt"):
                    made.load_verify_locations(f"{folder}/{name}")
        return made

    def _pool(self, url: str) -> urllib3.PoolManager:
        parts = urlsplit(url)
        proxy = self.proxy_for(url)
        # A host with certificates of its own needs a context of its own; all others share one pool.
        own = parts.netloc if os.path.isdir(f"{self._certificates}/{parts.netloc}") else ""
        # To read all certificates takes as long as to fetch a few megabytes from near by.
        is_plain = parts.scheme == "http" and not proxy.startswith("https:")
        with self._lock:
            pool = self._pools.get((proxy, own, is_plain))
            if pool is None:
                timeout = urllib3.Timeout(connect=CONNECT_TIMEOUT_S, read=READ_TIMEOUT_S)
                context = None if is_plain else self._context(parts.netloc)
                if proxy:
                    pool = urllib3.ProxyManager(
                        proxy,
                        proxy_headers=_proxy_headers(proxy),
                        maxsize=CONNECTIONS_PER_HOST,
                        timeout=timeout,
                        ssl_context=context,
                        retries=False,
                    )
                else:
                    pool = urllib3.PoolManager(
                        maxsize=CONNECTIONS_PER_HOST, timeout=timeout, ssl_context=context, retries=False
                    )
                pool.pool_classes_by_scheme = self._classes
                self._pools[(proxy, own, is_plain)] = pool
        return pool

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | Iterator[bytes] | None = None,
        follow: bool = True,
    ) -> Response:
        """One request, with its redirects. The `Authorization` header never goes to another host.

        Args:
            body: bytes, or an iterator of chunks (then give `Content-Length`).
            follow: follow redirects (only where the body can be sent again).
        Raises:
            RegistryUnavailable, UntrustedRegistry, RegistryProtocolError.
        """
        sent = {"User-Agent": f"teul/{__version__}", "Accept-Encoding": "identity", **(headers or {})}
        for _ in range(REDIRECT_LIMIT + 1):
            host = urlsplit(url).netloc
            self._check_aborted()
            try:
                raw = self._pool(url).request(
                    method, url, body=body, headers=sent, preload_content=False, redirect=False, retries=False
                )
            except FOREIGN as error:
                self._check_aborted()
                raise translate(error, host) from error
            response = Response(raw, url)
            with self._lock:
                self._live.add(response)
                is_late = self._is_aborted
            if is_late:
                response.close()
                self._check_aborted()
            location = response.headers.get("Location", "")
            if not follow or response.status not in (301, 302, 303, 307, 308) or not location:
                return response
            response.drain()
            target = urljoin(url, location)
            before, after = urlsplit(url), urlsplit(target)
            if after.scheme not in ("http", "https") or (before.scheme == "https" and after.scheme != "https"):
                raise RegistryProtocolError(
                    text("registry `{host}`: refused a redirect to `{location}`", host=host, location=target[:200])
                )
            if (before.scheme, before.netloc) != (after.scheme, after.netloc):
                sent = {name: value for name, value in sent.items() if name.lower() != "authorization"}
            url = target
        raise RegistryProtocolError(
            text("registry `{host}`: {problem}", host=urlsplit(url).netloc, problem=text("too many redirects"))
        )

    def retrying(self, operation: Callable[[], _Result], *, progressed: Callable[[], int] | None = None) -> _Result:
        """Run *operation*; when it raises `RegistryUnavailable`, wait and try again, `TRIES` times in all.

        The wait doubles from half a second, with jitter; `Retry-After` is obeyed. Whenever *progressed* (bytes so
        far) has grown since the last failure, the count begins again. A host that cannot be reached at all is tried
        twice only: nobody should wait for a machine without a network.
        """
        failures, before = 0, progressed() if progressed else 0
        while True:
            try:
                return operation()
            except RegistryUnavailable as error:
                self._check_aborted()
                now = progressed() if progressed else 0
                # The most that ever came counts: a blob that is begun anew again and again is no progress.
                failures = 1 if now > before else failures + 1
                before = max(before, now)
                wished = error.retry_after_s
                if failures >= (2 if error.is_unreachable else TRIES) or (wished or 0) > LONGEST_WAIT_S:
                    raise
                pause = 0.5 * 2 ** (failures - 1) * (0.75 + random.random() / 2)
                self._sleep(max(pause, wished or 0.0))

    def _check_aborted(self) -> None:
        if self._is_aborted:
            raise Cancelled(text("cancelled"))


def is_loopback(netloc: str) -> bool:
    """Whether a `host[:port]` is this machine's own loopback."""
    host = urlsplit(f"//{netloc}").hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _proxy_headers(proxy: str) -> dict[str, str]:
    parts = urlsplit(proxy)
    if not parts.username:
        return {}
    from urllib.parse import unquote

    return dict(
        urllib3.make_headers(proxy_basic_auth=f"{unquote(parts.username)}:{unquote(parts.password or '')}").items()
    )
