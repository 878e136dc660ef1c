"""Where a build goes: folders, tars, archives that other tools read, registries, with attestations beside the image."""

from __future__ import annotations

import io
import json
import os
import subprocess
import tarfile
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from integration.host_python import NAME, add_image
from suites import docker_registry
from teul.engine import Engine
from teul.engine.build import BuildOptions, BuildResult, build
from teul.engine.build.attributes import Output, read_attestations, read_output
from teul.engine.images import load
from teul.errors import InvalidInput, OptionUnsupported
from teul.host import process
from teul.testing.registry import FakeRegistry

pytestmark = [pytest.mark.needs_runc, pytest.mark.slow]
DOCKERFILE = """\
FROM BASE AS make
RUN python3 -c "import os; os.makedirs('/d/한글'); open('/d/한글/x', 'w').write('hi\\n'); os.symlink('x', '/d/한글/link')"
FROM scratch
COPY --from=make /d /d
LABEL a=b
"""
Make = Callable[..., BuildResult]


@pytest.fixture
def make(engine: Engine, tmp_path: Path) -> Make:
    add_image(engine)
    context = tmp_path / "context"
    context.mkdir()
    (context / "Dockerfile").write_text(DOCKERFILE.replace("BASE", NAME))

    def made(*outputs: str, **options: Any) -> BuildResult:
        given = tuple(read_output(word) for word in outputs)
        return build(
            engine,
            BuildOptions(context=str(context), network="none", outputs=given, wants_metadata=True, **options),
        )

    return made


def test_a_folder_gets_the_files_and_nothing_else_is_kept(make: Make, engine: Engine, tmp_path: Path) -> None:
    place = tmp_path / "out"
    place.mkdir()
    (place / "there").write_text("before")

    result = make(str(place))

    assert sorted(os.listdir(place)) == ["d", "there"]
    assert (place / "d/한글/x").read_text() == "hi\n"
    assert os.readlink(place / "d/한글/link") == "x"
    assert (place / "there").read_text() == "before"
    assert not result.is_kept
    assert engine.images.find(result.image.id) is None
    assert "containerimage.digest" not in result.metadata


def test_a_link_in_the_folder_does_not_lead_out_of_it(make: Make, tmp_path: Path) -> None:
    place, outside = tmp_path / "out", tmp_path / "outside"
    (place / "d").mkdir(parents=True)
    outside.mkdir()
    os.symlink(outside, place / "d/한글")

    with pytest.raises(InvalidInput, match="non-directory"):
        make(str(place))

    assert os.listdir(outside) == []


def test_a_tar_holds_the_merged_tree(make: Make) -> None:
    taken = io.BytesIO()

    make("-", write_output=taken.write)

    taken.seek(0)
    with tarfile.open(fileobj=taken) as archive:
        assert archive.getnames() == ["d", "d/한글", "d/한글/link", "d/한글/x"]
        assert archive.extractfile("d/한글/x").read() == b"hi\n"  # type: ignore[union-attr]


def test_a_docker_archive_is_loaded_again_as_the_same_image(make: Make, engine: Engine, tmp_path: Path) -> None:
    result = make(f"type=docker,dest={tmp_path}/image.tar", tags=("app:1",))
    assert engine.images.find("app:1") is None

    with open(tmp_path / "image.tar", "rb") as file:
        loaded = load(engine, file)

    assert [image.id for image in loaded] == [result.image.id]
    assert engine.images.get("app:1").id == result.image.id


def test_a_layout_is_what_other_tools_read(make: Make, tmp_path: Path) -> None:
    result = make(f"type=oci,dest={tmp_path}/layout,tar=false,compression=zstd", tags=("app:1",), sbom=True)

    index = json.loads((tmp_path / "layout/index.json").read_text())
    assert index["manifests"][0]["digest"] == result.metadata["containerimage.digest"]
    assert index["manifests"][0]["mediaType"].endswith("image.index.v1+json")
    if process.find("skopeo") is None:
        pytest.skip("skopeo is not installed")
    done = subprocess.run(
        ["skopeo", "inspect", "--config", f"oci:{tmp_path}/layout:1"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["config"]["Labels"] == {"a": "b"}


def test_annotations_stand_in_the_manifest_and_change_no_image(make: Make, tmp_path: Path) -> None:
    plain = make(f"type=oci,dest={tmp_path}/plain,tar=false")
    noted = make(f"type=oci,dest={tmp_path}/noted,tar=false", annotations={"org.opencontainers.image.title": "한글"})

    assert noted.image.id == plain.image.id
    digest = str(noted.metadata["containerimage.digest"]).removeprefix("sha256:")
    manifest = json.loads((tmp_path / "noted/blobs/sha256" / digest).read_text())
    assert manifest["annotations"] == {"org.opencontainers.image.title": "한글"}


def test_several_outputs_at_once(make: Make, engine: Engine, tmp_path: Path) -> None:
    result = make(f"type=tar,dest={tmp_path}/a.tar", "type=image,name=app:2")

    assert engine.images.get("app:2").id == result.image.id
    assert tarfile.is_tarfile(tmp_path / "a.tar")
    assert result.metadata["containerimage.config.digest"] == result.image.id


@pytest.mark.needs_registry
def test_attestations_go_beside_the_image_and_leave_its_digest_alone(make: Make, tmp_path: Path) -> None:
    def fetch(path: str) -> Any:
        request = urllib.request.Request(
            f"http://{domain}/v2/app/{path}",
            headers={"Accept": "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json"},
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request) as answer:
            return json.loads(answer.read())

    with docker_registry.running(str(tmp_path)) as domain:
        plain = make("type=registry", tags=(f"{domain}/app:plain",))
        attested = make(
            "type=registry",
            tags=(f"{domain}/app:attested",),
            provenance="max",
            sbom=True,
            build_args={"HTTP_PROXY": "http://user:word@proxy"},
        )
        index = fetch("manifests/attested")
        image, second = index["manifests"]
        manifest = fetch(f"manifests/{second['digest']}")
        statements = [fetch(f"blobs/{layer['digest']}") for layer in manifest["layers"]]

    assert image["digest"] == plain.metadata["containerimage.digest"]
    assert attested.image.id == plain.image.id
    assert second["platform"] == {"architecture": "unknown", "os": "unknown"}
    assert second["annotations"] == {
        "vnd.docker.reference.type": "attestation-manifest",
        "vnd.docker.reference.digest": image["digest"],
    }
    assert [layer["annotations"]["in-toto.io/predicate-type"] for layer in manifest["layers"]] == [
        "https://spdx.dev/Document",
        "https://slsa.dev/provenance/v1",
    ]
    for statement in statements:
        assert statement["subject"][0]["digest"]["sha256"] == image["digest"].removeprefix("sha256:")
    definition = statements[1]["predicate"]["buildDefinition"]
    assert any(NAME.partition(":")[0] in item["uri"] for item in definition["resolvedDependencies"])
    assert any("makedirs" in step["name"] for step in definition["internalParameters"]["buildConfig"]["steps"])


def test_a_stage_whose_cache_is_not_wanted_runs_again(make: Make) -> None:
    make("type=image")

    again = make("type=image", no_cache_filter=("make",))

    assert [step.name.partition("]")[0] for step in again.steps if not step.cached] == ["[make 2/2"]


def test_an_archive_that_cannot_be_written_leaves_nothing(make: Make, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()

    with pytest.raises(InvalidInput, match="is a folder"):
        make(f"type=oci,dest={tmp_path}/folder")
    with pytest.raises(InvalidInput, match="tag is needed"):
        make("type=registry")

    assert os.listdir(tmp_path / "folder") == []


def test_an_image_with_attestations_is_tagged_once_and_last(make: Make) -> None:
    with FakeRegistry() as registry:
        make("type=registry", tags=(f"{registry.domain}/app:1",), provenance="min")
        put = [item.target for item in registry.requests if item.method == "PUT" and "/manifests/" in item.target]

    assert len(put) == 3
    assert put[-1].endswith("/manifests/1")
    assert not any(target.endswith("/manifests/1") for target in put[:-1])


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("out", Output(kind="local", dest="out")),
        ("-", Output(kind="tar", dest="-")),
        ("type=docker", Output(kind="image")),
        ("type=oci", Output(kind="oci", dest="-")),
        ("type=image,name=a,push=true", Output(kind="image", names=("a",), is_pushed=True)),
        ('type=image,"name=a,b"', Output(kind="image", names=("a", "b"))),
    ],
)
def test_outputs_are_read_as_docker_reads_them(word: str, expected: Output) -> None:
    assert read_output(word) == expected


@pytest.mark.parametrize(
    ("word", "error"),
    [
        ("type=local", InvalidInput),
        ("dest=x", InvalidInput),
        ("type=tar,squash=1", OptionUnsupported),
        ("type=oci,tar=perhaps", InvalidInput),
        ("type=oci,compression=estargz", OptionUnsupported),
    ],
)
def test_what_is_not_honoured_is_refused(word: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        read_output(word)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (("true", None, []), ("min", False)),
        (("mode=max", "true", []), ("max", True)),
        (("false", "false", []), ("", False)),
        ((None, None, ["type=provenance,mode=max", "type=sbom"]), ("max", True)),
        ((None, None, ["type=provenance,disabled=true"]), ("", False)),
    ],
)
def test_attestations_are_read_as_docker_reads_them(given: Any, expected: tuple[str, bool]) -> None:
    assert read_attestations(*given) == expected
