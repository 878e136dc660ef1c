"""RFC 9112 as the front of the model server reads it."""

import pytest

from teul_model.http1 import Parser, ProtocolError, response

POST = b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nabcd"


def parse(data, *, limit=1000):
    parser = Parser(limit)
    parser.feed(data)
    return parser.next_request()


def test_a_request_is_read_whole():
    request = parse(POST)

    assert request is not None
    assert (
        request.method,
        request.path,
        request.query,
        request.body,
        request.keep_alive,
    ) == ("POST", "/invocations", "", b"abcd", True)
    assert request.headers == {"host": "x", "content-length": "4"}


def test_any_cut_of_the_bytes_gives_the_same_requests():
    chunked = b"POST /a?b=c HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nt: 1\r\n\r\n"
    stream = POST + chunked + b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    for size in (1, 2, 3, 7, len(stream)):
        parser, made = Parser(1000), []
        for start in range(0, len(stream), size):
            parser.feed(stream[start : start + size])
            while (request := parser.next_request()) is not None:
                made.append((request.method, request.path, request.query, request.body, request.keep_alive))

        assert made == [
            ("POST", "/invocations", "", b"abcd", True),
            ("POST", "/a", "b=c", b"abcde", True),
            ("GET", "/", "", b"", False),
        ]
        assert parser.is_idle


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET /\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\nhost: x\r\n\r\n", 505),
        (b"G(T / HTTP/1.1\r\nhost: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET x HTTP/1.1\r\nhost: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost : x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: x\r\n folded\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: x\nevil: y\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: x\r\nhost: y\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: +1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1001\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999999999999\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: gzip, chunked\r\n\r\n", 501),
        (b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n", 400),
        (b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n3e9\r\n", 413),
        (b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n1\r\nabc", 400),
        (b"POST / HTTP/1.1\r\nhost: x\r\nexpect: 200-ok\r\n\r\n", 417),
        (b"GET / HTTP/1.1\r\nhost: " + b"x" * 20000, 431),
    ],
)
def test_what_is_not_http_is_refused(data, status):
    with pytest.raises(ProtocolError) as caught:
        parse(data)

    assert status == caught.value.status


def test_a_client_that_waits_for_100_is_seen():
    parser = Parser(1000)
    parser.feed(b"POST / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n")

    assert parser.next_request() is None
    assert parser.expects_continue


def test_http_1_0_closes_unless_it_asks_to_stay():
    assert parse(b"GET / HTTP/1.0\r\n\r\n").keep_alive is False
    assert parse(b"GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n").keep_alive is True


def test_a_response_to_head_has_the_length_and_no_body():
    made = response(200, b"abc", "text/plain", keep_alive=False, head_only=True)

    assert made == b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 3\r\nconnection: close\r\n\r\n"
