"""GPUs and CDI devices in real containers, on a tree of a driver's files: no card is needed."""

import json
import os
import stat

import pytest

from teul.engine import containers
from teul.errors import HostLacks, NotFound
from teul.values import replace
from unit.gpu.test_generate import VERSION, driver_tree

pytestmark = [pytest.mark.needs_runc, pytest.mark.slow]


@pytest.fixture
def driver(box, tmp_path):
    """A machine with two cards whose nodes are `/dev/null` by number."""
    root = tmp_path / "driver"
    root.mkdir()
    driver_tree(root)
    for name in ("nvidiactl", "nvidia-uvm", "nvidia0", "nvidia1"):
        (root / "dev" / name).unlink()
        os.mknod(root / "dev" / name, stat.S_IFCHR | 0o666, os.makedev(1, 3))
    before = box.engine.settings
    box.engine.settings = replace(before, driver_root=str(root))
    yield root
    box.engine.settings = before


def test_gpus_bring_nodes_libraries_and_programs(box, driver):
    script = "ls /dev | grep nvidia; ls /usr/bin; find / -xdev -name 'libcuda*'; echo $NVIDIA_VISIBLE_DEVICES; echo x > /dev/nvidia0"

    shown = box.say(script, gpus=("device=0",)).splitlines()

    assert shown[:4] == ["nvidia-uvm", "nvidia0", "nvidiactl", "nvidia-smi"]
    assert {name.rpartition("/")[2] for name in shown[4:-1]} == {"libcuda.so", "libcuda.so.1", f"libcuda.so.{VERSION}"}
    assert shown[-1] == "void"
    assert box.say("ls /dev | grep 'nvidia[0-9]'", gpus=("all",)) == "nvidia0\nnvidia1\n"
    assert box.say("ls /dev | grep 'nvidia[0-9]'", devices=("nvidia.com/gpu=1",)) == "nvidia1\n"


def test_a_gpu_leaves_no_trace_in_the_image(box, driver):
    box.run("true", gpus=("all",), name="used", remove=False)

    assert [path for _, path in containers.diff(box.engine, "used") if "nvidia" in path or "cuda" in path] == []


def test_what_an_image_demands_of_the_driver_is_checked_first(box, driver):
    with pytest.raises(HostLacks, match=r"cuda>=13.0.*550.54.15 \(CUDA 12.4\)"):
        box.run("true", gpus=("all",), env=("NVIDIA_REQUIRE_CUDA=cuda>=13.0",))
    assert box.run("true", gpus=("all",), env=("NVIDIA_REQUIRE_CUDA=cuda>=12.4",)) == 0


def test_a_host_without_a_gpu_says_so(box, tmp_path):
    engine = box.engine
    engine.settings = replace(engine.settings, driver_root=str(tmp_path))

    with pytest.raises(HostLacks, match=r'could not select device driver "" with capabilities: \[\[gpu\]\]'):
        box.run("true", gpus=("all",))
    with pytest.raises(NotFound, match="npu=0 is unresolvable"):
        box.run("true", devices=("acme.com/npu=0",))


def test_a_specification_of_somebody_else_is_applied_with_its_hooks(box, tmp_path):
    engine = box.engine
    engine.settings = replace(engine.settings, driver_root=str(tmp_path))
    folder = tmp_path / "etc/cdi"
    folder.mkdir(parents=True)
    (tmp_path / "note").write_text("from the host\n")
    hook = tmp_path / "hook"
    hook.write_text(f"#!/bin/sh\ncat > {tmp_path}/state.json\n")
    hook.chmod(0o755)
    document = {
        "cdiVersion": "0.6.0",
        "kind": "acme.com/npu",
        "containerEdits": {"env": ["ACME=yes"]},
        "devices": [
            {
                "name": "0",
                "containerEdits": {
                    "deviceNodes": [{"path": "/dev/npu", "hostPath": "/dev/zero", "permissions": "r"}],
                    "mounts": [{"hostPath": f"{tmp_path}/note", "containerPath": "/note", "options": ["ro", "bind"]}],
                    "hooks": [{"hookName": "createRuntime", "path": str(hook), "args": ["hook"]}],
                    "additionalGids": [4242],
                },
            }
        ],
    }
    (folder / "acme.json").write_text(json.dumps(document))

    shown = box.say("echo $ACME; cat /note; head -c 3 /dev/npu | od -An -tx1; id -G", devices=("acme.com/npu=0",))

    assert shown.splitlines()[:3] == ["yes", "from the host", " 00 00 00"]
    assert "4242" in shown.splitlines()[3].split()
    assert json.loads((tmp_path / "state.json").read_text())["status"] in ("creating", "created")
