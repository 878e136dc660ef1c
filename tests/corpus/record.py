"""Ask Docker 26 what it makes of the corpus, and write it down beside each case (`docker26.json`).

    make corpus DOCKER="docker" CASES="copy-link add-url"

Needs a Docker of version 26, whose daemon finds git, and root. DOCKER is the command; what it is given lies under /tmp.
Without CASES, all.
"""

from __future__ import annotations

import io
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2] / "src")]

from corpus import base, case, picture  # noqa: E402 - found by the line above


def main(names: list[str]) -> int:
    docker = shlex.split(os.environ.get("DOCKER", "docker"))
    if why := base.why_not():
        sys.exit(f"record: {why}")
    version = _ask([*docker, "version", "--format", "{{.Server.Version}}"])
    if not version.startswith("26."):
        sys.exit(f"record: expected Docker 26, got {version}")
    folder = tempfile.mkdtemp(prefix="corpus-", dir="/tmp")
    failed = []
    try:
        base.archive(f"{folder}/base.tar")
        _ask([*docker, "load", "-i", f"{folder}/base.tar"])
        below = picture.flatten([io.BytesIO(base.tar())])
        with case.surroundings(f"{folder}/files") as files:
            for item in case.cases():
                if names and item.name not in names:
                    continue
                made = shutil.copytree(item.folder, f"{folder}/{item.name}")
                twin = f"{made}/{case.TWIN}"
                dockerfile = twin if os.path.exists(twin) else f"{made}/Dockerfile"
                _drop_syntax(dockerfile)
                words = [
                    *docker,
                    "build",
                    "-q",
                    "--no-cache",
                    "-t",
                    "corpus/case:1",
                    *files.arguments(item, dockerfile),
                ]
                try:
                    _ask(words)
                    _ask([*docker, "save", "-o", f"{folder}/image.tar", "corpus/case:1"])
                except subprocess.CalledProcessError as error:
                    failed.append(item.name)
                    print(f"{item.name}: {error.stderr.strip()[-600:]}")
                    continue
                seen = picture.of_archive(f"{folder}/image.tar", {} if item.options.get("scratch") else below)
                with open(item.folder / case.RECORDED, "w") as file:
                    json.dump(seen, file, indent=0, ensure_ascii=False, sort_keys=True)
                    file.write("\n")
                print(f"{item.name}: {len(seen['tree'])} paths")
        subprocess.run([*docker, "image", "rm", "-f", "corpus/case:1"], check=False, capture_output=True)
    finally:
        shutil.rmtree(folder)
    return 1 if failed else 0


def _drop_syntax(dockerfile: str) -> None:
    """Docker would fetch the frontend that the line names; its own is asked here."""
    with open(dockerfile, "rb") as file:
        lines = file.readlines()
    with open(dockerfile, "wb") as file:
        file.writelines(line for line in lines if not line.startswith(b"# syntax="))


def _ask(words: list[str]) -> str:
    return subprocess.run(
        words, check=True, capture_output=True, text=True, env={**os.environ, "DOCKER_BUILDKIT": "1"}
    ).stdout.strip()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
