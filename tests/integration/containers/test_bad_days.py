"""Programs that fail half-way, images that want out, and twenty at once: everything is taken back, nothing escapes."""

import os
import subprocess
import sys

import pytest

from integration.containers.test_network import wait_until
from suites.containers import NAME, add_busybox, held
from teul.engine import containers, leftovers, networks, system, volumes
from teul.engine.images import remove as remove_image
from teul.engine.resetting import reset
from teul.errors import InvalidInput, TeulError
from teul.host.fs import FolderLock
from teul.network import netavark
from teul.runtime import monitor
from teul.runtime.driver import Driver

pytestmark = [pytest.mark.needs_runc, pytest.mark.needs_network, pytest.mark.slow]


def wrapper(folder, name, script, real):
    """A program that runs *script*, where `real "$@"` is the real one."""
    path = folder / name
    path.write_text(f'#!/bin/sh\nreal() {{ {real} "$@"; }}\n{script}\n')
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    "script",
    [
        "exit 1",
        'case "$*" in *setup*) real "$@" >/dev/null; echo "{\\"error\\":\\"lightning\\"}"; exit 1;; esac; real "$@"',
        'case "$*" in *setup*) kill -9 $$;; esac; real "$@"',
    ],
    ids=["at once", "when all is done", "killed"],
)
def test_netavark_fails(box, tmp_path, monkeypatch, script):
    networks.create(box.engine, "mine")
    box.run("true", network=("mine",), publish=("80",))
    wait_until(lambda: not held(box.engine)["processes"])
    before = held(box.engine)
    real, _ = netavark.find_netavark()
    folder = tmp_path / "bin"
    folder.mkdir()
    wrapper(folder, "netavark", script, real)
    with monkeypatch.context() as patch:
        patch.setattr(netavark, "FOLDERS", (str(folder), *netavark.FOLDERS))
        with pytest.raises(TeulError):
            box.run("true", network=("mine",), publish=("80",))

    networks.sweep(box.engine)
    wait_until(lambda: held(box.engine) == before or not held(box.engine)["processes"])
    assert held(box.engine) == before
    assert box.run("true", network=("mine",)) == 0


@pytest.mark.parametrize(
    "script",
    [
        'case "$*" in *" create "*) exit 1;; esac; real "$@"',
        'case "$*" in *" create "*) real "$@"; exit 1;; esac; real "$@"',
    ],
    ids=["create", "create when done"],
)
def test_the_runtime_fails(box, tmp_path, monkeypatch, script):
    monkeypatch.setattr(monitor, "ANSWER_PATIENCE_S", 0)
    box.run("true", network=(), publish=("80",))
    wait_until(lambda: not held(box.engine)["processes"])
    before = held(box.engine)
    good = box.engine.driver
    path = wrapper(tmp_path, good.name, script, good.path)
    box.engine.driver = Driver(
        good.name, path, root=good.root, instance=box.engine.settings.instance, folder=box.engine.settings.root
    )
    try:
        with pytest.raises(TeulError):
            box.run("true", network=(), publish=("80",))
    finally:
        box.engine.driver = good

    containers.list_containers(box.engine, all=True)
    for left in containers.list_containers(box.engine, all=True):
        assert not left.is_running
        containers.remove(box.engine, left.id, with_volumes=True)
    wait_until(lambda: not held(box.engine)["processes"])
    networks.sweep(box.engine)
    assert held(box.engine) == before
    assert box.run("true", network=()) == 0


def test_twenty_commands_on_one_name_one_wins(box):
    program = "import sys; from teul.cli.main import main; sys.exit(main())"
    words = [sys.executable, "-c", program, "run", "-d", "--name", "only", "--network", "none", NAME, "sleep", "600"]
    environ = {**os.environ, "TEUL_ROOT": box.engine.settings.root, "PYTHONPATH": os.pathsep.join(sys.path)}
    started = [
        subprocess.Popen(words, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(20)
    ]
    said = [process.communicate() for process in started]

    winners = [out for process, (out, _) in zip(started, said, strict=True) if process.returncode == 0]
    losers = [err for process, (_, err) in zip(started, said, strict=True) if process.returncode != 0]
    assert len(winners) == 1
    assert len(losers) == 19
    assert all("name `only` is already in use by" in err for err in losers), losers
    assert [item.id for item in containers.list_containers(box.engine, all=True)] == [winners[0].strip()]


HOSTILE = {
    "passwd": "ln -sf /proc/1/root/etc/passwd /etc/passwd",
    "etc": "rm -rf /etc; ln -s /proc/self/cwd/../../../../tmp /etc",
    "dev": "rm -rf /dev; ln -s /tmp /dev",
    "proc": "rm -rf /proc; ln -s /tmp /proc",
    "sys": "rm -rf /sys; ln -s / /sys",
}


@pytest.mark.parametrize("what", HOSTILE)
def test_an_image_whose_folders_lead_out(box, tmp_path, what):
    """The image is made by hand: its layer holds links where folders are expected."""
    import io
    import tarfile

    from suites.containers import busybox_tar
    from suites.small_images import MACHINE
    from teul.oci.digest import Digest
    from teul.oci.image import ExecutionConfig, History, ImageConfig
    from teul.oci.reference import Reference

    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "passwd").write_text("root:x:0:0:::\nvictim:x:4711:4711:::\n")
    name = {"passwd": "etc/passwd"}.get(what, what)
    target = f"/proc/1/root{outside}/passwd" if what == "passwd" else str(outside)
    made = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(busybox_tar())) as base, tarfile.open(fileobj=made, mode="w") as archive:
        for member in base:
            if member.name != name and not (what != "passwd" and member.name.startswith(f"{name}/")):
                archive.addfile(member, base.extractfile(member) if member.isreg() else None)
        link = tarfile.TarInfo(name)
        link.type, link.linkname, link.mode = tarfile.SYMTYPE, target, 0o777
        archive.addfile(link)
    data = made.getvalue()
    box.engine.snapshots.unpack(io.BytesIO(data), Digest.of(data), ())
    document = ImageConfig(
        platform=MACHINE,
        config=ExecutionConfig(command=("sh",), env=("PATH=/bin",)),
        diff_ids=(Digest.of(data),),
        history=(History("1980-01-01T00:00:00Z", "hostile"),),
    ).to_bytes()
    box.engine.images.add(document, names=(Reference.parse("hostile"),))

    for options in ({}, {"user": "victim"}, {"volumes": ("filled:/etc",)}):
        try:
            box.run(
                "sh",
                "-c",
                "id -u; echo mark > /etc/mark 2>/dev/null; echo mark > /dev/mark",
                image="hostile",
                **options,
            )
        except TeulError:
            continue
        assert b"4711" not in box.out

    assert sorted(os.listdir(outside)) == ["passwd"]
    assert "mark" not in (outside / "passwd").read_text()


def test_a_path_in_a_volume_that_leads_out(box, tmp_path):
    box.run("sh", "-c", "mkdir /v/in; echo inside > /v/in/f; ln -s /etc /v/out; ln -s ../../../../etc/passwd /v/pw",
            volumes=("data:/v",))  # fmt: skip
    said = box.say("cat /x/f", mounts=("type=volume,source=data,target=/x,volume-subpath=in",))
    assert said == "inside\n"

    for path in ("out", "pw", "nowhere", "in/../../../etc"):
        with pytest.raises(InvalidInput, match="cannot access path"):
            box.run("cat", "/x", mounts=(f"type=volume,source=data,target=/x,volume-subpath={path}",))


def test_a_bind_source_that_is_missing(box, tmp_path):
    with pytest.raises(InvalidInput, match="bind source path does not exist"):
        box.run("true", mounts=(f"type=bind,source={tmp_path}/none,target=/x",))
    assert not os.path.exists(tmp_path / "none")


def test_an_address_that_cannot_be_given_leaves_nothing(box):
    mine = networks.create(box.engine, "mine", subnet="10.213.78.0/24", gateway="10.213.78.254")
    box.start("sleep", "600", name="first", network=("mine",), address="10.213.78.9")
    before = held(box.engine)

    for address, said in (
        ("10.99.99.99", "no configured subnet or ip-range contain the IP address 10.99.99.99"),
        ("10.213.78.9", "Address already in use: 10.213.78.9"),
        ("10.213.78.254", "Address already in use: 10.213.78.254"),
    ):
        with pytest.raises(TeulError, match=said):
            box.run("true", network=("mine",), address=address)

    assert [container.name for container in containers.list_containers(box.engine, all=True)] == ["first"]
    assert [address for _, address in networks.endpoints(box.engine, mine)] == ["10.213.78.9"]
    assert held(box.engine) == before


def test_an_image_that_is_removed_while_containers_use_it(box):
    for name in ("stopped", "running"):
        add_busybox(box.engine, name, labels={"name": name})
    containers.create(box.engine, box.options("echo", "alive", image="stopped", name="one"))
    box.start("sleep", "600", image="running", name="two")
    image = box.engine.images.get("running").id
    for name, user in (("stopped", "one"), ("running", "two")):
        with pytest.raises(TeulError, match=f"is in use by container {user}"):
            remove_image(box.engine, name)
        remove_image(box.engine, name, force=True)

    # The last name of what runs is gone; the image itself stays while it does.
    with pytest.raises(TeulError, match="is in use by container two"):
        remove_image(box.engine, image, force=True)
    system.collect(box.engine)
    assert containers.exec_(box.engine, "two", ["true"]) == 0
    containers.start(box.engine, "one")
    assert containers.wait(box.engine, "one") == 0
    assert system.fsck(box.engine) == []


def test_fsck_finds_leftovers_and_mends_them(box):
    folder = f"{box.engine.settings.containers}/{'ab' * 32}"
    bundle = f"{box.engine.settings.run_root}/containers/{'cd' * 32}"
    bridge = f"tl{box.engine.settings.instance}ffff"
    subprocess.run(["ip", "link", "add", bridge, "type", "bridge"], check=True)
    for path in (folder, bundle):
        os.makedirs(path)
    removing = f"{box.engine.settings.containers}/{'ef' * 32}"
    os.makedirs(removing)
    lock = FolderLock.take(removing)

    assert sorted(finding.code for finding in system.fsck(box.engine)) == [
        "bridge-stray", "container-folder-stray", "run-folder-stray",
    ]  # fmt: skip

    assert len(leftovers.mend(box.engine)) == 3
    assert system.fsck(box.engine) == []
    assert not os.path.exists(f"/sys/class/net/{bridge}")
    assert os.path.exists(removing)
    lock.release()


def test_a_reset_ends_everything_and_keeps_what_is_stored(box):
    networks.create(box.engine, "mine", ipv6=True)
    volumes.create(box.engine, "memory", options={"type": "tmpfs", "device": "tmpfs"})
    volumes.create(box.engine, "kept")
    box.start("sleep", "600", name="one", network=("mine",), publish=("80",), volumes=("memory:/m", "kept:/k"))
    box.start("sleep", "600", name="two", network=())
    containers.create(box.engine, box.options("true", name="three"))

    done = reset(box.engine)

    assert sorted(done.containers) == ["one", "three", "two"]
    assert sorted(done.networks) == ["bridge", "mine"]
    left = held(box.engine)
    assert [left[name] for name in ("mounts", "interfaces", "cgroups")] == [[], [], []]
    wait_until(lambda: not held(box.engine)["processes"])
    assert [volume.name for volume in volumes.list_volumes(box.engine)] == ["kept", "memory"]
    assert add_busybox(box.engine)
    assert box.run("true", network=()) == 0
