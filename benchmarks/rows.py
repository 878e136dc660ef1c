"""The rows of the benchmark: each measures teul and its peers in turn, in one run, on one machine.

A row is a function that takes a `Bench` and returns `Row`. Times are seconds; of several rounds the median counts.
The subjects take turns within each round, so that a slow minute of the machine hits all of them.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import statistics
import subprocess
import tarfile
import time
from collections.abc import Callable
from dataclasses import dataclass

SHARED = "/tmp/teul-bench"
"""Lies under /tmp, which the peers see."""


@dataclass
class Row:
    """One line of the table: *times* by subject, seconds, the median of the rounds."""

    work: str
    times: dict[str, float]
    against: str = ""
    """The subject that the ratio is to; default: the fastest that is not teul."""
    target: float = 0.0
    """The ratio that `DESIGN.md` asks for, 0 for none."""
    note: str = ""
    unit: str = "s"
    """Of *times*: "s", or "B" where bytes are compared."""

    @property
    def reference(self) -> str:
        others = {name: time for name, time in self.times.items() if name != "teul"}
        return self.against or min(others, key=others.__getitem__)

    @property
    def ratio(self) -> float:
        return self.times["teul"] / self.times[self.reference]


@dataclass
class Bench:
    """Where things are and how to start them."""

    top: str
    root: str
    rounds: int = 10

    @property
    def teul(self) -> list[str]:
        return [f"{self.top}/.venv/bin/teul"]

    def peer(self, program: str) -> list[str]:
        """What `peers.sh run` ends in, without the shell before it: the peers are measured, not the script."""
        folder = os.environ.get("TEUL_PEERS", "/var/tmp/teul-peers")
        return ["chroot", f"{folder}/rootfs", program]

    def run(self, argv: list[str], *, timeout_s: float = 600) -> float:
        """Seconds that *argv* took; its output is shown when it fails."""
        began = time.perf_counter()
        self.output(argv, timeout_s=timeout_s)
        return time.perf_counter() - began

    def output(self, argv: list[str], *, timeout_s: float = 600) -> str:
        """What *argv* printed."""
        environ = {
            # The peers do not see the host's pip settings; what they would add (other indexes) is not to be measured.
            **{name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_"))},
            "PIP_CONFIG_FILE": os.devnull,
            "TEUL_ROOT": self.root,
            "TEUL_LANG": "en",
            "DOCKER_HOST": "unix:///run/teul-peers/docker.sock",
            "PODMAN_IGNORE_CGROUPSV1_WARNING": "1",
            # Its default needs nft, which the tree does not have; teul and Docker make rules of iptables too.
            "NETAVARK_FW": "iptables",
        }
        done = subprocess.run(
            argv, env=environ, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout_s, check=False
        )
        if done.returncode != 0:
            tail = (done.stdout + done.stderr).decode(errors="replace")[-2000:]
            raise RuntimeError(f"{' '.join(argv)} ended with {done.returncode}:\n{tail}")
        return done.stdout.decode(errors="replace")

    def race(self, subjects: dict[str, Callable[[], float]], *, rounds: int = 0, warm: bool = True) -> dict[str, float]:
        """Let the subjects take turns; the median of each."""
        for subject in subjects.values():
            if warm:
                subject()
        took: dict[str, list[float]] = {name: [] for name in subjects}
        for _ in range(rounds or self.rounds):
            for name, subject in subjects.items():
                took[name].append(subject())
        return {name: statistics.median(times) for name, times in took.items()}


def _churn_context(bench: Bench) -> str:
    """The churn example, on the base that everyone has."""
    context = f"{SHARED}/churn"
    shutil.rmtree(context, ignore_errors=True)
    shutil.copytree(f"{bench.top}/examples/churn", context)
    path = f"{context}/Dockerfile"
    with open(path, encoding="utf-8") as file:
        document = file.read()
    with open(path, "w", encoding="utf-8") as file:
        file.write(document.replace("FROM python:3.11-slim", "FROM bench-python"))
    return context


def _builds(bench: Bench, context: str, *options: str) -> dict[str, Callable[[], float]]:
    words = ["-q", "-t", "bench-churn", *options, context]
    docker = [*bench.peer("docker"), "build", "--network", "host"]
    # Podman raises limits by itself, which a host with lower hard limits forbids.
    podman = [*bench.peer("podman"), "--runtime", "runc", "build", "--runtime", "runc", "--network", "host"]
    podman += ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"]
    return {
        "teul": lambda: bench.run([*bench.teul, "build", *words]),
        "Docker": lambda: bench.run([*docker, *words]),
        "Podman": lambda: bench.run([*podman, *words]),
    }


def build_cold(bench: Bench) -> Row:
    """The churn image with nothing there but the base: `pip install catboost pandas scikit-learn …` downloads all."""
    context = _churn_context(bench)
    subjects = _builds(bench, context, "--no-cache")

    def ours() -> float:
        # A state folder of its own: in the usual one the same layers come out again, are known and thrown away, and
        # that is another measurement.
        cold = Bench(bench.top, f"{bench.root}-cold")
        _forget(cold)
        cold.run([*cold.teul, "load", "-i", "/tmp/teul-peers-images/python.tar"])
        took = cold.run([*cold.teul, "build", "-q", "-t", "bench-churn", context])
        _forget(cold)
        return took

    return Row(
        "churn image, cold (`pip install` of catboost, pandas, scikit-learn)",
        bench.race({**subjects, "teul": ours}, rounds=2, warm=False),
        target=1.0,
        note="2 rounds; downloads from the package index are part of it",
    )


def _forget(bench: Bench) -> None:
    """Delete a state folder, and the bridge that its builds ran on."""
    from teul.config import Settings
    from teul.engine import Engine, networks

    if os.path.isdir(bench.root):
        settings = Settings.from_environ({**os.environ, "TEUL_ROOT": bench.root})
        engine = Engine.open(settings)
        networks.abandon(engine)
        engine.close()
        shutil.rmtree(settings.run_root, ignore_errors=True)
        shutil.rmtree(bench.root)


def build_cached(bench: Bench) -> Row:
    """The same build again, nothing changed."""
    return Row("cached rebuild (nothing changed)", bench.race(_builds(bench, _churn_context(bench))), target=0.6)


def _small_context(name: str, dockerfile: str) -> str:
    """A new context of a Dockerfile alone."""
    context = f"{SHARED}/{name}"
    shutil.rmtree(context, ignore_errors=True)
    os.makedirs(context)
    with open(f"{context}/Dockerfile", "w", encoding="utf-8") as file:
        file.write(dockerfile)
    return context


def build_last_copy(bench: Bench) -> Row:
    """One file changed, copied by the last instruction of four."""
    context = _small_context(
        "last-copy",
        "FROM bench-python\nWORKDIR /app\nRUN echo one > /one\nCOPY requirements.txt .\nRUN echo two > /two\nCOPY main.py .\n",
    )
    with open(f"{context}/requirements.txt", "w", encoding="utf-8") as file:
        file.write("numpy\n")
    number = iter(range(1_000_000))

    def changed(build: Callable[[], float]) -> Callable[[], float]:
        def work() -> float:
            with open(f"{context}/main.py", "w", encoding="utf-8") as file:
                file.write(f"print({os.getpid()}, {next(number)})\n")
            return build()

        return work

    subjects = {name: changed(build) for name, build in _builds(bench, context).items()}
    return Row("a change in the last COPY", bench.race(subjects), against="Docker", target=0.5)


def build_many_files(bench: Bench) -> Row:
    """A context of 50,000 small files, all copied, none changed."""
    context = f"{SHARED}/many-files"
    if not os.path.exists(f"{context}/.whole"):
        shutil.rmtree(context, ignore_errors=True)
        for index in range(50_000):
            place = f"{context}/data/{index // 500:03d}"
            os.makedirs(place, exist_ok=True)
            with open(f"{place}/{index}.txt", "w", encoding="utf-8") as file:
                file.write(f"{index}\n" * 20)
        with open(f"{context}/Dockerfile", "w", encoding="utf-8") as file:
            file.write("FROM bench-debian\nCOPY data /data\n")
        with open(f"{context}/.whole", "w", encoding="utf-8"):
            pass
    # Podman takes a minute for each round of this.
    subjects = {name: build for name, build in _builds(bench, context).items() if name != "Podman"}
    return Row(
        "a context of 50,000 files, unchanged",
        bench.race(subjects, rounds=3),
        target=1.0,
        note="3 rounds, without Podman",
    )


def build_parallel(bench: Bench) -> Row:
    """Two stages that sleep five seconds each, and one that takes a file of both."""
    context = _small_context(
        "parallel",
        "FROM bench-debian AS a\nRUN sleep 5; echo a > /a\nFROM bench-debian AS b\nRUN sleep 5; echo b > /b\n"
        "FROM bench-debian\nCOPY --from=a /a /a\nCOPY --from=b /b /b\n",
    )
    subjects = _builds(bench, context, "--no-cache")
    return Row(
        "two independent stages of 5 s each",
        bench.race(subjects, rounds=2, warm=False),
        against="Docker",
        target=1.05,
        note="2 rounds",
    )


def build_large_context(bench: Bench) -> Row:
    """One file out of a context that has a 50 GB file (a hole) beside it, against one without."""
    contexts = []
    for name in ("large", "empty"):
        context = _small_context(f"context-{name}", "FROM bench-debian\nCOPY word /word\n")
        with open(f"{context}/word", "w", encoding="utf-8") as file:
            file.write("word\n")
        contexts.append(context)
    with open(f"{contexts[0]}/model.bin", "wb") as file:
        file.truncate(50_000_000_000)
    subjects = {
        "teul": lambda: bench.run([*bench.teul, "build", "-q", contexts[0]]),
        "teul, empty context": lambda: bench.run([*bench.teul, "build", "-q", contexts[1]]),
    }
    return Row("one file out of a context of 50 GB", bench.race(subjects), target=1.1)


def tar_and_hash(bench: Bench) -> Row:
    """A layer of 9,000 files and 700 MB: canonical tar and its sha256, nothing written."""
    from teul.layers import pack

    folder = f"{SHARED}/tree"
    _make_tree(folder, files=9000, size_bytes=700_000_000)

    def ours() -> float:
        began = time.perf_counter()
        pack(folder, lambda data: None)
        return time.perf_counter() - began

    def digest_alone() -> float:
        began = time.perf_counter()
        digest = hashlib.sha256()
        for place, _, names in os.walk(folder):
            for name in names:
                with open(f"{place}/{name}", "rb") as file:
                    while data := file.read(1 << 20):
                        digest.update(data)
        return time.perf_counter() - began

    class Sink:
        def __init__(self) -> None:
            self.digest = hashlib.sha256()

        def write(self, data: bytes) -> int:
            self.digest.update(data)
            return len(data)

    def standard() -> float:
        began = time.perf_counter()
        with tarfile.open(fileobj=Sink(), mode="w|") as archive:  # type: ignore[call-overload]
            archive.add(folder, ".")
        return time.perf_counter() - began

    subjects = {"teul": ours, "sha256 alone": digest_alone, "tarfile": standard}
    return Row(
        "tar and sha256 of 700 MB in 9,000 files", bench.race(subjects, rounds=5), against="sha256 alone", target=2.0
    )


def _make_tree(folder: str, *, files: int, size_bytes: int) -> None:
    """The same tree on every machine: 100 folders, sizes skewed as those of wheels are, bytes that do not compress."""
    if os.path.exists(f"{folder}/.whole"):
        return
    shutil.rmtree(folder, ignore_errors=True)
    weights = [1 / (1 + index % 300) for index in range(files)]
    scale = size_bytes / sum(weights)
    block = b"".join(hashlib.sha256(str(index).encode()).digest() for index in range(1 << 15))
    for index, weight in enumerate(weights):
        place = f"{folder}/package{index % 100}"
        os.makedirs(place, exist_ok=True)
        left = int(weight * scale)
        with open(f"{place}/file{index}.bin", "wb") as file:
            while left > 0:
                left -= file.write(block[: min(left, len(block))])
    with open(f"{folder}/.whole", "w", encoding="utf-8"):
        pass


ROWS: dict[str, Callable[[Bench], Row]] = {
    "build-cold": build_cold,
    "build-cached": build_cached,
    "build-last-copy": build_last_copy,
    "build-many-files": build_many_files,
    "build-parallel": build_parallel,
    "build-large-context": build_large_context,
    "tar": tar_and_hash,
}
