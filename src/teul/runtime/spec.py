"""What runs and in what: `Process`, `Limits`, `Sandbox`, and the bundle's `config.json` with Docker's defaults.

`to_spec` is pure but for three questions to the running kernel, which `Host` answers (`Host.here()` asks).

Spec: runtime-spec v1.1 config.md, config-linux.md. Docker's defaults: capabilities, devices, masked and read-only
paths, mounts, seccomp.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from dataclasses import dataclass, field
    from typing import Any

    from teul.oci.runtime import Mount
else:
    from teul.values import dataclass, field

DEFAULT_CAPABILITIES = (
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FSETID",
    "CAP_FOWNER",
    "CAP_MKNOD",
    "CAP_NET_RAW",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETFCAP",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_SYS_CHROOT",
    "CAP_KILL",
    "CAP_AUDIT_WRITE",
)
ALL_CAPABILITIES = (
    *("CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_SETGID"),
    *("CAP_SETUID", "CAP_SETPCAP", "CAP_LINUX_IMMUTABLE", "CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST"),
    *("CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_IPC_LOCK", "CAP_IPC_OWNER", "CAP_SYS_MODULE", "CAP_SYS_RAWIO"),
    *("CAP_SYS_CHROOT", "CAP_SYS_PTRACE", "CAP_SYS_PACCT", "CAP_SYS_ADMIN", "CAP_SYS_BOOT", "CAP_SYS_NICE"),
    *("CAP_SYS_RESOURCE", "CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_MKNOD", "CAP_LEASE", "CAP_AUDIT_WRITE"),
    *("CAP_AUDIT_CONTROL", "CAP_SETFCAP", "CAP_MAC_OVERRIDE", "CAP_MAC_ADMIN", "CAP_SYSLOG", "CAP_WAKE_ALARM"),
    *("CAP_BLOCK_SUSPEND", "CAP_AUDIT_READ", "CAP_PERFMON", "CAP_BPF", "CAP_CHECKPOINT_RESTORE"),
)
"""By number, as the kernel counts them (0 … 40)."""
MASKED_PATHS = (
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
)
READONLY_PATHS = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
RLIMITS = {
    "as": "RLIMIT_AS", "core": "RLIMIT_CORE", "cpu": "RLIMIT_CPU", "data": "RLIMIT_DATA", "fsize": "RLIMIT_FSIZE",
    "locks": "RLIMIT_LOCKS", "memlock": "RLIMIT_MEMLOCK", "msgqueue": "RLIMIT_MSGQUEUE", "nice": "RLIMIT_NICE",
    "nofile": "RLIMIT_NOFILE", "nproc": "RLIMIT_NPROC", "rss": "RLIMIT_RSS", "rtprio": "RLIMIT_RTPRIO",
    "rttime": "RLIMIT_RTTIME", "sigpending": "RLIMIT_SIGPENDING", "stack": "RLIMIT_STACK",
}  # fmt: skip
"""Docker's names of `--ulimit` → the spec's."""
DEVICE_IO = {
    "weight": ("weightDevice", "weight"),
    "read-bps": ("throttleReadBpsDevice", "rate"),
    "write-bps": ("throttleWriteBpsDevice", "rate"),
    "read-iops": ("throttleReadIOPSDevice", "rate"),
    "write-iops": ("throttleWriteIOPSDevice", "rate"),
}
"""What may be said of one block device → the spec's list and field."""
SHM_COMPATIBLE_BYTES = 64 << 20
CPU_PERIOD_US = 100_000


@dataclass(frozen=True, slots=True)
class Rlimit:
    """A resource limit; *name* as in `RLIMITS`; -1 is "unlimited". Never raised above the caller's hard limit."""

    name: str
    soft: int
    hard: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """What runs. `capabilities=None` is Docker's default set; an empty tuple is none. `console_size`: rows, columns."""

    args: tuple[str, ...]
    env: tuple[str, ...] = ()
    cwd: str = "/"
    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()
    terminal: bool = False
    console_size: tuple[int, int] | None = None
    capabilities: tuple[str, ...] | None = None
    no_new_privileges: bool = False
    rlimits: tuple[Rlimit, ...] = ()
    oom_score_adj: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Resource limits; 0 and "" mean "none". `cpus` is in processors, `memory_swap_bytes` is memory and swap, -1 free.

    `swappiness` is 0 to 100, -1 the host's. `devices_io` are (what, path, value), *what* one of `DEVICE_IO`, a rate in
    bytes or operations a second or a weight. `oom_kill_disable` and `swappiness` are known to cgroup v1 alone.
    """

    memory_bytes: int = 0
    memory_swap_bytes: int = 0
    memory_reservation_bytes: int = 0
    cpus: float = 0.0
    pids: int = 0
    cpu_shares: int = 0
    cpuset: str = ""
    cpuset_memory: str = ""
    cpu_period_us: int = 0
    cpu_quota_us: int = 0
    cpu_rt_period_us: int = 0
    cpu_rt_runtime_us: int = 0
    swappiness: int = -1
    oom_kill_disable: bool = False
    io_weight: int = 0
    devices_io: tuple[tuple[str, str, int], ...] = ()

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Limits:
        return cls(**{**value, "devices_io": tuple(tuple(item) for item in value["devices_io"])})

    def __bool__(self) -> bool:
        return self != Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A device node in the container. *kind* is "c" or "b"; *access* is a part of "rwm"."""

    path: str
    kind: str
    major: int
    minor: int
    mode: int = 0o666
    uid: int = 0
    gid: int = 0
    access: str = "rwm"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRule:
    """Access to devices whether or not their nodes are there; -1 is any number. *kind* "a" is both kinds."""

    kind: str
    major: int
    minor: int
    access: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """A program that the runtime runs at *stage* (`createContainer` …), outside the container; *timeout_s* 0 is none."""

    stage: str
    path: str
    args: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    timeout_s: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """Everything about one container that its runtime must know.

    `network` is "none" (a new namespace with a loopback), "host", or the path of a network namespace. `mounts` come in
    addition to Docker's standard ones; the same target replaces one. `shm_size_bytes=0` is half of the memory limit,
    or of the host's memory: a tmpfs takes only what is written to it, and a DataLoader needs it.
    `seccomp` is "default", "unconfined" or the path of a profile. `cgroup` is "private", "host" or "", which is private
    where cgroups are version 2.
    """

    process: Process
    rootfs: str
    mounts: tuple[Mount, ...] = ()
    hostname: str = ""
    domainname: str = ""
    network: str = "none"
    ipc: str = "private"
    pid: str = "private"
    uts: str = "private"
    cgroup: str = ""
    limits: Limits = Limits()
    readonly: bool = False
    privileged: bool = False
    seccomp: str = "default"
    shm_size_bytes: int = 0
    cgroup_path: str = ""
    masked_paths: tuple[str, ...] = MASKED_PATHS
    readonly_paths: tuple[str, ...] = READONLY_PATHS
    devices: tuple[Device, ...] = ()
    device_rules: tuple[DeviceRule, ...] = ()
    hooks: tuple[Hook, ...] = ()
    intel_rdt: Mapping[str, Any] = field(default_factory=dict)
    sysctls: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """What the spec depends on: memory, cgroups, what the caller may give away, where it runs."""

    memory_bytes: int
    cgroup_version: int
    has_swap_accounting: bool
    capabilities: frozenset[str]
    hard_limits: Mapping[str, int]
    machine: str
    kernel: str

    @classmethod
    def here(cls, *, with_limits: bool = True) -> Host:
        """Ask the running kernel; the caller's own limits, but for that of open files, only when they matter."""
        uname = os.uname()
        bounding = 0
        with open("/proc/self/status", "rb") as file:
            for line in file:
                if line.startswith(b"CapBnd:"):
                    bounding = int(line[7:], 16)
        version = 2 if os.path.exists("/sys/fs/cgroup/cgroup.controllers") else 1
        swap = (
            os.path.exists("/proc/swaps")
            if version == 2
            else os.path.exists("/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes")
        )
        # Of `resource` the rest, which takes longer to load than all of this.
        hard = {"nofile": _open_files()}
        if with_limits:
            import resource

            hard = {
                name: resource.getrlimit(getattr(resource, kernel))[1]
                for name, kernel in RLIMITS.items()
                if hasattr(resource, kernel)
            }
        return cls(
            memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
            cgroup_version=version,
            has_swap_accounting=swap,
            capabilities=frozenset(name for bit, name in enumerate(ALL_CAPABILITIES) if bounding >> bit & 1),
            hard_limits=hard,
            machine=uname.machine,
            kernel=uname.release,
        )


def to_spec(sandbox: Sandbox, host: Host | None = None) -> dict[str, Any]:
    """The `config.json` of *sandbox* on *host* (default: this one).

    Raises:
        InvalidInput: the seccomp profile that it names is not one.
    """
    host = host or Host.here(with_limits=bool(sandbox.process.rlimits))
    process = process_spec(sandbox.process, host, privileged=sandbox.privileged)
    linux: dict[str, Any] = {
        "namespaces": _namespaces(sandbox, host),
        "resources": _resources(sandbox, host),
        "maskedPaths": [] if sandbox.privileged else list(sandbox.masked_paths),
        "readonlyPaths": [] if sandbox.privileged else list(sandbox.readonly_paths),
        "rootfsPropagation": "rslave" if _has_slave(sandbox) else "rprivate",
    }
    if sandbox.cgroup_path:
        linux["cgroupsPath"] = sandbox.cgroup_path
    if sandbox.devices:
        linux["devices"] = [
            {
                "path": device.path,
                "type": device.kind,
                "major": device.major,
                "minor": device.minor,
                "fileMode": device.mode,
                "uid": device.uid,
                "gid": device.gid,
            }
            for device in sandbox.devices
        ]
    sysctls = dict(sandbox.sysctls)
    if sandbox.network != "host":
        # Docker's own two, so that an unprivileged user may bind port 80 and send a ping.
        sysctls.setdefault("net.ipv4.ip_unprivileged_port_start", "0")
        sysctls.setdefault("net.ipv4.ping_group_range", "0 2147483647")
    if sandbox.domainname and sandbox.uts != "host":
        # As Docker: the spec's own field is newer than many a runc.
        sysctls.setdefault("kernel.domainname", sandbox.domainname)
    if sysctls:
        linux["sysctl"] = sysctls
    if sandbox.seccomp != "unconfined" and not sandbox.privileged:
        from teul.runtime import seccomp

        profile = seccomp.default_profile() if sandbox.seccomp == "default" else seccomp.load_profile(sandbox.seccomp)
        linux["seccomp"] = seccomp.lower(
            profile, process["capabilities"]["bounding"], machine=host.machine, kernel=host.kernel
        )
    made: dict[str, Any] = {
        "ociVersion": "1.0.2",
        "process": process,
        "root": {"path": sandbox.rootfs, "readonly": sandbox.readonly},
        "mounts": _mounts(sandbox, host),
        "linux": linux,
    }
    if sandbox.hostname and sandbox.uts != "host":
        made["hostname"] = sandbox.hostname
    if sandbox.hooks:
        made["hooks"] = _hooks(sandbox)
    if sandbox.intel_rdt:
        linux["intelRdt"] = dict(sandbox.intel_rdt)
    if sandbox.annotations:
        made["annotations"] = dict(sandbox.annotations)
    return made


def process_spec(process: Process, host: Host, *, privileged: bool = False) -> dict[str, Any]:
    """The `process` object alone, which `exec` needs too."""
    wanted = (
        ALL_CAPABILITIES
        if privileged
        else DEFAULT_CAPABILITIES
        if process.capabilities is None
        else process.capabilities
    )
    # A capability outside our own bounding set cannot be given: the runtime would refuse the whole container.
    capabilities = [name for name in wanted if name in host.capabilities]
    made: dict[str, Any] = {
        "terminal": process.terminal,
        "user": {"uid": process.uid, "gid": process.gid},
        "args": list(process.args),
        "env": list(process.env),
        "cwd": process.cwd,
        "capabilities": {"bounding": capabilities, "effective": capabilities, "permitted": capabilities},
        "noNewPrivileges": process.no_new_privileges,
    }
    if process.terminal and process.console_size is not None:
        made["consoleSize"] = {"height": process.console_size[0], "width": process.console_size[1]}
    if process.groups:
        made["user"]["additionalGids"] = list(process.groups)
    limits = process.rlimits
    if "nofile" in host.hard_limits and all(limit.name != "nofile" for limit in limits):
        # Not what a shell happens to begin with, which is 1,024 on most hosts. Some versions of runc do so by themselves.
        limits = (*limits, Rlimit("nofile", -1, -1))
    if limits:
        made["rlimits"] = [
            {
                "type": RLIMITS[limit.name],
                "soft": _unsigned(_clamp(limit.soft, host.hard_limits.get(limit.name, -1))),
                "hard": _unsigned(_clamp(limit.hard, host.hard_limits.get(limit.name, -1))),
            }
            for limit in limits
        ]
    if process.oom_score_adj is not None:
        made["oomScoreAdj"] = process.oom_score_adj
    return made


def shm_size_bytes(sandbox: Sandbox, host: Host) -> int:
    """The size of `/dev/shm`: what was asked for, else half of the memory limit, else half of the host's memory."""
    if sandbox.shm_size_bytes:
        return sandbox.shm_size_bytes
    limit = sandbox.limits.memory_bytes
    half = min(limit, host.memory_bytes) // 2 if limit else host.memory_bytes // 2
    return max(half >> 20 << 20, SHM_COMPATIBLE_BYTES)


def _open_files() -> int:
    """How many files we may have open at the most."""
    with open("/proc/self/limits", "rb") as file:
        for line in file:
            if line.startswith(b"Max open files"):
                return int(line.split()[4])
    return -1


def _clamp(value: int, hard: int) -> int:
    if hard == -1:
        return value
    return hard if value == -1 else min(value, hard)


def _unsigned(value: int) -> int:
    return (1 << 64) - 1 if value == -1 else value


def _hooks(sandbox: Sandbox) -> dict[str, list[dict[str, Any]]]:
    made: dict[str, list[dict[str, Any]]] = {}
    for hook in sandbox.hooks:
        item: dict[str, Any] = {"path": hook.path, "args": list(hook.args), "env": list(hook.env)}
        if hook.timeout_s:
            item["timeout"] = hook.timeout_s
        made.setdefault(hook.stage, []).append(item)
    return made


def _has_slave(sandbox: Sandbox) -> bool:
    return any(option in ("slave", "rslave") for mount in sandbox.mounts for option in mount.options)


def _namespaces(sandbox: Sandbox, host: Host) -> list[dict[str, str]]:
    made: list[dict[str, str]] = [{"type": "mount"}]
    for kind, wanted in (("pid", sandbox.pid), ("ipc", sandbox.ipc), ("uts", sandbox.uts)):
        if wanted == "private":
            made.append({"type": kind})
        elif wanted != "host":
            made.append({"type": kind, "path": wanted})
    if sandbox.network == "none":
        made.append({"type": "network"})
    elif sandbox.network != "host":
        made.append({"type": "network", "path": sandbox.network})
    if sandbox.cgroup == "private" or (not sandbox.cgroup and host.cgroup_version == 2):
        made.append({"type": "cgroup"})
    return made


def _mounts(sandbox: Sandbox, host: Host) -> list[dict[str, object]]:
    access = "rw" if sandbox.privileged else "ro"
    standard: list[tuple[str, str, str, list[str]]] = [
        ("/proc", "proc", "proc", ["nosuid", "noexec", "nodev"]),
        ("/dev", "tmpfs", "tmpfs", ["nosuid", "strictatime", "mode=755", "size=65536k"]),
        ("/dev/pts", "devpts", "devpts", ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]),
        ("/sys", "sysfs", "sysfs", ["nosuid", "noexec", "nodev", access]),
        ("/sys/fs/cgroup", "cgroup", "cgroup", ["nosuid", "noexec", "nodev", access]),
        ("/dev/mqueue", "mqueue", "mqueue", ["nosuid", "noexec", "nodev"]),
        (
            "/dev/shm",
            "tmpfs",
            "shm",
            ["nosuid", "noexec", "nodev", "mode=1777", f"size={shm_size_bytes(sandbox, host)}"],
        ),
    ]
    if sandbox.ipc == "host":
        standard = [item for item in standard if item[0] not in ("/dev/mqueue", "/dev/shm")]
        for path in ("/dev/mqueue", "/dev/shm"):
            if os.path.isdir(path):
                standard.append((path, "bind", path, ["rbind", "nosuid", "noexec", "nodev"]))
    given = {mount.target for mount in sandbox.mounts}
    made: list[dict[str, object]] = [
        {"destination": target, "type": kind, "source": source, "options": options}
        for target, kind, source, options in standard
        if target not in given
    ]
    # A mount below another one must come after it.
    return made + [mount.to_json() for mount in sorted(sandbox.mounts, key=lambda item: item.target.count("/"))]


def _resources(sandbox: Sandbox, host: Host) -> dict[str, Any]:
    devices: list[dict[str, Any]] = [{"allow": sandbox.privileged, "access": "rwm"}]
    devices += [
        {"allow": True, "type": item.kind, "major": item.major, "minor": item.minor, "access": item.access}
        for item in sandbox.devices
    ]
    for rule in sandbox.device_rules:
        numbers = {"major": rule.major, "minor": rule.minor}
        allowed: dict[str, Any] = {"allow": True, "type": rule.kind, "access": rule.access}
        devices.append(allowed | {name: number for name, number in numbers.items() if number >= 0})
    return {"devices": devices, **resources(sandbox.limits, host)}


def resources(limits: Limits, host: Host) -> dict[str, Any]:
    """The `linux.resources` object for *limits*, but for the devices; what a running container is updated with, too.

    Raises:
        InvalidInput: a block device that is none.
    """
    made: dict[str, Any] = {}
    memory: dict[str, int] = {}
    if limits.memory_bytes:
        memory["limit"] = limits.memory_bytes
        if host.has_swap_accounting:
            # Docker: as much swap as memory unless said otherwise.
            memory["swap"] = limits.memory_swap_bytes or limits.memory_bytes * 2
    elif limits.memory_swap_bytes and host.has_swap_accounting:
        memory["swap"] = limits.memory_swap_bytes
    if limits.memory_reservation_bytes:
        memory["reservation"] = limits.memory_reservation_bytes
    if limits.swappiness >= 0:
        memory["swappiness"] = limits.swappiness
    if limits.oom_kill_disable:
        memory["disableOOMKiller"] = True
    if memory:
        made["memory"] = memory
    cpu: dict[str, Any] = {}
    if limits.cpus:
        cpu["period"] = CPU_PERIOD_US
        cpu["quota"] = int(limits.cpus * CPU_PERIOD_US)
    for name, value in (
        ("period", limits.cpu_period_us),
        ("quota", limits.cpu_quota_us),
        ("realtimePeriod", limits.cpu_rt_period_us),
        ("realtimeRuntime", limits.cpu_rt_runtime_us),
    ):
        if value:
            cpu[name] = value
    if limits.cpu_shares:
        cpu["shares"] = limits.cpu_shares
    if limits.cpuset:
        cpu["cpus"] = limits.cpuset
    if limits.cpuset_memory:
        cpu["mems"] = limits.cpuset_memory
    if cpu:
        made["cpu"] = cpu
    if limits.pids:
        made["pids"] = {"limit": limits.pids}
    if limits.io_weight or limits.devices_io:
        made["blockIO"] = _block_io(limits)
    return made


def _block_io(limits: Limits) -> dict[str, Any]:
    import stat

    from teul.errors import InvalidInput, text

    made: dict[str, Any] = {"weight": limits.io_weight} if limits.io_weight else {}
    for what, path, value in limits.devices_io:
        try:
            found = os.stat(path)
        except OSError as error:
            raise InvalidInput(text("device `{path}`: {problem}", path=path, problem=error.strerror)) from error
        if not stat.S_ISBLK(found.st_mode):
            raise InvalidInput(text("device `{path}`: {problem}", path=path, problem=text("not a block device")))
        field_, name = DEVICE_IO[what]
        numbers = {"major": os.major(found.st_rdev), "minor": os.minor(found.st_rdev)}
        made.setdefault(field_, []).append({**numbers, name: value})
    return made
