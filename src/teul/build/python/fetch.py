"""Wheels by digest into the content store: each once, verified, resumed where a connection broke."""

from __future__ import annotations

import os
from urllib.parse import unquote, urlsplit

from teul.errors import RegistryProtocolError, SourceUnavailable, text
from teul.oci.digest import Digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

    from teul.build.python.values import Wheel
    from teul.content import Store
    from teul.registry.transport import Transport

CHUNK_BYTES = 1 << 20


def fetch(
    wheel: Wheel,
    store: Store,
    transport: Callable[[], Transport],
    *,
    hold: Callable[[str, str], None],
    on_bytes: Callable[[int], object] = lambda count: None,
) -> BinaryIO:
    """The wheel's file, in the store, whole and verified; the caller closes it.

    Args:
        transport: opens connections; asked only when something has to be fetched.
        on_bytes: told how many bytes came.

    Raises:
        DigestMismatch, SizeMismatch: not what the index said.
        SourceUnavailable, RegistryUnavailable: it cannot be had.
    """
    digest = Digest.from_hex(wheel.sha256)
    hold("blob", digest)
    if store.has(digest):
        return store.open_file(digest)
    parts = urlsplit(wheel.url)
    if parts.scheme == "file":
        _copy(local_path(wheel.url), digest, store, wheel, on_bytes)
    else:
        connections = transport()
        furthest = 0

        def count(offset: int, size: int) -> None:
            nonlocal furthest
            furthest = max(furthest, offset)  # an index that ignores Range begins anew each time: no progress
            on_bytes(size)

        connections.retrying(
            lambda: _download(wheel.url, digest, store, connections, wheel, count), progressed=lambda: furthest
        )
    return store.open_file(digest, is_verified=True)


def local_path(url: str) -> str:
    """The path of a `file:` address."""
    return unquote(urlsplit(url).path)


def _copy(path: str, digest: Digest, store: Store, wheel: Wheel, on_bytes: Callable[[int], object]) -> None:
    try:
        with (
            open(path, "rb") as source,
            store.ingest(expected=digest, size_bytes=os.fstat(source.fileno()).st_size) as writer,
        ):
            while piece := source.read(CHUNK_BYTES):
                writer.write(piece)
                on_bytes(len(piece))
            writer.commit()
    except FileNotFoundError as error:
        raise SourceUnavailable(
            text("wheel `{name}`: `{path}` is not there", name=wheel.filename, path=path)
        ) from error


def _download(
    url: str, digest: Digest, store: Store, transport: Transport, wheel: Wheel, count: Callable[[int, int], object]
) -> None:
    address, headers = _without_password(url)
    with store.ingest(expected=digest, size_bytes=wheel.size_bytes, key=f"wheel {digest}") as writer:
        if writer.offset:
            if wheel.size_bytes is not None and writer.offset == wheel.size_bytes:
                writer.commit()
                return
            headers["Range"] = f"bytes={writer.offset}-"
        response = transport.send("GET", address, headers=headers)
        if response.status == 416:
            response.drain()
            writer.restart()
            headers.pop("Range", None)
            response = transport.send("GET", address, headers=headers)
        if response.status == 200 and writer.offset:
            writer.restart()
        if response.status not in (200, 206):
            response.drain()
            error = SourceUnavailable(
                text("wheel `{name}`: the index answered {status}", name=wheel.filename, status=response.status)
            )
            raise error
        if response.status == 206 and not response.headers.get("Content-Range", "").startswith(
            f"bytes {writer.offset}-"
        ):
            response.close()
            raise RegistryProtocolError(text("wheel `{name}`: the index sent another range", name=wheel.filename))
        for piece in response.chunks(CHUNK_BYTES):
            writer.write(piece)
            count(writer.offset, len(piece))
        writer.commit()


def _without_password(url: str) -> tuple[str, dict[str, str]]:
    """The address and, where it held a name and a password, the header that they belong into."""
    parts = urlsplit(url)
    if "@" not in parts.netloc:
        return parts._replace(fragment="").geturl(), {}
    import base64

    user, _, host = parts.netloc.rpartition("@")
    name, _, password = user.partition(":")
    token = base64.b64encode(f"{unquote(name)}:{unquote(password)}".encode()).decode()
    return parts._replace(netloc=host, fragment="").geturl(), {"Authorization": f"Basic {token}"}
