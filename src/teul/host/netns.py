"""Network namespaces, held by a file descriptor: the kernel takes one away when nobody holds it any more."""

from __future__ import annotations

import os
from contextlib import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

CLONE_NEWNET = 0x40000000
_DELETE_LINK, _ACKNOWLEDGE = 17, 5
_NAME = 3


def open_network_namespace() -> int:
    """A new, empty network namespace; the descriptor is all that holds it.

    Others reach it as `/proc/<our pid>/fd/<descriptor>`. The calling thread is in it for a moment.

    Raises:
        OSError: not allowed.
    """
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    own = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if libc.unshare(CLONE_NEWNET) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), "unshare")
        try:
            return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        finally:
            if libc.setns(own, CLONE_NEWNET) != 0:
                # A thread in the wrong network must not go on: everything it does next would happen elsewhere.
                os._exit(125)
    finally:
        os.close(own)


@contextmanager
def inside(namespace: str) -> Iterator[None]:
    """The calling thread is in the network namespace at path *namespace* for as long as the block.

    Raises:
        OSError: it is gone, or not allowed.
    """
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    own = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    other = -1
    try:
        other = os.open(namespace, os.O_RDONLY | os.O_CLOEXEC)
        if libc.setns(other, CLONE_NEWNET) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), namespace)
        try:
            yield
        finally:
            if libc.setns(own, CLONE_NEWNET) != 0:
                os._exit(125)
    finally:
        os.close(own)
        if other != -1:
            os.close(other)


def delete_interface(name: str) -> None:
    """Delete a network interface of this thread's namespace (of a pair, both ends); one that is gone is fine.

    Spec: rtnetlink(7), RTM_DELLINK.

    Raises:
        OSError: the kernel refuses.
    """
    import socket
    import struct

    word = name.encode() + b"\0"
    attribute = struct.pack("=HH", 4 + len(word), _NAME) + word
    attribute += b"\0" * (-len(attribute) % 4)
    body = struct.pack("=BxHiII", 0, 0, 0, 0, 0) + attribute
    message = struct.pack("=IHHII", 16 + len(body), _DELETE_LINK, _ACKNOWLEDGE, 1, 0) + body
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as channel:
        channel.send(message)
        answer = channel.recv(4096)
    code = -struct.unpack_from("=i", answer, 16)[0]
    if code not in (0, 19):  # ENODEV
        raise OSError(code, os.strerror(code), name)


def keep_address(name: str) -> None:
    """Let a bridge keep the hardware address that it has now; else it takes another one as its ports come and go.

    Spec: netdevice(7), SIOCSIFHWADDR.

    Raises:
        OSError: there is no such interface, or the kernel refuses.
    """
    import fcntl
    import socket
    import struct

    with open(f"/sys/class/net/{name}/address", encoding="ascii") as file:
        address = bytes.fromhex(file.read().strip().replace(":", ""))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        fcntl.ioctl(channel, 0x8924, struct.pack("16sH14s", name.encode(), 1, address))
