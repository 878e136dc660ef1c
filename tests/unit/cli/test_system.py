import io
import os

import pytest

from suites.state import add_container, add_image
from teul.cli.main import main

pytestmark = pytest.mark.needs_root


@pytest.fixture
def teul(engine, monkeypatch, capsys):
    """Run a command on the state folder of `engine`; gives exit code, stdout, stderr."""

    def teul(*words, stdin=""):
        monkeypatch.setenv("TEUL_ROOT", engine.settings.root)
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        code = main(list(words))
        said = capsys.readouterr()
        return code, said.out, said.err

    return teul


def test_fsck_of_a_whole_folder_says_so(teul, engine):
    add_image(engine, 1, name="a:1")
    code, out, err = teul("system", "fsck", "--deep")

    assert (code, out) == (0, "")
    assert err.endswith("nothing is damaged\n")
    assert teul("system", "fsck", "--quiet") == (0, "", "")


def test_fsck_names_what_is_wrong_and_fails(teul, engine):
    image = add_image(engine, 1, name="a:1")
    engine.store.remove(image.id)
    code, out, err = teul("system", "fsck", "-q")

    assert code == 1
    assert out == f"image-config: image `{image.id}`: blob `{image.id}` not found\n"
    assert err == "problems found: 1\n"
    assert teul("system", "fsck", "-q", "--format", "{{.Code}}")[1] == "image-config\n"


def test_df_prints_docker_s_table(teul, engine):
    add_image(engine, 1, 2, name="a:1")
    used = add_image(engine, 1, name="b:1")
    add_container(engine, used, "c" * 64)
    code, out, _ = teul("system", "df")

    assert code == 0
    assert [line.split() for line in out.splitlines()] == [
        ["TYPE", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE"],
        ["Images", "2", "1", "200B", "100B", "(50%)"],
        ["Containers", "1", "0", "0B", "0B"],
        ["Local", "Volumes", "0", "0", "0B", "0B"],
        ["Build", "Cache", "0", "0", "0B", "0B"],
    ]
    assert teul("system", "df", "--format", "{{.Type}}={{.TotalCount}}")[1].splitlines()[0] == "Images=2"


def test_prune_asks_first(teul, engine):
    image = add_image(engine, 1)
    for answer in ("", "n\n", "no\n"):
        code, out, _ = teul("system", "prune", stdin=answer)

        assert code == 0
        assert "WARNING! This will remove:\n  - all stopped containers\n" in out
        assert out.endswith("Are you sure you want to continue? [y/N] ")
    assert [found.id for found in engine.images.list()] == [image.id]


def test_prune_removes_and_says_what(teul, engine):
    image = add_image(engine, 1)
    named = add_image(engine, 2, name="named:1")
    code, out, _ = teul("system", "prune", stdin="y\n")

    assert code == 0
    assert f"Deleted Images:\ndeleted: {image.id}\n\n" in out
    assert "Total reclaimed space: " in out
    assert [found.id for found in engine.images.list()] == [named.id]
    _, out, _ = teul("system", "prune", "--all", "--force")
    assert f"untagged: named:1\ndeleted: {named.id}\n" in out
    assert engine.images.list() == []
    assert teul("system", "fsck", "-q") == (0, "", "")
    assert sorted(os.listdir(engine.snapshots.root)) == ["empty", "lock"]


def test_prune_removes_stopped_containers(teul, engine):
    image = add_image(engine, 1, name="a:1")
    add_container(engine, image, "c" * 64)
    engine.snapshots.prepare("c" * 64, engine.images.layers(image))
    _, out, _ = teul("system", "prune", "-f")

    assert f"Deleted Containers:\n{'c' * 64}\n\n" in out
    assert list(engine.snapshots.keys()) == []


def test_the_words_are_korean_where_they_should_be(teul, engine, monkeypatch):
    monkeypatch.setenv("TEUL_LANG", "ko")
    _, out, err = teul("system", "prune", stdin="n\n")

    assert out.startswith("경고! 다음을 지웁니다:\n  - 멈춘 컨테이너 모두\n")
    assert teul("system", "fsck")[2].endswith("손상된 것이 없습니다\n")
    assert err == ""
