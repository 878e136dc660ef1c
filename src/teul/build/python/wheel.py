"""A wheel and a scheme → the files that pip would install, without running pip. Must not know layers, nor fetch.

What pip does is fixed by the binary distribution format and by habit (file modes, the order of RECORD's rows, the
first line of scripts); a test compares byte by byte. Whatever a wheel has that pip treats in another way than a plain
copy is refused with `UnusualWheel`, so that pip itself deals with it.

Spec: PyPA "Binary distribution format", "Recording installed projects", "Entry points"; pip's
`_internal/operations/install/wheel.py` for what they leave open.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import os
import re
import stat

from teul.errors import UnusualWheel, text
from teul.host.fs import write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from dataclasses import dataclass
    from zipfile import ZipFile, ZipInfo

    from teul.build.python.values import Interpreter
else:
    from teul.values import dataclass

RECORD_LIMIT_BYTES = 32 << 20
TEXT_LIMIT_BYTES = 4 << 20
NOTES = ("RECORD", "REQUESTED", "direct_url.json")
"""The files of a `.dist-info` folder that say how something came to be installed; all others depend on the wheel alone."""
_ENTRY_POINT = re.compile(r"(\w+(?:\.\w+)*):(\w+(?:\.\w+)*)\s*(?:\[\s*[\w-]+(?:,\s*\w+)*\s*\])?")
HEAD_BYTES = 1024
_ENCODING = re.compile(rb"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")
"""PEP 263."""
_OFTEN_LOADED = ("ascii", "us-ascii", "646", "idna", "cp437", "437", "raw-unicode-escape", "unicode-escape")
UV_FIRST_LINE_BYTES = 127
ZIP_UNIX = 3
"""The system whose modes a zip file holds. Spec: APPNOTE, "version made by"."""
_UV_SCRIPT = """\
# -*- coding: utf-8 -*-
import sys
from teul_module import teul_first
if __name__ == "__main__":
    if sys.argv[0].endswith("-script.pyw"):
        sys.argv[0] = sys.argv[0][:-11]
    elif sys.argv[0].endswith(".exe"):
        sys.argv[0] = sys.argv[0][:-4]
    sys.exit(teul_first.teul_second())
"""
_SCRIPT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True)
class ScriptForm:
    """How the stage's pip writes a console script: a text in which `teul_module`, `teul_first` and
    `teul_first.teul_second` stand for the module, the name that is imported, and what is called.
    """

    template: str

    def fill(self, module: str, function: str) -> bytes:
        made = self.template.replace("teul_first.teul_second", "\0").replace("teul_first", function.partition(".")[0])
        return made.replace("\0", function).replace("teul_module", module).encode()


@dataclass(frozen=True, slots=True)
class Member:
    """One file to write."""

    path: str
    """In the tree, without the first slash."""
    mode: int
    info: ZipInfo | None
    data: bytes | None = None
    """Given where it is not the archive's bytes."""
    scheme: str = ""
    """The kind of folder that it goes into, "" for that of the modules."""
    scheme_path: str = ""
    """Within that folder."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What one wheel puts into a tree, without bytecode and RECORD."""

    site: str
    """The folder of the distribution's modules, in the tree, without the first slash."""
    dist_info: str
    members: tuple[Member, ...]
    rows: tuple[tuple[str, str, str], ...]
    """Of RECORD: path relative to *site*, hash, size."""
    folders: tuple[str, ...] = ()
    """Empty ones, in the tree: uv makes what the archive names, pip does not."""
    prefixes: tuple[tuple[str, str], ...] = ()
    """(scheme, the way from *site* to its folder, with a slash) of all but that of the modules."""
    record_mode: int = 0o644
    """Of RECORD: uv writes into the file that it unpacked, the others make one."""

    @property
    def sources(self) -> tuple[str, ...]:
        """What pip compiles."""
        return tuple(sorted(member.path for member in self.members if member.path.endswith(".py")))


def lay_out(archive: ZipFile, name: str, python: Interpreter, form: ScriptForm, *, installer: str = "pip") -> Layout:
    """Say what *archive* puts where.

    Args:
        name: the distribution's, normalised (PEP 503).
        form: how console scripts are written.
        installer: the content of INSTALLER, less its line end.

    Raises:
        UnusualWheel: a file that would leave its folder, a file twice, RECORD that does not list what is there, …
    """
    infos = {info.filename: info for info in archive.infolist() if not info.filename.endswith("/")}
    if len(infos) != sum(1 for info in archive.infolist() if not info.filename.endswith("/")):
        raise UnusualWheel(text("wheel `{name}`: a file stands in it twice", name=name))
    info_dir = _dist_info(infos, name)
    headers = _headers(_read(archive, infos, f"{info_dir}/WHEEL", name))
    if not headers.get("wheel-version", "").strip().startswith("1."):
        raise UnusualWheel(
            text(
                "wheel `{name}`: expected Wheel-Version 1, got `{version}`",
                name=name,
                version=headers.get("wheel-version", ""),
            )
        )
    if installer != "pip":
        _check_for_others(archive, infos, info_dir, name)
    root = "purelib" if headers.get("root-is-purelib", "").lower() == "true" else "platlib"
    site = python.purelib if root == "purelib" else python.platlib
    scheme = {
        "purelib": python.purelib,
        "platlib": python.platlib,
        "headers": f"{python.headers}/{_header_folder(archive, infos, info_dir, name)}",
        "scripts": python.scripts,
        "data": python.data,
    }
    console = _entry_points(archive, infos, info_dir, name)
    members: dict[str, Member] = {}
    installed: dict[str, str] = {}
    changed: dict[str, bytes] = {}
    for filename, info in infos.items():
        if filename == f"{info_dir}/RECORD":
            installed[filename] = filename
            continue
        if filename in (f"{info_dir}/INSTALLER", f"{info_dir}/REQUESTED", f"{info_dir}/direct_url.json"):
            raise UnusualWheel(text("wheel `{name}`: it holds `{path}`", name=name, path=filename))
        target, kind = _target(filename, site, scheme, name)
        if kind == "scripts" and _is_wrapper(target, console):
            if installer != "pip":
                raise UnusualWheel(text("wheel `{name}`: `{path}` would be written twice", name=name, path=target))
            continue
        path = target.lstrip("/")
        if path in members:
            raise UnusualWheel(text("wheel `{name}`: `{path}` would be written twice", name=name, path=target))
        data = _with_interpreter(archive, info, python.executable) if kind == "scripts" else None
        mode = 0o755 if installer == "uv" and kind == "scripts" else _mode(info, installer)
        members[path] = Member(path, mode, info, data, kind, target[len(scheme.get(kind, site)) + 1 :])
        installed[filename] = os.path.relpath(target, site)
        if data is not None:
            changed[filename] = data
    rows = _rows(archive, infos, info_dir, name, installed, changed)
    for script, (module, function) in console.items():
        target = f"{python.scripts}/{script}"
        made = form.fill(module, function)
        if target.lstrip("/") in members:
            raise UnusualWheel(text("wheel `{name}`: `{path}` would be written twice", name=name, path=target))
        members[target.lstrip("/")] = Member(target.lstrip("/"), 0o755, None, made, "scripts", script)
        rows.append((os.path.relpath(target, site), *hashed(made)))
    told = b"pip\n" if installer == "pip" else installer.encode()
    base = f"{site}/{info_dir}".lstrip("/")
    path = f"{base}/INSTALLER"
    members[path] = Member(path, 0o644, None, told, "", f"{info_dir}/INSTALLER")
    rows.append((f"{info_dir}/INSTALLER", *hashed(told)))
    folders = _empty_folders(archive, infos, site, scheme, name) if installer == "uv" else ()
    _check_folders(members, folders, name)
    record_mode = _mode(infos[f"{info_dir}/RECORD"], installer) if installer == "uv" else 0o644
    prefixes = tuple((kind, f"{os.path.relpath(folder, site)}/") for kind, folder in scheme.items() if kind != root)
    return Layout(site.lstrip("/"), base, tuple(members.values()), tuple(rows), folders, prefixes, record_mode)


def write(layout: Layout, archive: ZipFile, folder: str, *, epoch: int) -> None:
    """Write the files below the empty *folder*, with the time *epoch* (seconds since 1970).

    Raises:
        UnusualWheel: the archive is damaged.
    """
    from teul.build.python.zipped import DAMAGED, pieces

    made: set[str] = {""}
    times = (epoch, epoch)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        for member in layout.members:
            parent = os.path.dirname(member.path)
            if parent not in made:
                make_folders(folder, parent, made)
            path = f"{folder}/{member.path}"
            descriptor = os.open(path, flags, member.mode)
            try:
                if member.data is not None:
                    write_all(descriptor, member.data)
                elif member.info is not None and member.info.file_size:
                    for piece in pieces(archive, member.info):
                        write_all(descriptor, piece)
                os.fchmod(descriptor, member.mode)
            finally:
                os.close(descriptor)
            os.utime(path, times)
        for path in layout.folders:
            make_folders(folder, path, made)
    except DAMAGED as error:
        raise UnusualWheel(text("wheel: damaged archive: {problem}", problem=error)) from error


def compilable(folder: str, sources: Sequence[str]) -> tuple[str, ...]:
    """Those of *sources* (below *folder*) that a pip compiles which imports nothing more once it installs.

    Raises:
        UnusualWheel: one is in an encoding whose codec that pip may have loaded, or not.
    """
    made = []
    for source in sources:
        with open(f"{folder}/{source}", "rb") as file:
            head = file.read(HEAD_BYTES)
        found = [match for line in head.split(b"\n")[:2] if (match := _ENCODING.match(line))]
        encoding = found[0][1].decode().lower().replace("_", "-") if found else "utf-8"
        if encoding in ("utf-8", "utf8"):
            made.append(source)
        elif encoding in _OFTEN_LOADED or encoding.startswith(("latin", "iso-8859", "iso8859", "utf")):
            raise UnusualWheel(text("`{path}` is written in {encoding}", path=f"/{source}", encoding=encoding))
    return tuple(made)


def make_folders(folder: str, path: str, made: set[str]) -> None:
    """The folders of *path* below *folder*, 0755 whatever the umask; those in *made* are there."""
    parts = path.split("/")
    for length in range(1, len(parts) + 1):
        part = "/".join(parts[:length])
        if part not in made:
            os.mkdir(f"{folder}/{part}")
            os.chmod(f"{folder}/{part}", 0o755)
            made.add(part)


def folders_above(paths: Iterable[str]) -> set[str]:
    """Every folder that one of *paths* (without the first slash) lies in, at any depth, but for the root."""
    made: set[str] = set()
    for parent in {path.rpartition("/")[0] for path in paths}:
        while parent and parent not in made:
            made.add(parent)
            parent = parent.rpartition("/")[0]
    return made


def told(archive: ZipFile, layout: Layout, name: str) -> tuple[str, str]:
    """Which distribution and version the wheel says that it is; pip and uv refuse one that came under another name.

    Raises:
        UnusualWheel: it does not say.
    """
    infos = {info.filename: info for info in archive.infolist()}
    headers = _headers(_read(archive, infos, f"{os.path.basename(layout.dist_info)}/METADATA", name))
    return re.sub(r"[-_.]+", "-", headers.get("name", "")).lower(), headers.get("version", "")


def line_end(installer: str) -> str:
    """What the lines of RECORD end with: CSV's own with pip, the system's with others."""
    return "\r\n" if installer == "pip" else "\n"


def uv_script_form(python: Interpreter) -> str:
    """A console script as uv writes it (see `ScriptForm`); "" where its first line would be a trick."""
    first = f"#!{python.executable}"
    if len(first) > UV_FIRST_LINE_BYTES or " " in first or not first.isascii():
        return ""
    return f"{first}\n{_UV_SCRIPT}"


def record_of(layout: Layout, compiled: Iterable[str], *, line_end: str = "\r\n") -> bytes:
    """RECORD as pip writes it for a wheel that nobody asked for by name and that came from an index.

    Args:
        compiled: the `.pyc` files, in the tree.
    """
    rows = [*layout.rows, *((os.path.relpath(path, layout.site), "", "") for path in compiled)]
    return format_record(rows, line_end)


def plain_record(record: bytes, info_dir: str) -> bytes:
    """RECORD without what says how the distribution came to be installed: the rows of the other `NOTES`.

    A record that is neither pip's nor uv's comes back as it is.
    """
    end = b"\r\n" if b"\r\n" in record else b"\n"
    lines = record.split(end)
    marks = tuple(f"{info_dir}/{name},".encode() for name in NOTES[1:])
    kept = [line for line in lines if not line.startswith(marks)]
    return end.join(kept)


def asked_record(record: bytes, info_dir: str, *, requested: bool, direct_url: str) -> bytes:
    """The contrary of `plain_record`."""
    rows = parse_record(record)
    if requested:
        rows.append((f"{info_dir}/REQUESTED", *hashed(b"")))
    if direct_url:
        rows.append((f"{info_dir}/direct_url.json", *hashed(direct_url.encode())))
    return format_record(rows, "\r\n" if b"\r\n" in record else "\n")


def parse_record(record: bytes) -> list[tuple[str, str, str]]:
    made = []
    for row in csv.reader(io.StringIO(record.decode("utf-8", "surrogateescape"), newline="")):
        if row:
            path, digest, size = (*row, "", "")[:3]
            made.append((path, digest, size))
    return made


def recorded_paths(record: bytes) -> list[str]:
    """The paths of `parse_record`."""
    if b'"' in record:
        return [path for path, _, _ in parse_record(record)]
    text = record.decode("utf-8", "surrogateescape").replace("\r\n", "\n")
    return [line.partition(",")[0] for line in text.split("\n") if line]


def format_record(rows: Sequence[tuple[str, str, str]], line_end: str = "\r\n") -> bytes:
    return format_rows(sorted(rows), line_end)


def format_rows(rows: Sequence[tuple[str, str, str]], line_end: str) -> bytes:
    """RECORD of *rows*, in their order."""
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator=line_end).writerows(rows)
    return out.getvalue().encode("utf-8", "surrogateescape")


def hashed_file(path: str) -> tuple[str, str]:
    """As `hashed`, of a file."""
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").digest()
        return f"sha256={base64.urlsafe_b64encode(digest).decode().rstrip('=')}", str(file.tell())


def hashed(data: bytes) -> tuple[str, str]:
    """Hash and size as in RECORD."""
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
    return f"sha256={digest}", str(len(data))


def compiled_path(source: str, cache_tag: str) -> str:
    """Where the bytecode of *source* goes (PEP 3147)."""
    folder, _, name = source.rpartition("/")
    return f"{folder}/__pycache__/{name[:-3]}.{cache_tag}.pyc"


def _dist_info(infos: dict[str, ZipInfo], name: str) -> str:
    found = {path.partition("/")[0] for path in infos}
    made = [folder for folder in found if folder.endswith(".dist-info")]
    if len(made) != 1 or not re.sub(r"[-_.]+", "-", made[0]).lower().startswith(name):
        raise UnusualWheel(
            text(
                "wheel `{name}`: expected one `.dist-info` folder of that name, got {count}", name=name, count=len(made)
            )
        )
    return made[0]


def _check_for_others(archive: ZipFile, infos: dict[str, ZipInfo], info_dir: str, name: str) -> None:
    """What uv and poetry treat in another way than pip.

    Raises:
        UnusualWheel: it is in the archive.
    """
    for path, info in infos.items():
        parts = path.split("/")
        if parts[0].endswith(".data") and parts[1:2] == ["headers"]:
            raise UnusualWheel(text("wheel `{name}`: it has C headers", name=name))
        if parts[0].endswith(".data") and parts[1:2] == ["scripts"]:
            with archive.open(info) as source:
                first = source.readline(TEXT_LIMIT_BYTES)
            if first.startswith(b"#!python") and first != b"#!python\n":
                raise UnusualWheel(text("wheel `{name}`: the first line of `{path}`", name=name, path=path))
    listed = _read(archive, infos, f"{info_dir}/RECORD", name).decode("utf-8", "surrogateescape")
    known = {
        row[0] for row in csv.reader(listed.splitlines()) if row and (row[0] == f"{info_dir}/RECORD" or row[1:2] > [""])
    }
    for path in infos:
        if path not in known:
            raise UnusualWheel(text("wheel `{name}`: RECORD does not list `{path}`", name=name, path=path))


def _empty_folders(
    archive: ZipFile, infos: dict[str, ZipInfo], site: str, scheme: dict[str, str], name: str
) -> tuple[str, ...]:
    """The folders of the archive that have nothing in them, in the tree (auditwheel leaves some)."""
    made = []
    filled = {path[: at + 1] for path in infos for at, char in enumerate(path) if char == "/"}
    for info in archive.infolist():
        folder = info.filename
        if not folder.endswith("/") or folder in filled:
            continue
        target, kind = _target(folder[:-1], site, scheme, name)
        if kind or folder.partition("/")[0].endswith((".data", ".dist-info")):
            raise UnusualWheel(text("wheel `{name}`: an empty folder `{path}`", name=name, path=folder))
        made.append(target.lstrip("/"))
    return tuple(sorted(set(made)))


def _header_folder(archive: ZipFile, infos: dict[str, ZipInfo], info_dir: str, name: str) -> str:
    """Pip names it as whoever asked spelled the distribution; only one word in small letters has just one spelling."""
    if any(".data/headers/" in path for path in infos):
        told = _headers(_read(archive, infos, f"{info_dir}/METADATA", name)).get("name", "")
        if told != name or not name.isalnum():
            raise UnusualWheel(text("wheel `{name}`: it has C headers", name=name))
    return name


def _headers(data: bytes) -> dict[str, str]:
    made: dict[str, str] = {}
    for line in data.decode("utf-8", "replace").splitlines():
        key, colon, value = line.partition(":")
        if not line.strip():
            break
        if colon and not line[0].isspace():
            made.setdefault(key.strip().lower(), value.strip())
    return made


def _read(archive: ZipFile, infos: dict[str, ZipInfo], path: str, name: str) -> bytes:
    from teul.build.python.zipped import DAMAGED

    info = infos.get(path)
    if info is None or info.file_size > RECORD_LIMIT_BYTES:
        raise UnusualWheel(text("wheel `{name}`: expected a file `{path}`", name=name, path=path))
    try:
        return archive.read(info)
    except DAMAGED as error:
        raise UnusualWheel(text("wheel `{name}`: damaged archive: {problem}", name=name, problem=error)) from error


def _target(filename: str, site: str, scheme: dict[str, str], name: str) -> tuple[str, str]:
    """The absolute path of a file of the archive, and the key of its scheme ("" for the root)."""
    parts = filename.split("/")
    # An image keeps no name that begins with `.wh.`: to a layer it says that something is gone.
    is_plain = not any(part in ("", ".", "..") or part.startswith(".wh.") for part in parts)
    is_plain = is_plain and "\\" not in filename and filename.isprintable()
    if not is_plain:
        raise UnusualWheel(text("wheel `{name}`: unsafe path `{path}`", name=name, path=filename))
    if not parts[0].endswith(".data"):
        return f"{site}/{filename}", ""
    if len(parts) < 3 or parts[1] not in scheme:
        raise UnusualWheel(text("wheel `{name}`: unknown scheme in `{path}`", name=name, path=filename))
    return f"{scheme[parts[1]]}/{'/'.join(parts[2:])}", parts[1]


def _mode(info: ZipInfo, installer: str) -> int:
    """Uv asks whether anyone may execute the file, the others also whether the archive says that it is one."""
    mode = info.external_attr >> 16
    is_told = info.create_system == ZIP_UNIX if installer == "uv" else stat.S_ISREG(mode)
    return 0o755 if is_told and mode & 0o111 else 0o644


def _with_interpreter(archive: ZipFile, info: ZipInfo, executable: str) -> bytes | None:
    """A script whose first line asks for `python`, with the interpreter's path instead; None for any other."""
    with archive.open(info) as source:
        first = source.readline(TEXT_LIMIT_BYTES)
        if not first.startswith(b"#!python"):
            return None
        return b"#!" + executable.encode() + b"\n" + source.read()


def _is_wrapper(target: str, console: dict[str, tuple[str, str]]) -> bool:
    """Whether a script of the archive is what setuptools made for an entry point; pip makes its own."""
    name = os.path.basename(target)
    for ending in (".exe", "-script.py", ".pya"):
        if name.lower().endswith(ending):
            return name[: -len(ending)] in console
    return name in console


def _entry_points(archive: ZipFile, infos: dict[str, ZipInfo], info_dir: str, name: str) -> dict[str, tuple[str, str]]:
    """Name → module and function, of the console and the gui scripts."""
    path = f"{info_dir}/entry_points.txt"
    if path not in infos:
        return {}
    made: dict[str, tuple[str, str]] = {}
    section = ""
    for line in _read(archive, infos, path, name).decode("utf-8", "replace").splitlines():
        line = line.strip()
        if not line or line.startswith(("#", ";")):
            continue
        if line.startswith("["):
            section = line.strip("[]").strip()
            continue
        if section not in ("console_scripts", "gui_scripts"):
            continue
        script, equals, value = (part.strip() for part in line.partition("="))
        match = _ENTRY_POINT.fullmatch(value)
        is_versioned = script == "pip" or script.startswith("easy_install")
        if not equals or match is None or not _SCRIPT_NAME.fullmatch(script) or is_versioned or script in made:
            raise UnusualWheel(text("wheel `{name}`: unusual entry point `{line}`", name=name, line=line))
        made[script] = (match[1], match[2])
    return made


def _rows(
    archive: ZipFile,
    infos: dict[str, ZipInfo],
    info_dir: str,
    name: str,
    installed: dict[str, str],
    changed: dict[str, bytes],
) -> list[tuple[str, str, str]]:
    """The archive's RECORD with the paths that its files get; what it does not list comes last, without a hash."""
    record = _read(archive, infos, f"{info_dir}/RECORD", name).decode("utf-8", "surrogateescape")
    left = dict(installed)
    made: list[tuple[str, str, str]] = []
    try:
        listed = [row for row in csv.reader(record.splitlines()) if row]
    except csv.Error as error:
        raise UnusualWheel(text("wheel `{name}`: RECORD: {problem}", name=name, problem=error)) from error
    seen: set[str] = set()
    for row in listed:
        path, digest, size = (*row, "", "")[:3]
        if path in seen or len(row) > 3:
            raise UnusualWheel(text("wheel `{name}`: RECORD lists `{path}` twice", name=name, path=path))
        seen.add(path)
        target = left.pop(path, None)
        if target is None:
            raise UnusualWheel(
                text("wheel `{name}`: RECORD lists `{path}`, which is not installed", name=name, path=path)
            )
        if path in changed:
            digest, size = hashed(changed[path])
        made.append((target, digest, size))
    made += [(target, "", "") for target in left.values()]
    return made


def _check_folders(members: dict[str, Member], folders: tuple[str, ...], name: str) -> None:
    """No file may be where another one needs a folder, or where there is one."""
    for path in (*members, *(f"{folder}/" for folder in folders)):
        parent = os.path.dirname(path)
        while parent:
            if parent in members:
                raise UnusualWheel(text("wheel `{name}`: `{path}` is a file and a folder", name=name, path=parent))
            parent = os.path.dirname(parent)
