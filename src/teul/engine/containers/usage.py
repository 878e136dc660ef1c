"""What running containers take: `sample`. Reads the kernel's counters and changes nothing.

Spec: Linux, Documentation/admin-guide/cgroup-v2.rst, and cgroup-v1/{cpuacct,memory,blkio-controller,pids}.rst; memory
without the page cache that nobody uses, as Docker's command line counts it.
"""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dataclasses import dataclass

    from teul.engine import Engine
    from teul.engine.containers.record import Container
else:
    from teul.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Counters of one container at one moment; all zero for one that does not run."""

    at_s: float = 0.0
    """The monotonic clock."""
    cpu_s: float = 0.0
    memory_bytes: int = 0
    memory_limit_bytes: int = 0
    received_bytes: int = 0
    sent_bytes: int = 0
    read_bytes: int = 0
    written_bytes: int = 0
    pids: int = 0

    def cpu_ratio(self, before: Usage) -> float:
        """The share of one CPU that was used since *before*: 2.0 is two CPUs' worth."""
        elapsed = self.at_s - before.at_s
        return max(self.cpu_s - before.cpu_s, 0.0) / elapsed if elapsed > 0 else 0.0

    @property
    def memory_ratio(self) -> float:
        return self.memory_bytes / self.memory_limit_bytes if self.memory_limit_bytes else 0.0


def sample(engine: Engine, container: Container) -> Usage:
    """The counters now."""
    if not container.is_running:
        return Usage()
    folders = _folders(engine, container)
    received, sent = _network(container.pid)
    read, written = _blocks(folders)
    return Usage(
        at_s=time.monotonic(),
        cpu_s=_cpu(folders),
        memory_bytes=_memory(folders),
        memory_limit_bytes=_memory_limit(folders),
        received_bytes=received,
        sent_bytes=sent,
        read_bytes=read,
        written_bytes=written,
        pids=_number(f"{folders.get('pids') or folders.get('', '')}/pids.current"),
    )


def _folders(engine: Engine, container: Container) -> dict[str, str]:
    """Controller → the container's folder; "" is the unified hierarchy's (the only one on a cgroup v2 host)."""
    made: dict[str, str] = {}
    for path in engine.driver.cgroups(container.id):
        words = path.removeprefix("/sys/fs/cgroup/").split("/")
        made["" if words[0].startswith("teul-") or words[0] == "unified" else words[0]] = path
    # A hierarchy may have several controllers: `cpu,cpuacct`.
    return {name: path for names, path in made.items() for name in names.split(",")}


def _cpu(folders: dict[str, str]) -> float:
    if "cpuacct" in folders:
        return _number(f"{folders['cpuacct']}/cpuacct.usage") / 1e9
    return _table(f"{folders.get('', '')}/cpu.stat").get("usage_usec", 0) / 1e6


def _memory(folders: dict[str, str]) -> int:
    if "memory" in folders:
        used = _number(f"{folders['memory']}/memory.usage_in_bytes")
        unused = _table(f"{folders['memory']}/memory.stat").get("total_inactive_file", 0)
    else:
        used = _number(f"{folders.get('', '')}/memory.current")
        unused = _table(f"{folders.get('', '')}/memory.stat").get("inactive_file", 0)
    return used - unused if unused < used else used


def _memory_limit(folders: dict[str, str]) -> int:
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if "memory" in folders:
        limit = _number(f"{folders['memory']}/memory.limit_in_bytes")
    else:
        limit = _number(f"{folders.get('', '')}/memory.max")
    return min(limit, total) if limit else total


def _network(pid: int) -> tuple[int, int]:
    """(received, sent) bytes of all interfaces but the loopback."""
    received = sent = 0
    try:
        with open(f"/proc/{pid}/net/dev") as file:
            for line in file.read().splitlines()[2:]:
                name, _, counters = line.partition(":")
                fields = counters.split()
                if name.strip() != "lo" and len(fields) > 8:
                    received += int(fields[0])
                    sent += int(fields[8])
    except (OSError, ValueError):
        return 0, 0
    return received, sent


def _blocks(folders: dict[str, str]) -> tuple[int, int]:
    """(read, written) bytes of block devices."""
    read = written = 0
    if "blkio" in folders:
        for name in ("blkio.throttle.io_service_bytes_recursive", "blkio.throttle.io_service_bytes"):
            for line in _text(f"{folders['blkio']}/{name}").splitlines():
                fields = line.split()
                if len(fields) == 3 and fields[1] == "Read":
                    read += int(fields[2])
                elif len(fields) == 3 and fields[1] == "Write":
                    written += int(fields[2])
            if read or written:
                break
        return read, written
    for word in _text(f"{folders.get('', '')}/io.stat").split():
        name, equals, value = word.partition("=")
        if equals and name == "rbytes":
            read += int(value)
        elif equals and name == "wbytes":
            written += int(value)
    return read, written


def _text(path: str) -> str:
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""


def _number(path: str) -> int:
    """The number in a file; 0 for none, and for `max`."""
    word = _text(path).strip()
    return int(word) if word.isdigit() else 0


def _table(path: str) -> dict[str, int]:
    rows = (line.split() for line in _text(path).splitlines())
    return {row[0]: int(row[1]) for row in rows if len(row) == 2 and row[1].isdigit()}
