import json
import os
import resource
import signal
import subprocess
import sys

import pytest

from suites.content import DIGEST, HELLO, ContentSuite
from teul.content import LocalStore
from teul.oci.digest import Digest


def path_of(store, digest):
    return f"{store.root}/blobs/sha256/{digest.hex}"


class TestLocalStore(ContentSuite):
    def make(self, tmp_path):
        return LocalStore(str(tmp_path / "layout"))

    def damage(self, store, digest, data):
        os.chmod(path_of(store, digest), 0o600)
        with open(path_of(store, digest), "wb") as file:
            file.write(data)


@pytest.fixture
def store(tmp_path):
    return LocalStore(str(tmp_path / "layout"))


def test_the_folder_is_an_oci_image_layout(store):
    """Spec: image-spec v1.1 image-layout.md, "oci-layout file", "index.json file"."""
    store.put(HELLO)

    with open(f"{store.root}/oci-layout") as file:
        assert json.load(file) == {"imageLayoutVersion": "1.0.0"}
    with open(f"{store.root}/index.json") as file:
        assert json.load(file)["manifests"] == []
    assert os.listdir(f"{store.root}/blobs/sha256") == [DIGEST.hex]
    assert os.listdir(f"{store.root}/ingest") == []


def test_opening_a_store_makes_nothing(tmp_path):
    store = LocalStore(str(tmp_path / "layout"))

    assert not store.has(DIGEST)
    assert list(store.walk()) == []
    assert store.sweep_ingests() == 0
    assert os.listdir(tmp_path) == []


def test_what_another_process_put_is_seen(store):
    script = "import sys; from teul.content import LocalStore; LocalStore(sys.argv[1]).put(b'hello')"
    done = subprocess.run(
        [sys.executable, "-c", script, store.root],
        env={**os.environ, "PYTHONPATH": ":".join(sys.path)},
        check=False,
    )

    assert done.returncode == 0
    assert store.read(DIGEST) == HELLO


def test_a_killed_writer_leaves_nothing_visible_and_its_bytes_are_resumed(store):
    store.put(b"first")
    pid = os.fork()
    if pid == 0:
        writer = store.ingest(expected=DIGEST, key="k")
        writer.write(b"hel")
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)

    assert not store.has(DIGEST)
    with store.ingest(expected=DIGEST, key="k") as writer:
        assert writer.offset == 3


def test_a_killed_writer_without_a_key_is_swept(store):
    store.put(b"first")
    pid = os.fork()
    if pid == 0:
        store.ingest().write(b"x" * 10000)
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)

    assert len(os.listdir(f"{store.root}/ingest")) == 1
    assert store.sweep_ingests() >= 10000
    assert os.listdir(f"{store.root}/ingest") == []


def test_a_full_disk_leaves_nothing(store):
    """A limit on the size of files stands for the full disk: the kernel refuses the write just the same."""
    store.put(b"first")
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
        try:
            with store.ingest(key="k") as writer:
                writer.write(b"x" * 5000)
                writer.commit()
        except OSError as error:
            os._exit(error.errno)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    assert code == 27
    assert [info.size_bytes for info in store.walk()] == [5]


def test_blobs_are_read_only_files(store):
    store.put(HELLO)

    assert oct(os.stat(path_of(store, DIGEST)).st_mode & 0o777) == "0o400"


def test_stray_names_are_no_blobs(store):
    store.put(HELLO)
    for name in ("x", "z" * 64):
        with open(f"{store.root}/blobs/sha256/{name}", "wb"):
            pass

    assert [info.digest for info in store.walk()] == [DIGEST]


def test_a_key_may_be_anything(store):
    for key in ("../../etc", "a/b", "한글", "x" * 5000, "\n"):
        with store.ingest(key=key) as writer:
            writer.write(key.encode())
        with store.ingest(key=key) as writer:
            assert writer.offset == len(key.encode())

    assert sorted(os.listdir(store.root)) == ["blobs", "index.json", "ingest", "oci-layout"]


def test_a_large_blob_is_streamed(store):
    piece = os.urandom(1 << 16)
    with store.ingest() as writer:
        for _ in range(64):
            writer.write(piece)
        digest = writer.commit().digest

    assert digest == Digest.of(piece * 64)
    with store.open(digest) as reader:
        count = 0
        while part := reader.read(100_000):
            count += len(part)
    assert count == 64 << 16
