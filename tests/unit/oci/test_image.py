"""image-spec v1.1 config.md, manifest.md, image-index.md."""

import json
import os

import pytest

from teul.errors import InvalidDocument, PlatformMismatch
from teul.oci.descriptor import OCI_CONFIG, OCI_LAYER_GZIP, OCI_MANIFEST, Descriptor, Platform
from teul.oci.digest import Digest
from teul.oci.image import ExecutionConfig, Healthcheck, History, ImageConfig, Index, Manifest

AMD64 = Platform("linux", "amd64")
ARM64 = Platform("linux", "arm64", "v8")
LAYER = Descriptor(OCI_LAYER_GZIP, Digest.of(b"layer"), 5)
CONFIG = Descriptor(OCI_CONFIG, Digest.of(b"config"), 6)


def full_config():
    return ImageConfig(
        platform=AMD64,
        created="1980-01-01T00:00:00Z",
        config=ExecutionConfig(
            user="app:app",
            exposed_ports=("8000/tcp",),
            env=("PATH=/usr/bin", "NAME=틀"),
            entrypoint=("python",),
            command=(),
            volumes=("/data",),
            working_dir="/src",
            labels={"b": "2", "a": "1"},
            stop_signal="SIGINT",
            healthcheck=Healthcheck(("CMD", "true"), interval_ns=30_000_000_000, retries=3),
            shell=("/bin/bash", "-c"),
            on_build=("RUN true",),
        ),
        diff_ids=(Digest.of(b"a"), Digest.of(b"b")),
        history=(
            History(created_by="RUN a"),
            History(created_by="ENV b", empty_layer=True),
            History(created_by="COPY c"),
        ),
    )


def test_a_config_survives_its_own_bytes():
    assert ImageConfig.parse(full_config().to_bytes()) == full_config()


def test_equal_configs_have_equal_digests_whatever_the_order_of_labels():
    shuffled = ImageConfig.parse(full_config().to_bytes().replace(b'"a":"1","b":"2"', b'"b":"2","a":"1"'))

    assert shuffled.digest == full_config().digest


def test_an_empty_command_is_not_the_same_as_none():
    assert ExecutionConfig.from_json({"Cmd": []}).command == ()
    assert ExecutionConfig.from_json({"Cmd": None}).command is None


@pytest.mark.parametrize(
    "wrong",
    [
        b"",
        b"[]",
        b"{",
        b'{"rootfs": {"type": "other"}}',
        b'{"rootfs": {"type": "layers", "diff_ids": 5}}',
        b"[" * 100_000,
        b"{}" + b" " * (5 << 20),
    ],
)
def test_a_config_that_is_not_one_is_refused(wrong):
    with pytest.raises(InvalidDocument):
        ImageConfig.parse(wrong)


def test_a_manifest_survives_its_own_bytes():
    manifest = Manifest(config=CONFIG, layers=(LAYER,), annotations={"k": "v"})

    assert Manifest.parse(manifest.to_bytes()) == manifest


@pytest.mark.parametrize(
    "change",
    [
        {"schemaVersion": 1},
        {"layers": None},
        {"config": 3},
        {"mediaType": "text/plain"},
        {"layers": [{"digest": "x", "size": 1, "mediaType": "m"}]},
    ],
)
def test_a_manifest_that_is_not_one_is_refused(change):
    document = json.loads(Manifest(config=CONFIG, layers=(LAYER,)).to_bytes()) | change

    with pytest.raises(ValueError):
        Manifest.parse(json.dumps(document).encode())


@pytest.mark.parametrize("size", [-1, True, "5", None])
def test_a_size_that_is_not_a_count_of_bytes_is_refused(size):
    with pytest.raises(InvalidDocument, match="count of bytes"):
        Descriptor.from_json({"mediaType": "m", "digest": Digest.of(b""), "size": size})


def an_index():
    def entry(data, platform):
        return Descriptor(OCI_MANIFEST, Digest.of(data), 1, platform=platform)

    return Index(
        manifests=(entry(b"attestation", Platform("unknown", "unknown")), entry(b"arm", ARM64), entry(b"amd", AMD64))
    )


def test_an_index_gives_the_manifest_of_the_platform_asked_for():
    assert an_index().select(AMD64, "app").digest == Digest.of(b"amd")


def test_arm64_without_a_variant_is_arm64_v8():
    assert an_index().select(Platform("linux", "arm64"), "app").digest == Digest.of(b"arm")


def test_a_platform_that_is_not_there_is_answered_with_those_that_are():
    with pytest.raises(PlatformMismatch, match="expected platform linux/s390x, got linux/arm64/v8, linux/amd64"):
        an_index().select(Platform("linux", "s390x"), "app")


@pytest.mark.parametrize(
    ("typed", "platform"), [("linux/amd64", AMD64), ("amd64", AMD64), ("x86_64", AMD64), ("linux/arm64/v8", ARM64)]
)
def test_a_platform_is_read_as_docker_reads_it(typed, platform):
    assert Platform.parse(typed) == platform


@pytest.mark.parametrize(
    "config",
    [
        {"Volumes": [1]},
        {"ExposedPorts": [80]},
        {"Labels": ["a"]},
        {"Cmd": [1, None]},
        {"Env": "A=1\0"},
        {"Entrypoint": {"a": 1}},
        {"User": 5},
        {"WorkingDir": ["/"]},
        {"StopSignal": 99},
    ],
    ids=str,
)
def test_a_config_whose_fields_have_the_wrong_type_is_refused(config):
    document = {"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": []}, "config": config}

    with pytest.raises(InvalidDocument, match="wrong type"):
        ImageConfig.parse(json.dumps(document).encode())


@pytest.mark.parametrize("value", ["foo", "", "linux/", "linux/amd64/v1/x", "linux/amd64,linux/arm64"])
def test_a_word_that_is_no_architecture_is_no_platform(value):
    with pytest.raises(InvalidDocument, match="os/arch"):
        Platform.parse(value)


def test_an_architecture_alone_is_of_linux():
    assert [Platform.parse("arm64"), Platform.parse("X86_64")] == [Platform("linux", "arm64"), AMD64]


def test_a_system_alone_is_of_this_machines_architecture():
    assert Platform.parse("linux") == Platform.parse(os.uname().machine)
