import math

import pytest

from suites.tracker import TrackerSuite
from teul.errors import DigestMismatch, GateFailed, RunNotFound, TrackingNotFound
from teul.ml.tracking import TrackingStore
from teul.ml.tracking.database import RowConflict


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.needs_postgres)])
def location(request, tmp_path):
    """Where a new database may be made."""
    if request.param == "sqlite":
        return str(tmp_path / "tracking.db")
    return request.getfixturevalue("postgres").emptied()


@pytest.fixture
def open_store(location, tmp_path):
    return lambda: TrackingStore.open(location, artifacts_root=str(tmp_path / "artifacts"))


class TestTrackingStore(TrackerSuite):
    @pytest.fixture
    def tracker(self, open_store):
        with open_store() as made:
            yield made


@pytest.fixture
def store(open_store):
    with open_store() as made:
        yield made


@pytest.fixture
def run(store):
    return store.create_run("0", run_name="r").id


def test_what_was_written_is_there_when_the_store_is_opened_again(open_store):
    with open_store() as store:
        run = store.create_run(store.create_experiment("e")).id
        store.log_metric(run, "m", 0.5)
        store.log_artifact(run, "a", b"x")

    with open_store() as again:
        assert again.get_run(run).metric("m") == 0.5
        assert again.read_artifact(run, "a") == b"x"


def test_two_stores_on_one_file_see_each_other(open_store):
    with open_store() as one, open_store() as two:
        run = one.create_run("0").id
        two.log_metric(run, "m", 1.0)

        assert one.get_run(run).metric("m") == 1.0


def test_a_database_file_is_for_its_owner_only(tmp_path):
    TrackingStore.open(str(tmp_path / "tracking.db")).close()

    assert (tmp_path / "tracking.db").stat().st_mode & 0o777 == 0o600


def test_a_run_is_found_by_the_first_digits_of_its_id_and_by_its_name(store, run):
    assert store.find_run(run[:8]).id == run
    assert store.find_run(run).id == run
    assert store.find_run("r").id == run
    with pytest.raises(RunNotFound):
        store.find_run("zzzz")
    with pytest.raises(RunNotFound):
        store.find_run(run[:3])


def test_of_several_runs_of_a_name_the_newest_is_found(store):
    store.create_run("0", run_name="train", start_time=1)
    newest = store.create_run("0", run_name="train", start_time=3).id
    store.create_run("0", run_name="train", start_time=2)

    assert store.find_run("train").id == newest


def test_an_experiment_that_is_ensured_is_made_found_and_restored(store):
    made = store.ensure_experiment("e")
    assert store.ensure_experiment("e") == made

    store.delete_experiment(made)

    assert store.ensure_experiment("e") == made
    assert store.get_experiment(made).lifecycle_stage == "active"


def test_equal_artifacts_are_stored_once(store, run):
    other = store.create_run("0").id
    for target in (run, other):
        store.log_artifact(target, "model.bin", b"weights" * 1000)

    assert len(list(store.content.walk())) == 1


def test_a_folder_is_logged_without_its_links(store, run, tmp_path):
    folder = tmp_path / "out"
    (folder / "안").mkdir(parents=True)
    (folder / "안" / "모델.bin").write_bytes(b"m")
    (folder / "metrics.json").write_bytes(b"{}")
    (folder / "link").symlink_to("/etc/passwd")
    store.log_folder(run, "outs", str(folder))

    assert [(path, size) for path, _, size in store.walk_artifacts(run)] == [
        ("outs/metrics.json", 2),
        ("outs/안/모델.bin", 1),
    ]


def test_a_version_knows_its_files(store, run):
    store.log_artifact(run, "model/MLmodel", b"flavors: {}")
    store.create_registered_model("m")
    version = store.create_model_version("m", f"{store.get_run(run).artifact_uri}/model", run_id=run)
    copy = store.create_model_version("m", "models:/m/1")

    assert [path for path, _, _ in store.version_files(version)] == ["MLmodel"]
    assert [path for path, _, _ in store.version_files(copy)] == ["MLmodel"]
    assert copy.storage_location == version.storage_location


def test_gc_keeps_what_has_a_name_and_takes_the_rest(store, run):
    store.log_artifact(run, "kept", b"kept")
    store.log_artifact(run, "replaced", b"old")
    store.log_artifact(run, "replaced", b"new")
    store.content.put(b"nameless")

    assert store.collect() == (0, 0)
    assert store.collect(grace_s=0) == (2, 11)
    assert store.read_artifact(run, "kept") == b"kept"
    assert store.read_artifact(run, "replaced") == b"new"


def test_a_damaged_artifact_is_named_and_never_read(store, run):
    store.log_artifact(run, "a", b"good")
    store.log_artifact(run, "b", b"fine")
    assert store.check() == []

    _, digest, _ = store.walk_artifacts(run)[0]
    path = f"{store.content.root}/blobs/sha256/{digest.hex}"
    import os

    os.chmod(path, 0o600)
    with open(path, "wb") as file:
        file.write(b"evil")

    assert [name for name, _ in store.check()] == [f"0/{run}/artifacts/a"]
    with pytest.raises(DigestMismatch):
        store.read_artifact(run, "a")


def test_every_move_of_an_alias_is_remembered_with_who_and_why(store):
    store.create_registered_model("m")
    for _ in range(2):
        store.create_model_version("m", "s3://x/y")
    store.set_alias("m", "production", 1, who="김", reason="첫 모델")
    store.set_alias("m", "production", 1, who="김", reason="again")
    store.set_alias("m", "production", 2, who="이", reason="recall +0.02")
    store.delete_alias("m", "production", who="박", reason="점검")
    store.rename_registered_model("m", "n")

    assert [(line.version, line.previous, line.who, line.reason) for line in store.alias_history("n")] == [
        (1, None, "김", "첫 모델"),
        (2, 1, "이", "recall +0.02"),
        (None, 2, "박", "점검"),
    ]


def test_history_outlives_the_model_and_cannot_be_rewritten(store):
    store.create_registered_model("m")
    store.create_model_version("m", "s3://x/y")
    store.set_alias("m", "production", 1, who="김")
    store.delete_registered_model("m", who="이")

    assert [(line.version, line.who) for line in store.alias_history("m")] == [(1, "김"), (None, "이")]
    with pytest.raises(RowConflict, match="append-only"), store.db.write():
        store.db.execute("DELETE FROM alias_history")


def test_a_failed_gate_keeps_the_stage_as_the_alias(store):
    from teul.ml.tracking import registry

    store.create_registered_model("m")
    store.create_model_version("m", "s3://x/y")
    store.set_gate("m", 1, False, [{"gate": "recall >= 0.5", "passed": False}])

    with pytest.raises(GateFailed):
        registry.transition_stage(store.db, "m", 1, "production")
    assert store.get_model_version("m", 1).gate_report == ({"gate": "recall >= 0.5", "passed": False},)


def test_an_alias_of_no_model_is_none(store):
    assert store.alias("nothing", "production") is None


def test_a_run_that_ends_takes_its_tokens_along(store, run):
    from teul.ml.tracking import tokens

    token = store.issue_run_token(run)
    assert tokens.run_of(store.db, token) == run

    store.end_run(run, "FINISHED")

    assert tokens.run_of(store.db, token) is None


def test_a_token_ends_with_its_time_and_is_not_kept_readable(store, run):
    from teul.ml.tracking import tokens

    token = store.issue_run_token(run, ttl_s=-1)

    assert tokens.run_of(store.db, token) is None
    assert tokens.run_of(store.db, "") is None
    assert token not in str(store.db.all("SELECT * FROM tokens"))


def test_a_token_for_no_run_is_refused(store):
    with pytest.raises(TrackingNotFound):
        store.issue_run_token("f" * 32)


def test_sampled_history_has_the_first_and_the_last_point(store, run):
    from teul.ml.tracking import metrics

    for step in range(100):
        store.log_metric(run, "m", float(step), step=step, timestamp=step)
    found = metrics.sampled(store.db, [run], "m", limit=10, steps=None)

    assert len(found) == 10
    assert (found[0].value, found[-1].value) == (0.0, 99.0)


def test_metrics_of_nan_are_the_latest_by_step(store, run):
    store.log_metric(run, "m", 0.5, step=1, timestamp=1)
    store.log_metric(run, "m", math.nan, step=2, timestamp=1)

    assert math.isnan(store.get_run(run).metric("m"))
