import pytest

from teul.errors import TrackingNotFound
from teul.ml.tracking import TrackingStore, artifacts, experiments, logged_models, sources
from teul.ml.tracking.cleaning import Cleaned


@pytest.fixture
def store(tmp_path):
    with TrackingStore.open(str(tmp_path / "tracking.db")) as made:
        yield made


def run(store, experiment="0", content=b"x" * 1000):
    made = store.create_run(experiment)
    store.log_artifact(made.id, "a.bin", content)
    store.log_metric(made.id, "m", 1.0)
    return made


def test_only_what_was_deleted_goes_and_takes_its_content_along(store):
    kept, gone = run(store, content=b"kept"), run(store, content=b"gone")
    shared = run(store, content=b"kept")
    store.delete_run(gone.id)
    store.delete_run(shared.id)

    made = store.clean(who="kim")
    count, _ = store.collect(grace_s=0)

    assert set(made.runs) == {gone.id, shared.id}
    assert count == 1
    assert store.read_artifact(kept.id, "a.bin") == b"kept"
    with pytest.raises(TrackingNotFound):
        store.get_run(gone.id)
    assert store.audit()[-1].action == "gc"


def test_an_upload_that_was_never_ended_goes_with_its_run(store):
    kept, gone = run(store, content=b"kept"), run(store, content=b"gone")
    for made in (kept, gone):
        artifacts.begin_upload(store.db, f"0/{made.id}/artifacts/big", 2, made.id)
        part = store.content.put(f"part {made.id}".encode())
        artifacts.put_part(store.db, store.content, made.id, 1, part, 5)
    store.delete_run(gone.id)
    store.clean(who="kim")

    assert store.collect(grace_s=0)[0] == 2
    assert store.db.all("SELECT id FROM uploads") == [(kept.id,)]


def test_nothing_goes_in_a_dry_run(store):
    gone = run(store)
    store.delete_run(gone.id)

    assert store.clean(is_dry=True, who="kim").runs == (gone.id,)
    assert store.get_run(gone.id).lifecycle_stage == "deleted"
    assert store.audit() == []


def test_what_was_deleted_a_moment_ago_is_not_older_than_a_day(store):
    gone = run(store)
    store.delete_run(gone.id)

    assert store.clean(older_than_s=86400, who="kim").runs == ()


def test_a_run_that_a_version_stands_on_is_kept(store):
    made = run(store)
    store.create_registered_model("m")
    store.create_model_version("m", f"{made.artifact_uri}/a.bin", run_id=made.id)
    store.delete_run(made.id)

    assert store.clean(who="kim").kept == (made.id,)
    store.delete_model_version("m", 1, who="kim")
    assert store.clean(who="kim").runs == (made.id,)


def test_a_deleted_experiment_goes_with_all_that_is_in_it(store):
    experiment = store.create_experiment("e")
    made = run(store, experiment)
    model = logged_models.create(store.db, experiment, name="m")
    store.delete_experiment(experiment)

    cleaned = store.clean(who="kim")

    assert (cleaned.runs, cleaned.experiments) == ((made.id,), (experiment,))
    assert store.find_experiment("e") is None
    assert store.find_logged_model(model.id) is None
    assert store.collect(grace_s=0)[0] == 1


def test_only_the_runs_that_were_named_go(store):
    one, other = run(store), run(store)
    store.delete_run(one.id)
    store.delete_run(other.id)

    assert store.clean(run_ids=[one.id], who="kim").runs == (one.id,)
    assert store.get_run(other.id)


def test_an_experiment_takes_nothing_of_others_in_its_folder(store):
    def experiment(name, folder):
        return experiments.create(store.db, name, location=f"mlflow-artifacts:/{folder}")

    gone = experiment("gone", "all/here")
    lost = run(store, gone, b"lost")
    model = logged_models.create(store.db, gone, name="m")
    artifacts.put_bytes(store.db, store.content, f"all/here/models/{model.id}/artifacts/MLmodel", b"lost, too")
    kept = [run(store, experiment(folder, folder), folder.encode()) for folder in ("all/here/", "all", "all/here/x")]
    store.delete_experiment(gone)

    assert store.clean(who="kim").experiments == (gone,)

    assert store.collect(grace_s=0)[0] == 2
    assert [store.read_artifact(made.id, "a.bin") for made in kept] == [b"all/here/", b"all", b"all/here/x"]
    with pytest.raises(TrackingNotFound):
        store.get_run(lost.id)


def test_a_version_keeps_its_files_however_its_source_is_written(store):
    """`runs:/…` is the run's folder, or since MLflow 3 that of the logged model of this name."""
    made, other = run(store), run(store, content=b"other")
    model = logged_models.create(store.db, "0", name="model", source_run_id=other.id)
    folder = sources.artifact_path(model.artifact_location)
    artifacts.put_bytes(store.db, store.content, f"{folder}/MLmodel", b"flavors: {}")
    store.create_registered_model("m")
    one = store.create_model_version("m", f"runs:/{made.id}/a.bin", run_id=made.id)
    two = store.create_model_version("m", f"runs:/{other.id}/model", run_id=other.id)
    store.delete_run(made.id)
    logged_models.delete(store.db, model.id)

    cleaned = store.clean(who="kim")

    assert (cleaned.kept, cleaned.models) == ((made.id,), ())
    assert store.read_artifact(made.id, "a.bin") == b"x" * 1000
    assert [path for path, _, _ in store.version_files(two)] == ["MLmodel"]
    assert [size for _, _, size in store.version_files(one)] == []


def test_a_logged_model_whose_run_is_gone_is_named_and_goes_when_asked_for(store):
    def model(run_id):
        made = logged_models.create(store.db, "0", name="model", source_run_id=run_id)
        folder = sources.artifact_path(made.artifact_location)
        artifacts.put_bytes(store.db, store.content, f"{folder}/MLmodel", made.id.encode())
        return made.id

    gone, there = run(store, content=b"gone"), run(store, content=b"there")
    orphan, *others = model(gone.id), model(gone.id), model(gone.id), model(there.id)
    used, registered, _ = others
    store.log_inputs(there.id, [], [used])
    store.create_registered_model("m")
    store.create_model_version("m", f"models:/{registered}", run_id=gone.id)
    store.delete_run(gone.id)

    assert store.clean(is_dry=True, who="kim").orphans == (orphan,)
    assert store.clean(is_dry=True, with_orphans=True, who="kim").models == (orphan,)
    assert store.clean(who="kim").orphans == (orphan,)
    assert store.clean(with_orphans=True, who="kim").models == (orphan,)
    assert store.clean(with_orphans=True, who="kim") == Cleaned()
    assert store.collect(grace_s=0)[0] == 2
    assert {found.id for found in logged_models.search(store.db, ["0"]).items} == {*others}
