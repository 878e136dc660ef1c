"""A disk that is full ends a command with one sentence, and leaves nothing half-visible; with room, the same works."""

import os
import re

import pytest

from integration.test_crashes import Place, everything_imported, image_in, place  # noqa: F401  (fixtures)
from teul.engine import system
from teul.host import process

pytestmark = [pytest.mark.needs_root, pytest.mark.slow]


def give_room(there, kilobytes):
    """Change how large the disk is; never below what is on it."""
    process.run(["mount", "-o", f"remount,size={kilobytes}k", there.root])


def used_kilobytes(there):
    status = os.statvfs(there.root)
    return (status.f_blocks - status.f_bfree) * status.f_frsize // 1024


def test_commands_on_a_full_disk_fail_cleanly(place):  # noqa: F811
    remote = f"{place.domain}/app:1"
    assert place.run(["images"]) == 0
    failures = 0
    for words in (
        ["pull", remote],
        ["tag", remote, "app:1"],
        ["save", "-o", f"{place.root}/app.tar", "app:1"],
        ["build", "-t", "app:2", f"{place.root}/context"],
        ["create", "--name", "box", "app:2", "true"],
        ["system", "prune", "-af"],
        ["load", "-i", f"{place.root}/app.tar"],
    ):
        room = 0
        while True:
            # The room grows, so that each attempt comes further than the one before.
            give_room(place, used_kilobytes(place) + room)
            code = place.run(words)
            said = place.output()
            give_room(place, 1 << 20)
            engine = place.engine()
            found = system.fsck(engine, is_deep=True)
            engine.close()
            assert found == [], (words, room)
            if code == 0:
                break
            failures += 1
            assert code == 1, (words, room, said)
            assert re.search("no space left on the disk", said), (words, room, said)
            assert "Traceback" not in said
            room += 28
            assert room < 3000, said

    assert failures > 20
