"""Making tars, also ones that no tool writes, and looking at trees; shared by the tests of layers and snapshots."""

import hashlib
import io
import os
import stat
import tarfile

from teul.layers.tar import CHARACTER, FILE, FOLDER, LINK, SYMLINK, Entry, format_entry
from teul.oci.digest import Digest

EPOCH = 315532800


def member(
    path, data=b"", *, kind=None, mode=None, link=b"", uid=0, gid=0, mtime_ns=EPOCH * 10**9, xattrs=None, device=(0, 0)
):
    """One member, header and payload. A path that ends in a slash is a folder."""
    entry = Entry()
    entry.path = path if isinstance(path, bytes) else os.fsencode(path)
    entry.kind = kind or (FOLDER if entry.path.endswith(b"/") else FILE)
    entry.mode = mode if mode is not None else (0o755 if entry.kind == FOLDER else 0o644)
    entry.uid, entry.gid = uid, gid
    entry.mtime_ns = mtime_ns
    entry.link = link if isinstance(link, bytes) else os.fsencode(link)
    entry.xattrs = xattrs or {}
    entry.major, entry.minor = device
    if entry.kind == FILE:
        entry.size_bytes = len(data)
    return format_entry(entry) + data + bytes(-len(data) % 512)


def folder(path, **options):
    return member(path if path.endswith("/") else path + "/", **options)


def symlink(path, target, **options):
    return member(path, kind=SYMLINK, link=target, mode=0o777, **options)


def hardlink(path, target, **options):
    return member(path, kind=LINK, link=target, **options)


def device(path, major, minor, **options):
    return member(path, kind=CHARACTER, device=(major, minor), **options)


def archive(*members):
    """Members and the end of the archive."""
    return b"".join(members) + bytes(1024)


def digest_of(data):
    return Digest.from_hex(hashlib.sha256(data).hexdigest())


def written(*infos, dialect=tarfile.PAX_FORMAT):
    """A tar as Python's `tarfile` writes it; *infos* are (TarInfo, data) pairs."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=dialect) as tar:
        for info, data in infos:
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def tree(root, *, with_times=True):
    """What is below *root*: path → what it is. Two equal results are two equal trees."""
    top = os.fsencode(root)
    found = {}
    inodes = {}
    pending = [b""]
    while pending:
        inside = pending.pop()
        for name in sorted(os.listdir(top + b"/" + inside)):
            path = inside + b"/" + name if inside else name
            full = top + b"/" + path
            status = os.lstat(full)
            mode = status.st_mode
            facts = {
                "mode": oct(mode),
                "owner": (status.st_uid, status.st_gid),
                "xattrs": {
                    key: os.getxattr(full, key, follow_symlinks=False)
                    for key in os.listxattr(full, follow_symlinks=False)
                    if not key.startswith("trusted.overlay.") or key.endswith("opaque")
                },
            }
            if with_times:
                facts["mtime_ns"] = status.st_mtime_ns
            if stat.S_ISREG(mode):
                with open(full, "rb") as file:
                    facts["data"] = file.read()
            elif stat.S_ISLNK(mode):
                facts["link"] = os.readlink(full)
            elif stat.S_ISDIR(mode):
                pending.append(path)
            elif stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
                facts["device"] = (os.major(status.st_rdev), os.minor(status.st_rdev))
            if status.st_nlink > 1 and not stat.S_ISDIR(mode):
                facts["same as"] = inodes.setdefault(status.st_ino, path)
            found[path] = facts
    return found


def names(root):
    return sorted(path.decode() for path in tree(root))
