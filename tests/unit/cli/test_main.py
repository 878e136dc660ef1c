import io
import os
import subprocess
import sys

import pytest

from teul.cli.context import Context
from teul.cli.main import EXIT_CODES, exit_code, main, report
from teul.cli.table import COMMANDS
from teul.cli.width import width
from teul.config import Settings
from teul.errors import BuildStepFailed, DockerfileError, ImageNotFound, Span, TeulError, UsageError, text


def reported(error, language="en"):
    made = Context(
        Settings.from_environ({"TEUL_ROOT": "/nonexistent", "TEUL_LANG": language}),
        stdout=io.StringIO(),
        stderr=io.StringIO(),
    )
    report(error, made)
    return made.stderr.getvalue()


@pytest.mark.parametrize(
    ("source", "column", "end_column", "marked"),
    [
        ("RUM pip install", 1, 4, "RUM"),
        ("COPY 한글 /app", 6, 8, "한글"),
        ("COPY 한글 없는파일 /app", 9, 13, "없는파일"),
        ("COPY é— x", 9, 10, "x"),
        ("COPY e\u0301 x /app", 9, 10, "x"),
        ("LABEL a=b", 7, 0, "a"),
        ("FROM", 5, 0, ""),
    ],
)
def test_the_caret_stands_under_what_it_means(source, column, end_column, marked):
    span = Span("Dockerfile", 3, column=column, end_column=end_column, source=source)
    lines = reported(DockerfileError(text("x"), span=span)).splitlines()

    assert lines[1:3] == [f"  --> Dockerfile:3:{column}", f"   | {source}"]
    pad, carets = lines[3].removeprefix("   | "), lines[3].count("^")
    assert width(pad) - carets == width(source[: column - 1])
    assert carets == max(1, width(marked))


def test_tabs_before_the_caret_stay_tabs():
    span = Span("Dockerfile", 1, column=6, end_column=9, source="RUN\t\tpip")

    assert reported(DockerfileError(text("x"), span=span)).splitlines()[-1] == "   |    \t\t^^^"


def test_a_hint_follows_the_message():
    assert reported(ImageNotFound("a:b")) == "teul: image `a:b` not found\nhint: teul pull a:b\n"


def test_a_wrong_command_line_points_to_the_help():
    error = UsageError(text("unknown flag: --{name}", name="x"), hint=text("teul {command} --help", command="run"))

    assert reported(error) == "teul: unknown flag: --x\nSee 'teul run --help'\n"


def test_messages_are_translated_by_their_template():
    error = UsageError(text("unknown flag: --{name}", name="x"), hint=text("teul --help"))

    assert reported(error, "ko") == "teul: 알 수 없는 옵션입니다: --x\n'teul --help'를 보세요\n"


def test_every_family_has_an_exit_code():
    assert {family.__name__ for family in TeulError.__subclasses__()} == set(EXIT_CODES)


def test_a_failed_build_step_hands_on_its_exit_code():
    assert exit_code(BuildStepFailed(text("x"), exit_code=3)) == 3


def test_all_problems_of_a_document_are_shown(monkeypatch, capsys):
    problems = [DockerfileError(text("x {n}", n=n), span=Span("f", n)) for n in (1, 2)]

    def fail(words, context):
        raise ExceptionGroup("many", [problems[0], ExceptionGroup("inner", [problems[1]])])

    monkeypatch.setattr("teul.cli.main.dispatch", fail)

    assert main([]) == 1
    assert capsys.readouterr().err == "teul: x 1\n  --> f:1\nteul: x 2\n  --> f:2\n"


def test_an_error_that_is_nobodys_is_not_hidden(monkeypatch):
    def fail(words, context):
        raise ExceptionGroup("many", [DockerfileError(text("x"), span=None), KeyError("bug")])

    monkeypatch.setattr("teul.cli.main.dispatch", fail)
    with pytest.raises(ExceptionGroup):
        main([])


def said_by(capsys, *words):
    code = main(list(words))
    return code, *capsys.readouterr()


def test_every_command_is_reached_by_its_name(capsys):
    for name in COMMANDS:
        code, out, _ = said_by(capsys, *name.split(), "--help")
        assert (code, out.split("\n")[0].split(" [")[0].startswith(f"Usage:  teul {name}")) == (0, True), name
        assert said_by(capsys, "help", *name.split()) == (0, out, ""), name


def test_a_noun_of_two_words_shows_its_verbs_and_knows_which_was_meant(capsys):
    for words in (("tracking", "token"), ("tracking", "token", "--help")):
        code, out, _ = said_by(capsys, *words)
        assert code == 0
        assert out.startswith("Usage:  teul tracking token COMMAND\n")
        assert [line.split()[0] for line in out.splitlines() if line.startswith("  ")] == ["create", "ls", "rm"]
    code, _, err = said_by(capsys, "tracking", "token", "crate")
    assert code == 1
    assert "did you mean `teul tracking token create`?" in err


@pytest.mark.parametrize(("code", "problem"), [(13, "Permission denied"), (30, "Read-only file system")])
def test_a_state_folder_that_cannot_be_written_is_named(code, problem, monkeypatch, capsys, tmp_path):
    def fail(words, context):
        raise OSError(code, problem, f"{tmp_path}/state/db")

    monkeypatch.setenv("TEUL_ROOT", f"{tmp_path}/state")
    monkeypatch.setattr("teul.cli.main.dispatch", fail)

    assert main(["images"]) == 1
    assert capsys.readouterr().err == (
        f"teul: the state folder `{tmp_path}/state` cannot be written: {problem}\nhint: TEUL_ROOT=FOLDER\n"
    )


def test_an_output_without_room_is_not_taken_for_the_state_folder(tmp_path):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "teul.cli.main", "version"],
            env={**os.environ, "TEUL_ROOT": str(tmp_path), "TEUL_LANG": "en"},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )

    assert (done.returncode, done.stderr) == (1, "no space left on the disk that holds `/dev/stdout`\n")
