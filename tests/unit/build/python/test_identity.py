"""Whatever could make an interpreter write other bytecode changes its identity, and nothing else does."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from teul.build.python.identity import home_of, identity_of
from teul.build.python.interpreter import tops_of
from teul.build.tree import Tree
from teul.errors import NoInterpreter

PYTHON = "/usr/local/bin/python3.11"
STANDARD = "usr/local/lib/python3.11"


def elf(*needed: str, interpreter: str = "", runpath: str = "") -> bytes:
    """A 64-bit ELF file with nothing in it but what the loader is told."""
    strings = b"\0"
    pairs = []
    for tag, word in [*((1, name) for name in needed), *([(29, runpath)] if runpath else [])]:
        pairs.append((tag, len(strings)))
        strings += word.encode() + b"\0"
    segments = [2] + ([3] if interpreter else [])
    at = 64 + 56 * (len(segments) + 1)
    dynamic = b"".join(struct.pack("<QQ", *pair) for pair in [*pairs, (5, 0x1000 + at), (0, 0)])
    loader = interpreter.encode() + b"\0"
    places = {2: (at + len(strings), len(dynamic)), 3: (at + len(strings) + len(dynamic), len(loader))}
    total = at + len(strings) + len(dynamic) + len(loader)
    headers = struct.pack("<IIQQQQQQ", 1, 5, 0, 0x1000, 0, total, total, 1)
    for kind in segments:
        offset, size = places[kind]
        headers += struct.pack("<IIQQQQQQ", kind, 4, offset, 0x1000 + offset, 0, size, size, 1)
    head = b"\x7fELF\x02\x01\x01" + bytes(9)
    head += struct.pack("<HHIQQQIHHHHHH", 3, 62, 1, 0, 64, 0, 0, 64, 56, len(segments) + 1, 0, 0, 0)
    return head + headers + strings + dynamic + loader


def cache(entries: dict[str, str]) -> bytes:
    """An `ld.so.cache`."""
    start = 48 + 24 * len(entries)
    rows, strings = b"", b""
    for name, place in entries.items():
        key = start + len(strings)
        strings += name.encode() + b"\0"
        rows += struct.pack("<iIIIQ", 3, key, start + len(strings), 0, 0)
        strings += place.encode() + b"\0"
    return b"glibc-ld.so.cache1.1" + struct.pack("<II", len(entries), len(strings)) + bytes(20) + rows + strings


def put(root: Path, path: str, content: bytes | str) -> None:
    place = root / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content.encode() if isinstance(content, str) else content)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    put(tmp_path, PYTHON[1:], elf("libpython3.11.so.1.0", "libc.so.6", interpreter="/lib64/ld-linux-x86-64.so.2"))
    (tmp_path / "usr/local/bin/python").symlink_to("python3.11")
    put(tmp_path, "usr/local/lib/libpython3.11.so.1.0", elf("libm.so.6", "libc.so.6"))
    (tmp_path / "lib").symlink_to("usr/lib")
    for name in ("libc.so.6", "libm.so.6"):
        put(tmp_path, f"usr/lib/x86_64-linux-gnu/{name}", elf("ld-linux-x86-64.so.2"))
    put(tmp_path, "lib64/ld-linux-x86-64.so.2", elf())
    put(tmp_path, "etc/ld.so.cache", cache({"libc.so.6": "/lib/x86_64-linux-gnu/libc.so.6"}))
    for name in ("os.py", "warnings.py", "encodings/__init__.py", "encodings/utf_8.py", "unittest/case.py"):
        put(tmp_path, f"{STANDARD}/{name}", f"# {name}\n")
    put(tmp_path, f"{STANDARD}/site-packages/pip/__init__.py", "")
    return tmp_path


def identity(root: Path, path: str = PYTHON, **env: str) -> str:
    tree = Tree(str(root))
    return identity_of(tree, path, (3, 11, 2), env, tops_of(tree, path, env))


@pytest.mark.parametrize(
    "path",
    [
        f"{STANDARD}/os.py",
        f"{STANDARD}/encodings/utf_8.py",
        f"{STANDARD}/encodings/new.py",
        f"{STANDARD}/warnings.cpython-311-x86_64-linux-gnu.so",
        f"{STANDARD}/warnings/__init__.py",
        f"{STANDARD}/lib-dynload/_codecs_jp.so",
        "usr/local/lib/python311.zip",
        "usr/lib/python3.11/os.py",
        PYTHON[1:],
        "usr/local/lib/libpython3.11.so.1.0",
        "usr/lib/x86_64-linux-gnu/libm.so.6",
        "usr/lib/x86_64-linux-gnu/glibc-hwcaps/x86-64-v3/libc.so.6",
        "usr/local/lib/x86_64-linux-gnu/libc.so.6",
        "lib64/ld-linux-x86-64.so.2",
        "usr/local/pyvenv.cfg",
    ],
)
def test_what_has_a_say_is_part_of_it(root: Path, path: str) -> None:
    before = identity(root)
    put(
        root,
        path,
        elf("libc.so.6") + b"home = /usr/other/bin\n" if path != "usr/local/pyvenv.cfg" else b"home = /opt\n",
    )

    assert identity(root) != before


@pytest.mark.parametrize(
    "path",
    [
        f"{STANDARD}/site-packages/evil.py",
        f"{STANDARD}/__pycache__/os.cpython-311.pyc",
        f"{STANDARD}/encodings/__pycache__/utf_8.cpython-311.pyc",
        f"{STANDARD}/unittest/case.py",
        "usr/lib/x86_64-linux-gnu/libssl.so.3",
        "usr/bin/git",
        "app/main.py",
    ],
)
def test_what_has_none_is_not(root: Path, path: str) -> None:
    """Else the same Python on another base image would compile everything again."""
    before = identity(root)
    put(root, path, b"other")

    assert identity(root) == before


def test_a_cache_of_the_loader_that_names_another_file(root: Path) -> None:
    put(root, "opt/any.so", elf())
    before = identity(root)
    put(root, "etc/ld.so.cache", cache({"libc.so.6": "/opt/any.so"}))
    named = identity(root)
    put(root, "opt/any.so", elf("libm.so.6"))

    assert len({before, named, identity(root)}) == 3


def test_libraries_in_folders_that_a_program_or_a_variable_names(root: Path) -> None:
    put(root, PYTHON[1:], elf("libc.so.6", runpath="$ORIGIN/../own"))
    before = identity(root)
    put(root, "usr/local/own/libc.so.6", elf())
    with_own = identity(root)
    put(root, "app/lib/libc.so.6", elf())

    assert before != with_own
    assert identity(root) == with_own
    assert identity(root, LD_LIBRARY_PATH="/app/lib") != with_own


def test_an_environment_leads_to_the_python_that_it_was_made_from(root: Path) -> None:
    put(root, "venv/pyvenv.cfg", "home = /usr/local/bin\nversion = 3.11.2\n")
    (root / "venv/bin").mkdir()
    (root / "venv/bin/python").symlink_to("/usr/local/bin/python3.11")
    tree = Tree(str(root))
    before = identity(root, "/venv/bin/python")
    put(root, f"{STANDARD}/os.py", "other")

    assert home_of(tree, "/venv/bin/python") == "/usr/local/bin"
    assert tops_of(tree, "/venv/bin/python", {}) >= {"venv", "usr"}
    assert identity(root, "/venv/bin/python") != before


def test_links_to_places_that_are_not_watched_are_refused(root: Path) -> None:
    (root / STANDARD / "os.py").unlink()
    put(root, "evil/os.py", "evil")
    (root / STANDARD / "os.py").symlink_to("/evil/os.py")

    with pytest.raises(NoInterpreter, match=r"leads to `/evil/os\.py`"):
        identity(root)


@pytest.mark.parametrize("path", ["etc/ld.so.preload", "usr/local/bin/pybuilddir.txt"])
def test_what_comes_before_everything_else_is_refused(root: Path, path: str) -> None:
    put(root, path, "/usr/lib/evil.so\n")

    with pytest.raises(NoInterpreter):
        identity(root)


def test_damaged_programs_are_refused(root: Path) -> None:
    whole = (root / PYTHON[1:]).read_bytes()
    put(root, PYTHON[1:], whole[: len(whole) // 2])

    with pytest.raises(NoInterpreter, match="damaged"):
        identity(root)
    assert os.path.lexists(root / PYTHON[1:])
