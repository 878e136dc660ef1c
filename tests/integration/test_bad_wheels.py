"""Indexes that lie, wheels that reach out, RECORDs that claim what is others', a network that dies, kill -9: never a
wrong image. Either the command runs and says what is wrong, or the build fails by name; nothing else is touched.
"""

from __future__ import annotations

import base64
import collections
import csv
import hashlib
import io
import itertools
import os
import signal
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest

from integration.install_cases import wheel
from teul.build.python import cut, direct, split
from teul.config import Settings
from teul.engine import Engine
from teul.engine.build import BuildOptions, build
from teul.engine.images import load
from teul.engine.system import fsck
from teul.errors import BuildStepFailed, TeulError
from teul.events import Line, Step
from teul.layers.lower import Lower

sys.path.insert(0, str(Path(__file__).parent.parent / "unit" / "build" / "python"))
from package_index import PackageIndex, make_source

pytestmark = [pytest.mark.slow, pytest.mark.needs_root, pytest.mark.needs_base, pytest.mark.needs_runc]

BASE = "python:3.11-slim"
SITE = "usr/local/lib/python3.11/site-packages"
DYING_BYTES = 3 << 20
"""Half of it comes as more than one piece each time, from the start: that is no progress, and ends."""


class BadIndex(PackageIndex):
    """An index that may send other bytes than it promised, or stop in the middle."""

    lies: str = ""
    dies: str = ""
    stalls: str = ""

    def __init__(self, *words, **named) -> None:
        super().__init__(*words, **named)
        self.has_stalled, self.goes_on = threading.Event(), threading.Event()

    def answer(self, request) -> None:
        name = request.path.rpartition("/")[2]
        if self.lies and name.startswith(self.lies):
            _, body = wheel(self.lies, "1.0", {f"{self.lies}.py": b"evil = True\n"})
            request.send_response(200)
            request.send_header("Content-Length", str(len(body)))
            request.end_headers()
            request.wfile.write(body)
        elif self.dies and name.startswith(self.dies):
            body = self.files[self.dies][name][0]
            request.send_response(200)
            request.send_header("Content-Length", str(len(body)))
            request.end_headers()
            request.wfile.write(body[: len(body) // 2])
            request.close_connection = True
        elif self.stalls and name.startswith(self.stalls) and request.command == "GET":
            request.send_response(200)
            request.send_header("Content-Length", "1000")
            request.end_headers()
            self.has_stalled.set()
            self.goes_on.wait()
            request.close_connection = True
        else:
            super().answer(request)


def raw_wheel(name: str, files: dict[str, bytes], record: str | None = None) -> tuple[str, bytes]:
    """A wheel whose member names and RECORD are taken as they are."""
    info = f"{name}-1.0.dist-info"
    files = files | {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    if record is None:
        out = io.StringIO()
        for path, data in files.items():
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
            csv.writer(out, lineterminator="\n").writerow((path, f"sha256={digest}", len(data)))
        record = f"{out.getvalue()}{info}/RECORD,,\n"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, data in [*files.items(), (f"{info}/RECORD", record.encode())]:
            archive.writestr(zipfile.ZipInfo(path, (2020, 1, 1, 0, 0, 0)), data)
    return f"{name}-1.0-py3-none-any.whl", buffer.getvalue()


@pytest.fixture(scope="module")
def index():
    with BadIndex() as made:
        for name, size in (("good", 40_000), ("liar", 40_000), ("dying", DYING_BYTES)):
            made.add(*wheel(name, "1.0", {f"{name}.py": b"x = 1\n", f"{name}.bin": os.urandom(size)}))
        made.add(*raw_wheel("climber", {"../../../../../../tmp/climbed": b"x", "climber.py": b""}))
        made.add(*raw_wheel("rooted", {"/tmp/rooted": b"x", "rooted.py": b""}))
        claims = "claimer.py,,\n../../../../../etc/passwd,,\npip/__init__.py,,\n/etc/shadow,,\nclaimer-1.0.dist-info/RECORD,,\n"
        made.add(*raw_wheel("claimer", {"claimer.py": b"x = 1\n"}, claims))
        made.add(*wheel("slow", "1.0", {"slow.py": b""}))
        made.add(*wheel("twin_one", "1.0", {"twin.py": b"one = 1\n"}))
        made.add(*wheel("twin_two", "1.0", {"twin.py": b"two = 2\n"}))
        made.add(*raw_wheel("marker", {"marker.py": b"", ".wh.pip": b""}))
        filename, body = raw_wheel("renamed", {"renamed.py": b""})
        made.add(filename.replace("1.0", "2.0"), body)
        made.add(*wheel("foreign", "1.0", {"foreign.py": b""}, tag="cp311-cp311-win_amd64"))
        made.add(*wheel("needs_old", "1.0", {"n.py": b""}, more="Requires-Dist: good<1\n"))
        made.add(*make_source("broken-source", "1.0", mark="/tmp/ran"))
        yield made


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory, index: BadIndex, python_base: str):
    root = str(tmp_path_factory.mktemp("state"))
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_"))}
    first = Engine.open(Settings.from_environ({**os.environ, "TEUL_ROOT": root}))
    with open(python_base, "rb") as file:
        load(first, file)
    first.close()
    before = {module: module.OWN_LAYER_BYTES for module in (split, cut, direct)}
    for module in before:
        module.OWN_LAYER_BYTES = 20_000
    environ |= {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": index.url, "PIP_RETRIES": "0", "TEUL_ROOT": root}
    opened = Engine.open(Settings.from_environ(environ))
    yield opened
    opened.close()
    for module, size in before.items():
        module.OWN_LAYER_BYTES = size


def built(engine: Engine, folder: Path, command: str, *, base: str = BASE) -> tuple[dict[str, bytes], str]:
    """What the image has above its base, by path, and what was said."""
    events: list[object] = []
    text = f"FROM {base}\nRUN {command}\n"
    image = build(
        engine,
        BuildOptions(context=str(folder), dockerfile_text=text, no_cache=True, network="host"),
        events=events.append,
    ).image
    folders = [engine.snapshots.layer(name).folder for name in engine.images.layers(image)]
    below = len(engine.images.get(base).config.diff_ids)
    files = {
        os.fsdecode(path): Path(os.fsdecode(place)).read_bytes()
        for path, layer, place, status in Lower(folders).walk()
        if layer >= below and os.path.isfile(place) and not os.path.islink(place)
    }
    said = [str(event.name) for event in events if isinstance(event, Step)]
    said += [event.data.decode(errors="replace") for event in events if isinstance(event, Line)]
    return files, "\n".join(said)


def why_failed(engine: Engine, folder: Path, command: str) -> str:
    with pytest.raises(TeulError) as caught:
        built(engine, folder, command)
    tail = caught.value.stderr_tail if isinstance(caught.value, BuildStepFailed) else ""
    return f"{caught.value.message}\n{tail}"


def test_bytes_that_are_not_what_the_index_said_are_refused(engine, index, tmp_path):
    index.lies = "liar"
    try:
        said = why_failed(engine, tmp_path, "pip install good liar")
    finally:
        index.lies = ""

    assert "THESE PACKAGES DO NOT MATCH THE HASHES" in said or "sha256" in said
    files, _ = built(engine, tmp_path, "pip install good liar")
    assert files[f"{SITE}/liar.py"] == b"x = 1\n"


def test_a_network_that_dies_in_the_middle_leaves_nothing_that_is_used(engine, index, tmp_path):
    index.dies = "dying"
    try:
        why_failed(engine, tmp_path, "pip install dying")
    finally:
        index.dies = ""
    files, _ = built(engine, tmp_path, "pip install dying")

    assert len(files[f"{SITE}/dying.bin"]) == DYING_BYTES


def test_who_stops_the_build_does_not_wait_for_a_wheel_that_does_not_come(engine, index, tmp_path):
    script = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n" + BUILT.format(
        path=sys.path, environ=dict(engine.settings.environ or {}), folder=str(tmp_path),
        text=f"FROM {BASE}\nRUN pip install slow\n",
    )  # fmt: skip
    index.stalls = "slow-"
    try:
        with subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.DEVNULL) as process:
            try:
                assert index.has_stalled.wait(60)
                process.send_signal(signal.SIGINT)
                assert process.wait(20) != 0
            finally:
                process.kill()
    finally:
        index.stalls = ""
        index.goes_on.set()


@pytest.mark.parametrize("name", ["climber", "rooted"])
def test_a_wheel_never_writes_outside_its_environment(engine, index, tmp_path, name):
    """pip refuses the first and puts the second below site-packages, or refuses it: what pip does is what is made."""
    try:
        files, said = built(engine, tmp_path, f"pip install {name}")
    except TeulError:
        files, said = {}, "the command runs as written"

    assert "the command runs as written" in said
    assert not os.path.lexists("/tmp/climbed")
    assert not os.path.lexists("/tmp/rooted")
    assert [path for path in files if not path.startswith(("usr/local/", "root/.cache", "tmp/"))] == []


def test_a_record_that_claims_what_is_others_gets_none_of_it(engine, index, tmp_path):
    files, _ = built(engine, tmp_path, "pip install claimer good")

    assert files[f"{SITE}/claimer.py"] == b"x = 1\n"
    assert "etc/passwd" not in files
    assert "etc/shadow" not in files
    assert not [path for path in files if path.startswith(f"{SITE}/pip/")]


def test_two_owners_of_one_file_are_left_to_pip(engine, index, tmp_path):
    files, said = built(engine, tmp_path, "pip install twin-one twin-two")

    assert "both own" in said
    assert "installed without running the command" not in said
    assert files[f"{SITE}/twin.py"] in (b"one = 1\n", b"two = 2\n")


def test_a_name_that_a_layer_cannot_hold_is_refused(engine, index, tmp_path):
    """Here it would be an empty file, and on the machine that pulls the image, pip would be gone."""
    assert f"`/{SITE}/.wh.pip`: names with `.wh.` are reserved" in why_failed(engine, tmp_path, "pip install marker")


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("pip install good==1.0 needs-old", "ResolutionImpossible"),
        ("pip install foreign", "No matching distribution found for foreign"),
        ("pip install absent", "No matching distribution found for absent"),
        ("pip install renamed", "No matching distribution found for renamed"),
        ("pip install --no-build-isolation broken-source", "broken-source"),
    ],
)
def test_what_cannot_be_installed_pip_explains(engine, index, tmp_path, command, words):
    assert words in why_failed(engine, tmp_path, command)
    assert not os.path.lexists("/tmp/ran")


BUILT = """
import sys
sys.path[:0] = {path!r}
from teul.build.python import cut, direct, split
for one in (split, cut, direct):
    one.OWN_LAYER_BYTES = 20_000
from teul.config import Settings
from teul.engine import Engine
from teul.engine.build import BuildOptions, build
engine = Engine.open(Settings.from_environ({environ!r}))
build(engine, BuildOptions(context={folder!r}, dockerfile_text={text!r}, no_cache=True, network="host"))
"""
POISON = """
import importlib._bootstrap_external as _external
def _poisoned(self, data, path, _real=_external.SourceLoader.source_to_code, **words):
    return _real(self, b"evil = True" if path.endswith("poisoned.py") else data, path, **words)
_external.SourceLoader.source_to_code = _poisoned
"""


def test_a_base_with_another_standard_library_gives_its_bytecode_to_no_other(engine, index, tmp_path):
    """The interpreter's program is the same in both; what its compiler makes is kept for all images that share it."""
    index.add(*wheel("poisoned", "1.0", {"poisoned.py": b"x = 1\n", "poisoned.bin": os.urandom(40_000)}))
    (tmp_path / "poison.py").write_text(POISON)
    add = "import warnings; open(warnings.__file__, 'a').write(open('/poison.py').read())"
    text = f'FROM {BASE}\nCOPY poison.py /\nRUN python -c "{add}"\nRUN cp /poison.py /warnings.py\n'
    build(
        engine, BuildOptions(context=str(tmp_path), dockerfile_text=text, tags=("hostile",)), events=lambda event: None
    )
    bytecode = f"{SITE}/__pycache__/poisoned.cpython-311.pyc"

    hostile, said = built(engine, tmp_path, "pip install poisoned", base="hostile")
    assert "installed without running the command" in said
    assert b"evil" in hostile[bytecode]
    files, said = built(engine, tmp_path, "pip install poisoned")
    assert "installed without running the command" in said
    assert b"evil" not in files[bytecode]


KILLED = """
import itertools, os, sys
sys.path[:0] = {path!r}
import teul.build.python.{module} as module
from teul.build.python import cut, direct, split
for one in (split, cut, direct):
    one.OWN_LAYER_BYTES = 20_000
real = getattr({owner}, {name!r})
numbers = itertools.count(1)
def dying(*words, **named):
    number = next(numbers)
    made = real(*words, **named)
    if number == {at}:
        os.kill(os.getpid(), 9)
    return made
setattr({owner}, {name!r}, dying)
from teul.config import Settings
from teul.engine import Engine
from teul.engine.build import BuildOptions, build
engine = Engine.open(Settings.from_environ({environ!r}))
build(engine, BuildOptions(context={folder!r}, dockerfile_text={text!r}, no_cache=True, network="host"))
"""


def test_killed_at_every_instrumented_step_of_an_install_the_next_build_is_right(engine, index, tmp_path):
    """Each time with wheels that no build has seen; in the middle of the times that the step is passed."""
    numbers = itertools.count(1)

    def fresh() -> tuple[str, str]:
        mark = f"crash{next(numbers)}"
        for part, size in (("a", 30_000), ("b", 10)):
            index.add(
                *wheel(f"{mark}{part}", "1.0", {f"{mark}{part}.py": b"x = 1\n", f"{mark}{part}.bin": os.urandom(size)})
            )
        return mark, f"pip install {mark}a {mark}b"

    def run(command: str, **environ: str) -> int:
        script = BUILT.format(
            path=sys.path, environ=dict(engine.settings.environ or {}), folder=str(tmp_path),
            text=f"FROM {BASE}\nRUN {command}\n",
        )  # fmt: skip
        return subprocess.run([sys.executable, "-c", script], env=os.environ | environ, check=False).returncode

    log = tmp_path / "points"
    assert run(fresh()[1]) == 0  # what is asked of a base only once is no part of what is counted
    assert run(fresh()[1], TEUL_CRASH_LOG=str(log)) == 0
    passed = collections.Counter(log.read_text().split())
    assert passed.keys() >= {
        "ingest-written",
        "blob-renamed",
        "snapshot-renamed",
        "snapshot-committed",
        "transaction-done",
    }
    for name, times in sorted(passed.items()):
        mark, command = fresh()
        assert run(command, TEUL_CRASH_AT=f"{name}:{(times + 1) // 2}") == -signal.SIGKILL, name
        assert fsck(engine, is_deep=True) == [], name
        files, said = built(engine, tmp_path, command)
        assert "installed without running the command" in said, name
        assert files[f"{SITE}/{mark}a.py"] == files[f"{SITE}/{mark}b.py"] == b"x = 1\n"
        assert [len(files[f"{SITE}/{mark}{part}.bin"]) for part in "ab"] == [30_000, 10], name


@pytest.mark.parametrize(
    ("module", "owner", "name", "at"),
    [
        ("direct", "module.DirectInstall", "_root", 1),
        ("direct", "module.DirectInstall", "_commit_own", 1),
        ("direct", "module.DirectInstall", "_remember", 1),
        ("direct", "module.DirectInstall", "_bucket", 1),
        ("direct", "module.DirectInstall", "_finish_folders", 1),
        ("cut", "module", "move", 1),
        ("cut", "module", "move", 2),
        ("cut", "module", "prune", 1),
    ],
)
def test_killed_between_two_steps_the_next_build_is_right(engine, index, tmp_path, module, owner, name, at):
    """Each time with a wheel that no build has seen; the next build gives the tree of one that nothing disturbed."""
    mark = f"victim{module}{name.strip('_')}{at}".replace("_", "")
    for part in ("a", "b"):
        index.add(
            *wheel(
                f"{mark}{part}",
                "1.0",
                {f"{mark}{part}.py": b"x = 1\n", f"{part}{mark}.bin": os.urandom(30_000 if part == "a" else 10)},
            )
        )
    command = f"pip install {mark}a {mark}b"
    if module == "cut":
        command = f"umask 022; {command}"
    script = KILLED.format(
        path=sys.path, module=module, owner=owner, name=name, at=at, folder=str(tmp_path),
        environ=dict(engine.settings.environ or {}), text=f"FROM {BASE}\nRUN {command}\n",
    )  # fmt: skip
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)

    assert done.returncode == -signal.SIGKILL, done.stderr.decode()[-2000:]
    files, _ = built(engine, tmp_path, command)
    assert files[f"{SITE}/{mark}a.py"] == files[f"{SITE}/{mark}b.py"] == b"x = 1\n"
    assert len(files[f"{SITE}/a{mark}.bin"]) == 30_000
    assert [finding.code for finding in engine.snapshots.check(is_deep=True) if finding.code == "layer-damaged"] == []
