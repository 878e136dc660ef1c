"""The rows of the benchmark that are about containers: starting, entering and removing them, and what that leaves behind.

As `rows`: the subjects take turns within each round.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from rows import SHARED, Bench, Row
from scale import counted

RUNS = 200
"""So many runs must leave nothing behind."""


def _engines(bench: Bench) -> dict[str, list[str]]:
    """The programs that take Docker's commands, as the beginnings of command lines."""
    return {
        "teul": bench.teul,
        "Docker": bench.peer("docker"),
        "Podman": [*bench.peer("podman"), "--runtime", "runc"],
    }


def run_true(network: str) -> Callable[[Bench], Row]:
    """`run --rm IMAGE true` on one kind of network."""

    def row(bench: Bench) -> Row:
        words = ["run", "--rm", "--network", network, "bench-debian", "true"]
        subjects = {name: _command(bench, [*start, *words]) for name, start in _engines(bench).items()}
        target = 0.5 if network == "bridge" else 0.6
        against = "Docker" if network == "bridge" else ""
        # Whatever is made once for a state folder is there after the first run.
        bench.run([*bench.teul, *words])
        os.environ["TEUL_ROOT"] = bench.root
        before = counted(bench.root)
        times = bench.race(subjects)
        for _ in range(RUNS - bench.rounds - 1):
            subjects["teul"]()
        left = _left(bench, before) or "nothing"
        note = f"{RUNS} runs of teul's left behind: {left}"
        return Row(f"`run --rm IMAGE true`, network {network}", times, against=against, target=target, note=note)

    row.__name__ = f"run_{network}"
    return row


def _command(bench: Bench, argv: list[str]) -> Callable[[], float]:
    return lambda: bench.run(argv)


def exec_true(bench: Bench) -> Row:
    """`exec` of one process in a container that runs already."""
    name = f"bench-exec-{os.getpid()}"
    engines = _engines(bench)
    for start in engines.values():
        bench.run([*start, "run", "-d", "--name", name, "--network", "none", "bench-debian", "sleep", "infinity"])
    try:
        subjects = {who: _command(bench, [*start, "exec", name, "true"]) for who, start in engines.items()}
        return Row("`exec CONTAINER true`", bench.race(subjects), against="Docker", target=0.5)
    finally:
        for start in engines.values():
            bench.run([*start, "rm", "-f", name])


def run_and_remove(at_once: int) -> Callable[[Bench], Row]:
    """50 containers started in the background and removed by force, *at_once* at a time."""
    count = 50

    def row(bench: Bench) -> Row:
        def churn(who: str, start: list[str]) -> Callable[[], float]:
            # Podman alone would ask nicely and wait ten seconds.
            hurry = ["-t", "0"] if who == "Podman" else []

            def one(number: int) -> None:
                name = f"bench-churn-{os.getpid()}-{number}"
                bench.run([*start, "run", "-d", "--name", name, "bench-debian", "sleep", "infinity"])
                bench.run([*start, "rm", "-f", *hurry, name])

            def work() -> float:
                began = time.perf_counter()
                with ThreadPoolExecutor(at_once) as pool:
                    list(pool.map(one, range(count)))
                return time.perf_counter() - began

            return work

        os.environ["TEUL_ROOT"] = bench.root
        subjects = {name: churn(name, start) for name, start in _engines(bench).items()}
        subjects["teul"]()
        before = counted(bench.root)
        manner = "in a row" if at_once == 1 else f"{at_once} at a time"
        times = bench.race(subjects, rounds=3, warm=False)
        left = _left(bench, before) or "nothing"
        return Row(
            f"`run -d` and `rm -f` of {count} containers, {manner}",
            times,
            against="Docker",
            target=0.7,
            note=f"3 rounds, on the default network; teul's left behind: {left}",
        )

    row.__name__ = f"churn_{at_once}"
    return row


def run_bare(bench: Bench) -> Row:
    """What the OCI runtime alone takes, without any engine."""
    bundle = f"{SHARED}/bundle"
    if not os.path.isdir(f"{bundle}/rootfs/usr"):
        os.makedirs(f"{bundle}/rootfs", exist_ok=True)
        bench.run(["tar", "-xf", "/tmp/teul-peers-images/debian.rootfs.tar", "-C", f"{bundle}/rootfs"])
    if not os.path.exists(f"{bundle}/config.json"):
        bench.run(["runc", "spec", "--bundle", bundle])
    with open(f"{bundle}/config.json", encoding="utf-8") as file:
        spec = json.load(file)
    spec["process"] |= {"terminal": False, "args": ["true"]}
    with open(f"{bundle}/config.json", "w", encoding="utf-8") as file:
        json.dump(spec, file)
    subjects = {
        "teul": lambda: bench.run([*bench.teul, "run", "--rm", "--network", "none", "bench-debian", "true"]),
        "bare runc": lambda: bench.run(["runc", "run", "--bundle", bundle, f"teul-bench-{os.getpid()}"]),
    }
    return Row("`run --rm IMAGE true`, network none, against bare `runc run`", bench.race(subjects), target=3.5)


def _left(bench: Bench, before: dict[str, int]) -> str:
    """What there is more of than *before*, in words; "" for nothing."""
    after = counted(bench.root)
    return ", ".join(f"{after[name] - number} {name}" for name, number in before.items() if after[name] > number)


ROWS: dict[str, Callable[[Bench], Row]] = {
    "run-none": run_true("none"),
    "run-host": run_true("host"),
    "run-bridge": run_true("bridge"),
    "run-bare": run_bare,
    "exec": exec_true,
    "churn-1": run_and_remove(1),
    "churn-8": run_and_remove(8),
}
