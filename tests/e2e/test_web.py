"""The web interface in a real browser: keys, the mouse's ways, a narrow screen, the dark, and MLflow's own pages."""

import os
import subprocess
import sys
import zipfile

import pytest

from tests.e2e import chromium
from teul.config import Settings
from teul.ml.tracking import TrackingStore, service
from teul.ml.tracking.values import Metric
from teul.ml.web import mlflow_ui

pytestmark = pytest.mark.slow
MLFLOW = "mlflow==3.17.2"


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    settings = Settings.from_environ({**os.environ, "TEUL_ROOT": str(tmp_path_factory.mktemp("web"))})
    with TrackingStore.of(settings) as store:
        experiment = store.create_experiment("이탈 예측")
        for number in range(5):
            run = store.create_run(experiment, run_name=f"train {number}", start_time=1_700_000_000_000 + number)
            store.log_batch(
                run.id,
                points=[Metric("loss", 1 / (step + number + 1), step, step) for step in range(20)],
                params={"depth": str(number)},
            )
            store.log_artifact(run.id, "evil.html", b"<script>document.title = 'owned'</script>")
            store.end_run(run.id)
    endpoint = service.ensure_running(settings)
    yield endpoint.uri
    service.stop(settings)


@pytest.fixture(scope="module")
def shared_browser():
    program = chromium.find()
    if program is None:
        pytest.skip("needs a browser: chromium is not installed")
    with chromium.Chromium(program) as browser:
        yield browser


@pytest.fixture
def browser(shared_browser):
    shared_browser.resize(1200, 900)
    shared_browser.problems.clear()
    yield shared_browser
    assert shared_browser.problems == []


def test_two_runs_are_compared_with_the_keyboard_alone(browser, address):
    browser.open(f"{address}/ui/experiments/1")
    assert browser.ask("document.querySelector('button.compare').disabled")
    for key in "jjxjx":
        browser.press(key)
    assert browser.ask("document.querySelectorAll('tr.chosen').length") == 2
    assert browser.ask("document.activeElement.textContent") == "train 2"
    browser.ask("document.querySelector('button.compare').click()")
    browser.loaded()
    assert browser.ask("document.querySelectorAll('figure svg polyline').length") >= 2
    assert "depth" in browser.ask("document.querySelector('table.compared').textContent")


def test_a_filter_typed_after_a_slash_is_answered_by_the_server(browser, address):
    browser.open(f"{address}/ui/experiments/1")
    browser.press("/")
    browser.type("params.depth = '3'")
    browser.press("Enter")
    browser.loaded()
    assert browser.ask("[...document.querySelectorAll('.rows tbody a')].map(a => a.textContent)") == ["train 3"]


def test_the_language_is_switched_and_remembered(browser, address):
    browser.open(f"{address}/ui")
    browser.ask("document.querySelector('a.language').click()")
    browser.loaded()
    assert browser.ask("document.documentElement.lang + document.querySelector('h1').textContent") == "ko실험"
    browser.open(f"{address}/ui/models")
    assert browser.ask("document.documentElement.lang") == "ko"
    browser.open(f"{address}/ui/models?lang=en")


@pytest.mark.parametrize("dark", [False, True])
def test_a_narrow_screen_scrolls_only_what_is_wide(browser, address, dark):
    browser.resize(320, 700, dark=dark)
    run = _first_run(browser, address)
    for path in ("/ui", "/ui/experiments/1", run, f"{run}?tab=metrics", f"{run}?tab=origin", "/ui/models"):
        browser.open(f"{address}{path}")
        assert browser.ask("document.documentElement.scrollWidth") <= 320, path
    colours = browser.ask("getComputedStyle(document.documentElement).backgroundColor")
    assert (colours == "rgb(255, 255, 255)") != dark


def test_a_file_that_a_run_wrote_never_runs(browser, address):
    run = _first_run(browser, address)
    browser.open(f"{address}{run}/file?path=evil.html")
    assert "owned" in browser.ask("document.querySelector('pre').textContent")
    assert browser.ask("document.title") == "evil.html · teul"


def _first_run(browser, address):
    browser.open(f"{address}/ui/experiments/1")
    return browser.ask("document.querySelector('.rows tbody a').getAttribute('href')")


@pytest.fixture(scope="module")
def mlflow_pages(tmp_path_factory):
    """An environment that has what the `mlflow` wheel brings for the browser, and nothing else."""
    folder = tmp_path_factory.mktemp("mlflow")
    words = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "-q",
        "--no-deps",
        "--disable-pip-version-check",
        "-d",
        str(folder),
    ]
    done = subprocess.run([*words, MLFLOW], capture_output=True, text=True, check=False)
    wheel = next(folder.glob("*.whl"), None)
    if wheel is None:
        pytest.skip(f"needs the package index for {MLFLOW}: {done.stderr.strip()[-200:]}")
    site = folder / "env/lib/python3.11/site-packages"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site, [name for name in archive.namelist() if name.startswith(mlflow_ui.INSIDE)])
    return str(folder / "env")


@pytest.mark.needs_index
def test_mlflows_own_pages_show_a_run(shared_browser, mlflow_pages, tmp_path, monkeypatch):
    monkeypatch.setenv("VIRTUAL_ENV", mlflow_pages)
    settings = Settings.from_environ({**os.environ, "TEUL_ROOT": str(tmp_path / "state")})
    with TrackingStore.of(settings) as store:
        run = store.create_run(store.create_experiment("churn"), run_name="train one")
        store.log_batch(run.id, points=[Metric("loss", 1 / (step + 1), step, step) for step in range(9)])
        store.log_artifact(run.id, "notes.txt", b"hello from a file")
        store.end_run(run.id)
    address = service.ensure_running(settings).uri
    wait = """new Promise(done => { const look = () => document.body.innerText.includes('%s') ? done(true)
              : setTimeout(look, 50); look(); setTimeout(() => done(document.body.innerText), 30000) })"""
    browser = shared_browser
    browser.resize(1400, 900)
    try:
        for path, expected in (
            ("experiments/1/runs", ("train one", "1 matching run")),
            (f"experiments/1/runs/{run.id}", ("Finished", "Model metrics")),
            (f"experiments/1/runs/{run.id}/model-metrics", ("loss",)),
            (f"experiments/1/runs/{run.id}/artifacts", ("notes.txt",)),
            ("models", ("Register",)),
        ):
            browser.open("about:blank")
            browser.open(f"{address}/mlflow/#/{path}")
            for words in expected:
                assert browser.ask(wait % words) is True, (path, browser.problems)
    finally:
        service.stop(settings)
