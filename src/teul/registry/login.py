"""Credentials in Docker's `config.json` or its credential helper: written by `login`, taken away by `logout`.

Never printed, and the file is its owner's alone.
"""

from __future__ import annotations

import base64
import json
import os

from teul.errors import CommandFailed, HostLacks, InvalidDocument, text
from teul.host.fs import write_atomic
from teul.oci.reference import DEFAULT_DOMAIN
from teul.registry.auth import HELPER_TIMEOUT_S, HUB_KEY, Credentials

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

TOKEN_USER = "<token>"  # noqa: S105 (the name that stands for "no name")


def key_of(server: str) -> str:
    """The name of *server* in the file: Docker Hub's old address, else the host without scheme and path."""
    bare = server.removeprefix("https://").removeprefix("http://").rstrip("/")
    if bare.partition("/")[0] in ("", DEFAULT_DOMAIN, "index.docker.io", "registry-1.docker.io"):
        return HUB_KEY
    return bare.partition("/")[0]


def domain_of(server: str) -> str:
    """The registry's domain, as image names have it."""
    key = key_of(server)
    return DEFAULT_DOMAIN if key == HUB_KEY else key


def store(folder: str, server: str, credentials: Credentials, environ: Mapping[str, str]) -> str:
    """Keep *credentials* for *server*; returns the helper's name, "" when they are in the file.

    Raises:
        InvalidDocument: the file is not what docker writes. HostLacks, CommandFailed: of the helper.
    """
    document = _read(folder)
    key = key_of(server)
    helper = _helper(document, key)
    auths = document.setdefault("auths", {})
    if helper:
        _ask(helper, "store", _for_helper(key, credentials), environ)
        # Docker leaves an empty entry, by which tools see that there is a login.
        auths[key] = {}
    else:
        pair = f"{credentials.username}:{credentials.password}"
        auths[key] = {"auth": base64.b64encode(pair.encode()).decode()}
        if credentials.identity_token:
            auths[key]["identitytoken"] = credentials.identity_token
    _write(folder, document)
    return helper


def erase(folder: str, server: str, environ: Mapping[str, str]) -> bool:
    """Take away what is kept for *server*; False when there was nothing.

    Raises:
        As `store`.
    """
    document = _read(folder)
    key = key_of(server)
    helper = _helper(document, key)
    if helper:
        _ask(helper, "erase", key.encode(), environ)
    auths = document.get("auths")
    names = [key] if key == HUB_KEY else [key, f"https://{key}", f"http://{key}", f"https://{key}/"]
    gone = [name for name in names if isinstance(auths, dict) and auths.pop(name, None) is not None]
    if gone:
        _write(folder, document)
    return bool(gone) or bool(helper)


def _for_helper(key: str, credentials: Credentials) -> bytes:
    username = TOKEN_USER if credentials.identity_token else credentials.username
    secret = credentials.identity_token or credentials.password
    return json.dumps({"ServerURL": key, "Username": username, "Secret": secret}).encode()


def _helper(document: Mapping[str, Any], key: str) -> str:
    helpers = document.get("credHelpers")
    found = helpers.get(key) if isinstance(helpers, dict) else None
    return str(found or document.get("credsStore") or "")


def _ask(helper: str, verb: str, given: bytes, environ: Mapping[str, str]) -> None:
    from teul.host import process

    program = f"docker-credential-{helper}"
    if "/" in helper or process.find(program) is None:
        raise HostLacks(program, hint=text("install it, or remove `credsStore` from docker's config.json"))
    done = process.run([program, verb], stdin=given, env=environ, timeout_s=HELPER_TIMEOUT_S, check=False)
    if done.exit_code != 0 and not (verb == "erase" and b"not found" in (done.stdout + done.stderr).lower()):
        said = (done.stdout + done.stderr).decode(errors="replace").strip()
        raise CommandFailed(
            text(
                "`{program}` ended with exit code {exit_code}: {tail}",
                program=program, exit_code=done.exit_code, tail=said,
            ),
            argv=(program, verb),
            exit_code=done.exit_code,
        )  # fmt: skip


def _read(folder: str) -> dict[str, Any]:
    path = f"{folder}/config.json"
    try:
        with open(path, "rb") as file:
            value = json.loads(file.read() or b"{}")
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise InvalidDocument(path, text("expected JSON, got {problem}", problem=error)) from error
    if not isinstance(value, dict) or not isinstance(value.get("auths", {}), dict):
        raise InvalidDocument(path, text("expected an object, got {kind}", kind=type(value).__name__))
    return value


def _write(folder: str, document: Mapping[str, Any]) -> None:
    os.makedirs(folder, mode=0o700, exist_ok=True)
    path = os.path.realpath(f"{folder}/config.json")
    write_atomic(path, json.dumps(document, indent="\t").encode() + b"\n", mode=0o600)
