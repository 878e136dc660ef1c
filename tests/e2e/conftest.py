"""The installed `teul`, run as its user runs it, on a state folder of its own.

The base image is one static busybox: it comes from a Debian package, so these tests need no registry and no index.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, field

import pytest

from teul.config import Settings
from teul.engine import Engine

BUSYBOX = "/bin/busybox"


@dataclass
class Teul:
    """Runs the command line; every call is bounded in time."""

    root: str
    env: dict[str, str] = field(default_factory=dict)

    def argv(self, *words: str) -> list[str]:
        script = os.path.join(os.path.dirname(sys.executable), "teul")
        return [script, *words] if os.access(script, os.X_OK) else [sys.executable, "-m", "teul.cli.main", *words]

    def environ(self, **more: str) -> dict[str, str]:
        return {**os.environ, "TEUL_ROOT": self.root, "TEUL_LANG": "en", **self.env, **more}

    def __call__(
        self, *words: str, code: int = 0, cwd: str | None = None, stdin: str | None = None, **env: str
    ) -> subprocess.CompletedProcess[str]:
        """Run to the end and check the exit code."""
        done = subprocess.run(
            self.argv(*words),
            cwd=cwd,
            env=self.environ(**env),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert code == done.returncode, f"teul {' '.join(words)}\n{done.stdout}\n{done.stderr}"
        return done

    def start(self, *words: str, cwd: str | None = None) -> subprocess.Popen[str]:
        """Start in a process group of its own, as a terminal does."""
        return subprocess.Popen(
            self.argv(*words),
            cwd=cwd,
            env=self.environ(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def interrupt(self, process: subprocess.Popen[str], *, timeout_s: float = 60) -> tuple[str, str]:
        """What Ctrl-C does: SIGINT to the whole foreground group."""
        os.killpg(process.pid, signal.SIGINT)
        return process.communicate(timeout=timeout_s)


@pytest.fixture(scope="session")
def teul(tmp_path_factory):
    if os.geteuid() != 0:
        pytest.skip("needs root: containers are mounted and isolated by the kernel")
    if not os.access(BUSYBOX, os.X_OK):
        pytest.skip(f"needs {BUSYBOX} (apt-get install busybox-static)")
    made = Teul(str(tmp_path_factory.mktemp("state")))
    yield made
    for container in made("ps", "-aq").stdout.split():
        made("rm", "-f", container)
    for network in made("network", "ls", "-q").stdout.split():
        subprocess.run(made.argv("network", "rm", network), env=made.environ(), capture_output=True, check=False)
    Engine.open(Settings.from_environ(made.environ())).close()


@pytest.fixture(scope="session")
def busybox(teul, tmp_path_factory):
    """The name of an image with one program and a shell."""
    context = tmp_path_factory.mktemp("busybox")
    shutil.copy(BUSYBOX, context / "busybox")
    (context / "Dockerfile").write_text(
        'FROM scratch\nCOPY busybox /bin/busybox\nRUN ["/bin/busybox", "--install", "-s", "/bin"]\nENV PATH=/bin\nCMD ["sh"]\n'
    )
    teul("build", "-q", "-t", "busybox:test", str(context))
    return "busybox:test"


@pytest.fixture
def project(tmp_path):
    """A folder with files by name: `project({"Dockerfile": "…"})` gives its path."""

    def make(files: dict[str, str | bytes], name: str = "project") -> str:
        for path, content in files.items():
            target = tmp_path / name / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(tmp_path / name)

    return make
