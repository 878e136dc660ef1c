"""Reserving a port of the host, and saying who has it when somebody else does.

A published port is a rule, not a socket, so the kernel would let two have it. The sockets that `reserve` binds go to the
container's monitor, which keeps them for as long as the container runs.
"""

from __future__ import annotations

import errno
import os

from teul.errors import Denied, InvalidInput, PortInUse, text
from teul.network.ports import PortMapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_LISTEN = "0A"
_UNCONNECTED = "07"
EPHEMERAL = range(32768, 61000)


def reserve(mappings: Sequence[PortMapping]) -> tuple[tuple[PortMapping, ...], list[int]]:
    """Bind every port; gives the mappings with what the kernel chose for port 0, and the sockets' descriptors.

    Raises:
        PortInUse: names the process that has it and a port that is free.
    """
    import _socket

    made: list[PortMapping] = []
    held: list[int] = []
    try:
        for mapping in mappings:
            kind = {"tcp": _socket.SOCK_STREAM, "udp": _socket.SOCK_DGRAM}.get(mapping.protocol)
            if kind is None:
                made.append(mapping)
                continue
            for wanted in range(mapping.host_port, max(mapping.host_port, mapping.last_host_port) + 1):
                try:
                    descriptor, port = _bind(mapping, kind, wanted)
                except PortInUse:
                    if wanted < mapping.last_host_port:
                        continue
                    raise
                held.append(descriptor)
                made.append(PortMapping(mapping.container_port, port, mapping.host_ip, mapping.protocol))
                break
    except BaseException:
        for descriptor in held:
            os.close(descriptor)
        raise
    return tuple(made), held


def _bind(mapping: PortMapping, kind: int, port: int) -> tuple[int, int]:
    """A bound socket's descriptor, and its port."""
    import _socket

    family = _socket.AF_INET6 if ":" in mapping.host_ip else _socket.AF_INET
    socket = _socket.socket(family, kind)
    try:
        if family == _socket.AF_INET6:
            socket.setsockopt(_socket.IPPROTO_IPV6, _socket.IPV6_V6ONLY, 1)
        if mapping.protocol == "tcp":
            # As a server does: connections that are still closing do not hold the port.
            socket.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
        socket.bind((mapping.host_ip or "0.0.0.0", port))
        if mapping.protocol == "tcp":
            socket.listen(1)
        found: int = port or socket.getsockname()[1]
        return socket.detach(), found
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortInUse(
                port, holder=holder(port, mapping.protocol), free=free_port(mapping.protocol, port + 1)
            ) from error
        if error.errno == errno.EACCES:
            raise Denied(text("port {port} needs root", port=port)) from error
        if error.errno == errno.EADDRNOTAVAIL:
            raise InvalidInput(
                text("cannot publish on {address}: this host has no such address", address=mapping.host_ip)
            ) from error
        raise
    finally:
        socket.close()


def holder(port: int, protocol: str = "tcp") -> str:
    """Who has *port*: `nginx (pid 12)`, or "another process" when that cannot be seen."""
    pid = holder_pid(port, protocol)
    if not pid:
        return "another process"
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
            return f"{file.read().strip()} (pid {pid})"
    except OSError:
        return f"pid {pid}"


def holder_pid(port: int, protocol: str = "tcp") -> int:
    """The process that has *port* bound, or 0."""
    sockets = {f"socket:[{inode}]" for inode in _inodes(port, protocol)}
    if not sockets:
        return 0
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            for descriptor in os.listdir(f"/proc/{name}/fd"):
                try:
                    if os.readlink(f"/proc/{name}/fd/{descriptor}") in sockets:
                        return int(name)
                except OSError:
                    continue
        except OSError:
            continue
    return 0


def free_port(protocol: str = "tcp", start: int = 8000) -> int:
    """A port that can be bound now, the next above *start* if possible."""
    import _socket

    kind = _socket.SOCK_DGRAM if protocol == "udp" else _socket.SOCK_STREAM
    for port in (*range(max(start, 1024), min(start + 100, 65536)), 0):
        socket = _socket.socket(_socket.AF_INET, kind)
        try:
            socket.bind(("0.0.0.0", port))
            found: int = socket.getsockname()[1]
            return found
        except OSError:
            continue
        finally:
            socket.close()
    return 0


def _inodes(port: int, protocol: str) -> set[str]:
    """Inodes of the sockets that listen on (tcp) or are bound to (udp) *port*.

    Spec: proc(5), /proc/net/tcp.
    """
    made = set()
    for table in (protocol, f"{protocol}6"):
        try:
            with open(f"/proc/net/{table}", encoding="ascii") as file:
                lines = file.read().split("\n")[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if len(fields) < 10 or fields[3] != (_LISTEN if protocol == "tcp" else _UNCONNECTED):
                continue
            if int(fields[1].rpartition(":")[2], 16) == port:
                made.add(fields[9])
    return made
