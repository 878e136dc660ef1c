"""`Context`: what a command gets besides its arguments. Must not do anything before it is asked."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

    from teul.cli.render import LazyProgress
    from teul.config import Settings
    from teul.engine import Engine


class Context:
    """Settings, streams and a lazily opened engine. stdout is data, stderr is everything else."""

    def __init__(self, settings: Settings, *, stdout: TextIO | None = None, stderr: TextIO | None = None) -> None:
        self.settings = settings
        self.stdout = stdout or sys.stdout
        self.stderr = stderr or sys.stderr
        self._engine: Engine | None = None
        self.leaves_at_once = False
        """Whether the process may end as soon as the exit code is known, without taking itself apart (10 ms)."""
        self._progress: LazyProgress | None = None

    @property
    def engine(self) -> Engine:
        """The engine on this state folder, opened at the first use."""
        if self._engine is None:
            from teul.engine import Engine

            self._engine = Engine.open(self.settings)
        return self._engine

    def close(self) -> None:
        if self._progress is not None:
            self._progress.finish()
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    def translate(self, message: str) -> str:
        """*message* in the user's language, when it is a `Text` and the catalogue has its template."""
        if self.settings.language == "en":
            return str(message)
        from teul.cli.messages import translate

        return translate(message, self.settings.language)

    def print(self, *parts: object) -> None:
        """A line of data on stdout."""
        if self._progress is not None:
            self._progress.finish()
        self.stdout.write(" ".join(str(part) for part in parts) + "\n")

    def say(self, message: str) -> None:
        """A line for the person, on stderr, translated."""
        if self._progress is not None:
            self._progress.finish()
        self.stderr.write(self.translate(message) + "\n")

    def sink(self, progress: str = "auto", *, title: str = "") -> LazyProgress:
        """A sink that shows progress on stderr: "auto", "tty", "plain", "json" or "quiet".

        What it redraws is cleared before the next `print` or `say`, so that nobody needs to end it.
        """
        from teul.cli.render import progress_sink

        self._progress = progress_sink(self, progress, title=title)
        return self._progress
