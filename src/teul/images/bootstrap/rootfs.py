"""A Debian rootfs from signed packages, by mmdebstrap, cleaned of everything that is not the same twice.

The packages come through the host's apt settings (proxy, certificates, and the mirror that the host itself uses for
Debian); the image's own sources are always the official ones, so nothing of the host shows in it.
"""

from __future__ import annotations

import glob
import os
import re
import stat
from collections.abc import Iterable, Mapping

from teul.errors import BootstrapFailed, HostLacks, text
from teul.events import Line, silent
from teul.host import process
from teul.host.fs import remove_tree
from teul.images.bootstrap.recipes import LIBRARIES, SUITES, Recipe
from teul.layers.lower import Lower, is_opaque
from teul.layers.pack import OPAQUE_ATTRIBUTES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from teul.events import Sink

MIRROR = "http://deb.debian.org/debian"
SECURITY_MIRROR = "http://deb.debian.org/debian-security"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
HOOKS = "/usr/share/mmdebstrap/hooks/maybe-merged-usr"
SLIM_EXCLUDES = (
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
    "path-exclude=/usr/share/groff/*",
    "path-exclude=/usr/share/info/*",
    "path-exclude=/usr/share/linda/*",
    "path-exclude=/usr/share/lintian/*",
    "path-exclude=/usr/share/locale/*",
    "path-exclude=/usr/share/man/*",
)
"""As the official slim images have them, for later installs as well."""
FILES = {
    "etc/dpkg/dpkg.cfg.d/docker-apt-speedup": "force-unsafe-io\n",
    "etc/apt/apt.conf.d/docker-autoremove-suggests": 'APT::AutoRemove::SuggestsImportant "false";\n',
    "etc/apt/apt.conf.d/docker-clean": (
        'DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/archives/partial/*.deb'
        ' /var/cache/apt/*.bin || true"; };\n'
        'APT::Update::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/archives/partial/*.deb'
        ' /var/cache/apt/*.bin || true"; };\n'
        'Dir::Cache::pkgcache "";\nDir::Cache::srcpkgcache "";\n'
    ),
    "etc/apt/apt.conf.d/docker-gzip-indexes": 'Acquire::GzipIndexes "true";\n',
    "etc/apt/apt.conf.d/docker-no-languages": 'Acquire::Languages "none";\n',
}
"""The settings of the official images: no caches, no translations, no fsync for every file of a package."""
POLICY = "#!/bin/sh\n# No service is started while an image is built.\nexit 101\n"
VOLATILE = (
    "dev/*", "proc/*", "sys/*", "run/*", "tmp/*", "var/tmp/*", "root/.*_history",
    "etc/hostname", "etc/hosts", "etc/resolv.conf", "etc/.pwd.lock",
    "etc/apt/apt.conf.d/*mmdebstrap", "etc/dpkg/dpkg.cfg.d/*mmdebstrap",
    "var/lib/apt/lists/*", "var/lib/apt/extended_states~", "var/cache/apt/*.bin", "var/cache/apt/archives/*.deb",
    "var/cache/apt/archives/lock", "var/cache/ldconfig/aux-cache", "var/cache/debconf/*-old",
    "var/lib/dpkg/*-old", "var/lib/dpkg/lock*", "var/lib/dpkg/triggers/Lock", "var/lib/dbus/machine-id",
    "var/lib/misc/random-seed",
)  # fmt: skip
"""What differs from one run to the next, or is of the machine; removed from every layer."""
ALONE = ("setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child")
"""mmdebstrap mounts the host's /proc, /sys and devices into the rootfs. In namespaces of its own, which end with us however
we end, nobody ever meets them outside; without, a killed run left them mounted in a folder that is to be removed."""
_FETCH = """
env APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" apt-get --yes --no-install-recommends --download-only \
    -o Dir::Cache::Archives="$TEUL_DEBS/" install $TEUL_PACKAGES >&2
cd "$TEUL_DEBS"
env APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" apt-get -o APT::Sandbox::User=root download $TEUL_MORE >&2
"""


def make_rootfs(
    recipe: Recipe,
    target: str,
    *,
    debs: str,
    environ: Mapping[str, str],
    epoch_s: int,
    mirror: str = "",
    step: str = "debian",
    events: Sink = silent,
) -> None:
    """Fill the empty folder *target* with Debian, and the folder *debs* with the packages that Python needs.

    What differs from one run to the next is still there; `tidy` removes it from a layer's folder.

    Args:
        environ: for apt's proxies.
        epoch_s: the time that packages write into files, in seconds since 1970.
        mirror: where the packages come from; "" means where the host itself gets Debian's, else deb.debian.org.
        step: id of the step that the output belongs to.
    Raises:
        HostLacks: mmdebstrap, Debian's keyring, or root.
        BootstrapFailed: mmdebstrap's last words.
    """
    program = process.require("mmdebstrap")
    if os.geteuid() != 0:
        raise HostLacks(text("root"), hint=text("run it as root"))
    if not os.path.exists(KEYRING):
        raise HostLacks("debian-archive-keyring", hint=text("apt-get install debian-archive-keyring"))
    # The folder is ours alone, so apt's unprivileged downloader could not write to it.
    argv = [
        *ALONE,
        program,
        "--mode=root",
        "--variant=minbase",
        "--format=directory",
        '--aptopt=APT::Sandbox::User "root"',
    ]
    if os.path.isdir(HOOKS):
        # Its set-up hook updates the lists already.
        argv += [f"--hook-dir={HOOKS}", "--skip=update"]
    if recipe.is_slim:
        argv += [f"--dpkgopt={option}" for option in SLIM_EXCLUDES]
    if recipe.python:
        os.makedirs(f"{debs}/partial", mode=0o755, exist_ok=True)
        argv.append(f"--customize-hook={_FETCH}")
    argv += [recipe.suite, target, *_sources(recipe.suite, mirror or host_mirror() or MIRROR)]
    env = {
        **{name: value for name, value in environ.items() if name.lower().endswith("_proxy")},
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "SOURCE_DATE_EPOCH": str(epoch_s),
        "TEUL_DEBS": debs,
        "TEUL_PACKAGES": " ".join((*LIBRARIES, f"python{recipe.python}", f"python{recipe.python}-venv")),
        "TEUL_MORE": f"libpython{recipe.python}-dev",
    }
    if recipe.python and recipe.suite != "trixie":
        env["TEUL_PACKAGES"] += " python3-distutils"
    umask = os.umask(0o022)
    try:
        _run(argv, env, recipe.reference.familiar, step, events)
        _settle(recipe, target)
    finally:
        os.umask(umask)


def _run(argv: list[str], env: Mapping[str, str], name: str, step: str, events: Sink) -> None:
    reading, writing = os.pipe()
    try:
        child = process.spawn(argv, env=env, stdout=writing, stderr=writing, new_session=True)
    finally:
        os.close(writing)
    output = os.fdopen(reading, "rb")
    tail: list[str] = []
    try:
        for line in output:
            events(Line(step, "stderr", line))
            tail = [*tail, line.decode(errors="replace").rstrip()][-40:]
        code = child.wait()
    except BaseException:
        child.kill()
        child.wait()
        raise
    finally:
        output.close()
    if code != 0:
        said = "\n".join(tail)
        reason = next(
            (item for item in tail if re.match(r"(Err:|E: (?!mmdebstrap failed|setup failed|run_chroot))", item)), ""
        )
        is_network = re.search(
            r"Could not (resolve|connect)|Temporary failure|Connection (refused|timed out|failed)", said
        )
        raise BootstrapFailed(
            text(
                "base image `{name}`: mmdebstrap ended with exit code {exit_code}: {reason}",
                name=name,
                exit_code=code,
                reason=reason or (tail[-1] if tail else ""),
            ),
            argv=tuple(argv),
            exit_code=code,
            stderr_tail=said,
            hint=text("a mirror of Debian must be reachable; name one with --mirror") if is_network else None,
        )


def _sources(suite: str, mirror: str) -> list[str]:
    signed = f"[signed-by={KEYRING}]"
    security = SECURITY_MIRROR if mirror == MIRROR else re.sub(r"/debian/?$", "/debian-security", mirror)
    return [
        f"deb {signed} {mirror} {suite} main",
        f"deb {signed} {mirror} {suite}-updates main",
        f"deb {signed} {security} {suite}-security main",
    ]


def host_mirror(folder: str = "/etc/apt") -> str:
    """The mirror of Debian that this host's apt uses, or "" when it uses none (another distribution, no apt)."""
    lines: list[str] = []
    for path in [f"{folder}/sources.list", *sorted(glob.glob(f"{folder}/sources.list.d/*"))]:
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                content = file.read()
        except OSError:
            continue
        lines += _stanzas(content) if path.endswith(".sources") else content.splitlines()
    for line in lines:
        found = re.match(r"\s*deb\s+(?:\[[^\]]*\]\s+)?(https?://\S+?/debian/?)\s+(\S+)\s+.*\bmain\b", line)
        if found and found[2].partition("-")[0] in {*SUITES, "stable", "oldstable", "testing", "unstable", "sid"}:
            return found[1].rstrip("/")
    return ""


def _stanzas(content: str) -> list[str]:
    """The one-line forms of a deb822 file. Spec: sources.list(5), "DEB822-STYLE FORMAT"."""
    made: list[str] = []
    for stanza in re.split(r"\n\s*\n", content):
        fields: dict[str, str] = {}
        for line in stanza.splitlines():
            name, colon, value = line.partition(":")
            if colon and not line.startswith(("#", " ")):
                fields[name.strip().lower()] = value.strip()
        if "deb" in fields.get("types", "").split() and fields.get("enabled", "yes") != "no":
            made += [
                f"deb {uri} {suite} {fields.get('components', '')}"
                for uri in fields.get("uris", "").split()
                for suite in fields.get("suites", "").split()
            ]
    return made


def _settle(recipe: Recipe, target: str) -> None:
    """The files of the official images that no package brings."""
    files = dict(FILES)
    if recipe.is_slim:
        files["etc/dpkg/dpkg.cfg.d/docker"] = "".join(f"{line}\n" for line in SLIM_EXCLUDES)
    if recipe.suite == "bullseye":
        files["etc/apt/sources.list"] = "".join(
            f"deb {url} {suite} main\n"
            for url, suite in (
                (MIRROR, "bullseye"),
                (SECURITY_MIRROR, "bullseye-security"),
                (MIRROR, "bullseye-updates"),
            )
        )
    else:
        files["etc/apt/sources.list.d/debian.sources"] = "\n".join(
            f"Types: deb\nURIs: {url}\nSuites: {suites}\nComponents: main\nSigned-By: {KEYRING}\n"
            for url, suites in (
                (MIRROR, f"{recipe.suite} {recipe.suite}-updates"),
                (SECURITY_MIRROR, f"{recipe.suite}-security"),
            )
        )
    _remove(target, (*VOLATILE, "etc/apt/sources.list"))
    for name, content in files.items():
        _write(f"{target}/{name}", content, 0o644)
    _write(f"{target}/usr/sbin/policy-rc.d", POLICY, 0o755)
    if os.path.exists(f"{target}/etc/machine-id"):
        _write(f"{target}/etc/machine-id", "", 0o444)


def tidy(folder: str, epoch_s: int, *, below: str = "", mountpoints: Iterable[str] = ()) -> None:
    """Remove from a layer's folder what is volatile or says nothing, and give everything in it one time.

    Args:
        epoch_s: that time, in seconds since 1970.
        below: the folder of the layer under it, tidied as well. What is the same there is left out (overlay copies
            files up that are only opened), and a folder that is new needs no mark that it hides what is below: so the
            layer does not depend on the snapshotter.
        mountpoints: paths where something was mounted; empty folders that were made for that go.
    """
    _remove(folder, VOLATILE)
    lower = Lower([below] if below else [])
    for target in mountpoints:
        path = target.strip("/")
        while path and lower.find(os.fsencode(path)) is None and _remove_empty(f"{folder}/{path}"):
            path = os.path.dirname(path)
    for place, _, files in os.walk(f"{folder}/var/log"):
        for name in files:
            os.unlink(f"{place}/{name}")
    stamp = (epoch_s * 10**9, epoch_s * 10**9)
    for place, folders, files in os.walk(folder, topdown=False):
        inside = os.path.relpath(place, folder).removeprefix(".")
        for name in (*folders, *files):
            path = f"{place}/{name}"
            found = lower.find(os.fsencode(f"{inside}/{name}".lstrip("/")))
            if found is not None and _is_same(path, *found):
                (os.rmdir if name in folders and not os.path.islink(path) else os.unlink)(path)
                continue
            if found is None and name in folders and not os.path.islink(path):
                _unmark(path)
            os.utime(path, ns=stamp, follow_symlinks=False)
    os.utime(folder, ns=stamp)


def _is_same(path: str, other: bytes, expected: os.stat_result) -> bool:
    """Whether a file or an empty folder is the one of the layer below, but for its time."""
    actual = os.lstat(path)
    parts = ("st_mode", "st_uid", "st_gid")
    if any(getattr(actual, part) != getattr(expected, part) for part in parts) or _capabilities(path):
        return False
    if stat.S_ISDIR(actual.st_mode):
        return not os.listdir(path) and not is_opaque(os.fsencode(path))
    if stat.S_ISLNK(actual.st_mode):
        return os.readlink(path) == os.readlink(os.fsdecode(other))
    if not stat.S_ISREG(actual.st_mode) or actual.st_size != expected.st_size:
        return False
    with open(path, "rb") as ours, open(other, "rb") as theirs:
        return ours.read() == theirs.read()


def _capabilities(path: str) -> bool:
    return "security.capability" in os.listxattr(path, follow_symlinks=False)


def _remove_empty(path: str) -> bool:
    """Remove an empty folder, or an empty file; False when it is more, or not there."""
    try:
        if os.path.isdir(path) and not os.path.islink(path):
            os.rmdir(path)
        elif os.lstat(path).st_size == 0:
            os.unlink(path)
        else:
            return False
    except OSError:
        return False
    return True


def _unmark(folder: str) -> None:
    for attribute in OPAQUE_ATTRIBUTES:
        try:
            os.removexattr(folder, attribute, follow_symlinks=False)
        except OSError:
            continue


def _remove(folder: str, patterns: Iterable[str]) -> None:
    for pattern in patterns:
        # The rootfs is ours, made of signed packages; still no pattern goes through a link to leave it.
        parent = os.path.realpath(f"{folder}/{os.path.dirname(pattern)}")
        if parent != os.path.abspath(folder) and not parent.startswith(os.path.abspath(folder) + "/"):
            continue
        for path in glob.glob(f"{glob.escape(parent)}/{os.path.basename(pattern)}", include_hidden=True):
            if os.path.isdir(path) and not os.path.islink(path):
                remove_tree(path)
            else:
                os.unlink(path)


def _write(path: str, content: str, mode: int) -> None:
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(content)
    os.chmod(path, mode)
