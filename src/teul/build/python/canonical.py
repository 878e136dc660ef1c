"""Bytecode that a command wrote, in the form in which the direct way writes it: one source, one `.pyc`.

What pip, `compileall` or a first import leave differs from process to process (see `teul.build.python.bytecode`). After
a RUN the stage's own interpreter reads and writes what is new once more. A `.pyc` that it does not understand, and one
of an interpreter that is not there, stays as it is. Must run after times and headers have been made constant.
"""

from __future__ import annotations

import os
import re
import stat
from collections import defaultdict

from teul.build.python.bytecode import CHUNK_FILES, FILE_LIMIT_BYTES, HEADER_BYTES, MADE, SCRIPT
from teul.build.python.interpreter import find_program
from teul.errors import NoInterpreter
from teul.host.fs import remove_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from teul.build.tree import Tree

_NAME = re.compile(r"[^/]+\.cpython-(?P<major>3)(?P<minor>\d+)\.pyc")
_PREFIX = re.compile(r"(?P<prefix>/.*)?/lib(?:64)?/python3(?:\.\d+)?/")
WORKERS = 8


def find(upper: str, tree: Tree, env: Mapping[str, str]) -> dict[str, list[str]]:
    """The new bytecode in *upper* by the interpreter of the whole *tree* that writes it; PATH of *env* finds one where
    no better one is known.
    """
    groups: dict[str, list[str]] = defaultdict(list)
    programs: dict[tuple[str, str], str] = {}
    for path in _new(upper):
        found = _NAME.fullmatch(os.path.basename(path))
        if found:
            place = _PREFIX.match(path)
            which = f"{found['major']}.{found['minor']}", (place["prefix"] or "") if place else ""
            if which not in programs:
                programs[which] = _interpreter(tree, *which, env)
            if programs[which]:
                groups[programs[which]].append(path)
    return dict(sorted(groups.items()))


def canonicalise(
    upper: str, groups: Mapping[str, Sequence[str]], scratch: str, *, run: Callable[[Sequence[str], int, str], int]
) -> int:
    """Rewrite what `find` found; returns the number of files that changed.

    Args:
        scratch: a folder that is not there yet; gone afterwards.
        run: runs a command in the tree, read-only, with a descriptor as stdin and a folder of this host at `MADE`;
            gives its exit code.
    """
    changed = 0
    for program, paths in groups.items():
        os.mkdir(scratch, 0o700)
        try:
            if _ask(program, paths, scratch, run) == 0:
                changed += sum(_take(upper, f"{scratch}/{name}", set(paths)) for name in os.listdir(scratch))
        finally:
            remove_tree(scratch)
    return changed


def _ask(program: str, paths: Sequence[str], scratch: str, run: Callable[[Sequence[str], int, str], int]) -> int:
    count = str(min(WORKERS, os.cpu_count() or 1))
    args = (program, "-S", "-s", "-B", "-c", SCRIPT, "", MADE, "", "again", count)
    descriptor = os.memfd_create("teul-bytecode", os.MFD_CLOEXEC)
    try:
        for start in range(0, len(paths), CHUNK_FILES):
            chunk = paths[start : start + CHUNK_FILES]
            line = os.fsencode(f"{len(chunk)}\tagain\t" + "\t".join(chunk) + "\n")
            while line:
                line = line[os.write(descriptor, line) :]
        os.lseek(descriptor, 0, os.SEEK_SET)
        return run(args, descriptor, scratch)
    finally:
        os.close(descriptor)


def _new(upper: str) -> Iterator[str]:
    """The plain `.pyc` files of *upper*, as paths in the tree, sorted."""
    for folder, folders, files in os.walk(upper):
        folders.sort()
        if os.path.basename(folder) != "__pycache__":
            continue
        for name in sorted(files):
            whole = f"{folder}/{name}"
            if name.endswith(".pyc") and not {"\t", "\n"} & set(whole):
                status = os.lstat(whole)
                if stat.S_ISREG(status.st_mode) and HEADER_BYTES < status.st_size <= FILE_LIMIT_BYTES:
                    yield whole.removeprefix(upper)


def _interpreter(tree: Tree, version: str, prefix: str, env: Mapping[str, str]) -> str:
    """The program that wrote the bytecode, as far as its place tells; "" when there is none of that version."""
    candidates = [f"{folder}/bin/python{version}" for folder in (prefix, "/usr/local", "/usr")]
    for name in (*candidates, f"python{version}"):
        try:
            return find_program(tree, name, env)
        except NoInterpreter:
            try:
                # A virtual environment has links; the one that they lead to is as good.
                real = tree.resolve(name) if name.startswith("/") else ""
                if real and real != name:
                    return find_program(tree, real, env)
            except (NoInterpreter, OSError):
                continue
    return ""


def _take(upper: str, made: str, known: set[str]) -> bool:
    """Put what the interpreter wrote in the place that it names."""
    descriptor = os.open(made, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return False
        path, _, data = file.read(FILE_LIMIT_BYTES).partition(b"\0")
    name = os.fsdecode(path)
    if name not in known:
        return False
    target = os.open(upper + name, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        status = os.fstat(target)
        if os.read(target, HEADER_BYTES) != data[:HEADER_BYTES]:
            return False
        rest = memoryview(data)
        os.ftruncate(target, 0)
        os.lseek(target, 0, os.SEEK_SET)
        while rest:
            rest = rest[os.write(target, rest) :]
        os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
    finally:
        os.close(target)
    return True
