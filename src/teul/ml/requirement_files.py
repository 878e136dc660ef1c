"""What `[image] requirements` names → what the image installs: a requirements file as it is, or lines made from a lock.

`pyproject.toml`, `uv.lock`, `poetry.lock` and `environment.yml` are read as far as pip can install what they say; what
it cannot is refused by name. Must not resolve anything: that is the builder's, and `teul.lock`'s.
Source: PEP 508, PEP 621 (`[project]`), Poetry "Dependency specification" and "The poetry.lock file", uv "Project
structure" (`uv.lock`), conda "Managing environments" (`environment.yml`).
"""

from __future__ import annotations

import os
import posixpath
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from teul.errors import ProjectError, Text, text

_INCLUDE = re.compile(r"^\s*(?:-r|-c|--requirement|--constraint)(?:\s+|=)(?P<path>[^\s#]+)")
_CONDA_SPEC = re.compile(r"(?:[\w.-]+::)?(?P<name>[A-Za-z0-9._-]+)\s*(?P<version>.*)")
_VERSION = re.compile(r"\d+(?:\.\d+)*")
BESIDE = ("python", "pip", "setuptools", "wheel")
"""Entries of a conda environment that the base image has."""


@dataclass(frozen=True, slots=True)
class Requirements:
    """Either `lines`, or files of the project's folder to be copied as they are."""

    lines: tuple[str, ...] | None = None
    included: tuple[str, ...] = ()


def read_requirements(folder: str, path: str, *, python: str) -> Requirements:
    """Read the file *path* (relative to *folder*) by its name.

    Raises:
        ProjectError: it is not there, is not what its name says, or holds what pip cannot install.
    """
    name = posixpath.basename(path)
    if name in ("pyproject.toml", "uv.lock", "poetry.lock"):
        document = _toml(folder, path)
        if name == "uv.lock":
            return Requirements(tuple(_uv(folder, path)))
        if name == "poetry.lock":
            return Requirements(tuple(_poetry_lock(document, path)))
        return Requirements(tuple(_pyproject(document, path)))
    if name.endswith((".yml", ".yaml")):
        return Requirements(tuple(_conda(_text(folder, path), path, python)))
    return Requirements(included=tuple(_included(folder, path)))


def _text(folder: str, path: str) -> str:
    try:
        with open(f"{folder}/{path}", encoding="utf-8-sig") as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        raise ProjectError(
            text("`image.requirements`: no file `{path}` in {folder}", path=path, folder=folder),
            hint=text("teul init finds out what the code imports"),
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise _wrong(path, text("it cannot be read: {problem}", problem=error)) from None


def _toml(folder: str, path: str) -> dict[str, Any]:
    try:
        return tomllib.loads(_text(folder, path))
    except tomllib.TOMLDecodeError as error:
        raise _wrong(path, text("not TOML: {problem}", problem=error)) from None


def _wrong(path: str, problem: Text, *, hint: Text | None = None) -> ProjectError:
    return ProjectError(text("{path}: {problem}", path=path, problem=problem), hint=hint)


def _included(folder: str, path: str) -> Iterator[str]:
    """The files that a requirements file takes in, and those that they do, each before the file that names it."""
    seen = {path}

    def visit(file: str) -> Iterator[str]:
        for line in _text(folder, file).splitlines():
            if found := _INCLUDE.match(line):
                if "://" in found["path"]:
                    continue
                inner = posixpath.normpath(posixpath.join(posixpath.dirname(file), found["path"]))
                if inner.startswith(("../", "/")):
                    raise _wrong(file, text("`{path}` leaves the project's folder", path=found["path"]))
                if inner not in seen:
                    seen.add(inner)
                    yield from visit(inner)
                    yield inner

    yield from visit(path)


def _pyproject(document: Mapping[str, Any], path: str) -> Iterator[str]:
    project = document.get("project")
    if isinstance(project, dict):
        if "dependencies" in (project.get("dynamic") or ()):
            raise _wrong(
                path,
                text("`project.dependencies` is dynamic: only the project's build knows it"),
                hint=text('requirements = "requirements.txt"'),
            )
        found = project.get("dependencies")
        if found is not None or "poetry" not in document.get("tool", {}):
            yield from _strings(found or [], path, "project.dependencies")
            return
    poetry = (document.get("tool") or {}).get("poetry") or {}
    dependencies = poetry.get("dependencies")
    if not isinstance(dependencies, dict):
        raise _wrong(path, text("it has neither `[project] dependencies` nor `[tool.poetry.dependencies]`"))
    for name, wanted in dependencies.items():
        if name != "python":
            for item in wanted if isinstance(wanted, list) else [wanted]:
                if line := _poetry_requirement(name, item, path):
                    yield line


def _strings(value: object, path: str, name: str) -> Sequence[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise _wrong(path, text("`{name}`: expected a list of strings", name=name))
    return value


def _poetry_requirement(name: str, wanted: object, path: str) -> str:
    """One line of PEP 508; "" for what is optional."""
    if isinstance(wanted, str):
        return name + poetry_version(wanted)
    if not isinstance(wanted, dict):
        raise _wrong(path, text("`{name}`: expected a package", name=name))
    for kind in ("git", "path", "url", "file"):
        if kind in wanted:
            raise _wrong(path, text("`{name}` comes from `{kind}`, not from an index", name=name, kind=kind))
    if wanted.get("optional"):
        return ""
    extras = ",".join(wanted.get("extras", ()))
    markers = [str(wanted["markers"])] if wanted.get("markers") else []
    if wanted.get("python"):
        markers += [f"python_version {part.strip()}" for part in _python_markers(str(wanted["python"]))]
    line = name + (f"[{extras}]" if extras else "") + poetry_version(str(wanted.get("version", "*")))
    return line + (
        f"; {' and '.join(f'({item})' if len(markers) > 1 else item for item in markers)}" if markers else ""
    )


def _python_markers(spec: str) -> Iterator[str]:
    for part in filter(None, poetry_version(spec).split(",")):
        found = re.match(r"([<>=!~]+)(.*)", part)
        if found:
            version = ".".join(found[2].split(".")[:2])
            yield f"{found[1]} '{version}'"


def poetry_version(spec: str) -> str:
    """`^1.2` → `>=1.2,<2.0`, as Poetry defines its caret and tilde; PEP 440 stays as it is."""
    made = []
    for part in spec.replace(" ", ",").split(","):
        part = part.strip()
        if not part or part == "*":
            continue
        sign, number = part[:1], part[1:].strip()
        if sign == "^" or (sign == "~" and not part.startswith("~=")):
            found = _VERSION.match(number)
            numbers = [int(item) for item in (found.group() if found else "0").split(".")]
            made.append(f">={number},<{_after(numbers, is_caret=sign == '^')}")
        elif sign.isdigit():
            made.append("==" + part)
        else:
            made.append(part)
    return ",".join(made)


def _after(numbers: list[int], *, is_caret: bool) -> str:
    """The first version that is out: the leftmost number that is not 0 counts for a caret, the second for a tilde."""
    if is_caret:
        place = next((index for index, number in enumerate(numbers) if number), len(numbers) - 1)
    else:
        place = min(1, len(numbers) - 1)
    upper = [*numbers[:place], numbers[place] + 1]
    return ".".join(map(str, upper + [0] * (len(numbers) - len(upper))))


def _poetry_lock(document: Mapping[str, Any], path: str) -> Iterator[str]:
    """The locked packages of the main group with their hashes, each with the markers that it was locked under."""
    packages = document.get("package")
    if not isinstance(packages, list):
        raise _wrong(path, text("it has no `[[package]]`"))
    old_hashes = (document.get("metadata") or {}).get("files") or {}
    conditional = _conditions(packages)
    for item in packages:
        name, version = str(item.get("name", "")), str(item.get("version", ""))
        if item.get("optional") or item.get("category", "main") != "main" or "main" not in item.get("groups", ["main"]):
            continue
        if (source := (item.get("source") or {}).get("type")) in ("git", "directory", "file", "url"):
            raise _wrong(path, text("`{name}` comes from `{kind}`, not from an index", name=name, kind=source))
        markers = item.get("markers")
        if isinstance(markers, dict):
            markers = markers.get("main")
        marker = str(markers or conditional.get(name, ""))
        files = item.get("files") or old_hashes.get(name) or ()
        hashes = " ".join(f"--hash={file['hash']}" for file in files if str(file.get("hash", "")).startswith("sha256:"))
        yield f"{name}=={version}" + (f" ; {marker}" if marker else "") + (f" {hashes}" if hashes else "")


def _conditions(packages: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Markers of locks that keep them at the edges (before Poetry 2): of packages that nothing needs unconditionally."""
    edges: dict[str, list[str]] = {}
    for item in packages:
        for name, wanted in (item.get("dependencies") or {}).items():
            for one in wanted if isinstance(wanted, list) else [wanted]:
                marker = str(one.get("markers", "")) if isinstance(one, dict) else ""
                if not re.search(r"\bextra\b", marker):
                    edges.setdefault(str(name).lower(), []).append(marker)
    return {
        name: " or ".join(f"({item})" for item in dict.fromkeys(found)) for name, found in edges.items() if all(found)
    }


def _uv(folder: str, path: str) -> Iterator[str]:
    """What `uv export` says of the lock, without the project itself and its development group."""
    import sys

    from teul.errors import CommandFailed
    from teul.host.process import run

    place = os.path.dirname(f"{folder}/{path}")
    if not os.path.isfile(f"{place}/pyproject.toml"):
        raise _wrong(path, text("there is no `pyproject.toml` beside it"))
    command = [sys.executable, "-m", "uv", "export", "--frozen", "--no-emit-project", "--no-dev", "--no-header"]
    command += ["--no-annotate", "--offline", "--format", "requirements.txt", "--project", place]
    try:
        output = run(command).stdout
    except CommandFailed as error:
        raise _wrong(path, text("uv cannot read it: {problem}", problem=error.stderr_tail.strip())) from None
    line = ""
    for part in output.decode("utf-8", "replace").splitlines():
        if part.strip().startswith("#"):
            continue
        line += part.strip().removesuffix("\\").strip() + " "
        if not part.rstrip().endswith("\\") and line.strip():
            if line.startswith("-e ") or " @ " in line:
                raise _wrong(
                    path, text("`{name}` comes from `{kind}`, not from an index", name=line.strip(), kind="uv")
                )
            yield line.strip()
            line = ""


def _conda(source: str, path: str, python: str) -> Iterator[str]:
    """The pip part of a conda environment; anything else of it, pip cannot install.

    Only the shape that conda itself writes is read: a list of strings below `dependencies:`, and one below its `pip:`.
    """
    import yaml

    try:
        document = yaml.safe_load(source)
    except yaml.YAMLError as error:
        raise _wrong(path, text("not YAML: {problem}", problem=" ".join(str(error).split()))) from None
    dependencies = document.get("dependencies") if isinstance(document, dict) else None
    if not isinstance(dependencies, list):
        raise _wrong(path, text("it has no `dependencies`"))
    others = []
    for item in dependencies:
        if isinstance(item, dict) and list(item) == ["pip"] and isinstance(item["pip"], list):
            for line in item["pip"]:
                yield str(line)
        elif isinstance(item, str) and (found := _CONDA_SPEC.fullmatch(item.strip())):
            name = found["name"].lower()
            wanted = found["version"].strip(" =")
            if name == "python" and wanted and not re.match(re.escape(python) + r"(?:[.*]|$)", wanted):
                raise _wrong(
                    path,
                    text("it asks for Python {wanted}, and `image.python` is {python}", wanted=wanted, python=python),
                )
            if name not in BESIDE:
                others.append(item)
        else:
            raise _wrong(path, text("`{name}`: expected a package", name=item))
    if others:
        raise _wrong(
            path,
            text("pip cannot install what conda does: {names}", names=", ".join(others)),
            hint=text("move them below `- pip:`, or into `packages` where Debian has them"),
        )
