"""Containers from creation to removal, on a real runtime and a real monitor."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from suites.containers import held
from teul.engine import Engine, containers
from teul.engine.containers.attached import Streams
from teul.errors import (
    Cancelled,
    ContainerNotFound,
    ContainerNotRunning,
    ContainerRunning,
    InvalidInput,
    NameInUse,
    RuntimeFailed,
)

pytestmark = [pytest.mark.needs_runc, pytest.mark.slow]


def wait_until(condition, timeout_s=20):
    deadline = time.monotonic() + timeout_s
    while not (found := condition()):
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.01)
    return found


def test_output_and_exit_code_of_a_process_that_ends_at_once(box):
    for code in (0, 3, 255):
        assert box.run("sh", "-c", f"echo out; echo err >&2; exit {code}") == code
        assert (box.out, box.err) == (b"out\n", b"err\n")


def test_much_output_is_whole(box):
    assert len(box.say("seq 1 200000")) == 1288895


def test_input_is_read_to_its_end(box):
    reader, writer = os.pipe()
    feeder = threading.Thread(target=lambda: (os.write(writer, b"x" * 300_000), os.close(writer)))
    feeder.start()
    try:
        assert box.run("wc", "-c", stdin=reader, interactive=True) == 0
    finally:
        feeder.join()
        os.close(reader)

    assert box.out.strip() == b"300000"


def test_no_input_is_an_empty_one(box):
    assert box.run("cat") == 0
    assert box.run("cat", interactive=True) == 0


@pytest.mark.parametrize(
    ("command", "code"), [(("no-such-program",), 127), (("/etc/passwd",), 126), (("/bin",), 126), (("/no/such",), 127)]
)
def test_a_program_that_cannot_be_started_has_dockers_code(box, command, code):
    with pytest.raises(RuntimeFailed) as caught:
        box.run(*command)

    assert caught.value.exit_code == code
    assert containers.list_containers(box.engine, all=True) == []


def test_a_container_that_could_not_start_says_why(box):
    made = containers.create(box.engine, box.options("no-such-program"))
    with pytest.raises(RuntimeFailed):
        containers.start(box.engine, made.id)

    found = containers.get(box.engine, made.id)
    assert (found.status, found.exit_code) == ("created", 127)
    assert "no-such-program" in found.error


def test_a_process_that_a_signal_ends(box):
    assert box.run("sh", "-c", "sh -c 'kill -9 $$'; exit $?") == 137


def test_detached_from_start_to_removal(box):
    started = box.start("sh", "-c", "echo working; sleep 60", name="job")

    found = containers.get(box.engine, "job")
    assert (found.status, found.id) == ("running", started.id)
    assert os.path.exists(f"/proc/{found.pid}")
    assert [item.name for item in containers.list_containers(box.engine)] == ["job"]

    with pytest.raises(ContainerRunning):
        containers.remove(box.engine, "job")
    with pytest.raises(ContainerRunning):
        containers.start(box.engine, "job")

    containers.stop(box.engine, "job", timeout_s=0)
    stopped = containers.get(box.engine, "job")
    assert (stopped.status, stopped.exit_code, stopped.pid) == ("exited", 137, 0)
    assert stopped.finished_at >= stopped.started_at > 0

    containers.start(box.engine, "job")
    assert containers.get(box.engine, started.id[:6]).is_running
    containers.remove(box.engine, "job", force=True)
    with pytest.raises(ContainerNotFound):
        containers.get(box.engine, "job")


def test_a_process_that_heeds_sigterm_ends_by_itself(box):
    box.start("sh", "-c", "trap 'exit 5' TERM; echo ready; while :; do sleep 0.05; done", name="polite")
    wait_until(lambda: list(containers.logs(box.engine, "polite")))
    begun = time.monotonic()
    containers.stop(box.engine, "polite")

    assert time.monotonic() - begun < 5
    assert containers.get(box.engine, "polite").exit_code == 5


def test_the_images_stop_signal_is_sent(box):
    script = "trap 'exit 7' USR1; echo ready; while :; do sleep 0.05; done"
    box.start("sh", "-c", script, name="special", stop_signal="SIGUSR1")
    wait_until(lambda: list(containers.logs(box.engine, "special")))
    containers.stop(box.engine, "special")

    assert containers.get(box.engine, "special").exit_code == 7


def test_a_container_that_ends_while_nobody_looks_is_settled(box):
    box.start("sh", "-c", "exit 9", name="short")

    assert containers.wait(box.engine, "short", timeout_s=20) == 9
    assert containers.get(box.engine, "short").status == "exited"


def test_a_container_that_removes_itself_is_gone_and_its_code_known(box):
    started = box.start("sh", "-c", "sleep 0.2; exit 4", name="gone", remove=True)

    assert containers.wait(box.engine, "gone", timeout_s=20) == 4
    wait_until(lambda: not containers.list_containers(box.engine, all=True))
    assert containers.wait(box.engine, "gone") == 4
    assert containers.wait(box.engine, started.id) == 4


def test_waiting_can_be_bounded(box):
    box.start("sleep", "60", name="long")
    with pytest.raises(TimeoutError):
        containers.wait(box.engine, "long", timeout_s=0.05)


def test_a_name_is_taken_once_and_free_after_removal(box):
    containers.create(box.engine, box.options("true", name="web"))
    with pytest.raises(NameInUse):
        containers.create(box.engine, box.options("true", name="web"))
    containers.remove(box.engine, "web")

    assert box.run("true", name="web") == 0
    assert box.run("true", name="web") == 0


def test_what_is_written_stays_until_the_container_is_removed(box):
    made = containers.create(
        box.engine, box.options("sh", "-c", "cat /kept 2>/dev/null; echo again >> /kept", name="keeper")
    )
    for _ in range(3):
        containers.start(box.engine, made.id)
        containers.wait(box.engine, made.id, timeout_s=20)

    assert [line.data for line in containers.logs(box.engine, "keeper")] == [b"again\n"] * 3


def test_kill_sends_any_signal(box):
    box.start("sh", "-c", "trap 'exit 11' HUP; echo ready; while :; do sleep 0.05; done", name="target")
    wait_until(lambda: list(containers.logs(box.engine, "target")))
    containers.kill(box.engine, "target", "HUP")

    assert containers.wait(box.engine, "target", timeout_s=20) == 11
    with pytest.raises(ContainerNotRunning):
        containers.kill(box.engine, "target")
    with pytest.raises(InvalidInput):
        containers.kill(box.engine, "target", "NOPE")


def test_logs_keep_the_streams_apart_and_follow_to_the_end(box):
    box.start("sh", "-c", "echo one; echo two >&2; sleep 0.3; printf three", name="talker")

    found = list(containers.logs(box.engine, "talker", follow=True))
    assert sorted((line.stream, line.data) for line in found) == [
        ("stderr", b"two\n"),
        ("stdout", b"one\n"),
        ("stdout", b"three"),
    ]
    assert [line.data for line in containers.logs(box.engine, "talker", tail=1)] == [b"three"]
    assert list(containers.logs(box.engine, "talker", until="1h")) == []


def test_exec_runs_beside_the_first_process(box):
    box.start("sleep", "60", name="host", env=("MINE=1",), user="app", working_dir="/data")

    def run(*argv, **options):
        reader, writer = os.pipe()
        errors = os.open(os.devnull, os.O_WRONLY)
        try:
            code = containers.exec_(
                box.engine, "host", argv, options=containers.ExecOptions(**options), stdout=writer, stderr=errors
            )
        finally:
            os.close(writer)
            os.close(errors)
        with os.fdopen(reader, "rb") as file:
            return code, file.read().decode()

    assert run("sh", "-c", "echo $MINE; id -u; pwd; exit 6") == (6, "1\n1000\n/data\n")
    assert run("sh", "-c", "echo $MINE; id -u; pwd", env=("MINE=2",), user="0", working_dir="/tmp") == (
        0,
        "2\n0\n/tmp\n",
    )
    code, shown = run("sh", "-c", "tty; echo $TERM", tty=True)
    assert (code, shown.split()) == (0, ["/dev/pts/0", "xterm"])
    assert run("sleep", "30", detach=True) == (0, "")
    with pytest.raises(RuntimeFailed) as caught:
        run("no-such-program")
    assert caught.value.exit_code == 127
    assert "sleep" in run("ps")[1]


def test_exec_needs_a_running_container(box):
    containers.create(box.engine, box.options("true", name="idle"))
    with pytest.raises(ContainerNotRunning):
        containers.exec_(box.engine, "idle", ["true"])


def test_a_terminal_is_one(box):
    assert box.say("tty; stty size", tty=True).replace("\r", "").startswith("/dev/pts/0\n")


def test_should_stop_kills_and_removes(box):
    started = time.monotonic()
    with pytest.raises(Cancelled):
        containers.run_foreground(
            box.engine,
            box.options("sleep", "60", remove=True),
            streams=Streams(on_output=lambda stream, data: None),
            should_stop=lambda: time.monotonic() - started > 0.3,
        )

    assert containers.list_containers(box.engine, all=True) == []


def test_a_monitor_that_is_killed_leaves_the_truth(box):
    box.start("sleep", "60", name="orphan")
    found = containers.get(box.engine, "orphan")
    os.kill(found.monitor_pid, signal.SIGKILL)

    assert containers.get(box.engine, "orphan").status == "running"
    os.kill(found.pid, signal.SIGKILL)
    wait_until(lambda: containers.get(box.engine, "orphan").status == "exited")
    assert containers.get(box.engine, "orphan").exit_code == 255


def test_a_pid_of_another_boot_is_not_taken_for_the_container(box):
    from teul.engine.containers.lookup import bundle_of
    from teul.host.fs import remove_tree
    from teul.state import containers as rows
    from teul.values import replace

    box.start("sleep", "60", name="before")
    found = containers.get(box.engine, "before")
    containers.stop(box.engine, "before", timeout_s=0)
    lie = replace(found, pid=os.getpid(), process_start="another boot/1", monitor_pid=1, monitor_start="another boot/1")
    rows.update(box.engine.db, found.id, status="running", data=lie.data())
    remove_tree(bundle_of(box.engine, found.id))

    assert [item.status for item in containers.list_containers(box.engine, all=True)] == ["exited"]
    assert containers.start(box.engine, "before").is_running


CLIENT = """
import os, sys
from teul.config import Settings
from teul.engine import Engine, containers
engine = Engine.open(Settings.from_environ(os.environ))
options = containers.ContainerOptions(image="busybox", command=("sleep", "60"), network=("none",), name="left", remove=True)
containers.run_foreground(engine, options)
"""


def client(engine, **environ):
    return subprocess.Popen(
        [sys.executable, "-c", CLIENT],
        env={**os.environ, **environ, "TEUL_ROOT": engine.settings.root},
        start_new_session=True,
    )


def test_a_client_that_is_killed_leaves_the_container_to_its_monitor(box):
    process = client(box.engine)
    wait_until(lambda: [item for item in containers.list_containers(box.engine) if item.name == "left"])
    process.kill()
    process.wait()

    assert containers.get(box.engine, "left").is_running
    containers.kill(box.engine, "left")
    wait_until(lambda: not containers.list_containers(box.engine, all=True))
    wait_until(lambda: held(box.engine)["processes"] == [])


@pytest.mark.parametrize(
    "point", ["container-remembered", "container-started", "container-deleted", "container-forgotten"]
)
def test_a_kill_at_any_point_leaves_what_the_next_command_mends(box, point):
    before = held(box.engine)
    process = client(box.engine, TEUL_CRASH_AT=point)
    if point in ("container-deleted", "container-forgotten"):
        wait_until(lambda: containers.list_containers(box.engine))
        os.kill(containers.get(box.engine, "left").pid, signal.SIGKILL)
    process.wait(timeout=30)
    engine = Engine.open(box.engine.settings)
    try:
        for found in containers.list_containers(engine, all=True):
            containers.remove(engine, found.id, force=True)
        assert containers.list_containers(engine, all=True) == []
        engine.snapshots.sweep()
        from teul.engine.system import fsck

        assert fsck(engine) == []
    finally:
        engine.close()
    wait_until(lambda: held(box.engine)["processes"] == before["processes"])
    after = held(box.engine)
    assert (after["mounts"], after["cgroups"]) == (before["mounts"], before["cgroups"])


def test_two_starts_at_once_are_one(box):
    made = containers.create(box.engine, box.options("sleep", "60", name="once"))
    outcomes = []

    def start():
        engine = Engine.open(box.engine.settings)
        try:
            containers.start(engine, made.id)
            outcomes.append("started")
        except ContainerRunning:
            outcomes.append("running")
        finally:
            engine.close()

    threads = [threading.Thread(target=start) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes) == ["running", "running", "started"]


def test_inspect_has_dockers_shape(box):
    box.start("sleep", "60", name="seen", labels={"a": "b"}, volumes=("vol:/data", "/tmp:/host:ro"))

    found = containers.inspect(box.engine, "seen")
    assert (found["Name"], found["Path"], found["Args"], found["Config"]["Labels"]) == (
        "/seen",
        "sleep",
        ["60"],
        {"a": "b"},
    )
    assert (found["State"]["Status"], found["State"]["Running"], found["HostConfig"]["NetworkMode"]) == (
        "running",
        True,
        "none",
    )
    assert [(mount["Type"], mount["Destination"], mount["RW"]) for mount in found["Mounts"]] == [
        ("volume", "/data", True),
        ("bind", "/host", False),
    ]
    assert found["HostConfig"]["Binds"] == ["vol:/data", "/tmp:/host:ro"]


def test_kills_at_random_moments_leave_only_what_the_next_look_ends(box):
    """Forty clients, each killed within a quarter of a second, at whatever they were doing."""
    import random

    chance = random.Random(7)
    env = {**os.environ, "TEUL_ROOT": box.engine.settings.root}
    before = held(box.engine)
    for _ in range(40):
        words = chance.choice([["--rm"], ["-d"], ["-d", "--rm"]])
        command = ["run", *words, "--network", "none", "busybox", "sleep", chance.choice(["0", "0.1", "30"])]
        process = subprocess.Popen(
            [sys.executable, "-m", "teul.cli.main", *command],
            env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        time.sleep(chance.random() * 0.25)
        process.kill()
        process.wait()

    def clean():
        for found in containers.list_containers(box.engine, all=True):
            containers.remove(box.engine, found.id, force=True)
        after = held(box.engine)
        kinds = ("mounts", "cgroups", "processes")
        return all(after[kind] == before[kind] for kind in kinds) and not containers.list_containers(
            box.engine, all=True
        )

    wait_until(clean)
    from teul.engine.system import fsck

    assert fsck(box.engine) == []
