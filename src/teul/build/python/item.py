"""A wheel on its way into a layer, and whether the files of several go into one tree. Must not write."""

from __future__ import annotations

import os
import stat

from teul.build.python.fetch import local_path
from teul.build.python.wheel import asked_record, compiled_path, recorded_paths
from teul.errors import UnusualWheel, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from teul.build.python.values import Interpreter, Wheel
    from teul.layers.lower import Lookup
    from teul.oci.digest import Digest


class Item:
    """A wheel on its way into a layer."""

    def __init__(self, wheel: Wheel, key: str, number: int) -> None:
        self.wheel = wheel
        self.key = key
        self.place = str(number)
        """Its folder in the staging folder."""
        self.layer: Digest | None = None
        """The layer that holds its files: one of its own, or a bucket."""
        self.is_own = False
        self.site = ""
        self.dist_info = ""
        self.size_bytes = 0
        self.record = b""
        """Without what tells how it came to be installed."""
        self.record_mode = 0o644
        self._listed_files: list[str] = []
        self.bytecode: tuple[str, ...] = ()
        """What RECORD does not list."""
        self.folders: tuple[str, ...] = ()
        """Those that are empty."""
        self.uncompiled: tuple[str, ...] = ()
        """Sources that have none of it."""

    def __str__(self) -> str:
        return f"{self.wheel.name} {self.wheel.version}"

    @property
    def info_dir(self) -> str:
        return os.path.basename(self.dist_info)

    @property
    def record_path(self) -> str:
        return f"{self.dist_info}/RECORD"

    @property
    def is_plain(self) -> bool:
        """Whether its RECORD is the one of its own layer."""
        return not self.wheel.requested and not self.wheel.direct_url

    def set_bytecode(self, python: Interpreter, uncompiled: Iterable[str]) -> None:
        """Say that uv has compiled all its modules but *uncompiled*."""
        self.uncompiled = tuple(uncompiled)
        modules = [path for path in self._listed() if path.endswith(".py")]
        made = [path for path in in_site(modules, python) if path not in self.uncompiled]
        self.bytecode = tuple(compiled_path(path, python.cache_tag) for path in made)

    def _listed(self) -> list[str]:
        if not self._listed_files:
            site = self.site
            listed = (
                # A long closure has tens of thousands, nearly all of them plain.
                os.path.normpath(f"{site}/{path}")
                if "/." in path or "//" in path or path[0] in "./" or path[-1] == "/"
                else f"{site}/{path}"
                for path in recorded_paths(self.record)
            )
            # pip lists bytecode twice that the wheel brought and that it made anew.
            self._listed_files = list(dict.fromkeys(listed))
        return self._listed_files

    def plain_files(self) -> list[str]:
        """All its files but RECORD and what is like it."""
        return [path for path in self._listed() if path != self.record_path] + list(self.bytecode)

    def files(self) -> list[str]:
        """All its files, RECORD and what is like it included, in the tree."""
        made = [*self._listed(), *self.bytecode]
        if self.wheel.requested:
            made.append(f"{self.dist_info}/REQUESTED")
        if self.wheel.direct_url:
            made.append(f"{self.dist_info}/direct_url.json")
        return made

    def notes(self) -> dict[str, bytes]:
        """Path → content of RECORD and what goes with it."""
        url = self.wheel.direct_url
        if self.is_plain:
            return {self.record_path: self.record}
        made = {
            self.record_path: asked_record(self.record, self.info_dir, requested=self.wheel.requested, direct_url=url)
        }
        if self.wheel.requested:
            made[f"{self.dist_info}/REQUESTED"] = b""
        if url:
            made[f"{self.dist_info}/direct_url.json"] = url.encode()
        return made


def in_site(sources: Iterable[str], python: Interpreter) -> tuple[str, ...]:
    """Those of *sources* (in the tree) that uv compiles: what is below a folder that is imported from."""
    folders = tuple({f"{path.strip('/')}/" for path in (python.purelib, python.platlib)})
    return tuple(path for path in sources if path.startswith(folders))


def size_of(wheel: Wheel) -> int:
    """Bytes, as far as the index or the disk says."""
    if wheel.size_bytes is None and wheel.url.startswith("file://"):
        try:
            return os.stat(local_path(wheel.url)).st_size
        except OSError:
            return 0
    return wheel.size_bytes or 0


def check_told(wheel: Wheel, found: tuple[str, str]) -> None:
    """A wheel is the one that the index has it under: *found* is the name and version that it says itself."""
    from teul.build.python.uv import version_key

    name, version = found
    same = version_key(version) == version_key(wheel.version) and _local(version) == _local(wheel.version)
    if name != wheel.name or not same:
        raise UnusualWheel(
            text(
                "wheel `{name}`: expected the metadata of {expected}, got {actual}",
                name=wheel.name,
                expected=f"{wheel.name} {wheel.version}",
                actual=f"{name} {version}",
            )
        )


def _local(version: str) -> str:
    return version.strip().lower().partition("+")[2].replace("-", ".").replace("_", ".")


def check_scheme(python: Interpreter, lower: Lookup) -> None:
    """The folders that files go to are folders, not links to others: paths are taken at their word below."""
    for path in {python.purelib, python.platlib, python.scripts, python.data, python.headers}:
        if os.path.normpath(path) != path or not path.startswith("/") or path == "/":
            raise UnusualWheel(text("the interpreter puts files into `{path}`", path=path))
        found = ""
        for part in path.strip("/").split("/"):
            found = f"{found}/{part}".lstrip("/")
            entry = lower.find(os.fsencode(found))
            if entry is None:
                break
            if not stat.S_ISDIR(entry[1].st_mode):
                raise UnusualWheel(text("`{path}` is a link", path=f"/{found}"))


def check_files(items: Sequence[Item], lower: Lookup) -> dict[str, bool]:
    """No file may be another wheel's, nor there already. Gives the folders that are there already and get
    something new below them, and whether it is directly in them.
    """
    owners: dict[str, str] = {}
    for item in items:
        for path in item.files():
            if owners.setdefault(path, item.wheel.name) != item.wheel.name:
                raise UnusualWheel(
                    text(
                        "`{one}` and `{other}` both own `{path}`",
                        one=owners[path],
                        other=item.wheel.name,
                        path=path,
                    )
                )
    is_there: dict[str, bool] = {"": True}
    touched: dict[str, bool] = {}

    def find(folder: str) -> bool:
        known = is_there.get(folder)
        if known is None:
            parent = folder.rpartition("/")[0]
            known = False
            if find(parent):
                entry = lower.find(os.fsencode(folder))
                if entry is not None and not stat.S_ISDIR(entry[1].st_mode):
                    raise UnusualWheel(text("`{path}` is there already", path=f"/{folder}"))
                known = entry is not None
                if not known:
                    touched[parent] = True
            if known:
                touched.setdefault(folder, False)
            is_there[folder] = known
        return known

    for path in owners:
        parent = path.rpartition("/")[0]
        if path in is_there and find(path):
            raise UnusualWheel(text("`{path}` is there already", path=f"/{path}"))
        if find(parent):
            if lower.find(os.fsencode(path)) is not None:
                raise UnusualWheel(text("`{path}` is there already", path=f"/{path}"))
            touched[parent] = True
    for folder in (folder for item in items for folder in item.folders):
        if folder in owners:
            raise UnusualWheel(text("`{path}` is a file and a folder", path=f"/{folder}"))
        find(folder)
    for path in owners:
        if path in is_there:
            raise UnusualWheel(text("`{path}` is a file and a folder", path=f"/{path}"))
    touched.pop("", None)
    return touched
