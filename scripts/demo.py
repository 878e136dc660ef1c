"""`make demo`: a base image, the churn example brought up, one prediction over HTTP, and what each stage took.

    demo.py [FOLDER]        another project; default: examples/churn

The second time nothing has changed, so nothing may run: the log of events is read to see that no step was started, and
the content store is listed to see that no blob was written. State lies where teul keeps it (`TEUL_ROOT`).
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TOP, "src"))

from teul.config import Settings  # noqa: E402 (the clone's own src comes first)

TEUL = os.path.join(TOP, ".venv/bin/teul")
BASE = "python:3.11-slim"
PROJECT = sys.argv[1] if len(sys.argv) > 1 else os.path.join("examples", "churn")
LIMIT_AGAIN_S = 10


def main() -> int:
    began = time.monotonic()
    settings = Settings.from_environ(os.environ)
    korean = settings.language == "ko"
    took: dict[str, float] = {}
    os.chdir(TOP)

    doctor = subprocess.run([TEUL, "doctor"], stdout=subprocess.PIPE, text=True, check=False)
    if doctor.returncode != 0:
        print(doctor.stdout, end="")
        return 1

    if subprocess.run([TEUL, "inspect", BASE], capture_output=True, check=False).returncode != 0:
        say(f"기반 이미지 {BASE}을(를) 데비안 패키지로 만듭니다" if korean else f"making {BASE} from Debian's packages")
        started = time.monotonic()
        subprocess.run([TEUL, "image", "bootstrap", BASE], check=True, stdin=subprocess.DEVNULL)
        took[f"image bootstrap {BASE}"] = time.monotonic() - started

    marker = os.path.join(settings.root, "demo.json")
    inputs = digest_of_inputs()
    is_again = read_json(marker).get("inputs") == inputs
    blobs = blobs_of(settings)
    with tempfile.TemporaryDirectory(prefix="teul-demo-") as folder:
        log = os.path.join(folder, "events.jsonl")
        say(f"teul up {PROJECT}")
        started = time.monotonic()
        environ = {**os.environ, "TEUL_EVENT_LOG": log}
        up = subprocess.run(
            [TEUL, "up", PROJECT], env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
        )
        took[f"up {PROJECT}"] = time.monotonic() - started
        print(up.stdout, end="")
        if up.returncode != 0:
            return up.returncode
        events = [json.loads(line) for line in read_lines(log)]
    took |= stages(events)

    command = next((line.strip() for line in up.stdout.splitlines() if line.strip().startswith("curl ")), "")
    if not command:
        say("`teul up` printed no request to try")
        return 1
    started = time.monotonic()
    answer = subprocess.run(
        [*shlex.split(command), "--fail-with-body", "--max-time", "30"], stdout=subprocess.PIPE, text=True, check=False
    )
    took["one prediction" if not korean else "예측 한 번"] = time.monotonic() - started
    print("\n" + answer.stdout.strip())
    if answer.returncode != 0:
        say(f"the prediction failed: curl ended with {answer.returncode}")
        return 1

    print()
    for stage, seconds in took.items():
        print(f"{seconds:8.1f} s  {stage}")
    whole = time.monotonic() - began
    print(f"{whole:8.1f} s  " + ("모두 합쳐" if korean else "in all"))

    # A service that was taken down is started again; that is no step.
    ran = [
        event["name"]
        for event in events
        if event["event"] == "step" and not event["cached"] and not str(event["id"]).startswith("serve ")
    ]
    written = sorted(blobs_of(settings) - blobs)
    if is_again:
        if ran or written:
            say(f"nothing had changed, and yet these ran: {ran}; and these blobs were written: {written}")
            return 1
        if whole > LIMIT_AGAIN_S:
            say(f"nothing had changed, and yet it took {whole:.1f} s; expected at most {LIMIT_AGAIN_S} s")
            return 1
        print(
            "\n바뀐 것이 없습니다: 모든 단계가 캐시에서 왔고, 컨테이너에서 실행된 단계도 새로 쓴 블롭도 없습니다"
            if korean
            else "\nNothing had changed: every step came from the cache, no step ran in a container, no blob was written"
        )
    with open(marker, "w", encoding="utf-8") as file:
        json.dump({"inputs": inputs}, file)
    return 0


def say(words: str) -> None:
    print(f"demo: {words}", file=sys.stderr, flush=True)


def digest_of_inputs() -> str:
    """Of everything that may rightly make a step run again: the example, and teul itself."""
    made = hashlib.sha256()
    for top in (PROJECT, "src"):
        for folder, folders, files in os.walk(top):
            folders[:] = sorted(name for name in folders if name not in ("__pycache__", "model", "mlruns"))
            for name in sorted(files):
                path = os.path.join(folder, name)
                if name.endswith(".pyc") or os.path.basename(path) == "metrics.json":
                    continue
                with open(path, "rb") as file:
                    made.update(f"{path}\0{hashlib.sha256(file.read()).hexdigest()}\0".encode())
    return made.hexdigest()


def blobs_of(settings: Settings) -> set[str]:
    try:
        return set(os.listdir(os.path.join(settings.layout, "blobs/sha256")))
    except FileNotFoundError:
        return set()


def stages(events: list[dict[str, object]]) -> dict[str, float]:
    """How long each step took that really ran, from the log's times; the long ones."""
    started: dict[object, float] = {}
    found: dict[str, float] = {}
    for event in events:
        if event["event"] != "step":
            continue
        at = float(str(event["time"]))
        if event["state"] == "started":
            started[event["id"]] = at
        elif event["state"] == "done" and event["id"] in started and at - started[event["id"]] >= 0.1:
            found[f"  {event['name']}"] = at - started[event["id"]]
    return found


def read_lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().splitlines()
    except FileNotFoundError:
        return []


def read_json(path: str) -> dict[str, str]:
    try:
        with open(path, encoding="utf-8") as file:
            made: dict[str, str] = json.load(file)
            return made
    except (OSError, ValueError):
        return {}


if __name__ == "__main__":
    sys.exit(main())
