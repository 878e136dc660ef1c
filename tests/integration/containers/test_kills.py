"""`kill -9` between any two steps of what is done to containers and networks: the next command finds a whole world.

Each command is killed at each of its crash points; then everything is listed, checked, used again and removed, and the
host holds what it held before. Commands run in children forked from here, so that imports are paid once.
"""

import os
import signal
import sys
import time
import traceback

import pytest

from integration.test_crashes import declared
from suites.containers import NAME, held
from teul.cli.main import main
from teul.engine import containers, networks, system, volumes

pytestmark = [pytest.mark.needs_runc, pytest.mark.needs_network, pytest.mark.slow]

MADE = "create --name box --network first -v data:/d -v /anonymous -p 127.0.0.1::80 busybox sleep 600"
COMMANDS = {
    "network create third": [],
    "network rm third": [
        "network create third",
        MADE,
        "start box",
        "network connect third box",
        "network disconnect third box",
    ],
    MADE: [],
    "start box": [MADE],
    "network connect --alias other second box": [MADE, "start box"],
    "network disconnect second box": [MADE, "start box", "network connect second box"],
    "stop -t 0 box": [MADE, "start box"],
    "rm -v box": [MADE],
    "run -d --rm --name fast --network first -v /anonymous busybox sleep 600": [],
    "rm -f fast": ["run -d --rm --name fast --network first -v /anonymous busybox sleep 600"],
    "run --rm --name short --network first -v data:/d -v /anonymous busybox true": [],
}
"""Each command, and what is run before it."""


class World:
    """A state folder and commands on it."""

    def __init__(self, engine, folder):
        self.engine = engine
        self.said = f"{folder}/said"

    def run(self, line, **environ):
        """The exit code; -9 when it was killed."""
        pid = os.fork()
        if pid == 0:
            code = 99
            try:
                os.setsid()
                out = os.open(self.said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
                os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
                os.dup2(out, 1)
                os.dup2(out, 2)
                sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
                os.environ.update(
                    {"TEUL_ROOT": self.engine.settings.root, "TEUL_LANG": "en", "TEUL_NO_SUPERVISOR": "1", **environ}
                )
                code = main(line.split())
                sys.stdout.flush()
                sys.stderr.flush()
            except BaseException:
                os.write(2, traceback.format_exc().encode())
            os._exit(code)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def do(self, line, allowed=(0,)):
        code = self.run(line)
        assert code in allowed, f"{line}: {code}: {self.words()}"

    def words(self):
        with open(self.said, errors="replace") as file:
            return file.read()

    def points(self, line, folder):
        """(name, which time) of every crash point that the command passes itself: the first time and the last."""
        log = f"{folder}/points"
        open(log, "w").close()
        assert self.run(line, TEUL_CRASH_LOG=log) == 0, self.words()
        with open(log) as file:
            names = file.read().split()
        # Before a transaction's end the database is as before it; what else is there has a point of its own.
        return sorted({(name, n) for name in names if name != "transaction-done" for n in (1, names.count(name))})

    def clear(self):
        names = [item.name for item in containers.list_containers(self.engine, all=True)]
        if names:
            self.do(f"rm -f -v {' '.join(names)}")
        if any(network.name == "third" for network in networks.list_networks(self.engine)):
            self.do("network rm third")
        volumes.prune(self.engine, is_all=True)


def settled(take, expected):
    """What *take* gives when it is *expected*, or the last after half a minute: monitors end a moment later."""
    deadline = time.monotonic() + 30
    while (found := take()) != expected and time.monotonic() < deadline:
        time.sleep(0.02)
    return found


def test_a_kill_between_any_two_steps(busybox, tmp_path):
    assert NAME == "busybox"
    world = World(busybox, tmp_path)
    # What is there once: bridges, files of a first use.
    for name in ("first", "second"):
        world.do(f"network create {name}")
        world.do(f"run --rm --network {name} -v /anonymous busybox true")
    world.clear()
    kinds = ("mounts", "interfaces", "rules", "cgroups", "processes")

    def holds():
        now = held(busybox)
        return {kind: now[kind] for kind in kinds} | {
            "run": [path for path in now["run"] if "/containers/" in path or "/runtime/" in path]
        }

    before = holds()
    passed, kills = set(), 0
    for line, first in COMMANDS.items():
        for word in first:
            world.do(word)
        points = world.points(line, tmp_path)
        world.clear()
        passed |= {name for name, _ in points}
        for name, count in points:
            what = f"`{line}` killed at {name}:{count}"
            for word in first:
                world.do(word)
            if world.run(line, TEUL_CRASH_AT=f"{name}:{count}") != -signal.SIGKILL:
                world.clear()
                continue
            kills += 1
            found = containers.list_containers(busybox, all=True)
            # A `run --rm` leaves a container that runs, or none.
            assert [item.name for item in found if item.remove and not item.is_running] == [], what
            assert settled(lambda: system.fsck(busybox), []) == [], what
            # Once more: done now, or told why not.
            code = world.run(line)
            assert code in (0, 1, 125), f"{what}, then: {world.words()}"
            words = ("already", "no such", "not connected", "has active endpoints", "not found")
            assert code == 0 or any(word in world.words().lower() for word in words), f"{what}, then: {world.words()}"
            for item in containers.list_containers(busybox):
                # `short` may end at any moment.
                if item.name != "short":
                    world.do(f"exec {item.name} true")
            world.clear()
            assert settled(holds, before) == before, what
            assert settled(lambda: system.fsck(busybox), []) == [], what

    assert declared("engine", "containers") | declared("engine", "networks") <= passed | {"container-deleted"}
    assert kills > 40
    networks.sweep(busybox)
