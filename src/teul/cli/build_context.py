"""The context of a `build`: a folder, a tar, a URL, a repository, or what comes on stdin (a Dockerfile, or a tar)."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack, contextmanager

from teul.errors import InvalidInput, UsageError, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from teul.build.contexts import OpenedContext
    from teul.cli.context import Context
    from teul.engine.build import Secret


@contextmanager
def opened_context(
    path: str,
    dockerfile: str,
    context: Context,
    *,
    secrets: Mapping[str, Secret] | None = None,
    keep_git_dir: bool = False,
    progress: str = "quiet",
) -> Iterator[tuple[str, str, str | None, str]]:
    """The folder, the Dockerfile's path, its text when it has no path, and what a folder made here was made from.

    A folder made here is gone afterwards. `-f` names a file of the context where the context is not a folder, and a URL
    is fetched.

    Raises:
        UsageError: both from stdin. InvalidInput, SourceUnavailable: the context cannot be had.
    """
    if path == "-" and dockerfile == "-":
        raise UsageError(text("can't use stdin for both build context and dockerfile"), hint="teul build --help")
    with ExitStack() as stack:
        given: str | None = sys.stdin.read() if dockerfile == "-" else None
        if path != "-" and os.path.isdir(path):
            # Nothing of the rest is imported for the usual case.
            if not dockerfile.startswith(("http://", "https://")):
                yield path, "Dockerfile" if given is not None else dockerfile, given, ""
                return
            given = _fetched_dockerfile(dockerfile, stack, context, secrets, progress)
            yield path, "Dockerfile", given, ""
            return
        from teul.build.contexts import from_archive, from_stream, scratch
        from teul.build.sources import is_remote_context

        opened: OpenedContext
        if path == "-":
            opened = from_stream(sys.stdin.buffer, stack.enter_context(scratch(context.settings)))
        elif is_remote_context(path) and not os.path.exists(path):
            opened = _from_address(path, stack, context, secrets, progress, keep_git_dir)
        elif os.path.isfile(path):
            opened = from_archive(path, stack.enter_context(scratch(context.settings)))
        else:
            raise InvalidInput(text("unable to prepare context: path `{path}` not found", path=path))
        if given is None and opened.dockerfile_text is not None:
            given = opened.dockerfile_text
        if given is not None:
            yield opened.folder, "Dockerfile", given, opened.name
        else:
            yield opened.folder, _inside(opened.folder, dockerfile), None, opened.name


def _from_address(
    address: str,
    stack: ExitStack,
    context: Context,
    secrets: Mapping[str, Secret] | None,
    progress: str,
    keep_git_dir: bool = False,
) -> OpenedContext:
    from teul.build.contexts import from_address, scratch
    from teul.engine.build.inputs import open_remote_context

    folder = stack.enter_context(scratch(context.settings))
    sink = context.sink(progress)
    try:
        with open_remote_context(context.engine, secrets or {}, sink) as remote:
            return from_address(address, folder, remote, keep_git_dir=keep_git_dir)
    finally:
        sink.finish()


def _fetched_dockerfile(
    address: str, stack: ExitStack, context: Context, secrets: Mapping[str, Secret] | None, progress: str
) -> str:
    opened = _from_address(address, stack, context, secrets, progress)
    if opened.dockerfile_text is None:
        raise InvalidInput(text("failed to read dockerfile: `{path}` is no Dockerfile", path=opened.name))
    return opened.dockerfile_text


def _inside(folder: str, dockerfile: str) -> str:
    """The path of the Dockerfile of a context that came from elsewhere: never one outside of it."""
    from teul.build.tree import Tree

    tree = Tree(folder)
    return tree.absolute(tree.resolve(dockerfile or "Dockerfile"))
