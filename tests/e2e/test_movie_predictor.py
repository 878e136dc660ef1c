"""`examples/movie-predictor`: the container workflow of its README, typed on real terminals where a person would."""

import json
import os
import shutil
import signal
import socket
import urllib.request

import pytest

from suites.terminal import Terminal

pytestmark = [
    pytest.mark.needs_root,
    pytest.mark.needs_runc,
    pytest.mark.needs_network,
    pytest.mark.needs_base,
    pytest.mark.slow,
]
EXAMPLE = os.path.join(os.path.dirname(__file__), "../../examples/movie-predictor")
TRAIN = ("python", "src/main.py", "train", "--model_name", "movie_predictor", "--num_epochs", "2")


def get(port, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        return json.load(answer)


def test_the_movie_predictor_is_worked_on_by_hand(teul, tmp_path, python_base):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = tmp_path / "movie-predictor"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("models", "__pycache__"))
    teul("load", "-i", python_base)
    teul("build", "-q", "-t", "movie-predictor:v0", str(folder))
    teul("network", "create", "--subnet", "192.168.117.0/24", "--gateway", "192.168.117.1", "custom_network")
    inspected = teul("network", "inspect", "-f", "{{(index .IPAM.Config 0).Gateway}}", "custom_network")
    assert inspected.stdout == "192.168.117.1\n"

    teul("run", "-itd", "--name", "my-mlops", "--network", "custom_network", "movie-predictor:v0")
    teul("stop", "-t", "0", "my-mlops")
    assert "Exited (" in teul("ps", "-a").stdout
    teul("start", "my-mlops")
    shell = Terminal(teul.argv("exec", "-it", "my-mlops", "bash"), teul.environ())
    shell.type("echo in''side $((6*7)) && ls src && touch /opt/mlops/note\n")
    shell.wait_for("inside 42")
    shell.wait_for("watch_log.py")
    shell.type("exit\n")
    assert shell.end() == 0

    training = Terminal(teul.argv("exec", "-it", "my-mlops", *TRAIN), teul.environ())
    training.wait_for("epoch 2/2")
    assert training.end() == 0
    changed = teul("diff", "my-mlops").stdout.splitlines()
    assert {"A /opt/mlops/models/movie_predictor.json", "A /opt/mlops/note", "C /opt/mlops"} <= set(changed)

    image = teul("commit", "-m", "trained", "my-mlops", "my-mlops:v1").stdout.strip()
    assert teul("images", "-q", "--no-trunc", "my-mlops:v1").stdout.strip() == image
    assert "trained" in teul("history", "my-mlops:v1").stdout.splitlines()[1]
    teul("rm", "-f", "my-mlops")
    # The network has no port of its own to publish on; the second container is reached from the host.
    publish = f"127.0.0.1:{port}:5000"
    teul("run", "-itd", "--name", "my-mlops", "--network", "custom_network", "-p", publish, "my-mlops:v1")
    assert teul("port", "my-mlops").stdout == f"5000/tcp -> 127.0.0.1:{port}\n"
    teul("exec", "-d", "my-mlops", "bash", "start_api_server.sh")
    following = Terminal(teul.argv("logs", "-f", "my-mlops"), teul.environ())
    following.wait_for("serving on port 5000")
    recommended = get(port, "/recommend?user_id=3")["recommended"]
    assert len(recommended) == 5
    assert recommended[0]["watch_seconds"] >= recommended[-1]["watch_seconds"] > 0
    following.wait_for("GET /recommend?user_id=3")
    os.killpg(following.process.pid, signal.SIGINT)
    following.end()
    assert teul("ps", "--format", "{{.Names}}").stdout == "my-mlops\n"

    out = tmp_path / "out"
    out.mkdir()
    teul("cp", "my-mlops:/opt/mlops", str(out))
    assert (out / "mlops/note").exists()
    assert json.loads((out / "mlops/models/movie_predictor.json").read_text())["mean"] > 0
    teul("cp", str(out / "mlops/models/movie_predictor.json"), "my-mlops:/opt/mlops/models/copy.json")
    predicted = teul("exec", "my-mlops", "python", "src/main.py", "predict", "--model_name", "copy", "--user_id", "3")
    assert predicted.stdout.startswith(recommended[0]["movie"])

    assert "is in use by" in teul("rmi", "my-mlops:v1", code=1).stderr
    teul("rm", "-f", "my-mlops")
    assert teul("rmi", "my-mlops:v1").stdout.startswith("Untagged: my-mlops:v1\n")
    teul("network", "rm", "custom_network")
    assert "my-mlops" not in teul("images").stdout
