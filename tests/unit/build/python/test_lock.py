"""`teul.lock`: the file, and what a build that obeys it does."""

from __future__ import annotations

from pathlib import Path

import pytest

from teul.build.python.as_of import as_day, as_of_comment, parse_as_of
from teul.build.python.lock import Lock, LockedBase, LockedInstall, LockedWheel, read_lock
from teul.build.python.values import Resolution
from teul.errors import InvalidInput, LockError
from teul.values import replace

from .package_index import PackageIndex, make_wheel
from .test_resolving import Stage, show

WHEEL = LockedWheel(name="한글-pkg", version="1.0+é", filename="a-1.0-py3-none-any.whl", sha256="0" * 64, requested=True,
                    direct_url='{"url": "file:///a \\"b\\".whl"}', uploaded="2024-01-01T00:00:00Z")  # fmt: skip
LOCK = Lock(
    as_of="2024-05-16T00:00:00Z",
    bases=(LockedBase(reference="python:3.11-slim", platform="linux/amd64", image="sha256:" + "1" * 64),),
    installs=(
        LockedInstall(command='/bin/sh -c pip install "a"\tb\x7f', wants="sha256:2", python="3.11", platform="x86_64-manylinux_2_36",
                      indexes=("https://pypi.org/simple",), kept=(("pip", "24.0"),), wheels=(WHEEL,)),
        LockedInstall(command="pip install nothing", wants="sha256:3", python="3.11", platform="x86_64-manylinux_2_36"),
    ),
)  # fmt: skip


def test_a_lock_reads_as_it_was_written() -> None:
    assert Lock.parse(str(LOCK)) == LOCK
    assert Lock.parse(str(Lock())) == Lock()


@pytest.mark.parametrize(
    "source",
    ["", "version = 2", "version = 1\nbases = 3", "version = 1\n[[installs]]\nwheels = [{name = 'a'}]", "nonsense", "version = 1\n[[installs]]\nkept = [1]"],
)  # fmt: skip
def test_a_broken_lock_is_refused(source: str) -> None:
    with pytest.raises(LockError):
        Lock.parse(source)


def test_a_hash_that_leads_elsewhere_is_refused() -> None:
    with pytest.raises(LockError):
        Lock.parse(str(LOCK).replace("0" * 64, "../" + "0" * 61))


def test_no_file_is_no_lock(tmp_path: Path) -> None:
    assert read_lock(str(tmp_path / "teul.lock")) is None


def test_a_day_counts_whole() -> None:
    assert parse_as_of("2024-05-15") == "2024-05-16T00:00:00Z"
    assert parse_as_of("2024-05-15T12:00:00+09:00") == "2024-05-15T03:00:00Z"
    assert as_day("2024-05-16T00:00:00Z") == "2024-05-15"


@pytest.mark.parametrize("word", ["", "yesterday", "2024-13-01", "2024-05-15T12:00:00", "15.05.2024", "9999-12-31"])
def test_what_is_no_date(word: str) -> None:
    with pytest.raises(InvalidInput):
        parse_as_of(word)


def test_the_comment_stands_before_the_first_instruction() -> None:
    assert as_of_comment("# syntax=docker/dockerfile:1\n\n# teul: as-of=2024-05-15\nFROM x\n") == "2024-05-15"
    assert as_of_comment("#teul:as-of = 2024-05-15\r\nFROM x\n") == "2024-05-15"
    assert as_of_comment("FROM x\n# teul: as-of=2024-05-15\n") == ""
    assert as_of_comment("# teul: as-of\nFROM x\n") == ""


@pytest.fixture
def stage(tmp_path: Path):
    with PackageIndex() as index:
        index.add(*make_wheel("low", "1.0"))
        index.add(*make_wheel("top", "1.0", requires=("low",)))
        index.add(*make_wheel("extra", "1.0"))
        yield Stage(index, tmp_path / "uv")


def locked(stage: Stage, command: str) -> Lock:
    learned: list[LockedInstall] = []
    assert isinstance(stage.resolve(command, learned=learned), Resolution)
    return Lock(installs=tuple(learned))


def test_what_is_locked_stays(stage: Stage) -> None:
    stage.host = replace(stage.host, lock=locked(stage, "pip install top"))
    stage.index.add(*make_wheel("low", "2.0"))

    assert show(stage.resolve("pip install top")) == "low==1.0 *top==1.0"
    stage.host = replace(stage.host, lock=None)
    assert show(stage.resolve("pip install top")) == "low==2.0 *top==1.0"


def test_one_more_line_changes_nothing_else(stage: Stage) -> None:
    stage.files = {"/app/r.txt": b"top\n"}
    stage.host = replace(stage.host, lock=locked(stage, "pip install -r r.txt"))
    stage.index.add(*make_wheel("low", "2.0"))
    stage.files = {"/app/r.txt": b"top\nextra\n"}

    assert show(stage.resolve("pip install -r r.txt")) == "*extra==1.0 low==1.0 *top==1.0"


def test_with_the_wheels_here_no_index_is_asked(stage: Stage) -> None:
    stage.host = replace(stage.host, lock=locked(stage, "pip install top"), has_blob=lambda sha256: True)
    stage.index.asked.clear()

    assert show(stage.resolve("pip install top")) == "low==1.0 *top==1.0"
    assert stage.index.asked == []


def test_a_file_that_the_index_changed_is_an_error(stage: Stage) -> None:
    stage.host = replace(stage.host, lock=locked(stage, "pip install top"))
    stage.index.add(*make_wheel("low", "1.0", code="changed = True\n"))
    with pytest.raises(LockError) as caught:
        stage.resolve("pip install top")

    assert "low-1.0-py3-none-any.whl" in str(caught.value)


def test_a_version_that_the_index_lost_is_an_error(stage: Stage) -> None:
    stage.host = replace(stage.host, lock=locked(stage, "pip install top"))
    stage.index.files["low"].clear()
    stage.index.add(*make_wheel("low", "2.0"))
    with pytest.raises(LockError):
        stage.resolve("pip install top")


def test_a_lock_holds_no_password(stage: Stage) -> None:
    address = stage.index.url.replace("://", "://me:secret@")
    assert "secret" not in str(locked(stage, f"pip install -i {address} top"))
