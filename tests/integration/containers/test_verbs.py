"""Verbs beside those of a container's life, on the real kernel."""

import io
import os
import tarfile

import pytest

from suites.containers import NAME
from teul.engine import containers, images
from teul.engine.containers import copying
from teul.engine.containers.execution import ExecOptions
from teul.errors import Conflict, ContainerNotRunning, InvalidInput, NameInUse, NotFound, OptionUnsupported
from teul.runtime.spec import Limits
from teul.values import replace

pytestmark = [pytest.mark.needs_runc, pytest.mark.slow]


def said(engine, container, script, tmp_path):
    """What a script prints in a running container."""
    with open(tmp_path / "said", "wb") as file:
        code = containers.exec_(engine, container, ["sh", "-c", script], options=ExecOptions(), stdout=file.fileno())
    assert code == 0
    return (tmp_path / "said").read_text()


def put(engine, name, archive, folder):
    with copying.tree_of(engine, name) as (_, tree):
        copying.unpack(io.BytesIO(archive), tree, folder)


def fetch(engine, name, path, **options):
    made = io.BytesIO()
    with copying.tree_of(engine, name) as (_, tree):
        copying.pack(tree, path, made, **options)
    made.seek(0)
    with tarfile.open(fileobj=made) as archive:
        return {item.name: item for item in archive.getmembers()}


def tar(*members):
    """A tar of (name, content or None for a folder, or ("->", target))."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.uid, info.gid, info.mode = 7, 8, 0o751
            if content is None:
                info.type = tarfile.DIRTYPE
            elif isinstance(content, tuple):
                info.type, info.linkname = tarfile.SYMTYPE, content[1]
            else:
                info.size = len(content)
            archive.addfile(info, io.BytesIO(content) if isinstance(content, bytes) else None)
    return made.getvalue()


def test_what_a_container_changed_is_told_committed_and_exported(box, tmp_path):
    engine = box.engine
    script = (
        "echo more >> data/file; rm data/owned; mkdir -p new/sub; echo a > new/sub/f; chown 1000:4 new/sub/f;"
        "rm -r root; mkdir root; touch root/.x; touch tmp/한글"
    )
    box.run("sh", "-c", script, name="writer", remove=False)

    assert containers.diff(engine, "writer") == [
        ("C", "/data"), ("C", "/data/file"), ("D", "/data/owned"), ("A", "/new"), ("A", "/new/sub"), ("A", "/new/sub/f"),
        ("C", "/root"), ("A", "/root/.x"), ("C", "/tmp"), ("A", "/tmp/한글"),
    ]  # fmt: skip

    image = containers.commit(
        engine, "writer", "made:1", author="me", message="why", changes=["ENV A=b", 'CMD ["cat", "/new/sub/f"]']
    )

    assert ("A=b" in image.config.config.env, ("cat", "/new/sub/f")) == (True, image.config.config.command)
    assert (image.config.author, image.config.history[-1].comment) == ("me", "why")
    assert len(image.config.diff_ids) == 2
    assert box.run(image="made:1") == 0
    assert box.out == b"a\n"
    assert (
        box.say("stat -c '%u %g' /new/sub/f; ls /root/.x; ls data/owned 2>&- || true", image="made:1")
        == "1000 4\n/root/.x\n"
    )

    whole = io.BytesIO()
    containers.export(engine, "writer", whole.write)
    whole.seek(0)
    with tarfile.open(fileobj=whole) as archive:
        names = set(archive.getnames())
    assert {"new/sub/f", "tmp/한글", "bin/busybox"} <= names
    assert not any(".wh." in name or name == "data/owned" for name in names)

    whole.seek(0)
    flat = images.import_(
        engine, whole, "flat:1", message="imported", changes=['CMD ["cat", "/new/sub/f"]', "ENV PATH=/bin"]
    )
    assert len(flat.config.diff_ids) == 1
    assert box.run(image="flat:1") == 0
    assert box.out == b"a\n"


def test_a_running_container_is_still_while_it_is_committed(box):
    engine = box.engine
    box.start("sh", "-c", "while :; do echo x >> /tmp/log; done", name="busy")

    image = containers.commit(engine, "busy", "busy:1")

    assert containers.get(engine, "busy").is_running
    assert not containers.get(engine, "busy").paused
    assert len(image.config.diff_ids) == 2
    with pytest.raises(InvalidInput, match="RUN is not a valid change command"):
        containers.commit(engine, "busy", changes=["RUN ls"])


def test_files_go_in_and_out_of_running_and_stopped_containers(box, tmp_path):
    engine = box.engine
    outside = tmp_path / "outside"
    outside.mkdir()
    bound = tmp_path / "bound"
    bound.mkdir()
    box.start("sleep", "100", name="box", volumes=(f"{bound}:/bind", "named:/vol"), tmpfs=("/t",))
    archive = tar(("d", None), ("d/f", b"hello"), ("d/l", ("->", "f")))

    for folder in ("/tmp", "/bind", "/vol", "/t"):
        put(engine, "box", archive, folder)

    assert said(engine, "box", "cat /tmp/d/f /bind/d/l /vol/d/f /t/d/f", tmp_path) == "hellohellohellohello"
    assert said(engine, "box", "stat -c '%u %g %a' /tmp/d/f", tmp_path) == "7 8 751\n"
    assert (bound / "d/f").read_bytes() == b"hello"
    assert list(fetch(engine, "box", "/vol/d")) == ["d", "d/f", "d/l"]
    containers.stop(engine, "box", timeout_s=0)
    put(engine, "box", tar(("later", b"x")), "/vol")
    put(engine, "box", tar(("later", b"y")), "/root")
    assert list(fetch(engine, "box", "/vol/later")) == ["later"]
    containers.start(engine, "box")
    assert said(engine, "box", "cat /vol/later /root/later", tmp_path) == "xy"
    with pytest.raises(NotFound, match="Could not find the file /nope in container box"):
        fetch(engine, "box", "/nope")
    with pytest.raises(Conflict, match="cannot overwrite directory"):
        put(engine, "box", tar(("d", b"no folder")), "/tmp")


def test_no_link_of_a_container_leads_a_copy_out(box, tmp_path):
    engine = box.engine
    secret = tmp_path / "secret"
    secret.write_text("host")
    victim = tmp_path / "victim"
    victim.mkdir()
    box.start(
        "sh", "-c", f"ln -s {secret} /leak; ln -s {victim} /away; ln -s ../../../../../.. /up; sleep 100", name="bad"
    )
    said(engine, "bad", "until test -L /up; do :; done", tmp_path)

    # A link is read as a link, or inside the container, where it leads nowhere.
    assert fetch(engine, "bad", "/leak")["leak"].issym()
    with pytest.raises(NotFound):
        fetch(engine, "bad", "/leak", follows=True)
    with pytest.raises(NotFound):
        put(engine, "bad", tar(("f", b"x")), "/away")
    put(engine, "bad", tar(("../../../out", b"x"), ("/abs", b"y"), ("up/../../z", b"z")), "/tmp")

    assert os.listdir(victim) == []
    assert said(engine, "bad", "cat /tmp/out /tmp/abs /tmp/z", tmp_path) == "xyz"
    # Through a link of the archive's own, too: what is below it lands where the container sees it, or nowhere.
    with pytest.raises((NotFound, FileExistsError)):
        put(engine, "bad", tar(("a", ("->", str(victim))), ("a/f", b"x")), "/tmp")
    assert os.listdir(victim) == []


def test_pause_rename_update_top_and_restart(box, tmp_path):
    engine = box.engine
    first = box.start("sleep", "100", name="one")
    box.start("sleep", "100", name="other")
    containers.pause(engine, "one")

    assert containers.inspect(engine, "one")["State"]["Status"] == "paused"
    with pytest.raises(Conflict, match="already paused"):
        containers.pause(engine, "one")
    with pytest.raises(Conflict, match="paused"):
        containers.exec_(engine, "one", ["true"])
    containers.unpause(engine, "one")
    with pytest.raises(Conflict, match="not paused"):
        containers.unpause(engine, "one")

    with pytest.raises(NameInUse):
        containers.rename(engine, "one", "other")
    containers.rename(engine, "one", "two")
    assert first.id == containers.get(engine, "two").id

    containers.update(engine, "two", lambda limits: replace(limits, memory_bytes=64 << 20, pids=32))
    path = next(path for path in engine.driver.cgroups(first.id) if os.path.exists(f"{path}/pids.max"))
    with open(f"{path}/pids.max") as file:
        assert file.read() == "32\n"
    with pytest.raises(InvalidInput):
        containers.update(engine, "two", lambda limits: Limits(memory_bytes=1))

    headings, rows = containers.top(engine, "two", ("-o", "pid,args"))
    assert (["PID", "COMMAND"], [[str(first.pid), "sleep 100"]]) == (headings, rows)

    containers.pause(engine, "two")
    containers.restart(engine, "two", timeout_s=0)
    again = containers.get(engine, "two")
    assert (again.is_running, again.pid == first.pid) == (True, False)
    containers.stop(engine, "two", timeout_s=0)
    with pytest.raises(ContainerNotRunning):
        containers.top(engine, "two")


def test_limits_and_devices_are_what_was_asked_for(box):
    limits = Limits(memory_bytes=96 << 20, cpu_period_us=50000, cpu_quota_us=20000, pids=40, cpu_shares=512)
    script = "cat /proc/self/cgroup; cat /proc/self/oom_score_adj; ls /dev/fuse2"
    shown = box.say(
        script, limits=limits, oom_score_adj=77, devices=("/dev/null:/dev/fuse2:r",), device_rules=("c 10:* r",),
        cgroup_parent="/teul-test-parent",
    )  # fmt: skip

    assert "/teul-test-parent/teul-" in shown
    assert shown.endswith("77\n/dev/fuse2\n")
    with pytest.raises(OptionUnsupported):
        containers.create(box.engine, box.options("true", cgroup_parent="a.slice"))


def test_volumes_of_another_and_images_are_mounted(box):
    engine = box.engine
    box.run("sh", "-c", "echo kept > /v/f", name="owner", volumes=("shared:/v",), remove=False)

    assert box.say("cat /v/f", volumes_from=("owner",)) == "kept\n"
    assert box.run("sh", "-c", "touch /v/g", volumes_from=("owner:ro",)) == 1
    assert box.say("cat /i/file; touch /i/x 2>&- && echo written || true",
                                         mounts=(f"type=image,source={NAME},target=/i,image-subpath=data",)) == "from the image\n"  # fmt: skip
    with pytest.raises(InvalidInput, match="no folder or file"):
        box.run("true", mounts=(f"type=image,source={NAME},target=/i,image-subpath=../etc",))
    containers.remove(engine, "owner")
