"""The promise: two clean builds, at another date, umask, time zone, CPU count, path and state folder, give one digest."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from teul.build.normalise import source_of
from teul.config import Settings
from teul.engine import Engine
from teul.engine.images import load
from teul.images import Image
from teul.layers.lower import Lower

BASE = "python:3.11-slim"
PIP = f"""\
FROM {BASE}
ENV PYTHONUNBUFFERED=1
RUN useradd --create-home app
WORKDIR /app
COPY requirements.txt .
RUN pip install -r requirements.txt
COPY . .
RUN python -m compileall -q . && python -c "import yaml, click, main"
USER app
HEALTHCHECK --interval=5s CMD ["python", "-c", "import main"]
CMD ["python", "main.py"]
"""
APT = f"""\
FROM {BASE}
RUN apt-get update && apt-get install -y --no-install-recommends less tree && rm -rf /var/lib/apt/lists/*
"""


def run(root: str, *words: str, prefix: tuple[str, ...] = (), umask: int = 0o022, **environ: str) -> str:
    done = subprocess.run(
        [*prefix, sys.executable, "-m", "teul.cli.main", *words],
        env={**os.environ, "TEUL_ROOT": root, "TEUL_LANG": "en", "PYTHONPATH": ":".join(sys.path), **environ},
        umask=umask,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory, python_base: str) -> tuple[str, str]:
    """Two state folders with the same base."""
    folder = tmp_path_factory.mktemp("states")
    made = []
    for number in (1, 2):
        root = str(folder / f"root-{number}")
        engine = Engine.open(Settings.from_environ({**os.environ, "TEUL_ROOT": root, "TEUL_LANG": "en"}))
        with open(python_base, "rb") as file:
            load(engine, file)
        engine.close()
        made.append(root)
    return made[0], made[1]


def stale(engine: Engine, image: Image, above: int) -> list[str]:
    """The `.pyc` files in the layers from number *above* on that do not fit the sources that are seen in the image."""
    folders = [engine.snapshots.layer(name).folder for name in engine.images.layers(image)]
    lower = Lower(folders)
    found = []
    for folder in map(os.fsencode, folders[above:]):
        for place, _, names in os.walk(folder):
            for path in (
                os.path.relpath(os.path.join(place, name), folder) for name in names if name.endswith(b".pyc")
            ):
                compiled, source = lower.find(path), lower.find(source_of(path))
                if compiled is None or source is None:
                    continue
                header = Path(os.fsdecode(compiled[0])).read_bytes()[:16]
                words = [int.from_bytes(header[at : at + 4], "little") for at in (4, 8, 12)]
                if words[0] == 0 and words[1:] != [int(source[1].st_mtime), source[1].st_size]:
                    found.append(os.fsdecode(path))
    return found


@pytest.mark.slow
@pytest.mark.needs_base
@pytest.mark.needs_index
@pytest.mark.needs_runc
@pytest.mark.parametrize("dockerfile", [PIP, APT], ids=["pip", "apt"])
def test_two_clean_builds_give_one_digest(roots: tuple[str, str], tmp_path: Path, dockerfile: str) -> None:
    for program in ("faketime", "taskset"):
        if not os.path.exists(f"/usr/bin/{program}"):
            pytest.skip(f"{program} is not installed")
    places = [tmp_path / "one", tmp_path / "another" / "place"]
    for place in places:
        place.mkdir(parents=True)
        (place / "Dockerfile").write_text(dockerfile)
        (place / "requirements.txt").write_text("PyYAML\nclick\n")
        (place / "main.py").write_text("import click\n")
        for name in os.listdir(place):
            (place / name).chmod(0o644)

    first = run(roots[0], "build", "-q", "-t", "proof", str(places[0]), TZ="UTC")
    second = run(
        roots[1],
        *("build", "-q", "-t", "proof", str(places[1])),
        prefix=("taskset", "-c", "0", "faketime", "2031-05-06 07:08:09"),
        umask=0o077,
        TZ="Asia/Seoul",
        LANG="ko_KR.UTF-8",
    )

    assert first == second
    engine = Engine.open(Settings.from_environ({**os.environ, "TEUL_ROOT": roots[0], "TEUL_LANG": "en"}))
    try:
        image = engine.images.get("proof")
        base = len(engine.images.get(BASE).config.diff_ids)
        assert stale(engine, image, base) == []
    finally:
        engine.close()
