"""One source, one `.pyc`, whichever process wrote it."""

import os
import subprocess
import sys

import pytest

from teul.build.python.bytecode import MADE
from teul.build.python.canonical import canonicalise, find
from teul.build.tree import Tree

SOURCE = '''
"""Words."""
NAMES = ("a", "{", "self", "os", 1.5, b"x", frozenset((1, 2)), ("a", "{"))
def f(self, value=NAMES, *, os="os"):
    return {"{": self, "self": value, "x" * 3: 2 ** 70}
class A:
    def self(self): return [self for self in "self{"]
'''
WRITERS = (
    "import py_compile, sys; py_compile.compile(sys.argv[1], dfile='/' + sys.argv[2])",
    # A process that holds the same constants, as pip does after an hour of work.
    (
        "import py_compile, sys, json, email.message, unittest.mock; sys.intern('{'); held = compile(open(sys.argv[1]).read(), 'x', 'exec');"
        " py_compile.compile(sys.argv[1], dfile='/' + sys.argv[2])"
    ),
)


@pytest.fixture
def written(tmp_path):
    """Two trees with the same module, compiled by two processes."""
    folders = []
    for number, writer in enumerate(WRITERS):
        site = tmp_path / str(number) / "usr/lib/python3/pkg"
        site.mkdir(parents=True)
        (site / "모듈.py").write_text(SOURCE)
        os.utime(site / "모듈.py", (1, 1))
        subprocess.run([sys.executable, "-c", writer, str(site / "모듈.py"), "usr/lib/x.py"], check=True)
        program = tmp_path / str(number) / f"usr/bin/python{sys.version_info[0]}.{sys.version_info[1]}"
        program.parent.mkdir()
        program.write_bytes(b"")
        program.chmod(0o755)
        folders.append(str(tmp_path / str(number)))
    return folders


def bytecode(folder):
    site = f"{folder}/usr/lib/python3/pkg/__pycache__"
    (name,) = os.listdir(site)
    with open(f"{site}/{name}", "rb") as file:
        return file.read()


def runner(folder):
    def run(args, stdin, made):
        """The interpreter of these tests stands for the tree's; what it reads and writes is moved to where it is here."""
        script = args[args.index("-c") + 1]
        words = [folder, made if args[-4] == MADE else "?", *args[-3:]]
        return subprocess.run(
            [sys.executable, "-S", "-s", "-B", "-c", script, *words], stdin=stdin, check=False
        ).returncode

    return run


def test_two_processes_write_two_files_and_one_form(written, tmp_path):
    assert bytecode(written[0]) != bytecode(written[1])
    before = [bytecode(folder) for folder in written]
    for folder in written:
        groups = find(folder, Tree(folder), {})
        assert len(groups) == 1
        canonicalise(folder, groups, str(tmp_path / "scratch"), run=runner(folder))
    assert bytecode(written[0]) == bytecode(written[1])
    assert [bytecode(folder)[:16] for folder in written] == [data[:16] for data in before]
    assert not (tmp_path / "scratch").exists()


def test_times_and_modes_stay(written, tmp_path):
    folder = written[1]
    (path,) = [f"{place}/{name}" for place, _, files in os.walk(folder) for name in files if name.endswith(".pyc")]
    os.chmod(path, 0o640)
    os.utime(path, (5, 5))
    assert canonicalise(folder, find(folder, Tree(folder), {}), str(tmp_path / "scratch"), run=runner(folder)) == 1
    status = os.stat(path)
    assert (status.st_mode & 0o777, status.st_mtime) == (0o640, 5)


def test_an_interpreter_that_fails_or_is_not_there_changes_nothing(written, tmp_path):
    folder = written[0]
    before = bytecode(folder)
    groups = find(folder, Tree(folder), {})
    assert canonicalise(folder, groups, str(tmp_path / "scratch"), run=lambda args, stdin, made: 1) == 0
    assert bytecode(folder) == before
    for name in os.listdir(f"{folder}/usr/bin"):
        os.unlink(f"{folder}/usr/bin/{name}")
    assert find(folder, Tree(folder), {}) == {}


def test_what_is_no_bytecode_is_left_alone(written, tmp_path):
    folder = written[0]
    site = f"{folder}/usr/lib/python3/pkg/__pycache__"
    tag = sys.implementation.cache_tag
    for name, data in ((f"broken.{tag}.pyc", bytecode(folder)[:40]), (f"other.{tag}.pyc", b"\0" * 64)):
        with open(f"{site}/{name}", "wb") as file:
            file.write(data)
    os.symlink("/etc/passwd", f"{site}/link.{tag}.pyc")
    canonicalise(folder, find(folder, Tree(folder), {}), str(tmp_path / "scratch"), run=runner(folder))
    with open(f"{site}/other.{tag}.pyc", "rb") as file:
        assert file.read() == b"\0" * 64
    assert os.readlink(f"{site}/link.{tag}.pyc") == "/etc/passwd"


def test_what_is_written_elsewhere_is_not_taken(written, tmp_path):
    folder = written[0]

    def lie(args, stdin, made):
        with open(f"{made}/1", "wb") as file:
            file.write(b"/../outside.pyc\0" + bytecode(folder))
        return 0

    assert canonicalise(folder, find(folder, Tree(folder), {}), str(tmp_path / "scratch"), run=lie) == 0
