"""What a target takes (`--call=outline`) and which targets there are (`--call=targets`), from the file alone. Pure."""

from __future__ import annotations

from teul.build.dockerfile import instructions as ins
from teul.build.dockerfile.mounts import parse_mount
from teul.build.dockerfile.words import WordError, expand
from teul.build.lint.results import Argument, Needed, Outline, Target
from teul.errors import DockerfileError, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from teul.build.dockerfile.parser import Node


def targets(program: ins.Program, build_args: Mapping[str, str]) -> tuple[Target, ...]:
    """Every stage, in the order of the file; the last one is the default."""
    given = _globals(program, build_args)
    return tuple(
        Target(
            name=stage.start.name,
            description=_description(stage.start.node, stage.start.name),
            base=_expanded(stage.start.image, given),
            platform=_expanded(stage.start.platform, given),
            is_default=number == len(program.stages) - 1,
            span=stage.start.node.span(),
        )
        for number, stage in enumerate(program.stages)
    )


def outline(program: ins.Program, target: str, build_args: Mapping[str, str]) -> Outline:
    """The arguments, secrets, agents and caches of *target* ("" is the last stage) and of the stages it needs.

    Raises:
        DockerfileError: there is no such stage.
    """
    given = _globals(program, build_args)
    wanted = _index(program, target) if target else len(program.stages) - 1
    if wanted is None:
        raise DockerfileError(text("target stage `{target}` could not be found", target=target), span=None)
    needed = _needed(program, wanted, given)
    arguments: dict[str, Argument] = {}
    found: dict[str, dict[str, Needed]] = {"secret": {}, "ssh": {}, "cache": {}}
    for argument in program.arguments:
        for name, default in argument.names:
            arguments[name] = _argument(argument, name, default, given, build_args)
    for number in sorted(needed):
        for instruction in program.stages[number].instructions:
            if isinstance(instruction, ins.Arg):
                for name, default in instruction.names:
                    if default is not None or name not in arguments:
                        arguments[name] = _argument(instruction, name, default, given, build_args)
            elif isinstance(instruction, ins.Run):
                _mounts(instruction, found)
    start = program.stages[wanted].start
    return Outline(
        name=start.name,
        description=_description(start.node, start.name),
        arguments=tuple(arguments.values()),
        secrets=tuple(found["secret"].values()),
        ssh=tuple(found["ssh"].values()),
        cache=tuple(found["cache"].values()),
    )


def _mounts(instruction: ins.Run, found: dict[str, dict[str, Needed]]) -> None:
    for value in instruction.mounts:
        mount = parse_mount(value, instruction.node, lambda word: word)
        if mount.type in found:
            name = mount.identity or mount.target
            before = found[mount.type].get(name)
            required = mount.required or (before is not None and before.required)
            found[mount.type][name] = Needed(name=name, required=required, span=instruction.node.span())


def _argument(
    argument: ins.Arg, name: str, default: str | None, given: Mapping[str, str], build_args: Mapping[str, str]
) -> Argument:
    value = build_args.get(name)
    if value is None:
        value = _expanded(default, given) if default is not None else given.get(name)
    return Argument(name=name, description=_description(argument.node, name), value=value, span=argument.node.span())


def _globals(program: ins.Program, build_args: Mapping[str, str]) -> dict[str, str]:
    made: dict[str, str] = {}
    for argument in program.arguments:
        for name, default in argument.names:
            if name in build_args:
                made[name] = build_args[name]
            elif default is not None:
                made[name] = _expanded(default, made)
    return made


def _expanded(word: str, variables: Mapping[str, str]) -> str:
    try:
        return expand(word, variables).text
    except WordError:
        return word


def _description(node: Node, name: str) -> str:
    """What the comment above it says, where it begins with the name."""
    word, _, rest = node.comments[-1].partition(" ") if node.comments else ("", "", "")
    return rest.strip() if name and word == name else ""


def _index(program: ins.Program, name: str) -> int | None:
    for number, stage in reversed(list(enumerate(program.stages))):
        if stage.start.name == name.lower():
            return number
    return int(name) if name.isdigit() and int(name) < len(program.stages) else None


def _needed(program: ins.Program, target: int, given: Mapping[str, str]) -> set[int]:
    """The stages that *target* is built on or copies from, with itself."""
    made: set[int] = set()
    waiting = [target]
    while waiting:
        number = waiting.pop()
        if number in made:
            continue
        made.add(number)
        stage = program.stages[number]
        names = [_expanded(stage.start.image, given)]
        for instruction in stage.instructions:
            if isinstance(instruction, ins.Copy) and instruction.origin:
                names.append(instruction.origin)
            elif isinstance(instruction, ins.Run):
                names += [
                    mount.origin
                    for mount in (
                        parse_mount(value, instruction.node, lambda word: word) for value in instruction.mounts
                    )
                    if mount.origin
                ]
        found = [_index(program, name) for name in names]
        waiting += [index for index in found if index is not None and index < number]
    return made
