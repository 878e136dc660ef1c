"""What a build or a run sees of the host's network settings, without its entering the image.

Three things, all of them mounts and environment of one process, none of them a file of the image:

*Certificates.* Where the host trusts more than the distribution's own bundle (a variable such as `SSL_CERT_FILE` names a
bundle, or an administrator added certificates), the host's bundle and the image's are joined into one file, which is
bound read-only at `CA_PATH`. That is below `/dev`, a tmpfs that every container has, so no mount point is made in the
image. The variables in `CA_VARIABLES` point to it. The image's own bundle is not covered: a package that updates it
could not replace a file that is a mount point. (Programs that read only the compiled-in path, GnuTLS' for one, do not
see the host's additions.)

*Proxies.* `HTTP_PROXY` and its kin are handed on in both spellings; one on the host's loopback is handed on only where
the container shares the host's network.

*pip and uv.* Indexes, `find-links`, trusted hosts and time-outs from `pip.conf` files and `PIP_*`/`UV_*` variables become
`PIP_*`/`UV_*` variables of the process; folders that they name (`file:` indexes, find-links) are bound read-only at the same
path. A mount point that the image lacks comes from a throw-away lowest layer (`runtime.mountpoints`), so it is never
in the image's changes.

A variable that the image or the user sets always wins.
"""

from __future__ import annotations

import os

from teul.oci.runtime import Mount

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from teul.config import Settings

CA_PATH = "/dev/.teul/ca-certificates.pem"
CA_VARIABLES = (
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "PIP_CERT",
    "NODE_EXTRA_CA_CERTS",
    "GIT_SSL_CAINFO",
    "AWS_CA_BUNDLE",
)
_NAMING_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT", "NODE_EXTRA_CA_CERTS")
BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
_ADDED = (
    "/usr/local/share/ca-certificates",
    "/etc/pki/ca-trust/source/anchors",
    "/etc/ca-certificates/trust-source/anchors",
)
PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "ALL_PROXY", "NO_PROXY")
_PIP_OPTIONS = ("index-url", "extra-index-url", "find-links", "trusted-host", "no-index", "timeout", "retries", "proxy")
_PIP_ALIASES = {"default-timeout": "timeout", "pypi-url": "index-url"}
_PATH_OPTIONS = ("index-url", "extra-index-url", "find-links")
_UV_VARIABLES = ("UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX", "UV_FIND_LINKS")
_BUNDLE_LIMIT_BYTES = 16 << 20


def is_seen(name: str) -> bool:
    """Whether the variable *name* of the host's environment has a say in what a container sees."""
    return (
        name.startswith(("PIP_", "UV_"))
        or name in _NAMING_VARIABLES
        or name.upper() in PROXY_VARIABLES
        or name in ("HOME", "XDG_CONFIG_HOME", "XDG_CONFIG_DIRS")
    )


def trust_env(settings: Settings, *, shares_network: bool = False) -> tuple[str, ...]:
    """`NAME=value` pairs for a process; *shares_network* when it runs in the host's network namespace."""
    environ = settings.environ or {}
    made: dict[str, str] = {}
    if _host_bundle(environ):
        made |= dict.fromkeys(CA_VARIABLES, CA_PATH)
    for name in PROXY_VARIABLES:
        value = environ.get(name) or environ.get(name.lower()) or ""
        if value and (shares_network or name == "NO_PROXY" or not _is_loopback(value)):
            made[name] = made[name.lower()] = value
    for option, value in pip_options(environ).items():
        made["PIP_" + option.upper().replace("-", "_")] = value
    for name in _UV_VARIABLES:
        if environ.get(name):
            made[name] = environ[name]
    return tuple(f"{name}={value}" for name, value in made.items())


def trust_mounts(settings: Settings, rootfs: str, *, folder: str = "") -> tuple[Mount, ...]:
    """The mounts that `trust_env` speaks of.

    Args:
        rootfs: the container's tree as seen from here; its own bundle is joined with the host's. "" for none.
        folder: where the joined bundle is written; default: shared between containers, below the run folder.
    """
    return (*folder_mounts(settings), *bundle_mounts(settings, rootfs, folder=folder))


def folder_mounts(settings: Settings) -> tuple[Mount, ...]:
    """The folders that pip's and uv's settings name; known before the rootfs is mounted."""
    return tuple(
        Mount("bind", path, path, ("rbind", "ro", "nosuid", "nodev")) for path in pip_folders(settings.environ or {})
    )


def bundle_mounts(settings: Settings, rootfs: str, *, folder: str = "") -> tuple[Mount, ...]:
    """The certificates; needs no mount point in the rootfs."""
    host = _host_bundle(settings.environ or {})
    if not host:
        return ()
    place, mark = _image_bundle(rootfs) if rootfs else ("", "none")
    path = f"{folder}/ca-certificates.pem"
    if not folder:
        # What two bundles joined give is the same as long as both files are: their marks are its name.
        folder = f"{settings.run_root}/trust"
        path = f"{folder}/{_mark(os.stat(host))}-{mark}.pem"
    if folder.endswith("/trust") and os.path.exists(path):
        return (Mount("bind", path, CA_PATH, ("bind", "ro", "nosuid", "nodev", "noexec")),)
    from teul.host.fs import write_atomic

    os.makedirs(folder, mode=0o711, exist_ok=True)
    own = _read_in(rootfs, place) if place else b""
    write_atomic(path, _joined([_read(host), own]), 0o644)
    return (Mount("bind", path, CA_PATH, ("bind", "ro", "nosuid", "nodev", "noexec")),)


def fill(env: Sequence[str], added: Sequence[str]) -> tuple[str, ...]:
    """*env* with those of *added* whose variable it does not set (in either case, for proxies)."""
    known = {entry.partition("=")[0] for entry in env}
    known |= {name.lower() for name in known if name.upper() in PROXY_VARIABLES} | {
        name.upper() for name in known if name.upper() in PROXY_VARIABLES
    }
    return (*env, *(entry for entry in added if entry.partition("=")[0] not in known))


def pip_options(environ: Mapping[str, str]) -> dict[str, str]:
    """The settings of pip on this host by option name, the most specific winning: environment, user's file, global files.

    Spec: pip's documentation, "Configuration" (locations, precedence, environment variables).
    """
    found: dict[str, str] = {}
    for path in _pip_files(environ):
        found |= _read_pip_file(path)
    for name, value in environ.items():
        if name.startswith("PIP_"):
            option = name[4:].lower().replace("_", "-")
            found[_PIP_ALIASES.get(option, option)] = value
    return {option: " ".join(found[option].split()) for option in _PIP_OPTIONS if found.get(option)}


def _pip_files(environ: Mapping[str, str]) -> list[str]:
    if environ.get("PIP_CONFIG_FILE") == os.devnull:
        return []
    home = environ.get("HOME") or "/root"
    config = environ.get("XDG_CONFIG_HOME") or f"{home}/.config"
    made = [
        *(f"{folder}/pip/pip.conf" for folder in (environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":") if folder),
        "/etc/pip.conf",
        f"{home}/.pip/pip.conf",
        f"{config}/pip/pip.conf",
    ]
    return [*made, environ["PIP_CONFIG_FILE"]] if environ.get("PIP_CONFIG_FILE") else made


def _read_pip_file(path: str) -> dict[str, str]:
    """The options of `[global]`, `[install]` and `[download]`; a file that is missing or broken has none.

    The ini format as pip uses it: `key = value` or `key: value`, a value goes on over indented lines.
    """
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = file.read().split("\n")
    except OSError:
        return {}
    made: dict[str, str] = {}
    section = key = ""
    for line in lines:
        stripped = line.strip()
        if not stripped or stripped[0] in "#;":
            continue
        if line[0] in " \t" and key:
            made[key] = f"{made[key]} {stripped}"
            continue
        if stripped[0] == "[" and stripped[-1] == "]":
            section, key = stripped[1:-1].strip(), ""
            continue
        positions = [place for place in (stripped.find("="), stripped.find(":")) if place > 0]
        key = ""
        if positions and section in ("global", "install", "download"):
            place = min(positions)
            key = stripped[:place].strip().lower().replace("_", "-")
            key = _PIP_ALIASES.get(key, key)
            made[key] = stripped[place + 1 :].strip()
    return made


def pip_folders(environ: Mapping[str, str]) -> list[str]:
    """The folders on this host that pip's and uv's settings name, none inside another."""
    found: set[str] = set()
    options = pip_options(environ)
    for option in _PATH_OPTIONS:
        for word in options.get(option, "").split():
            path = local_path(word)
            if path and os.path.exists(path):
                found.add(_index_root(path) if option != "find-links" else path)
    for name in _UV_VARIABLES:
        for word in environ.get(name, "").replace(",", " ").split():
            path = local_path(word.rpartition("=")[2])
            if path and os.path.exists(path):
                found.add(_index_root(path) if "FIND_LINKS" not in name else path)
    return sorted(path for path in found if path != "/" and not any(path.startswith(other + "/") for other in found))


def local_path(word: str) -> str:
    if word.startswith("file:"):
        word = word.removeprefix("file:").removeprefix("//").partition("#")[0]
        word = word.removeprefix("localhost")
        if "%" in word:
            from urllib.parse import unquote

            word = unquote(word)
    return os.path.normpath(word) if word.startswith("/") else ""


def _index_root(path: str) -> str:
    """The folder that holds all that a `file:` index refers to: its parent when its pages link outside of it."""
    try:
        for name in sorted(os.listdir(path)):
            page = f"{path}/{name}/index.html"
            if os.path.exists(page):
                with open(page, "rb") as file:
                    outside = b'"../../' in file.read(4096)
                parent = os.path.dirname(path)
                return parent if outside and parent.count("/") > 1 else path
    except OSError:
        pass
    return path


def _host_bundle(environ: Mapping[str, str]) -> str:
    """The host's bundle when it trusts more than its distribution does, else ""."""
    for name in _NAMING_VARIABLES:
        path = environ.get(name, "")
        if path and os.path.isfile(path):
            return path
    for folder in _ADDED:
        try:
            if not any(name.endswith((".crt", ".pem", ".p11-kit")) for name in os.listdir(folder)):
                continue
        except OSError:
            continue
        for path in BUNDLES:
            if os.path.isfile(path):
                return path
    return ""


def _joined(bundles: list[bytes]) -> bytes:
    """All certificates of *bundles*, each once."""
    end = b"-----END CERTIFICATE-----"
    seen: dict[bytes, None] = {}
    for bundle in bundles:
        for part in bundle.split(end)[:-1]:
            start = part.find(b"-----BEGIN CERTIFICATE-----")
            if start >= 0:
                seen[part[start:].replace(b"\r", b"").strip()] = None
    return b"".join(part + b"\n" + end + b"\n" for part in seen)


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(_BUNDLE_LIMIT_BYTES)
    except OSError:
        return b""


def _image_bundle(rootfs: str) -> tuple[str, str]:
    """(path, what tells its content from another's) of the bundle that the image has."""
    from teul.host.fs import open_in_root

    for path in BUNDLES:
        try:
            descriptor = open_in_root(rootfs, path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            return path, _mark(os.fstat(descriptor))
        finally:
            os.close(descriptor)
    return "", "none"


def _mark(status: os.stat_result) -> str:
    return f"{status.st_ino:x}.{status.st_size:x}.{status.st_mtime_ns:x}.{status.st_ctime_ns:x}"


def _read_in(rootfs: str, path: str) -> bytes:
    from teul.host.fs import read_in_root

    try:
        return read_in_root(rootfs, path, _BUNDLE_LIMIT_BYTES)
    except OSError:
        return b""


def _is_loopback(url: str) -> bool:
    host = url.rpartition("://")[2].rpartition("@")[2]
    return host.startswith(("127.", "localhost", "[::1]"))
