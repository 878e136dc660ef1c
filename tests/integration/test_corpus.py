"""A corpus of Dockerfiles makes the images that Docker 26 makes of them: files, links, modes, owners and the config.

What Docker made is recorded (`tests/corpus/record.py`); the differences that are meant are in `tests/corpus/allowed.py`.
"""

from __future__ import annotations

import io
import json
import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from corpus import allowed, base, case, picture
from corpus.case import Case, Surroundings, cases
from teul.cli.main import main
from teul.config import Settings
from teul.engine import Engine
from teul.oci.reference import Reference

pytestmark = [pytest.mark.needs_runc, pytest.mark.slow]
TAG = "corpus/case:1"
used: set[allowed.Allowed] = set()


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A state folder with the corpus's base."""
    if why := base.why_not():
        pytest.skip(why)
    root = tmp_path_factory.mktemp("corpus-state")
    settings = Settings.from_environ({**os.environ, "TEUL_ROOT": str(root), "TEUL_LANG": "en"})
    engine = Engine.open(settings)
    data = base.tar()
    engine.snapshots.unpack(io.BytesIO(data), json.loads(base.config())["rootfs"]["diff_ids"][0], ())
    engine.images.add(base.config(), names=[Reference.parse(base.NAME)])
    engine.close()
    yield settings
    shutil.rmtree(settings.run_root, ignore_errors=True)


@pytest.fixture(scope="module")
def below() -> picture.Tree:
    return picture.flatten([io.BytesIO(base.tar())])


@pytest.fixture(scope="module")
def files() -> Iterator[Surroundings]:
    folder = tempfile.mkdtemp(prefix="corpus-")
    try:
        with case.surroundings(folder) as made:
            yield made
    finally:
        shutil.rmtree(folder)


def seen(settings: Settings, item: Case, below: picture.Tree) -> dict[str, Any]:
    """The picture of the image that was built."""
    engine = Engine.open(settings)
    try:
        image = engine.images.get(TAG)
        start = {} if item.options.get("scratch") else below
        layers = []
        for name in engine.images.layers(image)[bool(start) :]:
            made = io.BytesIO()
            engine.snapshots.tar(name, made.write)
            made.seek(0)
            layers.append(made)
        return picture.picture(start, picture.flatten(layers, start), json.loads(image.config_bytes))
    finally:
        engine.close()


def build(item: Case, settings: Settings, files: Surroundings, monkeypatch: pytest.MonkeyPatch, *more: str) -> None:
    """`teul build`, with the words that Docker was given."""
    for name in list(os.environ):
        # What the host lends to RUN, its certificates' and indexes' settings, is no part of any answer.
        if name.upper().startswith(("PIP_", "UV_", "SSL_")) or name.upper().endswith(
            ("_PROXY", "_CA_BUNDLE", "_CERTS")
        ):
            monkeypatch.delenv(name)
    monkeypatch.setenv("TEUL_ROOT", settings.root)
    words = ["build", "--no-cache", "--progress=plain", "-t", TAG, *(word for word in more if word)]
    # Its output is shown by pytest when the assertion fails.
    assert main([*words, *files.arguments(item, str(item.folder / "Dockerfile"))]) == 0


@pytest.mark.parametrize("how", ["plain", "normalised"])
@pytest.mark.parametrize("item", cases(), ids=lambda item: item.name)
def test_docker_makes_the_same_image(
    state: Settings,
    below: picture.Tree,
    files: Surroundings,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    item: Case,
    how: str,
) -> None:
    if why := item.why_not():
        pytest.skip(why)
    build(item, state, files, monkeypatch, "--no-normalise" if how == "plain" else "")
    capfd.readouterr()
    unexpected = []
    expected, actual = item.recorded, seen(state, item, below)
    if how == "normalised":
        # Every time is made the same: `test_reproducible.py` holds that.
        del expected["times"], actual["times"]
    else:
        # A folder's time is that of its last entry, in an order that is each builder's own.
        for each in (expected, actual):
            each["times"] = {path: time for path, time in each["times"].items() if "folder" not in each["tree"][path]}
    for place, (one, other) in picture.differences(expected, actual).items():
        lines = [line for line in allowed.ALLOWED if line.covers(item.name, how, place, one, other)]
        used.update(lines[:1])
        if not lines:
            unexpected.append(f"{place}: Docker has {one!r}, teul {other!r}")
    assert not unexpected, "\n".join(unexpected)


@pytest.fixture(scope="module")
def archive(state: Settings, files: Surroundings) -> str:
    """An image of the corpus as `teul save` writes it, for other engines; under /tmp."""
    item = next(item for item in cases() if item.name == "seed-non-root")
    path = f"{files.folder}/image.tar"
    with pytest.MonkeyPatch.context() as patch:
        build(item, state, files, patch)
        assert main(["save", "-o", path, TAG]) == 0
    return path


def asked(words: list[str]) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("peer", ["docker", "podman"])
def test_other_engines_load_and_run_the_image(archive: str, peer: str) -> None:
    """`TEUL_PEER_DOCKER` and `TEUL_PEER_PODMAN` name commands that are not on PATH."""
    command = shlex.split(os.environ.get(f"TEUL_PEER_{peer.upper()}", peer))
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    info = subprocess.run([*command, "info"], capture_output=True, text=True, check=False)
    if info.returncode:
        pytest.skip(f"{peer} does not work here: {info.stderr.strip()[-200:]}")

    asked([*command, "load", "-i", archive])
    try:
        shown = asked(
            [
                *command,
                "run",
                "--rm",
                "--network=none",
                TAG,
                "sh",
                "-c",
                "id -un; pwd; cat who; stat -c %a:%U private app.py",
            ]
        )
        config = json.loads(asked([*command, "image", "inspect", TAG]))[0]["Config"]
    finally:
        subprocess.run([*command, "image", "rm", "-f", TAG], capture_output=True, check=False)

    assert shown.split() == ["runner", "/home/runner/app", "runner", "750:runner", "644:runner"]
    assert (config["User"], config["Cmd"]) == ("runner", ["./entrypoint.sh", "python3", "app.py"])


def test_skopeo_reads_the_image_and_copies_it(archive: str, tmp_path: Path) -> None:
    if shutil.which("skopeo") is None:
        pytest.skip("skopeo is not installed")

    config = json.loads(asked(["skopeo", "inspect", "--config", f"docker-archive:{archive}"]))
    # Copying reads every layer and holds it against its digest.
    asked(["skopeo", "copy", "--insecure-policy", f"docker-archive:{archive}", f"oci:{tmp_path}/layout:1"])
    again = json.loads(asked(["skopeo", "inspect", "--config", f"oci:{tmp_path}/layout:1"]))

    assert config["config"]["User"] == "runner"
    assert again["rootfs"] == config["rootfs"]


def test_every_allowed_difference_is_one(request: pytest.FixtureRequest) -> None:
    wanted = 2 * len(cases()) + 1
    if len(request.session.items) < wanted or any(item.why_not() for item in cases()):
        pytest.skip("only some of the cases ran")

    assert [f"{line.cases}: {line.place}" for line in allowed.ALLOWED if line not in used] == []
