"""Which process of this machine is at the other end of a connection, so that a run can end with the one that began it.

Spec: proc_pid_net(5), `/proc/net/tcp`: addresses are hexadecimal words of the machine's byte order, then the port.
"""

from __future__ import annotations

import ipaddress
import os
import sys

from teul.state.leases import process_start


def process_at(client: tuple[str, int], server: tuple[str, int]) -> tuple[int, str] | None:
    """(pid, start) of the process whose socket goes from *client* to *server*; None when it cannot be told."""
    inode = _inode(_word(*client), _word(*server), "/proc/net/tcp6" if ":" in client[0] else "/proc/net/tcp")
    if not inode:
        return None
    wanted = f"socket:[{inode}]"
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            for descriptor in os.listdir(f"/proc/{pid}/fd"):
                if os.readlink(f"/proc/{pid}/fd/{descriptor}") == wanted:
                    started = process_start(int(pid))
                    return (int(pid), started) if started else None
        except OSError:
            continue
    return None


def _word(host: str, port: int) -> str:
    packed = ipaddress.ip_address(host).packed
    if sys.byteorder == "little":
        packed = b"".join(packed[start : start + 4][::-1] for start in range(0, len(packed), 4))
    return f"{packed.hex().upper()}:{port:04X}"


def _inode(local: str, remote: str, table: str) -> str:
    try:
        with open(table) as lines:
            for line in lines:
                fields = line.split()
                if len(fields) > 9 and fields[1] == local and fields[2] == remote:
                    return fields[9]
    except OSError:
        pass
    return ""
