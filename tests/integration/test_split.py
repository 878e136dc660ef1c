"""A RUN that installs a large distribution gives it a layer of its own; the tree is the same as in one layer."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from teul.config import Settings
from teul.engine import Engine
from teul.engine.build import BuildOptions, build

pytestmark = [pytest.mark.needs_root, pytest.mark.needs_runc, pytest.mark.slow]

SITE = "/usr/lib/python3/site-packages"
INSTALL = f"""set -e
mkdir -p {SITE}/big {SITE}/big-1.0.dist-info {SITE}/small-2.dist-info /usr/bin
head -c 5000000 /dev/zero > {SITE}/big/data.bin
echo 1 > {SITE}/big/__init__.py
echo x > {SITE}/small.py
ln -s small.py {SITE}/linked.py
echo "#!" > /usr/bin/small
chmod 755 /usr/bin/small
printf 'big/data.bin,,\\nbig/__init__.py,,\\nbig-1.0.dist-info/RECORD,,\\n' > {SITE}/big-1.0.dist-info/RECORD
printf 'small.py,,\\nlinked.py,,\\n../../../bin/small,,\\nsmall-2.dist-info/RECORD,,\\n' > {SITE}/small-2.dist-info/RECORD
echo other > /other
chmod 700 {SITE}/big
rm /removed
"""


@pytest.fixture
def engine(tmp_path):
    if os.geteuid() != 0 or not os.access("/bin/busybox", os.X_OK):
        pytest.skip("needs root and /bin/busybox (apt-get install busybox-static)")
    opened = Engine.open(Settings.from_environ({**os.environ, "TEUL_ROOT": str(tmp_path / "state")}))
    yield opened
    opened.close()


def built(engine, tmp_path, more="", name="context"):
    context = tmp_path / name
    context.mkdir()
    shutil.copy("/bin/busybox", context / "busybox")
    (context / "install").write_text(INSTALL + more)
    (context / "Dockerfile").write_text(
        'FROM scratch\nCOPY busybox /bin/busybox\nRUN ["/bin/busybox", "--install", "-s", "/bin"]\n'
        "RUN echo 1 > /removed\nCOPY install /install\nRUN sh /install\n"
    )
    return build(engine, BuildOptions(context=str(context))).image


def listing(engine, image, tmp_path):
    """Every path with its kind, mode, owner, time and content, as the containers of *image* see it."""
    mount = engine.snapshots.view(engine.images.layers(image))
    script = tmp_path / "list.py"
    script.write_text(
        "import sys, os; sys.path[:0] = sys.argv[1].split(':')\n"
        "from teul.host.mount import enter_mount_namespace, mounted\n"
        "from teul.oci.runtime import Mount\n"
        "enter_mount_namespace()\n"
        "with mounted(eval(sys.argv[2]), sys.argv[3]):\n"
        "    os.system(\"cd '\" + sys.argv[3] + \"' && find . -mindepth 1 -printf '%P %y %m %U:%G %T@ %l\\n' | sort && find . -type f | sort | xargs sha256sum\")\n"
    )
    target = tmp_path / "view"
    target.mkdir(exist_ok=True)
    import sys

    return subprocess.run(
        [sys.executable, str(script), ":".join(sys.path), repr(mount), str(target)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def test_a_large_distribution_has_a_layer_and_a_line_of_history_of_its_own(engine, tmp_path):
    image = built(engine, tmp_path)

    assert [line.comment for line in image.config.history if line.comment in ("big 1.0", "small 2")] == [
        "big 1.0",
        "small 2",
    ]
    assert len(image.config.diff_ids) == len([line for line in image.config.history if not line.empty_layer])


def test_the_tree_is_the_same_as_in_one_layer(engine, tmp_path, monkeypatch):
    cut = listing(engine, built(engine, tmp_path), tmp_path)
    monkeypatch.setattr("teul.build.python.cut.OWN_LAYER_BYTES", 1 << 40)
    other = Engine.open(Settings.from_environ({**os.environ, "TEUL_ROOT": str(tmp_path / "other")}))
    whole = built(other, tmp_path, name="again")

    assert len(whole.config.diff_ids) == 5
    assert cut == listing(other, whole, tmp_path)
    other.close()


def test_another_environment_shares_the_layer(engine, tmp_path):
    one = built(engine, tmp_path)
    two = built(engine, tmp_path, "echo new > /new\n", name="two")

    assert len(set(one.config.diff_ids) & set(two.config.diff_ids)) == len(one.config.diff_ids) - 2
