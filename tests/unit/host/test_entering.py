"""The program in memory, and what is told of a process' system call filter; entering itself is tested on real containers."""

import os
import subprocess
import sys

import pytest

from teul.host import entering

pytestmark = pytest.mark.skipif(os.uname().machine != entering.MACHINE, reason=f"needs {entering.MACHINE}")

SCRIPT = """
import os, sys
from teul.host import entering
program = entering._program()
reader, writer = os.pipe()
if os.fork() == 0:
    os.dup2(program, 10, inheritable=False)
    os.dup2(writer, 3)
    os.execve(10, sys.argv[1:], {"WORD": "a b"})
os.close(writer)
said = os.read(reader, 16)
print(os.waitstatus_to_exitcode(os.wait()[1]), len(said))
"""


def become(*words):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *words], capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout


def test_it_becomes_the_program_with_its_words_and_environment():
    assert become("/bin/sh", "sh", "-c", 'echo "$0|$1|$WORD"; exit 7', "zero", "one two") == "zero|one two|a b\n7 0\n"


def test_nothing_but_the_standard_streams_is_open_in_the_program():
    listed = become("/bin/sh", "sh", "-c", "ls /proc/$$/fd").split()

    assert "3" not in listed[:-2]
    assert "10" not in listed[:-2]


def test_it_says_when_it_cannot():
    assert become("/nowhere/at-all", "x") == "1 1\n"


def test_it_cannot_be_written_to():
    descriptor = entering._program()
    try:
        with pytest.raises(PermissionError):
            os.write(descriptor, b"x")
        with pytest.raises(PermissionError):
            os.ftruncate(descriptor, 0)
        assert os.pread(descriptor, 4096, 0) == entering.program_image()
    finally:
        os.close(descriptor)


def test_a_process_without_a_filter_has_none():
    assert entering.read_filter(os.getpid()) == b""
    assert entering.read_filter(1 << 22, timeout_s=60) == b""
