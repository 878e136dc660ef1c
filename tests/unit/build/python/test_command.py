"""Which RUNs are plain installs, and which only look like it."""

from __future__ import annotations

import pytest

from teul.build import ops
from teul.build.dockerfile.mounts import RunMount
from teul.build.python.command import Install, recognise
from teul.build.python.sync_command import Sync
from teul.build.python.values import Doubt

PATH = "PATH=/usr/local/bin:/usr/bin:/bin"


def shell(command: str, *env: str, **more: object) -> ops.Run:
    return ops.Run(args=("/bin/sh", "-c", command), env=(PATH, *env), cwd="/app", **more)  # type: ignore[arg-type]


PLAIN = {
    "pip install pandas": ["pandas"],
    "pip install pandas numpy scikit-learn": ["pandas", "numpy", "scikit-learn"],
    "pip3 install pandas==2.2.2": ["pandas==2.2.2"],
    "pip3.11 install 'pandas>=2,<3'": ["pandas>=2,<3"],
    "python -m pip install pandas": ["pandas"],
    "python3 -m pip install --no-cache-dir pandas": ["pandas"],
    "python3.11 -u -m pip install pandas": ["pandas"],
    "/opt/venv/bin/pip install pandas": ["pandas"],
    "/opt/venv/bin/python -m pip install pandas": ["pandas"],
    "pip install --no-cache-dir -r requirements.txt": ["-r requirements.txt"],
    "pip install -rrequirements.txt": ["-r requirements.txt"],
    "pip install --requirement=requirements.txt": ["-r requirements.txt"],
    "pip install -r a.txt -r b.txt": ["-r a.txt", "-r b.txt"],
    "pip install -q -r requirements.txt -c constraints.txt": ["-r requirements.txt", "-c constraints.txt"],
    "pip --no-cache-dir install pandas": ["pandas"],
    "pip install -qq --disable-pip-version-check --no-input pandas": ["pandas"],
    "pip install --root-user-action=ignore pandas": ["pandas"],
    "pip install --root-user-action ignore --progress-bar off pandas": ["pandas"],
    "pip install --timeout 100 --retries=10 pandas": ["pandas"],
    "pip install --index-url https://example.test/simple pandas": ["pandas", "index https://example.test/simple"],
    "pip install torch -i https://example.test/cpu": ["torch", "index https://example.test/cpu"],
    "pip install torch --extra-index-url https://example.test/cpu": ["torch", "extra https://example.test/cpu"],
    "pip install --no-index --find-links=/wheels pandas": ["pandas", "links /wheels", "no index"],
    "pip install --trusted-host example.test pandas": ["pandas"],
    "pip install --require-hashes -r requirements.txt": ["-r requirements.txt", "hashes"],
    "pip install --only-binary=:all: pandas": ["pandas", "binary :all:"],
    "pip install --only-binary :all: --prefer-binary pandas": ["pandas", "binary :all:", "prefer binary"],
    "pip install --pre pandas": ["pandas", "pre"],
    "pip install --no-deps pandas": ["pandas", "no deps"],
    "pip install --no-compile pandas": ["pandas", "not compiled"],
    "pip install --compile pandas": ["pandas"],
    "pip install -U pandas": ["pandas", "upgrade"],
    'pip install "uvicorn[standard]" fastapi': ["uvicorn[standard]", "fastapi"],
    "pip install uvicorn[standard]": ["uvicorn[standard]", "unless uvicorn[standard] matches"],
    "pip install pandas # the data frames": ["pandas"],
    "pip install \\\n    pandas \\\n    numpy": ["pandas", "numpy"],
    "pip install --no-cache-dir pandas && rm -rf /root/.cache/pip": ["pandas", "rm /root/.cache/pip"],
    "pip install pandas && rm -rf /root/.cache/*": ["pandas", "rm /root/.cache"],
    "set -eux; pip install pandas": ["pandas"],
    "set -e\npip install pandas\n": ["pandas"],
    "pip install pandas && pip install numpy": ["pandas", "then numpy"],
    "pip install pandas; pip install -r more.txt": ["pandas", "then -r more.txt"],
    "cd /srv && pip install -r requirements.txt": ["-r requirements.txt", "in /srv"],
    "pip install pandas && echo done": ["pandas"],
    'pip install "pandas==$VERSION"': ["pandas==2.2.2"],
    'pip install "pandas==${VERSION}"': ["pandas==2.2.2"],
    "pip install pandas==$VERSION numpy==${VERSION}": ["pandas==2.2.2", "numpy==2.2.2"],
    "pip install --break-system-packages pandas": ["pandas"],
    "uv pip install --system pandas": ["pandas", "not compiled"],
    "uv pip install --system --no-cache -r requirements.txt": ["-r requirements.txt", "not compiled"],
    "uv pip install --system --compile-bytecode pandas": ["pandas"],
    "uv pip install --python /opt/venv/bin/python pandas": ["pandas", "not compiled"],
    "uv pip install -p python3.11 pandas": ["pandas", "not compiled"],
}


def show(install: Install) -> list[str]:
    made = [*install.requirements]
    made += [f"-r {path}" for path in install.files] + [f"-c {path}" for path in install.constraints]
    made += [f"index {install.index_url}"] if install.index_url else []
    made += [f"extra {url}" for url in install.extra_index_urls] + [f"links {place}" for place in install.find_links]
    made += ["no index"] * install.no_index + ["hashes"] * install.require_hashes
    made += [f"binary {name}" for name in install.only_binary] + ["prefer binary"] * install.prefer_binary
    made += ["pre"] * install.pre + ["no deps"] * install.no_deps + ["not compiled"] * (not install.compiles)
    made += ["upgrade"] * install.upgrade + [f"unless {word} matches" for word in install.patterns]
    made += [f"rm {path}" for path in install.removes] + [f"in {install.cwd}"] * (install.cwd != "/app")
    return made + [f"then {line}" for item in install.then for line in show(item)]


@pytest.mark.parametrize("command", PLAIN)
def test_a_plain_install_is_recognised(command: str) -> None:
    found = recognise(shell(command, "VERSION=2.2.2"))

    assert isinstance(found, Install), found
    assert PLAIN[command] == show(found)


LOOK_ALIKES = {
    "pip install pandas && python setup.py install": "`python setup.py install` does more than install",
    "apt-get update && pip install pandas": "`apt-get update` does more than install",
    "pip install pandas && rm -rf /tests": "`rm -rf /tests` does more than install",
    "pip install pandas && rm -rf /root/.cache /data": "`rm -rf /root/.cache /data` does more than install",
    "rm -rf /root/.cache && pip install pandas": "an install after `rm`",
    "pip install pandas && rm -r /root/.cache": "`rm -r /root/.cache` does more than install",
    "pip install pandas && rm -f /root/.cache": "`rm -f /root/.cache` does more than install",
    "set -o pipefail && pip install pandas": "the shell's own arguments",
    "pip install pandas || true": "the shell operator `|`",
    "pip install pandas | tee log": "the shell operator `|`",
    "pip install pandas > log": "the shell operator `>`",
    "pip install pandas>=2": "the shell operator `>`",
    "pip install pandas &": "the shell operator `&`",
    "(pip install pandas)": "the shell operator `(`",
    "pip install $PACKAGES": "the shell expands `$PACKAGES`",
    "pip install pandas==$WORDS": "the shell expands `pandas==$WORDS`",
    "pip install pandas==$EMPTY": "the shell expands `pandas==$EMPTY`",
    "pip install pandas==${VERSION%.*}": "the shell expands `pandas==${VERSION%.*}`",
    'pip install "pandas==$MISSING"': 'the shell expands `"pandas==$MISSING"`',
    'pip install "pandas==${VERSION:-2}"': 'the shell expands `"pandas==${VERSION:-2}"`',
    "pip install $(cat packages)": "the shell expands `$(cat`",
    "pip install `cat packages`": "the shell expands ``cat`",
    "pip install {pandas,numpy}": "the shell expands `{pandas,numpy}`",
    "pip install -r ~/requirements.txt": "the shell expands `~/requirements.txt`",
    "pip install -e .": "the option `-e`",
    "pip install --editable .": "the option `--editable`",
    "pip install --user pandas": "the option `--user`",
    "pip install --target /packages pandas": "the option `--target`",
    "pip install -t /packages pandas": "the option `-t`",
    "pip install --prefix=/opt pandas": "the option `--prefix=/opt`",
    "pip install --root /mnt pandas": "the option `--root`",
    "pip install --ignore-installed pandas": "the option `--ignore-installed`",
    "pip install -I pandas": "the option `-I`",
    "pip install --force-reinstall pandas": "the option `--force-reinstall`",
    "pip install --no-binary pandas pandas": "the option `--no-binary pandas`",
    "pip install --no-binary :all: pandas": "the option `--no-binary :all:`",
    "pip install --cache-dir /c pandas": "the option `--cache-dir`",
    "pip install --report out.json pandas": "the option `--report`",
    "pip install --dry-run pandas": "the option `--dry-run`",
    "pip install --requ requirements.txt": "the option `--requ`",
    "pip install --platform manylinux2014_aarch64 pandas": "the option `--platform`",
    "pip --python /usr/bin/python3 install pandas": "the option `--python`",
    "pip download pandas": "`pip download pandas` does more than install",
    "pip uninstall -y pandas": "`pip uninstall -y pandas` does more than install",
    "python -m pip.__main__ install pandas": "`python -m pip.__main__ install pandas` does more than install",
    "PIP_NO_CACHE_DIR=1 pip install pandas": "the variable `PIP_NO_CACHE_DIR`",
    "sudo pip install pandas": "`sudo pip install pandas` does more than install",
    "if true; then pip install pandas; fi": "the shell operator `if`",
    "! pip install pandas": "the shell operator `!`",
    "pip install pandas && uv pip install --system numpy": "several installers in one RUN",
    "pip install a && pip3 install b": "several installers in one RUN",
    "pip install --no-compile a && pip install b": "several installers in one RUN",
    "uv pip install pandas": "which environment uv would choose",
    "uv sync": "`uv sync` may change the lock",
    "uv sync --no-dev": "`uv sync` may change the lock",
    "uv sync --frozen --reinstall": "the option `--reinstall`",
    "uv sync --frozen --no-binary": "the option `--no-binary`",
    "uv sync --frozen --cache-dir /c": "the option `--cache-dir`",
    "uv sync --frozen && uv sync --locked": "several installers in one RUN",
    "uv sync --frozen && uv pip install --system pandas": "several installers in one RUN",
    "uv sync --frozen && rm -rf /app": "`rm -rf /app` does more than install",
    "uv run --frozen uv sync": "`uv run --frozen uv sync` does more than install",
    "conda install pandas": "`conda install pandas` does more than install",
    "pip install": "it installs nothing",
    "echo hello": "it installs nothing",
}


@pytest.mark.parametrize("command", LOOK_ALIKES)
def test_a_look_alike_runs_itself(command: str) -> None:
    found = recognise(shell(command, "VERSION=2.2.2", "WORDS=2 numpy", "EMPTY="))

    assert isinstance(found, Doubt), found
    assert LOOK_ALIKES[command] == found.reason


def test_a_sync_of_what_is_locked_is_handed_on() -> None:
    found = recognise(shell("uv sync -q --frozen --no-dev --extra more --compile-bytecode && rm -rf /root/.cache/uv"))

    assert isinstance(found, Sync)
    assert found.words == ("sync", "--frozen", "--no-dev", "--extra", "more", "--compile-bytecode")
    assert (found.cwd, found.compiles, found.removes) == ("/app", True, ("/root/.cache/uv",))


@pytest.mark.parametrize(
    ("env", "reason"),
    [
        (("UV_FROZEN=1",), ""),
        (("UV_LOCKED=true", "UV_COMPILE_BYTECODE=1", "UV_LINK_MODE=copy"), ""),
        (("UV_FROZEN=0",), "`uv sync` may change the lock"),
        (("UV_FROZEN=1", "UV_CACHE_DIR=/c"), "the variable `UV_CACHE_DIR`"),
        (("UV_FROZEN=1", "UV_NO_BINARY=1"), "the variable `UV_NO_BINARY`"),
        (("UV_FROZEN=1", "XDG_CACHE_HOME=/c"), "the variable `XDG_CACHE_HOME`"),
    ],
)
def test_a_sync_and_its_variables(env: tuple[str, ...], reason: str) -> None:
    found = recognise(shell("uv sync", *env))

    assert isinstance(found, Doubt if reason else Sync), found
    assert not isinstance(found, Doubt) or found.reason == reason


def test_the_exec_form_has_no_shell() -> None:
    found = recognise(ops.Run(args=("pip", "install", "pandas>=2", "$X"), env=(), cwd="/"))

    assert isinstance(found, Install)
    assert found.requirements == ("pandas>=2", "$X")


def test_other_shells_and_their_flags() -> None:
    assert isinstance(recognise(ops.Run(args=("/bin/bash", "-lc", "pip install x"), env=(), cwd="/")), Doubt)
    assert isinstance(
        recognise(ops.Run(args=("/bin/bash", "-o", "pipefail", "-c", "pip install x"), env=(), cwd="/")), Install
    )
    assert isinstance(recognise(ops.Run(args=("/bin/zsh", "-c", "pip install x"), env=(), cwd="/")), Doubt)
    assert isinstance(
        recognise(ops.Run(args=("/bin/bash", "--rcfile", "x", "-c", "pip install x"), env=(), cwd="/")), Doubt
    )


def test_variables_of_pip_count() -> None:
    found = recognise(shell("pip install x", "PIP_EXTRA_INDEX_URL=https://a.test https://b.test", "PIP_NO_CACHE_DIR=0"))

    assert isinstance(found, Install)
    assert found.extra_index_urls == ("https://a.test", "https://b.test")
    assert not found.keeps_cache


@pytest.mark.parametrize(
    ("variable", "reason"),
    [
        ("PIP_TARGET=/packages", "the variable `PIP_TARGET`"),
        ("PIP_USER=1", "the variable `PIP_USER`"),
        ("PIP_NO_COMPILE=1", "the variable `PIP_NO_COMPILE`"),
        ("PIP_CONFIG_FILE=/pip.conf", "the variable `PIP_CONFIG_FILE`"),
        ("PYTHONHOME=/opt/python", "the variable `PYTHONHOME`"),
    ],
)
def test_a_variable_that_changes_the_place_is_a_doubt(variable: str, reason: str) -> None:
    assert recognise(shell("pip install x", variable)) == Doubt(reason)  # type: ignore[arg-type]


def test_uv_takes_the_environment_that_is_named() -> None:
    found = recognise(shell("uv pip install x", "VIRTUAL_ENV=/opt/venv"))
    system = recognise(shell("uv pip install x", "UV_SYSTEM_PYTHON=1"))
    strange = recognise(shell("uv pip install --system x", "UV_OVERRIDE=o.txt"))

    assert isinstance(found, Install)
    assert isinstance(system, Install)
    assert found.interpreter == "/opt/venv/bin/python"
    assert (system.interpreter, system.is_system) == ("python", True)
    assert isinstance(strange, Doubt)


def test_what_surrounds_the_process_counts() -> None:
    cache = RunMount(type="cache", target="/root/.cache/pip")
    bind = RunMount(type="bind", target="/app/requirements.txt")
    assert isinstance(recognise(shell("pip install x", mounts=(cache,))), Install)
    assert isinstance(recognise(shell("pip install x", mounts=(bind,))), Install)
    for other in (
        RunMount(type="bind", target="/app/r.txt", origin="builder"),
        RunMount(type="bind", target="/app/r.txt", is_readonly=False),
        RunMount(type="bind", target="/usr/local/lib/python3.11/site-packages"),
        RunMount(type="secret", target="/root/.netrc"),
    ):
        assert isinstance(recognise(shell("pip install x", mounts=(other,))), Doubt)
    assert isinstance(recognise(shell("pip install x", user="app")), Install)
    assert isinstance(recognise(shell("pip install x", network="none")), Doubt)
    assert isinstance(recognise(shell("pip install x", user="0:0", network="host")), Install)
