"""What a container may do, see and use, on a real runtime. Docker's defaults."""

import os

import pytest

from teul.engine import containers
from teul.errors import Conflict, InvalidInput
from teul.runtime.spec import Limits, Rlimit

pytestmark = [pytest.mark.needs_runc, pytest.mark.slow]


def words(text):
    return dict(line.split(":", 1) for line in text.replace("\t", "").splitlines() if ":" in line)


def test_capabilities_seccomp_and_privileges_are_dockers(box):
    status = words(box.say("cat /proc/self/status"))

    assert (status["CapBnd"], status["CapEff"], status["CapInh"], status["CapAmb"]) == (
        "00000000a80425fb", "00000000a80425fb", "0000000000000000", "0000000000000000",
    )  # fmt: skip
    assert (status["Seccomp"], status["NoNewPrivs"]) == ("2", "0")


def test_another_user_has_no_capabilities(box):
    status = words(box.say("cat /proc/self/status; id", user="app", security_options=("no-new-privileges",)))

    assert (status["CapEff"], status["NoNewPrivs"]) == ("0000000000000000", "1")
    assert "uid=1000(app) gid=1000(app) groups=4(adm)" in box.out.decode()


@pytest.mark.parametrize(
    "script",
    ["mount -t tmpfs x /tmp", "unshare -m true", "mount -o remount,rw /proc/sys", "echo 1 > /proc/sysrq-trigger"],
)
def test_what_docker_forbids_fails(box, script):
    assert box.run("sh", "-c", script) != 0


def test_masked_and_read_only_paths(box):
    assert box.say("cat /proc/timer_list /proc/keys | wc -c").strip() == "0"
    assert box.say("ls /sys/firmware | wc -l").strip() == "0"
    assert box.run("touch", "/proc/sys/x") != 0
    assert box.run("sh", "-c", "echo 1 > /sys/kernel/profiling") != 0


def test_privileged_is_all_of_it(box):
    status = words(
        box.say("cat /proc/self/status; mount -t tmpfs x /tmp; test -b /dev/vda || test -c /dev/mem", privileged=True)
    )

    assert status["Seccomp"] == "0"
    assert int(status["CapEff"], 16).bit_count() > 30


def test_processes_hostname_and_files_are_its_own(box):
    assert box.say("ps | wc -l").strip() == "4"
    assert box.say("hostname; cat /etc/hostname", hostname="inside").split() == ["inside", "inside"]
    assert "\tinside\n" not in box.say("cat /etc/hosts", hostname="inside")
    assert "127.0.0.1\tlocalhost\n" in box.out.decode()


def test_a_read_only_root(box):
    assert box.run("touch", "/file", readonly=True) != 0
    assert box.say("touch /scratch/file && echo ok", readonly=True, tmpfs=("/scratch",)) == "ok\n"


def test_limits_are_in_the_cgroup(box):
    script = (
        "for f in memory/memory.limit_in_bytes memory.max cpu/cpu.cfs_quota_us cpu.max pids/pids.max pids.max; do"
        " cat /sys/fs/cgroup/$f 2>/dev/null; done; true"
    )
    shown = box.say(script, limits=Limits(memory_bytes=64 << 20, cpus=0.5, pids=20)).split()

    assert str(64 << 20) in shown
    assert "50000" in shown
    assert "20" in shown


def test_more_memory_than_the_limit_is_killed(box):
    code = box.run(
        "sh", "-c", "tail -c 200m /dev/zero | wc -c", limits=Limits(memory_bytes=16 << 20, memory_swap_bytes=16 << 20)
    )

    assert code != 0 or box.out.strip() != b"209715200"


def test_too_many_processes_fail(box):
    assert (
        box.run("sh", "-c", "for i in 1 2 3 4 5 6 7 8 9; do sleep 5 & done; echo started", limits=Limits(pids=4)) != 0
    )


def test_shared_memory_is_large_unless_told(box):
    size = int(box.say("df -k /dev/shm | tail -1").split()[1])
    assert size > 512 * 1024
    assert int(box.say("df -k /dev/shm | tail -1", shm_size_bytes=1 << 20).split()[1]) == 1024


def test_ulimits_do_not_go_above_the_callers(box):
    import resource

    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    shown = box.say("ulimit -Sn; ulimit -Hn", ulimits=(Rlimit("nofile", 100, 1 << 40),)).split()

    assert shown == ["100", str(hard)]


def test_devices_and_capabilities_that_are_given(box):
    assert box.say("ls /dev/zero2", devices=("/dev/zero:/dev/zero2:r",)) == "/dev/zero2\n"
    assert (
        words(box.say("cat /proc/self/status", cap_drop=("ALL",), cap_add=("CHOWN",)))["CapEff"] == "0000000000000001"
    )


def test_volumes_take_over_what_the_image_has(box):
    assert box.say(
        "ls -n /data | tail -n +2 | awk '{print $1, $3, $9}'; cat /data/link", volumes=("filled:/data",)
    ).splitlines() == [
        "-rw-r--r-- 0 file",
        "-rw-r--r-- 0 hard",
        "lrwxrwxrwx 0 link",
        "-rw-r----- 1000 owned",
        "from the image",
    ]
    box.say("echo changed > /data/file", volumes=("filled:/data",))
    assert box.say("cat /mnt/file /mnt/hard", volumes=("filled:/mnt",)) == "changed\nchanged\n"


def test_a_volume_that_must_not_be_filled_is_empty(box):
    assert box.say("ls /data", volumes=("bare:/data:nocopy",)) == ""


def test_an_anonymous_volume_goes_with_its_container(box):
    from teul.engine import volumes

    box.say("echo x > /v/x", volumes=("/v",))
    assert volumes.list_volumes(box.engine) == []

    box.start("true", name="keeper", volumes=("/v",))
    containers.wait(box.engine, "keeper", timeout_s=20)
    containers.remove(box.engine, "keeper")
    assert [volume.is_anonymous for volume in volumes.list_volumes(box.engine)] == [True]
    assert len(volumes.prune(box.engine)[0]) == 1


def test_a_bind_shows_the_hosts_files_and_makes_a_missing_source(box, tmp_path):
    (tmp_path / "file").write_text("host\n")

    assert box.say("cat /host/file; touch /host/made", volumes=(f"{tmp_path}:/host",)) == "host\n"
    assert (tmp_path / "made").exists()
    assert box.run("touch", "/host/x", volumes=(f"{tmp_path}:/host:ro",)) != 0
    assert box.say("ls -d /new", volumes=(f"{tmp_path}/new/deep:/new",)) == "/new\n"
    assert (tmp_path / "new/deep").is_dir()
    with pytest.raises(InvalidInput):
        box.run("true", mounts=(f"type=bind,source={tmp_path}/none,target=/x",))


def test_a_file_can_be_mounted_over_a_file(box, tmp_path):
    (tmp_path / "passwd").write_text("other:x:7:7::/:/bin/sh\n")

    assert box.say("cat /etc/passwd", volumes=(f"{tmp_path}/passwd:/etc/passwd:ro",)) == "other:x:7:7::/:/bin/sh\n"


def test_the_hosts_trust_is_seen_and_not_kept(box, monkeypatch, tmp_path):
    from teul.config import Settings

    bundle = tmp_path / "ca.pem"
    bundle.write_text("-----BEGIN CERTIFICATE-----\nours\n-----END CERTIFICATE-----\n")
    environ = {
        **os.environ,
        "TEUL_ROOT": box.engine.settings.root,
        "SSL_CERT_FILE": str(bundle),
        "HTTPS_PROXY": "http://p:1",
    }
    monkeypatch.setattr(box.engine, "settings", Settings.from_environ(environ))

    made = containers.create(
        box.engine, box.options("sh", "-c", "cat $SSL_CERT_FILE; echo $https_proxy", add_trust=True)
    )
    containers.start(box.engine, made.id)
    containers.wait(box.engine, made.id, timeout_s=20)
    shown = b"".join(line.data for line in containers.logs(box.engine, made.id))

    assert shown == bundle.read_bytes() + b"http://p:1\n"
    assert os.listdir(box.engine.snapshots.upper(made.id)) == []


def test_mount_points_leave_nothing_in_the_container(box, tmp_path):
    made = containers.create(
        box.engine, box.options("true", volumes=(f"{tmp_path}:/deep/er/host",), tmpfs=("/t",), add_trust=True)
    )
    containers.start(box.engine, made.id)
    containers.wait(box.engine, made.id, timeout_s=20)

    assert os.listdir(box.engine.snapshots.upper(made.id)) == []


def test_namespaces_can_be_shared(box):
    box.start("sleep", "60", name="other", hostname="shared")

    assert "sleep 60" in box.say("ps", pid="container:other")
    assert box.say("hostname", uts="host").strip() == os.uname().nodename
    assert box.say("readlink /proc/self/ns/ipc", ipc="host").strip() == os.readlink("/proc/self/ns/ipc")


def test_shared_memory_is_shared_with_who_asks_where_it_is_offered(box):
    box.start("sh", "-c", "echo one > /dev/shm/said; sleep 60", name="giver", ipc="shareable")
    box.start("sleep", "60", name="other")

    assert box.say("cat /dev/shm/said; echo two > /dev/shm/answer", ipc="container:giver") == "one\n"
    assert box.say("cat /dev/shm/answer", ipc="container:giver") == "two\n"
    assert box.say("ls /dev/shm") == ""
    with pytest.raises(Conflict, match="non-shareable IPC"):
        box.run("true", ipc="container:other")


def test_other_users_of_the_host_see_no_environment(box):
    from teul.engine.containers.lookup import bundle_of, folder_of

    started = box.start("sleep", "60", env=("SECRET=1",))
    settings = box.engine.settings

    for path in (bundle_of(box.engine, started.id), folder_of(box.engine, started.id), settings.database):
        assert os.stat(path).st_mode & 0o077 == 0, path


def test_our_umask_is_not_the_containers(box):
    before = os.umask(0o077)
    try:
        shown = box.say(
            "umask; ls -ld /v /b | cut -c1-10", volumes=("open:/v", f"{box.engine.settings.root}/made/b:/b")
        )
    finally:
        os.umask(before)

    assert shown.split() == ["0022", "drwxr-xr-x", "drwxr-xr-x"]
