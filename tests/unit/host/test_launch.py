"""Programs without `subprocess`, and stages in mount namespaces."""

import os
import signal
import time

import pytest

from teul.errors import CommandFailed, HostLacks, MountFailed
from teul.host.launch import Stage, capture, deferred_interrupts, launch, memory_file, wait
from teul.oci.runtime import Mount

ENV = {"PATH": "/usr/bin:/bin"}


def test_what_a_program_leaves_is_kept_whole():
    done = capture(["/bin/sh", "-c", "cat; echo err >&2; exit 3"], stdin=b"in" * 100_000)

    assert (done.exit_code, done.stdout, done.stderr) == (3, b"in" * 100_000, b"err\n")


def test_check_raises_the_end_of_stderr():
    with pytest.raises(CommandFailed, match="broken") as caught:
        capture(["/bin/sh", "-c", "echo broken >&2; exit 4"]).check()

    assert (caught.value.exit_code, caught.value.stderr_tail) == (4, "broken")


def test_a_signal_is_128_and_its_number():
    assert capture(["/bin/sh", "-c", "kill -9 $$"]).exit_code == 128 + 9


def test_a_missing_program_is_said():
    with pytest.raises(HostLacks):
        capture(["/no/such/program"])


def test_streams_may_be_any_descriptors_even_the_standard_ones_crossed():
    first, second = memory_file(), memory_file()
    try:
        assert wait(launch(["/bin/sh", "-c", "echo out; echo err >&2"], stdout=second, stderr=first)) == 0
        assert (os.pread(first, 99, 0), os.pread(second, 99, 0)) == (b"err\n", b"out\n")
    finally:
        os.close(first)
        os.close(second)


def test_only_what_is_to_be_kept_stays_open():
    kept, other = memory_file(b"kept"), memory_file(b"other")
    try:
        done = capture(["/bin/sh", "-c", f"cat /proc/self/fd/{kept}; ls /proc/self/fd"], keep=[kept])
        assert done.stdout.startswith(b"kept")
        assert str(other) not in done.stdout.decode().split()
        assert not os.get_inheritable(kept)
    finally:
        os.close(kept)
        os.close(other)


@pytest.fixture
def place(tmp_path):
    made = tmp_path / "place"
    made.mkdir()
    return str(made)


def tmpfs(mode="700"):
    return [Mount("tmpfs", "tmpfs", "", (f"mode={mode}",))]


@pytest.mark.needs_root
def test_what_a_stage_mounts_is_seen_through_it_and_nowhere_else(place):
    with Stage(tmpfs(), place) as stage:
        with open(f"{stage.root}{place}/file", "w") as file:
            file.write("inside")

        assert os.listdir(place) == []
        assert os.listdir(stage.root + place) == ["file"]
    assert place not in _mounts()


@pytest.mark.needs_root
def test_a_stage_becomes_a_program_that_sees_the_mounts(place):
    output = memory_file()
    with Stage(tmpfs(), place, stdout=output) as stage:
        with open(f"{stage.root}{place}/file", "w") as file:
            file.write("inside")
        pid = stage.become(["/bin/sh", "-c", f"cat {place}/file; echo $A"], {**ENV, "A": "b"})

    assert wait(pid) == 0
    assert os.pread(output, 99, 0) == b"insideb\n"
    os.close(output)


@pytest.mark.needs_root
def test_a_mount_that_fails_is_said_and_leaves_no_child(place):
    with (
        pytest.raises(MountFailed, match="/no/such/source"),
        Stage([Mount("bind", "/no/such/source", "", ("bind",))], place) as stage,
    ):
        pytest.fail(stage.root)

    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


@pytest.mark.needs_root
def test_a_stage_that_is_left_ends(place):
    with Stage(tmpfs(), place) as stage:
        pid = stage.pid

    assert not os.path.exists(f"/proc/{pid}")


@pytest.mark.needs_root
def test_a_supervisor_gives_the_exit_code(place):
    with Stage(tmpfs(), place) as stage:
        pid = stage.supervise(["/bin/sh", "-c", "exit 7"], ENV, clean_up=["/bin/true"])
    assert wait(pid) == 7
    stage.abandon()


@pytest.mark.needs_root
def test_a_supervisor_cleans_up_when_it_is_abandoned(place, tmp_path):
    mark = tmp_path / "pid"
    with Stage(tmpfs(), place) as stage:
        pid = stage.supervise(
            ["/bin/sh", "-c", f"echo $$ > {mark}; exec sleep 60"],
            ENV,
            clean_up=["/bin/sh", "-c", f"kill -TERM $(cat {mark})"],
        )
    _wait_until(lambda: mark.exists() and mark.read_text())
    stage.abandon()

    assert wait(pid) == 128 + signal.SIGTERM


@pytest.mark.needs_root
def test_a_supervisor_cleans_up_when_its_parent_is_killed(place, tmp_path):
    mark = tmp_path / "pid"
    parent = os.fork()
    if parent == 0:
        try:
            with Stage(tmpfs(), place) as stage:
                stage.supervise(
                    ["/bin/sh", "-c", f"echo $$ > {mark}; exec sleep 60"],
                    ENV,
                    clean_up=["/bin/sh", "-c", f"kill -TERM $(cat {mark})"],
                )
            time.sleep(60)
        finally:
            os._exit(1)
    _wait_until(lambda: mark.exists() and mark.read_text().strip())
    child = int(mark.read_text())
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)

    _wait_until(lambda: not os.path.exists(f"/proc/{child}"))


def _mounts():
    with open("/proc/self/mounts") as file:
        return file.read()


def _wait_until(condition, timeout_s=10):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        os.sched_yield()


def test_an_interrupt_waits_for_the_end_of_the_block():
    done = []
    with pytest.raises(KeyboardInterrupt), deferred_interrupts():
        os.kill(os.getpid(), 2)
        done.append("finished")

    assert done == ["finished"]


def test_a_second_interrupt_does_not_wait():
    with pytest.raises(KeyboardInterrupt), deferred_interrupts():
        os.kill(os.getpid(), 2)
        os.kill(os.getpid(), 2)
        pytest.fail("was not interrupted")


def test_without_an_interrupt_nothing_is_raised_and_the_handler_is_as_before():
    before = signal.getsignal(signal.SIGINT)
    with deferred_interrupts():
        pass

    assert signal.getsignal(signal.SIGINT) is before
