from __future__ import annotations

import ast
import os
import stat

import pytest

import teul.images.bootstrap
from teul.errors import UnknownBase
from teul.images.bootstrap import PYTHONS, SUITES, find_recipe, suggestion, tidy
from teul.images.bootstrap.recipes import WHEELS, offered
from teul.images.bootstrap.rootfs import host_mirror
from teul.oci.descriptor import Platform
from teul.oci.digest import Digest
from teul.oci.reference import Reference

AMD64 = Platform("linux", "amd64")


@pytest.mark.parametrize(
    ("typed", "suite", "python", "is_slim"),
    [
        ("debian:bookworm", "bookworm", "", False),
        ("debian:bookworm-slim", "bookworm", "", True),
        ("debian:12-slim", "bookworm", "", True),
        ("debian:trixie", "trixie", "", False),
        ("python:3.11-slim", "bookworm", "3.11", True),
        ("python:3.11-slim-bookworm", "bookworm", "3.11", True),
        ("docker.io/library/python:3.13-slim", "trixie", "3.13", True),
        ("python:3.9-slim", "bullseye", "3.9", True),
    ],
)
def test_a_name_says_what_to_make(typed, suite, python, is_slim):
    recipe = find_recipe(Reference.parse(typed))

    assert (recipe.suite, recipe.python, recipe.is_slim) == (suite, python, is_slim)


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        (
            "python:3.12-slim",
            (
                "teul image bootstrap python:3.11-slim, then build with"
                " --build-context python:3.12-slim=docker-image://python:3.11-slim"
            ),
        ),
        (
            "python:3.14-slim",
            (
                "teul image bootstrap python:3.13-slim, then build with"
                " --build-context python:3.14-slim=docker-image://python:3.13-slim"
            ),
        ),
        (
            "python:3.8",
            (
                "teul image bootstrap python:3.9-slim, then build with"
                " --build-context python:3.8=docker-image://python:3.9-slim"
            ),
        ),
        (
            "python:3.11-slim-trixie",
            (
                "teul image bootstrap python:3.11-slim, then build with"
                " --build-context python:3.11-slim-trixie=docker-image://python:3.11-slim"
            ),
        ),
        (
            "ubuntu:22.04",
            (
                "teul image bootstrap debian:bookworm-slim, then build with"
                " --build-context ubuntu:22.04=docker-image://debian:bookworm-slim"
            ),
        ),
        ("nvidia/cuda:12.4", "build with --build-context nvidia/cuda:12.4=docker-image://OTHER"),
        ("ghcr.io/library/python:3.11-slim", None),
    ],
)
def test_what_debian_has_not_is_refused_with_the_list_and_a_way_on(typed, hint):
    with pytest.raises(UnknownBase) as caught:
        find_recipe(Reference.parse(typed))

    assert caught.value.offered == offered()
    assert "python:3.11-slim, python:3.13-slim" in str(caught.value)
    if hint:
        assert caught.value.hint == hint


def test_the_suggestion_for_a_known_name_is_the_command():
    assert suggestion(Reference.parse("python:3.11-slim")).startswith("teul image bootstrap python:3.11-slim")


def test_every_python_has_a_suite_and_pinned_wheels():
    assert set(PYTHONS.values()) <= set(SUITES)
    assert set(WHEELS) == set(PYTHONS)
    assert all(len(wheel.sha256) == 64 for wheels in WHEELS.values() for wheel in wheels)


def test_the_config_is_that_of_the_official_image_with_an_origin():
    recipe = find_recipe(Reference.parse("python:3.11-slim"))
    made = recipe.python_config(Digest.of(b"a"), Digest.of(b"b"), AMD64, "1980-01-01T00:00:00Z", version="3.11.2")

    assert made.config.command == ("python3",)
    assert made.config.env == (
        "PATH=/usr/local/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG=C.UTF-8",
        "PYTHON_VERSION=3.11.2",
    )
    assert made.config.labels == {"io.teul.origin": "bootstrap python:3.11-slim"}
    assert len([line for line in made.history if not line.empty_layer]) == 2


def test_the_debian_layer_is_one_for_debian_and_for_python():
    slim = find_recipe(Reference.parse("debian:bookworm-slim")).debian_config(Digest.of(b"a"), AMD64, "x")
    python = find_recipe(Reference.parse("python:3.11-slim"))
    both = python.python_config(Digest.of(b"a"), Digest.of(b"b"), AMD64, "x", version="3.11.2")

    assert both.diff_ids[:1] == slim.diff_ids
    assert both.history[: len(slim.history)] == slim.history


def test_the_script_for_inside_is_for_old_pythons_and_does_nothing_when_imported():
    path = os.path.join(os.path.dirname(teul.images.bootstrap.__file__), "inside.py")
    with open(path, encoding="utf-8") as file:
        tree = ast.parse(file.read(), feature_version=(3, 9))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}

    assert imported == {"glob", "os", "re", "shutil", "subprocess", "sys"}
    __import__("teul.images.bootstrap.inside")


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("sources.list", "deb http://mirror.example/debian bookworm main\n", "http://mirror.example/debian"),
        (
            "sources.list",
            (
                "# deb http://no.example/debian bookworm main\n"
                "deb [arch=amd64 signed-by=/x] https://m.example/debian/ stable-updates main contrib\n"
            ),
            "https://m.example/debian",
        ),
        ("sources.list", "deb http://archive.ubuntu.com/ubuntu jammy main\n", ""),
        ("sources.list", "deb http://m.example/debian jammy main\n", ""),
        (
            "sources.list.d/debian.sources",
            "Types: deb\n# a comment\nURIs: http://m.example/debian\nSuites: bookworm bookworm-updates\nComponents: main\n",
            "http://m.example/debian",
        ),
        (
            "sources.list.d/debian.sources",
            "Types: deb\nURIs: http://m.example/debian\nSuites: bookworm\nComponents: main\nEnabled: no\n",
            "",
        ),
        ("other", "", ""),
    ],
)
def test_the_hosts_mirror_is_found(tmp_path, name, content, expected):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(content)

    assert host_mirror(str(tmp_path)) == expected


def test_tidying_removes_what_is_of_the_machine_and_gives_everything_one_time(tmp_path):
    kept, gone = (
        ["etc/passwd", "usr/bin/true", "var/log/apt/.keep-folder"],
        [
            "etc/resolv.conf",
            "etc/hostname",
            "var/log/apt/history.log",
            "var/cache/ldconfig/aux-cache",
            "var/lib/apt/lists/deb.debian.org_x",
            "tmp/.hidden/x",
            "dev/null",
        ],
    )
    for name in kept + gone:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    (tmp_path / "link").symlink_to("/etc/passwd")
    before = os.stat("/etc/passwd").st_mtime
    tidy(str(tmp_path), 315532800)

    assert not [name for name in gone if (tmp_path / name).exists()]
    assert [name for name in kept[:2] if not (tmp_path / name).exists()] == []
    times = {int(os.lstat(os.path.join(place, name)).st_mtime) for place, f, n in os.walk(tmp_path) for name in f + n}
    assert times == {315532800}
    assert os.stat("/etc/passwd").st_mtime == before
    assert (tmp_path / "var/log/apt").is_dir()


def test_tidying_does_not_follow_links_out_of_the_tree(tmp_path):
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    outside.mkdir()
    inside.mkdir()
    (outside / "precious").write_text("x")
    (inside / "tmp").symlink_to(outside)
    tidy(str(inside), 0)

    assert (outside / "precious").exists()
    assert stat.S_ISLNK(os.lstat(inside / "tmp").st_mode)


def test_a_layer_leaves_out_what_the_one_below_has(tmp_path):
    below, layer = tmp_path / "below", tmp_path / "layer"
    for folder in (below, layer):
        (folder / "etc/same").mkdir(parents=True)
        (folder / "etc/same/file").write_text("same")
        (folder / "etc/changed").write_text(folder.name)
        (folder / "etc/mode").write_text("x")
    (layer / "etc/mode").chmod(0o600)
    (layer / "mnt/wheels/simple").mkdir(parents=True)
    (layer / "srv/kept").mkdir(parents=True)
    tidy(str(layer), 315532800, below=str(below), mountpoints=("/mnt/wheels/simple", "/etc/changed"))
    found = sorted(str(path.relative_to(layer)) for path in layer.rglob("*"))

    assert found == ["etc", "etc/changed", "etc/mode", "srv", "srv/kept"]


@pytest.mark.needs_root
def test_a_new_folder_needs_no_mark_and_a_replaced_one_keeps_it(tmp_path):
    below, layer = tmp_path / "below", tmp_path / "layer"
    (below / "replaced").mkdir(parents=True)
    for name in ("new", "replaced"):
        (layer / name).mkdir(parents=True)
        os.setxattr(layer / name, "trusted.overlay.opaque", b"y")
    tidy(str(layer), 315532800, below=str(below))

    assert os.listxattr(layer / "new") == []
    assert os.listxattr(layer / "replaced") == ["trusted.overlay.opaque"]
