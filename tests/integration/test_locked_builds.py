"""`teul build` with a lock, as of a day, offline, and with an index that lies or dies: through the command line."""

from __future__ import annotations

import gzip
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import threading
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration import host_python
from teul.build.python.uv import uv_program
from teul.cli.main import main
from teul.config import Settings
from teul.engine import Engine
from teul.engine.build import BuildOptions, build
from teul.errors import BrokenEnvironment
from teul.ml.stages import build_options
from teul.ml.up import read_project
from teul.testing.registry import FakeRegistry
from teul.values import replace

sys.path.insert(0, str(Path(__file__).parent.parent / "unit" / "build" / "python"))
from package_index import PackageIndex, make_wheel

pytestmark = [pytest.mark.slow, pytest.mark.needs_root, pytest.mark.needs_runc]

BASE = "teul-test/pip:1"
Run = Callable[..., tuple[int, str]]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A state folder with an image that has a virtual environment with this interpreter's pip."""
    pip = pytest.importorskip("pip")
    settings = Settings.from_environ({**os.environ, "TEUL_ROOT": str(tmp_path_factory.mktemp("state"))})
    engine = Engine.open(settings)
    host_python.add_image(engine)
    folder = tmp_path_factory.mktemp("base")
    source = Path(pip.__file__).parent
    shutil.copytree(source, folder / "pip", ignore=shutil.ignore_patterns("__pycache__"))
    info = f"pip-{pip.__version__}.dist-info"
    shutil.copytree(source.parent / info, folder / info, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "pyvenv.cfg").write_text("home = /usr/bin\ninclude-system-site-packages = false\n")
    (folder / "pip.sh").write_text(
        "#!/opt/venv/bin/python\nimport sys\nfrom pip._internal.cli.main import main\nsys.exit(main())\n"
    )
    site = "/opt/venv/lib/python{}.{}/site-packages".format(*sys.version_info[:2])
    (folder / "Dockerfile").write_text(
        f"FROM {host_python.NAME}\nENV PATH=/opt/venv/bin:/usr/bin:/bin VIRTUAL_ENV=/opt/venv\n"
        f"COPY pyvenv.cfg /opt/venv/\nCOPY pip {site}/pip\nCOPY {info} {site}/{info}\n"
        "COPY --chmod=755 pip.sh /opt/venv/bin/pip\n"
        'RUN ["python3", "-c", "import os; os.symlink(\'/usr/bin/python3\', \'/opt/venv/bin/python\')"]\n'
    )
    build(engine, BuildOptions(context=str(folder), tags=(BASE, "python:{}.{}-slim".format(*sys.version_info[:2]))))
    engine.close()
    yield settings.root
    shutil.rmtree(settings.run_root, ignore_errors=True)


@pytest.fixture
def index() -> Iterator[PackageIndex]:
    with PackageIndex() as made:
        made.add(*make_wheel("alpha", "1.0", requires=("beta",)))
        made.add(*make_wheel("beta", "1.0"))
        made.add(*make_wheel("gamma", "1.0"))
        yield made


@pytest.fixture
def environ(root: str, index: PackageIndex, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    for name, value in {"TEUL_ROOT": root, "PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": index.url}.items():
        monkeypatch.setenv(name, value)
    return dict(os.environ)


@pytest.fixture
def teul(environ: dict[str, str], capfdbinary: pytest.CaptureFixture[bytes]) -> Run:
    def run(*words: str, code: int = 0) -> str:
        ended = main(words)
        made = capfdbinary.readouterr()
        said = (made.out + made.err).decode()

        assert ended == code, said
        return said

    return run


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "Dockerfile").write_text(f"FROM {BASE}\nCOPY requirements.txt .\nRUN pip install -r requirements.txt\n")
    (tmp_path / "requirements.txt").write_text("alpha\n")
    return tmp_path


def locked(project: Path) -> dict[str, str]:
    lock = tomllib.loads((project / "teul.lock").read_text())
    return {wheel["name"]: wheel["version"] for install in lock["installs"] for wheel in install["wheels"]}


def image(said: str) -> str:
    found = re.search(r"image (sha256:[0-9a-f]{64})", said)
    assert found is not None, said
    return found[1]


def add_second_versions(index: PackageIndex) -> None:
    index.add(*make_wheel("alpha", "2.0", requires=("beta",)), uploaded="2025-01-01T00:00:00Z")
    for name in ("beta", "gamma"):
        index.add(*make_wheel(name, "2.0"), uploaded="2025-01-01T00:00:00Z")


def test_a_lock_is_obeyed_whatever_the_index_has_and_one_more_line_changes_nothing_else(
    teul: Run, project: Path, index: PackageIndex
) -> None:
    first = teul("build", "--lock", str(project))

    assert "installed without running the command: 2 packages" in first
    assert locked(project) == {"alpha": "1.0", "beta": "1.0"}
    assert (
        "127.0.0.1" in (project / "teul.lock").read_text()
    )  # the user's own index, without a password or a file's address
    assert "files/" not in (project / "teul.lock").read_text()

    add_second_versions(index)
    again = teul("build", "--no-cache", str(project))
    assert image(again) == image(first)

    (project / "requirements.txt").write_text("alpha\ngamma\n")
    teul("build", "--lock", str(project))
    assert locked(project) == {"alpha": "1.0", "beta": "1.0", "gamma": "2.0"}

    (project / "teul.lock").unlink()
    teul("build", "--lock", str(project))
    assert locked(project) == {"alpha": "2.0", "beta": "2.0", "gamma": "2.0"}


def test_offline_is_the_same_image_and_a_wheel_that_is_missing_is_named(
    teul: Run, project: Path, index: PackageIndex
) -> None:
    first = teul("build", "--lock", str(project))
    asked = len(index.asked)
    index.files.clear()
    again = teul("build", "--offline", "--no-cache", str(project))

    assert image(again) == image(first)
    assert len(index.asked) == asked

    lock = project / "teul.lock"
    lock.write_text(
        re.sub(r'(beta-1\.0[^}]*sha256 = ")[0-9a-f]{64}', lambda match: match[1] + "0" * 64, lock.read_text())
    )
    said = teul("build", "--offline", "--no-cache", str(project), code=1)
    assert "wheel `beta-1.0-py3-none-any.whl` is not on this machine" in said
    assert "hint: build once without --offline" in said


def test_a_day_is_given_by_flag_by_comment_or_by_the_lock(teul: Run, project: Path, index: PackageIndex) -> None:
    add_second_versions(index)
    by_flag = teul("build", "--as-of", "2024-06-01", "--lock", str(project))
    assert locked(project) == {"alpha": "1.0", "beta": "1.0"}
    by_lock = teul("build", "--no-cache", str(project))
    (project / "teul.lock").unlink()
    dockerfile = project / "Dockerfile"
    dockerfile.write_text("# syntax=docker/dockerfile:1\n# teul: as-of=2024-06-01\n" + dockerfile.read_text())
    by_comment = teul("build", "--no-cache", str(project))
    today = teul("build", "--as-of", "2026-01-01", str(project))

    assert image(by_flag) == image(by_lock) == image(by_comment)
    assert "alpha-2.0" in today
    assert "expected a date such as 2024-05-15" in teul("build", "--as-of", "yesterday", str(project), code=1)


def test_an_index_without_upload_times_is_refused_by_name(teul: Run, project: Path, index: PackageIndex) -> None:
    index.has_times = False
    said = teul("build", "--as-of", "2024-06-01", str(project), code=1)

    assert f"index `{index.url}`: it does not say when files were uploaded, so what it had on 2024-06-01" in said
    assert "hint: without --as-of" in said


def test_an_index_that_lies_or_dies_gives_no_image_and_spoils_nothing(
    teul: Run, project: Path, index: PackageIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("PIP_RESUME_RETRIES", "0")
    name, content = make_wheel("liar", "1.0", code="x = 1\n" * 20000)
    index.add(name, content)
    (project / "requirements.txt").write_text("liar\n")
    index.lies.add(name)
    lied = teul("build", "--network", "host", str(project), code=1)
    index.lies.clear()
    index.cuts.add(name)
    cut = teul("build", "--network", "host", str(project), code=1)
    index.cuts.clear()
    good = teul("build", "--network", "host", str(project))

    assert "DO NOT MATCH THE HASHES" in lied
    assert "the command runs as written" in cut
    assert "installed without running the command: 1 packages" in good


def test_a_build_that_is_killed_while_it_fetches_leaves_nothing(
    teul: Run, project: Path, index: PackageIndex, environ: dict[str, str], root: str
) -> None:
    name, content = make_wheel("late", "1.0")
    index.add(name, content)
    index.waits[name] = threading.Event()
    (project / "requirements.txt").write_text("late\n")
    words = [sys.executable, "-m", "teul.cli.main", "build", "--lock", str(project)]
    killed = subprocess.Popen(words, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not any(path.endswith(name) for path in index.asked):
        assert killed.poll() is None
    killed.kill()
    killed.wait()
    index.waits.pop(name).set()

    assert not (project / "teul.lock").exists()
    two = [subprocess.Popen(words, env=environ, stderr=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(2)]
    said = [b"".join(process.communicate()).decode() for process in two]

    assert [process.returncode for process in two] == [0, 0], said
    assert image(said[0]) == image(said[1])
    assert locked(project) == {"late": "1.0"}
    engine = Engine.open(Settings.from_environ(environ))
    teul("build", "--no-cache", str(project))
    assert [key for key in list(engine.snapshots.keys()) if key.startswith("build-")] == []
    engine.close()


BACKEND = """
import os, zipfile
def get_requires_for_build_wheel(config_settings=None):
    return []
def build_wheel(folder, config_settings=None, metadata_directory=None):
    if os.path.exists("broken"):
        raise SystemExit("it cannot be compiled on a Sunday")
    info = "quaint-1.0.dist-info"
    files = {"quaint.py": "x = 1\\n", info + "/METADATA": "Metadata-Version: 2.1\\nName: quaint\\nVersion: 1.0\\n",
             info + "/WHEEL": "Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"}
    with zipfile.ZipFile(folder + "/quaint-1.0-py3-none-any.whl", "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
        archive.writestr(info + "/RECORD", "".join(path + ",,\\n" for path in [*files, info + "/RECORD"]))
    return "quaint-1.0-py3-none-any.whl"
"""


def archive(*, broken: bool = False) -> bytes:
    buffer = io.BytesIO()
    files = {
        "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
        "backend.py": BACKEND,
        "PKG-INFO": "Metadata-Version: 2.1\nName: quaint\nVersion: 1.0\n",
    } | ({"broken": ""} if broken else {})
    with tarfile.open(fileobj=buffer, mode="w") as made:
        for path, content in files.items():
            info = tarfile.TarInfo(f"quaint-1.0/{path}")
            info.size = len(content)
            made.addfile(info, io.BytesIO(content.encode()))
    return gzip.compress(buffer.getvalue(), mtime=0)


def test_a_source_archive_is_built_once_and_a_broken_one_shows_what_pip_says(
    teul: Run, project: Path, index: PackageIndex
) -> None:
    index.add("quaint-1.0.tar.gz", archive())
    (project / "requirements.txt").write_text("quaint\n")
    first = teul("build", "--network", "host", "--lock", str(project))
    index.files.pop("quaint")
    offline = teul("build", "--network", "host", "--no-cache", "--offline", str(project))
    index.add("quaint-1.0.tar.gz", archive())
    (project / "teul.lock").unlink()
    (project / "requirements.txt").write_text("quaint\nbeta\n")
    second = teul("build", "--network", "host", str(project))
    index.add("quaint-1.0.tar.gz", archive(broken=True))
    third = teul("build", "--network", "host", "--no-cache", str(project), code=1)

    assert "building a wheel of quaint 1.0, once" in first
    assert image(offline) == image(first)
    assert "building a wheel" not in second
    assert "installed without running the command: 2 packages" in second
    assert "it cannot be compiled on a Sunday" in third


def test_a_wheel_that_was_built_from_source_is_built_again_where_it_is_not_and_checked_against_the_lock(
    teul: Run, project: Path, index: PackageIndex
) -> None:
    """As on another machine: neither the wheel nor what came of it is here, only the lock and the index."""

    def forget() -> None:
        teul("image", "prune", "-f")
        teul("builder", "prune", "-a", "-f")

    index.add("quaint-1.0.tar.gz", archive())
    (project / "requirements.txt").write_text("quaint\nalpha\n")
    first = teul("build", "--network", "host", "--lock", str(project))
    lock = (project / "teul.lock").read_text()
    teul("rmi", image(first))
    forget()
    add_second_versions(index)
    again = teul("build", "--network", "host", "--lock", str(project))

    assert "building a wheel of quaint 1.0, once" in again
    assert "installed without running the command: 3 packages" in again
    assert image(again) == image(first)
    # pip, who was asked first, says nothing of upload times.
    assert re.sub(', uploaded = "[^"]*"', "", (project / "teul.lock").read_text()) == lock

    wheel = next(
        item for entry in tomllib.loads(lock)["installs"] for item in entry["wheels"] if item["name"] == "quaint"
    )
    (project / "teul.lock").write_text(lock.replace(wheel["sha256"], "0" * 64))
    said = teul("build", "--network", "host", "--no-cache", str(project), code=1)
    assert "`quaint` 1.0, built from the same source archive, is another wheel here" in said
    assert wheel["sha256"] in said

    (project / "teul.lock").write_text(lock)
    teul("rmi", image(again))
    forget()
    index.files.pop("quaint")
    said = teul("build", "--network", "host", "--no-cache", str(project), code=1)
    assert "the index has no source archive of `quaint` 1.0 of that hash" in said


def test_a_push_of_one_more_line_sends_its_layer_and_little_else(teul: Run, project: Path, index: PackageIndex) -> None:
    """What is beside it: the configuration, requirements.txt itself, and the note that the package was asked for."""
    index.add(*make_wheel("large", "1.0", code=f"data = {os.urandom(3 << 20).hex()!r}\n"))
    with FakeRegistry() as registry:
        name = f"{registry.domain}/app:1"
        teul("build", "-t", name, str(project))
        teul("push", name)
        there = dict(registry.blobs)
        (project / "requirements.txt").write_text("alpha\nlarge\n")
        assert "installed without running the command: 3 packages" in teul("build", "-t", name, str(project))
        teul("push", name)
        sent = sorted(len(data) for digest, data in registry.blobs.items() if digest not in there)

    assert len(there) > len(sent)
    assert 3 << 20 < sent[-1] < 8 << 20
    assert sum(sent[:-1]) < 64 << 10


def test_wheels_that_lie_in_the_stage_need_no_command(teul: Run, project: Path, index: PackageIndex) -> None:
    (project / "wheels").mkdir()
    for name, content in (make_wheel("alpha", "3.0", requires=("beta",)), make_wheel("beta", "3.0")):
        (project / "wheels" / name).write_bytes(content)
    (project / "Dockerfile").write_text(
        f"FROM {BASE}\nCOPY wheels /wheels\nRUN pip install --no-index --find-links /wheels alpha\n"
        "RUN python -c 'import alpha, beta; assert alpha.version == beta.version == \"3.0\"'\n"
    )
    said = teul("build", str(project))

    assert "installed without running the command: 2 packages" in said
    assert index.asked == []


def test_a_requirements_file_may_be_lent_by_the_context(teul: Run, project: Path, index: PackageIndex) -> None:
    (project / "Dockerfile").write_text(
        f"FROM {BASE}\nWORKDIR /app\n"
        "RUN --mount=type=bind,source=requirements.txt,target=requirements.txt pip install -r requirements.txt\n"
        'RUN ["python", "-c", "import os, alpha, beta; assert os.listdir() == []"]\n'
    )
    said = teul("build", str(project))
    (project / ".dockerignore").write_text("requirements.txt\n")
    hidden = teul("build", "--no-cache", str(project), code=1)

    assert "installed without running the command: 2 packages" in said
    assert "`requirements.txt` not found in the context" in hidden


def test_what_cannot_be_imported_is_said_with_the_day_that_helps(teul: Run, project: Path, index: PackageIndex) -> None:
    complaint = "numpy.dtype size changed, may indicate binary incompatibility. Expected 96 from C header, got 88"
    old = make_wheel("boosting", "1.2", requires=("numpy",), code=f"import numpy\nif numpy.version > '2': raise ValueError({complaint!r})\n", native=True)  # fmt: skip
    index.add(*old, uploaded="2024-04-18T10:00:00Z")
    index.add(*make_wheel("numpy", "1.26", native=True), uploaded="2024-02-01T00:00:00Z")
    index.add(*make_wheel("numpy", "2.4", native=True), uploaded="2026-01-01T00:00:00Z")
    index.add(*make_wheel("drawing", "1.0", code="import ctypes\nctypes.CDLL('libGL.so.1')\n", native=True))
    (project / "requirements.txt").write_text("boosting==1.2\ndrawing\n")
    said = teul("build", str(project))
    again = teul("build", str(project))
    then = teul("build", "--as-of", "2024-04-18", str(project))

    for words in (
        "`boosting 1.2` cannot be imported with `numpy 2.4`: numpy.dtype size changed",
        "hint: teul build --as-of 2024-04-18, or pin an older numpy",
        "`drawing 1.0` needs `libGL.so.1`, which is not in the image (hint: RUN apt-get install libgl1)",
    ):
        assert words in said
        assert words in again
    assert "checking that boosting, drawing can be imported" in said
    assert "checking that" not in again
    assert "cannot be imported" not in then


def test_a_project_that_init_wrote_builds_as_of_its_day_and_refuses_what_does_not_fit(
    teul: Run, tmp_path: Path, index: PackageIndex, environ: dict[str, str]
) -> None:
    add_second_versions(index)
    index.add(*make_wheel("numpy", "2.4", native=True))
    complaint = "numpy.dtype size changed, may indicate binary incompatibility. Expected 96 from C header, got 88"
    index.add(*make_wheel("boosting", "1.2", requires=("numpy",), code=f"raise ValueError({complaint!r})", native=True))
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "train.py").write_text("import alpha\nimport json\n")
    teul("init", "--as-of", "2024-06-01", "--python", "{}.{}".format(*sys.version_info[:2]), str(folder))
    said = (folder / "teul.toml").read_text()

    assert 'as_of = "2024-06-01"' in said
    assert (folder / "requirements.txt").read_text() == "alpha\n"

    # The small base has no useradd.
    (folder / "teul.toml").write_text(said.replace("[image]\n", '[image]\nuser = "root"\n'))
    engine = Engine.open(Settings.from_environ(environ))
    options = build_options(str(folder), read_project(str(folder)))
    first = build(engine, options).image
    add_third = make_wheel("alpha", "1.5", requires=("beta",))
    index.add(*add_third)

    assert locked(folder) == {"alpha": "1.0", "beta": "1.0"}
    assert build(engine, replace(options, no_cache=True)).image.id == first.id

    (folder / "requirements.txt").write_text("alpha\nboosting\n")
    with pytest.raises(BrokenEnvironment) as caught:
        build(engine, options)
    engine.close()
    assert "`boosting 1.2` cannot be imported with `numpy 2.4`" in str(caught.value)


def test_a_project_may_name_a_lock_of_another_tool(teul: Run, tmp_path: Path, environ: dict[str, str]) -> None:
    python = "{}.{}".format(*sys.version_info[:2])
    (tmp_path / "pyproject.toml").write_text(
        f'[project]\nname = "mine"\nversion = "0"\nrequires-python = ">={python}"\ndependencies = ["alpha"]\n'
    )
    uv = {"UV_DEFAULT_INDEX": environ["PIP_INDEX_URL"], "UV_CACHE_DIR": str(tmp_path / "uv")}
    subprocess.run([uv_program(), "lock", "-q", "--python", sys.executable], cwd=tmp_path, env=environ | uv, check=True)
    (tmp_path / "teul.toml").write_text(
        f'[project]\nname = "mine"\n[image]\npython = "{python}"\nuser = "root"\nrequirements = "uv.lock"\n'
    )
    engine = Engine.open(Settings.from_environ(environ))
    events: list[object] = []
    build(engine, build_options(str(tmp_path), read_project(str(tmp_path))), events=events.append)
    engine.close()

    assert any("installed without running the command: 2 packages" in str(getattr(item, "name", "")) for item in events)
    assert locked(tmp_path) == {"alpha": "1.0", "beta": "1.0"}
