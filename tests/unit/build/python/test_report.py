"""Pip's "Installation Report", version 1."""

import json

import pytest

from teul.build.python.command import Install
from teul.build.python.report import read_report
from teul.build.python.values import Doubt, Installed, Interpreter
from teul.values import replace

SHA = "ab" * 32
INSTALL = Install(tool="pip", program="pip", interpreter="", cwd="/", compiles=False)
PYTHON = Interpreter(
    path="/usr/bin/python3",
    executable="/usr/bin/python3",
    version=(3, 11, 2),
    implementation="cpython",
    cache_tag="cpython-311",
    magic="a70d0d0a",
    libc="glibc",
    libc_version=(2, 36),
    machine="x86_64",
    prefix="/usr",
    base_prefix="/usr",
    purelib="/usr/lib/x",
    platlib="/usr/lib/x",
    scripts="/usr/bin",
    data="/usr",
    headers="/usr/include",
    search_path=(),
    is_externally_managed=False,
    pip_version="23.2",
    installed=(Installed(name="below", version="1", place="/usr/lib/x/below-1.dist-info"),),
)


def report(**changes):
    item = {
        "metadata": {"name": "Some_Thing", "version": "2.0"},
        "download_info": {
            "url": "https://files.example/a/some_thing-2.0-py3-none-any.whl",
            "archive_info": {"hashes": {"sha256": SHA}},
        },
        "is_direct": False,
        "requested": True,
    }
    return json.dumps({"version": "1", "install": [item | changes]}).encode()


def url(value):
    return {"download_info": {"url": value, "archive_info": {"hashes": {"sha256": SHA}}}}


def test_what_pip_would_install_is_read():
    made = read_report(report(), INSTALL, PYTHON)

    assert not isinstance(made, Doubt)
    assert (made.installer, made.compiles) == ("pip", False)
    (wheel,) = made.wheels
    assert (wheel.name, wheel.version, wheel.sha256, wheel.requested, wheel.direct_url) == (
        "some-thing",
        "2.0",
        SHA,
        True,
        "",
    )
    assert wheel.filename == "some_thing-2.0-py3-none-any.whl"


def test_a_folder_that_this_host_lends_is_no_doubt():
    given = report(**url("file:///srv/wheels/some_thing-2.0-py3-none-any.whl"))

    assert not isinstance(read_report(given, INSTALL, PYTHON, lent=("/srv/wheels/",)), Doubt)
    assert isinstance(read_report(given, INSTALL, PYTHON, lent=("/srv/wheel/",)), Doubt)
    assert isinstance(read_report(given, INSTALL, PYTHON), Doubt)


@pytest.mark.parametrize(
    "data",
    [
        report(is_direct=True),
        report(**url("https://files.example/some-thing-2.0.tar.gz")),
        report(**url("file:///srv/wheels/../../etc/x.whl")),
        report(download_info={"url": "https://files.example/a.whl"}),
        report(metadata={"name": "below", "version": "0.9"}),
        json.dumps({"version": "2", "install": []}).encode(),
        b"{",
        b"[]",
        b"{}",
    ],
)
def test_all_else_is_a_doubt(data):
    assert isinstance(read_report(data, INSTALL, PYTHON, lent=("/srv/wheels/",)), Doubt)


def test_a_newer_version_takes_the_place_of_what_is_below():
    made = read_report(report(metadata={"name": "below", "version": "2"}), INSTALL, PYTHON, asked=("below",))

    assert not isinstance(made, Doubt)
    assert [item.version for item in made.removed] == ["1"]
    assert made.kept == ()


def test_what_is_below_and_needed_is_kept():
    below = (
        Installed(name="below", version="1", place="/usr/lib/x/below-1.dist-info", requires=("Deep.er>=1",)),
        Installed(name="deep-er", version="3", place="/usr/lib/x/deep_er-3.dist-info"),
        Installed(name="stranger", version="4", place="/usr/lib/x/stranger-4.dist-info"),
    )
    data = report(metadata={"name": "new", "version": "1", "requires_dist": ["below (>=1) ; python_version > '3'"]})

    made = read_report(data, INSTALL, replace(PYTHON, installed=below), asked=("new",))

    assert not isinstance(made, Doubt)
    assert [item.name for item in made.kept] == ["below", "deep-er"]
