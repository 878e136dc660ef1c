"""An image of one static busybox, and what the host holds while containers run: for tests on a real kernel."""

import functools
import io
import os
import re
import subprocess
import tarfile

from suites.small_images import MACHINE, folder, member
from teul.oci.digest import Digest
from teul.oci.image import ExecutionConfig, History, ImageConfig
from teul.oci.reference import Reference

BUSYBOX = "/bin/busybox"
NAME = "busybox"
PASSWD = "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n"
GROUP = "root:x:0:\nadm:x:4:app\napp:x:1000:\n"


def why_no_busybox():
    """ "" when the image can be made."""
    return "" if os.access(BUSYBOX, os.X_OK) else f"needs {BUSYBOX} (apt-get install busybox-static)"


@functools.cache
def busybox_tar():
    with open(BUSYBOX, "rb") as file:
        program = file.read()
    applets = subprocess.run([BUSYBOX, "--list"], capture_output=True, text=True, check=True).stdout.split()
    owned = tarfile.TarInfo("data/owned")
    owned.size, owned.uid, owned.gid, owned.mode = 6, 1000, 1000, 0o640
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, mode in (("bin", 0o755), ("etc", 0o755), ("root", 0o700), ("tmp", 0o1777), ("data", 0o755)):
            archive.addfile(folder(name, mode)[0])
        for name, content, mode in (
            ("bin/busybox", program, 0o755),
            ("etc/passwd", PASSWD.encode(), 0o644),
            ("etc/group", GROUP.encode(), 0o644),
            ("data/file", b"from the image\n", 0o644),
        ):
            info, data = member(name, content, mode=mode)
            archive.addfile(info, io.BytesIO(data))
        archive.addfile(owned, io.BytesIO(b"owned\n"))
        archive.addfile(member("data/link", kind=tarfile.SYMTYPE, target="file", mode=0o777)[0])
        archive.addfile(member("data/hard", kind=tarfile.LNKTYPE, target="data/file")[0])
        for applet in applets:
            if applet != "busybox":
                archive.addfile(member(f"bin/{applet}", kind=tarfile.SYMTYPE, target="busybox", mode=0o777)[0])
    return made.getvalue()


def add_busybox(engine, name=NAME, **config):
    """The image *name* in *engine*; *config* are fields of its `ExecutionConfig`."""
    data = busybox_tar()
    engine.snapshots.unpack(io.BytesIO(data), Digest.of(data), ())
    document = ImageConfig(
        platform=MACHINE,
        config=ExecutionConfig(**{"command": ("sh",), "env": ("PATH=/bin", "FROM_IMAGE=yes"), **config}),
        diff_ids=(Digest.of(data),),
        history=(History("1980-01-01T00:00:00Z", "busybox"),),
    ).to_bytes()
    return engine.images.add(document, names=(Reference.parse(name),))


def held(engine):
    """What containers of this state folder hold on the host now, as text that can be compared.

    Mounts, interfaces, firewall rules, cgroups, processes, network namespaces, and files of the state folder.
    """
    instance = engine.settings.instance
    return {
        "mounts": sorted(line for line in _read("/proc/self/mounts").splitlines() if engine.settings.root in line),
        "interfaces": _interfaces(instance),
        "rules": _rules(engine),
        "cgroups": _cgroups(instance),
        "processes": _processes(engine.settings.root, engine.settings.run_root),
        "files": sorted(_files(engine.settings.root)),
        "run": sorted(_files(engine.settings.run_root)),
    }


def _rules(engine):
    from teul.engine import networks
    from teul.network.addresses import Subnet

    subnets = [Subnet.parse(network.subnet) for network in networks.list_networks(engine)]
    found = subprocess.run(["iptables-save"], capture_output=True, text=True, check=False).stdout.splitlines()
    addresses = re.compile(r"\d+\.\d+\.\d+\.\d+")
    return sorted(
        line for line in found if any(word in subnet for word in addresses.findall(line) for subnet in subnets)
    )


def _interfaces(instance):
    """Our bridges and what hangs on them (others have theirs)."""
    made = []
    for name in os.listdir("/sys/class/net"):
        if name.startswith(f"tl{instance}"):
            made.append(name)
            made += [f"{name}/{port}" for port in os.listdir(f"/sys/class/net/{name}/brif")]
    return sorted(made)


def _cgroups(instance):
    made = []
    for place in ("/sys/fs/cgroup", *(entry.path for entry in os.scandir("/sys/fs/cgroup") if entry.is_dir())):
        try:
            made += [f"{place}/{name}" for name in os.listdir(place) if name.startswith(f"teul-{instance}")]
        except OSError:
            continue
    return sorted(made)


def _processes(*folders):
    """Command lines that mention one of *folders* (monitors, runtimes, DNS servers), but for our own ancestors."""
    made = []
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) not in (os.getpid(), os.getppid()):
            words = _read(f"/proc/{name}/cmdline").split("\0")
            if any(folder in word for folder in folders for word in words) and "pytest" not in " ".join(words):
                made.append(" ".join(words))
    return sorted(made)


def _files(root):
    """Paths below *root* but for the database's own and the layers'."""
    for place, folders, names in os.walk(root):
        if place == root:
            folders[:] = [name for name in folders if name not in ("layout", "mountpoints")]
        for name in (*names, *folders):
            path = os.path.relpath(os.path.join(place, name), root)
            if not path.startswith(("state.db", "trust")):
                yield path


def _read(path):
    try:
        with open(path, errors="replace") as file:
            return file.read()
    except OSError:
        return ""
