"""`kill -9` at any point leaves nothing half-visible: `fsck` finds nothing, and the same command succeeds.

Commands run in children forked from here (imports are paid once), on one state folder that lives through all the kills.
"""

import collections
import glob
import importlib
import json
import os
import pkgutil
import random
import re
import select
import signal
import sys
import time

import pytest

import teul
from suites.layers import archive, digest_of, folder, hardlink, member
from suites.state import layer
from teul.cli.main import main
from teul.config import Settings
from teul.engine import Engine, containers, system
from teul.host import process
from teul.host.fs import remove_tree
from teul.host.mount import mounted
from teul.layers.codec import compress
from teul.oci.descriptor import OCI_CONFIG, OCI_LAYER_GZIP, OCI_MANIFEST, Descriptor, Platform
from teul.oci.digest import Digest
from teul.oci.image import ImageConfig, Manifest
from teul.oci.runtime import Mount
from teul.testing.registry import FakeRegistry

pytestmark = [pytest.mark.needs_root, pytest.mark.slow]
RANDOM_KILLS = 200
SEED = 20261120
SOURCES = os.path.dirname(teul.__file__)


def declared(*below):
    """The names of all crash points in these folders of the sources."""
    found = set()
    for path in glob.glob(f"{SOURCES}/{'/'.join(below)}/**/*.py", recursive=True):
        with open(path, encoding="utf-8") as file:
            found |= set(re.findall(r'crash_point\("([a-z-]+)"\)', file.read()))
    return found


class Place:
    """A state folder, a registry, and commands on them in processes of their own."""

    def __init__(self, root, domain, snapshotter):
        self.root = root
        self.domain = domain
        self.environ = {"TEUL_ROOT": f"{root}/state", "TEUL_LANG": "en", "TEUL_SNAPSHOTTER": snapshotter}
        os.mkdir(f"{root}/state")
        self.notes = f"{root}-notes"
        """What commands say, and what the test keeps: not on the disk that is tested."""
        os.makedirs(self.notes)
        os.makedirs(f"{root}/context")
        with open(f"{root}/context/Dockerfile", "w") as file:
            file.write("FROM app:1\nCOPY file /copied\nWORKDIR /here\nCOPY file file\n")
        with open(f"{root}/context/file", "w") as file:
            file.write("content")

    def keep(self):
        """Remember the state folder as it is now."""
        remove_tree(f"{self.notes}/kept")
        process.run(["cp", "-a", f"{self.root}/state", f"{self.notes}/kept"])

    def restore(self):
        """Back to what was kept."""
        remove_tree(f"{self.root}/state")
        process.run(["cp", "-a", f"{self.notes}/kept", f"{self.root}/state"])

    def engine(self):
        return Engine.open(Settings.from_environ(self.environ))

    def start(self, words, *, output="output", **environ):
        pid = os.fork()
        if pid:
            return pid
        try:
            descriptor = os.open(f"{self.notes}/{output}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(descriptor, 1)
            os.dup2(descriptor, 2)
            sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
            os.environ.update(self.environ | environ)
            system.ORPHAN_GRACE_S = 0
            code = main(words)
            sys.stdout.flush()
            sys.stderr.flush()
        except BaseException as error:
            os.write(2, repr(error).encode())
            code = 99
        os._exit(code)

    def end(self, pid):
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def run(self, words, *, output="output", **environ):
        return self.end(self.start(words, output=output, **environ))

    def output(self, name="output"):
        with open(f"{self.notes}/{name}") as file:
            return file.read()

    def points(self, words):
        """(name, which time) of every crash point that the command passes: the first time and the last."""
        log = f"{self.notes}/points"
        open(log, "w").close()
        assert self.run(words, TEUL_CRASH_LOG=log) == 0, self.output()
        with open(log) as file:
            passed = collections.Counter(file.read().split())
        return sorted({(name, count) for name, times in passed.items() for count in (1, times)})

    def check(self, words, what):
        """After a kill: all is whole, and the command works."""
        engine = self.engine()
        try:
            # As each command that looks at containers does: the folder of one that nobody knows yet goes.
            containers.list_containers(engine)
            found = system.fsck(engine, is_deep=True)
        finally:
            engine.close()
        assert found == [], f"{words} killed at {what}"
        code = self.run(words)
        # What a removal was to remove may be gone by the kill; saying so is right.
        allowed = (0, 1) if words[0] in ("rm", "rmi", "create") else (0,)
        assert code in allowed, f"{words} after a kill at {what}: {self.output()}"
        if code == 1:
            assert re.search("(?i)no such|not found|already in use", self.output()), self.output()


def image_in(registry):
    """Put an image of three layers into the registry; one of them does not stand alone."""
    tars = [
        layer(1, size=200_000),
        layer(2),
        archive(folder("x"), hardlink("x/link", "d1/file"), member("d2/.wh.file")),
    ]
    blobs = []
    for data in tars:
        pieces = []
        with compress("gzip", pieces.append) as compressor:
            compressor.write(data)
        blobs.append(b"".join(pieces))
    config = ImageConfig(platform=Platform.parse(os.uname().machine), diff_ids=tuple(digest_of(data) for data in tars))
    for data in (*blobs, config.to_bytes()):
        registry.put_blob("app", data)
    manifest = Manifest(
        config=Descriptor(OCI_CONFIG, config.digest, len(config.to_bytes())),
        layers=tuple(Descriptor(OCI_LAYER_GZIP, Digest.of(blob), len(blob)) for blob in blobs),
    )
    registry.put_manifest("app", "1", manifest.to_bytes(), OCI_MANIFEST)


@pytest.fixture(scope="module", autouse=True)
def everything_imported():
    """So that a command's time is its work, not Python's."""
    for module in pkgutil.walk_packages(teul.__path__, "teul."):
        if not module.name.endswith("__main__") and not module.name.startswith(("teul.ml", "teul.images.bootstrap.")):
            importlib.import_module(module.name)


@pytest.fixture(params=["overlay"])
def place(tmp_path, request):
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        # A process of its own: a fork of one with threads, as a registry's has, is asking for trouble.
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # it complains of clients that are killed
            with FakeRegistry() as registry:
                image_in(registry)
                os.write(writer, registry.domain.encode())
                os.close(writer)
                signal.pause()
        finally:
            os._exit(1)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        domain = pipe.read()
    # In memory: what a kill leaves is the same, and thousands of flushes cost nothing.
    with mounted([Mount("tmpfs", "tmpfs")], str(tmp_path)):
        yield Place(str(tmp_path), domain, request.param)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def commands(place):
    """A round that begins and ends with an empty state folder."""
    remote = f"{place.domain}/app:1"
    return [
        ["pull", remote],
        ["tag", remote, "app:1"],
        ["save", "-o", f"{place.root}/app.tar", "app:1"],
        ["build", "-t", "app:2", f"{place.root}/context"],
        ["create", "--name", "box", "app:2", "true"],
        ["rm", "box"],
        ["rmi", "app:2"],
        ["system", "prune", "-af"],
        ["load", "-i", f"{place.root}/app.tar"],
        ["system", "prune", "-af"],
    ]


def test_a_kill_at_every_instrumented_step_leaves_nothing_half_visible(place):
    seen = set()
    kills = 0
    for words in commands(place):
        place.keep()
        points = place.points(words)
        seen |= {name for name, _ in points}
        for name, count in points:
            place.restore()
            # Threads of a pull need not pass as often as the last time.
            if place.run(words, TEUL_CRASH_AT=f"{name}:{count}") == -signal.SIGKILL:
                kills += 1
                place.check(words, f"{name}:{count}")
        place.restore()
        assert place.run(words) == 0, place.output()
    # Native's is not passed on overlay; those of running containers, their networks and of tracking have tests of their own.
    elsewhere = declared("engine", "containers") | declared("engine", "networks") | declared("ml", "tracking")
    elsewhere.add("snapshot-copied")
    assert declared() - elsewhere - {"push-sent", "cache-sent", "output-written"} - seen == set()
    assert kills > 80


def test_a_build_that_is_killed_while_it_is_delivered_leaves_all_of_it_or_nothing(place):
    remote, cache = f"{place.domain}/made:1", f"{place.domain}/made:cache"
    out = f"{place.root}/out"
    os.mkdir(out)
    assert place.run(["pull", f"{place.domain}/app:1"]) == 0, place.output()
    assert place.run(["tag", f"{place.domain}/app:1", "app:1"]) == 0
    build = ["build", "-t", remote]
    seen = set()
    for options in (
        ["--push", "--provenance=true"],
        ["--cache-to", f"type=registry,ref={cache},mode=max"],
        ["-o", f"type=oci,dest={out}/oci.tar"],
        ["-o", f"type=tar,dest={out}/files.tar"],
        ["-o", f"type=oci,tar=false,dest={out}/layout"],
        ["-o", f"type=local,dest={out}/files"],
    ):
        words = [*build, *options, f"{place.root}/context"]
        place.keep()
        points = place.points(words)
        whole = {}
        for path in glob.glob(f"{out}/*.tar"):
            with open(path, "rb") as file:
                whole[path] = file.read()
        for name, count in points:
            seen.add(name)
            if options[0] == "--push":
                # A tag of its own for each: what another one sent is not what this one left.
                words[2] = f"{place.domain}/made:{name}-{count}"
            for path in glob.glob(f"{out}/*.tar"):
                os.unlink(path)
            remove_tree(f"{out}/layout")
            place.restore()
            if place.run(words, TEUL_CRASH_AT=f"{name}:{count}") != -signal.SIGKILL:
                continue
            assert {*os.listdir(out)} <= {"files", "layout", "oci.tar", "files.tar"}, name
            for path in glob.glob(f"{out}/*.tar"):
                with open(path, "rb") as file:
                    assert file.read() == whole[path], (name, path)
            if os.path.exists(f"{out}/layout/index.json"):
                with open(f"{out}/layout/index.json") as file:
                    (top,) = json.load(file)["manifests"]
                with open(f"{out}/layout/blobs/{top['digest'].replace(':', '/')}") as file:
                    manifest = json.load(file)
                for blob in (manifest["config"], *manifest["layers"]):
                    path = f"{out}/layout/blobs/{blob['digest'].replace(':', '/')}"
                    assert os.path.getsize(path) == blob["size"], name
            if options[0] == "--push":
                place.run(["pull", words[2]], TEUL_ROOT=f"{place.root}/other")
                assert re.search("not found|Downloaded newer|up to date", place.output()), place.output()
            place.check(words, f"{name}:{count}")
    assert seen >= {"push-sent", "cache-sent", "output-written"}


@pytest.mark.parametrize("place", ["overlay", "native"], indirect=True)
def test_kills_at_random_moments_leave_nothing_half_visible(place):
    is_overlay = place.environ["TEUL_SNAPSHOTTER"] == "overlay"
    chance = random.Random(SEED)
    round_of = commands(place)
    lengths = []
    for words in round_of:
        began = time.monotonic()
        assert place.run(words) == 0, place.output()
        lengths.append(time.monotonic() - began)
    kills = 0
    number = 0
    while kills < (RANDOM_KILLS if is_overlay else RANDOM_KILLS // 5):
        turn = number % len(round_of)
        number += 1
        words = round_of[turn]
        moment_s = chance.uniform(0.2, 1) * lengths[turn]
        pid = place.start(words)
        watched = os.pidfd_open(pid)
        ended, _, _ = select.select([watched], [], [], moment_s)
        os.close(watched)
        if ended:
            lengths[turn] = min(lengths[turn], moment_s)  # it was slower when its length was taken
        else:
            os.kill(pid, signal.SIGKILL)
            kills += 1
        place.end(pid)
        place.check(words, f"{moment_s * 1000:.1f} ms")
    assert place.run(["system", "prune", "-af"]) == 0
    engine = place.engine()
    left = [info.digest for info in engine.store.walk()] + [found.name for found in engine.snapshots.layers()]
    engine.close()

    assert left == []
    kind = place.environ["TEUL_SNAPSHOTTER"]
    assert sorted(os.listdir(f"{place.root}/state/snapshots/{kind}")) == ["empty", "lock"]
