"""The house rules as tests: what a reviewer would otherwise have to remember."""

import ast
import importlib
import os
import pkgutil
import re
import string
import subprocess
import sys

import pytest

import teul
from teul import errors
from teul.cli.main import EXIT_CODES
from teul.cli.messages import catalogue
from teul.cli.table import ALIASES, COMMANDS
from teul.config import ENVIRONMENT, SERVING_ENVIRONMENT

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SRC = os.path.join(TOP, "src")
KEYWORDS_ARE_DATA = {("teul.errors", "text"), ("teul.values", "replace"), ("teul.build.dockerfile.lower", "set")} | {
    ("teul.ml.tracking.graphql", "resolve"),
    ("teul.ml.web.html", "e"),
    ("teul.ml.web.view", "t"),
    ("teul.ml.web.view", "again"),
    ("teul.ml.web.view", "link"),
    ("teul.ml.web.view", "address"),
}
"""Functions whose keywords name the fields of a template or of a value."""
INNER_ERRORS = {"IgnoreError", "WordError"}
"""Errors that never leave their package: who knows the place turns them into one that has it."""
INSIDE_SCRIPTS = ("teul.images.bootstrap", "teul.engine.images.bootstrapping")
"""Hold programs that run inside a tree that is being made, with variables of their own."""
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "base", "core", "manager", "managers"}


def sources(*packages):
    """(dotted name, path, tree) of every module of *packages* below src."""
    for package in packages or ("teul", "teul_model"):
        for folder, folders, files in os.walk(os.path.join(SRC, package)):
            folders.sort()
            for file in sorted(files):
                if file.endswith(".py"):
                    path = os.path.join(folder, file)
                    name = os.path.relpath(path, SRC)[:-3].replace(os.sep, ".").removesuffix(".__init__")
                    with open(path, encoding="utf-8") as stream:
                        yield name, path, ast.parse(stream.read(), path)


def imports(tree):
    """(module, line) of every import that happens at run time, wherever it stands."""
    skipped = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            skipped |= {id(inner) for statement in node.body for inner in ast.walk(statement)}
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module, node.lineno


def is_below(module, *roots):
    return any(module == root or module.startswith(f"{root}.") for root in roots)


def texts():
    """(template, where) of every `text("…")` in teul, adjacent strings joined as Python does."""
    for name, _, tree in sources("teul"):
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "text" and node.args:
                first = node.args[0]
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    yield first.value, f"{name}:{node.lineno}"


def fields(template):
    return sorted({name for _, name, _, _ in string.Formatter().parse(template) if name})


def leaves(family=errors.TeulError):
    for child in family.__subclasses__():
        if child.__module__.startswith("teul"):
            yield child
            yield from leaves(child)


def load_everything():
    for module in pkgutil.walk_packages(teul.__path__, "teul."):
        if not module.name.startswith("teul.testing"):
            importlib.import_module(module.name)


@pytest.mark.slow
def test_the_import_contracts_hold():
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"],
        cwd=TOP, env={**os.environ, "PYTHONPATH": SRC}, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr


def test_nothing_is_named_after_nothing():
    found = [name for name, _, _ in sources() if set(name.split(".")) & FORBIDDEN_NAMES]

    assert found == []


@pytest.mark.parametrize(
    ("imported", "allowed"),
    [
        (("subprocess",), ("teul.host", "teul_model", "teul.images.bootstrap.inside")),
        (("sqlite3",), ("teul.state", "teul.ml.tracking")),
        (("click", "rich", "argparse"), ()),
        (("ctypes",), ("teul.host",)),
        (("yaml",), ("teul.ml", "teul.compose", "teul.gpu")),
        (("urllib3",), ("teul.registry", "teul.build", "teul.ml")),
        (("starlette", "uvicorn"), ("teul.ml", "teul.api")),
    ],
)
def test_each_outside_thing_has_one_door(imported, allowed):
    found = [
        f"{name}:{line} imports {module}"
        for name, _, tree in sources()
        for module, line in imports(tree)
        if is_below(module, *imported) and not is_below(name, *allowed)
    ]

    assert found == []


def test_sql_is_written_only_where_the_databases_are():
    statement = re.compile(r"\s*(SELECT|INSERT INTO|UPDATE|DELETE FROM|WITH) \S+ ")
    found = [
        f"{name}:{node.lineno}"
        for name, _, tree in sources()
        if not name.startswith(("teul.state", "teul.ml.tracking"))
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and statement.match(node.value)
    ]

    assert found == []


def test_public_functions_have_no_kwargs():
    found = [
        f"{name}:{node.lineno} {node.name}"
        for name, _, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.args.kwarg is not None
        and not node.name.startswith("_")
        and (name, node.name) not in KEYWORDS_ARE_DATA
    ]

    assert found == []


def declared_order(name):
    """Constants, classes, functions (as ruff's RUF022 has it)."""
    return (0 if name.isupper() and len(name) > 1 else 1 if name[:1].isupper() else 2, name)


def test_declared_names_are_sorted_and_there():
    load_everything()
    for name, _, tree in sources():
        declared = [
            ast.literal_eval(node.value)
            for node in tree.body
            if isinstance(node, ast.Assign)
            and any(isinstance(it, ast.Name) and it.id == "__all__" for it in node.targets)
        ]
        if not declared:
            continue
        assert declared[0] == sorted(declared[0], key=declared_order), name
        module = importlib.import_module(name)
        assert [item for item in declared[0] if not hasattr(module, item)] == [], name


def test_importing_teul_opens_nothing():
    program = (
        "import sys\n"
        "import urllib3\n"  # which tries IPv6 when it is imported
        "opened = []\n"
        "def hook(event, arguments):\n"
        "    if event in ('socket.connect', 'socket.bind', 'subprocess.Popen', 'os.system', 'sqlite3.connect'):\n"
        "        opened.append((event, arguments))\n"
        "    if event == 'open' and isinstance(arguments[2], int) and arguments[2] & 3:\n"
        "        opened.append((event, arguments))\n"
        "sys.addaudithook(hook)\n"
        "sys.dont_write_bytecode = True\n"
        "import importlib, pkgutil, logging, teul\n"
        "handlers = list(logging.root.handlers)\n"
        "for module in pkgutil.walk_packages(teul.__path__, 'teul.'):\n"
        "    if not module.name.startswith('teul.testing'): importlib.import_module(module.name)\n"
        "assert logging.root.handlers == handlers, logging.root.handlers\n"
        "print(opened)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": SRC},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_every_command_has_a_module_with_flags_usage_and_run():
    for name, (_, module_name, english, korean) in COMMANDS.items():
        module = importlib.import_module(f"teul.cli.{module_name}")
        assert english, name
        assert korean, name
        assert callable(module.run), name
        assert isinstance(module.USAGE, str), name
        for flag in module.FLAGS:
            assert flag.help or flag.hidden, f"{name} --{flag.name} has no help"


def test_every_module_of_a_command_is_in_the_table():
    load_everything()
    commands = {entry[1] for entry in COMMANDS.values()}
    with_run = {
        name.removeprefix("teul.cli.")
        for name, module in sys.modules.items()
        if name.startswith("teul.cli.") and hasattr(module, "FLAGS") and hasattr(module, "USAGE")
    }

    assert with_run == commands


def test_every_command_has_a_page():
    with open(os.path.join(TOP, "docs/reference/commands.md"), encoding="utf-8") as file:
        page = file.read()

    assert [name for name in COMMANDS if f"\n## teul {name}\n" not in page] == []
    assert [alias for alias in ALIASES if f"teul {alias}" not in page] == []


def test_generated_pages_are_up_to_date():
    done = subprocess.run(
        [sys.executable, os.path.join(TOP, "scripts/reference.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_every_error_has_a_code_of_its_own_and_a_family_with_an_exit_code():
    load_everything()
    classes = [errors.TeulError, *leaves()]
    codes = [leaf.code for leaf in classes]

    assert sorted(codes) == sorted(set(codes))
    assert [leaf.__name__ for leaf in classes if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", leaf.code)] == []
    for leaf in classes[1:]:
        assert "code" in vars(leaf), f"{leaf.__name__} has no code of its own"
        assert [kind.__name__ for kind in leaf.__mro__ if kind.__name__ in EXIT_CODES], leaf.__name__


def test_every_error_is_declared_in_one_file():
    load_everything()

    elsewhere = {leaf.__name__ for leaf in leaves() if leaf.__module__ != "teul.errors"}
    assert elsewhere - INNER_ERRORS == set()


def test_every_environment_variable_is_declared():
    pattern = re.compile(r"\bTEUL_[A-Z][A-Z_]+\b")
    found = set()
    for name, path, _ in sources("teul"):
        if is_below(name, *INSIDE_SCRIPTS):
            continue
        with open(path, encoding="utf-8") as file:
            found |= set(pattern.findall(file.read()))

    assert found - set(ENVIRONMENT) - set(SERVING_ENVIRONMENT) == set()


def test_the_model_servers_variables_are_declared():
    found = set()
    for _, path, _ in sources("teul_model"):
        with open(path, encoding="utf-8") as file:
            found |= set(re.findall(r"\bTEUL_[A-Z][A-Z_]+\b", file.read()))

    assert found - {"TEUL_WORKER_FD"} == set(SERVING_ENVIRONMENT)


def test_messages_are_written_with_literals():
    """A template that is put together at run time cannot be translated."""
    found = [
        f"{name}:{node.lineno}"
        for name, _, tree in sources("teul")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "text"
        and not (node.args and isinstance(node.args[0], ast.Constant))
        and name != "teul.errors"
    ]

    assert found == []


def test_every_message_speaks_korean():
    korean = catalogue("ko")
    missing = {
        f"{where} {template!r}"
        for template, where in texts()
        # A command line to type, or a value alone, is the same in every language.
        if template not in korean and not re.match(r"(teul|apt-get) [a-z-]|\{\w*\}$", template)
    }

    assert sorted(missing) == []


def test_translations_use_the_fields_of_their_message():
    wrong = [english for english, korean in catalogue("ko").items() if not set(fields(korean)) <= set(fields(english))]

    assert wrong == []


def test_no_message_is_translated_in_two_ways():
    seen = {}
    package = importlib.import_module("teul.cli.ko")
    for module in pkgutil.iter_modules(package.__path__):
        for english, korean in importlib.import_module(f"{package.__name__}.{module.name}").MESSAGES.items():
            assert seen.setdefault(english, korean) == korean, (module.name, english)


def test_help_of_every_flag_speaks_korean():
    korean = catalogue("ko")
    missing = set()
    for _, module_name, _, _ in COMMANDS.values():
        module = importlib.import_module(f"teul.cli.{module_name}")
        missing |= {flag.help for flag in module.FLAGS if not flag.hidden and flag.help not in korean}

    assert sorted(missing) == []


def test_messages_have_no_final_period():
    found = [
        f"{where} {template!r}" for template, where in texts() if template.endswith(".") and not template.endswith("..")
    ]

    assert found == []


def test_every_migration_is_counted():
    from teul.state import db, migrations

    assert len(migrations.MIGRATIONS) == db.SCHEMA_VERSION


def test_modules_stay_small():
    """Near 400 lines a module becomes a package; a test that fails at 600 leaves room for judgement. Catalogues (words,
    errors) are lists, and stay whole."""
    found = []
    for name, path, _ in sources():
        with open(path, encoding="utf-8") as file:
            count = sum(1 for _ in file)
        if count > 600 and not name.startswith(("teul.cli.ko.", "teul.errors")):
            found.append(f"{name}: {count} lines")

    assert found == []
