import io
import os
import signal
import time

import pytest

from suites.layers import digest_of
from suites.state import add_container, add_image, layer
from teul.engine import Engine, system
from teul.engine.system import collect, disk_usage, fsck, prune
from teul.host.fs import remove_tree
from teul.layers import pack
from teul.oci.digest import Digest
from teul.state.cache import SolverCache
from teul.state.leases import lease

pytestmark = pytest.mark.needs_root


def here(engine):
    """(blobs, layers, active snapshots)."""
    return (
        {info.digest for info in engine.store.walk()},
        {item.diff_id for item in engine.snapshots.layers()},
        set(engine.snapshots.keys()),
    )


def diff_ids(*numbers):
    return {digest_of(layer(number)) for number in numbers}


def test_what_images_need_is_kept_and_the_rest_goes(engine):
    kept = add_image(engine, 1, 2, name="kept:1")
    gone = add_image(engine, 1, 3, name="gone:1")
    garbage = engine.store.put(b"garbage")
    engine.images.remove(gone.id)
    reclaimed = collect(engine)

    assert here(engine) == ({kept.id}, diff_ids(1, 2), set())
    assert set(reclaimed.blobs) == {garbage, gone.id}
    assert set(reclaimed.layers) == diff_ids(3)
    assert reclaimed.size_bytes > 100
    assert fsck(engine, is_deep=True) == []
    assert len(os.listdir(engine.snapshots.root)) == 2 + 2
    assert collect(engine) == system.Reclaimed()


def test_an_image_without_a_name_is_kept_by_gc(engine):
    image = add_image(engine, 1)
    collect(engine)

    assert here(engine) == ({image.id}, diff_ids(1), set())


def test_what_a_container_stands_on_is_kept(engine):
    image = add_image(engine, 1, 2)
    engine.snapshots.prepare("c" * 64, engine.images.layers(image))
    add_container(engine, image, "c" * 64)
    engine.images.remove(image.id)
    collect(engine)

    assert here(engine) == ({image.id}, diff_ids(1, 2), {"c" * 64})


def test_what_the_cache_names_is_kept(engine):
    image = add_image(engine, 1)
    other = engine.store.put(b"a result's content")
    result = {"digest": other, "data": {"diff_ids": sorted(diff_ids(1)), "nested": [{"deep": image.id}]}}
    SolverCache(engine.db).put("key", "vertex", "name", result)
    engine.images.remove(image.id)
    collect(engine)

    assert here(engine) == ({image.id, other}, diff_ids(1), set())


def test_manifests_and_the_blobs_they_name_are_kept(engine):
    image = add_image(engine, 1)
    blob = engine.store.put(b"compressed layer")
    manifest = (
        b'{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":'
        b'"application/vnd.oci.image.config.v1+json","digest":"%s","size":1},"layers":[{"mediaType":'
        b'"application/vnd.oci.image.layer.v1.tar","digest":"%s","size":16}]}' % (image.id.encode(), blob.encode())
    )
    engine.images.add_repository_digest(image.id, "host/name", Digest.of(manifest), manifest=manifest)
    index = engine.store.put(b"an index")
    engine.images.add_repository_digest(image.id, "host/name", index)
    collect(engine)

    assert here(engine)[0] == {image.id, blob, Digest.of(manifest), index}


def test_what_a_living_lease_names_is_kept_until_it_ends(engine):
    image = add_image(engine, 1)
    blob = engine.store.put(b"old")
    engine.snapshots.prepare("key", [])
    os.utime(f"{engine.snapshots.root}/{os.path.basename(os.path.dirname(engine.snapshots.upper('key')))}")
    engine.images.remove(image.id)
    tick(engine)
    with lease(engine.db) as held:
        held.add("blob", blob)
        held.add("layer", next(engine.snapshots.layers()).name)
        held.add("snapshot", "key")
        collect(engine)
        assert here(engine) == ({blob}, diff_ids(1), {"key"})
    collect(engine)

    assert here(engine)[:2] == (set(), set())


def tick(engine):
    """Wait until the filesystem's clock moves on."""
    path = f"{engine.settings.root}/tick"
    before = 0
    for _ in range(2):
        while True:
            with open(path, "w"):
                pass
            os.utime(path)
            now = os.stat(path).st_ctime_ns
            if now > before:
                break
        before = now


def test_what_came_after_a_living_lease_began_is_kept(engine):
    old = engine.store.put(b"old")
    again = engine.store.put(b"wanted again")
    tick(engine)
    with lease(engine.db):
        new = engine.store.put(b"new")
        engine.store.put(b"wanted again")
        data = layer(1)
        engine.snapshots.unpack(io.BytesIO(data), digest_of(data), [])
        engine.snapshots.prepare("key", [])
        collect(engine)
        assert here(engine) == ({new, again}, diff_ids(1), {"key"})
        assert not engine.store.has(old)
    collect(engine)

    assert here(engine)[:2] == (set(), set())


def test_a_lease_under_another_clock_protects_too(engine, monkeypatch):
    """A build under faketime believes that it is another year."""
    monkeypatch.setattr(time, "time", lambda: 4e9)
    with lease(engine.db):
        monkeypatch.undo()
        new = engine.store.put(b"new")
        collect(engine)
        assert here(engine)[0] == {new}


def test_a_dead_lease_protects_nothing(engine):
    pid = os.fork()
    if pid == 0:
        other = Engine.open(engine.settings)
        with lease(other.db) as held:
            held.add("blob", other.store.put(b"x"))
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    assert len(here(engine)[0]) == 1
    collect(engine)

    assert here(engine)[0] == set()
    assert engine.db.all("SELECT * FROM leases") == engine.db.all("SELECT * FROM lease_items") == []
    assert os.listdir(f"{engine.settings.root}/leases") == []


def test_an_orphaned_snapshot_gets_its_time(engine, monkeypatch):
    add_image(engine, 1)
    engine.snapshots.prepare("orphan", [next(engine.snapshots.layers()).name])
    collect(engine)
    assert here(engine)[2] == {"orphan"}
    monkeypatch.setattr(system, "ORPHAN_GRACE_S", 0)
    reclaimed = collect(engine)

    assert reclaimed.snapshots == ("orphan",)
    assert here(engine)[2] == set()


def test_compressed_forms_go_with_their_layers(engine):
    from teul.state.content import CompressedLayer, add_compressed, add_origin, all_compressed

    image = add_image(engine, 1)
    for number in (1, 2):
        form = CompressedLayer(Digest.of(b"%d" % number), "m", 5, digest_of(layer(number)))
        add_compressed(engine.db, form)
        add_origin(engine.db, form.digest, "repository")
    collect(engine)

    assert [form.diff_id for form in all_compressed(engine.db)] == [image.config.diff_ids[0]]
    assert len(engine.db.all("SELECT * FROM origins")) == 1


def test_collecting_says_what_it_does(engine):
    heard = []
    collect(engine, events=heard.append)

    assert [(event.id, event.state) for event in heard] == [("gc", "started"), ("gc", "done")]


# Pruning


def test_dangling_images_go_and_named_ones_stay(engine):
    named = add_image(engine, 1, name="named:1")
    dangling = add_image(engine, 2)
    used = add_image(engine, 3)
    add_container(engine, used, "c", status="running")
    removed = system._prune_images(engine, system._every, is_all=False)

    assert removed == ((dangling.id, ()),)
    assert {image.id for image in engine.images.list()} == {named.id, used.id}
    assert system._prune_images(engine, system._every, is_all=True) == ((named.id, ("named:1",)),)


def test_cache_that_no_image_shares_goes(engine):
    add_image(engine, 1, name="a:1")
    data = layer(2)
    engine.snapshots.unpack(io.BytesIO(data), digest_of(data), [])
    cache = SolverCache(engine.db)
    cache.put("in-image", "v", "n", {"data": {"diff_ids": sorted(diff_ids(1))}})
    cache.put("shared", "v", "n", {"data": {"diff_ids": sorted(diff_ids(1, 2))}})
    cache.put("alone", "v", "n", {"data": {"diff_ids": sorted(diff_ids(2))}})
    cache.put("step", "v", "n", {"digest": engine.store.put(b"output of a step")})
    assert prune(engine).cache == ("alone",)
    assert here(engine)[1] == diff_ids(1, 2)

    assert set(prune(engine, is_all=True).cache) == {"in-image", "shared", "step"}
    assert here(engine) == (set(), set(), set())


def test_pruning_says_what_it_freed(engine):
    add_image(engine, 1)
    pruned = prune(engine)

    assert len(pruned.images) == 1
    assert pruned.size_bytes == pruned.reclaimed.size_bytes > 0
    assert fsck(engine, is_deep=True) == []


# Checking


def codes(engine, **options):
    return sorted((finding.code, finding.subject) for finding in fsck(engine, **options))


def blob_path(engine, digest):
    return f"{engine.settings.layout}/blobs/sha256/{digest.hex}"


def test_a_whole_state_folder_has_no_findings(engine):
    assert fsck(engine) == []
    image = add_image(engine, 1, 2, name="a:1")
    engine.snapshots.prepare("c" * 64, engine.images.layers(image))
    add_container(engine, image, "c" * 64)

    assert fsck(engine, is_deep=True) == []


def test_a_damaged_blob_is_found(engine):
    digest = engine.store.put(b"data")
    os.chmod(blob_path(engine, digest), 0o600)
    with open(blob_path(engine, digest), "ab") as file:
        file.write(b"!")

    assert codes(engine) == [("blob-damaged", digest)]


def test_a_stray_file_among_the_blobs_is_found(engine):
    engine.store.put(b"data")
    with open(f"{engine.settings.layout}/blobs/sha256/temporary", "w"):
        pass

    assert codes(engine) == [("blob-stray", "temporary")]


def test_an_image_that_lacks_something_is_found(engine):
    image = add_image(engine, 1, 2)
    name = engine.images.layers(image)[1]
    engine.db.execute("UPDATE images SET manifest = ?", (Digest.of(b"none"),))
    engine.snapshots.remove(name)
    assert codes(engine) == [("image-layer", image.id), ("image-manifest", image.id)]
    engine.store.remove(image.id)

    assert codes(engine) == [("image-config", image.id)]


def test_a_layer_without_its_folder_or_recipe_is_found(engine):
    image = add_image(engine, 1, 2)
    first, second = (engine.snapshots.layer(name) for name in engine.images.layers(image))
    remove_tree(os.path.dirname(first.folder))
    os.unlink(os.path.dirname(second.folder) + "/recipe")

    assert codes(engine) == sorted([("recipe-missing", second.name), ("snapshot-folder-missing", first.name)])


def test_a_layer_that_was_tampered_with_is_found_when_one_looks_deep(engine):
    image = add_image(engine, 1)
    engine.snapshots.prepare("k", [])
    upper = engine.snapshots.upper("k")
    with open(f"{upper}/file", "w") as file:
        file.write("built")
    packed = pack(upper)
    built = engine.snapshots.commit("k", packed.diff_id, tar_size_bytes=packed.tar_size_bytes)
    pulled = engine.snapshots.layer(engine.images.layers(image)[0])
    with open(f"{pulled.folder}/d1/file", "r+b") as file:
        file.write(b"X")
    os.chmod(f"{engine.snapshots.layer(built).folder}/file", 0o4777)

    assert codes(engine) == []
    assert codes(engine, is_deep=True) == sorted([("layer-damaged", pulled.name), ("layer-damaged", built)])


def test_a_container_without_its_filesystem_is_found(engine):
    image = add_image(engine, 1)
    add_container(engine, image, "c" * 64)

    assert codes(engine) == [("container-snapshot", "c" * 64)]


def test_rows_that_point_at_nothing_are_found(engine):
    engine.db.execute("INSERT INTO image_names VALUES ('a', 'nothing', 0)")

    assert [finding.code for finding in fsck(engine)] == ["database-damaged"]


# Measuring


def test_usage_counts_shared_layers_once(engine):
    add_image(engine, 1, 2, name="a:1")
    used = add_image(engine, 1, 3, name="b:1")
    add_container(engine, used, "c", status="exited")
    images, containers, volumes, cache = disk_usage(engine)

    assert (images.kind, images.total, images.active) == ("Images", 2, 1)
    assert (images.size_bytes, images.reclaimable_bytes) == (300, 100)
    assert (containers.kind, containers.total, containers.active) == ("Containers", 1, 0)
    assert (volumes.kind, volumes.total) == ("Local Volumes", 0)
    assert (cache.kind, cache.total, cache.size_bytes) == ("Build Cache", 0, 0)


def test_usage_of_the_cache_is_what_no_image_has(engine):
    add_image(engine, 1, name="a:1")
    data = layer(2)
    engine.snapshots.unpack(io.BytesIO(data), digest_of(data), [])
    blob = engine.store.put(b"0123456789")
    cache = SolverCache(engine.db)
    cache.put("one", "v", "n", {"data": {"diff_ids": sorted(diff_ids(1, 2))}})
    cache.put("two", "v", "n", {"digest": blob})
    usage = disk_usage(engine)[3]

    assert (usage.total, usage.active, usage.size_bytes, usage.reclaimable_bytes) == (2, 1, 110, 110)


def test_what_package_indexes_said_counts_as_build_cache_and_goes_with_it(engine):
    from teul.engine.build.keeping import list_kept, prune_kept

    place = f"{engine.settings.root}/uv"
    os.makedirs(f"{place}/wheels")
    with open(f"{place}/wheels/metadata", "wb") as file:
        file.write(b"x" * 50_000)
    kept = [item for item in list_kept(engine) if item.id == "uv"]
    usage = next(item for item in system.disk_usage(engine) if item.kind == "Build Cache")

    assert [item.name for item in kept] == ["what package indexes said"]
    assert usage.size_bytes >= 50_000

    removed, _, freed = prune_kept(engine)

    assert [item.id for item in removed] == ["uv"]
    assert freed >= 50_000
    assert not os.path.exists(place)
