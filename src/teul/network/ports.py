"""Published ports: `-p [IP:][HOST:]CONTAINER[/PROTOCOL]`. Pure.

Source: Docker's documentation, "docker run", "Publish or expose port".
"""

from __future__ import annotations

from teul.errors import InvalidInput, OptionUnsupported, text
from teul.network.addresses import number, show

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from dataclasses import dataclass
    from typing import Any
else:
    from teul.values import dataclass

PROTOCOLS = ("tcp", "udp", "sctp")


@dataclass(frozen=True, slots=True)
class PortMapping:
    """One port of a container and where it is to be reached; `host_port` 0 asks for a free one, `host_ip` "" is all.

    With `last_host_port`, any free one from `host_port` to that will do.
    """

    container_port: int
    host_port: int = 0
    host_ip: str = ""
    protocol: str = "tcp"
    last_host_port: int = 0

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> PortMapping:
        return cls(
            value["container_port"],
            value["host_port"],
            value["host_ip"],
            value["protocol"],
            value.get("last_host_port", 0),
        )

    @property
    def key(self) -> str:
        """`80/tcp`."""
        return f"{self.container_port}/{self.protocol}"


def parse_publish(value: str) -> tuple[PortMapping, ...]:
    """Read one `-p`; a range gives one mapping for each port.

    Raises:
        InvalidInput: with Docker's words.
    """
    rest, _, protocol = value.partition("/")
    protocol = (protocol or "tcp").lower()
    if protocol not in PROTOCOLS:
        raise InvalidInput(text("invalid proto: {protocol}", protocol=protocol))
    host_ip = ""
    if rest.startswith("["):
        host_ip, bracket, rest = rest[1:].partition("]")
        if not bracket or not rest.startswith(":"):
            raise InvalidInput(text("invalid containerPort: {value}", value=value))
        rest = rest[1:]
    parts = rest.split(":")
    if len(parts) > 3 or (host_ip and len(parts) > 2):
        raise InvalidInput(text("invalid containerPort: {value}", value=value))
    if len(parts) == 3:
        host_ip = parts[0]
    if host_ip:
        host_ip = show(number(host_ip), 128 if ":" in host_ip else 32)
        if host_ip == "::1":
            # The kernel does not route what is for the loopback, and IPv6 has no switch for it.
            raise OptionUnsupported(f"--publish {value}", hint=text("publish on 127.0.0.1"))
    container = _range(parts[-1], value)
    host_word = parts[-2] if len(parts) > 1 else ""
    if not host_word:
        return tuple(PortMapping(port, 0, host_ip, protocol) for port in container)
    host = _range(host_word, value, lowest=0)
    if len(host) != len(container):
        if len(container) != 1:
            raise InvalidInput(text("invalid ranges specified for container and host Ports: {value}", value=value))
        return (PortMapping(container[0], host[0], host_ip, protocol, host[-1]),)
    return tuple(PortMapping(inner, outer, host_ip, protocol) for inner, outer in zip(container, host, strict=True))


def parse_exposed(value: str) -> tuple[str, ...]:
    """Read an `EXPOSE` or `--expose` word (`80`, `80/udp`, `8000-8010`) into keys like `80/tcp`.

    Raises:
        InvalidInput: not a port.
    """
    rest, _, protocol = value.partition("/")
    protocol = (protocol or "tcp").lower()
    if protocol not in PROTOCOLS:
        raise InvalidInput(text("invalid proto: {protocol}", protocol=protocol))
    return tuple(f"{port}/{protocol}" for port in _range(rest, value))


def show_ports(mappings: Iterable[PortMapping], exposed: Iterable[str] = ()) -> str:
    """The PORTS column of `ps`: `0.0.0.0:8080->80/tcp, 443/tcp`; neighbours are joined (`0.0.0.0:80-81->80-81/tcp`)."""
    made: list[str] = []
    published = sorted(mappings, key=lambda item: (item.host_ip, item.protocol, item.container_port, item.host_port))
    groups: list[list[PortMapping]] = []
    for item in published:
        last = groups[-1][-1] if groups else None
        if (
            last is not None
            and (last.host_ip, last.protocol) == (item.host_ip, item.protocol)
            and last.container_port + 1 == item.container_port
            and last.host_port + 1 == item.host_port
        ):
            groups[-1].append(item)
        else:
            groups.append([item])
    for group in groups:
        first, last = group[0], group[-1]
        outer, inner = str(first.host_port), str(first.container_port)
        if len(group) > 1:
            outer, inner = f"{outer}-{last.host_port}", f"{inner}-{last.container_port}"
        where = f"[{first.host_ip}]" if ":" in first.host_ip else first.host_ip or "0.0.0.0"
        made.append(f"{where}:{outer}->{inner}/{first.protocol}")
    taken = {item.key for item in published}
    made += sorted((key for key in exposed if key not in taken), key=lambda key: (int(key.split("/")[0]), key))
    return ", ".join(made)


def _range(word: str, value: str, *, lowest: int = 1) -> list[int]:
    first, dash, last = word.partition("-")
    numbers = [first, last] if dash else [first]
    if not all(number.isascii() and number.isdigit() for number in numbers):
        raise InvalidInput(text("invalid containerPort: {value}", value=value))
    start, end = int(numbers[0]), int(numbers[-1])
    if not lowest <= start <= end <= 65535:
        raise InvalidInput(text("invalid containerPort: {value}", value=value))
    return list(range(start, end + 1))
