from __future__ import annotations

import base64
import json
import os
from pathlib import Path

import pytest

from suites.registry import push_image
from teul.errors import HostLacks, InvalidDocument, Unauthorized
from teul.oci.reference import Reference
from teul.registry import RegistryClient
from teul.registry.auth import ANONYMOUS, Challenge, Credentials, DockerConfig, parse_challenges
from teul.testing.registry import FakeRegistry, Fault


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (
            'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push"',
            [
                Challenge(
                    "bearer",
                    {
                        "realm": "https://auth.docker.io/token",
                        "service": "registry.docker.io",
                        "scope": "repository:a/b:pull,push",
                    },
                )
            ],
        ),
        ('Basic realm="x"', [Challenge("basic", {"realm": "x"})]),
        ("Negotiate", [Challenge("negotiate", {})]),
        (
            'Negotiate, Basic realm="a \\"b\\"", charset=UTF-8',
            [Challenge("negotiate", {}), Challenge("basic", {"realm": 'a "b"', "charset": "UTF-8"})],
        ),
        (
            'Bearer realm="r",service=s, Basic realm=q',
            [Challenge("bearer", {"realm": "r", "service": "s"}), Challenge("basic", {"realm": "q"})],
        ),
        ("", []),
        ("===", []),
    ],
)
def test_challenges_are_read(header: str, expected: list[Challenge]) -> None:
    assert expected == list(parse_challenges(header))


def _config(folder: Path, document: object) -> DockerConfig:
    (folder / "config.json").write_text(json.dumps(document))
    return DockerConfig(str(folder))


def _auth(user: str, password: str) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


def test_no_file_is_anonymous(tmp_path: Path) -> None:
    assert DockerConfig(str(tmp_path)).credentials("h", {}) == ANONYMOUS


@pytest.mark.parametrize(
    ("key", "domain"),
    [
        ("https://index.docker.io/v1/", "docker.io"),
        ("docker.io", "docker.io"),
        ("ghcr.io", "ghcr.io"),
        ("https://ghcr.io", "ghcr.io"),
        ("localhost:5000", "localhost:5000"),
    ],
)
def test_auths_are_found_by_the_names_docker_gives_them(tmp_path: Path, key: str, domain: str) -> None:
    config = _config(tmp_path, {"auths": {key: _auth("me", "a:b")}})

    assert Credentials("me", "a:b") == config.credentials(domain, {})


def test_credentials_of_one_registry_are_not_anothers(tmp_path: Path) -> None:
    config = _config(tmp_path, {"auths": {"ghcr.io": _auth("me", "x")}})

    assert config.credentials("ghcr.io.evil.example", {}) == ANONYMOUS


@pytest.mark.parametrize("document", [[], {"auths": {"h": {"auth": "%%%"}}}, {"auths": {"h": {"auth": "bm9uZQ=="}}}])
def test_a_file_that_docker_did_not_write_is_named(tmp_path: Path, document: object) -> None:
    config = _config(tmp_path, document)
    with pytest.raises(InvalidDocument, match=r"config\.json"):
        config.credentials("h", {})


def _helper(folder: Path, name: str, script: str) -> None:
    path = folder / f"docker-credential-{name}"
    path.write_text(f"#!/bin/sh\nread server\n{script}\n")
    path.chmod(0o755)


def test_a_credential_helper_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _helper(
        tmp_path, "one", 'echo "{\\"ServerURL\\":\\"$server\\",\\"Username\\":\\"me@$server\\",\\"Secret\\":\\"s\\"}"'
    )
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    config = _config(tmp_path, {"credsStore": "missing", "credHelpers": {"ghcr.io": "one"}})

    assert Credentials("me@ghcr.io", "s") == config.credentials("ghcr.io", dict(os.environ))


def test_a_helper_that_knows_nothing_leaves_us_anonymous(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _helper(tmp_path, "none", "echo credentials not found in native keychain; exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    config = _config(tmp_path, {"credsStore": "none"})

    assert config.credentials("ghcr.io", dict(os.environ)) == ANONYMOUS


def test_a_helper_gives_an_identity_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _helper(tmp_path, "id", 'echo "{\\"Username\\":\\"<token>\\",\\"Secret\\":\\"s\\"}"')
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    config = _config(tmp_path, {"credsStore": "id"})

    assert Credentials(identity_token="s") == config.credentials("ghcr.io", dict(os.environ))


def test_a_helper_that_is_not_installed_is_named(tmp_path: Path) -> None:
    config = _config(tmp_path, {"credsStore": "nowhere"})
    with pytest.raises(HostLacks, match="docker-credential-nowhere"):
        config.credentials("ghcr.io", {})


def test_secrets_are_not_in_the_representation() -> None:
    assert "hunter2" not in repr(Credentials("me", "hunter2", "hunter2", "hunter2"))


def _client(credentials: Credentials = ANONYMOUS) -> RegistryClient:
    return RegistryClient(environ={}, sleep=lambda seconds: None, credentials=lambda domain: credentials)


def test_basic_authentication_is_answered() -> None:
    with FakeRegistry(users={"me": "pw"}) as registry, _client(Credentials("me", "pw")) as client:
        reference = Reference.parse(f"{registry.domain}/a:1")
        digest = push_image(client, reference)

        assert digest == client.manifest(reference).descriptor.digest


def test_a_wrong_password_is_unauthorized_and_not_repeated() -> None:
    with FakeRegistry(users={"me": "pw"}) as registry, _client(Credentials("me", "no")) as client:
        with pytest.raises(Unauthorized, match="not accepted for `me`"):
            client.manifest(Reference.parse(f"{registry.domain}/a:1"))

        assert registry.count("GET", "/manifests/") == 2


def test_no_password_where_one_is_needed_is_unauthorized() -> None:
    with FakeRegistry(users={"me": "pw"}) as registry, _client() as client, pytest.raises(Unauthorized) as caught:
        client.manifest(Reference.parse(f"{registry.domain}/a:1"))

    assert "authentication required" in str(caught.value)


def test_anyone_pulls_with_an_anonymous_token() -> None:
    with FakeRegistry(users={"me": "pw"}, token=True) as registry:
        reference = Reference.parse(f"{registry.domain}/a:1")
        with _client(Credentials("me", "pw")) as client:
            digest = push_image(client, reference)
        with _client() as client:
            found = client.manifest(reference).descriptor.digest
            before = registry.count("GET", "/token")
            client.manifest(reference)

            assert digest == found
            assert before == registry.count("GET", "/token")


def test_an_anonymous_token_does_not_push() -> None:
    with (
        FakeRegistry(users={"me": "pw"}, token=True) as registry,
        _client() as client,
        pytest.raises(Unauthorized, match="authentication required"),
    ):
        push_image(client, Reference.parse(f"{registry.domain}/a:1"))


def test_a_token_is_asked_for_exactly_what_is_needed() -> None:
    with FakeRegistry(users={"me": "pw"}, token=True) as registry, _client(Credentials("me", "pw")) as client:
        push_image(client, Reference.parse(f"{registry.domain}/a/b:1"))
        asked = [item.target for item in registry.requests if item.target.startswith("/token")]

        assert asked == ["/token?service=fake&scope=repository:a/b:pull,push&account=me"]


def test_an_identity_token_is_exchanged() -> None:
    with (
        FakeRegistry(users={"me": "refresh"}, token=True) as registry,
        _client(Credentials(identity_token="refresh")) as client,
    ):
        push_image(client, Reference.parse(f"{registry.domain}/a:1"))

        assert registry.count("POST", "/token") == 1


def test_a_token_that_was_withdrawn_is_replaced() -> None:
    with FakeRegistry(users={"me": "pw"}, token=True) as registry, _client(Credentials("me", "pw")) as client:
        reference = Reference.parse(f"{registry.domain}/a:1")
        digest = push_image(client, reference)
        client.manifest(reference)
        with registry.lock:
            registry.tokens.clear()

        assert digest == client.manifest(reference).descriptor.digest


def test_a_token_server_that_is_busy_is_asked_again() -> None:
    with FakeRegistry(users={"me": "pw"}, token=True) as registry, _client() as client:
        registry.fail(Fault(path="/token", status=503, times=2))
        with pytest.raises(LookupError):
            client.manifest(Reference.parse(f"{registry.domain}/a:1"))

        assert registry.count("GET", "/token") == 3
