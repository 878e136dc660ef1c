"""What is PostgreSQL's own; what both databases do alike is in test_store."""

import secrets
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from teul.config import Settings
from teul.engine import Engine
from teul.engine.system import collect
from teul.errors import InvalidInput, StoreLocked, TrackingInvalid, Unavailable, Unsupported
from teul.ml.tracking import TrackingStore, keeping, schema
from teul.ml.tracking.database import RowConflict, without_password
from teul.oci.digest import Digest

pytestmark = pytest.mark.needs_postgres


@pytest.fixture
def url(postgres):
    return postgres.emptied()


@pytest.fixture
def open_store(url, tmp_path):
    return lambda: TrackingStore.open(url, artifacts_root=str(tmp_path / "artifacts"))


@pytest.fixture
def store(open_store):
    with open_store() as made:
        yield made


def add(db, name):
    db.execute("INSERT INTO experiments(name, artifact_location, lifecycle_stage, creation_time, last_update_time)"
               " VALUES (?, '', 'active', 0, 0)", (name,))  # fmt: skip


def count(db):
    return db.one("SELECT count(*) FROM experiments")[0]


def test_the_tables_are_those_of_the_file_with_the_same_columns_and_keys(store, tmp_path):
    with TrackingStore.open(str(tmp_path / "tracking.db")) as other:
        tables = [
            name
            for (name,) in other.db.all(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
            )
        ]
        expected = {
            table: [(row[1], bool(row[5])) for row in other.db.all(f"PRAGMA table_info({table})")] for table in tables
        }
    found = {}
    for table, column, is_key in store.db.all(
        "SELECT c.table_name, c.column_name, EXISTS (SELECT 1 FROM information_schema.key_column_usage k JOIN"
        " information_schema.table_constraints t USING (constraint_schema, constraint_name) WHERE t.constraint_type ="
        " 'PRIMARY KEY' AND k.constraint_schema = 'teul' AND k.table_name = c.table_name AND k.column_name ="
        " c.column_name) FROM information_schema.columns c WHERE c.table_schema = 'teul' ORDER BY c.ordinal_position"
    ):
        found.setdefault(table, []).append((column, is_key))
    del found["store"]

    assert found == expected


def test_a_database_may_have_other_tables_of_the_same_names(postgres, url, open_store):
    postgres.query(url.partition("@/")[2].partition("?")[0], "CREATE TABLE IF NOT EXISTS runs (whose text)")

    with open_store() as store:
        store.create_run("0")

    assert postgres.query(url.partition("@/")[2].partition("?")[0], "SELECT * FROM public.runs") == []


def test_one_of_a_newer_teul_is_refused(open_store):
    with open_store() as store, store.db.write():
        store.db.execute("UPDATE store SET version = ?", (schema.SCHEMA_VERSION + 1,))

    with pytest.raises(Unsupported, match="expected schema"):
        open_store()


def test_an_older_one_is_copied_then_migrated_and_one_that_fails_is_left_as_it_was(open_store, monkeypatch):
    from teul.ml.tracking import postgres

    with open_store() as store:
        store.create_experiment("먼저")
    number = schema.SCHEMA_VERSION
    for last in ("NONSENSE;\n", ""):
        more = (*schema.MIGRATIONS, f"CREATE TABLE later (number INTEGER PRIMARY KEY, a BLOB) STRICT;\n{last}")
        monkeypatch.setattr(postgres, "MIGRATIONS", more)
        monkeypatch.setattr(postgres, "SCHEMA_VERSION", len(more))
        if last:
            with pytest.raises(Exception, match="syntax error"):
                open_store()

    with open_store() as store:
        assert store.db.all("SELECT * FROM later") == []
        assert store.find_experiment("먼저") is not None
        assert ("먼저",) in store.db.all(f"SELECT name FROM teul_v{number}.experiments")
        with store.db.write():
            store.db.execute(f"DROP SCHEMA teul_v{number} CASCADE")


def test_several_that_open_a_new_one_at_once_make_it_once(open_store):
    with ThreadPoolExecutor(6) as pool:
        stores = [future.result() for future in [pool.submit(open_store) for _ in range(6)]]
    try:
        assert {count(store.db) for store in stores} == {1}
    finally:
        for store in stores:
            store.close()


def test_an_inner_write_that_fails_takes_nothing_else_with_it(store):
    db = store.db
    with db.write():
        add(db, "a")
        with pytest.raises(RowConflict), db.write():
            add(db, "a")
        with pytest.raises(ZeroDivisionError), db.write():
            add(db, "b")
            raise ZeroDivisionError
        add(db, "c")
    with pytest.raises(ZeroDivisionError), db.write():
        add(db, "d")
        raise ZeroDivisionError

    assert db.all("SELECT name FROM experiments ORDER BY id") == [("Default",), ("a",), ("c",)]


def test_a_read_sees_one_state_and_nothing_that_is_not_committed(store):
    db, seen = store.db, []

    def in_a_thread(work):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()

    with db.write():
        add(db, "a")
        in_a_thread(lambda: seen.append(count(db)))
    assert (seen, count(db)) == ([1], 2)

    def write():
        with db.write():
            add(db, "b")

    with db.read():
        before = count(db)
        in_a_thread(write)
        assert count(db) == before
    assert count(db) == before + 1
    with pytest.raises(Exception, match="read-only"):
        add(db, "c")


def test_two_servers_take_turns(open_store):
    with open_store() as one, open_store() as two:
        one.create_registered_model("m")

        def register(store):
            for _ in range(20):
                store.create_model_version("m", "s3://x/y")

        threads = [threading.Thread(target=register, args=(store,)) for store in (one, two)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert [version.version for version in one.versions_of("m")] == list(range(40, 0, -1))


def test_one_that_is_held_too_long_is_locked(open_store):
    with open_store() as one, open_store() as two:
        with two.db.write():
            two.db.execute("SET LOCAL lock_timeout = 0")
        two.db._writer.execute("SET lock_timeout = 50")
        with one.db.write(), pytest.raises(StoreLocked), two.db.write():
            pass
        two.create_run("0")


def test_a_server_that_crashed_is_found_again_and_has_all_that_it_acknowledged(postgres, store):
    run = store.create_run("0").id
    store.log_metric(run, "m", 1.0)
    postgres.stop()
    try:
        with pytest.raises(Unavailable, match="cannot be reached"):
            store.log_metric(run, "m", 2.0, step=1)
        with pytest.raises(Unavailable):
            store.get_run(run)
    finally:
        postgres.start()

    assert store.get_run(run).metric("m") == 1.0
    store.log_metric(run, "m", 2.0, step=1)
    assert store.get_run(run).metric("m") == 2.0


def test_a_crash_inside_a_transaction_leaves_nothing_of_it(postgres, store):
    with pytest.raises(Unavailable), store.db.write():
        add(store.db, "half")
        postgres.stop()
        postgres.start()
        add(store.db, "other half")

    assert count(store.db) == 1


def test_what_postgresql_cannot_keep_is_the_callers_fault(store):
    run = store.create_run("0").id
    with pytest.raises(TrackingInvalid):
        store.log_param(run, "p", "a\0b")
    with pytest.raises(TrackingInvalid):
        store.log_artifact(run, "/".join(secrets.token_hex(60) for _ in range(30)), b"x")
    store.log_param(run, "p", "a")

    assert store.get_run(run).params == {"p": "a"}


def test_case_is_folded_in_every_script_and_percent_and_backslash_are_as_in_the_file(store):
    for name in ("ÄPFEL", "a\\b", "100%"):
        store.create_experiment(name)

    def found(text):
        return [item.name for item in store.search_experiments(filter_text=text).items]

    assert found("name ILIKE 'äpfel'") == ["ÄPFEL"]
    assert found("name LIKE 'äpfel'") == []
    assert found("name LIKE 'a\\%'") == ["a\\b"]
    assert found("name LIKE '%0%'") == ["100%"]


def test_artifacts_kept_in_another_folder_are_refused(url, tmp_path):
    with TrackingStore.open(url, artifacts_root=str(tmp_path / "one")) as store:
        store.log_artifact(store.create_run("0").id, "a", b"x")
    with pytest.raises(Unsupported, match="not where the artifacts"):
        TrackingStore.open(url, artifacts_root=str(tmp_path / "two"))
    TrackingStore.open(url, artifacts_root=str(tmp_path / "one")).close()


def test_a_url_that_leads_nowhere_is_named_without_its_password(tmp_path):
    with pytest.raises(Unavailable, match="me@") as caught:
        TrackingStore.open("postgresql://me:geheim@127.0.0.1:1/x?password=geheim", artifacts_root=str(tmp_path))
    assert "geheim" not in str(caught.value)
    assert without_password("postgresql+psycopg2://a:b@h:5/d?sslmode=require") == "postgresql://a@h:5/d?sslmode=require"
    with pytest.raises(InvalidInput):
        TrackingStore.open("postgresql://me@h/x?nonsense=1", artifacts_root=str(tmp_path))


def test_an_encoding_that_cannot_hold_every_name_is_refused(postgres, tmp_path):
    name = "latin"
    postgres.query("postgres", f"DROP DATABASE IF EXISTS {name}")
    postgres.query("postgres", f"CREATE DATABASE {name} ENCODING LATIN1 LOCALE 'C' TEMPLATE template0")
    with pytest.raises(Unsupported, match="expected encoding UTF8, got LATIN1"):
        TrackingStore.open(postgres.url(name), artifacts_root=str(tmp_path))


@pytest.mark.needs_root
def test_artifacts_of_old_move_into_the_state_folder_and_stay_bound_to_it(url, tmp_path):
    root = str(tmp_path / "state")
    with TrackingStore.open(url, artifacts_root=f"{root}/artifacts") as old:
        run = old.create_run("0").id
        old.log_artifact(run, "모델", b"weights")
    # A file beside it kept its artifacts in the same folder; that one is opened last.
    with TrackingStore.open(f"{root}/tracking.db", artifacts_root=f"{root}/artifacts") as local:
        other = local.create_run("0").id
        local.log_artifact(other, "a", b"local")

    with TrackingStore.open(url, root=root) as store:
        assert store.read_artifact(run, "모델") == b"weights"
        assert store.check() == []
    engine = Engine.open(Settings.from_environ({"TEUL_ROOT": root, "HOME": root}))
    try:
        # What the file needs is not known yet.
        assert collect(engine).unlisted == ("tracking.db",)
        with TrackingStore.open(f"{root}/tracking.db") as local:
            assert local.read_artifact(other, "a") == b"local"
            local.collect()
        assert collect(engine).unlisted == ()
    finally:
        engine.close()
    with TrackingStore.open(f"{root}/tracking.db") as local, TrackingStore.open(url, root=root) as store:
        assert (local.check(), store.check()) == ([], [])
    with pytest.raises(Unsupported, match="not where the artifacts"):
        TrackingStore.open(url, root=str(tmp_path / "elsewhere"))


@pytest.mark.needs_root
def test_a_store_that_is_gone_is_known_from_one_that_answers(postgres, tmp_path):
    """The database was dropped, and made anew under the same name: what the old one kept can be let go."""
    url = postgres.emptied()
    settings = Settings.from_environ({"TEUL_ROOT": str(tmp_path / "state"), "TEUL_TRACKING_STORE": url})

    def log(data):
        with TrackingStore.of(settings) as store:
            run = store.create_run("0").id
            store.log_artifact(run, "a", data)

    log(b"old")
    ((gone, count),) = [(item.id, item.count) for item in keeping.absent(replace(settings, tracking_store=""))]
    assert (keeping.absent(settings), count) == ([], 1)
    with pytest.raises(InvalidInput, match="is not gone"):
        keeping.forget(settings, gone)
    postgres.emptied()
    log(b"new")

    assert [item.id for item in keeping.absent(settings)] == [gone]
    keeping.forget(settings, gone)
    engine = Engine.open(settings)
    try:
        assert collect(engine).blobs == (Digest.of(b"old"),)
    finally:
        engine.close()
    assert keeping.absent(settings) == []
