"""A pair of interfaces between a network namespace and a bridge of ours. Spec: rtnetlink(7), veth(4), ip-route(8)."""

from __future__ import annotations

import os
import struct

from teul.host.netns import delete_interface, inside

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket

_REQUEST, _ACKNOWLEDGE, _EXCLUSIVE, _CREATE = 0x1, 0x4, 0x200, 0x400
_NEW_LINK, _SET_LINK, _NEW_ADDRESS, _NEW_ROUTE = 16, 19, 20, 24
_LINK_ADDRESS, _LINK_NAME, _LINK_MTU, _LINK_MASTER, _LINK_INFO, _LINK_NAMESPACE = 1, 3, 4, 10, 18, 28
_INFO_KIND, _INFO_DATA, _VETH_PEER = 1, 2, 1
_ADDRESS_LOCAL, _ADDRESS_BROADCAST = 2, 4
_ROUTE_DESTINATION, _ROUTE_GATEWAY, _ROUTE_PRIORITY = 1, 5, 6
_IPV4, _UP, _LOOPBACK = 2, 1, 1
_TABLE_MAIN, _PROTOCOL_STATIC, _SCOPE_EVERYWHERE, _UNICAST = 254, 4, 0, 1


def join_bridge(
    namespace: int,
    bridge: str,
    interface: str,
    *,
    address: str,
    prefix: int,
    gateway: str,
    mac: str,
    mtu: int,
    metric: int,
) -> None:
    """Make *interface* in the network namespace behind the descriptor *namespace*, with its other end on *bridge*.

    It gets *address* (IPv4) and a default route by *gateway*; the loopback comes up with it. *mtu* 0 is the kernel's.

    Raises:
        OSError: the kernel refuses; nothing is left of it.
    """
    import _socket

    kinds = (_socket.AF_NETLINK, _socket.SOCK_RAW | _socket.SOCK_CLOEXEC, _socket.NETLINK_ROUTE)
    size = _attribute(_LINK_MTU, struct.pack("=I", mtu)) if mtu else b""
    peer = _link() + _attribute(_LINK_NAME, interface.encode() + b"\0") + size
    peer += _attribute(_LINK_ADDRESS, bytes.fromhex(mac.replace(":", "")))
    peer += _attribute(_LINK_NAMESPACE, struct.pack("=I", namespace))
    pair = _attribute(_INFO_KIND, b"veth") + _attribute(_INFO_DATA, _attribute(_VETH_PEER, peer))
    on = _attribute(_LINK_MASTER, struct.pack("=I", _socket.if_nametoindex(bridge)))
    path = f"/proc/self/fd/{namespace}"
    with inside(path):
        # A socket stays in the network that it was made in.
        there = _socket.socket(*kinds)
    here = _socket.socket(*kinds)
    try:
        _ask(here, _NEW_LINK, _EXCLUSIVE | _CREATE, _link(flags=_UP) + size + on + _attribute(_LINK_INFO, pair))
        with inside(path):
            try:
                _set_up(there, interface, address=address, prefix=prefix, gateway=gateway, metric=metric)
            except BaseException:
                delete_interface(interface)
                raise
    finally:
        here.close()
        there.close()


def _set_up(there: socket, interface: str, *, address: str, prefix: int, gateway: str, metric: int) -> None:
    """Within the namespace that *there* belongs to."""
    import _socket

    index = _socket.if_nametoindex(interface)
    try:
        with open(f"/proc/sys/net/ipv6/conf/{interface}/autoconf", "w", encoding="ascii") as file:
            file.write("0")
    except FileNotFoundError:
        # No IPv6 on this host.
        pass
    own, block = _number(address), (1 << 32 - prefix) - 1
    body = struct.pack("=BBBBI", _IPV4, prefix, 0, _SCOPE_EVERYWHERE, index)
    body += _attribute(_ADDRESS_LOCAL, own.to_bytes(4, "big"))
    body += _attribute(_ADDRESS_BROADCAST, (own | block).to_bytes(4, "big"))
    _ask(there, _NEW_ADDRESS, _EXCLUSIVE | _CREATE, body)
    for number in (_LOOPBACK, index):
        _ask(there, _SET_LINK, 0, _link(index=number, flags=_UP))
    body = struct.pack("=BBBBBBBBI", _IPV4, 0, 0, 0, _TABLE_MAIN, _PROTOCOL_STATIC, _SCOPE_EVERYWHERE, _UNICAST, 0)
    body += _attribute(_ROUTE_DESTINATION, bytes(4))
    body += _attribute(_ROUTE_GATEWAY, _number(gateway).to_bytes(4, "big"))
    body += _attribute(_ROUTE_PRIORITY, struct.pack("=I", metric))
    _ask(there, _NEW_ROUTE, _EXCLUSIVE | _CREATE, body)


def _number(address: str) -> int:
    return int.from_bytes(bytes(map(int, address.split("."))), "big")


def _link(*, index: int = 0, flags: int = 0) -> bytes:
    return struct.pack("=BxHiII", 0, 0, index, flags, flags)


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + b"\0" * (-len(value) % 4)


def _ask(channel: socket, kind: int, flags: int, body: bytes) -> None:
    flags |= _REQUEST | _ACKNOWLEDGE
    channel.send(struct.pack("=IHHII", 16 + len(body), kind, flags, 1, 0) + body)
    code = -struct.unpack_from("=i", channel.recv(8192), 16)[0]
    if code:
        raise OSError(code, os.strerror(code))
