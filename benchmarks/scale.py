"""Hundreds of idle containers, each on a network of its own: how long it takes, what they cost, what they leave.

Needs root, and an image (`--image`); uses a state folder of its own (`--root`) and leaves it as it was, but for the image.
Prints one JSON object; `--write` puts it into docs/benchmarks.md, below the table that `make bench` writes.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import datetime
import json
import os
import re
import subprocess
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PAGE = f"{TOP}/docs/benchmarks.md"
MARKS = ("<!-- scale: begin, made by benchmarks/scale.py -->", "<!-- scale: end -->")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--at-once", type=int, default=2)
    parser.add_argument("--image", default="debian:bookworm-slim")
    parser.add_argument("--load", default="", help="an archive with the image, when it is not there")
    parser.add_argument("--root", default="/var/tmp/teul-scale")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    os.environ["TEUL_ROOT"] = options.root
    os.environ["PYTHONPATH"] = f"{TOP}/src"
    if options.load:
        teul("load", "-q", "-i", options.load)
    # What is made once for a state folder is there before anything is counted.
    teul("network", "create", "warm")
    teul("run", "-d", "--name", "warm", "--network", "warm", options.image, "sleep", "infinity")
    teul("exec", "warm", "true")
    teul("rm", "-f", "warm")
    teul("network", "rm", "warm")
    figures = measure(options.image, options.count, options.at_once, options.root)
    print(json.dumps(figures, indent=1))
    if options.write:
        write(figures)
    return 1 if figures["left"] else 0


def measure(image: str, count: int, at_once: int, root: str) -> dict[str, object]:
    """Start, look, stop and remove; times in seconds, memory in bytes for each container."""
    before = counted(root)
    memory = available_bytes()
    numbers = range(count)

    def start(number: int) -> None:
        teul("network", "create", f"scale{number}")
        # The container's own process is the smallest there is: what is measured is what teul adds.
        teul("run", "-d", "--name", f"scale{number}", "--network", f"scale{number}", image, "sleep", "infinity")

    started = timed(lambda: each(start, numbers, at_once))
    running = counted(root)
    used = (memory - available_bytes()) / count
    resident = sum(proportional_bytes(pid) for pid in monitors(root)) / count
    looks = sorted(timed(lambda: teul("ps", "-q")) for _ in range(9))
    tables = sorted(timed(lambda: teul("ps")) for _ in range(9))
    first = timed(lambda: teul("exec", "scale0", "true"))
    names = [f"scale{number}" for number in numbers]
    stopped = timed(lambda: each(lambda name: teul("rm", "-f", name), names, at_once))
    removed = timed(lambda: each(lambda name: teul("network", "rm", name), names, at_once))
    teul("ps", "-a")
    after = counted(root)
    left = {name: [before[name], after[name]] for name in before if after[name] != before[name]}
    return {
        "count": count,
        "at_once": at_once,
        "start_each_s": round(started / count, 3),
        "ps_q_s": round(looks[len(looks) // 2], 3),
        "ps_s": round(tables[len(tables) // 2], 3),
        "exec_s": round(first, 3),
        "stop_and_remove_each_s": round(stopped / count, 3),
        "network_rm_each_s": round(removed / count, 3),
        "memory_each_bytes": int(used),
        "monitor_each_bytes": int(resident),
        "while_running": {name: running[name] - before[name] for name in before},
        "left": left,
    }


def teul(*words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", "import sys; from teul.cli.main import main; sys.exit(main())", *words],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"teul {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


def timed(work) -> float:  # type: ignore[no-untyped-def]
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def each(work, items, at_once: int) -> None:  # type: ignore[no-untyped-def]
    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        list(pool.map(work, items))


def counted(root: str) -> dict[str, int]:
    """What the state folder *root* holds on the host, by number."""
    from teul.config import Settings

    settings = Settings.from_environ(os.environ)
    with open("/proc/self/mounts") as file:
        mounts = sum(root in line for line in file)
    rules = 0
    for program in ("iptables-save", "ip6tables-save"):
        saved = subprocess.run([program], capture_output=True, text=True, check=False).stdout
        rules += sum(f"tl{settings.instance}" in line for line in saved.splitlines())
    files = sum(
        len(names) + len(folders)
        for place in (f"{root}/containers", f"{root}/snapshots", settings.run_root)
        for _, folders, names in os.walk(place)
    )
    return {
        "mounts": mounts,
        "namespaces": len(namespaces()),
        "interfaces": sum(name.startswith((f"tl{settings.instance}", "veth")) for name in os.listdir("/sys/class/net")),
        "rules": rules,
        "processes": len(monitors(root)),
        "files": files,
    }


def namespaces() -> set[str]:
    found = set()
    for name in os.listdir("/proc"):
        if name.isdigit():
            for kind in ("net", "mnt", "pid"):
                try:
                    found.add(os.readlink(f"/proc/{name}/ns/{kind}"))
                except OSError:
                    continue
    return found


def monitors(root: str) -> list[int]:
    """Processes that mention the state folder or its run folder: monitors, runtimes, DNS servers."""
    from teul.config import Settings

    run_root = Settings.from_environ(os.environ).run_root
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            try:
                with open(f"/proc/{name}/cmdline", "rb") as file:
                    words = file.read()
            except OSError:
                continue
            if run_root.encode() in words:
                found.append(int(name))
    return found


def proportional_bytes(pid: int) -> int:
    """Memory of a process, what it shares divided among those who share it."""
    try:
        with open(f"/proc/{pid}/smaps_rollup") as file:
            found = re.search(r"^Pss:\s+(\d+) kB", file.read(), re.MULTILINE)
    except OSError:
        return 0
    return int(found[1]) * 1024 if found else 0


def available_bytes() -> int:
    with open("/proc/meminfo") as file:
        found = re.search(r"^MemAvailable:\s+(\d+) kB", file.read(), re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def write(figures: dict[str, object]) -> None:
    day = datetime.datetime.now(datetime.UTC).date().isoformat()
    held = ", ".join(f"{number} {name}" for name, number in figures["while_running"].items())  # type: ignore[attr-defined]
    lines = [
        MARKS[0],
        f"## {figures['count']} idle containers, each on a network of its own ({day})",
        "",
        "| work | time |",
        "|---|---|",
        f"| network create and run -d, {figures['at_once']} at a time, each | {figures['start_each_s']:.2f} s |",
        f"| ps -q | {figures['ps_q_s'] * 1000:.0f} ms |",  # type: ignore[operator]
        f"| ps | {figures['ps_s'] * 1000:.0f} ms |",  # type: ignore[operator]
        f"| exec | {figures['exec_s'] * 1000:.0f} ms |",  # type: ignore[operator]
        f"| rm -f, each | {figures['stop_and_remove_each_s']:.2f} s |",
        f"| network rm, each | {figures['network_rm_each_s']:.2f} s |",
        "",
        (
            f"While they ran the host had more: {held}. Memory for each: {figures['memory_each_bytes'] / 1e6:.1f} MB of the "  # type: ignore[operator]
            f"machine's in all, the kernel's part and the container's own process with it; "
            f"{figures['monitor_each_bytes'] / 1e6:.1f} MB of that is teul's (monitor and DNS server)."
        ),  # type: ignore[operator]
        f"Left behind afterwards: {'nothing' if not figures['left'] else json.dumps(figures['left'])}.",
        MARKS[1],
        "",
    ]
    with open(PAGE, encoding="utf-8") as file:
        page = file.read()
    begin, end = page.find(MARKS[0]), page.find(MARKS[1])
    if begin >= 0:
        page = page[:begin] + page[end + len(MARKS[1]) + 1 :]
    with open(PAGE, "w", encoding="utf-8") as file:
        file.write(page.rstrip("\n") + "\n\n" + "\n".join(lines))


if __name__ == "__main__":
    sys.path.insert(0, f"{TOP}/src")
    sys.exit(main())
