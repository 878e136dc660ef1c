"""`/etc/hosts`, `/etc/hostname` and `/etc/resolv.conf` of a container. Must not resolve anything.

They are files of the container, bound over the image's: nothing of them is in the image's changes.
"""

from __future__ import annotations

import os

from teul.errors import InvalidInput, text
from teul.oci.runtime import Mount

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

LOCAL_HOSTS = (
    "127.0.0.1\tlocalhost\n"
    "::1\tlocalhost ip6-localhost ip6-loopback\n"
    "fe00::\tip6-localnet\n"
    "ff00::\tip6-mcastprefix\n"
    "ff02::1\tip6-allnodes\n"
    "ff02::2\tip6-allrouters\n"
)
FALLBACK_SERVERS = ("8.8.8.8", "8.8.4.4")
"""Docker's: taken when the host's own servers all listen on its loopback, where a container cannot reach them."""
HOST_GATEWAY = "host-gateway"


def hosts_text(
    addresses: Sequence[tuple[str, Sequence[str]]] = (), *, extra: Sequence[str] = (), gateway: str = "", base: str = ""
) -> str:
    """The content of `/etc/hosts`.

    Args:
        addresses: (address, names) of the container itself.
        extra: "name:address" or "name=address", as `--add-host` takes them; the address `host-gateway` is *gateway*.
        base: the lines to begin with; default: the loopback's.
    Raises:
        InvalidInput: an entry of *extra* is not of that form.
    """
    made = base or LOCAL_HOSTS
    if made and not made.endswith("\n"):
        made += "\n"
    for entry in extra:
        separator = "=" if "=" in entry else ":"
        name, found, address = entry.partition(separator)
        if not found or not name or not address:
            raise InvalidInput(text("invalid argument `{value}` for `--add-host`: expected `host:ip`", value=entry))
        if address == HOST_GATEWAY:
            address = gateway or "127.0.0.1"
        made += f"{address.strip('[]')}\t{name}\n"
    for address, names in addresses:
        if address and names:
            made += f"{address}\t{' '.join(names)}\n"
    return made


def resolv_conf_text(
    *,
    servers: Sequence[str] = (),
    search: Sequence[str] = (),
    options: Sequence[str] = (),
    shares_network: bool = False,
    path: str = "/etc/resolv.conf",
) -> str:
    """The content of `/etc/resolv.conf`: the host's, with what is given instead of its parts.

    Name servers on the host's loopback are left out unless the container shares the host's network; systemd-resolved's
    list of the real ones is taken then.
    """
    host_servers, host_search, host_options = _read(path)
    if not shares_network and not servers:
        reachable = [item for item in host_servers if not item.startswith(("127.", "::1"))]
        if host_servers and not reachable:
            reachable = [
                item for item in _read("/run/systemd/resolve/resolv.conf")[0] if not item.startswith(("127.", "::1"))
            ]
        host_servers = reachable or list(FALLBACK_SERVERS)
    lines = [f"nameserver {item}" for item in (servers or host_servers)]
    domains = [item for item in (search or host_search) if item != "."]
    if domains:
        lines.append("search " + " ".join(domains))
    if options or host_options:
        lines.append("options " + " ".join(options or host_options))
    return "\n".join(lines) + "\n"


def write_name_files(
    folder: str, *, hostname: str, hosts: str, resolv_conf: str, skip: Sequence[str] = ()
) -> tuple[Mount, ...]:
    """Write the three files into *folder*; the mounts that put them in place, but for targets in *skip*."""
    made = []
    for name, content in (("hosts", hosts), ("hostname", hostname + "\n"), ("resolv.conf", resolv_conf)):
        target = f"/etc/{name}"
        if target in skip:
            continue
        path = f"{folder}/{name}"
        write_in_place(path, content)
        made.append(Mount("bind", path, target, ("rbind", "rprivate")))
    return tuple(made)


def edit_hosts(path: str, *, add: Sequence[str] = (), remove: Sequence[str] = ()) -> None:
    """Change a running container's `/etc/hosts`: lines to add at its end, addresses whose lines go; others stay."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            lines = file.read(1 << 20).splitlines()
    except FileNotFoundError:
        return
    kept = [line for line in lines if not line.split() or line.split()[0] not in remove]
    write_in_place(path, "".join(f"{line}\n" for line in (*kept, *add)))


def write_in_place(path: str, content: str) -> None:
    """Write a file that may be mounted somewhere: it stays the same file."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    try:
        os.fchmod(descriptor, 0o644)
        os.write(descriptor, content.encode(errors="surrogateescape"))
    finally:
        os.close(descriptor)


def _read(path: str) -> tuple[list[str], list[str], list[str]]:
    servers: list[str] = []
    search: list[str] = []
    options: list[str] = []
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = file.read(1 << 20).split("\n")
    except OSError:
        lines = []
    for line in lines:
        words = line.split("#", 1)[0].split(";", 1)[0].split()
        if len(words) < 2:
            continue
        if words[0] == "nameserver":
            servers.append(words[1])
        elif words[0] in ("search", "domain"):
            search = words[1:]
        elif words[0] == "options":
            options = words[1:]
    return servers, search, options
