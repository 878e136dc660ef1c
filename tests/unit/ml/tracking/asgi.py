"""Requests to the tracking application without a socket."""

import asyncio
import json
import urllib.parse

LOOPBACK = ("127.0.0.1", 5000)
GATEWAY = ("10.88.0.1", 5000)


class Client:
    """Asks *app* from one event loop, as if the request came in on *server*."""

    def __init__(self, app, *, server=LOOPBACK, token="", host="127.0.0.1:5000"):
        self.app = app
        self.server = server
        self.token = token
        self.host = host

    def on(self, server, token=""):
        """A client of the same application elsewhere."""
        return Client(self.app, server=server, token=token, host=f"{server[0]}:{server[1]}")

    def ask(self, method, path, body=None, *, headers=None, query=None):
        """Status and decoded JSON of a request below `/api/2.0/mlflow/`."""
        data = b"" if body is None else json.dumps(body).encode()
        given = {"content-type": "application/json", **(headers or {})}
        status, _, answer = self.raw(method, f"/api/2.0/mlflow/{path}", data, headers=given, query=query)
        return status, json.loads(answer)

    def raw(self, method, path, data=b"", *, headers=None, query=None, parts=None, ends_early=False):
        """Status, headers and bytes; *parts* is a body in pieces, *ends_early* lets the client go away after them."""
        all_headers = {"host": self.host, **(headers or {})}
        if self.token:
            all_headers["authorization"] = f"Bearer {self.token}"
        scope = {
            "type": "http",
            "method": method,
            "path": urllib.parse.unquote(path),
            "query_string": urllib.parse.urlencode(query or {}, doseq=True).encode(),
            "headers": [(name.encode(), value.encode()) for name, value in all_headers.items()],
            "server": self.server,
            "client": ("10.88.0.7", 40000),
            "scheme": "http",
        }
        pieces = list(parts if parts is not None else [data])
        messages = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
        if ends_early:
            messages.append({"type": "http.disconnect"})
        else:
            messages[-1]["more_body"] = False
        sent = []

        async def receive():
            return messages.pop(0)

        async def send(message):
            sent.append(message)

        self.later(lambda: self.app(scope, receive, send))
        return (
            sent[0]["status"],
            {name.decode(): value.decode() for name, value in sent[0]["headers"]},
            b"".join(message.get("body", b"") for message in sent[1:]),
        )

    def later(self, work):
        """Run what *work* gives in a loop of its own: a committer belongs to the loop that it was made in."""

        async def whole():
            self.app._committer = None
            try:
                await work()
            finally:
                if self.app._committer is not None:
                    self.app._committer.close()

        asyncio.run(whole())
