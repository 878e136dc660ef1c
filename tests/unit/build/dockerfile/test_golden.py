"""Every case below tests/golden/dockerfile lowers to its graph.txt; TEUL_WRITE_GOLDEN=1 writes them anew."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from teul.build.dockerfile.lower import BaseImage, LowerOptions, NamedContext, lower
from teul.build.dockerfile.parser import parse
from teul.oci.descriptor import Platform
from teul.oci.digest import Digest
from teul.oci.image import ExecutionConfig, ImageConfig

CASES = Path(__file__).parents[3] / "golden" / "dockerfile"
AMD64 = Platform("linux", "amd64")


def image(reference: str, platform: Platform) -> BaseImage:
    config = ImageConfig(
        platform=platform,
        config=ExecutionConfig(env=("PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8"), command=("sh",)),
        diff_ids=(Digest.of(reference.encode()),),
    )
    return BaseImage(id=Digest.of(config.to_bytes()), config=config, reference=reference)


@pytest.mark.parametrize("case", sorted(path.name for path in CASES.iterdir()))
def test_a_dockerfile_lowers_to_its_graph(case: str) -> None:
    folder = CASES / case
    given = json.loads((folder / "options.json").read_text()) if (folder / "options.json").exists() else {}
    contexts = {name: NamedContext(kind=kind, value=value) for name, (kind, value) in given.pop("contexts", {}).items()}
    options = LowerOptions(platform=AMD64, build_platform=AMD64, contexts=contexts, **given)

    actual = str(lower(parse((folder / "Dockerfile").read_text()), options, image))

    golden = folder / "graph.txt"
    if os.environ.get("TEUL_WRITE_GOLDEN"):
        golden.write_text(actual)
    assert golden.read_text() == actual
