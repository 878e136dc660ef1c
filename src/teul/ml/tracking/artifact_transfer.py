"""Artifacts over HTTP: `/api/2.0/mlflow-artifacts/{artifacts,mpu,presigned}/…`, streamed both ways.

An upload goes through an ingest of the content store and gets its name only when it is whole and on the disk. A
download is checked against its digest while it is sent, and its last part is held back until the check is done, so a
damaged blob ends as a broken transfer and never as a whole file.
"""

from __future__ import annotations

import asyncio
import mimetypes
import posixpath
import secrets
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote

from teul.content import Info, Writer
from teul.errors import ArtifactNotFound, InvalidInput, TrackingInvalid, TrackingNotFound, Unsupported, text
from teul.ml.tracking import artifacts, registry, runs, version_files, wire
from teul.ml.tracking.access import Grant
from teul.ml.tracking.artifact_content import Upload
from teul.ml.tracking.store import TrackingStore

if TYPE_CHECKING:
    from teul.ml.tracking.app import Receive, Scope, Send, TrackingApp

CHUNK_BYTES = 1 << 20
_END = object()


class ArtifactTransfer:
    """The part of the application that moves files."""

    def __init__(self, store: TrackingStore, threads: ThreadPoolExecutor) -> None:
        self._store = store
        self._threads = threads

    async def serve(
        self,
        app: TrackingApp,
        scope: Scope,
        headers: dict[bytes, bytes],
        grant: Callable[[], Grant],
        receive: Receive,
        send: Send,
    ) -> None:
        """Answer one request. Raises: TeulError, which the caller answers."""
        from teul.ml.tracking.app import respond

        method, path = scope["method"], scope["path"]
        query = dict(parse_qsl(scope["query_string"].decode("ascii", "replace"), keep_blank_values=True))
        if not path.startswith(("/api/", "/ajax-api/")):
            await self._download(await app.read(lambda: self._legacy_path(grant(), path, query)), app, send)
            return
        _, _, tail = path.partition("/mlflow-artifacts/")
        noun, _, rest = tail.partition("/")
        if noun == "artifacts" and method == "GET" and not rest:
            await respond(send, 200, await app.read(lambda: self._list(grant(), query.get("path", ""))))
        elif noun == "artifacts" and method in ("GET", "HEAD"):
            wanted = artifacts.check_path(rest)
            await app.read(lambda: grant().check_reading_artifact(self._store.db, wanted))
            await self._download(wanted, app, send)
        elif noun == "artifacts" and method == "PUT":
            await self._upload(artifacts.check_path(rest), app, grant, receive)
            await respond(send, 200, {})
        elif noun == "artifacts" and method == "DELETE":
            await app.write(lambda: self._delete(grant(), artifacts.check_path(rest)))
            await respond(send, 200, {})
        elif noun == "mpu" and method in ("POST", "PUT"):
            verb, _, rest = rest.partition("/")
            await respond(send, 200, await self._multipart(verb, rest, app, scope, headers, grant, receive))
        elif noun == "presigned":
            raise Unsupported(text("presigned URLs are not supported: artifacts go through this server"))
        else:
            raise ArtifactNotFound(path)

    def _list(self, grant: Grant, path: str) -> dict[str, object]:
        grant.check_reading_artifact(self._store.db, path)
        found = artifacts.listing(self._store.db, path)
        return {"files": [wire.file_json(info) for info in found]} if found else {}

    def _delete(self, grant: Grant, path: str) -> None:
        grant.check_deleting_artifact(self._store.db, path)
        artifacts.delete(self._store.db, path)

    def _legacy_path(self, grant: Grant, path: str, query: dict[str, str]) -> str:
        """What MLflow's web pages ask for: by run, or by model version."""
        grant.check_reading(self._store.db, query)
        if path == "/get-artifact":
            uri = runs.get(self._store.db, query.get("run_id") or query.get("run_uuid", "")).artifact_uri
        else:
            uri = registry.get_version(self._store.db, query.get("name", ""), query.get("version", "")).storage_location
        root = version_files.path_of(self._store.db, uri)
        if root is None:
            raise TrackingNotFound(f"artifacts at {uri} are not served here")
        return f"{root}/{artifacts.check_path(query.get('path', ''))}"

    async def _upload(self, path: str, app: TrackingApp, grant: Callable[[], Grant], receive: Receive) -> None:
        db, content = self._store.db, self._store.content
        if not path:
            raise TrackingInvalid("Invalid path")
        await app.read(lambda: grant().check_artifact(db, path))
        async with self._receiving(receive) as info:
            await app.write(lambda: artifacts.put(db, content, path, info.digest, info.size_bytes))

    @asynccontextmanager
    async def _receiving(self, receive: Receive) -> AsyncIterator[Info]:
        """The request's body as content, which stays while the block gives it a name."""
        upload = self._store.content.upload()
        try:
            yield await self._ingest(upload, receive)
        finally:
            # It may wait for the disk; the loop does not.
            await asyncio.get_running_loop().run_in_executor(self._threads, upload.__exit__, None, None, None)

    async def _ingest(self, upload: Upload, receive: Receive) -> Info:
        """The request's body as content. A body that ends too early leaves nothing."""
        run = asyncio.get_running_loop().run_in_executor
        more = True
        try:
            with upload.ingest() as writer:
                waiting: list[bytes] = []
                size = 0
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise InvalidInput(text("the client went away before the upload was whole"))
                    waiting.append(message.get("body", b""))
                    size += len(waiting[-1])
                    more = message.get("more_body", False)
                    if size >= CHUNK_BYTES or (size and not more):
                        await run(self._threads, _write, writer, waiting)
                        waiting, size = [], 0
                return await run(self._threads, writer.commit)
        except OSError:
            # Whoever still sends hears an answer only when all was read, and a broken connection otherwise.
            while more:
                message = await receive()
                more = message["type"] != "http.disconnect" and message.get("more_body", False)
            raise

    async def _download(self, path: str, app: TrackingApp, send: Send) -> None:
        store = self._store
        run = asyncio.get_running_loop().run_in_executor
        digest, size_bytes = await app.read(lambda: artifacts.find(store.db, path))
        with await run(self._threads, store.content.open, digest) as reader:
            part = await run(self._threads, reader.read, CHUNK_BYTES)
            following = await run(self._threads, reader.read, CHUNK_BYTES) if part else b""
            name = posixpath.basename(path)
            kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
            await send(
                {
                    "type": "http.response.start",
                    "status": 200,
                    "headers": [
                        (b"content-type", kind.encode()),
                        (b"content-length", str(size_bytes).encode()),
                        (b"content-disposition", f"attachment; filename*=UTF-8''{quote(name, safe='')}".encode()),
                        (b"x-content-type-options", b"nosniff"),
                        (b"etag", f'"{digest}"'.encode()),
                    ],
                }
            )
            while following:
                await send({"type": "http.response.body", "body": part, "more_body": True})
                part, following = following, await run(self._threads, reader.read, CHUNK_BYTES)
            await send({"type": "http.response.body", "body": part})

    async def _multipart(
        self,
        verb: str,
        rest: str,
        app: TrackingApp,
        scope: Scope,
        headers: dict[bytes, bytes],
        grant: Callable[[], Grant],
        receive: Receive,
    ) -> dict[str, object]:
        from teul.ml.tracking.app import read_body, read_json

        db, content = self._store.db, self._store.content
        if verb == "part":
            upload_id, _, number = rest.partition("/")
            if not (number.isascii() and number.isdigit()):
                raise TrackingInvalid(f"Invalid value {number} for parameter 'part_number' supplied.")
            await app.read(grant)
            async with self._receiving(receive) as info:
                await app.write(
                    lambda: artifacts.put_part(db, content, upload_id, int(number), info.digest, info.size_bytes)
                )
            return {}
        folder = artifacts.check_path(rest)
        await app.read(lambda: grant().check_artifact(db, folder))
        body = read_json(await read_body(receive, CHUNK_BYTES), scope["method"], headers)
        fields: tuple[wire.Field, ...] = (
            wire.string("path", required=True),
            wire.integer("num_parts"),
            wire.string("upload_id"),
        )
        values: dict[str, Any] = wire.read(fields, body)
        # The client sends the path that the file has on its own machine; only its name means something here.
        path = f"{folder}/{posixpath.basename(values['path'])}".lstrip("/")
        upload_id = values.get("upload_id", "")
        if verb == "create":
            upload_id, parts = secrets.token_urlsafe(24), values.get("num_parts", 1)
            await app.write(lambda: artifacts.begin_upload(db, path, parts, upload_id))
            base = (
                f"{scope['scheme']}://{headers.get(b'host', b'').decode('latin-1')}/api/2.0/mlflow-artifacts/mpu/part"
            )
            given = headers.get(b"authorization")
            extra = {"headers": {"Authorization": given.decode("latin-1")}} if given else {}
            return {
                "upload_id": upload_id,
                "credentials": [
                    {"url": f"{base}/{upload_id}/{number}", "part_number": number, **extra}
                    for number in range(1, parts + 1)
                ],
            }
        if verb == "complete":
            await app.read(lambda: artifacts.finish_upload(db, content, path, upload_id))
        elif verb == "abort":
            await app.write(lambda: artifacts.abort_upload(db, upload_id))
        else:
            raise ArtifactNotFound(rest)
        return {}


def _write(writer: Writer, parts: list[bytes]) -> None:
    for part in parts:
        writer.write(part)
