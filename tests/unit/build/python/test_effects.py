"""What a shell does besides installing, held against the tree."""

from __future__ import annotations

from pathlib import Path

import pytest

from teul.build import ops
from teul.build.dockerfile.mounts import RunMount
from teul.build.python.command import Install, recognise
from teul.build.python.effects import doubt_of_effects
from teul.build.python.owner import Owner
from teul.build.python.values import Doubt
from teul.build.tree import Tree
from teul.errors import NoInterpreter

ROOT, OTHER = Owner(), Owner(1000, 1000, (), "/home/me", "me")


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    for folder in ("bin", "root/.cache/models", "srv", "tmp/pip-tmp", "app"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "bin/sh").touch(0o755)
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("/srv")
    (tmp_path / "tmp/pip-link").symlink_to("/nowhere")
    return Tree(str(tmp_path))


def doubt(
    tree: Tree, command: str, owner: Owner = ROOT, *, mounts: tuple[RunMount, ...] = (), shell: str = "/bin/sh"
) -> str:
    op = ops.Run(args=(shell, "-c", command), env=(), cwd="/not-made-yet", mounts=mounts)
    install = recognise(op)
    assert isinstance(install, Install), install
    found = doubt_of_effects(op, install, tree, owner, {})
    return str(found.reason) if isinstance(found, Doubt) else ""


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("pip install x && rm -rf /root/.cache", "`rm` may take away what is in `/root/.cache`"),
        ("pip install x; rm -rf /root/.cache/*", "`rm` may take away what is in `/root/.cache`"),
        ("pip install x && rm -rf /root/.cache/pip", ""),
        ("pip install x && rm -rf /tmp/pip-tmp/", "`rm` may take away what is in `/tmp/pip-tmp`"),
        ("pip install x && rm -rf /tmp/pip-link", "`rm` may take away what is in `/tmp/pip-link`"),
        ("pip install x && rm -rf /tmp/pip-other", ""),
        ("cd /srv && pip install x", ""),
        ("cd /link && pip install x", ""),
        ("cd /absent && pip install x", "no folder `/absent` in the stage"),
        ("cd /file && pip install x", "no folder `/file` in the stage"),
        ("pip install x && cd /absent && pip install y", "no folder `/absent` in the stage"),
        ("pip install x", ""),
    ],
)
def test_what_is_there_decides(tree: Tree, command: str, reason: str) -> None:
    assert doubt(tree, command) == reason


def test_a_mount_gives_the_folder_that_is_gone_to(tree: Tree) -> None:
    lent = (RunMount(type="bind", target="/lent/"),)

    assert doubt(tree, "cd /lent/deep && pip install x", mounts=lent) == ""
    assert doubt(tree, "cd /lenticular && pip install x", mounts=lent) != ""


def test_another_user_may_not_look_into_roots_home(tree: Tree) -> None:
    assert doubt(tree, "pip install x && rm -rf /root/.cache/pip", OTHER) != ""
    assert doubt(tree, "pip install x && rm -rf /tmp/pip-other", OTHER) == ""


def test_a_shell_that_is_not_there_runs_nothing(tree: Tree) -> None:
    with pytest.raises(NoInterpreter, match="no program `/bin/bash` in the stage"):
        doubt(tree, "pip install x", shell="/bin/bash")
