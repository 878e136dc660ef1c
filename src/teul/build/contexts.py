"""Build contexts that are no folder: a tar (file or stream), a URL of a tar or of a Dockerfile, a git repository.

Each becomes a folder of its own on the state folder's disk, which is gone when the build ends; the folders of builders
that were killed are removed by the next one.
"""

from __future__ import annotations

import os
from contextlib import contextmanager

from teul.build.sources import is_git, is_http, parse_git, parse_http, without_password
from teul.errors import InvalidInput, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from dataclasses import dataclass
    from typing import IO

    from teul.build.remote import RemoteSources
    from teul.config import Settings
else:
    from teul.values import dataclass

CHUNK_BYTES = 1 << 20
DOCKERFILE_LIMIT_BYTES = 16 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedContext:
    """A folder, or only a Dockerfile (`dockerfile_text`; the folder is empty then)."""

    folder: str
    dockerfile_text: str | None = None
    name: str = ""
    """What was asked for, when the folder is one that was made for it."""


@contextmanager
def scratch(settings: Settings) -> Iterator[str]:
    """A folder for the length of the block; what killed builders left is removed first."""
    from teul.build.execute import scratch_folder
    from teul.host.fs import remove_tree

    place = scratch_folder(settings)
    os.makedirs(settings.root, mode=0o711, exist_ok=True)
    os.makedirs(place, mode=0o700, exist_ok=True)
    for name in os.listdir(place):
        kind, _, rest = name.partition("-")
        pid, _, started = rest.partition(".")
        if kind == "context" and not (pid.isdigit() and _started(int(pid)) == started.partition(".")[2]):
            remove_tree(f"{place}/{name}")
    made = f"{place}/context-{os.getpid()}.{os.urandom(4).hex()}.{_started(os.getpid())}"
    os.mkdir(made, 0o700)
    try:
        yield made
    finally:
        remove_tree(made)


def _started(pid: int) -> str:
    from teul.state.leases import process_start

    return process_start(pid).replace("/", "-")


def from_stream(stream: IO[bytes], folder: str) -> OpenedContext:
    """What comes on stdin: a tar, compressed or not, else a Dockerfile. *folder* is empty and takes the files."""
    given = f"{folder}/given"
    with open(given, "xb") as file:
        while data := stream.read(CHUNK_BYTES):
            file.write(data)
    return _from_file(given, folder, name="-")


def from_archive(path: str, folder: str) -> OpenedContext:
    """A tar that is a file.

    Raises:
        InvalidInput: it is none.
    """
    made = _from_file(path, folder, name=path)
    if made.dockerfile_text is not None:
        raise InvalidInput(
            text("unable to prepare context: `{path}` is neither a folder nor a tar", path=path),
            hint=text("teul build -f {path} FOLDER", path=path),
        )
    return made


def from_address(address: str, folder: str, remote: RemoteSources, *, keep_git_dir: bool = False) -> OpenedContext:
    """A URL of a tar or a Dockerfile, or a repository.

    Raises:
        InvalidInput, SourceUnavailable, HostLacks: it cannot be had.
    """
    if address.startswith("github.com/"):
        address = "https://" + address
        if not is_git(address):
            head, hashed, fragment = address.partition("#")
            address = f"{head.rstrip('/')}.git{hashed}{fragment}"
    if is_git(address):
        source = parse_git(address, keep_git_dir=keep_git_dir)
        return OpenedContext(folder=remote.checkout(source, f"{folder}/checkout"), name=source.shown)
    if not is_http(address):
        raise InvalidInput(text("unable to prepare context: path `{path}` not found", path=address))
    found = remote.fetch(parse_http(address))
    given = f"{folder}/given"
    with open(given, "xb") as file:
        for chunk in remote.chunks(found):
            file.write(chunk)
    return _from_file(given, folder, name=without_password(address))


def _from_file(path: str, folder: str, *, name: str) -> OpenedContext:
    from teul.build.copying import Copier
    from teul.build.unpacking import open_archive, unpack

    tree = f"{folder}/tree"
    os.mkdir(tree, 0o755)
    os.chmod(tree, 0o755)
    archive = open_archive(path)
    if archive is not None:
        with archive:
            archive.name = name
            unpack(archive, Copier(tree), "/", owner=(os.geteuid(), os.getegid()))
        return OpenedContext(folder=tree, name=name)
    if os.path.getsize(path) > DOCKERFILE_LIMIT_BYTES:
        raise InvalidInput(text("context `{name}`: expected a tar or a Dockerfile, got something else", name=name))
    with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
        content = file.read()
    if "\0" in content:
        raise InvalidInput(text("context `{name}`: expected a tar or a Dockerfile, got something else", name=name))
    return OpenedContext(folder=tree, dockerfile_text=content, name=name)
