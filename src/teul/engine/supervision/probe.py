"""One health check under way: the runtime's process, what it prints, and its end. Never blocks."""

from __future__ import annotations

import os
import time

from teul.engine.containers.lookup import bundle_of
from teul.engine.event_log import emit_container
from teul.engine.supervision import health
from teul.errors import TeulError
from teul.host.fs import remove_file
from teul.host.launch import launch, wait
from teul.plain_json import dumps, loads
from teul.runtime.driver import message_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.engine import Engine
    from teul.engine.containers.record import Container
    from teul.engine.supervision.health import Check


class Probe:
    """A check that has begun; `finish` says what came of it."""

    def __init__(self, engine: Engine, container: Container, check: Check, now: float) -> None:
        self._engine = engine
        self._container = container
        self._check = check
        self._bundle = bundle_of(engine, container.id)
        self._begun_at = time.time()
        self._said = b""
        self._failed = ""
        self.deadline = now + check.timeout_s
        self.output, output_in = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        os.set_blocking(output_in, True)
        self._pid = self._process = -1
        try:
            self._pid = launch(
                engine.driver.argv(
                    "exec",
                    *("--process", self._spec()),
                    *("--pid-file", f"{self._bundle}/health.pid", container.id),
                    log=f"{self._bundle}/health.log",
                ),
                env=engine.driver.environment,
                stdout=output_in,
                stderr=output_in,
            )
            self._process = os.pidfd_open(self._pid)
        except (TeulError, OSError, ValueError, KeyError) as error:
            self._failed = str(error)
            # Ready at once, so that the loop ends it: the reading end of a pipe that nobody writes to.
            self._process = os.dup(self.output)
        finally:
            os.close(output_in)

    @property
    def descriptors(self) -> tuple[int, ...]:
        """Readable: there is output, or the check has ended."""
        return (self._process,) if self.output == -1 else (self.output, self._process)

    def take(self) -> bool:
        """Read what there is; False when nothing more comes. Only the beginning is kept, the rest lets the check go on."""
        while True:
            try:
                data = os.read(self.output, 65536)
            except BlockingIOError:
                return True
            if not data:
                return False
            self._said = (self._said + data)[: health.OUTPUT_BYTES + 1]

    def close_output(self) -> None:
        if self.output != -1:
            os.close(self.output)
            self.output = -1

    def finish(self, *, timed_out: bool) -> str:
        """Note the result and return the container's status after it; kills the check when it took too long."""
        if timed_out:
            self._kill_inside()
        if self._pid > 0:
            if timed_out:
                os.kill(self._pid, 9)
            code = wait(self._pid)
        else:
            code = -1
        if self.output != -1:
            self.take()
        self.close_output()
        os.close(self._process)
        output = self._said[: health.OUTPUT_BYTES].decode(errors="replace")
        if len(self._said) > health.OUTPUT_BYTES:
            output = output[: health.OUTPUT_BYTES - 3] + "..."
        if timed_out:
            code = -1
            output = f"Health check exceeded timeout ({_duration(self._check.timeout_s)})" + (
                f": {output}" if output else ""
            )
        elif code != 0:
            problem = self._failed or self._logged()
            if problem:
                code, output = -1, f"OCI runtime exec failed: {problem}"
        before = health.load(self._bundle)
        result = health.Result(begun_at=self._begun_at, ended_at=time.time(), exit_code=code, output=output)
        after = before.after(result, self._check, started_at=self._container.started_at)
        health.save(self._bundle, after)
        if after.status != before.status:
            emit_container(self._engine, self._container, f"health_status: {after.status}")
        return after.status

    def kill(self) -> None:
        """End it, whatever it would have said."""
        self._kill_inside()
        if self._pid > 0:
            os.kill(self._pid, 9)
            wait(self._pid)
        self.close_output()
        os.close(self._process)

    def _spec(self) -> str:
        """The check's process: the container's own, with another command line and no terminal."""
        path = f"{self._bundle}/health-process.json"
        remove_file(f"{self._bundle}/health.pid")
        remove_file(f"{self._bundle}/health.log")
        with open(f"{self._bundle}/config.json", "rb") as file:
            process = loads(file.read())["process"]
        process["args"] = list(self._check.args)
        process["terminal"] = False
        process.pop("consoleSize", None)
        with open(path, "w") as file:
            file.write(dumps(process))
        return path

    def _kill_inside(self) -> None:
        """The check's process in the container and what it has begun: killing the runtime's would leave them."""
        try:
            with open(f"{self._bundle}/health.pid") as file:
                pending = [int(file.read())]
        except (OSError, ValueError):
            return
        found = []
        while pending:
            pid = pending.pop()
            found.append(pid)
            try:
                with open(f"/proc/{pid}/task/{pid}/children") as file:
                    pending += [int(word) for word in file.read().split()]
            except (OSError, ValueError):
                continue
        for pid in found:
            try:
                os.kill(pid, 9)
            except ProcessLookupError:
                continue

    def _logged(self) -> str:
        try:
            with open(f"{self._bundle}/health.log", "rb") as file:
                return message_in(file.read())
        except OSError:
            return ""


def _duration(seconds: float) -> str:
    """As Go prints it: `1s`, `1m30s`, `500ms`."""
    if seconds < 1:
        return f"{seconds * 1000:g}ms"
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    return (f"{hours}h" if hours else "") + (f"{minutes}m" if hours or minutes else "") + f"{rest:g}s"
