"""Every install of the corpus gives one tree: done without the command, cut by wheel, and in one layer.

Compared are paths, modes, owners, times, links and contents, with RECORD, INSTALLER, REQUESTED and direct_url.json; of
bytecode what it says of its source, and the code itself. What pip and Python make of the result is asked at the end.

`TEUL_CORPUS=wide` (`make installs`) adds real packages of the index.
"""

from __future__ import annotations

import marshal
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import MAGIC_NUMBER
from pathlib import Path

import pytest

from integration.install_cases import (
    CASES,
    DIRECT,
    FILES,
    POETRY,
    POETRY_PROJECT,
    POETRY_WIDE,
    PROJECTS,
    VENVS,
    WITH_VENV,
    wheel,
    wheels,
)
from teul.build.python import attempt, cut, direct, split
from teul.config import Settings
from teul.engine import Engine
from teul.engine.build import BuildOptions, build
from teul.engine.images import load
from teul.events import Line, Step
from teul.images import Image
from teul.layers.lower import Lower

sys.path.insert(0, str(Path(__file__).parent.parent / "unit" / "build" / "python"))
from package_index import PackageIndex

pytestmark = [pytest.mark.slow, pytest.mark.needs_root, pytest.mark.needs_base, pytest.mark.needs_runc]

BASE = "python:3.11-slim"
OWN_LAYER_BYTES = 20_000
WIDE = {
    "churn": ("RUN pip install catboost==1.2.5 pandas==2.2.2 scikit-learn==1.4.2 'numpy<2'", DIRECT),
    "web": ("RUN pip install 'fastapi==0.115.0' 'uvicorn[standard]==0.30.6' gunicorn==22.0.0", DIRECT),
    "notebook": ("RUN pip install jupyterlab==4.2.5", DIRECT),
    "made and filled": ("RUN python -m venv /v && /v/bin/pip install flask==3.0.3 numpy==1.26.4", "run"),
    "newer tools": ("RUN pip install -U setuptools wheel", DIRECT),
    "uv real": (f"RUN pip install uv=={version('uv')}\nRUN uv pip install --system mlflow-skinny==2.16.2", DIRECT),
    "poetry itself": ("RUN pip install poetry==1.8.3", DIRECT),
    "poetry of old": ("FROM with-poetry-1\nRUN poetry install --all-extras", DIRECT),
    "poetry of today": (
        "FROM with-newest-poetry\nENV POETRY_VIRTUALENVS_IN_PROJECT=1\nRUN poetry sync --no-root",
        DIRECT,
    ),
    "poetry with bytecode": ("FROM with-newest-poetry\nRUN poetry install --compile --no-root", "run"),
    "poetry that takes away": (
        "FROM with-poetry\nENV POETRY_VIRTUALENVS_CREATE=false\nRUN poetry install --no-root --sync",
        "run",
    ),
    "poetry of another user": (
        "FROM with-poetry\nRUN useradd -m me && chown -R me /app\nUSER me\nRUN poetry install --only main",
        DIRECT,
    ),
}
Tree = dict[str, tuple[object, ...]]


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    for name, content in FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(content)
    (folder / "wheels").mkdir()
    for name, data in wheels().items():
        (folder / "wheels" / name).write_bytes(data)
    from uv import find_uv_bin

    shutil.copy(find_uv_bin(), folder / "uv")
    return folder


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory, context: Path, python_base: str) -> Engine:
    root = str(tmp_path_factory.mktemp("state"))
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_"))}
    first = Engine.open(Settings.from_environ({**os.environ, "TEUL_ROOT": root}))
    with open(python_base, "rb") as file:
        load(first, file)
    first.close()
    before = {module: module.OWN_LAYER_BYTES for module in (split, cut, direct)}
    for module in before:
        module.OWN_LAYER_BYTES = OWN_LAYER_BYTES
    with PackageIndex() as index:
        hashed = []
        universal = []
        for path in sorted((context / "wheels").iterdir()):
            digest = index.add(path.name, path.read_bytes())
            if path.name.startswith(("alpha-1.0", "beta-1.0")):
                hashed.append(f"{path.name.split('-')[0]}==1.0 --hash=sha256:{digest}\n")
            if path.name.startswith("beta-"):
                sign = "<" if "-1.0" in path.name else ">="
                line = f'beta=={path.name.split("-")[1]} ; python_version {sign} "3.9" --hash=sha256:{digest}\n'
                universal.append(line)
        for project in PROJECTS:
            locking = ["lock", "--default-index", index.url, "--no-cache", "--no-config", "--python", sys.executable]
            subprocess.run([context / "uv", *locking], cwd=context / project, check=True, env=environ)
        (context / "poetry" / "served").mkdir(parents=True)
        (context / "poetry" / "served" / "__init__.py").write_text("def main():\n    print('serves')\n")
        (context / "poetry" / "pyproject.toml").write_text(POETRY_PROJECT.format(index=index.url))
        (context / "universal.txt").write_text("".join(reversed(universal)))
        (context / "hashed.txt").write_text("".join(hashed))
        environ |= {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": index.url, "UV_INDEX_URL": index.url}
        opened = Engine.open(Settings.from_environ(environ | {"TEUL_ROOT": root}))
        dockerfile = f"FROM {BASE}\n{VENVS}\n"
        build(opened, BuildOptions(context=str(context), dockerfile_text=dockerfile, tags=(WITH_VENV,)))
        yield opened
        opened.close()
    for module, size in before.items():
        module.OWN_LAYER_BYTES = size


@pytest.fixture(scope="module")
def real(engine: Engine) -> Engine:
    """The same store with the settings of this host: what is installed comes from the index that it uses."""
    opened = Engine.open(Settings.from_environ({**os.environ, "TEUL_ROOT": engine.settings.root}))
    yield opened
    opened.close()


def built(engine: Engine, context: Path, body: str) -> tuple[Image, list[str], str]:
    """The image, what was said about installs, and all output."""
    dockerfile = f"{body}\n" if body.startswith("FROM") else f"FROM {BASE}\n{body}\n"
    events: list[object] = []
    options = BuildOptions(context=str(context), dockerfile_text=dockerfile, no_cache=True, network="host")
    image = build(engine, options, events=events.append).image
    said = [str(event.name) for event in events if isinstance(event, Step) and " install " in event.id]
    output = "".join(event.data.decode(errors="replace") for event in events if isinstance(event, Line))
    return image, list(dict.fromkeys(said)), output


def tree(folders: list[str], below: int) -> Tree:
    """Path → what a container sees of it.

    Of files of the first *below* layers, which all have, only that they are there; the times of their folders do not
    count: `pip` touches /tmp.
    """
    seen: Tree = {}
    known = {path for path, *_ in Lower(folders[:below]).walk()}
    for path, layer, place, status in Lower(folders).walk():
        if stat.S_ISDIR(status.st_mode) and path in known:
            seen[os.fsdecode(path)] = (oct(status.st_mode), status.st_uid, status.st_gid)
            continue
        if layer < below:
            seen[os.fsdecode(path)] = ("below",)
            continue
        content: object = None
        if stat.S_ISLNK(status.st_mode):
            content = os.readlink(place)
        elif stat.S_ISREG(status.st_mode):
            data = Path(os.fsdecode(place)).read_bytes()
            content = bytecode(data) if path.endswith(b".pyc") else data
        attributes = sorted(name for name in os.listxattr(place, follow_symlinks=False) if ".overlay." not in name)
        seen[os.fsdecode(path)] = (
            oct(status.st_mode), status.st_uid, status.st_gid, status.st_mtime_ns, tuple(attributes), content,
        )  # fmt: skip
    return seen


def bytecode(data: bytes) -> object:
    """What the interpreter checks, and the code: its marshalled form depends on the moment's reference counts."""
    assert len(data) > 16
    return (data[:16], marshal.loads(data[16:]) if data[:4] == MAGIC_NUMBER else None)


def layers_of(engine: Engine, image: Image) -> list[str]:
    return [engine.snapshots.layer(name).folder for name in engine.images.layers(image)]


def differences(one: Tree, other: Tree) -> list[str]:
    """Readable: the first few paths that are not the same, with what each side has."""
    differing = [path for path in sorted(one.keys() | other.keys()) if one.get(path) != other.get(path)]
    return [f"{path}: {str(one.get(path))[:300]} | {str(other.get(path))[:300]}" for path in differing[:12]]


@pytest.fixture(scope="module")
def poetries(real: Engine, context: Path) -> Callable[[str], None]:
    """Makes a base with a poetry, and the project in /app, locked."""
    made: set[str] = set()

    def make(name: str) -> None:
        if name not in made:
            steps = f"RUN pip install --no-cache-dir {POETRIES[name]}\nWORKDIR /app\nCOPY poetry ./\n"
            locking = "RUN POETRY_VIRTUALENVS_CREATE=false poetry lock -n\n"
            options = BuildOptions(
                context=str(context), dockerfile_text=f"FROM {BASE}\n{steps}{locking}", tags=(name,), network="host"
            )
            build(real, options)
            made.add(name)

    return make


POETRIES = POETRY | POETRY_WIDE
ALL = CASES | WIDE if os.environ.get("TEUL_CORPUS") == "wide" else CASES


@pytest.mark.parametrize("name", ALL)
def test_one_tree_three_ways(
    request: pytest.FixtureRequest, engine: Engine, context: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    body, path = ALL[name]
    if name in WIDE:
        engine = request.getfixturevalue("real")
    base = body.split()[1] if body.startswith("FROM") else BASE
    if base in POETRIES:
        request.getfixturevalue("poetries")(base)
    below = len(engine.images.get(base).config.diff_ids)
    direct_image, said, _ = built(engine, context, body)
    ways = {DIRECT if line.startswith("installed without") else "run" for line in said[-1:]}

    assert ways <= {path}, said
    assert path != DIRECT or ways == {DIRECT}, said

    uncut: list[Tree] = []
    cutting = cut.cut

    def look_then_cut(snapshots, key, upper, **options):
        uncut.append(tree([*below_folders(engine, snapshots, key), upper], below))
        return cutting(snapshots, key, upper, **options)

    monkeypatch.setattr(cut, "cut", look_then_cut)
    monkeypatch.setattr(attempt, "looks_like_install", lambda op: False)
    written, unsaid, _ = built(engine, context, body)
    whole = tree(layers_of(engine, written), below)

    assert unsaid == []
    assert differences(uncut[-1], whole) == []
    assert differences(tree(layers_of(engine, direct_image), below), whole) == []
    assert len(written.config.diff_ids) < 125


def below_folders(engine: Engine, snapshots, key: str) -> list[str]:
    return [snapshots.layer(name).folder for name in snapshots.parents(key)]


def test_what_was_installed_is_in_order(engine: Engine, context: Path) -> None:
    """pip and Python themselves, on what was made without them."""
    install = "RUN pip install alpha 'gamma[more]' dataful space-one space-two plat large sharp && pip install early"
    check = (
        "RUN pip check && pip freeze && run-it && tool && python -W error -c "
        '"import alpha.deep.one, beta, gamma, scripts, dataful, pure, plat_part, space.one, space.two, plat, large,'
        ' sharp, early; print(plat.tag, early.v, dataful.__cached__)"'
    )
    _, said, output = built(engine, context, f"{install}\n{check}")

    assert [line.startswith("installed without") for line in said] == [True]
    for line in (
        "No broken requirements found.", "alpha==2.0", "beta==1.5", "space-one==1.0", "runs", "tool",
        "cp311-cp311-manylinux_2_17_x86_64 1 /usr/local/lib/python3.11/site-packages/__pycache__/dataful.cpython-311.pyc",
    ):  # fmt: skip
        assert line in output


def test_two_hundred_packages_stay_within_the_budget(engine: Engine, context: Path, tmp_path: Path) -> None:
    """As many as a serving stack has, a third of them large; one more then changes one layer of wheels."""
    names = [f"many{number:03}" for number in range(201)]
    for name in names:
        size = 30_000 if int(name[4:]) % 3 == 0 else 100
        filename, data = wheel(name, "1.0", {f"{name}.py": b"x = 1\n", f"{name}.bin": os.urandom(size)})
        (tmp_path / filename).write_bytes(data)
    shutil.copytree(tmp_path, context / "many", dirs_exist_ok=True)
    links = "COPY many /many\nRUN pip install --no-index --find-links=/many"
    first, _, _ = built(engine, context, f"{links} {' '.join(names[:200])}")
    second, said, _ = built(engine, context, f"{links} {' '.join(names)}")
    pieces = [
        {line.comment: diff_id for line, diff_id in zip(lines, image.config.diff_ids, strict=True)}
        for image in (first, second)
        for lines in [[line for line in image.config.history if not line.empty_layer]]
    ]
    new = [name for name in pieces[1] if name.startswith("many") and name not in pieces[0]]

    assert said[-1].startswith("installed without running the command: 201 packages")
    assert len(second.config.diff_ids) <= 105
    assert len(new) == 1
    assert [
        name
        for name in pieces[0].keys() & pieces[1].keys()
        if name and pieces[0][name] != pieces[1][name] and "many" in name
    ] == []
