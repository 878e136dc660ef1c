"""The command line as people and scripts use it: terminals, signals, exit codes, what is printed where."""

import fcntl
import json
import os
import select
import signal
import struct
import subprocess
import sys
import termios
import time

import pytest

from suites.containers import add_busybox

pytestmark = [pytest.mark.needs_runc, pytest.mark.slow]


class Teul:
    def __init__(self, engine):
        self.engine = engine
        self.env = {**os.environ, "TEUL_ROOT": engine.settings.root, "TEUL_LANG": "en"}
        self.argv = [sys.executable, "-m", "teul.cli.main"]

    def __call__(self, *words, code=0, stdin=""):
        done = subprocess.run(
            [*self.argv, *words], env=self.env, input=stdin, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == code, (words, done.stdout, done.stderr)
        return done

    def start(self, *words):
        return subprocess.Popen(
            [*self.argv, *words], env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def terminal(self, *words, rows=30, columns=100):
        return Terminal([*self.argv, *words], self.env, rows, columns)


class Terminal:
    """A `teul` on a terminal of ours."""

    def __init__(self, argv, env, rows, columns):
        self.master, slave = os.openpty()
        self.resize(rows, columns)
        self.shown = b""
        self.before = termios.tcgetattr(slave)
        self.process = subprocess.Popen(argv, env=env, stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
        self.slave = slave

    def resize(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, data):
        os.write(self.master, data)

    def wait_for(self, data, timeout_s=20):
        deadline = time.monotonic() + timeout_s
        while data not in self.shown:
            assert time.monotonic() < deadline, self.shown
            if select.select([self.master], [], [], 0.1)[0]:
                self.shown += os.read(self.master, 4096)
        return self.shown

    def end(self, timeout_s=20):
        code = self.process.wait(timeout=timeout_s)
        os.close(self.slave)
        os.close(self.master)
        return code


@pytest.fixture
def teul(busybox):
    made = Teul(busybox)
    # Finds the runtime out, which is done once for a state folder.
    made("run", "--rm", "--network", "none", "busybox", "true")
    return made


NONE = ("--network", "none")
UNTIL_RESIZED = b"while [ \"$(stty size)\" != '41 133' ]; do sleep 0.05; done; echo resi''zed; exit\n"


def wait_until(condition, timeout_s=20):
    deadline = time.monotonic() + timeout_s
    while not (found := condition()):
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.02)
    return found


def test_a_shell_on_a_terminal(teul):
    terminal = teul.terminal("run", "-it", "--rm", *NONE, "busybox")
    terminal.type(b"echo $((40+2)); stty size; tty; exit 3\n")

    shown = terminal.wait_for(b"/dev/pts/0")
    assert b"42\r\n" in shown
    assert b"30 100\r\n" in shown
    assert terminal.process.wait(timeout=20) == 3
    assert termios.tcgetattr(terminal.slave) == terminal.before
    terminal.end()


def test_a_terminal_that_changes_its_size(teul):
    terminal = teul.terminal("run", "-it", "--rm", *NONE, "busybox")
    # The words must not be in what is typed: a terminal shows that too, before the container has it.
    terminal.type(b"echo rea''dy\n")
    terminal.wait_for(b"ready\r\n")
    terminal.resize(41, 133)
    os.kill(terminal.process.pid, signal.SIGWINCH)
    terminal.type(UNTIL_RESIZED)

    terminal.wait_for(b"resized\r\n")
    assert terminal.end() == 0


def test_ctrl_c_on_a_terminal_goes_to_the_process(teul):
    # Not `cat`: a shell that is signalled before that is there would wait for its end.
    terminal = teul.terminal(
        "run", "-it", "--rm", *NONE, "busybox", "sh", "-c",
        "trap 'echo caught; exit 9' INT; echo ready; while :; do sleep 0.05; done",
    )  # fmt: skip
    terminal.wait_for(b"ready\r\n")
    terminal.type(b"\x03")

    terminal.wait_for(b"caught")
    assert terminal.end() == 9


def test_detaching_leaves_the_container_running_and_listening(teul):
    terminal = teul.terminal("run", "-it", "--name", "left", *NONE, "busybox", "sh")
    # The words must not be in what is typed: a terminal shows that too, before the container has it.
    terminal.type(b"echo rea''dy\n")
    terminal.wait_for(b"ready\r\n")
    terminal.type(b"\x10\x11")

    assert terminal.end() == 0
    assert teul("ps", "--format", "{{.Names}}").stdout == "left\n"
    for word, end, code in ((b"one", b"\x10\x11", 1), (b"two", b"exit 6\n", 6)):
        terminal = teul.terminal("attach", "left")
        terminal.type(b"echo %b''again\n" % word)
        terminal.wait_for(b"%bagain\r\n" % word)
        terminal.type(end)
        assert terminal.end() == code
    assert teul("ps", "-a", "--format", "{{.State}}").stdout == "exited\n"


def test_who_no_longer_reads_ends_teul_and_not_the_container(teul):
    process = teul.start("run", "--name", "loud", *NONE, "busybox", "sh", "-c", "seq 1 300000; sleep 60")
    assert process.stdout.read(2) == b"1\n"
    process.stdout.close()

    assert process.wait(timeout=20) == 141
    process.stderr.close()
    wait_until(lambda: teul("logs", "--tail", "1", "loud").stdout == "300000\n")
    assert teul("ps", "--format", "{{.Names}}").stdout == "loud\n"
    teul("rm", "-f", "loud")


def test_exec_on_a_terminal(teul):
    teul("run", "-d", "--name", "host", *NONE, "busybox", "sleep", "60")
    terminal = teul.terminal("exec", "-it", "host", "sh")
    terminal.type(b"stty size; exit 4\n")

    terminal.wait_for(b"30 100\r")
    assert terminal.process.wait(timeout=20) == 4
    assert termios.tcgetattr(terminal.slave) == terminal.before
    terminal.end()
    terminal = teul.terminal("exec", "-it", "host", "sh")
    terminal.type(b"echo rea''dy\n")
    terminal.wait_for(b"ready\r\n")
    terminal.resize(41, 133)
    os.kill(terminal.process.pid, signal.SIGWINCH)
    terminal.type(UNTIL_RESIZED)
    terminal.wait_for(b"resized\r\n")
    assert terminal.end() == 0


@pytest.mark.parametrize("words", [(), ("--detach-keys", "ctrl-a,d")])
def test_detaching_from_exec_leaves_the_process_running_and_writing(teul, words):
    teul("run", "-d", "--name", "host", *NONE, "busybox", "sleep", "600")
    teul("exec", "host", "mkfifo", "/go")
    terminal = teul.terminal("exec", "-it", *words, "host", "sh")
    terminal.type(b"echo rea''dy; cat /dev/zero | head -c 300000 >/dev/tty; read line < /go; echo on >/gone\n")
    terminal.wait_for(b"ready\r\n")
    terminal.type(b"\x01d" if words else b"\x10\x11")

    terminal.wait_for(b"read escape sequence")
    assert terminal.end() == 1
    # It writes more than any buffer holds, to a terminal that nobody looks at any more.
    teul("exec", "host", "sh", "-c", "echo now >/go; until [ -e /gone ]; do sleep 0.05; done")
    assert teul("exec", "host", "cat", "/gone").stdout == "on\n"


def test_what_exec_cannot_do_has_dockers_exit_codes(teul):
    teul("run", "-d", "--name", "host", *NONE, "busybox", "sleep", "600")

    nobody = teul("exec", "-u", "nosuch", "host", "true", code=126)
    assert "unable to find user nosuch: no matching entries in passwd file" in nobody.stderr
    assert "Invalid escape keys (ctrl-zz)" in teul("exec", "--detach-keys", "ctrl-zz", "host", "true", code=1).stderr
    assert "executable file not found" in teul("exec", "host", "nosuch", code=127).stderr
    # What its monitor writes is not Docker's JSON, so nothing is shown that a log shipper would read.
    assert teul("inspect", "-f", "{{.LogPath}}", "host").stdout == "\n"


def test_an_image_without_a_command_says_so(teul):
    add_busybox(teul.engine, "bare", command=())

    assert "no command specified" in teul("run", "--rm", "bare", code=125).stderr
    assert "no command specified" in teul("create", "bare", code=1).stderr
    assert teul("ps", "-aq").stdout == ""


def test_no_terminal_where_one_is_asked_for_is_said(teul):
    assert "the input device is not a TTY" in teul("run", "-it", "--rm", *NONE, "busybox", code=125).stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1])
def test_signals_are_handed_on(teul, number):
    name = signal.Signals(number).name.removeprefix("SIG")
    process = teul.start(
        "run", "--rm", *NONE, "busybox", "sh", "-c", f"trap 'exit 5' {name}; echo ready; while :; do sleep 0.05; done"
    )
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(number)

    assert process.wait(timeout=20) == 5
    process.stdout.close()
    process.stderr.close()
    assert teul("ps", "-aq").stdout == ""


def test_streams_are_kept_apart_and_input_is_piped(teul):
    done = teul("run", "-i", "--rm", *NONE, "busybox", "sh", "-c", "cat; echo err >&2", stdin="one\ntwo\n")

    assert (done.stdout, done.stderr) == ("one\ntwo\n", "err\n")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("busybox", "sh", "-c", "exit 42"), 42),
        (("busybox", "no-such-program"), 127),
        (("busybox", "/etc/passwd"), 126),
        (("--no-such-flag", "busybox"), 125),
        (("--gpus", "all", "busybox"), 125),
        (("--memory", "1m", "busybox"), 125),
        (("-v", "bad name:/x", "busybox"), 125),
    ],
)
def test_exit_codes_of_run_are_dockers(teul, words, code):
    teul("run", "--rm", *NONE, *words, code=code)

    assert teul("ps", "-aq").stdout == ""


def test_an_image_that_is_not_there(teul):
    assert "nothing-here" in teul("run", "--rm", "--pull", "never", "nothing-here", code=125).stderr


def test_from_create_to_remove(teul, tmp_path):
    cidfile = tmp_path / "cid"
    made = teul(
        "create",
        "--name",
        "job",
        "--cidfile",
        str(cidfile),
        "-l",
        "a=b",
        *NONE,
        "busybox",
        "sh",
        "-c",
        "echo hi; exit 2",
    )
    container = made.stdout.strip()

    assert (len(container), cidfile.read_text()) == (64, container)
    assert "is already in use" in teul("create", "--name", "job", "busybox", code=1).stderr
    assert teul("ps", "-a", "--format", "{{.Names}} {{.Status}}", code=0).stdout.startswith("job Created")
    assert teul("start", "job").stdout == "job\n"
    assert teul("wait", "job").stdout == "2\n"
    assert teul("logs", "job").stdout == "hi\n"
    assert teul("start", "-a", "job", code=2).stdout == "hi\n"
    assert teul("inspect", "-f", "{{.State.ExitCode}} {{.State.Status}}", "job").stdout == "2 exited\n"
    assert teul("ps", "-q").stdout == ""
    assert teul("ps", "-aq", "--no-trunc", "-f", "label=a=b").stdout == f"{container}\n"
    assert teul("rm", container[:5]).stdout == f"{container[:5]}\n"
    assert "no such container: job" in teul("rm", "job", code=1).stderr
    assert teul("rm", "-f", "job").stdout == ""


def test_logs_with_times_and_tail(teul):
    teul("run", "--name", "talk", *NONE, "busybox", "sh", "-c", "echo one; echo two >&2; echo three")

    done = teul("logs", "-t", "-n", "2", "talk")
    assert (done.stdout.split()[1], done.stderr.split()[1]) == ("three", "two")
    assert done.stdout.split()[0].endswith("Z")
    assert teul("logs", "--since", "1h", "--until", "1h", "talk").stdout == ""


def test_following_logs_end_with_the_container(teul):
    teul("run", "-d", "--name", "slow", *NONE, "busybox", "sh", "-c", "for i in 1 2 3; do echo $i; sleep 0.1; done")

    assert teul("logs", "-f", "slow").stdout == "1\n2\n3\n"


def test_inspect_finds_anything_by_name(teul):
    teul("volume", "create", "data")
    teul("run", "-d", "--name", "seen", "-v", "data:/data", *NONE, "busybox", "sleep", "60")

    found = json.loads(teul("inspect", "seen", "busybox", "bridge", "data").stdout)
    assert [item.get("Name") or item["RepoTags"] for item in found] == ["/seen", ["busybox:latest"], "bridge", "data"]
    assert teul("inspect", "--type", "volume", "-f", "{{.Driver}}", "data").stdout == "local\n"
    assert "no such object: nobody" in teul("inspect", "nobody", code=1).stderr
    assert "data" in teul("volume", "rm", "data", code=1).stderr
    assert teul("volume", "ls", "-q", "-f", "dangling=false").stdout == "data\n"


def test_networks_by_name(teul):
    network = teul("network", "create", "--subnet", "10.213.79.0/24", "--label", "a=b", "mine").stdout.strip()

    assert teul("network", "ls", "-q", "--no-trunc", "-f", "label=a").stdout == f"{network}\n"
    assert teul("network", "inspect", "-f", "{{(index .IPAM.Config 0).Subnet}}", "mine").stdout == "10.213.79.0/24\n"
    assert "already exists" in teul("network", "create", "mine", code=1).stderr
    assert teul("network", "rm", "mine").stdout == "mine\n"
    assert "pre-defined" in teul("network", "rm", "bridge", code=1).stderr


def test_a_gateway_alone_is_told_what_it_needs(teul):
    said = teul("network", "create", "--gateway", "192.168.100.1", "mine", code=1).stderr

    assert "every ip-range or gateway must have a corresponding subnet" in said
    assert "hint: --subnet 192.168.100.0/24" in said


def test_an_image_with_a_volume_in_place_of_its_root_is_refused(teul):
    teul("create", "--name", "base", *NONE, "busybox", "true")
    teul("commit", "-c", 'VOLUME ["/"]', "base", "rootless")

    assert "destination can't be '/'" in teul("run", "--rm", *NONE, "rootless", "true", code=125).stderr
    assert teul("volume", "ls", "-q").stdout == ""


def test_the_version_is_where_scripts_look_for_it(teul):
    version = teul("version", "--format", "{{.Client.Version}}").stdout

    assert version
    assert teul("version", "--format", "{{.Server.Version}}").stdout == version
    assert teul("info", "-f", "{{.ServerVersion}}").stdout == version


def test_a_pip_of_the_images_sees_the_hosts_settings(teul, tmp_path):
    teul.env |= {"PIP_FIND_LINKS": str(tmp_path), "PIP_INDEX_URL": "https://index.example/simple"}
    (tmp_path / "wheel").write_text("here")
    shown = teul("run", "--rm", *NONE, "busybox", "sh", "-c", f"env | grep ^PIP_ | sort; cat {tmp_path}/wheel").stdout

    assert "PIP_INDEX_URL=https://index.example/simple\n" in shown
    assert f"PIP_FIND_LINKS={tmp_path}\n" in shown
    assert shown.endswith("here")
    assert "PIP_" not in teul("run", "--rm", "--no-host-trust", *NONE, "busybox", "env").stdout


def test_messages_are_korean_where_that_is_spoken(teul):
    teul.env["TEUL_LANG"] = "ko"

    assert "그런 컨테이너" in teul("stop", "nobody", code=1).stderr or "없" in teul("stop", "nobody", code=1).stderr


def test_an_image_that_is_used_by_nobody_else(teul):
    add_busybox(
        teul.engine, "other", user="app", working_dir="/data", entrypoint=("sh", "-c"), command=("id -un; pwd",)
    )

    assert teul("run", "--rm", *NONE, "other").stdout == "app\n/data\n"
    assert teul("run", "--rm", "--entrypoint", "echo", *NONE, "other", "x").stdout == "x\n"
    assert teul("run", "--rm", "-u", "0", "-w", "/tmp", *NONE, "other", "id -un; pwd").stdout == "root\n/tmp\n"
