"""What a container sees of the host's certificates, proxies and pip settings."""

import os

import pytest

from teul.config import Settings
from teul.runtime import host_trust
from teul.runtime.host_trust import CA_PATH, bundle_mounts, fill, folder_mounts, pip_options, trust_env


def certificate(word):
    return f"-----BEGIN CERTIFICATE-----\n{word}\n-----END CERTIFICATE-----\n"


@pytest.fixture
def plain(tmp_path, monkeypatch):
    """A host that trusts no more than its distribution, with no pip settings; gives settings for an environment."""
    monkeypatch.setattr(host_trust, "_ADDED", ())
    monkeypatch.setattr(host_trust, "_pip_files", lambda environ: [str(tmp_path / "pip.conf")])

    def make(**environ):
        return Settings.from_environ({"TEUL_ROOT": str(tmp_path / "state"), "HOME": str(tmp_path), **environ})

    yield make
    import shutil

    shutil.rmtree(make().run_root, ignore_errors=True)


def test_an_ordinary_host_adds_nothing(plain):
    assert trust_env(plain()) == ()
    assert folder_mounts(plain()) + bundle_mounts(plain(), "") == ()


def test_a_bundle_of_the_hosts_own_is_joined_with_the_images(plain, tmp_path):
    (tmp_path / "host.pem").write_text(certificate("host") + certificate("both"))
    bundle = tmp_path / "rootfs/etc/ssl/certs/ca-certificates.crt"
    bundle.parent.mkdir(parents=True)
    bundle.write_text(certificate("both") + certificate("image"))
    settings = plain(SSL_CERT_FILE=str(tmp_path / "host.pem"))

    (mount,) = bundle_mounts(settings, str(tmp_path / "rootfs"))

    assert mount.target == CA_PATH
    with open(mount.source) as file:
        assert certificate("host") + certificate("both") + certificate("image") == file.read()
    assert f"SSL_CERT_FILE={CA_PATH}" in trust_env(settings)


def test_a_joined_bundle_is_made_once_for_the_same_files(plain, tmp_path):
    (tmp_path / "host.pem").write_text(certificate("host"))
    settings = plain(REQUESTS_CA_BUNDLE=str(tmp_path / "host.pem"))

    (first,) = bundle_mounts(settings, "")
    (second,) = bundle_mounts(settings, "")
    (tmp_path / "host.pem").write_text(certificate("another"))
    (third,) = bundle_mounts(settings, "")

    assert first == second
    assert third != first


def test_proxies_go_in_both_spellings_but_not_the_hosts_loopback(plain):
    settings = plain(https_proxy="http://proxy.example:3128", HTTP_PROXY="http://127.0.0.1:8888", NO_PROXY="localhost")

    made = dict(entry.split("=", 1) for entry in trust_env(settings))
    assert "http://proxy.example:3128" == made["HTTPS_PROXY"] == made["https_proxy"]
    assert made["no_proxy"] == "localhost"
    assert "HTTP_PROXY" not in made
    assert "HTTP_PROXY=http://127.0.0.1:8888" in trust_env(settings, shares_network=True)


def test_pip_settings_come_from_files_and_the_environment(plain, tmp_path):
    (tmp_path / "pip.conf").write_text(
        "# a comment\n[global]\nindex-url = https://index.example/simple\nextra-index-url =\n    https://a.example/simple\n"
        "    https://b.example/simple\n[freeze]\ntimeout = 1\n[install]\ntrusted-host: a.example\n"
    )

    assert pip_options({"PIP_DEFAULT_TIMEOUT": "7"}) == {
        "index-url": "https://index.example/simple",
        "extra-index-url": "https://a.example/simple https://b.example/simple",
        "trusted-host": "a.example",
        "timeout": "7",
    }


def test_folders_that_pip_reads_are_mounted_where_they_are(plain, tmp_path):
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    page = tmp_path / "index/simple/six/index.html"
    page.parent.mkdir(parents=True)
    page.write_text('<a href="../../files/six.whl">six</a>')
    settings = plain(
        PIP_FIND_LINKS=f"{wheels} https://elsewhere.example", PIP_INDEX_URL=f"file://{tmp_path}/index/simple"
    )

    # The index's pages point outside of it, so what holds both is mounted.
    assert [str(tmp_path / "index"), str(wheels)] == [mount.target for mount in folder_mounts(settings)]
    assert all("ro" in mount.options for mount in folder_mounts(settings))


def test_what_the_image_or_the_user_sets_wins():
    assert fill(["PIP_CERT=/mine", "http_proxy=x"], ["PIP_CERT=/theirs", "HTTP_PROXY=y", "http_proxy=y", "A=1"]) == (
        "PIP_CERT=/mine",
        "http_proxy=x",
        "A=1",
    )


def test_a_proxy_of_the_users_counts_in_either_spelling():
    assert fill(["HTTPS_PROXY=x"], ["https_proxy=y"]) == ("HTTPS_PROXY=x",)


def test_pip_config_file_can_switch_everything_off(monkeypatch):
    assert host_trust._pip_files({"PIP_CONFIG_FILE": os.devnull}) == []
