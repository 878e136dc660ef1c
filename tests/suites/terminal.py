"""A program on a terminal of its own, typed on and read as a person would: a pseudo-terminal is what tmux gives it too."""

import fcntl
import os
import select
import signal
import struct
import subprocess
import termios
import time

PATIENCE_S = 60


class Terminal:
    """*argv* as the leader of a session on a terminal of 40 by 120."""

    def __init__(self, argv, env):
        self.master, slave = os.openpty()
        self.resize(40, 120)
        self.process = subprocess.Popen(
            argv, env=env, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
            # The terminal is the session's own, so that its signals come from it.
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )  # fmt: skip
        os.close(slave)
        self.shown = ""
        self.seen = 0

    def type(self, words):
        os.write(self.master, words.encode())

    def resize(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def send(self, number=signal.SIGINT):
        os.killpg(self.process.pid, number)

    def wait_for(self, words):
        """Until *words* are shown, after what was waited for before."""
        deadline = time.monotonic() + PATIENCE_S
        while (at := self.shown.find(words, self.seen)) < 0:
            is_alive = self.process.poll() is None
            assert self._read() or (is_alive and time.monotonic() < deadline), (words, self.shown)
        self.seen = at + len(words)
        return self.shown

    def end(self):
        """The exit code, when all is read."""
        deadline = time.monotonic() + PATIENCE_S
        while self.process.poll() is None:
            assert time.monotonic() < deadline, self.shown
            self._read()
        while self._read():
            pass
        os.close(self.master)
        return self.process.returncode

    def _read(self):
        if not select.select([self.master], [], [], 0.1)[0]:
            return False
        try:
            data = os.read(self.master, 65536)
        except OSError:
            return False
        self.shown += data.decode(errors="replace")
        return bool(data)
