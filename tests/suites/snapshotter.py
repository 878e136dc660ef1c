"""What every snapshotter does; a test class derives from `SnapshotterSuite` and makes one."""

import contextlib
import io
import os
import stat
import threading

import pytest

from suites.layers import EPOCH, archive, digest_of, folder, hardlink, member, symlink, tree
from teul.errors import (
    AlreadyExists,
    Corrupt,
    DigestMismatch,
    MalformedLayer,
    SnapshotInUse,
    SnapshotNotFound,
    UnsafePath,
)
from teul.host.mount import mounted
from teul.layers import pack
from teul.oci.digest import Digest, chain_id
from teul.state.db import Database

BASE = archive(
    folder("etc", mtime_ns=1),
    member("etc/hosts", b"base"),
    member("etc/passwd", b"root"),
    folder("usr"),
    folder("usr/lib"),
    member("usr/lib/a.so", b"x" * 5000, mode=0o755),
    symlink("lib", "usr/lib"),
)
UPPER = archive(folder("etc"), member("etc/.wh.passwd"), member("etc/hosts", b"upper"), member("etc/new", b"n"))
OPAQUE = archive(folder("usr"), member("usr/.wh..wh..opq"), member("usr/only", b"1"))


class SnapshotterSuite:
    @pytest.fixture
    def db(self, tmp_path):
        with_schema = Database.open(str(tmp_path / "state" / "state.db"))
        yield with_schema
        with_schema.close()

    @pytest.fixture
    def snapshots(self, tmp_path, db):
        return self.make(str(tmp_path / "state" / "snapshots"), db)

    def make(self, root, db):
        raise NotImplementedError

    @contextlib.contextmanager
    def seen(self, mounts, tmp_path):
        place = tmp_path / "mnt"
        place.mkdir(exist_ok=True)
        with mounted(mounts, str(place)):
            yield place

    def unpack(self, snapshots, *tars):
        names = []
        for data in tars:
            names.append(snapshots.unpack(io.BytesIO(data), digest_of(data), names))
        return names

    def tar(self, snapshots, name):
        pieces = []
        snapshots.tar(name, pieces.append)
        return b"".join(pieces)

    def commit(self, snapshots, key):
        packed = pack(snapshots.upper(key))
        return snapshots.commit(key, packed.diff_id, tar_size_bytes=packed.tar_size_bytes), packed

    # Layers

    def test_a_layer_that_was_unpacked_is_found(self, snapshots):
        (name,) = self.unpack(snapshots, BASE)

        assert name == digest_of(BASE)
        assert snapshots.has([digest_of(BASE)])
        assert snapshots.resolve([digest_of(BASE)]) == (name,)
        layer = snapshots.layer(name)
        assert (layer.name, layer.diff_id) == (name, digest_of(BASE))
        assert (layer.tar_size_bytes, layer.size_bytes, layer.inodes) == (len(BASE), 5008, 7)
        assert os.path.isdir(layer.folder)
        assert [layer.name for layer in snapshots.layers()] == [name]

    def test_its_exact_tar_comes_back(self, snapshots):
        names = self.unpack(snapshots, BASE, UPPER, OPAQUE)

        for name, data in zip(names, (BASE, UPPER, OPAQUE), strict=True):
            assert self.tar(snapshots, name) == data
            snapshots.tar(name)

    def test_unpacking_twice_is_fine(self, snapshots):
        assert self.unpack(snapshots, BASE) == self.unpack(snapshots, BASE)

        assert len(list(snapshots.layers())) == 1
        snapshots.sweep()
        assert list(snapshots.check(is_deep=True)) == []

    def test_a_missing_layer_is_named(self, snapshots):
        self.unpack(snapshots, BASE)
        missing = digest_of(b"missing")

        assert not snapshots.has([digest_of(BASE), missing])
        with pytest.raises(SnapshotNotFound) as caught:
            snapshots.resolve([digest_of(BASE), missing])
        assert caught.value.key == missing
        for ask in (
            lambda: snapshots.layer(missing),
            lambda: snapshots.tar(missing),
            lambda: snapshots.prepare("k", [missing]),
        ):
            with pytest.raises(SnapshotNotFound):
                ask()
        assert list(snapshots.keys()) == []

    @pytest.mark.parametrize(
        ("data", "error"),
        [
            (BASE[:-1500], MalformedLayer),
            (archive(member("../escape", b"x")), UnsafePath),
            (archive(hardlink("a", "nowhere")), MalformedLayer),
            (b"junk" * 1000, MalformedLayer),
        ],
    )
    def test_a_bad_layer_leaves_nothing(self, snapshots, tmp_path, data, error):
        self.unpack(snapshots, BASE)
        before = sorted(os.listdir(snapshots.root))
        with pytest.raises(error):
            snapshots.unpack(io.BytesIO(data), digest_of(data), [digest_of(BASE)])

        assert sorted(os.listdir(snapshots.root)) == before
        assert len(list(snapshots.layers())) == 1
        assert not (tmp_path / "escape").exists()

    def test_a_layer_of_another_digest_is_refused(self, snapshots):
        with pytest.raises(DigestMismatch) as caught:
            snapshots.unpack(io.BytesIO(BASE), digest_of(UPPER), [])

        assert (caught.value.expected, caught.value.actual) == (digest_of(UPPER), digest_of(BASE))
        assert list(snapshots.layers()) == []

    def test_a_layer_that_does_not_stand_alone_has_the_name_of_its_chain(self, snapshots):
        linked = archive(hardlink("copy", "etc/hosts"))
        base, other = self.unpack(snapshots, BASE, UPPER)
        on_base = snapshots.unpack(io.BytesIO(linked), digest_of(linked), [base])
        on_both = snapshots.unpack(io.BytesIO(linked), digest_of(linked), [base, other])

        assert on_base == f"{digest_of(linked)}@{chain_id([digest_of(BASE), digest_of(linked)])}"
        assert on_both != on_base
        assert snapshots.resolve([digest_of(BASE), digest_of(linked)]) == (base, on_base)
        assert snapshots.resolve([digest_of(BASE), digest_of(UPPER), digest_of(linked)]) == (base, other, on_both)
        assert not snapshots.has([digest_of(UPPER), digest_of(linked)])
        for name, content in ((on_base, b"base"), (on_both, b"upper")):
            with open(f"{snapshots.layer(name).folder}/copy", "rb") as file:
                assert file.read() == content
            assert self.tar(snapshots, name) == linked

    def test_a_layer_may_come_before_those_below(self, snapshots, tmp_path):
        upper = snapshots.unpack(io.BytesIO(UPPER), digest_of(UPPER), None)
        (base,) = self.unpack(snapshots, BASE)
        with self.seen(snapshots.view([base, upper]), tmp_path) as place:
            assert sorted(os.listdir(place / "etc")) == ["hosts", "new"]

        assert snapshots.fits(upper, [base])
        assert not snapshots.fits(upper, [])
        assert snapshots.fits(base, [])

    def test_a_whiteout_of_nothing_is_not_seen(self, snapshots, tmp_path):
        odd = archive(folder("d"), member("d/.wh.none"), member("d/x", b"1"))
        (base,) = self.unpack(snapshots, BASE)
        plain = snapshots.unpack(io.BytesIO(odd), digest_of(odd), None)
        assert not snapshots.fits(plain, [base])
        fitting = snapshots.unpack(io.BytesIO(odd), digest_of(odd), [base])

        assert snapshots.resolve([digest_of(BASE), digest_of(odd)]) == (base, fitting)
        with self.seen(snapshots.view([base, fitting]), tmp_path) as place:
            assert os.listdir(place / "d") == ["x"]
        assert self.tar(snapshots, plain) == self.tar(snapshots, fitting) == odd

    def test_tampering_shows_when_the_tar_is_asked_for(self, snapshots):
        (name,) = self.unpack(snapshots, BASE)
        path = f"{snapshots.layer(name).folder}/etc/hosts"
        with open(path, "r+b") as file:
            file.write(b"B")

        with pytest.raises(Corrupt):
            snapshots.tar(name)
        assert [finding.code for finding in snapshots.check(is_deep=True)] == ["layer-damaged"]

    def test_removing_a_layer_frees_it(self, snapshots):
        (name,) = self.unpack(snapshots, BASE)
        place = snapshots.layer(name).folder
        snapshots.remove(name)
        snapshots.remove(name)

        assert not snapshots.has([digest_of(BASE)])
        assert not os.path.exists(place)

    def test_forgetting_leaves_the_bytes_to_the_sweep(self, snapshots):
        (name,) = self.unpack(snapshots, BASE)
        place = snapshots.layer(name).folder
        snapshots.forget(name)

        assert list(snapshots.layers()) == []
        assert os.path.exists(place)
        assert snapshots.sweep() > 5000
        assert not os.path.exists(place)

    def test_parallel_unpacking_of_one_layer_gives_one(self, snapshots):
        wrong = []

        def work():
            try:
                snapshots.unpack(io.BytesIO(BASE), digest_of(BASE), [])
            except Exception as error:
                wrong.append(error)

        threads = [threading.Thread(target=work) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert wrong == []
        assert len(list(snapshots.layers())) == 1
        snapshots.sweep()
        assert list(snapshots.check(is_deep=True)) == []

    # Active snapshots

    def test_a_stack_is_seen_merged(self, snapshots, tmp_path):
        names = self.unpack(snapshots, BASE, UPPER)
        for mounts in (snapshots.view(names), self.prepared(snapshots, names)):
            with self.seen(mounts, tmp_path) as place:
                assert sorted(os.listdir(place)) == ["etc", "lib", "usr"]
                assert sorted(os.listdir(place / "etc")) == ["hosts", "new"]
                assert (place / "etc/hosts").read_bytes() == b"upper"
                assert os.stat(place / "lib/a.so").st_mode == stat.S_IFREG | 0o755
                assert os.stat(place / "usr/lib/a.so").st_mtime_ns == EPOCH * 10**9

    def test_a_layer_may_be_in_a_stack_twice(self, snapshots, tmp_path):
        base, upper = self.unpack(snapshots, BASE, UPPER)
        names = (base, upper, base, upper)
        for mounts in (snapshots.view(names), self.prepared(snapshots, names)):
            with self.seen(mounts, tmp_path) as place:
                assert sorted(os.listdir(place / "etc")) == ["hosts", "new"]
                assert (place / "etc/hosts").read_bytes() == b"upper"

    def prepared(self, snapshots, names):
        snapshots.prepare("seen", names)
        return snapshots.mounts("seen")

    def test_an_opaque_folder_hides_what_is_below(self, snapshots, tmp_path):
        names = self.unpack(snapshots, BASE, OPAQUE)
        with self.seen(snapshots.view(names), tmp_path) as place:
            assert os.listdir(place / "usr") == ["only"]

    def test_an_opaque_root_hides_everything_below(self, snapshots, tmp_path):
        names = self.unpack(snapshots, BASE, archive(member(".wh..wh..opq"), member("alone", b"1")), UPPER)
        for mounts in (snapshots.view(names), self.prepared(snapshots, names)):
            with self.seen(mounts, tmp_path) as place:
                assert sorted(os.listdir(place)) == ["alone", "etc"]
                assert sorted(os.listdir(place / "etc")) == ["hosts", "new"]

    def test_a_stack_of_one_and_a_stack_of_none_are_seen_too(self, snapshots, tmp_path):
        names = self.unpack(snapshots, BASE)
        with self.seen(snapshots.view(names), tmp_path) as place:
            assert sorted(os.listdir(place)) == ["etc", "lib", "usr"]
        with self.seen(snapshots.view([]), tmp_path) as place:
            assert os.listdir(place) == []
        snapshots.prepare("empty", [])
        with self.seen(snapshots.mounts("empty"), tmp_path) as place:
            (place / "file").write_text("x")
        name, _ = self.commit(snapshots, "empty")
        with self.seen(snapshots.view([name]), tmp_path) as place:
            assert os.listdir(place) == ["file"]

    def test_a_view_is_read_only(self, snapshots, tmp_path):
        names = self.unpack(snapshots, BASE)
        with self.seen(snapshots.view(names), tmp_path) as place, pytest.raises(OSError) as caught:
            (place / "x").write_text("x")
        assert caught.value.errno == 30

    def test_writing_leaves_the_layers_as_they_are(self, snapshots, tmp_path):
        (name,) = self.unpack(snapshots, BASE)
        before = tree(snapshots.layer(name).folder)
        snapshots.prepare("k", [name])
        with self.seen(snapshots.mounts("k"), tmp_path) as place:
            (place / "etc/hosts").write_text("changed")
            os.unlink(place / "usr/lib/a.so")
            os.chmod(place / "etc", 0o700)

        assert tree(snapshots.layer(name).folder) == before
        assert self.tar(snapshots, name) == BASE

    def test_what_was_written_stays_from_one_mount_to_the_next(self, snapshots, tmp_path):
        snapshots.prepare("k", self.unpack(snapshots, BASE))
        with self.seen(snapshots.mounts("k"), tmp_path) as place:
            (place / "etc/mine").write_text("1")
        with self.seen(snapshots.mounts("k"), tmp_path) as place:
            assert (place / "etc/mine").read_text() == "1"
        assert snapshots.usage_bytes("k") > 0

    def test_a_key_is_taken_once(self, snapshots):
        names = self.unpack(snapshots, BASE)
        snapshots.prepare("k", names)
        with pytest.raises(AlreadyExists):
            snapshots.prepare("k", names)

        assert list(snapshots.keys()) == ["k"]
        assert snapshots.parents("k") == tuple(names)
        snapshots.remove("k")
        snapshots.remove("k")
        assert list(snapshots.keys()) == []
        for ask in (snapshots.mounts, snapshots.upper, snapshots.parents, snapshots.usage_bytes):
            with pytest.raises(SnapshotNotFound):
                ask("k")

    def test_a_layer_in_use_is_not_removed(self, snapshots):
        (name,) = self.unpack(snapshots, BASE)
        snapshots.prepare("k", [name])
        for remove in (snapshots.remove, snapshots.forget):
            with pytest.raises(SnapshotInUse) as caught:
                remove(name)
            assert (caught.value.key, caught.value.user) == (name, "k")

        snapshots.remove("k")
        snapshots.remove(name)

    # Committing

    def change(self, place):
        (place / "etc/new").write_text("new")
        (place / "etc/hosts").write_text("changed")
        os.unlink(place / "etc/passwd")
        os.unlink(place / "usr/lib/a.so")
        os.rmdir(place / "usr/lib")
        os.mkdir(place / "usr/lib")
        (place / "usr/lib/b.so").write_text("b")
        os.symlink("usr", place / "link")
        os.link(place / "usr/lib/b.so", place / "hard")
        os.mkdir(place / "sticky")
        os.chmod(place / "sticky", 0o1777)

    def test_only_what_was_written_is_committed(self, snapshots, tmp_path):
        (base,) = self.unpack(snapshots, BASE)
        snapshots.prepare("k", [base])
        with self.seen(snapshots.mounts("k"), tmp_path) as place:
            self.change(place)
            expected = tree(place)
        name, packed = self.commit(snapshots, "k")

        assert name == packed.diff_id
        assert list(snapshots.keys()) == []
        assert snapshots.layer(name).tar_size_bytes == packed.tar_size_bytes
        assert digest_of(self.tar(snapshots, name)) == name
        with self.seen(snapshots.view([base, name]), tmp_path) as place:
            assert tree(place) == expected
        assert sorted(os.listdir(snapshots.layer(name).folder + "/usr")) == ["lib"]
        assert not os.path.exists(snapshots.layer(name).folder + "/usr/lib/a.so")

    def test_a_committed_layer_is_the_same_elsewhere(self, snapshots, tmp_path):
        """What is pushed from here and pulled there gives the same tree."""
        (base,) = self.unpack(snapshots, BASE)
        snapshots.prepare("k", [base])
        with self.seen(snapshots.mounts("k"), tmp_path) as place:
            self.change(place)
            expected = tree(place)
        name, _ = self.commit(snapshots, "k")
        data = self.tar(snapshots, name)
        there = Database.open(str(tmp_path / "there" / "state.db"))
        others = self.make(str(tmp_path / "there" / "snapshots"), there)
        names = self.unpack(others, BASE, data)

        with self.seen(others.view(names), tmp_path) as place:
            assert tree(place) == expected
        there.close()

    def test_committing_what_exists_keeps_the_first(self, snapshots, tmp_path):
        names = []
        for key in ("one", "two"):
            snapshots.prepare(key, [])
            with self.seen(snapshots.mounts(key), tmp_path) as place:
                (place / "file").write_text("same")
                os.utime(place / "file", ns=(0, 0))
            names.append(self.commit(snapshots, key)[0])

        assert names[0] == names[1]
        assert list(snapshots.keys()) == []
        assert len(list(snapshots.layers())) == 1
        assert list(snapshots.check(is_deep=True)) == []

    def test_an_upper_folder_may_be_changed_before_its_commit(self, snapshots, tmp_path):
        """Builds normalise times there."""
        snapshots.prepare("k", self.unpack(snapshots, BASE))
        with self.seen(snapshots.mounts("k"), tmp_path) as place:
            (place / "etc/new").write_text("new")
        upper = snapshots.upper("k")
        os.utime(f"{upper}/etc/new", ns=(5, 5))
        packed = pack(upper)
        name = snapshots.commit("k", packed.diff_id, tar_size_bytes=packed.tar_size_bytes)

        assert digest_of(self.tar(snapshots, name)) == packed.diff_id
        assert os.stat(f"{snapshots.layer(name).folder}/etc/new").st_mtime_ns == 5

    def test_nothing_written_is_an_empty_layer(self, snapshots, tmp_path):
        snapshots.prepare("k", self.unpack(snapshots, BASE))
        with self.seen(snapshots.mounts("k"), tmp_path) as place:
            assert (place / "etc/hosts").read_bytes() == b"base"
        _, packed = self.commit(snapshots, "k")

        assert packed.entries == 0

    # Keeping house

    def test_wanting_a_layer_again_shows(self, snapshots):
        (name,) = self.unpack(snapshots, BASE)
        before = snapshots.used_ns(name)
        while snapshots.used_ns(name) == before:
            assert snapshots.touch(name)

        assert snapshots.used_ns(name) > before > 0
        assert not snapshots.touch("none")
        assert snapshots.used_ns("none") == 0
        assert snapshots.disk_bytes(name) > 5000

    def test_a_killed_unpack_is_invisible_and_swept(self, snapshots, tmp_path):
        self.unpack(snapshots, BASE)
        before = sorted(os.listdir(snapshots.root))
        for point in ("snapshot-folder", "unpack-begun", "unpack-applied", "unpack-flushed"):
            self.killed(tmp_path, point, lambda others: self.unpack(others, BASE, UPPER))
            assert [layer.name for layer in snapshots.layers()] == [digest_of(BASE)], point
            assert list(snapshots.check(is_deep=True)) == []
            assert len(os.listdir(snapshots.root)) == len(before) + 1
            snapshots.sweep()
            assert sorted(os.listdir(snapshots.root)) == before
        self.unpack(snapshots, BASE, UPPER)
        assert list(snapshots.check(is_deep=True)) == []

    def killed(self, tmp_path, point, work):
        """Do *work* in another process, which dies at *point*."""
        pid = os.fork()
        if pid == 0:
            try:
                os.environ["TEUL_CRASH_AT"] = point
                db = Database.open(str(tmp_path / "state" / "state.db"))
                work(self.make(str(tmp_path / "state" / "snapshots"), db))
            finally:
                os._exit(7)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -9

    def test_what_is_being_made_is_not_swept(self, snapshots):
        class Stream(io.BytesIO):
            def read(self, size=-1, /):
                snapshots.sweep()
                return super().read(min(size, 1000))

        data = archive(member("file", os.urandom(5000)))
        name = snapshots.unpack(Stream(data), digest_of(data), [])

        assert self.tar(snapshots, name) == data

    def test_a_missing_folder_is_found(self, snapshots):
        from teul.host.fs import remove_tree

        (name,) = self.unpack(snapshots, BASE)
        snapshots.prepare("k", [name])
        remove_tree(snapshots.layer(name).folder)

        assert [(finding.code, finding.subject) for finding in snapshots.check()] == [("snapshot-folder-missing", name)]

    def test_an_unknown_digest_never_resolves(self, snapshots):
        assert snapshots.resolve([]) == ()
        assert snapshots.has([])
        assert not snapshots.has([Digest.of(b"x")])
