"""The rules of build checks: their names, what each says, and which of them a file wants. Pure.

Source: Docker's documentation, "Build checks"; names and messages are those of Dockerfile frontend 1.26.
"""

from __future__ import annotations

import re

from teul.errors import DockerfileError, Span, Text, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from dataclasses import dataclass
else:
    from teul.values import dataclass

PAGES = "docs/build-checks"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule; *description* says in general what a finding says of one place."""

    name: str
    description: Text
    experimental: bool = False

    @property
    def page(self) -> str:
        """Its page in the project, by its name in kebab-case: `docs/build-checks/json-args-recommended.md`."""
        return f"{PAGES}/{re.sub(r'(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])', '-', self.name).lower()}.md"


_ALL = (
    Rule("StageNameCasing", text("Stage names should be lowercase")),
    Rule("FromAsCasing", text("The 'as' keyword should match the case of the 'from' keyword")),
    Rule("NoEmptyContinuation", text("Empty continuation lines will become errors in a future release")),
    Rule(
        "ConsistentInstructionCasing",
        text("All commands within the Dockerfile should use the same casing (either upper or lower)"),
    ),
    Rule("DuplicateStageName", text("Stage names should be unique")),
    Rule("ReservedStageName", text("Reserved words should not be used as stage names")),
    Rule(
        "JSONArgsRecommended",
        text("JSON arguments recommended for ENTRYPOINT/CMD to prevent unintended behavior related to OS signals"),
    ),
    Rule(
        "MaintainerDeprecated",
        text("The MAINTAINER instruction is deprecated, use a label instead to define an image author"),
    ),
    Rule("UndefinedArgInFrom", text("FROM command must use declared ARGs")),
    Rule(
        "WorkdirRelativePath",
        text("Relative workdir without an absolute workdir declared within the build can have unexpected results if the base image changes"),
    ),
    Rule("UndefinedVar", text("Variables should be defined before their use")),
    Rule(
        "MultipleInstructionsDisallowed",
        text("Multiple instructions of the same type should not be used in the same stage"),
    ),
    Rule(
        "LegacyKeyValueFormat",
        text("Legacy key/value format with whitespace separator should not be used"),
    ),
    Rule("InvalidBaseImagePlatform", text("Base image platform does not match expected target platform")),
    Rule(
        "RedundantTargetPlatform",
        text("Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior"),
    ),
    Rule("SecretsUsedInArgOrEnv", text("Sensitive data should not be used in the ARG or ENV commands")),
    Rule("InvalidDefaultArgInFrom", text("Default value for global ARG results in an empty or invalid base image name")),
    Rule("FromPlatformFlagConstDisallowed", text("FROM --platform flag should not use a constant value")),
    Rule("CopyIgnoredFile", text("Attempting to Copy file that is excluded by .dockerignore")),
    Rule(
        "InvalidDefinitionDescription",
        text("Comment for build stage or argument should follow the format: `# <arg/stage name> <description>`. If this is not intended to be a description comment, add an empty line or comment between the instruction and the comment"),
        True,
    ),
    Rule("ExposeProtoCasing", text("Protocol in EXPOSE instruction should be lowercase")),
    Rule("ExposeInvalidFormat", text("IP address and host-port mapping should not be used in EXPOSE instruction. This will become an error in a future release")),
)  # fmt: skip
RULES: Mapping[str, Rule] = {rule.name: rule for rule in _ALL}


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule found at a place."""

    rule: Rule
    message: Text
    span: Span


@dataclass(frozen=True, slots=True)
class Checks:
    """What `# check=` asks for: rules to skip, experimental ones to use, and whether a finding is an error."""

    skip: frozenset[str] = frozenset()
    experimental: frozenset[str] = frozenset()
    is_error: bool = False
    skip_all: bool = False
    experimental_all: bool = False

    def wants(self, rule: Rule) -> bool:
        if rule.experimental and not (self.experimental_all or rule.name.lower() in self.experimental):
            return False
        return not self.skip_all and rule.name.lower() not in self.skip


def parse_checks(value: str, span: Span | None = None) -> Checks:
    """Read `skip=A,B;error=true;experimental=C`; rules by name in any case, or `all`.

    A name that is no rule here is one of another version, and skips nothing.

    Raises:
        DockerfileError: an unknown key or boolean.
    """
    made: dict[str, frozenset[str]] = {}
    is_error = False
    for part in value.split(";"):
        key, equals, given = (piece.strip() for piece in part.partition("="))
        key = key.lower()
        if not part.strip():
            continue
        if key in ("skip", "experimental") and equals:
            names = frozenset(name.strip().lower() for name in given.split(",") if name.strip())
            made[key] = made.get(key, frozenset()) | names
        elif key == "error" and given.lower() in ("true", "false", "1", "0"):
            is_error = given.lower() in ("true", "1")
        else:
            raise DockerfileError(
                text(
                    "invalid check option `{option}`: expected skip=RULES, experimental=RULES or error=true",
                    option=part.strip(),
                ),
                span=span,
            )
    skip, experimental = made.get("skip", frozenset()), made.get("experimental", frozenset())
    return Checks(skip - {"all"}, experimental - {"all"}, is_error, "all" in skip, "all" in experimental)


class Findings:
    """Collects what rules find, each place once."""

    def __init__(self, checks: Checks) -> None:
        self.checks = checks
        self.found: list[Finding] = []
        self._seen: set[tuple[str, str, int, int]] = set()

    def add(self, name: str, message: Text, span: Span) -> None:
        rule = RULES[name]
        mark = (name, str(message), span.line, span.column)
        if self.checks.wants(rule) and mark not in self._seen:
            self._seen.add(mark)
            self.found.append(Finding(rule, message, span))

    def ordered(self) -> tuple[Finding, ...]:
        """From the top of the file to its end."""
        return tuple(sorted(self.found, key=lambda item: (item.span.line, item.span.column)))
