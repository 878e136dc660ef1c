import asyncio
import os
import socket
import subprocess
import sys

import pytest

from teul.ml.tracking import TrackingStore, runs
from teul.ml.tracking.app import TrackingApp
from teul.ml.tracking.peers import process_at
from teul.state.leases import process_start


@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_the_process_at_the_other_end_is_found(family, host):
    try:
        listener = socket.create_server((host, 0), family=family)
    except OSError as error:
        pytest.skip(f"no {host} here: {error}")
    with listener:
        script = f"import socket, sys; s = socket.create_connection(({host!r}, {listener.getsockname()[1]})); sys.stdin.read()"
        child = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE)
        connection, client = listener.accept()
        with connection:
            found = process_at(client[:2], connection.getsockname()[:2])
            child.communicate()

    assert found[0] == child.pid
    assert found[1].count("/") == 1


def test_a_connection_that_is_not_there_has_no_process():
    assert process_at(("127.0.0.1", 1), ("127.0.0.1", 2)) is None


def test_a_run_whose_process_is_gone_is_killed_once_nobody_writes_to_it(tmp_path):
    with TrackingStore.open(str(tmp_path / "tracking.db")) as store:
        mine, gone, done, written = (store.create_run("0").id for _ in range(4))
        runs.note_process(store.db, mine, os.getpid(), process_start(os.getpid()))
        for run in (gone, done, written):
            runs.note_process(store.db, run, 2**22 + 1, "boot/1")
        store.log_artifact(gone, "모델/가중치.bin", b"0123")
        store.end_run(done)
        app = TrackingApp(store)

        async def close():
            app._wrote_at[written] = float("inf")
            try:
                return await app.close_abandoned(silence_s=30), await app.close_abandoned(silence_s=0)
            finally:
                app._committer.close()

        assert asyncio.run(close()) == ([], [gone])
        assert [store.get_run(run).status for run in (mine, gone, done, written)] == [
            "RUNNING",
            "KILLED",
            "FINISHED",
            "RUNNING",
        ]
        assert store.read_artifact(gone, "모델/가중치.bin") == b"0123"
