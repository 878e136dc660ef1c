"""The checks that need nothing but the file as it is written: casing, names, forms, comments. Pure."""

from __future__ import annotations

import re

from teul.build.dockerfile import instructions as ins
from teul.errors import Span, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.build.dockerfile.parser import Dockerfile, Node
    from teul.build.lint.rules import Findings

RESERVED = ("context", "scratch")
_SECRET = re.compile(
    r"(?:_|^)(?:apikey|auth|credentials?|key|password|pword|passwd|secret|token)(?:_|$)", re.IGNORECASE
)
_NO_SECRET = re.compile(r"(?:_|^)(?:public)(?:_|$)", re.IGNORECASE)
_TARGET = ("$TARGETPLATFORM", "${TARGETPLATFORM}")


def check_written(dockerfile: Dockerfile, program: ins.Program, found: Findings) -> None:
    """All of them, over the whole file, whichever stage the build is for."""
    _empty_continuations(dockerfile, found)
    _casing(dockerfile, found)
    names: set[str] = set()
    for argument in program.arguments:
        _argument(argument, found)
    for stage in program.stages:
        _stage_start(stage.start, names, found)
        last: dict[str, Node] = {}
        for instruction in stage.instructions:
            _instruction(instruction, last, found)


def written_keyword(node: Node) -> str:
    """The keyword in the casing that it has in the file."""
    words = node.source[0].split() if node.source else []
    return words[0] if words and words[0].upper() == node.keyword else node.keyword


def _empty_continuations(dockerfile: Dockerfile, found: Findings) -> None:
    for number in dockerfile.empty_continuations:
        found.add(
            "NoEmptyContinuation",
            text("Empty continuation line"),
            Span(dockerfile.path, number, column=1, end_column=1),
        )


def _casing(dockerfile: Dockerfile, found: Findings) -> None:
    words = [(node, written_keyword(node)) for node in dockerfile.nodes]
    lower = sum(word.islower() for _, word in words)
    upper = sum(word.isupper() for _, word in words)
    for node, word in words:
        if not (word.islower() if lower > upper else word.isupper()):
            message = text(
                "Command '{command}' should match the case of the command majority ({casing})",
                command=word,
                casing="lowercase" if lower > upper else "uppercase",
            )
            found.add("ConsistentInstructionCasing", message, node.span(word))


def _stage_start(start: ins.From, names: set[str], found: Findings) -> None:
    node = start.node
    words = node.rest.split()
    if len(words) == 3:
        keyword, joint, name = written_keyword(node), words[1], words[2]
        if name != name.lower():
            found.add("StageNameCasing", text("Stage name '{name}' should be lowercase", name=name), node.span(name))
        if joint.islower() != keyword.islower() or joint.isupper() != keyword.isupper():
            message = text("'{joint}' and '{keyword}' keywords' casing do not match", joint=joint, keyword=keyword)
            found.add("FromAsCasing", message, node.span(f" {joint} "))
        if start.name in RESERVED:
            message = text('Stage name should not use the same name as reserved stage "{name}"', name=start.name)
            found.add("ReservedStageName", message, node.span(name))
        if start.name in names:
            message = text('Duplicate stage name "{name}", stage names should be unique', name=start.name)
            found.add("DuplicateStageName", message, node.span(name))
        names.add(start.name)
    _description(node, "FROM", start.name, found)
    _platform(start, found)


def _platform(start: ins.From, found: Findings) -> None:
    if not start.platform:
        return
    span = start.node.span("--platform")
    if start.platform in _TARGET:
        message = text(
            "Setting platform to predefined {name} in FROM is redundant as this is the default behavior",
            name=start.platform,
        )
        found.add("RedundantTargetPlatform", message, span)
    elif "$" not in start.platform:
        # A stage that is called after its platform means it.
        parts = [part for part in start.platform.lower().split("/") if part]
        if not any(part in start.name for part in parts):
            message = text('FROM --platform flag should not use constant value "{value}"', value=start.platform)
            found.add("FromPlatformFlagConstDisallowed", message, span)


def _description(node: Node, keyword: str, name: str, found: Findings) -> None:
    if name and node.comments and node.comments[-1].split()[:1] != [name]:
        message = text(
            "Comment for {keyword} should follow the format: `# {name} <description>`", keyword=keyword, name=name
        )
        found.add("InvalidDefinitionDescription", message, node.span())


def _argument(argument: ins.Arg, found: Findings) -> None:
    for name, _ in argument.names:
        _secret("ARG", name, argument.node, found)
    _description(argument.node, "ARG", argument.names[0][0], found)


def _secret(keyword: str, name: str, node: Node, found: Findings) -> None:
    if _SECRET.search(name) and not _NO_SECRET.search(name):
        message = text(
            'Do not use ARG or ENV instructions for sensitive data ({keyword} "{name}")', keyword=keyword, name=name
        )
        found.add("SecretsUsedInArgOrEnv", message, node.span(name))


def _instruction(instruction: ins.Instruction, last: dict[str, Node], found: Findings) -> None:
    node = instruction.node
    if isinstance(instruction, ins.Maintainer):
        found.add(
            "MaintainerDeprecated", text("Maintainer instruction is deprecated in favor of using label"), node.span()
        )
    elif isinstance(instruction, ins.Arg):
        _argument(instruction, found)
    elif isinstance(instruction, ins.Env | ins.Label):
        if instruction.legacy:
            message = text(
                '"{keyword} key=value" should be used instead of legacy "{keyword} key value" format',
                keyword=node.keyword,
            )
            found.add("LegacyKeyValueFormat", message, node.span())
        if isinstance(instruction, ins.Env):
            for name, _ in instruction.pairs:
                _secret("ENV", name, node, found)
    elif isinstance(instruction, ins.Cmd | ins.Entrypoint | ins.Health):
        if node.keyword in last:
            # The earlier one is what has no effect.
            message = text(
                "Multiple {keyword} instructions should not be used in the same stage because only the last one will be used",
                keyword=node.keyword,
            )
            found.add("MultipleInstructionsDisallowed", message, last[node.keyword].span())
        last[node.keyword] = node
    elif isinstance(instruction, ins.Expose):
        for port in instruction.ports:
            _port(port, node, found)


def _port(port: str, node: Node, found: Findings) -> None:
    spec, _, protocol = port.partition("/")
    if protocol and "$" not in protocol and protocol != protocol.lower():
        message = text("Defined protocol '{port}' in EXPOSE instruction should be lowercase", port=port)
        found.add("ExposeProtoCasing", message, node.span(port))
    if ":" in re.sub(r"\$\{[^}]*\}", "", spec):
        message = text(
            "EXPOSE instruction should not define an IP address or host-port mapping, found '{port}'", port=port
        )
        found.add("ExposeInvalidFormat", message, node.span(port))
