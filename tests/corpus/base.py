"""The base of every case: programs of this host (Debian's), so that a build needs neither a registry nor a package.

What is compared is only what a build adds, changes or removes, so another patch release of a program does no harm.
"""

from __future__ import annotations

import functools
import io
import json
import os
import tarfile
from collections.abc import Iterator
from hashlib import sha256

from integration.host_python import LEFT_OUT, libraries

NAME = "corpus/base:1"
PYTHON = "/usr/bin/python3.11"
HOME = "/usr/lib/python3.11"
PIP = "/usr/lib/python3/dist-packages/pip"
_PROGRAMS = """
    basename cat chgrp chmod chown cp cut date dd diff dirname du echo env expr false find grep gunzip gzip head hostname id
    install link ln ls mkdir mkfifo mknod mktemp mv nproc printf pwd readlink realpath rm rmdir sed seq sh sleep sort
    stat tail tar tee test touch tr true truncate uname uniq wc whoami xargs xz
    apt-get apt-config dpkg dpkg-deb dpkg-query dpkg-split
    groupadd groupdel useradd userdel usermod ldconfig start-stop-daemon mount umount
"""
PROGRAMS = tuple(_PROGRAMS.split())
PLACES = ("/usr/bin", "/usr/sbin")
FILES = {
    "etc/passwd": (
        "root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1:daemon:/usr/sbin:/bin/sh\n_apt:x:42:65534::/nonexistent:/bin/false\n"
        "app:x:1000:1000::/home/app:/bin/sh\nlone:x:1001:1002::/home/lone:/bin/sh\n"
    ),
    "etc/group": "root:x:0:\ndaemon:x:1:\nstaff:x:50:app,lone\napp:x:1000:\nlone:x:1002:\nnogroup:x:65534:\n",
    "etc/shadow": "root:*:19000:0:99999:7:::\napp:!:19000:0:99999:7:::\nlone:!:19000:0:99999:7:::\n",
    "etc/gshadow": "root:*::\nstaff:*::app,lone\napp:!::\nlone:!::\n",
    "etc/login.defs": "UID_MIN 1000\nUID_MAX 60000\nGID_MIN 1000\nGID_MAX 60000\nUSERGROUPS_ENAB yes\nUMASK 022\nHOME_MODE 0700\n",
    "etc/skel/.profile": "# nothing\n",
    "etc/ld.so.conf": "/usr/local/lib\n/usr/lib/x86_64-linux-gnu\n",
    "etc/apt/apt.conf.d/corpus": 'APT::Sandbox::User "root";\n',
    "etc/apt/sources.list": "",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n",
    "etc/pam.d/other": "auth required pam_permit.so\naccount required pam_permit.so\npassword required pam_permit.so\n",
    "etc/replaced/old.conf": "old\n",
    "etc/replaced/gone/a": "a\n",
    "etc/replaced/gone/b": "b\n",
    "usr/share/corpus/data": "data of the base\n",
    "usr/share/corpus/tool": "#!/bin/sh\necho tool\n",
    "var/lib/dpkg/status": "",
    "var/lib/dpkg/available": "",
    "var/lib/dpkg/info/format": "1\n",
}
MODES = {"etc/shadow": 0o640, "etc/gshadow": 0o640, "usr/share/corpus/tool": 0o755}
FOLDERS = {
    "tmp": 0o1777,
    "var/tmp": 0o1777,
    "root": 0o700,
    "home": 0o755,
    "home/app": 0o755,
    "var/lib/dpkg/updates": 0o755,
    "var/lib/dpkg/triggers": 0o755,
    "var/lib/dpkg/parts": 0o755,
    "var/lib/apt/lists": 0o755,
    "var/cache/apt/archives/partial": 0o755,
    "var/log/apt": 0o755,
    "etc/apt/preferences.d": 0o755,
    "etc/apt/sources.list.d": 0o755,
    "etc/apt/trusted.gpg.d": 0o755,
    "usr/local/bin": 0o755,
    "usr/local/lib": 0o755,
    "run": 0o755,
    "proc": 0o555,
    "sys": 0o555,
    "dev": 0o755,
}
LINKS = {
    "bin": "usr/bin",
    "sbin": "usr/sbin",
    "lib": "usr/lib",
    "lib64": "usr/lib64",
    "var/run": "/run",
    "usr/bin/python3": "python3.11",
    "usr/bin/python": "python3",
    "srv": "usr/share/corpus",
    "usr/share/corpus/link": "data",
}
ENVIRONMENT = (
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "BASE_VARIABLE=from the base",
    "PYTHONDONTWRITEBYTECODE=1",
)
CONFIG = {
    "Env": list(ENVIRONMENT),
    "Cmd": ["sh"],
    "Labels": {"maker": "the base"},
}


def why_not() -> str:
    """Why the base cannot be made of this host; "" when it can."""
    missing = [name for name in PROGRAMS if _program(name) is None]
    if missing:
        return f"the corpus's base needs Debian's {', '.join(missing)}"
    return "" if os.path.exists(PYTHON) else f"the corpus was recorded with {PYTHON}"


def _program(name: str) -> str | None:
    return next((f"{place}/{name}" for place in PLACES if os.path.exists(f"{place}/{name}")), None)


def _tree(place: str, left_out: tuple[str, ...] = ()) -> Iterator[str]:
    for folder, folders, names in os.walk(place):
        folders[:] = sorted(name for name in folders if name not in left_out and not name.startswith("config-"))
        for name in names:
            yield f"{folder}/{name}"


def _from_host() -> dict[str, str]:
    """Path in the base → path on the host."""
    found: dict[str, str] = {}

    def add(path: str, real: str) -> None:
        path = "/usr" + path if path.startswith(("/lib", "/bin", "/sbin")) else path
        if path not in found:
            found[path] = os.path.realpath(real)
            with open(found[path], "rb") as file:
                if file.read(4) != b"\x7fELF":
                    return
            for library in libraries(found[path]):
                add(library, library)

    for name in PROGRAMS:
        program = _program(name)
        assert program is not None, name
        add(program, program)
    add(PYTHON, PYTHON)
    for path in _tree(HOME, LEFT_OUT):
        if not path.endswith("EXTERNALLY-MANAGED"):
            add(path, path)
    for place in ("/usr/lib/apt/methods", "/usr/share/dpkg", PIP):
        for path in _tree(place, ("__pycache__",)):
            add(path, path)
    return found


@functools.cache
def has_pip() -> bool:
    return os.path.isdir(PIP)


@functools.cache
def tar() -> bytes:
    """The one layer."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        folders: set[str] = set()

        def add(name: str, kind: bytes, mode: int, data: bytes = b"", link: str = "") -> None:
            parent = os.path.dirname(name)
            if parent and parent not in folders:
                add(parent, tarfile.DIRTYPE, FOLDERS.get(parent, 0o755))
            if kind == tarfile.DIRTYPE:
                if name in folders:
                    return
                folders.add(name)
            info = tarfile.TarInfo(name)
            info.type, info.mode, info.linkname, info.size, info.mtime = kind, mode, link, len(data), 946684800
            archive.addfile(info, io.BytesIO(data))

        for name, mode in sorted(FOLDERS.items()):
            add(name, tarfile.DIRTYPE, mode)
        for name, target in sorted(LINKS.items()):
            add(name, tarfile.SYMTYPE, 0o777, link=target)
        for name, content in sorted(FILES.items()):
            add(name, tarfile.REGTYPE, MODES.get(name, 0o644), content.encode())
        for name, real in sorted(_from_host().items()):
            with open(real, "rb") as file:
                add(name.lstrip("/"), tarfile.REGTYPE, 0o755 if os.access(real, os.X_OK) else 0o644, file.read())
    return stream.getvalue()


def config() -> bytes:
    return json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "created": "2000-01-01T00:00:00Z",
            "config": CONFIG,
            "rootfs": {"type": "layers", "diff_ids": ["sha256:" + sha256(tar()).hexdigest()]},
            "history": [{"created": "2000-01-01T00:00:00Z", "created_by": "this host's programs"}],
        }
    ).encode()


def archive(path: str) -> None:
    """Write the base as `docker load` takes it."""
    with tarfile.open(path, "w") as made:

        def add(name: str, data: bytes) -> None:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            made.addfile(info, io.BytesIO(data))

        add("config.json", config())
        add("layer.tar", tar())
        add(
            "manifest.json",
            json.dumps([{"Config": "config.json", "RepoTags": [NAME], "Layers": ["layer.tar"]}]).encode(),
        )
