"""What a `teul run` may import: everything that is slow is listed here, and stays out of its way.

Measured with `python -X importtime`: the list's worst cost 2 to 20 ms each, and the whole run has 80.
"""

import os
import subprocess
import sys

import pytest

import teul

HEAVY = (
    *(
        "argparse",
        "ast",
        "asyncio",
        "concurrent.futures",
        "dataclasses",
        "datetime",
        "email",
        "glob",
        "hashlib",
        "http",
    ),
    *(
        "importlib.metadata",
        "inspect",
        "ipaddress",
        "logging",
        "multiprocessing",
        "pathlib",
        "pickle",
        "random",
        "shutil",
    ),
    *("socket", "sqlite3", "ssl", "subprocess", "tarfile", "tempfile", "threading", "traceback", "typing", "unittest"),
    *("urllib.parse", "urllib.request", "uuid", "yaml", "orjson", "zstandard", "urllib3", "starlette"),
    *(
        "teul.build",
        "teul.engine.build",
        "teul.engine.system",
        "teul.layers",
        "teul.ml",
        "teul.registry",
        "teul.solver",
    ),
    *("teul.cli.help", "teul.cli.messages", "teul.cli.progress", "teul.host.process"),
)
PROGRAM = """
import sys
from teul.cli.main import main
code = main(sys.argv[1:])
print(*sys.modules, file=sys.stderr)
sys.exit(code)
"""


def modules(words, **environ):
    env = {**os.environ, "PYTHONPATH": os.path.dirname(os.path.dirname(teul.__file__)), "TEUL_LANG": "en", **environ}
    done = subprocess.run(
        [sys.executable, "-S", "-c", PROGRAM, *words], capture_output=True, text=True, env=env, check=False
    )
    return done, set(done.stderr.splitlines()[-1].split())


def heavy(loaded):
    return [name for name in HEAVY if name in loaded]


@pytest.mark.needs_runc
def test_a_run_imports_nothing_heavy(settings, engine):
    from suites.containers import add_busybox, why_no_busybox

    if why_no_busybox():
        pytest.skip(why_no_busybox())
    add_busybox(engine)
    # The first finds out which runtime works; what that takes is paid once.
    modules(["run", "--rm", "--network", "none", "busybox", "true"], TEUL_ROOT=settings.root)

    done, loaded = modules(["run", "--rm", "--network", "none", "busybox", "echo", "hello"], TEUL_ROOT=settings.root)

    assert (done.returncode, done.stdout) == (0, "hello\n"), done.stderr
    assert heavy(loaded) == []


@pytest.mark.needs_runc
@pytest.mark.needs_network
def test_what_scripts_call_often_imports_nothing_heavy(settings, engine):
    from suites.containers import add_busybox, why_no_busybox
    from teul.engine import networks

    if why_no_busybox():
        pytest.skip(why_no_busybox())
    add_busybox(engine)
    root = settings.root
    # Once for each state folder: which runtime works, and the bridge.
    modules(["run", "--rm", "busybox", "true"], TEUL_ROOT=root)
    try:
        for words in (
            ["run", "-d", "--name", "box", "busybox", "sleep", "600"],
            ["exec", "box", "true"],
            ["rm", "-f", "box"],
        ):
            done, loaded = modules(words, TEUL_ROOT=root)

            assert done.returncode == 0, done.stderr
            assert [*heavy(loaded), *(name for name in ("enum", "json", "re") if name in loaded)] == [], words
    finally:
        modules(["rm", "-f", "box"], TEUL_ROOT=root)
        networks.abandon(engine)


def test_the_command_that_a_monitor_runs_imports_nothing_heavy(tmp_path):
    program = (
        "import sys; sys.argv = ['', 'f' * 64]; from teul.engine.containers.settlement import main; main();"
        "print(*sys.modules, file=sys.stderr)"
    )
    env = {**os.environ, "PYTHONPATH": os.path.dirname(os.path.dirname(teul.__file__)), "TEUL_ROOT": str(tmp_path)}
    done = subprocess.run([sys.executable, "-S", "-c", program], capture_output=True, text=True, env=env, check=True)

    assert heavy(set(done.stderr.split())) == []
