"""A layer that says what a newer version took the place of."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from teul.build.python.item import Item
from teul.build.python.replacing import Gone, Without, check_owners, hide
from teul.build.python.values import Wheel
from teul.errors import UnusualWheel
from teul.layers.lower import Lower, whiteouts


@pytest.fixture
def layers(tmp_path: Path) -> tuple[Lower, Path]:
    for path in ("one/site/old/a.py", "one/site/old/deep/b.py", "one/site/mine.py", "two/site/old/c.py"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(path)
    (tmp_path / "upper").mkdir()
    return Lower([str(tmp_path / "one"), str(tmp_path / "two")]), tmp_path / "upper"


def test_what_is_gone_is_not_found_nor_what_was_in_it(layers: tuple[Lower, Path]) -> None:
    view = Without(layers[0], ["site/old"])

    assert view.find(b"site/old") is None
    assert view.find(b"site/old/deep/b.py") is None
    assert view.find(b"site/older") is None
    assert view.find(b"site/mine.py") is not None


@pytest.mark.needs_root
def test_only_what_nothing_new_covers_is_hidden(layers: tuple[Lower, Path]) -> None:
    lower, upper = layers
    folders: dict[str, bool] = {}
    made = {""}

    hide(str(upper), ["site/old"], lower, ["site/old/a.py", "site/new/x.py"], made, folders)

    assert sorted(whiteouts(str(upper))) == [b"site/old/c.py", b"site/old/deep"]
    assert folders == {"site": True}
    assert made == {"", "site", "site/old"}


@pytest.mark.needs_root
def test_a_file_that_comes_again_hides_the_old_one_by_itself(layers: tuple[Lower, Path]) -> None:
    lower, upper = layers

    hide(str(upper), ["site/mine.py", "site/never.py"], lower, ["site/mine.py"], {""}, {})

    assert os.listdir(upper) == []


@pytest.mark.parametrize("new", ["site/old", "site/mine.py/x.py"])
def test_a_file_does_not_become_a_folder(layers: tuple[Lower, Path], new: str) -> None:
    lower, upper = layers

    with pytest.raises(UnusualWheel, match="is a file and a folder"):
        hide(str(upper), ["site/old", "site/mine.py"], lower, [new], {""}, {})


@pytest.mark.needs_root
def test_the_mark_is_overlays_own(layers: tuple[Lower, Path]) -> None:
    lower, upper = layers

    hide(str(upper), ["site/mine.py"], lower, [], {""}, {})

    status = os.lstat(upper / "site/mine.py")
    assert stat.S_ISCHR(status.st_mode)
    assert status.st_rdev == 0


@pytest.mark.parametrize(("name", "listed"), [("part", "site/part"), ("part", "site/part/x.py"), ("whole", "")])
def test_a_wheel_does_not_get_what_another_ones_older_version_has(name: str, listed: str) -> None:
    item = Item(Wheel(name=name, version="1", filename="", url="", sha256="0" * 64, requested=True), "", 0)
    item.record = b"part/x.py,,\n"
    item.site, item.dist_info = "site", f"site/{name}-1.dist-info"
    gone = Gone(("site/part",), (("whole", frozenset([listed or "site/part"])),))

    if listed:
        with pytest.raises(UnusualWheel, match="`whole` and `part` both own"):
            check_owners([item], gone)
    else:
        check_owners([item], gone)
