"""`teul up`: the project in a folder, from its files to a served prediction."""

from __future__ import annotations

import json
import os

from teul.cli.flags import Flag
from teul.errors import CommandFailed, TeulError, UsageError, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.cli.flags import Arguments
    from teul.errors import Text
    from teul.ml.stages import Report

USAGE = "[OPTIONS] [FOLDER]"
FLAGS = (
    Flag("param", "P", "list", "Set a parameter of the project (`name=value`)", metavar="NAME=VALUE"),
    Flag("dry-run", kind="bool", help="Print what would be done, and do nothing"),
    Flag("progress", kind="string", help="How progress is shown: auto, tty, plain, json, quiet", default="auto"),
)


def run(arguments: Arguments, context: Context) -> int:
    """Build, train, check, register and serve."""
    from teul.ml import plain
    from teul.ml import up as use_case
    from teul.ml.stages import Report

    if len(arguments.rest) > 1:
        raise UsageError(text("expected one folder, got {count}", count=len(arguments.rest)), hint="teul up --help")
    folder = os.path.abspath(arguments.rest[0] if arguments.rest else ".")
    if not use_case.has_project(folder) and plain.has_dockerfile(folder):
        return _run_plain(folder, arguments, context)
    project = use_case.read_project(folder).with_params(_params(arguments.strings("param")))
    if arguments.flag("dry-run"):
        for line in use_case.plan(context.engine, folder, project):
            context.print(context.translate(line))
        return 0
    sink = context.sink(arguments.string("progress"), title="up")
    report = Report(project.name)
    try:
        use_case.up(context.engine, folder, project, events=sink, report=report)
    except CommandFailed as error:
        show(report, context)
        from teul.cli.main import report as show_error

        for last in error.stderr_tail.splitlines():
            context.stderr.write(f"  | {last}\n")
        show_error(error, context)
        return error.exit_code or 1
    except TeulError:
        show(report, context)
        raise
    show(report, context)
    return 0


def _run_plain(folder: str, arguments: Arguments, context: Context) -> int:
    """Only a Dockerfile: build and run it, and say what a project file would add."""
    from teul.ml import plain

    for name in ("param", "dry-run"):
        if name in arguments.given:
            raise UsageError(text("--{name} needs a teul.toml", name=name), hint="teul up --help")
    made = plain.up(context.engine, folder, events=context.sink(arguments.string("progress"), title="up"))
    for url in made.urls:
        how = text("kept running") if made.kept else text("started")
        context.print(f"{context.translate(text('serving'))}  {url}  {context.translate(how)}")
    context.say(
        text(
            "there is only a Dockerfile in {folder}: it was built and run, and nothing was recorded; with a teul.toml, "
            "steps run only when what they read has changed, every run is recorded, and a model is checked, registered "
            "and served",
            folder=folder,
        )
    )
    context.say(text("hint: {hint}", hint=f'[project]\nname = "{made.name}"\n\n[steps.train]\nrun = "python train.py"'))
    return made.exit_code or 0


def _params(words: list[str]) -> dict[str, str]:
    made = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise UsageError(text("expected `-P name=value`, got `{word}`", word=word), hint="teul up --help")
        made[name] = value
    return made


def show(report: Report, context: Context) -> None:
    """What was done, one line for each thing, on stdout."""
    rows: list[tuple[Text, str, str]] = []
    if report.image:
        how = text("unchanged") if report.image_cached else _took(report, "image")
        rows.append((text("image"), report.image.removeprefix("sha256:")[:12], context.translate(how)))
    for step in report.steps:
        took = text("cached") if step.cached else text("{seconds:.1f} s", seconds=step.seconds)
        rows.append((text("step {name}", name=step.name), f"run {step.run[:8]}", context.translate(took)))
    for verdict in report.verdicts:
        mark = "✓" if verdict.passed else "✗"
        rows.append((text("gate"), f"{mark} {verdict.gate}", context.translate(verdict.reason)))
    if report.candidate:
        rows.append((text("model"), f"{report.model} {report.candidate}", context.translate(_promotion(report))))
    if report.url:
        took = text("kept running") if report.serve_action == "keep" else _took(report, "serve")
        rows.append((text("serving"), report.url, context.translate(took)))
    if report.tracking_url:
        rows.append((text("tracking"), report.tracking_url, ""))
    heads = [context.translate(head) for head, _, _ in rows]
    for head, (_, what, result) in zip(heads, rows, strict=True):
        context.print(f"{_padded(head, heads)}  {_padded(what, [row[1] for row in rows])}  {result}".rstrip())
    if report.url and isinstance(report.example, dict):
        body = json.dumps({"dataframe_records": [report.example]}, ensure_ascii=False).replace("'", "'\\''")
        context.print("")
        context.print(context.translate(text("Try it:")))
        context.print(f"  curl -s {report.url}/invocations -H 'Content-Type: application/json' -d '{body}'")


def _took(report: Report, stage: str) -> Text:
    return text("{seconds:.1f} s", seconds=report.seconds.get(stage, 0.0))


def _promotion(report: Report) -> Text:
    if report.promotion == "refuse":
        if report.version and report.version != report.candidate:
            return text("stays out; version {version} is in production", version=report.version)
        return text("stays out") if not report.version else text("in production, but its gate fails")
    if report.promotion == "wait":
        return text("waits: teul models approve {model} {version}", model=report.model, version=report.candidate)
    if report.version == report.candidate:
        return text("in production")
    return text("registered; version {version} is in production", version=report.version)


def _padded(value: str, column: list[str]) -> str:
    """*value* padded to the widest of *column* on a terminal."""
    from teul.cli.width import pad, width

    return pad(value, max(map(width, column)))
