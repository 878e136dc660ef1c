"""Files and folders by content."""

import os

import pytest

from teul.errors import InvalidInput
from teul.ml import trees
from teul.ml.trees import Tree, hash_file, place, scan


def hashed(path, status):
    return hash_file(path)


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "model"
    (made / "sub").mkdir(parents=True)
    (made / "a.bin").write_bytes(b"a")
    (made / "run.sh").write_bytes(b"#!")
    (made / "run.sh").chmod(0o755)
    (made / "sub" / "link").symlink_to("../a.bin")
    (made / "empty").mkdir()
    return made


def test_a_tree_is_its_listing(folder):
    tree = scan(str(folder), hashed)

    assert [(entry.path, entry.kind) for entry in tree.entries] == [
        ("", "folder"),
        ("a.bin", "file"),
        ("empty", "folder"),
        ("run.sh", "executable"),
        ("sub", "folder"),
        ("sub/link", "link"),
    ]
    assert tree.size_bytes == 3
    assert tree == Tree.from_json(tree.to_json())


def test_times_and_other_modes_do_not_count(folder):
    before = scan(str(folder), hashed).digest
    os.utime(folder / "a.bin", (1, 1))
    (folder / "a.bin").chmod(0o600)

    assert before == scan(str(folder), hashed).digest


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "a.bin").write_bytes(b"b"),
        lambda root: (root / "a.bin").rename(root / "b.bin"),
        lambda root: (root / "a.bin").chmod(0o755),
        lambda root: (root / "empty").rmdir(),
        lambda root: ((root / "sub" / "link").unlink(), (root / "sub" / "link").symlink_to("../run.sh")),
    ],
)
def test_names_contents_and_the_execute_bit_count(folder, change):
    before = scan(str(folder), hashed).digest
    change(folder)

    assert before != scan(str(folder), hashed).digest


def test_a_lone_file_has_its_own_digest(folder):
    assert hash_file(str(folder / "a.bin")) == scan(str(folder / "a.bin"), hashed).digest


def test_a_part_of_a_tree_is_a_tree(folder):
    (folder / "sub" / "link").unlink()
    (folder / "sub" / "b").write_text("b")
    tree = scan(str(folder), hashed)

    assert scan(str(folder / "sub"), hashed) == tree.below("sub")
    assert scan(str(folder / "a.bin"), hashed) == tree.below("a.bin")
    assert tree is tree.below(".")
    assert tree.below("missing") is None


@pytest.mark.parametrize("target", ["/etc/passwd", "../../outside", ".."])
def test_a_link_that_leads_out_is_refused(folder, target):
    (folder / "sub" / "out").symlink_to(target if target != ".." else "../..")

    with pytest.raises(InvalidInput, match="is a link that leads out of it"):
        scan(str(folder), hashed, shown="model")


def test_a_pipe_is_refused(folder):
    os.mkfifo(folder / "pipe")

    with pytest.raises(InvalidInput, match="`model/pipe`: expected a file or a folder"):
        scan(str(folder), hashed, shown="model")


def test_a_name_that_is_not_utf_8_is_refused(folder):
    open(os.fsencode(str(folder)) + b"/caf\xe9", "w").close()

    with pytest.raises(InvalidInput, match="`model`: a name in it is not UTF-8"):
        scan(str(folder), hashed, shown="model")


def test_a_tree_is_placed_over_another_one(folder, tmp_path):
    contents = {hash_file(str(path)): path.read_bytes() for path in (folder / "a.bin", folder / "run.sh")}
    tree = scan(str(folder), hashed)
    target = tmp_path / "deep" / "er" / "model"
    target.mkdir(parents=True)
    (target / "stale").write_text("x")

    place(tree, str(target), lambda digest: iter([contents[digest]]), owner=(os.geteuid(), os.getegid()))

    assert tree == scan(str(target), hashed)
    assert os.listdir(target.parent) == ["model"]


def test_a_failed_placing_leaves_what_was_there(folder, tmp_path):
    tree = scan(str(folder), hashed)
    target = tmp_path / "target"
    target.write_text("old")

    def broken(digest):
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        place(tree, str(target), broken, owner=(os.geteuid(), os.getegid()))
    assert target.read_text() == "old"
    assert sorted(os.listdir(tmp_path)) == ["model", "target"]


def test_digests_are_remembered_while_the_file_stays_the_same(tmp_path, monkeypatch):
    from teul.state.db import Database

    path = tmp_path / "project" / "data.csv"
    path.parent.mkdir()
    path.write_text("1")
    monkeypatch.setattr(trees, "SETTLED_S", 0.0)
    with_database = Database.open(str(tmp_path / "state.db"))
    digests = trees.FileDigests(with_database, str(path.parent))
    made = digests(str(path), os.lstat(path))
    digests.save()

    again = trees.FileDigests(with_database, str(path.parent))
    monkeypatch.setattr(trees, "hash_file", lambda path: "sha256:changed")
    assert made == again(str(path), os.lstat(path))
    path.write_text("2")
    assert again(str(path), os.lstat(path)) == "sha256:changed"
    with_database.close()
