import os

import pytest

from teul.host import probe


def tree(root, *paths, **files):
    for path in paths:
        (root / path).mkdir(parents=True, exist_ok=True)
    for path, content in files.items():
        file = root / path.replace("__", "/").replace("_dot_", ".")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    return str(root)


@pytest.mark.parametrize(
    ("release", "state"),
    [
        ("6.18.44-fc", "ok"),
        ("5.6.0", "ok"),
        ("5.15.0-105-generic", "ok"),
        ("5.4.0", "missing"),
        ("4.19.0-26-amd64", "missing"),
    ],
)
def test_a_kernel_without_openat2_is_too_old(release, state):
    assert state == probe.probe_kernel(release).state


def test_version_one_control_groups(tmp_path):
    root = tree(tmp_path, *(f"sys/fs/cgroup/{name}" for name in ("memory", "cpu,cpuacct", "pids")))

    assert str(probe.probe_cgroups(root).found) == "v1: memory, cpu, pids"


def test_hybrid_control_groups(tmp_path):
    root = tree(tmp_path, *(f"sys/fs/cgroup/{name}" for name in ("memory", "cpu", "pids", "unified")))

    assert str(probe.probe_cgroups(root).found) == "hybrid: memory, cpu, pids"


def test_version_two_names_a_controller_that_is_not_there(tmp_path):
    root = tree(tmp_path, sys__fs__cgroup__cgroup_dot_controllers="cpuset cpu pids\n")

    found = probe.probe_cgroups(root)

    assert (found.state, str(found.found)) == ("note", "v2; without memory: those limits cannot be set")


def test_no_control_groups_at_all(tmp_path):
    found = probe.probe_cgroups(str(tmp_path))

    assert (found.state, found.mend) == ("missing", "mount -t cgroup2 none /sys/fs/cgroup")


def test_a_program_that_is_not_there_is_mended_by_its_package():
    found = probe.probe_program(probe._Program("no-such-program", "some-package", "a test"))

    assert (found.state, found.mend, found.package) == ("missing", "apt-get install some-package", "some-package")


def test_the_version_of_a_program_is_its_first_number():
    assert probe.program_version("/bin/sh") == ""
    assert probe.program_version("/usr/bin/env")[0].isdigit()


def test_no_ca_bundle_is_missing(tmp_path):
    assert probe.probe_certificates(str(tmp_path)).state == "missing"
    root = tree(tmp_path, etc__ssl__certs__ca_certificates_dot_crt="x")
    os.rename(f"{root}/etc/ssl/certs/ca_certificates.crt", f"{root}/etc/ssl/certs/ca-certificates.crt")
    assert probe.probe_certificates(root).state == "ok"


def test_a_state_folder_to_come_is_measured_where_it_will_be(tmp_path):
    assert probe.existing_parent(str(tmp_path / "a/b/c")) == str(tmp_path)
    assert probe.probe_disk(str(tmp_path / "a/b")).state in ("ok", "note")


def test_not_being_root_is_said():
    assert (probe.probe_root(0).state, probe.probe_root(1000).state) == ("ok", "missing")
