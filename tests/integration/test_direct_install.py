"""A plain install that is done without running the command gives what the command gives; whatever is unusual runs."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest

from teul.build.python.lock import Lock
from teul.config import Settings
from teul.engine import Engine
from teul.engine.build import BuildOptions, build
from teul.engine.images import load
from teul.errors import BuildStepFailed
from teul.events import Line, Step
from teul.images import Image

sys.path.insert(0, str(Path(__file__).parent.parent / "unit" / "build" / "python"))
from package_index import PackageIndex, make_wheel
from test_wheel import make

pytestmark = [pytest.mark.slow, pytest.mark.needs_root, pytest.mark.needs_base, pytest.mark.needs_runc]

BASE = "python:3.11-slim"
AS_WRITTEN = "umask 022; "
"""More than an install, as far as a cautious reader can tell."""


def wheel(folder: Path, name: str, version: str, files: dict[str, bytes], requires: tuple[str, ...] = ()) -> None:
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n" + "".join(
        f"Requires-Dist: {item}\n" for item in requires
    )
    path = folder / f"{name}-{version}-py3-none-any.whl"
    scripts = [file for file in files if ".data/scripts/" in file]
    make(path, files | {f"{info}/METADATA": metadata.encode()}, info=info, modes=scripts)


@pytest.fixture(scope="module")
def links(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("links")
    large = {"large/data.bin": os.urandom(5 << 20), "large/__init__.py": b"x = 1\n"}
    wheel(folder, "large", "1.0", large, ("small",))
    wheel(folder, "huge", "1.0", {"huge/data.bin": os.urandom(5 << 20), "huge/__init__.py": b"x = 2\n"})
    scripts = {
        "small/__init__.py": b"def main():\n    print('small runs')\n",
        "small-2.0.dist-info/entry_points.txt": b"[console_scripts]\nsmall = small:main\n",
        "small-2.0.data/scripts/smaller": b"#!python\nprint('smaller runs')\n",
        "small-2.0.data/data/share/small/conf": b"[]\n",
        "space/one/__init__.py": b"",
    }
    wheel(folder, "small", "2.0", scripts)
    wheel(folder, "other", "1.0", {"space/two/__init__.py": b"", "other.py": b"\n"})
    wheel(folder, "thief", "1.0", {"small/__init__.py": b"stolen = True\n", "thief.py": b"\n"})
    return folder


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory, links: Path, python_base: str) -> Engine:
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_"))}
    environ |= {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(links)}
    environ["TEUL_ROOT"] = str(tmp_path_factory.mktemp("state"))
    first = Engine.open(Settings.from_environ({**os.environ, "TEUL_ROOT": environ["TEUL_ROOT"]}))
    with open(python_base, "rb") as file:
        load(first, file)
    first.close()
    opened = Engine.open(Settings.from_environ(environ))
    yield opened
    opened.close()


def built(engine: Engine, folder: Path, command: str, *, more: str = "", **options: object) -> tuple[Image, str]:
    """The image, and what the progress said about how it came to be."""
    folder.mkdir(exist_ok=True)
    (folder / "Dockerfile").write_text(f"FROM {BASE}\nRUN {command}\n{more}")
    events: list[object] = []
    made = BuildOptions(context=str(folder), **options)  # type: ignore[arg-type]
    image = build(engine, made, events=events.append).image
    said = [str(event.name) for event in events if isinstance(event, Step) and " install " in event.id]
    said += [event.data.decode(errors="replace") for event in events if isinstance(event, Line)]
    return image, "\n".join(said)


def flat(engine: Engine, image: Image) -> dict[str, tuple[object, ...]]:
    """Path → mode, owner, time and content; of bytecode the header, which says whether it is fresh."""
    seen: dict[str, tuple[object, ...]] = {}
    for name in engine.images.layers(image):
        folder = engine.snapshots.layer(name).folder
        for place, folders, files in os.walk(folder):
            for entry in [*folders, *files]:
                path = f"{place}/{entry}"
                status = os.lstat(path)
                content: object = None
                if stat.S_ISLNK(status.st_mode):
                    content = os.readlink(path)
                elif stat.S_ISREG(status.st_mode):
                    data = Path(path).read_bytes()
                    content = data[:16] if entry.endswith(".pyc") else data
                owner = (status.st_uid, status.st_gid)
                seen[os.path.relpath(path, folder)] = (oct(status.st_mode), owner, status.st_mtime_ns, content)
    return seen


@pytest.mark.parametrize(
    "command", ["pip install large other", "python3 -m pip install --no-cache-dir --no-compile large other"]
)
def test_the_tree_is_the_one_that_the_command_gives(engine: Engine, tmp_path: Path, command: str) -> None:
    direct, said = built(engine, tmp_path / "direct", command)
    written, ran = built(engine, tmp_path / "written", AS_WRITTEN + command)
    ours, theirs = flat(engine, direct), flat(engine, written)

    assert "installed without running the command: 3 packages" in said
    assert "the command runs as written: " in ran
    assert {path for path in ours.keys() | theirs.keys() if ours.get(path) != theirs.get(path)} == set()
    assert len(direct.config.diff_ids) == len(written.config.diff_ids)


def test_what_is_installed_works(engine: Engine, tmp_path: Path) -> None:
    more = "RUN small && smaller && pip check && pip freeze && python -c 'import large, space.one, space.two, other'\n"
    _, said = built(engine, tmp_path / "works", "pip install large other", more=more)

    for words in ("small runs", "smaller runs", "No broken requirements found", "large==1.0", "small==2.0"):
        assert words in said


def test_one_more_wheel_is_one_more_layer(engine: Engine, tmp_path: Path) -> None:
    one, _ = built(engine, tmp_path / "one", "pip install large")
    two, said = built(engine, tmp_path / "two", "pip install large huge other")
    three, again = built(engine, tmp_path / "three", "pip install huge")
    layers = [set(image.config.diff_ids) for image in (one, two, three)]

    assert "(0.0 MB fetched)" not in said
    assert "1 packages, 0 of them new (0.0 MB fetched)" in again
    # Those of `large` and of `huge` are the same, asked for by name or not; what says who was asked for is on top.
    names = {
        line.comment: digest
        for image in (one, two, three)
        for line, digest in zip(
            [line for line in image.config.history if not line.empty_layer], image.config.diff_ids, strict=True
        )
    }
    assert names["large 1.0"] in layers[0] & layers[1]
    assert names["huge 1.0"] in layers[1] & layers[2]


def test_two_that_own_one_file_are_left_to_the_command(engine: Engine, tmp_path: Path) -> None:
    image, said = built(engine, tmp_path / "thief", "pip install large thief")
    site = "usr/local/lib/python3.11/site-packages"

    assert "the command runs as written: `small` and `thief` both own" in said.replace(
        "`thief` and `small`", "`small` and `thief`"
    )
    assert flat(engine, image)[f"{site}/small/__init__.py"][3] in (
        b"stolen = True\n",
        b"def main():\n    print('small runs')\n",
    )


def test_what_pip_refuses_pip_explains(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(BuildStepFailed) as caught:
        built(engine, tmp_path / "missing", "pip install large nothing-of-that-name")

    assert "No matching distribution found for nothing-of-that-name" in caught.value.stderr_tail


def test_a_file_that_is_there_already_is_left_to_the_command(engine: Engine, tmp_path: Path) -> None:
    site = "/usr/local/lib/python3.11/site-packages"
    folder = tmp_path / "there"
    folder.mkdir()
    (folder / "Dockerfile").write_text(f"FROM {BASE}\nRUN echo mine > {site}/other.py\nRUN pip install other\n")
    events: list[object] = []
    image = build(engine, BuildOptions(context=str(folder)), events=events.append).image

    assert any("other.py` is there already" in str(event.name) for event in events if isinstance(event, Step))
    assert flat(engine, image)[f"{site[1:]}/other.py"][3] == b"\n"


def test_nothing_of_an_attempt_is_left_behind(engine: Engine, tmp_path: Path) -> None:
    built(engine, tmp_path / "left", "pip install large thief huge")

    assert [key for key in list(engine.snapshots.keys()) if key.startswith("build-")] == []
    assert [finding for finding in engine.snapshots.check(is_deep=True) if finding.code == "layer-damaged"] == []


@pytest.fixture
def index():
    with PackageIndex() as index:
        # Whoever gives one of a pair its newest version must give the other an old one; there are two pairs.
        for low, left, right in (("low", "left", "right"), ("depth", "up", "down")):
            index.add(*make_wheel(low, "1.0"))
            index.add(*make_wheel(low, "2.0"))
            index.add(*make_wheel(left, "1.0", requires=(low,)))
            index.add(*make_wheel(left, "2.0", requires=(f"{low}<2",)))
            index.add(*make_wheel(right, "1.0", requires=(low,)))
            index.add(*make_wheel(right, "2.0", requires=(f"{low}>=2",)))
        yield index


def test_pip_is_asked_once(engine: Engine, index: PackageIndex, tmp_path: Path) -> None:
    environ = {**(engine.settings.environ or {}), "PIP_INDEX_URL": index.url}
    opened = Engine.open(
        Settings.from_environ(
            {name: environ[name] for name in environ if name not in ("PIP_NO_INDEX", "PIP_FIND_LINKS")}
        )
    )
    folder, command = tmp_path / "project", "pip install left right up down"
    onto = {"network": "host", "allowed": ("network.host",)}
    image, said = built(opened, folder, command, writes_lock=True, **onto)
    assert "asking pip what it would install: the resolver had to search" in said
    assert "installed without running the command: 6 packages" in said
    (install,) = Lock.parse((folder / "teul.lock").read_text()).installs
    assert {wheel.name for wheel in install.wheels} == {"left", "right", "low", "up", "down", "depth"}

    # Newer versions appear, and the index goes away: neither matters to who has the lock.
    index.add(*make_wheel("right", "3.0"))
    index.add(*make_wheel("left", "3.0"))
    index.asked.clear()
    again, said = built(opened, folder, command, no_cache=True, **onto)
    assert "asking pip" not in said
    assert (again.id, index.asked) == (image.id, [])
    index.server.shutdown()
    index.server.server_close()
    offline, _ = built(opened, folder, command, no_cache=True, is_offline=True, **onto)
    assert offline.id == image.id
    opened.close()
