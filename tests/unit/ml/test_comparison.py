import math
import subprocess

import pytest

from teul.ml import record
from teul.ml.comparison import Facts, changed_files, compare, read_facts
from teul.ml.environment import Environment
from teul.ml.tracking import TrackingStore
from teul.ml.tracking.values import Metric, Run
from teul.ml.trees import Entry, Tree

BASE, PIP = "sha256:" + "a" * 64, "sha256:" + "b" * 64


def run(**changes):
    values = {
        "id": "0" * 32, "experiment_id": "1", "name": "train", "user_id": "", "status": "FINISHED", "start_time": 0,
        "end_time": 1, "artifact_uri": "mlflow-artifacts:/1/0/artifacts", "lifecycle_stage": "active",
    }  # fmt: skip
    return Run(**{**values, **changes})


def facts(environment=None, diff="", inputs=None, files=None, **changes):
    return Facts(run(**changes), "e", environment, diff, (), inputs or {}, files or {})


def environment(image, version, layer):
    rows = (("python", "numpy", version, layer, "site-packages"), ("debian", "zlib1g", "1", BASE, ""))
    layers = ((BASE, "ADD base"), (layer, "RUN pip install numpy"))
    return Environment(image, layers, rows, {"env A": version})


def differences(before, after):
    return [(item.area, item.name, item.before, item.after) for item in compare(before, after)]


def test_equal_runs_differ_in_nothing():
    assert compare(facts(params={"a": "1"}), facts(params={"a": "1"})) == []


def test_a_package_is_named_with_its_layer():
    tags = [{record.IMAGE_TAG: image} for image in ("sha256:1", "sha256:2")]
    before = facts(environment("sha256:1", "1.26.4", PIP), tags=tags[0])
    after = facts(environment("sha256:2", "2.0.0", "sha256:" + "c" * 64), tags=tags[1])

    found = compare(before, after)

    assert [(item.area, item.name, item.before, item.after) for item in found] == [
        ("image", "image", "sha256:1", "sha256:2"),
        ("package", "numpy", "1.26.4", "2.0.0"),
        ("layer", "RUN pip install numpy", PIP, "sha256:" + "c" * 64),
        ("setting", "env A", "1.26.4", "2.0.0"),
    ]
    assert found[1].note == "python, layer cccccccccccc"


def test_an_image_of_which_nothing_is_known_is_still_said_to_differ():
    tags = [{record.IMAGE_TAG: image} for image in ("sha256:1", "sha256:2")]

    assert differences(facts(tags=tags[0]), facts(tags=tags[1])) == [("image", "image", "sha256:1", "sha256:2")]


def test_a_file_of_an_input_folder_is_named():
    before = facts(inputs={"data": {"a.csv": "sha256:1", "b.csv": "sha256:2"}})
    after = facts(inputs={"data": {"a.csv": "sha256:1", "b.csv": "sha256:3", "c.csv": "sha256:4"}})

    assert differences(before, after) == [
        ("input", "data/b.csv", "sha256:2", "sha256:3"),
        ("input", "data/c.csv", "", "sha256:4"),
    ]


def test_where_one_run_kept_no_listing_the_whole_is_compared():
    before = facts(inputs={"data": {"a.csv": "x"}}, tags={record.INPUT_TAG + "data": "sha256:1"})
    after = facts(inputs={"data": {"": "sha256:2"}}, tags={record.INPUT_TAG + "data": "sha256:2"})

    assert differences(before, after) == [("input", "data", "sha256:1", "sha256:2")]


def test_uncommitted_changes_are_compared_file_by_file():
    one = "diff --git a/a.py b/a.py\n--- a/a.py\n+++ b/a.py\n@@ -1 +1 @@\n-x\n+y\n"
    other = one.replace("+y", "+z\n+w") + "diff --git a/b.py b/b.py\n--- a/b.py\n+++ b/b.py\n@@ -1 +0,0 @@\n-x\n"

    assert differences(facts(diff=one), facts(diff=other)) == [
        ("code", "a.py", "+1 -1", "+2 -1"),
        ("code", "b.py", "", "+0 -1"),
    ]


def test_metrics_say_by_how_much_and_nan_is_nan():
    before = facts(metrics=(Metric("m", 0.5, 0), Metric("nan", math.nan, 0), Metric("system/cpu_seconds", 1.0, 0)))
    after = facts(metrics=(Metric("m", 0.6, 0), Metric("nan", math.nan, 0), Metric("system/cpu_seconds", 2.0, 0)))

    assert [(item.area, item.name, item.note) for item in compare(before, after)] == [
        ("metric", "m", "+0.1 (+20.0%)"),
        ("resource", "system/cpu_seconds", "+1 (+100.0%)"),
    ]


def test_seed_pins_and_outputs_have_names_of_their_own():
    before = facts(
        tags={record.SEED_TAG: "1", record.PIN_TAG + "OMP_NUM_THREADS": "1", "team": "a", "mlflow.user": "x"},
        files={"outs/model.bin": "sha256:1", "logs/stdout.txt": "sha256:2", record.DIFF_FILE: "sha256:3"},
    )
    after = facts(
        tags={record.SEED_TAG: "2", record.PIN_TAG + "OMP_NUM_THREADS": "2", "team": "b", "mlflow.user": "y"},
        files={"outs/model.bin": "sha256:9", "logs/stdout.txt": "sha256:8", record.DIFF_FILE: "sha256:7"},
    )

    assert [item[:2] for item in differences(before, after)] == [
        ("seed", "seed"),
        ("pin", "OMP_NUM_THREADS"),
        ("output", "model.bin"),
        ("artifact", "logs/stdout.txt"),
        ("tag", "team"),
    ]


def test_files_between_commits_are_asked_of_git(tmp_path):
    def git(*words):
        identity = ("-c", "user.name=a", "-c", "user.email=a@b")
        return subprocess.run(
            ("git", *identity, *words), cwd=tmp_path, check=True, capture_output=True, text=True
        ).stdout

    git("init", "-q")
    commits = []
    for content in ("1", "2"):
        (tmp_path / "학습.py").write_text(content)
        git("add", ".")
        git("commit", "-qm", content)
        commits.append(git("rev-parse", "HEAD").strip())

    assert changed_files(str(tmp_path), *commits) == [("M", "학습.py")]
    assert changed_files(str(tmp_path), "--output=x", commits[1]) == []
    assert changed_files(str(tmp_path / "gone"), *commits) == []


@pytest.fixture
def store(tmp_path):
    with TrackingStore.open(str(tmp_path / "tracking.db")) as made:
        yield made


def test_what_a_step_recorded_is_compared(store, tmp_path):
    def step(content, seed):
        tree = Tree((Entry("", "folder"), Entry("a.csv", "file", content, 1)))
        return record.begin(
            store, project="p", step="train", image="sha256:1", folder=str(tmp_path), inputs={"data": tree},
            git=record.GitState(), command=f"python train.py --seed {seed}", params={"seed": seed},
            environ={"OMP_NUM_THREADS": "1"},
        )  # fmt: skip

    one, other = step("sha256:" + "1" * 64, "1"), step("sha256:" + "2" * 64, "2")
    found = compare(read_facts(store, one), read_facts(store, other))

    assert [(item.area, item.name) for item in found] == [
        ("command", "command"),
        ("input", "data/a.csv"),
        ("seed", "seed"),
    ]
    tags = store.get_run(one).tags
    assert tags[record.PIN_TAG + "OMP_NUM_THREADS"] == "1"
    assert tags[record.PIN_TAG + "cpus"]
    assert tags[record.HOST_TAG + "kernel"]
