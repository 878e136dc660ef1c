from __future__ import annotations

import io
import tarfile

import pytest

from teul.content import LocalStore
from teul.errors import ImageNotFound, InvalidInput, InvalidReference, SnapshotNotFound
from teul.images import ImageStore
from teul.oci.descriptor import OCI_CONFIG, Descriptor, Platform
from teul.oci.digest import Digest
from teul.oci.image import ExecutionConfig, ImageConfig, Manifest
from teul.oci.reference import Reference
from teul.snapshots.overlay import OverlaySnapshotter
from teul.state.db import Database

pytestmark = pytest.mark.needs_root


def tar_of(**files):
    """A layer's tar with these files."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return made.getvalue()


@pytest.fixture
def parts(tmp_path):
    db = Database.open(str(tmp_path / "state.db"))
    store = LocalStore(str(tmp_path / "layout"))
    snapshots = OverlaySnapshotter(str(tmp_path / "snapshots"), db)
    yield ImageStore(db, store, snapshots), store, snapshots
    db.close()


@pytest.fixture
def images(parts):
    return parts[0]


def make(parts, word=b"hello", command="true"):
    """An image's config whose one layer is here."""
    data = tar_of(file=word)
    diff_id = Digest.of(data)
    parts[2].unpack(io.BytesIO(data), diff_id, ())
    config = ExecutionConfig(command=(command,))
    return ImageConfig(platform=Platform("linux", "amd64"), config=config, diff_ids=(diff_id,)).to_bytes()


def name(value):
    return Reference.parse(value)


def test_an_image_is_found_by_every_name_a_person_may_type(parts, images):
    added = images.add(make(parts), names=(name("app"), name("ghcr.io/me/app:v1")))

    for typed in (
        "app",
        "app:latest",
        "docker.io/library/app",
        "ghcr.io/me/app:v1",
        added.id,
        added.id.hex,
        added.id.short,
    ):
        assert images.get(typed) == added
    assert images.get(added.id.hex[:1]) == added


def test_what_is_not_there_is_not_found(images):
    assert images.find("nothing") is None
    with pytest.raises(ImageNotFound) as caught:
        images.get("nothing:v1")

    assert caught.value.hint == "teul pull nothing:v1"


@pytest.mark.parametrize("typed", ["UPPER", "a b", "sha256:zz", "x@sha256:short", ""])
def test_what_cannot_be_a_name_is_not_found_either(images, typed):
    assert images.find(typed) is None


def test_a_name_wins_over_the_beginning_of_an_id(parts, images):
    first = images.add(make(parts))
    other = images.add(make(parts, command="other"), names=(name(first.id.hex[:4]),))

    assert images.get(first.id.hex[:4]) == other


def test_an_ambiguous_beginning_is_the_callers_mistake(parts, images):
    made = [images.add(make(parts, command=str(number))) for number in range(17)]
    letters = [image.id.hex[0] for image in made]
    twice = next(letter for letter in letters if letters.count(letter) > 1)
    with pytest.raises(InvalidInput, match="several images"):
        images.get(twice)


def test_adding_twice_keeps_the_first(parts, images):
    config = make(parts)
    first = images.add(config, names=(name("a"),))
    second = images.add(config, names=(name("b"),))

    assert second.created_at == first.created_at
    assert [str(item) for item in second.names] == ["docker.io/library/a:latest", "docker.io/library/b:latest"]


def test_a_name_moves_to_another_image(parts, images):
    first = images.add(make(parts), names=(name("a"),))
    second = images.add(make(parts, command="other"), names=(name("a"),))

    assert images.get("a").id == second.id
    assert images.get(first.id).names == ()


def test_an_image_without_its_layers_is_refused_and_leaves_nothing(images):
    config = ImageConfig(platform=Platform("linux", "amd64"), diff_ids=(Digest.of(b"gone"),)).to_bytes()
    with pytest.raises(SnapshotNotFound):
        images.add(config, names=(name("a"),))

    assert images.list() == []


def test_a_registrys_digest_finds_the_image(parts, images):
    config = make(parts)
    descriptor = Descriptor(OCI_CONFIG, Digest.of(config), len(config))
    manifest = Manifest(config=descriptor, layers=()).to_bytes()
    index = Digest.of(b"index")
    added = images.add(config, manifest=manifest, names=(name("r.io/a:1"),), repository_digest=("r.io/a", index))

    assert images.get(f"r.io/a@{index}") == added
    assert images.get(f"r.io/a@{Digest.of(manifest)}") == added
    assert images.find(f"r.io/b@{index}") is None
    assert images.find(f"r.io/b@{Digest.of(manifest)}") is None
    assert added.repo_digests == (f"r.io/a@{index}",)
    assert added.manifest == Digest.of(manifest)


def test_a_later_registry_does_not_replace_the_manifest_by_none(parts, images):
    config = make(parts)
    manifest = Manifest(config=Descriptor(OCI_CONFIG, Digest.of(config), len(config)), layers=()).to_bytes()
    images.add(config, manifest=manifest)

    assert images.add(config).manifest == Digest.of(manifest)


def test_a_tag_has_no_digest(parts, images):
    added = images.add(make(parts))
    with pytest.raises(InvalidReference, match="no digest"):
        images.tag(added.id, name(f"a@{added.id}"))


def test_tagging_what_is_not_there_fails(images):
    with pytest.raises(ImageNotFound):
        images.tag(Digest.of(b"nothing"), name("a"))


def test_untagging_keeps_the_image(parts, images):
    added = images.add(make(parts), names=(name("a"),))

    assert images.untag(name("a"))
    assert not images.untag(name("a"))
    assert images.get(added.id).names == ()


def test_removing_forgets_all_names(parts, images):
    added = images.add(make(parts), names=(name("a"), name("b")), repository_digest=("r.io/a", Digest.of(b"m")))
    images.remove(added.id)
    images.remove(added.id)

    assert images.list() == []
    assert images.find("a") is None


def test_the_newest_image_is_listed_first(parts, images):
    first = images.add(make(parts), names=(name("a"),))
    second = images.add(make(parts, command="other"))

    assert [image.id for image in images.list()] == [second.id, first.id]
    assert images.list()[1] == first


def test_layers_and_size_are_the_snapshots(parts, images):
    added = images.add(make(parts, b"12345"))

    assert images.layers(added) == (added.config.diff_ids[0],)
    assert added.size_bytes == 5
