import io
import subprocess
import sys

import pytest

from teul.cli import help as help_pages
from teul.cli import version
from teul.cli.context import Context
from teul.cli.main import main
from teul.cli.table import ALIASES, COMMANDS
from teul.config import Settings
from teul.errors import UsageError


def context(language="en"):
    return Context(
        Settings.from_environ({"TEUL_ROOT": "/nonexistent", "TEUL_LANG": language}),
        stdout=io.StringIO(),
        stderr=io.StringIO(),
    )


def test_the_overview_has_two_groups_and_every_command():
    made = context()
    help_pages.show_overview(made)
    shown = made.stdout.getvalue()

    life, docker = shown.split("Docker's commands")
    assert "  up " in life
    assert "  run " in docker
    modules = {entry[1] for entry in COMMANDS.values()}
    listed = {line.split("   ")[0].strip() for line in shown.splitlines() if line.startswith("  ")}
    assert modules == {COMMANDS[name][1] for name in listed}


def test_the_overview_speaks_korean():
    made = context("ko")
    help_pages.show_overview(made)

    assert "모델 수명 주기 명령:" in made.stdout.getvalue()
    assert COMMANDS["run"][3] in made.stdout.getvalue()


def test_help_loads_no_engine():
    program = (
        "import sys; from teul.cli.main import main; main(['--help']);"
        "print(*sorted(name for name in sys.modules if name.startswith('teul')), file=sys.stderr);"
        "print(*[name for name in ('sqlite3', 'subprocess', 'json', 'typing', 'logging', 'dataclasses', 're', 'argparse', 'pathlib')"
        " if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-S", "-c", program], capture_output=True, text=True, env=_environment())

    ours, others = done.stderr.splitlines()
    assert ours.split() == [
        "teul", "teul.cli", "teul.cli.context", "teul.cli.help", "teul.cli.main", "teul.cli.table", "teul.config",
        "teul.errors", "teul.oci", "teul.oci.digest", "teul.values",
    ]  # fmt: skip
    assert others == ""


def _environment():
    import os

    import teul

    return {**os.environ, "PYTHONPATH": os.path.dirname(os.path.dirname(teul.__file__)), "TEUL_LANG": "en"}


def test_a_commands_help_has_usage_summary_and_flags():
    shown = help_pages.command_help("version", version)

    assert shown.splitlines()[:4] == ["Usage:  teul version [OPTIONS]", "", "Show the version", ""]
    assert "  -f, --format string   Output format: json" in shown


def test_a_commands_help_speaks_korean():
    shown = help_pages.command_help("version", version, "ko")

    assert shown.splitlines()[0] == "사용법:  teul version [OPTIONS]"
    assert "출력 형식" in shown


def test_a_noun_alone_lists_its_verbs():
    made = context()

    assert help_pages.unknown_command(made, ["volume"]) == 0
    assert "  create    Create a volume" in made.stdout.getvalue()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["imags"], "unknown command: teul imags; did you mean `teul images`?"),
        (["network", "creat"], "unknown command: teul network creat; did you mean `teul network create`?"),
        (["qqqq"], "unknown command: teul qqqq"),
        (["cp", "a", "b"], "`cp` is a command of Docker that teul does not have yet"),
        (["--nope"], "unknown flag: --nope"),
    ],
)
def test_an_unknown_command_is_answered_with_a_suggestion(words, message):
    with pytest.raises(UsageError) as caught:
        help_pages.unknown_command(context(), words)

    assert str(caught.value) == message


def test_an_unknown_command_exits_as_dockers_does(capsys):
    assert main(["imags"]) == 1
    assert capsys.readouterr().out == ""


def test_every_alias_leads_to_a_command():
    assert {target for target in ALIASES.values() if target not in COMMANDS} == set()
    assert set(ALIASES) & set(COMMANDS) == set()
