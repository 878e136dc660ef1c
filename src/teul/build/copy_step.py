"""COPY, ADD and WORKDIR in a tree: what they read, what is missing, and doing them. Knows no layers."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack

from teul.build import ops
from teul.build.tree import Tree
from teul.errors import DockerfileError, InvalidInput, text
from teul.events import Warn
from teul.solver.graph import digest_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from teul.build.execute import BuildWorker
    from teul.solver import Task
    from teul.solver.graph import Result, Vertex

LARGE_COPY_BYTES = 1 << 30


def inspect_sources(worker: BuildWorker, vertex: Vertex, op: ops.Copy, tree: Tree) -> dict[str, str]:
    """The digests of what *op* takes from *tree*, by path."""
    return tree.inspect(find_sources(worker, vertex, op, tree), _hidden(op))


def find_sources(worker: BuildWorker, vertex: Vertex, op: ops.Copy, tree: Tree) -> list[str]:
    """The paths in *tree* that *op* names.

    Raises:
        DockerfileError: one is not there.
    """
    paths: list[str] = []
    for source in op.sources:
        found = tree.select_parents(source) if op.parents else tree.select(source)
        if not found and not _is_pattern(source):
            where = (
                text("the context {path}", path=tree.name)
                if op.context
                else f"`{vertex.roles[1].removeprefix('from ')}`"
            )
            raise missing(worker, source, tree, where, vertex)
        paths += [path for _, path in found]
    return paths


def inspect_tree(
    worker: BuildWorker, vertex: Vertex, op: ops.Copy, source: Result, *, content: bool
) -> dict[str, str] | None:
    """As `inspect_sources`, for another stage's tree: remembered by that tree's digest."""
    key = tree_key(op, source)
    known = worker.cache.find(key)
    if known is not None:
        return dict(known["data"])
    if not content:
        return None
    with worker.viewed(source) as root:
        parts = inspect_sources(worker, vertex, op, Tree(root, owners=True))
    worker.cache.put(key, vertex.digest, "", {"digest": key, "data": parts})
    return parts


def tree_key(op: ops.Copy, source: Result) -> str:
    """What the parts that *op* finds in another stage's tree are remembered under."""
    return digest_of(["tree", source.digest, list(op.sources), list(op.excludes)])


def missing(worker: BuildWorker, source: str, tree: Tree, where: str, vertex: Vertex) -> DockerfileError:
    """The error about a *source* that *tree* has not got, with the reason or the nearest name."""
    from teul.build.dockerfile.reader import nearest

    pattern = tree.why_missing(source)
    hint = None
    if pattern:
        hint = text("`.dockerignore` excludes it with the pattern `{pattern}`", pattern=pattern)
    else:
        folder, _, name = source.rpartition("/")
        try:
            near = nearest(name, os.listdir(tree.absolute(tree.resolve(folder))))
        except OSError:
            near = ""
        if near:
            hint = text("did you mean `{name}`?", name=f"{folder.strip('/')}/{near}".lstrip("/"))
    node = worker.nodes.get(vertex.digest)
    return DockerfileError(
        text("`{source}` not found in {where}", source=source.lstrip("/") or "/", where=where),
        span=node.span(source.lstrip("/")) if node else None,
        hint=hint,
    )


def copy(worker: BuildWorker, op: ops.Copy, inputs: Sequence[Result], rootfs: str, vertex: Vertex, task: Task) -> None:
    """Do *op* in the tree *rootfs*."""
    from teul.build.copying import Copier, find_owner
    from teul.build.execute import scratch_folder
    from teul.events import Advance

    owner = find_owner(rootfs, op.chown) if op.chown else None
    told = time.monotonic()
    done = 0

    def on_file(size: int) -> None:
        nonlocal told, done
        done += size
        if time.monotonic() - told > 0.5:
            told = time.monotonic()
            task.events(Advance(task.id, done))

    with ExitStack() as stack:
        tree = (
            worker.contexts[op.context]
            if op.context
            else Tree(stack.enter_context(worker.viewed(inputs[1])), owners=True)
        )
        copier = Copier(
            rootfs,
            # Files of a context become root's; those of another stage keep their owner, as in BuildKit.
            owner=owner or ((0, 0) if op.context else None),
            made_owner=owner or (0, 0),
            chmod=op.chmod,
            hidden=_hidden(op),
            should_stop=task.should_stop,
            on_file=on_file,
        )
        destination = op.destination
        if op.parents:
            for source in op.sources:
                for pivot, path in tree.select_parents(source):
                    copier.place_with_parents(tree, pivot, path, destination)
            return
        selected = [list(tree.select(source)) for source in op.sources]
        chosen = [pair for pairs in selected for pair in pairs]
        if len(chosen) + len(op.inlines) + len(op.remotes) > 1 and not destination.endswith("/"):
            folders = [os.path.isdir(tree.absolute(path)) for _, path in chosen]
            if not all(folders) and not os.path.isdir(copier.tree.absolute(copier.tree.resolve(destination))):
                raise InvalidInput(
                    text(
                        "when using {keyword} with more than one source file, the destination must be a directory and end with a /",
                        keyword="ADD" if op.unpack else "COPY",
                    ),
                    hint=f"{'ADD' if op.unpack else 'COPY'} … {op.destination}/",
                )
        place = f"{scratch_folder(worker.settings)}/{os.path.basename(os.path.dirname(rootfs))}"
        for number in op.order or range(len(selected) + len(op.remotes)):
            if number < len(selected):
                for name, path in selected[number]:
                    _place(op, copier, tree, name, path, destination)
                continue
            assert worker.remote is not None
            remote = op.remotes[number - len(selected)]
            worker.remote.place(remote, op, copier, folder=place, should_stop=task.should_stop)
        for name, content in op.inlines:
            copier.write(
                name,
                content.encode("utf-8", "surrogateescape"),
                destination,
                mtime_ns=op.epoch * 10**9 if op.normalise else time.time_ns(),
            )
        if copier.copied.size_bytes > LARGE_COPY_BYTES:
            task.events(
                Warn(
                    task.id,
                    "large-copy",
                    text(
                        "copied {size:.1f} GB; the largest: {paths}",
                        size=copier.copied.size_bytes / 1e9,
                        paths=", ".join(_largest(tree, [path for _, path in chosen])),
                    ),
                )
            )


def _place(
    op: ops.Copy,
    copier: Any,
    tree: Tree,
    name: str,
    path: str,
    destination: str,
) -> None:
    if op.unpack and os.path.isfile(tree.absolute(path)):
        from teul.build.unpacking import open_archive, unpack

        archive = open_archive(tree.absolute(path))
        if archive is not None:
            with archive:
                unpack(archive, copier, destination)
            return
    copier.place(tree, path, name, destination)


def make_folder(op: ops.MakeFolder, rootfs: str) -> None:
    """WORKDIR: the folder, with those above it."""
    from teul.build.copying import Copier, find_owner

    owner = find_owner(rootfs, op.user) if op.user else (0, 0)
    copier = Copier(rootfs, made_owner=owner)
    copier.make_folder(copier.tree.resolve(op.path))


def _hidden(op: ops.Copy) -> Callable[[str], bool] | None:
    if not op.excludes:
        return None
    from teul.build.dockerignore import IgnoreMatcher

    return IgnoreMatcher(op.excludes).is_ignored


def _is_pattern(source: str) -> bool:
    from teul.build.dockerignore import has_wildcards

    return has_wildcards(source)


def _largest(tree: Tree, paths: Sequence[str]) -> list[str]:
    found = sorted(
        ((entry.status.st_size, entry.path) for path in paths for entry in tree.walk(path) if entry.is_file),
        reverse=True,
    )
    return [f"{path} ({size / 1e6:.0f} MB)" for size, path in found[:3]]
