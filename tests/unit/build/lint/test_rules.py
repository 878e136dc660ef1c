"""Every build check finds what it is for, at its place, and keeps quiet about what is better."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from teul.build.dockerfile.lower import BaseImage, LowerOptions, lower
from teul.build.dockerfile.parser import parse
from teul.build.dockerignore import IgnoreMatcher
from teul.build.lint.rules import RULES, Finding, parse_checks
from teul.errors import DockerfileError
from teul.oci.descriptor import Platform
from teul.oci.image import ExecutionConfig, ImageConfig

AMD64, ARM64 = Platform("linux", "amd64"), Platform("linux", "arm64")
PAGES = Path(__file__).parents[4] / "docs" / "build-checks"


def found(source: str, *, platform: Platform = AMD64, **options: object) -> tuple[Finding, ...]:
    def resolve(reference: str, wanted: Platform) -> BaseImage:
        config = ImageConfig(platform=platform, config=ExecutionConfig(env=("PATH=/bin", "PYTHON_VERSION=3")))
        return BaseImage(id="x", config=config, reference=reference)

    given = LowerOptions(platform=AMD64, build_platform=AMD64, **options)  # type: ignore[arg-type]
    return lower(parse(source), given, resolve).findings


def lines(source: str, rule: str, **options: object) -> list[int]:
    return [item.span.line for item in found(source, **options) if item.rule.name == rule]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rule", "bad", "at", "good"),
    [
        ("StageNameCasing", "FROM a AS Base", [1], "FROM a AS base"),
        ("FromAsCasing", "FROM a as b", [1], "from a as b"),
        ("NoEmptyContinuation", "FROM a\nRUN x \\\n\n y", [3], "FROM a\nRUN x \\\n # c\n y"),
        ("ConsistentInstructionCasing", "FROM a\nrun x\nCopy a b\nRUN y", [2, 3], "from a\nrun x\ncopy a b"),
        ("DuplicateStageName", "FROM a AS b\nFROM a AS b", [2], "FROM a AS b\nFROM a AS c"),
        ("ReservedStageName", "FROM a AS context\nFROM a AS scratch", [1, 2], "FROM a AS contexts"),
        ("JSONArgsRecommended", "FROM a\nCMD x\nENTRYPOINT y", [2, 3], 'FROM a\nSHELL ["/bin/bash","-c"]\nCMD x'),
        ("MaintainerDeprecated", "FROM a\nMAINTAINER x", [2], "FROM a\nLABEL maintainer=x"),
        ("UndefinedArgInFrom", "FROM a:$V", [1], "ARG V=1\nFROM a:$V"),
        ("WorkdirRelativePath", "FROM a\nWORKDIR x\nWORKDIR y", [2], "FROM a\nWORKDIR /x\nWORKDIR y"),
        ("WorkdirRelativePath", "FROM a AS b\nFROM b\nWORKDIR x", [3], "FROM a AS b\nWORKDIR /\nFROM b\nWORKDIR x"),
        ("UndefinedVar", "FROM a\nCOPY $x /$y", [2, 2], "FROM a\nARG x\nCOPY $x /$PATH/${y:-z}$PYTHON_VERSION"),
        ("MultipleInstructionsDisallowed", 'FROM a\nCMD ["a"]\nCMD ["b"]', [2], 'FROM a AS b\nCMD ["a"]\nFROM b\nCMD ["b"]'),
        ("LegacyKeyValueFormat", "FROM a\nENV a b\nLABEL c d", [2, 3], "FROM a\nENV a=b"),
        ("RedundantTargetPlatform", "FROM --platform=${TARGETPLATFORM} a", [1], "FROM --platform=$BUILDPLATFORM a"),
        ("FromPlatformFlagConstDisallowed", "FROM --platform=linux/amd64 a", [1], "FROM --platform=linux/amd64 a AS x-amd64"),
        ("SecretsUsedInArgOrEnv", "FROM a\nARG AWS_SECRET\nENV API_KEY=1", [2, 3], "FROM a\nARG PUBLIC_KEY\nENV MONKEY=1"),
        ("InvalidDefaultArgInFrom", "ARG T\nFROM a:${T}", [2], "ARG T=1\nFROM a:${T}"),
        ("ExposeProtoCasing", "FROM a\nEXPOSE 80/TCP", [2], "FROM a\nEXPOSE 80/tcp"),
        ("ExposeInvalidFormat", "FROM a\nEXPOSE 127.0.0.1:80:80", [2], "FROM a\nEXPOSE 80-90 ${P:-1}"),
    ],
)  # fmt: skip
def test_a_check_finds_the_bad_and_passes_the_good(rule: str, bad: str, at: list[int], good: str) -> None:
    arguments = {"T": "1", "V": "1"}

    assert lines(bad, rule, build_args=arguments if "InvalidDefault" in rule else {}) == at
    assert lines(good, rule) == []


def test_a_copy_of_what_is_ignored_is_found() -> None:
    ignore = IgnoreMatcher(["data", "!data/keep"])

    assert lines("FROM a\nCOPY data/x data/keep y /z/", "CopyIgnoredFile", ignore=ignore) == [2]
    assert lines("FROM a AS b\nFROM a\nCOPY --from=b data/x /z/", "CopyIgnoredFile", ignore=ignore) == []


def test_a_base_of_another_platform_is_found() -> None:
    assert lines("FROM a\nCOPY x /", "InvalidBaseImagePlatform", platform=ARM64) == [1]
    assert lines("FROM a\nCOPY x /", "InvalidBaseImagePlatform") == []


def test_an_experimental_check_has_to_be_asked_for() -> None:
    source = "# what it is\nARG V=1\nFROM a:$V"

    assert lines(source, "InvalidDefinitionDescription") == []
    assert lines("# check=experimental=all\n" + source, "InvalidDefinitionDescription") == [3]
    assert lines("# check=experimental=all\n# V what it is\nARG V=1\nFROM a", "InvalidDefinitionDescription") == []
    assert lines("# check=experimental=all\n# what\n#\nARG V=1\nFROM a", "InvalidDefinitionDescription") == []


def test_checks_are_chosen_by_a_directive_and_by_an_argument() -> None:
    source = "FROM a as b\nCMD x"
    names = [item.rule.name for item in found(source)]

    assert names == ["FromAsCasing", "JSONArgsRecommended"]
    assert [item.rule.name for item in found("# check=skip=fromascasing,Other\n" + source)] == names[1:]
    assert found("# check=skip=all\n" + source) == ()
    assert found(source, build_args={"BUILDKIT_DOCKERFILE_CHECK": "skip=all"}) == ()
    assert parse_checks("skip=all;error=true").is_error
    for bad in ("what", "skip", "error=maybe", "color=red"):
        with pytest.raises(DockerfileError):
            parse_checks(bad)


def test_a_suggestion_is_made_where_something_near_exists() -> None:
    messages = [str(item.message) for item in found("FROM a\nARG NAME\nLABEL x=$PAHT\nLABEL y=$PYTHON_VERSON")]

    assert messages == [
        "Usage of undefined variable '$PAHT' (did you mean $PATH?)",
        "Usage of undefined variable '$PYTHON_VERSON' (did you mean $PYTHON_VERSION?)",
    ]


def test_every_check_has_a_page_with_an_example_that_it_finds() -> None:
    assert len(RULES) == 22
    assert {os.path.basename(rule.page) for rule in RULES.values()} | {"README.md"} == set(os.listdir(PAGES))
    for rule in RULES.values():
        page = (PAGES / os.path.basename(rule.page)).read_text()
        bad, good = re.findall(r"```dockerfile\n(.*?)\n```", page, re.DOTALL)
        assert page.startswith(f"# {rule.name}\n")
        if rule.name in ("CopyIgnoredFile", "InvalidBaseImagePlatform"):
            continue  # what they find is not in the file
        top = "# check=experimental=all\n" + ("" if "FROM" in bad else "FROM a\n")
        given = {"TAG": "1", "VERSION": "1"}
        assert rule.name in [item.rule.name for item in _tried(top + bad, given)], rule.name
        top = "# check=experimental=all\n" + ("" if "FROM" in good else "FROM a\n")
        assert rule.name not in [item.rule.name for item in _tried(top + good, {})], rule.name


def _tried(source: str, given: dict[str, str]) -> tuple[Finding, ...]:
    source = source if "FROM" in source else source + "\nFROM a"
    if source.count("FROM") and "\nFROM a\nARG VERSION" in source:
        source = source.replace("\nFROM a\n", "\n") + "\nFROM a"
    return found(source, build_args=given)
