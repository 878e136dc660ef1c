"""The context of a `build`: a folder, or what comes on stdin (a Dockerfile, or a tar)."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager

from teul.errors import OptionUnsupported, UsageError, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from teul.cli.context import Context


@contextmanager
def opened_context(path: str, dockerfile: str, context: Context) -> Iterator[tuple[str, str, str | None]]:
    """The folder, the Dockerfile's path, and its text when it came on stdin; a folder made here is gone afterwards.

    Raises:
        OptionUnsupported: a git repository or a URL.
    """
    if path != "-":
        if path.startswith(("http://", "https://", "git@", "git://", "ssh://")) and not os.path.exists(path):
            raise OptionUnsupported(f"build {path}", hint=text("fetch it into a folder first"))
        if dockerfile == "-":
            yield path, "Dockerfile", sys.stdin.read()
        else:
            yield path, dockerfile, None
        return
    if dockerfile == "-":
        raise UsageError(text("can't use stdin for both build context and dockerfile"), hint="teul build --help")
    import tempfile

    from teul.build.unpacking import open_archive, unpack

    os.makedirs(context.settings.root, mode=0o711, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="context-", dir=context.settings.root) as folder:
        given = f"{folder}/stdin"
        with open(given, "wb") as file:
            while True:
                data = sys.stdin.buffer.read(1 << 20)
                if not data:
                    break
                file.write(data)
        archive = open_archive(given)
        if archive is None:
            os.mkdir(f"{folder}/empty")
            with open(given, encoding="utf-8", errors="surrogateescape", newline="") as file:
                content = file.read()
            yield f"{folder}/empty", "Dockerfile", content
            return
        from teul.build.copying import Copier

        os.mkdir(f"{folder}/tree")
        with archive:
            unpack(archive, Copier(f"{folder}/tree"), "/", owner=(os.geteuid(), os.getegid()))
        yield f"{folder}/tree", dockerfile, None
