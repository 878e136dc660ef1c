"""Nodes → typed instructions: forms, flags, argument counts. Variables are not expanded here.

Spec: Dockerfile reference, the section of each instruction; messages after moby/buildkit's
frontend/dockerfile/instructions.
"""

from __future__ import annotations

from contextlib import contextmanager

from teul.build.dockerfile.instructions import (
    FORMS,
    KEYWORDS,
    Arg,
    Cmd,
    Copy,
    Entrypoint,
    Env,
    Expose,
    From,
    Health,
    Inline,
    Instruction,
    Label,
    Maintainer,
    OnBuild,
    Program,
    Run,
    Shell,
    Stage,
    StopSignal,
    User,
    Volume,
    Workdir,
)
from teul.build.dockerfile.parser import Node, heredoc_name, json_words
from teul.build.dockerfile.words import split_words, unquote
from teul.errors import DockerfileError, text
from teul.oci.image import Healthcheck

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from teul.build.dockerfile.parser import Dockerfile


def read(dockerfile: Dockerfile) -> Program:
    """Give every node its type.

    Raises:
        DockerfileError: an instruction that does not exist or is not well formed, with its place.
    """
    arguments: list[Arg] = []
    stages: list[tuple[From, list[Instruction]]] = []
    for node in dockerfile.nodes:
        instruction = read_instruction(node, dockerfile.escape)
        if isinstance(instruction, From):
            stages.append((instruction, []))
        elif stages:
            stages[-1][1].append(instruction)
        elif isinstance(instruction, Arg):
            arguments.append(instruction)
        else:
            raise DockerfileError(
                text("no build stage in current context: expected FROM before {keyword}", keyword=node.keyword),
                span=node.span(),
            )
    if not stages:
        raise DockerfileError(
            text("dockerfile contains no stages to build: expected FROM"), span=dockerfile.nodes[-1].span()
        )
    return Program(
        tuple(arguments), tuple(Stage(start, tuple(body)) for start, body in stages), escape=dockerfile.escape
    )


def read_instruction(node: Node, escape: str) -> Instruction:
    """One node.

    Raises:
        DockerfileError: as `read`.
    """
    reader = _READERS.get(node.keyword)
    if reader is None:
        written = node.source[0].split()[0] if node.source and node.source[0].split() else node.keyword
        near = nearest(node.keyword, KEYWORDS)
        raise DockerfileError(
            text("unknown instruction: {keyword} (did you mean {near}?)", keyword=written, near=near)
            if near
            else text("unknown instruction: {keyword}", keyword=written),
            span=node.span(written),
            hint=None if near else text("one of {names}", names=", ".join(KEYWORDS)),
        )
    with suggesting(node):
        return reader(node, escape)


@contextmanager
def suggesting(node: Node) -> Iterator[None]:
    """Give an error that suggests nothing the form of the instruction."""
    try:
        yield
    except DockerfileError as error:
        if error.hint is None and "did you mean" not in error.message:
            error.hint = FORMS.get(node.keyword)
        raise


def nearest(word: str, known: Iterable[str]) -> str:
    """The word of *known* that *word* was probably meant to be, or ""."""
    best, best_distance = "", 3
    for candidate in known:
        distance = _distance(word.lower(), candidate.lower())
        if distance < min(best_distance, len(candidate)):
            best, best_distance = candidate, distance
    return best


def _distance(left: str, right: str) -> int:
    """Insertions, deletions, replacements and swaps of neighbours that turn one into the other; 3 means "many"."""
    if abs(len(left) - len(right)) > 2:
        return 3
    before: list[int] = []
    row = list(range(len(right) + 1))
    for i, char in enumerate(left, start=1):
        before, last, row = row, before, [i]
        for j, other in enumerate(right, start=1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (char != other))
            if i > 1 and j > 1 and char == right[j - 2] and left[i - 2] == other:
                cost = min(cost, last[j - 2] + 1)
            row.append(cost)
    return min(row[-1], 3)


def _fail(node: Node, message: str, word: str = "", *, hint: str | None = None) -> DockerfileError:
    return DockerfileError(message, span=node.span(word), hint=hint)


def read_flags(node: Node, known: Mapping[str, str]) -> dict[str, list[str]]:
    """The flags by name; *known* gives each its kind: "string", "bool" or "list"."""
    made: dict[str, list[str]] = {}
    for flag in node.flags:
        name, equals, value = flag[2:].partition("=")
        kind = known.get(name)
        if kind is None:
            near = nearest(name, known)
            raise _fail(
                node,
                text("unknown flag: --{name} (did you mean --{near}?)", name=name, near=near)
                if near
                else text("unknown flag: --{name}", name=name),
                f"--{name}",
                hint=text("one of {names}", names=", ".join(f"--{item}" for item in known))
                if known and not near
                else None,
            )
        if name in made and kind != "list":
            raise _fail(node, text("duplicate flag specified: --{name}", name=name), f"--{name}")
        if kind == "bool":
            value = value.lower() if equals else "true"
            if value not in ("true", "false"):
                raise _fail(
                    node,
                    text("expected a boolean value for flag --{name}, got {value}", name=name, value=value),
                    f"--{name}",
                )
        elif not equals:
            raise _fail(node, text("missing a value on flag: --{name}", name=name), f"--{name}")
        made.setdefault(name, []).append(value)
    return made


def _one(flags: Mapping[str, list[str]], name: str) -> str:
    return flags[name][0] if name in flags else ""


def _tristate(flags: Mapping[str, list[str]], name: str) -> bool | None:
    return flags[name][0] == "true" if name in flags else None


def _needs_one(node: Node) -> str:
    if not node.rest:
        raise _fail(node, text("{keyword} requires exactly one argument", keyword=node.keyword))
    return node.rest


def _command_words(node: Node, rest: str) -> tuple[tuple[str, ...], bool]:
    """The words, and whether it is the shell form."""
    try:
        words = json_words(rest)
    except ValueError as error:
        raise _fail(node, text("{problem}", problem=error), rest) from error
    if words is not None:
        return words, False
    return ((rest,) if rest else ()), True


def _list_words(node: Node) -> tuple[str, ...]:
    """JSON, or words between white space."""
    words, is_shell = _command_words(node, node.rest)
    return tuple(node.rest.split()) if is_shell else words


def _pairs(node: Node, escape: str) -> tuple[tuple[tuple[str, str], ...], bool]:
    words = split_words(node.rest, escape)
    if not words:
        raise _fail(node, text("{keyword} requires at least one argument", keyword=node.keyword))
    if "=" not in words[0]:
        parts = node.rest.split(None, 1)
        if len(parts) < 2:
            raise _fail(node, text("{keyword} must have two arguments", keyword=node.keyword), words[0])
        return ((parts[0], parts[1]),), True
    made = []
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise _fail(
                node,
                text("can't find = in `{word}`: expected the form name=value", word=word),
                word,
                hint=text("put quotes around a value that has spaces"),
            )
        if not name:
            raise _fail(node, text("{keyword} names can not be blank", keyword=node.keyword), word)
        made.append((name, value))
    return tuple(made), False


def _read_from(node: Node, escape: str) -> From:
    flags = read_flags(node, {"platform": "string"})
    words = node.rest.split()
    name = ""
    if len(words) == 3 and words[1].lower() == "as":
        name = words[2].lower()
        if not ("a" <= name[0] <= "z") or not all(
            char.isascii() and (char.isalnum() or char in "-_.") for char in name
        ):
            raise _fail(
                node,
                text(
                    "invalid name for build stage: `{name}`, name can't start with a number or contain symbols",
                    name=words[2],
                ),
                words[2],
            )
    elif len(words) != 1:
        raise _fail(node, text("FROM requires either one or three arguments"))
    return From(node=node, image=words[0], name=name, platform=_one(flags, "platform"))


def _read_arg(node: Node, escape: str) -> Arg:
    read_flags(node, {})
    words = split_words(node.rest, escape)
    if not words:
        raise _fail(node, text("{keyword} requires at least one argument", keyword=node.keyword))
    names: list[tuple[str, str | None]] = []
    for word in words:
        name, equals, value = word.partition("=")
        if not name:
            raise _fail(node, text("{keyword} names can not be blank", keyword=node.keyword), word)
        names.append((name, value if equals else None))
    return Arg(node=node, names=tuple(names))


def _read_env(node: Node, escape: str) -> Env:
    read_flags(node, {})
    pairs, legacy = _pairs(node, escape)
    return Env(node=node, pairs=pairs, legacy=legacy)


def _read_label(node: Node, escape: str) -> Label:
    read_flags(node, {})
    pairs, legacy = _pairs(node, escape)
    return Label(node=node, pairs=pairs, legacy=legacy)


def _read_run(node: Node, escape: str) -> Run:
    flags = read_flags(node, {"mount": "list", "network": "string", "security": "string", "device": "list"})
    words, is_shell = _command_words(node, node.rest)
    if not words and not node.heredocs:
        raise _fail(node, text("{keyword} requires at least one argument", keyword=node.keyword))
    network = _one(flags, "network")
    if network not in ("", "default", "none", "host"):
        raise _fail(
            node, text("network mode `{mode}`: expected default, none or host", mode=network), f"--network={network}"
        )
    security = _one(flags, "security")
    if security not in ("", "sandbox", "insecure"):
        raise _fail(
            node, text("security mode `{mode}`: expected sandbox or insecure", mode=security), f"--security={security}"
        )
    return Run(
        node=node,
        words=words,
        is_shell=is_shell,
        mounts=tuple(flags.get("mount", ())),
        network=network,
        security=security,
        devices=tuple(flags.get("device", ())),
    )


def _read_cmd(node: Node, escape: str) -> Cmd:
    read_flags(node, {})
    words, is_shell = _command_words(node, node.rest)
    return Cmd(node=node, words=words or (("",) if is_shell else ()), is_shell=is_shell)


def _read_entrypoint(node: Node, escape: str) -> Entrypoint:
    read_flags(node, {})
    words, is_shell = _command_words(node, node.rest)
    return Entrypoint(node=node, words=words or (("",) if is_shell else ()), is_shell=is_shell)


_COPY_FLAGS = {"chown": "string", "chmod": "string", "link": "bool", "exclude": "list"}


def _read_copy(node: Node, escape: str) -> Copy:
    is_add = node.keyword == "ADD"
    if is_add:
        flags = read_flags(node, _COPY_FLAGS | {"checksum": "string", "keep-git-dir": "bool", "unpack": "bool"})
    else:
        flags = read_flags(node, _COPY_FLAGS | {"from": "string", "parents": "bool"})
    words = _list_words(node)
    if len(words) < 2:
        raise _fail(
            node,
            text(
                "{keyword} requires at least two arguments, but only one was provided. Destination could not be determined",
                keyword=node.keyword,
            ),
        )
    contents = {heredoc.name: heredoc for heredoc in node.heredocs}
    sources: list[str] = []
    inlines: list[Inline] = []
    for number, word in enumerate(words[:-1]):
        opened = heredoc_name(word)
        if number and heredoc_name(words[number - 1]) == "" and inlines and inlines[-1].name == unquote(word):
            continue  # the name after `<< `
        name = unquote(opened or words[number + 1]) if opened is not None else ""
        if name in contents:
            inlines.append(Inline(name=name, content=contents[name].text, expand=contents[name].expand))
        else:
            sources.append(word)
    if heredoc_name(words[-1]) and unquote(heredoc_name(words[-1]) or "") in contents:
        raise _fail(node, text("{keyword} cannot accept a heredoc as a destination", keyword=node.keyword), words[-1])
    return Copy(
        node=node,
        sources=tuple(sources),
        inlines=tuple(inlines),
        destination=words[-1],
        is_add=is_add,
        origin=_one(flags, "from"),
        chown=_one(flags, "chown"),
        chmod=_one(flags, "chmod"),
        link=_one(flags, "link") == "true",
        parents=_one(flags, "parents") == "true",
        excludes=tuple(flags.get("exclude", ())),
        unpack=_tristate(flags, "unpack"),
        checksum=_one(flags, "checksum"),
        keep_git_dir=_tristate(flags, "keep-git-dir"),
    )


def _read_workdir(node: Node, escape: str) -> Workdir:
    read_flags(node, {})
    return Workdir(node=node, path=_needs_one(node))


def _read_user(node: Node, escape: str) -> User:
    read_flags(node, {})
    return User(node=node, user=_needs_one(node))


def _read_expose(node: Node, escape: str) -> Expose:
    read_flags(node, {})
    if not node.rest:
        raise _fail(node, text("{keyword} requires at least one argument", keyword=node.keyword))
    return Expose(node=node, ports=tuple(sorted(node.rest.split())))


def _read_volume(node: Node, escape: str) -> Volume:
    read_flags(node, {})
    words = _list_words(node)
    if not words:
        raise _fail(node, text("{keyword} requires at least one argument", keyword=node.keyword))
    if not all(word.strip() for word in words):
        raise _fail(node, text("VOLUME specified can not be an empty string"))
    return Volume(node=node, paths=tuple(word.strip() for word in words))


def _read_healthcheck(node: Node, escape: str) -> Health:
    kind, rest = (*node.rest.split(None, 1), "", "")[:2]
    if not kind:
        raise _fail(node, text("{keyword} requires at least one argument", keyword=node.keyword))
    if kind.upper() == "NONE":
        read_flags(node, {})
        if rest:
            raise _fail(node, text("HEALTHCHECK NONE takes no arguments"), rest)
        return Health(node=node, check=Healthcheck(("NONE",)))
    names = ("interval", "timeout", "start-period", "start-interval", "retries")
    flags = read_flags(node, dict.fromkeys(names, "string"))
    if kind.upper() != "CMD":
        raise _fail(node, text("unknown type `{kind}` in HEALTHCHECK (try CMD)", kind=kind), kind)
    words, is_shell = _command_words(node, rest.strip())
    if not words:
        raise _fail(node, text("missing command after HEALTHCHECK CMD"), kind)
    retries = _one(flags, "retries")
    if retries and not (retries.isascii() and retries.isdigit()):
        raise _fail(node, text("--retries: expected a count, got `{value}`", value=retries), f"--retries={retries}")
    interval, timeout, start_period, start_interval = (_duration(node, name, _one(flags, name)) for name in names[:4])
    return Health(
        node=node,
        check=Healthcheck(
            ("CMD-SHELL" if is_shell else "CMD", *words),
            interval,
            timeout,
            start_period,
            start_interval,
            int(retries or 0),
        ),
    )


_UNITS = {
    "ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9,
}  # fmt: skip


def _duration(node: Node, name: str, value: str) -> int:
    """Go's durations (`1m30s`, `1.5h`) in nanoseconds; at least a millisecond, or 0."""
    import re

    if value in ("", "0"):
        return 0
    parts = re.findall(r"([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)", value)
    if not parts or "".join(number + unit for number, unit in parts) != value:
        raise _fail(
            node,
            text("--{name}: expected a duration such as 30s or 1m30s, got `{value}`", name=name, value=value),
            value,
        )
    made = round(sum(float(number) * _UNITS[unit] for number, unit in parts))
    if 0 < made < 10**6:
        raise _fail(node, text("--{name}: cannot be less than 1ms, got `{value}`", name=name, value=value), value)
    return made


def _read_shell(node: Node, escape: str) -> Shell:
    read_flags(node, {})
    words, is_shell = _command_words(node, node.rest)
    if not words:
        raise _fail(node, text("{keyword} requires at least one argument", keyword=node.keyword))
    if is_shell:
        raise _fail(node, text("SHELL requires the arguments to be in JSON form"), node.rest)
    return Shell(node=node, words=words)


def _read_stopsignal(node: Node, escape: str) -> StopSignal:
    read_flags(node, {})
    words = node.rest.split()
    if len(words) != 1:
        raise _fail(node, text("{keyword} requires exactly one argument", keyword=node.keyword))
    return StopSignal(node=node, signal=words[0])


def _read_onbuild(node: Node, escape: str) -> OnBuild:
    read_flags(node, {})
    if not node.rest:
        raise _fail(node, text("{keyword} requires at least one argument", keyword=node.keyword))
    trigger = node.rest.split()[0].upper()
    if trigger == "ONBUILD":
        raise _fail(node, text("chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"))
    if trigger in ("MAINTAINER", "FROM"):
        raise _fail(node, text("{trigger} isn't allowed as an ONBUILD trigger", trigger=trigger))
    if trigger not in KEYWORDS:
        near = nearest(trigger, KEYWORDS)
        raise _fail(
            node,
            text("unknown instruction: {keyword} (did you mean {near}?)", keyword=trigger, near=near)
            if near
            else text("unknown instruction: {keyword}", keyword=trigger),
            node.rest.split()[0],
            hint=None if near else text("one of {names}", names=", ".join(KEYWORDS)),
        )
    expression = node.rest
    for heredoc in node.heredocs:
        expression += "\n" + heredoc.content + heredoc.name
    return OnBuild(node=node, expression=expression)


def _read_maintainer(node: Node, escape: str) -> Maintainer:
    return Maintainer(node=node, name=_needs_one(node))


_READERS: dict[str, Callable[[Node, str], Instruction]] = {
    "ADD": _read_copy,
    "ARG": _read_arg,
    "CMD": _read_cmd,
    "COPY": _read_copy,
    "ENTRYPOINT": _read_entrypoint,
    "ENV": _read_env,
    "EXPOSE": _read_expose,
    "FROM": _read_from,
    "HEALTHCHECK": _read_healthcheck,
    "LABEL": _read_label,
    "MAINTAINER": _read_maintainer,
    "ONBUILD": _read_onbuild,
    "RUN": _read_run,
    "SHELL": _read_shell,
    "STOPSIGNAL": _read_stopsignal,
    "USER": _read_user,
    "VOLUME": _read_volume,
    "WORKDIR": _read_workdir,
}
