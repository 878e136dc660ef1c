"""Steps in real containers: what they see, what is kept, what is not run again. No network; the image is made here."""

import os
import threading
import time
from contextlib import contextmanager

import pytest

from tests.integration import host_python
from teul.engine import Engine
from teul.errors import Cancelled, Conflict, InvalidInput, StepFailed
from teul.events import Line, silent
from teul.ml import container
from teul.ml.pipeline import lower
from teul.ml.project import parse
from teul.ml.steps import PipelineWorker
from teul.ml.tracking import TrackingStore
from teul.solver import solve
from teul.state.cache import SolverCache

pytestmark = [pytest.mark.needs_root, pytest.mark.needs_runc, pytest.mark.slow]

PROJECT = """
[project]
name = "toy"
[params]
n = 3
[steps.prepare]
run = "python3 prepare.py"
deps = ["prepare.py", "raw"]
outs = ["clean/"]
[steps.train]
run = "python3 train.py {n}"
deps = ["train.py", "clean/"]
outs = ["model/"]
metrics = ["metrics.json"]
"""
PREPARE = """
import os
os.makedirs("clean")
with open("clean/numbers.txt", "w") as file:
    file.write(open("raw/a.txt").read().upper())
os.chmod("clean/numbers.txt", 0o755)
"""
TRAIN = """
import json, os, sys
print("training", sys.argv[1])
os.makedirs("model/sub")
with open("model/sub/weights", "w") as file:
    file.write(open("clean/numbers.txt").read() * int(sys.argv[1]))
os.symlink("sub/weights", "model/latest")
json.dump({"test": {"score": int(sys.argv[1]) / 10}}, open("metrics.json", "w"))
"""


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    from teul.config import Settings

    root = tmp_path_factory.mktemp("state")
    made = Engine.open(Settings.from_environ({**os.environ, "TEUL_ROOT": str(root)}))
    host_python.add_image(made)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    @contextmanager
    def attached(engine, key):
        yield "none", "192.0.2.1"

    monkeypatch.setattr(container, "attached", attached)


@pytest.fixture
def tracking(tmp_path):
    with TrackingStore.open(str(tmp_path / "tracking" / "tracking.db")) as made:
        yield made


class Project:
    """A folder with a project; `up` brings its steps up to date and gives the results by step."""

    def __init__(self, engine, tracking, folder):
        self.engine, self.tracking, self.folder = engine, tracking, folder
        self.image = engine.images.get(host_python.NAME)
        self.events = []
        folder.mkdir()
        (folder / "raw").mkdir()
        self.write("teul.toml", PROJECT)
        self.write("prepare.py", PREPARE)
        self.write("train.py", TRAIN)
        self.write("raw/a.txt", f"abc {time.time_ns()}")

    def write(self, path, text):
        (self.folder / path).write_text(text)

    def read(self, path):
        return (self.folder / path).read_text()

    def up(self, *, events=None):
        project = parse(self.read("teul.toml"))
        pipeline = lower(project, image=str(self.image.id), server="none")
        worker = PipelineWorker(
            self.engine,
            self.tracking,
            project,
            str(self.folder),
            self.image,
            tracking_uri=lambda gateway: f"http://{gateway}:1",
        )
        self.events = []
        solution = solve(
            pipeline.targets,
            worker,
            SolverCache(self.engine.db),
            scope=f"project {self.folder}",
            events=events or self.events.append,
            threads=1,
        )
        for vertex in pipeline.steps.values():
            worker.restore(solution.result(vertex))
        self.started = worker.started
        return {name: solution.result(vertex) for name, vertex in pipeline.steps.items()}

    def runs(self):
        experiment = self.tracking.find_experiment("toy")
        return list(self.tracking.search_runs([experiment.id]).items) if experiment else []


@pytest.fixture
def project(engine, tracking, tmp_path):
    return Project(engine, tracking, tmp_path / "toy")


def test_steps_run_in_order_and_leave_what_they_declare(project):
    results = project.up()

    assert project.started == ["prepare", "train"]
    assert project.read("raw/a.txt").upper() * 3 == project.read("model/sub/weights")
    assert os.readlink(project.folder / "model" / "latest") == "sub/weights"
    assert os.access(project.folder / "clean" / "numbers.txt", os.X_OK)
    assert results["train"].data["values"] == {"test.score": 0.3}
    run = project.tracking.get_run(results["train"].data["run"])
    assert (run.status, dict(run.params), run.metric("test.score")) == ("FINISHED", {"n": "3"}, 0.3)
    assert str(project.image.id) == run.tags["teul.image"]
    assert project.tracking.read_artifact(run.id, "logs/stdout.txt") == b"training 3\n"
    assert b"training 3\n" in [event.data for event in project.events if isinstance(event, Line)]
    assert {"metrics.json", "model/sub/weights"} == {
        path for path, _, _ in project.tracking.walk_artifacts(run.id, "outs")
    }


def test_nothing_runs_again_while_nothing_changes(project):
    first = project.up()
    for path in ("train.py", "raw/a.txt"):
        os.utime(project.folder / path, (1, 1))

    second = project.up()

    assert project.started == []
    assert first == second
    assert len(project.runs()) == 2


def test_only_what_depends_on_a_change_runs_again(project):
    project.up()
    project.write("teul.toml", PROJECT.replace("n = 3", "n = 4"))
    project.up()

    assert project.started == ["train"]
    assert project.read("raw/a.txt").upper() * 4 == project.read("model/sub/weights")

    project.write("teul.toml", PROJECT)
    project.up()

    assert project.started == []
    assert project.read("raw/a.txt").upper() * 3 == project.read("model/sub/weights")


def test_an_output_that_is_lost_or_edited_is_put_back(project):
    project.up()
    project.write("metrics.json", "{}")
    (project.folder / "model" / "sub" / "weights").unlink()
    (project.folder / "model" / "extra").write_text("x")
    project.up()

    assert project.started == []
    assert project.read("metrics.json") == '{"test": {"score": 0.3}}'
    assert sorted(os.listdir(project.folder / "model")) == ["latest", "sub"]


def test_outputs_belong_to_the_owner_of_the_folder(project):
    os.chown(project.folder, 1000, 1000)
    project.up()

    for path in ("model", "model/sub/weights", "model/latest", "metrics.json"):
        status = os.lstat(project.folder / path)
        assert (status.st_uid, status.st_gid) == (1000, 1000)


def test_a_step_sees_its_inputs_read_only_and_nothing_else_of_the_folder(project):
    project.write("secret.txt", "x")
    project.write(
        "train.py",
        "import os\n"
        "found = sorted(name for name in os.listdir('.') if name.endswith(('.py', '.txt', '.toml')))\n"
        "try:\n    open('train.py', 'a')\n    writable = True\nexcept OSError:\n    writable = False\n"
        "os.mkdir('model')\n"
        "print(found, writable, file=open('model/seen', 'w'))\n"
        "open('metrics.json', 'w').write('{\"a\": 1}')\n",
    )
    project.up()

    assert project.read("model/seen") == "['train.py'] False\n"


def failing(project, script, error):
    project.write("train.py", script)
    with pytest.raises(error) as caught:
        project.up()
    assert not (project.folder / "metrics.json").exists()
    return caught.value


def test_a_step_that_exits_3_says_so_with_its_last_lines(project):
    error = failing(project, "import sys\nprint('almost')\nsys.exit('no luck') if 0 else None\nsys.exit(3)", StepFailed)

    assert str(error) == "step `train` ended with exit code 3"
    assert error.exit_code == 3
    assert "almost" in error.stderr_tail
    assert sorted(run.status for run in project.runs()) == ["FAILED", "FINISHED"]


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("pass", "step `train` did not write `model`"),
        ("import os; os.mkdir('model')", "step `train` did not write `metrics.json`"),
        (
            "import os; os.mkdir('model'); open('metrics.json', 'w').write('{')",
            "step `train`: metrics `metrics.json`: expected JSON",
        ),
        (
            "import os; os.mkdir('model'); open('metrics.json', 'w').write('{}')",
            "step `train`: metrics `metrics.json` holds no numbers",
        ),
    ],
)
def test_a_step_that_does_not_keep_its_word_has_failed(project, script, message):
    assert message in str(failing(project, script, StepFailed))


def test_an_output_with_a_link_that_leads_out_is_refused(project):
    script = "import os; os.mkdir('model'); os.symlink('/etc/passwd', 'model/x'); open('metrics.json', 'w').write('{\"a\":1}')"

    assert str(failing(project, script, InvalidInput)) == "`model/x` is a link that leads out of it: /etc/passwd"


def test_an_input_that_changes_while_the_step_runs_spoils_it(project):
    def on_event(event):
        if isinstance(event, Line) and b"training" in event.data:
            project.write("train.py", TRAIN + "# changed\n")

    with pytest.raises(Conflict, match=r"step `train`: input `train\.py` changed while it ran; nothing is kept"):
        project.up(events=on_event)


def test_a_missing_input_is_named(project):
    (project.folder / "raw" / "a.txt").unlink()
    (project.folder / "raw").rmdir()
    with pytest.raises(InvalidInput, match="step `prepare`: input `raw` not found"):
        project.up()


def test_a_stopped_step_leaves_a_killed_run_and_no_container(project):
    project.write("train.py", "import time; print('training', flush=True); time.sleep(60)")
    main = threading.get_ident()

    def on_event(event):
        if isinstance(event, Line) and b"training" in event.data:
            import signal

            signal.pthread_kill(main, signal.SIGINT)

    started = time.monotonic()
    with pytest.raises((KeyboardInterrupt, Cancelled)):
        project.up(events=on_event)
    assert time.monotonic() - started < 20
    assert sorted(run.status for run in project.runs()) == ["FINISHED", "KILLED"]
    assert [key for key in list(project.engine.snapshots.keys()) if key.startswith("step-")] == []
    assert os.listdir(project.engine.settings.containers) == []
    project.write("train.py", TRAIN)
    project.up(events=silent)
    assert project.started == ["train"]


def test_an_image_user_reads_private_inputs_and_writes_outputs(project):
    from dataclasses import replace

    from teul.oci.image import History

    config = project.image.config
    execution = replace(config.config, user="app", working_dir="/usr")
    project.image = project.engine.images.add(config.with_config(execution, History(empty_layer=True)).to_bytes())
    (project.folder / "raw" / "a.txt").chmod(0o600)
    (project.folder / "train.py").chmod(0o600)
    project.up()

    assert project.read("raw/a.txt").upper() * 3 == project.read("model/sub/weights")
