"""What poetry says that it would install, and how it writes what it installs."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from teul.build import ops
from teul.build.dockerfile.mounts import RunMount
from teul.build.python.command import recognise
from teul.build.python.poetry import SCRIPT, Wanted, read_plan
from teul.build.python.poetry_command import Poetry
from teul.build.python.poetry_wheel import Form, form_of
from teul.build.python.values import Doubt
from teul.build.python.wheel import hashed
from teul.values import replace

from .test_sync import PYTHON as SYSTEM

SITE = "/v/lib/python3.11/site-packages"
PYTHON = replace(
    SYSTEM, prefix="/v", executable="/v/bin/python", purelib=SITE, platlib=SITE, scripts="/v/bin", data="/v"
)
SUM = "0" * 64


def said(**changes: Any) -> bytes:
    package = {
        "name": "Alpha_B", "version": "1.0", "what": "install", "kind": "", "url": "",
        "files": [["alpha_b-1.0-py3-none-any.whl", f"sha256:{SUM}", 7]],
    }  # fmt: skip
    value = {
        "version": "2.1.4", "prefix": "/v", "python": "/v/bin/python", "scheme": {"purelib": SITE},
        "cache": "/root/.cache/pypoetry", "has_policy": False, "is_old": False, "compiles": False,
        "packages": [package | {name: changes.pop(name) for name in list(changes) if name in package}], "sample": {},
    } | changes  # fmt: skip
    return f"Installing dependencies from lock file\n\nteul-poetry:{json.dumps(value)}\nmore\n".encode()


def test_the_plan_is_read() -> None:
    plan = read_plan(said())

    assert not isinstance(plan, Doubt), plan
    assert (plan.installer, plan.prefix, plan.python) == ("Poetry 2.1.4", "/v", "/v/bin/python")
    assert plan.wanted == (
        Wanted(name="alpha-b", version="1.0", filename="alpha_b-1.0-py3-none-any.whl", sha256=SUM, index=""),
    )


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"what": "update"}, "`Alpha_B` below would be replaced"),
        ({"what": "uninstall"}, "`Alpha_B` below would be replaced"),
        ({"kind": "git", "url": "https://example.test/r"}, "`Alpha_B` is not a wheel of an index"),
        ({"kind": "legacy", "url": "file:///etc"}, "`Alpha_B` is not a wheel of an index"),
        ({"kind": "legacy", "url": "/srv/index"}, "`Alpha_B` is not a wheel of an index"),
        ({"kind": "file", "url": "x.whl"}, "`Alpha_B` is not a wheel of an index"),
        ({"files": []}, "`Alpha_B` 1.0 has no wheel that is allowed here"),
        ({"files": [["a-1-py3-none-any.whl", "md5:00", 1]]}, "`Alpha_B` 1.0 has no wheel that is allowed here"),
        (
            {"files": [[f"a-1-{tag}-none-any.whl", f"sha256:{SUM}", 1] for tag in ("py3", "py2.py3")]},
            "`Alpha_B` 1.0 has no wheel that is allowed here",
        ),
        ({"is_old": True}, "the settings of poetry in the stage"),
        ({"has_policy": True}, "the settings of poetry in the stage"),
        ({"compiles": True}, "the settings of poetry in the stage"),
        ({"packages": None}, "poetry answers in a form that is not known here"),
        ({"sample": {"/x": 1}}, "poetry answers in a form that is not known here"),
    ],
)
def test_a_plan_that_is_more_than_wheels_is_a_doubt(changes: dict[str, Any], reason: str) -> None:
    assert read_plan(said(**changes)) == Doubt(reason)  # type: ignore[arg-type]


def test_two_answers_or_none_are_a_doubt() -> None:
    """A plugin of the project is installed in the same way, before."""
    for answer in (said() + said(), b"", b"teul-poetry:{\n"):
        assert read_plan(answer) == Doubt("poetry answers in a form that is not known here")  # type: ignore[arg-type]


def test_the_build_tag_counts_more_than_the_platform() -> None:
    files = [
        ["a-1-cp311-cp311-manylinux_2_36_x86_64.whl", "sha256:" + "1" * 64, 0],
        ["a-1-2-py3-none-any.whl", "sha256:" + "2" * 64, 90],
        ["a-1-10-py3-none-any.whl", "sha256:" + "3" * 64, 95],
    ]
    plan = read_plan(said(files=files))

    assert not isinstance(plan, Doubt)
    assert plan.wanted[0].sha256 == "3" * 64
    plan = read_plan(said(files=[*files[:1], ["a-1-py3-none-any.whl", "sha256:" + "4" * 64, 90]]))
    assert not isinstance(plan, Doubt)
    assert plan.wanted[0].sha256 == "1" * 64


TEXT = "#!/v/bin/python\n# -*- coding: utf-8 -*-\nfrom {module} import {first}\nsys.exit({first}.{second}())\n"
SCRIPT_MADE = TEXT.format(module="teul_module", first="teul_first", second="teul_second").encode()
INFO = "teul_sample-1.0.dist-info"
MADE = {
    f"{SITE}/teul_sample/z.py": (0o644, b"x = 1\n"),
    f"{SITE}/teul_sample/__init__.py": (0o644, b""),
    f"{SITE}/teul_sample/run.sh": (0o755, b"#!/bin/sh\n"),
    f"{SITE}/teul_sample/a, b.txt": (0o644, b"text"),
    f"{SITE}/teul_sample/__pycache__/old.txt": (0o644, b"old"),
    "/v/bin/teul-tool": (0o755, b"#!/v/bin/python\nprint()\n"),
    "/v/share/teul/conf": (0o644, b"x"),
    f"{SITE}/teul_plat.py": (0o644, b"y = 1\n"),
    f"{SITE}/a_teul.py": (0o644, b"z = 1\n"),
    f"{SITE}/{INFO}/METADATA": (0o644, b"Metadata-Version: 2.1\nName: teul-sample\nVersion: 1.0\n"),
    f"{SITE}/{INFO}/WHEEL": (
        0o644, b"Wheel-Version: 1.0\nGenerator: teul\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    ),
    f"{SITE}/{INFO}/entry_points.txt": (
        0o644, b"[console_scripts]\nteul-script = teul_module:teul_first.teul_second\n",
    ),
    f"{SITE}/{INFO}/INSTALLER": (0o644, b"Poetry 2.1.4"),
    "/v/bin/teul-script": (0o755, SCRIPT_MADE),
}  # fmt: skip
"""What a real poetry made of the small wheel."""
WRITTEN = (
    "../../../bin/teul-script", "teul_sample/z.py", "teul_sample/__init__.py", "teul_sample/run.sh",
    "teul_sample/a, b.txt", "teul_sample/__pycache__/old.txt", "../../../bin/teul-tool", "../../../share/teul/conf", "./teul_plat.py", "a_teul.py",
    f"{INFO}/METADATA", f"{INFO}/WHEEL", f"{INFO}/entry_points.txt", f"{INFO}/INSTALLER", f"{INFO}/RECORD",
)  # fmt: skip
"""The order of RECORD's rows of poetry 1.8.3, and of 2.5.1."""
SORTED = (
    "a_teul.py", "../../../share/teul/conf", "../../../bin/teul-script", "../../../bin/teul-tool", "./teul_plat.py",
    f"{INFO}/INSTALLER", f"{INFO}/METADATA", f"{INFO}/RECORD", f"{INFO}/WHEEL", f"{INFO}/entry_points.txt",
    "teul_sample/__init__.py", "teul_sample/__pycache__/old.txt", "teul_sample/a, b.txt", "teul_sample/run.sh",
    "teul_sample/z.py",
)  # fmt: skip


def made(order: tuple[str, ...], **changes: tuple[int, bytes]) -> dict[str, tuple[int, str]]:
    import os

    rows = []
    for path in order:
        file = MADE.get(os.path.normpath(f"{SITE}/{path}"))
        name = f'"{path}"' if "," in path else path
        rows.append(f"{name},{','.join(hashed(file[1])) if file else ','}\n")
    files = MADE | {f"{SITE}/{INFO}/RECORD": (0o644, "".join(rows).encode())} | changes
    return {path: (mode, base64.b64encode(data).decode()) for path, (mode, data) in files.items()}


def test_the_form_is_what_the_small_wheel_shows() -> None:
    template = SCRIPT_MADE.decode()

    assert form_of(made(WRITTEN), PYTHON, "Poetry 2.1.4") == Form(template, is_sorted=False)
    assert form_of(made(SORTED), PYTHON, "Poetry 2.1.4") == Form(template, is_sorted=True)
    old = f"{SITE}/teul_sample/__pycache__/old.txt"
    less = made(tuple(path for path in SORTED if "__pycache__" not in path))
    assert less.pop(old)
    assert form_of(less, PYTHON, "Poetry 2.1.4") == Form(template, is_sorted=True, has_pycache=False)


@pytest.mark.parametrize(
    "changes",
    [
        {f"{SITE}/teul_sample/run.sh": (0o644, b"#!/bin/sh\n")},
        {f"{SITE}/teul_sample/__pycache__/z.cpython-311.pyc": (0o644, b"")},
        {f"{SITE}/{INFO}/REQUESTED": (0o644, b"")},
        {"/v/bin/teul-script": (0o755, b"\xff")},
        {"/v/bin/teul-tool": (0o755, b"#!/usr/bin/python\nprint()\n")},
    ],
)
def test_a_poetry_that_writes_otherwise_has_no_form(changes: dict[str, tuple[int, bytes]]) -> None:
    assert form_of(made(SORTED, **changes), PYTHON, "Poetry 2.1.4") is None


def test_another_order_and_another_place_have_no_form() -> None:
    assert form_of(made(SORTED[::-1]), PYTHON, "Poetry 2.1.4") is None
    assert form_of(made(SORTED), PYTHON, "Poetry 2.1.5") is None
    assert form_of(made(SORTED), SYSTEM, "Poetry 2.1.4") is None
    assert form_of({}, PYTHON, "Poetry 2.1.4") is None


def test_what_plays_poetry_is_python() -> None:
    compile(SCRIPT, "script", "exec")


def shell(command: str, *env: str, mounts: tuple[RunMount, ...] = ()) -> ops.Run:
    return ops.Run(args=("/bin/sh", "-c", command), env=env, cwd="/app", mounts=mounts)


@pytest.mark.parametrize(
    ("command", "words", "before", "after"),
    [
        ("poetry install", "install", (), ()),
        ("poetry install --no-root --only main", "install --no-root --only main", (), ()),
        ("poetry --no-ansi install -n --without=dev,docs", "--no-ansi install -n --without=dev,docs", (), ()),
        ("poetry sync --no-root --with gpu -E fast --all-extras", "sync --no-root --with gpu -E fast --all-extras", (), ()),
        (
            "set -e; cd /srv && poetry config virtualenvs.create false && poetry install --no-root --no-interaction",
            "install --no-root --no-interaction",
            ("set -e", "cd /srv", "poetry config virtualenvs.create false"),
            (),
        ),
        (
            "/opt/poetry/bin/poetry install --sync && rm -rf $POETRY_CACHE_DIR /root/.cache/*",
            "install --sync",
            (),
            ("rm -rf /tmp/poetry_cache /root/.cache/*",),
        ),
        ("poetry install && echo 'all done'", "install", (), ("echo 'all done'",)),
    ],
)  # fmt: skip
def test_an_install_is_handed_on(command: str, words: str, before: tuple[str, ...], after: tuple[str, ...]) -> None:
    env = ("POETRY_CACHE_DIR=/tmp/poetry_cache", "POETRY_VERSION=2.1.4", "POETRY_VIRTUALENVS_IN_PROJECT=1")
    mount = RunMount(type="cache", target="/tmp/poetry_cache")
    found = recognise(shell(command, *env, mounts=(mount,)))

    assert isinstance(found, Poetry), found
    assert " ".join(found.words) == words
    assert (found.shell, found.before, found.after) == (("/bin/sh", "-c"), before, after)


def test_the_exec_form_has_no_shell() -> None:
    found = recognise(ops.Run(args=("poetry", "install"), env=(), cwd="/app"))

    assert isinstance(found, Poetry)
    assert (found.shell, found.words) == ((), ("install",))


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("poetry install --compile", "the option `--compile`"),
        ("poetry install --dry-run", "the option `--dry-run`"),
        ("poetry install --only-root", "the option `--only-root`"),
        ("poetry -C /srv install", "`poetry -C /srv install` does more than install"),
        ("poetry install extra", "the option `extra`"),
        ("poetry install $GROUPS", "the shell expands `$GROUPS`"),
        ("poetry install --only [m]ain", "the shell expands `[m]ain`"),
        ("poetry update", "`poetry update` does more than install"),
        ("poetry add pandas && poetry install", "`poetry add pandas` does more than install"),
        ("poetry lock && poetry install", "`poetry lock` does more than install"),
        ("poetry run pip install pandas", "`poetry run pip install pandas` does more than install"),
        ("poetry install && poetry install --with dev", "several installers in one RUN"),
        ("poetry install && pip install pandas", "several installers in one RUN"),
        ("pip install poetry && poetry install", "several installers in one RUN"),
        ("pip install poetry && poetry config virtualenvs.create false",
         "`poetry config virtualenvs.create false` does more than install"),
        ("poetry config installer.no-binary :all: && poetry install",
         "`poetry config installer.no-binary :all:` does more than install"),
        ("poetry config cache-dir /usr && poetry install", "`poetry config cache-dir /usr` does more than install"),
        ("rm -rf /root/.cache && poetry install", "an install after `rm`"),
        ("poetry install && rm -rf /app", "`rm -rf /app` does more than install"),
        ("poetry install || true", "the shell operator `|`"),
        ("poetry build", "`poetry build` does more than install"),
    ],
)  # fmt: skip
def test_a_look_alike_runs_itself(command: str, reason: str) -> None:
    assert recognise(shell(command)) == Doubt(reason)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("variable", "reason"),
    [
        ("POETRY_INSTALLER_NO_BINARY=:all:", "the variable `POETRY_INSTALLER_NO_BINARY`"),
        ("POETRY_CONFIG_DIR=/c", "the variable `POETRY_CONFIG_DIR`"),
        ("POETRY_HTTP_BASIC_OWN_PASSWORD=x", "the variable `POETRY_HTTP_BASIC_OWN_PASSWORD`"),
        ("XDG_CONFIG_HOME=/c", "the variable `XDG_CONFIG_HOME`"),
    ],
)
def test_a_variable_that_is_not_known_is_a_doubt(variable: str, reason: str) -> None:
    assert recognise(shell("poetry install", variable)) == Doubt(reason)  # type: ignore[arg-type]


def test_a_mount_at_the_root_is_no_cache_of_poetry() -> None:
    mount = RunMount(type="cache", target="/usr/local")
    found = recognise(shell("poetry install", "POETRY_CACHE_DIR=/", mounts=(mount,)))

    assert isinstance(found, Doubt)
