"""The table of containers, as Docker prints it."""

import os

import pytest

from teul.cli.ps import HEADINGS, status_text, to_filter, to_record
from teul.cli.templates import render_records
from teul.engine.containers.record import Container
from teul.errors import InvalidInput
from teul.network.netavark import Endpoint
from teul.network.ports import PortMapping

NOW = 1_000_000.0
GOLDEN = os.path.join(
    os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "golden", "cli", "ps.txt"
)
WEB = Container(
    id="1" * 63 + "a", name="web", image="sha256:" + "b" * 64, image_name="app:1", status="running",
    created_at=NOW - 7200, started_at=NOW - 180, command=("sh", "-c", "while true; do date; done"),
    exposed_ports=("80/tcp", "443/tcp"), ports=(PortMapping(80, 8080),), labels={"tier": "front"},
    places=(Endpoint(network="n1", network_id="c" * 64),),
)  # fmt: skip
DONE = Container(
    id="2" * 63 + "b", name="job", image="i", image_name="job", status="exited", created_at=NOW - 90000, exit_code=3,
    finished_at=NOW - 3600 * 24 * 3, entrypoint=("/run",), network_mode="none",
)  # fmt: skip
NEW = Container(
    id="3" * 63 + "c", name="new", image="i", image_name="sha256:" + "d" * 64, created_at=NOW - 1, command=("x",)
)


def test_the_table(engine):
    records = [to_record(engine, container, now=NOW) for container in (WEB, DONE, NEW)]

    with open(GOLDEN) as file:
        assert file.read() == render_records("", HEADINGS, records) + "\n"


def test_nothing_is_cut_when_asked(engine):
    record = to_record(engine, WEB, now=NOW, full=True)

    assert (WEB.id, "\"sh -c 'while true; do date; done'\"") == (record["ID"], record["Command"])


@pytest.mark.parametrize(
    ("container", "text"),
    [(WEB, "Up 3 minutes"), (DONE, "Exited (3) 3 days ago"), (NEW, "Created")],
)
def test_the_state_in_words(container, text):
    assert text == status_text(container, NOW)


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["name=we"], ["web"]),
        (["name=^/?jo"], ["job"]),
        (["name=["], []),
        (["id=2222"], ["job"]),
        (["status=running", "status=created"], ["web", "new"]),
        (["exited=3"], ["job"]),
        (["label=tier"], ["web"]),
        (["label=tier=back"], []),
        (["ancestor=app:1"], ["web"]),
        (["network=n1"], ["web"]),
        (["network=none"], ["job"]),
        (["publish=8080"], ["web"]),
        (["publish=8000-8090/tcp"], ["web"]),
        (["publish=8080/udp"], []),
        (["publish=80"], []),
        (["expose=443/tcp"], ["web"]),
        (["expose=80"], ["web"]),
        (["expose=8080"], []),
        (["before=web"], ["job"]),
        (["since=web"], ["new"]),
        (["status=exited", "name=web"], []),
    ],
)
def test_filters(engine, words, names):
    known = [WEB, DONE, NEW]
    keep = to_filter(engine, words, known)

    assert names == [container.name for container in known if keep(container)]


@pytest.mark.parametrize("word", ["nothing", "colour=red", "before=nobody", "status=up", "health=good", "exited=many"])
def test_wrong_filters_are_refused(engine, word):
    with pytest.raises(InvalidInput):
        list(filter(to_filter(engine, [word], [WEB]), [WEB]))


@pytest.mark.parametrize("word", ["colour=red", "status=up", "health=good", "exited=many", "publish=x", "expose=1-x"])
def test_wrong_filters_are_refused_where_nothing_is_to_be_filtered(engine, word):
    with pytest.raises(InvalidInput):
        to_filter(engine, [word], [])
