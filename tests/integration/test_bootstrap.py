"""Base images from Debian's packages: the same each time, and as the official ones are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest

from teul.config import Settings
from teul.engine import Engine, images, system
from teul.errors import BootstrapFailed, UnknownBase
from teul.events import Step
from teul.runtime.foreground import run
from teul.runtime.spec import Process, Sandbox

pytestmark = [pytest.mark.needs_base, pytest.mark.needs_runc, pytest.mark.needs_index, pytest.mark.slow]

NAME = "python:3.11-slim"


def open_engine(folder, **more):
    return Engine.open(Settings.from_environ({**os.environ, "TEUL_ROOT": str(folder), **more}))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """An engine with the base image, made in odd circumstances, and the steps that were told."""
    before = os.umask(0o077)
    try:
        engine = open_engine(tmp_path_factory.mktemp("base"), TZ="Asia/Seoul")
        events = []
        images.bootstrap(engine, NAME, events=events.append)
    finally:
        os.umask(before)
    yield engine, events
    engine.close()


@pytest.fixture(scope="module")
def engine(made):
    return made[0]


def shell(engine, script, *, name=NAME, user=0):
    """Run *script* in a container of the image as a build would; returns what it printed and what it left behind."""
    image = engine.images.get(name)
    key = f"test-{os.urandom(4).hex()}"
    engine.snapshots.prepare(key, engine.images.layers(image))
    printed = []
    try:
        folder = f"{engine.settings.root}/{key}"
        process = Process(args=("/bin/sh", "-euc", script), env=image.config.config.env, uid=user, gid=user)
        code = run(
            engine.driver,
            Sandbox(process=process, rootfs=f"{folder}/rootfs", network="host"),
            id=key,
            bundle=folder,
            rootfs_mounts=engine.snapshots.mounts(key),
            on_output=lambda stream, data: printed.append((stream, data)),
            trust=engine.settings,
        )
        left = [
            os.path.relpath(os.path.join(place, file), engine.snapshots.upper(key))
            for place, _, files in os.walk(engine.snapshots.upper(key))
            for file in files
        ]
    finally:
        engine.snapshots.remove(key)
    said = b"".join(data for _, data in printed).decode()
    assert code == 0, said
    return b"".join(data for stream, data in printed if stream == "stdout").decode(), left


def test_it_is_the_same_wherever_and_whenever_it_is_made(engine, python_base, tmp_path):
    other = open_engine(tmp_path / "other")
    with open(python_base, "rb") as file:
        images.load(other, file)

    assert other.images.get(NAME).id == engine.images.get(NAME).id
    other.close()


def test_it_says_what_it_is(engine):
    image = engine.images.get(NAME)

    assert image.origin == f"bootstrap {NAME}"
    assert "PYTHON_VERSION=3.11.2" in image.config.config.env
    assert "LANG=C.UTF-8" in image.config.config.env
    assert image.config.config.command == ("python3",)
    assert len(image.config.diff_ids) == 2


def test_it_is_about_as_large_as_the_official_one(engine):
    sizes = [engine.snapshots.layer(name).size_bytes for name in engine.images.layers(engine.images.get(NAME))]

    assert 70e6 < sizes[0] < 80e6
    assert sum(sizes) < 145e6


def test_nothing_of_the_host_or_of_the_making_is_in_it(engine):
    found = []
    for name in engine.images.layers(engine.images.get(NAME)):
        folder = engine.snapshots.layer(name).folder
        for place, folders, files in os.walk(folder):
            found += [os.path.relpath(os.path.join(place, item), folder) for item in (*folders, *files)]
    suspicious = [
        path
        for path in found
        if path.startswith(("tmp/", "run/", "dev/", "proc/", "opt/", "home/", "root/.cache", "var/lib/apt/lists/"))
        or path in ("etc/resolv.conf", "etc/hostname", "etc/apt/sources.list")
        or (path.startswith("var/log/") and "." in path)
    ]

    assert suspicious == []
    assert system.fsck(engine) == []
    assert os.listdir(f"{engine.settings.root}/bootstrap") == []


def test_progress_was_told(made):
    steps = [(event.id, event.state) for event in made[1] if isinstance(event, Step)]

    assert steps == [("debian", "started"), ("debian", "done"), ("python", "started"), ("python", "done")]


def test_python_is_where_the_official_image_has_it(engine):
    script = """
import json, site, sys, sysconfig
print(json.dumps([sys.executable, sys.prefix, sys.base_prefix, sys.path, site.getsitepackages(),
                  sysconfig.get_path("purelib"), sysconfig.get_path("include"), sys.version.split()[0]]))
"""
    said, left = shell(
        engine, f"for name in python python3 python3.11 pip pip3; do command -v $name; done; python -c '{script}'"
    )
    *programs, facts = said.splitlines()
    lib = "/usr/local/lib/python3.11"

    assert programs == [f"/usr/local/bin/{name}" for name in ("python", "python3", "python3.11", "pip", "pip3")]
    assert json.loads(facts) == [
        "/usr/local/bin/python",
        "/usr/local",
        "/usr/local",
        ["", "/usr/local/lib/python311.zip", lib, f"{lib}/lib-dynload", f"{lib}/site-packages"],
        [f"{lib}/site-packages"],
        f"{lib}/site-packages",
        "/usr/local/include/python3.11",
        "3.11.2",
    ]
    assert left == []


def test_no_bytecode_is_stale(engine):
    script = """
import os, struct, sys
stale = count = 0
for place, _, files in os.walk("/usr/local/lib/python3.11"):
    for name in files:
        if name.endswith(".pyc"):
            with open(os.path.join(place, name), "rb") as file:
                flags, time, size = struct.unpack("<4xIII", file.read(16))
            source = os.path.join(os.path.dirname(place), name.split(".")[0] + ".py")
            status = os.stat(source)
            count += 1
            stale += flags != 0 or time != int(status.st_mtime) or size != status.st_size
print(count > 500, stale)
"""
    said, _ = shell(engine, f"python -c '{script}'")

    assert said.split() == ["True", "0"]


def test_pip_installs_for_root_into_site_packages(engine):
    said, left = shell(
        engine,
        "pip install -q --no-cache-dir --no-compile six==1.17.0 2>&1 | grep -v -i warning >&2 || true;"
        " python -B -c 'import six; print(six.__file__)'",
    )

    assert said == "/usr/local/lib/python3.11/site-packages/six.py\n"
    assert [path for path in left if not path.startswith("usr/local/lib/python3.11/site-packages/six")] == []


def test_pip_installs_for_a_user_at_home(engine):
    said, _ = shell(
        engine,
        "mkdir -p /tmp/home; export HOME=/tmp/home; pip install -q --no-cache-dir six==1.17.0 >&2;"
        " python -c 'import six; print(six.__file__)'",
        user=1000,
    )

    assert said == "/tmp/home/.local/lib/python3.11/site-packages/six.py\n"


def test_a_virtual_environment_has_the_current_pip(engine):
    said, _ = shell(engine, "python -m venv /opt/v; /opt/v/bin/pip --version; pip --version")
    inside, outside = said.splitlines()

    assert inside.split()[1] == outside.split()[1]
    assert "/opt/v/lib/python3.11/site-packages/pip" in inside


def test_uv_installs_into_the_system(engine):
    said, _ = shell(
        engine,
        "pip install -q --no-cache-dir uv >&2; uv pip install --quiet --system six==1.17.0 >&2;"
        " python -c 'import six; print(six.__file__)'",
    )

    assert said == "/usr/local/lib/python3.11/site-packages/six.py\n"


def test_site_packages_of_one_stage_work_in_another(engine):
    """What `COPY --from=builder /usr/local/lib/python3.11/site-packages …` does."""
    said, _ = shell(
        engine,
        "pip install -q --no-cache-dir --root /stage six==1.17.0 >&2;"
        " cp -a /stage/usr/local/lib/python3.11/site-packages/. /usr/local/lib/python3.11/site-packages/;"
        " python -c 'import six; print(six.__version__)'",
    )

    assert said == "1.17.0\n"


def test_dpkg_and_apt_are_in_order(engine):
    said, _ = shell(engine, "dpkg --audit; dpkg -s libssl3 ca-certificates | grep ^Status; ls /etc/apt/sources.list.d")

    assert said.splitlines() == ["Status: install ok installed"] * 2 + ["debian.sources"]


def test_what_debian_has_not_is_refused_at_once(engine):
    with pytest.raises(UnknownBase):
        images.bootstrap(engine, "python:3.12-slim")


def test_a_mirror_that_cannot_be_reached_ends_well(engine):
    before = [layer.name for layer in engine.snapshots.layers()]
    with pytest.raises(BootstrapFailed) as caught:
        images.bootstrap(engine, "debian:bookworm-slim", mirror="http://127.0.0.1:9/debian")

    assert "--mirror" in str(caught.value.hint)
    assert [layer.name for layer in engine.snapshots.layers()] == before
    assert list(engine.snapshots.keys()) == []
    assert os.listdir(f"{engine.settings.root}/bootstrap") == []


def test_a_run_that_was_killed_leaves_no_process_and_no_mount(engine, tmp_path):
    root = tmp_path / "killed"
    child = subprocess.Popen(
        [sys.executable, "-m", "teul.cli.main", "image", "bootstrap", "debian:bookworm-slim"],
        env={**os.environ, "TEUL_ROOT": str(root), "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert child.stderr is not None
    seen = b""
    # Packages are being set up: everything is mounted.
    while b"installing essential" not in seen:
        line = child.stderr.readline()
        assert line, seen
        seen += line
    child.kill()
    child.wait()
    child.stderr.close()
    deadline = time.monotonic() + 10
    while (left := processes_that_name(str(root))) and time.monotonic() < deadline:
        time.sleep(0.02)
    with open("/proc/self/mountinfo") as file:
        mounts = [line for line in file if str(root) in line]

    assert left == []
    assert mounts == []
    again = open_engine(root)
    assert again.images.list() == []
    assert system.fsck(again) == []
    again.close()


def processes_that_name(word):
    found = []
    for entry in os.listdir("/proc"):
        try:
            with open(f"/proc/{entry}/cmdline", "rb") as file:
                if word.encode() in file.read():
                    found.append(int(entry))
        except (OSError, ValueError):
            continue
    return found
