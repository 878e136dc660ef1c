"""Look through a folder and write what makes it a project. A file that is there is never touched."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from teul.errors import InvalidInput, Text, text
from teul.events import Sink, Warn, silent
from teul.ml.project import FILE
from teul.ml.starting import compose, distributions
from teul.ml.starting.scan import Scanned, scan_notebook, scan_python

SKIPPED = frozenset(
    [
        "node_modules",
        "site-packages",
        "__pycache__",
        "venv",
        "env",
        "build",
        "dist",
        "mlruns",
        "mlartifacts",
        "wandb",
        "lightning_logs",
    ]
)
FILE_LIMIT = 20_000
SOURCE_LIMIT_BYTES = 4 << 20
REQUIREMENT_FILES = (
    "requirements.txt",
    "uv.lock",
    "poetry.lock",
    "pyproject.toml",
    "environment.yml",
    "environment.yaml",
)
"""In the order in which they are taken."""
DEFAULT_PYTHON = "3.11"


@dataclass(frozen=True, slots=True)
class Made:
    """What was done: files written, files that were there already, what was found out."""

    folder: str
    name: str
    written: tuple[str, ...]
    kept: tuple[str, ...]
    requirements: tuple[str, ...]
    """Lines of the requirements file that was written."""
    step: str = ""
    """The training command, when one was found."""


def start(
    folder: str,
    *,
    say: Callable[[Text], str],
    name: str = "",
    python: str = "",
    as_of: str = "",
    with_dockerfile: bool = False,
    dry_run: bool = False,
    environ: Mapping[str, str] | None = None,
    events: Sink = silent,
) -> Made:
    """Write `teul.toml` and what goes with it into *folder*.

    Args:
        say: translates the comments in what is written.
        as_of: the day (`2024-05-15`) whose Python packages the image gets; the versions of the user's environment do not
            count then.
        environ: whose VIRTUAL_ENV or CONDA_PREFIX names the active environment.
    Raises:
        InvalidInput: the folder has a `teul.toml`, or is none.
    """
    folder = os.path.abspath(folder)
    if not os.path.isdir(folder):
        raise InvalidInput(text("no folder `{path}`", path=folder), hint=text("mkdir {path}", path=folder))
    if os.path.lexists(f"{folder}/{FILE}"):
        raise InvalidInput(text("{path} is there already", path=f"{folder}/{FILE}"), hint=text("teul up"))
    files = frozenset(_files(folder))
    texts: dict[str, str] = {}
    if not _has_content(files):
        texts |= compose.STARTER
        files |= {path for starter in compose.STARTER for path in (starter, os.path.dirname(starter)) if path}
    scanned = tuple(_scan_all(folder, files, texts, events))
    found = compose.Found(
        name=name or compose.project_name(folder),
        python=python or _python_of(folder) or DEFAULT_PYTHON,
        files=files,
        scanned=scanned,
        requirements=next((file for file in REQUIREMENT_FILES if file in files), ""),
        as_of=as_of,
        has_dockerfile="Dockerfile" in files,
        local=frozenset(_local_modules(files)),
    )
    lines: tuple[str, ...] = ()
    if not found.requirements and not found.has_dockerfile:
        lines = tuple(find_requirements(folder, found, environ or {}, with_versions=not as_of))
        if lines:
            found = replace(found, requirements="requirements.txt")
            texts["requirements.txt"] = "".join(f"{line}\n" for line in lines)
    names = {distributions.normalised(line) for line in _names(folder, found, lines)}
    found = replace(
        found,
        packages=tuple(
            dict.fromkeys(item for name in sorted(names) for item in distributions.SYSTEM_LIBRARIES.get(name, ()))
        ),
        gpu=bool(names & distributions.WITH_CUDA) and os.path.exists("/proc/driver/nvidia/version"),
    )
    if with_dockerfile and not found.has_dockerfile:
        texts["Dockerfile"] = compose.dockerfile(found)
        found = replace(found, has_dockerfile=True)
    project = compose.project_file(found, say)
    if "train.py" in texts:
        project = project.replace('["accuracy >= 0.8", "accuracy >= production"]', f'["{compose.STARTER_GATE}"]')
        project = project.replace("# gate =", "gate =")
    texts |= {FILE: project, ".dockerignore": compose.DOCKERIGNORE, ".gitignore": compose.GITIGNORE}
    # The project file last: a folder that has one is a project, whole.
    order = sorted(texts, key=lambda path: (path == FILE, path))
    written = [path for path in order if not os.path.lexists(f"{folder}/{path}")]
    if not dry_run:
        for path in written:
            _write(f"{folder}/{path}", texts[path], like=folder)
    training = compose.training_of(found)
    kept = tuple(path for path in order if path not in written)
    return Made(folder, found.name, tuple(written), kept, lines, training.run if training else "")


def find_requirements(
    folder: str, found: compose.Found, environ: Mapping[str, str], *, with_versions: bool = True
) -> Iterator[str]:
    """The distributions that the files import, with the versions of the user's environment where it has them."""
    installed = distributions.read_environment(distributions.find_environment(folder, environ))
    made: dict[str, str] = {}
    for item in found.scanned:
        for word in item.requirements:
            bare = distributions.normalised(_bare(word))
            made.setdefault(bare, word)
        for module in item.imports:
            if distributions.is_stdlib(module) or module.partition(".")[0] in found.local:
                continue
            name, version = distributions.distribution_of(module, installed)
            made.setdefault(
                distributions.normalised(name), distributions.requirement(name, version if with_versions else "")
            )
    yield from (made[key] for key in sorted(made))


def _bare(requirement: str) -> str:
    import re

    found = re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", requirement.strip())
    return found.group() if found else ""


def _names(folder: str, found: compose.Found, lines: tuple[str, ...]) -> list[str]:
    if lines:
        return [_bare(line) for line in lines]
    if found.requirements != "requirements.txt":
        return []
    return [_bare(line) for line in _text(f"{folder}/requirements.txt").splitlines() if _bare(line)]


def _files(folder: str) -> Iterator[str]:
    """Files and folders below *folder*, relative, without what is hidden, an environment's or made by tools."""
    count = 0
    for place, folders, files in os.walk(folder):
        inside = os.path.relpath(place, folder)
        prefix = "" if inside == "." else f"{inside}/"
        folders[:] = sorted(
            item
            for item in folders
            if not item.startswith(".")
            and item not in SKIPPED
            and not item.endswith(".egg-info")
            and not os.path.exists(f"{place}/{item}/pyvenv.cfg")
        )
        for item in (*folders, *sorted(files)):
            yield prefix + item
            count += 1
        if count > FILE_LIMIT:
            return


def _has_content(files: frozenset[str]) -> bool:
    """Whether there is anything to start from, besides words about it."""
    return any(not path.startswith(".") and not path.lower().startswith(("readme", "license")) for path in files)


def _scan_all(folder: str, files: frozenset[str], texts: Mapping[str, str], events: Sink) -> Iterator[Scanned]:
    for path in sorted(files):
        if not path.endswith((".py", ".ipynb")) or os.path.isdir(f"{folder}/{path}"):
            continue
        if path.rsplit("/")[-1] in ("setup.py", "conftest.py") or path.startswith(("tests/", "test/", "docs/")):
            continue
        source = texts.get(path) or _text(f"{folder}/{path}")
        try:
            yield scan_notebook(source, path) if path.endswith(".ipynb") else scan_python(source, path)
        except (SyntaxError, ValueError, RecursionError) as error:
            line = getattr(error, "lineno", None)
            message = text(
                "{path} was left out: it cannot be read as Python: {problem}",
                path=f"{path}:{line}" if line else path,
                problem=getattr(error, "msg", None) or error,
            )
            events(Warn("init", "unreadable-source", message))


def _local_modules(files: frozenset[str]) -> Iterator[str]:
    """Names that an `import` in this folder may mean: its modules and its folders with Python files."""
    for path in files:
        if path.endswith(".py"):
            parts = path.removesuffix(".py").split("/")
            yield from parts


def _python_of(folder: str) -> str:
    """The version that the folder asks for: `.python-version`, or `requires-python` of pyproject.toml."""
    import re

    for line in _text(f"{folder}/.python-version").splitlines()[:1]:
        if found := re.match(r"\s*(3\.\d{1,2})", line):
            return found[1]
    project = _text(f"{folder}/pyproject.toml")
    found = re.search(r"^\s*requires-python\s*=\s*[\"'][^\"']*?(?:>=|==|~=)\s*(3\.\d{1,2})", project, re.MULTILINE)
    if found and int(found[1].partition(".")[2]) > 11:
        return found[1]
    return ""


def _text(path: str) -> str:
    try:
        if os.path.getsize(path) > SOURCE_LIMIT_BYTES:
            return ""
        with open(path, encoding="utf-8-sig", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def _write(path: str, content: str, *, like: str) -> None:
    """Write a file that is not there; it and the folders made for it belong to whom *like* belongs."""
    owner = os.stat(like)
    parent = os.path.dirname(path)
    if not os.path.isdir(parent):
        os.makedirs(parent)
        os.chown(parent, owner.st_uid, owner.st_gid)
    beside = f"{path}.{os.getpid()}.tmp"
    try:
        with open(beside, "x", encoding="utf-8") as file:
            file.write(content)
        os.chown(beside, owner.st_uid, owner.st_gid)
        # A link, not a rename: what appeared in the meantime is not overwritten.
        os.link(beside, path)
    except FileExistsError:
        pass
    finally:
        if os.path.lexists(beside):
            os.unlink(beside)
