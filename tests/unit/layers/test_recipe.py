import io
import os

import pytest

from suites.layers import archive, digest_of, folder, hardlink, member, symlink
from teul.errors import MalformedLayer
from teul.layers import RecipeWriter, apply, replay

pytestmark = pytest.mark.needs_root
DATA = archive(
    folder("d"),
    *(member(f"d/f{number}", os.urandom(number * 37)) for number in range(100)),
    member("twice", b"one" * 1000),
    hardlink("link", "twice"),
    member("twice", b"two" * 1000),
    symlink("s", "d"),
)


@pytest.fixture
def layer(tmp_path):
    (tmp_path / "fs").mkdir()
    (tmp_path / "aside").mkdir()
    recipe = RecipeWriter(str(tmp_path / "recipe"))
    apply(io.BytesIO(DATA), str(tmp_path / "fs"), recipe=recipe, aside=str(tmp_path / "aside"))
    recipe.finish()
    return tmp_path


def again(layer):
    pieces = []
    digest = replay(str(layer / "recipe"), str(layer / "fs"), str(layer / "aside"), pieces.append)
    assert digest == digest_of(b"".join(pieces))
    return b"".join(pieces)


def test_folder_and_recipe_give_the_tar_again(layer):
    assert again(layer) == DATA


def test_a_recipe_is_small(layer):
    assert os.stat(layer / "recipe").st_size < 5000


def test_changed_content_shows_in_the_digest(layer):
    with open(layer / "fs/d/f9", "r+b") as file:
        file.write(b"XX")

    assert len(again(layer)) == len(DATA)
    assert again(layer) != DATA


def test_a_file_that_is_gone_or_shorter_is_an_error(layer):
    os.truncate(layer / "fs/d/f9", 3)
    with pytest.raises(MalformedLayer, match="too short"):
        again(layer)
    os.unlink(layer / "fs/d/f9")
    with pytest.raises(MalformedLayer, match="missing"):
        again(layer)


def test_a_link_in_a_file_s_place_is_not_followed(layer):
    os.unlink(layer / "fs/d/f9")
    os.symlink("/etc/passwd", layer / "fs/d/f9")

    with pytest.raises(MalformedLayer):
        again(layer)


@pytest.mark.parametrize("where", [0, 10, 0.5, -1, -4, -20])
def test_a_damaged_recipe_never_gives_the_tar(layer, where):
    with open(layer / "recipe", "rb") as file:
        data = bytearray(file.read())
    data[int(len(data) * where) if isinstance(where, float) else where] ^= 0xFF
    with open(layer / "recipe", "wb") as file:
        file.write(data)

    try:
        assert again(layer) != DATA
    except MalformedLayer:
        pass


@pytest.mark.parametrize("size", [0, 3, 4, 100])
def test_a_recipe_that_was_cut_short_is_an_error(layer, size):
    os.truncate(layer / "recipe", size)
    with pytest.raises(MalformedLayer):
        again(layer)


def test_a_missing_recipe_is_an_error(layer):
    os.unlink(layer / "recipe")
    with pytest.raises(MalformedLayer):
        again(layer)
