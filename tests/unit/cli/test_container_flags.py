"""`run` and `create`: from words to options."""

import pytest

from teul.cli.container_flags import REFUSED, REFUSED_SWITCHES, parse_ulimit, to_options
from teul.cli.create import FLAGS as CREATE_FLAGS
from teul.cli.flags import parse
from teul.cli.run import FLAGS
from teul.errors import InvalidInput, OptionUnsupported, UsageError
from teul.oci.image import Healthcheck
from teul.runtime.spec import Limits, Rlimit

DOCKERS = """add-host annotation attach blkio-weight blkio-weight-device cap-add cap-drop cgroup-parent cgroupns cidfile
cpu-count cpu-percent cpu-period cpu-quota cpu-rt-period cpu-rt-runtime cpu-shares cpus cpuset-cpus cpuset-mems detach
detach-keys device device-cgroup-rule device-read-bps device-read-iops device-write-bps device-write-iops
disable-content-trust dns dns-opt dns-option dns-search domainname entrypoint env env-file expose gpus group-add health-cmd
health-interval health-retries health-start-interval health-start-period health-timeout hostname init interactive
io-maxbandwidth io-maxiops ip ip6 ipc isolation kernel-memory label label-file link link-local-ip log-driver log-opt
mac-address memory memory-reservation memory-swap memory-swappiness mount name net net-alias network network-alias
no-healthcheck oom-kill-disable oom-score-adj pid pids-limit platform privileged publish publish-all pull quiet read-only
restart rm runtime security-opt shm-size sig-proxy stop-signal stop-timeout storage-opt sysctl tmpfs tty ulimit
use-api-socket user userns uts volume volume-driver volumes-from workdir"""
"""All of `docker run --help` (29.x), and the hidden ones."""


def options(*words, environ=None):
    arguments = parse(FLAGS, [*words, "app"], interspersed=False, command="run")
    return to_options(arguments, detach=False, environ=environ or {})


def test_every_flag_of_docker_is_known():
    known = {flag.name for flag in FLAGS}

    assert [name for name in DOCKERS.split() if name not in known] == []
    assert {flag.name for flag in CREATE_FLAGS} <= known


@pytest.mark.parametrize("name", [*REFUSED, *REFUSED_SWITCHES])
def test_what_is_not_honoured_is_refused_by_name(name):
    word = [f"--{name}"] if name in REFUSED_SWITCHES else [f"--{name}", "x"]
    with pytest.raises(OptionUnsupported, match=f"`--{name}`"):
        options(*word)


def test_health_flags_are_one_check_in_nanoseconds():
    made = options("--health-cmd", "curl x", "--health-interval", "1m30s", "--health-timeout", "500ms")

    assert made.health == Healthcheck(("CMD-SHELL", "curl x"), 90_000_000_000, 500_000_000)


def test_no_healthcheck_takes_the_images_away_and_goes_with_no_other():
    assert options("--no-healthcheck").health == Healthcheck(("NONE",))
    with pytest.raises(InvalidInput, match="conflicts with --health"):
        options("--no-healthcheck", "--health-retries", "3")


@pytest.mark.parametrize("word", ["soon", "1", "5x", "-1"])
def test_a_duration_that_is_none_is_named(word):
    with pytest.raises(InvalidInput, match="health-interval"):
        options("--health-cmd", "x", "--health-interval", word)


def test_flags_after_the_image_are_the_commands():
    arguments = parse(FLAGS, ["-it", "app", "sh", "-c", "--rm"], interspersed=False, command="run")
    made = to_options(arguments, detach=False, environ={})

    assert (made.interactive, made.tty, made.command, made.remove) == (True, True, ("sh", "-c", "--rm"), False)


def test_a_line_full_of_flags():
    made = options(
        *("--name", "web", "-e", "A=1", "-w", "/app", "-u", "1000:1000", "-p", "8080:80", "-v", "/srv:/data:ro"),
        *(
            "--network",
            "n1",
            "--network-alias",
            "db",
            "--ip",
            "10.0.0.9",
            "-m",
            "1g",
            "--cpus",
            "1.5",
            "--pids-limit",
            "64",
        ),
        *("--shm-size", "256m", "--ulimit", "nofile=1024:2048", "--cap-drop", "ALL", "--read-only", "--label", "a=b"),
        *("--entrypoint", "/bin/sh", "--hostname", "h", "--add-host", "x:1.2.3.4", "--stop-timeout", "3", "--rm"),
        *("--tmpfs", "/t", "--mount", "type=volume,dst=/v", "--sysctl", "net.core.somaxconn=9", "--no-host-trust"),
    )

    assert (
        made.name, made.env, made.working_dir, made.user, made.publish, made.volumes,
    ) == ("web", ("A=1",), "/app", "1000:1000", ("8080:80",), ("/srv:/data:ro",))  # fmt: skip
    assert (made.network, made.aliases, made.address) == (("n1",), ("db",), "10.0.0.9")
    assert Limits(memory_bytes=1 << 30, cpus=1.5, pids=64) == made.limits
    assert (256 << 20, (Rlimit("nofile", 1024, 2048),), ("ALL",), True) == (
        made.shm_size_bytes, made.ulimits, made.cap_drop, made.readonly,
    )  # fmt: skip
    assert (
        made.labels, made.entrypoint, made.stop_timeout_s, made.remove, made.add_trust,
    ) == ({"a": "b"}, ("/bin/sh",), 3, True, False)  # fmt: skip


def test_a_variable_without_a_value_comes_from_here_or_goes(tmp_path):
    (tmp_path / "env").write_text("# comment\n\nB=from file\nC\n  D=indented\n")

    made = options("-e", "A", "-e", "NONE", "--env-file", str(tmp_path / "env"), environ={"A": "1", "C": "3"})

    # A name alone takes the image's variable away, as with Docker.
    assert made.env == ("B=from file", "C=3", "D=indented", "A=1", "NONE")


@pytest.mark.parametrize(
    "words",
    [["-e", "=x"], ["--cpus", "many"], ["-m", "lots"], ["-m", "-1"], ["--shm-size", "-1"], ["--memory-swappiness", "101"], ["--device-read-bps", "sda:1"], ["--blkio-weight-device", "/dev/sda:5"], ["--ulimit", "nofile"],
     ["--env-file", "/no/such/file"], ["--dns", "nowhere"], ["--dns", ""], ["--add-host", "h:nowhere"], ["--add-host", "h:"],
     ["--add-host", ":1.2.3.4"]],
)  # fmt: skip
def test_wrong_values_are_refused(words):
    with pytest.raises(InvalidInput):
        options(*words)


def test_hosts_and_servers_are_kept_as_they_are():
    words = ("a:1.2.3.4", "b=::1", "c:[fe80::2]", "d:host-gateway")

    made = options("--dns", "fe80::1", *(part for word in words for part in ("--add-host", word)))

    assert (made.dns, made.extra_hosts) == (("fe80::1",), words)


def test_a_wrong_pull_policy_is_a_usage_error():
    with pytest.raises(UsageError):
        options("--pull", "sometimes")


def test_unlimited_is_no_limit():
    assert (
        Limits(memory_bytes=1 << 20, memory_swap_bytes=-1)
        == options("-m", "1m", "--memory-swap", "-1", "--pids-limit", "-1").limits
    )


@pytest.mark.parametrize(
    ("word", "limit"),
    [
        ("core=0", Rlimit("core", 0, 0)),
        ("memlock=-1", Rlimit("memlock", -1, -1)),
        ("nproc=1:-1", Rlimit("nproc", 1, -1)),
    ],
)
def test_ulimits(word, limit):
    assert limit == parse_ulimit(word)


@pytest.mark.parametrize("word", ["", "nofile", "wrong=1", "nofile=x", "nofile=2:1", "nofile=-1:5"])
def test_wrong_ulimits_are_refused(word):
    with pytest.raises(InvalidInput):
        parse_ulimit(word)
