"""What is the same for Docker and for teul: the cases, their contexts and the words of `docker build`."""

from __future__ import annotations

import functools
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from corpus import base, context, repositories

HOME = Path(__file__).parent / "cases"
RECORDED = "docker26.json"
TWIN = "Dockerfile.docker26"
"""Says in Docker 26's language what the Dockerfile says in a newer one; Docker builds it instead."""


@dataclass(frozen=True)
class Case:
    """One folder of `cases`.

    `options.json` may have: `arguments` (words for `docker build`), `needs` (`pip`), `scratch` (nothing of the base is
    in the image), `secret` (the id of one), `named` (two named contexts are given), `server` (files and
    repositories come over HTTP).
    """

    name: str
    options: dict[str, Any]

    @property
    def folder(self) -> Path:
        return HOME / self.name

    @property
    def recorded(self) -> dict[str, Any]:
        with open(self.folder / RECORDED) as file:
            made: dict[str, Any] = json.load(file)
        return made

    def why_not(self) -> str:
        return (
            "Debian's pip is not on this host" if "pip" in self.options.get("needs", ()) and not base.has_pip() else ""
        )


@functools.cache
def cases() -> tuple[Case, ...]:
    made = []
    for name in sorted(os.listdir(HOME)):
        path = HOME / name / "options.json"
        made.append(Case(name, json.loads(path.read_text()) if path.exists() else {}))
    return tuple(made)


class Surroundings:
    """The files that builds read, under one folder."""

    def __init__(self, folder: str, server: str) -> None:
        self.folder = folder
        self.server = server

    def arguments(self, case: Case, dockerfile: str) -> list[str]:
        """The words after `build`, tags and places of output aside."""
        words = ["-f", dockerfile, "--network=none", *case.options.get("arguments", ())]
        if secret := case.options.get("secret"):
            words.append(f"--secret=id={secret},src={self.folder}/secret")
        if case.options.get("named"):
            words.append(f"--build-context=more={self.folder}/more")
            words.append(f"--build-context=renamed=docker-image://{base.NAME}")
        if case.options.get("server"):
            words.append(f"--build-arg=SERVER={self.server}")
        return [*words, f"{self.folder}/context"]


class _Quiet(SimpleHTTPRequestHandler):
    """Serves the context's files, and repositories below `/git/`."""

    def __init__(self, *arguments: Any, repositories_at: str, **options: Any) -> None:
        self._repositories = repositories_at
        super().__init__(*arguments, **options)

    def do_GET(self) -> None:
        if self.path.startswith(repositories.PREFIX):
            repositories.answer(self, self._repositories)
        else:
            super().do_GET()

    def do_POST(self) -> None:
        repositories.answer(self, self._repositories)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def surroundings(folder: str) -> Iterator[Surroundings]:
    """Fill *folder*, and serve the context's files over HTTP meanwhile."""
    before = os.umask(0o022)
    try:
        os.makedirs(f"{folder}/context")
        os.makedirs(f"{folder}/more")
        context.write(f"{folder}/context")
        Path(f"{folder}/more/a").write_text("another context\n")
        os.utime(f"{folder}/more/a", (context.TIME, context.TIME))
        Path(f"{folder}/secret").write_text("secret\n")
    finally:
        os.umask(before)
    repositories.make(Path(f"{folder}/git"))
    handler = functools.partial(_Quiet, directory=f"{folder}/context", repositories_at=f"{folder}/git")
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield Surroundings(folder, f"http://127.0.0.1:{server.server_address[1]}")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
