"""What a build reads: its Dockerfile, its contexts, its secrets."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager

from teul.build.dockerfile.lower import NamedContext
from teul.build.dockerfile.parser import parse
from teul.build.dockerignore import IgnoreMatcher, read_ignore_file
from teul.build.sources import is_remote_context
from teul.build.tree import Tree
from teul.engine.build.locking import lock_path
from teul.errors import DockerfileError, InvalidInput, Span, text
from teul.events import Warn, silent
from teul.state.cache import file_digests

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from teul.build.dockerfile.parser import Dockerfile
    from teul.build.remote import RemoteSources
    from teul.engine import Engine
    from teul.engine.build import BuildOptions, Secret
    from teul.events import Sink
    from teul.solver import Cache

SECRET_LIMIT_BYTES = 500 << 10
"""As BuildKit's."""
CONTEXT_UMASK = 0o022
"""What a copy from a context never takes, unless the build is not to be normalised: write bits of group and others."""


def named_contexts(given: Mapping[str, str], fetch: Callable[[str, str], str]) -> dict[str, NamedContext]:
    """`--build-context NAME=…`; *fetch* makes a folder of a URL or a repository (the name, the address).

    Raises:
        InvalidInput: no such folder, or a scheme that means nothing.
    """
    made: dict[str, NamedContext] = {}
    for name, value in given.items():
        scheme, separator, rest = value.partition("://")
        if scheme == "docker-image" and separator:
            made[name] = NamedContext(kind="image", value=rest)
        elif scheme == "oci-layout" and separator:
            made[name] = NamedContext(kind="layout", value=rest)
        elif is_remote_context(value):
            made[name] = NamedContext(kind="folder", value=fetch(name, value))
        elif separator and scheme not in ("file", "local"):
            raise InvalidInput(
                text("build context `{name}`: unsupported scheme `{scheme}`", name=name, scheme=scheme),
                hint=text("--build-context {name}=PATH, docker-image://IMAGE, oci-layout://PATH or a URL", name=name),
            )
        else:
            path = os.path.abspath(rest if separator else value)
            if not os.path.isdir(path):
                raise InvalidInput(text("build context `{name}`: no folder `{path}`", name=name, path=path))
            made[name] = NamedContext(kind="folder", value=path)
    return made


def read_dockerfile(options: BuildOptions) -> tuple[Dockerfile, IgnoreMatcher, str]:
    """The Dockerfile; what the context hides: `<Dockerfile>.dockerignore` first, then `.dockerignore`; and its text."""
    path, shown, source = read_source(options)
    context = os.path.abspath(options.context)
    more = (*options.exclude, *_own_files(options, context))
    hidden = _ignore(path, context, more, is_foreign=bool(options.context_name))
    return parse(source, shown), hidden, source


def _own_files(options: BuildOptions, context: str) -> tuple[str, ...]:
    """The lock, where it lies in the context: it says what came of the build, and is no input of a COPY."""
    path = lock_path(options)
    return (path.removeprefix(f"{context}/"),) if path.startswith(f"{context}/") else ()


def read_source(options: BuildOptions) -> tuple[str, str, str]:
    """The Dockerfile's path, as it is shown, and its text."""
    context = os.path.abspath(options.context)
    if not os.path.isdir(context):
        raise InvalidInput(text("unable to prepare context: path `{path}` not found", path=options.context))
    path = options.dockerfile or f"{context}/Dockerfile"
    # Docker takes a path as it stands, or as it would stand in the context.
    if options.dockerfile_text is None and not os.path.isfile(path) and os.path.isfile(f"{context}/{path}"):
        path = f"{context}/{path}"
    source = options.dockerfile_text
    if source is None:
        try:
            _expect_file(path, context)
            with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
                source = file.read()
        except IsADirectoryError as error:
            name = path.removeprefix(f"{context}/") if options.context_name else path
            raise DockerfileError(
                text("failed to read dockerfile: `{path}` is a folder", path=name),
                span=None,
                hint=text("-f {path}", path=f"{name}/Dockerfile") if os.path.isfile(f"{path}/Dockerfile") else None,
            ) from error
        except PermissionError as error:
            raise InvalidInput(text("cannot read `{path}`: {problem}", path=path, problem=error.strerror)) from error
        except (FileNotFoundError, NotADirectoryError) as error:
            name = path.removeprefix(f"{context}/") if options.context_name else path
            raise _no_dockerfile(path, name) from error
    if options.context_name:
        # The folder is gone when the message is read.
        return path, path.removeprefix(f"{context}/"), source
    shown = os.path.relpath(path) if path.startswith(os.getcwd() + "/") else path
    return path, shown, source


def _expect_file(path: str, context: str) -> None:
    """Refuse a pipe or a device that came with the context: reading one may never end. `-f <(command)` is a pipe too.

    Raises:
        InvalidInput. FileNotFoundError, NotADirectoryError: nothing is there.
    """
    if path.startswith(f"{context}/") and stat.S_IFMT(os.stat(path).st_mode) not in (stat.S_IFREG, stat.S_IFDIR):
        raise InvalidInput(text("`{path}`: expected a file", path=path.removeprefix(f"{context}/")))


def _no_dockerfile(path: str, name: str) -> DockerfileError:
    hint = None
    try:
        folder = os.path.dirname(path) or "."
        near = [
            name
            for name in sorted(os.listdir(folder))
            if "dockerfile" in name.lower()
            and os.path.isfile(f"{folder}/{name}")
            and not name.endswith(".dockerignore")
        ]
    except OSError:
        near = []
    if near:
        hint = text("-f {path}", path=os.path.join(os.path.dirname(name), near[0]))
    return DockerfileError(text("failed to read dockerfile: `{path}` not found", path=name), span=None, hint=hint)


def _ignore(dockerfile: str, context: str, more: tuple[str, ...] = (), *, is_foreign: bool = False) -> IgnoreMatcher:
    for path in (f"{dockerfile}.dockerignore", f"{context}/.dockerignore"):
        if is_foreign:
            # Links of a context that came from elsewhere end inside of it.
            tree = Tree(context)
            path = tree.absolute(tree.resolve(path.removeprefix(f"{context}/")))
        try:
            _expect_file(path, context)
            with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
                source = file.read()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            continue
        except PermissionError as error:
            raise InvalidInput(text("cannot read `{path}`: {problem}", path=path, problem=error.strerror)) from error
        try:
            return IgnoreMatcher((*read_ignore_file(source), *more))
        except InvalidInput as error:
            for number, line in enumerate(source.split("\n"), start=1):
                if line.strip() and _is_bad(line):
                    line = line.rstrip("\r")
                    raise DockerfileError(
                        error.message,
                        span=Span(path, number, column=1, end_column=len(line) + 1, source=line),
                        hint=text("* and ? match within a name, ** any folders, [a-z] one of several characters"),
                    ) from error
            raise
    return IgnoreMatcher(more)


def _is_bad(line: str) -> bool:
    try:
        IgnoreMatcher(read_ignore_file(line))
    except InvalidInput:
        return True
    return False


def open_trees(
    engine: Engine, options: BuildOptions, contexts: Mapping[str, NamedContext], ignore: IgnoreMatcher
) -> dict[str, Tree]:
    umask = CONTEXT_UMASK if options.normalise else 0
    made = {"context": Tree(os.path.realpath(options.context), ignore, umask=umask)}
    if options.context_name:
        made["context"].name = options.context_name
    for name, context in contexts.items():
        if context.kind == "folder":
            made[name] = Tree(os.path.realpath(context.value), _ignore("", context.value), umask=umask)
    for tree in made.values():
        tree.known = file_digests(engine.db, tree.root)
    return made


def read_secrets(given: Mapping[str, Secret], environ: Mapping[str, str], events: Sink = silent) -> dict[str, bytes]:
    """The secrets by id. One whose variable is not set is empty, as with Docker.

    Raises:
        InvalidInput: a file that cannot be read, or is too large.
    """
    made: dict[str, bytes] = {}
    for name, secret in given.items():
        if secret.path:
            try:
                with open(secret.path, "rb") as file:
                    made[name] = file.read(SECRET_LIMIT_BYTES + 1)
            except OSError as error:
                raise InvalidInput(
                    text(
                        "secret `{id}`: cannot read `{path}`: {problem}",
                        id=name,
                        path=secret.path,
                        problem=error.strerror,
                    )
                ) from error
            if len(made[name]) > SECRET_LIMIT_BYTES:
                raise InvalidInput(
                    text("secret `{id}`: expected at most {limit} bytes", id=name, limit=SECRET_LIMIT_BYTES)
                )
            continue
        if secret.env not in environ:
            message = text("secret `{id}` is empty: variable `{name}` is not set", id=name, name=secret.env)
            events(Warn("", "empty-secret", message))
        made[name] = environ.get(secret.env, "").encode("utf-8", "surrogateescape")
    return made


def open_remote(
    engine: Engine,
    memory: Cache | None,
    hold: Callable[[str, str], None],
    secrets: Mapping[str, bytes],
    events: Sink,
    *,
    ssh_socket: Callable[[], str],
) -> RemoteSources:
    """What fetches the URLs and repositories of one build; it opens no connection before it is asked to.

    *ssh_socket* gives the agent that git may use, "" for none.
    """
    from teul.build.fetching import Fetcher
    from teul.build.git import GitAccess
    from teul.build.remote import RemoteSources

    environ = engine.settings.environ or {}
    fetcher = Fetcher(store=engine.store, memory=memory, hold=hold, environ=environ, secrets=secrets, events=events)
    access = GitAccess(environ=environ, secrets=secrets, ssh_socket=ssh_socket)
    return RemoteSources(fetcher, access, events=events)


@contextmanager
def open_remote_context(engine: Engine, secrets: Mapping[str, Secret], events: Sink | None) -> Iterator[RemoteSources]:
    """As `open_remote`, before there is a build: for its context."""
    from teul.events import silent
    from teul.state.cache import SolverCache
    from teul.state.leases import lease

    values = read_secrets(secrets, engine.settings.environ or {})
    with lease(engine.db) as held:
        # The caller names the repository, so it is got as the caller's own git would get it.
        agent = (engine.settings.environ or {}).get("SSH_AUTH_SOCK", "")
        memory = SolverCache(engine.db)
        remote = open_remote(engine, memory, held.add, values, events or silent, ssh_socket=lambda: agent)
        try:
            yield remote
        finally:
            remote.close()
