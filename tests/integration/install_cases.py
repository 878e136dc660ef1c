"""The corpus of installs: Dockerfiles on a small index, each with the path that it is to take. Data for a test."""

from __future__ import annotations

import hashlib
import os

DIRECT, RUN = "direct", "run"
SITE = "/usr/local/lib/python3.11/site-packages"
FILES = {
    "requirements.txt": "alpha>=1.0  # the first\nspace-one==1.0\n\n--prefer-binary\n",
    "nested.txt": "-r requirements.txt\ndataful\n",
    "constraints.txt": "alpha<2\nbeta==1.0\n",
    "markers.txt": 'alpha ; python_version >= "3.8"\nbeta==9 ; python_version < "3"\nspace-two; sys_platform == "linux"\n',
    "editable/pyproject.toml": '[project]\nname = "mine"\nversion = "1"\n',
    "editable/mine.py": "x = 1\n",
    "project/pyproject.toml": """\
[project]
name = "served"
version = "1.0"
requires-python = ">=3.11"
dependencies = ["alpha<2", "large", "plat"]

[project.optional-dependencies]
more = ["scripts"]

[dependency-groups]
dev = ["space-one"]
docs = ["sharp", "broken"]
""",
    "packaged/pyproject.toml": """\
[project]
name = "packaged"
version = "1.0"
requires-python = ">=3.11"
dependencies = ["alpha", "space-two"]

[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
""",
    "packaged/backend.py": """\
import zipfile


def build_editable(folder, config_settings=None, metadata_directory=None):
    info = "packaged-1.0.dist-info"
    with zipfile.ZipFile(f"{folder}/packaged-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr("packaged.pth", "/app")
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\\nName: packaged\\nVersion: 1.0\\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        archive.writestr(f"{info}/RECORD", f"packaged.pth,,\\n{info}/METADATA,,\\n{info}/WHEEL,,\\n{info}/RECORD,,\\n")
    return "packaged-1.0-py3-none-any.whl"
""",
}
POETRY_PROJECT = """\
[tool.poetry]
name = "served"
version = "1.0"
description = ""
authors = []
packages = [{{ include = "served" }}]

[tool.poetry.dependencies]
python = ">=3.11"
alpha = "<2"
large = "*"
plat = "*"
scripts = {{ version = "*", optional = true }}

[tool.poetry.extras]
more = ["scripts"]

[tool.poetry.scripts]
serve = "served:main"

[tool.poetry.group.dev.dependencies]
sharp = "*"

[tool.poetry.group.docs]
optional = true

[tool.poetry.group.docs.dependencies]
broken = "*"

[[tool.poetry.source]]
name = "small"
url = "{index}"
priority = "primary"
"""
POETRY = {"with-poetry": "poetry==2.1.4"}
POETRY_WIDE = {"with-poetry-1": "poetry==1.8.3", "with-newest-poetry": "poetry"}
"""Bases with a poetry and the project in /app, locked by that poetry; made when a case wants one."""
PROJECTS = ("project", "packaged")
"""Folders of which uv makes a lock."""
WITH_VENV = "with-venv"
"""A base with an environment of root's and one of another user's, made once: making one takes seconds."""
VENVS = "RUN useradd -m me && python -m venv /opt/venv && python -m venv /home/me/v && chown -R me /home/me"
VENV = f"FROM {WITH_VENV}\nENV PATH=/opt/venv/bin:$PATH\n"
UV = "COPY uv /usr/local/bin/uv\n"
PROJECT = f"{UV}WORKDIR /app\nCOPY project/pyproject.toml project/uv.lock ./\n"
INSTALL_AS_MODULE = "RUN /opt/venv/bin/python3.11 -m pip install --no-cache-dir sharp dataful"
LENT = "--mount=type=cache,target=/root/.cache/uv " + " ".join(
    f"--mount=type=bind,source=project/{name},target={name}" for name in ("uv.lock", "pyproject.toml")
)
"""Name → (what stands below FROM, which path its last install takes)."""
CASES: dict[str, tuple[str, str]] = {
    "pip": ("RUN pip install alpha", DIRECT),
    "pip3 pinned": ("RUN pip3 install alpha==1.0", DIRECT),
    "pip3.11 range": ("RUN pip3.11 install 'alpha>=1,<2'", DIRECT),
    "python -m pip": ("RUN python -m pip install --no-cache-dir alpha", DIRECT),
    "several names": ("RUN python3 -m pip install -q alpha beta==1.0", DIRECT),
    "requirement file": ("COPY requirements.txt .\nRUN pip install --no-cache-dir -r requirements.txt", DIRECT),
    "constraints": ("COPY *.txt /app/\nWORKDIR /app\nRUN pip install -r requirements.txt -c constraints.txt", DIRECT),
    "nested file": ("COPY *.txt /app/\nWORKDIR /app\nRUN pip install -r nested.txt", DIRECT),
    "hashes": ("COPY hashed.txt .\nRUN pip install --require-hashes -r hashed.txt", DIRECT),
    "extras": ("RUN pip install 'gamma[more]'", DIRECT),
    "no extras": ("RUN pip install gamma", DIRECT),
    "markers": ("COPY markers.txt .\nRUN pip install -r markers.txt", DIRECT),
    "hashes by marker": ("COPY universal.txt .\nRUN pip install -r universal.txt", DIRECT),
    "bytecode in a wheel": ("RUN pip install compiled space-one", DIRECT),
    "console scripts": ("RUN pip install scripts", DIRECT),
    "data folders": ("RUN pip install dataful", DIRECT),
    "namespace": ("RUN pip install space-one space-two", DIRECT),
    "namespace in two steps": ("RUN pip install space-one\nRUN pip install space-two", DIRECT),
    "wheel for this machine": ("RUN pip install plat", DIRECT),
    "own layer": ("RUN pip install large beta", DIRECT),
    "no bytecode": ("RUN pip install --no-compile alpha", DIRECT),
    "no dependencies": ("RUN pip install --no-deps alpha", DIRECT),
    "pre-release": ("RUN pip install --pre early", DIRECT),
    "no pre-release": ("RUN pip install early", DIRECT),
    "only wheels": ("RUN pip install --only-binary=:all: alpha", DIRECT),
    "cache removed": ("RUN pip install alpha && rm -rf /root/.cache/pip", DIRECT),
    "cache removed that held more": (
        "RUN mkdir -p /root/.cache/models && echo weights > /root/.cache/models/a\nRUN pip install alpha && rm -rf /root/.cache", RUN,
    ),
    "requirements removed": (
        "COPY requirements.txt /tmp/pip-tmp/\nRUN pip install -r /tmp/pip-tmp/requirements.txt && rm -rf /tmp/pip-tmp", RUN,
    ),
    "set -eux": ("RUN set -eux; pip install alpha", DIRECT),
    "two installs in one": ("RUN pip install alpha && pip install space-one", DIRECT),
    "heredoc": ("RUN <<EOF\npip install alpha\nEOF", DIRECT),
    "exec form": ('RUN ["pip", "install", "alpha"]', DIRECT),
    "cd before": ("COPY requirements.txt /srv/\nRUN cd /srv && pip install -r requirements.txt", DIRECT),
    "satisfied below": ("RUN pip install beta==1.0\nRUN pip install alpha", DIRECT),
    "nothing to do": ("RUN pip install beta==1.0\nRUN pip install beta", DIRECT),
    "argument": ('ARG VERSION=1.0\nRUN pip install "alpha==$VERSION"', DIRECT),
    "variables of pip": ("ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1\nRUN pip install alpha", DIRECT),
    "find-links": ("COPY wheels /wheels\nRUN pip install --no-index --find-links=/wheels alpha", DIRECT),
    "wheel of the tree": ("COPY wheels /wheels\nRUN pip install /wheels/beta-1.5-py3-none-any.whl", DIRECT),
    "environment on PATH": (f"{VENV}RUN pip install alpha scripts", DIRECT),
    "environment by path": (f"FROM {WITH_VENV}\nRUN /opt/venv/bin/pip install large dataful", DIRECT),
    "cache mount": ("RUN --mount=type=cache,target=/root/.cache/pip pip install alpha", DIRECT),
    "mounted requirements": (
        "RUN --mount=type=bind,source=requirements.txt,target=/tmp/r.txt pip install -r /tmp/r.txt", DIRECT,
    ),
    "sharp names": ("RUN pip install sharp", DIRECT),
    "does not compile": ("RUN pip install broken", DIRECT),
    "date in bytecode": ("ARG SOURCE_DATE_EPOCH=1\nENV SOURCE_DATE_EPOCH=1\nRUN pip install alpha", DIRECT),
    "uv": (f"{UV}RUN uv pip install --system alpha", DIRECT),
    "uv with bytecode": (
        f"{UV}COPY requirements.txt .\nRUN uv pip install --system --no-cache --compile-bytecode -r requirements.txt", DIRECT,
    ),
    "uv with bytecode of what is below": (
        f"{VENV}COPY uv /usr/local/bin/uv\nENV VIRTUAL_ENV=/opt/venv UV_COMPILE_BYTECODE=1\nRUN cd /opt/venv/lib/python3.11/site-packages && echo x=1 > lone.py && echo x= > wrong.py && rm -r pip/__pycache__\nRUN uv pip install alpha large broken",
        DIRECT,
    ),
    "uv in an environment": (f"{VENV}COPY uv /usr/local/bin/uv\nRUN uv pip install --python /opt/venv/bin/python scripts space-one", DIRECT),
    "uv sync": (f"{PROJECT}RUN uv sync --frozen --no-install-project", DIRECT),
    "uv sync as its guide has it": (
        f"{UV}ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_NO_DEV=1\nWORKDIR /app\nRUN {LENT} uv sync --locked --no-install-project --group docs",
        DIRECT,
    ),
    "uv sync of an extra": (f"{PROJECT}RUN uv sync --frozen --no-dev\nRUN uv sync -q --frozen --extra more", DIRECT),
    "uv sync elsewhere": (
        f"{PROJECT}ENV UV_PROJECT_ENVIRONMENT=/opt/env\nRUN set -e; uv sync --frozen --all-groups && rm -rf /root/.cache/uv",
        DIRECT,
    ),
    "uv sync of the system": (
        f"{PROJECT}ENV UV_PROJECT_ENVIRONMENT=/usr/local\nRUN uv sync --frozen --inexact --compile-bytecode --no-cache --only-group=docs", DIRECT,
    ),
    "uv sync with the project": (f"{UV}WORKDIR /app\nCOPY packaged .\nRUN uv sync --frozen", DIRECT),
    "uv sync that locks": (f"{PROJECT}RUN uv sync", RUN),
    "uv sync that takes away": (f"{PROJECT}RUN uv sync --frozen --extra more\nRUN uv sync --frozen", RUN),
    "uv sync that removes a cache": (
        f"{PROJECT}RUN mkdir -p /root/.cache/models && touch /root/.cache/models/a\nRUN uv sync --frozen && rm -rf /root/.cache", RUN,
    ),
    "uv sync with an old lock": (
        f"{PROJECT}RUN sed -i 's/alpha<2/alpha<3/' pyproject.toml\nRUN uv sync --locked || true", RUN,
    ),
    "poetry": ("FROM with-poetry\nRUN poetry install --no-root", DIRECT),
    "poetry of the system": (
        "FROM with-poetry\nENV POETRY_CACHE_DIR=/tmp/cache\nRUN poetry config virtualenvs.create false && poetry install --with docs -E more -n --no-ansi && rm -rf $POETRY_CACHE_DIR",
        DIRECT,
    ),
    "poetry as Dockerfiles have it": (
        "FROM with-poetry\nENV POETRY_VIRTUALENVS_IN_PROJECT=1 POETRY_CACHE_DIR=/tmp/poetry_cache\nRUN --mount=type=cache,target=$POETRY_CACHE_DIR poetry install --without dev",
        DIRECT,
    ),
    "upgrade of what is below": ("RUN pip install beta==1.0\nRUN pip install -U beta", DIRECT),
    "upgrade of much": (
        f"RUN pip install moved==1.0 && touch {SITE}/moved/mine {SITE}/moved/gone/mine\nRUN pip install -U moved alpha", DIRECT,
    ),
    "upgrade for another's sake": ("RUN pip install moved==1.0 beta==1.0\nRUN pip install mover", DIRECT),
    "upgrade twice": ("RUN pip install moved==1.0\nRUN pip install moved==2.0\nRUN pip install 'moved>=3'", DIRECT),
    "upgrade of a folder to a file": ("RUN pip install moved==2.0\nRUN pip install moved==2.5", RUN),
    "upgrade in an environment": (f"{VENV}RUN pip install moved==1.0\nRUN pip install 'moved>=2,<3' large", DIRECT),
    "upgrade of one user's": (
        f"FROM {WITH_VENV}\nUSER me\nRUN /home/me/v/bin/pip install moved==1.0\nRUN /home/me/v/bin/pip install mover",
        DIRECT,
    ),
    "upgrade of what was edited": (f"RUN pip install moved==1.0 && rm -r {SITE}/moved/gone\nRUN pip install -U moved", DIRECT),
    "upgrade that gives away a file": ("RUN pip install whole==1.0\nRUN pip install -U whole", RUN),
    "upgrade in one RUN": ("RUN pip install moved==1.0 && pip install -U moved", RUN),
    "upgrade by uv of what is needed": (
        f"{UV}RUN uv pip install --system moved==1.0 beta==1.0\nRUN uv pip install --system -U moved alpha", DIRECT,
    ),
    "upgrade by uv": (
        f"{UV}RUN uv pip install --system moved==1.0 && touch {SITE}/moved/gone/mine\nRUN uv pip install --system -U moved large", DIRECT,
    ),
    "upgrade by uv of what pip installed": (
        f"{VENV}{UV}RUN pip install moved==1.0\nENV VIRTUAL_ENV=/opt/venv\nRUN uv pip install mover --compile-bytecode", DIRECT,
    ),
    "downgrade": ("RUN pip install beta==1.5\nRUN pip install beta==1.0", RUN),
    "forced again": ("RUN pip install beta==1.0\nRUN pip install --force-reinstall beta==1.0", RUN),
    "of one user": ("RUN pip install --user scripts", RUN),
    "target": ("RUN pip install --target /packages large dataful", RUN),
    "another owner": (
        f"FROM {WITH_VENV}\nUSER me\nRUN /home/me/v/bin/pip install --no-cache-dir large scripts", DIRECT,
    ),
    "another owner, small, with a cache": (
        f"FROM {WITH_VENV}\nENV PATH=/home/me/v/bin:$PATH\nUSER me\nRUN pip install space-one\nRUN pip install space-two",
        DIRECT,
    ),
    "another owner by number": (
        f"FROM {WITH_VENV}\nRUN chown -R 4242:777 /opt/venv\nUSER 4242:777\n{INSTALL_AS_MODULE}", DIRECT,
    ),
    "another owner syncs": (
        f"FROM {WITH_VENV}\n{PROJECT}RUN chown -R me /app\nUSER me\nRUN uv sync --frozen --extra more --compile-bytecode",
        DIRECT,
    ),
    "another owner falls back": (f"FROM {WITH_VENV}\nUSER me\nRUN /usr/local/bin/pip install large beta", RUN),
    "taken away again": ("RUN pip install alpha && pip uninstall -y beta", RUN),
    "taken away below": ("RUN pip install alpha\nRUN pip uninstall -y alpha", DIRECT),
    "two own one file": ("RUN pip install alpha thief", RUN),
    "umask": ("RUN umask 027 && pip install large scripts", RUN),
    "redirected": ("RUN pip install large > /log; sed -i 's/^/-/' /log; true", RUN),
    "changed after": (f"RUN pip install large space-one && chmod 700 {SITE}/large && ln -s large {SITE}/again", RUN),
    "editable": ("COPY editable /src\nRUN pip install --no-build-isolation -e /src", RUN),
    "from source": ("COPY editable /src\nRUN pip install --no-build-isolation /src", RUN),
}  # fmt: skip


def wheels() -> dict[str, bytes]:
    """The small index: file name → wheel."""
    made: dict[str, bytes] = {}

    def add(name: str, version: str, files: dict[str, bytes], *, tag: str = "py3-none-any", more: str = "") -> None:
        filename, content = wheel(name, version, files, tag=tag, more=more)
        made[filename] = content

    for version in ("1.0", "2.0"):
        code = {
            "alpha/__init__.py": f"import beta\nversion = '{version}'\n".encode(),
            "alpha/deep/one.py": b"x = 1\n",
            "alpha/run.bare": b"",
        }
        add("alpha", version, code, more="Requires-Dist: beta>=1\n")
    for version in ("1.0", "1.5"):
        add("beta", version, {"beta.py": f"version = '{version}'\n".encode(), "beta.txt": b"data"})
    before = {
        "moved/__init__.py": b"version = 1\n",
        "moved/old.py": b"x = 1\n",
        "moved/gone/__init__.py": b"",
        "moved/gone/deep/data.txt": b"1",
        "moved/kept/data.txt": b"1",
        "moved_one.py": b"x = 1\n",
        "moved-1.0.dist-info/entry_points.txt": b"[console_scripts]\nmoved-old = moved:old\nmoved-both = moved:one\n",
        "moved-1.0.data/data/share/moved/conf": b"[x]\n",
        "moved-1.0.data/data/share/moved/more/conf": b"[x]\n",
    }
    add("moved", "1.0", before)
    after = {
        "moved/__init__.py": b"version = 2\n",
        "moved/big.bin": os.urandom(60_000),
        "moved/kept/data.txt": b"2",
        "moved/new/data.txt": b"2",
        "moved_one/__init__.py": b"x = 2\n",
        "moved-2.0.dist-info/entry_points.txt": b"[console_scripts]\nmoved-both = moved:two\nmoved-new = moved:two\n",
        "moved-2.0.data/data/share/moved/conf": b"[y]\n",
    }
    add("moved", "2.0", after)
    add("moved", "2.5", {"moved/__init__.py": b"version = 3\n", "moved/new": b"a file now"})
    add("moved", "3.0", {"moved/__init__.py": b"version = 3\n", "moved/old.py": b"x = 3\n", "moved/gone/again.py": b""})
    add(
        "mover", "1.0", {"mover.py": b"import moved\n"}, more="Requires-Dist: moved>=2,<2.5\nRequires-Dist: beta>=1.5\n"
    )
    add("whole", "1.0", {"whole.py": b"", "part/__init__.py": b"x = 1\n"})
    add("whole", "2.0", {"whole.py": b""}, more="Requires-Dist: part\n")
    add("part", "1.0", {"part/__init__.py": b"x = 2\n"})
    add("gamma", "1", {"gamma.py": b""}, more="Provides-Extra: more\nRequires-Dist: scripts; extra == 'more'\n")
    add(
        "scripts",
        "1.0",
        {
            "scripts/__init__.py": b"def main():\n    print('runs')\n",
            "scripts-1.0.dist-info/entry_points.txt": b"[console_scripts]\nrun-it = scripts:main\n",
            "scripts-1.0.data/scripts/tool": b"#!python\nprint('tool')\n",
            "scripts/__pycache__/note.txt": b"old",
        },
    )
    add(
        "dataful",
        "1.0",
        {
            "dataful.py": b"x = 1\n",
            "dataful-1.0.data/data/share/dataful/conf": b"[x]\n",
            "dataful-1.0.data/data/etc/dataful.ini": b"[y]\n",
            "dataful-1.0.data/purelib/pure.py": b"p = 1\n",
            "dataful-1.0.data/platlib/plat_part.py": b"p = 2\n",
            "dataful-1.0.data/headers/dataful.h": b"#define X\n",
        },
    )
    add("space_one", "1.0", {"space/one/__init__.py": b"one = 1\n"})
    add("space_two", "1.0", {"space/two/__init__.py": b"two = 2\n"})
    for tag in (
        "cp311-cp311-manylinux_2_17_x86_64",
        "cp311-cp311-manylinux_2_17_aarch64",
        "cp311-cp311-musllinux_1_2_x86_64",
        "cp312-cp312-manylinux_2_17_x86_64",
        "py3-none-any",
    ):
        add("plat", "1.0", {"plat.py": f"tag = {tag!r}\n".encode()}, tag=tag)
    add(
        "large",
        "1.0",
        {
            "large/data.bin": os.urandom(60_000),
            "large/__init__.py": b"x = 1\n",
            "large/a/b/c.txt": b"",
            "large.libs/": b"",
        },
    )
    add("early", "1.0", {"early.py": b"v = 1\n"})
    add("early", "2.0rc1", {"early.py": b"v = 2\n"})
    add(
        "sharp",
        "1.0",
        {"sharp/한글, a.py": b"x = 1\n", 'sharp/qu"ote.txt': b"x", "sharp/__init__.py": b"", "sharp/ .txt": b""},
    )
    add("broken", "1.0", {"broken/__init__.py": b"", "broken/two.py": b"print 'old'\n", "broken/null.py": b"x\0\n"})
    add("compiled", "1.0", {"compiled.py": b"x = 1\n", "__pycache__/compiled.cpython-311.pyc": b"another's"})
    add("thief", "1.0", {"beta.py": b"stolen = True\n", "thief.py": b""})
    return made


def wheel(
    name: str, version: str, files: dict[str, bytes], *, tag: str = "py3-none-any", more: str = ""
) -> tuple[str, bytes]:
    """One wheel, with a true RECORD."""
    import base64
    import csv
    import io
    import zipfile

    info = f"{name}-{version}.dist-info"
    files = files | {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: {version}\n{more}".encode(),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: corpus\nRoot-Is-Purelib: true\nTag: {tag}\n".encode(),
    }
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for path, data in files.items():
        if path.endswith("/"):
            continue
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
        writer.writerow((path, f"sha256={digest}", len(data)))
    writer.writerow((f"{info}/RECORD", "", ""))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in [*files.items(), (f"{info}/RECORD", out.getvalue().encode())]:
            item = zipfile.ZipInfo(path, (2020, 1, 1, 0, 0, 0))
            item.external_attr = (0o100755 if ".data/scripts/" in path else 0o100644) << 16
            if path.endswith("/"):
                item.external_attr = 0o40755 << 16
            elif path.endswith(".bare") or path == "alpha-1.0.dist-info/RECORD":  # no kind of file, as Bazel writes it
                item.external_attr = 0o777 << 16
            archive.writestr(item, data)
    return f"{name}-{version}-{tag}.whl", buffer.getvalue()
