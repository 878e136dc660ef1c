"""IPv4 subnets and addresses as numbers. Pure but for `host_routes`; `ipaddress` would cost 5 ms of a `teul run`."""

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
    """A block of addresses: its first one as a number, and the length of its prefix."""

    first: int
    prefix: int

    @classmethod
    def parse(cls, value: str) -> Subnet:
        """Read `172.20.0.0/20`; bits beyond the prefix are cleared, as Docker does.

        Raises:
            InvalidInput: not an IPv4 subnet.
        """
        address, slash, length = value.partition("/")
        if not slash or not length.isdigit() or not 8 <= int(length) <= 30:
            raise InvalidInput(text("invalid CIDR address: {value}", value=value))
        prefix = int(length)
        return cls(number(address) & _mask(prefix), prefix)

    @property
    def size(self) -> int:
        return 1 << (32 - self.prefix)

    @property
    def gateway(self) -> str:
        """Docker's: the first address."""
        return show(self.first + 1)

    def overlaps(self, other: Subnet) -> bool:
        return self.first < other.first + other.size and other.first < self.first + self.size

    def __contains__(self, address: str) -> bool:
        return self.first <= number(address) < self.first + self.size

    def __str__(self) -> str:
        return f"{show(self.first)}/{self.prefix}"


def number(address: str) -> int:
    """The 32 bits of `172.20.0.1`.

    Raises:
        InvalidInput: not an IPv4 address.
    """
    parts = address.split(".")
    if len(parts) != 4 or not all(part.isascii() and part.isdigit() and int(part) < 256 for part in parts):
        raise InvalidInput(text("invalid IP address: {address}", address=address))
    made = 0
    for part in parts:
        made = made << 8 | int(part)
    return made


def show(value: int) -> str:
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


def choose_address(subnet: Subnet, taken: Collection[str]) -> str:
    """The lowest free address; the network's own, the gateway's and the last are never given.

    Raises:
        Conflict: all are taken.
    """
    for value in range(subnet.first + 2, subnet.first + subnet.size - 1):
        address = show(value)
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


def overlapping(subnet: Subnet, others: Iterable[Subnet]) -> Subnet | None:
    return next((other for other in others if subnet.overlaps(other)), None)


def _swapped(word: str) -> int:
    return int.from_bytes(bytes.fromhex(word), "little")


def _mask(prefix: int) -> int:
    return (0xFFFFFFFF << (32 - prefix)) & 0xFFFFFFFF
