"""`teul build --check` and `--call`: what a Dockerfile says, on stdout, as text or JSON."""

from __future__ import annotations

from teul.errors import UsageError, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.cli.context import Context
    from teul.engine.build import BuildOptions

METHODS = ("check", "outline", "targets")


def call(word: str, options: BuildOptions, context: Context) -> int:
    """Run one method, `NAME[,format=json][,ignorestatus=true]`; 1 when a check found something."""
    method, as_json, ignores_status = _parsed(word)
    if method == "check":
        return _check(options, context, as_json=as_json, ignores_status=ignores_status)
    from teul.build.lint import outline, results
    from teul.engine.build.checking import read_program

    program, path, source = read_program(options)
    given = {name: value for name, value in options.build_args.items() if value is not None}
    if method == "targets":
        found = outline.targets(program, given)
        context.print(results.targets_json(found, path, source) if as_json else results.targets_text(found))
        return 0
    made = outline.outline(program, options.target, given)
    context.print(results.outline_json(made, path, source) if as_json else results.outline_text(made))
    return 0


def _check(options: BuildOptions, context: Context, *, as_json: bool, ignores_status: bool) -> int:
    from teul.build.lint import results
    from teul.engine.build.checking import check

    done = check(context.engine, options)
    if as_json:
        context.print(results.check_json(done.findings, done.path, done.source, done.error))
    else:
        context.print(results.check_text(done.findings, done.source, context.translate, done.error))
    return int(bool(done.findings or done.error) and not ignores_status)


def _parsed(word: str) -> tuple[str, bool, bool]:
    method, *rest = word.split(",")
    method = {"lint": "check", "subrequests.lint": "check"}.get(method, method.removeprefix("subrequests."))
    as_json = ignores_status = False
    for part in rest:
        name, _, value = part.partition("=")
        if name == "format" and value in ("json", "text", ""):
            as_json = value == "json"
        elif name == "ignorestatus" and value in ("", "true", "1", "false", "0"):
            ignores_status = value not in ("false", "0")
        else:
            method = ""
    if method not in METHODS:
        raise UsageError(
            text(
                "invalid argument `{value}` for `{flag}` flag: expected check, outline or targets, with ,format=json",
                value=word,
                flag="--call",
            ),
            hint="teul build --help",
        )
    return method, as_json, ignores_status
