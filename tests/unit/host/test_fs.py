import ctypes
import errno
import os
import signal
import stat
import threading

import pytest

from teul.errors import UnsafePath
from teul.host.fs import (
    FolderLock,
    crash_point,
    disk_bytes,
    open_in_root,
    read_in_root,
    remove_tree,
    sync_filesystem,
    write_atomic,
)


def opened(root, path, flags=os.O_RDONLY):
    descriptor = open_in_root(str(root), path, flags)
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    (root / "etc/passwd").write_text("inside")
    (tmp_path / "secret").write_text("outside")
    return root


@pytest.mark.parametrize(
    "path", ["etc/passwd", "/etc/passwd", "//etc//passwd", "../../etc/passwd", "etc/../etc/passwd"]
)
def test_every_spelling_of_a_path_stays_inside(root, path):
    assert opened(root, path) == f"{root}/etc/passwd"


@pytest.mark.parametrize("target", ["/etc/passwd", "../../../../../etc/passwd", "etc/passwd"])
def test_links_resolve_inside_the_root(root, target):
    os.symlink(target, root / "link")

    assert opened(root, "link") == f"{root}/etc/passwd"


def test_a_link_to_what_is_only_outside_leads_nowhere(root):
    os.symlink("../secret", root / "link")

    with pytest.raises(FileNotFoundError) as caught:
        opened(root, "link")
    assert caught.value.filename == f"{root}/link"


def test_links_to_open_files_are_refused(root):
    with open(root.parent / "secret") as file:
        os.symlink(f"/proc/self/fd/{file.fileno()}", root / "link")
        os.mkdir(root / "proc")

        with pytest.raises(OSError):
            opened(root, "link")


def test_a_file_can_be_made_inside(root):
    os.close(open_in_root(str(root), "etc/new", os.O_WRONLY | os.O_CREAT, 0o640))

    assert stat.S_IMODE(os.stat(root / "etc/new").st_mode) == 0o640


def test_reading_refuses_what_could_block(root):
    os.mkfifo(root / "fifo")

    assert read_in_root(str(root), "/etc/passwd") == b"inside"
    assert read_in_root(str(root), "/etc/passwd", 3) == b"ins"
    with pytest.raises(UnsafePath):
        read_in_root(str(root), "fifo")


def test_reading_opens_nothing_but_files(root):
    """A device can act when it is opened (a watchdog begins to count)."""
    os.mkfifo(root / "fifo")
    libc = ctypes.CDLL(None)
    watch = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        assert libc.inotify_add_watch(watch, os.fsencode(root / "fifo"), 0x20) > 0  # IN_OPEN
        with pytest.raises(UnsafePath):
            read_in_root(str(root), "fifo")
        with pytest.raises(BlockingIOError):
            os.read(watch, 4096)
    finally:
        os.close(watch)


def test_an_atomic_write_replaces_and_leaves_no_scrap(tmp_path):
    path = str(tmp_path / "file")
    write_atomic(path, b"one")
    write_atomic(path, b"two", 0o644)

    with open(path, "rb") as file:
        assert file.read() == b"two"
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o644
    assert os.listdir(tmp_path) == ["file"]


def test_a_failed_atomic_write_leaves_no_scrap(tmp_path):
    os.mkdir(tmp_path / "folder")
    with pytest.raises(IsADirectoryError):
        write_atomic(str(tmp_path / "folder"), b"x")

    assert os.listdir(tmp_path) == ["folder"]


def test_atomic_writes_of_several_threads_do_not_meet(tmp_path):
    path = str(tmp_path / "file")
    threads = [threading.Thread(target=write_atomic, args=(path, b"%d" % number * 1000)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with open(path, "rb") as file:
        assert len(set(file.read())) == 1
    assert os.listdir(tmp_path) == ["file"]


def test_removing_a_tree_spares_what_its_links_point_to(tmp_path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/file").write_text("x")
    (tmp_path / "tree/sub").mkdir(parents=True)
    os.symlink(tmp_path / "kept", tmp_path / "tree/sub/folder")
    os.symlink(tmp_path / "kept/file", tmp_path / "tree/file")
    os.mkfifo(tmp_path / "tree/fifo")

    remove_tree(str(tmp_path / "tree"))

    assert os.listdir(tmp_path) == ["kept"]
    assert os.listdir(tmp_path / "kept") == ["file"]


def test_removing_takes_links_files_and_nothing(tmp_path):
    (tmp_path / "file").write_text("x")
    os.symlink("file", tmp_path / "link")

    remove_tree(str(tmp_path / "link"))
    assert os.listdir(tmp_path) == ["file"]
    remove_tree(str(tmp_path / "file"))
    remove_tree(str(tmp_path / "file"))
    remove_tree(str(tmp_path / "no/such/folder"))
    assert os.listdir(tmp_path) == []


def test_a_tree_deeper_than_python_recurses_is_removed(tmp_path):
    top = str(tmp_path / "deep")
    os.mkdir(top)
    at = os.open(top, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("d", dir_fd=at)
        below = os.open("d", os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    os.close(at)

    remove_tree(top)

    assert os.listdir(tmp_path) == []


def test_several_removers_of_one_tree_do_not_mind_each_other(tmp_path):
    for _ in range(2):
        for number in range(150):
            os.makedirs(tmp_path / f"tree/{number % 7}/{number % 5}/{number}")
            (tmp_path / f"tree/{number % 7}/{number % 5}/{number}/file").write_text("x")
        wrong = []

        def work(wrong=wrong):
            try:
                remove_tree(str(tmp_path / "tree"))
            except OSError as error:
                wrong.append(error)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert wrong == []
        assert os.listdir(tmp_path) == []


def test_names_that_are_not_text_are_removed(tmp_path):
    os.mkdir(bytes(tmp_path) + b"/\xff\xfe")
    with open(bytes(tmp_path) + b"/\xff\xfe/\xed\xa0\x80", "wb"):
        pass

    remove_tree(os.fsdecode(bytes(tmp_path) + b"/\xff\xfe"))

    assert os.listdir(tmp_path) == []


@pytest.mark.needs_root
def test_a_mount_inside_is_not_deleted(tmp_path):
    from teul.host.mount import mounted
    from teul.oci.runtime import Mount

    (tmp_path / "tree/mnt").mkdir(parents=True)
    with mounted([Mount("tmpfs", "tmpfs", "", ())], str(tmp_path / "tree/mnt")):
        (tmp_path / "tree/mnt/file").write_text("x")
        with pytest.raises(OSError) as caught:
            remove_tree(str(tmp_path / "tree"))

        assert caught.value.errno in (errno.EXDEV, errno.EBUSY)
        assert os.listdir(tmp_path / "tree/mnt") == ["file"]
    remove_tree(str(tmp_path / "tree"))


def test_a_lock_excludes_another_in_the_same_process(tmp_path):
    with FolderLock.take(str(tmp_path)) as first:
        assert FolderLock.take(str(tmp_path), wait=False) is None
        assert first.path == str(tmp_path)
    with FolderLock.take(str(tmp_path), wait=False):
        pass


def test_shared_locks_go_together(tmp_path):
    path = str(tmp_path / "lock")
    with FolderLock.take(path, shared=True, make=True), FolderLock.take(path, shared=True, wait=False):
        assert FolderLock.take(path, wait=False) is None


def test_a_lock_dies_with_its_process(tmp_path):
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        FolderLock.take(str(tmp_path))
        os.write(writer, b"x")
        signal.pause()
    os.read(reader, 1)
    assert FolderLock.take(str(tmp_path), wait=False) is None
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)

    with FolderLock.take(str(tmp_path), wait=False):
        pass
    os.close(reader)
    os.close(writer)


def test_a_lock_on_nothing_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        FolderLock.take(str(tmp_path / "none"))


def test_disk_bytes_counts_each_inode_once(tmp_path):
    (tmp_path / "a").write_bytes(os.urandom(100_000))
    alone = disk_bytes(str(tmp_path))
    os.link(tmp_path / "a", tmp_path / "b")

    assert disk_bytes(str(tmp_path)) == alone >= 100_000
    assert disk_bytes(str(tmp_path / "none")) == 0


def test_a_filesystem_can_be_flushed(tmp_path):
    sync_filesystem(str(tmp_path))


def status_of_child(work):
    pid = os.fork()
    if pid == 0:
        work()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_crash_point_kills_at_the_time_that_was_asked_for(monkeypatch):
    def work():
        for _ in range(3):
            crash_point("here")
            crash_point("there")

    assert status_of_child(work) == 0
    for wanted, code in (("here", -9), ("there:3", -9), ("there:4", 0), ("elsewhere", 0)):
        monkeypatch.setenv("TEUL_CRASH_AT", wanted)
        assert status_of_child(work) == code, wanted


def test_crash_points_can_be_listed(monkeypatch, tmp_path):
    monkeypatch.setenv("TEUL_CRASH_LOG", str(tmp_path / "log"))
    crash_point("one")
    crash_point("two")

    assert (tmp_path / "log").read_text() == "one\ntwo\n"


def test_a_tree_that_somebody_still_writes_into_is_removed(tmp_path, monkeypatch):
    (tmp_path / "tree/below").mkdir(parents=True)
    late = [tmp_path / "tree/below/late", tmp_path / "tree/late"]
    remove = os.rmdir

    def write_first(name, **at):
        if late:
            late.pop(0).touch()
        remove(name, **at)

    monkeypatch.setattr(os, "rmdir", write_first)
    remove_tree(str(tmp_path / "tree"))

    assert late == []
    assert not (tmp_path / "tree").exists()
