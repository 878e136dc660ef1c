"""What all tests share: settings on a folder of their own, and markers that skip with the reason printed."""

import os
import shutil
import signal

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from teul.config import Settings
from teul.host import process

# How long an example takes says how busy the machine is.
hypothesis_settings.register_profile("teul", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("teul")


def why_not_root():
    return "" if os.geteuid() == 0 else "needs root"


def why_no_runtime():
    """Whether a container really starts here; asked once."""
    if why_not_root():
        return why_not_root()
    from teul.errors import TeulError
    from teul.runtime.driver import open_driver

    try:
        open_driver(Settings.from_environ(os.environ))
    except TeulError as error:
        return f"no OCI runtime works here: {error}"
    return ""


def why_no_network():
    from teul.host.probe import find_program, probe_bridge

    if why_not_root():
        return why_not_root()
    missing = [name for name in ("netavark", "aardvark-dns", "iptables") if find_program(name) is None]
    if missing:
        return f"not installed: {', '.join(missing)}"
    bridge = probe_bridge()
    return "" if bridge.state != "missing" else str(bridge.found)


def why_no_registry():
    return "" if process.find("docker-registry") else "docker-registry is not installed"


def why_no_base():
    if why_not_root():
        return why_not_root()
    return "" if process.find("mmdebstrap") else "mmdebstrap is not installed"


def why_no_index():
    """No request is made to find out; a machine without a network says so here."""
    return "TEUL_TEST_OFFLINE is set" if os.environ.get("TEUL_TEST_OFFLINE") else ""


def why_no_postgres():
    from suites import postgres

    return postgres.why_not()


REASONS = {
    "needs_root": why_not_root,
    "needs_runc": why_no_runtime,
    "needs_network": why_no_network,
    "needs_registry": why_no_registry,
    "needs_base": why_no_base,
    "needs_index": why_no_index,
    "needs_postgres": why_no_postgres,
}
_answers: dict[str, str] = {}


def pytest_configure():
    # A shell ignores Ctrl-C for what it starts in the background, and whoever we start would inherit that.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_runtest_setup(item):
    for marker, why in REASONS.items():
        if item.get_closest_marker(marker) is None:
            continue
        if marker not in _answers:
            _answers[marker] = why()
        if _answers[marker]:
            pytest.skip(f"{marker}: {_answers[marker]}")


@pytest.fixture(autouse=True)
def english(monkeypatch):
    """Messages are asserted in English, wherever the tests run; and no test reaches the user's own state."""
    monkeypatch.setenv("TEUL_LANG", "en")
    monkeypatch.delenv("TEUL_EVENT_LOG", raising=False)


@pytest.fixture(scope="session", autouse=True)
def bridges_go_with_their_state():
    """A bridge outlives its containers; in tests it goes when the engine on its state folder is closed."""
    from teul.engine import Engine, networks

    close, mine = Engine.close, os.getpid()

    def close_and_take_down(self):
        # A child that a test forks is a user's command: bridges outlive those.
        if os.getpid() == mine and any(
            name.startswith(f"tl{self.settings.instance}") for name in os.listdir("/sys/class/net")
        ):
            networks.take_down(self)
        close(self)

    Engine.close = close_and_take_down
    yield
    Engine.close = close


@pytest.fixture(scope="session")
def postgres():
    """A PostgreSQL server; a test that asks for it is marked `needs_postgres`."""
    from suites.postgres import Cluster

    made = Cluster()
    yield made
    made.close()


@pytest.fixture
def settings(tmp_path):
    """Settings on a state folder that nobody else has; what is global on the host goes with the test."""
    made = Settings.from_environ({**os.environ, "TEUL_ROOT": str(tmp_path / "state"), "TEUL_LANG": "en"})
    yield made
    take_networks_down(made)
    shutil.rmtree(made.run_root, ignore_errors=True)


def take_networks_down(settings):
    """Bridges outlive their last container, as docker0 does; a test's must not outlive the test."""
    if os.geteuid() != 0 or not os.path.exists(settings.database):
        return
    from teul.engine import Engine, networks

    engine = Engine.open(settings)
    try:
        networks.abandon(engine)
    finally:
        engine.close()


@pytest.fixture
def engine(settings):
    """An engine on `settings`, closed afterwards."""
    from teul.engine import Engine

    made = Engine.open(settings)
    yield made
    made.close()


@pytest.fixture(scope="session")
def python_base(tmp_path_factory):
    """An archive of `python:3.11-slim`, made once for all who load it; a test that asks for it is marked `needs_base`."""
    from teul.engine import Engine
    from teul.engine.images import bootstrap, save

    folder = tmp_path_factory.mktemp("python-base")
    engine = Engine.open(Settings.from_environ({**os.environ, "TEUL_ROOT": str(folder / "state")}))
    bootstrap(engine, "python:3.11-slim")
    with open(folder / "base.tar", "wb") as file:
        save(engine, ["python:3.11-slim"], file.write)
    engine.close()
    shutil.rmtree(folder / "state")
    return str(folder / "base.tar")
