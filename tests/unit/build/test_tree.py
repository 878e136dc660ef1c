from __future__ import annotations

import os
from pathlib import Path

import pytest

from teul.build.dockerignore import IgnoreMatcher
from teul.build.tree import Tree
from teul.errors import InvalidInput
from teul.host.fs import remove_tree


@pytest.fixture
def context(tmp_path: Path) -> Path:
    for path in ("a.py", "b.txt", "sub/c.py", "sub/deep/d.txt", "data/big.csv", "data/keep.csv"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(path)
    (tmp_path / "link").symlink_to("sub")
    (tmp_path / "out").symlink_to("../../../../etc")
    return tmp_path


def paths(tree: Tree, path: str = "") -> list[str]:
    return [entry.path for entry in tree.walk(path)]


def test_everything_is_walked_folders_first_in_the_order_of_bytes(context: Path) -> None:
    assert paths(Tree(str(context))) == [
        "", "a.py", "b.txt", "data", "data/big.csv", "data/keep.csv", "link", "out", "sub", "sub/c.py", "sub/deep",
        "sub/deep/d.txt",
    ]  # fmt: skip


def test_an_ignored_folder_shows_only_its_exceptions(context: Path) -> None:
    tree = Tree(str(context), IgnoreMatcher(["data", "!data/keep.csv", "sub"]))

    assert paths(tree) == ["", "a.py", "b.txt", "data", "data/keep.csv", "link", "out"]


def test_an_ignored_folder_without_visible_files_is_not_there(context: Path) -> None:
    tree = Tree(str(context), IgnoreMatcher(["data", "!data/nothing"]))

    assert not tree.is_visible("data")
    assert tree.select("data") == []


def test_a_source_may_be_a_link_which_is_followed_inside_the_tree_only(context: Path) -> None:
    tree = Tree(str(context))

    assert tree.select("link") == [("link", "sub")]
    assert tree.select("/link/c.py") == [("c.py", "sub/c.py")]
    assert tree.resolve("out") == "etc"
    assert tree.select("out/passwd") == []


def test_dots_cannot_leave_the_tree(context: Path) -> None:
    assert Tree(str(context)).select("../../a.py") == [("a.py", "a.py")]


def test_patterns_give_sorted_matches_within_a_component(context: Path) -> None:
    tree = Tree(str(context))

    assert tree.select("*.py") == [("a.py", "a.py")]
    assert tree.select("s*/*.py") == [("c.py", "sub/c.py")]
    assert tree.select("*.nothing") == []


def test_a_loop_of_links_is_refused(context: Path) -> None:
    (context / "x").symlink_to("y")
    (context / "y").symlink_to("x")

    with pytest.raises(InvalidInput):
        Tree(str(context)).resolve("x")


def test_touching_a_file_changes_nothing_and_writing_changes_its_line_only(context: Path) -> None:
    before = Tree(str(context)).inspect(["a.py", "sub"])
    os.utime(context / "a.py", (1, 1))

    assert before == Tree(str(context)).inspect(["a.py", "sub"])

    (context / "a.py").write_text("other")
    after = Tree(str(context)).inspect(["a.py", "sub"])
    assert [name for name in after if after[name] != before[name]] == ["file a.py"]


def test_the_mode_counts_and_so_does_the_target_of_a_link(context: Path) -> None:
    before = Tree(str(context)).inspect([""])
    (context / "a.py").chmod(0o755)
    (context / "link").unlink()
    (context / "link").symlink_to("data")

    after = Tree(str(context)).inspect([""])

    assert {"file a.py", "file link"} == {name for name in after if after[name] != before[name]}


def test_many_files_are_summed_up_by_folder(tmp_path: Path) -> None:
    for number in range(300):
        folder = tmp_path / f"d{number % 3}"
        folder.mkdir(exist_ok=True)
        (folder / str(number)).write_text("x")

    before = Tree(str(tmp_path)).inspect([""])
    (tmp_path / "d1" / "1").write_text("y")
    after = Tree(str(tmp_path)).inspect([""])

    assert len(before) < 10
    assert [name for name in after if after[name] != before[name]] == ["files d1"]


def test_a_digest_is_remembered_by_stat_and_not_read_again(context: Path) -> None:
    big = context / "data" / "big.csv"
    big.write_bytes(b"x" * 100_000)
    os.utime(big, (1, 1))
    first = Tree(str(context))
    # A file that changed within the last tick is not trusted yet.
    deadline = os.stat(big).st_ctime_ns + 30_000_000
    import time

    while time.time_ns() < deadline:
        pass
    first.inspect(["data"])
    assert [str(big)] == list(first.learned)

    second = Tree(str(context))
    second.known = {str(big): (first.learned[str(big)][0], "f" * 64)}

    assert second.inspect(["data/big.csv"])["file data/big.csv"].endswith("f" * 64)


def test_sockets_are_left_out(context: Path) -> None:
    import socket

    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(context / "s"))
        assert "s" not in paths(Tree(str(context)))


def test_a_deep_tree_is_walked(tmp_path: Path) -> None:
    folder = str(tmp_path)
    for _ in range(1100):
        folder += "/d"
        os.mkdir(folder)
    try:
        assert len(paths(Tree(str(tmp_path)))) == 1101
    finally:
        remove_tree(f"{tmp_path}/d")  # pytest's own cleaning recurses, and fails


def test_why_missing_names_the_pattern(context: Path) -> None:
    assert Tree(str(context), IgnoreMatcher(["data"])).why_missing("data/big.csv") == "data"


def test_the_umask_of_a_checkout_makes_no_difference(context: Path) -> None:
    digests = []
    for file_mode, folder_mode in ((0o644, 0o755), (0o664, 0o775)):
        (context / "a.py").chmod(file_mode)
        (context / "sub").chmod(folder_mode)
        tree = Tree(str(context), umask=0o022)
        digests.append([tree.digest_of(entry) for entry in tree.walk("")])

    assert digests[0] == digests[1]


def test_what_is_private_stays_private_and_what_is_open_to_all_on_purpose_stays_open(context: Path) -> None:
    (context / "a.py").chmod(0o600)
    (context / "sub").chmod(0o1777)
    tree = Tree(str(context), umask=0o022)
    modes = {entry.path: tree.mode_of(entry) for entry in tree.walk("")}

    assert modes["a.py"] == 0o600
    assert modes["sub"] == 0o1777


def test_a_build_that_is_not_normalised_tells_every_mode_apart(context: Path) -> None:
    tree = Tree(str(context))
    (context / "a.py").chmod(0o644)
    before = [tree.digest_of(entry) for entry in tree.walk("a.py")]
    (context / "a.py").chmod(0o664)

    assert [tree.digest_of(entry) for entry in tree.walk("a.py")] != before
