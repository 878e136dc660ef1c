"""Measure teul against Docker and Podman, in turn, on this machine; `--write` puts the table into docs/benchmarks.md.

    bench.py [--write] [--rounds N] [ROW …]        rows: run-none run-host run-bridge run-bare exec churn-1
    churn-8 build-cold build-cached build-last-copy build-many-files build-parallel build-large-context tar wheels-cold
    wheels-added-local wheels-added-online wheels-added-torch wheels-elsewhere wheels-wire wheels-import

Needs root and mmdebstrap (the peers are made by peers.sh, once). The daemon of Docker runs only while this does, unless
it ran before.
"""

from __future__ import annotations

import datetime
import json
import os
import platform
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TOP, "src"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import containers  # noqa: E402 (the clone's own src comes first)
import rows as builds  # noqa: E402
import wheels  # noqa: E402
from rows import SHARED, Bench, Row  # noqa: E402

ROWS = {**containers.ROWS, **builds.ROWS, **wheels.ROWS}

PAGE = os.path.join(TOP, "docs/benchmarks.md")
RESULTS = os.path.join(TOP, "docs/benchmarks.json")
ROOT = os.environ.get("TEUL_BENCH_ROOT", "/var/tmp/teul-bench")

INTRO = """\
Each line compares programs that took turns in one run on one machine; the median of the rounds counts. Read the
ratios: the times are those of the machine.
"""


def say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


def main() -> int:
    words = sys.argv[1:]
    if "--help" in words or "-h" in words:
        print(__doc__)
        return 0
    is_written = "--write" in words
    rounds = int(words[words.index("--rounds") + 1]) if "--rounds" in words else 10
    chosen = [word for word in words if word in ROWS] or list(ROWS)
    os.makedirs(SHARED, exist_ok=True)
    bench = Bench(TOP, ROOT, rounds=rounds)
    peers = os.path.join(TOP, "benchmarks/peers.sh")
    needs_peers = any(name != "tar" for name in chosen)
    was_up = is_up()
    rows, failed = [], []
    try:
        if needs_peers:
            say("bench: starting the peers")
            subprocess.run([peers, "start"], check=True, stdin=subprocess.DEVNULL)
            subprocess.run([peers, "images"], check=True, stdin=subprocess.DEVNULL)
            for name in ("debian", "python"):
                bench.run([*bench.teul, "load", "-i", f"/tmp/teul-peers-images/{name}.tar"])
        found = versions(peers) if needs_peers else {}
        for name in chosen:
            say(f"bench: {name}")
            try:
                row = ROWS[name](bench)
            except (RuntimeError, OSError, subprocess.SubprocessError, AssertionError) as error:
                say(f"  failed: {error}")
                failed.append(name)
                continue
            say("  " + ", ".join(f"{subject} {shown(time, row.unit)}" for subject, time in row.times.items()))
            rows.append(row)
            if is_written:
                # At once: a row that fails later, or a Ctrl-C, costs nothing of what was measured.
                write([(name, row)], found)
    finally:
        if needs_peers and not was_up:
            subprocess.run([peers, "stop"], check=False, stdin=subprocess.DEVNULL)
    print(table(rows))
    if failed:
        say(f"bench: these rows failed: {' '.join(failed)}")
    return 1 if failed else 0


def shown(value: float, unit: str = "s") -> str:
    if unit == "B":
        return f"{value / 1e6:.2f} MB"
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"


def table(rows: list[Row]) -> str:
    lines = ["| work | teul | others, same run | ratio | goal | |", "|---|---|---|---|---|---|"]
    for row in rows:
        others = " · ".join(f"{name} {shown(time, row.unit)}" for name, time in row.times.items() if name != "teul")
        reached = "" if not row.target else "reached" if row.ratio <= row.target else "**missed**"
        goal = f"≤ {row.target:g} ×" if row.target else ""
        ratio = f"{row.ratio:.2f} × {row.reference}"
        lines.append(f"| {row.work} | {shown(row.times['teul'], row.unit)} | {others} | {ratio} | {goal} | {reached} |")
    return "\n".join(lines)


def machine() -> str:
    model = ""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = len(os.sched_getaffinity(0))
    return f"{cores} cores of {model or platform.machine()}, {memory:.0f} GiB, Linux {os.uname().release.split('-')[0]}"


def is_up() -> bool:
    """Whether the peers' Docker runs already: then somebody else wants it afterwards."""
    try:
        with open("/run/teul-peers/docker.pid", encoding="utf-8") as file:
            return os.path.isdir(f"/proc/{int(file.read())}")
    except (FileNotFoundError, ValueError):
        return False


def versions(peers: str) -> dict[str, str]:
    """What is measured against; asked of the programs, not of the daemon."""
    found = {}
    for name, argv in (("Docker", ["docker", "--version"]), ("Podman", ["podman", "--version"])):
        done = subprocess.run([peers, "run", *argv], capture_output=True, text=True, check=False)
        found[name] = done.stdout.strip().rpartition("version ")[2].partition(",")[0].partition("+")[0]
    return found


def write(rows: list[tuple[str, Row]], found: dict[str, str]) -> None:
    """Replace what was measured now, keep the rows that were not."""
    day = datetime.datetime.now(datetime.UTC).date().isoformat()
    try:
        with open(RESULTS, encoding="utf-8") as file:
            kept = json.load(file)
    except FileNotFoundError:
        kept = {}
    peers = ", ".join(f"{name} {version}" for name, version in found.items())
    for name, row in rows:
        kept[name] = {
            "date": day, "machine": machine(), "peers": peers, "work": row.work, "against": row.reference,
            "target": row.target, "note": row.note, "unit": row.unit, "times_s": {key: round(time, 4) for key, time in row.times.items()},
        }  # fmt: skip
    with open(RESULTS, "w", encoding="utf-8") as file:
        json.dump({name: kept[name] for name in ROWS if name in kept}, file, indent=1, ensure_ascii=False)
        file.write("\n")
    lines = [
        "# Benchmarks\n",
        "<!-- Made by `make bench`. -->\n",
        INTRO,
    ]
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for name in ROWS:
        if name in kept:
            it = kept[name]
            row = Row(it["work"], it["times_s"], it["against"], it["target"], it["note"], it.get("unit", "s"))
            groups.setdefault((it["date"], it["machine"], it["peers"]), []).append(row)
    for (date, where, who), measured in groups.items():
        against = f"; {who}" if who else ""
        lines.append(f"## {date}\n\n{where}{against}\n\n{table(measured)}\n")
        notes = [f"- {row.work}: {row.note}" for row in measured if row.note]
        if notes:
            lines.append("\n".join(notes) + "\n")
    with open(PAGE, encoding="utf-8") as file:
        # What `scale.py` wrote is not ours to throw away.
        _, begin, scale = file.read().partition("<!-- scale: begin")
    with open(PAGE, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + (f"\n{begin}{scale}" if begin else ""))


if __name__ == "__main__":
    sys.exit(main())
