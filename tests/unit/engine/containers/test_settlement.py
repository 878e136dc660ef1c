"""Who waits for whom where a container's end and its next start meet."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from teul.engine.containers.settlement import ATTENDED, take_locks
from teul.errors import ContainerRunning
from teul.host.fs import FolderLock


def test_a_start_lets_the_command_of_the_monitor_have_the_folder(tmp_path: Path) -> None:
    """It holds the lock of attending and wants the folder's, which a start has first."""
    folder, bundle = tmp_path / "folder", tmp_path / "bundles" / "one"
    folder.mkdir()
    bundle.mkdir(parents=True)
    attended = FolderLock.take(str(bundle / ATTENDED), make=True)
    assert attended is not None
    is_starting = threading.Event()

    def settle() -> None:
        assert is_starting.wait(20)
        first = FolderLock.take(str(folder))
        assert first is not None
        first.release()
        attended.release()

    command = threading.Thread(target=settle, daemon=True)
    command.start()
    made: list[tuple[FolderLock, FolderLock]] = []
    start = threading.Thread(
        target=lambda: made.append(take_locks(str(folder), str(bundle), check=is_starting.set)), daemon=True
    )
    start.start()
    start.join(20)
    command.join(20)

    assert len(made) == 1
    for lock in made[0]:
        assert FolderLock.take(lock.path, wait=False) is None
        lock.release()


def test_a_bundle_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    folder, bundle = tmp_path / "folder", tmp_path / "bundles" / "one"
    folder.mkdir()

    first, second = take_locks(str(folder), str(bundle), check=lambda: None)

    assert second.path == str(bundle / ATTENDED)
    assert bundle.stat().st_mode & 0o777 == 0o700
    first.release()
    second.release()


def test_what_is_not_to_be_started_leaves_no_lock_and_no_bundle(tmp_path: Path) -> None:
    def check() -> None:
        raise ContainerRunning("one")

    with pytest.raises(ContainerRunning):
        take_locks(str(tmp_path), str(tmp_path / "bundle"), check=check)

    assert not (tmp_path / "bundle").exists()
    lock = FolderLock.take(str(tmp_path), wait=False)
    assert lock is not None
    lock.release()
