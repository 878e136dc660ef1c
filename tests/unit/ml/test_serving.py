"""What a serving container is started with, and asking it."""

import socket
import threading
from dataclasses import replace

import pytest

from teul.ml.serving import ServiceSpec, ask

SPEC = ServiceSpec(
    project="p", model="m", version="1", image="sha256:i", host="127.0.0.1", port=8000, env={"A": "1", "B": "2"}
)


@pytest.mark.parametrize(
    "change",
    [{"version": "2"}, {"image": "sha256:j"}, {"port": 8001}, {"host": "0.0.0.0"}, {"workers": 2}, {"env": {}}],
)
def test_every_setting_counts(change):
    assert SPEC.digest != replace(SPEC, **change).digest
    assert SPEC.digest == replace(SPEC, env={"B": "2", "A": "1"}).digest


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://localhost:8000"),
        ("0.0.0.0", "http://localhost:8000"),
        ("192.0.2.1", "http://192.0.2.1:8000"),
    ],
)
def test_a_service_has_an_address_for_people(host, url):
    assert url == replace(SPEC, host=host).url


def answering(data):
    """A server that gives *data* to one client; its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        client, _ = listener.accept()
        with client:
            client.recv(1000)
            client.sendall(data)
        listener.close()

    threading.Thread(target=serve, daemon=True).start()
    return listener.getsockname()[1]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", (200, b"ok")),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", (503, b"")),
        (b"nonsense", (0, b"")),
        (b"", (0, b"")),
    ],
)
def test_an_answer_is_a_status_and_a_body(data, expected):
    assert expected == ask("127.0.0.1", answering(data), "/v2/health/ready")


def test_nobody_is_asked_where_there_is_no_address():
    port = answering(b"HTTP/1.1 200 OK\r\n\r\n")

    assert ask("", port, "/") == (0, b"")
    assert ask("127.0.0.1", port, "/") == (200, b"")
    assert ask("127.0.0.1", port, "/") == (0, b"")
