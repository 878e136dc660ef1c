"""What uv says that a sync would do, and which wheels its lock names for it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from teul.build.python.sync import Plan, asking, choose, read_plan, settings_of, without
from teul.build.python.sync_command import Sync
from teul.build.python.values import Doubt, Interpreter

SYNC = Sync(program="uv", words=("sync", "--frozen"), cwd="/app", compiles=False, has_cache=True)
PLAN = Plan(
    environment="/app/.venv",
    python="/app/.venv/bin/python",
    is_new=True,
    lock="/app/uv.lock",
    root="/app",
    wanted=(("alpha", "1.0"),),
)
PYTHON = Interpreter(
    path="/usr/local/bin/python3",
    executable="/usr/local/bin/python3",
    version=(3, 11, 9),
    implementation="cpython",
    cache_tag="cpython-311",
    magic="a70d0d0a",
    libc="glibc",
    libc_version=(2, 36),
    machine="x86_64",
    prefix="/usr/local",
    base_prefix="/usr/local",
    purelib="/s",
    platlib="/s",
    scripts="/usr/local/bin",
    data="/usr/local",
    headers="/usr/local/include",
    search_path=("/s",),
    is_externally_managed=False,
    pip_version="",
    installed=(),
)


def said(**changes: Any) -> bytes:
    value: dict[str, Any] = {
        "target": "project",
        "project": {"path": "/app", "workspace": {"path": "/app"}},
        "sync": {
            "environment": {"path": "/app/.venv", "python": {"path": "/app/.venv/bin/python"}},
            "action": "create",
            "changes": [{"name": "alpha", "version": "1.0", "action": "installed"}],
        },
        "lock": {"path": "/app/uv.lock", "action": "use"},
        "dry_run": True,
    }
    for path, new in changes.items():
        *above, last = path.split("__")
        place = value
        for name in above:
            place = place[name]
        place[last] = new
    return json.dumps(value).encode()


def test_the_plan_is_read() -> None:
    assert read_plan(said()) == PLAN
    assert asking(SYNC) == ("uv", "sync", "--frozen", "--dry-run", "--offline", "--output-format", "json")
    assert without(SYNC, ["alpha"], is_offline=True) == (
        "uv", "sync", "--frozen", "--no-install-package", "alpha", "--offline",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"sync__action": "replace"}, "uv would make the environment `/app/.venv` anew"),
        ({"sync__changes": [{"name": "beta", "version": "1", "action": "removed"}]}, "`beta` below would be replaced"),
        ({"lock": None}, "uv would do more than install what is locked"),
        ({"lock__action": "update"}, "uv would do more than install what is locked"),
        ({"target": "script"}, "uv would do more than install what is locked"),
        ({"sync__changes": 3}, "uv answers in a form that is not known here"),
        (
            {"sync__environment": {"path": "../x", "python": {"path": "/x"}}},
            "uv answers in a form that is not known here",
        ),
    ],
)
def test_what_is_more_than_an_install_is_a_doubt(changes: dict[str, Any], reason: str) -> None:
    found = read_plan(said(**changes))

    assert isinstance(found, Doubt)
    assert found.reason == reason


def test_noise_is_a_doubt() -> None:
    for noise in (b"", b"{}", b"[]", b"null", b"\xff"):
        assert isinstance(read_plan(noise), Doubt)


LOCK = """\
version = 1
[[package]]
name = "alpha"
version = "1.0"
source = { registry = "https://example.test/simple" }
wheels = [
    { url = "https://example.test/f/alpha-1.0-py3-none-any.whl", hash = "sha256:aa", size = 3 },
    { url = "https://example.test/f/alpha-1.0-cp311-cp311-manylinux_2_17_x86_64.whl#x", hash = "sha256:bb" },
    { url = "https://example.test/f/alpha-1.0-cp312-cp312-manylinux_2_17_x86_64.whl", hash = "sha256:cc" },
]
"""


def test_the_wheel_for_this_python_is_chosen() -> None:
    found = choose(PLAN, LOCK.encode(), PYTHON)

    assert not isinstance(found, Doubt)
    assert [(wheel.filename, wheel.sha256) for wheel in found] == [
        ("alpha-1.0-cp311-cp311-manylinux_2_17_x86_64.whl", "bb")
    ]


@pytest.mark.parametrize(
    "lock",
    [
        LOCK.replace('{ registry = "https://example.test/simple" }', '{ editable = "." }'),
        LOCK.replace("https://example.test/f/", "file:///f/"),
        LOCK.replace("sha256:", "md5:"),
        LOCK.replace("cp311", "cp39").replace("py3-none-any", "py2-none-any"),
        LOCK.partition("wheels")[0],
    ],
)
def test_what_is_no_wheel_of_an_index_is_left_to_uv(lock: str) -> None:
    assert choose(PLAN, lock.encode(), PYTHON) == ()


@pytest.mark.parametrize(
    "lock",
    [LOCK + LOCK.partition("\n")[2], LOCK.replace("version = 1\n", "version = 2\n"), "[", "package = 3", LOCK[:20]],
)
def test_a_lock_that_is_not_clear_is_a_doubt(lock: str) -> None:
    assert isinstance(choose(PLAN, lock.encode(), PYTHON), Doubt)


@pytest.mark.parametrize(
    ("path", "content", "is_plain"),
    [
        ("/app/pyproject.toml", "[tool.uv]\npackage = false\ncompile-bytecode = true\n", True),
        ("/app/pyproject.toml", "[tool.uv]\nno-binary = true\n", False),
        ("/app/pyproject.toml", "[tool.uv]\nconfig-settings = {}\n", False),
        ("/app/pyproject.toml", "tool = 3\n", False),
        ("/app/uv.toml", "", False),
        ("/root/.config/uv/uv.toml", "", False),
        ("/etc/uv/uv.toml", "", False),
    ],
)
def test_settings_that_change_how_uv_installs(path: str, content: str, is_plain: bool) -> None:
    found = settings_of(PLAN, "/root", {path: content.encode()}.get)

    assert isinstance(found, Doubt) is not is_plain
