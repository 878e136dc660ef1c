"""The verbs of the distribution specification: manifests, blobs, tags. Must not decide what to transfer.

Spec: distribution-spec v1.1, "Pull", "Push", "Content Discovery".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING
from urllib.parse import quote, urljoin, urlsplit

from teul.errors import (
    DigestMismatch,
    InvalidDigest,
    InvalidDocument,
    NotFound,
    RegistryProtocolError,
    RegistryUnavailable,
    SizeMismatch,
    text,
)
from teul.oci.descriptor import INDEX_TYPES, MANIFEST_TYPES, OCI_MANIFEST, Descriptor
from teul.oci.digest import Digest
from teul.oci.image import DOCUMENT_LIMIT_BYTES, load_document
from teul.oci.reference import DEFAULT_DOMAIN, Reference
from teul.registry.answers import problem
from teul.registry.auth import Authorizer, Credentials, DockerConfig
from teul.registry.transport import Response, Transport, is_loopback

if TYPE_CHECKING:
    from teul.content.protocol import Writer

ACCEPT = ", ".join(sorted(INDEX_TYPES | MANIFEST_TYPES, reverse=True))
HUB_ENDPOINT = "registry-1.docker.io"
CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Document:
    """A manifest or an index as a registry gave it, verified."""

    descriptor: Descriptor
    data: bytes

    @property
    def is_index(self) -> bool:
        return self.descriptor.media_type in INDEX_TYPES


class RegistryClient:
    """Speaks to any number of registries; safe for threads. A `Reference` says which registry and repository.

    Args:
        environ: proxies, CA bundle and the environment of credential helpers.
        docker_config: the folder of docker's `config.json`.
        insecure: `host:port` that are spoken to in plain HTTP, beside loopback.
        sleep: waits so many seconds between tries.
    """

    def __init__(
        self,
        *,
        environ: Mapping[str, str],
        docker_config: str = "",
        insecure: Sequence[str] = (),
        sleep: Callable[[float], object] | None = None,
        credentials: Callable[[str], Credentials] | None = None,
    ) -> None:
        self.transport = Transport(environ, sleep=sleep)
        self._insecure = tuple(insecure)
        config = DockerConfig(docker_config)
        self._credentials = credentials or (lambda domain: config.credentials(domain, environ))
        self._authorizers: dict[str, Authorizer] = {}
        self._lock = Lock()

    def close(self) -> None:
        self.transport.close()

    def __enter__(self) -> RegistryClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def endpoint(self, domain: str) -> str:
        """The URL that *domain* is reached by, without a path."""
        if domain == DEFAULT_DOMAIN:
            domain = HUB_ENDPOINT
        plain = is_loopback(domain) or domain in self._insecure
        return f"{'http' if plain else 'https'}://{domain}"

    def check(self, domain: str) -> None:
        """Find out whether *domain* is a registry that takes our credentials.

        Spec: distribution-spec, "Determining Support".
        Raises:
            Unauthorized, RegistryUnavailable, RegistryProtocolError.
        """
        authorizer = self._authorizer(domain)
        url = f"{self.endpoint(domain)}/v2/"

        def ask() -> Response:
            for _ in range(3):
                used = authorizer.header(())
                response = self.transport.send("GET", url, headers={"Authorization": used} if used else {})
                if response.status != 401 or not authorizer.answer(response, (), used):
                    break
                response.drain()
            return response

        response = self.transport.retrying(ask)
        if response.status != 200:
            raise problem(response, domain)
        response.drain()

    # Content discovery and pull.

    def manifest(self, reference: Reference) -> Document:
        """Fetch the manifest or index that *reference* names (its digest, when it has one, wins over the tag).

        Raises:
            NotFound: the registry has no such repository or tag.
            DigestMismatch: the bytes are not those of the digest.
            InvalidDocument: larger than 4 MiB, or of a media type that is not an image's.
        """
        wanted = str(reference.digest or reference.tag)

        def fetch() -> Document:
            response = self._ask("GET", reference, f"manifests/{wanted}", headers={"Accept": ACCEPT}, expected=(200,))
            announced = response.headers.get("Content-Length", "")
            if announced.isdigit() and int(announced) > DOCUMENT_LIMIT_BYTES:
                response.close()
                raise InvalidDocument(
                    "manifest",
                    text("expected at most {limit} bytes, got {size}", limit=DOCUMENT_LIMIT_BYTES, size=announced),
                )
            data = response.read(DOCUMENT_LIMIT_BYTES)
            digest = Digest.of(data)
            promised = reference.digest or response.headers.get("Docker-Content-Digest", "")
            if promised and promised.startswith("sha256:") and promised != digest:
                raise DigestMismatch(promised, digest, what=f"manifest of {reference.familiar}")
            media_type = response.headers.get("Content-Type", "").partition(";")[0].strip()
            return Document(Descriptor(_media_type(data, media_type), digest, len(data)), data)

        return self.transport.retrying(fetch)

    def head_manifest(self, reference: Reference) -> Descriptor | None:
        """What a tag points at now, without fetching it; None when there is none or the registry does not say."""
        wanted = str(reference.digest or reference.tag)

        def ask() -> Descriptor | None:
            response = self._ask(
                "HEAD", reference, f"manifests/{wanted}", headers={"Accept": ACCEPT}, expected=(200, 404)
            )
            response.drain()
            if response.status == 404:
                return None
            size = response.headers.get("Content-Length", "")
            try:
                digest = Digest.parse(response.headers.get("Docker-Content-Digest", ""))
            except InvalidDigest:
                return None
            media_type = response.headers.get("Content-Type", "").partition(";")[0].strip()
            return Descriptor(media_type, digest, int(size) if size.isdigit() else 0)

        return self.transport.retrying(ask)

    def has_blob(self, reference: Reference, digest: Digest) -> bool:
        """Whether the repository has the blob."""

        def ask() -> bool:
            response = self._ask("HEAD", reference, f"blobs/{digest}", expected=(200, 404))
            response.drain()
            return response.status == 200

        return self.transport.retrying(ask)

    def blob(self, reference: Reference, descriptor: Descriptor) -> bytes:
        """Fetch a small blob (a config), verified.

        Raises:
            DigestMismatch, SizeMismatch, NotFound.
        """
        if descriptor.size_bytes > DOCUMENT_LIMIT_BYTES:
            raise InvalidDocument(
                descriptor.media_type,
                text(
                    "expected at most {limit} bytes, got {size}",
                    limit=DOCUMENT_LIMIT_BYTES,
                    size=descriptor.size_bytes,
                ),
            )

        def fetch() -> bytes:
            response = self._ask("GET", reference, f"blobs/{descriptor.digest}", expected=(200,))
            return response.read(DOCUMENT_LIMIT_BYTES)

        data = self.transport.retrying(fetch)
        if len(data) != descriptor.size_bytes:
            raise SizeMismatch(descriptor.digest, descriptor.size_bytes, len(data))
        if Digest.of(data) != descriptor.digest:
            raise DigestMismatch(descriptor.digest, Digest.of(data), what=descriptor.media_type)
        return data

    def fetch_blob(
        self,
        reference: Reference,
        descriptor: Descriptor,
        writer: Writer,
        *,
        on_bytes: Callable[[memoryview | bytes], object] | None = None,
        on_restart: Callable[[], object] | None = None,
    ) -> None:
        """Write a blob into *writer*, from where it stands to the end; the caller commits (which verifies).

        A connection that breaks is taken up again where it broke (a `Range` request); a registry that does not do
        ranges makes it start anew.

        Args:
            on_bytes: called with each piece after it is written.
            on_restart: called when what was written so far has been thrown away.
        Raises:
            SizeMismatch: the registry sent more than the descriptor says.
            RegistryUnavailable: it broke too often.
            NotFound.
        """

        def restart() -> None:
            writer.restart()
            if on_restart:
                on_restart()

        def fetch() -> None:
            offset = writer.offset
            if offset > descriptor.size_bytes:
                restart()
                offset = 0
            if offset == descriptor.size_bytes:
                return
            headers = {"Range": f"bytes={offset}-"} if offset else {}
            response = self._ask(
                "GET", reference, f"blobs/{descriptor.digest}", headers=headers, expected=(200, 206, 416)
            )
            started = _range_start(response) if response.status == 206 else 0
            if offset and started != offset:
                restart()
                if response.status != 200:
                    response.close()
                    raise RegistryUnavailable(
                        text("registry `{domain}`: cannot go on in the middle of a blob", domain=reference.domain)
                    )
            elif response.status == 416:
                response.drain()
                raise RegistryProtocolError(
                    text(
                        "registry `{domain}`: answered {status}: {said}", domain=reference.domain, status=416, said="-"
                    )
                )
            written = writer.offset
            try:
                for chunk in response.chunks(CHUNK_BYTES):
                    written += len(chunk)
                    if written > descriptor.size_bytes:
                        writer.restart()
                        raise SizeMismatch(descriptor.digest, descriptor.size_bytes, written)
                    writer.write(chunk)
                    if on_bytes:
                        on_bytes(chunk)
            except BaseException:
                response.close()
                raise
            if written < descriptor.size_bytes:
                raise RegistryUnavailable(
                    text(
                        "registry `{domain}`: the connection broke: {problem}",
                        domain=reference.domain,
                        problem=text(
                            "{actual} of {expected} bytes came", actual=written, expected=descriptor.size_bytes
                        ),
                    )
                )

        self.transport.retrying(fetch, progressed=lambda: writer.offset)

    def tags(self, reference: Reference) -> list[str]:
        """All tags of the repository, following the pages."""
        made: list[str] = []
        path = "tags/list"
        while path:

            def fetch(path: str = path) -> Response:
                return self._ask("GET", reference, path, expected=(200,))

            response = self.transport.retrying(fetch)
            value = load_document(response.read(DOCUMENT_LIMIT_BYTES), "tag list")
            tags = value.get("tags") or []
            made += [tag for tag in tags if isinstance(tag, str)]
            link = response.headers.get("Link", "")
            following = link.partition(">")[0].removeprefix("<") if 'rel="next"' in link else ""
            query = urlsplit(urljoin(response.url, following)).query if following else ""
            path = f"tags/list?{query}" if query and tags else ""
        return made

    # Push.

    def mount_blob(self, reference: Reference, digest: Digest, source: str) -> bool:
        """Make a blob of repository *source* (a path in the same registry) one of this repository, without bytes.

        False when the registry does not do it; nothing is left open then.

        Spec: distribution-spec v1.1, "Mounting a blob from another repository".
        """

        def ask() -> bool:
            response = self._ask(
                "POST",
                reference,
                f"blobs/uploads/?mount={digest}&from={quote(source, safe='')}",
                expected=(201, 202, 403, 404, 405),
                body=b"",
                more_scopes=(f"repository:{source}:pull",),
                push=True,
            )
            response.drain()
            location = response.headers.get("Location", "")
            if response.status == 202 and location:
                self._cancel_upload(reference, urljoin(response.url, location))
            return response.status == 201

        return self.transport.retrying(ask)

    def upload_blob(self, reference: Reference, descriptor: Descriptor, chunks: Callable[[], Iterator[bytes]]) -> None:
        """Upload a blob in one request (`POST`, then `PUT` with its digest).

        Args:
            chunks: gives the blob's bytes from the start, at each call anew (another try needs them again).
        Raises:
            RegistryUnavailable, Unauthorized, Forbidden, RegistryProtocolError.
        Spec: distribution-spec v1.1, "POST then PUT".
        """

        def upload() -> None:
            begun = self._ask("POST", reference, "blobs/uploads/", body=b"", expected=(202,), push=True)
            begun.drain()
            location = begun.headers.get("Location", "")
            if not location:
                raise RegistryProtocolError(
                    text("registry `{domain}`: an upload without a location", domain=reference.domain)
                )
            url = urljoin(begun.url, location)
            url += ("&" if "?" in url else "?") + f"digest={quote(descriptor.digest, safe=':')}"
            response = self._send(
                "PUT",
                reference,
                url,
                headers={
                    "Content-Type": "application/octet-stream",
                    "Content-Length": str(descriptor.size_bytes),
                },
                body=chunks(),
                push=True,
            )
            if response.status not in (201, 204):
                raise problem(response, reference.domain)
            response.drain()

        self.transport.retrying(upload)

    def put_manifest(self, reference: Reference, data: bytes, media_type: str = OCI_MANIFEST) -> Digest:
        """Upload a manifest under the tag (or the digest) of *reference*; the registry checks its blobs.

        Raises:
            DigestMismatch: the registry stored other bytes.
        """
        digest = Digest.of(data)

        def put() -> None:
            response = self._ask(
                "PUT",
                reference,
                f"manifests/{reference.tag or digest}",
                headers={"Content-Type": media_type},
                body=data,
                expected=(201, 200, 204),
                push=True,
            )
            response.drain()
            said = response.headers.get("Docker-Content-Digest", "")
            if said.startswith("sha256:") and said != digest:
                raise DigestMismatch(digest, said, what=f"manifest of {reference.familiar}")

        self.transport.retrying(put)
        return digest

    def _cancel_upload(self, reference: Reference, url: str) -> None:
        try:
            self._send("DELETE", reference, url, push=True).drain()
        except (RegistryUnavailable, RegistryProtocolError):
            # The registry throws an upload away by itself after a while; this was only to be polite.
            return

    # The way there.

    def _ask(
        self,
        method: str,
        reference: Reference,
        path: str,
        *,
        expected: Sequence[int],
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        push: bool = False,
        more_scopes: Sequence[str] = (),
    ) -> Response:
        """One request below `/v2/<name>/`; another status than the *expected* ones is an error."""
        url = f"{self.endpoint(reference.domain)}/v2/{reference.path}/{path}"
        response = self._send(method, reference, url, headers=headers, body=body, push=push, more_scopes=more_scopes)
        if response.status not in expected:
            error = problem(response, reference.domain)
            if isinstance(error, NotFound):
                raise NotFound(
                    text(
                        "registry `{domain}` has no `{name}`",
                        domain=reference.domain,
                        name=f"{reference.path}:{reference.tag}"
                        if "manifests/" in path
                        else f"{reference.path} {path}",
                    )
                )
            raise error
        return response

    def _send(
        self,
        method: str,
        reference: Reference,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | Iterator[bytes] | None = None,
        push: bool = False,
        more_scopes: Sequence[str] = (),
    ) -> Response:
        """Send with authentication: a 401 is answered once or twice, where the body can be sent again."""
        authorizer = self._authorizer(reference.domain)
        scopes = (f"repository:{reference.path}:{'pull,push' if push else 'pull'}", *more_scopes)
        # Our credentials are for the registry; an upload location on another host signs its own URLs.
        ours = urlsplit(url).netloc == urlsplit(self.endpoint(reference.domain)).netloc
        for attempt in range(3):
            used = authorizer.header(scopes) if ours else ""
            sent = {**(headers or {}), **({"Authorization": used} if used else {})}
            response = self.transport.send(
                method, url, headers=sent, body=body, follow=method in ("GET", "HEAD") or isinstance(body, bytes)
            )
            if response.status != 401 or not ours or attempt == 2 or not (body is None or isinstance(body, bytes)):
                return response
            try:
                if not authorizer.answer(response, scopes, used):
                    return response
            except BaseException:
                response.close()
                raise
            response.drain()
        raise AssertionError("unreachable")

    def _authorizer(self, domain: str) -> Authorizer:
        with self._lock:
            made = self._authorizers.get(domain)
            if made is None:
                made = self._authorizers[domain] = Authorizer(
                    domain, self.transport, lambda: self._credentials(domain), insecure=self._insecure
                )
            return made


def _media_type(data: bytes, announced: str) -> str:
    """The media type of a manifest: its own field, else the header's.

    Spec: image-spec v1.1 manifest.md, "mediaType" (SHOULD be used and match the header).
    """
    value = load_document(data, "manifest")
    own = value.get("mediaType")
    found = own if isinstance(own, str) and own else announced
    if found not in MANIFEST_TYPES | INDEX_TYPES:
        # Old registries send OCI manifests as plain JSON; the shape tells.
        if not own and value.get("schemaVersion") == 2 and isinstance(value.get("layers"), list):
            return OCI_MANIFEST
        raise InvalidDocument("manifest", text("unknown media type `{media_type}`", media_type=found[:100]))
    return found


def _range_start(response: Response) -> int:
    """Where a 206 begins; −1 when it does not say."""
    unit, _, rest = response.headers.get("Content-Range", "").partition(" ")
    start = rest.partition("-")[0]
    return int(start) if unit == "bytes" and start.isdigit() else -1


def file_chunks(read: Callable[[int], bytes], *, on_bytes: Callable[[int], object] | None = None) -> Iterator[bytes]:
    """The pieces of a stream for `RegistryClient.upload_blob`; *on_bytes* hears the length of each."""
    while piece := read(CHUNK_BYTES):
        yield piece
        if on_bytes:
            on_bytes(len(piece))
