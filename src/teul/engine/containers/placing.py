"""`--network` and what goes with it: which networks a container is to be on, and how. Makes nothing but `bridge`'s row.

Source: docker/cli, opts/network.go and cli/command/container/opts.go (`parseNetworkOpts`).
"""

from __future__ import annotations

from teul.engine.containers.lookup import get
from teul.errors import InvalidInput, OptionUnsupported, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.engine import Engine
    from teul.engine.containers.options import ContainerOptions
    from teul.network.netavark import Endpoint


class _Wish:
    """One `--network`, read."""

    __slots__ = ("address", "address6", "aliases", "mac", "name")

    def __init__(self, word: str) -> None:
        self.name, self.address, self.address6, self.mac = word, "", "", ""
        self.aliases: list[str] = []
        if "=" not in word and "," not in word:
            return
        self.name = ""
        for field in word.split(","):
            key, equals, value = field.partition("=")
            key = key.strip().lower()
            if not equals:
                raise _wrong(word, text("invalid field {field}", field=field))
            if key == "name":
                self.name = value
            elif key == "alias":
                self.aliases.append(value)
            elif key == "ip":
                self.address = value
            elif key == "ip6":
                self.address6 = value
            elif key == "mac-address":
                self.mac = value
            elif key in ("driver-opt", "link-local-ip", "gw-priority"):
                raise OptionUnsupported(f"--network {key}=")
            else:
                raise _wrong(word, text("invalid field key {key}", key=key))
        if not self.name:
            raise _wrong(word, text("network name/id is not specified"))


def find_places(engine: Engine, options: ContainerOptions) -> tuple[str, tuple[Endpoint, ...]]:
    """The network mode ("bridge", "none", "host", "container:<id>", or the first network's name) and the places.

    `--ip`, `--ip6`, `--mac-address` and `--network-alias` belong to the first network.

    Raises:
        InvalidInput: with Docker's words. NetworkNotFound, ContainerNotFound, OptionUnsupported.
    """
    wishes = [_Wish(word) for word in options.network or ("default",)]
    _add_flags(wishes[0], options)
    mode = ""
    places: list[Endpoint] = []
    for wish in wishes:
        name = "bridge" if wish.name == "default" else wish.name
        if name.startswith("container:"):
            name = f"container:{get(engine, name.removeprefix('container:')).id}"
        elif name.startswith("ns:") or name in ("slirp4netns", "pasta", "private"):
            raise OptionUnsupported(f"--network {name}")
        if name in ("host", "none") or name.startswith("container:"):
            if len(wishes) > 1:
                raise InvalidInput(
                    text("conflicting options: cannot attach both user-defined and non-user-defined network-modes")
                )
            _refuse_extras(wish)
            return name, ()
        if name == "bridge":
            _refuse_extras(wish)
        from teul.engine import networks
        from teul.network.netavark import Endpoint

        network = networks.get(engine, name)
        mode = mode or network.name
        if any(place.network == network.name for place in places):
            raise InvalidInput(text("network {name} is specified multiple times", name=network.name))
        places.append(
            Endpoint(
                network=network.name,
                aliases=tuple(dict.fromkeys(wish.aliases)),
                requested_address=wish.address,
                requested_address6=wish.address6,
                requested_mac=_mac(wish.mac),
            )
        )
    return mode, tuple(places)


def _add_flags(first: _Wish, options: ContainerOptions) -> None:
    if options.aliases and first.aliases:
        raise InvalidInput(text("conflicting options: cannot specify both --network-alias and per-network alias"))
    if options.address and first.address:
        raise InvalidInput(text("conflicting options: cannot specify both --ip and per-network IPv4 address"))
    if options.address6 and first.address6:
        raise InvalidInput(text("conflicting options: cannot specify both --ip6 and per-network IPv6 address"))
    if options.mac_address and first.mac:
        raise InvalidInput(text("conflicting options: cannot specify both --mac-address and per-network MAC address"))
    first.aliases += options.aliases
    first.address = first.address or options.address
    first.address6 = first.address6 or options.address6
    first.mac = first.mac or options.mac_address


def _refuse_extras(wish: _Wish) -> None:
    if wish.address or wish.address6:
        raise InvalidInput(text("user specified IP address is supported on user defined networks only"))
    if wish.aliases:
        raise InvalidInput(text("network-scoped alias is supported only for containers in user defined networks"))
    if wish.mac and wish.name not in ("bridge", "default"):
        raise InvalidInput(text("conflicting options: mac-address and the network mode"))


def _mac(word: str) -> str:
    """Raises: InvalidInput: not six bytes in hexadecimal."""
    if not word:
        return ""
    parts = word.replace("-", ":").lower().split(":")
    if len(parts) != 6 or not all(len(part) == 2 and set(part) <= set("0123456789abcdef") for part in parts):
        raise InvalidInput(text("{value} is not a valid mac address", value=word))
    return ":".join(parts)


def _wrong(word: str, reason: str) -> InvalidInput:
    return InvalidInput(text("invalid argument `{value}` for `--network` flag: {reason}", value=word, reason=reason))
