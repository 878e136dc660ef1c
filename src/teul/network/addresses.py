"""Subnets and addresses as numbers. Pure but for `host_routes`; `ipaddress` would cost 5 ms of a `teul run`."""

from __future__ import annotations

from teul.errors import Conflict, InvalidInput, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from dataclasses import dataclass
else:
    from teul.values import dataclass

DEFAULT_PREFIX = 20
POOLS = (("172.20.0.0", 14), ("172.24.0.0", 13), ("10.200.0.0", 13), ("192.168.128.0", 17))
"""Where subnets of networks that did not ask for one come from, tried in this order."""


@dataclass(frozen=True, slots=True)
class Subnet:
    """A block of addresses: its first one as a number, the length of its prefix, and 32 or 128 bits."""

    first: int
    prefix: int
    bits: int = 32

    @classmethod
    def parse(cls, value: str) -> Subnet:
        """Read `172.20.0.0/20` or `fd00:77::/64`; bits beyond the prefix are cleared, as Docker does.

        Raises:
            InvalidInput: not a subnet.
        """
        address, slash, length = value.partition("/")
        bits = 128 if ":" in address else 32
        if not slash or not (length.isascii() and length.isdigit()) or not 8 <= int(length) <= bits - 2:
            raise InvalidInput(text("invalid CIDR address: {value}", value=value))
        prefix = int(length)
        return cls(number(address) >> (bits - prefix) << (bits - prefix), prefix, bits)

    @property
    def size(self) -> int:
        return 1 << (self.bits - self.prefix)

    @property
    def gateway(self) -> str:
        """Docker's: the first address."""
        return show(self.first + 1, self.bits)

    def overlaps(self, other: Subnet) -> bool:
        return (
            self.bits == other.bits and self.first < other.first + other.size and other.first < self.first + self.size
        )

    def holds(self, other: Subnet) -> bool:
        """Whether all of *other* lies in it."""
        return (
            self.bits == other.bits and self.first <= other.first and other.first + other.size <= self.first + self.size
        )

    def __contains__(self, address: str) -> bool:
        return (":" in address) == (self.bits == 128) and self.first <= number(address) < self.first + self.size

    def __str__(self) -> str:
        return f"{show(self.first, self.bits)}/{self.prefix}"


def number(address: str) -> int:
    """The 32 bits of `172.20.0.1`, or the 128 of `fd00::1`.

    Raises:
        InvalidInput: not an address.
    """
    if ":" in address:
        from _socket import AF_INET6, inet_pton

        try:
            return int.from_bytes(inet_pton(AF_INET6, address), "big")
        except OSError:
            raise InvalidInput(text("invalid IP address: {address}", address=address)) from None
    parts = address.split(".")
    if len(parts) != 4 or not all(part.isascii() and part.isdigit() and int(part) < 256 for part in parts):
        raise InvalidInput(text("invalid IP address: {address}", address=address))
    made = 0
    for part in parts:
        made = made << 8 | int(part)
    return made


def show(value: int, bits: int = 32) -> str:
    """The address with that number, an IPv6 one in its short form (RFC 5952)."""
    if bits == 128:
        from _socket import AF_INET6, inet_ntop

        return inet_ntop(AF_INET6, value.to_bytes(16, "big"))
    return ".".join(str(value >> shift & 255) for shift in (24, 16, 8, 0))


def choose_subnet(taken: Collection[Subnet], seed: int) -> Subnet:
    """A subnet of the pools that overlaps none of *taken*; *seed* says where the search begins in each pool.

    Two state folders with different seeds so choose differently, even before either of them sees the other's routes.

    Raises:
        Conflict: all are taken.
    """
    for start, length in POOLS:
        count = 1 << (DEFAULT_PREFIX - length)
        base = number(start)
        for step in range(count):
            candidate = Subnet(base + (seed + step) % count * (1 << (32 - DEFAULT_PREFIX)), DEFAULT_PREFIX)
            if not any(candidate.overlaps(other) for other in taken):
                return candidate
    raise Conflict(text("no subnet is free"), hint=text("teul network create --subnet 10.99.0.0/24 NAME"))


def choose_subnet6(taken: Collection[Subnet], seed: int) -> Subnet:
    """A /64 of a unique local prefix that overlaps none of *taken*; the 56 bits after `fd` come from *seed*.

    Spec: RFC 4193, 3.2.
    """
    while True:
        candidate = Subnet((0xFD << 56 | seed & (1 << 56) - 1) << 64, 64, 128)
        if overlapping(candidate, taken) is None:
            return candidate
        seed += 1


def choose_address(subnet: Subnet, taken: Collection[str], within: Subnet | None = None) -> str:
    """The lowest free address, of *within* when that is given; the network's own, the first and the last are never given.

    Raises:
        Conflict: all are taken.
    """
    place = within or subnet
    start = max(place.first, subnet.first + (1 if within is not None else 2))
    for value in range(start, min(place.first + place.size, subnet.first + subnet.size - 1)):
        address = show(value, subnet.bits)
        if address not in taken:
            return address
    raise Conflict(text("network {subnet} has no free address", subnet=subnet))


def host_routes() -> list[Subnet]:
    """What this host already routes somewhere, but for its default route."""
    made = []
    try:
        with open("/proc/net/route", encoding="ascii") as file:
            lines = file.read().split("\n")[1:]
    except OSError:
        return []
    for line in lines:
        fields = line.split("\t")
        if len(fields) > 7:
            mask = _swapped(fields[7])
            if mask:
                made.append(Subnet(_swapped(fields[1]) & mask, mask.bit_count()))
    return made


def host_routes6() -> list[Subnet]:
    """As `host_routes`, of IPv6: what goes to an interface other than the loopback and is not link-local."""
    made = []
    try:
        with open("/proc/net/ipv6_route", encoding="ascii") as file:
            lines = file.read().split("\n")
    except OSError:
        return []
    for line in lines:
        fields = line.split()
        if len(fields) > 9 and fields[9] != "lo" and not fields[0].startswith(("fe8", "ff")):
            prefix = int(fields[1], 16)
            if 8 <= prefix <= 126:
                made.append(Subnet(int(fields[0], 16), prefix, 128))
    return made


def host_mtu() -> int:
    """The largest packet that the interface of the default route takes, when it is below 1500; else 0.

    A container that sends larger ones through it relies on every host on the way to say so, and not all do.
    """
    try:
        with open("/proc/net/route", encoding="ascii") as file:
            for line in file.read().split("\n")[1:]:
                fields = line.split("\t")
                if len(fields) > 7 and fields[1] == fields[7] == "00000000":
                    with open(f"/sys/class/net/{fields[0]}/mtu", encoding="ascii") as mtu:
                        found = int(mtu.read())
                    return found if found < 1500 else 0
    except (OSError, ValueError):
        pass
    return 0


def interface_of(subnet: Subnet) -> str:
    """The interface that an IPv4 route sends *subnet* to, or ""."""
    try:
        with open("/proc/net/route", encoding="ascii") as file:
            for line in file.read().split("\n")[1:]:
                fields = line.split("\t")
                if len(fields) > 7 and _swapped(fields[1]) == subnet.first and _swapped(fields[7]):
                    return fields[0]
    except OSError:
        pass
    return ""


def overlapping(subnet: Subnet, others: Iterable[Subnet]) -> Subnet | None:
    return next((other for other in others if subnet.overlaps(other)), None)


def _swapped(word: str) -> int:
    return int.from_bytes(bytes.fromhex(word), "little")
