"""`teul cp`: files between a container and the host, with Docker's rules for what goes where; `-` is a tar stream."""

from __future__ import annotations

import os
import posixpath
import sys
import threading

from teul.cli.flags import Flag
from teul.errors import Denied, InvalidInput, NotFound, TeulError, UsageError, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO

    from teul.cli.context import Context
    from teul.cli.flags import Arguments
    from teul.engine.containers.copying import Tree

USAGE = "[OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-  or  [OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH"
FLAGS = (
    Flag("archive", "a", "bool", help="Archive mode (copy all uid/gid information)"),
    Flag("follow-link", "L", "bool", help="Always follow symbol link in SRC_PATH"),
    Flag(
        "quiet",
        "q",
        "bool",
        help="Suppress progress output during copy. Progress output is suppressed without a terminal",
    ),
)


def run(arguments: Arguments, context: Context) -> int:
    from teul.cli.positionals import expect

    source, destination = expect(arguments, "cp", exactly=2)
    from_container, source_path = split(source)
    to_container, destination_path = split(destination)
    if from_container and to_container:
        raise InvalidInput(text("copying between containers is not supported"))
    if not from_container and not to_container:
        raise UsageError(
            text("must specify at least one container source"), hint=text("teul {command} --help", command="cp")
        )
    try:
        if from_container:
            count = _out(arguments, context, from_container, source_path, destination_path)
        else:
            count = _into(arguments, context, source_path, to_container, destination_path)
    except OSError as error:
        if error.errno == 30:
            raise Denied(text("the destination is read-only: {path}", path=destination)) from error
        if error.errno in (28, 122):
            raise
        raise InvalidInput(
            text("file `{path}`: {problem}", path=error.filename or destination, problem=error.strerror)
        ) from error
    if "-" not in (source_path, destination_path) and not arguments.flag("quiet") and context.stderr.isatty():
        from teul.cli.units import human_size

        context.say(text("Successfully copied {size} to {path}", size=human_size(count), path=destination))
    return 0


def split(word: str) -> tuple[str, str]:
    """(container, path) of `NAME:PATH`; ("", path) of a path of this machine (`./with:colon`, `/a:b`)."""
    name, colon, path = word.partition(":")
    if not colon or name.startswith((".", "/")) or "/" in name or not name:
        return "", word
    return name, path or "/"


def _out(arguments: Arguments, context: Context, name: str, path: str, destination: str) -> int:
    from teul.engine.containers import copying

    path = _absolute(path)
    follows = arguments.flag("follow-link")
    with copying.tree_of(context.engine, name) as (_, tree):
        if destination == "-":
            context.stdout.flush()
            if os.isatty(1):
                raise InvalidInput(text("cowardly refusing to save to a terminal. Use the -o flag or redirect"))
            copying.pack(tree, path, sys.stdout.buffer, follows=follows)
            sys.stdout.buffer.flush()
            return 0
        owner = None if arguments.flag("archive") else (os.geteuid(), os.getegid())
        here = copying.Tree("/", "", owner)
        wants = "/" if destination.endswith("/") else ""
        local = os.path.abspath(destination) + wants
        is_folder = copying.kind_of(tree, path, follows=follows or path.endswith(("/", "/."))) == "folder"
        parent = posixpath.dirname(local.rstrip("/")) or "/"
        if not os.path.isdir(parent):
            raise InvalidInput(text('invalid output path: directory "{path}" does not exist', path=parent))
        return _copy(tree, path, here, local, is_folder=is_folder, follows=follows)


def _into(arguments: Arguments, context: Context, source: str, name: str, path: str) -> int:
    from teul.engine.containers import copying

    path = _absolute(path)
    follows = arguments.flag("follow-link")
    if source != "-" and not os.path.lexists(source.rstrip("/") or "/"):
        raise NotFound(text("lstat {path}: no such file or directory", path=source))
    with copying.tree_of(context.engine, name, takes_owner=arguments.flag("archive")) as (container, tree):
        if container.readonly and not container.is_running and not _is_in_mount(path, container.mounts):
            raise Denied(text("container rootfs is marked read-only"))
        if source == "-":
            if copying.kind_of(tree, path) != "folder":
                raise InvalidInput(text('destination "{path}" must be a directory', path=f"{name}:{path}"))
            copying.unpack(sys.stdin.buffer, tree, path)
            return 0
        tail = "/." if source.endswith("/.") else "/" if source.endswith("/") else ""
        local = os.path.abspath(source) + tail
        is_folder = os.path.isdir(local) and (follows or bool(tail) or not os.path.islink(local))
        return _copy(copying.HOST, local, tree, path, is_folder=is_folder, follows=follows)


def _copy(source: Tree, path: str, target: Tree, destination: str, *, is_folder: bool, follows: bool) -> int:
    """Copy, by Docker's table of what goes where; returns how many bytes the stream had."""
    from teul.engine.containers import copying

    is_contents = path.endswith("/.")
    if not is_folder and not copying.kind_of(source, path.rstrip("/") or "/", follows=follows):
        raise copying.missing(source, path)
    there = copying.kind_of(target, destination)
    if there == "folder":
        packed = "." if is_contents else posixpath.basename(posixpath.normpath(path)) or "."
        return _stream(source, path, target, destination, packed=packed, follows=follows)
    if destination.endswith(("/", "/.")) and not (is_folder and not there):
        raise InvalidInput(text("no such directory") if not there else text("not a directory"))
    if there == "file" and is_folder:
        raise InvalidInput(text("cannot copy directory"))
    place = copying.target_of(target, destination.rstrip("/"))
    folder, name = posixpath.split(place)
    return _stream(source, path, target, folder or "/", packed=name, follows=follows)


def _stream(source: Tree, path: str, target: Tree, folder: str, *, packed: str, follows: bool) -> int:
    from teul.engine.containers import copying

    read_end, write_end = os.pipe()
    failed: list[BaseException] = []
    counted = [0]

    def send() -> None:
        with os.fdopen(write_end, "wb") as output:
            try:
                copying.pack(source, path, _Counting(output, counted), name=packed, follows=follows)  # type: ignore[arg-type]
            except BrokenPipeError:
                pass
            except (TeulError, OSError) as error:
                failed.append(error)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        with os.fdopen(read_end, "rb") as stream:
            try:
                copying.unpack(stream, target, folder)
            except TeulError:
                if failed:
                    raise failed[0] from None
                raise
            while stream.read(1 << 20):
                pass
    finally:
        thread.join()
    if failed:
        raise failed[0]
    return counted[0]


class _Counting:
    def __init__(self, output: IO[bytes], counted: list[int]) -> None:
        self._output = output
        self._counted = counted

    def write(self, data: bytes) -> int:
        self._counted[0] += len(data)
        return self._output.write(data)


def _absolute(path: str) -> str:
    """A container's path from its root, with the `/` or `/.` that it ends with."""
    tail = "/." if path.endswith("/.") or path == "." else "/" if path.endswith("/") else ""
    bare = posixpath.normpath("/" + path.lstrip("/")).rstrip("/")
    return (bare + tail) or "/"


def _is_in_mount(path: str, mounts: tuple[object, ...]) -> bool:
    targets = [str(getattr(mount, "target", "")) for mount in mounts]
    return any(path == target or path.startswith(target + "/") for target in targets)
