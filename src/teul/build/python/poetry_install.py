"""Doing a `poetry install`: what `poetry` asks and chooses, played in a copy of the stage, and put together."""

from __future__ import annotations

import base64
import os
import re
import tempfile

from teul.build.python.attempt import PROBE_KEY, Stage, reader
from teul.build.python.interpreter import SCRIPT_LIMIT_BYTES, find_program
from teul.build.python.owner import doubt_of_home
from teul.build.python.poetry import SCRIPT, read_plan
from teul.build.python.poetry_wheel import form_of, sample
from teul.build.python.tags import uv_platform
from teul.build.python.values import Doubt, Resolution, Wheel
from teul.build.tree import Tree
from teul.errors import NoInterpreter, text
from teul.oci.digest import Digest
from teul.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from teul.build.python.cut import Piece
    from teul.build.python.owner import Owner
    from teul.build.python.poetry import Plan, Wanted
    from teul.build.python.poetry_command import Poetry
    from teul.build.python.values import Interpreter

_POETRY_IMPORT = re.compile(rb"^from poetry\.console\.application import main\r?$", re.MULTILINE)
_SCHEMES = ("purelib", "platlib", "scripts", "data")


def install_by_poetry(stage: Stage, poetry: Poetry, upper: str) -> list[Piece] | Doubt:
    """The layers of what *poetry* installs, bottom first, less what is written into the empty *upper*."""
    rehearsal = stage.rehearsal
    assert rehearsal is not None
    with stage.worker.viewed(stage.below) as root:
        tree = Tree(root)
        program, python = _program(poetry, stage, tree)
        owner = stage.owner(tree)
    homeless = doubt_of_home(owner, stage.env, keeps_cache=True)
    if homeless is not None:
        return homeless
    args = _playing(poetry, python, program)
    played = rehearsal.layer(replace(stage.op, args=args, network="none"), "poetry install")
    if played is None:
        return Doubt(text("poetry cannot say what it would install"))
    made, said = played
    plan = read_plan(said)
    if isinstance(plan, Doubt):
        return plan
    if not plan.wanted:
        return Doubt(text("it installs nothing"))
    doubt = _doubt_of_places(stage, poetry, plan, owner)
    if doubt is not None:
        return doubt
    stage.stand_on(made)
    own = "".join(str(piece.diff_id) for piece in made)
    with stage.worker.viewed(stage.below) as root:
        tree = Tree(root)
        interpreter = stage.probe(plan.python, tree, stage.key_of(PROBE_KEY, plan.python, tree, own=own))
        doubt = _doubt_of_python(interpreter, plan)
        if doubt is not None:
            return doubt
        form = form_of(plan.sample, interpreter, plan.installer)
        if form is None:
            return Doubt(text("what `{tool}` installs is not made without it", tool=plan.installer))
        wheels = _wheels(stage, plan.wanted, interpreter)
        if isinstance(wheels, Doubt):
            return wheels
        resolution = Resolution(
            interpreter=interpreter, wheels=wheels, installer=plan.installer, compiles=False, form=form
        )
        return [*made, *stage.install(resolution, tree, upper)]


def _program(poetry: Poetry, stage: Stage, tree: Tree) -> tuple[str, str]:
    """(the poetry that would be run, the Python that it runs on).

    Raises:
        NoInterpreter: it is not the plain script that installers make.
    """
    path = find_program(tree, poetry.program, stage.env, poetry.cwd)
    script = reader(tree)(path) or b""
    first, _, rest = script.partition(b"\n")
    words = first[2:].decode("utf-8", "surrogateescape").split()
    if not first.startswith(b"#!") or len(script) > SCRIPT_LIMIT_BYTES or not _POETRY_IMPORT.search(rest):
        raise NoInterpreter(text("`{path}` is not the script that pip installs", path=path))
    if len(words) != 1 or not words[0].startswith("/"):
        raise NoInterpreter(text("`{path}` runs on `{program}`", path=path, program=" ".join(words)))
    return path, words[0]


def _playing(poetry: Poetry, python: str, program: str) -> tuple[str, ...]:
    """The RUN with `SCRIPT` in the place of poetry."""
    playing = (python, "-c", SCRIPT, program, base64.b64encode(sample()).decode(), *poetry.words)
    if not poetry.shell:
        return playing
    lines = " && ".join([*poetry.before, '"$0" "$@"', *poetry.after])
    return (*poetry.shell, lines, *playing)


def _doubt_of_places(stage: Stage, poetry: Poetry, plan: Plan, owner: Owner) -> Doubt | None:
    """Why something that poetry writes might not be where it is looked for, or be what is not made here."""
    mounts = [os.path.normpath(mount.target) for mount in stage.op.mounts]
    for mount in stage.op.mounts:
        target = os.path.normpath(mount.target)
        if _is_in(plan.prefix, target) or _is_in(target, plan.prefix):
            return Doubt(text("`--mount=type={type},target={target}`", type=mount.type, target=mount.target))
    usual = f"{owner.home}/.cache/pypoetry"
    is_gone = any(_is_in(plan.cache, place) for place in (*mounts, *poetry.removes))
    if plan.cache != usual and not is_gone:
        return Doubt(text("poetry leaves its cache in `{path}`", path=plan.cache))
    return None


def _is_in(path: str, folder: str) -> bool:
    return f"{path}/".startswith(f"{folder.rstrip('/')}/")


def _doubt_of_python(python: Interpreter, plan: Plan) -> Doubt | None:
    """What of the environment is not as it was taken to be."""
    if python.implementation != "cpython" or not uv_platform(python):
        return Doubt(
            text(
                "the Python {implementation} on {machine}", implementation=python.implementation, machine=python.machine
            )
        )
    if python.prefix != plan.prefix or python.executable != plan.python:
        return Doubt(text("`{path}` is not the environment `{other}`", path=plan.python, other=plan.prefix))
    for name in _SCHEMES:
        if plan.scheme.get(name) != getattr(python, name):
            return Doubt(text("the interpreter puts files into `{path}`", path=plan.scheme.get(name, "")))
    there = {item.name for item in python.installed}
    for wanted in plan.wanted:
        if wanted.name in there:
            return Doubt(text("`{name}` below would be replaced", name=wanted.name))
    return None


def _wheels(stage: Stage, wanted: Sequence[Wanted], python: Interpreter) -> tuple[Wheel, ...] | Doubt:
    """What is to be installed. Which file each is, is settled by its hash; an index is asked only for those that are
    not on this machine.
    """
    places: dict[str, tuple[str, int | None, str]] = {}
    if not stage.worker.is_offline:
        missing: dict[str, list[Wanted]] = {}
        for item in wanted:
            if not stage.worker.store.has(Digest.from_hex(item.sha256)):
                missing.setdefault(item.index, []).append(item)
        for index, items in sorted(missing.items()):
            found = _ask(stage, index or stage.env.get("PIP_INDEX_URL", ""), items, python)
            if isinstance(found, Doubt):
                return found
            places |= found
    made = []
    for item in wanted:
        url, size_bytes, uploaded = places.get(item.sha256, ("", None, ""))
        made.append(
            Wheel(
                name=item.name,
                version=item.version,
                filename=item.filename,
                url=url,
                sha256=item.sha256,
                size_bytes=size_bytes,
                uploaded=uploaded,
            )
        )
    return tuple(made)


def _ask(
    stage: Stage, index: str, items: Sequence[Wanted], python: Interpreter
) -> dict[str, tuple[str, int | None, str]] | Doubt:
    """sha256 → address, size and time of upload of files that *index* has."""
    from teul.build.python.attempt import host_of
    from teul.build.python.command import Install
    from teul.build.python.indexes import indexes_of
    from teul.build.python.requirements import read_requirements
    from teul.build.python.uv import Question

    lines = tuple(f"{item.name}=={item.version}" for item in items)
    install = Install(
        tool="uv", program="uv", interpreter="", cwd="/", requirements=lines, index_url=index, no_deps=True, pre=True
    )
    wanted = read_requirements(lines, (), (), cwd="/", env={}, read=lambda path: None)
    if isinstance(wanted, Doubt):
        return wanted
    # The lock says what it was on every day.
    host = replace(host_of(stage), as_of="", lock=None)
    with tempfile.TemporaryDirectory(prefix="teul-resolve-") as folder:
        answer = Question(folder, install, wanted, indexes_of(install, wanted), python, host, {}, {}, {}).ask()
    if isinstance(answer, Doubt):
        return answer
    made: dict[str, tuple[str, int | None, str]] = {}
    for file in (file for package in answer.packages for file in package.files if file.get("url")):
        uploaded = file.get("upload-time")
        said = uploaded.isoformat().replace("+00:00", "Z") if uploaded is not None else ""
        made[str(file.get("hashes", {}).get("sha256", ""))] = (str(file["url"]), file.get("size"), said)
    for item in items:
        if item.sha256 not in made:
            return Doubt(text("the index has no `{filename}` of that hash", filename=item.filename))
    return made
