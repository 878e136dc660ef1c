"""`exec` with and without the runtime: the process is the same, byte for byte, and a hostile container gains nothing."""

import fcntl
import os
import resource
import select
import signal
import struct
import subprocess
import sys
import termios

import pytest

from teul.engine import containers
from teul.engine.containers.lookup import bundle_of
from teul.engine.containers.processes import is_enterable
from teul.host import entering
from teul.runtime.entry import FILTER

pytestmark = [pytest.mark.needs_runc, pytest.mark.needs_root, pytest.mark.slow]

LOOK = """
grep -Ev "^(Pid|Tgid|NStgid|NSpid|NSpgid|NSsid|PPid|Vm|Rss|Hugetlb|voluntary|nonvoluntary|Name|Threads|SigQ|SigIgn|FDSize)" /proc/self/status
cat /proc/self/cgroup /proc/self/limits /proc/self/oom_score_adj /proc/self/sessionid /proc/self/loginuid
for kind in cgroup ipc mnt net pid user uts time; do readlink /proc/self/ns/$kind; done
pwd; umask; id; env | sort
for number in 0 1 2; do readlink /proc/self/fd/$number | cut -d: -f1; stat -L -c "%u %g %a" /proc/self/fd/$number; done
ls /proc/$$/fd
cat /proc/$$/mountinfo | cut -d" " -f3-
tr "\\0" "|" </proc/$$/cmdline
cut -d" " -f4-8,18-20 /proc/$$/stat | sed "s/[0-9]* [0-9]* \\(0 -1\\)/pids \\1/"
"""
"""Everything that a process can see of how it was made, but for numbers that every process has its own of."""


class Teul:
    def __init__(self, engine, folder):
        self.env = {**os.environ, "TEUL_ROOT": engine.settings.root, "TEUL_LANG": "en"}
        # A "runtime" that does nothing but say that it was asked.
        self.fake = str(folder / "runc")
        with open(self.fake, "w") as file:
            file.write("#!/bin/sh\nexit 99\n")
        os.chmod(self.fake, 0o755)

    def argv(self, *words):
        return [sys.executable, "-m", "teul.cli.main", "exec", *words]

    def __call__(self, *words, **environ):
        env = {**self.env, **environ}
        return subprocess.run(
            self.argv(*words),
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def alone(self, *words):
        """Without any runtime."""
        return self(*words, TEUL_RUNTIME=self.fake)


@pytest.fixture
def teul(box, tmp_path):
    if not entering.can_enter() and os.uname().machine != entering.MACHINE:
        pytest.skip(f"needs {entering.MACHINE}")
    return Teul(box.engine, tmp_path)


def started(box, *command, **options):
    """A container whose filter is known."""
    made = box.start(*(command or ("sleep", "1000")), **options)
    if not os.path.exists(f"{bundle_of(box.engine, made.id)}/{FILTER}"):
        pytest.skip("the kernel does not tell a process' system call filter (CONFIG_CHECKPOINT_RESTORE, ptrace)")
    return made


@pytest.mark.parametrize(
    ("options", "flags"),
    [
        ({}, ()),
        ({"user": "app", "env": ("A=b c",), "working_dir": "/data"}, ()),
        ({"cap_drop": ("ALL",), "group_add": ("adm", "77")}, ("-u", "1000:5")),
        ({"oom_score_adj": 321, "readonly": True, "cap_drop": ("CHOWN",)}, ("-w", "/tmp", "-e", "X=1")),
    ],
)
def test_the_process_is_the_one_that_the_runtime_makes(box, teul, options, flags):
    box_ = started(box, **options)

    alone = teul.alone(*flags, box_.id, "sh", "-c", LOOK)
    # With `-i` it goes through the runtime.
    through = teul("-i", *flags, box_.id, "sh", "-c", LOOK)

    assert (alone.returncode, alone.stderr) == (0, "")
    assert (through.returncode, through.stderr) == (0, "")
    assert alone.stdout.splitlines() == through.stdout.splitlines()
    # The C library's `posix_spawn` leaves a signal of its own ignored, the 32nd: when it starts the runtime, or us.
    ignored = int(teul.alone(box_.id, "grep", "SigIgn", "/proc/self/status").stdout.split()[1], 16)
    assert ignored & ~(1 << 31) == 0


def test_the_mask_of_new_files_and_how_many_may_be_open_are_not_the_callers(box, teul):
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    script = "umask; ulimit -Sn; ulimit -Hn"
    before = os.umask(0o077), resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 500), most))
    try:
        made = started(box, "sh", "-c", f"({script}) >/data/seen; mv /data/seen /data/all; exec sleep 1000")
        found = [teul(*flags, made.id, "sh", "-c", script).stdout.split() for flags in ((), ("-i",), ("-t",))]
        found.append(teul(made.id, "sh", "-c", "while ! test -e /data/all; do :; done; cat /data/all").stdout.split())
    finally:
        os.umask(before[0])
        resource.setrlimit(resource.RLIMIT_NOFILE, before[1])

    assert found == [["0022", str(most), str(most)]] * 4


def test_its_filter_is_the_one_that_the_runtime_loads(box, teul):
    made = started(box)
    found = []
    for flags in ((), ("-i",)):
        child = subprocess.Popen(
            teul.argv(*flags, made.id, "sh", "-c", "echo $$; echo ready; exec sleep 1000"),
            env=teul.env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        try:
            inside = int(child.stdout.readline())
            assert child.stdout.readline() == b"ready\n"
            found.append(entering.read_filter(outside(box.engine, made.id, inside)))
        finally:
            containers.exec_(box.engine, made.id, ["kill", "-9", str(inside)])
            child.communicate(timeout=60)

    assert len(found[0]) > 1000
    assert found[0] == entering.read_filter(made.pid)
    # The runtime compiles it anew, with its parts in an order of their own each time.
    assert instructions(found[0]) == instructions(found[1])


def instructions(program):
    """What a filter compares and answers, without the order and the jumps (`struct sock_filter`)."""
    return {(code, value) for code, _, _, value in struct.iter_unpack("=HBBI", program) if code != 5}  # BPF_JA


def outside(engine, container, inside):
    """The pid here of the process that has *inside* for its pid in the container."""
    for folder in engine.driver.cgroups(container):
        with open(f"{folder}/cgroup.procs") as file:
            for pid in file.read().split():
                with open(f"/proc/{pid}/status") as status:
                    numbers = next(line.split() for line in status if line.startswith("NSpid:"))
                if numbers[-1] == str(inside):
                    return int(pid)
    raise AssertionError("not there")


def test_exit_codes_and_streams(box, teul):
    made = started(box)

    done = teul.alone(made.id, "sh", "-c", "seq 1 30000; seq 1 30000 >&2; exit 7")
    assert (done.returncode, done.stdout, done.stderr) == (7, *["".join(f"{n}\n" for n in range(1, 30001))] * 2)
    assert teul.alone(made.id, "sh", "-c", "kill -9 $$").returncode == 137
    assert teul.alone(made.id, "cat").stdout == ""
    # What is left in the background keeps its output, and is waited for, as by the runtime.
    assert teul.alone(made.id, "sh", "-c", "(cat /proc/self/stat >/dev/null; echo late) & exit 3").stdout == "late\n"


def test_the_runtime_says_why_a_program_cannot_be_run(box, teul):
    made = started(box)

    for words, code in ((("nowhere",), 127), (("/data/file",), 126), (("/data",), 126), (("",), 127)):
        assert teul.alone(made.id, *words).returncode != 0
        done = teul(made.id, *words)
        assert done.returncode == code, done.stderr
        assert "exec" in done.stderr
    for folder in ("/nowhere", "data"):
        assert teul.alone("-w", folder, made.id, "true").returncode != 0
        assert teul("-w", folder, made.id, "true").returncode == 126
    # Where a folder of PATH is not as it is to be written, the runtime looks for the program.
    for folder, code in (("", 99), (".", 99), ("/bin/", 99), ("/bin/.", 99), ("//bin", 99), ("/.no:/bin", 0)):
        assert teul.alone("-w", "/bin", "-e", f"PATH={folder}:/bin", made.id, "sh", "-c", ":").returncode == code


def test_signals_are_handed_on(box, teul):
    made = started(box)
    for number in (signal.SIGTERM, signal.SIGINT):
        script = f"trap 'echo got; exit 5' {int(number)}; echo ready; while :; do sleep 0.05; done"
        child = subprocess.Popen(
            teul.argv(made.id, "sh", "-c", script),
            env={**teul.env, "TEUL_RUNTIME": teul.fake},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert child.stdout.readline() == b"ready\n"
        child.send_signal(number)
        assert child.communicate(timeout=60)[0] == b"got\n"
        assert child.returncode == 5


def test_who_stops_reading_is_noticed(box, teul):
    made = started(box)
    child = subprocess.Popen(
        teul.argv(made.id, "yes"), env={**teul.env, "TEUL_RUNTIME": teul.fake}, stdout=subprocess.PIPE
    )
    assert child.stdout.readline() == b"y\n"
    child.stdout.close()

    assert child.wait(timeout=60) == 141 or child.returncode == 1


def test_who_reads_nothing_does_not_keep_the_container(box, teul):
    """The kernel does not let the first process go before all others have been taken away by their parents."""
    made = started(box)
    end = os.pidfd_open(made.pid)
    child = subprocess.Popen(
        teul.argv(made.id, "yes"), env={**teul.env, "TEUL_RUNTIME": teul.fake}, stdout=subprocess.PIPE
    )
    try:
        size = fcntl.fcntl(child.stdout, fcntl.F_GETPIPE_SZ)
        while struct.unpack("i", fcntl.ioctl(child.stdout, termios.FIONREAD, bytes(4)))[0] < size:
            assert child.poll() is None
        signal.pidfd_send_signal(end, signal.SIGKILL)

        assert select.select([end], [], [], 30)[0]
    finally:
        os.close(end)
        child.stdout.close()
    assert child.wait(timeout=60) == 137


def test_a_program_that_leads_to_what_runs_it_finds_no_host_program(box, teul):
    """CVE-2019-5736: `/proc/self/exe` as program, as interpreter of a script, and as the loader of a program."""
    script = (
        "ln -s /proc/self/exe /bin/to-itself; printf '#!/proc/self/exe\\nprint(1)\\n' >/bin/by-itself; chmod +x /bin/by-itself;"
        "exec sleep 1000"
    )
    made = started(box, "sh", "-c", script)
    assert teul(made.id, "sh", "-c", "while ! test -x /bin/by-itself; do :; done").returncode == 0

    for words in (("to-itself", "-c", "print('host')"), ("by-itself",), ("/proc/self/exe", "-c", "print('host')")):
        done = teul.alone(made.id, *words)
        assert done.returncode != 0
        assert (done.stdout, done.stderr) == ("", "")


def test_no_folder_of_the_host_is_within_reach(box, teul):
    """CVE-2024-21626: a working folder that is a descriptor which leads out."""
    made = started(box)
    for number in range(3, 24):
        done = teul.alone("-w", f"/proc/self/fd/{number}", made.id, "ls", "/proc/self/cwd/")
        assert done.returncode != 0


def test_what_is_on_its_way_in_has_nothing_of_the_host(box, teul, monkeypatch):
    """Who is in the container may stop it there for as long as they like, read its `/proc`, and name it as a folder."""
    made = started(box)
    seen = {}
    heard = entering._heard

    def look(pipe, child, most):
        answer = heard(pipe, child, most)
        if not seen:
            # It has been born, and waits for us.
            place = f"/proc/{int(answer)}"
            with open(f"{place}/cmdline", "rb") as file:
                seen["words"] = file.read().strip(b"\0")
            for kind in ("cgroup", "ipc", "mnt", "net", "pid", "uts"):
                seen[kind] = os.readlink(f"{place}/ns/{kind}"), os.readlink(f"/proc/{made.pid}/ns/{kind}")
            for link in ("root", "cwd"):
                seen[f"{link} itself"] = os.path.samefile(f"{place}/{link}", f"/proc/{made.pid}/root"), True
            seen["open"] = {os.readlink(f"{place}/fd/{number}").split(":")[0] for number in os.listdir(f"{place}/fd")}
            with open(f"{place}/status") as file:
                inside = next(line.split()[-1] for line in file if line.startswith("NSpid:"))
            for link in ("cwd", "root", "fd/0"):
                done = teul.alone("-w", f"/proc/{inside}/{link}", made.id, "pwd")
                seen[link] = (done.returncode, done.stdout), (99, "")
        return answer

    monkeypatch.setattr(entering, "_heard", look)

    assert containers.exec_(box.engine, made.id, ["sh", "-c", "exit 3"]) == 3
    assert seen.pop("words") == b""
    assert seen.pop("open") <= {"pipe", "/memfd"}
    for name, (found, expected) in seen.items():
        assert found == expected, name


@pytest.mark.parametrize(
    "options",
    [
        {"privileged": True},
        {"cap_add": ("SYS_PTRACE",)},
        {"security_options": ("no-new-privileges",)},
        {"security_options": ("seccomp=unconfined",)},
        {"pid": "host"},
    ],
)
def test_containers_with_other_rights_go_by_the_runtime(box, teul, options):
    made = box.start("sleep", "1000", **options)

    assert not is_enterable(made)
    assert teul.alone(made.id, "true").returncode == 99
    assert teul(made.id, "true").returncode == 0


def test_a_container_that_others_look_into_goes_by_the_runtime(box, teul):
    made = started(box)
    assert teul.alone(made.id, "true").returncode == 0

    box.start("sleep", "1000", pid=f"container:{made.id}", cap_add=("SYS_PTRACE",))

    assert teul.alone(made.id, "true").returncode == 99


def test_a_container_that_ends_meanwhile_is_named(box, teul):
    made = started(box)
    # Held before it ends, so that its end can be waited for.
    end = os.pidfd_open(made.pid)
    try:
        signal.pidfd_send_signal(end, signal.SIGKILL)
        select.select([end], [], [])
    finally:
        os.close(end)

    done = teul(made.id, "true")

    assert done.returncode == 1
    assert "not running" in done.stderr
