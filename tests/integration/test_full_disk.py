"""A disk that is full ends a command with one sentence, and leaves nothing half-visible; with room, the same works."""

import os
import re

import pytest

from integration.test_crashes import Place, everything_imported, image_in, place  # noqa: F401  (fixtures)
from teul.build.cache_mounts import LentCache, relieving
from teul.engine import system
from teul.host import process
from teul.host.fs import FolderLock
from teul.host.mount import mounted
from teul.oci.runtime import Mount
from teul.solver.protocol import Task
from teul.state.reserve import give_up

pytestmark = [pytest.mark.needs_root, pytest.mark.slow]


def give_room(there, kilobytes):
    """Change how large the disk is; never below what is on it."""
    process.run(["mount", "-o", f"remount,size={kilobytes}k", there.root])


def used_kilobytes(there):
    status = os.statvfs(there.root)
    return (status.f_blocks - status.f_bfree) * status.f_frsize // 1024


def fill(there):
    """Not one byte is left."""
    with open(f"{there.root}/filler", "wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        while True:
            file.write(b"x" * 4096)


def test_what_writes_nothing_new_works_on_a_disk_without_a_byte(place):  # noqa: F811
    remote = f"{place.domain}/app:1"
    for words in (["pull", remote], ["tag", remote, "app:1"], ["build", "-t", "app:2", f"{place.root}/context"]):
        assert place.run(words) == 0, place.output()
    give_room(place, used_kilobytes(place) + 256)
    fill(place)

    # Twice: the second finds no reserve, only what the first left of it.
    for _ in range(2):
        assert place.run(["build", "-t", "app:2", f"{place.root}/context"]) == 0, place.output()
        assert "nothing changed" in place.output()
        assert place.run(["images"]) == 0, place.output()
    assert place.run(["rmi", "app:2"]) == 0, place.output()
    assert place.run(["builder", "prune", "-af"]) == 0, place.output()
    assert place.run(["system", "prune", "-af"]) == 0, place.output()


def lend(folder, name="cache"):
    lock = FolderLock.take(f"{folder}/{name}.lock", make=True)
    os.utime(lock.descriptor)
    return LentCache("/root/.cache", f"{folder}/{name}", os.fstat(lock.descriptor).st_ctime_ns, lock)


@pytest.mark.parametrize(("written_bytes", "is_kept"), [(0, False), (1 << 30, True)])
def test_a_step_that_fills_the_disk_takes_back_what_it_put_into_a_cache_mount(tmp_path, written_bytes, is_kept):
    said = []
    with mounted([Mount("tmpfs", "tmpfs", "", ("size=4m",))], str(tmp_path)):
        os.makedirs(tmp_path / "cache/inner")
        (tmp_path / "cache/before").write_text("before")
        # The step begins at a later tick of the filesystem's clock than what was there.
        cache = lend(tmp_path)
        cache = LentCache(cache.name, cache.path, os.stat(tmp_path / "cache/before").st_ctime_ns + 1, cache.lock)
        while os.stat(tmp_path / "cache/inner").st_ctime_ns < cache.since_ns:
            os.utime(tmp_path / "cache/inner")

        with (
            pytest.raises(OSError, match="No space left"),
            relieving(str(tmp_path), [cache], lambda: written_bytes, Task("t", said.append, lambda: False)),
            open(tmp_path / "cache/inner/big", "wb", buffering=0) as file,
        ):
            while True:
                file.write(b"x" * 65536)

        assert (tmp_path / "cache/before").read_text() == "before"
        assert os.path.exists(tmp_path / "cache/inner/big") == is_kept
        assert [item.code for item in said] == ([] if is_kept else ["cache-mount-emptied"])
        cache.lock.release()


def test_a_step_that_fails_with_room_on_the_disk_leaves_its_cache_mounts_alone(tmp_path):
    (tmp_path / "cache").mkdir()
    cache = lend(tmp_path)

    task = Task("t", lambda event: None, lambda: False)
    with pytest.raises(ValueError, match="wrong"), relieving(str(tmp_path), [cache], lambda: 0, task):
        (tmp_path / "cache/new").write_text("new")
        raise ValueError("wrong")

    assert (tmp_path / "cache/new").read_text() == "new"
    cache.lock.release()


def test_commands_on_a_full_disk_fail_cleanly(place):  # noqa: F811
    remote = f"{place.domain}/app:1"
    assert place.run(["images"]) == 0
    failures = 0
    for words in (
        ["pull", remote],
        ["tag", remote, "app:1"],
        ["save", "-o", f"{place.root}/app.tar", "app:1"],
        ["build", "-t", "app:2", f"{place.root}/context"],
        ["create", "--name", "box", "app:2", "true"],
        ["system", "prune", "-af"],
        ["load", "-i", f"{place.root}/app.tar"],
    ):
        room = 0
        while True:
            give_up(f"{place.root}/state/state.db")
            # The room grows, so that each attempt comes further than the one before.
            give_room(place, used_kilobytes(place) + room)
            code = place.run(words)
            said = place.output()
            give_room(place, 1 << 20)
            engine = place.engine()
            found = system.fsck(engine, is_deep=True)
            engine.close()
            assert found == [], (words, room)
            if code == 0:
                break
            failures += 1
            assert code == 1, (words, room, said)
            assert re.search("no space left on the disk", said), (words, room, said)
            assert "Traceback" not in said
            room += 28
            assert room < 3000, said

    assert failures > 20
