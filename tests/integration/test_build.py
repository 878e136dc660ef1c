"""Builds on a real kernel: overlay, an OCI runtime, a base made of this host's Python."""

from __future__ import annotations

import io
import json
import os
import signal
import stat
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from integration.host_python import NAME, add_image
from teul.build.execute import build_folder
from teul.config import Settings
from teul.engine import Engine
from teul.engine.build import BuildOptions, BuildResult, Secret, build, explain, plan
from teul.errors import BuildStepFailed, Corrupt, DockerfileError, PlatformMismatch
from teul.events import Event, Line, Step, Warn
from teul.images import Image
from teul.layers.lower import Lower
from teul.values import replace

pytestmark = [pytest.mark.needs_runc, pytest.mark.slow]
EPOCH = 315532800


@pytest.fixture
def context(tmp_path: Path) -> Path:
    made = tmp_path / "context"
    made.mkdir()
    return made


@pytest.fixture
def based(engine: Engine) -> Engine:
    add_image(engine)
    return engine


Make = Callable[..., BuildResult]


@pytest.fixture
def make(based: Engine, context: Path) -> Make:
    """Write a Dockerfile and build it."""

    def made(dockerfile: str, events: list[Event] | None = None, **options: Any) -> BuildResult:
        (context / "Dockerfile").write_text(dockerfile.replace("BASE", NAME))
        heard = events if events is not None else []
        # Most steps need no network, and a bridge takes its time to come and go.
        return build(based, BuildOptions(context=str(context), **{"network": "none", **options}), events=heard.append)

    return made


class Tree:
    """The merged files of an image, without mounting it."""

    def __init__(self, engine: Engine, image: Image) -> None:
        self.folders = [engine.snapshots.layer(name).folder for name in engine.images.layers(image)]
        self.lower = Lower(self.folders)

    def find(self, path: str) -> tuple[bytes, os.stat_result] | None:
        return self.lower.find(path.lstrip("/").encode())

    def status(self, path: str) -> os.stat_result:
        found = self.find(path)
        assert found is not None, path
        return found[1]

    def read(self, path: str) -> str:
        found = self.find(path)
        assert found is not None, path
        with open(found[0]) as file:
            return file.read()

    def layer(self, number: int) -> list[str]:
        """The paths of one layer."""
        top = self.folders[number]
        return sorted(
            os.path.relpath(os.path.join(place, name), top)
            for place, folders, names in os.walk(top)
            for name in [*folders, *names]
        )


def ran(events: list[Event]) -> list[str]:
    return [event.name for event in events if isinstance(event, Step) and event.state == "started"]


def blobs(engine: Engine) -> list[str]:
    return sorted(os.listdir(f"{engine.settings.layout}/blobs/sha256"))


def leftovers(engine: Engine) -> list[str]:
    folder = build_folder(engine.settings)
    return [*engine.snapshots.keys(), *(os.listdir(folder) if os.path.isdir(folder) else [])]


def test_an_image_is_built_with_dockers_config_and_history(make: Make, based: Engine, context: Path) -> None:
    (context / "a.txt").write_text("hello")

    result = make(
        "FROM BASE\nARG V=1\nENV GREETING=hi\nWORKDIR /app\nCOPY a.txt .\n"
        'RUN echo "$GREETING $V" > out && id -u > who\nUSER app\nCMD ["python3"]\n',
        tags=("made:1",),
    )

    tree = Tree(based, result.image)
    assert (tree.read("app/a.txt"), tree.read("app/out"), tree.read("app/who")) == ("hello", "hi 1\n", "0\n")
    config = result.image.config
    assert (config.config.working_dir, config.config.user, config.config.command) == ("/app", "app", ("python3",))
    assert [(line.created_by, line.empty_layer) for line in config.history[1:]] == [
        ("ARG V=1", True),
        ("ENV GREETING=hi", True),
        ("WORKDIR /app", False),
        ("COPY a.txt . # buildkit", False),
        ('RUN |1 V=1 /bin/sh -c echo "$GREETING $V" > out && id -u > who # buildkit', False),
        ("USER app", True),
        ('CMD ["python3"]', True),
    ]
    assert {"1980-01-01T00:00:00Z"} == {line.created for line in config.history[1:]} | {config.created}
    assert result.image.id == based.images.get("made:1").id
    assert leftovers(based) == []


def test_a_second_build_runs_nothing_and_writes_nothing(make: Make, based: Engine, context: Path) -> None:
    (context / "a").write_text("a")
    source = "FROM BASE\nCOPY a /\nRUN cat a > b\n"
    first = make(source, tags=("x",))
    before = blobs(based), os.path.getmtime(based.settings.database + "-wal")
    events: list[Event] = []

    second = make(source, tags=("x",), events=events)

    assert first.image.id == second.image.id
    assert (first.cached, second.cached) == (False, True)
    assert ran(events) == []
    assert before == (blobs(based), os.path.getmtime(based.settings.database + "-wal"))


def test_a_touched_file_is_a_hit_and_a_changed_one_is_named_by_why(make: Make, based: Engine, context: Path) -> None:
    (context / "early").write_text("1")
    (context / "late").write_text("1")
    source = "FROM BASE\nCOPY early /\nRUN cat early > x\nCOPY late /\nRUN cat late > y\n"
    make(source, tags=("x",))
    os.utime(context / "early", (1, 1))
    (context / "late").write_text("2")
    events: list[Event] = []

    make(source, tags=("x",), events=events)

    assert ran(events) == ["[4/5] COPY late /", "[5/5] RUN cat late > y"]
    steps = {step.name: step for step in explain(based, "x") if step.state == "ran" and step.reason == "changed"}
    assert [cause.part for cause in steps["[4/5] COPY late /"].causes] == ["file late"]
    assert [cause.part for cause in steps["[5/5] RUN cat late > y"].causes] == ["input base"]


def test_a_step_that_fails_says_where_how_and_its_last_words(make: Make, based: Engine) -> None:
    events: list[Event] = []
    with pytest.raises(BuildStepFailed) as caught:
        make("FROM BASE\nRUN echo kept\n\nRUN echo working; echo 'no such thing' >&2; exit 3\n", events=events)

    error = caught.value
    assert error.exit_code == 3
    assert error.span is not None
    assert error.span.line == 4
    assert sorted(error.stderr_tail.split("\n")) == ["no such thing", "working"]
    assert b"no such thing\n" in [
        event.data for event in events if isinstance(event, Line) and event.stream == "stderr"
    ]
    assert leftovers(based) == []

    events.clear()
    make("FROM BASE\nRUN echo kept\n", events=events)
    assert ran(events) == []


def test_a_program_that_is_not_there_fails_its_step(make: Make) -> None:
    with pytest.raises(BuildStepFailed) as caught:
        make('FROM BASE\nRUN ["/no/such/program"]\n')

    assert caught.value.exit_code == 127
    assert caught.value.span is not None


def test_a_missing_source_is_named_with_what_was_probably_meant(make: Make, context: Path) -> None:
    (context / "requirements.txt").write_text("")
    with pytest.raises(DockerfileError) as caught:
        make("FROM BASE\nCOPY requirement.txt /\n")

    assert f"`requirement.txt` not found in the context {context}" == str(caught.value)
    assert caught.value.hint == "did you mean `requirements.txt`?"
    assert caught.value.span is not None
    assert caught.value.span.line == 2


def test_a_missing_source_that_dockerignore_hides_is_told_so(make: Make, context: Path) -> None:
    (context / "data").mkdir()
    (context / "data" / "x.csv").write_text("")
    (context / ".dockerignore").write_text("**/*.csv\n")
    with pytest.raises(DockerfileError) as caught:
        make("FROM BASE\nCOPY data/x.csv /\n")

    assert caught.value.hint == "`.dockerignore` excludes it with the pattern `**/*.csv`"


def test_nothing_runs_before_all_sources_are_found(make: Make) -> None:
    events: list[Event] = []
    with pytest.raises(DockerfileError):
        make("FROM BASE AS a\nRUN sleep 5\nFROM BASE\nCOPY nothing /\nCOPY --from=a /x /\n", events=events)

    assert ran(events) == []


def test_the_ignore_file_beside_the_dockerfile_comes_first(make: Make, based: Engine, context: Path) -> None:
    for name in ("a", "b"):
        (context / name).write_text(name)
    (context / ".dockerignore").write_text("a\n")
    (context / "Dockerfile.dockerignore").write_text("b\nDockerfile*\n.dockerignore\n")

    result = make("FROM BASE\nCOPY . /all/\n")

    assert Tree(based, result.image).layer(-1) == ["all", "all/a"]


def test_owners_and_modes_are_resolved_in_the_image(make: Make, based: Engine, context: Path) -> None:
    (context / "d").mkdir()
    (context / "d" / "f").write_text("")
    (context / "d" / "f").chmod(0o640)

    result = make(
        "FROM BASE\nCOPY d /plain\nCOPY --chown=app d /named\nCOPY --chown=app:0 --chmod=u=rwX,go= d /group\n"
        "COPY --chown=55 d/f /number/\nUSER app\nWORKDIR /work/deep\n"
    )

    tree = Tree(based, result.image)
    assert [
        (status.st_uid, status.st_gid, status.st_mode & 0o7777)
        for status in map(tree.status, ("plain/f", "named/f", "group/f", "number/f"))
    ] == [(0, 0, 0o640), (1000, 1000, 0o640), (1000, 0, 0o600), (55, 55, 0o640)]
    assert (tree.status("work/deep").st_uid, tree.status("work/deep").st_mode & 0o7777) == (1000, 0o755)
    assert tree.status("work").st_uid == 1000
    assert tree.status("group").st_mode & 0o7777 == 0o755


def test_an_unknown_owner_is_an_error_at_its_place(make: Make, context: Path) -> None:
    (context / "f").write_text("")
    with pytest.raises(DockerfileError) as caught:
        make("FROM BASE\nCOPY --chown=nobody-here f /\n")

    assert "nobody-here" in str(caught.value)


def test_copy_follows_dockers_rules_for_destinations(make: Make, based: Engine, context: Path) -> None:
    for path in ("d/one", "d/sub/two", "f.txt", "g.txt", "w ord"):
        (context / path).parent.mkdir(parents=True, exist_ok=True)
        (context / path).write_text(path)
    (context / "to-d").symlink_to("d")
    (context / "d" / "link").symlink_to("one")

    result = make(
        "FROM BASE\nCOPY d /content\nCOPY f.txt /folder/\nCOPY f.txt /renamed\nCOPY *.txt /many/\nCOPY to-d /followed\n"
        'COPY ["w ord", "/spaces/"]\nRUN mkdir -p /real && ln -s /real /to && ln -s ../../../outside /escape || '
        "python3 -c \"import os; os.mkdir('/real'); os.symlink('/real', '/to'); os.symlink('../../../outside', '/escape')\"\n"
        "COPY f.txt /to/\nCOPY f.txt /escape/in/\nCOPY nothing* /\n"
    )

    tree = Tree(based, result.image)
    for path in (
        "content/one", "content/sub/two", "folder/f.txt", "renamed", "many/f.txt", "many/g.txt", "followed/one",
        "spaces/w ord", "real/f.txt", "outside/in/f.txt",
    ):  # fmt: skip
        assert tree.find(path), path
    assert stat.S_ISLNK(tree.status("content/link").st_mode)
    assert not os.path.exists("/outside")


def test_several_files_need_a_folder(make: Make, context: Path) -> None:
    for name in ("a", "b"):
        (context / name).write_text("")
    with pytest.raises(DockerfileError) as caught:
        make("FROM BASE\nCOPY a b /c\n")

    assert "must be a directory and end with a /" in str(caught.value)


def test_stages_share_files_and_unused_ones_never_run(make: Make, based: Engine) -> None:
    events: list[Event] = []

    result = make(
        "FROM BASE AS one\nUSER app\nRUN echo 1 > /tmp/x\nFROM BASE AS two\nRUN exit 1\nFROM BASE\n"
        "COPY --from=one /tmp/x /kept\nCOPY --from=one --chown=0:0 /tmp/x /owned\nCOPY --from=0 /tmp /folder\n",
        events=events,
    )

    tree = Tree(based, result.image)
    assert (tree.read("kept"), tree.status("kept").st_uid, tree.status("owned").st_uid) == ("1\n", 1000, 0)
    assert tree.read("folder/x") == "1\n"
    assert not any("exit 1" in name for name in ran(events))


def test_a_stage_that_changed_elsewhere_does_not_make_its_copy_run(make: Make) -> None:
    source = "FROM BASE AS one\nRUN echo 1 > /x && echo NOISE > /noise\nFROM BASE\nCOPY --from=one /x /\n"
    make(source)
    events: list[Event] = []

    make(source.replace("NOISE", "other"), events=events)

    assert len(ran(events)) == 1


def test_independent_stages_run_at_the_same_time(make: Make) -> None:
    started = time.monotonic()

    make(
        "FROM BASE AS a\nRUN sleep 2 && echo a > /a\nFROM BASE AS b\nRUN sleep 2 && echo b > /b\n"
        "FROM BASE\nCOPY --from=a /a /\nCOPY --from=b /b /\n"
    )

    assert time.monotonic() - started < 3.9


def test_what_the_host_lends_leaves_no_trace(based: Engine, context: Path, tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    (wheels / "lent").write_text("")
    environ = dict(based.settings.environ or {}) | {
        "PIP_FIND_LINKS": str(wheels),
        "HTTPS_PROXY": "http://proxy.example:1",
    }
    lent = Engine.open(Settings.from_environ({**environ, "TEUL_ROOT": based.settings.root}))
    (context / "Dockerfile").write_text(
        f"FROM {NAME}\nRUN ls {wheels} > /seen && echo $PIP_FIND_LINKS $HTTPS_PROXY >> /seen && ls /etc >> /seen\n"
    )
    try:
        result = build(lent, BuildOptions(context=str(context), network="none"))
        tree = Tree(based, result.image)
        assert tree.layer(-1) == ["seen"]
        assert f"lent\n{wheels} http://proxy.example:1\n" in tree.read("seen")
        assert str(wheels) not in str(result.image.config.config)
    finally:
        lent.close()


def test_pip_settings_are_part_of_the_key_and_proxies_are_not(based: Engine, context: Path) -> None:
    (context / "Dockerfile").write_text(f"FROM {NAME}\nRUN true\n")

    def steps(**more: str) -> list[str]:
        environ = {**(based.settings.environ or {}), "TEUL_ROOT": based.settings.root, **more}
        engine = Engine.open(Settings.from_environ(environ))
        events: list[Event] = []
        try:
            build(engine, BuildOptions(context=str(context), network="none"), events=events.append)
        finally:
            engine.close()
        return ran(events)

    steps()
    assert steps(HTTP_PROXY="http://other:1") == []
    assert len(steps(PIP_INDEX_URL="https://other.example/simple")) == 1


def test_times_are_constant_and_compiled_files_still_fit_their_sources(make: Make, based: Engine) -> None:
    result = make(
        "FROM BASE\nWORKDIR /m\nRUN echo 'x = 1' > a.py && python3 -c 'import a' && python3 -m compileall -b -q a.py\n"
        "RUN python3 -c \"import os; os.utime('/m/a.py', (1, 1))\"\nRUN python3 -m compileall -q -f a.py\n"
    )

    tree = Tree(based, result.image)
    source = tree.status("m/a.py")
    assert int(source.st_mtime) == EPOCH
    version = f"{sys.version_info.major}{sys.version_info.minor}"
    for path in (f"m/__pycache__/a.cpython-{version}.pyc", "m/a.pyc"):
        found = tree.find(path)
        assert found is not None
        header = Path(os.fsdecode(found[0])).read_bytes()[:16]
        assert (0, EPOCH, source.st_size) == tuple(int.from_bytes(header[at : at + 4], "little") for at in (4, 8, 12))
        assert int(found[1].st_mtime) == EPOCH
    for number in (-1, -2, -3):
        for path in tree.layer(number):
            assert int(os.lstat(f"{tree.folders[number]}/{path}").st_mtime) == EPOCH, path


def test_a_file_that_only_changed_its_owner_keeps_its_time(make: Make, based: Engine, context: Path) -> None:
    (context / "f").write_text("x")
    os.utime(context / "f", (10**9, 10**9))
    make("FROM BASE\nCOPY f /f\n", normalise=False, tags=("raw",))

    result = make("FROM raw\nRUN python3 -c \"import os; os.chown('/f', 7, 7)\"\n")

    assert (
        Tree(based, result.image).status("f").st_uid,
        int(Tree(based, result.image).status("f").st_mtime),
    ) == (7, 10**9)


def test_volatile_files_are_emptied_removed_or_dated(make: Make, based: Engine) -> None:
    script = (
        "import os, pathlib; P = pathlib.Path\n"
        "for name in ('/var/log/apt/history.log', '/var/cache/ldconfig/aux-cache', '/root/.cache/pip/http/a/b'):\n"
        "    P(name).parent.mkdir(parents=True, exist_ok=True); P(name).write_text('when')\n"
        "P('/etc/shadow').write_text('root:*:19000:0:99999:7:::\\nnew:!:0:0:99999:7:::\\n')\n"
    )

    result = make(f"FROM BASE\nRUN <<'EOF'\n#!/usr/bin/python3\n{script}EOF\n")

    tree = Tree(based, result.image)
    assert tree.read("var/log/apt/history.log") == ""
    assert tree.find("var/cache/ldconfig/aux-cache") is None
    assert tree.find("root/.cache/pip/http/a/b") is None
    assert tree.read("etc/shadow") == "root:*:3652:0:99999:7:::\nnew:!:0:0:99999:7:::\n"


def test_without_normalising_times_are_what_they_were(make: Make, based: Engine, context: Path) -> None:
    (context / "f").write_text("x")
    os.utime(context / "f", (10**9, 10**9))

    result = make("FROM BASE\nCOPY f /\nRUN echo > /g\n", normalise=False)
    again = make("FROM BASE\nCOPY f /\nRUN echo > /g\n", normalise=False)

    tree = Tree(based, result.image)
    assert int(tree.status("f").st_mtime) == 10**9
    assert time.time() - tree.status("g").st_mtime < 300
    assert result.image.id == again.image.id


def test_two_clean_builds_elsewhere_and_at_another_time_give_one_digest(tmp_path: Path) -> None:
    """Another state folder, path, date, umask, time zone, locale, CPU count: one image."""
    dockerfile = (
        f"FROM {NAME}\nWORKDIR /app\nCOPY . .\nRUN python3 -m compileall -q . && id > /who && echo $RANDOM > /dev/null\n"
        "RUN for i in 1 2 3; do echo $i > /tmp/$i; done\nUSER app\nCOPY --chown=app m.py /home/app/\n"
    )
    digests = []
    for number, (umask, environ, prefix) in enumerate(
        [
            (0o022, {"TZ": "UTC", "LANG": "C"}, []),
            (
                0o077,
                {"TZ": "Asia/Seoul", "LANG": "ko_KR.UTF-8"},
                ["taskset", "-c", "0", "faketime", "2031-05-06 07:08:09"],
            ),
        ]
    ):
        if prefix and not all(os.path.exists(f"/usr/bin/{name}") for name in ("taskset", "faketime")):
            pytest.skip("faketime is not installed")
        place = tmp_path / f"place-{number}" / "context"
        place.mkdir(parents=True)
        for name in ("m.py", "n.py"):
            (place / name).write_text(f"name = {name!r}\n")
            (place / name).chmod(0o644)
        (place / "Dockerfile").write_text(dockerfile)
        root = str(tmp_path / f"state-{number}")
        settings = Settings.from_environ({**os.environ, "TEUL_ROOT": root})
        engine = Engine.open(settings)
        add_image(engine)
        engine.close()
        done = subprocess.run(
            [*prefix, sys.executable, "-m", "teul.cli.main", "build", "-q", "--network", "none", str(place)],
            env={**os.environ, **environ, "TEUL_ROOT": root, "TEUL_LANG": "en", "PYTHONPATH": ":".join(sys.path)},
            umask=umask,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        digests.append(done.stdout.strip())

    assert digests[0] == digests[1]
    assert digests[0].startswith("sha256:")


def command(engine: Engine, *words: str) -> subprocess.Popen[str]:
    environ = {**(engine.settings.environ or {}), "PYTHONPATH": ":".join(sys.path)}
    return subprocess.Popen(
        [sys.executable, "-m", "teul.cli.main", "build", "--network", "none", *words],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def processes(word: str) -> list[str]:
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                if word.encode() in file.read():
                    found.append(pid)
        except OSError:
            continue
    return found


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_builder_that_is_killed_leaves_a_store_that_the_next_build_uses(
    based: Engine, context: Path, number: signal.Signals
) -> None:
    marker = f"sleep 3{os.getpid()}{int(number)}"
    (context / "Dockerfile").write_text(f"FROM {NAME}\nRUN echo kept > /kept\nRUN {marker} || true\n")
    running = command(based, "--progress", "plain", str(context))
    wait_until(lambda: processes(marker.replace(" ", "\0")))

    running.send_signal(number)

    _, errors = running.communicate(timeout=20)
    assert (-9 if number == signal.SIGKILL else 130) == running.returncode, errors
    wait_until(lambda: not processes(marker.replace(" ", "\0")))
    if number == signal.SIGINT:
        assert leftovers(based) == []
    (context / "Dockerfile").write_text(f"FROM {NAME}\nRUN echo kept > /kept\nRUN echo after\n")
    events: list[Event] = []

    build(based, BuildOptions(context=str(context), network="none"), events=events.append)

    assert ran(events) == ["[3/3] RUN echo after"]
    assert leftovers(based) == []


def test_two_builders_at_once_on_one_store(based: Engine, context: Path) -> None:
    (context / "Dockerfile").write_text(f"FROM {NAME}\nRUN sleep 0.3 && echo 1 > /x\nRUN echo 2 > /y\n")
    both = [command(based, "-q", "-t", "both", str(context)) for _ in range(2)]

    ids = [running.communicate(timeout=60) for running in both]

    assert [running.returncode for running in both] == [0, 0], ids
    assert ids[0][0] == ids[1][0]


def test_mounts_lend_files_and_keep_nothing(make: Make, based: Engine, context: Path) -> None:
    (context / "requirements.txt").write_text("needed")
    (context / "hidden").write_text("secret")
    (context / ".dockerignore").write_text("hidden\n")
    source = (
        "FROM BASE AS tools\nRUN echo tool > /tool\nFROM BASE\nWORKDIR /w\n"
        "RUN --mount=type=bind,source=requirements.txt,target=r.txt cat r.txt > /out\n"
        "RUN --mount=type=bind,target=/c ls /c > /listed\n"
        "RUN --mount=from=tools,target=/t,rw cat /t/tool >> /out && echo lost > /t/lost\n"
        "RUN --mount=type=tmpfs,target=/fast echo x > /fast/x\n"
        "RUN --mount=type=cache,target=/cached,id=ID,mode=0700,uid=1000 ls /cached >> /out; echo 1 > /cached/NEXT; ls -ld /cached\n"
    ).replace("ID", f"id-{os.getpid()}")

    make(source.replace("NEXT", "first"))
    result = make(source.replace("NEXT", "second"))

    tree = Tree(based, result.image)
    assert tree.read("out") == "needed" + "tool\n" + "first\n"
    assert tree.read("listed") == "Dockerfile\nrequirements.txt\n"
    for path in ("t", "fast", "cached", "c", "w/r.txt"):
        assert tree.find(path) is None, path


def test_a_secret_is_seen_and_kept_nowhere(make: Make, based: Engine, tmp_path: Path) -> None:
    word = "s3cr3t-" + os.urandom(8).hex()
    (tmp_path / "token").write_text(word)

    result = make(
        "FROM BASE\nRUN --mount=type=secret,id=token,uid=1000 python3 -B -c \"s = open('/run/secrets/token').read(); "
        "open('/length', 'w').write(str(len(s)))\"\n"
        'RUN --mount=type=secret,id=token,env=TOKEN test -n "$TOKEN"\n',
        secrets={"token": Secret(path=str(tmp_path / "token"))},
    )

    assert str(len(word)) == Tree(based, result.image).read("length")
    assert Tree(based, result.image).layer(-2) == ["length"]
    found = subprocess.run(
        ["grep", "-rlaF", word, based.settings.root, based.settings.run_root],
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.stdout == ""


def test_a_secret_that_a_step_prints_is_starred(make: Make, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("HUNTER2-4711\n")
    heard: list[Event] = []

    with pytest.raises(BuildStepFailed) as caught:
        make(
            "FROM BASE\nRUN --mount=type=secret,id=token echo got $(cat /run/secrets/token); exit 3\n",
            heard,
            secrets={"token": Secret(path=str(tmp_path / "token"))},
        )

    assert b"got ***" in b"".join(event.data for event in heard if isinstance(event, Line))
    assert "HUNTER2" not in f"{heard}{caught.value}{vars(caught.value)}"


def test_a_secret_of_a_variable_that_is_not_set_is_empty_and_said(make: Make, based: Engine) -> None:
    heard: list[Event] = []
    result = make(
        "FROM BASE\nRUN --mount=type=secret,id=a,required ls -s /run/secrets/a > /seen\n",
        heard,
        secrets={"a": Secret(env="TEUL_TEST_NOT_SET")},
    )

    assert Tree(based, result.image).read("seen") == "0 /run/secrets/a\n"
    assert [event.code for event in heard if isinstance(event, Warn)] == ["empty-secret"]


def test_a_secret_that_is_required_and_not_given_is_an_error(make: Make) -> None:
    with pytest.raises(DockerfileError) as caught:
        make("FROM BASE\nRUN --mount=type=secret,id=token,required true\n")

    assert str(caught.value) == "secret `token` is required"


def test_run_has_no_network_when_it_asks_for_none(make: Make, based: Engine) -> None:
    result = make("FROM BASE\nRUN --network=none ls /sys/class/net > /out\n")

    assert Tree(based, result.image).read("out") == "lo\n"


def test_run_gets_devices_and_every_capability_where_that_is_allowed(
    based: Engine, context: Path, tmp_path: Path
) -> None:
    (tmp_path / "driver/etc/cdi").mkdir(parents=True)
    edits = {"env": ["THING=here"], "deviceNodes": [{"path": "/dev/thing", "hostPath": "/dev/null"}]}
    specification = {"cdiVersion": "0.6.0", "kind": "a.b/thing", "devices": [{"name": "one", "containerEdits": edits}]}
    (tmp_path / "driver/etc/cdi/a.json").write_text(json.dumps(specification))
    local = Engine.open(replace(based.settings, driver_root=str(tmp_path / "driver")))
    look = (
        "python3 -c \"import os; print(*(line.split()[1] for line in open('/proc/self/status')"
        " if line.startswith(('CapEff:', 'Seccomp:'))), len(os.listdir('/dev')))\""
    )
    (context / "Dockerfile").write_text(
        f"FROM {NAME}\n"
        f"RUN --security=insecure {look} > /insecure\n"
        f"RUN --security=sandbox {look} > /sandbox\n"
        "RUN --device=a.b/thing=one --device=a.b/other=one,required=false echo $THING > /device; ls /dev/thing >> /device\n"
        "RUN echo ${THING:-gone} > /without; ls /dev/thing >> /without || true\n"
    )

    def made(allowed: tuple[str, ...]) -> BuildResult:
        return build(local, BuildOptions(context=str(context), network="none", allowed=allowed))

    with open("/proc/self/status") as file:
        everything = next(line.split()[1] for line in file if line.startswith("CapBnd:"))
    with pytest.raises(DockerfileError, match=r"device=a.b/thing=one is not allowed"):
        made(("security.insecure",))
    tree = Tree(local, made(("security.insecure", "device")).image)
    insecure, sandbox = tree.read("insecure").split(), tree.read("sandbox").split()
    local.close()

    assert insecure[:2] == [everything, "0"]
    assert sandbox[:2] == ["00000000a80425fb", "2"]
    assert int(insecure[2]) > int(sandbox[2])
    assert (tree.read("device"), tree.read("without")) == ("here\n/dev/thing\n", "gone\n")


def test_steps_that_change_nothing_are_one_empty_layer_each(make: Make) -> None:
    result = make("FROM BASE\nRUN true\nRUN true 2\nWORKDIR /tmp\nRUN echo 1 > /x\n")

    assert len(set(result.image.config.diff_ids[1:4])) == 1
    assert [line.empty_layer for line in result.image.config.history[1:]] == [False] * 4


WHERE = "python3 -c \"import os; print(os.readlink('/proc/self/ns/net'))\""


@pytest.mark.needs_network
def test_run_is_on_a_bridge_unless_it_asks_for_the_host(make: Make, based: Engine) -> None:
    result = make(
        f"FROM BASE\nRUN {WHERE} > /a && ls /sys/class/net > /names\nRUN --network=host {WHERE} > /b\n",
        network="default",
        allowed=("network.host",),
    )

    tree = Tree(based, result.image)
    here = os.readlink("/proc/self/ns/net") + "\n"
    assert (tree.read("a") == here, tree.read("names"), tree.read("b")) == (False, "eth0\nlo\n", here)


def test_run_shares_the_hosts_network_where_only_that_reaches_the_index(based: Engine, context: Path) -> None:
    (context / "Dockerfile").write_text(f"FROM {NAME}\nRUN {WHERE} > /net\n")
    environ = {
        **(based.settings.environ or {}),
        "TEUL_ROOT": based.settings.root,
        "PIP_INDEX_URL": "http://127.0.0.1:9/s",
    }
    local = Engine.open(Settings.from_environ(environ))
    events: list[Event] = []
    try:
        result = build(local, BuildOptions(context=str(context)), events=events.append)
    finally:
        local.close()

    assert [event.code for event in events if isinstance(event, Warn)] == ["build-network"]
    assert Tree(based, result.image).read("net") == os.readlink("/proc/self/ns/net") + "\n"


def test_add_unpacks_archives_and_copy_does_not(make: Make, based: Engine, context: Path) -> None:
    for name, mode in (("plain.tar", "w"), ("packed.tar.gz", "w:gz"), ("x.tar.xz", "w:xz")):
        with tarfile.open(context / name, mode) as archive:
            add(archive, f"from-{name}/f", b"data", uid=7)
    (context / "no.tar.gz").write_bytes(b"\x1f\x8b\x08 not really")

    result = make(
        "FROM BASE\nADD plain.tar packed.tar.gz x.tar.xz /a/\nADD --chown=app plain.tar /b/\nADD no.tar.gz /c/\n"
        "COPY plain.tar /d/\nADD --unpack=false plain.tar /e/\n"
    )

    tree = Tree(based, result.image)
    assert [tree.status(f"a/from-{name}/f").st_uid for name in ("plain.tar", "packed.tar.gz", "x.tar.xz")] == [7, 7, 7]
    # As in Docker, --chown is for the folder that is made; what is in the archive has its own owners.
    assert (tree.status("b").st_uid, tree.status("b/from-plain.tar/f").st_uid) == (1000, 7)
    for path in ("c/no.tar.gz", "d/plain.tar", "e/plain.tar"):
        assert stat.S_ISREG(tree.status(path).st_mode)


def add(
    archive: tarfile.TarFile,
    name: str,
    data: bytes = b"",
    *,
    kind: bytes = tarfile.REGTYPE,
    link: str = "",
    uid: int = 0,
) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname, info.uid, info.gid = len(data), kind, link, uid, uid
    archive.addfile(info, io.BytesIO(data))


def test_a_hostile_archive_stays_inside(make: Make, based: Engine, context: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    with tarfile.open(context / "evil.tar", "w") as archive:
        add(archive, "../../../../../../../../../../dots", b"1")
        add(archive, f"{outside}/absolute", b"2")
        add(archive, "to", kind=tarfile.SYMTYPE, link=str(outside))
        add(archive, "to/through-link", b"3")
        add(archive, "up", kind=tarfile.SYMTYPE, link="../../../../../../../../../../" + str(outside))
        add(archive, "up/through-dots", b"4")
        add(archive, "to-f", kind=tarfile.SYMTYPE, link=str(outside / "f"))
        add(archive, "to-f", b"5")

    result = make("FROM BASE\nADD evil.tar /a/\n")

    assert os.listdir(outside) == []
    tree = Tree(based, result.image)
    assert tree.read("a/to-f") == "5"
    assert tree.read("a/dots") == "1"
    assert tree.read(f"{outside}/through-link") == "3"


def test_a_hard_link_in_an_archive_stays_inside(make: Make, context: Path) -> None:
    with tarfile.open(context / "evil.tar", "w") as archive:
        add(archive, "x", kind=tarfile.LNKTYPE, link="../../../../../../../../etc/hostname")

    with pytest.raises(Corrupt, match="which is no file before it"):
        make("FROM BASE\nADD evil.tar /a/\n")


def test_named_contexts_stand_for_images_and_folders(make: Make, based: Engine, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "readme").write_text("read me")

    result = make(
        "FROM python:9.99-nowhere\nCOPY --from=docs readme /\n",
        build_contexts={"python:9.99-nowhere": f"docker-image://{NAME}", "docs": str(tmp_path / "docs")},
    )

    assert Tree(based, result.image).read("readme") == "read me"


def test_heredocs_are_files_and_scripts(make: Make, based: Engine) -> None:
    result = make(
        "FROM BASE\nENV WHO=틀\nRUN <<EOF\necho one > /one\necho two > /two\nEOF\n"
        "COPY <<-plain <<'raw' /d/\n\thello $WHO\n\tplain\nhello $WHO\nraw\nRUN cat <<A > /a && cat <<B > /b\nin a\nA\nin b\nB\n"
    )

    tree = Tree(based, result.image)
    assert [tree.read(path) for path in ("one", "two", "d/plain", "d/raw", "a", "b")] == [
        "one\n",
        "two\n",
        "hello 틀\n",
        "hello $WHO\n",
        "in a\n",
        "in b\n",
    ]


def test_a_plan_says_what_would_run_and_why(make: Make, based: Engine, context: Path) -> None:
    (context / "f").write_text("1")
    make("FROM BASE\nCOPY f /\nRUN cat f\n")
    (context / "f").write_text("2")

    planned, _ = plan(based, BuildOptions(context=str(context), network="none"))

    assert [(item.vertex.name, item.state) for item in planned] == [
        ("", "cached"),
        ("[2/3] COPY f /", "run"),
        ("[3/3] RUN cat f", "unknown"),
    ]
    assert [cause.part for cause in planned[1].causes] == ["file f"]


def test_no_cache_runs_everything_again(make: Make) -> None:
    make("FROM BASE\nRUN echo 1\n")
    events: list[Event] = []

    result = make("FROM BASE\nRUN echo 1\n", no_cache=True, events=events)

    assert len(ran(events)) == 1
    assert not result.cached


def test_a_lost_layer_is_made_again(make: Make, based: Engine) -> None:
    source = "FROM BASE\nRUN echo 1 > /x\nRUN echo 2 > /y\n"
    first = make(source)
    based.images.remove(first.image.id)
    based.snapshots.remove(based.snapshots.resolve(first.image.config.diff_ids)[-1])
    events: list[Event] = []

    second = make(source, events=events)

    assert first.image.id == second.image.id
    assert ran(events) == ["[3/3] RUN echo 2 > /y"]


def test_deleted_files_stay_deleted(make: Make, based: Engine, context: Path) -> None:
    (context / "d").mkdir()
    for name in "abc":
        (context / "d" / name).write_text(name)

    result = make(
        "FROM BASE\nCOPY d /d\nRUN python3 -c \"import os, shutil; os.unlink('/d/a'); shutil.rmtree('/d'); os.mkdir('/d'); open('/d/n', 'w')\"\n"
    )

    tree = Tree(based, result.image)
    assert tree.find("d/n") is not None
    assert tree.find("d/b") is None


def test_a_warning_names_a_base_that_teul_made(make: Make, based: Engine) -> None:
    make("FROM BASE\nLABEL io.teul.origin='bootstrap here'\n", tags=("made:base",))
    events: list[Event] = []

    make("FROM made:base\nRUN true\n", events=events)

    assert [event.code for event in events if isinstance(event, Warn)] == ["bootstrapped-base"]


def test_a_file_that_changes_while_it_is_copied_does_not_poison_the_cache(
    make: Make, based: Engine, context: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (context / "f").write_text("one")
    from teul.build import tree as trees

    looked = trees.Tree.inspect

    def inspect(self: trees.Tree, *given: Any) -> dict[str, str]:
        found = looked(self, *given)
        if (context / "f").read_text() == "one":
            (context / "f").write_text("two")
        return found

    monkeypatch.setattr(trees.Tree, "inspect", inspect)
    first = make("FROM BASE\nCOPY f /\n")
    assert Tree(based, first.image).read("f") == "two"
    monkeypatch.undo()
    (context / "f").write_text("one")

    second = make("FROM BASE\nCOPY f /\n")

    assert Tree(based, second.image).read("f") == "one"


def test_a_layout_can_stand_for_an_image(make: Make, based: Engine, tmp_path: Path) -> None:
    from teul.engine.images import export

    export(based, NAME, str(tmp_path / "layout"), compression="")

    result = make("FROM nowhere:1\nRUN true\n", build_contexts={"nowhere:1": f"oci-layout://{tmp_path}/layout"})

    assert result.image.config.diff_ids[0] == based.images.get(NAME).config.diff_ids[0]


def test_an_image_of_another_architecture_is_named_at_its_from(make: Make, based: Engine) -> None:
    make("FROM --platform=linux/s390x scratch\n", platform="linux/s390x", tags=("foreign.invalid/x:1",))

    with pytest.raises(PlatformMismatch) as caught:
        make("FROM foreign.invalid/x:1\nRUN true\n")

    assert "linux/s390x" in str(caught.value)
    assert caught.value.span is not None


def test_what_gc_leaves_is_still_a_cache(make: Make, based: Engine) -> None:
    from teul.engine.system import collect

    source = "FROM BASE AS a\nRUN echo 1 > /x\nFROM BASE\nCOPY --from=a /x /\n"
    make(source, tags=("x",))
    collect(based)
    events: list[Event] = []

    make(source, tags=("x",), events=events)

    assert ran(events) == []


@pytest.mark.parametrize("kind", ["dockerfile", "tar"])
def test_a_build_reads_stdin(based: Engine, kind: str) -> None:
    source = f"FROM {NAME}\n".encode()
    if kind == "tar":
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w:gz") as archive:
            add(archive, "Dockerfile", source + b"COPY f /\n")
            add(archive, "f", b"data")
        source = stream.getvalue()
    environ = {**(based.settings.environ or {}), "PYTHONPATH": ":".join(sys.path)}

    done = subprocess.run(
        [sys.executable, "-m", "teul.cli.main", "build", "-q", "-t", "piped", "-"],
        env=environ,
        input=source,
        capture_output=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.decode().strip() == based.images.get("piped").id
    assert [name for name in os.listdir(based.settings.root) if name.startswith("context-")] == []


def test_a_context_with_odd_files_is_read_and_an_unreadable_one_is_named(
    make: Make, based: Engine, context: Path
) -> None:
    import socket

    (context / "한글 이름").write_text("ok")
    (context / os.fsdecode(b"\xff-bytes")).write_text("bytes")
    os.mkfifo(context / "pipe")
    (context / "loop").symlink_to("loop")
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(context / "socket"))
        result = make("FROM BASE\nCOPY . /all/\n")

    tree = Tree(based, result.image)
    assert tree.read("all/한글 이름") == "ok"
    assert stat.S_ISFIFO(tree.status("all/pipe").st_mode)
    assert stat.S_ISLNK(tree.status("all/loop").st_mode)
    assert tree.find("all/socket") is None
    assert tree.lower.find(b"all/\xff-bytes") is not None


def test_parents_are_kept_on_request(make: Make, based: Engine, context: Path) -> None:
    for path in ("x/a/one.txt", "x/b/two.txt", "x/b/three.py", "y/z.txt"):
        (context / path).parent.mkdir(parents=True, exist_ok=True)
        (context / path).write_text(path)

    result = make(
        "FROM BASE\nCOPY --parents x/*/*.txt /p/\nCOPY --parents ./x/./b /q/\nCOPY --parents y/z.txt /r/\n"
        "COPY --parents **/*.py /s/\n"
    )

    tree = Tree(based, result.image)
    for path in ("p/x/a/one.txt", "p/x/b/two.txt", "q/b/two.txt", "q/b/three.py", "r/y/z.txt", "s/x/b/three.py"):
        assert tree.find(path), path
    for path in ("p/x/b/three.py", "q/x"):
        assert tree.find(path) is None, path


def test_excluded_files_are_not_copied(make: Make, based: Engine, context: Path) -> None:
    for path in ("d/keep.py", "d/drop.pyc", "d/sub/drop.pyc", "d/data/x"):
        (context / path).parent.mkdir(parents=True, exist_ok=True)
        (context / path).write_text("")

    result = make("FROM BASE\nCOPY --exclude=**/*.pyc --exclude=data d /d/\n")

    assert Tree(based, result.image).layer(-1) == ["d", "d/keep.py", "d/sub"]


def test_a_full_disk_is_said_and_leaves_a_store_that_works(settings: Settings, tmp_path: Path, context: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300m", "tmpfs", str(small)], check=True)
    engine = Engine.open(Settings.from_environ({**os.environ, "TEUL_ROOT": str(small), "TEUL_LANG": "en"}))
    try:
        add_image(engine)
        (context / "Dockerfile").write_text(f"FROM {NAME}\nCOPY big /\n")
        with open(context / "big", "wb") as file:
            file.truncate(1 << 30)

        with pytest.raises(OSError) as caught:
            build(engine, BuildOptions(context=str(context), network="none"))

        assert caught.value.errno == 28
        assert leftovers(engine) == []
        (context / "Dockerfile").write_text(f"FROM {NAME}\nRUN echo fine > /x\n")
        assert build(engine, BuildOptions(context=str(context), network="none")).image.id
    finally:
        engine.close()
        subprocess.run(["umount", "-l", str(small)], check=True)


@pytest.fixture(autouse=True)
def _no_threads_left() -> Iterator[None]:
    yield
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("teul-solve")] == []
