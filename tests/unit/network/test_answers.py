"""Waiting for the DNS server, against one that says what it is told to."""

import os
import socket
import threading

import pytest

from teul.network import answers

pytestmark = pytest.mark.needs_root
ADDRESS = "10.9.8.7"
OPTIONS = {
    "container_id": "0123456789abcdef",
    "networks": {"br": {"static_ips": [ADDRESS]}},
    "network_info": {"br": {"dns_enabled": True, "subnets": [{"gateway": "127.0.0.1"}]}},
}


class Server:
    """Knows the container when `knows` is set; notes what it was asked."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.knows = False
        self.asked = []
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()

    def _serve(self):
        while True:
            question, peer = self.socket.recvfrom(512)
            if not question:
                return
            self.asked.append(question)
            head = question[:2] + (b"\x81\x80" if self.knows else b"\x81\x83") + question[4:]
            answer = b"\xc0\x0c\0\1\0\1\0\0\0\1\0\4" + socket.inet_aton(ADDRESS)
            self.socket.sendto(head + (answer if self.knows else b""), peer)

    def close(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", ("127.0.0.1", self.port))
        self.thread.join()
        self.socket.close()


@pytest.fixture
def server(monkeypatch):
    made = Server()
    monkeypatch.setattr(answers, "DNS_PORT", made.port)
    monkeypatch.setattr(answers, "find_netavark", lambda: ("netavark", "aardvark-dns"))
    yield made
    made.close()


@pytest.fixture
def namespace():
    made = os.open("/proc/self/ns/net", os.O_RDONLY)
    yield made
    os.close(made)


def test_a_server_that_knows_the_container_is_asked_by_its_id(server, namespace, monkeypatch):
    server.knows = True
    monkeypatch.setattr(answers, "PATIENCE_S", 60)

    assert answers.wait_for_names("/nowhere", OPTIONS, namespace)
    assert set(server.asked) == {answers.query("0123456789ab.dns.podman")}


def test_a_server_that_missed_its_signal_gets_another(server, namespace, monkeypatch):
    reminded = []

    def remind(folder):
        reminded.append(folder)
        server.knows = True

    monkeypatch.setattr(answers, "remind_dns", remind)
    monkeypatch.setattr(answers, "PATIENCE_S", 60)

    assert answers.wait_for_names("/folder", OPTIONS, namespace)
    assert set(reminded) == {"/folder"}


def test_a_server_that_never_learns_is_not_waited_for_for_ever(server, namespace, monkeypatch):
    monkeypatch.setattr(answers, "PATIENCE_S", 0)

    assert not answers.wait_for_names("/nowhere", OPTIONS, namespace)


def test_a_silent_server_is_given_up_sooner(server, namespace, monkeypatch):
    monkeypatch.setattr(answers, "SILENCE_S", 0)
    monkeypatch.setattr(answers, "PATIENCE_S", 3600)
    # Bound and not listened on by anybody: nothing answers there.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        monkeypatch.setattr(answers, "DNS_PORT", silent.getsockname()[1])
        monkeypatch.setattr(answers, "ANSWER_MS", 1)
        assert not answers.wait_for_names("/nowhere", OPTIONS, namespace)


def test_a_network_without_names_is_not_asked_about(server, namespace):
    info = {"br": {"dns_enabled": False, "subnets": [{"gateway": "127.0.0.1"}]}}

    assert answers.wait_for_names("/nowhere", {**OPTIONS, "network_info": info}, namespace)
    assert server.asked == []


def test_a_server_with_many_networks_is_not_made_to_read_them_all_again(server, namespace, monkeypatch, tmp_path):
    (tmp_path / "aardvark-dns").mkdir()
    for number in range(400):
        (tmp_path / "aardvark-dns" / f"br{number}").touch()
    reminded = []
    monkeypatch.setattr(answers, "remind_dns", reminded.append)
    monkeypatch.setattr(answers, "PATIENCE_S", 0.2)

    assert not answers.wait_for_names(str(tmp_path), OPTIONS, namespace)
    assert reminded == []
    assert not answers.wait_for_names("/nowhere", OPTIONS, namespace)
    assert reminded
