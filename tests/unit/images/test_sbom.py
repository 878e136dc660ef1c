"""Packages are found in a tree that may be anything, and written as the two common documents."""

from __future__ import annotations

import os
from pathlib import Path

from teul.images.packages import Package, read_packages
from teul.images.sbom import cyclonedx, spdx

DIGEST = "sha256:" + "ab" * 32
STATUS = """\
Package: libc6
Status: install ok installed
Architecture: amd64
Version: 2.36-9+deb12u7
Description: C
 Version: 9

Package: gone
Status: deinstall ok config-files
Version: 1
"""


def tree(root: Path) -> Path:
    (root / "var/lib/dpkg").mkdir(parents=True)
    (root / "var/lib/dpkg/status").write_text(STATUS)
    (root / "etc").mkdir()
    (root / "etc/os-release").write_text('ID="debian"\n')
    for place, name, version in (
        ("usr/local/lib/python3.11/site-packages", "PyYAML", "6.0.1"),
        ("opt/venv/lib/python3.11/site-packages", "Flask_Thing", "1.0+cpu"),
        (".venv/lib/python3.11/site-packages", "a.b", "2"),
    ):
        folder = root / place / f"{name}-{version}.dist-info"
        folder.mkdir(parents=True)
        (folder / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nLicense: MIT\n\nName: no\n"
        )
    return root


def test_debian_and_python_packages_are_found_with_their_urls(tmp_path: Path) -> None:
    assert [package.purl for package in read_packages(str(tree(tmp_path)))] == [
        "pkg:deb/debian/libc6@2.36-9%2Bdeb12u7?arch=amd64",
        "pkg:pypi/flask-thing@1.0%2Bcpu",
        "pkg:pypi/pyyaml@6.0.1",
        "pkg:pypi/a-b@2",
    ]


def test_links_of_a_tree_stay_in_it(tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("Package: evil\nVersion: 1\n")
    root = tmp_path / "root"
    (root / "var/lib/dpkg").mkdir(parents=True)
    os.symlink(str(tmp_path / "outside"), root / "var/lib/dpkg/status")
    folder = root / "usr/lib/x-1.dist-info"
    folder.mkdir(parents=True)
    os.mkfifo(folder / "METADATA")

    assert read_packages(str(root)) == ()


def test_documents_name_every_package_and_are_the_same_each_time() -> None:
    packages = (
        Package("deb", "libc6", "2", "amd64", place="var/lib/dpkg/status"),
        Package("pypi", "x", "1", license="MIT"),
    )

    for write, names in (
        (spdx, lambda made: [item["name"] for item in made["packages"][1:]]),
        (cyclonedx, lambda made: [item["name"] for item in made["components"]]),
    ):
        made = write(packages, name="app", digest=DIGEST, created="1980-01-01T00:00:00Z")
        assert names(made) == ["libc6", "x"]
        assert made == write(packages, name="app", digest=DIGEST, created="1980-01-01T00:00:00Z")
    identifiers = [item["SPDXID"] for item in spdx(packages, name="a", digest=DIGEST, created="")["packages"]]
    assert len(set(identifiers)) == 3
