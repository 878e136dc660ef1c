"""Two git repositories, one within the other, made anew each time with the same commits; and what serves them.

`git http-backend` is git's own server (git-http-backend(1), smart HTTP), which shallow fetches need.
"""

from __future__ import annotations

import os
import subprocess
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import urlsplit

PREFIX = "/git/"
_WHO = {
    "GIT_AUTHOR_NAME": "a",
    "GIT_AUTHOR_EMAIL": "a@b",
    "GIT_AUTHOR_DATE": "1400000000 +0000",
    "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@b",
    "GIT_COMMITTER_DATE": "1400000000 +0000",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_ALLOW_PROTOCOL": "file:http",
}


def _git(folder: Path, *words: str) -> str:
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), **_WHO}
    return subprocess.run(
        ["git", "-c", "init.defaultBranch=main", *words],
        cwd=folder,
        env=env,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()


def _commit(folder: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        path.chmod(0o755 if content.startswith("#!") else 0o644)
    _git(folder, "add", ".")
    _git(folder, "commit", "-qm", "made")


def make(folder: Path) -> None:
    """`lib.git` with a tag before its head, and `app.git` that has it as a submodule by a relative address."""
    lib, app = folder / "lib.git", folder / "app.git"
    for place in (lib, app):
        place.mkdir(parents=True)
        _git(place, "init", "-q")
        _git(place, "config", "http.receivepack", "false")
        _git(place, "config", "uploadpack.allowAnySHA1InWant", "true")
    os.symlink("lib.py", lib / "link")
    _commit(lib, {"lib.py": "LIB = 1\n", "sub/run.sh": "#!/bin/sh\n", "sub/한글.txt": "글\n", ".hidden": "x\n"})
    _git(lib, "tag", "-am", "note", "v1")
    _commit(lib, {"lib.py": "LIB = 2\n"})
    _git(app, "update-index", "--add", "--cacheinfo", f"160000,{_git(lib, 'rev-parse', 'HEAD')},vendor/lib")
    (app / "vendor/lib").mkdir(parents=True)
    _commit(app, {"app.py": "APP = 1\n", ".gitmodules": '[submodule "lib"]\n\tpath = vendor/lib\n\turl = ../lib.git\n'})


def answer(handler: BaseHTTPRequestHandler, folder: str) -> None:
    """Let git answer a request below `PREFIX`. Spec: RFC 3875, "The Common Gateway Interface"."""
    parts = urlsplit(handler.path)
    body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
    env = {
        "PATH": os.environ["PATH"],
        "GIT_PROJECT_ROOT": folder,
        "GIT_HTTP_EXPORT_ALL": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
        "GIT_PROTOCOL": handler.headers.get("Git-Protocol", ""),
        "PATH_INFO": "/" + parts.path.removeprefix(PREFIX),
        "QUERY_STRING": parts.query,
        "REQUEST_METHOD": handler.command,
        "CONTENT_TYPE": handler.headers.get("Content-Type", ""),
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_CONTENT_ENCODING": handler.headers.get("Content-Encoding", ""),
    }
    done = subprocess.run(["git", "http-backend"], env=env, input=body, capture_output=True, check=True)
    head, _, content = done.stdout.partition(b"\r\n\r\n")
    fields = [line.split(": ", 1) for line in head.decode("latin-1").split("\r\n")]
    status = next((int(value.split()[0]) for name, value in fields if name == "Status"), 200)
    handler.send_response(status)
    for name, value in fields:
        if name != "Status":
            handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content)
