"""The process that listens: one per state folder, loopback first, more addresses when told. Must not route requests.

Its life: take the lock of the store (a second server on one store is refused, naming the first), bind, write
`tracking.json` into the run directory once it answers, serve; `SIGHUP` reads `tracking.addresses` again and listens on
what is new; `SIGTERM` ends it after what is in flight. Addresses need not exist yet (a bridge comes up with its first
container), and may go away and come back.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from teul import __version__
from teul.config import Settings
from teul.errors import InvalidInput, PortInUse, StoreLocked, text
from teul.host.fs import write_atomic
from teul.ml.tracking import service
from teul.ml.tracking.app import TrackingApp
from teul.ml.tracking.store import TrackingStore
from teul.state.leases import process_start

DEFAULT_PORT = 5000
BACKLOG = 512
KEEP_ALIVE_S = 75
GRACE_S = 10
WATCH_S = 5.0
IP_FREEBIND = 15
_LOGGER = logging.getLogger("teul.ml.tracking")


def make_app(settings: Settings, *, trusts_network: bool = False, requires_tokens: bool = False) -> TrackingApp:
    """The ASGI application over the store of a state folder; `close` it when done."""
    return TrackingApp(TrackingStore.of(settings), trusts_network=trusts_network, requires_tokens=requires_tokens)


def state_path(settings: Settings) -> str:
    """Where a running server says how to reach it: `{pid, started, port, uri, addresses}`."""
    return f"{settings.run_root}/tracking.json"


def addresses_path(settings: Settings) -> str:
    """Where a running server is told on which addresses to listen besides its first one: a JSON list."""
    return f"{settings.run_root}/tracking.addresses"


def serve(
    settings: Settings,
    *,
    host: str = "127.0.0.1",
    port: int = DEFAULT_PORT,
    trusts_network: bool = False,
    requires_tokens: bool = False,
    on_ready: Callable[[str], object] = lambda uri: None,
) -> None:
    """Serve until told to end (`SIGTERM`, Ctrl-C). Port 0 takes a free one.

    Raises:
        StoreLocked: another server has this store.
        PortInUse: somebody else listens there.
    """
    # Threads hand the interpreter to each other often here and hold it for microseconds; the default of 5 ms is what
    # a finished commit would wait for while the loop is busy.
    sys.setswitchinterval(0.0005)
    lock = _lock(settings)
    try:
        listener = _bind(host, port)
        port = listener.getsockname()[1]
        app = make_app(settings, trusts_network=trusts_network, requires_tokens=requires_tokens)
        try:
            config = uvicorn.Config(
                app,
                http=_Protocol,
                lifespan="off",
                ws="none",
                loop="asyncio",
                log_config=None,
                access_log=False,
                server_header=False,
                date_header=False,
                proxy_headers=False,
                backlog=BACKLOG,
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=GRACE_S,
            )
            _Server(config, settings, host, port, on_ready, app).run(sockets=[listener])
        finally:
            app.close()
            _forget(settings)
    finally:
        os.close(lock)


class _Joined:
    """A transport that sends the head of an answer together with what follows it at once: one call, one packet.

    What nothing follows goes out before the loop waits again.
    """

    JOINED_BYTES = 1 << 16

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held = b""
        self.is_closing = transport.is_closing

    def write(self, data: bytes) -> None:
        held, self._held = self._held, b""
        if held:
            if len(data) > self.JOINED_BYTES:
                self._transport.write(held)
            else:
                data = held + data
        elif data.startswith(b"HTTP/1.1 "):
            self._held = data
            self._loop.call_soon(self._flush)
            return
        self._transport.write(data)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        held, self._held = self._held, b""
        if held:
            self._transport.write(held)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class _Protocol(HttpToolsProtocol):
    """uvicorn's, whose answers go out in one piece."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(_Joined(transport, self.loop))  # type: ignore[arg-type]


class _Server(uvicorn.Server):
    """uvicorn, which listens on more addresses while it runs."""

    def __init__(
        self,
        config: uvicorn.Config,
        settings: Settings,
        host: str,
        port: int,
        on_ready: Callable[[str], object],
        app: TrackingApp,
    ) -> None:
        super().__init__(config)
        self._app = app
        self._on_ready = on_ready
        self._settings = settings
        self._host = host
        self._port = port
        self._more: dict[str, asyncio.AbstractServer] = {}

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """As uvicorn's, but the signal is not raised again at the end: we clean up and return."""
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.should_exit:
            return
        # Before anybody can find us and ask us to look again: a signal that nobody handles would end us.
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._look_again)
        await self._listen_on_more()
        self._watch = asyncio.ensure_future(self._close_abandoned())
        self._on_ready(uri_of(self._host, self._port))

    async def _close_abandoned(self) -> None:
        while not self.should_exit:
            await asyncio.sleep(WATCH_S)
            try:
                await self._app.close_abandoned()
            except Exception as error:
                _LOGGER.error("abandoned runs could not be closed", exc_info=error)

    def _look_again(self) -> None:
        self._task = asyncio.ensure_future(self._listen_on_more())

    async def _listen_on_more(self) -> None:
        loop = asyncio.get_running_loop()
        for address in _wanted_addresses(self._settings):
            if address in self._more or address == self._host:
                continue
            try:
                listener = _bind(address, self._port)
            except (OSError, PortInUse):
                # Reported by absence: whoever asked for the address reads the state file.
                continue
            server = await loop.create_server(self._protocol, sock=listener, backlog=BACKLOG)
            self._more[address] = server
            self.servers.append(server)
        _announce(self._settings, self._host, self._port, list(self._more))

    def _protocol(self) -> asyncio.Protocol:
        factory: Any = self.config.http_protocol_class
        made: asyncio.Protocol = factory(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return made


def remembered_port(settings: Settings) -> int:
    """The port of the last server on this store, so that its address stays the same; 0 when there was none."""
    try:
        with open(f"{settings.root}/tracking.port") as stream:
            return int(stream.read())
    except (FileNotFoundError, ValueError):
        return 0


def uri_of(host: str, port: int) -> str:
    """An address as a client writes it; a wildcard is reached through loopback."""
    name = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "localhost": "127.0.0.1"}.get(host, host)
    return f"http://[{name}]:{port}" if ":" in name and "[" not in name else f"http://{name}:{port}"


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol given: asyncio sets TCP_NODELAY only on sockets that say that they are TCP, and without it each
    # answer (head, then body) waits 40 ms for the acknowledgement of its first half.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_IP, IP_FREEBIND, 1)
        listener.bind(("127.0.0.1" if host == "localhost" else host, port))
        listener.listen(BACKLOG)
    except (socket.gaierror, OverflowError) as error:
        listener.close()
        raise InvalidInput(
            text(
                "address {host}, port {port}: expected an address of this machine and a port from 0 to 65535",
                host=host,
                port=port,
            )
        ) from error
    except OSError as error:
        listener.close()
        if error.errno != 98:
            raise
        raise PortInUse(port, holder=_holder_of(port), free=free_port()) from error
    listener.setblocking(False)
    return listener


def free_port() -> int:
    """A port of loopback that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _holder_of(port: int) -> str:
    """`name (pid N)` of the process that listens on *port*, as far as /proc shows it."""
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            with open(table) as lines:
                for line in list(lines)[1:]:
                    fields = line.split()
                    if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                        inodes.add(f"socket:[{fields[9]}]")
        except OSError:
            continue
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            for descriptor in os.listdir(f"/proc/{pid}/fd"):
                if os.readlink(f"/proc/{pid}/fd/{descriptor}") in inodes:
                    with open(f"/proc/{pid}/comm") as comm:
                        return f"{comm.read().strip()} (pid {pid})"
        except OSError:
            continue
    return str(text("another process"))


def _lock(settings: Settings) -> int:
    """The descriptor that holds the store; the file says who has it."""
    os.makedirs(settings.root, mode=0o711, exist_ok=True)
    path = f"{settings.root}/tracking.lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(descriptor, 4096, 0).decode(errors="replace").strip()
        os.close(descriptor)
        found = service.find(settings)
        if found is not None:
            holder = f"{holder} at {found.uri}"
        raise StoreLocked(
            text("the tracking store in `{root}` is served already by {holder}", root=settings.root, holder=holder),
            hint=text("use that one (MLFLOW_TRACKING_URI), end it, or serve another folder: TEUL_ROOT"),
        ) from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"pid {os.getpid()}".encode(), 0)
    return descriptor


def _announce(settings: Settings, host: str, port: int, more: Sequence[str]) -> None:
    os.makedirs(settings.run_root, mode=0o700, exist_ok=True)
    state = {
        "version": __version__,
        "pid": os.getpid(),
        "started": process_start(os.getpid()),
        "host": host,
        "port": port,
        "uri": uri_of(host, port),
        "addresses": list(more),
        "store": service.store_of(settings),
    }
    if remembered_port(settings) != port:
        write_atomic(f"{settings.root}/tracking.port", str(port).encode())
    write_atomic(state_path(settings), json.dumps(state).encode())


def _forget(settings: Settings) -> None:
    try:
        os.unlink(state_path(settings))
    except FileNotFoundError:
        pass


def _wanted_addresses(settings: Settings) -> list[str]:
    try:
        with open(addresses_path(settings), "rb") as stream:
            wanted = json.loads(stream.read())
    except (FileNotFoundError, ValueError):
        return []
    return [address for address in wanted if isinstance(address, str)]
