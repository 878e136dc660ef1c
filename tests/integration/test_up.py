"""`up` from a folder to a served prediction, on a small project without packages: the whole life cycle for real."""

import json
import os
import shutil
import socket
import time
import urllib.request

import pytest

from tests.integration import host_python
from teul.engine import Engine, containers
from teul.errors import BuildStepFailed, GateFailed, NotReady, PortInUse, ProjectError, StepFailed
from teul.events import Step
from teul.ml import up as use_case
from teul.ml.tracking import TrackingStore, service
from teul.state import projects

pytestmark = [
    pytest.mark.needs_root,
    pytest.mark.needs_runc,
    pytest.mark.needs_network,
    pytest.mark.slow,
]

DOCKERFILE = f"""FROM {host_python.NAME}
WORKDIR /app
COPY train.py ./
USER app
"""
PROJECT = """[project]
name = "toy"

[params]
factor = 2

[steps.train]
run = "python3 train.py --factor {factor}"
deps = ["train.py", "data.csv"]
outs = ["model/"]
metrics = ["metrics.json"]

[model]
path = "model/"
predict = "predict:Scale"
gate = ["score >= 0.5", "score >= production - 0.1"]

[serve]
port = PORT
"""
TRAIN = """
import json, os, sys, time, urllib.request

def call(path, body):
    request = urllib.request.Request(
        os.environ["MLFLOW_TRACKING_URI"] + "/api/2.0/mlflow/" + path,
        json.dumps(body).encode(),
        {"Content-Type": "application/json", "Authorization": "Bearer " + os.environ["MLFLOW_TRACKING_TOKEN"]},
    )
    return json.load(urllib.request.urlopen(request, timeout=10))

factor = int(sys.argv[2])
rows = open("data.csv").read().split()
run = os.environ["MLFLOW_RUN_ID"]
call("runs/log-metric", {"run_id": run, "key": "rows", "value": len(rows), "timestamp": int(time.time() * 1000), "step": 0})
call("runs/log-parameter", {"run_id": run, "key": "factor", "value": str(factor)})
print("trained on", len(rows), "rows")
if factor == 13:
    sys.exit(3)
os.mkdir("model")
json.dump({"factor": factor}, open("model/weights.json", "w"))
json.dump({"score": 1.0 / factor}, open("metrics.json", "w"))
"""
PREDICT = """
import json, os

class Scale:
    inputs = {"x": float}
    example = {"x": 2.0}

    def __init__(self, factor):
        self.factor = factor

    @classmethod
    def load(cls, path):
        with open(os.path.join(path, "weights.json")) as file:
            return cls(json.load(file)["factor"])

    def predict(self, rows):
        return [{"y": row["x"] * self.factor} for row in rows]
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


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


class Toy:
    """A project in a folder; `up` brings it up and keeps the report and the events."""

    def __init__(self, engine, folder, name):
        self.engine, self.folder, self.name = engine, folder, name
        self.port = free_port()
        self.events, self.report = [], None
        folder.mkdir()
        self.write("Dockerfile", DOCKERFILE)
        self.write("teul.toml", PROJECT.replace("PORT", str(self.port)).replace('"toy"', f'"{name}"'))
        self.write("train.py", TRAIN)
        self.write("predict.py", PREDICT)
        self.write("data.csv", f"1 2 3 {time.time_ns()}")

    def write(self, path, text):
        (self.folder / path).write_text(text)

    def change(self, path, before, after):
        text = (self.folder / path).read_text()
        assert before in text
        self.write(path, text.replace(before, after))

    def up(self, **params):
        project = use_case.read_project(str(self.folder)).with_params({k: str(v) for k, v in params.items()})
        self.events, self.report = [], use_case.Report(project.name)
        use_case.up(self.engine, str(self.folder), project, events=self.events.append, report=self.report)
        return self.report

    def started(self):
        return [event.name for event in self.events if isinstance(event, Step) and event.state == "started"]

    def ask(self, x):
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/invocations",
            json.dumps({"dataframe_records": [{"x": x}]}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)["predictions"][0]["y"]

    def tracking(self):
        return TrackingStore.of(self.engine.settings)

    def running(self):
        return sorted(
            item.name
            for item in containers.list_containers(self.engine, all=True)
            if item.labels.get("io.teul.project") == self.name
        )


@pytest.fixture
def toy(engine, tmp_path, request):
    made = Toy(engine, tmp_path / "toy", f"toy-{abs(hash(request.node.name)) % 10**8}")
    yield made
    use_case.down(engine, made.name)


def test_the_first_up_serves_a_prediction_and_records_everything(toy):
    report = toy.up()

    assert toy.ask(7) == 14.0
    assert ("1", "promote", "start", f"http://localhost:{toy.port}") == (
        report.version,
        report.promotion,
        report.serve_action,
        report.url,
    )
    assert report.example == {"x": 2.0}
    assert [f"{toy.name}-v1"] == toy.running()
    with toy.tracking() as tracking:
        run = tracking.get_run(report.steps[0].run)
        assert (run.status, dict(run.params)) == ("FINISHED", {"factor": "2"})
        assert (run.metric("rows"), run.metric("score")) == (4.0, 0.5)
        version = tracking.get_model_version(toy.name, 1)
        assert (version.gate, version.aliases) == ("passed", ("production",))
        assert [path for path, _, _ in tracking.version_files(version)] == ["weights.json"]
    (deployment,) = projects.deployments(toy.engine.db, toy.name)
    assert (deployment.version, deployment.ended_at) == ("1", None)
    served = toy.engine.images.get(deployment.image)
    trained = toy.engine.images.get(report.image)
    assert trained.config.diff_ids == served.config.diff_ids[:-2]
    assert f"docker.io/library/{toy.name}:v1" in [str(name) for name in served.names]


def blobs(engine):
    made = set()
    for root in (engine.settings.layout,):
        for folder, _, names in os.walk(root):
            made |= {os.path.join(folder, name) for name in names}
    return made


def test_the_second_up_does_nothing(toy):
    toy.up()
    before, container = blobs(toy.engine), toy.report.container
    report = toy.up()

    assert report.is_cached
    assert toy.started() == []
    assert before == blobs(toy.engine)
    assert container == report.container
    assert sum(report.seconds.values()) < 3
    assert len(projects.deployments(toy.engine.db, toy.name)) == 1


def test_a_better_version_takes_the_place_of_the_one_that_serves(toy):
    toy.up()
    report = toy.up(factor=1)

    assert (
        report.candidate,
        report.version,
        report.promotion,
        report.serve_action,
    ) == ("2", "2", "promote", "replace")
    assert toy.ask(7) == 7.0
    assert [f"{toy.name}-v2"] == toy.running()
    first, second = projects.deployments(toy.engine.db, toy.name)
    assert (first.version, second.version, second.ended_at) == ("1", "2", None)
    assert second.reason == "version 2 takes the place of version 1"


def test_a_gate_that_fails_says_by_how_much_and_the_version_in_production_stays(toy):
    toy.up()
    with pytest.raises(
        GateFailed, match=r"version 2: gate `score >= 0\.5`: 0\.333333 against 0\.5: missed by 0\.166667"
    ):
        toy.up(factor=3)

    assert toy.ask(7) == 14.0
    assert (toy.report.candidate, toy.report.version, toy.report.serve_action) == ("2", "1", "keep")
    with toy.tracking() as tracking:
        assert tracking.get_model_version(toy.name, 2).gate == "failed"
        assert tracking.alias(toy.name, "production").version == 1


def test_what_somebody_rolled_back_is_not_promoted_again(toy):
    toy.up()
    toy.up(factor=1)
    with toy.tracking() as tracking:
        tracking.set_alias(toy.name, "production", 1, who="somebody")
    report = toy.up(factor=1)

    assert (report.candidate, report.version, report.promotion, report.serve_action) == ("2", "1", "keep", "replace")
    assert toy.ask(7) == 14.0


def test_a_step_that_exits_3_registers_nothing(toy):
    with pytest.raises(StepFailed) as caught:
        toy.up(factor=13)

    assert caught.value.exit_code == 3
    assert "trained on 4 rows" in caught.value.stderr_tail
    assert toy.running() == []
    with toy.tracking() as tracking:
        assert tracking.alias(toy.name, "production") is None
        experiment = tracking.find_experiment(toy.name)
        assert [run.status for run in tracking.search_runs([experiment.id]).items] == ["FAILED"]
        assert list(tracking.search_model_versions(filter_text=f"name = '{toy.name}'").items) == []


def test_a_port_that_is_held_is_named_with_its_holder(toy):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", toy.port))
        holder.listen()
        with pytest.raises(PortInUse) as caught:
            toy.up()

    assert toy.port == caught.value.port
    assert str(os.getpid()) in str(caught.value)
    assert toy.running() == []
    toy.up()
    assert toy.ask(7) == 14.0


def test_a_model_that_does_not_load_leaves_the_old_one_serving(toy):
    toy.up()
    toy.change("predict.py", "import json, os", "import json, os, no_such_module")
    with pytest.raises(NotReady, match="no_such_module"):
        toy.up()

    assert toy.ask(7) == 14.0
    assert [f"{toy.name}-v1"] == toy.running()


def test_an_image_that_copies_the_whole_folder_is_not_made_again_by_what_a_step_wrote(toy):
    toy.change("Dockerfile", "COPY train.py ./", "COPY . .")
    toy.up()

    assert toy.up().is_cached


def test_what_python_leaves_in_a_folder_of_sources_is_no_change(toy):
    (toy.folder / "lib").mkdir()
    toy.write("lib/part.py", "x = 1")
    toy.change("teul.toml", '"data.csv"]', '"data.csv", "lib/"]')
    toy.up()
    (toy.folder / "lib" / "__pycache__").mkdir()
    toy.write("lib/__pycache__/part.pyc", "x")

    assert toy.up().is_cached


def test_down_stops_it_and_up_starts_it_without_a_step(toy):
    toy.up()

    assert f"{toy.name}-v1" in use_case.down(toy.engine, toy.name)
    assert toy.running() == []
    report = toy.up()
    assert all(step.cached for step in report.steps)
    assert report.serve_action == "start"
    assert toy.ask(7) == 14.0
    assert use_case.down(toy.engine, "no-such-project") == []


def test_a_change_of_settings_replaces_the_container(toy):
    toy.up()
    toy.change("teul.toml", "[serve]\n", '[serve]\nenv = { TEUL_ACCESS_LOG = "1" }\n')
    report = toy.up()

    assert (report.version, report.serve_action) == ("1", "replace")
    assert [f"{toy.name}-v1-2"] == toy.running()


def test_a_broken_dockerfile_changes_nothing(toy):
    toy.up()
    toy.write("Dockerfile", DOCKERFILE + "RUN python3 -c 'raise SystemExit(4)'\n")
    with pytest.raises(BuildStepFailed):
        toy.up()

    assert toy.ask(7) == 14.0


def test_a_folder_without_a_project_says_what_to_write(tmp_path):
    with pytest.raises(ProjectError, match=r"no `teul\.toml`") as caught:
        use_case.read_project(str(tmp_path))

    assert "teul.toml with [project] and its name" in caught.value.hint


def test_a_dry_run_says_what_would_be_done(toy):
    def lines():
        project = use_case.read_project(str(toy.folder))
        return [str(line) for line in use_case.plan(toy.engine, str(toy.folder), project)]

    assert "run [train]: the image is to be built first" in lines()
    toy.up()
    kept = lines()
    assert "keep [train] python3 train.py --factor 2: nothing has changed" in kept
    assert "version 1 is in production" in kept
    toy.write("data.csv", "1 2")
    assert "run [train] python3 train.py --factor 2: file data.csv changed" in lines()
