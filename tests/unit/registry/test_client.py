from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from suites.registry import MemoryWriter, blob, push_bytes, push_image, small_image
from teul.errors import (
    DigestMismatch,
    Forbidden,
    InvalidDocument,
    NotFound,
    RegistryProtocolError,
    RegistryUnavailable,
    SizeMismatch,
)
from teul.oci.descriptor import OCI_CONFIG, OCI_MANIFEST, Descriptor
from teul.oci.digest import Digest
from teul.oci.image import DOCUMENT_LIMIT_BYTES
from teul.oci.reference import Reference
from teul.registry import RegistryClient
from teul.testing.registry import FakeRegistry, Fault


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with FakeRegistry() as made:
        yield made


@pytest.fixture
def client() -> Iterator[RegistryClient]:
    with RegistryClient(environ={}, sleep=lambda seconds: None) as made:
        yield made


@pytest.fixture
def reference(registry: FakeRegistry) -> Reference:
    return Reference.parse(f"{registry.domain}/a/b:1")


def test_docker_io_is_reached_at_its_real_endpoint(client: RegistryClient) -> None:
    assert client.endpoint("docker.io") == "https://registry-1.docker.io"


def test_insecure_registries_are_spoken_to_in_plain_http() -> None:
    with RegistryClient(environ={}, insecure=("r.example:5000",)) as client:
        assert client.endpoint("r.example:5000") == "http://r.example:5000"
        assert client.endpoint("r.example") == "https://r.example"
        assert client.endpoint("localhost:5000") == "http://localhost:5000"


def test_a_download_that_breaks_goes_on_where_it_broke(
    registry: FakeRegistry, client: RegistryClient, reference: Reference
) -> None:
    data = bytes(range(256)) * 5000
    descriptor = push_bytes(client, reference, data)
    registry.fail(Fault(path="/blobs/", cut_after_bytes=300_000))
    registry.fail(Fault(path="/blobs/", cut_after_bytes=400_000))
    writer = MemoryWriter()
    client.fetch_blob(reference, descriptor, writer)
    ranges = [item.headers.get("range", "") for item in registry.requests if item.method == "GET"]

    assert data == bytes(writer.data)
    assert writer.restarts == 0
    assert ranges[0] == ""
    assert [int(item.removeprefix("bytes=").rstrip("-")) > 0 for item in ranges[1:]] == [True, True]


def test_a_registry_that_does_no_ranges_is_begun_anew(
    registry: FakeRegistry, client: RegistryClient, reference: Reference
) -> None:
    descriptor = push_bytes(client, reference, b"0123456789" * 1000)
    registry.fail(Fault(path="/blobs/", cut_after_bytes=5000))
    registry.fail(Fault(path="/blobs/", ignore_range=True))
    writer = MemoryWriter()
    restarted: list[bool] = []
    client.fetch_blob(reference, descriptor, writer, on_restart=lambda: restarted.append(True))

    assert bytes(writer.data) == b"0123456789" * 1000
    assert restarted == [True]


def test_a_blob_longer_than_it_should_be_is_cut_off(client: RegistryClient, reference: Reference) -> None:
    real = push_bytes(client, reference, b"x" * 5000)
    short = Descriptor(real.media_type, real.digest, 100)
    writer = MemoryWriter()
    with pytest.raises(SizeMismatch):
        client.fetch_blob(reference, short, writer)

    assert bytes(writer.data) == b""


def test_a_blob_shorter_than_it_should_be_never_ends_well(client: RegistryClient, reference: Reference) -> None:
    real = push_bytes(client, reference, b"x" * 50)
    with pytest.raises((RegistryUnavailable, RegistryProtocolError)):
        client.fetch_blob(reference, Descriptor(real.media_type, real.digest, 100), MemoryWriter())


def test_a_busy_registry_is_asked_again(registry: FakeRegistry, reference: Reference) -> None:
    pauses: list[float] = []
    with RegistryClient(environ={}, sleep=pauses.append) as client:
        digest = push_image(client, reference)
        registry.fail(Fault(path="/manifests/", status=429, headers={"Retry-After": "9"}))
        registry.fail(Fault(path="/manifests/", status=503))

        assert digest == client.manifest(reference).descriptor.digest
    assert pauses[0] == 9.0
    assert len(pauses) == 2


def test_a_registry_that_stays_busy_says_so(
    registry: FakeRegistry, client: RegistryClient, reference: Reference
) -> None:
    registry.fail(Fault(path="/manifests/", status=503, times=100))
    with pytest.raises(RegistryUnavailable, match="answered 503: UNAVAILABLE: told to"):
        client.manifest(reference)


def test_forbidden_is_not_retried(registry: FakeRegistry, client: RegistryClient, reference: Reference) -> None:
    registry.fail(Fault(path="/manifests/", status=403, times=100))
    with pytest.raises(Forbidden):
        client.manifest(reference)

    assert registry.count("GET", "/manifests/") == 1


def test_a_manifest_that_is_not_its_digest_is_corrupt(
    registry: FakeRegistry, client: RegistryClient, reference: Reference
) -> None:
    digest = push_image(client, reference)
    registry.fail(Fault(path="/manifests/", corrupt=True))
    with pytest.raises(DigestMismatch) as caught:
        client.manifest(Reference(reference.domain, reference.path, "", digest))

    assert digest == caught.value.expected


def test_a_config_that_is_not_its_digest_is_corrupt(
    registry: FakeRegistry, client: RegistryClient, reference: Reference
) -> None:
    config, _, _ = small_image()
    descriptor = push_bytes(client, reference, config, OCI_CONFIG)
    registry.fail(Fault(path="/blobs/", corrupt=True))
    with pytest.raises(DigestMismatch):
        client.blob(reference, descriptor)


def test_a_huge_manifest_is_refused(registry: FakeRegistry, client: RegistryClient, reference: Reference) -> None:
    registry.put_manifest(reference.path, "1", b" " * (DOCUMENT_LIMIT_BYTES + 1), OCI_MANIFEST)
    with pytest.raises(InvalidDocument, match="at most 4194304 bytes"):
        client.manifest(reference)


@pytest.mark.parametrize("media_type", ["text/html", "application/vnd.docker.distribution.manifest.v1+prettyjws", ""])
def test_another_kind_of_document_is_refused(
    registry: FakeRegistry, client: RegistryClient, reference: Reference, media_type: str
) -> None:
    registry.put_manifest(reference.path, "1", json.dumps({"schemaVersion": 1}).encode(), media_type)
    with pytest.raises(InvalidDocument, match="unknown media type"):
        client.manifest(reference)


def test_pages_of_tags_are_followed(client: RegistryClient) -> None:
    with FakeRegistry(page_size=2) as registry:
        for number in range(5):
            push_image(client, Reference.parse(f"{registry.domain}/a:v{number}"))

        assert [f"v{number}" for number in range(5)] == client.tags(Reference.parse(f"{registry.domain}/a"))


def test_a_blob_behind_a_redirect_is_fetched_without_our_token(
    registry: FakeRegistry, client: RegistryClient, reference: Reference
) -> None:
    descriptor = push_bytes(client, reference, b"elsewhere")
    registry.fail(Fault(path="/blobs/", redirect=True))
    writer = MemoryWriter()
    client.fetch_blob(reference, descriptor, writer)

    assert bytes(writer.data) == b"elsewhere"


def test_a_refused_mount_leaves_no_upload_open(
    registry: FakeRegistry, client: RegistryClient, reference: Reference
) -> None:
    assert not client.mount_blob(reference, Digest.of(b"x"), "other")
    assert registry.uploads == {}


def test_an_upload_that_fails_is_tried_again_from_its_start(
    registry: FakeRegistry, client: RegistryClient, reference: Reference
) -> None:
    registry.fail(Fault(method="PUT", path="/blobs/uploads/", status=502))
    descriptor = blob(b"twice")
    client.upload_blob(reference, descriptor, lambda: iter([b"tw", b"ice"]))

    assert registry.blobs[descriptor.digest] == b"twice"


def test_what_is_not_there_is_named(client: RegistryClient, reference: Reference) -> None:
    with pytest.raises(NotFound) as caught:
        client.manifest(reference)

    assert f"registry `{reference.domain}` has no `a/b:1`" == str(caught.value)
