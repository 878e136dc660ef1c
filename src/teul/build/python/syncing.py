"""Doing a `uv sync`: what `sync` reads and chooses, asked in copies of the stage, and put together."""

from __future__ import annotations

from teul.build.python.attempt import PROBE_KEY, Stage
from teul.build.python.effects import doubt_of_effects
from teul.build.python.interpreter import find_python
from teul.build.python.owner import doubt_of_home
from teul.build.python.sync import asking, choose, read_plan, settings_of, without
from teul.build.python.tags import uv_platform
from teul.build.python.values import Doubt, Resolution
from teul.build.tree import Tree
from teul.errors import text
from teul.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.build.python.cut import Piece
    from teul.build.python.sync import Plan
    from teul.build.python.sync_command import Sync
    from teul.build.python.values import Interpreter, Wheel


def install_synced(stage: Stage, sync: Sync, upper: str) -> list[Piece] | Doubt:
    """The layers of what *sync* installs, bottom first, less what is written into the empty *upper*."""
    rehearsal = stage.rehearsal
    assert rehearsal is not None
    op = replace(stage.op, cwd=sync.cwd)
    with stage.worker.viewed(stage.below) as root:
        tree = Tree(root)
        effects = doubt_of_effects(stage.op, sync, tree, stage.owner(tree), stage.env)
        if effects is not None:
            return effects
        stage.check_uv_version(sync.program, sync.cwd, tree)
        said = rehearsal.output(replace(op, args=asking(sync), network="none"))
        if said is None:
            return Doubt(text("uv cannot say what it would install"))
        plan = read_plan(said)
        if isinstance(plan, Doubt):
            return plan
        read = stage.reader(tree)
        owner = stage.owner(tree)
        homeless = doubt_of_home(owner, stage.env, keeps_cache=sync.has_cache)
        if homeless is not None:
            return homeless
        settings = settings_of(plan, owner.home, read)
        if isinstance(settings, Doubt):
            return settings
        lock = read(plan.lock)
        if lock is None:
            return Doubt(text("no file `{path}` in the stage", path=plan.lock))
        # Of which Python a new environment will be is not known yet; which wheels fit is the same for its sister.
        path = find_python(tree, "python3", stage.env) if plan.is_new else plan.python
        python = stage.probe(path, tree, stage.key_of(PROBE_KEY, path, tree))
        wheels = choose(plan, lock, python)
    if isinstance(wheels, Doubt):
        return wheels
    if not wheels:
        return Doubt(text("it installs nothing"))
    is_all = len(wheels) == len(plan.wanted)
    rest = without(sync, [wheel.name for wheel in wheels], is_offline=is_all)
    played = rehearsal.layer(
        replace(op, args=rest, **({"network": "none"} if is_all else {})), f"uv sync {plan.environment}"
    )
    if played is None:
        return Doubt(text("uv cannot make the environment `{path}`", path=plan.environment))
    made, _ = played
    stage.stand_on(made)
    with stage.worker.viewed(stage.below) as root:
        tree = Tree(root)
        if plan.is_new:
            key = stage.key_of(PROBE_KEY, plan.python, tree, own="".join(str(piece.diff_id) for piece in made))
            python = stage.probe(plan.python, tree, key)
        doubt = _doubt_of(plan, python, wheels, lock)
        if doubt is not None:
            return doubt
        resolution = Resolution(
            interpreter=python,
            wheels=wheels,
            installer="uv",
            compiles=sync.compiles or settings.get("compile-bytecode") is True,
        )
        return [*made, *stage.install(resolution, tree, upper)]


def _doubt_of(plan: Plan, python: Interpreter, wheels: tuple[Wheel, ...], lock: bytes) -> Doubt | None:
    """What of the environment is not as it was taken to be."""
    if python.implementation != "cpython" or not uv_platform(python):
        return Doubt(
            text(
                "the Python {implementation} on {machine}", implementation=python.implementation, machine=python.machine
            )
        )
    if python.prefix != plan.environment or python.executable != plan.python:
        return Doubt(text("`{path}` is not the environment `{other}`", path=plan.python, other=plan.environment))
    if choose(plan, lock, python) != wheels:
        return Doubt(text("which wheels are for the Python `{path}`", path=plan.python))
    return None
