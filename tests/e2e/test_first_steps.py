"""The commands that a course on containers begins with, as a script: pull, look, run, go in, stop, remove; then build."""

import subprocess

import pytest

from suites import docker_registry
from suites.terminal import Terminal

pytestmark = [
    pytest.mark.needs_root,
    pytest.mark.needs_runc,
    pytest.mark.needs_network,
    pytest.mark.needs_registry,
    pytest.mark.slow,
]
SERVE = "trap 'echo bye; exit 0' TERM\necho serving $MODEL\nwhile :; do sleep 0.05; done\n"
BASH = '#!/bin/sh\nexec /bin/sh "$@"\n'


@pytest.fixture
def registry(tmp_path):
    with docker_registry.running(str(tmp_path)) as domain:
        yield domain


def test_the_first_commands_of_a_course(teul, busybox, registry, project):
    name = f"{registry}/course/base"
    base = project({"Dockerfile": f"FROM {busybox}\nCOPY bash /bin/\nRUN chmod 755 /bin/bash\n", "bash": BASH}, "base")
    teul("build", base, "-t", f"{name}:3.1")
    teul("push", f"{name}:3.1")
    teul("rmi", f"{name}:3.1")
    assert name not in teul("images").stdout

    pulled = teul("pull", f"{name}:3.1").stdout
    assert "Status: Downloaded newer image for " in pulled
    assert pulled.endswith(f"\n{name}:3.1\n")
    assert [line.split()[:2] for line in teul("images").stdout.splitlines() if "course/base" in line] == [[name, "3.1"]]
    assert teul("run", "--rm", f"{name}:3.1", "echo", "hello").stdout == "hello\n"
    teul("run", "-itd", "--name", "first", f"{name}:3.1")
    heading, *lines = teul("ps").stdout.splitlines()
    (line,) = [line for line in lines if line.endswith(" first")]
    assert heading.split() == ["CONTAINER", "ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES"]
    assert line.split()[1] == f"{name}:3.1"
    short = line.split()[0]
    for word in ("first", short):
        shell = Terminal(teul.argv("exec", "-it", word, "/bin/bash"), teul.environ())
        shell.type("echo in''side $((6*7)); exit 5\n")
        shell.wait_for("inside 42")
        assert shell.end() == 5
    assert "is running" in teul("rm", "first", code=1).stderr
    assert teul("stop", "-t", "0", short).stdout == f"{short}\n"
    assert short not in teul("ps", "-q").stdout
    assert teul("rm", "first").stdout == "first\n"
    assert short not in teul("ps", "-aq").stdout

    # An image of one's own, with the flag behind the folder, as courses write it.
    folder = project({
        "Dockerfile": f"FROM {name}:3.1\nCOPY . /app\nWORKDIR /app\nENV MODEL=tiny\n"
                      "RUN mkdir out && cat weights.txt > out/weights.txt\nCMD [\"bash\", \"serve.sh\"]\n",
        "serve.sh": SERVE,
        "weights.txt": "0.5\n",
    }, "service")  # fmt: skip
    teul("build", folder, "-t", "service:0.1")
    assert teul("run", "--rm", "service:0.1", "cat", "out/weights.txt").stdout == "0.5\n"
    with subprocess.Popen(
        teul.argv("run", "--name", "service", "service:0.1"), env=teul.environ(), stdout=-1
    ) as process:
        assert process.stdout.readline() == b"serving tiny\n"
        assert "service service:0.1 running\n" in teul("ps", "--format", "{{.Names}} {{.Image}} {{.State}}").stdout
        teul("stop", "service")
        assert process.stdout.read() == b"bye\n"
    assert process.returncode == 0
    teul("rm", "service")
    teul("rmi", "service:0.1", f"{name}:3.1")
    assert "service" not in teul("images").stdout
