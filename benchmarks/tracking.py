"""Measure our tracking server against MLflow's, in one run on this machine; `--write` makes docs/benchmarks-tracking.md.

    tracking.py [--write] [--quick] [--postgresql]

MLflow's server has one worker and SQLite; so has ours, and with `--postgresql` a second one of ours has that. The stock
client is MLflow's own, in the environment of its server. Needs a package index the first time.
"""

from __future__ import annotations

import asyncio
import datetime
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from contextlib import ExitStack
from dataclasses import dataclass, field

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
for folder in ("tests/integration/mlflow_client", "tests", "src", "benchmarks"):
    sys.path.insert(0, os.path.join(TOP, folder))

from bench import machine  # noqa: E402 (the clone's own come first)
from servers import environment, mlflow_server, our_server  # noqa: E402

PAGE = os.path.join(TOP, "docs/benchmarks-tracking.md")
VERSION = "3.17.2"
RUNS, POINTS = 10_000, 10_000

# Run by MLflow's Python: prints a second's worth of each, after a warm-up.
CLIENT = """
import sys, time
from mlflow import MlflowClient
from mlflow.entities import Metric
client, seconds = MlflowClient(sys.argv[1]), float(sys.argv[2])
run = client.create_run("0").info.run_id
def rate(work):
    for _ in range(3):
        work(-1)
    began, done = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        work(done)
        done += 1
    return done / (time.perf_counter() - began)
print(rate(lambda step: client.log_metric(run, "m", 0.5, timestamp=step + 2, step=step, synchronous=True)))
batch = [Metric(f"m{index % 10}", index / 7, index, 0) for index in range(1000)]
def log(number):
    client.log_batch(run, [Metric(one.key, one.value, one.timestamp, number + 2) for one in batch], synchronous=True)
print(1000 * rate(log))
"""


@dataclass
class Subject:
    name: str
    uri: str
    pid: int
    ready_s: float
    location: str = ""
    figures: dict[str, float] = field(default_factory=dict)


# name → (what it is, unit, whether more is better, goal, least times MLflow's)
ROWS = {
    "client": ("`log_metric` of the stock client", "/s", True, 600.0, 5.0),
    "raw": ("`log-metric`, 8 connections", "/s", True, 5000.0, 0.0),
    "batch": ("`log_batch` of 1,000, stock client, metrics", "/s", True, 40_000.0, 0.0),
    "search": (f"search of 100 among {RUNS:,} runs", "ms", False, 30.0, 0.0),
    "history": (f"history of {POINTS:,} points", "ms", False, 60.0, 0.0),
    "ready": ("answers after its start", "ms", False, 500.0, 0.0),
    "idle": ("memory when idle (PSS, all processes)", "MB", False, 80.0, 0.0),
}


def post(uri: str, path: str, body: dict[str, object]) -> dict[str, object]:
    data = json.dumps(body).encode()
    request = urllib.request.Request(f"{uri}/api/2.0/mlflow/{path}", data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def new_run(uri: str) -> str:
    return post(uri, "runs/create", {"experiment_id": "0", "start_time": 1})["run"]["info"]["run_id"]  # type: ignore[index]


class Connection(asyncio.Protocol):
    """Sends a request, waits for the whole answer, sends the next one."""

    def __init__(self, run: str, number: int, until: float) -> None:
        self.run, self.number, self.until = run, number, until
        self.count = 0
        self.waiting = b""
        self.ended = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.send()

    def send(self) -> None:
        body = b'{"run_id":"%s","key":"m%d","value":0.5,"timestamp":%d,"step":%d}' % (
            self.run.encode(), self.number, self.count, self.count,
        )  # fmt: skip
        head = b"POST /api/2.0/mlflow/runs/log-metric HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        self.transport.write(b"%sContent-Length: %d\r\n\r\n%s" % (head, len(body), body))  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self.waiting += data
        head, end, rest = self.waiting.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
        if not end or len(rest) < length:
            return
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(self.waiting.decode())
        self.waiting = b""
        self.count += 1
        if time.perf_counter() < self.until:
            self.send()
        else:
            self.transport.close()
            self.ended.set_result(None)


async def raw(uri: str, seconds: float) -> float:
    run, parts = new_run(uri), urllib.parse.urlsplit(uri)
    began = time.perf_counter()
    loop = asyncio.get_running_loop()
    made = [
        (await loop.create_connection(lambda n=n: Connection(run, n, began + seconds), parts.hostname, parts.port))[1]
        for n in range(8)
    ]
    await asyncio.gather(*(item.ended for item in made))
    return sum(item.count for item in made) / (time.perf_counter() - began)


def timed(uri: str, path: str, body: dict[str, object], query: str = "") -> float:
    """Milliseconds that the answer took, the median of nine."""
    took = []
    for _ in range(9):
        began = time.perf_counter()
        if query:
            with urllib.request.urlopen(f"{uri}/api/2.0/mlflow/{path}?{query}") as answer:
                answer.read()
        else:
            post(uri, path, body)
        took.append(1000 * (time.perf_counter() - began))
    return statistics.median(took)


def fill_ours(location: str, folder: str, experiment: str) -> None:
    """Beside the server, in one transaction: over its API each run would wait for the disk."""
    from teul.ml.tracking import TrackingStore, metrics
    from teul.ml.tracking.values import Metric

    path = location or f"{folder}/state/tracking.db"
    with TrackingStore.open(path, root=f"{folder}/state") as store, store.db.write():
        for number in range(RUNS):
            run = store.create_run(experiment, start_time=number).id
            pairs = [(f"k{index}", str(number)) for index in range(5)]
            points = [Metric(f"m{index}", number, 1, 0) for index in range(5)]
            metrics.log_batch(store.db, run, points, pairs, pairs)


def fill_theirs(database: str, experiment: str) -> None:
    """The same rows, straight into its tables: over its API it would take ten minutes."""
    connection = sqlite3.connect(database, timeout=60)
    with connection:
        for number in range(RUNS):
            run = f"{number:032x}"
            connection.execute(
                "INSERT INTO runs(run_uuid, name, status, start_time, lifecycle_stage, artifact_uri, experiment_id,"
                " source_type, user_id) VALUES (?, ?, 'RUNNING', ?, 'active', 'x', ?, 'UNKNOWN', '')",
                (run, f"run {number}", number, experiment),
            )
            for index in range(5):
                connection.execute(
                    "INSERT INTO params(key, value, run_uuid) VALUES (?, ?, ?)", (f"k{index}", number, run)
                )
                connection.execute(
                    "INSERT INTO tags(key, value, run_uuid) VALUES (?, ?, ?)", (f"k{index}", number, run)
                )
                for table in ("metrics", "latest_metrics"):
                    connection.execute(
                        f"INSERT INTO {table}(key, value, timestamp, step, is_nan, run_uuid) VALUES (?, ?, 1, 0, 0, ?)",
                        (f"m{index}", number, run),
                    )
    connection.close()


def pss_mb(pid: int) -> float:
    """Of a process and all below it."""
    total = 0
    with open(f"/proc/{pid}/smaps_rollup") as file:
        total += next(int(line.split()[1]) for line in file if line.startswith("Pss:"))
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        children = file.read().split()
    return total / 1024 + sum(pss_mb(int(child)) for child in children)


def measure(subject: Subject, seconds: float) -> None:
    uri, figures = subject.uri, subject.figures
    figures["ready"] = 1000 * subject.ready_s
    figures["idle"] = pss_mb(subject.pid)
    done = subprocess.run(
        [f"{environment(VERSION)}/python", "-W", "ignore", "-c", CLIENT, uri, str(seconds)],
        env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    figures["client"], figures["batch"] = map(float, done.stdout.split()[-2:])
    figures["raw"] = asyncio.run(raw(uri, seconds))
    run = new_run(uri)
    for start in range(0, POINTS, 1000):
        points = [
            {"key": "h", "value": index / 3, "timestamp": index, "step": index} for index in range(start, start + 1000)
        ]
        post(uri, "runs/log-batch", {"run_id": run, "metrics": points})
    figures["history"] = timed(uri, "metrics/get-history", {}, f"run_id={run}&metric_key=h")


def search(subject: Subject, experiment: str) -> None:
    body = {
        "experiment_ids": [experiment],
        "max_results": 100,
        "filter": "metrics.m1 > 500",
        "order_by": ["metrics.m2 DESC"],
    }
    assert len(post(subject.uri, "runs/search", body)["runs"]) == 100  # type: ignore[arg-type]
    subject.figures["search"] = timed(subject.uri, "runs/search", body)


def shown(value: float, unit: str) -> str:
    return f"{value:,.0f} {unit}" if unit != "/s" else f"{value:,.0f}/s"


def table(subjects: list[Subject]) -> str:
    lines = [
        f"| work | {' | '.join(item.name for item in subjects)} | ratio | goal | |",
        f"|---{'|---' * len(subjects)}|---|---|---|",
    ]
    ours, theirs = subjects[0].figures, subjects[-1].figures
    for name, (work, unit, is_rate, goal, least) in ROWS.items():
        ratio = ours[name] / theirs[name] if is_rate else theirs[name] / ours[name]
        reached = (ours[name] >= goal if is_rate else ours[name] <= goal) and ratio >= least
        wanted = f"{'≥' if is_rate else '≤'} {shown(goal, unit)}" + (f", ≥ {least:g} ×" if least else "")
        cells = " | ".join(shown(item.figures[name], unit) for item in subjects)
        lines.append(f"| {work} | {cells} | {ratio:.1f} × | {wanted} | {'reached' if reached else '**missed**'} |")
    return "\n".join(lines)


def main() -> int:
    words = sys.argv[1:]
    if "--help" in words or "-h" in words:
        print(__doc__)
        return 0
    seconds = 1.0 if "--quick" in words else 4.0
    with ExitStack() as stack:
        subjects: list[Subject] = []

        def begin(name: str, port: int, server: object) -> Subject:
            process, ready_s = stack.enter_context(server)  # type: ignore[arg-type]
            subjects.append(Subject(name, f"http://127.0.0.1:{port}", process.pid, ready_s))
            return subjects[-1]

        folders = [stack.enter_context(tempfile.TemporaryDirectory()) for _ in range(3)]
        begin("teul", *our_server(folders[0]))
        from suites import postgres

        if "--postgresql" in words and not postgres.why_not():
            cluster = postgres.Cluster(flushes=True)
            stack.callback(cluster.close)
            url = cluster.new_database()
            begin("teul, PostgreSQL", *our_server(folders[1], "--store", url)).location = url
        begin("MLflow", *mlflow_server(VERSION, folders[2]))
        for subject in subjects:
            print(f"tracking: {subject.name}", file=sys.stderr, flush=True)
            measure(subject, seconds)
            experiment = str(post(subject.uri, "experiments/create", {"name": "many"})["experiment_id"])
            if subject.name == "MLflow":
                fill_theirs(f"{folders[2]}/mlflow.db", experiment)
            else:
                fill_ours(subject.location, folders[1 if subject.location else 0], experiment)
            search(subject, experiment)
            told = ", ".join(f"{name} {value:,.0f}" for name, value in subject.figures.items())
            print(f"  {told}", file=sys.stderr, flush=True)
    made = table(subjects)
    print(made)
    if "--write" in words:
        day = datetime.datetime.now(datetime.UTC).date().isoformat()
        with open(PAGE, "w", encoding="utf-8") as file:
            file.write(
                "# The tracking server against MLflow's\n\n<!-- Made by `make bench-tracking`. -->\n\nOne run on one"
                " machine; the ratio is that of the first column to the last. Read the ratios: the rates and times are"
                f" those of the machine.\n\n## {day}\n\n{machine()}; MLflow {VERSION} with one worker and"
                f" SQLite\n\n{made}\n"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
