import pytest

from teul.oci.digest import Digest
from teul.state.content import (
    CompressedLayer,
    add_compressed,
    add_origin,
    all_compressed,
    compressed_forms,
    find_compressed,
    origins,
    remove_compressed,
)
from teul.state.db import Database

DIFF = Digest.of(b"diff")
FORM = CompressedLayer(Digest.of(b"gzip"), "media/gzip", 7, DIFF)
OTHER = CompressedLayer(Digest.of(b"zstd"), "media/zstd", 5, DIFF)


@pytest.fixture
def db(tmp_path):
    opened = Database.open(str(tmp_path / "state.db"))
    yield opened
    opened.close()


def test_the_forms_of_a_layer_are_remembered(db):
    for form in (FORM, OTHER, FORM):
        add_compressed(db, form)

    assert find_compressed(db, FORM.digest) == FORM
    assert set(compressed_forms(db, DIFF)) == set(all_compressed(db)) == {FORM, OTHER}
    assert find_compressed(db, DIFF) is None
    assert compressed_forms(db, FORM.digest) == []


def test_a_form_is_forgotten_with_its_origins(db):
    add_compressed(db, FORM)
    for repository in ("b", "a", "b"):
        add_origin(db, FORM.digest, repository)
    assert origins(db, FORM.digest) == ["a", "b"]
    remove_compressed(db, FORM.digest)
    remove_compressed(db, FORM.digest)

    assert all_compressed(db) == origins(db, FORM.digest) == []
