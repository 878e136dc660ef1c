"""When the files of some packages were uploaded, as the install's own indexes say."""

from __future__ import annotations

import tempfile

from teul.build.python.command import Install, recognise
from teul.build.python.indexes import indexes_of
from teul.build.python.requirements import Requirement, Requirements, read_requirements
from teul.build.python.uv import Host, Question
from teul.build.python.values import Doubt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from teul.build.python.attempt import Stage
    from teul.build.python.imports import Environment
    from teul.build.tree import Tree


def upload_days(
    stage: Stage, versions: Mapping[str, str], environment: Environment, tree: Tree
) -> tuple[dict[str, str], list[str]]:
    """Name → day (`2024-05-15`) of *versions* and of what the command pins exactly; and the names of those.

    Empty where no index says.
    """
    from teul.build.python.attempt import reader
    from teul.values import replace

    op = stage.op
    install = recognise(op, env=stage.env)
    pinned: dict[str, str] = {}
    wanted = Requirements()
    if not isinstance(install, Install):
        install = recognise(replace(op, args=("pip", "install", "pip"), mounts=(), user=""), env=stage.env)
        if not isinstance(install, Install):
            return {}, []
    else:
        read = read_requirements(
            install.requirements, install.files, install.constraints, cwd=install.cwd, env=stage.env, read=reader(tree)
        )
        if not isinstance(read, Doubt):
            wanted = read
            for item in wanted.wanted:
                known = environment.distributions.get(item.name)
                if known is not None and item.specifier.startswith("==") and "*" not in item.specifier:
                    pinned[item.name] = known.version
    lines = [f"{name}=={version}" for name, version in sorted((pinned | dict(versions)).items())]
    asked = Requirements(wanted=tuple(Requirement(line=line, name=line.partition("==")[0]) for line in lines))
    install = replace(install, no_deps=True, then=(), upgrade=False, pre=True)
    python = stage.find_python(install, tree)
    host = Host(
        cache_folder=f"{stage.worker.settings.root}/uv",
        environ=stage.worker.settings.environ or {},
        lent_folders=stage.lent_folders(),
        is_offline=stage.worker.is_offline,
        should_stop=stage.task.should_stop,
    )
    with tempfile.TemporaryDirectory(prefix="teul-uploads-") as folder:
        answer = Question(folder, install, asked, indexes_of(install, wanted), python, host, {}, {}, {}).ask()
    if isinstance(answer, Doubt):
        return {}, []
    made: dict[str, str] = {}
    for package in answer.packages:
        times = [file["upload-time"] for file in package.files if file.get("upload-time") is not None]
        if times:
            made[package.name] = min(times).strftime("%Y-%m-%d")
    return made, sorted(pinned)
