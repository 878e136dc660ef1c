"""The stock MLflow client, 2.22, 3.0 and the newest 3.x, against our server: each in an environment made once and cached."""

import fcntl
import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys

import pytest

from teul.ml.tracking import TrackingStore, service

pytestmark = [pytest.mark.slow, pytest.mark.needs_index]
HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "mlflow_client")
TOP = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
UNREACHABLE = re.compile(
    r"connection|timed? ?out|temporary failure|name or service|unreachable|max retries|failed to (fetch|download)",
    re.IGNORECASE,
)


def environment(name):
    """The interpreter of the environment that `client-<name>.txt` locks; made at the first call of all, then kept."""
    lock = os.path.join(HERE, f"client-{name}.txt")
    with open(lock, "rb") as file:
        key = hashlib.sha256(file.read() + sys.version.encode()).hexdigest()[:12]
    cache = os.environ.get("TEUL_TEST_CACHE") or os.path.join(TOP, ".cache")
    folder = os.path.join(cache, f"mlflow-{name}-{key}")
    python = os.path.join(folder, "bin", "python")
    os.makedirs(cache, exist_ok=True)
    with open(f"{folder}.lock", "w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        if not os.path.exists(os.path.join(folder, "whole")):
            shutil.rmtree(folder, ignore_errors=True)
            subprocess.run([sys.executable, "-m", "venv", folder], check=True, capture_output=True)
            uv = shutil.which("uv", path=f"{os.path.dirname(sys.executable)}:{os.environ.get('PATH', '')}")
            install = [uv, "pip", "install", "--python", python] if uv else [python, "-m", "pip", "install"]
            done = subprocess.run(
                [*install, "--quiet", "--require-hashes", "-r", lock], capture_output=True, text=True, check=False
            )
            if done.returncode != 0:
                shutil.rmtree(folder, ignore_errors=True)
                if UNREACHABLE.search(done.stderr):
                    pytest.skip(f"needs_index: the package index cannot be reached: {done.stderr.strip()[-300:]}")
                raise AssertionError(done.stderr)
            open(os.path.join(folder, "whole"), "w").close()
    return python


def run(python, script, *arguments, env=None):
    """What *script* printed last; its whole output when it fails. Retries are off, so that an error is seen at once."""
    plain = {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW_", "PYTHON"))}
    done = subprocess.run(
        [python, "-W", "ignore", os.path.join(HERE, script), *arguments],
        env={**plain, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_DISABLE_TELEMETRY": "true", **(env or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout.strip().splitlines()[-1]


@pytest.fixture
def endpoint(settings):
    yield service.ensure_running(settings)
    service.stop(settings)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("name", "version"), [("2", "2.22.5"), ("3.0", "3.0.1"), ("3", "3.17.2")])
def test_the_stock_client_finds_all_that_it_expects(endpoint, name, version):
    assert json.loads(run(environment(name), "flow.py", endpoint.uri)) == {"version": version}


def own_address():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.1"
        return probe.getsockname()[0]


@pytest.mark.timeout(600)
def test_a_training_script_logs_registers_and_loads_with_the_token_of_its_run(settings, endpoint):
    address = own_address()
    found = service.ensure_running(settings, addresses=[address])
    with TrackingStore.of(settings) as store:
        mine = store.create_run(store.create_experiment("붓꽃"), run_name="학습").id
        other = store.create_run("0").id
        token = store.issue_run_token(mine)
    env = {
        "MLFLOW_TRACKING_URI": found.uri_on(address),
        "MLFLOW_TRACKING_TOKEN": token,
        "MLFLOW_RUN_ID": mine,
        "MLFLOW_EXPERIMENT_NAME": "붓꽃",
        "OTHER_RUN": other,
    }

    assert run(environment("3"), "contained.py", env=env) == "done"
    with TrackingStore.of(settings) as store:
        version = store.get_model_version("붓꽃", 1)
        assert "MLmodel" in [path for path, _, _ in store.version_files(version)]
        assert [line.who for line in store.alias_history("붓꽃")] == [f"run {mine}"]
        assert store.check() == []
