"""An image made of this host's own Python: real, small, made in a second, without a registry or a package."""

import functools
import io
import json
import os
import subprocess
import sys
import tarfile
from hashlib import sha256

from teul.oci.digest import Digest
from teul.oci.reference import Reference

NAME = "teul-test/python:host"
PROGRAMS = ("/usr/bin/python3", "/bin/sh", "/bin/cat", "/bin/sleep", "/bin/true", "/usr/bin/id", "/bin/ls")
LEFT_OUT = ("test", "idlelib", "tkinter", "ensurepip", "lib2to3", "pydoc_data", "__pycache__", "dist-packages")
PASSWD = "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n"
GROUP = "root:x:0:\napp:x:1000:\n"


def libraries(path):
    """The shared libraries that the program or module at *path* needs."""
    done = subprocess.run(["ldd", path], capture_output=True, text=True, check=False)
    for line in done.stdout.splitlines():
        for word in line.split():
            if word.startswith("/"):
                yield word


def files():
    """Every file of the image as (path in it, path on the host)."""
    home = os.path.dirname(os.__file__)
    found = {}
    for program in PROGRAMS:
        real = os.path.realpath(program)
        found["/usr/bin/" + os.path.basename(program)] = real
        found.update((library, os.path.realpath(library)) for library in libraries(real))
    for place, folders, names in os.walk(home):
        folders[:] = [name for name in folders if name not in LEFT_OUT and not name.startswith("config-")]
        for name in names:
            path = os.path.join(place, name)
            found[path] = path
            if name.endswith(".so"):
                found.update((library, os.path.realpath(library)) for library in libraries(path))
    return {("/usr" + path if path.startswith(("/lib", "/bin")) else path): real for path, real in found.items()}


@functools.cache
def tar():
    """The one layer of the image."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:

        def add(name, kind=tarfile.DIRTYPE, mode=0o755, data=b"", link=""):
            info = tarfile.TarInfo(name.strip("/"))
            info.type, info.mode, info.linkname, info.size, info.mtime = kind, mode, link, len(data), 315532800
            archive.addfile(info, io.BytesIO(data))

        for name in ("usr", "usr/bin", "usr/lib", "usr/lib64", "etc", "root"):
            add(name)
        add("tmp", mode=0o1777)
        for name in ("bin", "lib", "lib64"):
            add(name, tarfile.SYMTYPE, 0o777, link=f"usr/{name}")
        add("etc/passwd", tarfile.REGTYPE, 0o644, PASSWD.encode())
        add("etc/group", tarfile.REGTYPE, 0o644, GROUP.encode())
        made = {"/usr", "/usr/bin", "/usr/lib", "/usr/lib64"}
        for path, real in sorted(files().items()):
            folder = os.path.dirname(path)
            missing = []
            while folder not in made:
                missing.append(folder)
                folder = os.path.dirname(folder)
            for name in reversed(missing):
                add(name)
                made.add(name)
            with open(real, "rb") as file:
                add(path, tarfile.REGTYPE, 0o755 if os.access(real, os.X_OK) else 0o644, file.read())
        link = f"usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"
        add(link, tarfile.SYMTYPE, 0o777, link="python3")
    return stream.getvalue()


def add_image(engine, name=NAME):
    """Make the image known to *engine* under *name*."""
    data = tar()
    diff_id = Digest.from_hex(sha256(data).hexdigest())
    engine.snapshots.unpack(io.BytesIO(data), diff_id, ())
    config = {
        "architecture": {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine],
        "os": "linux",
        "config": {"Env": ["PATH=/usr/local/bin:/usr/bin:/bin"], "Cmd": ["python3"]},
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
        "history": [{"created_by": "the host's Python"}],
    }
    return engine.images.add(json.dumps(config).encode(), names=[Reference.parse(name)])
