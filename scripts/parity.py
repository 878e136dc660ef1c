"""Run one list of commands on two engines that take Docker's command line, and show where their answers differ.

    python scripts/parity.py FILE docker teul

FILE has a command on each line, without the program's name, with `{port}`, `{net}` (the first three numbers of a subnet)
and `{dir}` (a folder of the run's own) filled in for each engine. Compared are the exit code, stdout with ids, times and
sizes made equal, and whether stderr says something. Exit code 1 when any differ.
"""

from __future__ import annotations

import difflib
import re
import shlex
import subprocess
import sys
import tempfile

EQUAL = (
    (r"\x1b\[[0-9;]*[A-Za-z]", ""),
    (r"sha256:[0-9a-f]{64}", "DIGEST"),
    (r"\b[0-9a-f]{64}\b", "ID"),
    (r"\b[0-9a-f]{12}\b", "SHORT"),
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?( ?[+-]\d{4}( UTC)?|Z)?( UTC)?", "TIME"),
    (r"\b\d+ (second|minute|hour|day|week|month|year)s?\b|Less than a second|About an? (minute|hour)", "AGE"),
    (r"\b\d+(\.\d+)? ?([kKMGT]i?B|B|%)", "SIZE"),
    (r"\b\d+\.\d+\.\d+\.\d+\b", "ADDRESS"),
    (r"\b2871[0-9]\b", "PORT"),
    (r"[ \t]+", " "),
    (r" *\n", "\n"),
)
TIMEOUT_S = 120


def main() -> int:
    file, *engines = sys.argv[1:]
    with open(file, encoding="utf-8") as lines:
        commands = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    answers = []
    for number, engine in enumerate(engines):
        # Below /tmp, which an engine in a root folder of its own may share.
        with tempfile.TemporaryDirectory(dir="/tmp") as folder:
            places = {"{port}": str(28710 + number), "{net}": f"10.213.{140 + number}", "{dir}": folder}
            answers.append([answer(shlex.split(engine), command, places) for command in commands])
    differing = 0
    for command, first, second in zip(commands, *answers, strict=True):
        if first == second:
            continue
        differing += 1
        sys.stdout.write(f"\n$ {command}\n")
        sys.stdout.writelines(difflib.unified_diff(first, second, engines[0], engines[1], n=0))
    sys.stdout.write(f"\n{len(commands) - differing} of {len(commands)} commands answer alike\n")
    return 1 if differing else 0


def answer(engine: list[str], command: str, places: dict[str, str]) -> list[str]:
    """Lines that are equal where the answers are as good as equal."""
    for name, value in places.items():
        command = command.replace(name, value)
    done = subprocess.run(
        [*engine, *shlex.split(command)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT_S, check=False,
    )  # fmt: skip
    shown = done.stdout
    for pattern, word in EQUAL:
        shown = re.sub(pattern, word, shown)
    says = "with a message" if done.stderr.strip() else "without a message"
    return [f"exit code {done.returncode}, {says}\n", *shown.splitlines(keepends=True)]


if __name__ == "__main__":
    sys.exit(main())
