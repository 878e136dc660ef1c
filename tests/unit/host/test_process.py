import sys

import pytest

from teul.errors import Cancelled, CommandFailed, HostLacks
from teul.host import process


def test_a_program_that_is_not_there_is_what_the_host_lacks():
    with pytest.raises(HostLacks, match="no-such-program"):
        process.run(["no-such-program"])


def test_a_missing_program_is_answered_with_its_package():
    with pytest.raises(HostLacks) as caught:
        process.require("no-such-program", package="some-package")

    assert caught.value.hint == "apt-get install some-package"


def test_a_failure_keeps_the_exit_code_and_the_end_of_stderr():
    with pytest.raises(CommandFailed) as caught:
        process.run([sys.executable, "-c", "import sys; sys.stderr.write('그만\\n'); sys.exit(3)"])

    assert caught.value.exit_code == 3
    assert caught.value.stderr_tail == "그만"


def test_arguments_reach_the_program_as_they_are():
    done = process.run([sys.executable, "-c", "import sys; print(sys.argv[1:])", "$HOME; `id`", "a b"])

    assert done.stdout == b"['$HOME; `id`', 'a b']\n"


def test_a_program_that_takes_too_long_is_ended():
    with pytest.raises(CommandFailed, match="did not end within"):
        process.run([sys.executable, "-c", "import threading; threading.Event().wait()"], timeout_s=0.05)


def test_a_program_is_not_waited_for_when_the_caller_wants_to_stop():
    asked = iter((False, True))
    with pytest.raises(Cancelled):
        process.run((sys.executable, "-c", "import time; time.sleep(60)"), should_stop=lambda: next(asked))


def test_what_is_said_is_whole_however_often_the_caller_is_asked():
    code = "import sys, time; say = sys.stdout.buffer.write; say(bytes(300_000)); time.sleep(0.5); say(bytes(300_000))"

    done = process.run((sys.executable, "-c", code), should_stop=lambda: False, timeout_s=60)

    assert done.stdout == bytes(600_000)


def test_a_program_that_takes_too_long_is_ended_though_the_caller_goes_on():
    with pytest.raises(CommandFailed, match="did not end within"):
        process.run((sys.executable, "-c", "import time; time.sleep(60)"), should_stop=lambda: False, timeout_s=0.3)
