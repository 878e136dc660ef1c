"""What this host offers, found by trying. Must not change the host, nor decide what teul does about it.

Each check is a `Finding`; `teul doctor` prints them. What can be tried for real is tried (an overlay mount, a bridge in
a throw-away network namespace), because a module list or a version number says less.
"""

from __future__ import annotations

import os
import resource
from dataclasses import dataclass

from teul.errors import CommandFailed, TeulError, text
from teul.host import process

OK = "ok"
NOTE = "note"
MISSING = "missing"

HELPER_FOLDERS = (
    "/usr/lib/podman",
    "/usr/libexec/podman",
    "/usr/local/lib/podman",
    "/usr/local/libexec/podman",
)
"""Where distributions put netavark and aardvark-dns, which nobody types."""

CA_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
MIN_KERNEL = (5, 6)
"""openat2(2), with which no path escapes a rootfs."""
LOW_DISK_BYTES = 5_000_000_000
LOW_OPEN_FILES = 4096


@dataclass(frozen=True, slots=True)
class Finding:
    """One check. *state* is "ok", "note" (works, with a remark) or "missing" (something teul needs)."""

    name: str
    state: str
    found: str
    mend: str = ""
    """The command that mends it, or ""."""
    package: str = ""
    """Debian's package that mends it, or ""."""


@dataclass(frozen=True, slots=True)
class _Program:
    name: str
    package: str
    needed_for: str
    is_required: bool = True


_PROGRAMS = (
    _Program("conmon", "conmon", text("containers that run detached")),
    _Program("netavark", "netavark", text("bridge networks and published ports")),
    _Program("aardvark-dns", "aardvark-dns", text("names of containers on a network")),
    _Program("iptables", "iptables", text("published ports")),
    _Program("mmdebstrap", "mmdebstrap", text("base images made from Debian's packages"), is_required=False),
)


def probe(root: str, *, sys_root: str = "/") -> list[Finding]:
    """All checks of the kernel and of programs, in the order in which a person reads them.

    Args:
        root: the state folder; nothing is created in it.
        sys_root: where `/proc`, `/sys`, `/dev` and `/etc` are looked for; a fixture tree in tests.
    """
    found = [probe_kernel(os.uname().release), probe_root(os.geteuid()), probe_seccomp(sys_root)]
    found += [probe_cgroups(sys_root), probe_overlay(root), probe_user_namespaces(sys_root)]
    found += [probe_program(program) for program in _PROGRAMS]
    found += [probe_keyring(sys_root), probe_bridge(), probe_tun(sys_root), probe_certificates(sys_root)]
    found += [probe_disk(root), probe_open_files()]
    return found


def find_program(name: str) -> str | None:
    """The path of *name*, also in the folders of podman's companions."""
    for folder in HELPER_FOLDERS:
        if os.access(f"{folder}/{name}", os.X_OK):
            return f"{folder}/{name}"
    return process.find(name)


def program_version(path: str) -> str:
    """What `PROGRAM --version` says on its first line, without the program's name; "" when it says nothing."""
    try:
        said = process.run([path, "--version"], timeout_s=10, check=False).stdout.decode(errors="replace")
    except TeulError:
        return ""
    lines = said.strip().splitlines()
    words = lines[0].split() if lines else []
    return next((word.lstrip("v") for word in words if word.lstrip("v")[:1].isdigit()), "")


def probe_kernel(release: str) -> Finding:
    """Linux itself; *release* as uname(2) gives it."""
    numbers = tuple(int(part) if part.isdigit() else 0 for part in release.split("-")[0].split(".")[:2])
    if numbers >= MIN_KERNEL:
        return Finding("kernel", OK, f"Linux {release}")
    return Finding(
        "kernel",
        MISSING,
        text("Linux {release}: expected {major}.{minor} or newer", release=release, major=5, minor=6),
    )


def probe_root(uid: int) -> Finding:
    if uid == 0:
        return Finding("root", OK, text("running as root"))
    return Finding("root", MISSING, text("running as user {uid}: teul needs root today", uid=uid), mend="sudo -i")


def probe_seccomp(sys_root: str = "/") -> Finding:
    """Whether the kernel filters system calls (CONFIG_SECCOMP_FILTER)."""
    actions = _read(sys_root, "proc/sys/kernel/seccomp/actions_avail")
    if "errno" in actions:
        return Finding("seccomp", OK, text("system calls can be filtered"))
    return Finding("seccomp", NOTE, text("this kernel has no seccomp filter: containers run without Docker's profile"))


def cgroup_mode(sys_root: str = "/") -> str:
    """Say which: v2, v1, hybrid (version 1 with an empty version 2 tree beside it), or nothing when none is mounted."""
    base = os.path.join(sys_root, "sys/fs/cgroup")
    if os.path.exists(f"{base}/cgroup.controllers"):
        return "v2"
    try:
        names = os.listdir(base)
    except OSError:
        names = []
    return "hybrid" if "unified" in names else "v1" if names else ""


def probe_cgroups(sys_root: str = "/") -> Finding:
    """Version of the control groups and whether memory, cpu and pids can be limited."""
    mode = cgroup_mode(sys_root)
    if not mode:
        return Finding(
            "cgroups",
            MISSING,
            text("no control groups are mounted on /sys/fs/cgroup"),
            mend="mount -t cgroup2 none /sys/fs/cgroup",
        )
    if mode == "v2":
        present = _read(sys_root, "sys/fs/cgroup/cgroup.controllers").split()
    else:
        present = [name for entry in os.listdir(os.path.join(sys_root, "sys/fs/cgroup")) for name in entry.split(",")]
    lacking = [name for name in ("memory", "cpu", "pids") if name not in present]
    if lacking:
        return Finding(
            "cgroups",
            NOTE,
            text("{mode}; without {lacking}: those limits cannot be set", mode=mode, lacking=", ".join(lacking)),
        )
    return Finding("cgroups", OK, text("{mode}: memory, cpu, pids", mode=mode))


def probe_overlay(root: str) -> Finding:
    """An overlay mounted for real, beside the state folder."""
    from teul.host.mount import is_overlay_supported

    folder = existing_parent(root)
    try:
        works = is_overlay_supported(folder)
    except (OSError, TeulError):
        works = False
    if works:
        return Finding("overlay", OK, text("an overlay mounts on {folder}", folder=folder))
    return Finding(
        "overlay",
        NOTE,
        text("no overlay mounts on {folder}: layers are copied, which is slow", folder=folder),
        mend="modprobe overlay",
    )


def probe_user_namespaces(sys_root: str = "/") -> Finding:
    """Whether unprivileged use is possible later."""
    limit = _read(sys_root, "proc/sys/user/max_user_namespaces").strip()
    if limit.isdigit() and int(limit) > 0:
        return Finding("user namespaces", OK, text("up to {limit}", limit=limit))
    return Finding(
        "user namespaces",
        NOTE,
        text("switched off; only use without root would need them"),
        mend="sysctl -w user.max_user_namespaces=10000",
    )


def probe_program(program: _Program) -> Finding:
    """One program that teul starts."""
    path = find_program(program.name)
    if path is not None:
        version = program_version(path)
        return Finding(program.name, OK, text("{version} ({path})", version=version or "?", path=path))
    return Finding(
        program.name,
        MISSING if program.is_required else NOTE,
        text("not found; needed for {purpose}", purpose=program.needed_for),
        mend=f"apt-get install {program.package}",
        package=program.package,
    )


def probe_keyring(sys_root: str = "/") -> Finding:
    """Debian's keys, with which the packages of a bootstrapped base image are verified."""
    path = "/usr/share/keyrings/debian-archive-keyring.gpg"
    if os.path.exists(sys_root + path[1:] if sys_root.endswith("/") else sys_root + path):
        return Finding("Debian keys", OK, path)
    return Finding(
        "Debian keys",
        NOTE,
        text("not found; needed for {purpose}", purpose=text("base images made from Debian's packages")),
        mend="apt-get install debian-archive-keyring",
        package="debian-archive-keyring",
    )


def probe_bridge() -> Finding:
    """A bridge and a pair of interfaces, made in a network namespace that ends with the check."""
    ip = process.find("ip")
    if os.geteuid() != 0:
        return Finding("bridge", NOTE, text("not tried: needs root"))
    if ip is None:
        return Finding("bridge", NOTE, text("not tried: `ip` is not found"), "apt-get install iproute2", "iproute2")
    batch = b"link add teulprobe0 type bridge\nlink add teulprobe1 type veth peer name teulprobe2\n"
    try:
        process.run(["unshare", "--net", ip, "-batch", "-"], stdin=batch, timeout_s=10)
    except CommandFailed as error:
        return Finding(
            "bridge",
            MISSING,
            text("no bridge can be made: {reason}", reason=error.stderr_tail.replace("\n", "; ")),
            mend="modprobe bridge veth",
        )
    except TeulError:
        return Finding("bridge", NOTE, text("not tried: `unshare` is not found"))
    return Finding("bridge", OK, text("bridges and veth pairs can be made"))


def probe_tun(sys_root: str = "/") -> Finding:
    """Only networks without root (pasta) will need it."""
    if os.path.exists(os.path.join(sys_root, "dev/net/tun")):
        return Finding("/dev/net/tun", OK, text("present"))
    return Finding("/dev/net/tun", NOTE, text("absent; only networks without root would need it"))


def probe_certificates(sys_root: str = "/") -> Finding:
    """The CA bundle that pulls, builds and runs trust."""
    for path in CA_BUNDLES:
        if os.path.exists(os.path.join(sys_root, path[1:])):
            return Finding("CA certificates", OK, path)
    return Finding(
        "CA certificates",
        MISSING,
        text("no bundle found: no registry and no package index can be trusted"),
        mend="apt-get install ca-certificates",
        package="ca-certificates",
    )


def probe_disk(root: str) -> Finding:
    """Free space where the state folder is or will be; sizes in bytes."""
    folder = existing_parent(root)
    numbers = os.statvfs(folder)
    free = numbers.f_bavail * numbers.f_frsize
    shown = f"{free / 1e9:.1f}GB"
    if free < LOW_DISK_BYTES:
        return Finding(
            "disk",
            NOTE,
            text("{free} free for {root}: images of machine learning want more", free=shown, root=root),
            mend="teul system prune",
        )
    return Finding("disk", OK, text("{free} free for {root}", free=shown, root=root))


def probe_open_files() -> Finding:
    """The hard limit of open files, which containers cannot exceed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    shown = "unlimited" if hard == resource.RLIM_INFINITY else str(hard)
    if hard != resource.RLIM_INFINITY and hard < LOW_OPEN_FILES:
        return Finding(
            "open files",
            NOTE,
            text("at most {limit}: a DataLoader with many workers may want more", limit=shown),
            mend="ulimit -Hn 1048576",
        )
    return Finding("open files", OK, text("at most {limit} (now {soft})", limit=shown, soft=soft))


def existing_parent(path: str) -> str:
    """*path*, or the nearest folder above it that exists."""
    while not os.path.isdir(path):
        path = os.path.dirname(path) or "/"
    return path


def _read(sys_root: str, path: str) -> str:
    try:
        with open(os.path.join(sys_root, path), encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
