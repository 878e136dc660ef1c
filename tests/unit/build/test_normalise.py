"""What a step leaves behind, made constant (see also the integration tests of whole builds)."""

import os
import py_compile

import pytest

from teul.build.normalise import normalise, source_of
from teul.errors import MalformedLayer
from teul.layers.lower import Lower


def test_a_folder_that_says_nothing_is_no_part_of_the_layer(tmp_path):
    """A temporary file that came and went leaves the folder it was in."""
    lower, upper = tmp_path / "lower", tmp_path / "upper"
    for name in ("tmp", "changed", "holds"):
        (lower / name).mkdir(parents=True)
        (upper / name).mkdir(parents=True)
    (upper / "changed").chmod(0o700)
    (upper / "holds/new").mkdir()
    (lower / "holds/old").mkdir()
    (upper / "holds/old").mkdir()
    normalise(str(upper), Lower([str(lower)]), epoch=315532800, is_upper=True)
    assert sorted(os.listdir(upper)) == ["changed", "holds"]
    assert os.listdir(upper / "holds") == ["new"]
    assert os.stat(upper / "holds").st_mtime == 315532800


def test_downloads_of_poetry_go_and_its_environments_stay(tmp_path):
    """A folder that was there before stays as it is, and nobody is led out of the tree."""
    lower, upper = tmp_path / "lower", tmp_path / "upper"
    outside = tmp_path / "outside"
    (outside / "cache").mkdir(parents=True)
    (outside / "cache/kept").write_text("")
    for home, made in (
        ("root", ("cache/_http/0", "artifacts/0/a.whl", "virtualenvs/x/pyvenv.cfg")),
        ("home/me", ("artifacts/0",)),
    ):
        for path in made:
            (upper / home / ".cache/pypoetry" / path).parent.mkdir(parents=True, exist_ok=True)
            (upper / home / ".cache/pypoetry" / path).write_text("")
    (lower / "root").mkdir(parents=True)
    (upper / "home/led/.cache").mkdir(parents=True)
    (upper / "home/led/.cache/pypoetry").symlink_to(outside)
    (lower / "home/old/.cache/pypoetry/cache").mkdir(parents=True)
    (upper / "home/old/.cache/pypoetry/cache").mkdir(parents=True)
    (upper / "home/old/.cache/pypoetry/cache/new").write_text("")
    normalise(str(upper), Lower([str(lower)]), epoch=315532800, is_upper=True)
    assert os.listdir(upper / "root/.cache/pypoetry") == ["virtualenvs"]
    assert os.listdir(upper / "home/me") == []
    assert os.listdir(outside / "cache") == ["kept"]
    assert os.path.islink(upper / "home/led/.cache/pypoetry")
    assert not os.path.lexists(upper / "home/old/.cache/pypoetry/cache/new")


@pytest.mark.parametrize("make", [lambda path: path.touch(), lambda path: path.mkdir()], ids=["file", "folder"])
def test_a_name_that_a_layer_cannot_hold_is_refused(tmp_path, make):
    (tmp_path / "lower").mkdir()
    (tmp_path / "upper/a").mkdir(parents=True)
    make(tmp_path / "upper/a/.wh.b")

    with pytest.raises(MalformedLayer, match=r"`/a/\.wh\.b`"):
        normalise(str(tmp_path / "upper"), Lower([str(tmp_path / "lower")]), epoch=1, is_upper=True)


@pytest.mark.parametrize(
    ("compiled", "source"),
    [
        (b"app/__pycache__/one.cpython-311.pyc", b"app/one.py"),
        (b"__pycache__/one.cpython-311.opt-2.pyc", b"one.py"),
        (b"app/__pycache__/gunicorn.conf.cpython-311.pyc", b"app/gunicorn.conf.py"),
        (b"app/__pycache__/a.b.c.cpython-311.opt-1.pyc", b"app/a.b.c.py"),
        (b"app/__pycache__/one.pyc", b""),
        (b"app/one.pyc", b"app/one.py"),
    ],
)
def test_bytecode_is_named_after_its_source(compiled, source):
    assert source == source_of(compiled)


def test_bytecode_of_a_source_with_dots_in_its_name_gets_its_new_time(tmp_path):
    upper = tmp_path / "upper"
    (upper / "__pycache__").mkdir(parents=True)
    (tmp_path / "lower").mkdir()
    (upper / "gunicorn.conf.py").write_text("workers = 2\n")
    mode = py_compile.PycInvalidationMode.TIMESTAMP
    made = py_compile.compile(str(upper / "gunicorn.conf.py"), doraise=True, invalidation_mode=mode)
    normalise(str(upper), Lower([str(tmp_path / "lower")]), epoch=315532800, is_upper=True)

    with open(made, "rb") as file:
        assert file.read(12)[8:] == (315532800).to_bytes(4, "little")
