"""From an import name to what pip installs."""

import pytest

from teul.ml.starting.distributions import (
    Installed,
    distribution_of,
    find_environment,
    is_stdlib,
    read_environment,
    requirement,
)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("sklearn", "scikit-learn"),
        ("cv2", "opencv-python-headless"),
        ("PIL", "pillow"),
        ("yaml", "PyYAML"),
        ("bs4", "beautifulsoup4"),
        ("pandas", "pandas"),
        ("my_module", "my-module"),
        ("google.cloud.storage", "google-cloud-storage"),
        ("google.cloud.tasks", "google-cloud-tasks"),
    ],
)
def test_names_where_nothing_is_installed(module, name):
    assert distribution_of(module, Installed()) == (name, "")


def test_the_standard_library_of_now_and_then():
    assert all(map(is_stdlib, ("os", "tomllib", "distutils", "imp", "__future__")))
    assert not is_stdlib("numpy")


@pytest.fixture
def environment(tmp_path):
    site = tmp_path / ".venv/lib/python3.11/site-packages"

    def install(name, version, record, top_level="", direct=False):
        info = site / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\nName: ghost\n")
        (info / "RECORD").write_text(record)
        if top_level:
            (info / "top_level.txt").write_text(top_level)
        if direct:
            (info / "direct_url.json").write_text("{}")

    install("scikit-learn", "1.4.2", "sklearn/__init__.py,,\n../../../bin/x,,\n")
    install("opencv-python", "4.9.0", "", top_level="cv2\n")
    install("torch", "2.3.0+cu121", "torch/__init__.py,,\ntorchgen/a.py,,\n")
    install("six", "1.16.0", "six.py,sha256=x,3\nsix-1.16.0.dist-info/RECORD,,\n")
    install("mine", "0.1", "mine/__init__.py,,\n", direct=True)
    (site / "broken-1.dist-info").mkdir()
    return tmp_path


def test_the_users_own_environment_has_the_word(environment):
    installed = read_environment(find_environment(str(environment), {}))
    assert distribution_of("sklearn", installed) == ("scikit-learn", "1.4.2")
    assert distribution_of("cv2", installed) == ("opencv-python", "4.9.0")
    assert distribution_of("torch", installed) == ("torch", "2.3.0+cu121")
    assert requirement(*distribution_of("torch", installed)) == "torch==2.3.0"
    assert distribution_of("six", installed) == ("six", "1.16.0")
    # What was installed from a folder is no release of that version.
    assert distribution_of("mine", installed) == ("mine", "")


def test_the_active_environment_when_the_folder_has_none(environment, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    assert find_environment(str(other), {}) == ""
    assert find_environment(str(other), {"VIRTUAL_ENV": str(environment / ".venv")}).endswith("site-packages")
    assert read_environment("") == Installed()
