"""`up` in a folder with only a Dockerfile."""

import os
import shutil
import socket
import time

import pytest

from tests.integration import host_python
from teul.engine import Engine, containers
from teul.ml import plain, up

pytestmark = [
    pytest.mark.needs_root,
    pytest.mark.needs_runc,
    pytest.mark.needs_network,
    pytest.mark.slow,
]


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    from teul.config import Settings

    root = tmp_path_factory.mktemp("state")
    made = Engine.open(Settings.from_environ({**os.environ, "TEUL_ROOT": str(root)}))
    host_python.add_image(made)
    yield made
    for item in containers.list_containers(made, all=True):
        containers.remove(made, item.id, force=True)
    made.close()
    shutil.rmtree(made.settings.run_root, ignore_errors=True)


def test_a_program_runs_to_its_end_and_its_exit_code_is_the_answer(engine, tmp_path):
    (tmp_path / "Dockerfile").write_text(
        f'FROM {host_python.NAME}\nCMD ["python3", "-c", "import sys; print(1 + 1); sys.exit(5)"]\n'
    )
    printed = []
    made = plain.up(engine, str(tmp_path), on_output=lambda stream, data: printed.append((stream, data)))

    assert (made.exit_code, made.urls) == (5, ())
    assert printed == [(1, b"2\n")]
    assert containers.list_containers(engine, all=True) == []


def test_an_image_that_exposes_a_port_runs_on_and_down_stops_it(engine, tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = tmp_path / "My App"
    folder.mkdir()
    (folder / "Dockerfile").write_text(
        f'FROM {host_python.NAME}\nEXPOSE {port}\nCMD ["python3", "-m", "http.server", "{port}"]\n'
    )
    first = plain.up(engine, str(folder))
    second = plain.up(engine, str(folder))

    assert ("my-app", (f"http://localhost:{port}",), None, False) == (
        first.name,
        first.urls,
        first.exit_code,
        first.kept,
    )
    assert (first.container, True, True) == (second.container, second.kept, second.image_cached)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                break
    assert [item.name for item in containers.list_containers(engine)] == ["my-app"]
    assert up.down(engine, "my-app") == ["my-app"]
