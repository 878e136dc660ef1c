"""What every OCI runtime does for teul; a test class derives from `RuntimeSuite` and names one."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from suites.containers import add_busybox, held, why_no_busybox
from teul.errors import Cancelled, InvalidInput, RuntimeFailed
from teul.oci.runtime import Mount
from teul.runtime import foreground
from teul.runtime.spec import Limits, Process, Sandbox
from teul.runtime.users import image_environment

PARENT = """
import os, sys
from teul.config import Settings
from teul.engine import Engine
from teul.runtime import foreground
from teul.runtime.spec import Process, Sandbox
engine = Engine.open(Settings.from_environ(os.environ))
bundle = sys.argv[1]
sandbox = Sandbox(process=Process(args=("sleep", "60"), env=("PATH=/bin",)), rootfs=bundle + "/rootfs")
foreground.run(engine.driver, sandbox, id="killed", bundle=bundle, rootfs_mounts=engine.snapshots.mounts("step"), on_output=print)
"""


class RuntimeSuite:
    """Containers that live as long as the call, on the runtime that `runtime` names."""

    runtime = ""

    @pytest.fixture
    def stepped(self, settings, monkeypatch):
        """An engine whose driver is this runtime, with a writable snapshot of the busybox image."""
        if why_no_busybox():
            pytest.skip(why_no_busybox())
        from teul.engine import Engine
        from teul.runtime.driver import _find, open_driver, probe
        from teul.values import replace

        if _find(self.runtime) is None:
            pytest.skip(f"{self.runtime} is not installed")
        engine = Engine.open(replace(settings, runtime=self.runtime))
        try:
            reason = probe(open_driver(engine.settings), engine.settings)
            if reason:
                pytest.skip(f"{self.runtime} does not work here: {reason}")
            image = add_busybox(engine)
            engine.snapshots.prepare("step", engine.images.layers(image))
            yield engine
        finally:
            engine.close()

    @pytest.fixture
    def run(self, stepped, tmp_path):
        bundle = str(tmp_path / "bundle")
        output = {"stdout": b"", "stderr": b""}

        def on_output(stream, data):
            output[stream] += data

        def made(*args, sandbox=None, **options):
            output["stdout"] = output["stderr"] = b""
            process = Process(args=args, env=image_environment(("PATH=/bin",)), **options.pop("process", {}))
            box = Sandbox(process=process, rootfs=f"{bundle}/rootfs", **(sandbox or {}))
            code = foreground.run(
                stepped.driver,
                box,
                id="step",
                bundle=bundle,
                rootfs_mounts=stepped.snapshots.mounts("step"),
                on_output=options.pop("on_output", on_output),
                **options,
            )
            return code, output["stdout"], output["stderr"]

        return made

    def test_output_and_exit_code(self, run):
        assert run("sh", "-c", "echo out; echo err >&2; exit 7") == (7, b"out\n", b"err\n")
        assert run("seq", "1", "100000")[1].count(b"\n") == 100000

    def test_what_cannot_be_started(self, run):
        for program, code in (("no-such-program", 127), ("/etc/passwd", 126)):
            with pytest.raises(RuntimeFailed) as caught:
                run(program)
            assert caught.value.exit_code == code, program

    def test_input(self, run):
        reader, writer = os.pipe()
        os.write(writer, b"given")
        os.close(writer)
        try:
            assert run("cat", stdin=reader)[1] == b"given"
        finally:
            os.close(reader)
        assert run("cat")[1] == b""

    def test_a_terminal_is_refused(self, run):
        with pytest.raises(InvalidInput):
            run("true", process={"terminal": True})

    def test_changes_stay_in_the_snapshot_and_nothing_else(self, run, stepped, tmp_path):
        run(
            "sh",
            "-c",
            "echo new > /new",
            sandbox={"mounts": (Mount("bind", str(tmp_path), "/deep/mount", ("rbind", "ro")),)},
        )

        assert os.listdir(stepped.snapshots.upper("step")) == ["new"]

    def test_a_user_is_looked_up_in_the_mounted_tree(self, run):
        from teul.runtime.users import resolve_user
        from teul.values import replace

        def prepare(seen, sandbox):
            user = resolve_user(seen, "app")
            return replace(sandbox, process=replace(sandbox.process, uid=user.uid, gid=user.gid, groups=user.groups))

        assert run("id", prepare=prepare)[1] == b"uid=1000(app) gid=1000(app) groups=4(adm)\n"

    def test_limits_seccomp_and_capabilities(self, run):
        code, shown, _ = run(
            "sh",
            "-c",
            "grep -E '^(Seccomp|CapEff):' /proc/self/status; ulimit -n",
            sandbox={"limits": Limits(memory_bytes=64 << 20, pids=50)},
        )
        assert (code, shown.split()[:4]) == (0, [b"CapEff:", b"00000000a80425fb", b"Seccomp:", b"2"])
        assert run("unshare", "-m", "true")[0] != 0

    def test_should_stop_kills_it(self, run, stepped):
        begun = time.monotonic()
        with pytest.raises(Cancelled):
            run("sleep", "60", should_stop=lambda: time.monotonic() - begun > 0.2)

        assert time.monotonic() - begun < 20
        assert held(stepped)["processes"] == []

    def test_an_exception_of_the_listener_kills_it(self, run, stepped):
        class Enough(Exception):
            pass

        def on_output(stream, data):
            raise Enough

        with pytest.raises(Enough):
            run("sh", "-c", "echo word; sleep 60", on_output=on_output)
        assert held(stepped)["processes"] == []

    def test_several_at_once(self, stepped, tmp_path):
        image = stepped.images.get("busybox")
        found = {}

        def step(number):
            bundle = str(tmp_path / f"step{number}")
            heard = []
            sandbox = Sandbox(
                process=Process(args=("echo", str(number)), env=("PATH=/bin",)), rootfs=f"{bundle}/rootfs"
            )
            code = foreground.run(
                driver, sandbox, id=f"step{number}", bundle=bundle, rootfs_mounts=mounts[number],
                on_output=lambda stream, data: heard.append(data),
            )  # fmt: skip
            found[number] = (code, b"".join(heard))

        driver, mounts = stepped.driver, {}
        for number in range(4):
            stepped.snapshots.prepare(f"step{number}", stepped.images.layers(image))
            mounts[number] = stepped.snapshots.mounts(f"step{number}")
        threads = [threading.Thread(target=step, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert found == {number: (0, f"{number}\n".encode()) for number in range(4)}

    def test_a_parent_that_is_killed_leaves_nothing(self, stepped, tmp_path):
        before = held(stepped)
        env = {**os.environ, "TEUL_ROOT": stepped.settings.root, "TEUL_RUNTIME": self.runtime}
        parent = subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path / "killed")], env=env)
        _wait_until(lambda: (stepped.driver.state("killed") or {}).get("status") == "running")
        parent.send_signal(signal.SIGKILL)
        parent.wait()

        _wait_until(lambda: stepped.driver.state("killed") is None)
        _wait_until(lambda: held(stepped)["processes"] == before["processes"])
        after = held(stepped)
        assert (after["mounts"], after["cgroups"]) == (before["mounts"], before["cgroups"])


def _wait_until(condition, timeout_s=20):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.02)
