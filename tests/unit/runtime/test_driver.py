"""What a runtime says, and the choice that is remembered."""

import json

import pytest

from teul.config import Settings
from teul.errors import HostLacks
from teul.runtime import driver as module
from teul.runtime.driver import exit_code_of, message_in, open_driver


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ('runc create failed: unable to start container process: exec: "x": executable file not found in $PATH', 127),
        ('unable to start container process: exec: "/x": stat /x: no such file or directory', 127),
        ('unable to start container process: exec: "/etc/passwd": permission denied', 126),
        ("executable file `x` not found in $PATH: No such file or directory", 127),
        ("exec: exec format error", 126),
        ("unable to apply cgroup configuration: permission denied", 125),
    ],
)
def test_exit_codes_are_dockers(message, code):
    assert code == exit_code_of(message)


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (b'time="2024" level=error msg="it \\"broke\\""\n', 'it "broke"'),
        (b'{"level":"warning","msg":"old"}\n{"level":"error","msg":"new"}\n', "new"),
        (b'{"msg":"crun says","level":"error"}\n', "crun says"),
        (b"plain words\n\n", "plain words"),
        (b"", ""),
    ],
)
def test_the_error_is_found_in_what_a_runtime_writes(output, message):
    assert message == message_in(output)


@pytest.fixture
def settings(tmp_path):
    return Settings.from_environ({"TEUL_ROOT": str(tmp_path / "state"), "HOME": str(tmp_path)})


@pytest.fixture
def runtimes(tmp_path, monkeypatch):
    """Two programs that are found, and a probe that refuses the first."""
    for name in ("crun", "runc"):
        (tmp_path / name).write_text(name)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setattr(module, "_find", lambda name: str(tmp_path / name) if "/" not in name else name)
    asked = []

    def probe(driver, settings):
        asked.append(driver.name)
        return "refuses" if driver.name == "crun" else ""

    monkeypatch.setattr(module, "probe", probe)
    return asked


def test_the_first_that_works_is_taken_and_remembered(settings, runtimes):
    first = open_driver(settings)
    second = open_driver(settings)

    assert (first.name, second.name) == ("runc", "runc")
    assert [(item.name, item.reason) for item in second.refused] == [("crun", "refuses")]
    assert runtimes == ["crun", "runc"]


def test_a_changed_program_is_tried_again(settings, runtimes, tmp_path):
    open_driver(settings)
    (tmp_path / "crun").write_text("a newer crun")
    open_driver(settings)

    assert runtimes == ["crun", "runc", "crun", "runc"]


def test_a_damaged_memory_is_made_anew(settings, runtimes):
    open_driver(settings)
    with open(f"{settings.root}/runtime.json", "w") as file:
        json.dump({"driver": 1}, file)

    assert open_driver(settings).name == "runc"


def test_what_the_user_names_is_not_tried(tmp_path, runtimes):
    named = Settings.from_environ({"TEUL_ROOT": str(tmp_path), "TEUL_RUNTIME": "crun"})

    assert open_driver(named).name == "crun"
    assert runtimes == []


def test_none_that_works_says_why(settings, runtimes, monkeypatch):
    monkeypatch.setattr(module, "probe", lambda driver, settings: "broken")
    with pytest.raises(HostLacks, match=r"crun: broken; runc: broken"):
        open_driver(settings)
