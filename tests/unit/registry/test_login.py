import json
import stat

import pytest

from teul.errors import InvalidDocument
from teul.registry import login
from teul.registry.auth import HUB_KEY, Credentials, DockerConfig

WHO = Credentials("me", "s3cret")


def test_a_login_is_what_docker_reads_and_nobody_else(tmp_path):
    folder = tmp_path / "docker"

    login.store(str(folder), "https://registry.example/v2/", WHO, {})

    path = folder / "config.json"
    assert json.loads(path.read_text()) == {"auths": {"registry.example": {"auth": "bWU6czNjcmV0"}}}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert DockerConfig(str(folder)).credentials("registry.example", {}) == WHO
    assert login.erase(str(folder), "registry.example", {})
    assert not login.erase(str(folder), "registry.example", {})


def test_other_settings_of_the_file_stay(tmp_path):
    (tmp_path / "config.json").write_text('{"psFormat": "x", "auths": {"other": {"auth": "eDp5"}}}')

    login.store(str(tmp_path), "", WHO, {})

    value = json.loads((tmp_path / "config.json").read_text())
    assert ("x", {"other", HUB_KEY}) == (value["psFormat"], set(value["auths"]))


def test_a_helper_gets_the_secret_and_the_file_does_not(tmp_path, monkeypatch):
    helper = tmp_path / "docker-credential-test"
    helper.write_text(f"#!/bin/sh\ncat > {tmp_path}/$1\n")
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    (tmp_path / "config.json").write_text('{"credHelpers": {"registry.example": "test"}}')

    assert login.store(str(tmp_path), "registry.example", WHO, {"PATH": f"{tmp_path}:/usr/bin:/bin"}) == "test"

    assert json.loads((tmp_path / "store").read_text()) == {
        "ServerURL": "registry.example",
        "Username": "me",
        "Secret": "s3cret",
    }
    assert "s3cret" not in (tmp_path / "config.json").read_text()
    assert login.erase(str(tmp_path), "registry.example", {"PATH": f"{tmp_path}:/usr/bin:/bin"})
    assert (tmp_path / "erase").read_text() == "registry.example"


def test_a_file_that_is_not_dockers_is_not_written_over(tmp_path):
    (tmp_path / "config.json").write_text("{")

    with pytest.raises(InvalidDocument):
        login.store(str(tmp_path), "x", WHO, {})
    assert (tmp_path / "config.json").read_text() == "{"
