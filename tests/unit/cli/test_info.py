"""`info` and `version` with `--format`, as scripts written for Docker ask."""

import json
import os

import pytest

import teul
from teul.cli.main import main
from unit.gpu.test_nvidia import tree

pytestmark = pytest.mark.needs_runc


@pytest.fixture
def say(settings, monkeypatch, capsys):
    def say(*words):
        monkeypatch.setenv("TEUL_ROOT", settings.root)
        assert main(list(words)) == 0
        return capsys.readouterr().out.removesuffix("\n")

    return say


@pytest.mark.parametrize("template", ["{{.Server.Version}}", "{{.Client.Version}}", "{{.Version}}"])
def test_the_versions_of_client_and_server_are_one(say, template):
    assert say("version", "--format", template) == teul.__version__


def test_all_of_a_version_as_json(say):
    found = json.loads(say("version", "-f", "json"))

    assert found["Server"]["KernelVersion"] == os.uname().release
    assert found["Server"]["Components"][0]["Name"] == "Engine"


def test_a_runtime_that_is_not_there_is_no_value_and_no_error(say, monkeypatch, tmp_path):
    monkeypatch.setenv("TEUL_DRIVER_ROOT", str(tmp_path))
    name = say("info", "-f", "{{.DefaultRuntime}}")

    assert say("info", "-f", "{{.Runtimes.nvidia}}") == "<no value>"
    assert say("info", "-f", "{{if .Runtimes.nvidia}}gpu{{else}}none{{end}}") == "none"
    assert os.access(say("system", "info", "-f", f"{{{{.Runtimes.{name}.path}}}}"), os.X_OK)


def test_with_a_card_there_is_a_runtime_for_it(say, monkeypatch, tmp_path):
    tree(tmp_path)
    monkeypatch.setenv("TEUL_DRIVER_ROOT", str(tmp_path))

    assert say("info", "-f", "{{if .Runtimes.nvidia}}gpu{{else}}none{{end}}") == "gpu"
    assert "Runtimes: " in say("info")
