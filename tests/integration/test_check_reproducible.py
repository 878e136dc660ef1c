"""`--check-reproducible` and the corpus: every ordinary Dockerfile gives one digest, and what does not is named."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from integration.host_python import NAME, add_image
from teul.engine import Engine
from teul.engine.build import BuildOptions
from teul.engine.build.reproducing import FAKETIME, Difference, check_reproducible
from teul.events import Event, Warn

pytestmark = [pytest.mark.needs_runc, pytest.mark.slow]
HAS_FAKETIME = os.path.exists(FAKETIME.format(machine=os.uname().machine))
PYTHON = "RUN python3 -c"
CORPUS = {
    "basic": """\
        FROM BASE
        WORKDIR /app
        COPY . .
        RUN python3 -m compileall -q /app
        CMD ["python3", "main.py"]
        """,
    "slim with labels and arguments": """\
        ARG VERSION=1
        FROM BASE
        ARG VERSION
        LABEL version=$VERSION maintainer="한글 이름"
        ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
        COPY --chmod=0644 main.py data.csv /srv/
        RUN python3 -c "import sys; sys.path.insert(0, '/srv'); import main"
        """,
    "multi-stage with a model downloader": """\
        FROM BASE AS downloader
        RUN --mount=type=cache,target=/root/.cache/models \\
            python3 -c "import os; os.makedirs('/models/m/snapshots'); open('/models/m/weights.bin', 'wb').write(bytes(range(256)) * 64); os.symlink('../weights.bin', '/models/m/snapshots/w')"
        FROM BASE
        COPY --from=downloader /models /models
        COPY main.py /app/main.py
        """,
    "CUDA-style": """\
        FROM BASE
        ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility LD_LIBRARY_PATH=/usr/local/cuda/lib64
        RUN python3 - <<EOF
        import os
        os.makedirs("/usr/local/cuda-12.4/lib64")
        open("/usr/local/cuda-12.4/lib64/libcudart.so.12.4.127", "wb").write(bytes(4096))
        os.symlink("libcudart.so.12.4.127", "/usr/local/cuda-12.4/lib64/libcudart.so.12")
        os.symlink("cuda-12.4", "/usr/local/cuda")
        EOF
        WORKDIR /workspace
        COPY . .
        """,
    "FastAPI with a health check": """\
        FROM BASE
        WORKDIR /code
        COPY main.py .
        RUN python3 -m compileall -q . && python3 -c "open('/var/log/app.log', 'w').write(__import__('time').ctime())" || true
        EXPOSE 8000
        HEALTHCHECK --interval=30s --timeout=3s CMD python3 -c "import main" || exit 1
        CMD ["python3", "main.py"]
        """,
    "not root": """\
        FROM BASE
        RUN python3 -c "open('/etc/passwd', 'a').write('worker:x:1500:1500::/home/worker:/bin/sh\\n')"
        COPY --chown=1500:1500 . /home/worker/
        USER 1500
        WORKDIR /home/worker
        RUN python3 -c "open('/home/worker/made', 'w').write('x')"
        """,
}


@pytest.fixture
def context(tmp_path: Path, engine: Engine) -> Path:
    add_image(engine)
    made = tmp_path / "context"
    (made / "sub").mkdir(parents=True)
    (made / "main.py").write_text("print('hi')\n")
    (made / "data.csv").write_text("a,b\n1,2\n")
    (made / "sub" / "한글.txt").write_text("x")
    return made


def check(engine: Engine, context: Path, dockerfile: str) -> tuple[Difference | None, list[str]]:
    lines = [line.removeprefix("        ") for line in dockerfile.replace("BASE", NAME).splitlines()]
    (context / "Dockerfile").write_text("\n".join(lines) + "\n")
    heard: list[Event] = []
    options = BuildOptions(context=str(context), network="none")
    result, found = check_reproducible(engine, options, events=heard.append)
    assert engine.images.find(result.image.id) is not None
    return found, [event.code for event in heard if isinstance(event, Warn)]


@pytest.mark.parametrize("name", CORPUS)
def test_an_ordinary_dockerfile_is_reproducible(engine: Engine, context: Path, name: str) -> None:
    umask, processors, zone = os.umask(0o022), os.sched_getaffinity(0), os.environ.get("TZ")
    os.umask(umask)

    found, _ = check(engine, context, CORPUS[name])

    assert found is None
    again = os.umask(umask)
    os.umask(again)
    assert (again, os.sched_getaffinity(0), os.environ.get("TZ")) == (umask, processors, zone)


@pytest.mark.parametrize(
    ("statement", "path", "hint"),
    [
        ("open('/r', 'wb').write(__import__('os').urandom(8))", "/r", "each time"),
        ("import time; open('/when', 'w').write(str(time.time_ns()))", "/when", "SOURCE_DATE_EPOCH"),
        ("import os; open('/n', 'w').write(str(len(os.sched_getaffinity(0))))", "/n", "processors"),
        ("import os; os.makedirs('/tmp/x'); open('/tmp/x/' + os.urandom(4).hex(), 'w')", "/tmp/x/", "remove it"),
        ("import os; os.symlink(os.urandom(4).hex(), '/link')", "/link", "each time"),
    ],
)
def test_what_cannot_be_reproduced_is_named(
    engine: Engine, context: Path, statement: str, path: str, hint: str
) -> None:
    if "affinity" in statement and len(os.sched_getaffinity(0)) < 2:
        pytest.skip("one processor")

    found, _ = check(engine, context, f'FROM BASE\nCOPY data.csv /\n{PYTHON} "{statement}"\nRUN true\n')

    assert found is not None
    assert found.path.startswith(path)
    assert PYTHON in found.step
    assert found.hint is not None
    assert hint in found.hint


def test_a_date_is_found_although_both_builds_are_of_today(engine: Engine, context: Path) -> None:
    if not HAS_FAKETIME:
        pytest.skip("libfaketime is not installed")
    dockerfile = f"FROM BASE\n{PYTHON} \"import time; open('/day', 'w').write(time.strftime('%Y-%m-%d'))\"\n"

    found, warned = check(engine, context, dockerfile)

    assert found is not None
    assert found.path == "/day"
    assert "same-date" not in warned
    assert check(engine, context, f"FROM BASE\n{PYTHON} \"import os; print(os.listdir('/etc'))\"\n")[0] is None


def test_the_second_build_is_not_remembered(engine: Engine, context: Path) -> None:
    from teul.engine.build import build

    check(engine, context, f"FROM BASE\n{PYTHON} \"open('/r', 'wb').write(__import__('os').urandom(8))\"\n")
    rows = engine.db.all("SELECT key, data FROM results ORDER BY key")
    again = build(engine, BuildOptions(context=str(context), network="none"))

    assert again.cached
    assert engine.db.all("SELECT key, data FROM results ORDER BY key") == rows
