"""`--help` in two languages, and what to say to an unknown command. Must not import the engine.

The overview is written from `teul.cli.table` alone; the help of one command imports that command's module.
"""

from __future__ import annotations

from teul.errors import UsageError, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

    from teul.cli.context import Context
    from teul.cli.flags import Flag

DOCKER_VERBS = frozenset(
    [
        "attach",
        "commit",
        "compose",
        "cp",
        "diff",
        "events",
        "export",
        "import",
        "login",
        "logout",
        "manifest",
        "pause",
        "plugin",
        "port",
        "rename",
        "restart",
        "search",
        "secret",
        "service",
        "stack",
        "stats",
        "swarm",
        "top",
        "trust",
        "unpause",
        "update",
    ]
)
"""Docker's commands that the table does not have; typing one gets an honest answer instead of a guess."""


def show_overview(context: Context, words: Sequence[str] = ()) -> int:
    """`teul --help`: every command in its group; `teul help COMMAND`: that command's help."""
    if words:
        return _show_named(context, list(words))
    from teul.cli.table import COMMANDS, DOCKER, LIFE

    korean = context.settings.language == "ko"
    say = context.translate
    lines = [
        say(text("Usage:  teul COMMAND")),
        "",
        say(text("Containers for machine learning, from train.py to a served model")),
    ]
    for group, heading in (
        (LIFE, text("Life cycle commands:")),
        (DOCKER, text("Docker's commands, with Docker's flags:")),
    ):
        rows = [
            (name, entry[3] if korean else entry[2])
            for name, entry in COMMANDS.items()
            if entry[0] == group and not _is_repeated(name)
        ]
        column = max(len(name) for name, _ in rows) + 3
        lines += ["", say(heading), *(f"  {name:<{column}}{summary}" for name, summary in rows)]
    lines += ["", say(text("Run 'teul COMMAND --help' for more information on a command"))]
    context.print("\n".join(lines))
    return 0


def _is_repeated(name: str) -> bool:
    """Whether the overview says it already in fewer words (`runs ls` is `runs`, `system info` is `info`)."""
    from teul.cli.table import COMMANDS

    head, _, verb = name.partition(" ")
    return bool(verb) and any(
        other != name and " " not in other and entry[1] == COMMANDS[name][1] and (other in (head, verb))
        for other, entry in COMMANDS.items()
    )


def _show_named(context: Context, words: list[str]) -> int:
    import importlib

    from teul.cli.table import ALIASES, COMMANDS

    for length in (3, 2, 1):
        name = " ".join(words[:length])
        name = ALIASES.get(name, name)
        if len(words) >= length and name in COMMANDS:
            return show_command(context, name, importlib.import_module(f"teul.cli.{COMMANDS[name][1]}"))
    return unknown_command(context, words)


def show_command(context: Context, name: str, module: ModuleType) -> int:
    """USAGE, summary, other names and flags of one command, in Docker's layout."""
    context.print(command_help(name, module, context.settings.language))
    return 0


def command_help(name: str, module: ModuleType, language: str = "en") -> str:
    """The help text of command *name*, whose module is *module*; the docs pages are made from it too."""
    from teul.cli.table import ALIASES, COMMANDS

    entry = COMMANDS[name]
    usage = f"teul {name} {module.USAGE}".rstrip()
    lines = [_said("Usage:  {usage}", language).format(usage=usage), "", entry[3] if language == "ko" else entry[2]]
    others = [alias for alias, target in ALIASES.items() if target == name]
    others += [other for other, it in COMMANDS.items() if other != name and it[1] == entry[1]]
    if others:
        lines += ["", _said("Aliases:", language), "  " + ", ".join(f"teul {other}" for other in [name, *others])]
    inner = sorted(other for other in COMMANDS if other.startswith(f"{name} ") and COMMANDS[other][1] != entry[1])
    if inner:
        column = max(len(other) for other in inner) + 3
        lines += ["", _said("Commands:", language)]
        lines += [f"  {other:<{column}}{COMMANDS[other][3 if language == 'ko' else 2]}" for other in inner]
    flags = [flag for flag in module.FLAGS if not flag.hidden]
    if flags:
        lines += ["", _said("Options:", language), *_flag_lines(flags, language)]
    notes = getattr(module, "NOTES", "")
    if notes:
        lines += ["", _said(notes, language)]
    return "\n".join(lines)


def _flag_lines(flags: Sequence[Flag], language: str) -> list[str]:
    rows = []
    for flag in flags:
        head = f"  -{flag.short}, --{flag.name}" if flag.short else f"      --{flag.name}"
        kind = flag.metavar or ("" if flag.kind in ("bool", "tristate") else flag.kind)
        said = _said(flag.help, language)
        if flag.default not in (None, "", False):
            shown = f'"{flag.default}"' if isinstance(flag.default, str) else flag.default
            said = f"{said} (default {shown})" if flag.kind not in ("bool", "tristate") else f"{said} (default true)"
        rows.append((f"{head} {kind}".rstrip(), said))
    column = max(len(head) for head, _ in rows) + 3
    return [f"{head:<{column}}{said}".rstrip() for head, said in rows]


def _said(template: str, language: str) -> str:
    if language == "en" or not template:
        return template
    from teul.cli.messages import catalogue

    return catalogue(language).get(template, template)


def unknown_command(context: Context, words: Sequence[str]) -> int:
    """Show the verbs of a noun that stands alone; for anything else raise with a suggestion.

    Raises:
        UsageError: no such command; exit code 1, as Docker's.
    """
    length = 2 if _verbs(" ".join(words[:2])) else 1
    noun, rest = " ".join(words[:length]), words[length:]
    verbs = _verbs(noun)
    if verbs and (not rest or rest[0] in ("--help", "-h", "help")):
        return _show_noun(context, noun, verbs)
    if verbs:
        typed = " ".join(words[: length + 1])
        known = [f"{noun} {verb}" for verb in verbs]
        hint = text("teul {noun} --help", noun=noun)
    else:
        typed = words[0]
        known = _all_names()
        hint = text("teul --help")
    if typed.startswith("-"):
        raise UsageError(text("unknown flag: {flag}", flag=typed), hint=text("teul --help"))
    if typed in DOCKER_VERBS:
        raise UsageError(
            text("`{command}` is a command of Docker that teul does not have yet", command=typed), hint=hint
        )
    import difflib

    close = difflib.get_close_matches(typed, known, n=1, cutoff=0.6)
    if close:
        raise UsageError(
            text("unknown command: teul {typed}; did you mean `teul {close}`?", typed=typed, close=close[0]), hint=hint
        )
    raise UsageError(text("unknown command: teul {typed}", typed=typed), hint=hint)


def _all_names() -> list[str]:
    from teul.cli.table import ALIASES, COMMANDS

    return [*COMMANDS, *ALIASES, *{name.partition(" ")[0] for name in (*COMMANDS, *ALIASES)}]


def _verbs(noun: str) -> dict[str, str]:
    """Verb → the command that it means, for the words that begin with *noun*."""
    from teul.cli.table import ALIASES, COMMANDS

    found = {name.removeprefix(f"{noun} "): name for name in COMMANDS if name.startswith(f"{noun} ")}
    for alias, name in ALIASES.items():
        if alias.startswith(f"{noun} "):
            found.setdefault(alias.removeprefix(f"{noun} "), name)
    return found


def _show_noun(context: Context, noun: str, verbs: dict[str, str]) -> int:
    from teul.cli.table import COMMANDS

    language = context.settings.language
    column = max(len(verb) for verb in verbs) + 3
    context.print(_said("Usage:  {usage}", language).format(usage=f"teul {noun} COMMAND"))
    context.print("")
    context.print(_said("Commands:", language))
    for verb, name in sorted(verbs.items()):
        context.print(f"  {verb:<{column}}{COMMANDS[name][3 if language == 'ko' else 2]}")
    context.print("")
    context.print(
        _said("Run 'teul {noun} COMMAND --help' for more information on a command", language).format(noun=noun)
    )
    return 0
