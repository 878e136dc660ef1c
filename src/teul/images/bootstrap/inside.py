"""Runs INSIDE the rootfs, by the Python that is being laid out below /usr/local; never imported by teul.

Undoes what Debian changes in Python's own library so that Debian's packages and pip do not meet (`dist-packages`,
`/usr/local/local`, a disabled ensurepip), because this Python is not Debian's any more: it is as the official image
has it. Each change must find exactly what it replaces, otherwise everything stops. Then pip and its kin are installed
from pinned wheels, and what is imported at start-up is compiled.

Environment: TEUL_PYTHON (`3.11`), TEUL_WHEELS (lines of `name==version --hash=sha256:…`), SOURCE_DATE_EPOCH.
Python 3.9 and later; the standard library only.
"""

import glob
import os
import re
import shutil
import subprocess
import sys

VERSION = os.environ.get("TEUL_PYTHON", "")
LIB = "/usr/local/lib/python" + VERSION
PYTHON = "/usr/local/bin/python" + VERSION
EXTRACTED = "/tmp/teul"
WHEEL_HOUSE = "/usr/share/python-wheels"
SAME = 'sys.base_prefix != sys.prefix or hasattr(sys, "real_prefix")'
DISABLED = "    _ensurepip_is_disabled_in_debian_for_system()\n"
CHANGES = {
    "3.9": (
        ("site.py", "if 'VIRTUAL_ENV' in os.environ or sys.base_prefix != sys.prefix:", "if True:"),
        ("distutils/command/install.py", "or sys.base_prefix != sys.prefix\n", "or True\n"),
        ("distutils/sysconfig.py", "sys.prefix == sys.base_prefix):", "False):"),
        ("ensurepip/__init__.py", DISABLED, ""),
        ("ensurepip/__init__.py", '    "pip",\n    "pkg_resources",\n', '    "pip",\n'),
    ),
    "3.11": (
        ("sysconfig.py", "prefix_scheme = 'posix_local'", "prefix_scheme = 'posix_prefix'"),
        ("distutils/sysconfig.py", "return " + SAME, "return True"),
        ("ensurepip/__init__.py", DISABLED, ""),
    ),
    "3.13": (
        ("sysconfig/__init__.py", "prefix_scheme = 'posix_local'", "prefix_scheme = 'posix_prefix'"),
        ("ensurepip/__init__.py", DISABLED, ""),
    ),
}
HOOK = "/usr/local/lib/python3/dist-packages/site-packages.pth"
"""From 3.11 on `site` is frozen into the program, in Debian's version. Of the folders that it looks at below
/usr/local, this is the one that Debian's own Python, when it is installed beside ours, does not look at."""
SITE = '''"""Debian's build of Python knows `dist-packages`; this puts `site-packages` in their place, as upstream has it."""

import os
import site
import sys


def getsitepackages(prefixes=None):
    """A list of all global site-packages directories."""
    name = "python%d.%d" % sys.version_info[:2]
    made = []
    for prefix in site.PREFIXES if prefixes is None else prefixes:
        path = os.path.join(prefix, "lib", name, "site-packages")
        if prefix and path not in made:
            made.append(path)
    return made


site.getsitepackages = getsitepackages
sys.path[:] = [path for path in sys.path if not path.startswith("/usr/local/") or not path.endswith("/dist-packages")]
for path in getsitepackages():
    if path not in sys.path and os.path.isdir(path):
        site.addsitedir(path)
'''
REMOVED = (
    "EXTERNALLY-MANAGED",
    "sitecustomize.py",
    "_distutils_system_mod.py",
    "config-*",
    "test",
    "*/test",
    "*/tests",
    "idlelib",
    "turtledemo",
    "**/__pycache__",
)
"""Debian's own, static libraries, tests (the official slim images have none), and bytecode that is made anew."""
NOT_COMPILED = ("lib2to3", "pydoc_data", "distutils", "ensurepip", "msilib", "setuptools", "pkg_resources", "wheel")
"""Below the library or site-packages: hardly ever imported where start-up time matters."""
BUILD_PATHS = re.compile(
    r"^( '(?:BINDIR|BINLIBDEST|CONFINCLUDEDIR|CONFINCLUDEPY|DESTSHARED|INCLUDEDIR|INCLUDEPY|LIBDEST|LIBDIR|LIBP|LIBPC"
    r"|MACHDESTLIB|MANDIR|SCRIPTDIR|datarootdir|exec_prefix|prefix)': ')/usr(?=[/'])",
    re.MULTILINE,
)
CHECK = """
import site, sys, sysconfig
lib = "/usr/local/lib/python%d.%d" % sys.version_info[:2]
paths = sysconfig.get_paths()
assert sys.prefix == sys.base_prefix == "/usr/local", sys.prefix
assert sys.path[2:] == [lib, lib + "/lib-dynload", lib + "/site-packages"], sys.path
if sys.version_info >= (3, 11):
    assert site.getsitepackages() == [lib + "/site-packages"], site.getsitepackages()
assert paths["purelib"] == paths["platlib"] == lib + "/site-packages", paths
assert paths["scripts"] == "/usr/local/bin" and paths["stdlib"] == lib, paths
assert paths["include"] == lib.replace("/lib/", "/include/"), paths
import bz2, ctypes, curses, hashlib, lzma, readline, sqlite3, ssl, uuid, venv, zlib
import pip
"""


def main() -> None:
    lay_out()
    change()
    site_packages = LIB + "/site-packages"
    os.makedirs(site_packages, exist_ok=True)
    install_wheels()
    for name, target in (
        ("python3", "python" + VERSION),
        ("python", "python3"),
        ("pydoc", "pydoc3"),
    ):
        os.symlink(target, "/usr/local/bin/" + name)
    with open("/usr/local/bin/pydoc3", "w") as file:
        file.write("#!" + PYTHON + "\nimport pydoc\n\npydoc.cli()\n")
    os.chmod("/usr/local/bin/pydoc3", 0o755)
    compile_library()
    subprocess.run([PYTHON, "-B", "-c", CHECK], check=True)
    shutil.rmtree(EXTRACTED)


def lay_out() -> None:
    for pattern in REMOVED:
        for path in glob.glob(LIB + "/" + pattern, recursive=True):
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path)
            elif os.path.lexists(path):
                os.unlink(path)
    headers = "/usr/local/include/python" + VERSION
    # The one in the folder only chooses among architectures; ours is known.
    (real,) = glob.glob(EXTRACTED + "/usr/include/*-linux-gnu*/python" + VERSION + "/pyconfig.h")
    os.replace(real, headers + "/pyconfig.h")
    for path in glob.glob(EXTRACTED + "/usr/share/doc/*/copyright"):
        if not os.path.islink(path):
            folder = "/usr/share/doc/" + path.split("/")[-2]
            os.makedirs(folder, exist_ok=True)
            shutil.copyfile(path, folder + "/copyright")


def change() -> None:
    for name, old, new in CHANGES[VERSION]:
        path = LIB + "/" + name
        with open(path, encoding="utf-8") as file:
            text = file.read()
        if text.count(old) != 1:
            sys.exit("%s: expected once %r, found it %d times" % (path, old, text.count(old)))  # noqa: UP031
        with open(path, "w", encoding="utf-8") as file:
            file.write(text.replace(old, new))
    if VERSION != "3.9":
        with open(LIB + "/_site_packages.py", "w") as file:
            file.write(SITE)
        os.makedirs(os.path.dirname(HOOK))
        with open(HOOK, "w") as file:
            file.write("import _site_packages\n")
    for path in glob.glob(LIB + "/_sysconfigdata_*.py"):
        if os.path.islink(path):
            continue
        with open(path, encoding="utf-8") as file:
            text = file.read()
        with open(path, "w", encoding="utf-8") as file:
            file.write(BUILD_PATHS.sub(r"\1/usr/local", text))


def install_wheels() -> None:
    wheels = EXTRACTED + "/wheels"
    os.makedirs(wheels)
    requirements = wheels + "/requirements.txt"
    with open(requirements, "w") as file:
        file.write(os.environ["TEUL_WHEELS"])
    # Debian's pip fetches ours; up to bullseye what it needs is not in it but beside it.
    theirs = ":".join(sorted(glob.glob(EXTRACTED + WHEEL_HOUSE + "/*.whl")))
    pip = [PYTHON, "-B", "-m", "pip", "--disable-pip-version-check", "--no-cache-dir"]
    fetch = [*pip, "download", "--quiet", "--no-deps", "--only-binary=:all:", "--require-hashes", "-d", wheels]
    subprocess.run([*fetch, "-r", requirements], env={**os.environ, "PYTHONPATH": theirs}, check=True)
    found = sorted(glob.glob(wheels + "/*.whl"))
    (ours,) = [path for path in found if os.path.basename(path).startswith("pip-")]
    settings = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    install = [*pip, "install", "--quiet", "--no-deps", "--no-index", "--no-compile", "--require-hashes"]
    subprocess.run(
        [
            *install,
            "--root-user-action=ignore",
            "--no-warn-script-location",
            "--find-links",
            wheels,
            "-r",
            requirements,
        ],
        env={**settings, "PIP_CONFIG_FILE": os.devnull, "PYTHONPATH": ours},
        check=True,
    )
    os.makedirs(WHEEL_HOUSE, exist_ok=True)
    for path in found:
        # What `python -m venv` installs.
        if os.path.basename(path).startswith(("pip-", "setuptools-")):
            shutil.copyfile(path, WHEEL_HOUSE + "/" + os.path.basename(path))


def compile_library() -> None:
    epoch = int(os.environ["SOURCE_DATE_EPOCH"])
    sources = []
    for place, folders, files in os.walk(LIB):
        folders.sort()
        for name in sorted(files):
            # The bytecode's header holds the source's time, which must be the one that the layer will give it.
            os.utime(place + "/" + name, (epoch, epoch), follow_symlinks=False)
            if name.endswith(".py"):
                sources.append(place + "/" + name)
    skipped = tuple(LIB + "/" + name for name in NOT_COMPILED) + tuple(
        LIB + "/site-packages/" + name for name in NOT_COMPILED
    )
    sources = [path for path in sources if not path.startswith(skipped)]
    code = "import py_compile, sys\nfor path in sys.stdin.read().split('\\n'):\n    py_compile.compile(path, doraise=False, quiet=2)"
    mode = {name: value for name, value in os.environ.items() if name != "SOURCE_DATE_EPOCH"}
    # With SOURCE_DATE_EPOCH set, py_compile would write headers that hold the source's hash and are checked each time.
    # Not isolated: the seed of hashes must count, since old versions write sets in the order of hashes.
    subprocess.run([PYTHON, "-s", "-c", code], input="\n".join(sources).encode(), env=mode, check=True)


if __name__ == "__main__":
    main()
