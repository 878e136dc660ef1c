"""`teul up` and `teul down` as their user runs them: exit codes, what is said, Ctrl-C at every stage."""

import json
import os
import select
import signal
import socket
import subprocess
import time

import pytest

from tests.integration import host_python
from tests.integration.test_up import DOCKERFILE, PREDICT, PROJECT, TRAIN
from teul.config import Settings
from teul.engine import Engine

pytestmark = [pytest.mark.needs_root, pytest.mark.needs_runc, pytest.mark.needs_network, pytest.mark.slow]


@pytest.fixture(scope="module")
def base(teul):
    engine = Engine.open(Settings.from_environ({**os.environ, "TEUL_ROOT": teul.root}))
    host_python.add_image(engine)
    engine.close()


@pytest.fixture
def folder(teul, base, tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    for name, text in (
        ("Dockerfile", DOCKERFILE),
        ("teul.toml", PROJECT.replace("PORT", str(port)).replace('"toy"', f'"up{port}"')),
        ("train.py", TRAIN),
        ("predict.py", PREDICT),
        ("data.csv", f"1 2 3 {time.time_ns()}"),
    ):
        (tmp_path / name).write_text(text)
    yield tmp_path
    (tmp_path / "teul.toml").write_text(PROJECT.replace("PORT", str(port)).replace('"toy"', f'"up{port}"'))
    teul("down", str(tmp_path))
    assert teul("ps", "-aq").stdout == ""


def change(folder, path, before, after):
    text = (folder / path).read_text()
    assert before in text
    (folder / path).write_text(text.replace(before, after))


def runs(teul):
    lines = teul("runs").stdout.splitlines()[1:]
    return [line.split()[3] for line in lines]


def test_up_prints_what_it_did_and_a_request_that_works(teul, folder):
    done = teul("up", str(folder))
    rows = {line.split("  ")[0]: line for line in done.stdout.splitlines() if line[:1].isalpha()}

    assert list(rows) == ["image", "step train", "gate", "model", "serving", "tracking", "Try it:"]
    assert rows["model"].endswith("in production")
    command = next(line.strip() for line in done.stdout.splitlines() if line.strip().startswith("curl "))
    answer = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True).stdout
    assert json.loads(answer) == {"predictions": [{"y": 4.0}]}

    again = teul("up", str(folder), "--progress", "quiet")
    assert "unchanged" in again.stdout
    assert "cached" in again.stdout
    assert "kept running" in again.stdout
    assert again.stderr == ""

    why = teul("why", "train").stdout
    assert "[train] python3 train.py --factor 2: ran" in why
    (folder / "data.csv").write_text("5 6")
    assert "file data.csv changed" in teul("up", "--dry-run", str(folder)).stdout
    teul("up", str(folder))
    assert "because file data.csv changed" in teul("why", "train").stdout
    assert "stopped" in teul("down", str(folder)).stdout
    assert "nothing of project" in teul("down", str(folder)).stderr


def test_the_same_in_korean(teul, folder):
    out = teul("up", str(folder), "--progress", "quiet", TEUL_LANG="ko").stdout

    assert "이미지" in out
    assert "이렇게 물어보세요:" in out


def test_a_step_that_exits_3_ends_up_with_3_and_its_last_lines(teul, folder):
    done = teul("up", "-P", "factor=13", str(folder), code=3)

    assert "  | trained on 4 rows" in done.stderr
    assert "teul: step `train` ended with exit code 3" in done.stderr
    assert "hint: the whole output: teul runs show " in done.stderr


def test_a_gate_that_fails_is_1_and_says_by_how_much(teul, folder):
    done = teul("up", "-P", "factor=4", str(folder), code=1)

    assert "✗ score >= 0.5" in done.stdout
    assert "missed by 0.25" in done.stderr
    assert "hint: nothing is in production" in done.stderr


def test_every_problem_of_a_project_file_is_shown_with_its_place(teul, folder):
    change(folder, "teul.toml", "outs =", "out =")
    change(folder, "teul.toml", "score >= 0.5", "score => 0.5")
    done = teul("up", str(folder), code=1)

    assert "`[steps.train]`: unknown key `out`" in done.stderr
    assert "hint: did you mean `outs`?" in done.stderr
    assert "   | ^^^\n" in done.stderr
    assert "gate `score => 0.5`: unexpected `=`" in done.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-P", "x"], "expected `-P name=value`, got `x`"),
        (["-P", "factr=1"], "parameter `factr` is not in `[params]`"),
        (["-P", "factor=a"], "parameter `factor`: expected int, got `a`"),
        (["a", "b"], "expected one folder, got 2"),
    ],
)
def test_a_wrong_command_line_is_said(teul, folder, words, message):
    done = teul("up", *words, *([str(folder)] if len(words[-1]) > 1 or words[0] == "-P" else []), code=1)

    assert message in done.stderr


def wait_for(process, seen):
    """Read what *process* says until *seen* is in it."""
    said = b""
    deadline = time.monotonic() + 60
    while seen.encode() not in said and time.monotonic() < deadline:
        if select.select([process.stderr], [], [], 1)[0]:
            data = os.read(process.stderr.fileno(), 65536)
            assert data, said.decode()
            said += data
    assert seen.encode() in said


def interrupted(teul, folder, seen):
    """Start `up`, wait until its progress shows *seen*, press Ctrl-C."""
    process = teul.start("up", "--progress", "plain", str(folder))
    wait_for(process, seen)
    teul.interrupt(process)
    assert process.returncode == 130
    assert teul("ps", "-aq").stdout == ""


def test_ctrl_c_while_a_step_runs_kills_it_and_registers_nothing(teul, folder):
    change(folder, "train.py", 'print("trained', 'print("sleeping", flush=True); time.sleep(60); print("trained')
    interrupted(teul, folder, "sleeping")

    assert runs(teul)[0] == "KILLED"
    change(folder, "train.py", "time.sleep(60); ", "")
    assert "in production" in teul("up", str(folder)).stdout


def test_ctrl_c_while_the_model_loads_takes_the_container_away_and_promotes_nothing(teul, folder):
    change(folder, "predict.py", "import json, os", "import json, os, time; time.sleep(60)")
    interrupted(teul, folder, "[serve] start")

    name = (folder / "teul.toml").read_text().split('"')[1]
    assert "production   \n" in teul("models", "show", name).stdout.replace("—", "")
    change(folder, "predict.py", ", time; time.sleep(60)", "")
    assert "in production" in teul("up", str(folder)).stdout


def test_two_at_once_run_every_step_once(teul, folder):
    change(folder, "train.py", 'print("trained', 'time.sleep(1); print("trained')
    both = [teul.start("up", "--progress", "plain", str(folder)) for _ in range(2)]
    said = [process.communicate(timeout=120) for process in both]

    assert [process.returncode for process in both] == [0, 0], said
    assert sum("cached" in out for out, _ in said) == 1
    assert sum("waiting for another `up` of project" in err for _, err in said) == 1
    assert len(teul("ps", "-q").stdout.split()) == 1


def test_what_a_killed_up_left_is_closed_by_the_next(teul, folder):
    change(folder, "train.py", 'print("trained', 'print("sleeping", flush=True); time.sleep(60); print("trained')
    process = teul.start("up", "--progress", "plain", str(folder))
    wait_for(process, "sleeping")
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    change(folder, "train.py", "time.sleep(60); ", "")

    assert "in production" in teul("up", str(folder)).stdout
    assert runs(teul)[:2] == ["FINISHED", "KILLED"]
    assert not [name for name in os.listdir(f"{teul.root}/containers") if name.startswith("step-")]


def test_an_empty_folder_is_a_served_model_two_commands_later(teul, base, tmp_path):
    folder = tmp_path / "새 모델"
    folder.mkdir()
    said = teul("init", str(folder), "--name", "starter", TEUL_LANG="ko").stdout
    assert "썼습니다 teul.toml" in said
    # The host's own Python stands for python:3.11-slim, which would have to be made or pulled.
    change(folder, "teul.toml", 'python = "3.11"', f'base = "{host_python.NAME}"\nuser = "root"')
    change(folder, "teul.toml", "python train.py", "python3 train.py")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    change(folder, "teul.toml", "port = 8000", f"port = {port}")
    try:
        assert teul("build", "-q", str(folder)).stdout.startswith("sha256:")
        done = teul("up", str(folder))
        command = next(line.strip() for line in done.stdout.splitlines() if line.strip().startswith("curl "))
        answer = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True).stdout
        assert 200 < json.loads(answer)["predictions"][0]["price"] < 270
    finally:
        teul("down", str(folder))
    again = teul("init", str(folder), code=1)
    assert "is there already" in again.stderr
