"""The merged view of layers: walking it and looking a path up agree with what overlay would show."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from teul.layers.lower import Lower

pytestmark = pytest.mark.needs_root

NAMES = st.sampled_from(["a", "b", "c"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
KINDS = st.sampled_from(["file", "folder", "device", "mark", "opaque", "opaque mark"])
LAYERS = st.lists(st.lists(st.tuples(PATHS, KINDS), max_size=6), min_size=1, max_size=4)


def put(root: Path, path: str, kind: str) -> None:
    """Write one entry where there is room for it."""
    folder, _, name = path.rpartition("/")
    place = root / folder
    try:
        place.mkdir(parents=True, exist_ok=True)
        target = place / name
        if kind == "mark":
            (place / f".wh.{name}").touch()
        elif os.path.lexists(target) and not (target.is_dir() and "opaque" in kind):
            return
        elif kind == "file":
            target.write_text(str(root))
        elif kind == "device":
            os.mknod(target, 0o600 | 0o020000, os.makedev(0, 0))
        else:
            target.mkdir(exist_ok=True)
            if kind == "opaque":
                os.setxattr(target, "trusted.overlay.opaque", b"y")
            elif kind == "opaque mark":
                (target / ".wh..wh..opq").touch()
    except (NotADirectoryError, FileExistsError):
        return


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(layers=LAYERS)
def test_walking_finds_what_looking_up_finds(tmp_path_factory: pytest.TempPathFactory, layers: list) -> None:
    top = tmp_path_factory.mktemp("layers")
    folders = []
    for number, entries in enumerate(layers):
        folder = top / str(number)
        folder.mkdir()
        folders.append(str(folder))
        for path, kind in entries:
            put(folder, path, kind)
    lower = Lower(folders)
    walked = {path.decode(): (place, number) for path, number, place, _ in lower.walk()}
    everything = {
        "/".join(parts) for a in "abc" for b in ["", *"abc"] for c in ["", *"abc"] if (parts := [a, b, c]) if b or not c
    }
    looked = {}
    for path in {"/".join(part for part in item.split("/") if part) for item in everything}:
        found = lower.find(path.encode())
        if found is not None:
            looked[path] = found[0]

    assert {path: place for path, (place, _) in walked.items()} == looked
    assert all(place.decode().startswith(f"{folders[number]}/") for place, number in walked.values())


def test_a_folder_comes_before_what_is_in_it(tmp_path: Path) -> None:
    for number, paths in enumerate((["a/x"], ["a/b/y", "z"])):
        for path in paths:
            put(tmp_path / str(number), path, "file")
    walked = [path.decode() for path, *_ in Lower([str(tmp_path / "0"), str(tmp_path / "1")]).walk()]

    assert sorted(walked) == ["a", "a/b", "a/b/y", "a/x", "z"]
    assert walked.index("a") < walked.index("a/b") < walked.index("a/b/y")
