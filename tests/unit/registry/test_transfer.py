from __future__ import annotations

from dataclasses import replace

import pytest

from suites.registry import blob
from teul.errors import InvalidDocument, Unsupported
from teul.oci.descriptor import OCI_CONFIG, Descriptor, Platform
from teul.oci.digest import Digest
from teul.oci.image import ImageConfig, Manifest
from teul.registry.transfer import PushLayer, plan_pull, plan_push


def image(*names: str) -> tuple[Manifest, ImageConfig]:
    config = ImageConfig(
        platform=Platform("linux", "amd64"), diff_ids=tuple(Digest.of(name.encode()) for name in names)
    )
    manifest = Manifest(
        config=blob(config.to_bytes(), OCI_CONFIG), layers=tuple(blob(f"gz {name}".encode()) for name in names)
    )
    return manifest, config


def line(kind: str, name: str, cause: str) -> str:
    return f"{kind} {Digest.of(f'gz {name}'.encode()).short} -> {Digest.of(name.encode()).short}: {cause}"


def test_a_pull_fetches_only_what_is_not_here() -> None:
    manifest, config = image("a", "b", "c", "c")
    plan = plan_pull(manifest, config, layers=[True, False, False, False], blobs={Digest.of(b"gz b")})

    assert "\n".join(
        (
            line("keep", "a", "the layer is here"),
            line("unpack", "b", "its blob is here"),
            line("fetch", "c", "not here"),
            line("keep", "c", "the same layer comes further down"),
        )
    ) == str(plan)
    assert len(b"gz c") == plan.fetch_bytes


def test_a_manifest_of_another_image_is_refused() -> None:
    manifest, config = image("a", "b")
    with pytest.raises(InvalidDocument, match="expected 1 layers"):
        plan_pull(manifest, replace(config, diff_ids=config.diff_ids[:1]), layers=[False])


def test_an_artifact_is_not_an_image() -> None:
    manifest, config = image("a")
    odd = replace(manifest, layers=(Descriptor("application/vnd.cncf.helm.chart.v1", Digest.of(b"x"), 1),))
    with pytest.raises(Unsupported, match=r"helm\.chart"):
        plan_pull(odd, config, layers=[False])


def test_one_blob_is_not_two_layers() -> None:
    manifest, config = image("a", "b")
    odd = replace(manifest, layers=(manifest.layers[0], manifest.layers[0]))
    with pytest.raises(InvalidDocument, match="one blob"):
        plan_pull(odd, config, layers=[False, False])


def push_line(kind: str, name: str, cause: str) -> str:
    return f"{kind} {Digest.of(name.encode()).short} -> {Digest.of(f'gz {name}'.encode()).short}: {cause}"


def test_a_push_moves_as_few_bytes_as_it_can() -> None:
    diff_ids = [Digest.of(name) for name in (b"a", b"b", b"c", b"d", b"e", b"a")]
    descriptors = [blob(b"gz " + name) for name in (b"a", b"b", b"c", b"d")]
    plan = plan_push(
        [
            PushLayer(diff_ids[0], descriptors[0], exists=True, mount_from=("other",)),
            PushLayer(diff_ids[1], descriptors[1], mount_from=("library/python", "x")),
            PushLayer(diff_ids[2], descriptors[2], is_here=True),
            PushLayer(diff_ids[3], descriptors[3]),
            PushLayer(diff_ids[4]),
            PushLayer(diff_ids[5], descriptors[0]),
        ]
    )

    assert "\n".join(
        (
            push_line("skip", "a", "the repository has it"),
            push_line("mount", "b", "library/python has it"),
            push_line("upload", "c", "its blob is here"),
            push_line("compress", "d", "its blob is not kept"),
            f"compress {diff_ids[4].short} -> ?: it never left this machine",
            push_line("skip", "a", "the same layer comes further down"),
        )
    ) == str(plan)
    assert plan.needs_compression
