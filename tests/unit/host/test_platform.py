import os

import pytest

from teul.host import platform
from teul.oci.descriptor import Platform


def test_the_machine_runs_its_own_programs():
    assert platform.can_run(platform.host_platform())


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="asks an amd64 machine about arm64")
def test_another_architecture_runs_only_where_the_kernel_has_an_emulator_for_it(tmp_path, monkeypatch):
    monkeypatch.setattr(platform, "BINFMT", str(tmp_path))
    arm = Platform("linux", "arm64")

    assert not platform.can_run(arm)
    (tmp_path / "qemu-aarch64").touch()
    assert platform.can_run(arm)


def test_an_image_that_names_no_architecture_is_tried():
    assert platform.can_run(Platform("", ""))
