"""ADD and contexts from URLs and repositories: a real HTTP server, the real git, and both of them hostile."""

from __future__ import annotations

import gzip
import http.server
import io
import os
import subprocess
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from teul.build.contexts import from_address, from_archive, from_stream, scratch
from teul.build.execute import scratch_folder
from teul.build.sources import parse_http
from teul.build.tree import Tree
from teul.engine import Engine
from teul.engine.build import BuildOptions, BuildResult, Secret, build
from teul.engine.build.attributes import read_output
from teul.engine.build.inputs import open_remote_context
from teul.errors import Cancelled, DigestMismatch, DockerfileError, InvalidInput, SourceUnavailable, TeulError
from teul.events import Event, Step
from teul.layers.lower import Lower

pytestmark = [pytest.mark.needs_root, pytest.mark.slow]
WHEN = "Wed, 21 Oct 2015 07:28:00 GMT"


class Server:
    """Serves *files*; counts what was asked for."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.redirects: dict[str, str] = {}
        self.packed: set[str] = set()
        """Paths of which the server says that they are packed (`Content-Encoding`), whatever was asked for."""
        self.folder = ""
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
                path = self.path.partition("?")[0]
                if path in outer.redirects:
                    self.send_response(302)
                    self.send_header("Location", outer.redirects[path])
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                data = outer.files.get(path)
                local = outer.folder + os.path.normpath(path)
                if data is None and outer.folder and os.path.isfile(local):
                    data = Path(local).read_bytes()
                if data is None:
                    self.send_error(404)
                    return
                tag = f'"{len(data)}-{hash(data)}"'
                if self.headers.get("If-None-Match") == tag:
                    self.send_response(304)
                    self.end_headers()
                    return
                self.send_response(200)
                self.send_header("ETag", tag)
                self.send_header("Last-Modified", WHEN)
                if path in outer.packed:
                    self.send_header("Content-Encoding", "gzip")
                self.send_header("Content-Length", "-5" if path == "/negative" else str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None: ...

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.http.shutdown()
    made.http.server_close()


def git(folder: Path, *words: str) -> str:
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_GLOBAL": "/dev/null"}
    who = [
        "-c",
        "user.name=a",
        "-c",
        "user.email=a@b",
        "-c",
        "commit.gpgsign=false",
        "-c",
        "protocol.file.allow=always",
    ]
    done = subprocess.run(["git", *who, *words], cwd=folder, env=env, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def repository(server: Server, tmp_path: Path) -> Path:
    """A repository at `<server>/repo.git`, with a tag, a branch and a folder."""
    made = tmp_path / "work"
    (made / "sub").mkdir(parents=True)
    (made / "a.txt").write_text("one")
    (made / "sub" / "run.sh").write_text("#!/bin/sh\n")
    (made / "sub" / "run.sh").chmod(0o700)
    git(made, "init", "-q")
    git(made, "add", ".")
    git(made, "commit", "-qm", "one")
    git(made, "tag", "-am", "note", "v1")
    (made / "a.txt").write_text("two")
    git(made, "commit", "-qam", "two")
    server.folder = str(tmp_path / "served")
    os.mkdir(server.folder)
    publish(made, server)
    return made


def publish(work: Path, server: Server, name: str = "repo.git") -> None:
    place = Path(server.folder) / name
    if place.exists():
        git(place, "fetch", "-q", str(work), "+refs/*:refs/*")
    else:
        git(Path(server.folder), "clone", "-q", "--mirror", str(work), name)
    git(place, "update-server-info")


Make = Callable[..., BuildResult]


@pytest.fixture
def make(engine: Engine, tmp_path: Path) -> Make:
    context = tmp_path / "context"
    context.mkdir()

    def made(dockerfile: str, events: list[Event] | None = None, **options: Any) -> BuildResult:
        (context / "Dockerfile").write_text("FROM scratch\n" + dockerfile)
        heard = events if events is not None else []
        return build(engine, BuildOptions(context=str(context), **options), events=heard.append)

    return made


def files(engine: Engine, result: BuildResult) -> dict[str, tuple[int, int, str]]:
    """Path → mode, mtime, content of every file of the image."""
    lower = Lower([engine.snapshots.layer(name).folder for name in engine.images.layers(result.image)])
    made = {}
    for name in engine.images.layers(result.image):
        top = engine.snapshots.layer(name).folder
        for place, _, names in os.walk(top):
            for inner in names:
                path = os.path.relpath(f"{place}/{inner}", top)
                found = lower.find(path.encode())
                assert found is not None
                content = (
                    os.readlink(found[0]).decode()
                    if os.path.islink(found[0])
                    else Path(os.fsdecode(found[0])).read_text()
                )
                made[path] = (found[1].st_mode & 0o7777, int(found[1].st_mtime), content)
    return made


def ran(events: list[Event]) -> list[str]:
    return [event.name for event in events if isinstance(event, Step) and event.state == "started"]


def test_a_url_is_added_as_docker_adds_it_and_asked_for_again_only_by_its_tag(
    make: Make, engine: Engine, server: Server
) -> None:
    server.files = {"/d/a.txt": b"hello", "/b": b"bee"}
    server.redirects = {"/moved": "/b"}
    text = f"ADD {server.url}/d/a.txt?x=1 /in/\nADD --chmod=755 {server.url}/b /as\nADD {server.url}/moved /c/\n"

    made = make(text, normalise=False)
    first = files(engine, made)
    events: list[Event] = []
    again = make(text, events, normalise=False)
    server.files["/b"] = b"bee!"
    changed = make(text, normalise=False)

    assert first == {
        "in/a.txt": (0o600, 1445412480, "hello"),
        "as": (0o755, 1445412480, "bee"),
        "c/moved": (0o600, 1445412480, "bee"),
    }
    assert again.cached
    assert [name for name in ran(events) if "ADD" in name] == []
    assert all("if-none-match" in headers for path, headers in server.asked[4:8])
    assert files(engine, changed)["as"][2] == "bee!"
    assert made.image.config.history[0].created_by == f"ADD {server.url}/d/a.txt?x=1 /in/ # buildkit"


def test_a_checksum_needs_no_network_the_second_time_and_stops_what_is_wrong(make: Make, server: Server) -> None:
    import hashlib

    server.files = {"/a": b"right"}
    digest = "sha256:" + hashlib.sha256(b"right").hexdigest()

    make(f"ADD --checksum={digest} {server.url}/a /a\n")
    count = len(server.asked)
    assert make(f"ADD --checksum={digest} {server.url}/a /b\n").image
    assert len(server.asked) == count

    with pytest.raises(DigestMismatch) as caught:
        make(f"ADD --checksum=sha256:{'0' * 64} {server.url}/a /a\n")
    assert caught.value.span is not None
    assert caught.value.span.line == 2


def test_an_archive_of_a_url_is_unpacked_only_when_asked(make: Make, engine: Engine, server: Server) -> None:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        for name, content in (("x/in", b"in"), ("../../out", b"out")):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        link = tarfile.TarInfo("up")
        link.type, link.linkname = tarfile.SYMTYPE, "/../../../../tmp"
        archive.addfile(link)
        through = tarfile.TarInfo("up/evil")
        archive.addfile(through, io.BytesIO(b""))
    server.files = {"/a.tgz": data.getvalue()}

    unpacked = files(engine, make(f"ADD --unpack=true {server.url}/a.tgz /t/\n"))

    assert {path: content for path, (_, _, content) in unpacked.items()} == {
        "t/x/in": "in",
        "t/out": "out",
        "tmp/evil": "",
    }
    assert not os.path.exists("/tmp/evil")


def test_what_a_server_packs_unasked_is_unpacked(make: Make, engine: Engine, server: Server) -> None:
    content = os.urandom(1000) + bytes(3 << 20)
    server.files |= {
        "/once": gzip.compress(content),
        "/twice": gzip.compress(b"a") + gzip.compress(b"b"),
        "/empty": b"",
    }
    server.files |= {"/no": b"no gzip", "/cut": gzip.compress(content)[:-9]}
    server.packed = {*server.files}

    made = files_of(engine, make(f"ADD {server.url}/once {server.url}/twice {server.url}/empty /\n"))

    assert made == {"once": content, "twice": b"ab", "empty": b""}
    for name in ("no", "cut"):
        with pytest.raises(DockerfileError, match="its `Content-Encoding` is gzip, but its content is not"):
            make(f"ADD {server.url}/{name} /\n")


def test_sources_of_several_kinds_are_put_in_the_order_in_which_they_are_written(
    make: Make, engine: Engine, server: Server, tmp_path: Path
) -> None:
    server.files = {"/file": b"of the server"}
    (tmp_path / "context" / "file").write_text("of the context")
    first = files(engine, make(f"ADD {server.url}/file file /d/\n"))
    second = files(engine, make(f"ADD file {server.url}/file /d/\n"))

    assert [made["d/file"][2] for made in (first, second)] == ["of the context", "of the server"]


def test_secrets_go_to_their_host_and_nowhere_else(make: Make, engine: Engine, server: Server, tmp_path: Path) -> None:
    other = Server()
    try:
        server.files, other.files = {"/a": b"a"}, {"/b": b"b"}
        server.redirects = {"/away": f"http://localhost:{other.http.server_port}/b"}
        (tmp_path / "token").write_text("t0ken\n")
        secrets = {"HTTP_AUTH_TOKEN_127.0.0.1": Secret(path=str(tmp_path / "token"))}

        result = make(f"ADD {server.url}/a {server.url}/away /x/\n", secrets=secrets)
    finally:
        other.http.shutdown()
        other.http.server_close()

    assert [headers.get("authorization") for _, headers in server.asked] == ["Bearer t0ken"] * 2
    assert [headers.get("authorization") for _, headers in other.asked] == [None]
    assert "t0ken" not in str(result.image.config.to_json())


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/none", "404"),
        ("/loop", "`: too many redirects"),
        ("/file", "refused a redirect"),
        ("/negative", "invalid Content-Length `-5`"),
    ],
)
def test_what_cannot_be_fetched_is_said_with_its_place(make: Make, server: Server, path: str, message: str) -> None:
    server.redirects = {"/loop": "/loop", "/file": "file:///etc/passwd"}
    server.files = {"/negative": b"x"}

    with pytest.raises(DockerfileError, match=message) as caught:
        make(f"ADD {server.url}{path} /x\n")

    assert caught.value.span is not None


def test_a_server_that_is_not_there_is_named(make: Make) -> None:
    with pytest.raises(SourceUnavailable, match="connection refused"):
        make("ADD http://127.0.0.1:1/x /x\n")


def test_a_repository_is_added_at_a_ref_a_folder_and_a_commit(
    make: Make, engine: Engine, server: Server, repository: Path
) -> None:
    url = f"{server.url}/repo.git"
    old = git(repository, "rev-parse", "v1^{commit}")

    made = make(f"ADD {url}#v1 /v1/\nADD {url}#v1:sub /sub/\nADD {url}#{old} /old/\nADD {url}?subdir=sub /q/\n")
    head = make(f"ADD --checksum={git(repository, 'rev-parse', 'HEAD')[:9]} {url} /h/\n")

    found = {path: (mode, content) for path, (mode, _, content) in files(engine, made).items()}
    assert found == {
        "v1/a.txt": (0o644, "one"),
        "v1/sub/run.sh": (0o755, "#!/bin/sh\n"),
        "sub/run.sh": (0o755, "#!/bin/sh\n"),
        "old/a.txt": (0o644, "one"),
        "old/sub/run.sh": (0o755, "#!/bin/sh\n"),
        "q/run.sh": (0o755, "#!/bin/sh\n"),
    }
    assert files(engine, head)["h/a.txt"][2] == "two"
    with pytest.raises(DockerfileError, match="begins with 1111111"):
        make(f"ADD --checksum=1111111 {url}#v1 /x/\n")
    with pytest.raises(DockerfileError, match="no ref"):
        make(f"ADD {url}#nope /x/\n")
    with pytest.raises(DockerfileError, match="no folder"):
        make(f"ADD {url}#v1:nope /x/\n")


def test_a_branch_that_moved_runs_again_and_the_git_folder_is_reproducible(
    make: Make, engine: Engine, server: Server, repository: Path
) -> None:
    text = f"ADD --keep-git-dir {server.url}/repo.git /r/\n"

    first = make(text)
    assert make(text).cached
    fresh = make(text, no_cache=True)
    (repository / "a.txt").write_text("three")
    git(repository, "commit", "-qam", "three")
    publish(repository, server)
    moved = make(text)

    assert first.image.id == fresh.image.id
    assert "r/.git/HEAD" in files_of(engine, first)
    assert files_of(engine, moved)["r/a.txt"] == b"three"
    assert os.listdir(scratch_folder(engine.settings)) == []


def files_of(engine: Engine, result: BuildResult) -> dict[str, bytes]:
    top = engine.snapshots.layer(engine.images.layers(result.image)[-1]).folder
    return {
        os.path.relpath(f"{place}/{name}", top): Path(f"{place}/{name}").read_bytes()
        for place, _, names in os.walk(top)
        for name in names
        if not os.path.islink(f"{place}/{name}")
    }


def test_a_hostile_repository_runs_nothing_and_leaves_its_folder_nowhere(
    make: Make, engine: Engine, server: Server, repository: Path, tmp_path: Path
) -> None:
    mark = tmp_path / "ran"
    (repository / ".gitattributes").write_text("* filter=x diff=x merge=x\n")
    (repository / "out").symlink_to("/etc")
    (repository / "hooks").mkdir()
    (repository / "hooks" / "post-checkout").write_text(f"#!/bin/sh\ntouch {mark}\n")
    (repository / "hooks" / "post-checkout").chmod(0o755)
    git(repository, "add", ".")
    git(repository, "commit", "-qm", "hostile")
    git(repository, "tag", "hostile")
    (repository / ".gitmodules").write_text(
        f'[submodule "x"]\n path = x\n url = ext::sh -c "touch% {mark}"\n update = !touch {mark}\n'
    )
    commit = git(repository, "rev-parse", "HEAD")
    git(repository, "update-index", "--add", "--cacheinfo", f"160000,{commit},x")
    git(repository, "add", ".gitmodules")
    git(repository, "commit", "-qm", "module")
    publish(repository, server)

    made = make(f"ADD {server.url}/repo.git#hostile /r/\n")
    top = engine.snapshots.layer(engine.images.layers(made.image)[-1]).folder
    with pytest.raises(SourceUnavailable):
        make(f"ADD {server.url}/repo.git /r/\n")
    with pytest.raises(DockerfileError, match="no folder"):
        make(f"ADD {server.url}/repo.git#hostile:out /r/\n")
    assert make(f"ADD {server.url}/repo.git?submodules=false /r/\n").image

    assert os.readlink(f"{top}/r/out") == "/etc"
    assert not mark.exists()


def test_contexts_come_from_archives_streams_urls_and_repositories(
    engine: Engine, server: Server, repository: Path, tmp_path: Path
) -> None:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:xz") as archive:
        archive.add(repository, "", filter=lambda member: None if ".git" in member.name else member)
    path = tmp_path / "context.tar.xz"
    path.write_bytes(data.getvalue())
    server.files = {"/c.tar": data.getvalue(), "/Dockerfile": b"FROM scratch\nENV a=b\n"}
    folders = []

    for number in range(4):
        with scratch(engine.settings) as folder, open_remote_context(engine, {}, None) as remote:
            if number == 0:
                opened = from_archive(str(path), folder)
            elif number == 1:
                opened = from_stream(io.BytesIO(data.getvalue()), folder)
            elif number == 2:
                opened = from_address(f"{server.url}/c.tar", folder, remote)
            else:
                opened = from_address(f"{server.url}/repo.git#v1", folder, remote)
            folders.append(sorted(os.listdir(opened.folder)))
            assert opened.dockerfile_text is None
    with scratch(engine.settings) as folder, open_remote_context(engine, {}, None) as remote:
        dockerfile = from_address(f"{server.url}/Dockerfile", folder, remote)

    assert folders == [["a.txt", "sub"]] * 4
    assert dockerfile.dockerfile_text == "FROM scratch\nENV a=b\n"
    assert os.listdir(scratch_folder(engine.settings)) == []
    with scratch(engine.settings) as folder, pytest.raises(InvalidInput, match="neither"):
        from_archive(__file__, folder)
    with scratch(engine.settings) as folder, pytest.raises(InvalidInput, match="something else"):
        from_stream(io.BytesIO(b"\x00\x01binary"), folder)


def test_a_named_context_is_fetched(make: Make, engine: Engine, server: Server, repository: Path) -> None:
    made = make("COPY --from=code a.txt /\n", build_contexts={"code": f"{server.url}/repo.git#v1"})

    assert files(engine, made)["a.txt"][2] == "one"
    with pytest.raises(InvalidInput, match="unsupported scheme"):
        make("COPY --from=x a /\n", build_contexts={"x": "s3://bucket/x"})


def test_what_a_killed_builder_left_is_removed(engine: Engine) -> None:
    place = Path(scratch_folder(engine.settings))
    (place / "context-999999999.ab.gone").mkdir(parents=True)

    with scratch(engine.settings) as folder:
        left = os.listdir(place)

    assert left == [os.path.basename(folder)]


def test_an_interrupt_does_not_wait_for_a_server_that_dawdles(engine: Engine) -> None:
    import socket

    listener = socket.create_server(("127.0.0.1", 0))
    told = threading.Event()

    def serve() -> None:
        connection, _ = listener.accept()
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1000)
        told.wait(30)
        connection.close()

    threading.Thread(target=serve, daemon=True).start()
    with open_remote_context(engine, {}, None) as remote:
        started = threading.Timer(0.3, remote.abort)
        started.start()
        with pytest.raises(Cancelled):
            remote.fetch(parse_http(f"http://127.0.0.1:{listener.getsockname()[1]}/x"))
    told.set()
    listener.close()

    assert list(engine.store.walk()) == []


def hostile(*members: tuple[str, bytes, str]) -> io.BytesIO:
    """A tar of (name, type, link target); a file without a target is a Dockerfile that copies all."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for name, kind, target in members:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, target
            content = b"FROM scratch\nCOPY . /c/\n" if kind == tarfile.REGTYPE else b""
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    data.seek(0)
    return data


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([("Dockerfile", tarfile.FIFOTYPE, "")], "`Dockerfile`: expected a file"),
        (
            [("Dockerfile", tarfile.REGTYPE, ""), (".dockerignore", tarfile.FIFOTYPE, "")],
            "`.dockerignore`: expected a file",
        ),
        ([("Dockerfile", tarfile.SYMTYPE, "/etc/passwd")], "`etc/passwd` not found"),
        (
            [("Dockerfile", tarfile.REGTYPE, ""), ("hard", tarfile.LNKTYPE, "/etc/passwd")],
            "the hard link `hard` leads to `/etc/passwd`",
        ),
        ([("Dockerfile", tarfile.REGTYPE, ""), ("gone", tarfile.CHRTYPE, "")], "device `gone` (0:0) cannot be made"),
    ],
)
def test_a_hostile_context_is_an_error_that_names_no_folder_of_ours(
    engine: Engine, members: list[tuple[str, bytes, str]], message: str
) -> None:
    with scratch(engine.settings) as folder, pytest.raises(TeulError) as caught:
        opened = from_stream(hostile(*members), folder)
        dockerfile = f"{opened.folder}/{Tree(opened.folder).resolve('Dockerfile')}"
        build(engine, BuildOptions(context=opened.folder, context_name=opened.name, dockerfile=dockerfile))

    assert message in str(caught.value)
    assert engine.settings.root not in str(caught.value)


def test_the_ignore_file_of_a_context_from_elsewhere_is_no_file_of_this_machine(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "private").write_text("*\n")
    members = (("Dockerfile", tarfile.REGTYPE, ""), (".dockerignore", tarfile.SYMTYPE, str(tmp_path / "private")))
    with scratch(engine.settings) as folder:
        opened = from_stream(hostile(*members), folder)
        result = build(engine, BuildOptions(context=opened.folder, context_name=opened.name))

    assert "c/Dockerfile" in files(engine, result)


def test_what_is_in_the_context_is_named_by_what_was_asked_for(engine: Engine) -> None:
    with scratch(engine.settings) as folder, pytest.raises(DockerfileError) as caught:
        opened = from_stream(hostile(("other", tarfile.REGTYPE, "")), folder)
        options = BuildOptions(
            context=opened.folder, context_name=opened.name, dockerfile_text="FROM scratch\nCOPY missing /\n"
        )
        build(engine, options)

    assert "`missing` not found in the context -" in str(caught.value)


def test_bytes_that_are_no_utf8_are_a_sign_in_the_image_and_kept_in_a_file(engine: Engine, make: Make) -> None:
    context = str(engine.settings.root)
    text = b"FROM scratch\n# Jos\xe9\nLABEL by=Jos\xe9\nCOPY <<E /x\nJos\xe9\nE\n".decode("utf-8", "surrogateescape")
    result = build(engine, BuildOptions(context=context, dockerfile_text=text))

    assert result.image.config.config.labels["by"] == "Jos\ufffd"
    assert files_of(engine, result)["x"] == b"Jos\xe9\n"


def test_the_cache_alone_may_be_the_output(engine: Engine, make: Make) -> None:
    result = make("COPY <<E /x\na\nE\n", outputs=(read_output("type=cacheonly"),), tags=("kept",))

    assert not result.is_kept
