from __future__ import annotations

import http.client
import inspect
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3
import urllib3.exceptions

from teul.errors import (
    Cancelled,
    InvalidInput,
    RegistryProtocolError,
    RegistryUnavailable,
    TeulError,
    UntrustedRegistry,
)
from teul.host import process
from teul.registry import transport
from teul.registry.answers import retry_after
from teul.registry.transport import FAMILIES, READ_TIMEOUT_S, Transport, is_loopback, translate
from teul.testing.registry import FakeRegistry, Fault


@pytest.fixture
def plain() -> Iterator[Transport]:
    with Transport({}, sleep=lambda seconds: None) as made:
        yield made


def foreign_exceptions() -> list[type[BaseException]]:
    return [
        kind
        for kind in vars(urllib3.exceptions).values()
        if inspect.isclass(kind)
        and issubclass(kind, Exception)
        and not issubclass(kind, Warning)
        and kind.__module__ == "urllib3.exceptions"
    ]


@pytest.mark.parametrize("kind", foreign_exceptions())
def test_every_exception_of_the_http_client_has_a_family(kind: type[BaseException]) -> None:
    assert kind in FAMILIES


@pytest.mark.parametrize("kind", foreign_exceptions())
def test_every_exception_of_the_http_client_can_be_caught_and_translated(kind: type[BaseException]) -> None:
    error = kind.__new__(kind)

    assert isinstance(error, transport.FOREIGN)
    assert isinstance(translate(error, "h"), TeulError)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            urllib3.exceptions.ProtocolError("Connection broken: IncompleteRead(3)", ValueError("IncompleteRead(3)")),
            "the connection broke: Connection broken: IncompleteRead(3)",
        ),
        (
            urllib3.exceptions.ProtocolError("Connection aborted.", http.client.BadStatusLine("\x1b[31mred")),
            "the connection broke: Connection aborted: \\x1b[31mred",
        ),
    ],
)
def test_a_broken_connection_is_said_in_words_and_without_the_words_of_the_server(error, said) -> None:
    assert str(translate(error, "h")) == f"registry `h`: {said}"


def test_a_refused_connection_says_so_and_counts_as_unreachable(plain: Transport) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}/v2/"
        with pytest.raises(RegistryUnavailable) as caught:
            plain.send("GET", url)

    assert caught.value.is_unreachable
    assert str(caught.value).endswith(": connection refused")


def test_a_name_that_does_not_resolve_says_so(plain: Transport) -> None:
    with pytest.raises(RegistryUnavailable, match="its name does not resolve") as caught:
        plain.send("GET", "http://nowhere.invalid/v2/")

    assert caught.value.is_unreachable


def test_a_certificate_that_is_not_trusted_is_not_retried() -> None:
    error = urllib3.exceptions.SSLError(ssl.SSLCertVerificationError(1, "self-signed certificate"))

    assert isinstance(translate(error, "h"), UntrustedRegistry)


def test_tls_spoken_to_plain_http_suggests_the_setting(plain: Transport) -> None:
    with FakeRegistry() as registry, pytest.raises(UntrustedRegistry) as caught:
        plain.send("GET", f"https://{registry.domain}/v2/")

    assert caught.value.hint == f"if it speaks plain HTTP: TEUL_INSECURE_REGISTRIES={registry.domain}"


def test_a_broken_read_is_unavailable() -> None:
    assert isinstance(translate(http.client.IncompleteRead(b""), "h"), RegistryUnavailable)


def test_a_bad_proxy_is_the_callers_mistake() -> None:
    with pytest.raises(InvalidInput, match="proxy"):
        Transport({"https_proxy": "gopher://x"}).send("GET", "https://example.invalid/")


@pytest.mark.parametrize(
    ("environ", "url", "expected"),
    [
        ({}, "https://a.example/", ""),
        ({"https_proxy": "http://p:1"}, "https://a.example/", "http://p:1"),
        ({"HTTPS_PROXY": "p:1"}, "https://a.example/", "http://p:1"),
        ({"http_proxy": "http://p:1"}, "https://a.example/", ""),
        ({"all_proxy": "http://p:1"}, "https://a.example/", "http://p:1"),
        ({"https_proxy": "http://p:1", "no_proxy": "example"}, "https://a.example/", ""),
        ({"https_proxy": "http://p:1", "NO_PROXY": "b.example"}, "https://a.example/", "http://p:1"),
        ({"https_proxy": "http://p:1", "no_proxy": "*"}, "https://a.example/", ""),
        ({"http_proxy": "http://p:1"}, "http://127.0.0.1:5000/", ""),
    ],
)
def test_proxies_are_those_of_the_environment(environ: dict[str, str], url: str, expected: str) -> None:
    assert expected == Transport(environ).proxy_for(url)


def test_a_proxy_is_used() -> None:
    with FakeRegistry() as proxy:
        response = Transport({"http_proxy": f"http://u:p%40@{proxy.domain}"}).send("GET", "http://far.invalid/v2/")
        response.drain()

    assert proxy.requests[0].target == "http://far.invalid/v2/"
    assert proxy.requests[0].headers["proxy-authorization"].startswith("Basic ")


@pytest.mark.parametrize(
    ("netloc", "expected"),
    [
        ("localhost:5000", True),
        ("127.0.0.1", True),
        ("127.1.2.3:80", True),
        ("[::1]:5000", True),
        ("x.localhost", True),
        ("example.org", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
    ],
)
def test_loopback_is_known_by_its_name(netloc: str, expected: bool) -> None:
    assert expected == is_loopback(netloc)


def test_a_redirect_to_another_host_loses_the_authorization(plain: Transport) -> None:
    with FakeRegistry() as registry:
        digest = registry.put_blob("a", b"data")
        registry.fail(Fault(path="/blobs/", redirect=True))
        response = plain.send(
            "GET", f"http://{registry.domain}/v2/a/blobs/{digest}", headers={"Authorization": "Bearer secret"}
        )
        body = response.read(100)

    assert body == b"data"
    assert [item.headers.get("authorization") for item in registry.requests] == ["Bearer secret", None]
    assert f"localhost:{registry.port}" == registry.requests[1].host


def test_a_redirect_out_of_http_is_refused(plain: Transport) -> None:
    with FakeRegistry() as registry:
        registry.fail(Fault(status=307, headers={"Location": "file:///etc/passwd"}))
        with pytest.raises(RegistryProtocolError, match="refused a redirect"):
            plain.send("GET", f"http://{registry.domain}/v2/")


def test_a_circle_of_redirects_ends(plain: Transport) -> None:
    with FakeRegistry() as registry:
        registry.fail(Fault(status=307, times=100, headers={"Location": "/v2/"}))
        with pytest.raises(RegistryProtocolError, match="too many redirects"):
            plain.send("GET", f"http://{registry.domain}/v2/")


def _unavailable(retry_after_s: float | None = None, *, is_unreachable: bool = False) -> RegistryUnavailable:
    made = RegistryUnavailable("x")
    made.retry_after_s = retry_after_s
    made.is_unreachable = is_unreachable
    return made


def _failing(errors: list[RegistryUnavailable]) -> str:
    if errors:
        raise errors.pop(0)
    return "done"


def test_only_unavailable_is_tried_again_with_growing_pauses() -> None:
    pauses: list[float] = []
    plain = Transport({}, sleep=pauses.append)
    errors = [_unavailable() for _ in range(4)]

    assert plain.retrying(lambda: _failing(errors)) == "done"
    assert len(pauses) == 4
    assert all(0.35 * 2**number <= pause <= 0.65 * 2**number for number, pause in enumerate(pauses))


def test_the_fifth_failure_is_the_last(plain: Transport) -> None:
    errors = [_unavailable() for _ in range(9)]
    with pytest.raises(RegistryUnavailable):
        plain.retrying(lambda: _failing(errors))

    assert len(errors) == 4


def test_an_unreachable_host_is_tried_twice_only(plain: Transport) -> None:
    errors = [_unavailable(is_unreachable=True) for _ in range(9)]
    with pytest.raises(RegistryUnavailable):
        plain.retrying(lambda: _failing(errors))

    assert len(errors) == 7


def test_retry_after_is_obeyed_unless_it_is_too_long() -> None:
    pauses: list[float] = []
    plain = Transport({}, sleep=pauses.append)
    short, long = [_unavailable(7.0)], [_unavailable(3600.0)]

    assert plain.retrying(lambda: _failing(short)) == "done"
    assert pauses == [7.0]
    with pytest.raises(RegistryUnavailable):
        plain.retrying(lambda: _failing(long))


def test_progress_begins_the_count_anew(plain: Transport) -> None:
    errors = [_unavailable() for _ in range(12)]

    assert plain.retrying(lambda: _failing(errors), progressed=lambda: -len(errors)) == "done"


@pytest.mark.parametrize(
    ("value", "expected"),
    [("", None), ("3", 3.0), ("Thu, 01 Jan 1970 00:01:40 GMT", 90.0), ("soon", None), ("-1", None)],
)
def test_retry_after_is_a_number_or_a_date(value: str, expected: float | None) -> None:
    assert expected == retry_after(value, now=10.0)


@pytest.fixture
def certificate(tmp_path):
    """A self-signed certificate of localhost: (certificate, key)."""
    if process.find("openssl") is None:
        pytest.skip("openssl is not installed")
    certificate, key = str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")
    process.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
            *("-keyout", key, "-out", certificate),
        ]
    )
    return certificate, key


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_the_hosts_bundle_decides_who_is_trusted(certificate: tuple[str, str], name: str, plain: Transport) -> None:
    with FakeRegistry(certificate=certificate) as registry:
        url = f"https://localhost:{registry.port}/v2/"
        with pytest.raises(UntrustedRegistry, match="self-signed certificate"):
            plain.send("GET", url)
        with Transport({name: certificate[0]}) as trusting:
            status = trusting.send("GET", url).status

    assert status == 200


def test_dockers_certificates_of_one_registry_count_for_it_alone(tmp_path: Path, certificate: tuple[str, str]) -> None:
    with FakeRegistry(certificate=certificate) as registry, FakeRegistry(certificate=certificate) as other:
        folder = tmp_path / "certs.d" / f"localhost:{registry.port}"
        folder.mkdir(parents=True)
        (folder / "ca.crt").write_bytes(Path(certificate[0]).read_bytes())
        with Transport({}, certificates=str(tmp_path / "certs.d")) as transport:
            status = transport.send("GET", f"https://localhost:{registry.port}/v2/").status
            with pytest.raises(UntrustedRegistry):
                transport.send("GET", f"https://localhost:{other.port}/v2/")

    assert status == 200


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx", b"HTTP/1.0 200 OK\r\nContent-Length: 9\r\n\r\nx"]
)
def test_who_aborts_waits_for_no_answer_and_for_no_body(plain: Transport, answer: bytes) -> None:
    came = threading.Event()
    ended: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(answer)
            came.set()
            connection.settimeout(READ_TIMEOUT_S / 2)
            ended.append(connection.recv(1))

    def abort() -> None:
        came.wait(30)
        plain.abort()

    threads = [threading.Thread(target=work, daemon=True) for work in (serve, abort)]
    for thread in threads:
        thread.start()

    def get() -> bytes:
        return plain.send("GET", f"http://127.0.0.1:{listener.getsockname()[1]}/").read(100)

    with listener, pytest.raises(Cancelled):
        plain.retrying(get)
    for thread in threads:
        thread.join()

    assert ended == [b""]  # it was the client who hung up, long before its patience ended


def test_certificates_are_read_for_tls_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """They take longer to read than a wheel of a near index to fetch."""
    read: list[str] = []
    create = ssl.create_default_context

    def counted(cafile: str | None = None) -> ssl.SSLContext:
        read.append(str(cafile))
        return create(cafile=cafile)

    monkeypatch.setattr(transport.ssl, "create_default_context", counted)
    with FakeRegistry() as registry, Transport({}) as connections:
        connections.send("GET", f"http://{registry.domain}/v2/").drain()
        assert read == []
        connections.prepare("https://registry.example/")
        connections.prepare("https://other.example/")
        assert len(read) == 1
