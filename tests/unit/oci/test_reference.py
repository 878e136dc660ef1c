"""distribution-spec v1.1 "Pulling manifests" (grammar of names and tags), and Docker's familiar names."""

import pytest

from teul.errors import InvalidDigest, InvalidReference
from teul.oci.reference import Reference

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("typed", "full"),
    [
        ("python", "docker.io/library/python:latest"),
        ("python:3.11-slim", "docker.io/library/python:3.11-slim"),
        ("user/app", "docker.io/user/app:latest"),
        ("docker.io/python", "docker.io/library/python:latest"),
        ("index.docker.io/user/app:1", "docker.io/user/app:1"),
        ("localhost/app", "localhost/app:latest"),
        ("localhost:5000/app:v1", "localhost:5000/app:v1"),
        ("registry.example.com/a/b/c", "registry.example.com/a/b/c:latest"),
        ("[::1]:5000/app", "[::1]:5000/app:latest"),
        (f"python@{DIGEST}", f"docker.io/library/python@{DIGEST}"),
        (f"python:3@{DIGEST}", f"docker.io/library/python:3@{DIGEST}"),
        ("a__b/c--d.e", "docker.io/a__b/c--d.e:latest"),
    ],
)
def test_a_name_means_what_it_means_to_docker(typed, full):
    assert str(Reference.parse(typed)) == full


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        ":tag",
        "Python",
        "user/App",
        "a//b",
        "-a",
        "a:",
        "a:" + "t" * 129,
        "a:b:c",
        "../etc",
        "a/../b",
        "a b",
        "한글",
        "a.b/" + "c" * 256,
    ],
)
def test_what_is_not_a_name_is_refused(wrong):
    with pytest.raises(InvalidReference):
        Reference.parse(wrong)


def test_a_wrong_digest_is_named():
    with pytest.raises(InvalidDigest):
        Reference.parse("python@sha256:abc")


@pytest.mark.parametrize(
    ("typed", "familiar"),
    [
        ("docker.io/library/python:3", "python:3"),
        ("docker.io/user/app", "user/app:latest"),
        ("localhost:5000/a", "localhost:5000/a:latest"),
    ],
)
def test_the_familiar_form_is_what_docker_prints(typed, familiar):
    assert Reference.parse(typed).familiar == familiar
