"""`teul run --track`: what a client that knows nothing of teul records from inside of a container."""

import os
import shutil
import subprocess
import sys

import pytest

import teul as teul_package
from tests.integration import host_python
from teul.engine import Engine, containers
from teul.ml.tracking import TrackingStore, service

pytestmark = [
    pytest.mark.needs_root,
    pytest.mark.needs_runc,
    pytest.mark.needs_network,
    pytest.mark.slow,
]

SOURCE = os.path.dirname(os.path.dirname(os.path.abspath(teul_package.__file__)))
CLIENT = """
import json, os, sys, urllib.parse, urllib.request
def ask(path, body=None):
    data = None if body is None else json.dumps(body).encode()
    head = {"Authorization": "Bearer " + os.environ["MLFLOW_TRACKING_TOKEN"], "Content-Type": "application/json"}
    url = os.environ["MLFLOW_TRACKING_URI"] + "/api/2.0/mlflow/" + path
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    return json.load(opener.open(urllib.request.Request(url, data=data, headers=head)))
name = urllib.parse.quote(os.environ["MLFLOW_EXPERIMENT_NAME"])
experiment = ask("experiments/get-by-name?experiment_name=" + name)["experiment"]["experiment_id"]
run = ask("runs/create", {"experiment_id": experiment, "run_name": "bare", "start_time": 1})["run"]["info"]["run_id"]
ask("runs/log-metric", {"run_id": run, "key": "m", "value": 1.5, "timestamp": 1})
print(run)
sys.stdout.flush()
if sys.argv[1:] == ["die"]:
    os.kill(os.getpid(), 9) if os.getpid() != 1 else os._exit(3)
ask("runs/update", {"run_id": run, "status": "FINISHED", "end_time": 2})
"""


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    from teul.config import Settings

    root = tmp_path_factory.mktemp("state")
    made = Engine.open(Settings.from_environ({**os.environ, "TEUL_ROOT": str(root)}))
    host_python.add_image(made)
    yield made
    service.stop(made.settings)
    for item in containers.list_containers(made, all=True):
        containers.remove(made, item.id, force=True)
    made.close()
    shutil.rmtree(made.settings.run_root, ignore_errors=True)


@pytest.fixture
def folder(tmp_path):
    """A repository with a change that is not committed."""

    def git(*words):
        subprocess.run(("git", "-c", "user.name=a", "-c", "user.email=a@b", *words), cwd=tmp_path, check=True)

    (tmp_path / "client.py").write_text(CLIENT)
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "first")
    (tmp_path / "client.py").write_text(CLIENT + "# changed\n")
    return tmp_path


def teul(engine, folder, *words, code=0):
    return run(engine, folder, *words, code=code).stdout


def run(engine, folder, *words, code=0):
    done = subprocess.run(
        [sys.executable, "-P", "-m", "teul.cli.main", *words],
        env={**os.environ, "TEUL_ROOT": engine.settings.root, "PYTHONPATH": SOURCE},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done


def words(folder, *options, argument=()):
    return (
        "run", "--track", "붓꽃", "-v", f"{folder}/client.py:/client.py:ro", "-e", "PYTHONHASHSEED=7", *options,
        host_python.NAME, "python3", "/client.py", *argument,
    )  # fmt: skip


def test_a_bare_client_records_image_code_seed_and_output(engine, folder):
    run_id = teul(engine, folder, *words(folder, "--rm")).strip()

    with TrackingStore.of(engine.settings) as store:
        run = store.get_run(run_id)
        assert (run.status, run.metric("m")) == ("FINISHED", 1.5)
        assert run.tags["teul.image"] == str(engine.images.get(host_python.NAME).id)
        assert len(run.tags["mlflow.source.git.commit"]) == 40
        assert (run.tags["teul.seed"], run.tags["teul.exit-code"]) == ("7", "0")
        assert b"+# changed" in store.read_artifact(run_id, "git/uncommitted.diff")
        assert store.read_artifact(run_id, "logs/stdout.txt").decode().strip() == run_id
        assert store.environment(run.tags["teul.image"]) is not None


def test_a_client_that_dies_leaves_a_killed_run_with_its_output(engine, folder):
    container = teul(engine, folder, *words(folder, "-d", argument=("die",))).strip()
    teul(engine, folder, "wait", container)

    line = teul(engine, folder, "runs", "-e", "붓꽃", "--status", "killed", "-q", "--no-trunc").strip()

    with TrackingStore.of(engine.settings) as store:
        assert store.get_run(line).tags["teul.exit-code"] == "3"
        assert store.read_artifact(line, "logs/stdout.txt").decode().strip() == line


def test_a_network_that_does_not_reach_this_machine_is_refused(engine, folder):
    teul(engine, folder, *words(folder, "--network", "none"), code=125)


PROJECT = """
[project]
name = "iris"
[image]
dockerfile = "Dockerfile"
[steps.train]
run = "python3 train.py --out model/"
outs = ["model/"]
[model]
path = "model/"
predict = "predict:Iris"
"""


def test_in_a_project_a_bare_client_records_by_itself(engine, folder):
    """The project's file and a server that runs are all it takes; every way out of it is heeded."""
    (folder / "teul.toml").write_text(PROJECT)
    bare = ["run", "--rm", "-v", f"{folder}/client.py:/client.py:ro", host_python.NAME, "python3", "/client.py"]
    ask = [
        "run",
        "--rm",
        host_python.NAME,
        "python3",
        "-c",
        "import os; print(os.environ.get('MLFLOW_TRACKING_URI', '-'))",
    ]
    service.stop(engine.settings)
    assert teul(engine, folder, *ask).strip() == "-", "no server is started for it"
    service.ensure_running(engine.settings)

    run_id = teul(engine, folder, *bare).strip()

    with TrackingStore.of(engine.settings) as store:
        run = store.get_run(run_id)
        assert (run.status, run.tags["teul.exit-code"]) == ("FINISHED", "0")
        assert run.tags["teul.image"] == str(engine.images.get(host_python.NAME).id)
        assert store.get_experiment(run.experiment_id).name == "iris"
        assert store.read_artifact(run_id, "logs/stdout.txt").decode().strip() == run_id
    assert teul(engine, folder, *ask).strip().startswith("http://")
    for option in (["--track", ""], ["-e", "MLFLOW_TRACKING_URI=-"], ["--network", "none"]):
        assert teul(engine, folder, "run", *option, *ask[1:]).strip() == "-", option
    (folder / "teul.toml").write_text("name = ")
    assert teul(engine, folder, *ask).strip() == "-"
    os.unlink(folder / "teul.toml")
    assert teul(engine, folder, *ask).strip() == "-"


def test_in_a_project_what_the_image_and_the_caller_say_of_mlflow_stays(engine, folder):
    (folder / "teul.toml").write_text(PROJECT)
    service.ensure_running(engine.settings)
    ask = ["python3", "-c", "import os; print(*(f'{k}={v}' for k, v in sorted(os.environ.items()) if k[:8] == 'MLFLOW_E' or k[-4:] == '_URI'))"]  # fmt: skip
    (folder / "Dockerfile").write_text(f"FROM {host_python.NAME}\nENV MLFLOW_TRACKING_URI=http://ours:5000\n")
    teul(engine, folder, "build", "-q", "-t", "elsewhere", ".")
    (folder / "Dockerfile").write_text(f"FROM {host_python.NAME}\nENV MLFLOW_EXPERIMENT_NAME=theirs\n")
    teul(engine, folder, "build", "-q", "-t", "named", ".")

    assert teul(engine, folder, "run", "--rm", "elsewhere", *ask).strip() == "MLFLOW_TRACKING_URI=http://ours:5000"
    assert "MLFLOW_EXPERIMENT_NAME=theirs MLFLOW_TRACKING_URI=http://1" in teul(
        engine, folder, "run", "--rm", "named", *ask
    )
    by_id = teul(engine, folder, "run", "--rm", "-e", "MLFLOW_EXPERIMENT_ID=0", host_python.NAME, *ask)
    assert by_id.startswith("MLFLOW_EXPERIMENT_ID=0 MLFLOW_TRACKING_URI=http://1"), (
        "a name that does not fit it ends the client"
    )
    asked = teul(engine, folder, "run", "--rm", "--track", "iris", "elsewhere", *ask)
    assert asked.startswith("MLFLOW_EXPERIMENT_NAME=iris MLFLOW_TRACKING_URI=http://1")


def test_in_a_project_the_image_is_looked_for_once_and_as_asked(engine, folder):
    (folder / "teul.toml").write_text(PROJECT)
    service.ensure_running(engine.settings)

    missing = run(engine, folder, "run", "--rm", "--pull", "never", "localhost:1/none:1", code=125)

    assert missing.stderr.splitlines()[0] == "teul: image `localhost:1/none:1` not found"
    assert "recorded" not in missing.stderr
