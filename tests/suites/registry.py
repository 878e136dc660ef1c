"""What every registry must do for teul's client: run on `docker-registry` and on the shipped fake.

A test class inherits `RegistrySuite` and gives a fixture `domain` (host:port of a registry that starts empty).
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator

import pytest

from teul.errors import BlobNotFound, NotFound, RegistryProtocolError
from teul.oci.descriptor import OCI_CONFIG, OCI_INDEX, OCI_LAYER_GZIP, OCI_MANIFEST, Descriptor, Platform
from teul.oci.digest import Digest
from teul.oci.image import ExecutionConfig, ImageConfig, Index, Manifest
from teul.oci.reference import Reference
from teul.registry import RegistryClient


class MemoryWriter:
    """The part of `content.Writer` that a download needs."""

    def __init__(self, start: bytes = b"") -> None:
        self.data = bytearray(start)
        self.restarts = 0

    @property
    def offset(self) -> int:
        return len(self.data)

    def write(self, data: bytes | memoryview) -> int:
        self.data += data
        return len(data)

    def restart(self) -> None:
        self.data.clear()
        self.restarts += 1


def blob(data: bytes, media_type: str = OCI_LAYER_GZIP) -> Descriptor:
    return Descriptor(media_type, Digest.of(data), len(data))


def push_bytes(
    client: RegistryClient, reference: Reference, data: bytes, media_type: str = OCI_LAYER_GZIP
) -> Descriptor:
    descriptor = blob(data, media_type)
    client.upload_blob(reference, descriptor, lambda: iter([data[:3], data[3:]]))
    return descriptor


def small_image(architecture: str = "amd64", layer: bytes = b"layer") -> tuple[bytes, bytes, Manifest]:
    """config, layer blob and manifest of an image that only a registry could love."""
    config = ImageConfig(
        platform=Platform("linux", architecture),
        config=ExecutionConfig(command=("true",)),
        diff_ids=(Digest.of(layer),),
    ).to_bytes()
    return config, layer, Manifest(config=blob(config, OCI_CONFIG), layers=(blob(layer),))


def push_image(client: RegistryClient, reference: Reference, architecture: str = "amd64") -> Digest:
    config, layer, manifest = small_image(architecture)
    push_bytes(client, reference, config, OCI_CONFIG)
    push_bytes(client, reference, layer)
    return client.put_manifest(reference, manifest.to_bytes())


class RegistrySuite:
    @pytest.fixture
    def client(self) -> Iterator[RegistryClient]:
        with RegistryClient(environ={}, sleep=lambda seconds: None) as made:
            yield made

    @pytest.fixture
    def reference(self, domain: str) -> Reference:
        return Reference.parse(f"{domain}/suite/{uuid.uuid4().hex[:12]}:v1")

    def test_a_blob_comes_back_as_it_went(self, client: RegistryClient, reference: Reference) -> None:
        data = b"some bytes" * 1000
        descriptor = push_bytes(client, reference, data)
        writer = MemoryWriter()
        client.fetch_blob(reference, descriptor, writer)

        assert data == bytes(writer.data)

    def test_an_empty_blob_is_a_blob(self, client: RegistryClient, reference: Reference) -> None:
        descriptor = blob(b"")
        client.upload_blob(reference, descriptor, lambda: iter(()))

        assert client.has_blob(reference, descriptor.digest)

    def test_a_blob_is_there_only_after_its_upload(self, client: RegistryClient, reference: Reference) -> None:
        before = client.has_blob(reference, Digest.of(b"x"))
        push_bytes(client, reference, b"x")

        assert (before, client.has_blob(reference, Digest.of(b"x"))) == (False, True)

    def test_a_blob_of_another_digest_is_refused(self, client: RegistryClient, reference: Reference) -> None:
        lie = Descriptor(OCI_LAYER_GZIP, Digest.of(b"truth"), 3)
        with pytest.raises(RegistryProtocolError, match="DIGEST_INVALID"):
            client.upload_blob(reference, lie, lambda: iter([b"lie"]))

        assert not client.has_blob(reference, lie.digest)

    def test_a_download_goes_on_in_the_middle(self, client: RegistryClient, reference: Reference) -> None:
        descriptor = push_bytes(client, reference, b"0123456789")
        writer = MemoryWriter(b"0123")
        client.fetch_blob(reference, descriptor, writer)

        assert (bytes(writer.data), writer.restarts) == (b"0123456789", 0)

    def test_a_missing_blob_is_not_found(self, client: RegistryClient, reference: Reference) -> None:
        with pytest.raises(NotFound) as caught:
            client.blob(reference, blob(b"nowhere"))

        assert not isinstance(caught.value, BlobNotFound)

    def test_a_blob_is_mounted_from_another_repository(self, client: RegistryClient, reference: Reference) -> None:
        descriptor = push_bytes(client, reference, b"shared")
        other = Reference.parse(f"{reference.repository}-other:v1")

        assert client.mount_blob(other, descriptor.digest, reference.path)
        assert client.has_blob(other, descriptor.digest)

    def test_a_mount_of_what_is_not_there_says_no(self, client: RegistryClient, reference: Reference) -> None:
        push_bytes(client, reference, b"something else")
        other = Reference.parse(f"{reference.repository}-other:v1")

        assert not client.mount_blob(other, Digest.of(b"nowhere"), reference.path)
        assert not client.has_blob(other, Digest.of(b"nowhere"))

    def test_a_manifest_comes_back_by_tag_and_by_digest(self, client: RegistryClient, reference: Reference) -> None:
        digest = push_image(client, reference)
        by_tag = client.manifest(reference)
        by_digest = client.manifest(Reference(reference.domain, reference.path, "", digest))

        assert (digest, OCI_MANIFEST) == (by_tag.descriptor.digest, by_tag.descriptor.media_type)
        assert by_tag == by_digest

    def test_head_tells_what_a_tag_points_at(self, client: RegistryClient, reference: Reference) -> None:
        nothing = client.head_manifest(reference)
        digest = push_image(client, reference)
        found = client.head_manifest(reference)

        assert nothing is None
        assert found is not None
        assert (digest, OCI_MANIFEST) == (found.digest, found.media_type)

    def test_a_tag_moves(self, client: RegistryClient, reference: Reference) -> None:
        push_image(client, reference)
        digest = push_image(client, reference, "arm64")

        assert digest == client.manifest(reference).descriptor.digest

    def test_a_manifest_without_its_blobs_is_refused(self, client: RegistryClient, reference: Reference) -> None:
        _, _, manifest = small_image()
        with pytest.raises(RegistryProtocolError, match="BLOB_UNKNOWN"):
            client.put_manifest(reference, manifest.to_bytes())

    def test_an_index_holds_manifests(self, client: RegistryClient, reference: Reference) -> None:
        made = []
        for architecture in ("amd64", "arm64"):
            config, layer, manifest = small_image(architecture)
            push_bytes(client, reference, config, OCI_CONFIG)
            push_bytes(client, reference, layer)
            data = manifest.to_bytes()
            digest = client.put_manifest(Reference(reference.domain, reference.path, "", Digest.of(data)), data)
            made.append(Descriptor(OCI_MANIFEST, digest, len(data), platform=Platform("linux", architecture)))
        client.put_manifest(reference, Index(manifests=tuple(made)).to_bytes(), OCI_INDEX)
        document = client.manifest(reference)

        assert document.is_index
        assert made[1] == Index.parse(document.data).select(Platform("linux", "arm64"), "x")

    def test_tags_are_listed(self, client: RegistryClient, reference: Reference) -> None:
        push_image(client, reference)
        push_image(client, Reference(reference.domain, reference.path, "v2"))

        assert sorted(client.tags(reference)) == ["v1", "v2"]

    def test_an_unknown_repository_is_not_found(self, client: RegistryClient, reference: Reference) -> None:
        with pytest.raises(NotFound, match=reference.path):
            client.manifest(reference)

    def test_errors_are_json_of_the_specification(self, client: RegistryClient, reference: Reference) -> None:
        url = f"{client.endpoint(reference.domain)}/v2/{reference.path}/manifests/none"
        response = client.transport.send("GET", url)

        assert response.status == 404
        assert json.loads(response.read(10_000))["errors"][0]["code"] in ("MANIFEST_UNKNOWN", "NAME_UNKNOWN")
