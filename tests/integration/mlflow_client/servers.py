"""Real MLflow servers, to compare ours with: `servers.py`. Each version in an environment of its own, made once.

Asks every version and ours the same (`compare.py`) and writes what it answered to `answers-<version>.json`, which the
tests compare ours with; ends with 1 where ours differs without a reason that `allowed` gives. `make compare-mlflow`.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
VERSIONS = ("2.22.5", "3.0.1", "3.17.2")
DEADLINE_S = 240


def environment(version):
    """The folder with the programs of that MLflow."""
    cache = os.environ.get("TEUL_TEST_CACHE") or os.path.join(TOP, ".cache")
    folder = os.path.join(cache, f"mlflow-server-{version}")
    if not os.path.exists(f"{folder}/whole"):
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        # What these versions were made for: later ones of SQLAlchemy and setuptools have lost what they import.
        packages = [f"mlflow=={version}", "sqlalchemy<2.1", "setuptools<81"]
        uv = shutil.which("uv", path=f"{os.path.dirname(sys.executable)}:{os.environ.get('PATH', '')}")
        install = [uv, "pip", "install", "--python", f"{folder}/bin/python"] if uv else [f"{folder}/bin/pip", "install"]
        subprocess.run([*install, "--quiet", *packages], check=True)
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
        server = subprocess.Popen(argv, env=env, cwd=folder, stdout=log, stderr=log)
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


def mlflow_server(version, folder):
    """As `running`: one worker, its database and artifacts in *folder*; gives (uri, process, seconds until it answered)."""
    programs, port = environment(version), free_port()
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


def main():
    different = 0
    for version in sys.argv[1:] or VERSIONS:
        with tempfile.TemporaryDirectory() as theirs, tempfile.TemporaryDirectory() as ours:
            their_port, their_server = mlflow_server(version, theirs)
            our_port, server = our_server(ours)
            with their_server, server:
                argv = [sys.executable, f"{HERE}/compare.py", f"http://127.0.0.1:{our_port}"]
                argv += [f"http://127.0.0.1:{their_port}", f"{HERE}/answers-{version}.json"]
                different |= subprocess.run(argv, check=False).returncode
    return different


if __name__ == "__main__":
    sys.exit(main())
