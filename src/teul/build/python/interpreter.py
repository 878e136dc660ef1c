"""Which Python an install command would use in a stage, and what is installed there already.

The program is found as the kernel would find it, from the tree's files; what it is, it says itself (once: the answer
is remembered by the layers that can have a say in it, so that a changed requirements.txt asks nothing again).
"""

from __future__ import annotations

import json
import os
import re
import stat

from teul.build.python.identity import home_of, identity_of
from teul.build.python.values import Installed, Interpreter
from teul.errors import NoInterpreter, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from teul.build.tree import Tree

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SYSTEM_FOLDERS = ("usr", "lib", "lib32", "lib64", "libx32", "bin", "sbin", "etc", "opt", "root")
"""What is at the top of a tree that may decide what a Python is; a layer with none of these is not looked at."""
SCRIPT_LIMIT_BYTES = 4096
_PIP_IMPORT = re.compile(rb"^from pip(?:\._internal(?:\.cli\.main)?)? import (?:main|cli)\r?$", re.MULTILINE)
MARK = "teul-interpreter:"

PROBE = r"""
import sys, os, json
import importlib.util, importlib.metadata, sysconfig, platform, re
made = {"script_form": "", "pip_version": "", "blocks_imports": False}
paths = sysconfig.get_paths()
made.update(purelib=paths["purelib"], platlib=paths["platlib"], scripts=paths["scripts"], data=paths["data"],
            headers=paths.get("include", ""))
try:
    import pip
    from pip._internal.locations import get_scheme
    from pip._internal.operations.install.wheel import PipScriptMaker
    scheme = get_scheme("teul-name")
    made.update(purelib=scheme.purelib, platlib=scheme.platlib, scripts=scheme.scripts, data=scheme.data,
                headers=os.path.dirname(scheme.headers), pip_version=pip.__version__)
    from pip._internal import exceptions
    made["blocks_imports"] = hasattr(exceptions, "BlockedImportError")
    import tempfile
    with tempfile.TemporaryDirectory() as folder:
        maker = PipScriptMaker(None, folder)
        maker.clobber, maker.variants, maker.set_mode = True, {""}, True
        maker.make("teul-script = teul_module:teul_first.teul_second")
        with open(folder + "/teul-script", encoding="utf-8", newline="") as file:
            made["script_form"] = file.read()
except ImportError:
    pass
libc, version = "", (0, 0)
try:
    libc, text = os.confstr("CS_GNU_LIBC_VERSION").split()
    version = tuple(int(part) for part in text.split(".")[:2])
except (AttributeError, OSError, ValueError, TypeError):
    import glob, subprocess
    for loader in glob.glob("/lib/ld-musl-*.so.1"):
        said = subprocess.run([loader], stderr=subprocess.PIPE, universal_newlines=True).stderr
        found = re.search(r"Version (\d+)\.(\d+)", said)
        if found:
            libc, version = "musl", (int(found.group(1)), int(found.group(2)))
installed = []
for item in importlib.metadata.distributions():
    name = item.metadata["Name"]
    if name:
        installed.append([re.sub(r"[-_.]+", "-", name).lower(), item.version, str(getattr(item, "_path", "")),
                          list(item.requires or ()), (item.read_text("INSTALLER") or "").strip()])
stdlib = paths["stdlib"]
made.update(
    executable=sys.executable, version=list(sys.version_info[:3]), implementation=sys.implementation.name,
    cache_tag=sys.implementation.cache_tag or "", magic=importlib.util.MAGIC_NUMBER.hex(), libc=libc,
    libc_version=list(version), machine=platform.machine(), prefix=sys.prefix, base_prefix=sys.base_prefix,
    search_path=[path for path in sys.path if path],
    is_externally_managed=os.path.isfile(stdlib + "/EXTERNALLY-MANAGED") and sys.prefix == sys.base_prefix,
    installed=installed, is_final=sys.version_info[3] == "final", soabi=sysconfig.get_config_var("SOABI") or "",
)
sys.stdout.write("\n" + "teul-interpreter:" + json.dumps(made) + "\n")
"""


def find_program(tree: Tree, name: str, env: Mapping[str, str], cwd: str = "/") -> str:
    """The absolute path at which *name* is found in the tree, as `execvp` looks for it.

    Raises:
        NoInterpreter: nowhere.
    """
    if "/" in name:
        candidates = [os.path.normpath(f"{cwd}/{name}") if not name.startswith("/") else name]
    else:
        folders = (env.get("PATH") or DEFAULT_PATH).split(":")
        candidates = [f"{folder}/{name}" for folder in folders if folder.startswith("/")]
    for path in candidates:
        try:
            status = os.lstat(tree.absolute(tree.resolve(path)))
        except OSError:
            continue
        if stat.S_ISREG(status.st_mode) and status.st_mode & 0o111:
            return path
    raise NoInterpreter(text("no program `{name}` in the stage", name=name))


def find_python(tree: Tree, name: str, env: Mapping[str, str], cwd: str = "/") -> str:
    """The interpreter that the program *name* (a Python, or a `pip` script) runs on.

    Raises:
        NoInterpreter: a pip that is not the plain script that pip itself installs.
    """
    path = find_program(tree, name, env, cwd)
    if not os.path.basename(name).startswith("pip"):
        return path
    with open(tree.absolute(tree.resolve(path)), "rb") as file:
        script = file.read(SCRIPT_LIMIT_BYTES)
    first, _, rest = script.partition(b"\n")
    if not first.startswith(b"#!") or len(script) > SCRIPT_LIMIT_BYTES // 2 or not _PIP_IMPORT.search(rest):
        raise NoInterpreter(text("`{path}` is not the script that pip installs", path=path))
    words = first[2:].decode("utf-8", "surrogateescape").split()
    if len(words) == 1:
        return find_program(tree, words[0], env, cwd)
    if len(words) == 2 and words[0] == "/usr/bin/env":
        return find_program(tree, words[1], env, cwd)
    raise NoInterpreter(text("`{path}` runs on `{program}`", path=path, program=" ".join(words)))


def relevant_layers(layers: Iterable[tuple[str, str]], paths: Iterable[str]) -> list[str]:
    """The layers (of pairs diff id, folder) that have anything where a Python may be, or at the top of *paths*."""
    tops = {*SYSTEM_FOLDERS, *(path.strip("/").partition("/")[0] for path in paths)}
    return [diff_id for diff_id, folder in layers if not tops.isdisjoint(_names(folder))]


def _names(folder: str) -> list[str]:
    return [name.removeprefix(".wh.") for name in os.listdir(folder)]


def tops_of(tree: Tree, path: str, env: Mapping[str, str]) -> set[str]:
    """The folders at the top of the tree that have a say in what the Python at *path* is."""
    libraries = env.get("LD_LIBRARY_PATH", "").split(":")
    paths = [path, tree.resolve(path), home_of(tree, path), *libraries]
    return {*SYSTEM_FOLDERS, *(top for item in paths if (top := item.strip("/").partition("/")[0]))}


def ask(
    path: str, tree: Tree, run: Callable[[tuple[str, ...]], tuple[int, bytes]], env: Mapping[str, str] | None = None
) -> Interpreter:
    """Ask the Python at *path*.

    Args:
        env: what it is started with.
        run: runs a command in the stage; gives its exit code and output.

    Raises:
        NoInterpreter: it does not answer.
    """
    env = env or {}
    code, output = run((path, "-I", "-B", "-c", PROBE))
    at = output.rfind(b"\n" + MARK.encode())
    if code != 0 or at < 0:
        raise NoInterpreter(text("`{path}` is not a Python that answers (exit code {code})", path=path, code=code))
    try:
        value: dict[str, Any] = json.loads(output[at + 1 + len(MARK) :].splitlines()[0])
        if not value.pop("is_final"):
            raise NoInterpreter(text("`{path}` is a preliminary version of Python", path=path))
        value.pop("soabi")
        identity = identity_of(tree, path, value["version"], env, tops_of(tree, path, env))
        installed: dict[str, Installed] = {}
        for item in value["installed"]:
            found = Installed.from_json(item)
            installed.setdefault(found.name, found)  # the first on the path is the one that is imported
        value |= {"path": path, "identity": identity}
        value["installed"] = [item.to_json() for item in installed.values()]
        return Interpreter.from_json(value)
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise NoInterpreter(text("`{path}` answered nonsense: {problem}", path=path, problem=error)) from error
