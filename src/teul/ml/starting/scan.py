"""What a Python file says about its project without being run: imports, command-line options, files it reads and writes.

Pure: text in, values out. What cannot be told from the syntax tree is left out rather than guessed.
Source: Python reference "The import system"; nbformat 4 (cells of a notebook).
"""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

PIP_LINE = re.compile(r"^\s*[!%]\s*(?:python3?\s+-m\s+)?(?:uv\s+)?pip3?\s+install\s+(?P<words>.+)$")
_MAGIC = re.compile(r"^\s*[!%?]")
_CELL_MAGIC = re.compile(r"^\s*%%(?P<name>\w+)")
WRITERS = frozenset(
    [
        "dump",
        "save",
        "save_model",
        "save_pretrained",
        "to_csv",
        "to_excel",
        "to_json",
        "to_parquet",
        "to_pickle",
        "write_text",
        "write_bytes",
        "savez",
        "savetxt",
        "savefig",
        "mkdir",
        "makedirs",
        "save_weights",
        "export",
    ]
)
"""Methods and functions whose path argument is written, in the libraries that people train with."""
_OUTPUT_WORDS = frozenset(
    ["out", "output", "outdir", "model", "artifact", "artifacts", "save", "checkpoint", "checkpoints", "ckpt", "dest"]
)
_PARAM_TYPES = {"int": int, "float": float, "str": str}


@dataclass(frozen=True, slots=True)
class Option:
    """One `add_argument("--name", type=…, default=…)`."""

    flag: str
    default: str | int | float | bool | None
    choices: tuple[str, ...] = ()
    is_required: bool = False

    @property
    def name(self) -> str:
        return self.flag.lstrip("-").replace("-", "_")

    @property
    def is_output(self) -> bool:
        """Whether its name says that something is written there."""
        return isinstance(self.default, str | None) and bool(_OUTPUT_WORDS & set(self.name.lower().split("_")))


@dataclass(frozen=True, slots=True)
class Scanned:
    """What one file says."""

    path: str
    imports: tuple[str, ...] = ()
    """Top-level names, sorted, relative ones left out."""
    requirements: tuple[str, ...] = ()
    """Words of `pip install` lines of a notebook."""
    options: tuple[Option, ...] = ()
    positionals: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    """Sub-commands of its command line (`add_parser("train")`)."""
    reads: tuple[str, ...] = ()
    """String constants that may be paths of inputs."""
    writes: tuple[str, ...] = ()
    calls: frozenset[str] = frozenset()
    """Names of the methods and functions that it calls."""
    predictors: tuple[str, ...] = ()
    """Classes with `load` and `predict`, as `[model] predict` wants them."""
    app: str = ""
    """The variable that holds an ASGI or WSGI application (`app = FastAPI()`)."""
    app_kind: str = ""
    is_program: bool = False
    """Whether it has `if __name__ == "__main__"` or calls something at the top level."""


def scan_python(source: str, path: str) -> Scanned:
    """Read one module.

    Raises:
        SyntaxError: with the line; the caller says which file was left out.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = ast.parse(source, filename=path)
    return _scan(tree, path)


def scan_notebook(source: str, path: str) -> Scanned:
    """Read the code cells of a notebook; magics and shell lines are left out, `pip install` lines are kept.

    Raises:
        ValueError: not a notebook.
    """
    document = json.loads(source)
    cells = document.get("cells") if isinstance(document, dict) else None
    if not isinstance(cells, list):
        raise ValueError("no cells")
    bodies: list[ast.stmt] = []
    words: list[str] = []
    for cell in cells:
        if not isinstance(cell, dict) or cell.get("cell_type") != "code":
            continue
        text = cell.get("source", "")
        lines = ("".join(text) if isinstance(text, list) else str(text)).splitlines()
        if lines and (magic := _CELL_MAGIC.match(lines[0])):
            if magic["name"] not in ("time", "timeit", "capture", "prun"):
                continue
            lines = lines[1:]
        for line in lines:
            if installs := PIP_LINE.match(line):
                words += _installed(installs["words"])
        kept = [_blank(line) if _MAGIC.match(line) else line for line in lines]
        try:
            bodies += ast.parse("\n".join(kept)).body
        except SyntaxError:
            continue
    found = _scan(ast.Module(body=bodies, type_ignores=[]), path)
    return Scanned(
        path,
        found.imports,
        tuple(dict.fromkeys(words)),
        reads=found.reads,
        writes=found.writes,
        calls=found.calls,
    )


def _blank(line: str) -> str:
    return line[: len(line) - len(line.lstrip())] + "pass"


def _installed(words: str) -> Iterator[str]:
    """The requirements of a `pip install` line."""
    import shlex

    try:
        found = shlex.split(words, comments=True)
    except ValueError:
        return
    takes_value = False
    for word in found:
        if takes_value or word.startswith("-"):
            takes_value = word in ("-r", "-c", "-i", "-f", "--index-url", "--extra-index-url", "--find-links", "-e")
        elif re.match(r"[A-Za-z0-9]", word) and "/" not in word:
            yield word


def _scan(tree: ast.Module, path: str) -> Scanned:
    walk = list(_outside_type_checking(tree))
    constants = _constants(tree)
    options, positionals, commands = _command_line(walk)
    writes = sorted(_written(walk, constants))
    reads = sorted(
        {
            node.value
            for node in walk
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and _may_be_path(node.value)
        }
        - set(writes)
    )
    app, kind = _application(tree)
    return Scanned(
        path,
        tuple(sorted(_imports(walk))),
        options=tuple(options),
        positionals=tuple(positionals),
        commands=tuple(commands),
        reads=tuple(reads),
        writes=tuple(writes),
        calls=frozenset(name for node in walk if isinstance(node, ast.Call) and (name := _called(node))),
        predictors=tuple(_predictors(tree)),
        app=app,
        app_kind=kind,
        is_program=_is_program(tree),
    )


def _outside_type_checking(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those that only a type checker reads."""
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        yield node
        children: Iterable[ast.AST] = ast.iter_child_nodes(node)
        if isinstance(node, ast.If) and ast.unparse(node.test).rpartition(".")[2] == "TYPE_CHECKING":
            children = node.orelse
        pending += children


def _imports(walk: list[ast.AST]) -> set[str]:
    found: set[str] = set()
    for node in walk:
        if isinstance(node, ast.Import):
            found.update(_namespaced(alias.name, []) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            found.add(_namespaced(node.module, [alias.name for alias in node.names]))
        elif isinstance(node, ast.Call) and _called(node) in ("import_module", "__import__") and node.args:
            first = node.args[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str) and not first.value.startswith("."):
                found.add(first.value.partition(".")[0])
    return {name for name in found if name}


def _namespaced(module: str, names: list[str]) -> str:
    """`google.cloud.storage` stays long: its first word says nothing about who made it."""
    parts = module.split(".")
    if parts[0] not in ("google", "azure"):
        return parts[0]
    if len(parts) < 3 and parts[0] == "google" and parts[1:] == ["cloud"] and names:
        parts.append(names[0])
    return ".".join(parts[:3])


def _called(node: ast.Call) -> str:
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else ""


def _constants(tree: ast.Module) -> dict[str, str]:
    """Names that a module binds to a string, or to a `Path` of one, and to nothing else."""
    found: dict[str, str | None] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            value = _string(node.value, {})
            found[name] = value if name not in found else None
    return {name: value for name, value in found.items() if value}


def _string(node: ast.expr, constants: dict[str, str]) -> str:
    """The string that an expression is, as far as it can be told."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.Name):
        return constants.get(node.id, "")
    if isinstance(node, ast.Call) and _called(node) in ("Path", "PurePath", "str", "fspath") and len(node.args) == 1:
        return _string(node.args[0], constants)
    if isinstance(node, ast.Call) and _called(node) == "join" and node.args:
        parts = [_string(item, constants) for item in node.args]
        return "/".join(parts) if all(parts) else ""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        left, right = _string(node.left, constants), _string(node.right, constants)
        return f"{left.rstrip('/')}/{right}" if left and right else ""
    return ""


def _written(walk: list[ast.AST], constants: dict[str, str]) -> set[str]:
    found: set[str] = set()
    for node in walk:
        if not isinstance(node, ast.Call):
            continue
        name = _called(node)
        values = [*node.args, *(keyword.value for keyword in node.keywords)]
        if name == "open":
            mode = next(
                (
                    value.value
                    for value in values[1:]
                    if isinstance(value, ast.Constant) and isinstance(value.value, str)
                ),
                "",
            )
            target = node.args[0] if node.args else None
            if isinstance(node.func, ast.Attribute) and not isinstance(node.func.value, ast.Name):
                mode = str(getattr(target, "value", "")) if target is not None else ""
                target = node.func.value
            if mode[:1] in ("w", "a", "x") and target is not None:
                found.add(_string(target, constants))
        elif name in WRITERS:
            candidates = [_string(value, constants) for value in values]
            if isinstance(node.func, ast.Attribute):
                candidates.append(_string(node.func.value, constants))
            found.update(item for item in candidates if _may_be_path(item))
    return {item for item in found if _may_be_path(item)}


def _may_be_path(value: str) -> bool:
    """A relative path of ordinary characters: with a slash or a suffix."""
    return (
        0 < len(value) <= 200
        and not value.startswith(("/", "~", "-", ".."))
        and "://" not in value
        and "\n" not in value
        and not re.search(r"[*?{}<>|%$()\[\]=,;]", value)
        and bool(re.search(r"/|\.[A-Za-z][A-Za-z0-9]{0,7}$", value))
        and " " not in value.strip()
    )


def _command_line(walk: list[ast.AST]) -> tuple[list[Option], list[str], list[str]]:
    options: dict[str, Option] = {}
    positionals: list[str] = []
    commands: list[str] = []
    calls = [node for node in walk if isinstance(node, ast.Call)]
    for node in sorted(calls, key=lambda item: (item.lineno, item.col_offset)):
        name = _called(node)
        words = [arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
        if name == "add_parser" and words:
            commands.append(words[0])
        if name != "add_argument" or not words:
            continue
        flags = [word for word in words if word.startswith("--")]
        if not flags:
            if not words[0].startswith("-"):
                positionals.append(words[0])
            continue
        keywords = {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg}
        options.setdefault(flags[0], _option(flags[0], keywords))
    return list(options.values()), positionals, commands


def _option(flag: str, keywords: dict[str, ast.expr]) -> Option:
    def literal(name: str) -> object:
        try:
            return ast.literal_eval(keywords[name])
        except (KeyError, ValueError, SyntaxError, TypeError):
            return None

    default = literal("default")
    kind = keywords.get("type")
    if isinstance(kind, ast.Name) and kind.id in _PARAM_TYPES and isinstance(default, int | float | str):
        try:
            default = _PARAM_TYPES[kind.id](default)
        except ValueError:
            default = None
    if "action" in keywords:
        # A switch has no value to hand over.
        default = False
    choices = literal("choices")
    return Option(
        flag,
        default if isinstance(default, str | int | float | bool) else None,
        tuple(str(item) for item in choices) if isinstance(choices, list | tuple) else (),
        literal("required") is True,
    )


def _predictors(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            methods = {item.name for item in node.body if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef)}
            if {"load", "predict"} <= methods:
                yield node.name


def _application(tree: ast.Module) -> tuple[str, str]:
    for node in tree.body:
        if (
            isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and isinstance(node.value, ast.Call)
            and (kind := _called(node.value)) in ("FastAPI", "Starlette", "Flask")
        ):
            return node.targets[0].id, kind
    return "", ""


def _is_program(tree: ast.Module) -> bool:
    for node in tree.body:
        if isinstance(node, ast.If) and "__name__" in ast.unparse(node.test):
            return True
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            return True
        if isinstance(node, ast.For | ast.With | ast.While):
            return True
    return False
