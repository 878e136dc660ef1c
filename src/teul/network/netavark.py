"""netavark: the program that makes a container's place on a network real. Must not choose addresses or names.

Four observations that the engine rests on:

1. A network namespace lives while something holds it. We hold it by a file descriptor until the container's first
   process is in it; afterwards the processes do. When they are gone, so are the namespace and its end of the pair, and
   with that the other end: nothing can be left behind by a kill.
2. What is left then are the rules for published ports and the names in the DNS server. `teardown` in an *empty* namespace
   takes exactly these away, complains that there is no interface, and leaves the bridge up, which saves the next
   container of the network 130 ms. An endpoint without both needs no teardown at all.
3. aardvark-dns 1.4 listens for SIGHUP anew each time that it has read its folder; one that comes in between is lost, and
   the server stays, with nothing to serve, or does not know who has come. `end_idle_dns` sends another, and so does
   `teul.network.answers`, which waits until a container's names are answered for.
4. A network goes, bridge, rules and all, with a teardown in a namespace that has the last interface on it.
"""

from __future__ import annotations

import os
import select

from teul.errors import CommandFailed, HostLacks, text
from teul.host import launch
from teul.plain_json import dumps, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Mapping, Sequence
    from dataclasses import dataclass, field, replace
    from typing import Any

    from teul.network.ports import PortMapping
else:
    import _signal as signal

    from teul.values import dataclass, field, replace

FOLDERS = ("/usr/lib/podman", "/usr/libexec/podman", "/usr/local/lib/podman", "/usr/local/libexec/podman")
DNS_PORT = 53
DNS_PID = "aardvark.pid"
DNS_ATTEMPTS = 10
DNS_PAUSE_MS = 50
UNDER_WAY = "under-way"
"""A folder with an empty file `PID.DESCRIPTOR` for each set-up that somebody waits for, or was killed waiting for."""
ORPHAN_PATIENCE_MS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A bridge network. `subnet` as text, `gateway` an address in it; `subnet6` and `gateway6` are "" without IPv6.

    `reserved` are addresses that no container gets, by the names that their owners go by; `mtu` 0 is the host's.
    """

    id: str
    name: str
    bridge: str
    subnet: str
    gateway: str
    driver: str = "bridge"
    internal: bool = False
    dns: bool = True
    labels: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    ip_range: str = ""
    subnet6: str = ""
    gateway6: str = ""
    ip_range6: str = ""
    reserved: Mapping[str, str] = field(default_factory=dict)
    attachable: bool = False
    mtu: int = 0
    talks_inside: bool = True
    """Whether containers on it may talk to each other (`enable_icc`)."""
    host_address: str = ""
    """Where ports are published that name no address of the host."""
    created_at: float = 0.0

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Network:
        return cls(**value)

    @property
    def prefix(self) -> int:
        return int(self.subnet.partition("/")[2])

    @property
    def prefix6(self) -> int:
        """0 without IPv6."""
        return int(self.subnet6.partition("/")[2] or 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A container's place on a network; what is not known before it runs is "" until then."""

    network: str
    network_id: str = ""
    aliases: tuple[str, ...] = ()
    requested_address: str = ""
    requested_address6: str = ""
    requested_mac: str = ""
    address: str = ""
    prefix: int = 0
    gateway: str = ""
    address6: str = ""
    prefix6: int = 0
    gateway6: str = ""
    mac: str = ""
    interface: str = "eth0"

    @property
    def ip(self) -> str:
        """The address, "" while there is none."""
        return self.address

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Endpoint:
        return cls(**{**value, "aliases": tuple(value["aliases"])})


def find_netavark() -> tuple[str, str]:
    """The paths of netavark and aardvark-dns ("" when that one is missing).

    Raises:
        HostLacks: no netavark.
    """
    found = {"netavark": "", "aardvark-dns": ""}
    for name in found:
        for folder in (*FOLDERS, *os.environ.get("PATH", "").split(":")):
            if folder and os.access(f"{folder}/{name}", os.X_OK):
                found[name] = f"{folder}/{name}"
                break
    if not found["netavark"]:
        raise HostLacks("netavark", hint=text("apt-get install {package}", package="netavark"))
    return found["netavark"], found["aardvark-dns"]


def options_for(
    container: str,
    name: str,
    places: Sequence[tuple[Network, Endpoint]],
    ports: Sequence[PortMapping],
    *,
    mtu: int = 0,
) -> dict[str, Any]:
    """What netavark reads: the container, its places, its published ports; *mtu* 0 is the kernel's 1500.

    To netavark a network is called by its bridge: it names its chains of rules by a hash of that name, and two state
    folders that both have a network `bridge` would share a chain and take each other's rules away.
    """
    return {
        "container_id": container,
        "container_name": name,
        "networks": {network.bridge: _place(endpoint, container) for network, endpoint in places},
        "network_info": {network.bridge: _info(network, endpoint, mtu) for network, endpoint in places},
        "port_mappings": [
            {
                "container_port": port.container_port,
                "host_port": port.host_port,
                "host_ip": port.host_ip,
                "protocol": port.protocol,
                "range": 1,
            }
            for port in ports
        ],
    }


def part_of(options: Mapping[str, Any], bridge: str) -> dict[str, Any]:
    """Of what was set up on several networks, the part of one."""
    return {**options, **{key: {bridge: options[key][bridge]} for key in ("networks", "network_info")}}


def _place(endpoint: Endpoint, container: str) -> dict[str, Any]:
    made: dict[str, Any] = {
        "static_ips": [address for address in (endpoint.address, endpoint.address6) if address],
        "aliases": [*endpoint.aliases, container[:12]],
        "interface_name": endpoint.interface,
    }
    mac = endpoint.requested_mac or _mac_of(endpoint.address)
    if mac:
        made["static_mac"] = mac
    return made


def _mac_of(address: str) -> str:
    """Docker's: one address, one card, so that neighbours who remember the one find the other after a restart."""
    parts = address.split(".")
    return ":".join(["02", "42", *(f"{int(part):02x}" for part in parts)]) if len(parts) == 4 else ""


def _info(network: Network, endpoint: Endpoint, mtu: int) -> dict[str, Any]:
    subnets = [{"subnet": network.subnet, "gateway": network.gateway}]
    if network.subnet6:
        subnets.append({"subnet": network.subnet6, "gateway": network.gateway6})
    mtu = network.mtu or mtu
    # Of several default routes the first network's is taken; the others wait for it to be left.
    number = int("0" + "".join(letter for letter in endpoint.interface if letter.isdigit()))
    return {
        "name": network.bridge,
        "id": network.id,
        "driver": "bridge",
        "network_interface": network.bridge,
        "subnets": subnets,
        "ipv6_enabled": bool(network.subnet6),
        "internal": network.internal,
        "dns_enabled": network.dns,
        "ipam_options": {"driver": "host-local"},
        "options": {"metric": str(100 + number)} | ({"mtu": str(mtu)} if mtu else {}),
        "created": "1980-01-01T00:00:00Z",
    }


def with_mac(place: Endpoint, status: object) -> Endpoint:
    """*place* with the address of its card, from what netavark said of its bridge."""
    interfaces = status.get("interfaces") if isinstance(status, dict) else None
    interface = interfaces.get(place.interface) if isinstance(interfaces, dict) else None
    return replace(place, mac=str(interface.get("mac_address", ""))) if isinstance(interface, dict) else place


class Setup:
    """A set-up under way in the namespace behind *descriptor*; `wait` for it before anything runs in there."""

    def __init__(self, folder: str, options: Mapping[str, Any], descriptor: int) -> None:
        self.options = options
        self._argv = _argv(folder, "setup", descriptor)
        self._mark = f"{folder}/{UNDER_WAY}/{os.getpid()}.{descriptor}"
        os.makedirs(f"{folder}/{UNDER_WAY}", mode=0o700, exist_ok=True)
        with open(self._mark, "wb"):
            pass
        self._files = [launch.memory_file(dumps(options).encode()), launch.memory_file(), launch.memory_file()]
        self._pid = launch.launch(
            self._argv, env=_environment(), stdin=self._files[0], stdout=self._files[1], stderr=self._files[2]
        )

    def wait(self) -> dict[str, Any]:
        """What netavark says it did, by bridge.

        Raises:
            CommandFailed: it failed; what it said is the message.
        """
        try:
            code = launch.wait(self._pid)
            self._pid = 0
            output, errors = launch.content(self._files[1]), launch.content(self._files[2])
        finally:
            self.close()
        if code != 0:
            raise CommandFailed(
                text("network: {problem}", problem=_problem(output, errors)),
                argv=self._argv,
                exit_code=code,
                stderr_tail=errors[-4096:].decode(errors="replace"),
            )
        made: dict[str, Any] = loads(output)
        return made

    def close(self) -> None:
        """Wait for the program if nobody did, and let go of its files; idempotent."""
        if self._pid:
            launch.wait(self._pid)
            self._pid = 0
        for descriptor in self._files:
            os.close(descriptor)
        self._files = []
        if self._mark:
            os.unlink(self._mark)
            self._mark = ""


def wait_for_orphans(folder: str) -> None:
    """Wait until the set-ups have ended whose starters were killed: they would write after whoever tidies up now.

    Costs a look at an empty folder where no set-up is under way.
    """
    try:
        marks = os.listdir(f"{folder}/{UNDER_WAY}")
    except FileNotFoundError:
        return
    if not marks:
        return
    for name in os.listdir("/proc"):
        if name.isdigit() and (orphan := _orphan(int(name), folder)) != -1:
            try:
                poll = select.poll()
                poll.register(orphan, select.POLLIN)
                poll.poll(ORPHAN_PATIENCE_MS)
            finally:
                os.close(orphan)
    for mark in marks:
        if not os.path.exists(f"/proc/{mark.partition('.')[0]}"):
            try:
                os.unlink(f"{folder}/{UNDER_WAY}/{mark}")
            except FileNotFoundError:
                continue


def _orphan(pid: int, folder: str) -> int:
    """A descriptor of the process when it is a set-up of *folder* and not its starter's child any more, else -1."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = file.read().split(b"\0")
        if b"setup" not in words or os.fsencode(folder) not in words:
            return -1
        descriptor = os.pidfd_open(pid)
    except OSError:
        return -1
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            parent = file.read().rpartition(b")")[2].split()[1]
    except OSError:
        parent = b""
    if not parent or b"/proc/%s/" % parent in b" ".join(words):
        os.close(descriptor)
        return -1
    return descriptor


def tear_down(folder: str, options: Mapping[str, Any], descriptor: int) -> str:
    """Undo a set-up in the namespace behind *descriptor*; "" or what netavark complained about."""
    done = launch.capture(_argv(folder, "teardown", descriptor), stdin=dumps(options).encode(), env=_environment())
    return "" if done.exit_code == 0 else _problem(done.stdout, done.stderr)


def end_idle_dns(folder: str) -> None:
    """See that the DNS server goes when its last name has gone; costs a look at a folder while there are others.

    SIGHUP and not SIGTERM: a container that comes this moment has its names read.
    """
    for _ in range(DNS_ATTEMPTS):
        try:
            if any(name != DNS_PID for name in os.listdir(f"{folder}/aardvark-dns")):
                return
        except OSError:
            return
        # The tear-down has told it already, mostly in time.
        if not remind_dns(folder, wait_ms=DNS_PAUSE_MS):
            return


def count_networks(folder: str) -> int:
    """How many networks the DNS server has names of."""
    try:
        return sum(name != DNS_PID for name in os.listdir(f"{folder}/aardvark-dns"))
    except OSError:
        return 0


def remind_dns(folder: str, *, wait_ms: int = 0) -> bool:
    """Let the DNS server read its folder again, unless it ends within *wait_ms*; False when there is none (any more)."""
    names = f"{folder}/aardvark-dns"
    try:
        with open(f"{names}/{DNS_PID}", "rb") as file:
            pid = int(file.read())
        server = os.pidfd_open(pid)
    except (OSError, ValueError):
        return False
    try:
        poll = select.poll()
        poll.register(server, select.POLLIN)
        if poll.poll(wait_ms) or not _is_dns(pid, names):
            return False
        signal.pidfd_send_signal(server, signal.SIGHUP)
    except ProcessLookupError:
        return False
    finally:
        os.close(server)
    return True


def forget_names(folder: str, network: str) -> None:
    """Take away what the DNS server has of a network that is no more; a set-up whose starter was killed may have
    written it after the last tear-down.
    """
    try:
        os.unlink(f"{folder}/aardvark-dns/{network}")
    except FileNotFoundError:
        return
    end_idle_dns(folder)


def _is_dns(pid: int, names: str) -> bool:
    """Whether the process is the server of this folder; its pid may be somebody else's by now."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return os.fsencode(names) in file.read().split(b"\0")
    except OSError:
        return False


def needs_tear_down(options: Mapping[str, Any]) -> bool:
    """Whether anything of an endpoint outlives its namespace (observation 2)."""
    return bool(options["port_mappings"]) or any(info["dns_enabled"] for info in options["network_info"].values())


def _argv(folder: str, verb: str, descriptor: int) -> tuple[str, ...]:
    netavark, aardvark = find_netavark()
    os.makedirs(folder, mode=0o700, exist_ok=True)
    dns = ("--aardvark-binary", aardvark) if aardvark else ()
    return (netavark, "--config", folder, *dns, verb, f"/proc/{os.getpid()}/fd/{descriptor}")


def _environment() -> dict[str, str]:
    return {"PATH": "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin", "RUST_LOG": "error"}


def _problem(output: bytes, errors: bytes) -> str:
    for stream in (output, errors):
        for line in stream.decode(errors="replace").splitlines():
            if line.startswith("{"):
                try:
                    return str(loads(line).get("error", line))
                except ValueError:
                    return line
    return (errors or output).decode(errors="replace").strip()
