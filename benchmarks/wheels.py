"""The rows about installs of Python packages: cold, one line added, elsewhere, on the wire, imported.

Docker is measured plain and with uv, a cache mount and bytecode, which is the best that its users know. The local index
is a folder of wheels behind `wheel_index.py`; in each round the line that is added names a version that nobody has seen.
"""

from __future__ import annotations

import os
import shutil
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rows import SHARED, Bench, Row, _forget

VERSIONS = ("1.62.3", "1.63.0", "1.64.1", "1.65.5", "1.66.2", "1.67.1", "1.68.1", "1.69.0")
"""Of grpcio: a wheel of 5 MB with a layer of its own, that needs nothing else."""
CHURN = ("catboost==1.2.5", "pandas==2.2.2", "scikit-learn==1.4.2", "numpy==1.26.4")
TORCH = ("torch==2.13.0", "numpy==1.26.4", "pandas==2.2.2", "scikit-learn==1.4.2", "matplotlib==3.9.2")
BOTH = "Docker with uv"


def _download(folder: str, *wanted: str) -> None:
    """The wheels of *wanted* for the base image's Python, found by pip with this machine's settings."""
    os.makedirs(folder, exist_ok=True)
    words = ["--only-binary", ":all:", "--python-version", "3.11", "--implementation", "cp", "--abi", "cp311"]
    words += ["--abi", "abi3", "--abi", "none"]
    for tag in ("manylinux_2_28", "manylinux_2_17", "manylinux2014", "manylinux1"):
        words += ["--platform", f"{tag}_{os.uname().machine}"]
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "-qq", "--dest", folder, *words, *wanted],
        check=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def _wheels(name: str, wanted: tuple[str, ...]) -> str:
    """A folder with the closure of *wanted* and all versions that are added to it; made once."""
    folder = f"{SHARED}/wheels-{name}"
    mark = f"{folder}/whole"
    said = " ".join((*wanted, *VERSIONS))
    if not os.path.exists(mark) or open(mark, encoding="utf-8").read() != said:
        _download(folder, *wanted)
        for version in VERSIONS:
            _download(folder, "--no-deps", f"grpcio=={version}")
        with open(mark, "w", encoding="utf-8") as file:
            file.write(said)
    return folder


@contextmanager
def local_index(folder: str) -> Iterator[str]:
    """The address of an index of the wheels in *folder*."""
    program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "wheel_index.py")
    child = subprocess.Popen([sys.executable, program, folder], stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        yield f"http://127.0.0.1:{int(child.stdout.readline())}/simple"
    finally:
        child.terminate()
        child.wait()


def _spread(root: str) -> str:
    """A folder beside *root* whose folders ext4 puts far from each other (`chattr +T`): among the inodes of files that
    were deleted minutes ago it searches long for free ones, and only teul's state is made anew for each round.
    """
    folder = f"{root}-wheels"
    os.makedirs(folder, exist_ok=True)
    subprocess.run(["chattr", "+T", folder], stderr=subprocess.DEVNULL, check=False)
    return folder


class Subjects:
    """teul in a state folder of its own, Docker, and Docker with uv, on one base image each; nothing is known yet."""

    def __init__(self, bench: Bench, index: str = "") -> None:
        self.mark = f"{os.getpid()}-{time.time_ns()}"
        self.top = bench
        self.bench = Bench(bench.top, f"{_spread(bench.root)}/{self.mark}", rounds=bench.rounds)
        self.options = f"--index-url {index} " if index else ""
        self.docker = [*bench.peer("docker"), "build", "--network", "host", "-q"]
        self.bench.run([*self.bench.teul, "load", "-i", "/tmp/teul-peers-images/python.tar"])
        self._uv_base()

    def _uv_base(self) -> None:
        from uv import find_uv_bin

        context = self.context("uv-base", "FROM bench-python\nCOPY uv /usr/local/bin/uv\n")
        shutil.copy(find_uv_bin(), f"{context}/uv")
        self.bench.run([*self.docker, "-t", "bench-python-uv", context])

    def context(self, name: str, dockerfile: str, lines: tuple[str, ...] = ()) -> str:
        folder = f"{SHARED}/{name}"
        os.makedirs(folder, exist_ok=True)
        with open(f"{folder}/Dockerfile", "w", encoding="utf-8") as file:
            file.write(dockerfile)
        with open(f"{folder}/requirements.txt", "w", encoding="utf-8") as file:
            file.write(f"# {self.mark}\n" + "".join(f"{line}\n" for line in lines))
        return folder

    def dockerfile(self, base: str, *, workdir: str = "/app", cache: str = "") -> str:
        head = f"FROM {base}\nWORKDIR {workdir}\nCOPY requirements.txt .\n"
        if not cache:
            return f"{head}RUN pip install --no-cache-dir {self.options}-r requirements.txt\n"
        return (
            f"{head}RUN --mount=type=cache,id={cache},target=/root/.cache/uv uv pip install --system "
            f"--break-system-packages --compile-bytecode --link-mode=copy {self.options}-r requirements.txt\n"
        )

    def builds(self, lines: tuple[str, ...], *, base: str = "bench-python", project: str = "one") -> dict[str, Callable[[], float]]:  # fmt: skip
        """What builds the image of *lines*, by subject. *project*: its folders, and where it works."""
        workdir = f"/{project}"
        uv_base = "bench-python-uv" if base == "bench-python" else f"{base}-uv"
        plain = self.context(f"project-{project}", self.dockerfile(base, workdir=workdir), lines)
        cached = self.context(
            f"project-{project}-uv", self.dockerfile(uv_base, workdir=workdir, cache=f"uv-{self.mark}"), lines
        )
        tag = ("-t", f"bench-wheels-{project}")
        return {
            "teul": lambda: self.bench.run([*self.bench.teul, "build", "-q", "--network", "host", *tag, plain]),
            "Docker": lambda: self.bench.run([*self.docker, *tag, plain], timeout_s=1800),
            BOTH: lambda: self.bench.run([*self.docker, *tag, cached], timeout_s=1800),
        }

    def run(self, builds: dict[str, Callable[[], float]], took: dict[str, list[float]] | None = None) -> None:
        for name, build in builds.items():
            seconds = build()
            if took is not None:
                took.setdefault(name, []).append(seconds)

    def close(self) -> None:
        _forget(self.bench)


def _median(took: dict[str, list[float]]) -> dict[str, float]:
    return {name: statistics.median(times) for name, times in took.items()}


def cold(bench: Bench) -> Row:
    """The churn image with nothing in any store but the base, from the index online.

    Nothing is deleted before the last round, since the peers delete nothing either (see `_spread`).
    """
    took: dict[str, list[float]] = {}
    rounds = min(3, bench.rounds)
    every: list[Subjects] = []
    try:
        for _ in range(rounds):
            every.append(Subjects(bench))
            every[-1].run(every[-1].builds(CHURN), took)
    finally:
        for subjects in every:
            subjects.close()
    return Row(
        "catboost, pandas, scikit-learn: nothing in the store, online", _median(took), against=BOTH, target=1.0,
        note=f"{rounds} rounds; the goal against Docker with pip is 0.5 ×",
    )  # fmt: skip


def _added(bench: Bench, work: str, lines: tuple[str, ...], index: str, *, limit_s: float, rounds: int = 3) -> Row:
    subjects = Subjects(bench, index)
    took: dict[str, list[float]] = {}
    try:
        subjects.run(subjects.builds(lines))
        for version in VERSIONS[: min(rounds, bench.rounds)]:
            subjects.run(subjects.builds((*lines, f"grpcio=={version}")), took)
    finally:
        subjects.close()
    note = f"{len(took['teul'])} rounds; the goal for teul is {limit_s:g} s"
    return Row(work, _median(took), target=0.2, note=note)


def added_local(bench: Bench) -> Row:
    """One more line in requirements.txt, a local index."""
    with local_index(_wheels("churn", CHURN)) as index:
        return _added(bench, "one line added to requirements.txt, local index", CHURN, index, limit_s=1.0)


def added_online(bench: Bench) -> Row:
    """One more line in requirements.txt, the index online."""
    return _added(bench, "one line added to requirements.txt, online", CHURN, "", limit_s=1.8)


def added_torch(bench: Bench) -> Row:
    """One more line beside PyTorch."""
    with local_index(_wheels("torch", TORCH)) as index:
        return _added(
            bench, "one line added beside PyTorch (CPU), local index", TORCH, index, limit_s=1.5, rounds=2
        )  # fmt: skip


def elsewhere(bench: Bench) -> Row:
    """The same requirements on another base image, in another project."""
    with local_index(_wheels("churn", CHURN)) as index:
        subjects = Subjects(bench, index)
        took: dict[str, list[float]] = {}
        try:
            subjects.run(subjects.builds(CHURN))
            for number in range(min(3, bench.rounds)):
                base = f"bench-other-{subjects.mark}-{number}"
                context = subjects.context("other-base", f"FROM bench-python\nRUN echo {base} > /name\n")
                subjects.bench.run([*subjects.bench.teul, "build", "-q", "-t", base, context])
                for name, below in ((base, "bench-python"), (f"{base}-uv", "bench-python-uv")):
                    context = subjects.context("other-base", f"FROM {below}\nRUN echo {base} > /name\n")
                    subjects.bench.run([*subjects.docker, "-t", name, context])
                subjects.run(subjects.builds(CHURN, base=base, project=f"other{number}"), took)
        finally:
            subjects.close()
    return Row(
        "the same requirements on another base image, in another project", _median(took),
        note=f"{len(took['teul'])} rounds; the goal for teul is 3 s",
    )  # fmt: skip


class Counter:
    """A proxy on loopback that hands on what comes, and counts what goes to the registry."""

    def __init__(self, domain: str) -> None:
        host, _, port = domain.partition(":")
        self.target = (host, int(port))
        self.sent = 0
        self.guard = threading.Lock()
        self.server = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.domain = f"127.0.0.1:{self.server.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.server.accept()
            except OSError:
                return
            registry = socket.create_connection(self.target)
            for source, sink, is_counted in ((client, registry, True), (registry, client, False)):
                threading.Thread(target=self._hand_on, args=(source, sink, is_counted), daemon=True).start()

    def _hand_on(self, source: socket.socket, sink: socket.socket, is_counted: bool) -> None:
        try:
            while data := source.recv(1 << 18):
                if is_counted:
                    with self.guard:
                        self.sent += len(data)
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            sink.close()

    def of(self, push: Callable[[], object]) -> int:
        """Bytes that *push* sent, headers included."""
        before = self.sent
        push()
        return self.sent - before

    def close(self) -> None:
        self.server.close()


def wire(bench: Bench) -> Row:
    """Bytes that a push of the added line sends to a real registry."""
    sys.path.insert(0, os.path.join(bench.top, "tests"))
    from suites import docker_registry

    folder = f"{SHARED}/registry"
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    wheels = _wheels("churn", CHURN)
    version = VERSIONS[0]
    size = next(os.path.getsize(f"{wheels}/{name}") for name in os.listdir(wheels) if name.startswith(f"grpcio-{version}-"))  # fmt: skip
    with local_index(wheels) as index, docker_registry.running(folder) as registry:
        subjects = Subjects(bench, index)
        counter = Counter(registry)
        try:
            programs = {"teul": subjects.bench.teul, "Docker": bench.peer("docker"), BOTH: bench.peer("docker")}
            sent: dict[str, float] = {}
            for lines in (CHURN, (*CHURN, f"grpcio=={version}")):
                for name, build in subjects.builds(lines).items():
                    build()
                    tag = f"{counter.domain}/{name.replace(' ', '-').lower()}:1"
                    subjects.bench.run([*programs[name], "tag", "bench-wheels-one", tag])
                    sent[name] = counter.of(lambda tag=tag, name=name: subjects.bench.run([*programs[name], "push", "-q", tag]))  # fmt: skip
        finally:
            counter.close()
            subjects.close()
    return Row(
        "bytes that the push of the added line sends", {**sent, "the .whl file": float(size)}, unit="B",
        against="the .whl file", target=round(1.2 + 65536 / size, 3), note="the goal is 1.2 × the file, and 64 KB",
    )  # fmt: skip


def imported(bench: Bench) -> Row:
    """`import catboost, pandas, sklearn` in a new container, from many layers and from one."""
    with local_index(_wheels("churn", CHURN)) as index:
        subjects = Subjects(bench, index)
        try:
            subjects.builds(CHURN)["teul"]()
            teul = subjects.bench.teul
            squashed = subjects.context(
                "one-layer", "FROM bench-wheels-one AS all\nFROM scratch\nCOPY --from=all / /\n"
            )
            subjects.bench.run([*teul, "build", "-q", "-t", "bench-wheels-squashed", squashed])
            code = (
                "import time; b = time.perf_counter(); import catboost, pandas, sklearn; print(time.perf_counter() - b)"
            )

            def measured(image: str) -> Callable[[], float]:
                def work() -> float:
                    words = ["run", "--rm", "--network", "none", image, "/usr/bin/python3", "-c", code]
                    return float(subjects.bench.output([*teul, *words]))

                return work

            times = bench.race({"teul": measured("bench-wheels-one"), "one layer": measured("bench-wheels-squashed")})
        finally:
            subjects.close()
    return Row("import of catboost, pandas, scikit-learn, one layer per wheel", times, target=1.05)


ROWS: dict[str, Callable[[Bench], Row]] = {
    "wheels-cold": cold,
    "wheels-added-local": added_local,
    "wheels-added-online": added_online,
    "wheels-added-torch": added_torch,
    "wheels-elsewhere": elsewhere,
    "wheels-wire": wire,
    "wheels-import": imported,
}
