"""HTTP/1.1 requests out of a stream of bytes. No IO; must not know the routes.

Strict where leniency has been exploited (request smuggling): a request with both `Content-Length` and
`Transfer-Encoding`, two lengths, a folded header, a space before the colon, or a bare line feed is refused.
Spec: RFC 9112, "Message Format", "Message Body", "Chunked Transfer Coding".
"""

from __future__ import annotations

HEAD_LIMIT_BYTES = 16 << 10
TOKEN = frozenset(b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
REASONS = {
    100: "Continue", 200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed",
    408: "Request Timeout", 411: "Length Required", 413: "Content Too Large", 415: "Unsupported Media Type",
    417: "Expectation Failed", 431: "Request Header Fields Too Large", 500: "Internal Server Error",
    501: "Not Implemented", 503: "Service Unavailable", 504: "Gateway Timeout", 505: "HTTP Version Not Supported",
}  # fmt: skip


class ProtocolError(Exception):
    """The client does not speak HTTP/1.1 as it should; the connection cannot be used any more."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Request:
    """One whole request. Header names are lower case."""

    __slots__ = ("body", "headers", "keep_alive", "method", "path", "query")

    def __init__(self, method: str, path: str, query: str, headers: dict[str, str], keep_alive: bool) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.keep_alive = keep_alive
        self.body = b""


class Parser:
    """Feed it bytes, take whole requests from it. `expects_continue` is set once while a client waits for a 100."""

    def __init__(self, body_limit_bytes: int) -> None:
        self._limit = body_limit_bytes
        self._buffer = bytearray()
        self._request: Request | None = None
        self._length = 0
        self._chunked = False
        self._body = bytearray()
        self._chunk_left = -1
        self.expects_continue = False

    @property
    def is_idle(self) -> bool:
        """Whether nothing of a next request has come yet."""
        return self._request is None and not self._buffer

    def feed(self, data: bytes) -> None:
        self._buffer += data

    def next_request(self) -> Request | None:
        """The next whole request, or None until more bytes are fed.

        Raises:
            ProtocolError: answer with its status and close the connection.
        """
        if self._request is None and not self._read_head():
            return None
        assert self._request is not None
        if self._chunked:
            if not self._read_chunks():
                return None
            self._request.body = bytes(self._body)
            self._body = bytearray()
        elif len(self._buffer) < self._length:
            return None
        else:
            self._request.body = bytes(self._buffer[: self._length])
            del self._buffer[: self._length]
        request, self._request = self._request, None
        self.expects_continue = False
        return request

    def _read_head(self) -> bool:
        while self._buffer[:2] == b"\r\n":
            del self._buffer[:2]
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > HEAD_LIMIT_BYTES:
                raise ProtocolError(431, f"header: expected at most {HEAD_LIMIT_BYTES} bytes")
            return False
        if end > HEAD_LIMIT_BYTES:
            raise ProtocolError(431, f"header: expected at most {HEAD_LIMIT_BYTES} bytes, got {end}")
        lines = bytes(self._buffer[:end]).split(b"\r\n")
        del self._buffer[: end + 4]
        words = lines[0].split(b" ")
        if len(words) != 3 or not words[0] or not TOKEN.issuperset(words[0]) or b"\n" in lines[0]:
            raise ProtocolError(400, "request line: expected `METHOD TARGET HTTP/1.1`")
        method, target, version = words
        if version not in (b"HTTP/1.1", b"HTTP/1.0"):
            raise ProtocolError(505, "expected HTTP/1.1 or HTTP/1.0")
        headers: dict[str, str] = {}
        for line in lines[1:]:
            name, colon, value = line.partition(b":")
            if not colon or not name or not TOKEN.issuperset(name) or b"\n" in value or b"\0" in value:
                raise ProtocolError(400, "header: expected `Name: value`")
            key = name.decode("ascii").lower()
            text = value.strip(b" \t").decode("latin-1")
            if key in headers:
                if key in ("content-length", "transfer-encoding", "host"):
                    raise ProtocolError(400, f"header `{key}`: expected it once")
                text = headers[key] + ", " + text
            headers[key] = text
        path, _, query = target.decode("latin-1").partition("?")
        if path.startswith(("http://", "https://")):
            path = "/" + path.split("/", 3)[3] if path.count("/") > 2 else "/"
        if not path.startswith("/"):
            raise ProtocolError(400, "request target: expected a path")
        if version == b"HTTP/1.1" and "host" not in headers:
            raise ProtocolError(400, "header `host`: expected it")
        options = headers.get("connection", "").lower()
        keep = "close" not in options if version == b"HTTP/1.1" else "keep-alive" in options
        self._read_framing(headers, version)
        self._request = Request(method.decode("ascii"), path, query, headers, keep)
        expect = headers.get("expect", "").lower()
        if expect:
            if expect != "100-continue":
                raise ProtocolError(417, "header `expect`: expected `100-continue`")
            self.expects_continue = True
        return True

    def _read_framing(self, headers: dict[str, str], version: bytes) -> None:
        """Find out where the body ends. Spec: RFC 9112 §6.3, "Message Body Length"."""
        coding, length = headers.get("transfer-encoding"), headers.get("content-length")
        self._chunked, self._length = False, 0
        if coding is not None:
            if length is not None or version == b"HTTP/1.0":
                raise ProtocolError(400, "expected either `content-length` or `transfer-encoding`")
            if coding.lower() != "chunked":
                raise ProtocolError(501, "header `transfer-encoding`: expected `chunked`")
            self._chunked, self._chunk_left = True, -1
        elif length is not None:
            if not length.isascii() or not length.isdigit():
                raise ProtocolError(400, "header `content-length`: expected a count of bytes")
            if len(length) > 18 or int(length) > self._limit:
                raise ProtocolError(413, f"body: expected at most {self._limit} bytes, got {length[:20]}")
            self._length = int(length)

    def _read_chunks(self) -> bool:
        """Move what has come of a chunked body; True at its end."""
        buffer = self._buffer
        while True:
            if self._chunk_left == -1:
                end = buffer.find(b"\r\n")
                if end < 0:
                    if len(buffer) > 1024:
                        raise ProtocolError(400, "chunk: expected its size")
                    return False
                size = bytes(buffer[:end]).split(b";")[0].strip()
                if not size or len(size) > 15 or not all(byte in b"0123456789abcdefABCDEF" for byte in size):
                    raise ProtocolError(400, "chunk: expected its size in hexadecimal")
                del buffer[: end + 2]
                self._chunk_left = int(size, 16)
                if len(self._body) + self._chunk_left > self._limit:
                    raise ProtocolError(413, f"body: expected at most {self._limit} bytes")
                if self._chunk_left == 0:
                    self._chunk_left = -2
            if self._chunk_left == -2:
                # Trailers: read to the empty line and thrown away.
                end = buffer.find(b"\r\n")
                if end < 0:
                    if len(buffer) > HEAD_LIMIT_BYTES:
                        raise ProtocolError(431, "trailer: too long")
                    return False
                del buffer[: end + 2]
                if end == 0:
                    self._chunk_left = -1
                    return True
                continue
            if len(buffer) < self._chunk_left + 2:
                return False
            if bytes(buffer[self._chunk_left : self._chunk_left + 2]) != b"\r\n":
                raise ProtocolError(400, "chunk: expected a line end after it")
            self._body += buffer[: self._chunk_left]
            del buffer[: self._chunk_left + 2]
            self._chunk_left = -1


def response(
    status: int,
    body: bytes,
    content_type: str = "application/json",
    *,
    keep_alive: bool = True,
    headers: tuple[tuple[str, str], ...] = (),
    head_only: bool = False,
) -> bytes:
    """The bytes of one answer."""
    lines = [
        f"HTTP/1.1 {status} {REASONS.get(status, 'Unknown')}",
        f"content-type: {content_type}",
        f"content-length: {len(body)}",
    ]
    lines += [f"{name}: {value}" for name, value in headers]
    if not keep_alive:
        lines.append("connection: close")
    made = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
    return made if head_only else made + body
