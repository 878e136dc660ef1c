"""`poetry install` with wheels that are made without it: the stage's own poetry says what it would install, and does
the rest.

Poetry runs as the command has it, in a copy of the stage and without a network, until it would fetch and install
packages. There it says (`SCRIPT`) which packages they are, which of the lock's files fit its environment, and how it
writes what it installs, shown on a small wheel (`poetry_wheel`). Then it goes on: so the environment, its settings and
the project itself are its own work, and groups, extras and markers mean what the stage's poetry says that they mean.

Spec: Poetry's documentation, "The poetry.lock file"; PyPA "Recording installed projects".
"""

from __future__ import annotations

import json
import re

from teul.build.python.tags import build_tag
from teul.build.python.values import Doubt
from teul.errors import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from dataclasses import dataclass
else:
    from teul.values import dataclass

MARK = "teul-poetry:"
SCRIPT = r"""
import sys
program, sample = sys.argv[1:3]
import os
sys.path[0] = os.path.dirname(os.path.realpath(program))
sys.argv[:3] = [program]
sys.dont_write_bytecode = True
from poetry.console.application import main
from poetry.installation.executor import Executor

class Elsewhere:
    def __init__(self, env, scheme, folder):
        self.env, self.python = env, env.python
        self.paths = self.scheme_dict = {name: folder + path for name, path in scheme.items()}

    def __getattr__(self, name):
        return getattr(self.env, name)

def shown(kind, env, scheme):
    import base64, shutil, stat, tempfile
    from pathlib import Path
    folder = tempfile.mkdtemp()
    try:
        wheel, made = os.path.join(folder, "teul_sample-1.0-py3-none-any.whl"), os.path.join(folder, "made")
        with open(wheel, "wb") as file:
            file.write(base64.b64decode(sample))
        kind(Elsewhere(env, scheme, made)).install(Path(wheel))
        files = {}
        for place, _, names in os.walk(made):
            for name in names:
                path = os.path.join(place, name)
                with open(path, "rb") as file:
                    content = base64.b64encode(file.read()).decode()
                files[path[len(made):]] = [stat.S_IMODE(os.lstat(path).st_mode), content]
        return files
    finally:
        shutil.rmtree(folder)

def package_of(operation, tags):
    from poetry.utils.wheel import Wheel
    package = operation.package
    files = []
    for file in package.files:
        if file["file"].endswith(".whl"):
            rank = Wheel(file["file"]).get_minimum_supported_index(tags)
            if rank is not None:
                files.append([file["file"], file["hash"], rank])
    return {"name": package.name, "version": str(package.version), "what": operation.job_type, "files": files,
            "kind": package.source_type or "", "url": package.source_url or ""}

def execute(self, operations):
    import json
    from poetry.__version__ import __version__
    from poetry.config.config import Config
    env, installer = self._env, self._wheel_installer
    scheme = getattr(env, "scheme_dict", None) or env.paths
    scheme = {name: path for name, path in scheme.items() if isinstance(path, str)}
    policies = [getattr(self._chooser, name, None) for name in ("_no_binary_policy", "_only_binary_policy")]
    tags = list(env.supported_tags)
    made = {
        "version": __version__, "prefix": str(env.path), "python": str(env.python), "scheme": scheme,
        "cache": str(Config.create().get("cache-dir")),
        "has_policy": any(policy.packages for policy in policies if policy is not None),
        "is_old": not getattr(self, "_use_modern_installation", True),
        "compiles": bool(installer._bytecode_optimization_levels),
        "packages": [package_of(operation, tags) for operation in operations if not operation.skipped],
        "sample": shown(type(installer), env, scheme),
    }
    sys.stdout.write("\n" + "teul-poetry:" + json.dumps(made) + "\n")
    sys.stdout.flush()
    return 0

Executor.execute = execute
sys.exit(main())
"""
_SHA256 = re.compile(r"sha256:([0-9a-f]{64})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One package that poetry would install."""

    name: str
    version: str
    filename: str
    sha256: str
    index: str
    """The address of the index that the lock names, "" for the usual one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What poetry would do."""

    installer: str
    """What it writes into INSTALLER."""
    prefix: str
    python: str
    scheme: Mapping[str, str]
    cache: str
    wanted: tuple[Wanted, ...]
    sample: Mapping[str, tuple[int, str]]
    """What it made of the small wheel: path → mode and content (base64)."""


def read_plan(said: bytes) -> Plan | Doubt:
    """What poetry answered."""
    answers = [line for line in said.splitlines() if line.startswith(MARK.encode())]
    if len(answers) != 1:
        return Doubt(text("poetry answers in a form that is not known here"))
    try:
        value = json.loads(answers[0][len(MARK) :])
        for name in ("is_old", "has_policy", "compiles"):
            if value[name]:
                return Doubt(text("the settings of poetry in the stage"))
        wanted = []
        for package in value["packages"]:
            if package["what"] != "install":
                return Doubt(text("`{name}` below would be replaced", name=package["name"]))
            # A folder that serves as an index would be looked for on this host.
            is_far = package["kind"] == "legacy" and str(package["url"]).startswith(("https://", "http://"))
            if package["kind"] and not is_far:
                return Doubt(text("`{name}` is not a wheel of an index", name=package["name"]))
            found = _choose(package["files"])
            if found is None:
                return Doubt(
                    text(
                        "`{name}` {version} has no wheel that is allowed here",
                        name=package["name"],
                        version=package["version"],
                    )
                )
            filename, sha256 = found
            wanted.append(
                Wanted(
                    name=re.sub(r"[-_.]+", "-", str(package["name"])).lower(),
                    version=str(package["version"]),
                    filename=filename,
                    sha256=sha256,
                    index=str(package["url"]) if package["kind"] else "",
                )
            )
        return Plan(
            installer=f"Poetry {value['version']}",
            prefix=str(value["prefix"]),
            python=str(value["python"]),
            scheme={str(name): str(path) for name, path in value["scheme"].items()},
            cache=str(value["cache"]),
            wanted=tuple(wanted),
            sample={str(path): (int(mode), str(content)) for path, (mode, content) in value["sample"].items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return Doubt(text("poetry answers in a form that is not known here"))


def _choose(files: list[tuple[str, str, int]]) -> tuple[str, str] | None:
    """Name and sha256 of the one that poetry takes: by its build tag, then by how well it fits; None where there is
    none, or where several are as good.
    """
    order = sorted(((build_tag(name), -rank, name, digest) for name, digest, rank in files), reverse=True)
    if not order or (len(order) > 1 and order[0][:2] == order[1][:2]):
        return None
    _, _, name, digest = order[0]
    found = _SHA256.fullmatch(digest)
    return (name, found[1]) if found and "/" not in name else None
