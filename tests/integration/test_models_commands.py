"""`teul models …` as a person types it, and a model through a real registry."""

import json
import subprocess
import sys

import pytest

from suites import docker_registry
from teul.ml.tracking import TrackingStore

pytestmark = pytest.mark.slow

MLMODEL = """
flavors: {python_function: {loader_module: m}}
signature:
  inputs: '[{"type": "double", "name": "나이", "required": true}]'
  outputs: '[{"type": "long", "required": true}]'
saved_input_example_info: {artifact_path: input_example.json, type: dataframe}
"""


def teul(settings, *words, code=0):
    done = subprocess.run(
        [sys.executable, "-P", "-m", "teul.cli.main", *words],
        env={**settings.environ, "TEUL_ROOT": settings.root},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout if code == 0 else done.stderr


@pytest.fixture
def filled(settings):
    """A model with three versions of two files each; the gate of the second failed."""
    with TrackingStore.of(settings) as store:
        experiment = store.create_experiment("churn")
        store.create_registered_model("churn")
        for number in (1, 2, 3):
            run = store.create_run(experiment, run_name="train", tags={"teul.seed": "7"})
            store.log_params(run.id, {"depth": str(number)})
            store.log_metrics(run.id, {"recall": number / 4})
            store.log_artifact(run.id, "outs/model/MLmodel", MLMODEL.encode())
            store.log_artifact(run.id, "outs/model/input_example.json", b'{"columns": ["age"]}')
            store.log_artifact(run.id, "outs/model/weights.bin", bytes([number]) * 3_000_000)
            store.end_run(run.id)
            store.create_model_version("churn", f"{run.artifact_uri}/outs/model", run_id=run.id)
            store.set_gate("churn", number, number != 2, [{"gate": "recall >= 0.2", "passed": number != 2}])
    return settings


def test_promotion_rollback_and_history(filled):
    assert "— → 1" in teul(filled, "models", "promote", "churn", "1", "--why", "first")
    assert "gate failed" in teul(filled, "models", "promote", "churn", "2", code=1)
    with TrackingStore.of(filled) as store:
        last = store.audit(last=1)[0]
    assert (last.action, last.outcome, last.who != "", last.address) == ("promote", "RESOURCE_CONFLICT", True, "local")
    assert last.subject.startswith("churn 2 production: ")
    assert "1 → 3" in teul(filled, "models", "promote", "churn", "3")
    assert "3 → 1" in teul(filled, "models", "rollback", "churn", "--why", "느림")
    assert "no version before" in teul(filled, "models", "rollback", "churn", code=1)

    lines = [json.loads(line) for line in teul(filled, "models", "history", "churn", "--format", "json").splitlines()]
    assert [(line["Version"], line["Why"], line["Gate"]) for line in lines] == [
        ("1", "first", "passed"),
        ("3", "", "passed"),
        ("1", "느림", "passed"),
    ]
    assert lines[0]["To"] == lines[1]["From"]
    assert "nothing was `production`" in teul(filled, "models", "history", "churn", "--on", "2020-01-01")
    today = teul(filled, "models", "history", "churn", "--on", lines[0]["From"][:10])
    assert "✓ recall >= 0.2" in today
    assert "expected one such as" in teul(filled, "models", "history", "churn", "--on", "gestern", code=1)
    assert "not found" in teul(filled, "models", "promote", "nobody", "1", code=1)


def test_approval_and_card(filled):
    with TrackingStore.of(filled) as store:
        store.require_approval("churn", True)
    assert "no approval" in teul(filled, "models", "promote", "churn", "1", code=1)
    assert "approved" in teul(filled, "models", "approve", "churn", "1", "--why", "checked <b>by hand</b>")
    assert "needs a reason" in teul(filled, "models", "reject", "churn", "3", code=1)
    teul(filled, "models", "promote", "churn", "1")

    card = teul(filled, "models", "show", "churn", "--card")

    for part in (
        "# churn, version 1",
        "| 나이 | double | yes |",
        '{"columns": ["age"]}',
        "| depth | 1 |",
        "| recall | 0.25 |",
        "| seed | 7 |",
        "| passed | recall >= 0.2 |",
        "checked &lt;b>by hand&lt;/b>",
        "| weights.bin | 3,000,000 | sha256:",
    ):
        assert part in card, part
    with TrackingStore.of(filled) as store:
        run = store.get_model_version("churn", 1).run_id
        assert store.read_artifact(run, "model_cards/churn-v1.md").decode() == card


@pytest.mark.needs_registry
def test_a_model_goes_through_a_registry(filled, tmp_path):
    (tmp_path / "registry").mkdir()
    with docker_registry.running(str(tmp_path / "registry")) as domain:
        reference = f"{domain}/models/churn:v1"
        teul(filled, "models", "promote", "churn", "1")
        sent = teul(filled, "models", "push", "churn", reference)
        again = teul(filled, "models", "push", "churn", reference)
        failed = f"{domain}/models/churn:v2"
        teul(filled, "models", "push", "--version", "2", "churn", failed)

        assert "sent: 3" in sent
        assert "sent: 0B" in again
        root = tmp_path / "elsewhere"
        environ = type(filled)(root=str(root), run_root=str(tmp_path / "run"), environ=filled.environ)
        assert teul(environ, "models", "pull", reference).split() == ["churn", "1"]
        assert teul(environ, "models", "pull", reference).split() == ["churn", "1"]
        assert teul(environ, "models", "pull", "--name", "copy", failed).split() == ["copy", "1"]

    with TrackingStore.of(filled) as store, TrackingStore.of(environ) as other:
        here, there = store.get_model_version("churn", 1), other.get_model_version("churn", 1)
        assert other.version_files(there) == store.version_files(here)
        run = other.get_run(there.run_id)
        assert (run.params, run.metric("recall")) == ({"depth": "1"}, 0.25)
        trained = store.get_run(here.run_id)
        assert (run.start_time, run.end_time) == (trained.start_time, trained.end_time)
        assert (there.gate, there.approval) == ("passed", "")
        assert [path for path, _ in other.check()] == []
    # A gate that failed elsewhere is not washed off by the way here.
    assert "gate failed" in teul(environ, "models", "promote", "copy", "1", code=1)
    teul(environ, "models", "promote", "churn", "1")
