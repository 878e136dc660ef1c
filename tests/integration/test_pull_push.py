"""Pull and push against a registry, with real layers and a real store."""

from __future__ import annotations

import base64
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import threading

import pytest

from suites import docker_registry
from suites.small_images import MACHINE, add, compressed, config_of, folder, member, noise, serve, tar
from teul.config import Settings
from teul.engine import Engine, images, system
from teul.errors import (
    DigestMismatch,
    ImageNotFound,
    MalformedLayer,
    PlatformMismatch,
    RegistryUnavailable,
    Unauthorized,
    UnsafePath,
    Unsupported,
)
from teul.events import Advance, Step
from teul.host import process
from teul.oci.descriptor import OCI_INDEX, Platform
from teul.oci.digest import Digest
from teul.oci.image import Index
from teul.testing.registry import FakeRegistry, Fault

pytestmark = pytest.mark.needs_root

BASE = tar(folder("etc"), ("etc/os", b"base"), folder("opt", 0o750), ("opt/tool", b"tool"))
TOP = tar(("app.py", b"print(1)"))
ARM = Platform("linux", "arm64", "v8")


@pytest.fixture
def registry():
    with FakeRegistry() as made:
        yield made


@pytest.fixture
def other(tmp_path):
    """A second machine."""
    made = Engine.open(Settings.from_environ({"TEUL_ROOT": str(tmp_path / "other"), "HOME": str(tmp_path)}))
    yield made
    made.close()


def blobs(engine):
    return sorted(info.digest for info in engine.store.walk())


def is_untouched(engine):
    """Nothing visible: no image, no layer, no blob, nothing that fsck would speak of."""
    return (engine.images.list(), list(engine.snapshots.layers()), blobs(engine), system.fsck(engine)) == (
        [],
        [],
        [],
        [],
    )


def test_what_was_pushed_is_pulled(engine, other, registry):
    name = f"{registry.domain}/team/app:1"
    image = add(engine, BASE, TOP, name=name)
    digest = images.push(engine, name)
    pulled = images.pull(other, name)

    assert pulled.id == image.id
    assert pulled.config_bytes == image.config_bytes
    assert [item.familiar for item in pulled.names] == [name]
    assert pulled.repo_digests == (f"{registry.domain}/team/app@{digest}",) == engine.images.get(name).repo_digests
    assert system.fsck(other, is_deep=True) == []


def test_compressed_layers_are_kept_only_when_asked(engine, other, registry):
    descriptor, layers = serve(registry, "app", "1", BASE, TOP)
    name = f"{registry.domain}/app:1"
    plain = images.pull(engine, name)
    kept = images.pull(other, name, keep_blobs=True)
    documents = {plain.id, descriptor.digest}

    assert set(blobs(engine)) == documents
    assert set(blobs(other)) == documents | {layer.digest for layer in layers}
    assert kept.id == plain.id


@pytest.mark.parametrize("codec", ["gzip", "zstd", ""])
def test_layers_come_in_every_form(engine, registry, codec):
    serve(registry, "app", "1", BASE, TOP, codec=codec)
    image = images.pull(engine, f"{registry.domain}/app:1")

    assert image.config.diff_ids == (Digest.of(BASE), Digest.of(TOP))
    assert system.fsck(engine, is_deep=True) == []


def test_what_is_here_is_not_fetched_again(engine, registry):
    _, (base, top) = serve(registry, "app", "1", BASE, TOP)
    serve(registry, "base", "1", BASE)
    images.pull(engine, f"{registry.domain}/base:1")
    images.pull(engine, f"{registry.domain}/app:1")
    images.pull(engine, f"{registry.domain}/app:1")

    assert registry.count("GET", f"/v2/app/blobs/{base.digest}") == 0
    assert registry.count("GET", f"/v2/app/blobs/{top.digest}") == 1


def test_one_of_many_platforms_is_chosen(engine, registry):
    made = [serve(registry, "app", "", BASE, platform=item)[0] for item in (ARM, MACHINE)]
    index = registry.put_manifest("app", "1", Index(manifests=tuple(made)).to_bytes(), OCI_INDEX)
    image = images.pull(engine, f"{registry.domain}/app:1", platform="linux/amd64")

    assert image.config.platform == MACHINE
    assert image.manifest == made[1].digest
    assert image.repo_digests == (f"{registry.domain}/app@{index}",)
    assert images.pull(engine, f"{registry.domain}/app@{index}", platform="linux/amd64").id == image.id


def test_a_platform_that_is_not_there_lists_those_that_are(engine, registry):
    made = [serve(registry, "app", "", BASE, platform=item)[0] for item in (ARM, MACHINE)]
    registry.put_manifest("app", "1", Index(manifests=tuple(made)).to_bytes(), OCI_INDEX)
    with pytest.raises(PlatformMismatch) as caught:
        images.pull(engine, f"{registry.domain}/app:1", platform="linux/s390x")

    assert "expected platform linux/s390x, got linux/arm64/v8, linux/amd64" in str(caught.value)


def test_an_image_of_another_architecture_is_refused_with_the_way_to_have_it_anyway(engine, registry):
    serve(registry, "app", "1", BASE, platform=ARM)
    name = f"{registry.domain}/app:1"
    with pytest.raises(PlatformMismatch) as caught:
        images.pull(engine, name)

    assert caught.value.hint == f"teul pull --platform linux/arm64/v8 {name}"
    with pytest.raises(PlatformMismatch):
        images.pull(engine, name, platform="linux/amd64")
    assert images.pull(engine, name, platform="linux/arm64").config.platform == ARM


def test_a_blob_that_is_not_its_digest_leaves_nothing(engine, registry):
    _, (base,) = serve(registry, "app", "1", BASE)
    registry.fail(Fault(path=f"/blobs/{base.digest}", corrupt=True))
    with pytest.raises(DigestMismatch) as caught:
        images.pull(engine, f"{registry.domain}/app:1")

    assert caught.value.expected == base.digest
    assert caught.value.actual != base.digest
    assert engine.images.list() == []
    assert list(engine.snapshots.layers()) == []
    assert system.fsck(engine) == []
    assert images.pull(engine, f"{registry.domain}/app:1").config.diff_ids == (Digest.of(BASE),)


def test_a_layer_that_is_not_its_diff_id_leaves_nothing(engine, registry):
    manifest, _ = serve(registry, "app", "1", BASE)
    lying = serve(registry, "app", "", TOP)[1][0]
    data = registry.manifests["app"][manifest.digest][1]
    right = compressed(BASE, "gzip")[0]
    data = data.replace(Digest.of(right).encode(), lying.digest.encode())
    data = data.replace(f'"size":{len(right)}'.encode(), f'"size":{lying.size_bytes}'.encode())
    registry.put_manifest("app", "1", data, manifest.media_type)
    with pytest.raises(DigestMismatch) as caught:
        images.pull(engine, f"{registry.domain}/app:1")

    assert (caught.value.expected, caught.value.actual) == (Digest.of(BASE), Digest.of(TOP))
    assert engine.images.list() == []
    assert list(engine.snapshots.layers()) == []


@pytest.mark.parametrize(
    "layer",
    [
        tar(("../escaped", b"x")),
        tar(member("link", kind=tarfile.SYMTYPE, target="/tmp"), ("link/escaped-by-link", b"x")),
        tar(member("hard", kind=tarfile.LNKTYPE, target="../../../etc/passwd")),
    ],
)
def test_a_layer_that_tries_to_escape_does_not(engine, registry, layer):
    serve(registry, "app", "1", BASE, layer)
    try:
        images.pull(engine, f"{registry.domain}/app:1")
    except (UnsafePath, MalformedLayer):
        assert engine.images.list() == []

    assert not os.path.exists("/tmp/escaped-by-link")
    assert not os.path.exists(f"{engine.settings.root}/snapshots/overlay/escaped")
    assert system.fsck(engine) == []


def test_a_layer_that_does_not_stand_alone_is_unpacked_on_those_below(engine, registry):
    odd = tar(("opt/added", b"x"), member("opt/again", kind=tarfile.LNKTYPE, target="opt/tool"))
    serve(registry, "app", "1", BASE, odd, TOP)
    image = images.pull(engine, f"{registry.domain}/app:1")
    names = engine.images.layers(image)

    assert "@" in names[1]
    assert "@" not in names[0] + names[2]
    assert len(list(engine.snapshots.layers())) == 3
    assert system.fsck(engine, is_deep=True) == []
    assert set(blobs(engine)) == {image.id, image.manifest}


def test_the_same_layer_twice_is_fetched_once(engine, registry):
    _, (layer, *_) = serve(registry, "app", "1", TOP, BASE, TOP)
    image = images.pull(engine, f"{registry.domain}/app:1")

    assert registry.count("GET", f"/blobs/{layer.digest}") == 1
    assert len(engine.images.layers(image)) == 3


def test_an_artifact_is_not_an_image(engine, registry):
    serve(registry, "app", "1", BASE)
    digest = registry.tags["app"]["1"]
    media_type, data = registry.manifests["app"][digest]
    data = data.replace(b"application/vnd.oci.image.config.v1+json", b"application/vnd.cncf.helm.config.v1+json")
    registry.put_manifest("app", "1", data, media_type)
    with pytest.raises(Unsupported, match="is not an image"):
        images.pull(engine, f"{registry.domain}/app:1")


def big(seed=1, count=3_000_000):
    return tar(("data.bin", noise(count, seed)))


def test_a_broken_connection_is_taken_up_where_it_broke(engine, registry):
    _, (layer,) = serve(registry, "app", "1", big())
    registry.fail(Fault(path=f"/blobs/{layer.digest}", cut_after_bytes=1_700_000))
    images.pull(engine, f"{registry.domain}/app:1")
    ranges = [item.headers.get("range") for item in registry.requests if str(layer.digest) in item.target]

    assert ranges[0] is None
    assert 0 < int(ranges[1].removeprefix("bytes=").rstrip("-")) <= 1_700_000
    assert system.fsck(engine, is_deep=True) == []


def test_a_registry_without_ranges_is_begun_anew(engine, registry):
    _, (layer,) = serve(registry, "app", "1", big())
    registry.fail(Fault(path=f"/blobs/{layer.digest}", cut_after_bytes=1_700_000))
    registry.fail(Fault(path=f"/blobs/{layer.digest}", ignore_range=True))
    image = images.pull(engine, f"{registry.domain}/app:1")

    assert set(blobs(engine)) == {image.id, image.manifest}
    assert system.fsck(engine, is_deep=True) == []


def test_an_interrupted_pull_goes_on_where_it_stopped(engine, registry):
    _, (layer,) = serve(registry, "app", "1", big())
    registry.fail(Fault(path=f"/blobs/{layer.digest}", cut_after_bytes=2_200_000, stall=True))

    def interrupt(event):
        if isinstance(event, Advance) and event.current > 1_000_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        images.pull(engine, f"{registry.domain}/app:1", events=interrupt)

    assert engine.images.list() == []
    assert list(engine.snapshots.layers()) == []
    assert system.fsck(engine) == []
    registry.resume.set()
    images.pull(engine, f"{registry.domain}/app:1")
    again = [item.headers.get("range") for item in registry.requests if str(layer.digest) in item.target][-1]
    assert int(again.removeprefix("bytes=").rstrip("-")) > 1_000_000


def test_a_pull_that_waits_for_bytes_ends_at_once_when_it_is_interrupted(engine, registry):
    _, (small, stuck) = serve(registry, "app", "1", TOP, big())
    registry.fail(Fault(path=f"/blobs/{stuck.digest}", cut_after_bytes=1_100_000, stall=True))
    registry.fail(Fault(path=f"/blobs/{small.digest}", status=403))
    # The other layer fails while this one waits for bytes that never come.
    done = threading.Event()

    def pull():
        with pytest.raises(Exception, match="not allowed"):
            images.pull(Engine.open(engine.settings), f"{registry.domain}/app:1")
        done.set()

    threading.Thread(target=pull, daemon=True).start()

    assert done.wait(20)


def test_a_pull_that_was_killed_leaves_nothing_and_goes_on(engine, registry, tmp_path):
    _, (layer,) = serve(registry, "app", "1", big())
    name = f"{registry.domain}/app:1"
    registry.fail(Fault(path=f"/blobs/{layer.digest}", cut_after_bytes=2_500_000, stall=True))
    child = subprocess.Popen(
        [sys.executable, "-m", "teul.cli.main", "pull", name],
        env={**os.environ, "TEUL_ROOT": engine.settings.root, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert registry.stalled.wait(30)
        wait_for_ingest(engine, 1_000_000)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
        registry.resume.set()

    assert engine.images.list() == []
    assert system.fsck(engine) == []
    images.pull(engine, name)
    again = [item.headers.get("range") for item in registry.requests if str(layer.digest) in item.target][-1]
    assert int(again.removeprefix("bytes=").rstrip("-")) >= 1_000_000
    assert system.fsck(engine, is_deep=True) == []


def wait_for_ingest(engine, size_bytes):
    """Until a download of this state folder has written so much."""
    import time

    folder_ = f"{engine.settings.layout}/ingest"
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if max((os.stat(f"{folder_}/{name}").st_size for name in os.listdir(folder_)), default=0) >= size_bytes:
            return
        time.sleep(0.01)
    raise AssertionError("nothing was downloaded")


def test_two_pulls_at_once_both_succeed(engine, registry):
    serve(registry, "app", "1", BASE, big(), TOP)
    name = f"{registry.domain}/app:1"
    found = []

    def pull():
        mine = Engine.open(engine.settings)
        try:
            found.append(images.pull(mine, name).id)
        finally:
            mine.close()

    engine.db.one("SELECT 1")
    threads = [threading.Thread(target=pull) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert len(found) == 3
    assert len(set(found)) == 1
    assert system.fsck(engine, is_deep=True) == []


def test_a_full_disk_leaves_nothing(engine, registry, tmp_path):
    serve(registry, "app", "1", big())
    small = tmp_path / "small"
    small.mkdir()
    process.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(small)])
    full = Engine.open(Settings.from_environ({"TEUL_ROOT": f"{small}/state", "HOME": str(tmp_path)}))
    try:
        with pytest.raises(OSError) as caught:
            images.pull(full, f"{registry.domain}/app:1")

        assert caught.value.errno == 28
        assert full.images.list() == []
        assert system.fsck(full) == []
    finally:
        full.close()
        process.run(["umount", "--lazy", str(small)])


# Push.


def test_a_second_push_sends_no_layer(engine, registry):
    name = f"{registry.domain}/app:1"
    add(engine, BASE, TOP, name=name)
    digest = images.push(engine, name)
    sent = registry.count("PUT", "/blobs/uploads/")

    assert images.push(engine, name) == digest
    assert registry.count("PUT", "/blobs/uploads/") == sent == 3
    assert set(blobs(engine)) == {engine.images.get(name).id, digest}


def test_a_push_from_another_machine_gives_the_same_manifest(engine, other, registry):
    name = f"{registry.domain}/app:1"
    for machine in (engine, other):
        add(machine, BASE, TOP, name=name)
    with FakeRegistry() as second:
        elsewhere = f"{second.domain}/app:1"
        add(other, BASE, TOP, name=elsewhere)

        assert images.push(engine, name) == images.push(other, elsewhere)


def test_a_layer_of_another_repository_is_mounted(engine, registry):
    add(engine, BASE, TOP, name=f"{registry.domain}/first:1")
    add(engine, BASE, TOP, name=f"{registry.domain}/second:1")
    images.push(engine, f"{registry.domain}/first:1")
    events = []
    images.push(engine, f"{registry.domain}/second:1", events=events.append)

    assert registry.count("POST", "second/blobs/uploads/.*mount=") == 2
    assert registry.count("PUT", "second/blobs/uploads/") == 1
    assert {event.name.partition(": ")[2] for event in events if isinstance(event, Step) and event.state == "done"} == {
        "Mounted from first"
    }


def test_a_mount_that_is_refused_is_sent_instead(engine, registry):
    add(engine, BASE, name=f"{registry.domain}/first:1")
    add(engine, BASE, name=f"{registry.domain}/second:1")
    images.push(engine, f"{registry.domain}/first:1")
    registry.links["first"].clear()
    digest = images.push(engine, f"{registry.domain}/second:1")

    assert digest == registry.tags["second"]["1"]
    assert system.fsck(engine) == []


def test_a_pulled_image_goes_back_as_it_came(engine, registry):
    manifest, _ = serve(registry, "app", "1", BASE, TOP, codec="zstd")
    images.pull(engine, f"{registry.domain}/app:1")
    images.tag(engine, f"{registry.domain}/app:1", f"{registry.domain}/copy:2")

    assert images.push(engine, f"{registry.domain}/copy:2") == manifest.digest
    assert registry.count("PUT", "copy/blobs/uploads/") == 1


def test_a_pulled_image_is_compressed_again_for_another_registry(engine, other, registry):
    manifest, _ = serve(registry, "app", "1", BASE, TOP)
    image = images.pull(engine, f"{registry.domain}/app:1")
    with FakeRegistry() as second:
        name = f"{second.domain}/app:1"
        images.tag(engine, image.id, name)
        digest = images.push(engine, name)
        pulled = images.pull(other, name)

        assert digest != manifest.digest
        assert pulled.id == image.id
    assert engine.images.get(image.id).manifest == manifest.digest


def test_kept_blobs_go_to_another_registry_as_they_came(engine, registry):
    manifest, _ = serve(registry, "app", "1", BASE, TOP)
    image = images.pull(engine, f"{registry.domain}/app:1", keep_blobs=True)
    with FakeRegistry() as second:
        images.tag(engine, image.id, f"{second.domain}/app:1")

        assert images.push(engine, f"{second.domain}/app:1") == manifest.digest


def test_zstd_is_made_when_asked(engine, other, registry):
    name = f"{registry.domain}/app:1"
    image = add(engine, BASE, TOP, name=name)
    images.push(engine, name, compression="zstd")
    _, data = registry.manifests["app"][registry.tags["app"]["1"]]

    assert [layer["mediaType"][-4:] for layer in json.loads(data)["layers"]] == ["zstd", "zstd"]
    assert images.pull(other, name).id == image.id


def test_an_interrupted_push_leaves_no_blob(engine, registry):
    name = f"{registry.domain}/app:1"
    image = add(engine, big(), name=name)
    registry.fail(Fault(method="PUT", path="/blobs/uploads/", status=403, times=9))
    with pytest.raises(Exception, match="not allowed"):
        images.push(engine, name)

    assert blobs(engine) == [image.id]
    assert system.fsck(engine) == []


def test_pushing_what_is_not_here_fails(engine, registry):
    with pytest.raises(ImageNotFound):
        images.push(engine, f"{registry.domain}/nothing:1")


def test_credentials_of_docker_are_used(engine, tmp_path):
    with FakeRegistry(users={"me": "pw"}, token=True, anonymous_pull=False) as registry:
        name = f"{registry.domain}/app:1"
        add(engine, BASE, name=name)
        with pytest.raises(Unauthorized, match=r"cannot be pulled|authentication required"):
            images.push(engine, name)
        auth = {"auths": {registry.domain: {"auth": base64.b64encode(b"me:pw").decode()}}}
        (tmp_path / "config.json").write_text(json.dumps(auth))
        mine = Engine.open(Settings.from_environ({"TEUL_ROOT": engine.settings.root, "DOCKER_CONFIG": str(tmp_path)}))
        try:
            assert images.push(mine, name) == registry.tags["app"]["1"]
        finally:
            mine.close()


# Ensure.


def test_ensure_pulls_only_what_is_missing(engine, registry):
    serve(registry, "app", "1", BASE)
    name = f"{registry.domain}/app:1"
    first = images.ensure(engine, name)
    asked = len(registry.requests)

    assert images.ensure(engine, name) == first
    assert len(registry.requests) == asked
    images.ensure(engine, name, pull="always")
    assert len(registry.requests) > asked


def test_ensure_never_pulls_when_told_so(engine, registry):
    serve(registry, "app", "1", BASE)
    with pytest.raises(ImageNotFound):
        images.ensure(engine, f"{registry.domain}/app:1", pull="never")

    assert registry.requests == []


def test_without_a_network_the_error_says_what_was_tried_and_what_to_do(engine, monkeypatch):
    settings = engine.settings
    mine = Engine.open(
        Settings.from_environ({"TEUL_ROOT": settings.root, "https_proxy": "http://127.0.0.1:9", "HOME": "/nonexistent"})
    )
    try:
        with pytest.raises(RegistryUnavailable) as caught:
            images.ensure(mine, "python:3.11-slim")
    finally:
        mine.close()

    assert "image `python:3.11-slim` cannot be pulled: registry `registry-1.docker.io`: the proxy" in str(caught.value)
    assert "teul image bootstrap python:3.11-slim" in str(caught.value.hint)
    assert "--build-context python:3.11-slim=docker-image://OTHER" in str(caught.value.hint)


def test_a_tag_that_the_registry_has_not_is_not_found(engine, registry):
    with pytest.raises(ImageNotFound, match=r"has no `library/python:3.11-slim`|has no `app:9`"):
        images.ensure(engine, f"{registry.domain}/app:9")


# The real registry, and the tools of others.


@pytest.mark.needs_registry
@pytest.mark.skipif(process.find("skopeo") is None, reason="skopeo is not installed")
def test_docker_registry_and_skopeo_understand_us_and_we_them(engine, other, tmp_path):
    with docker_registry.running(str(tmp_path)) as domain:
        name = f"{domain}/team/app:1"
        image = add(engine, BASE, TOP, big(), name=name)
        digest = images.push(engine, name)
        inspected = process.run(["skopeo", "inspect", "--tls-verify=false", f"docker://{name}"]).stdout
        layout = f"oci:{tmp_path}/layout:app"
        process.run(["skopeo", "copy", "--src-tls-verify=false", f"docker://{name}", layout])
        process.run(["skopeo", "copy", "--dest-tls-verify=false", layout, f"docker://{domain}/again:2"])
        pulled = images.pull(other, f"{domain}/again:2")

        assert json.loads(inspected)["Digest"] == digest
        assert pulled.id == image.id
        assert pulled.repo_digests == (f"{domain}/again@{digest}",)
        assert images.push(engine, name) == digest


def test_config_bytes_are_kept_as_they_are(engine, registry):
    """A config with unknown fields and odd spacing is the same image after a round trip."""
    config = json.dumps({**json.loads(config_of(BASE)), "x-unknown": [1, 2]}, indent=3).encode()
    engine.snapshots.unpack(io.BytesIO(BASE), Digest.of(BASE), ())
    image = engine.images.add(config, names=())
    images.tag(engine, image.id, f"{registry.domain}/odd:1")
    images.push(engine, f"{registry.domain}/odd:1")

    assert registry.blobs[Digest.of(config)] == config
    assert image.id == Digest.of(config)
