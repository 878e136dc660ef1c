"""Saving, loading and exporting, and taking images away."""

from __future__ import annotations

import gzip
import io
import json
import tarfile

import pytest

from suites.small_images import add, config_of, folder, tar
from teul.config import Settings
from teul.engine import Engine, images, system
from teul.errors import AlreadyExists, Corrupt, DigestMismatch, ImageInUse, ImageNotFound, MalformedArchive
from teul.host import process
from teul.oci.digest import Digest
from teul.oci.reference import Reference

pytestmark = pytest.mark.needs_root

BASE = tar(folder("etc"), ("etc/os", b"base"))
TOP = tar(("app.py", b"print(1)" * 1000))


@pytest.fixture
def other(tmp_path):
    made = Engine.open(Settings.from_environ({"TEUL_ROOT": str(tmp_path / "other"), "HOME": str(tmp_path)}))
    yield made
    made.close()


def saved(engine, *names):
    made = io.BytesIO()
    images.save(engine, names, made.write)
    return made.getvalue()


def repacked(data, change):
    """An archive again, with *change* applied to {name: bytes} of its files."""
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        files = {item.name: archive.extractfile(item).read() for item in archive if item.isfile()}
    change(files)
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return made.getvalue()


def blobs(engine):
    return {info.digest for info in engine.store.walk()}


def test_what_was_saved_is_loaded(engine, other):
    image = add(engine, BASE, TOP, name="app:1")
    loaded = images.load(other, io.BytesIO(saved(engine, "app:1")))

    assert [(item.id, [name.familiar for name in item.names]) for item in loaded] == [(image.id, ["app:1"])]
    assert blobs(other) == {image.id}
    assert system.fsck(other, is_deep=True) == []


def test_saving_twice_gives_the_same_bytes(engine, other):
    for machine in (engine, other):
        add(machine, BASE, TOP, name="app:1")

    assert saved(engine, "app:1") == saved(engine, "app:1") == saved(other, "app:1")


def test_several_images_share_their_layers_in_an_archive(engine, other):
    add(engine, BASE, TOP, name="app:1")
    add(engine, BASE, name="base:1")
    engine.images.tag(engine.images.get("base:1").id, Reference.parse("base:2"))
    data = saved(engine, "app:1", "base:1", "base:2")
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        names = archive.getnames()
    loaded = images.load(other, io.BytesIO(data))

    assert len(names) == len(set(names))
    assert [[name.familiar for name in image.names] for image in loaded] == [["app:1"], ["base:1", "base:2"]]


def test_an_image_saved_by_its_id_has_no_name(engine, other):
    image = add(engine, BASE, name="app:1")
    (loaded,) = images.load(other, io.BytesIO(saved(engine, image.id.short)))

    assert (loaded.id, loaded.names) == (image.id, ())


def test_a_compressed_archive_is_loaded(engine, other):
    image = add(engine, BASE, TOP, name="app:1")

    assert images.load(other, io.BytesIO(gzip.compress(saved(engine, "app:1"))))[0].id == image.id


def test_the_older_form_of_docker_is_loaded(engine):
    config = config_of(BASE, TOP)
    files = {
        "manifest.json": json.dumps(
            [{"Config": "abc.json", "RepoTags": ["old:1"], "Layers": ["a/layer.tar", "b/layer.tar"]}]
        ).encode(),
        "abc.json": config,
        "a/layer.tar": BASE,
        "a/VERSION": b"1.0",
    }
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        real = tarfile.TarInfo("c/layer.tar")
        real.size = len(TOP)
        archive.addfile(real, io.BytesIO(TOP))
        link = tarfile.TarInfo("b/layer.tar")
        link.type, link.linkname = tarfile.SYMTYPE, "../c/layer.tar"
        archive.addfile(link)
    (image,) = images.load(engine, io.BytesIO(made.getvalue()))

    assert image.id == Digest.of(config)
    assert blobs(engine) == {image.id}


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda files: files.pop("manifest.json") and files.pop("index.json"), MalformedArchive, "manifest.json"),
        (lambda files: files.update({"manifest.json": b"{"}), MalformedArchive, "manifest.json"),
        (lambda files: files.update({"manifest.json": b"[1]"}), MalformedArchive, "manifest.json"),
        (
            lambda files: files.pop(f"blobs/sha256/{Digest.of(TOP).hex}"),
            MalformedArchive,
            "is missing",
        ),
        (
            lambda files: files.update({f"blobs/sha256/{Digest.of(TOP).hex}": b"lie"}),
            DigestMismatch,
            "expected",
        ),
        (
            lambda files: files.update(
                {"manifest.json": files["manifest.json"].replace(b'"Layers":[', b'"Layers":["x",')}
            ),
            MalformedArchive,
            "is missing",
        ),
    ],
)
def test_a_damaged_archive_leaves_nothing(engine, other, change, error, words):
    add(engine, BASE, TOP, name="app:1")
    data = repacked(saved(engine, "app:1"), change)
    with pytest.raises(error, match=words):
        images.load(other, io.BytesIO(data))

    assert other.images.list() == []
    assert system.fsck(other) == []


@pytest.mark.parametrize("data", [b"", b"not a tar at all" * 100])
def test_what_is_no_archive_says_so(engine, data):
    with pytest.raises(MalformedArchive):
        images.load(engine, io.BytesIO(data))


def test_an_archive_that_was_cut_short_is_refused(engine, other):
    add(engine, BASE, TOP, name="app:1")
    data = saved(engine, "app:1")
    with pytest.raises(Corrupt):
        images.load(other, io.BytesIO(data[: len(data) // 2]))

    assert other.images.list() == []


def test_an_exported_layout_is_what_a_push_makes_and_loads_again(engine, other, tmp_path):
    image = add(engine, BASE, TOP, name="app:1")
    target = str(tmp_path / "layout")
    digest = images.export(engine, "app:1", target)
    with open(f"{target}/index.json") as file:
        index = json.load(file)
    (loaded,) = images.load(other, target)

    assert [item["digest"] for item in index["manifests"]] == [digest]
    assert index["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"] == "1"
    assert (loaded.id, loaded.manifest) == (image.id, digest)
    assert images.export(other, "app:1", str(tmp_path / "again")) == digest
    assert blobs(engine) == {image.id}


def test_an_export_never_overwrites(engine, tmp_path):
    add(engine, BASE, name="app:1")
    (tmp_path / "mine").write_text("x")
    with pytest.raises(AlreadyExists):
        images.export(engine, "app:1", str(tmp_path))


@pytest.mark.skipif(process.find("skopeo") is None, reason="skopeo is not installed")
def test_skopeo_reads_what_we_write_and_we_read_what_it_writes(engine, other, tmp_path):
    image = add(engine, BASE, TOP, name="app:1")
    (tmp_path / "saved.tar").write_bytes(saved(engine, "app:1"))
    images.export(engine, "app:1", str(tmp_path / "layout"))
    for source, target in (
        (f"docker-archive:{tmp_path}/saved.tar", f"oci:{tmp_path}/one:x/y:1"),
        (f"oci:{tmp_path}/layout", f"docker-archive:{tmp_path}/two.tar:two:2"),
        (f"oci:{tmp_path}/layout", f"oci-archive:{tmp_path}/three.tar:three:3"),
    ):
        process.run(["skopeo", "copy", "--quiet", source, target])
    found = [images.load(other, str(tmp_path / "one"))]
    for name in ("two.tar", "three.tar"):
        with open(tmp_path / name, "rb") as file:
            found.append(images.load(other, file))

    assert [[item.id for item in loaded] for loaded in found] == [[image.id]] * 3
    assert {name.familiar for name in other.images.get(image.id).names} == {"x/y:1", "two:2", "three:3"}


# Taking away.


def use(engine, image, status="exited", name="box"):
    """A container's row, as the engine of containers would write it."""
    engine.db.execute(
        "INSERT INTO containers(id, name, image, status, data, created_at) VALUES (?, ?, ?, ?, '{}', 0)",
        ("c" * 64, name, image.id, status),
    )


def test_a_name_goes_before_the_image(engine):
    image = add(engine, BASE, name="app:1")
    images.tag(engine, "app:1", "app:2")

    assert images.remove(engine, "app:1") == ("Untagged: app:1",)
    assert images.remove(engine, "app:2") == ("Untagged: app:2", f"Deleted: {image.id}", f"Deleted: {Digest.of(BASE)}")
    assert list(engine.snapshots.layers()) == []
    assert blobs(engine) == set()


def test_layers_that_others_need_stay(engine):
    add(engine, BASE, TOP, name="app")
    base = add(engine, BASE, name="base")
    images.remove(engine, "app")

    assert [layer.diff_id for layer in engine.snapshots.layers()] == [Digest.of(BASE)]
    assert engine.images.layers(engine.images.get(base.id)) == (Digest.of(BASE),)


def test_an_id_with_names_in_several_repositories_is_kept_unless_forced(engine):
    image = add(engine, BASE, name="app")
    images.tag(engine, "app", "other")
    with pytest.raises(ImageInUse):
        images.remove(engine, image.id)

    assert images.remove(engine, image.id.short, force=True)[:2] == ("Untagged: app:latest", "Untagged: other:latest")
    assert engine.images.list() == []


def test_an_id_with_names_in_one_repository_goes_with_them(engine):
    image = add(engine, BASE, name="app:1")
    images.tag(engine, "app:1", "app:2")

    assert images.remove(engine, image.id)[:2] == ("Untagged: app:1", "Untagged: app:2")


def test_an_image_that_a_container_uses_is_kept(engine):
    image = add(engine, BASE, name="app")
    use(engine, image)
    with pytest.raises(ImageInUse, match=r"in use by container box \(exited\)"):
        images.remove(engine, "app")

    assert engine.images.get("app").id == image.id


def test_force_takes_it_from_a_stopped_container(engine):
    image = add(engine, BASE, name="app")
    use(engine, image)

    assert images.remove(engine, "app", force=True)[:2] == ("Untagged: app:latest", f"Deleted: {image.id}")


def test_force_takes_only_the_name_from_a_running_container(engine):
    image = add(engine, BASE, name="app")
    use(engine, image, status="running")

    assert images.remove(engine, "app", force=True) == ("Untagged: app:latest",)
    assert engine.images.get(image.id).names == ()
    with pytest.raises(ImageInUse):
        images.remove(engine, image.id, force=True)


def test_one_of_several_names_goes_although_a_container_uses_the_image(engine):
    image = add(engine, BASE, name="app:1")
    images.tag(engine, "app:1", "app:2")
    use(engine, image, status="running")

    assert images.remove(engine, "app:1") == ("Untagged: app:1",)


def test_removing_what_is_not_there_fails(engine):
    with pytest.raises(ImageNotFound):
        images.remove(engine, "nothing")


# Looking.


def test_history_tells_each_layer_and_its_size_newest_first(engine):
    add(engine, BASE, TOP, name="app")
    found = [(line.created_by, line.size_bytes) for line in images.history(engine, "app")]

    assert found == [("layer 1", 8000), ("layer 0", 4)]
