"""The default profile, lowered. Spec: runtime-spec v1.1 config-linux.md, "Seccomp"; Docker's documentation."""

import json

import pytest

from teul.errors import InvalidInput
from teul.runtime.seccomp import default_profile, load_profile, lower
from teul.runtime.spec import ALL_CAPABILITIES, DEFAULT_CAPABILITIES


def allowed(capabilities, machine="x86_64", kernel="6.1.0"):
    """Names that are allowed without conditions on their arguments."""
    made = lower(default_profile(), capabilities, machine=machine, kernel=kernel)
    return {
        name
        for rule in made["syscalls"]
        if rule["action"] == "SCMP_ACT_ALLOW" and not rule.get("args")
        for name in rule["names"]
    }


def test_what_is_not_named_is_an_error():
    made = lower(default_profile(), DEFAULT_CAPABILITIES, machine="x86_64", kernel="6.1.0")

    assert (made["defaultAction"], made["defaultErrnoRet"]) == ("SCMP_ACT_ERRNO", 1)
    assert made["architectures"] == ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"]


@pytest.mark.parametrize(
    "name",
    ["mount", "umount2", "setns", "unshare", "bpf", "init_module", "reboot", "kexec_load", "keyctl", "add_key", "settimeofday",
     "io_uring_setup", "userfaultfd", "perf_event_open", "open_by_handle_at", "swapon", "pivot_root", "acct", "move_pages",
     "nfsservctl", "vm86", "quotactl", "fsopen", "open_tree", "iopl", "syslog", "mbind"],
)  # fmt: skip
def test_calls_that_docker_blocks_are_blocked(name):
    assert name not in allowed(DEFAULT_CAPABILITIES)


@pytest.mark.parametrize(
    "name", ["read", "openat2", "clone3x", "futex_waitv", "statx", "chroot", "ptrace", "rseq", "landlock_restrict_self"]
)
def test_calls_that_programs_need_are_allowed(name):
    assert (name in allowed(DEFAULT_CAPABILITIES)) == (name != "clone3x")


def test_a_capability_brings_its_calls():
    assert {"mount", "setns", "bpf", "clone", "clone3"} <= allowed(["CAP_SYS_ADMIN"])
    assert {"reboot"} == allowed(["CAP_SYS_BOOT"]) - allowed([])
    assert {"get_mempolicy", "mbind", "set_mempolicy"} <= allowed(["CAP_SYS_NICE"])


def test_new_namespaces_need_a_capability():
    rules = lower(default_profile(), DEFAULT_CAPABILITIES, machine="x86_64", kernel="6.1.0")["syscalls"]
    (clone,) = [rule for rule in rules if rule["names"] == ["clone"]]
    (clone3,) = [rule for rule in rules if rule["names"] == ["clone3"]]

    assert clone["args"] == [{"index": 0, "value": 0x7E020000, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}]
    assert (clone3["action"], clone3["errnoRet"]) == ("SCMP_ACT_ERRNO", 38)


def test_an_architecture_has_its_own_calls():
    assert "arch_prctl" in allowed([], "x86_64")
    assert "arch_prctl" not in allowed([], "aarch64")
    assert "cacheflush" in allowed([], "aarch64")


def test_an_old_kernel_gets_no_ptrace():
    assert "ptrace" not in allowed([], kernel="4.4.0-generic")


def test_every_capability_of_the_profile_exists():
    named = {
        capability
        for rule in default_profile()["syscalls"]
        for side in ("includes", "excludes")
        for capability in rule.get(side, {}).get("caps", ())
    }

    assert named <= set(ALL_CAPABILITIES)


def test_a_profile_of_ones_own(tmp_path):
    path = tmp_path / "profile.json"
    path.write_text(
        json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO"}]})
    )

    assert lower(load_profile(str(path)), [])["syscalls"] == [{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO"}]


@pytest.mark.parametrize("content", ["", "[]", "{}"])
def test_what_is_no_profile_is_refused(tmp_path, content):
    path = tmp_path / "profile.json"
    path.write_text(content)
    with pytest.raises(InvalidInput):
        load_profile(str(path))
