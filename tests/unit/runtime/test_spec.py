"""`config.json` with Docker's defaults. Spec: runtime-spec v1.1 config.md, config-linux.md.

The golden files hold the whole of it but for the seccomp rules, which have tests of their own; `TEUL_GOLDEN=1` writes them.
"""

import json
import os

import pytest

from teul.oci.runtime import Mount
from teul.runtime.spec import (
    ALL_CAPABILITIES,
    DEFAULT_CAPABILITIES,
    Device,
    Host,
    Limits,
    Process,
    Rlimit,
    Sandbox,
    to_spec,
)

GOLDEN = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "golden", "spec")
HOST = Host(
    memory_bytes=8 << 30,
    cgroup_version=1,
    has_swap_accounting=True,
    capabilities=frozenset(ALL_CAPABILITIES),
    hard_limits={"nofile": 4096, "core": -1},
    machine="x86_64",
    kernel="6.1.0",
)
PROCESS = Process(args=("sh", "-c", "true"), env=("PATH=/bin",))


def plain(sandbox, host=HOST):
    """The spec as JSON gives it back, without the seccomp rules."""
    made = json.loads(json.dumps(to_spec(sandbox, host)))
    if "seccomp" in made["linux"]:
        made["linux"]["seccomp"]["syscalls"] = "…"
    return made


CASES = {
    "default": Sandbox(process=PROCESS, rootfs="/bundle/rootfs", hostname="box", cgroup_path="/teul-1-2"),
    "limited": Sandbox(
        process=Process(
            args=("id",), uid=1000, gid=1000, groups=(4, 44), cwd="/app", terminal=True, no_new_privileges=True,
            capabilities=("CAP_CHOWN",), rlimits=(Rlimit("nofile", 1024, 2048),), oom_score_adj=100,
        ),
        rootfs="/bundle/rootfs",
        mounts=(
            Mount("bind", "/srv/deep", "/data/deep", ("rbind", "rslave", "ro")),
            Mount("bind", "/srv", "/data", ("rbind", "rprivate")),
            Mount("tmpfs", "shm", "/dev/shm", ("size=1048576",)),
        ),
        network="/proc/1/fd/7",
        limits=Limits(memory_bytes=1 << 30, cpus=1.5, pids=100, cpu_shares=512, cpuset="0-1"),
        readonly=True,
        devices=(Device(path="/dev/fuse", kind="c", major=10, minor=229, access="rw"),),
        sysctls={"net.core.somaxconn": "1024"},
        annotations={"a": "b"},
    ),
    "privileged": Sandbox(process=PROCESS, rootfs="/r", privileged=True, network="host", pid="host", uts="host"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_the_spec_is_as_it_was_agreed(name):
    made = json.dumps(plain(CASES[name]), indent=1) + "\n"
    path = f"{GOLDEN}/{name}.json"
    if os.environ.get("TEUL_GOLDEN"):
        os.makedirs(GOLDEN, exist_ok=True)
        with open(path, "w") as file:
            file.write(made)
    with open(path) as file:
        assert file.read() == made


def test_a_limit_is_never_above_the_callers_hard_limit():
    process = Process(args=("x",), rlimits=(Rlimit("nofile", -1, 1 << 20), Rlimit("core", -1, -1)))

    made = plain(Sandbox(process=process, rootfs="/r"))
    assert made["process"]["rlimits"] == [
        {"type": "RLIMIT_NOFILE", "soft": 4096, "hard": 4096},
        {"type": "RLIMIT_CORE", "soft": (1 << 64) - 1, "hard": (1 << 64) - 1},
    ]


def test_a_capability_that_we_lack_is_not_given():
    from teul.values import replace

    host = replace(HOST, capabilities=frozenset(["CAP_CHOWN", "CAP_KILL"]))

    made = plain(CASES["default"], host)
    assert made["process"]["capabilities"]["bounding"] == ["CAP_CHOWN", "CAP_KILL"]


def test_no_capability_is_inheritable_or_ambient():
    """CVE-2022-24769: inheritable ones would reach a program that has file capabilities."""
    assert {"bounding", "effective", "permitted"} == set(plain(CASES["default"])["process"]["capabilities"])
    assert set(DEFAULT_CAPABILITIES) == set(plain(CASES["default"])["process"]["capabilities"]["bounding"])


@pytest.mark.parametrize(
    ("limits", "shm", "size"),
    [(Limits(), 0, 4 << 30), (Limits(memory_bytes=2 << 30), 0, 1 << 30), (Limits(memory_bytes=32 << 20), 0, 64 << 20),
     (Limits(), 128 << 20, 128 << 20), (Limits(memory_bytes=64 << 30), 0, 4 << 30)],
)  # fmt: skip
def test_shared_memory_is_half_of_the_memory(limits, shm, size):
    made = plain(Sandbox(process=PROCESS, rootfs="/r", limits=limits, shm_size_bytes=shm))

    (mount,) = [item for item in made["mounts"] if item["destination"] == "/dev/shm"]
    assert f"size={size}" in mount["options"]


def test_swap_is_left_alone_where_the_kernel_does_not_count_it():
    from teul.values import replace

    made = plain(
        Sandbox(process=PROCESS, rootfs="/r", limits=Limits(memory_bytes=1 << 30)),
        replace(HOST, has_swap_accounting=False),
    )

    assert made["linux"]["resources"]["memory"] == {"limit": 1 << 30}


def test_cgroup_v2_has_a_namespace_of_its_own():
    from teul.values import replace

    kinds = [item["type"] for item in plain(CASES["default"], replace(HOST, cgroup_version=2))["linux"]["namespaces"]]

    assert "cgroup" in kinds


def test_the_hosts_shared_memory_is_bound_where_there_is_one():
    made = plain(Sandbox(process=PROCESS, rootfs="/r", ipc="host"))

    (mount,) = [item for item in made["mounts"] if item["destination"] == "/dev/shm"]
    assert (mount["type"], mount["source"]) == ("bind", "/dev/shm")
    assert "ipc" not in [item["type"] for item in made["linux"]["namespaces"]]


def test_unconfined_has_no_filter():
    assert "seccomp" not in plain(Sandbox(process=PROCESS, rootfs="/r", seccomp="unconfined"))["linux"]


def test_here_is_a_host():
    here = Host.here()

    assert here.memory_bytes > 1 << 20
    assert here.cgroup_version in (1, 2)
    assert here.machine == os.uname().machine


def test_a_domain_is_set_where_the_container_has_a_name_of_its_own():
    made = {
        uts: to_spec(Sandbox(process=PROCESS, rootfs="/r", domainname="here", uts=uts), HOST)["linux"]["sysctl"]
        for uts in ("private", "host")
    }

    assert made["private"]["kernel.domainname"] == "here"
    assert "kernel.domainname" not in made["host"]
