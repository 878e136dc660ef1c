"""Our answers against those that real MLflow servers gave: over every route, request by request.

`make compare-mlflow` asks the servers themselves and writes the answers down; what may differ is in `allowed`.
"""

import os
import re
import subprocess
import sys
from dataclasses import replace

import pytest

from teul.ml.tracking import service

pytestmark = pytest.mark.slow
HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "mlflow_client")


def compare(uri, version):
    done = subprocess.run(
        [sys.executable, f"{HERE}/compare.py", uri, f"{HERE}/answers-{version}.json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert re.search(r"^\S+: \d{3} requests, 0 ", done.stdout, re.MULTILINE)


@pytest.mark.parametrize("version", ["2.22.5", "3.0.1", "3.17.2"])
def test_our_answers_are_those_of_mlflow(settings, version):
    uri = service.ensure_running(settings).uri
    try:
        compare(uri, version)
    finally:
        service.stop(settings)


@pytest.mark.needs_postgres
def test_they_are_the_same_from_postgresql(settings, postgres, monkeypatch):
    url = postgres.new_database()
    monkeypatch.setenv("TEUL_TRACKING_STORE", url)
    shared = replace(settings, tracking_store=url)
    uri = service.ensure_running(shared).uri
    try:
        compare(uri, "3.17.2")
        with pytest.raises(Exception, match="expected one on store"):
            service.ensure_running(settings)
    finally:
        service.stop(shared)
