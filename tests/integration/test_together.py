"""Several `teul` at once on one state folder: builds, pulls, containers and prunes; nobody fails, nothing is damaged."""

import os
import time

import pytest

from integration.test_crashes import everything_imported, place  # noqa: F401  (fixtures)
from teul.engine import system

pytestmark = [pytest.mark.needs_root, pytest.mark.slow]
SECONDS = 4


def work(there, number, commands, ends_at):
    """In a child: run *commands*, round after round; ends with 0 when none ever failed."""
    rounds = 0
    while time.monotonic() < ends_at:
        for words in commands(rounds):
            code = there.run(words, output=f"output-{number}")
            if code != 0:
                os.write(2, f"{words}: {code}: {there.output(f'output-{number}')}\n".encode())
                os._exit(1)
        rounds += 1
    os._exit(0 if rounds > 2 else 2)


def test_many_commands_at_once_do_no_harm(place):  # noqa: F811
    remote = f"{place.domain}/app:1"
    assert place.run(["pull", remote]) == 0, place.output()
    assert place.run(["tag", remote, "app:1"]) == 0

    def build(name):
        context = f"{place.root}/{name}"
        os.makedirs(context)

        def commands(number):
            with open(f"{context}/Dockerfile", "w") as file:
                file.write("FROM app:1\nCOPY file /copied\nWORKDIR /here\nCOPY file again\n")
            with open(f"{context}/file", "w") as file:
                file.write(f"{name} {number // 2}")
            # The prunes take the containers, and the images that lost their name to the next build.
            return [["build", "-q", "-t", f"{name}:1", context], ["create", f"{name}:1", "true"]]

        return commands

    def pull(number):
        tag = f"mine:{number}"
        return [["pull", "-q", remote], ["tag", remote, tag], ["rmi", tag]]

    def prune(number):
        return [["system", "prune", "-f"], ["system", "df"], ["system", "fsck", "--deep", "-q"]]

    ends_at = time.monotonic() + SECONDS
    children = []
    for number, commands in enumerate((build("one"), build("two"), pull, prune, prune)):
        pid = os.fork()
        if pid == 0:
            work(place, number, commands, ends_at)
        children.append(pid)

    assert [place.end(pid) for pid in children] == [0] * len(children)
    engine = place.engine()
    found = system.fsck(engine, is_deep=True)
    engine.close()
    assert found == []
