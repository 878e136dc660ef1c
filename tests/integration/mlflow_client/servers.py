"""Real MLflow servers, to compare ours with: `servers.py [--frameworks] [VERSION …]`, each in an environment made once.

Asks every version and ours the same (`compare.py`) and writes what it answered to `answers-<version>.json`, which the
tests compare ours with; ends with 1 where ours differs without a reason that `allowed` gives. `make compare-mlflow`.

With `--frameworks`, trains with each framework against every version and ours (`frameworks.py`) and writes what the
clients sent and what then stood in MLflow's server to `frameworks-<version>.json`; ends with 1 where something else
stands in ours. `make compare-frameworks`.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager, suppress

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
VERSIONS = ("2.22.5", "3.0.1", "3.17.2")
DEADLINE_S = 240
FRAMEWORKS = [
    "scikit-learn",
    "pandas<3",
    "matplotlib",
    "skops",
    "catboost",
    "xgboost-cpu",
    "lightgbm",
    "torch==2.13.0",
    "lightning",
]


def environment(version, more=()):
    """The folder with the programs of that MLflow, and of the frameworks when they are asked for."""
    cache = os.environ.get("TEUL_TEST_CACHE") or os.path.join(TOP, ".cache")
    folder = os.path.join(cache, f"mlflow-{'frameworks' if more else 'server'}-{version}")
    if not os.path.exists(f"{folder}/whole"):
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        # What these versions were made for: later ones of SQLAlchemy and setuptools have lost what they import.
        packages = [f"mlflow=={version}", "sqlalchemy<2.1", "setuptools<81"]
        uv = shutil.which("uv", path=f"{os.path.dirname(sys.executable)}:{os.environ.get('PATH', '')}")
        install = [uv, "pip", "install", "--python", f"{folder}/bin/python"] if uv else [f"{folder}/bin/pip", "install"]
        if more:  # pip heeds the index or the folder that somebody set for wheels of torch without CUDA; uv does not.
            install = [f"{folder}/bin/pip", "install"]
        subprocess.run([*install, "--quiet", *packages, *more], check=True)
        open(f"{folder}/whole", "w").close()
    return f"{folder}/bin"


def free_port():
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def running(argv, port, env, folder):
    """A server that answers, until the end of the block."""
    with open(f"{folder}/log", "wb") as log:
        server = subprocess.Popen(argv, env=env, cwd=folder, stdout=log, stderr=log, start_new_session=True)
    try:
        began = time.monotonic()
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
                    break
            except OSError:
                if server.poll() is not None or time.monotonic() - began > DEADLINE_S:
                    with open(f"{folder}/log") as log:
                        raise SystemExit(f"{argv[0]} did not come up:\n{log.read()[-2000:]}") from None
                time.sleep(0.02)
        yield server, time.monotonic() - began
    finally:
        server.terminate()
        server.wait()
        # MLflow's command leaves the server that it started behind.
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)


def mlflow_server(version, folder, programs=""):
    """As `running`: one worker, its database and artifacts in *folder*; gives (uri, process, seconds until it answered)."""
    programs, port = programs or environment(version), free_port()
    argv = [f"{programs}/mlflow", "server", "--workers", "1", "--host", "127.0.0.1", "--port", str(port)]
    argv += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", f"{folder}/artifacts"]
    env = {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW_", "PYTHON"))}
    env |= {
        "PATH": f"{programs}:{env['PATH']}",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    return port, running(argv, port, env, folder)


def our_server(folder, *arguments):
    """Likewise, ours."""
    port = free_port()
    env = {**os.environ, "TEUL_ROOT": f"{folder}/state", "PYTHONPATH": f"{TOP}/src"}
    argv = [sys.executable, "-m", "teul.cli.main", "tracking", "serve", "--port", str(port), *arguments]
    return port, running(argv, port, env, folder)


def train(programs, port, folder):
    """What `frameworks.py` tells of a server; what says where it ran is put in other words."""
    shutil.copy(f"{HERE}/frameworks.py", folder)
    env = {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW_", "PYTHON"))}
    env |= {"PATH": f"{programs}:{env['PATH']}", "TMPDIR": folder}
    subprocess.run(
        [f"{programs}/python", "-W", "ignore", "frameworks.py", f"http://127.0.0.1:{port}", "told"],
        cwd=folder, env=env, check=True,
    )  # fmt: skip
    with open(f"{folder}/told", encoding="utf-8") as file:
        text = file.read().replace(folder, "/home/me").replace(f"http://127.0.0.1:{port}", "http://localhost:5000")
    return json.loads(re.sub(r"/home/me/tmp\w+", "/home/me/tmp", text))


def write_down(cases, path):
    """One request a line, so that a change is seen as one."""
    lines = []
    for case in cases:
        requests = ",\n".join(json.dumps(item, ensure_ascii=False) for item in case["requests"])
        rest = json.dumps({key: value for key, value in case.items() if key != "requests"}, ensure_ascii=False)
        lines.append(f'{rest[:-1]}, "requests": [\n{requests}\n]}}')
    with open(path, "w", encoding="utf-8") as file:
        file.write("[" + ",\n".join(lines) + "]\n")


def compare_frameworks(version):
    """0 when in our server stands what stands in MLflow's."""
    programs, told = environment(version, FRAMEWORKS), []
    for server_of in (lambda folder: mlflow_server(version, folder, programs), our_server):
        with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as work:
            port, server = server_of(folder)
            with server:
                told.append(train(programs, port, work))
    different = 0
    for theirs, ours in zip(*told, strict=True):
        same = (theirs["runs"], theirs.get("said")) == (ours["runs"], ours.get("said"))
        print(f"{version}: {theirs['name']}, {len(theirs['requests'])} requests: {'same' if same else 'DIFFERENT'}")
        if not same:
            different = 1
            print(f"  MLflow: {theirs['runs']} {theirs.get('said')}\n  ours: {ours['runs']} {ours.get('said')}")
    write_down(told[0], f"{HERE}/frameworks-{version}.json")
    return different


def compare_answers(version):
    with tempfile.TemporaryDirectory() as theirs, tempfile.TemporaryDirectory() as ours:
        their_port, their_server = mlflow_server(version, theirs)
        our_port, server = our_server(ours)
        with their_server, server:
            argv = [sys.executable, f"{HERE}/compare.py", f"http://127.0.0.1:{our_port}"]
            argv += [f"http://127.0.0.1:{their_port}", f"{HERE}/answers-{version}.json"]
            return subprocess.run(argv, check=False).returncode


def main():
    words = sys.argv[1:]
    compare = compare_frameworks if "--frameworks" in words else compare_answers
    return max([compare(version) for version in [word for word in words if word != "--frameworks"] or VERSIONS])


if __name__ == "__main__":
    sys.exit(main())
