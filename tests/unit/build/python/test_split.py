"""PyPA "Recording installed projects": a file belongs to the distribution whose RECORD names it."""

import os
import subprocess

import pytest

from teul.build.python import split

SITE = "usr/local/lib/python3.11/site-packages"


@pytest.fixture
def upper(tmp_path):
    folder = tmp_path / "upper"
    folder.mkdir()
    return str(folder)


def write(upper, path, data=b"x"):
    os.makedirs(os.path.dirname(f"{upper}/{path}"), exist_ok=True)
    with open(f"{upper}/{path}", "wb") as file:
        file.write(data)


def install(upper, name, version, files, site=SITE):
    """What pip leaves: the files and a RECORD that names them, itself included."""
    for path, data in files.items():
        write(upper, os.path.normpath(f"{site}/{path}"), data)
    record = f"{name}-{version}.dist-info/RECORD"
    lines = [f'"{path}",,' if "," in path else f"{path},," for path in [*files, record]]
    write(upper, f"{site}/{record}", "\n".join(lines).encode())


def claimed(item):
    return tuple(sorted((*item.files, *item.notes)))


def tree(folder):
    return sorted(os.path.relpath(f"{place}/{name}", folder) for place, _, names in os.walk(folder) for name in names)


def test_a_file_belongs_to_the_distribution_whose_record_names_it(upper):
    install(
        upper, "Big_Package", "1.0", {"big/__init__.py": b"", "../../../bin/big": b"#!", "big/한글, 이름.txt": b"y"}
    )
    found = split.find_distributions(upper)

    assert [str(item) for item in found] == ["big-package 1.0"]
    assert claimed(found[0]) == (
        "usr/local/bin/big",
        f"{SITE}/Big_Package-1.0.dist-info/RECORD",
        f"{SITE}/big/__init__.py",
        f"{SITE}/big/한글, 이름.txt",
    )


def test_bytecode_goes_with_its_source_where_no_record_names_it(upper):
    install(upper, "one", "1.0", {"one/a.py": b"x", "one/b.py": b"x", "single.py": b"x"})
    install(upper, "two", "1.0", {"one/ab.py": b"x"})
    compiled = ["one/__pycache__/a.cpython-311.pyc", "one/__pycache__/a.cpython-311.opt-1.pyc"]
    compiled.append("__pycache__/single.cpython-311.pyc")
    for path in [*compiled, "one/__pycache__/ab.cpython-311.pyc", "one/__pycache__/gone.cpython-311.pyc"]:
        write(upper, f"{SITE}/{path}")
    one, two = split.find_distributions(upper)

    assert {f"{SITE}/{path}" for path in compiled} <= set(one.files)
    assert f"{SITE}/one/__pycache__/ab.cpython-311.pyc" in two.files
    assert not any("gone" in path for path in (*one.files, *two.files))


def test_a_file_that_two_claim_stays_in_the_remainder(upper):
    install(upper, "a", "1", {"shared/__init__.py": b"", "a.py": b""})
    install(upper, "b", "1", {"shared/__init__.py": b"", "b.py": b""})

    assert not any("shared" in path for item in split.find_distributions(upper) for path in item.files)


@pytest.mark.parametrize("path", ["../../../../../../../etc/passwd", "/../../etc/passwd", "..", ".", "a\0b"])
def test_a_record_cannot_claim_what_lies_outside(upper, path):
    install(upper, "a", "1", {"a.py": b""})
    with open(f"{upper}/{SITE}/a-1.dist-info/RECORD", "a") as file:
        file.write(f"\n{path},,\n")

    assert [claimed(item) for item in split.find_distributions(upper)] == [
        (f"{SITE}/a-1.dist-info/RECORD", f"{SITE}/a.py")
    ]


def test_links_stay_in_the_remainder(upper):
    install(upper, "a", "1", {"a.py": b"", "link.py": b"", "hard.py": b""})
    os.unlink(f"{upper}/{SITE}/link.py")
    os.symlink("a.py", f"{upper}/{SITE}/link.py")
    os.link(f"{upper}/{SITE}/hard.py", f"{upper}/{SITE}/other.py")

    assert claimed(split.find_distributions(upper)[0]) == (f"{SITE}/a-1.dist-info/RECORD", f"{SITE}/a.py")


def test_what_lies_below_an_opaque_folder_stays_where_it_is(upper):
    if os.geteuid() != 0:
        pytest.skip("needs root: trusted xattrs")
    install(upper, "a", "1", {"a/__init__.py": b"", "b.py": b""})
    os.setxattr(f"{upper}/{SITE}/a", "trusted.overlay.opaque", b"y")

    assert claimed(split.find_distributions(upper)[0]) == (f"{SITE}/a-1.dist-info/RECORD", f"{SITE}/b.py")


def test_a_folder_that_is_a_link_is_not_entered(upper, tmp_path):
    install(str(tmp_path / "elsewhere"), "a", "1", {"a.py": b""})
    os.symlink(tmp_path / "elsewhere", f"{upper}/linked")

    assert split.find_distributions(upper) == []


def distribution(name, size_bytes):
    return split.Distribution(name, "1", (f"{name}.py",), size_bytes)


def test_large_distributions_have_a_layer_of_their_own():
    groups = split.group([distribution("big", split.OWN_LAYER_BYTES), distribution("small", 1)])

    assert [item.name for item in groups] == ["big 1", "small 1"]


def test_one_more_distribution_changes_one_layer():
    before = [distribution(f"p{number}", number << 20) for number in range(40)]
    groups, more = split.group(before), split.group([*before, distribution("new", 1)])

    assert len(set(more) - set(groups)) == 1


def test_only_the_layers_of_what_is_new_change():
    """Adding a package with its dependencies changes the one layer that each of them is in, and no other."""
    sizes = {"catboost": 300, "pandas": 75, "cycler": 0, "joblib": 0, "tzdata": 0, "graphviz": 0, "six": 0, "pytz": 0}
    below = [distribution(name, size << 20) for name, size in sorted(sizes.items())]
    more = [distribution(name, 1) for name in ("anyio", "certifi", "h11", "httpcore", "httpx", "idna", "sniffio")]
    before = {tuple(item.files) for item in split.group(below)}
    after = split.group(sorted([*below, *more], key=lambda item: item.name))
    new = {path for item in more for path in item.files}

    changed = [item for item in after if tuple(item.files) not in before]
    assert all(new & set(item.files) for item in changed)
    assert sorted(path for item in changed for path in item.files if path in new) == sorted(new)
    assert len(changed) <= len(more)


def test_a_closure_of_two_hundred_stays_within_the_budget():
    groups = split.group([distribution(f"p{number}", 5 << 20) for number in range(200)], layers_below=10)

    assert len(groups) + 10 <= split.LAYER_BUDGET
    assert sum(len(item.files) for item in groups) == 200


def test_the_pieces_together_are_the_whole(upper, tmp_path):
    install(upper, "a", "1", {"a/__init__.py": b"1", "a/b/c.py": b"2", "../../../bin/a": b"3"})
    write(upper, "etc/changed", b"4")
    before, target = tree(upper), tmp_path / "layer"
    target.mkdir()
    os.utime(f"{upper}/{SITE}/a", (5, 5))
    found = split.find_distributions(upper)[0]
    split.move(upper, found.files, str(target), mtime_s=315532800, notes=found.notes)

    assert sorted([*tree(upper), *tree(target)]) == before
    assert tree(upper) == ["etc/changed"]
    assert os.stat(f"{upper}/{SITE}/a").st_mtime == 5
    assert os.stat(target / SITE / "a").st_mtime == 315532800
    assert os.stat(target / SITE / "a").st_mode & 0o7777 == 0o755


def test_a_layer_does_not_depend_on_its_neighbours(tmp_path):
    digests = []
    for neighbours in (["b"], ["b", "c", "d"]):
        upper, target = tmp_path / f"upper{len(neighbours)}", tmp_path / f"layer{len(neighbours)}"
        upper.mkdir()
        target.mkdir()
        install(str(upper), "a", "1", {"a/__init__.py": b"1"})
        for name in neighbours:
            install(str(upper), name, "1", {f"{name}.py": b""})
        first = split.find_distributions(str(upper))[0]
        for path in first.files:
            os.utime(upper / path, (1, 1))
        split.move(str(upper), first.files, str(target), mtime_s=1)
        digests.append(
            subprocess.run(["tar", "--sort=name", "-c", "."], cwd=target, capture_output=True, check=True).stdout
        )

    assert digests[0] == digests[1]


def test_asking_for_one_more_sends_no_other_record_again():
    def asked(number):
        notes = (f"p{number}.dist-info/RECORD", f"p{number}.dist-info/REQUESTED")
        return split.Distribution(f"p{number}", "1", (f"p{number}.py",), split.OWN_LAYER_BYTES, notes, True)

    before = [asked(number) for number in (1, 2)]
    groups, more = split.group(before), split.group([*before, asked(3)])

    assert [item.name for item in set(more) - set(groups)] and len(set(more) - set(groups)) == 2
    assert [path for item in more for path in item.files if path.endswith("REQUESTED")] == [
        path for item in more[3:] for path in item.files if path.endswith("REQUESTED")
    ]
    assert sorted(path for item in more[3:] for path in item.files) == sorted(
        path for item in [*before, asked(3)] for path in item.notes
    )
