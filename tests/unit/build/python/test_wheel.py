"""PyPA "Binary distribution format": what pip makes of a wheel, and what is made without it, are the same tree."""

import csv
import io
import os
import stat
import subprocess
import sys
import zipfile

import pytest

from teul.build.python import bytecode, interpreter, wheel
from teul.build.tree import Tree
from teul.errors import CommandFailed, NoInterpreter, UnusualWheel
from teul.values import replace

EPOCH = 315532800
INFO = "Sharp_Things-1.0.dist-info"


def run_here(args, **options):
    done = subprocess.run(args, stdout=subprocess.PIPE, check=False, **options)
    return done.returncode, done.stdout


def make(path, files, *, record=None, info=INFO, modes=()):
    """A wheel; RECORD lists all of *files* unless *record* is given."""
    files = {
        f"{info}/METADATA": b"Metadata-Version: 2.1\nName: Sharp.Things\nVersion: 1.0\n",
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    } | files
    if record is None:
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerows(
            [*((name, *wheel.hashed(data)) for name, data in files.items()), (f"{info}/RECORD", "", "")]
        )
        record = out.getvalue()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in [*files.items(), (f"{info}/RECORD", record.encode())]:
            item = zipfile.ZipInfo(name)
            item.external_attr = (stat.S_IFREG | (0o755 if name in modes else 0o600)) << 16
            archive.writestr(item, data)
    return str(path)


SHARP = {
    "sharp/__init__.py": b"x = 1\n",
    "sharp/\xed\x95\x9c\xea\xb8\x80, a.py".encode("latin-1").decode(): b"name = 'comma'\n",
    "sharp/broken.py": b"def (:\n",
    "sharp/null.py": b"x = 1\0\n",
    "sharp/data.bin": bytes(range(256)) * 400,
    "sharp/run.sh": b"#!/bin/sh\n",
    "sharp/empty": b"",
    "space/a/inner.py": b"y = 2\n",
    "alone.py": b"z = 3\n",
    "Sharp_Things-1.0.data/scripts/tool": b"#!python -u\nprint(1)\n",
    "Sharp_Things-1.0.data/scripts/tool.sh": b"#!/bin/sh\necho\n",
    "Sharp_Things-1.0.data/scripts/old.py": b"#!pythonw\nprint(1)\n",
    "Sharp_Things-1.0.data/data/share/sharp/conf.ini": b"[a]\n",
    "Sharp_Things-1.0.data/purelib/pure.py": b"p = 1\n",
    "Sharp_Things-1.0.data/platlib/plat.py": b"p = 2\n",
    f"{INFO}/entry_points.txt": b"[console_scripts]\nsharp = sharp:main\nSharp.Er = sharp.deep:Class.method [extra]\n\n"
    b"# a comment\n[gui_scripts]\nwindow=sharp:win\n[other]\nx = y:z\n",
}


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """This interpreter, with everything below a prefix of its own."""
    try:
        asked = interpreter.ask(sys.executable, Tree("/"), run_here)
    except NoInterpreter as error:
        pytest.skip(str(error))
    if not asked.pip_version:
        pytest.skip("this Python has no pip to compare with")
    prefix = str(tmp_path_factory.mktemp("prefix"))
    script = (
        "import sys\nfrom pip._internal.locations import get_scheme\ns = get_scheme('n', prefix=sys.argv[1])\n"
        "print(s.purelib, s.platlib, s.scripts, s.data, s.headers.rpartition('/')[0])"
    )
    _, output = run_here([sys.executable, "-c", script, prefix])
    purelib, platlib, scripts, data, headers = output.decode().split()
    return replace(asked, purelib=purelib, platlib=platlib, scripts=scripts, data=data, headers=headers, prefix=prefix)


def by_pip(path, python, *flags):
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--ignore-installed"]
    command += ["--no-warn-script-location", "--disable-pip-version-check", "--prefix", python.prefix, *flags, path]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    subprocess.run(command, check=True, env=environ | {"PIP_CONFIG_FILE": os.devnull}, umask=0o022)
    return seen(python.prefix)


def seen(folder):
    """Path → mode and content; of bytecode its first eight bytes, since what follows depends on the moment."""
    found = {}
    for place, folders, names in os.walk(folder):
        for name in folders:
            found[os.path.relpath(f"{place}/{name}", folder)] = stat.S_IMODE(os.lstat(f"{place}/{name}").st_mode)
        for name in names:
            with open(f"{place}/{name}", "rb") as file:
                data = file.read(8) if name.endswith(".pyc") else file.read()
            found[os.path.relpath(f"{place}/{name}", folder)] = (
                stat.S_IMODE(os.lstat(f"{place}/{name}").st_mode),
                data,
            )
    return found


def by_us(path, python, folder, *, compiles=True, is_checked=False):
    os.makedirs(f"{folder}/wheels/0")
    os.makedirs(f"{folder}/made")

    def sandbox(args, stdin, on_output, should_stop):
        command = [sys.executable, "-S", "-s", "-B", "-c", args[0], f"{folder}/wheels", f"{folder}/made", *args[3:]]
        with subprocess.Popen(command, stdin=stdin, stdout=subprocess.PIPE) as process:
            for line in process.stdout:
                on_output(line)
        return process.returncode

    with zipfile.ZipFile(path) as archive:
        layout = wheel.lay_out(archive, "sharp-things", python, wheel.ScriptForm(python.script_form))
        wheel.write(layout, archive, f"{folder}/wheels/0", epoch=EPOCH)
    compiled = ()
    if compiles:
        compiler = bytecode.Compiler(
            f"{folder}/wheels",
            f"{folder}/made",
            cache_tag=python.cache_tag,
            magic=python.magic,
            is_checked=is_checked,
            run=sandbox,
        )
        with compiler:
            compiled = compiler.compile("0", layout.sources)
    record = wheel.record_of(layout, compiled)
    return f"{folder}/wheels/0", layout, record


@pytest.mark.parametrize("compiles", [True, False], ids=["compiled", "not compiled"])
def test_the_tree_is_pips(python, tmp_path, compiles):
    path = make(tmp_path / "sharp_things-1.0-py3-none-any.whl", SHARP, modes=("sharp/run.sh",))
    theirs = by_pip(path, python, *([] if compiles else ["--no-compile"]))
    subprocess.run(["rm", "-rf", python.prefix], check=True)
    top, layout, record = by_us(path, python, str(tmp_path / "stage"), compiles=compiles)
    url = theirs[os.path.relpath(f"/{layout.dist_info}/direct_url.json", python.prefix)][1]
    info = os.path.basename(layout.dist_info)
    asked = wheel.asked_record(record, info, requested=True, direct_url=url.decode())
    for name, data in (("RECORD", asked), ("REQUESTED", b""), ("direct_url.json", url)):
        with open(f"{top}/{layout.dist_info}/{name}", "wb") as file:
            file.write(data)

    assert seen(f"{top}{python.prefix}") == theirs
    assert wheel.plain_record(asked, info) == record


def test_every_file_has_the_time_that_its_bytecode_says(python, tmp_path):
    path = make(tmp_path / "sharp_things-1.0-py3-none-any.whl", SHARP)
    top, layout, _ = by_us(path, python, str(tmp_path / "stage"))

    assert {int(os.stat(f"{top}/{member.path}").st_mtime) for member in layout.members} == {EPOCH}
    with open(f"{top}/{wheel.compiled_path(f'{layout.site}/alone.py', python.cache_tag)}", "rb") as file:
        assert file.read(12) == bytes.fromhex(python.magic) + bytes(4) + EPOCH.to_bytes(4, "little")


def test_bytecode_is_checked_by_hash_where_it_is_asked_for(python, tmp_path):
    path = make(tmp_path / "sharp_things-1.0-py3-none-any.whl", SHARP)
    top, layout, _ = by_us(path, python, str(tmp_path / "stage"), is_checked=True)

    with open(f"{top}/{wheel.compiled_path(f'{layout.site}/alone.py', python.cache_tag)}", "rb") as file:
        assert file.read(8)[4:] == (3).to_bytes(4, "little")


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({"../evil.py": b""}, "unsafe path `../evil.py`"),
        ({"a/../../evil.py": b""}, "unsafe path `a/../../evil.py`"),
        ({"/etc/passwd": b""}, "unsafe path `/etc/passwd`"),
        ({"a\nb.py": b""}, "unsafe path `a\nb.py`"),
        ({".wh.pip": b""}, "unsafe path `.wh.pip`"),
        ({"a/.wh..wh..opq": b""}, "unsafe path `a/.wh..wh..opq`"),
        ({"Sharp_Things-1.0.data/scripts/../../x": b""}, "unsafe path `Sharp_Things-1.0.data/scripts/../../x`"),
        ({"Sharp_Things-1.0.data/elsewhere/x": b""}, "unknown scheme in `Sharp_Things-1.0.data/elsewhere/x`"),
        ({"a.py": b"", "Sharp_Things-1.0.data/purelib/a.py": b""}, "a.py` would be written twice"),
        ({"a": b"", "Sharp_Things-1.0.data/purelib/a/b": b""}, "is a file and a folder"),
        ({"Sharp_Things-1.0.data/headers/sharp.h": b""}, "it has C headers"),
        ({f"{INFO}/INSTALLER": b"me"}, f"it holds `{INFO}/INSTALLER`"),
        ({"Other-2.dist-info/METADATA": b""}, "expected one `.dist-info` folder of that name, got 2"),
        ({f"{INFO}/WHEEL": b"Wheel-Version: 2.0\n"}, "expected Wheel-Version 1, got `2.0`"),
        ({f"{INFO}/entry_points.txt": b"[console_scripts]\n../../x = a:b\n"}, "unusual entry point"),
        ({f"{INFO}/entry_points.txt": b"[console_scripts]\nx = a\n"}, "unusual entry point"),
    ],
)
def test_what_is_out_of_the_ordinary_is_left_to_pip(python, tmp_path, files, problem):
    path = make(tmp_path / "sharp_things-1.0-py3-none-any.whl", files)

    with zipfile.ZipFile(path) as archive, pytest.raises(UnusualWheel) as caught:
        wheel.lay_out(archive, "sharp-things", python, wheel.ScriptForm(python.script_form))
    assert problem in str(caught.value)


@pytest.mark.parametrize("row", ["pandas/__init__.py,,", "../../../../etc/passwd,,", "a.py,,\na.py,,"])
def test_a_record_that_lies_is_left_to_pip(python, tmp_path, row):
    path = make(tmp_path / "sharp_things-1.0-py3-none-any.whl", {"a.py": b""}, record=f"{row}\n{INFO}/RECORD,,\n")

    with zipfile.ZipFile(path) as archive, pytest.raises(UnusualWheel, match="RECORD lists"):
        wheel.lay_out(archive, "sharp-things", python, wheel.ScriptForm(python.script_form))


def test_a_damaged_archive_is_left_to_pip(python, tmp_path):
    path = make(tmp_path / "sharp_things-1.0-py3-none-any.whl", {"a.bin": os.urandom(5000)})
    with open(path, "r+b") as file:
        file.seek(1500)
        file.write(bytes(100))

    with zipfile.ZipFile(path) as archive, pytest.raises(UnusualWheel, match="damaged"):
        wheel.write(
            wheel.lay_out(archive, "sharp-things", python, wheel.ScriptForm(python.script_form)),
            archive,
            str(tmp_path),
            epoch=EPOCH,
        )


def test_an_interpreter_that_dies_is_an_error(python, tmp_path):
    (tmp_path / "wheels" / "0").mkdir(parents=True)
    (tmp_path / "wheels" / "0" / "a.py").write_text("x = 1\n")

    with (
        pytest.raises(CommandFailed, match="ended while it compiled"),
        bytecode.Compiler(
            str(tmp_path / "wheels"),
            str(tmp_path),
            cache_tag="x",
            magic=python.magic,
            is_checked=False,
            run=lambda args, stdin, on_output, should_stop: 3,
        ) as compiler,
    ):
        compiler.compile("0", ["a.py"])


@pytest.mark.parametrize("trick", ["link", "stale", "magic"])
def test_bytecode_that_an_interpreter_forged_is_not_taken(python, tmp_path, trick):
    source = tmp_path / "wheels" / "0" / "p" / "a.py"
    source.parent.mkdir(parents=True)
    source.write_text("x = 1\n")
    os.utime(source, (EPOCH, EPOCH))

    def forge(args, stdin, on_output, should_stop):
        os.read(stdin, 1)  # it has been asked
        made = tmp_path / "made" / "0" / "p" / "__pycache__" / "a.x.pyc"
        made.parent.mkdir(parents=True)
        if trick == "link":
            made.symlink_to("/etc/passwd")
        else:
            magic = bytes(4) if trick == "magic" else bytes.fromhex(python.magic)
            made.write_bytes(
                magic + bytes(4) + (EPOCH + (trick == "stale")).to_bytes(4, "little") + bytes([6, 0, 0, 0])
            )
        on_output(b"0\n")
        return 0

    with bytecode.Compiler(
        str(tmp_path / "wheels"), str(tmp_path / "made"), cache_tag="x", magic=python.magic, is_checked=False, run=forge
    ) as compiler:
        taken = compiler.compile("0", ["p/a.py"])

    assert taken == ()


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"x = 1\n", True),
        (b"# -*- coding: utf-8 -*-\n", True),
        (b"#!/usr/bin/python\n# vim: set fileencoding=UTF_8 :\n", True),
        (b"# -*- coding: big5 -*-\n", False),
        (b"\n\n# coding: big5\n", True),
        (b"# coding: latin-1\n", None),
    ],
)
def test_what_a_pip_without_imports_compiles(tmp_path, head, expected):
    (tmp_path / "a.py").write_bytes(head)
    if expected is None:
        with pytest.raises(UnusualWheel, match="is written in latin-1"):
            wheel.compilable(str(tmp_path), ["a.py"])
    else:
        assert wheel.compilable(str(tmp_path), ["a.py"]) == (("a.py",) if expected else ())


def test_uv_writes_its_own_records_and_scripts(python, tmp_path):
    info = "sharp_things-1.0.dist-info"
    files = {
        "sharp_things/__init__.py": b"",
        f"{info}/entry_points.txt": b"[console_scripts]\nsharp = sharp_things:main.run\n",
        "sharp_things-1.0.data/scripts/plain": b"#!/bin/sh\n",
    }
    path = tmp_path / "sharp_things-1.0-py3-none-any.whl"
    make(path, files | {f"{info}/METADATA": b"Metadata-Version: 2.1\nName: sharp-things\nVersion: 1.0\n"}, info=info)

    with zipfile.ZipFile(path) as archive:
        form = wheel.ScriptForm(wheel.uv_script_form(python))
        layout = wheel.lay_out(archive, "sharp-things", python, form, installer="uv")
    members = {os.path.basename(member.path): member for member in layout.members}
    record = wheel.record_of(layout, (), line_end=wheel.line_end("uv"))

    assert members["INSTALLER"].data == b"uv"
    assert members["plain"].mode == 0o755
    assert members["sharp"].data.startswith(f"#!{python.executable}\n# -*- coding: utf-8 -*-\nimport sys\n".encode())
    assert b"from sharp_things import main\n" in members["sharp"].data
    assert b"    sys.exit(main.run())\n" in members["sharp"].data
    assert b"\r" not in record
    asked = wheel.asked_record(record, info, requested=True, direct_url="")
    assert (b"REQUESTED" in asked, wheel.plain_record(asked, info)) == (True, record)


def test_what_uv_treats_otherwise_is_left_to_it(python, tmp_path):
    info = "sharp_things-1.0.dist-info"
    path = tmp_path / "sharp_things-1.0-py3-none-any.whl"
    metadata = {f"{info}/METADATA": b"Metadata-Version: 2.1\nName: sharp-things\nVersion: 1.0\n"}
    make(path, metadata | {"sharp_things-1.0.data/scripts/odd": b"#!python -u\n"}, info=info)

    with zipfile.ZipFile(path) as archive, pytest.raises(UnusualWheel, match="the first line of"):
        wheel.lay_out(archive, "sharp-things", python, wheel.ScriptForm("x"), installer="uv")


@pytest.mark.parametrize(
    ("folders", "expected"),
    [
        (("sharp.libs/", "sharp/", "sharp/deep/er/"), ["sharp.libs", "sharp/deep/er"]),
        ((f"{INFO}/licenses/",), None),
        (("Sharp_Things-1.0.data/purelib/x/",), None),
        (("../x/",), None),
        (("sharp.py/",), None),
    ],
)
def test_uv_makes_the_folders_that_are_empty(python, tmp_path, folders, expected):
    path = make(tmp_path / "sharp_things-1.0-py3-none-any.whl", {"sharp/__init__.py": b"", "sharp.py": b""})
    with zipfile.ZipFile(path, "a") as archive:
        for folder in folders:
            archive.writestr(folder, b"")

    def lay_out(installer):
        with zipfile.ZipFile(path) as archive:
            form = wheel.ScriptForm("x")
            made = wheel.lay_out(archive, "sharp-things", python, form, installer=installer)
            os.mkdir(tmp_path / installer)
            wheel.write(made, archive, str(tmp_path / installer), epoch=EPOCH)
            return made.folders

    assert lay_out("pip") == ()
    if expected is None:
        with pytest.raises(UnusualWheel):
            lay_out("uv")
    else:
        site = python.purelib.lstrip("/")
        assert lay_out("uv") == tuple(f"{site}/{folder}" for folder in expected)
        assert [os.listdir(tmp_path / "uv" / site / folder) for folder in expected] == [[], []]
