import io
import math
import tarfile

import pytest

from teul.errors import MalformedArchive
from teul.ml.run_archive import export, import_folder, import_tar
from teul.ml.tracking import TrackingStore, logged_models
from teul.ml.tracking.values import DatasetInput, Metric, ModelOutput


@pytest.fixture
def store(tmp_path):
    with TrackingStore.open(str(tmp_path / "one" / "tracking.db")) as made:
        yield made


@pytest.fixture
def other(tmp_path):
    with TrackingStore.open(str(tmp_path / "other" / "tracking.db")) as made:
        made.create_experiment("something else")
        yield made


@pytest.fixture
def scratch(tmp_path):
    folder = tmp_path / "scratch"
    folder.mkdir()
    return str(folder)


def fill(store):
    """A run with something of everything."""
    experiment = store.create_experiment("실험", tags={"team": "a"})
    image = "sha256:" + "1" * 64
    run = store.create_run(experiment, run_name="학습", tags={"teul.image": image, "a/b": "c\nd"}, user_id="u").id
    points = [Metric("loss", 0.5, 10, 1), Metric("loss", math.nan, 11, 2), Metric("loss", math.inf, 12, 3)]
    store.log_batch(run, points=[*points, Metric("test/recall", 0.75, 9)], params={"깊이": "6"})
    store.log_inputs(
        run, [DatasetInput("d", "x1", "local", "{}", schema="{}", tags=(("mlflow.data.context", "train"),))]
    )
    model = logged_models.create(store.db, experiment, name="m", source_run_id=run, tags={"k": "v"}, params={"p": "1"})
    from teul.ml.tracking import artifacts

    artifacts.put_bytes(store.db, store.content, f"{experiment}/models/{model.id}/artifacts/MLmodel", b"flavors: {}\n")
    store.log_outputs(run, [ModelOutput(model.id, 3)])
    store.log_artifact(run, "outs/모델/a.bin", b"x" * 1000)
    store.keep_environment(image, {"image": image, "layers": [], "packages": [], "settings": {}})
    store.end_run(run, end_time=99)
    return run, model.id


def archive(store, *runs):
    made = io.BytesIO()
    export(store, runs, made)
    return made.getvalue()


def test_a_run_comes_in_as_it_went_out(store, other, scratch):
    run, model = fill(store)

    (made,) = import_tar(other, io.BytesIO(archive(store, run)), scratch)

    before, after = store.get_run(run), other.get_run(run)
    assert (made.run_id, made.name, made.experiment, made.is_new) == (run, "학습", "실험", True)
    for field in ("id", "name", "user_id", "status", "start_time", "end_time", "params", "tags", "datasets"):
        assert getattr(after, field) == getattr(before, field), field
    assert after.model_outputs == before.model_outputs
    assert repr(other.metric_history(run, "loss")) == repr(store.metric_history(run, "loss"))
    assert other.metric_history(run, "test/recall") == store.metric_history(run, "test/recall")
    assert other.walk_artifacts(run) == store.walk_artifacts(run)
    taken = other.find_logged_model(model)
    assert (taken.name, taken.tags, taken.params) == ("m", {"k": "v"}, {"p": "1"})
    assert [path for path, _, _ in other.walk_model_artifacts(taken)] == ["MLmodel"]
    assert other.environment("sha256:" + "1" * 64) == store.environment("sha256:" + "1" * 64)


def test_a_run_that_is_here_is_left_alone(store, scratch):
    run, _ = fill(store)
    data = archive(store, run)
    store.set_tag(run, "since", "then")

    (made,) = import_tar(store, io.BytesIO(data), scratch)

    assert not made.is_new
    assert store.get_run(run).tags["since"] == "then"


def test_the_same_run_gives_the_same_bytes(store):
    run, _ = fill(store)

    assert archive(store, run) == archive(store, run)


def test_a_folder_that_mlflow_wrote_is_read(other, tmp_path):
    root = tmp_path / "mlruns" / "5" / "abc"
    for folder in ("metrics", "params", "tags", "artifacts"):
        (root / folder).mkdir(parents=True)
    (root.parent / "meta.yaml").write_text("artifact_location: file:///x\nexperiment_id: '5'\nname: 'from: mlflow'\n")
    (root / "meta.yaml").write_text(
        "artifact_uri: file:///x\nend_time: 20\nlifecycle_stage: deleted\nrun_id: abc\nrun_name: r\nstart_time: 10\n"
        "status: 4\ntags: []\nuser_id: me\n"
    )
    (root / "metrics" / "m").write_text("11 0.25 0\n12 0.5 1\n")
    (root / "params" / "p").write_text("1")
    (root / "artifacts" / "a.txt").write_text("a")
    (root / "artifacts" / "link").symlink_to("/etc/passwd")

    (made,) = import_folder(other, str(tmp_path))

    run = other.get_run("abc")
    assert (made.experiment, run.status, run.lifecycle_stage, run.end_time) == ("from: mlflow", "FAILED", "deleted", 20)
    assert [point.value for point in other.metric_history("abc", "m")] == [0.25, 0.5]
    assert [path for path, _, _ in other.walk_artifacts("abc")] == ["a.txt"]


@pytest.mark.parametrize("name", ["../outside", "/etc/x", "mlruns/../../x", ".."])
def test_a_name_that_leads_out_is_refused(other, scratch, tmp_path, name):
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        member = tarfile.TarInfo(name)
        member.size = 1
        tar.addfile(member, io.BytesIO(b"x"))
    made.seek(0)

    with pytest.raises(MalformedArchive, match="leads out"):
        import_tar(other, made, scratch)

    assert not (tmp_path / "outside").exists()


@pytest.mark.parametrize("data", [b"", b"no tar", b"\0" * 10240])
def test_what_is_no_archive_is_said_to_be_none(other, scratch, data):
    with pytest.raises(MalformedArchive):
        import_tar(other, io.BytesIO(data), scratch)


def test_an_archive_that_ends_early_leaves_no_half_run(store, other, scratch):
    run, _ = fill(store)
    data = archive(store, run)

    with pytest.raises(MalformedArchive):
        import_tar(other, io.BytesIO(data[: len(data) // 2]), scratch)

    experiments = [item.id for item in other.search_experiments().items]
    assert other.search_runs(experiments).items == ()
