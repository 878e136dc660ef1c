"""The agent behind `RUN --mount=type=ssh`: what it lets through."""

from __future__ import annotations

import os
import socket
import stat
import threading
from pathlib import Path

import pytest

from teul.build.ssh import FAILURE, forwarded, parse_ssh
from teul.errors import InvalidInput


class Agent:
    """Answers every message with its own type plus one, and remembers the types."""

    def __init__(self, path: Path) -> None:
        self.seen: list[int] = []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen(4)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                caller, _ = self.listener.accept()
            except OSError:
                return
            with caller:
                while head := caller.recv(4):
                    body = caller.recv(int.from_bytes(head, "big"))
                    self.seen.append(body[0])
                    caller.sendall(b"\0\0\0\1" + bytes([body[0] + 1]))


def test_keys_are_listed_and_used_and_nothing_else_reaches_the_agent(tmp_path: Path) -> None:
    agent = Agent(tmp_path / "agent")
    path = tmp_path / "seen"

    with forwarded(str(tmp_path / "agent"), str(path), mode=0o640, uid=os.getuid(), gid=os.getgid()):
        mode = stat.S_IMODE(path.stat().st_mode)
        with socket.socket(socket.AF_UNIX) as caller:
            caller.connect(str(path))
            answers = []
            for kind in (11, 13, 17, 18, 19, 22, 25, 27):
                caller.sendall(b"\0\0\0\1" + bytes([kind]))
                answers.append(caller.recv(16))
            caller.sendall(b"\xff\xff\xff\xff")
            ended = caller.recv(16)
    agent.listener.close()

    assert mode == 0o640
    assert answers == [b"\0\0\0\1\x0c", b"\0\0\0\1\x0e"] + [FAILURE] * 6
    assert (ended, agent.seen) == (b"", [11, 13])


def test_an_id_has_one_agent_or_keys(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("x")
    agent = Agent(tmp_path / "agent")
    environ = {"SSH_AUTH_SOCK": str(tmp_path / "agent")}

    assert parse_ssh(["default", f"k={key}"], environ) == {"default": (environ["SSH_AUTH_SOCK"],), "k": (str(key),)}
    for words, given in (
        (["default"], {}),
        (["x="], environ),
        (["=x"], environ),
        (["x=/nope"], environ),
        (["x", "x"], environ),
        ([f"x={key},{tmp_path}/agent"], environ),
    ):
        with pytest.raises(InvalidInput):
            parse_ssh(words, given)
    agent.listener.close()
