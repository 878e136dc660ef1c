"""The context of every case: files of many kinds, made anew each time, the same each time."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import tarfile
import zipfile
from base64 import urlsafe_b64encode
from hashlib import sha256

TIME = 1_400_000_000
TEXTS = {
    "app.py": "import sys\nprint('hello', *sys.argv[1:])\n",
    "main.py": "VERSION = '1.0'\n",
    "requirements.txt": "greeting==1.0\n",
    "requirements/base.txt": "greeting==1.0\n",
    "requirements/dev.txt": "-r base.txt\nfarewell\n",
    "pyproject.toml": "[project]\nname = 'app'\n",
    "README.md": "# App\n",
    "notes.txt": "notes\n",
    "config.yaml": "a: 1\n",
    "entrypoint.sh": '#!/bin/sh\nexec "$@"\n',
    "download_model.py": (
        "import os\nos.makedirs('/models/net', exist_ok=True)\n"
        "open('/models/net/weights.bin', 'wb').write(bytes(range(256)) * 64)\n"
    ),
    "src/app/__init__.py": "",
    "src/app/api.py": "ROUTES = []\n",
    "src/app/deep/er/leaf.py": "LEAF = 1\n",
    "src/app/__pycache__/api.cpython-311.pyc": "not code\n",
    "src/test_api.py": "assert True\n",
    "data/train.csv": "1,2\n",
    "data/test.csv": "3,4\n",
    "data/raw/a.bin": "\x00\x01",
    "data/raw/b.bin": "\x02\x03",
    "data/.hidden": "hidden\n",
    "with space/a file.txt": "spaces\n",
    "한글/파일.txt": "글\n",
    "odd/[x].txt": "brackets\n",
    "odd/x.txt": "x\n",
    "odd/a*b.txt": "star\n",
    "odd/$HOME.txt": "dollar\n",
    "modes/closed": "closed\n",
    "modes/open": "open\n",
    "modes/group": "group\n",
    "modes/run.sh": "#!/bin/sh\n",
    "modes/setuid": "setuid\n",
    "links/real.txt": "real\n",
    "links/folder/inside.txt": "inside\n",
    "same/one.txt": "one\n",
    ".env": "SECRET=1\n",
    ".git/config": "[core]\n",
    "node_modules/left/index.js": "0\n",
    "wide/a/x.py": "1\n",
    "wide/a/b/y.py": "2\n",
    "wide/a/b/z.txt": "3\n",
    "wide/c/x.py": "4\n",
}
MODES = {
    "entrypoint.sh": 0o755,
    "modes/closed": 0o600,
    "modes/open": 0o666,
    "modes/group": 0o664,
    "modes/run.sh": 0o755,
    "modes/setuid": 0o4755,
    "modes/private": 0o700,
    "modes/sticky": 0o1777,
    "modes/shared": 0o2775,
}
EMPTY = ("empty", "modes/private", "modes/sticky", "modes/shared")
LINKS = {
    "links/to-file": "real.txt",
    "links/to-folder": "folder",
    "links/dangling": "nowhere",
    "links/absolute": "/etc/passwd",
    "links/upwards": "../app.py",
    "linked-folder": "links/folder",
    "linked-file": "app.py",
}
ARCHIVED = (
    # name, kind, mode, uid, gid, content or target
    ("top", tarfile.DIRTYPE, 0o750, 7, 8, ""),
    ("top/file", tarfile.REGTYPE, 0o640, 7, 8, "archived\n"),
    ("top/run", tarfile.REGTYPE, 0o4755, 0, 0, "#!/bin/sh\n"),
    ("top/link", tarfile.SYMTYPE, 0o777, 7, 8, "file"),
    ("top/hard", tarfile.LNKTYPE, 0o640, 7, 8, "top/file"),
    ("top/fifo", tarfile.FIFOTYPE, 0o600, 1, 1, ""),
    ("top/글", tarfile.REGTYPE, 0o666, 1000, 1000, "글\n"),
)


def tar(entries: tuple[tuple[str, bytes, int, int, int, str], ...] = ARCHIVED) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, kind, mode, uid, gid, content in entries:
            info = tarfile.TarInfo(name)
            data = content.encode() if kind == tarfile.REGTYPE else b""
            info.type, info.mode, info.uid, info.gid, info.size, info.mtime = kind, mode, uid, gid, len(data), TIME + 1
            if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
                info.linkname = content
            archive.addfile(info, io.BytesIO(data))
    return stream.getvalue()


def wheel(name: str, version: str, files: dict[str, str], requires: tuple[str, ...] = (), scripts: str = "") -> bytes:
    """A pure-Python wheel. Spec: the binary distribution format (PEP 427)."""
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    metadata += "".join(f"Requires-Dist: {other}\n" for other in requires)
    members = {path: text.encode() for path, text in files.items()}
    members[f"{info}/METADATA"] = metadata.encode()
    members[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: corpus\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    if scripts:
        members[f"{info}/entry_points.txt"] = f"[console_scripts]\n{scripts}\n".encode()
    lines = [
        f"{path},sha256={urlsafe_b64encode(sha256(data).digest()).decode().rstrip('=')},{len(data)}"
        for path, data in members.items()
    ]
    members[f"{info}/RECORD"] = "\n".join([*lines, f"{info}/RECORD,,", ""]).encode()
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for path, data in members.items():
            archive.writestr(zipfile.ZipInfo(path, (2014, 5, 13, 0, 0, 0)), data)
    return stream.getvalue()


def package(name: str, version: str, files: dict[str, str], script: str = "") -> bytes:
    """A Debian package. Spec: deb(5)."""
    control = (
        f"Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: Nobody <a@b>\nDescription: nothing\n"
    )

    def packed(members: dict[str, tuple[str, int]]) -> bytes:
        folders = sorted({path[:place] for path in members for place, char in enumerate(path) if char == "/"} - {"."})
        listed = [("./", tarfile.DIRTYPE, 0o755, 0, 0, "")]
        listed += [(folder + "/", tarfile.DIRTYPE, 0o755, 0, 0, "") for folder in folders]
        listed += [(path, tarfile.REGTYPE, mode, 0, 0, content) for path, (content, mode) in members.items()]
        return gzip.compress(tar(tuple(listed)), mtime=0)

    controls = {"./control": (control, 0o644)}
    if script:
        controls["./postinst"] = (script, 0o755)
    parts = {
        "debian-binary": b"2.0\n",
        "control.tar.gz": packed(controls),
        "data.tar.gz": packed(
            {path: (content, 0o755 if "/bin/" in path else 0o644) for path, content in files.items()}
        ),
    }
    made = b"!<arch>\n"
    for part, data in parts.items():
        made += (
            f"{part:<16}{TIME:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode() + data + b"\n" * (len(data) % 2)
        )
    return made


def binaries() -> dict[str, bytes]:
    plain = tar()
    greet = package(
        "greet",
        "1.0",
        {
            "./usr/bin/greet": "#!/bin/sh\necho hi\n",
            "./usr/share/doc/greet/copyright": "free\n",
            "./etc/greet.conf": "a\n",
        },
        "#!/bin/sh\nset -e\nmkdir -p /var/lib/greet\necho configured > /var/lib/greet/state\n",
    )
    index = (
        "Package: greet\nVersion: 1.0\nArchitecture: all\nMaintainer: Nobody <a@b>\nDescription: nothing\n"
        f"Filename: ./greet_1.0_all.deb\nSize: {len(greet)}\nSHA256: {sha256(greet).hexdigest()}\n\n"
    )
    return {
        "archives/plain.tar": plain,
        "archives/packed.tar.gz": gzip.compress(plain, mtime=0),
        "archives/packed.tar.bz2": bz2.compress(plain),
        "archives/packed.tar.xz": lzma.compress(plain),
        "archives/no-name": gzip.compress(plain, mtime=0),
        "archives/text.gz": gzip.compress(b"only text\n", mtime=0),
        "archives/not.tar": b"this is no archive\n",
        "repo/greet_1.0_all.deb": greet,
        "repo/Packages": index.encode(),
        "wheels/greeting-1.0-py3-none-any.whl": wheel(
            "greeting",
            "1.0",
            {"greeting/__init__.py": "def hi():\n    return 'hi'\n", "greeting/more.py": "A = 1\n"},
            (),
            "greet = greeting:hi",
        ),
        "wheels/farewell-2.1-py3-none-any.whl": wheel("farewell", "2.1", {"farewell.py": "BYE = 1\n"}, ("greeting",)),
    }


def write(folder: str) -> None:
    """Fill the empty *folder*."""
    members = {name: text.encode() for name, text in TEXTS.items()} | binaries()
    members["weights.json"] = json.dumps({"layers": list(range(100))}).encode()
    for name, data in members.items():
        path = f"{folder}/{name}"
        os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)
        with open(path, "wb") as file:
            file.write(data)
        os.chmod(path, MODES.get(name, 0o644))
    for name in EMPTY:
        os.makedirs(f"{folder}/{name}", exist_ok=True)
    for name, target in LINKS.items():
        os.symlink(target, f"{folder}/{name}")
    os.link(f"{folder}/same/one.txt", f"{folder}/same/two.txt")
    os.chown(f"{folder}/notes.txt", 1234, 1234)
    for place, folders, names in os.walk(folder, topdown=False):
        for name in [*folders, *names]:
            path = f"{place}/{name}"
            if not os.path.islink(path) and os.path.isdir(path):
                os.chmod(path, MODES.get(os.path.relpath(path, folder), 0o755))
            os.utime(path, (TIME, TIME), follow_symlinks=False)
