"""What is worth an import, and what a failure says about two packages."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from teul.build.python.imports import Candidate, Environment, Problem, arguments, failures
from teul.build.tree import Tree

SITE = "usr/local/lib/python3.11/site-packages"


def install(
    root: Path,
    name: str,
    version: str,
    files: tuple[str, ...],
    *,
    requires: tuple[str, ...] = (),
    requested: bool = False,
) -> None:
    site = root / SITE
    info = site / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    for file in files:
        (site / file).parent.mkdir(parents=True, exist_ok=True)
        (site / file).write_text("")
    (info / "RECORD").write_text("".join(f"{file},,\n" for file in (*files, f"{info.name}/RECORD")))
    needs = "".join(f"Requires-Dist: {item}\n" for item in requires)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\n{needs}\nRequires-Dist: no-header\n")
    if requested:
        (info / "REQUESTED").write_text("")


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    install(tmp_path, "numpy", "2.4.6", ("numpy/__init__.py", "numpy/_core/x.so"))
    install(tmp_path, "catboost", "1.2.5", ("catboost/__init__.py", "catboost/core.py", "catboost/_catboost.so"), requires=("numpy (>=1.16)", "six"), requested=True)  # fmt: skip
    install(tmp_path, "lonely", "1.0", ("lonely/__init__.py", "_lonely.cpython-311-x86_64-linux-gnu.so"))
    install(tmp_path, "six", "1.17.0", ("six.py",), requested=True)
    install(tmp_path, "bundled", "1.0", ("bundled/__init__.py", "bundled.libs/libz.so"), requested=True)
    return Environment(Tree(str(tmp_path)), "/usr/local/bin/python")


def test_packages_with_extension_modules_are_candidates_unless_another_needs_them(environment: Environment) -> None:
    candidates = environment.candidates()

    assert [item.name for item in candidates] == ["catboost", "lonely"]
    assert candidates[0].modules == ("catboost",)
    assert candidates[0].key == ("catboost==1.2.5", "numpy==2.4.6", "six==1.17.0")


def test_a_pipe_in_a_files_place_is_not_waited_for(tmp_path: Path) -> None:
    install(tmp_path, "native", "1.0", ("native/__init__.py", "native/x.so"), requested=True)
    for name in ("METADATA", "RECORD"):
        path = tmp_path / SITE / "native-1.0.dist-info" / name
        path.unlink()
        os.mkfifo(path)
    found: list[list[Candidate]] = []
    look = Environment(Tree(str(tmp_path)), "/usr/local/bin/python").candidates
    thread = threading.Thread(target=lambda: found.append(look()), daemon=True)
    thread.start()
    thread.join(20)

    assert found == [[]]


@pytest.mark.parametrize(
    ("kind", "message", "expected"),
    [
        ("ValueError", "numpy.dtype size changed, may indicate binary incompatibility. Expected 96 from C header, got 88", ("binary", "numpy", True)),
        ("ImportError", "numpy.core.multiarray failed to import", ("binary", "numpy", True)),
        ("ImportError", "numpy._core.multiarray failed to import (auto-generated)", ("binary", "numpy", True)),
        ("RuntimeError", "module compiled against ABI version 0x1000009 but this version of numpy is 0x2000000", ("binary", "numpy", True)),
        ("ImportError", "/x/_c.so: undefined symbol: _ZN5torch3jit", ("binary", "", False)),
        ("OSError", "libGL.so.1: cannot open shared object file: No such file or directory", ("library", "", False)),
        ("ImportError", "/lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.38' not found (required by /x.so)", ("libc", "", False)),
        ("ImportError", "cannot import name 'moveaxis' from 'numpy.old' (/x)", ("version", "numpy", False)),
        ("AttributeError", "module 'numpy' has no attribute 'bool8'", ("version", "numpy", False)),
    ],
)  # fmt: skip
def test_a_failure_with_a_plain_cause_is_a_problem(
    environment: Environment, kind: str, message: str, expected: tuple[str, str, bool]
) -> None:
    frames = ["<string>", f"/{SITE}/catboost/__init__.py", f"/{SITE}/catboost/core.py", "_catboost.pyx"]
    problem = environment.problem("catboost", [(kind, message, frames)])

    assert problem is not None
    assert (problem.kind, problem.other, problem.is_certain) == expected
    assert (problem.package, problem.version) == ("catboost", "1.2.5")
    assert Problem.from_json(problem.to_json()) == problem


@pytest.mark.parametrize(
    "message",
    [
        "No module named 'tensorrt'",
        "libcuda.so.1: cannot open shared object file: No such file or directory",
        "libnvidia-ml.so.1: cannot open shared object file: No such file or directory",
        "set the variable TOKEN",
        "cannot import name 'core' from partially initialized module 'catboost' (most likely due to a circular import)",
        "cannot import name 'inner' from 'catboost.core' (/x)",
    ],
)
def test_a_failure_that_may_have_its_reasons_is_none(environment: Environment, message: str) -> None:
    frames = [f"/{SITE}/catboost/__init__.py"]

    assert environment.problem("catboost", [("ImportError", message, frames)]) is None


def test_packages_are_imported_apart_where_one_fails_or_ends_the_process(tmp_path: Path) -> None:
    (tmp_path / "good.py").write_text("print('said while importing')\n")
    (tmp_path / "bad.py").write_text("import good\nraise ValueError('numpy.dtype size changed')\n")
    (tmp_path / "deadly.py").write_text("import os\nos.abort()\n")
    (tmp_path / "shy.py").write_text("import sys\nassert 'good' not in sys.modules\n")
    names = ("good", "bad", "deadly", "shy")
    words = arguments([Candidate(name=name, modules=(name,), key=()) for name in names])
    done = subprocess.run(
        [sys.executable, *words], check=True, capture_output=True, env={"PYTHONPATH": str(tmp_path)}, timeout=30
    )
    found = failures(done.stdout)

    assert found.keys() == {"bad", "deadly"}
    assert found["bad"][0][:2] == ("ValueError", "numpy.dtype size changed")
    assert found["bad"][0][2][-1] == str(tmp_path / "bad.py")
    assert found["deadly"][0][0] == "died"


def test_an_import_that_does_not_end_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "endless.py").write_text("while True: pass\n")
    words = arguments([Candidate(name="endless", modules=("endless",), key=())], limit_s=0.3)
    done = subprocess.run(
        [sys.executable, *words], check=True, capture_output=True, env={"PYTHONPATH": str(tmp_path)}, timeout=30
    )

    assert failures(done.stdout) == {}


def test_what_the_stage_writes_is_not_trusted() -> None:
    lines = ["teul-import:[1]", "teul-import:nonsense", "x", "teul-import:" + json.dumps(["a", [["E", "m", ["/f"]]]])]

    assert failures("\n".join(lines).encode()) == {"a": [("E", "m", ["/f"])]}


def test_only_what_failed_after_others_is_imported_again(tmp_path: Path) -> None:
    """The first of a process had it to itself; whoever comes after a failure may have failed because of it."""
    for name, words in (("first", "1 / 0"), ("second", ""), ("third", "1 / 0")):
        note = f"open({str(tmp_path / 'imported')!r}, 'a').write('{name} ')\n{words}\n"
        (tmp_path / f"{name}.py").write_text(note)
    candidates = [Candidate(name=name, modules=(name,), key=()) for name in ("first", "second", "third")]
    done = subprocess.run(
        [sys.executable, *arguments(candidates)], cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)},
        stdout=subprocess.PIPE, check=True,
    )  # fmt: skip

    found = failures(done.stdout)
    assert {name: chain[0][0] for name, chain in found.items()} == dict.fromkeys(
        ("first", "third"), "ZeroDivisionError"
    )
    assert (tmp_path / "imported").read_text().split() == ["first", "second", "third", "third"]
