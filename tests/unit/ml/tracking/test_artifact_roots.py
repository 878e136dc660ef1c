"""Artifacts among the blobs of images: what the engine's gc may take, after whatever happened."""

import os
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from teul.config import Settings
from teul.content import LocalStore
from teul.engine import Engine
from teul.engine.system import collect, unlisted_stores
from teul.errors import TeulError
from teul.ml.tracking import TrackingStore, artifact_roots, artifacts, keeping
from teul.ml.tracking.artifact_roots import forget_vanished
from teul.ml.tracking.keeping import absent, forget, let_go, usage
from teul.oci.digest import Digest
from teul.state import artifacts as rows

pytestmark = pytest.mark.needs_root


@pytest.fixture
def settings(tmp_path):
    return Settings.from_environ({"TEUL_ROOT": str(tmp_path / "state"), "HOME": str(tmp_path)})


@pytest.fixture
def engine(settings):
    made = Engine.open(settings)
    yield made
    made.close()


@pytest.fixture
def store(settings):
    with TrackingStore.of(settings) as made:
        yield made


@pytest.fixture
def run(store):
    return store.create_run("0").id


def blobs(settings):
    return {info.digest for info in LocalStore(settings.layout).walk()}


def test_gc_keeps_what_has_a_name_and_takes_what_was_let_go(settings, engine, store, run):
    store.log_artifact(run, "kept", b"kept")
    store.log_artifact(run, "gone", b"gone")
    artifacts.delete(store.db, f"0/{run}/artifacts/gone")

    collect(engine)
    assert len(blobs(settings)) == 2, "the engine alone does not know that a name went"

    assert store.collect() == (1, 0)
    assert collect(engine).blobs == (Digest.of(b"gone"),)
    assert store.read_artifact(run, "kept") == b"kept"


def test_an_artifact_and_a_blob_of_an_image_are_one_file(settings, engine, store, run):
    layer = engine.store.put(b"layer" * 1000)
    inode = os.stat(f"{settings.layout}/blobs/sha256/{layer.hex}").st_ino
    store.log_artifact(run, "same", b"layer" * 1000)

    assert blobs(settings) == {layer}
    assert os.stat(f"{settings.layout}/blobs/sha256/{layer.hex}").st_ino == inode
    # Nobody but the artifact needs it: it stays for the artifact, and goes with it.
    collect(engine)
    assert blobs(settings) == {layer}
    artifacts.delete(store.db, f"0/{run}/artifacts/same")
    store.collect()
    collect(engine)
    assert blobs(settings) == set()


def test_content_of_an_upload_stays_until_it_has_a_name(settings, engine, store, run):
    """Both halves of the housekeeping in the worst moment: content is here, its name is not."""
    with store.content.upload() as upload:
        digest = upload.put(b"in flight")
        assert store.collect() == (1, 0)
        collect(engine)
        assert blobs(settings) == {digest}
        artifacts.put(store.db, store.content, f"0/{run}/artifacts/a", digest, 9)

    collect(engine)
    assert store.read_artifact(run, "a") == b"in flight"
    store.close()
    assert engine.db.all("SELECT id FROM leases") == []


def test_uploads_that_come_close_together_share_a_lease_that_ends(engine, store, monkeypatch):
    def leases():
        return [row[0] for row in engine.db.all("SELECT id FROM leases")]

    clock = [0.0]
    monkeypatch.setattr(artifact_roots, "_now", lambda: clock[0])
    with store.content.upload() as one:
        one.put(b"1")
        (first,) = leases()
        with store.content.upload() as two:
            two.put(b"2")
        assert leases() == [first]
        clock[0] += artifact_roots.LINGER_S + 1
        with store.content.upload() as three:
            three.put(b"3")
            assert len(leases()) == 2, "the first upload still goes on"
    (second,) = leases()
    assert second != first
    store.content.tidy()
    assert leases() == [second], "it may be joined for a while"
    clock[0] += artifact_roots.LINGER_S + 1
    store.content.tidy()
    assert leases() == []


@pytest.mark.parametrize("failures", [0, 1])
def test_digests_that_wait_are_listed_at_one_flush(store, monkeypatch, failures):
    """Where that fails, one of the uploads fails, and the next one takes the rest along."""
    roots = store.content.roots
    roots.add(Digest.of(b"before"))
    digests = {Digest.of(bytes([number])) for number in range(6)}
    asked, left = [], [failures]

    def add(database, name, *wanted):
        asked.append(set(wanted))
        if left[0]:
            left[0] -= 1
            raise OSError(28, "No space left on device")
        rows.add(database, name, *wanted)

    monkeypatch.setattr(artifact_roots, "rows", SimpleNamespace(**{**vars(rows), "add": add}))
    with ThreadPoolExecutor(len(digests)) as threads:
        with roots._lock:
            made = [threads.submit(roots.add, digest) for digest in digests]
            while roots._wanted != digests:
                time.sleep(0)
        errors = [future.exception() for future in made]

    assert asked == [digests] * (1 + failures)
    assert sum(error is not None for error in errors) == failures
    assert digests <= roots.listed()


def test_content_of_an_upload_that_came_to_nothing_is_garbage(settings, engine, store, run):
    with pytest.raises(ValueError, match="gone away"), store.content.upload() as upload:
        upload.put(b"nameless")
        raise ValueError("gone away")

    assert store.collect() == (1, 0)
    collect(engine)
    assert blobs(settings) == set()


def test_content_that_was_there_before_an_upload_is_not_taken_from_under_it(settings, engine, store, run):
    old = engine.store.put(b"old garbage")
    with store.content.upload() as upload:
        upload.put(b"old garbage")
        store.collect()
        collect(engine)
        artifacts.put(store.db, store.content, f"0/{run}/artifacts/a", old, 11)

    assert store.read_artifact(run, "a") == b"old garbage"


def test_parts_of_an_upload_stay_while_it_goes_on(settings, engine, store, run):
    path = f"0/{run}/artifacts/big"
    artifacts.begin_upload(store.db, path, 2, "u")
    for number, data in ((1, b"one"), (2, b"two")):
        with store.content.upload() as upload:
            artifacts.put_part(store.db, store.content, "u", number, upload.put(data), 3)
    store.collect()
    collect(engine)
    artifacts.finish_upload(store.db, store.content, path, "u")
    assert store.collect() == (2, 0)
    collect(engine)

    assert store.read_artifact(run, "big") == b"onetwo"
    assert blobs(settings) == {Digest.of(b"onetwo")}


def test_a_lost_engine_database_costs_no_artifact(settings, engine, store, run):
    store.log_artifact(run, "a", b"precious")
    engine.close()
    store.close()
    for name in os.listdir(settings.root):
        if name.startswith("state.db"):
            os.unlink(f"{settings.root}/{name}")
    garbage = engine.store.put(b"garbage")
    heard = []

    collect(engine, events=heard.append)
    assert blobs(settings) == {Digest.of(b"precious"), garbage}
    assert [event.code for event in heard if hasattr(event, "code")] == ["tracking-unlisted"]

    assert let_go(settings) == (0, [])
    assert unlisted_stores(engine) == ()
    collect(engine)
    assert blobs(settings) == {Digest.of(b"precious")}
    with TrackingStore.of(settings) as again:
        assert again.check() == []


def test_a_restored_tracking_database_brings_its_list_along(settings, engine, store, run, tmp_path):
    """Names that the list has lost meanwhile come back with the database that has them."""
    store.log_artifact(run, "a", b"kept")
    with sqlite3.connect(tmp_path / "backup.db") as backup, sqlite3.connect(settings.tracking_database) as source:
        source.backup(backup)
    artifacts.delete(store.db, f"0/{run}/artifacts/a")
    store.collect()
    store.close()
    for ending in ("", "-wal", "-shm"):
        if os.path.exists(settings.tracking_database + ending):
            os.unlink(settings.tracking_database + ending)
    os.rename(tmp_path / "backup.db", settings.tracking_database)

    with TrackingStore.of(settings) as again:
        assert [reason for _, reason in again.check()] == ["gc does not know that it is needed"]
        again.collect()
        collect(engine)
        assert (again.check(), again.read_artifact(run, "a")) == ([], b"kept")


def test_artifacts_go_with_the_database_that_named_them(settings, engine, store, run):
    store.log_artifact(run, "a", b"x")
    store.close()
    assert forget_vanished(settings) == 0
    for name in os.listdir(settings.root):
        if name.startswith("tracking.db"):
            os.unlink(f"{settings.root}/{name}")

    assert let_go(settings) == (0, [])
    collect(engine)
    assert (blobs(settings), os.listdir(settings.tracking_stores)) == (set(), [])


def test_what_is_used_and_what_could_go_is_measured(settings, store, run):
    store.log_artifact(run, "a", b"x" * 100)
    store.log_artifact(run, "b", b"y" * 10)
    artifacts.delete(store.db, f"0/{run}/artifacts/b")

    assert usage(settings) == (2, 1, 110, 10)


def make_old(root, *files):
    """What the last teul before this left: a content store of its own in `artifacts`."""
    old = LocalStore(f"{root}/artifacts")
    return {old.put(data) for data in files}


def test_an_old_folder_of_artifacts_moves_in(settings, engine):
    with TrackingStore.open(settings.tracking_database, artifacts_root=f"{settings.root}/artifacts") as old:
        run = old.create_run("0").id
        old.log_artifact(run, "모델", b"weights")
        old.log_artifact(run, "also a layer", b"layer")
    make_old(settings.root, b"garbage")
    engine.store.put(b"layer")

    with TrackingStore.of(settings) as store:
        collect(engine)
        assert store.read_artifact(run, "모델") == b"weights"
        assert store.read_artifact(run, "also a layer") == b"layer"
        assert store.check() == []

    assert not os.path.exists(f"{settings.root}/artifacts")
    assert blobs(settings) == {Digest.of(b"weights"), Digest.of(b"layer")}


@pytest.mark.parametrize("point", ["artifacts-listed", "artifact-moved:2", "artifacts-moved", "artifacts-gone"])
def test_a_move_that_was_cut_off_goes_on(settings, engine, point):
    import subprocess
    import sys

    import teul

    files = {name: name.encode() * 50 for name in ("a", "b", "c")}
    with TrackingStore.open(settings.tracking_database, artifacts_root=f"{settings.root}/artifacts") as old:
        run = old.create_run("0").id
        for name, data in files.items():
            old.log_artifact(run, name, data)
    source = os.path.dirname(os.path.dirname(teul.__file__))
    done = subprocess.run(
        [sys.executable, "-m", "teul.cli.main", "runs", "-q"],
        env={**os.environ, "PYTHONPATH": source, "TEUL_ROOT": settings.root, "TEUL_CRASH_AT": point},
        capture_output=True,
        check=False,
    )
    assert done.returncode == -9, done.stderr
    collect(engine)

    with TrackingStore.of(settings) as store:
        assert {name: store.read_artifact(run, name) for name in files} == files
        assert store.check() == []
    assert not os.path.exists(f"{settings.root}/artifacts")


def test_a_folder_that_another_store_has_marked_stays_as_it_is(settings, engine):
    with TrackingStore.open(settings.tracking_database, artifacts_root=f"{settings.root}/artifacts") as old:
        run = old.create_run("0").id
        old.log_artifact(run, "a", b"mine")
    (theirs,) = make_old(settings.root, b"theirs")
    with open(f"{settings.root}/artifacts/tracking-store", "w") as mark:
        mark.write("0123")

    with TrackingStore.of(settings) as store:
        assert store.read_artifact(run, "a") == b"mine"
    collect(engine)

    assert blobs(settings) == {Digest.of(b"mine")}
    assert LocalStore(f"{settings.root}/artifacts").read(theirs) == b"theirs"


def test_a_store_that_cannot_be_opened_keeps_what_it_has(settings, engine, store, run, tmp_path):
    from dataclasses import replace

    store.log_artifact(run, "a", b"x")
    store.close()
    garbage = engine.store.put(b"garbage")
    team = replace(settings, tracking_store="postgresql://me@127.0.0.1:1/none")

    freed, failures = let_go(team)
    collect(engine)

    assert (freed, len(failures), garbage in blobs(settings)) == (0, 1, False)
    with TrackingStore.of(settings) as again:
        assert again.read_artifact(run, "a") == b"x"


def test_a_store_gone_for_good_is_forgotten_when_somebody_says_so(settings, engine, store, run, monkeypatch):
    """Nobody answers where it was; ours, which is a file here, is not gone."""
    theirs = engine.store.put(b"theirs")  # before there is a lease, which spares what is younger
    store.log_artifact(run, "a", b"mine")
    gone, where = "c0ffee" + "0" * 26, "postgresql://me@127.0.0.1:1/none"
    artifact_roots.announce(settings.root, gone, where)
    rows.replace(engine.db, gone, where, {str(theirs), str(Digest.of(b"mine"))})

    assert [(item.id, item.location, item.count) for item in absent(settings)] == [(gone, where, 2)]
    collect(engine)
    assert len(blobs(settings)) == 2
    for wanted, problem in (("tracking.db", "is not gone"), ("nope", "no artifacts"), ("", "no artifacts")):
        with pytest.raises(TeulError, match=problem):
            forget(settings, wanted)
    monkeypatch.setattr(keeping, "crash_point", crash)
    with pytest.raises(KeyboardInterrupt):
        forget(settings, "c0ffee")
    assert collect(engine).blobs == (), "half forgotten is not forgotten"
    monkeypatch.undo()

    assert forget(settings, "c0ffee").location == where
    assert collect(engine).blobs == (theirs,)
    assert absent(settings) == []
    assert store.read_artifact(run, "a") == b"mine"


def crash(point):
    raise KeyboardInterrupt(point)
