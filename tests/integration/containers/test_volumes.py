"""Volumes on a real runtime: content, options, export and import, and whose the files are."""

import io
import os
import tarfile

import pytest

from suites.containers import held
from teul.engine import containers, volumes
from teul.errors import Conflict, InvalidInput, TeulError

pytestmark = [pytest.mark.needs_runc, pytest.mark.slow]


def test_options_are_mounted_while_somebody_runs(box):
    volumes.create(box.engine, "memory", options={"type": "tmpfs", "device": "tmpfs", "o": "size=1m,uid=7"})
    box.start("sleep", "600", name="first", volumes=("memory:/m",))

    assert box.say("stat -c %u /m; echo shared > /m/f", volumes=("memory:/m",)) == "7\n"
    assert box.run("dd", "if=/dev/zero", "of=/m/big", "bs=1M", "count=2", volumes=("memory:/m",)) != 0
    assert containers.exec_(box.engine, "first", ["grep", "-q", "shared", "/m/f"]) == 0
    with pytest.raises(Conflict, match="volume is in use"):
        volumes.remove(box.engine, "memory")

    containers.remove(box.engine, "first", force=True)
    assert volumes.mounted(box.engine) == []
    assert held(box.engine)["mounts"] == []
    volumes.remove(box.engine, "memory")


def test_a_volume_that_is_a_folder_of_the_host(box, tmp_path):
    (tmp_path / "f").write_text("from the host\n")
    volumes.create(box.engine, "bound", options={"type": "none", "device": str(tmp_path), "o": "bind"})

    assert box.say("cat /b/f", volumes=("bound:/b",)) == "from the host\n"
    volumes.remove(box.engine, "bound", force=True) if not volumes.users(box.engine, "bound") else None
    assert (tmp_path / "f").exists()

    volumes.create(box.engine, "gone", options={"type": "none", "device": f"{tmp_path}/none", "o": "bind"})
    with pytest.raises(InvalidInput, match="failed to mount local volume gone"):
        box.run("true", volumes=("gone:/b",))


@pytest.mark.parametrize(
    ("options", "said"), [({"foo": "bar"}, 'invalid option: "foo"'), ({"type": "tmpfs"}, 'required option: "device"')]
)
def test_options_that_cannot_be(engine, options, said):
    with pytest.raises(InvalidInput, match=said):
        volumes.create(engine, "odd", options=options)
    assert volumes.list_volumes(engine) == []


def test_a_volume_moves_house(box):
    box.say("echo one > /d/a; mkdir /d/b; ln -s ../a /d/b/l; chown 7:8 /d; chmod 2750 /d; chown 9 /d/a",
            volumes=("old:/d",))  # fmt: skip
    archive = io.BytesIO()
    volumes.export(box.engine, "old", archive.write)
    with tarfile.open(fileobj=io.BytesIO(archive.getvalue())) as content:
        assert sorted(content.getnames()) == [".", "a", "b", "b/l"]

    volumes.create(box.engine, "new")
    volumes.import_(box.engine, "new", io.BytesIO(archive.getvalue()))
    assert box.say("stat -c '%u:%g %a' /d; stat -c %u /d/a; cat /d/b/l", volumes=("new:/d",)) == "7:8 2750\n9\none\n"

    # Over what is there: the same names are replaced, others stay.
    box.say("echo changed > /d/a; echo mine > /d/own", volumes=("new:/d",))
    volumes.import_(box.engine, "new", io.BytesIO(archive.getvalue()))
    assert box.say("cat /d/a /d/own", volumes=("new:/d",)) == "one\nmine\n"


def test_a_stream_that_wants_out_or_breaks_off_changes_nothing(box):
    volumes.create(box.engine, "data")
    box.say("echo whole > /d/f; ln -s /etc /d/out", volumes=("data:/d",))
    good = io.BytesIO()
    volumes.export(box.engine, "data", good.write)
    climbing = io.BytesIO()
    with tarfile.open(fileobj=climbing, mode="w") as archive:
        for name in ("f", "../../escaped"):
            info = tarfile.TarInfo(name)
            info.size = 4
            archive.addfile(info, io.BytesIO(b"evil"))
    for stream in (good.getvalue()[:700], climbing.getvalue(), b"no tar"):
        with pytest.raises(TeulError):
            volumes.import_(box.engine, "data", io.BytesIO(stream))
        assert box.say("cat /d/f; ls /d", volumes=("data:/d",)) == "whole\nf\nout\n"

    through = io.BytesIO()
    with tarfile.open(fileobj=through, mode="w") as archive:
        info = tarfile.TarInfo("out/planted")
        info.size = 4
        archive.addfile(info, io.BytesIO(b"evil"))
    volumes.import_(box.engine, "data", io.BytesIO(through.getvalue()))
    assert not os.path.exists("/etc/planted")
    assert box.say("cat /d/out/planted", volumes=("data:/d",)) == "evil"


def test_files_in_binds_belong_to_the_caller_with_keep_id(box, tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "before").write_text("x")
    for path in (mine, mine / "before"):
        os.chown(path, 4711, 4712)

    # Docker's ownership is the default.
    box.say("touch /b/plain", volumes=(f"{mine}:/b",))
    shown = box.say(
        "stat -c %u:%g /b /b/before; touch /b/made; mkdir /b/folder", volumes=(f"{mine}:/b",), userns="keep-id"
    )
    box.say("touch /b/folder/by-app", volumes=(f"{mine}:/b",), userns="keep-id", user="app")

    assert shown == "0:0\n0:0\n"
    owners = {name: os.stat(mine / name).st_uid for name in ("plain", "made", "folder")}
    assert owners == {"plain": 0, "made": 4711, "folder": 4711}
    assert held(box.engine)["mounts"] == []


def test_shared_memory_is_large_enough_for_a_data_loader(box):
    half = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    size = int(box.say("df -k /dev/shm | tail -1 | awk '{print $2}'")) * 1024

    assert abs(size - half) < 4 << 20
    assert "65536" in box.say("df -k /dev/shm | tail -1", shm_size_bytes=64 << 20)


def test_memory_has_the_mode_that_was_asked_for_and_else_that_of_the_folder_it_covers(box):
    said = box.say(
        "stat -c %a /etc /new /proc/../zero /other",
        tmpfs=("/etc:mode=1711", "/new", "/zero:mode=0"),
        mounts=("type=tmpfs,target=/other,tmpfs-mode=0750",),
    )

    assert said.split() == ["1711", "1777", "0", "750"]
    assert box.say("stat -c %a /etc", tmpfs=("/etc",)) == "755\n"
