"""image-spec v1.1 descriptor.md, "Digests"; config.md, "Layer ChainID"."""

import hashlib

import pytest

from teul.errors import InvalidDigest
from teul.oci.digest import Digest, chain_id

EMPTY = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_the_digest_of_nothing_is_the_well_known_one():
    assert Digest.of(b"") == EMPTY


def test_a_digest_prints_as_it_was_parsed():
    assert str(Digest.parse(EMPTY)) == EMPTY


def test_short_is_what_docker_prints_as_an_id():
    assert Digest.parse(EMPTY).short == "e3b0c44298fc"


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "sha256:",
        EMPTY[:-1],
        EMPTY + "0",
        EMPTY.upper(),
        "sha512:" + "0" * 128,
        EMPTY[7:],
        "sha256:" + "g" * 64,
        "sha256:../" + "0" * 61,
    ],
)
def test_what_is_not_a_sha256_digest_is_refused(wrong):
    with pytest.raises(InvalidDigest, match="expected"):
        Digest.parse(wrong)


def test_the_chain_id_of_one_layer_is_its_diff_id():
    assert chain_id([Digest.parse(EMPTY)]) == EMPTY


def test_the_chain_id_of_two_layers_is_the_digest_of_both_joined_by_a_space():
    below, above = Digest.of(b"a"), Digest.of(b"b")

    assert chain_id([below, above]) == "sha256:" + hashlib.sha256(f"{below} {above}".encode()).hexdigest()
