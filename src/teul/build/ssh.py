"""`--ssh` and `RUN --mount=type=ssh`: an agent of the host, seen through a socket that only lets keys be listed and used.

A process in a build can have a signature made and can see which keys there are; it can add, remove or lock none, since
any other request is answered by us with a failure and never reaches the agent.

Spec: draft-miller-ssh-agent, "Protocol messages". Source: moby/buildkit, session/sshforward/sshprovider.
"""

from __future__ import annotations

import os
import socket
import stat
import threading
from contextlib import contextmanager

from teul.errors import InvalidInput, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import ExitStack

LIST_KEYS, SIGN = 11, 13
FAILURE = b"\0\0\0\1\5"
MESSAGE_LIMIT_BYTES = 256 << 10
DEFAULT = "default"


def parse_ssh(words: Sequence[str], environ: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """`--ssh` words: id → one socket, or files of keys. `default` alone is the agent that `SSH_AUTH_SOCK` names.

    Raises:
        InvalidInput: no agent, a path that is not there, a socket among keys.
    """
    made: dict[str, tuple[str, ...]] = {}
    for word in words:
        name, equals, places = word.partition("=")
        paths = tuple(path for path in places.split(",") if path)
        if not name or (equals and not paths):
            raise InvalidInput(
                text(
                    "invalid argument `{value}` for `{flag}`: expected ID[=SOCKET|KEY[,KEY]]", value=word, flag="--ssh"
                )
            )
        if not paths:
            agent = environ.get("SSH_AUTH_SOCK", "")
            if not agent:
                raise InvalidInput(
                    text("invalid empty ssh agent socket: make sure SSH_AUTH_SOCK is set"),
                    hint=text('eval "$(ssh-agent)" && ssh-add, or --ssh {id}=KEYFILE', id=name),
                )
            paths = (agent,)
        if name in made:
            raise InvalidInput(text("--ssh: `{id}` twice", id=name))
        kinds = [_is_socket(path) for path in paths]
        if len(kinds) > 1 and any(kinds):
            raise InvalidInput(text("--ssh {id}: expected one socket or several keys, got both", id=name))
        made[name] = tuple(os.path.abspath(path) for path in paths)
    return made


def _is_socket(path: str) -> bool:
    try:
        return stat.S_ISSOCK(os.stat(path).st_mode)
    except OSError as error:
        raise InvalidInput(
            text("--ssh: cannot read `{path}`: {problem}", path=path, problem=error.strerror or error)
        ) from error


class SshAgents:
    """The agents of one build by id, started when they are first needed; *folder* is for their sockets."""

    def __init__(
        self,
        sources: Mapping[str, tuple[str, ...]],
        folder: str,
        stack: ExitStack,
        *,
        claim: Callable[[], None] = lambda: None,
    ) -> None:
        """*claim* is called before *folder* is made, to protect it from those who remove what killed builders left."""
        self._claim = claim
        self._sources = sources
        self._folder = folder
        self._stack = stack
        self._guard = threading.Lock()
        self._sockets: dict[str, str] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._sources

    def socket(self, name: str) -> str:
        """The path of the agent's socket.

        Raises:
            HostLacks: no ssh-agent. InvalidInput: a key that cannot be read, or has a passphrase.
        """
        with self._guard:
            if name not in self._sockets:
                paths = self._sources[name]
                self._sockets[name] = paths[0] if _is_socket(paths[0]) else self._started(paths)
            return self._sockets[name]

    def _started(self, keys: Sequence[str]) -> str:
        """An agent that holds *keys* and ends with us: its child reads a pipe that we hold."""
        from teul.errors import CommandFailed
        from teul.host import process
        from teul.host.fs import remove_tree

        program = process.require("ssh-agent", package="openssh-client")
        add = process.require("ssh-add", package="openssh-client")
        self._claim()
        os.makedirs(self._folder, mode=0o700, exist_ok=True)
        self._stack.callback(remove_tree, self._folder)
        path = f"{self._folder}/agent-{os.urandom(4).hex()}"
        child = process.spawn(
            [program, "-a", path, "/bin/cat"], stdin=process.PIPE, stdout=process.DEVNULL, new_session=True
        )
        self._stack.callback(child.wait)
        assert child.stdin is not None
        self._stack.callback(child.stdin.close)
        _wait_for_socket(path, lambda: child.poll() is not None)
        env = {"PATH": os.environ.get("PATH", ""), "SSH_AUTH_SOCK": path, "SSH_ASKPASS_REQUIRE": "never"}
        for key in keys:
            try:
                process.run([add, "-q", key], env=env)
            except CommandFailed as error:
                lines = error.stderr_tail.strip().splitlines()
                raise InvalidInput(
                    text("--ssh: key `{path}`: {problem}", path=key, problem=lines[-1] if lines else error.message),
                    hint=text(
                        "a key with a passphrase has to be in an agent: ssh-add {path}, then --ssh default", path=key
                    ),
                ) from error
        return path


def _wait_for_socket(path: str, has_ended: Callable[[], bool]) -> None:
    """Until somebody listens there; the agent binds it before anything else."""
    import time

    end = time.monotonic() + 5
    while time.monotonic() < end and not has_ended():
        with socket.socket(socket.AF_UNIX) as asked:
            try:
                asked.connect(path)
                return
            except OSError:
                time.sleep(0.01)
    raise InvalidInput(text("--ssh: ssh-agent did not start"))


@contextmanager
def forwarded(agent: str, path: str, *, mode: int, uid: int, gid: int) -> Iterator[None]:
    """A socket at *path* for the length of the block, whose requests go to *agent* when they change nothing there."""
    listener = socket.socket(socket.AF_UNIX)
    try:
        listener.bind(path)
        os.chown(path, uid, gid)
        os.chmod(path, mode)
        listener.listen(16)
        thread = threading.Thread(target=_accept, args=(listener, agent), daemon=True)
        thread.start()
        try:
            yield
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(5)
    finally:
        listener.close()


def _accept(listener: socket.socket, agent: str) -> None:
    while True:
        try:
            caller, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_serve, args=(caller, agent), daemon=True).start()


def _serve(caller: socket.socket, agent: str) -> None:
    with caller, socket.socket(socket.AF_UNIX) as upstream:
        try:
            upstream.connect(agent)
            while True:
                request = _message(caller)
                if not request:
                    return
                if request[4] not in (LIST_KEYS, SIGN):
                    caller.sendall(FAILURE)
                    continue
                upstream.sendall(request)
                answer = _message(upstream)
                if not answer:
                    return
                caller.sendall(answer)
        except OSError:
            return


def _message(connection: socket.socket) -> bytes:
    """One message with its length in front; empty at the end, and for one that is too long."""
    head = _exactly(connection, 4)
    size = int.from_bytes(head, "big")
    if not head or not 0 < size <= MESSAGE_LIMIT_BYTES:
        return b""
    body = _exactly(connection, size)
    return head + body if body else b""


def _exactly(connection: socket.socket, count: int) -> bytes:
    made = b""
    while len(made) < count:
        part = connection.recv(count - len(made))
        if not part:
            return b""
        made += part
    return made
