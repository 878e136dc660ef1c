"""Start Debian's `docker-registry` with its own configuration and storage folder on a loopback port."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

from teul.host import process


def is_installed() -> bool:
    return process.find("docker-registry") is not None


@contextlib.contextmanager
def running(folder: str, *, htpasswd: str = "") -> Iterator[str]:
    """Gives `host:port`; *htpasswd* is the text of a password file (bcrypt), "" asks for no password."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    configuration = {
        "version": "0.1",
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": f"{folder}/storage"}, "delete": {"enabled": True}},
        "http": {"addr": f"127.0.0.1:{port}", "secret": "test"},
    }
    if htpasswd:
        with open(f"{folder}/htpasswd", "w") as file:
            file.write(htpasswd)
        configuration["auth"] = {"htpasswd": {"realm": "test", "path": f"{folder}/htpasswd"}}
    path = f"{folder}/config.yml"
    with open(path, "w") as file:
        # JSON is YAML.
        json.dump(configuration, file)
    with open(f"{folder}/log", "wb") as log:
        child = subprocess.Popen(["docker-registry", "serve", path], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        _wait_until_it_answers(f"http://127.0.0.1:{port}/v2/", child, f"{folder}/log")
        yield f"127.0.0.1:{port}"
    finally:
        child.terminate()
        child.wait(10)


def _wait_until_it_answers(url: str, child: subprocess.Popen[bytes], log: str) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            opener.open(url, timeout=2).close()
            return
        except urllib.error.HTTPError as error:
            error.close()
            return
        except OSError:
            if child.poll() is not None:
                break
            time.sleep(0.02)
    with open(log, errors="replace") as file:
        raise AssertionError(f"docker-registry did not start: {file.read()[-2000:]}")
