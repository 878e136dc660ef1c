"""Files from http(s) for a build: fetched once into the content store, asked again only whether they changed.

What is remembered of a URL is its validators (ETag, Last-Modified) and the digest of what came; a build after that
asks "still the same?" and takes the blob that is here. With a checksum nothing is asked at all.
"""

from __future__ import annotations

import os
import re
import threading
import time

from teul.errors import DigestMismatch, InvalidInput, SourceUnavailable, TeulError, text
from teul.events import Advance, Step, silent
from teul.oci.digest import Digest
from teul.solver.graph import digest_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from dataclasses import dataclass

    from teul.build.sources import HttpSource
    from teul.content import Store
    from teul.events import Sink
    from teul.registry.transport import Response, Transport
    from teul.solver import Cache
else:
    from teul.values import dataclass

SPARE_BYTES = 64 << 20
"""So much of the disk stays free whatever a server sends."""
TOLD_EVERY_S = 0.5
PIECE_BYTES = 1 << 20
"""What is unpacked at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A blob in the content store; `mtime_s` is its Last-Modified in seconds since 1970, 0 when the server has none."""

    digest: Digest
    size_bytes: int
    mtime_s: int = 0


class Fetcher:
    """One build's downloads, safe for threads; a URL is fetched once however many instructions name it.

    Args:
        memory: remembers validators (`find`, `put`).
        hold: protects a blob from gc while the build lives.
        secrets: `HTTP_AUTH_HEADER_<host>` and `HTTP_AUTH_TOKEN_<host>` among them are sent to that host.
        environ: proxies and the CA bundle.
    """

    def __init__(
        self,
        *,
        store: Store,
        memory: Cache | None,
        hold: Callable[[str, str], None],
        environ: Mapping[str, str],
        secrets: Mapping[str, bytes] | None = None,
        events: Sink = silent,
    ) -> None:
        self.store = store
        self.memory = memory
        self.hold = hold
        self.environ = environ
        self.secrets = secrets or {}
        self.events = events
        self._transport: Transport | None = None
        self._guard = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        self._done: dict[str, Fetched] = {}

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """End every transfer, from another thread; whoever waits for bytes gets `Cancelled`."""
        with self._guard:
            transport = self._transport
        if transport is not None:
            transport.abort()

    def known(self, source: HttpSource) -> Fetched | None:
        """What is known without asking the server: the blob of a checksum that is here already."""
        if source.url in self._done:
            return self._done[source.url]
        return self._pinned(source) if source.checksum else None

    def fetch(self, source: HttpSource, *, should_stop: Callable[[], bool] = lambda: False) -> Fetched:
        """The file of *source*, in the store and held.

        Raises:
            InvalidInput: the server has no such file.
            SourceUnavailable: it cannot be reached.
            DigestMismatch: not what the checksum says.
        """
        with self._guard:
            lock = self._locks.setdefault(source.url, threading.Lock())
        with lock:
            found = self._done.get(source.url) or (self._pinned(source) if source.checksum else None)
            if found is None:
                found = self._fetch(source, should_stop)
            if source.checksum and found.digest != source.checksum:
                raise DigestMismatch(source.checksum, found.digest, what=source.shown)
            self._done[source.url] = found
            return found

    def _pinned(self, source: HttpSource) -> Fetched | None:
        digest = Digest(source.checksum)
        self.hold("blob", digest)
        if not self.store.has(digest):
            return None
        row = self._remembered(source)
        mtime_s = int(str(row.get("mtime_s", 0))) if row.get("blob") == digest else 0
        return Fetched(digest=digest, size_bytes=self.store.info(digest).size_bytes, mtime_s=mtime_s)

    def _key(self, source: HttpSource) -> str:
        return digest_of(["http", source.url])

    def _remembered(self, source: HttpSource) -> Mapping[str, object]:
        row = self.memory.find(self._key(source)) if self.memory is not None else None
        data: Mapping[str, object] = row["data"] if row is not None else {}
        return data

    def _fetch(self, source: HttpSource, should_stop: Callable[[], bool]) -> Fetched:
        from teul.registry.transport import Transport

        with self._guard:
            if self._transport is None:
                self._transport = Transport(self.environ)
        transport = self._transport
        before = self._remembered(source)
        headers = self._authorization(source)
        blob = Digest(str(before["blob"])) if before.get("blob") else None
        if blob is not None:
            self.hold("blob", blob)
            if self.store.has(blob):
                for name, field in (("If-None-Match", "etag"), ("If-Modified-Since", "modified")):
                    if before.get(field):
                        headers[name] = str(before[field])
                        break
        step = digest_of(["fetch", source.url])
        shown = f"[internal] fetch {source.shown}"
        self.events(Step(step, shown, "started"))
        try:
            found = transport.retrying(lambda: self._receive(transport, source, headers, step, should_stop))
            if found is None:
                assert blob is not None
                found = Fetched(
                    digest=blob, size_bytes=self.store.info(blob).size_bytes, mtime_s=int(str(before.get("mtime_s", 0)))
                )
        except TeulError as error:
            translated = _translated(error, source)
            self.events(Step(step, shown, "failed", error=str(translated)))
            raise translated from error
        self.events(Step(step, shown, "done", cached=found.digest == blob))
        return found

    def _receive(
        self,
        transport: Transport,
        source: HttpSource,
        headers: Mapping[str, str],
        step: str,
        should_stop: Callable[[], bool],
    ) -> Fetched | None:
        """Ask, and write down what comes; None when it is what is here already."""
        response = transport.send("GET", source.url, headers=headers)
        if response.status == 304 and ("If-None-Match" in headers or "If-Modified-Since" in headers):
            response.drain()
            return None
        if not 200 <= response.status < 300:
            response.drain()
            if response.status >= 500 or response.status in (408, 429):
                refusal = SourceUnavailable(
                    text("`{url}`: invalid response status {status}", url=source.shown, status=response.status)
                )
                raise refusal
            raise InvalidInput(
                text("`{url}`: invalid response status {status}", url=source.shown, status=response.status),
                hint=text("--secret id=HTTP_AUTH_TOKEN_{host},env=TOKEN", host=_host(source.url))
                if response.status in (401, 403)
                else None,
            )
        try:
            return self._write(response, source, step, should_stop)
        finally:
            response.close()

    def _write(self, response: Response, source: HttpSource, step: str, should_stop: Callable[[], bool]) -> Fetched:
        announced = response.headers.get("Content-Length", "").strip()
        if announced and not (announced.isascii() and announced.isdigit()):
            raise InvalidInput(
                text("`{url}`: invalid Content-Length `{value}`", url=source.shown, value=ascii(announced)[1:-1][:80])
            )
        total = int(announced) if announced else 0
        told = time.monotonic()
        left = 0
        is_packed = response.headers.get("Content-Encoding", "").strip().lower() == "gzip"
        chunks = _unpacked(response.chunks(), source) if is_packed else response.chunks()
        with self.store.ingest(size_bytes=total if announced and not is_packed else None) as writer:
            for chunk in chunks:
                if should_stop():
                    from teul.errors import Cancelled

                    raise Cancelled(text("cancelled"))
                if left < len(chunk):
                    left = self._free_bytes()
                    if left < max(total - writer.offset, len(chunk)):
                        raise OSError(28, os.strerror(28), getattr(self.store, "root", source.shown))
                left -= len(chunk)
                writer.write(chunk)
                if time.monotonic() - told > TOLD_EVERY_S:
                    told = time.monotonic()
                    self.events(Advance(step, writer.offset, total))
            made = writer.commit()
        self.hold("blob", made.digest)
        modified = response.headers.get("Last-Modified", "")
        found = Fetched(digest=made.digest, size_bytes=made.size_bytes, mtime_s=_seconds(modified))
        if self.memory is not None:
            row = {
                "blob": str(found.digest),
                "etag": response.headers.get("ETag", ""),
                "modified": modified,
                "mtime_s": found.mtime_s,
            }
            self.memory.put(self._key(source), "", "", {"digest": str(found.digest), "data": row})
        return found

    def _free_bytes(self) -> int:
        """What may still be written before the disk is as full as it shall be."""
        root = getattr(self.store, "root", "")
        try:
            status = os.statvfs(root or "/")
        except OSError:
            return 1 << 62
        return max(0, status.f_bavail * status.f_frsize - SPARE_BYTES)

    def _authorization(self, source: HttpSource) -> dict[str, str]:
        """Source: Dockerfile reference, "ADD", "Adding files from URLs", on authentication secrets."""
        host = _host(source.url)
        for name, prefix in ((f"HTTP_AUTH_HEADER_{host}", ""), (f"HTTP_AUTH_TOKEN_{host}", "Bearer ")):
            value = self.secrets.get(name)
            if value is not None:
                word = value.decode("latin-1").strip()
                if re.search(r"[\r\n\0]", word):
                    raise InvalidInput(text("secret `{id}`: expected one line", id=name))
                return {"Authorization": prefix + word}
        from urllib.parse import unquote, urlsplit

        parts = urlsplit(source.url)
        if parts.username:
            import base64

            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
            return {"Authorization": "Basic " + base64.b64encode(pair).decode()}
        return {}


def _unpacked(chunks: Iterator[bytes], source: HttpSource) -> Iterator[bytes]:
    """The content of what a server packed though it was not asked to, as stores of objects do with what they were given.

    Docker's client takes every gzip for such a packing. Spec: RFC 9110, "Content-Encoding".
    """
    import zlib

    decoder = None
    try:
        for chunk in chunks:
            while chunk:
                if decoder is None or decoder.eof:
                    decoder = zlib.decompressobj(wbits=31)
                yield decoder.decompress(chunk, PIECE_BYTES)
                chunk = decoder.unconsumed_tail or decoder.unused_data
        if decoder is not None:
            yield decoder.flush()
        is_whole = decoder is None or decoder.eof
    except zlib.error:
        is_whole = False
    if not is_whole:
        raise InvalidInput(text("`{url}`: its `Content-Encoding` is gzip, but its content is not", url=source.shown))


def _host(url: str) -> str:
    from urllib.parse import urlsplit

    return urlsplit(url).hostname or ""


def _seconds(modified: str) -> int:
    """A Last-Modified header in seconds since 1970, 0 for none."""
    from email.utils import parsedate_to_datetime

    try:
        return max(0, int(parsedate_to_datetime(modified).timestamp()))
    except (TypeError, ValueError, OverflowError):
        return 0


def _translated(error: TeulError, source: HttpSource) -> TeulError:
    """What the transport says of a registry, said of a URL."""
    from teul.errors import Denied, RegistryProtocolError, RegistryUnavailable

    if not isinstance(error, RegistryUnavailable | RegistryProtocolError | Denied):
        return error
    values = getattr(error.message, "values", {})
    problem = values.get("problem", error.message)
    if "location" in values:
        problem = text("refused a redirect to `{location}`", location=values["location"])
    message = text("`{url}`: {problem}", url=source.shown, problem=problem)
    if isinstance(error, RegistryUnavailable):
        return SourceUnavailable(message, hint=error.hint)
    return InvalidInput(message, hint=error.hint)
