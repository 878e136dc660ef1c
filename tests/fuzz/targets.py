"""What `make fuzz` feeds: a target takes bytes, and raises what a user must never see. No test of the suite needs it."""

from __future__ import annotations

import argparse
import os
import sys

import atheris

with atheris.instrument_imports(include=["teul.build", "teul.oci"]):
    from teul.build.dockerfile.lower import BaseImage, LowerOptions, lower
    from teul.build.dockerfile.parser import parse
    from teul.build.dockerfile.reader import read
    from teul.build.dockerfile.words import expand, raw_words, split_words
    from teul.build.dockerignore import IgnoreMatcher, read_ignore_file
    from teul.build.lint.outline import outline, targets
    from teul.oci.descriptor import Platform
    from teul.oci.image import ImageConfig

from teul.errors import TeulError

AMD64 = Platform("linux", "amd64")
ALLOWED = frozenset({"network.host", "security.insecure", "device"})


def _base(reference: str, platform: Platform) -> BaseImage:
    return BaseImage(id="sha256:" + "0" * 64, config=ImageConfig(platform=platform))


def fuzz_dockerfile(data: bytes) -> None:
    source = data.decode("utf-8", "surrogateescape")
    try:
        dockerfile = parse(source)
        program = read(dockerfile)
        targets(program, {})
        outline(program, "", {})
        options = LowerOptions(platform=AMD64, build_platform=AMD64, allowed=ALLOWED)
        str(lower(dockerfile, options, _base))
    except TeulError as error:
        str(error)


def fuzz_words(data: bytes) -> None:
    word, _, rest = data.decode("utf-8", "surrogateescape").partition("\n")
    value, _, other = rest.partition("\n")
    for skip_quotes in (False, True):
        try:
            expand(word, {"a": value, "b": other, "_": ""}, skip_quotes=skip_quotes)
        except TeulError as error:
            str(error)
    for escape in "\\`":
        split_words(word, escape)
    raw_words(word)


def fuzz_dockerignore(data: bytes) -> None:
    path, _, rest = data.decode("utf-8", "surrogateescape").partition("\n")
    try:
        matcher = IgnoreMatcher(read_ignore_file(rest))
    except TeulError as error:
        str(error)
        return
    matcher.is_ignored(path.strip("/") or "a")


TARGETS = {"dockerfile": fuzz_dockerfile, "words": fuzz_words, "dockerignore": fuzz_dockerignore}

TOKENS = (
    *("FROM ", "RUN ", "COPY ", "ADD ", "ENV ", "ARG ", "ONBUILD ", "HEALTHCHECK ", "CMD ", "LABEL ", "EXPOSE ", "VOLUME "),
    *("SHELL ", "USER ", "WORKDIR ", "STOPSIGNAL ", "ENTRYPOINT ", "MAINTAINER ", "scratch", " AS ", "NONE", "--interval="),
    *("--from=", "--mount=", "--chmod=", "--chown=", "--link", "--parents", "--exclude=", "--checksum=", "--unpack="),
    *("--keep-git-dir", "--network=", "--security=", "--device=", "--platform=", "type=cache", "type=secret", "target="),
    *("<<EOF", "<<-'EOF'", "EOF", "# syntax=", "# escape=`", "# check=", "skip=all", "error=true", "https://", ".git#"),
    *("${a:-", "${a:+", "${a?", "${a#", "${a%%", "${a/", "${a//", "**/", "[^a-", "]", "\\\\", "$TARGETARCH", "u+rwX,go="),
)  # fmt: skip


def main() -> None:
    """Fuzz one target for so many seconds, keeping what was found to be interesting; a crash is left as a file."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("target", choices=sorted(TARGETS))
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--corpus", default=".cache/fuzz", help="the folder that inputs are kept in")
    chosen = parser.parse_args()
    folder = f"{os.path.abspath(chosen.corpus)}/{chosen.target}"
    os.makedirs(folder, exist_ok=True)
    words = f"{folder}.words"
    with open(words, "w", encoding="utf-8") as file:
        file.writelines('"{}"\n'.format(token.replace('"', '\\"')) for token in TOKENS)
    seeds = []
    if chosen.target == "dockerfile":
        seeds = [f"{os.path.dirname(os.path.dirname(os.path.abspath(__file__)))}/corpus/cases"]
    flags = [f"-max_total_time={chosen.seconds}", "-max_len=2048", "-timeout=20", "-print_final_stats=1"]
    atheris.Setup(
        [sys.argv[0], *flags, f"-dict={words}", f"-artifact_prefix={folder}.crash-", folder, *seeds],
        TARGETS[chosen.target],
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main()
