"""What a RUN installs, told from its words: `Install` where it is provably a plain install, else a doubt. Pure.

Conservative: a flag, a variable or a second command that is not known here is a doubt, and so is everything whose
effect goes beyond the packages that it names. What depends on the tree (which interpreter, requirement files, whether
a pattern matches a file, whether what `rm` removes is there) is left in the `Install` for who has the tree.
"""

from __future__ import annotations

from teul.build.python.flags import BEFORE, PIP, UV, Flag, pip_variable, split_flags
from teul.build.python.poetry_command import Poetry, is_setting, read_poetry
from teul.build.python.shell import Word, split_commands
from teul.build.python.sync_command import Sync, read_sync
from teul.build.python.values import Doubt
from teul.errors import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from dataclasses import dataclass, replace
    from typing import Any

    from teul.build import ops
    from teul.build.dockerfile.mounts import RunMount
else:
    from teul.values import dataclass, replace

SHELLS = frozenset({"sh", "bash", "dash", "ash"})
SHELL_FLAGS = frozenset(
    {"-c", "-e", "-ec", "-ex", "-exc", "-x", "-xc", "-u", "-eu", "-euc", "-eux", "-euxc", "-o", "pipefail"}
)
ROOT_USERS = frozenset({"", "root", "0", "0:0", "root:root", "0:root", "root:0"})
CACHES = ("/root/.cache", "/tmp/pip", "/root/.cache/pip", "/root/.cache/uv", "/var/cache/pip")
UNREAD_VARIABLES = frozenset({"BASH_ENV", "ENV", "PYTHONHOME", "PYTHONUSERBASE", "PYTHONPLATLIBDIR", "PYTHONPYCACHEPREFIX", "PYTHONOPTIMIZE", "PYC_INVALIDATION_MODE", "PYTHONSAFEPATH", "PYTHONSTARTUP", "PYTHONWARNINGS", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"})  # fmt: skip
"""Variables that change what a shell reads first, or where Python and pip put things."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Install:
    """One install command, as it stands; paths are as written, relative to `cwd`."""

    tool: str
    """`pip` or `uv`."""
    program: str
    """What is run: `pip3`, `python3.11`, `/opt/venv/bin/pip`, `uv`."""
    interpreter: str
    """`python3` of `python3 -m pip` and of `uv pip install --python python3`; "" for that of the script `program`."""
    cwd: str
    requirements: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    index_url: str = ""
    extra_index_urls: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    trusted_hosts: tuple[str, ...] = ()
    index_strategy: str = ""
    """uv's; "" is the tool's own."""
    no_index: bool = False
    no_deps: bool = False
    pre: bool = False
    upgrade: bool = False
    require_hashes: bool = False
    only_binary: tuple[str, ...] = ()
    prefer_binary: bool = False
    compiles: bool = True
    break_system_packages: bool = False
    keeps_cache: bool = True
    """Whether the tool leaves its cache where it keeps it."""
    patterns: tuple[str, ...] = ()
    """Words that stand for themselves only where no file in `cwd` matches them (`uvicorn[standard]`)."""
    removes: tuple[str, ...] = ()
    """What `rm` takes away afterwards: harmless where the tree below has nothing there."""
    pythonpath: tuple[str, ...] = ()
    is_system: bool = False
    """uv's: the first Python on the path, but none of a virtual environment."""
    then: tuple[Install, ...] = ()
    """Installs that follow in the same RUN."""


def recognise(op: ops.Run, *, env: Mapping[str, str] | None = None) -> Install | Sync | Poetry | Doubt:
    """What *op* installs.

    Args:
        env: the process's whole environment, the host's settings included; default: the op's own.
    """
    own = dict(entry.partition("=")[::2] for entry in op.env)
    env = own if env is None else env
    doubt = _doubt_of_surroundings(op, env)
    if doubt is not None:
        return doubt
    commands = _commands(op, own)
    if isinstance(commands, Doubt):
        return commands
    # A `sh` that has no pipefail ends there.
    is_bash = op.args[0].rpartition("/")[2] == "bash"
    if not is_bash and any(
        words[0].text == "set" and "pipefail" in [word.text for word in words] for words in commands
    ):
        return Doubt(text("the shell's own arguments"))
    made = _read(commands, op.cwd or "/", env)
    if isinstance(made, Poetry) and op.args[0].rpartition("/")[2] in SHELLS:
        return replace(made, shell=op.args[:-1])
    return made


def _doubt_of_surroundings(op: ops.Run, env: Mapping[str, str]) -> Doubt | None:
    if op.script:
        return Doubt(text("a script with an interpreter of its own"))
    if op.network == "none":
        return Doubt(text("it runs without a network"))
    for mount in op.mounts:
        if not _is_harmless(mount, env):
            return Doubt(text("`--mount=type={type},target={target}`", type=mount.type, target=mount.target))
    for name in sorted(env):
        if name in UNREAD_VARIABLES and env[name]:
            return Doubt(text("the variable `{name}`", name=name))
    return None


def _is_harmless(mount: RunMount, env: Mapping[str, str]) -> bool:
    """A cache where pip, uv and poetry keep theirs: what is in it changes the time it takes and nothing else. And what the
    context lends to be read (a requirements file), as long as it is not where packages go.
    """
    if mount.type == "bind":
        is_apart = "-packages" not in mount.target and not mount.target.startswith(("/usr/", "/etc/", "/lib"))
        return not mount.origin and mount.is_readonly and mount.target.startswith("/") and is_apart
    return mount.type == "cache" and any(mount.target.rstrip("/").startswith(cache) for cache in _caches(env))


def _caches(env: Mapping[str, str]) -> tuple[str, ...]:
    own = env.get("POETRY_CACHE_DIR", "").rstrip("/")
    return (*CACHES, own) if own.startswith("/") and own.count("/") > 1 else CACHES


def _commands(op: ops.Run, env: Mapping[str, str]) -> list[list[Word]] | Doubt:
    program = op.args[0].rpartition("/")[2] if op.args else ""
    if program not in SHELLS:
        return [[Word(word) for word in op.args]]
    if len(op.args) < 3 or not op.args[-2].startswith("-") or not op.args[-2].endswith("c"):
        return Doubt(text("the shell's own arguments"))
    if not SHELL_FLAGS.issuperset(op.args[1:-1]) or (program != "bash" and "pipefail" in op.args):
        return Doubt(text("the shell's own arguments"))
    return split_commands(op.args[-1], env)


def _read(commands: Sequence[Sequence[Word]], cwd: str, env: Mapping[str, str]) -> Install | Sync | Poetry | Doubt:
    found: list[Install] = []
    sync: Sync | Poetry | None = None
    removes: list[str] = []
    settings: list[str] = []
    at = 0
    for number, words in enumerate(commands):
        first = words[0].text
        plain = [word.text for word in words]
        if first.rpartition("/")[2] == "poetry" and sync is None and is_setting(words[1:]):
            settings.append(" ".join(plain))
            continue
        if first == "set" and not found and all(word in _SETTINGS for word in plain[1:]):
            continue
        if first in (":", "true", "echo") and not any(word.pattern for word in words):
            continue
        if first == "cd" and len(plain) == 2 and not words[1].pattern and plain[1].startswith("/"):
            cwd = plain[1]
            continue
        if first == "rm":
            gone = _removed(words, _caches(env))
            if gone is None:
                return Doubt(text("`{command}` does more than install", command=" ".join(plain)))
            removes += gone
            continue
        install = _install(words, cwd, env)
        if isinstance(install, Doubt):
            return install
        if install is None:
            return Doubt(text("`{command}` does more than install", command=" ".join(plain)))
        if removes:
            return Doubt(text("an install after `{command}`", command="rm"))
        if isinstance(install, (Sync, Poetry)):
            if sync is not None:
                return Doubt(text("several installers in one RUN"))
            sync, at = install, number
        else:
            found.append(install)
    if sync is not None and found:
        return Doubt(text("several installers in one RUN"))
    if isinstance(sync, Poetry):
        before, after = _lines(commands[:at]), _lines(commands[at + 1 :])
        return replace(sync, before=before, after=after, removes=tuple(removes))
    if settings:
        return Doubt(text("`{command}` does more than install", command=settings[0]))
    if sync is not None:
        return replace(sync, removes=tuple(removes))
    if not found:
        return Doubt(text("it installs nothing"))
    if len({(item.tool, item.interpreter, item.program, item.compiles) for item in found}) > 1:
        return Doubt(text("several installers in one RUN"))
    made: Install = replace(found[0], then=tuple(found[1:]), removes=tuple(removes))
    return made


def _lines(commands: Sequence[Sequence[Word]]) -> tuple[str, ...]:
    """Simple commands as a shell reads them."""
    from shlex import quote

    return tuple(" ".join(word.text if word.pattern else quote(word.text) for word in words) for words in commands)


_SETTINGS = frozenset(
    {
        "-e",
        "-x",
        "-u",
        "-ex",
        "-eu",
        "-ux",
        "-eux",
        "-exu",
        "-xe",
        "-ue",
        "-o",
        "pipefail",
        "-euo",
        "-euxo",
        "-exo",
        "-eo",
    }
)


def _removed(words: Sequence[Word], caches: Sequence[str]) -> list[str] | None:
    """The paths that an `rm` of caches takes away, None for any other."""
    made = []
    options = "".join(word.text for word in words if word.text.startswith("-"))
    if "f" not in options or not {"r", "R"} & set(options):
        return None  # it fails where there is no cache, or where there is one
    for word in words[1:]:
        if word.text in ("-r", "-f", "-rf", "-fr", "-Rf", "-fR", "-R"):
            continue
        path = word.text.rstrip("/*") or "/"
        if word.pattern and word.text != path + "/*":
            return None
        if not any(path == cache or path.startswith((cache + "/", "/tmp/pip")) for cache in caches):
            return None
        made.append(path)
    return made or None


def _install(words: Sequence[Word], cwd: str, env: Mapping[str, str]) -> Install | Sync | Poetry | Doubt | None:
    """The install that a simple command is, or None when it is something else."""
    rest = list(words)
    while rest and _is_assignment(rest[0].text):
        return Doubt(text("the variable `{name}`", name=rest[0].text.partition("=")[0]))
    if not rest:
        return None
    program = rest.pop(0).text
    name = program.rpartition("/")[2]
    interpreter = ""
    if _is_python(name):
        while rest and rest[0].text in ("-u", "-B"):
            rest.pop(0)
        if [word.text for word in rest[:2]] == ["-m", "pip"]:
            interpreter, rest = program, rest[2:]
        elif [word.text for word in rest[:2]] == ["-m", "uv"]:
            return Doubt(text("`{command}` does more than install", command=f"{name} -m uv"))
        else:
            return None
    if interpreter or _is_pip(name):
        return _pip(program, interpreter, rest, cwd, env)
    if name == "uv":
        return _uv(program, rest, cwd, env)
    if name == "poetry":
        return read_poetry(program, rest, cwd, env)
    return None


def _is_assignment(word: str) -> bool:
    name, equals, _ = word.partition("=")
    return bool(equals) and name.isidentifier()


def _is_python(name: str) -> bool:
    return (name.startswith("python") and name[6:].replace(".", "").isdigit()) or name == "python"


def _is_pip(name: str) -> bool:
    return (name.startswith("pip") and name[3:].replace(".", "").isdigit()) or name == "pip"


def _pip(program: str, interpreter: str, words: list[Word], cwd: str, env: Mapping[str, str]) -> Install | Doubt | None:
    flags: list[Flag] = []
    while words and words[0].text.startswith("-"):
        # Options may stand before the command; those that take a value are rare there, and a doubt.
        flag = words.pop(0).text
        if flag not in BEFORE:
            return Doubt(text("the option `{option}`", option=flag))
        flags.append(Flag(BEFORE[flag], ""))
    if not words or words[0].text != "install":
        return None
    read = split_flags([word.text for word in words[1:]], PIP)
    if isinstance(read, Doubt):
        return read
    given, names = read
    variables = _pip_variables(env)
    if isinstance(variables, Doubt):
        return variables
    made = Install(
        tool="pip",
        program=program,
        interpreter=interpreter,
        cwd=cwd,
        requirements=tuple(names),
        patterns=tuple(word.text for word in words if word.pattern),
        pythonpath=tuple(path for path in env.get("PYTHONPATH", "").split(":") if path),
    )
    return _with(made, [*variables, *flags, *given])


def _pip_variables(env: Mapping[str, str]) -> list[Flag] | Doubt:
    made: list[Flag] = []
    for name in sorted(env):
        if name.startswith("PIP_") and env[name]:
            flags = pip_variable(name, env[name])
            if flags is None:
                return Doubt(text("the variable `{name}`", name=name))
            made += flags
    return made


def _uv(program: str, words: list[Word], cwd: str, env: Mapping[str, str]) -> Install | Sync | Doubt | None:
    plain = [word.text for word in words]
    if plain[:1] == ["sync"]:
        return read_sync(program, words, cwd, env)
    if plain[:2] != ["pip", "install"]:
        return None
    read = split_flags(plain[2:], UV)
    if isinstance(read, Doubt):
        return read
    given, names = read
    flags: list[Flag] = []
    for name in sorted(env):
        if name.startswith("UV_") and env[name]:
            known = _UV_VARIABLES.get(name)
            if known is None:
                return Doubt(text("the variable `{name}`", name=name))
            flags += [Flag(known, word) for word in env[name].split()] if known else []
    made = Install(
        tool="uv",
        program=program,
        interpreter="",
        cwd=cwd,
        requirements=tuple(names),
        patterns=tuple(word.text for word in words if word.pattern),
        compiles=False,
        pythonpath=tuple(path for path in env.get("PYTHONPATH", "").split(":") if path),
    )
    interpreter = ""
    for flag in [*flags, *given]:
        if flag.name == "python":
            interpreter = flag.value
        elif flag.name == "system" and not interpreter and flag.value not in ("0", "false"):
            interpreter = "python"
            made = replace(made, is_system=True)
    if not interpreter:
        if not env.get("VIRTUAL_ENV"):
            return Doubt(text("which environment uv would choose"))
        interpreter = f"{env['VIRTUAL_ENV']}/bin/python"
    elif not (interpreter.startswith("/") or _is_python(interpreter)):
        return Doubt(text("the option `{option}`", option=f"--python {interpreter}"))
    return _with(replace(made, interpreter=interpreter), [*flags, *given])


_UV_VARIABLES = {
    "UV_SYSTEM_PYTHON": "system",
    "UV_INDEX_URL": "index-url",
    "UV_DEFAULT_INDEX": "index-url",
    "UV_EXTRA_INDEX_URL": "extra-index-url",
    "UV_INDEX": "extra-index-url",
    "UV_FIND_LINKS": "find-links",
    "UV_COMPILE_BYTECODE": "compile",
    "UV_INDEX_STRATEGY": "index-strategy",
    "UV_PYTHON": "python",
    "UV_BREAK_SYSTEM_PACKAGES": "break-system-packages",
    "UV_NO_CACHE": "no-cache-dir",
    "UV_LINK_MODE": "",
    "UV_HTTP_TIMEOUT": "",
    "UV_NO_PROGRESS": "",
    "UV_PYTHON_DOWNLOADS": "",
    "UV_CONCURRENT_DOWNLOADS": "",
    "UV_CONCURRENT_INSTALLS": "",
    "UV_HTTP_RETRIES": "",
}
"""Variable → the flag that it is, "" for one that changes nothing in the tree."""


def _with(install: Install, flags: Sequence[Flag]) -> Install | Doubt:
    """*install* with what *flags* say; the last one wins where only one can."""
    changes: dict[str, Any] = {}
    lists: dict[str, list[str]] = {
        "files": [], "constraints": [], "extra_index_urls": [], "find_links": [], "trusted_hosts": [], "only_binary": [],
    }  # fmt: skip
    for flag in flags:
        name, value = flag.name, flag.value
        if name in _LISTS:
            lists[_LISTS[name]].append(value)
        elif name in _SWITCHES:
            field, setting = _SWITCHES[name]
            changes[field] = setting if value.lower() not in ("0", "false", "no", "off") else not setting
        elif name == "index-url":
            changes["index_url"] = value
        elif name == "index-strategy":
            changes["index_strategy"] = value
        elif name == "no-binary" and value != ":none:":
            return Doubt(text("the option `{option}`", option=f"--no-binary {value}"))
    changes |= {name: tuple(value) for name, value in lists.items()}
    made: Install = replace(install, **changes)
    if not made.requirements and not made.files:
        return Doubt(text("it installs nothing"))
    return made


_LISTS = {
    "requirement": "files",
    "constraint": "constraints",
    "extra-index-url": "extra_index_urls",
    "find-links": "find_links",
    "trusted-host": "trusted_hosts",
    "only-binary": "only_binary",
}
_SWITCHES = {
    "no-index": ("no_index", True),
    "no-deps": ("no_deps", True),
    "pre": ("pre", True),
    "upgrade": ("upgrade", True),
    "require-hashes": ("require_hashes", True),
    "prefer-binary": ("prefer_binary", True),
    "compile": ("compiles", True),
    "no-compile": ("compiles", False),
    "break-system-packages": ("break_system_packages", True),
    "no-cache-dir": ("keeps_cache", False),
}
