"""Where a file or a package of an image comes from, what it takes, how two images differ, and their bill of materials."""

from __future__ import annotations

import io
import json

import pytest

from suites.small_images import add, folder, member, noise, tar
from teul.cli.main import main
from teul.engine import Engine

pytestmark = pytest.mark.needs_root

SITE = "usr/local/lib/python3.11/site-packages"
STATUS = """\
Package: libone
Status: install ok installed
Architecture: amd64
Version: {version}

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1
"""


def debian(version: str) -> list:
    return [
        ("etc/os-release", b"ID=debian\n"),
        ("var/lib/dpkg/status", STATUS.format(version=version).encode()),
        ("var/lib/dpkg/info/libone:amd64.list", b"/.\n/lib\n/lib/libone.so\n/etc/absent\n"),
        ("var/lib/dpkg/info/libone:amd64.md5sums", b""),
        ("usr/lib/libone.so", version.encode() * 1000),
        member("lib", kind=b"2", target="usr/lib", mode=0o777),
    ]


def python(
    name: str, version: str, *, size: int = 100, requires: str = "", is_requested: bool = False, more=()
) -> list:
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nLicense: MIT\n"
    metadata += f"Requires-Dist: {requires}\nRequires-Dist: never; extra == 'x'\n" if requires else ""
    files = {
        f"{name}/__init__.py": noise(size, hash((name, version)) & 0xFF),
        f"{info}/METADATA": metadata.encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nTag: cp311-cp311-manylinux_2_17_x86_64\nTag: cp311-cp311-manylinux2014_x86_64\n",
        f"{info}/INSTALLER": b"pip\n",
        **dict(more),
    }
    if is_requested:
        files[f"{info}/REQUESTED"] = b""
    record = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"]) + "../../../../../etc/passwd,,\n"
    files[f"{info}/RECORD"] = record.encode()
    return [(f"{SITE}/{path}", data) for path, data in files.items()] + [
        (f"{SITE}/{name}/__pycache__/__init__.cpython-311.pyc", b"x" * 16)
    ]


BASE = tar(*debian("1.0"), ("etc/passwd", b"root"), ("etc/old", b"1"))
BIG = tar(*python("big", "1.0", size=50_000, requires="small (>=1)", is_requested=True))
SMALL = tar(*python("small", "1.0"))
SMALLER = tar(*python("small", "2.0", size=10), ("app/run.py", b"print(1)"))
TOP = tar(("etc/.wh.old", b""), ("etc/passwd", b"root, me"), member("app/link", kind=b"2", target="/etc/passwd"))


@pytest.fixture
def teul(settings, monkeypatch, capfdbinary):
    """Runs one command line; returns (exit code, stdout, stderr)."""
    monkeypatch.setenv("TEUL_ROOT", settings.root)

    def run(*words):
        code = main(words)
        made = capfdbinary.readouterr()
        return code, made.out.decode(), made.err.decode()

    return run


@pytest.fixture
def images(settings):
    engine = Engine.open(settings)
    add(engine, BASE, name="base:1")
    made = add(engine, BASE, BIG, SMALL, TOP, name="app:1"), add(engine, BASE, BIG, SMALLER, name="app:2")
    engine.close()
    return made


def test_a_package_names_its_layer_wheel_and_instruction(teul, images):
    code, out, _ = teul("why", "app:1", "Big")

    assert code == 0
    assert out.splitlines()[0].startswith("big 1.0: Python package, 7 files, ")
    for line in (
        f"in /{SITE}",
        "wheel big-1.0-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl, installed by pip",
        "asked for by name",
        "made by layer 1",
        "images with that layer too: app:2",
    ):
        assert f"   {line}" in out.splitlines()
    assert "needed by big" in teul("why", "app:1", "small")[1]
    made = json.loads(teul("why", "app:1", "libone", "--format", "json")[1])
    assert (made["Kind"], made["Version"], made["Layers"][0]["Image"]) == ("debian", "1.0", "base:1")


def test_a_path_names_its_layer_and_what_it_replaced(teul, images):
    layers = images[0].config.diff_ids
    _, out, _ = teul("why", "app:1", "/etc/passwd")

    assert out.splitlines() == [
        f"/etc/passwd: layer {layers[3].short}",
        "   made by layer 3",
        f"   was in layer {layers[0].short} before",
        "   made by layer 0 (of base:1)",
    ]
    # Through a link on the way, as a program there would read it.
    assert "   of libone 1.0" in teul("why", "app:1", "/lib/libone.so")[1].splitlines()
    assert f"/etc/old: removed in layer {layers[3].short}" in teul("why", "app:1", "/etc/old")[1]
    assert teul("why", "app:1", "/app/link")[1].startswith("/app/link → /etc/passwd: layer")
    code, _, said = teul("why", "app:1", "nothing")
    assert (code, said.splitlines()[0]) == (1, "teul: `nothing`: no package and no path of `app:1` has that name")


def test_a_record_does_not_own_what_a_layer_above_wrote_nor_what_lies_outside(teul, images):
    assert "of " not in teul("why", "app:1", "/etc/../etc/passwd")[1].replace("(of base:1)", "")


def test_disk_use_by_package(teul, images):
    code, out, _ = teul("image", "df", "app:1")
    rows = {line.split()[0]: line.split() for line in out.splitlines() if line}

    assert code == 0
    assert out.splitlines()[0].split() == ["PACKAGE", "VERSION", "KIND", "SIZE", "OWN", "SHARED", "WITH"]
    assert rows["big"][1:3] == ["1.0", "python"]
    assert rows["big"][4:] == ["0B", "app:2"]
    assert rows["small"][3] == rows["small"][4]
    assert rows["libone"][4:] == ["0B", "app:2,", "base:1"]
    assert out.splitlines()[-1].endswith("2 Python and 1 Debian packages")
    records = [json.loads(line) for line in teul("image", "df", "--format", "json", "app:1")[1].splitlines()]
    engine_sum = sum(record["SizeBytes"] for record in records)
    assert engine_sum == sum(len(data) for data in _contents(images[0]))
    assert teul("image", "df", "--layers", "app:1")[1].startswith("LAYER ")


def _contents(image):
    """What a container of app:1 sees, by file."""
    seen = {}
    for members in (BASE, BIG, SMALL, TOP):
        import tarfile

        with tarfile.open(fileobj=io.BytesIO(members)) as archive:
            for item in archive:
                folder_name, _, name = item.name.rpartition("/")
                if name.startswith(".wh."):
                    seen.pop(f"{folder_name}/{name[4:]}")
                elif item.issym():
                    seen[item.name] = item.linkname.encode()
                elif item.isreg():
                    seen[item.name] = archive.extractfile(item).read()
    return seen.values()


def test_two_images_differ_by_package_file_and_configuration(teul, images):
    code, out, _ = teul("image", "diff", "app:1", "app:2")

    assert code == 0
    assert out.splitlines()[0].startswith("Python packages (-")
    assert out.splitlines()[1].startswith("  ~ small 1.0 → 2.0  (-")
    assert out.splitlines()[3:] == [
        "  D /app/link", "  A /app/run.py", "  A /etc/old", "  C /etc/passwd  (content)",
    ]  # fmt: skip
    lines = [json.loads(line) for line in teul("image", "diff", "app:1", "app:2", "--format", "json")[1].splitlines()]
    assert {(line["Kind"], line["Change"], line["Name"]) for line in lines} == {
        ("python", "changed", "small"),
        ("file", "removed", "/app/link"),
        ("file", "added", "/app/run.py"),
        ("file", "added", "/etc/old"),
        ("file", "changed", "/etc/passwd"),
    }
    assert teul("image", "diff", "app:1", "app:1")[1] == "no difference\n"
    assert f"/{SITE}/small/__init__.py" in teul("image", "diff", "--files", "app:1", "app:2")[1]


def test_the_bill_of_materials_is_valid_and_always_the_same(teul, images, tmp_path):
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    code, out, _ = teul("image", "sbom", "app:1")
    document = json.loads(out)
    problems = JsonStrictValidator(SchemaVersion.V1_6).validate_str(out)

    assert (code, problems) == (0, None)
    assert [(item["name"], item["version"]) for item in document["components"]] == [
        ("libone", "1.0"), ("big", "1.0"), ("small", "1.0"),
    ]  # fmt: skip
    layers = {p["name"]: p["value"] for p in document["components"][1]["properties"]}
    assert layers["teul:layer"] == str(images[0].config.diff_ids[1])
    needs = {row["ref"].partition("@")[0]: row["dependsOn"] for row in document["dependencies"]}
    assert [ref.partition("@")[0] for ref in needs["pkg:pypi/big"]] == ["pkg:pypi/small"]
    assert teul("image", "sbom", "app:1", "-o", str(tmp_path / "bom.json"))[0] == 0
    assert (tmp_path / "bom.json").read_text() == out
    assert json.loads(teul("image", "sbom", "app:1", "--format", "spdx")[1])["spdxVersion"] == "SPDX-2.3"
    assert teul("image", "sbom", "app:1", "--format", "swid")[0] == 1


def test_libraries_of_cuda_that_stand_twice_are_named(teul, settings):
    engine = Engine.open(settings)
    system = tar(
        ("usr/local/cuda-12.4/targets/x86_64-linux/lib/libcublas.so.12.4.5.8", bytes(3_000_000)),
        ("usr/lib/x86_64-linux-gnu/libcudnn.so.9.1.0", bytes(2_000_000)),
        ("usr/lib/x86_64-linux-gnu/libm.so.6", bytes(10)),
    )
    wheels = tar(
        folder("venv"),
        (f"venv/{SITE[10:]}/nvidia/cublas/lib/libcublas.so.12", bytes(4_000_000)),
        (f"venv/{SITE[10:]}/nvidia/nccl/lib/libnccl.so.2", bytes(4_000_000)),
    )
    add(engine, system, wheels, name="gpu:1")
    engine.close()
    code, out, said = teul("image", "df", "gpu:1")

    assert code == 0
    assert "CUDA" not in out
    assert said.rstrip() == (
        "warning: CUDA's cublas stands twice: /usr/local/cuda-12.4/targets/x86_64-linux/lib/libcublas.so.12.4.5.8 (3 MB)"
        f" and /venv/{SITE[10:]}/nvidia/cublas/lib/libcublas.so.12 (4 MB)"
    )


def test_what_an_image_claims_is_never_followed_outside(teul, settings, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("Name: stolen\nVersion: 1\n")
    engine = Engine.open(settings)
    hostile = tar(
        member(f"{SITE}/evil-1.dist-info/METADATA", kind=b"2", target=str(secret)),
        member("var/lib/dpkg/status", kind=b"2", target=str(secret)),
        (f"{SITE}/odd-1.dist-info/METADATA", b"Name: odd\nVersion: 1\n"),
        (f"{SITE}/odd-1.dist-info/RECORD", b'"unclosed,,\n\x00,,\n../../../../../../../../etc/passwd,,\n'),
        (f"{SITE}/bad-1.dist-info/METADATA", b"\xff\xfe\x00Name"),
        member("loop", kind=b"2", target="loop"),
        ("etc/passwd", b"x"),
    )
    add(engine, hostile, name="hostile")
    engine.close()

    assert "stolen" not in teul("image", "sbom", "hostile")[1]
    assert teul("image", "df", "hostile")[0] == 0
    assert teul("why", "hostile", "/loop/x")[0] == 1
    assert teul("why", "hostile", "/../../etc/passwd")[0] == 0
    assert teul("image", "diff", "hostile", "hostile")[0] == 0
