"""Requirements out of the files that people keep them in."""

import pytest

from teul.errors import ProjectError
from teul.ml.requirement_files import Requirements, poetry_version, read_requirements


def read(tmp_path, name, source, **beside):
    for path, text in {name: source, **{key.replace("__", "/"): value for key, value in beside.items()}}.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(source if path == name else text)
    return read_requirements(str(tmp_path), name, python="3.11")


def test_a_requirements_file_comes_with_those_that_it_includes(tmp_path):
    (tmp_path / "env").mkdir()
    (tmp_path / "env/common.txt").write_text("six\n-c ../limits.txt\n")
    (tmp_path / "limits.txt").write_text("six<2\n")
    found = read(
        tmp_path,
        "requirements.txt",
        "-r env/common.txt\n--requirement=env/common.txt # twice\npandas\n-r https://x/y.txt\n",
    )
    assert found == Requirements(None, ("limits.txt", "env/common.txt"))


def test_pyproject_of_the_standard_and_of_poetry(tmp_path):
    found = read(
        tmp_path,
        "pyproject.toml",
        '[project]\nname = "x"\ndependencies = ["pandas==2.2.2", "six; python_version<\'4\'"]\n',
    )
    assert found.lines == ("pandas==2.2.2", "six; python_version<'4'")
    poetry = (
        '[tool.poetry.dependencies]\npython = "^3.11"\npandas = "^2.2"\nnumpy = {version = "~1.26.4", extras = ["x"]}\n'
        'six = "*"\nwin = {version = "1.0", markers = "sys_platform == \'win32\'"}\nopt = {version = "1", optional = true}\n'
        'many = [{version = "1", python = "<3.9"}, {version = ">=2", python = ">=3.9"}]\n'
    )
    assert read(tmp_path, "pyproject.toml", poetry).lines == (
        "pandas>=2.2,<3.0",
        "numpy[x]>=1.26.4,<1.27.0",
        "six",
        "win==1.0; sys_platform == 'win32'",
        "many==1; python_version < '3.9'",
        "many>=2; python_version >= '3.9'",
    )


@pytest.mark.parametrize(
    ("poetry", "standard"),
    [
        ("^1.2.3", ">=1.2.3,<2.0.0"),
        ("^0.2.3", ">=0.2.3,<0.3.0"),
        ("^0.0.3", ">=0.0.3,<0.0.4"),
        ("^0", ">=0,<1"),
        ("^0.0", ">=0.0,<0.1"),
        ("~1.2.3", ">=1.2.3,<1.3.0"),
        ("~1", ">=1,<2"),
        ("~=1.4", "~=1.4"),
        ("1.4.*", "==1.4.*"),
        ("*", ""),
        (">=1,<2", ">=1,<2"),
        (">=1 <2", ">=1,<2"),
        ("!=1.5", "!=1.5"),
    ],
)
def test_versions_as_poetry_writes_them(poetry, standard):
    assert poetry_version(poetry) == standard


LOCK = """
[[package]]
name = "pandas"
version = "2.2.2"
files = [{file = "pandas.whl", hash = "sha256:aa"}, {file = "pandas.tar.gz", hash = "md5:bb"}]
[package.dependencies]
six = "*"
colorama = {version = "*", markers = "platform_system == \\"Windows\\""}

[[package]]
name = "six"
version = "1.16.0"
groups = ["main", "dev"]
markers = "python_version < \\"4\\""

[[package]]
name = "colorama"
version = "0.4"

[[package]]
name = "pytest"
version = "8"
groups = ["dev"]

[[package]]
name = "black"
version = "24"
category = "dev"
"""


def test_poetry_lock_is_the_main_group_with_hashes_and_markers(tmp_path):
    assert read(tmp_path, "poetry.lock", LOCK).lines == (
        "pandas==2.2.2 --hash=sha256:aa",
        'six==1.16.0 ; python_version < "4"',
        'colorama==0.4 ; (platform_system == "Windows")',
    )


UV_LOCK = """
version = 1
requires-python = ">=3.11"

[[package]]
name = "mine"
version = "0.1.0"
source = { virtual = "." }
dependencies = [{ name = "six" }]

[package.metadata]
requires-dist = [{ name = "six", specifier = ">=1" }]

[[package]]
name = "six"
version = "1.16.0"
source = { registry = "https://index.invalid/simple" }
wheels = [{ url = "https://index.invalid/six-1.16.0-py2.py3-none-any.whl", hash = "sha256:8abb2f1d86890a2dfb989f9a77cfcfd3e47c2a354b01111771326f8aa26e0254" }]
"""
PYPROJECT = '[project]\nname = "mine"\nversion = "0.1.0"\nrequires-python = ">=3.11"\ndependencies = ["six>=1"]\n'


def test_uv_lock_is_what_uv_says_of_it(tmp_path):
    found = read(tmp_path, "uv.lock", UV_LOCK, **{"pyproject.toml": PYPROJECT})
    digest = "8abb2f1d86890a2dfb989f9a77cfcfd3e47c2a354b01111771326f8aa26e0254"
    assert found.lines == (f"six==1.16.0 --hash=sha256:{digest}",)


def test_the_pip_part_of_a_conda_environment(tmp_path):
    source = "name: x\nchannels: [conda-forge]\ndependencies:\n  - python=3.11\n  - pip\n  - pip:\n    - pandas==2.2.2\n    - six\n"
    assert read(tmp_path, "environment.yml", source).lines == ("pandas==2.2.2", "six")


@pytest.mark.parametrize(
    ("name", "source", "message"),
    [
        (
            "environment.yml",
            "dependencies: [python=3.11, cudatoolkit=11.8, 'conda-forge::xgboost']",
            "cudatoolkit=11.8, conda-forge::xgboost",
        ),
        ("environment.yml", "dependencies: [python=3.12]", "asks for Python 3.12"),
        ("environment.yml", "dependencies: {a: 1}", "no `dependencies`"),
        ("environment.yml", "a: [", "not YAML"),
        ("environment.yml", "dependencies:\n  - 3", "expected a package"),
        ("pyproject.toml", "[project", "not TOML"),
        ("pyproject.toml", '[project]\ndynamic = ["dependencies"]', "is dynamic"),
        ("pyproject.toml", "[project]\ndependencies = [1]", "expected a list of strings"),
        ("pyproject.toml", "[build-system]", "neither"),
        ("pyproject.toml", '[tool.poetry.dependencies]\nx = {git = "https://h/r"}', "`x` comes from `git`"),
        ("poetry.lock", '[[package]]\nname="x"\nversion="1"\nsource={type="git"}', "`x` comes from `git`"),
        ("poetry.lock", "", "no `[[package]]`"),
        ("uv.lock", UV_LOCK, "no `pyproject.toml` beside it"),
        ("requirements.txt", "-r ../outside.txt", "leaves the project's folder"),
        ("requirements.txt", "-r missing.txt", "no file `missing.txt`"),
    ],
)
def test_what_pip_cannot_install_is_refused_by_name(tmp_path, name, source, message):
    with pytest.raises(ProjectError) as caught:
        read(tmp_path, name, source)
    assert message in str(caught.value)


def test_a_file_that_is_not_there(tmp_path):
    for name in ("requirements.txt", "uv.lock", "environment.yml"):
        with pytest.raises(ProjectError, match="no file"):
            read_requirements(str(tmp_path), name, python="3.11")
