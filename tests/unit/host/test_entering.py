"""The program in memory, and what is told of a process' system call filter; entering itself is tested on real containers."""

import os
import signal
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


def test_an_answer_that_is_too_long_is_none():
    reader, writer = os.pipe()
    try:
        os.write(writer, b"." * 1000)
        # Its other end stays open: whoever keeps it must not keep us.
        with pytest.raises(entering.CannotEnter):
            entering._heard(reader, -1, 1)
    finally:
        os.close(reader)
        os.close(writer)


def test_who_waits_for_an_answer_hears_signals(monkeypatch):
    monkeypatch.setattr(entering, "_PATIENCE_MS", 1)
    reader, writer = os.pipe()
    child = subprocess.Popen(["sleep", "1000"])
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    try:
        os.kill(os.getpid(), signal.SIGUSR1)
        with pytest.raises(entering.CannotEnter):
            entering._heard(reader, child.pid, 1)
        assert child.wait(timeout=60) == -signal.SIGKILL
    finally:
        signal.sigtimedwait([signal.SIGUSR1], 0)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        child.kill()
        child.wait()
        os.close(reader)
        os.close(writer)
