"""A disk that is full and a server that is killed while artifacts come in, on both kinds of tracking store."""

import http.client
import json
import os
import signal
import urllib.parse

import pytest

from integration.test_tracking_server import DEADLINE_S, get, until
from teul.cli.main import main
from teul.config import Settings
from teul.content import LocalStore
from teul.engine import Engine, system
from teul.host import process
from teul.host.mount import mounted
from teul.ml.tracking import TrackingStore, service
from teul.ml.tracking.artifact_transfer import CHUNK_BYTES
from teul.oci.runtime import Mount

pytestmark = [pytest.mark.needs_root, pytest.mark.slow]
WHOLE_BYTES = 8 << 20


class Place:
    """A state folder on a small disk of its own, a server on it, and a run."""

    def __init__(self, settings, disk):
        self.settings = settings
        self.disk = disk
        self.start()
        with TrackingStore.of(settings) as store:
            self.run = store.create_run("0").id

    def start(self):
        self.endpoint = service.ensure_running(self.settings)

    def path(self, name):
        return f"0/{self.run}/artifacts/{name}"

    def url(self, name):
        return "/api/2.0/mlflow-artifacts/artifacts/" + urllib.parse.quote(self.path(name))

    def put(self, name, data):
        connection = http.client.HTTPConnection(self.endpoint.host, self.endpoint.port, timeout=DEADLINE_S)
        try:
            connection.request("PUT", self.url(name), data)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def room(self, size_bytes):
        """Leave so much room on the disk."""
        status = os.statvfs(self.disk)
        used = (status.f_blocks - status.f_bfree) * status.f_frsize
        process.run(["mount", "-o", f"remount,size={(used + size_bytes) // 1024}k", self.disk])

    def files(self):
        """All that lies in the content store: blobs, and uploads under way."""
        return [
            os.path.join(folder, name)
            for part in ("blobs/sha256", "ingest")
            for folder, _, names in os.walk(f"{self.settings.layout}/{part}")
            for name in names
        ]

    def check(self, names):
        """Exactly these artifacts are here, whole; nothing else is after a gc. Ends the server, with what it holds."""
        service.stop(self.settings)
        with TrackingStore.of(self.settings) as store:
            assert sorted(path for path, _, _ in store.walk_artifacts(self.run)) == sorted(names)
            assert store.check() == []
            store.collect()
        engine = Engine.open(self.settings)
        try:
            system.collect(engine)
            assert system.fsck(engine) == []
            assert engine.db.all("SELECT id FROM leases") == []
        finally:
            engine.close()
        assert len(self.files()) == len(names)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.needs_postgres)])
def place(request, tmp_path, monkeypatch):
    monkeypatch.setenv("TEUL_ROOT", f"{tmp_path}/disk/state")
    monkeypatch.setenv("TEUL_LANG", "en")
    if request.param == "postgresql":
        monkeypatch.setenv("TEUL_TRACKING_STORE", request.getfixturevalue("postgres").emptied())
    os.mkdir(tmp_path / "disk")
    settings = Settings.from_environ(os.environ)
    with mounted([Mount("tmpfs", "tmpfs")], f"{tmp_path}/disk"):
        try:
            yield Place(settings, f"{tmp_path}/disk")
        finally:
            service.stop(settings)


def test_an_upload_that_finds_the_disk_full_is_refused_and_leaves_nothing(place):
    assert place.put("kept", b"kept")[0] == 200
    data = os.urandom(WHOLE_BYTES)

    place.room(WHOLE_BYTES // 2)
    # The client sends all of it before it hears anything: it must hear the reason, not a broken connection.
    status, body = place.put("큰 파일", data)
    assert (status, body["error_code"]) == (507, "RESOURCE_EXHAUSTED")
    assert get(place.endpoint.uri, place.url("큰 파일"))[0] == 404
    assert place.put("small", b"small")[0] == 200

    place.room(4 * WHOLE_BYTES)
    assert place.put("큰 파일", data)[0] == 200
    place.check(["kept", "small", "큰 파일"])


def test_a_disk_without_any_room_loses_nothing_that_was_answered(place):
    """The room grows, so that each attempt comes further: to the bytes, to the lists of gc, to the name."""
    names, refused = [], 0
    for room in range(0, 400 << 10, 16 << 10):
        place.room(room)
        name = f"a{room}"
        status, _ = place.put(name, os.urandom(20_000))
        assert status in (200, 507)
        if status == 200:
            names.append(name)
        refused += status == 507
    place.room(16 << 20)

    assert place.put("last", b"last")[0] == 200
    assert refused
    place.check([*names, "last"])


def test_a_server_killed_in_an_upload_keeps_what_it_answered_and_gc_takes_the_rest(place):
    assert place.put("kept", b"kept")[0] == 200
    connection = http.client.HTTPConnection(place.endpoint.host, place.endpoint.port, timeout=DEADLINE_S)
    connection.putrequest("PUT", place.url("half"))
    connection.putheader("Content-Length", str(WHOLE_BYTES))
    connection.endheaders()
    connection.send(b"x" * (WHOLE_BYTES // 2))
    # Until something of it is on the disk: a whole piece is written at once.
    until(lambda: any(os.path.getsize(path) >= CHUNK_BYTES for path in place.files()))
    os.kill(place.endpoint.pid, signal.SIGKILL)
    until(lambda: service.find(place.settings) is None)
    connection.close()
    place.start()

    assert get(place.endpoint.uri, place.url("kept")) == (200, b"kept")
    assert get(place.endpoint.uri, place.url("half"))[0] == 404
    assert main(["system", "prune", "-f"]) == 0
    assert get(place.endpoint.uri, place.url("kept")) == (200, b"kept")
    place.check(["kept"])


@pytest.mark.parametrize(
    "point", ["ingest-written", "ingest-flushed", "blob-renamed", "blob-committed", "artifacts-compared", "artifacts-reconciled"]
)  # fmt: skip
def test_a_kill_at_any_point_between_bytes_and_name_leaves_what_gc_takes(place, point, monkeypatch):
    service.stop(place.settings)
    monkeypatch.setenv("TEUL_CRASH_AT", point)
    place.start()
    monkeypatch.delenv("TEUL_CRASH_AT")
    with pytest.raises((OSError, http.client.HTTPException)):
        place.put("lost", b"lost")
    until(lambda: service.find(place.settings) is None)
    place.start()

    assert place.put("a", b"a" * 1000)[0] == 200
    place.check(["a"])


def test_an_artifact_of_the_same_bytes_as_a_blob_of_an_image_takes_no_room(place):
    engine = Engine.open(place.settings)
    try:
        blob = engine.store.put(os.urandom(WHOLE_BYTES))
        data = engine.store.read(blob)
    finally:
        engine.close()
    assert place.put("layer.tar", data)[0] == 200

    assert [info.digest for info in LocalStore(place.settings.layout).walk()] == [blob]
    place.check(["layer.tar"])
