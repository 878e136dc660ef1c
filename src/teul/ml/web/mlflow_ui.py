"""MLflow's own web interface, unmodified, out of an installed `mlflow` wheel, at `/mlflow/`.

It asks for everything by relative addresses, so what it asks for below `/mlflow/` is answered as if it were asked
below `/`. Must not import `mlflow`: only its built pages are read.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping

ROOT = "/mlflow"
INSIDE = "mlflow/server/js/build"
KINDS = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
    ".ttf": "font/ttf",
    ".wasm": "application/wasm",
    ".map": "application/json",
}
POLICY = "frame-ancestors 'self'; base-uri 'self'; object-src 'none'"
"""Its pages build styles and scripts as they run; what must hold is that nobody else frames them."""


def find(environ: Mapping[str, str]) -> str:
    """The folder of the built pages: of the active environment, of the `mlflow` on PATH, of our own; or ""."""
    for site in _sites(environ):
        folder = f"{site}/{INSIDE}"
        if os.path.isfile(f"{folder}/index.html"):
            return folder
    return ""


def _sites(environ: Mapping[str, str]) -> Iterator[str]:
    program = shutil.which("mlflow", path=environ.get("PATH", ""))
    # The script of a virtual environment, or a link to one.
    prefixes = [environ.get("VIRTUAL_ENV", ""), environ.get("CONDA_PREFIX", "")]
    prefixes += [os.path.dirname(os.path.dirname(os.path.realpath(program)))] if program else []
    for prefix in filter(None, prefixes):
        lib = f"{prefix}/lib"
        for name in sorted(os.listdir(lib), reverse=True) if os.path.isdir(lib) else ():
            if re.fullmatch(r"python3\.\d+", name):
                yield f"{lib}/{name}/site-packages"
    yield from filter(None, sys.path)


def read(folder: str, path: str) -> tuple[str, bytes] | None:
    """The type and the bytes of *path* below `/mlflow/`; None when the interface has no such file."""
    if path in ("", "index.html"):
        inside = "index.html"
    elif path.startswith("static-files/"):
        inside = path.removeprefix("static-files/")
    else:
        return None
    whole = os.path.normpath(f"{folder}/{inside}")
    kind = KINDS.get(os.path.splitext(whole)[1])
    if kind is None or not whole.startswith(f"{folder}/") or not os.path.isfile(whole):
        return None
    with open(whole, "rb") as file:
        return kind, file.read()
