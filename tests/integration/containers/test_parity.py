"""What scripts take from Docker's command line: exit codes and the shape of stdout, as Docker 26 gave them.

The whole list is `scripts/parity.txt`, which `scripts/parity.py` runs on both; these are the answers that break scripts.
"""

import re

import pytest

from integration.containers.test_cli import teul  # noqa: F401

pytestmark = [pytest.mark.needs_runc, pytest.mark.needs_network, pytest.mark.slow]
ID, SHORT = "[0-9a-f]{64}\n", "[0-9a-f]{12}\n"
CREATE = "create --name one --label x=y -v vol:/v -e A=1 busybox sleep 600"
ANSWERS = (
    ("network create net", 0, ID),
    ("network create net", 1, ""),
    ("network ls --filter name=net", 0, r"NETWORK ID +NAME +DRIVER +SCOPE\n[0-9a-f]{12} +net +bridge +local\n"),
    ("network ls -q --filter name=^n.t$", 0, SHORT),
    ("network ls --filter dangling=maybe", 1, ""),
    ("network ls extra", 1, ""),
    ("network inspect nosuch", 1, r"\[\]\n"),
    ("volume ls --filter nosuch=1", 1, ""),
    ("volume create vol", 0, "vol\n"),
    ("volume ls -q --filter name=^v.l$", 0, "vol\n"),
    ("volume ls --filter dangling=maybe", 1, ""),
    ("volume prune -f extra", 1, ""),
    ("volume ls -q", 0, "vol\n"),
    ("volume ls", 0, r"DRIVER +VOLUME NAME\nlocal +vol\n"),
    ("volume ls --format {{json\t.}}", 0, '{"Availability":"N/A","Driver":"local","Group":"N/A","Labels":"".*\n'),
    ("volume rm nosuch", 1, ""),
    (CREATE, 0, ID),
    (CREATE, 1, ""),
    ("ps -aq", 0, SHORT),
    ("ps -aq --no-trunc", 0, ID),
    ("ps -a", 0, "CONTAINER ID +IMAGE +COMMAND +CREATED +STATUS +PORTS +NAMES\n.*\n"),
    ("ps -a --format json", 0, r'{"Command":"\\"sleep 600\\"","CreatedAt":".*","ID":".*","State":"created",.*}\n'),
    ("ps -a --format {{.Names}}|{{.Labels}}|{{.Mounts}}|{{.Networks}}", 0, r"one\|x=y\|vol\|bridge\n"),
    ("ps -a --filter nosuch=1", 1, ""),
    ("ps -a --filter status=nosuch", 1, ""),
    ("exec one true", 1, ""),
    ("start nosuch", 1, ""),
    ("start one", 0, "one\n"),
    ("ps --filter volume=vol --filter label=x=y --format {{.Names}}", 0, "one\n"),
    ("port one", 0, ""),
    ("port one 80", 1, ""),
    ('inspect -f {{.State.Status}}|{{.Name}}|{{join\t.Config.Cmd\t"_"}} one', 0, r"running\|/one\|sleep_600\n"),
    ("inspect -f {{if\t.State.Health}}y{{else}}n{{end}}|{{json\t.HostConfig.Mounts}} one", 0, r"n\|null\n"),
    ("inspect -f {{.State.Nosuch}} one", 1, ""),
    ("network inspect -f {{.Attachable}}|{{.Labels.nosuch}} none", 0, r"false\|<no value>\n"),
    ("inspect nosuch", 1, r"\[\]\n"),
    ("inspect --type nosuch one", 1, ""),
    ("exec one sh -c exit\t7", 7, ""),
    ("exec -e A one sh -c echo\t[$A]", 0, r"\[\]\n"),
    ("pause one", 0, "one\n"),
    ("pause one", 1, ""),
    ("exec one true", 1, ""),
    ("unpause one", 0, "one\n"),
    ("unpause one", 1, ""),
    ("rename one two", 0, ""),
    ("rename one two", 1, ""),
    ("update --memory 64m --memory-swap 64m two", 0, "two\n"),
    ("update two", 1, ""),
    ("network connect net two", 0, ""),
    ("network connect net two", 1, ""),
    ("network rm net", 1, ""),
    ("network disconnect net two", 0, ""),
    ("network disconnect net two", 1, ""),
    ("commit two kept:1", 0, "sha256:" + ID),
    ("commit -c RUN\tx two kept:2", 1, ""),
    ("tag nosuch x", 1, ""),
    ("rmi busybox", 1, ""),
    ("rmi nosuch", 1, ""),
    ("rmi -f nosuch", 0, ""),
    ("volume rm vol", 1, ""),
    ("rm two", 1, ""),
    ("kill -s NOSUCH two", 1, ""),
    ("kill two", 0, "two\n"),
    ("wait two", 0, "137\n"),
    ("kill two", 1, ""),
    ("stop two", 0, "two\n"),
    ("ps -a --filter exited=137 --format {{.Names}}", 0, "two\n"),
    ("rm nosuch", 1, ""),
    ("rm -f nosuch", 0, ""),
    ("rm -f two", 0, "two\n"),
    ("volume rm vol", 0, "vol\n"),
    ("network rm net", 0, "net\n"),
    ("rmi kept:1", 0, "Untagged: kept:1\nDeleted: sha256:" + ID + "(Deleted: sha256:" + ID + ")*"),
    ("run", 1, ""),
    ("run --rm --network nosuch busybox true", 125, ""),
    ("run --rm --restart always busybox true", 125, ""),
    ("run --rm --ulimit bad busybox true", 125, ""),
    ("run --rm --nosuchflag busybox", 125, ""),
    ("system df --format {{.Type}}", 0, "Images\nContainers\nLocal Volumes\nBuild Cache\n"),
    ("nosuchcommand", 1, ""),
)


def test_exit_codes_and_what_is_printed_are_dockers(teul):  # noqa: F811
    for line, code, shape in ANSWERS:
        # A tab is a blank within a word.
        answer = teul(*(word.replace("\t", " ") for word in line.split(" ")), code=code)
        assert re.fullmatch(shape, answer.stdout), (line, answer.stdout)
        assert bool(answer.stderr) == (code not in (0, 7)) or "-f nosuch" in line, (line, answer.stderr)
