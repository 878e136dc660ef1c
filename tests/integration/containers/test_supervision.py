"""What goes on without a command: restarts, health, turned logs; and what follows when any part of it is killed."""

import os
import shutil
import signal
import threading
import time

import pytest

from teul.containers import RESTARTING, RUNNING
from teul.engine import Engine, containers, event_log, supervision
from teul.engine.containers.lookup import bundle_of, folder_of, reread
from teul.engine.supervision import boot, health
from teul.oci.image import Healthcheck

pytestmark = [pytest.mark.needs_runc, pytest.mark.slow]


def wait_until(condition, timeout_s=20):
    deadline = time.monotonic() + timeout_s
    while not (found := condition()):
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.02)
    return found


@pytest.fixture(autouse=True)
def no_supervisor_stays(busybox):
    yield
    pid = supervisor(busybox)
    if pid:
        os.kill(pid, signal.SIGKILL)


def supervisor(engine):
    try:
        with open(f"{engine.settings.run_root}/supervisor.pid") as file:
            pid = int(file.read())
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return pid if b"supervision" in file.read() else 0
    except (OSError, ValueError):
        return 0


def has_ended(pid):
    """Whether nothing of *pid* is left but its exit status: its command line goes before its files are closed."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] in "ZX"
    except FileNotFoundError:
        return True


def actions(engine, container):
    return [event["Action"] for event in event_log.read(engine, since_ns=1) if event["Actor"]["ID"] == container]


def test_a_failing_container_is_started_again_as_often_as_its_policy_says(box):
    made = box.start("sh", "-c", "echo once; exit 3", restart="on-failure:2")

    ended = wait_until(lambda: (it := containers.get(box.engine, made.id)).status == "exited" and it)
    assert (ended.exit_code, ended.restart_count) == (3, 2)
    assert [line.data for line in containers.logs(box.engine, made.id)] == [b"once\n"] * 3
    assert actions(box.engine, made.id) == ["create", *["start", "die"] * 3]
    assert containers.wait(box.engine, made.id) == 3


def test_stop_ends_a_container_that_waits_to_be_started_again(box):
    made = box.start("sh", "-c", "exit 1", restart="always")
    wait_until(lambda: containers.get(box.engine, made.id).restart_count >= 3)
    wait_until(lambda: containers.get(box.engine, made.id).status == RESTARTING)

    containers.stop(box.engine, made.id, timeout_s=0)
    count = containers.get(box.engine, made.id).restart_count
    # Longer than any pause that it can be in.
    wait_until(lambda: supervisor(box.engine) == 0)
    found = containers.get(box.engine, made.id)
    assert (found.status, found.stopped, found.restart_count) == ("exited", True, count)


def test_a_supervisor_that_is_killed_is_replaced_by_the_next_command(box):
    made = box.start(
        "sleep", "100", health=Healthcheck(("CMD-SHELL", "test ! -e /tmp/bad; echo $?"), 200_000_000, retries=1)
    )
    first = wait_until(lambda: supervisor(box.engine))
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: has_ended(first))

    containers.list_containers(Engine.open(box.engine.settings))

    assert wait_until(lambda: supervisor(box.engine)) != first
    bundle = bundle_of(box.engine, made.id)
    wait_until(lambda: health.load(bundle).status == "healthy")
    assert health.load(bundle).log[-1]["Output"] == "0\n"


def test_checks_that_fail_or_take_too_long_are_unhealthy_and_leave_nothing_running(box):
    made = box.start(
        "sleep", "100",
        health=Healthcheck(("CMD-SHELL", "echo slow; sleep 1000"), 100_000_000, timeout_ns=200_000_000, retries=1),
    )  # fmt: skip
    bundle = bundle_of(box.engine, made.id)

    wait_until(lambda: health.load(bundle).status == "unhealthy")
    (entry, *_) = health.load(bundle).log
    assert (entry["ExitCode"], entry["Output"]) == (-1, "Health check exceeded timeout (200ms): slow\n")
    assert actions(box.engine, made.id)[-1] == "health_status: unhealthy"
    containers.kill(box.engine, made.id)
    wait_until(lambda: supervisor(box.engine) == 0)


def test_a_log_is_turned_while_it_is_followed_and_no_line_is_lost_or_doubled(box):
    script = "i=0; while [ $i -lt 4000 ]; do i=$((i+1)); echo $i; [ $((i % 200)) = 0 ] && sleep 0.1; done; sleep 1"
    made = box.start("sh", "-c", script, log_options={"max-size": "20k", "max-file": "3"})
    lines = []
    reader = threading.Thread(
        target=lambda: lines.extend(containers.logs(Engine.open(box.engine.settings), made.id, follow=True))
    )
    reader.start()
    reader.join(30)

    assert [int(line.data) for line in lines] == list(range(1, 4001))
    files = sorted(name for name in os.listdir(folder_of(box.engine, made.id)) if name.startswith("log"))
    assert files == ["log", "log.1", "log.2"]
    kept = [int(line.data) for line in containers.logs(box.engine, made.id)]
    assert kept == list(range(kept[0], 4001))
    assert [int(line.data) for line in containers.logs(box.engine, made.id, tail=2)] == [3999, 4000]


def test_a_killed_monitor_and_then_a_killed_container_are_noticed(box):
    made = box.start("sleep", "100", restart="always")
    os.kill(made.monitor_pid, signal.SIGKILL)
    assert containers.get(box.engine, made.id).status == RUNNING
    os.kill(made.pid, signal.SIGKILL)
    wait_until(lambda: not os.path.exists(f"/proc/{made.pid}"))

    assert containers.get(box.engine, made.id).status == RESTARTING
    again = wait_until(lambda: (it := containers.get(box.engine, made.id)).status == RUNNING and it)
    assert again.restart_count == 1


def test_a_monitor_and_its_container_killed_together_come_back_without_a_command(box):
    made = box.start("sleep", "600", restart="always")
    # What a supervisor runs for; the first needs none, and is looked after where there is one.
    checked = box.start("sleep", "600", health=Healthcheck(("CMD", "true"), 100_000_000))
    wait_until(lambda: health.load(bundle_of(box.engine, checked.id)).log)
    os.kill(made.monitor_pid, signal.SIGKILL)
    os.kill(made.pid, signal.SIGKILL)

    def row():
        # As it is written down: `get` would settle it.
        return reread(box.engine, made.id)

    wait_until(lambda: row().restart_count == 1 and row().status == RUNNING)
    assert row().pid != made.pid


def test_what_is_to_come_back_comes_back_after_everything_was_lost(box):
    always = box.start("sleep", "100", restart="always")
    stopped = box.start("sleep", "100", restart="unless-stopped")
    plain = box.start("sleep", "100")
    containers.stop(box.engine, stopped.id, timeout_s=0)
    for made in (always, plain):
        os.kill(made.monitor_pid, signal.SIGKILL)
        os.kill(made.pid, signal.SIGKILL)
        wait_until(lambda made=made: not os.path.exists(f"/proc/{made.pid}"))
    shutil.rmtree(box.engine.settings.run_root)
    engine = Engine.open(box.engine.settings)

    assert [(container.id, error) for container, error in boot.boot(engine)] == [(always.id, None)]
    assert containers.get(engine, always.id).status == RUNNING
    assert (containers.get(engine, stopped.id).status, containers.get(engine, plain.id).exit_code) == ("exited", 255)
    assert list(boot.boot(engine)) == []


def test_wait_knows_how_a_container_ended_that_removed_itself(box):
    made = box.start("sh", "-c", "sleep 0.3; exit 7", remove=True)

    assert containers.wait(box.engine, made.id, condition="removed") == 7
    assert containers.wait(box.engine, made.name) == 7


def test_nothing_runs_for_containers_that_need_nothing(box):
    box.start("sleep", "100", restart="always")

    assert supervisor(box.engine) == 0
    assert not os.path.exists(supervision.pipe_of(box.engine.settings))
