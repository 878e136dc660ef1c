"""A small package index on loopback: PEP 691 with upload times (PEP 700), or PEP 503 without; and wheels made to order."""

from __future__ import annotations

import hashlib
import io
import json
import socket
import tarfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def make_wheel(
    name: str,
    version: str,
    *,
    requires: tuple[str, ...] = (),
    tag: str = "py3-none-any",
    code: str = "",
    native: bool = False,
) -> tuple[str, bytes]:
    """(file name, content); *native*: with what looks like an extension module."""
    module = name.replace("-", "_")
    info = f"{module}-{version}.dist-info"
    files = {
        f"{module}/__init__.py": code or f"version = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        + "".join(f"Requires-Dist: {item}\n" for item in requires),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    if native:
        files[f"{module}/_native.so"] = ""
    listed = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, content in [*files.items(), (f"{info}/RECORD", listed)]:
            archive.writestr(zipfile.ZipInfo(path, (2020, 1, 1, 0, 0, 0)), content)
    return f"{module}-{version}-{tag}.whl", buffer.getvalue()


def make_source(name: str, version: str, *, mark: str = "") -> tuple[str, bytes]:
    """A source archive whose build would write the file *mark*."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for path, content in (
            (
                "setup.py",
                f"open({mark!r}, 'w').close()\nfrom setuptools import setup\nsetup(name={name!r}, version={version!r})\n",
            ),
            ("pyproject.toml", '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'),
            ("backend.py", f"open({mark!r}, 'w').close()\n"),
            ("PKG-INFO", f"Metadata-Version: 1.0\nName: {name}\nVersion: {version}\n"),
        ):
            info = tarfile.TarInfo(f"{name}-{version}/{path}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content.encode()))
    return f"{name}-{version}.tar.gz", buffer.getvalue()


class _Server(ThreadingHTTPServer):
    request_queue_size = 128
    """uv opens many connections at once; those beyond the queue would wait for the kernel to try again."""


def _reached(handler: type[BaseHTTPRequestHandler]) -> _Server:
    """A server on a port that leads to it. On a machine where containers were killed, rules may be left that lead some
    free port of loopback to a container that is gone: whoever asks there waits for an answer in vain.
    """
    while True:
        server = _Server(("127.0.0.1", 0), handler)
        try:
            socket.create_connection(server.server_address, timeout=2).close()
        except OSError:
            server.server_close()
            continue
        return server


class PackageIndex:
    """`with PackageIndex() as index: index.add(*make_wheel("a", "1.0"))`; its pages are at `index.url`."""

    def __init__(self, *, has_times: bool = True) -> None:
        self.has_times = has_times
        self.files: dict[str, dict[str, tuple[bytes, str, str]]] = {}
        self.asked: list[str] = []
        self.lies: set[str] = set()
        """Files whose page names another digest than theirs."""
        self.cuts: set[str] = set()
        """Files of which only half comes before the connection ends."""
        self.waits: dict[str, threading.Event] = {}
        """Files that come only when the event is set."""
        index = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                index.asked.append(self.path)
                index.answer(self)

            do_HEAD = do_GET  # noqa: N815

            def log_message(self, *words: object) -> None:
                pass

        self.server = _reached(Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/simple"

    def __enter__(self) -> PackageIndex:
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    def add(self, filename: str, content: bytes, *, uploaded: str = "2024-01-01T00:00:00Z", python: str = "") -> str:
        """Put a file on the index; returns its sha256."""
        name = filename.split("-")[0].replace("_", "-").lower()
        self.files.setdefault(name, {})[filename] = (content, uploaded, python)
        return hashlib.sha256(content).hexdigest()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        parts = request.path.strip("/").split("/")
        if parts[0] == "simple" and len(parts) == 2 and parts[1] in self.files:
            kind, body = self.page(parts[1])
            if "json" not in request.headers.get("Accept", ""):
                kind, body = self.html_page(parts[1])
        elif parts[0] == "files" and len(parts) == 3 and parts[2] in self.files.get(parts[1], {}):
            kind, body = "application/octet-stream", self.files[parts[1]][parts[2]][0]
        else:
            request.send_error(404)
            return
        request.send_response(200)
        request.send_header("Content-Type", kind)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        filename = parts[-1]
        if filename in self.waits:
            self.waits[filename].wait(30)
        if request.command == "GET":
            request.wfile.write(body[: len(body) // 2] if filename in self.cuts else body)

    def page(self, name: str) -> tuple[str, bytes]:
        rows = []
        for filename, (content, uploaded, python) in self.files[name].items():
            digest = hashlib.sha256(content + (b"!" if filename in self.lies else b"")).hexdigest()
            row: dict[str, object] = {
                "filename": filename, "url": f"../../files/{name}/{filename}", "hashes": {"sha256": digest},
                "size": len(content),
            }  # fmt: skip
            if python:
                row["requires-python"] = python
            if self.has_times:
                row["upload-time"] = uploaded
            rows.append(row)
        versions = sorted({filename.removesuffix(".tar.gz").split("-")[1] for filename in self.files[name]})
        page = {"meta": {"api-version": "1.1"}, "name": name, "files": rows, "versions": versions}
        return "application/vnd.pypi.simple.v1+json", json.dumps(page).encode()

    def html_page(self, name: str) -> tuple[str, bytes]:
        """As PEP 503 has it, for old tools."""
        lines = [
            f'<a href="../../files/{name}/{filename}#sha256={hashlib.sha256(content).hexdigest()}">{filename}</a><br>\n'
            for filename, (content, _, _) in self.files[name].items()
        ]
        return "text/html", f"<!DOCTYPE html>\n<html><body>\n{''.join(lines)}</body></html>\n".encode()
