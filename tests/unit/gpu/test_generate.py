import os
import struct

import pytest

from teul import gpu
from teul.gpu import generate, libraries
from unit.gpu.test_nvidia import tree

VERSION = "550.54.15"
FOLDER = "usr/lib/x86_64-linux-gnu"


def cache(entries):
    """An `ld.so.cache` in the new format; *entries* are (flags, soname, path)."""
    strings = b""
    records = []
    start = 48 + 24 * len(entries)
    for flags, soname, path in entries:
        key = start + len(strings)
        strings += soname.encode() + b"\0"
        value = start + len(strings)
        strings += path.encode() + b"\0"
        records.append(struct.pack("=iIIIQ", flags, key, value, 0, 0))
    return (
        struct.pack("=20sIIBxxxI12x", b"glibc-ld.so.cache1.1", len(entries), len(strings), 2, 0)
        + b"".join(records)
        + strings
    )


def driver_tree(root, *, with_cache=True):
    tree(root, minors=(0, 1))
    folder = root / FOLDER
    folder.mkdir(parents=True)
    entries = []
    for name, soname in (("libcuda", "libcuda.so.1"), ("libnvidia-ml", "libnvidia-ml.so.1"),
                         ("libnvidia-encode", "libnvidia-encode.so.1"), ("libGLX_nvidia", "libGLX_nvidia.so.0")):  # fmt: skip
        (folder / f"{name}.so.{VERSION}").write_bytes(b"\x7fELF")
        (folder / soname).symlink_to(f"{name}.so.{VERSION}")
        entries.append((0x0303, soname, f"/{FOLDER}/{soname}"))
    (folder / "libc.so.6").write_bytes(b"\x7fELF")
    entries += [(0x0303, "libc.so.6", f"/{FOLDER}/libc.so.6"), (0x0003, "libcuda.so.1", "/usr/lib32/libcuda.so.1")]
    if with_cache:
        (root / "etc").mkdir()
        (root / "etc/ld.so.cache").write_bytes(cache(entries))
    (root / "usr/bin").mkdir(parents=True)
    program = root / "usr/bin/nvidia-smi"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)


@pytest.mark.parametrize("with_cache", [True, False])
def test_a_specification_has_the_cards_and_what_the_driver_needs(tmp_path, with_cache):
    driver_tree(tmp_path, with_cache=with_cache)
    driver = gpu.detect(str(tmp_path))

    made = generate.generate(driver, driver_root=str(tmp_path), machine="x86_64")

    assert list(made.devices) == ["0", "GPU-11111111-2222-3333-4444-555555555555", "1", "all"]
    assert [node.path for node in made.devices["all"].nodes] == ["/dev/nvidia0", "/dev/nvidia1"]
    assert [node.path for node in made.edits.nodes] == ["/dev/nvidiactl", "/dev/nvidia-uvm"]
    assert {
        f"/{FOLDER}/libcuda.so",
        f"/{FOLDER}/libcuda.so.1",
        f"/{FOLDER}/libcuda.so.{VERSION}",
        f"/{FOLDER}/libnvidia-ml.so",
        f"/{FOLDER}/libnvidia-ml.so.1",
        f"/{FOLDER}/libnvidia-ml.so.{VERSION}",
        "/usr/bin/nvidia-smi",
    } == {mount.path for mount in made.edits.mounts}
    assert all(os.path.isfile(mount.host_path) for mount in made.edits.mounts)


def test_capabilities_choose_the_libraries(tmp_path):
    driver_tree(tmp_path)
    driver = gpu.detect(str(tmp_path))

    def names(value):
        made = generate.generate(
            driver, driver_root=str(tmp_path), machine="x86_64",
            capabilities=generate.parse_capabilities(value), library_folder="/usr/lib64",
        )  # fmt: skip
        return {mount.path.rpartition("/")[2] for mount in made.edits.mounts if mount.path.startswith("/usr/lib64/")}

    assert {"libcuda.so", "libcuda.so.1", f"libcuda.so.{VERSION}"} == names("compute")
    assert {"libnvidia-encode.so.1", f"libnvidia-encode.so.{VERSION}"} == names("video")
    assert "libGLX_nvidia.so.0" in names("all")


def test_the_loaders_cache_is_read_behind_the_old_format_too(tmp_path):
    new = cache([(0x0303, "libcuda.so.1", "/a/libcuda.so.1"), (0x0A03, "libcuda.so.1", "/arm/libcuda.so.1")])
    old = b"ld.so-1.7.0\0" + struct.pack("=I", 1) + b"\0" * 12
    old += b"\0" * (-len(old) % 8)

    assert libraries.parse_cache(old + new, "x86_64") == {"libcuda.so.1": "/a/libcuda.so.1"}
    assert libraries.parse_cache(new, "aarch64") == {"libcuda.so.1": "/arm/libcuda.so.1"}
    assert libraries.parse_cache(b"nothing", "x86_64") == {}
    assert libraries.parse_cache(new[:40], "x86_64") == {}


def test_this_machines_own_cache_is_read():
    found = libraries.find("/", os.uname().machine)

    assert os.path.exists(found["libc.so.6"])
