"""What an install would install: uv's answer, and the doubts where pip's might be another. Against an index on loopback."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from teul.build import ops
from teul.build.python.command import Install, recognise
from teul.build.python.lock import LockedInstall
from teul.build.python.resolving import resolve
from teul.build.python.uv import Host, version_key
from teul.build.python.values import Doubt, Installed, Interpreter, Resolution
from teul.errors import NoUploadTimes
from teul.values import replace

from .package_index import PackageIndex, make_source, make_wheel

PYTHON = Interpreter(**{
    **dict.fromkeys(Interpreter.__value_fields__, ""),  # type: ignore[attr-defined]
    "path": "/usr/local/bin/python3", "executable": "/usr/local/bin/python3.11", "version": (3, 11, 9),
    "implementation": "cpython", "cache_tag": "cpython-311", "libc": "glibc", "libc_version": (2, 36),
    "machine": "x86_64", "prefix": "/usr/local", "base_prefix": "/usr/local", "search_path": (),
    "is_externally_managed": False, "installed": (),
})  # fmt: skip


class Stage:
    """A tree of a few files, and an index."""

    def __init__(self, index: PackageIndex, cache: Path) -> None:
        self.index = index
        self.files: dict[str, bytes] = {}
        self.python = PYTHON
        self.host = Host(cache_folder=str(cache), environ={"PATH": os.environ["PATH"]})

    def install(self, *names: str, version: str = "1.0") -> None:
        self.python = replace(self.python, installed=tuple(Installed(name=name, version=version, place=f"/site/{name}") for name in names))  # fmt: skip

    def resolve(self, command: str, *env: str, learned: list[LockedInstall] | None = None) -> Resolution | Doubt:
        op = ops.Run(args=("/bin/sh", "-c", command), env=(f"PIP_INDEX_URL={self.index.url}", *env), cwd="/app")
        install = recognise(op)
        assert isinstance(install, Install), install
        return resolve(
            install, self.python, self.host, env={}, read=self.files.get,
            list_folder=lambda folder: [path.rpartition("/")[2] for path in self.files if path.rpartition("/")[0] == folder],
            command="the command",
            learned=learned,
        )  # fmt: skip


@pytest.fixture
def stage(tmp_path: Path):
    with PackageIndex() as index:
        index.add(*make_wheel("low", "1.0"))
        index.add(*make_wheel("low", "1.5"), uploaded="2024-06-01T00:00:00Z")
        index.add(*make_wheel("low", "2.0"), uploaded="2025-01-01T00:00:00Z")
        index.add(*make_wheel("top", "1.0", requires=("low",)))
        index.add(*make_wheel("capped", "1.0", requires=("low<2",)))
        yield Stage(index, tmp_path / "uv")


def show(found: Resolution | Doubt) -> str:
    if isinstance(found, Doubt):
        return f"doubt: {found.reason}"
    kept = "".join(f" kept {item.name}" for item in found.kept)
    old = "".join(f" in place of {item.version}" for item in found.removed)
    return (
        " ".join(f"{'*' if wheel.requested else ''}{wheel.name}=={wheel.version}" for wheel in found.wheels)
        + old
        + kept
    )


def test_the_newest_that_all_requirements_allow(stage: Stage) -> None:
    assert show(stage.resolve("pip install top")) == "low==2.0 *top==1.0"
    assert show(stage.resolve("pip install 'low<2' top")) == "*low==1.5 *top==1.0"
    assert show(stage.resolve("pip install --no-deps top")) == "*top==1.0"


def test_a_wheel_is_pinned_by_its_hash(stage: Stage) -> None:
    found = stage.resolve("pip install low==1.0")

    assert isinstance(found, Resolution)
    (wheel,) = found.wheels
    assert len(wheel.sha256) == 64
    assert wheel.url == f"{stage.index.url.removesuffix('/simple')}/files/low/low-1.0-py3-none-any.whl"
    assert wheel.uploaded == "2024-01-01T00:00:00Z"


def test_files_constraints_and_markers(stage: Stage) -> None:
    stage.files = {
        "/app/requirements.txt": b"-c limits.txt\ntop\nnever; python_version < '3'\n",
        "/app/limits.txt": b"low==1.0\n",
    }
    assert show(stage.resolve("pip install -r requirements.txt")) == "low==1.0 *top==1.0"


def test_what_is_below_is_kept_as_pip_keeps_it(stage: Stage) -> None:
    stage.install("low")
    assert show(stage.resolve("pip install top")) == "*top==1.0 kept low"
    assert show(stage.resolve("pip install low")) == " kept low"
    assert show(stage.resolve("pip install 'low>1'")) == "*low==2.0 in place of 1.0"
    assert show(stage.resolve("pip install -U low")) == "*low==2.0 in place of 1.0"
    assert show(stage.resolve("pip install -U top")) == "*top==1.0 kept low"


def test_a_downgrade_of_what_is_below_is_a_doubt(stage: Stage) -> None:
    stage.install("low", version="2.0")
    assert show(stage.resolve("pip install capped")) == "doubt: `low` 2.0 below would become 1.5"


def test_uv_puts_newer_versions_in_the_place_of_older_ones_too(stage: Stage) -> None:
    stage.install("low")
    found = stage.resolve("uv pip install --system -U low", f"UV_INDEX_URL={stage.index.url}")
    assert show(found) == "*low==2.0 in place of 1.0"


def test_the_second_install_finds_the_first(stage: Stage) -> None:
    assert show(stage.resolve("pip install low==1.0 && pip install top")) == "*low==1.0 *top==1.0"
    assert show(stage.resolve("pip install top && pip install low==1.0")) == "doubt: `low` 2.0 below would become 1.0"


def test_a_newer_source_archive_is_a_doubt_and_is_never_built(stage: Stage, tmp_path: Path) -> None:
    mark = tmp_path / "built"
    stage.index.add(*make_source("low", "3.0", mark=str(mark)))

    assert show(stage.resolve("pip install top")) == "doubt: `low` has a newer version as a source archive only"
    assert show(stage.resolve("pip install --only-binary :all: top")) == "low==2.0 *top==1.0"
    assert show(stage.resolve("pip install 'low<3'")) == "*low==2.0"
    assert not mark.exists()


def test_a_version_for_another_python_is_passed_over(stage: Stage) -> None:
    stage.index.add(*make_wheel("low", "3.0"), python=">=3.12")
    stage.index.add(*make_source("low", "3.0"), python=">=3.12")
    assert show(stage.resolve("pip install top")) == "low==2.0 *top==1.0"


def test_a_search_is_a_doubt(stage: Stage) -> None:
    for name in ("one", "two"):
        stage.index.add(*make_wheel(name, "1.0"))
        stage.index.add(*make_wheel(name, "2.0", requires=("low==9",)))
    assert show(stage.resolve("pip install one two")).startswith("doubt: the resolver had to search: it tried")


def test_one_package_whose_newer_versions_are_impossible(stage: Stage) -> None:
    stage.index.add(*make_wheel("one", "1.0"))
    stage.index.add(*make_wheel("one", "2.0", requires=("low>=2",)))
    stage.index.add(*make_wheel("user", "1.0", requires=("one", "low<2")))
    assert show(stage.resolve("pip install user")) == "low==1.5 one==1.0 *user==1.0"
    assert [stage.index.asked.count(f"/simple/{name}/") for name in ("low", "one", "user")] == [1, 1, 1]


def test_a_pre_release_that_a_package_asks_for_is_a_doubt(stage: Stage) -> None:
    stage.index.add(*make_wheel("low", "3.0rc1"))
    stage.index.add(*make_wheel("early", "1.0", requires=("low>=1.0b1",)))
    assert show(stage.resolve("pip install early")) == "doubt: a package asks for a pre-release of `low`"
    assert show(stage.resolve("pip install --pre early")) == "*early==1.0 low==3.0rc1"


def test_without_a_network_what_is_missing_is_named(stage: Stage) -> None:
    assert show(stage.resolve("pip install low")) == "*low==2.0"
    stage.host = replace(stage.host, is_offline=True)
    assert show(stage.resolve("pip install low")) == "*low==2.0"

    found = show(stage.resolve("pip install low capped"))
    assert found.startswith("doubt: not all of it is on this machine (build once without --offline)")
    assert "capped" in found


def test_a_conflict_is_left_to_pip(stage: Stage) -> None:
    found = show(stage.resolve("pip install capped low==2.0"))
    assert found.startswith("doubt: uv found no answer: No solution found")
    assert show(stage.resolve("pip install nothing-like-it")).startswith("doubt: uv found no answer")


def test_two_indexes_that_agree_and_two_that_do_not(stage: Stage, tmp_path: Path) -> None:
    with PackageIndex() as other:
        other.add(*make_wheel("low", "2.0"))
        assert show(stage.resolve(f"pip install --extra-index-url {other.url} low")) == "*low==2.0"
        other.add(*make_wheel("low", "2.0", code="other = True\n"))
        found = show(stage.resolve(f"pip install --extra-index-url {other.url} low"))
        assert found == "doubt: the indexes have different files of one version"
        other.add(*make_wheel("low", "2.1"))
        assert show(stage.resolve(f"pip install --extra-index-url {other.url} low")) == "*low==2.1"


def test_hashes_must_cover_everything(stage: Stage) -> None:
    filename, content = make_wheel("solid", "1.0")
    sha256 = stage.index.add(filename, content)
    stage.files = {"/app/r.txt": f"solid==1.0 --hash=sha256:{sha256}\n".encode()}
    assert show(stage.resolve("pip install -r r.txt")) == "*solid==1.0"
    stage.files = {"/app/r.txt": f"solid==1.0 --hash=sha256:{'0' * 64}\n".encode()}
    assert show(stage.resolve("pip install -r r.txt")) == "doubt: `solid` 1.0 has no wheel that is allowed here"
    stage.files = {"/app/r.txt": f"solid==1.0 --hash=sha256:{sha256}\nlow\n".encode()}
    assert show(stage.resolve("pip install -r r.txt")) == "doubt: `low` has no hash in the requirements"


def test_as_the_index_was_on_a_day(stage: Stage) -> None:
    stage.host = replace(stage.host, as_of="2024-05-16T00:00:00Z")
    assert show(stage.resolve("pip install top")) == "low==1.0 *top==1.0"
    stage.host = replace(stage.host, as_of="2024-12-31T00:00:00Z")
    assert show(stage.resolve("pip install top")) == "low==1.5 *top==1.0"


def test_an_index_without_upload_times_is_refused_by_name(stage: Stage) -> None:
    stage.index.has_times = False
    stage.host = replace(stage.host, as_of="2024-05-16T00:00:00Z")
    with pytest.raises(NoUploadTimes) as caught:
        stage.resolve("pip install top")

    assert stage.index.url in str(caught.value)


def test_a_password_is_not_shown(stage: Stage) -> None:
    stage.index.has_times = False
    stage.host = replace(stage.host, as_of="2024-05-16T00:00:00Z")
    with pytest.raises(NoUploadTimes) as caught:
        stage.resolve(f"pip install -i {stage.index.url.replace('://', '://me:secret@')} top")

    assert "secret" not in str(caught.value)


def test_the_wheel_for_the_platform(stage: Stage) -> None:
    for tag in ("cp311-cp311-manylinux_2_28_x86_64", "cp311-cp311-manylinux_2_38_x86_64", "cp311-cp311-musllinux_1_2_x86_64",
                "cp311-cp311-manylinux_2_28_aarch64", "cp312-cp312-manylinux_2_28_x86_64", "cp39-abi3-manylinux_2_17_x86_64"):  # fmt: skip
        stage.index.add(*make_wheel("native", "1.0", tag=tag))

    def chosen(**changes: object) -> str:
        stage.python = replace(PYTHON, **changes)
        found = stage.resolve("pip install native")
        assert isinstance(found, Resolution), found
        return found.wheels[0].filename.removeprefix("native-1.0-").removesuffix(".whl")

    assert chosen() == "cp311-cp311-manylinux_2_28_x86_64"
    assert chosen(libc_version=(2, 40)) == "cp311-cp311-manylinux_2_38_x86_64"
    assert chosen(libc_version=(2, 41)) == "cp311-cp311-manylinux_2_38_x86_64"
    assert chosen(libc="musl", libc_version=(1, 2)) == "cp311-cp311-musllinux_1_2_x86_64"
    assert chosen(machine="aarch64") == "cp311-cp311-manylinux_2_28_aarch64"
    assert chosen(version=(3, 12, 1)) == "cp312-cp312-manylinux_2_28_x86_64"
    assert chosen(version=(3, 10, 1)) == "cp39-abi3-manylinux_2_17_x86_64"


def test_wheels_by_address_and_by_path(stage: Stage) -> None:
    filename, content = make_wheel("own", "1.0", requires=("low<2",))
    stage.files = {f"/app/wheels/{filename}": content}
    found = stage.resolve(f"pip install ./wheels/{filename}")

    assert show(found) == "low==1.5 *own==1.0"
    assert isinstance(found, Resolution)
    assert found.wheels[1].url == f"file:///app/wheels/{filename}"
    assert f'"url": "file:///app/wheels/{filename}"' in found.wheels[1].direct_url

    address = f"{stage.index.url.removesuffix('/simple')}/files/low/low-1.0-py3-none-any.whl"
    found = stage.resolve(f"pip install {address}")
    assert show(found) == "*low==1.0"
    assert isinstance(found, Resolution)
    assert found.wheels[0].url == address


@pytest.mark.parametrize(
    ("command", "files", "reason"),
    [
        ("pip install low", {"/etc/pip.conf": b""}, "the stage has settings of its own in `/etc/pip.conf`"),
        ("pip install low[x]", {"/app/lowx": b""}, "the shell expands `low[x]`"),
        ("python -m pip install low", {"/app/pip.py": b""}, "`/app` is a place that Python imports from"),
        ("pip install -r missing.txt", {}, "no file `missing.txt` in the stage"),
        ("pip install --find-links /wheels low", {}, "packages from `/wheels` of the stage"),
    ],
)
def test_what_the_tree_changes(stage: Stage, command: str, files: dict[str, bytes], reason: str) -> None:
    stage.files = files
    assert show(stage.resolve(command)) == f"doubt: {reason}"


def test_an_externally_managed_python_is_left_alone(stage: Stage) -> None:
    stage.python = replace(PYTHON, is_externally_managed=True)
    assert show(stage.resolve("pip install low")) == "doubt: the Python is externally managed"
    assert show(stage.resolve("pip install --break-system-packages low")) == "*low==2.0"


def test_versions_are_ordered_as_pep_440_says() -> None:
    ordered = ["1.0.dev1", "1.0a1.dev3", "1.0a1", "1.0b2", "1.0rc1", "1.0", "1.0.post1.dev2", "1.0.post1", "1.0.1", "1.1", "10.2", "2024.1", "1!0.1"]  # fmt: skip

    assert sorted(set(ordered), key=version_key) == ordered
    assert version_key("1.0") == version_key("1.0.0")


def test_a_glibc_that_uv_has_no_name_for_gets_what_is_named_after_it_or_pip_is_asked(stage: Stage) -> None:
    stage.python = replace(PYTHON, libc_version=(2, 41))
    for tag in ("cp311-cp311-manylinux_2_28_x86_64", "cp311-cp311-manylinux_2_41_x86_64"):
        stage.index.add(*make_wheel("native", "1.0", tag=tag))
    found = stage.resolve("pip install native")
    assert isinstance(found, Resolution), found
    assert "manylinux_2_41" in found.wheels[0].filename

    stage.index.add(*make_wheel("later", "1.0", tag="cp311-cp311-manylinux_2_28_x86_64"))
    stage.index.add(*make_wheel("later", "2.0", tag="cp311-cp311-manylinux_2_41_x86_64"))
    found = stage.resolve("pip install later")
    assert isinstance(found, Doubt), found.wheels
    assert found.is_of_choice

    stage.index.add(*make_wheel("plain", "1.0"))
    stage.index.add(*make_wheel("plain", "2.0"))
    found = stage.resolve("pip install plain")
    assert isinstance(found, Resolution)
    assert found.wheels[0].version == "2.0"


def test_the_index_of_the_tests_is_on_a_port_that_leads_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule that a killed container left may lead a port away; the address of one that nobody answers at is passed."""
    tried: list[int] = []
    connect = socket.create_connection

    def reach(address: tuple[str, int], timeout: float) -> socket.socket:
        tried.append(address[1])
        if len(tried) == 1:
            raise TimeoutError
        return connect(address, timeout)

    monkeypatch.setattr(socket, "create_connection", reach)
    with PackageIndex() as index:
        assert index.url == f"http://127.0.0.1:{tried[1]}/simple"
