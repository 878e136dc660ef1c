"""The commands about images, from the words on the line to what is printed."""

from __future__ import annotations

import io
import json
import os
import sys

import pytest

from suites.small_images import add, serve, tar
from teul.cli.main import main
from teul.engine import Engine
from teul.testing.registry import FakeRegistry

pytestmark = pytest.mark.needs_root

BASE = tar(("etc/os", b"base"))
TOP = tar(("app.py", b"print(1)" * 1000))


@pytest.fixture
def teul(settings, monkeypatch, capfdbinary):
    """Runs one command line; returns (exit code, stdout, stderr)."""
    monkeypatch.setenv("TEUL_ROOT", settings.root)

    def run(*words, stdin=b""):
        if stdin:
            monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        code = main(words)
        sys.stdout.flush()
        made = capfdbinary.readouterr()
        return code, made.out if b"\x00" in made.out else made.out.decode(), made.err.decode()

    return run


@pytest.fixture
def image(settings):
    engine = Engine.open(settings)
    made = add(engine, BASE, TOP, name="app:1")
    engine.close()
    return made


@pytest.fixture
def registry():
    with FakeRegistry() as made:
        yield made


def test_images_are_listed_as_docker_does(teul, image):
    code, out, _ = teul("images")

    assert code == 0
    assert out.splitlines()[0] == "REPOSITORY   TAG       IMAGE ID       CREATED                  SIZE"
    assert out.splitlines()[1].split()[:3] == ["app", "1", image.id.short]
    assert out.splitlines()[1].endswith("8kB")


def test_images_quiet_format_and_whole_ids(teul, image):
    teul("tag", "app:1", "app:2")

    assert teul("images", "-q")[1] == f"{image.id.short}\n"
    assert teul("images", "-q", "--no-trunc")[1] == f"{image.id}\n"
    assert teul("images", "--format", "{{.Repository}}:{{.Tag}}")[1] == "app:1\napp:2\n"
    assert [json.loads(line)["Tag"] for line in teul("images", "--format", "json")[1].splitlines()] == ["1", "2"]
    assert json.loads(teul("images", "--format", "{{json .}}", "app:1")[1])["ID"] == image.id.short
    assert teul("images", "--format", "table {{.ID}}\t{{.Tag}}")[1].split() == [
        *("IMAGE", "ID", "TAG", image.id.short, "1", image.id.short, "2")
    ]


def test_images_are_filtered(teul, image):
    assert teul("images", "nothing")[1].splitlines()[1:] == []
    assert len(teul("images", "app")[1].splitlines()) == 2
    assert len(teul("images", "a*:1")[1].splitlines()) == 2
    assert teul("images", "-q", "-f", "dangling=true")[1] == ""
    assert teul("images", "-q", "-f", "reference=app")[1] == f"{image.id.short}\n"
    assert teul("images", "-f", "nonsense=1")[0] == 1


def test_an_image_without_a_name_is_dangling(teul, image):
    teul("tag", "app:1", "other")
    teul("rmi", "app:1", "--no-prune")

    assert teul("images", "-q", "-f", "dangling=true")[1] == ""
    assert teul("images", "--format", "{{.Repository}} {{.Tag}}")[1] == "other latest\n"


def test_pull_says_what_docker_says(teul, registry):
    descriptor, _ = serve(registry, "app", "latest", BASE)
    name = f"{registry.domain}/app"
    first = teul("pull", name)
    again = teul("pull", f"{name}:latest")

    assert first[1].splitlines() == [
        "Using default tag: latest",
        f"Digest: {descriptor.digest}",
        f"Status: Downloaded newer image for {name}:latest",
        f"{name}:latest",
    ]
    assert again[1].splitlines()[1] == f"Status: Image is up to date for {name}:latest"
    assert "Pulling fs layer" in first[2]
    assert teul("pull", "-q", name)[1:] == (f"{name}:latest\n", "")
    assert descriptor.digest in teul("images", "--digests")[1]


def test_pull_all_tags(teul, registry):
    for tag in ("1", "2"):
        serve(registry, "app", tag, BASE)
    code, _, _ = teul("pull", "-aq", f"{registry.domain}/app")

    assert code == 0
    assert teul("images", "--format", "{{.Tag}}")[1].split() == ["1", "2"]


def test_push_says_what_docker_says(teul, registry, image):
    name = f"{registry.domain}/app:1"
    teul("tag", "app:1", name)
    code, out, err = teul("push", name)
    digest = registry.tags["app"]["1"]
    size = len(registry.manifests["app"][digest][1])

    assert code == 0
    assert out.splitlines() == [
        f"The push refers to repository [{registry.domain}/app]",
        f"1: digest: {digest} size: {size}",
    ]
    assert "Pushed" in err
    assert "Layer already exists" in teul("push", name)[2]


def test_push_all_tags(teul, registry, image):
    for tag in ("1", "2"):
        teul("tag", "app:1", f"{registry.domain}/app:{tag}")

    assert teul("push", "-aq", f"{registry.domain}/app")[0] == 0
    assert sorted(registry.tags["app"]) == ["1", "2"]


def test_rmi_goes_on_after_a_mistake(teul, image):
    code, out, err = teul("rmi", "nothing", "app:1")

    assert code == 1
    assert out.splitlines()[:2] == ["Untagged: app:1", f"Deleted: {image.id}"]
    assert "`nothing` not found" in err
    assert "pull" not in err
    assert teul("rmi", "-f", "nothing")[0] == 0


def test_history_is_a_table_newest_first(teul, image):
    lines = teul("history", "app:1")[1].splitlines()

    assert lines[0].split() == ["IMAGE", "CREATED", "CREATED", "BY", "SIZE", "COMMENT"]
    assert lines[1].startswith(image.id.short)
    assert "layer 1" in lines[1]
    assert lines[2].startswith("<missing>")
    assert teul("history", "-q", "--no-trunc", "app:1")[1].splitlines() == [image.id, "<missing>"]
    assert teul("history", "--human=false", "--format", "{{.Size}} {{.CreatedAt}}", "app:1")[1].splitlines() == [
        "8000 2020-01-01T00:00:00Z",
        "4 2020-01-01T00:00:00Z",
    ]


def test_save_and_load_through_files_and_pipes(teul, image, tmp_path):
    path = str(tmp_path / "app.tar")
    piped = teul("save", "app:1")[1]
    code, _, _ = teul("save", "-o", path, "app:1")
    with open(path, "rb") as file:
        written = file.read()
    teul("rmi", "app:1")

    assert code == 0
    assert piped == written
    assert os.listdir(tmp_path) == ["app.tar", "state"] or sorted(os.listdir(tmp_path)) == ["app.tar", "state"]
    assert teul("load", stdin=piped)[1] == "Loaded image: app:1\n"
    assert teul("load", "-qi", path)[1] == "Loaded image: app:1\n"


def test_a_save_that_fails_leaves_no_file(teul, image, tmp_path):
    assert teul("save", "-o", str(tmp_path / "x.tar"), "app:1", "nothing")[0] == 1
    assert teul("save", "-o", str(tmp_path / "none/x.tar"), "app:1")[0] == 1
    assert sorted(os.listdir(tmp_path)) == ["state"]


def test_export_writes_a_layout(teul, image, tmp_path):
    code, out, _ = teul("image", "export", "app:1", str(tmp_path / "layout"))

    assert code == 0
    with open(tmp_path / "layout/index.json") as file:
        assert json.load(file)["manifests"][0]["digest"] == out.strip()
    assert teul("load", "-i", str(tmp_path / "layout"))[0] == 0
    assert teul("image", "export", "app:1", str(tmp_path / "layout"))[0] == 1


def test_df_says_what_takes_the_space(teul, image):
    lines = teul("image", "df", "--layers", "app:1")[1].splitlines()
    every = teul("image", "df")[1].splitlines()

    assert lines[0].split()[:3] == ["LAYER", "SIZE", "FILES"]
    assert "layer 1" in lines[1]
    assert every[1].split() == ["app:1", image.id.short, "2", "8kB", "8kB"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("pull",), '"teul pull" requires exactly 1 argument(s)'),
        (("tag", "a"), '"teul tag" requires exactly 2 argument(s)'),
        (("rmi",), '"teul rmi" requires at least 1 argument(s)'),
        (("load", "x"), '"teul load" accepts no arguments'),
        (("images", "a", "b"), '"teul images" requires at most 1 argument(s)'),
        (("pull", "-a", "x:1"), "tag can't be used with --all-tags/-a"),
        (("pull", "UPPER"), "repository name must be lowercase"),
        (("push", "--compression", "xz", "x"), "expected gzip or zstd"),
        (("history", "nothing"), "`nothing` not found"),
        (("load", "-i", "/nonexistent"), "no such file"),
    ],
)
def test_mistakes_are_said_in_dockers_words(teul, words, said):
    code, _, err = teul(*words)

    assert code == 1
    assert said in err


def test_a_login_is_checked_kept_and_forgotten(engine, tmp_path):
    from teul.engine import images
    from teul.errors import Unauthorized
    from teul.testing.registry import FakeRegistry
    from teul.values import replace

    engine.settings = replace(engine.settings, docker_config=str(tmp_path / "docker"))
    for token in (False, True):
        with FakeRegistry(users={"me": "right"}, token=token, anonymous_pull=False) as registry:
            with pytest.raises(Unauthorized):
                images.login(engine, registry.domain, username="me", password="wrong")
            assert not (tmp_path / "docker/config.json").exists() or token
            images.login(engine, registry.domain, username="me", password="right")
            assert registry.domain in (tmp_path / "docker/config.json").read_text()
            assert images.logout(engine, registry.domain)
            assert registry.domain not in (tmp_path / "docker/config.json").read_text()
