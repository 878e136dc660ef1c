"""Cache export and import on a real kernel, against Debian's docker-registry: what another machine knows runs nothing."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from integration.host_python import NAME, add_image
from suites import docker_registry
from teul.config import Settings
from teul.engine import Engine
from teul.engine.build import BuildOptions, BuildResult, build
from teul.engine.build.attributes import read_cache_from, read_cache_to
from teul.engine.images import push
from teul.events import Event, Warn

pytestmark = [pytest.mark.needs_runc, pytest.mark.slow]
DOCKERFILE = f"""\
FROM {NAME} AS builder
RUN --mount=type=cache,target=/var/cache/tool python3 -c "open('/var/cache/tool/f', 'w').write('kept')"
RUN python3 -c "import os, time; os.makedirs('/made/in'); open('/made/in/when', 'w').write(str(time.time_ns()))"
FROM {NAME}
COPY --from=builder /made /made
COPY word /word
RUN --mount=type=cache,target=/var/cache/tool python3 -c "open('/seen', 'w').write(open('/var/cache/tool/f').read() if __import__('os').path.exists('/var/cache/tool/f') else 'none')"
"""
Machine = Callable[[], Engine]


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """Gives engines on state folders that hold the base image and nothing else."""
    made: list[Engine] = []

    def another() -> Engine:
        root = str(tmp_path / f"state-{len(made)}")
        engine = Engine.open(Settings.from_environ({**os.environ, "TEUL_ROOT": root, "TEUL_LANG": "en"}))
        add_image(engine)
        made.append(engine)
        return engine

    yield another
    for engine in made:
        engine.close()
        shutil.rmtree(engine.settings.run_root, ignore_errors=True)


@pytest.fixture
def context(tmp_path: Path) -> Path:
    made = tmp_path / "context"
    made.mkdir()
    (made / "Dockerfile").write_text(DOCKERFILE)
    (made / "word").write_text("one")
    return made


def make(
    engine: Engine, context: Path, *, to: str = "", source: str = "", **options: Any
) -> tuple[BuildResult, list[str]]:
    """A build, and its warnings."""
    heard: list[Event] = []
    result = build(
        engine,
        BuildOptions(
            context=str(context),
            network="none",
            cache_to=(read_cache_to(to),) if to else (),
            cache_from=(read_cache_from(source),) if source else (),
            **options,
        ),
        events=heard.append,
    )
    return result, [event.code for event in heard if isinstance(event, Warn)]


def ran(result: BuildResult) -> list[str]:
    return [step.name for step in result.steps if not step.cached]


def manifest_of(folder: Path) -> dict[str, Any]:
    index = json.loads((folder / "index.json").read_text())
    digest = index["manifests"][0]["digest"].removeprefix("sha256:")
    manifest: dict[str, Any] = json.loads((folder / "blobs/sha256" / digest).read_text())
    return manifest


@pytest.mark.parametrize("mode", ["min", "max"])
def test_a_folder_gives_another_machine_every_step(machine: Machine, context: Path, tmp_path: Path, mode: str) -> None:
    first, _ = make(machine(), context, to=f"type=local,dest={tmp_path}/cache,mode={mode}")
    second, warned = make(machine(), context, source=f"type=local,src={tmp_path}/cache")

    assert (ran(second), warned) == ([], [])
    assert second.image.id == first.image.id


@pytest.mark.needs_registry
@pytest.mark.parametrize("compression", ["gzip", "zstd", "uncompressed"])
def test_a_registry_gives_another_machine_every_step(
    machine: Machine, context: Path, tmp_path: Path, compression: str
) -> None:
    with docker_registry.running(str(tmp_path)) as domain:
        place = f"{domain}/team/app:cache"
        first, _ = make(machine(), context, to=f"type=registry,ref={place},mode=max,compression={compression}")
        second, warned = make(machine(), context, source=place)

    assert (ran(second), warned) == ([], [])
    assert second.image.id == first.image.id


@pytest.mark.needs_registry
def test_an_image_with_an_inline_cache_gives_another_machine_every_step(
    machine: Machine, context: Path, tmp_path: Path
) -> None:
    with docker_registry.running(str(tmp_path)) as domain:
        place = f"{domain}/team/app:latest"
        engine = machine()
        first, _ = make(engine, context, to="type=inline", tags=(place,))
        push(engine, place)
        second, warned = make(machine(), context, source=f"type=registry,ref={place}", to="type=inline")

    assert (ran(second), warned) == ([], [])
    assert second.image.id == first.image.id


def test_a_later_build_without_the_import_still_knows(machine: Machine, context: Path, tmp_path: Path) -> None:
    make(machine(), context, to=f"type=local,dest={tmp_path}/cache,mode=max")
    engine = machine()
    make(engine, context, source=f"type=local,src={tmp_path}/cache")

    again, _ = make(engine, context)

    assert again.cached


def test_what_changed_runs_on_imported_layers_and_with_the_imported_cache_mount(
    machine: Machine, context: Path, tmp_path: Path
) -> None:
    make(machine(), context, to=f"type=local,dest={tmp_path}/cache")
    (context / "word").write_text("two")
    engine = machine()

    second, _ = make(engine, context, source=f"type=local,src={tmp_path}/cache")

    assert [name.rpartition("] ")[2].split()[0] for name in ran(second)] == ["COPY", "RUN"]
    layer = engine.snapshots.layer(engine.images.layers(second.image)[-1])
    assert Path(layer.folder, "seen").read_text() == "kept"


def test_what_was_only_imported_is_handed_on(machine: Machine, context: Path, tmp_path: Path) -> None:
    make(machine(), context, to=f"type=local,dest={tmp_path}/one,mode=max")
    make(
        machine(),
        context,
        source=f"type=local,src={tmp_path}/one",
        to=f"type=local,dest={tmp_path}/two,mode=max",
    )
    shutil.rmtree(tmp_path / "one")
    (context / "word").write_text("two")
    engine = machine()

    third, warned = make(engine, context, source=f"type=local,src={tmp_path}/two")

    assert warned == []
    assert len(ran(third)) == 2
    assert Path(engine.snapshots.layer(engine.images.layers(third.image)[-1]).folder, "seen").read_text() == "kept"


def test_mounts_stay_at_home_where_asked(machine: Machine, context: Path, tmp_path: Path) -> None:
    make(machine(), context, to=f"type=local,dest={tmp_path}/cache,mounts=false")

    assert not any("mount" in layer["mediaType"] for layer in manifest_of(tmp_path / "cache")["layers"])


def test_a_folder_that_is_written_again_holds_nothing_old(machine: Machine, context: Path, tmp_path: Path) -> None:
    engine = machine()
    make(engine, context, to=f"type=local,dest={tmp_path}/cache")
    before = len(os.listdir(tmp_path / "cache/blobs/sha256"))
    (context / "word").write_text("two")

    make(engine, context, to=f"type=local,dest={tmp_path}/cache")

    assert len(os.listdir(tmp_path / "cache/blobs/sha256")) == before


def test_a_cache_that_is_gone_is_a_warning(machine: Machine, context: Path, tmp_path: Path) -> None:
    result, warned = make(machine(), context, source=f"type=local,src={tmp_path}/nothing")

    assert warned == ["cache-import"]
    assert len(ran(result)) == 5


@pytest.mark.parametrize("damage", ["blob", "short", "config", "index"])
def test_a_damaged_cache_is_a_warning_and_never_a_wrong_image(
    machine: Machine, context: Path, tmp_path: Path, damage: str
) -> None:
    folder = tmp_path / "cache"
    make(machine(), context, to=f"type=local,dest={folder},mode=max")
    manifest = manifest_of(folder)
    blobs = folder / "blobs/sha256"
    if damage == "index":
        (folder / "index.json").write_text('{"schemaVersion": 2, "manifests": [{"digest": 7}]}')
    elif damage == "config":
        (blobs / manifest["config"]["digest"].removeprefix("sha256:")).write_bytes(b"{}")
    else:
        for layer in manifest["layers"]:
            path = blobs / layer["digest"].removeprefix("sha256:")
            data = bytearray(path.read_bytes())
            data[len(data) // 2] ^= 1
            path.write_bytes(data[:-1] if damage == "short" else data)
    engine = machine()

    result, warned = make(engine, context, source=f"type=local,src={folder}")

    assert set(warned) == {"cache-import"}
    assert len(ran(result)) == 5
    assert list(engine.snapshots.check(is_deep=True)) == []


def test_a_mount_name_that_is_a_path_is_refused(machine: Machine, context: Path, tmp_path: Path) -> None:
    """Whoever writes the cache does not write to this machine."""
    from teul.build.cache_config import CacheConfig
    from teul.oci.descriptor import Descriptor
    from teul.oci.digest import Digest

    folder = tmp_path / "cache"
    make(machine(), context, to=f"type=local,dest={folder}")
    manifest = manifest_of(folder)
    blobs = folder / "blobs/sha256"
    config = json.loads((blobs / manifest["config"]["digest"].removeprefix("sha256:")).read_text())
    config["mounts"] = {"../../../../etc/evil": next(iter(config["mounts"].values()))}
    data = json.dumps(config).encode()
    manifest["config"] |= {"digest": Digest.of(data), "size": len(data)}
    document = json.dumps(manifest).encode()
    index = json.loads((folder / "index.json").read_text())
    index["manifests"][0] |= {"digest": Digest.of(document), "size": len(document)}
    (blobs / Digest.of(data).hex).write_bytes(data)
    (blobs / Digest.of(document).hex).write_bytes(document)
    (folder / "index.json").write_text(json.dumps(index))

    result, warned = make(machine(), context, source=f"type=local,src={folder}")

    assert warned == ["cache-import"]
    assert len(ran(result)) == 5
    assert CacheConfig(mounts={"a" * 32: Descriptor("x", Digest.of(b""), 0)}).to_json()["mounts"].keys() == {"a" * 32}


def test_an_export_that_fails_fails_the_build_unless_told_otherwise(
    machine: Machine, context: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    engine = machine()

    with pytest.raises(OSError, match="file"):
        make(engine, context, to=f"type=local,dest={tmp_path}/file/cache")
    _, warned = make(engine, context, to=f"type=local,dest={tmp_path}/file/cache,ignore-error=true")

    assert warned == ["cache-export"]


def test_what_builds_keep_is_listed_counted_and_pruned(machine: Machine, context: Path) -> None:
    from teul.engine.build.keeping import list_kept, prune_kept
    from teul.engine.system import disk_usage, prune
    from teul.host.fs import FolderLock

    engine = machine()
    make(engine, context)
    kept = list_kept(engine)
    mount = next(item for item in kept if item.kind == "mount")

    assert mount.name == "/var/cache/tool"
    assert {item.is_shared for item in kept} == {True, False}
    usage = disk_usage(engine)[3]
    assert usage.total == len(kept)
    assert usage.size_bytes >= mount.size_bytes > 0

    lock = FolderLock.take(f"{engine.settings.root}/cache/{mount.id}.lock")
    assert lock is not None
    with lock:  # a build has it
        assert prune_kept(engine, unused_for_s=3600)[0] == []
        removed, _, freed = prune_kept(engine)
    assert {item.kind for item in removed} == {"step"}
    assert freed == 0
    pruned = prune(engine)
    assert mount.id in pruned.cache
    assert [item.kind for item in list_kept(engine) if item.kind == "mount"] == []

    make(engine, context)
    assert list(engine.snapshots.check(is_deep=True)) == []


def test_a_builder_killed_while_it_exports_leaves_a_cache_and_a_store_that_the_next_one_uses(
    machine: Machine, context: Path, tmp_path: Path
) -> None:
    import signal
    import subprocess
    import sys

    from teul.engine.system import fsck

    engine = machine()
    (context / "word").write_bytes(os.urandom(24 << 20))
    folder = tmp_path / "cache"
    for when in ("exporting cache to", "COPY word"):
        (context / "word").write_bytes(os.urandom(24 << 20))
        child = subprocess.Popen(
            [
                *(sys.executable, "-m", "teul.cli.main", "build", "--progress", "plain", "--network", "none"),
                *("--cache-to", f"type=local,dest={folder},mode=max", str(context)),
            ],
            env={
                **os.environ,
                "TEUL_ROOT": engine.settings.root,
                "TEUL_LANG": "en",
                "PYTHONPATH": ":".join(sys.path),
            },
            stderr=subprocess.PIPE,
            text=True,
        )
        assert child.stderr is not None
        for line in child.stderr:
            if when in line:
                child.send_signal(signal.SIGKILL)
                break
        child.wait(30)
        child.stderr.close()

    make(engine, context, to=f"type=local,dest={folder},mode=max")
    second, warned = make(machine(), context, source=f"type=local,src={folder}")

    assert (ran(second), warned) == ([], [])
    assert fsck(engine, is_deep=True) == []
