"""A package index on loopback out of a folder of wheels, in a process of its own: `wheel_index.py FOLDER PORT`.

Pages as PyPI has them (PEP 691 with PEP 700's sizes and times, PEP 658's metadata, entity tags), so that neither pip nor
uv is at a disadvantage. Pages are made once; what is measured against it is the tool, not this.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote, unquote

KIND = "application/vnd.pypi.simple.v1+json"
UPLOADED = "2024-05-01T00:00:00Z"


def metadata_of(path: str) -> bytes:
    with zipfile.ZipFile(path) as archive:
        name = next(name for name in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", name))
        return archive.read(name)


def pages(folder: str) -> tuple[dict[str, bytes], dict[str, str]]:
    """Path → content, and path → file on disk."""
    files: dict[str, list[dict[str, object]]] = {}
    made: dict[str, bytes] = {}
    on_disk: dict[str, str] = {}
    for filename in sorted(os.listdir(folder)):
        if not filename.endswith(".whl"):
            continue
        path = f"{folder}/{filename}"
        name = re.sub(r"[-_.]+", "-", filename.partition("-")[0]).lower()
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        metadata = metadata_of(path)
        on_disk[f"/files/{filename}"] = path
        made[f"/files/{filename}.metadata"] = metadata
        files.setdefault(name, []).append(
            {
                "filename": filename,
                "url": f"../../files/{quote(filename)}",
                "hashes": {"sha256": digest},
                "size": os.path.getsize(path),
                "upload-time": UPLOADED,
                "core-metadata": {"sha256": hashlib.sha256(metadata).hexdigest()},
            }
        )
    for name, rows in files.items():
        versions = sorted({str(row["filename"]).split("-")[1] for row in rows})
        page = {"meta": {"api-version": "1.1"}, "name": name, "versions": versions, "files": rows}
        made[f"/simple/{name}/"] = json.dumps(page).encode()
    return made, on_disk


def serve(folder: str, port: int) -> None:
    made, on_disk = pages(folder)
    tags = {path: f'"{hashlib.sha256(body).hexdigest()[:32]}"' for path, body in made.items()}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = unquote(self.path.partition("?")[0])
            file = on_disk.get(path)
            body = made.get(path)
            if file is None and body is None:
                self.send_error(404)
                return
            if body is not None and self.headers.get("If-None-Match") == tags[path]:
                self.send_response(304)
                self.send_header("ETag", tags[path])
                self.end_headers()
                return
            size = len(body) if body is not None else os.path.getsize(file or "")
            self.send_response(200)
            self.send_header("Content-Type", KIND if path.startswith("/simple/") else "application/octet-stream")
            self.send_header("Content-Length", str(size))
            if path in tags:
                self.send_header("ETag", tags[path])
            self.end_headers()
            if self.command == "HEAD":
                return
            if body is not None:
                self.wfile.write(body)
            elif file is not None:
                with open(file, "rb") as opened:
                    self.connection.sendfile(opened)

        do_HEAD = do_GET  # noqa: N815 (the name that http.server looks for)

        def log_message(self, *words: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 128
        daemon_threads = True

    with Server(("127.0.0.1", port), Handler) as server:
        print(server.server_port, flush=True)
        server.serve_forever()


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 0)
