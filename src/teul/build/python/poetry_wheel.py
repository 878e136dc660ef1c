"""How the stage's poetry writes what it installs, proved on a small wheel: what it made of it is what is made here.

Poetry leaves the writing to the library `installer`, whose versions differ in the order of RECORD's rows. Whatever else
may differ (a script's text, a mode, a folder) shows in the small wheel, and then poetry itself installs.

Spec: PyPA "Recording installed projects"; `installer`'s `_core.py` for the order.
"""

from __future__ import annotations

import base64
import os
import stat

from teul.build.python.wheel import ScriptForm, format_rows, hashed, hashed_file, lay_out, write
from teul.errors import UnusualWheel
from teul.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from dataclasses import dataclass

    from teul.build.python.values import Interpreter
    from teul.build.python.wheel import Layout
else:
    from teul.values import dataclass

NAME = "teul-sample"
_INFO = "teul_sample-1.0.dist-info"
_FILES = {
    "teul_sample/z.py": b"x = 1\n",
    "teul_sample/__init__.py": b"",
    "teul_sample/run.sh": b"#!/bin/sh\n",
    "teul_sample/a, b.txt": b"text",
    "teul_sample/__pycache__/old.txt": b"old",
    "teul_sample-1.0.data/scripts/teul-tool": b"#!python\nprint()\n",
    "teul_sample-1.0.data/data/share/teul/conf": b"x",
    "teul_sample-1.0.data/platlib/teul_plat.py": b"y = 1\n",
    "a_teul.py": b"z = 1\n",
    f"{_INFO}/METADATA": b"Metadata-Version: 2.1\nName: teul-sample\nVersion: 1.0\n",
    f"{_INFO}/WHEEL": b"Wheel-Version: 1.0\nGenerator: teul\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    f"{_INFO}/entry_points.txt": b"[console_scripts]\nteul-script = teul_module:teul_first.teul_second\n",
}
_EXECUTABLE = ("teul_sample/run.sh", "teul_sample-1.0.data/scripts/teul-tool")


@dataclass(frozen=True, slots=True)
class Form:
    """How one poetry writes."""

    script: str
    """A console script (see `wheel.ScriptForm`)."""
    is_sorted: bool
    """Whether RECORD's rows are sorted; else they are in the order of writing."""
    has_pycache: bool = True
    """Whether what a wheel has in folders `__pycache__` is installed."""


def sample() -> bytes:
    """The small wheel."""
    import io
    from zipfile import ZipFile, ZipInfo

    rows = [(path, *hashed(data)) for path, data in _FILES.items()]
    record = format_rows([*rows, (f"{_INFO}/RECORD", "", "")], "\n")
    buffer = io.BytesIO()
    with ZipFile(buffer, "w") as archive:
        for path, data in (*_FILES.items(), (f"{_INFO}/RECORD", record)):
            info = ZipInfo(path, (2020, 1, 1, 0, 0, 0))
            info.external_attr = (0o100755 if path in _EXECUTABLE else 0o100644) << 16
            archive.writestr(info, data)
    return buffer.getvalue()


def form_of(made: Mapping[str, tuple[int, str]], python: Interpreter, installer: str) -> Form | None:
    """How the poetry writes that made *made* of `sample` (path → mode and base64); None when it is not known here."""
    import io
    import tempfile
    from zipfile import ZipFile

    script = made.get(f"{python.scripts}/teul-script")
    if script is None:
        return None
    try:
        template = base64.b64decode(script[1]).decode()
        with tempfile.TemporaryDirectory(prefix="teul-form-") as folder, ZipFile(io.BytesIO(sample())) as archive:
            has_pycache = any("/__pycache__/" in path for path in made)
            layout = lay_out(archive, NAME, python, ScriptForm(template), installer=installer)
            layout = installed(layout, Form(template, False, has_pycache))
            write(layout, archive, folder, epoch=0)
            for is_sorted in (True, False):
                record = record_of(layout, folder, is_sorted=is_sorted)
                if _files(folder) | {f"/{layout.dist_info}/RECORD": (0o644, _text(record))} == made:
                    return Form(template, is_sorted, has_pycache)
    except (ValueError, UnusualWheel):
        return None
    return None


def installed(layout: Layout, form: Form) -> Layout:
    """What of *layout* poetry installs."""
    if form.has_pycache:
        return layout
    members = tuple(item for item in layout.members if "__pycache__" not in item.scheme_path.split("/")[:-1])
    made: Layout = replace(layout, members=members)
    return made


def record_of(layout: Layout, folder: str, *, is_sorted: bool) -> bytes:
    """RECORD as poetry writes it, of the files of *layout* that are in *folder*: each with the hash that it has there."""
    prefixes = dict(layout.prefixes)
    rows = []
    for member in sorted(layout.members, key=lambda member: member.info is not None or member.scheme != "scripts"):
        prefix = prefixes.get(member.scheme, "")
        rows.append((member.scheme_path, prefix, *hashed_file(f"{folder}/{member.path}")))
    rows.append((f"{os.path.basename(layout.dist_info)}/RECORD", "", "", ""))
    if is_sorted:
        rows.sort(key=lambda row: row[0])
    return format_rows([(f"{prefix}{path}", digest, size) for path, prefix, digest, size in rows], "\n")


def _files(folder: str) -> dict[str, tuple[int, str]]:
    made = {}
    for place, _, names in os.walk(folder):
        for name in names:
            path = f"{place}/{name}"
            with open(path, "rb") as file:
                made[path[len(folder) :]] = (stat.S_IMODE(os.lstat(path).st_mode), _text(file.read()))
    return made


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
