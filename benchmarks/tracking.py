"""Measure our tracking server against MLflow's, in one run on this machine; `--write` makes docs/benchmarks-tracking.md.

    tracking.py [--write] [--quick] [--postgresql] [--resume]

A row that fails is named and the others are measured; each figure is kept as soon as it is there, and `--resume` goes on
with those that lack. Ends with 1 when one does. Five minutes at most, on a machine that has nothing else to do.

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
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
for folder in ("tests/integration/mlflow_client", "tests", "src", "benchmarks"):
    sys.path.insert(0, os.path.join(TOP, folder))

from bench import machine  # noqa: E402 (the clone's own come first)
from servers import environment, mlflow_server, our_server  # noqa: E402

PAGE = os.path.join(TOP, "docs/benchmarks-tracking.md")
VERSION = "3.17.2"
RUNS, POINTS = 10_000, 10_000

ENOUGH_S = 15.0
"""After so long a slow answer is not asked for again."""
LONGEST_S = 180.0
"""No row takes longer: it has failed."""
KEPT = os.path.join(TOP, ".cache/bench-tracking.json")

# Run by MLflow's Python: how many a second, after a warm-up.
CLIENT = """
import sys, time
from mlflow import MlflowClient
from mlflow.entities import Metric
client, seconds, work = MlflowClient(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
run = client.create_run("0").info.run_id
def rate(work):
    for number in range(3):
        work(number)
    began, done = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        work(3 + done)
        done += 1
    return done / (time.perf_counter() - began)
batch = [Metric(f"m{index % 10}", index / 7, index, 0) for index in range(1000)]
def log(number):
    client.log_batch(run, [Metric(one.key, one.value, one.timestamp, number) for one in batch], synchronous=True)
if work == "batch":
    print(1000 * rate(log))
else:
    print(rate(lambda step: client.log_metric(run, "m", 0.5, timestamp=step, step=step, synchronous=True)))
"""


@dataclass
class Subject:
    name: str
    uri: str
    pid: int
    ready_s: float
    folder: str
    location: str = ""


# name → (what it is, unit, whether more is better, goal, least times MLflow's)
ROWS = {
    "client": ("`log_metric` of the stock client", "/s", True, 600.0, 5.0),
    "raw": ("`log-metric`, 8 connections", "/s", True, 5000.0, 0.0),
    "raw-batch": ("`log-batch` of 1,000, metrics", "/s", True, 40_000.0, 0.0),
    "batch": ("`log_batch` of 1,000, stock client, whose own work is most of it, metrics", "/s", True, 0.0, 0.0),
    "search": (f"search of 100 among {RUNS:,} runs", "ms", False, 30.0, 0.0),
    "history": (f"history of {POINTS:,} points", "ms", False, 60.0, 0.0),
    "ready": ("answers after its start", "ms", False, 500.0, 0.0),
    "idle": ("memory when idle (PSS, all processes)", "MB", False, 80.0, 0.0),
}


def post(uri: str, path: str, body: dict[str, object]) -> dict[str, object]:
    data = json.dumps(body).encode()
    request = urllib.request.Request(f"{uri}/api/2.0/mlflow/{path}", data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=LONGEST_S) as answer:
        return json.load(answer)


def new_run(uri: str) -> str:
    return post(uri, "runs/create", {"experiment_id": "0", "start_time": 1})["run"]["info"]["run_id"]  # type: ignore[index]


class Connection(asyncio.Protocol):
    """Sends a request, waits for the whole answer, sends the next one; *body* makes one of how many there were."""

    def __init__(self, path: str, body: Callable[[int], bytes], until: float) -> None:
        self.path, self.body, self.until = path.encode(), body, until
        self.count = 0
        self.waiting = b""
        self.ended = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.send()

    def send(self) -> None:
        body = self.body(self.count)
        head = b"POST /api/2.0/mlflow/%s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" % self.path
        self.transport.write(b"%sContent-Length: %d\r\n\r\n%s" % (head, len(body), body))  # type: ignore[attr-defined]

    def connection_lost(self, error: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_exception(error or ConnectionError("the server ended the connection"))

    def data_received(self, data: bytes) -> None:
        self.waiting += data
        head, end, rest = self.waiting.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
        if not end or len(rest) < length:
            return
        if not head.startswith(b"HTTP/1.1 200"):
            self.ended.set_exception(RuntimeError(self.waiting.decode()))
            return
        self.waiting = b""
        self.count += 1
        if time.perf_counter() < self.until:
            self.send()
        else:
            self.ended.set_result(None)
            self.transport.close()


async def raw(uri: str, seconds: float, path: str, bodies: list[Callable[[int], bytes]]) -> float:
    """Requests a second, of one connection for each of *bodies*."""
    parts = urllib.parse.urlsplit(uri)
    began = time.perf_counter()
    loop = asyncio.get_running_loop()
    made = [
        (
            await loop.create_connection(
                lambda body=body: Connection(path, body, began + seconds), parts.hostname, parts.port
            )
        )[1]
        for body in bodies
    ]
    async with asyncio.timeout(LONGEST_S):
        await asyncio.gather(*(item.ended for item in made))
    return sum(item.count for item in made) / (time.perf_counter() - began)


def raw_points(subject: Subject, seconds: float) -> float:
    run = new_run(subject.uri).encode()
    point = b'{"run_id":"%s","key":"m%d","value":0.5,"timestamp":%d,"step":%d}'
    bodies = [lambda count, n=n: point % (run, n, count, count) for n in range(8)]
    return asyncio.run(raw(subject.uri, seconds, "runs/log-metric", bodies))


def raw_batch(subject: Subject, seconds: float) -> float:
    """As the stock client sends it, without the time that the client takes to make it."""
    run = new_run(subject.uri).encode()
    points = b",".join(b'{"key":"m%d","value":%r,"timestamp":0,"step":@}' % (n % 10, n / 7) for n in range(1000))

    def body(count: int) -> bytes:
        return b'{"run_id":"%s","metrics":[%s]}' % (run, points.replace(b"@", b"%d" % count))

    return 1000 * asyncio.run(raw(subject.uri, seconds, "runs/log-batch", [body]))


def timed(ask: Callable[[], object]) -> float:
    """Milliseconds that it took, the median of nine, or of as many as there was time for."""
    took: list[float] = []
    while len(took) < 9 and (len(took) < 3 or sum(took) < 1000 * ENOUGH_S):
        began = time.perf_counter()
        ask()
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


def stock_client(subject: Subject, seconds: float, work: str) -> float:
    done = subprocess.run(
        [f"{environment(VERSION)}/python", "-W", "ignore", "-c", CLIENT, subject.uri, str(seconds), work],
        env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}, capture_output=True, text=True, check=False,
        timeout=LONGEST_S,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(done.stderr.strip()[-500:])
    return float(done.stdout.split()[-1])


def history(subject: Subject) -> float:
    run = new_run(subject.uri)
    for start in range(0, POINTS, 1000):
        points = [
            {"key": "h", "value": index / 3, "timestamp": index, "step": index} for index in range(start, start + 1000)
        ]
        post(subject.uri, "runs/log-batch", {"run_id": run, "metrics": points})

    def ask() -> None:
        url = f"{subject.uri}/api/2.0/mlflow/metrics/get-history?run_id={run}&metric_key=h"
        with urllib.request.urlopen(url, timeout=LONGEST_S) as answer:
            answer.read()

    return timed(ask)


def search(subject: Subject) -> float:
    # A name of its own each time: a row that failed half-way is measured anew.
    name = f"many {time.time_ns()}"
    experiment = str(post(subject.uri, "experiments/create", {"name": name})["experiment_id"])
    if subject.name == "MLflow":
        fill_theirs(f"{subject.folder}/mlflow.db", experiment)
    else:
        fill_ours(subject.location, subject.folder, experiment)
    body: dict[str, object] = {
        "experiment_ids": [experiment],
        "max_results": 100,
        "filter": "metrics.m1 > 500",
        "order_by": ["metrics.m2 DESC"],
    }

    def ask() -> None:
        assert len(post(subject.uri, "runs/search", body)["runs"]) == 100  # type: ignore[arg-type]

    return timed(ask)


# Names of rows, in the order in which they are measured: what a server is when it has just begun comes first.
WORK: dict[str, Callable[[Subject, float], float]] = {
    "ready": lambda subject, _: 1000 * subject.ready_s,
    "idle": lambda subject, _: pss_mb(subject.pid),
    "client": lambda subject, seconds: stock_client(subject, seconds, "client"),
    "batch": lambda subject, seconds: stock_client(subject, seconds, "batch"),
    "raw": raw_points,
    "raw-batch": raw_batch,
    "history": lambda subject, _: history(subject),
    "search": lambda subject, _: search(subject),
}


def measure(subject: Subject, seconds: float, kept: dict[str, dict[str, float]]) -> None:
    """Every row that is not kept yet; what went wrong is said, and the row is left out."""
    figures = kept.setdefault(subject.name, {})
    for name, work in WORK.items():
        if name in figures:
            continue
        try:
            figures[name] = work(subject, seconds)
        except (
            OSError,
            RuntimeError,
            TimeoutError,
            AssertionError,
            sqlite3.Error,
            subprocess.SubprocessError,
        ) as error:
            print(f"  {name}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
            continue
        print(f"  {name} {figures[name]:,.0f}", file=sys.stderr, flush=True)
        keep(kept)


def keep(kept: dict[str, dict[str, float]]) -> None:
    os.makedirs(os.path.dirname(KEPT), exist_ok=True)
    with open(f"{KEPT}.new", "w", encoding="utf-8") as file:
        json.dump(kept, file)
    os.replace(f"{KEPT}.new", KEPT)


def already_measured() -> dict[str, dict[str, float]]:
    try:
        with open(KEPT, encoding="utf-8") as file:
            found: dict[str, dict[str, float]] = json.load(file)
            return found
    except (OSError, ValueError):
        return {}


def shown(value: float, unit: str) -> str:
    return f"{value:,.0f} {unit}" if unit != "/s" else f"{value:,.0f}/s"


def table(kept: dict[str, dict[str, float]], names: list[str]) -> str:
    lines = [f"| work | {' | '.join(names)} | ratio | goal | |", f"|---{'|---' * len(names)}|---|---|---|"]
    for row, (work, unit, is_rate, goal, least) in ROWS.items():
        values = [kept.get(name, {}).get(row) for name in names]
        cells = " | ".join("–" if value is None else shown(value, unit) for value in values)
        ours, theirs = values[0], values[-1]
        wanted = (
            f"{'≥' if is_rate else '≤'} {shown(goal, unit)}" + (f", ≥ {least:g} ×" if least else "") if goal else "–"
        )
        if ours and theirs:
            ratio = ours / theirs if is_rate else theirs / ours
            reached = (ours >= goal if is_rate else ours <= goal) and ratio >= least
            verdict = ("reached" if reached else "**missed**") if goal else ""
            lines.append(f"| {work} | {cells} | {ratio:.1f} × | {wanted} | {verdict} |")
        else:
            lines.append(f"| {work} | {cells} | – | {wanted} | not measured |")
    return "\n".join(lines)


def main() -> int:
    words = sys.argv[1:]
    if "--help" in words or "-h" in words:
        print(__doc__)
        return 0
    seconds = 1.0 if "--quick" in words else 4.0
    kept = already_measured() if "--resume" in words else {}
    from suites import postgres

    has_postgres = "--postgresql" in words and not postgres.why_not()
    names = ["teul", *(["teul, PostgreSQL"] if has_postgres else []), "MLflow"]
    for name in names:
        if WORK.keys() <= kept.get(name, {}).keys():
            continue
        print(f"tracking: {name}", file=sys.stderr, flush=True)
        # One server at a time: an idle one beside it would take its share of the machine.
        with ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            url = ""
            if name == "teul, PostgreSQL":
                cluster = postgres.Cluster(flushes=True)
                stack.callback(cluster.close)
                url = cluster.new_database()
            port, server = (
                mlflow_server(VERSION, folder)
                if name == "MLflow"
                else our_server(folder, *(["--store", url, "--artifacts", f"{folder}/state/artifacts"] if url else []))
            )
            process, ready_s = stack.enter_context(server)
            measure(Subject(name, f"http://127.0.0.1:{port}", process.pid, ready_s, folder, url), seconds, kept)
    made = table(kept, names)
    print(made)
    is_whole = all(WORK.keys() <= kept.get(name, {}).keys() for name in names)
    if not is_whole:
        print("tracking: not all was measured; --resume goes on with what lacks", file=sys.stderr)
    if "--write" in words and is_whole:
        day = datetime.datetime.now(datetime.UTC).date().isoformat()
        with open(PAGE, "w", encoding="utf-8") as file:
            file.write(
                "# The tracking server against MLflow's\n\n<!-- Made by `make bench-tracking`. -->\n\nOne run on one"
                " machine; the ratio is that of the first column to the last. Read the ratios: the rates and times are"
                f" those of the machine.\n\n## {day}\n\n{machine()}; MLflow {VERSION} with one worker and"
                f" SQLite\n\n{made}\n"
            )
    return 0 if is_whole else 1


if __name__ == "__main__":
    sys.exit(main())
