import sys

import pytest

from teul.errors import CommandFailed, HostLacks
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
