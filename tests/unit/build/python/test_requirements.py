"""Requirement files, read as pip reads them."""

from __future__ import annotations

import pytest

from teul.build.python.requirements import Requirements, read_requirements
from teul.build.python.values import Doubt

ENV = {"TOKEN": "secret", "EMPTY": ""}


def read(
    files: dict[str, str | bytes], *words: str, file: str = "requirements.txt", constraint: str = ""
) -> Requirements | Doubt:
    contents = {path: data if isinstance(data, bytes) else data.encode() for path, data in files.items()}
    return read_requirements(
        words, (file,) if file in files or not words else (), (constraint,) if constraint else (),
        cwd="/app", env=ENV, read=lambda path: contents.get(path.removeprefix("/app/")),
    )  # fmt: skip


def lines(made: Requirements | Doubt) -> list[str]:
    assert isinstance(made, Requirements), made
    return [item.line for item in made.wanted] + [f"-c {item.line}" for item in made.constraints]


def test_requirements_comments_and_continuations() -> None:
    source = """\
# the data frames
pandas==2.2.2   # pinned
numpy>=1.26, \\
    <2
 # a comment between
scikit-learn \\
# a comment ends a continuation
uvicorn[standard, Extra_X]>=0.30 ; python_version >= "3.9"
name#not-a-comment
"""
    made = read({"requirements.txt": source.replace("name#not-a-comment\n", "")})

    assert lines(made) == [
        "pandas==2.2.2", "numpy>=1.26,     <2", "scikit-learn", 'uvicorn[standard, Extra_X]>=0.30 ; python_version >= "3.9"',
    ]  # fmt: skip
    assert isinstance(made, Requirements)
    assert [item.name for item in made.wanted] == ["pandas", "numpy", "scikit-learn", "uvicorn"]
    assert made.wanted[3].extras == ("extra-x", "standard")


def test_files_name_files_relative_to_themselves() -> None:
    made = read({
        "requirements.txt": "-r parts/a.txt\n-c limits.txt\npandas\n",
        "parts/a.txt": "--requirement=b.txt\n-c ../limits2.txt",
        "parts/b.txt": "numpy",
        "limits.txt": "numpy<2\n-r more.txt",
        "more.txt": "scipy<2",
        "limits2.txt": "six==1.16",
    })  # fmt: skip

    assert lines(made) == ["numpy", "pandas", "-c six==1.16", "-c numpy<2", "-c scipy<2"]


def test_options_of_files() -> None:
    made = read({"requirements.txt": """\
--index-url https://user:${TOKEN}@index.test/simple
--extra-index-url=https://a.test
--extra-index-url https://b.test
-f wheels
--find-links https://links.test/${EMPTY}
--trusted-host a.test
--pre
--only-binary :all:
pandas
"""})  # fmt: skip

    assert isinstance(made, Requirements)
    assert made.index_url == "https://user:secret@index.test/simple"
    assert made.extra_index_urls == ("https://a.test", "https://b.test")
    assert made.find_links == ("/app/wheels", "https://links.test/${EMPTY}")
    assert (made.pre, made.only_binary, made.trusted_hosts) == (True, (":all:",), ("a.test",))


def test_hashes_stay_with_their_requirement() -> None:
    source = "pandas==2.2.2 \\\n    --hash=sha256:ABC1 \\\n    --hash sha256:def2\nnumpy==1.26.4 --hash=sha256:0011"
    made = read({"requirements.txt": source})

    assert isinstance(made, Requirements)
    assert [item.hashes for item in made.wanted] == [("sha256:abc1", "sha256:def2"), ("sha256:0011",)]
    assert lines(made) == ["pandas==2.2.2", "numpy==1.26.4"]


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ("﻿pandas".encode(), "pandas"),
        ("pandas\n".encode("utf-16"), "pandas"),
        ("# -*- coding: latin-1 -*-\n# \xe9\npandas".encode("latin-1"), "pandas"),
        ("# 한국어\r\npandas\r\n".encode(), "pandas"),
    ],
)
def test_encodings(data: bytes, name: str) -> None:
    made = read({"requirements.txt": data})

    assert isinstance(made, Requirements)
    assert [item.name for item in made.wanted] == [name]


def test_wheels_by_address_and_by_path() -> None:
    made = read({"requirements.txt": "https://a.test/six-1.16.0-py2.py3-none-any.whl#sha256=aa\n"
                 "rich @ https://a.test/rich-13.0-py3-none-any.whl\n./wheels/own-1.0-py3-none-any.whl\n"})  # fmt: skip

    assert isinstance(made, Requirements)
    assert [(item.name, item.url) for item in made.wanted] == [
        ("", "https://a.test/six-1.16.0-py2.py3-none-any.whl#sha256=aa"),
        ("rich", "https://a.test/rich-13.0-py3-none-any.whl"),
        ("", "file:///app/wheels/own-1.0-py3-none-any.whl"),
    ]


@pytest.mark.parametrize(
    "line",
    [
        "-e .", "--editable ./package", ".", "./package", "/srv/package", "package/", "six-1.16.0.tar.gz", "git+https://a.test/x.git",
        "x @ git+https://a.test/x.git@v1", "x @ file:///srv/x", "https://a.test/x-1.0.tar.gz", "-r https://a.test/r.txt",
        "-r missing.txt", "-r requirements.txt", "pandas --global-option=x", "--no-binary pandas", "--use-feature=fast-deps",
        "pandas numpy", "pandas = 2", "pandas 2", "pandas[extra", "=2", "pandas==", "--unknown",
    ],
)  # fmt: skip
def test_what_no_index_answers_is_a_doubt(line: str) -> None:
    assert isinstance(read({"requirements.txt": line}), Doubt)


def test_a_password_is_not_shown() -> None:
    found = read({"requirements.txt": "https://user:secret@a.test/x.tar.gz"})

    assert isinstance(found, Doubt)
    assert "secret" not in found.reason


def test_words_of_the_command_line() -> None:
    made = read({}, "pandas==2.2.2", "uvicorn[standard]")

    assert lines(made) == ["pandas==2.2.2", "uvicorn[standard]"]
