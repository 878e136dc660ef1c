"""Waiting until the DNS server answers for a container that has just come onto a network.

netavark writes the names into the server's folder, sends SIGHUP and ends; the server reads them some time later, or never:
aardvark-dns 1.4 listens for SIGHUP anew each time that it has read its folder, and one that comes in between is lost.
"""

from __future__ import annotations

import errno
import select
import time

from teul.host.netns import inside
from teul.network.netavark import DNS_PORT, count_networks, find_netavark, remind_dns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

PATIENCE_S = 3.0
SILENCE_S = 1.0
"""When not even a refusal has come for so long, a firewall of the host's stands in between."""
ANSWER_MS = 50
PAUSE_S = 0.003
REMIND_S = 0.05
REMIND_MORE_S = 0.001
"""For each network that the server has: it answers nobody while it reads them all anew (0.4 ms each), and who reminds it
meanwhile begins that again.
"""
SEARCH_DOMAIN = "dns.podman"
"""The server's own; a name in it that it does not know is not asked of any other server."""


def wait_for_names(folder: str, options: Mapping[str, Any], descriptor: int) -> bool:
    """Wait until the server of *folder* knows the container of *options*, asked from its namespace *descriptor*.

    Gives up after `PATIENCE_S`: a container whose names are late is better than none. False then.
    """
    asked = [
        (info["subnets"][0]["gateway"], options["networks"][bridge]["static_ips"][0])
        for bridge, info in options["network_info"].items()
        if info["dns_enabled"]
    ]
    if not asked or not find_netavark()[1]:
        return True
    question = query(f"{options['container_id'][:12]}.{SEARCH_DOMAIN}")
    answered = [_wait(folder, question, server, address, descriptor) for server, address in asked]
    return all(answered)


def query(name: str) -> bytes:
    """The question for the IPv4 address of *name*. Spec: RFC 1035, 4.1."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return b"\x54\x4c\x01\x00\x00\x01\0\0\0\0\0\0" + labels + b"\0\0\1\0\1"


def _wait(folder: str, question: bytes, server: str, address: str, descriptor: int) -> bool:
    import _socket

    number = bytes(int(part) for part in address.split("."))
    with inside(f"/proc/self/fd/{descriptor}"):
        # A socket stays in the network that it was made in.
        channel = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM | _socket.SOCK_CLOEXEC | _socket.SOCK_NONBLOCK)
    try:
        poll = select.poll()
        poll.register(channel.fileno(), select.POLLIN)
        begun = time.monotonic()
        reminded, patience_s = begun, min(SILENCE_S, PATIENCE_S)
        remind_s = REMIND_S + REMIND_MORE_S * count_networks(folder)
        while True:
            said = _answers(channel, poll, question, server, number)
            if said:
                return True
            if said is not None:
                patience_s = PATIENCE_S
            now = time.monotonic()
            if now - begun > patience_s:
                return False
            if now - reminded > remind_s:
                remind_dns(folder)
                reminded = now
                remind_s *= 2
            time.sleep(PAUSE_S)
    finally:
        channel.close()


def _answers(channel: Any, poll: select.poll, question: bytes, server: str, number: bytes) -> bool | None:
    """Whether the server knows the container; None when it is silent."""
    try:
        channel.connect((server, DNS_PORT))
        channel.send(question)
        if not poll.poll(ANSWER_MS):
            return None
        return bool(number in channel.recv(512)[len(question) :])
    except OSError as error:
        # Nobody listens there (yet), or the way there is only being made.
        if error.errno in (errno.ECONNREFUSED, errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EAGAIN):
            return False
        raise
