import pytest

from teul import gpu

INFORMATION = """Model: \t\t NVIDIA H200
IRQ:   \t\t 130
GPU UUID: \t GPU-11111111-2222-3333-4444-555555555555
Video BIOS: \t 96.00.99.00.01
Bus Type: \t PCIe
Bus Location: \t 0000:{bus}:00.0
Device Minor: \t {minor}
GPU Excluded:\t No
"""


def tree(root, *, minors=(0,), nodes=("nvidiactl", "nvidia-uvm", "nvidia0", "nvidia1")):
    base = root / "proc/driver/nvidia"
    base.mkdir(parents=True)
    (base / "version").write_text(
        "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5 22:23:56 UTC 2024\n"
        "GCC version:  gcc version 12.2.0 (Debian 12.2.0-14)\n"
    )
    for minor in minors:
        folder = base / "gpus" / f"0000:{65 - minor}:00.0"
        folder.mkdir(parents=True)
        (folder / "information").write_text(INFORMATION.format(bus=65 - minor, minor=minor))
    (root / "dev").mkdir()
    for node in nodes:
        (root / "dev" / node).touch()


def test_no_driver_is_no_gpu(tmp_path):
    assert gpu.detect(str(tmp_path)) is None


def test_cards_are_found_in_the_order_of_their_device_nodes(tmp_path):
    tree(tmp_path, minors=(0, 1))

    found = gpu.detect(str(tmp_path))

    assert (found.version, found.cuda_major, found.missing_nodes) == ("550.54.15", 12, ())
    assert [(card.minor, card.bus, card.model) for card in found.gpus] == [
        (0, "0000:65:00.0", "NVIDIA H200"),
        (1, "0000:64:00.0", "NVIDIA H200"),
    ]
    assert found.gpus[0].uuid == "GPU-11111111-2222-3333-4444-555555555555"


def test_missing_device_nodes_are_named(tmp_path):
    tree(tmp_path, nodes=("nvidiactl", "nvidia0"))

    assert gpu.detect(str(tmp_path)).missing_nodes == ("/dev/nvidia-uvm",)


@pytest.mark.parametrize(
    ("line", "version"),
    [
        ("NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5 22:23:56 UTC 2024", "550.54.15"),
        ("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build", "580.65.06"),
        ("NVRM version: NVIDIA UNIX x86_64 Kernel Module  440.33  Tue", "440.33"),
        ("something else 1.2", ""),
    ],
)
def test_the_version_is_read_from_both_kinds_of_module(line, version):
    assert version == gpu.parse_version(line)


@pytest.mark.parametrize(("version", "cuda"), [("580.65.06", 13), ("525.60", 12), ("470.1", 11), ("418.0", 0), ("", 0)])
def test_a_driver_runs_cuda_up_to_its_floor(version, cuda):
    assert cuda == gpu.NvidiaDriver(version, ()).cuda_major
