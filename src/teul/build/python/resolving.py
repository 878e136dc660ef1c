"""What an install command would install, resolved by uv for the stage's Python; a doubt where pip might differ.

uv and pip choose the same wherever neither has to search: each package gets its newest version that all requirements
on it allow. So uv's own account of what it did is read, and its answer counts only if

- it tried one version of each package (it never went back);
- whatever newer version it passed over is one that pip passes over too (made for another Python or platform, yanked),
  and not one that has only a source archive, which pip would build;
- no other index has a file of that name with another content, in whatever order the indexes are asked;
- nothing that is installed below would be replaced.

No source archive is ever built or run on this host. Pages of indexes are asked for anew at every resolution, as pip
does; what uv keeps is wheels' metadata, by their hash.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
import tempfile
from urllib.parse import unquote, urldefrag

from teul.build.python.indexes import Indexes, configuration, indexes_of, other_files, remote, sha256_of
from teul.build.python.lock import LockedInstall, LockedWheel, preferred
from teul.build.python.requirements import normalise_name, read_requirements
from teul.build.python.tags import best_wheel, uv_platform
from teul.build.python.values import Doubt, Installed, Resolution, Wheel
from teul.errors import LockError, NoUploadTimes, text
from teul.host import process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from dataclasses import dataclass
    from typing import Any

    from teul.build.python.command import Install
    from teul.build.python.lock import Lock
    from teul.build.python.requirements import Requirement, Requirements
    from teul.build.python.values import Interpreter
else:
    from teul.values import dataclass

UV_TIMEOUT_S = 300
_HANDED_ON = (
    "SSL_CERT_FILE", "SSL_CERT_DIR", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy",
    "all_proxy", "no_proxy",
)  # fmt: skip
"""Variables of this host that decide whether uv reaches an index."""
_FOUND = re.compile(r"Found candidate for package (\S+) with range .* after \d+ steps: (\S+) version")
_PASSED = re.compile(r"Returning incompatible candidate for package (\S+) with range")
_TRIED = re.compile(r"Tried \d+ versions: (.*)")
_REASONS = ("does not satisfy Python", "yanked", "matching Python", "matching platform")
"""Words of uv's explanations that say why no file of a version is for this Python; pip passes such a version over too."""
_EARLY = re.compile(
    r"Adding transitive dependency for .*?: ([^\s\[{<>=!~]+)(?:\[[^\]]*\])?(?:\{.*\})?[<>=!~][^{]*\d(?:a|b|rc|\.?dev)\d"
)
"""A package that asks for a pre-release of another: pip then takes any, uv none that the user did not name."""
_DATELESS = re.compile(r"`(\S+)` is missing an upload date")


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """What resolving needs of the machine."""

    cache_folder: str
    """uv's cache; kept between builds."""
    environ: Mapping[str, str]
    lent_folders: tuple[str, ...] = ()
    """Folders of this host that the process sees at the same path (`file:` indexes, find-links)."""
    as_of: str = ""
    """RFC 3339: only files that were uploaded before; "" for all."""
    lock: Lock | None = None
    """What is obeyed."""
    is_offline: bool = False
    has_blob: Callable[[str], bool] = lambda sha256: False
    """Whether a wheel with this sha256 is in the store."""


def resolve(
    install: Install,
    interpreter: Interpreter,
    host: Host,
    *,
    env: Mapping[str, str],
    read: Callable[[str], bytes | None],
    list_folder: Callable[[str], list[str]],
    command: str = "",
    learned: list[LockedInstall] | None = None,
) -> Resolution | Doubt:
    """What *install* and those that follow it do to the tree.

    Args:
        command: what the lock calls the instruction.
        learned: gets what a lock has to say about each install.
        env: the environment of the process, for `${NAME}` in requirement files.
        read: the content of a file of the tree by absolute path, None where there is none; never leaves the tree.
        list_folder: the names in a folder of the tree, none where there is no such folder.

    Raises:
        NoUploadTimes: with `as_of`, an index that cannot tell.
        HostLacks: uv is not installed.
    """
    doubt = _doubt_of_tree(install, interpreter, read, list_folder)
    if doubt is not None:
        return doubt
    made: Resolution | None = None
    for step in (install, *install.then):
        wanted = read_requirements(step.requirements, step.files, step.constraints, cwd=step.cwd, env=env, read=read)
        if isinstance(wanted, Doubt):
            return wanted
        found = _obey(step, wanted, interpreter, host, command) or _resolve_one(
            step, wanted, interpreter, host, read, made, command
        )
        if isinstance(found, Doubt):
            return found
        if learned is not None:
            learned.append(_locked(step, wanted, found, host, command))
        made = _joined(made, found)
    assert made is not None
    return made


def _joined(first: Resolution | None, second: Resolution) -> Resolution:
    if first is None:
        return second
    from teul.values import replace

    known = {wheel.name for wheel in first.wheels}
    more = tuple(wheel for wheel in second.wheels if wheel.name not in known)
    joined: Resolution = replace(first, wheels=(*first.wheels, *more))
    return joined


def _doubt_of_tree(
    install: Install,
    interpreter: Interpreter,
    read: Callable[[str], bytes | None],
    list_folder: Callable[[str], list[str]],
) -> Doubt | None:
    """What of the tree would make the command do something else."""
    from fnmatch import fnmatchcase

    if interpreter.implementation != "cpython" or not uv_platform(interpreter):
        return Doubt(
            text(
                "the Python {implementation} on {machine}",
                implementation=interpreter.implementation,
                machine=interpreter.machine,
            )
        )
    if interpreter.is_externally_managed and not all(step.break_system_packages for step in (install, *install.then)):
        return Doubt(text("the Python is externally managed"))
    for path in ("/etc/pip.conf", "/root/.config/pip/pip.conf", "/root/.pip/pip.conf", f"{interpreter.prefix}/pip.conf", "/etc/xdg/pip/pip.conf", "/root/.config/uv/uv.toml", "/etc/uv/uv.toml", "/root/.netrc"):  # fmt: skip
        if read(path) is not None:
            return Doubt(text("the stage has settings of its own in `{path}`", path=path))
    for step in (install, *install.then):
        names = list_folder(step.cwd) if step.patterns or step.interpreter else []
        for pattern in step.patterns:
            if any(fnmatchcase(name, pattern) for name in names) or "/" in pattern:
                return Doubt(text("the shell expands `{word}`", word=pattern))
        if step.interpreter and any(
            name in ("pip", "pip.py") or name.endswith((".egg-info", ".dist-info")) for name in names
        ):
            return Doubt(text("`{path}` is a place that Python imports from", path=step.cwd))
        for folder in step.pythonpath:
            if any(name.endswith((".egg-info", ".dist-info", ".egg-link")) for name in list_folder(folder)):
                return Doubt(text("`{path}` is a place that Python imports from", path=folder))
        if step.tool == "uv" and any(name in ("uv.toml", "pyproject.toml") for name in list_folder(step.cwd)):
            return Doubt(text("the stage has settings of its own in `{path}`", path=step.cwd))
    return None


def _resolve_one(
    install: Install,
    wanted: Requirements,
    interpreter: Interpreter,
    host: Host,
    read: Callable[[str], bytes | None],
    before: Resolution | None,
    command: str,
) -> Resolution | Doubt:
    indexes = indexes_of(install, wanted)
    for place in _own_places(indexes, host):
        return Doubt(text("packages from `{path}` of the stage", path=place))
    hashes = {item.name: item.hashes for item in wanted.wanted if item.hashes}
    needs_hashes = install.require_hashes or wanted.require_hashes or bool(hashes)
    if needs_hashes and install.tool == "pip" and any(not item.name for item in wanted.wanted):
        return Doubt(text("hashes of a wheel that has no name"))
    installed = {item.name: item for item in interpreter.installed}
    earlier = {wheel.name: wheel.version for wheel in before.wheels} if before else {}
    asked = {item.name for item in wanted.wanted}
    with tempfile.TemporaryDirectory(prefix="teul-resolve-") as folder:
        local = _fetch_local(wanted, folder, read)
        if isinstance(local, Doubt):
            return local
        pins: dict[str, LockedWheel] = {}
        kept_versions = {name: item.version for name, item in installed.items()} | earlier
        if install.upgrade:
            kept_versions = {name: version for name, version in kept_versions.items() if name not in asked}
        lock = host.lock
        known = lock.find(_wants(install, wanted, host), *_target(interpreter)) if lock else None
        if known is not None:
            pins = {wheel.name: wheel for wheel in known.wheels}
        elif lock is not None:
            kept_versions = preferred(lock.of_command(command)) | kept_versions
        question = _Question(folder, install, wanted, indexes, interpreter, host, local, kept_versions, pins)
        answer = question.ask()
        if isinstance(answer, Doubt):
            if known is not None:
                raise LockError(
                    text("the lock cannot be obeyed: {problem}", problem=answer.reason),
                    hint=text("--lock resolves anew"),
                )
            return answer
        doubt = question.doubt_of(answer) if known is None else None
        if doubt is not None:
            return doubt
    wheels: list[Wheel] = []
    kept: list[Installed] = []
    removed: list[Installed] = []
    for package in answer.packages:
        name = package.name
        here = installed.get(name)
        version = earlier.get(name) or (here.version if here else "")
        if version and _same(version, package.version):
            if here and name not in earlier:
                kept.append(here)
            continue
        if here is not None or name in earlier:
            replaced = here or Installed(name=name, version=version, place="")
            removed.append(replaced)
            return Doubt(text("`{name}` {old} below would become {new}", name=name, old=version, new=package.version))
        wheel = _wheel(
            package, interpreter, hashes.get(name, ()), is_requested=name in asked or package.is_direct, local=local
        )
        if isinstance(wheel, Doubt):
            return wheel
        if known is not None and (name not in pins or pins[name].sha256 != wheel.sha256):
            wheel = _locked_wheel(package, pins.get(name), wheel)
        if needs_hashes and name not in hashes:
            return Doubt(text("`{name}` has no hash in the requirements", name=name))
        other = other_files(indexes, name, wheel.version, wheel.sha256, wheel.filename)
        if other and not wheel.direct_url:
            return Doubt(text("`{place}` has another `{filename}`", place=other, filename=wheel.filename))
        wheels.append(wheel)
    return Resolution(
        interpreter=interpreter,
        wheels=tuple(wheels),
        kept=tuple(kept),
        installer=install.tool,
        compiles=install.compiles,
    )


def _locked_wheel(package: _Package, pin: LockedWheel | None, found: Wheel) -> Wheel:
    """The file that the lock names, where the index still has it.

    Raises:
        LockError: it has not.
    """
    from teul.values import replace

    for file in package.files:
        if pin is not None and file.get("hashes", {}).get("sha256") == pin.sha256 and file.get("url"):
            made: Wheel = replace(
                found, filename=pin.filename, sha256=pin.sha256, url=str(file["url"]), size_bytes=file.get("size")
            )
            return made
    raise LockError(
        text(
            "the lock cannot be obeyed: {problem}",
            problem=text(
                "the index has no `{filename}` of that hash", filename=pin.filename if pin else found.filename
            ),
        ),
        hint=text("--lock resolves anew"),
    )


def _wants(install: Install, wanted: Requirements, host: Host) -> str:
    """The digest of what an install asks for; where from is another matter."""
    said = [
        [[item.line, item.url.rpartition("@")[2], list(item.hashes)] for item in (*wanted.wanted, *wanted.constraints)],
        len(wanted.wanted),
        install.tool,
        [install.no_deps, install.pre or wanted.pre, install.upgrade, install.prefer_binary or wanted.prefer_binary],
        [*install.only_binary, *wanted.only_binary],
        host.as_of,
    ]
    return "sha256:" + hashlib.sha256(json.dumps(said).encode()).hexdigest()


def _target(interpreter: Interpreter) -> tuple[str, str]:
    return f"{interpreter.version[0]}.{interpreter.version[1]}", uv_platform(interpreter)


def _obey(
    install: Install, wanted: Requirements, interpreter: Interpreter, host: Host, command: str
) -> Resolution | None:
    """What the lock says, when it needs no index: all its wheels are here, or nothing can be asked anyway."""
    known = host.lock.find(_wants(install, wanted, host), *_target(interpreter)) if host.lock else None
    if known is None:
        return None
    installed = {item.name: item for item in interpreter.installed}
    for name, version in known.kept:
        if name not in installed or not _same(installed[name].version, version):
            return None
    wheels = [
        wheel
        for wheel in known.wheels
        if not (wheel.name in installed and _same(installed[wheel.name].version, wheel.version))
    ]
    if any(wheel.name in installed for wheel in wheels):
        return None
    if not host.is_offline and not all(host.has_blob(wheel.sha256) for wheel in wheels):
        return None
    return Resolution(
        interpreter=interpreter,
        wheels=tuple(
            Wheel(
                name=wheel.name, version=wheel.version, filename=wheel.filename, sha256=wheel.sha256,
                url=str(json.loads(wheel.direct_url)["url"]) if wheel.direct_url else "", uploaded=wheel.uploaded,
                requested=wheel.requested, direct_url=wheel.direct_url, built_from=wheel.built_from,
            )
            for wheel in wheels
        ),
        kept=tuple(installed[name] for name, _ in known.kept),
        installer=install.tool,
        compiles=install.compiles,
    )  # fmt: skip


def _locked(install: Install, wanted: Requirements, found: Resolution, host: Host, command: str) -> LockedInstall:
    python, platform = _target(found.interpreter)
    return LockedInstall(
        command=command,
        wants=_wants(install, wanted, host),
        python=python,
        platform=platform,
        as_of=host.as_of,
        indexes=tuple(place for place in indexes_of(install, wanted).shown() if not place.startswith(("/", "file:"))),
        kept=tuple((item.name, item.version) for item in found.kept),
        wheels=tuple(
            LockedWheel(
                name=wheel.name, version=wheel.version, filename=wheel.filename, sha256=wheel.sha256, uploaded=wheel.uploaded,
                requested=wheel.requested, direct_url=wheel.direct_url, built_from=wheel.built_from,
            )
            for wheel in found.wheels
        ),
    )  # fmt: skip


def _own_places(indexes: Indexes, host: Host) -> list[str]:
    from teul.build.python.indexes import in_tree

    return in_tree(
        indexes, lambda path: any(path == folder or path.startswith(f"{folder}/") for folder in host.lent_folders)
    )


def _fetch_local(wanted: Requirements, folder: str, read: Callable[[str], bytes | None]) -> dict[str, str] | Doubt:
    """Wheels that lie in the tree, copied out of it: path here → path there."""
    made: dict[str, str] = {}
    for item in wanted.wanted:
        if item.url.startswith("file://"):
            path = item.url.removeprefix("file://")
            data = read(path)
            if data is None:
                return Doubt(text("no file `{path}` in the stage", path=path))
            os.makedirs(f"{folder}/{len(made)}")
            copy = f"{folder}/{len(made)}/{os.path.basename(path)}"
            with open(copy, "wb") as file:
                file.write(data)
            made[copy] = path
    return made


@dataclass(frozen=True, slots=True, kw_only=True)
class _Package:
    name: str
    version: str
    files: tuple[Mapping[str, Any], ...]
    """As PEP 751 writes wheels: `url` or `path`, `hashes`, `size`, `upload-time`."""
    is_direct: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    packages: tuple[_Package, ...]
    tried: Mapping[str, int]
    passed_over: Mapping[str, tuple[str, ...]]
    """Name → versions that were not usable, newest first."""
    dateless: tuple[str, ...]
    early: tuple[str, ...] = ()
    """Packages of which another package wants a pre-release."""
    looked_at: frozenset[str] = frozenset()
    """Packages of which uv told which candidates it found."""


class _Question:
    """One resolution, asked of uv in a folder of its own."""

    def __init__(
        self,
        folder: str,
        install: Install,
        wanted: Requirements,
        indexes: Indexes,
        interpreter: Interpreter,
        host: Host,
        local: Mapping[str, str],
        kept: Mapping[str, str],
        pins: Mapping[str, LockedWheel],
    ) -> None:
        self.folder = folder
        self.install = install
        self.wanted = wanted
        self.indexes = indexes
        self.interpreter = interpreter
        self.host = host
        self.kept = kept
        copies = {f"file://{path}": f"file://{copy}" for copy, path in local.items()}
        self._write("requirements.in", "\n".join(_line(item, copies) for item in wanted.wanted) + "\n")
        limits = [_line(item, copies) for item in wanted.constraints]
        limits += [f"{wheel.name}=={wheel.version}" for wheel in pins.values() if not wheel.direct_url]
        self._write("constraints.in", "\n".join(limits) + "\n")
        self._write("uv.toml", configuration(indexes))
        self._write("reverse.toml", configuration(indexes, reverse=True))
        self._write("remote.toml", configuration(indexes, only_remote=True))

    def _write(self, name: str, content: str) -> None:
        path = f"{self.folder}/{name}"
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(content)

    def ask(self, *, config: str = "uv.toml") -> _Answer | Doubt:
        """Uv's answer; a doubt when it found none (then the command itself says why).

        Raises:
            NoUploadTimes, HostLacks.
        """
        output = f"{self.folder}/pylock.{config.partition('.')[0]}.toml"
        if self.kept:
            # Versions that are in the output file already are preferred, as pip prefers what is installed.
            with open(output, "w", encoding="utf-8") as file:
                file.write(_preferences(self.kept))
        arguments = ["requirements.in", "--constraints", "constraints.in", "--output-file", output]
        done = self._run(arguments, config=config)
        said = done.stderr.decode(errors="replace")
        dateless = tuple(dict.fromkeys(_DATELESS.findall(said)))
        if done.exit_code != 0:
            if dateless and self.host.as_of:
                raise self._no_upload_times()
            return Doubt(text("uv found no answer: {problem}", problem=_problem(said)))
        with open(output, "rb") as file:
            return _read_answer(file.read(), said, dateless)

    def _run(
        self, arguments: Sequence[str], *, config: str = "uv.toml", has_sources: bool = False, is_alone: bool = False
    ) -> process.Completed:
        version = ".".join(str(part) for part in self.interpreter.version)
        argv = [
            uv_program(), "pip", "compile", *arguments, "--format", "pylock.toml", "--config-file", config,
            "--python", sys.executable, "--python-version", version, "--python-platform", uv_platform(self.interpreter),
            "--cache-dir", self.host.cache_folder, "--no-header", "--no-annotate", "--color", "never", "--no-progress",
            "--no-python-downloads",
        ]  # fmt: skip
        if not has_sources:
            argv.append("--no-build")
        if (self.install.no_deps or has_sources) and not is_alone:
            argv.append("--no-deps")
        if (self.install.pre or self.wanted.pre) and not is_alone:
            argv += ["--prerelease", "allow"]
        if self.host.is_offline and "--offline" not in argv:
            argv.append("--offline")
        if self.host.as_of:
            argv += ["--exclude-newer", self.host.as_of]
        environ = self.host.environ
        env = {name: environ[name] for name in _HANDED_ON if environ.get(name)}
        env |= {
            "HOME": self.folder,
            "PATH": environ.get("PATH") or "/usr/bin:/bin",
            "RUST_LOG": "uv_resolver=debug,uv_resolver::candidate_selector=trace",
        }
        return process.run(argv, env=env, cwd=self.folder, check=False, timeout_s=UV_TIMEOUT_S)

    def _no_upload_times(self) -> NoUploadTimes:
        return NoUploadTimes(
            text(
                "index {places}: it does not say when files were uploaded, so what it had on {date} cannot be told",
                places=", ".join(f"`{place}`" for place in self.indexes.shown()),
                date=self.host.as_of[:10],
            ),
            hint=text("without --as-of, or with an index that has upload times (https://pypi.org/simple)"),
        )

    def doubt_of(self, answer: _Answer) -> Doubt | None:
        """Why pip might have answered otherwise."""
        for package in answer.packages:
            is_known = package.is_direct or package.name in self.kept or package.name in answer.looked_at
            if package.name not in answer.tried or not is_known:
                return Doubt(text("uv does not say how it found `{name}`", name=package.name))
        for name, count in sorted(answer.tried.items()):
            if count > 1:
                return Doubt(
                    text("the resolver had to search: it tried {count} versions of `{name}`", count=count, name=name)
                )
        binary = {normalise_name(name) for value in (*self.install.only_binary, *self.wanted.only_binary) for name in value.split(",") if name != ":all:"}  # fmt: skip
        chosen = {package.name: package.version for package in answer.packages}
        if not (self.install.pre or self.wanted.pre):
            for name in sorted(set(answer.early) & chosen.keys()):
                if self._newest_of_all(name, chosen[name]) != chosen[name]:
                    return Doubt(text("a package asks for a pre-release of `{name}`", name=name))
        is_binary = ":all:" in (*self.install.only_binary, *self.wanted.only_binary)
        is_binary = is_binary or self.install.prefer_binary or self.wanted.prefer_binary
        if not is_binary:
            for name, versions in sorted(answer.passed_over.items()):
                if (
                    name in chosen
                    and name not in binary
                    and name not in self.kept
                    and self._has_source_only(name, chosen[name], versions)
                ):
                    return Doubt(text("`{name}` has a newer version as a source archive only", name=name))
        if len(remote(self.indexes)) > 1 and self.indexes.strategy == "unsafe-best-match":
            other = self.ask(config="reverse.toml")
            if isinstance(other, Doubt):
                return other
            if _files(other) != _files(answer):
                return Doubt(text("the indexes have different files of one version"))
        return None

    def _newest_of_all(self, name: str, least: str) -> str:
        """The newest version from *least* on, pre-releases too; "" where uv finds none."""
        self._write("newest.in", f"{name}>={least.partition('+')[0]}\n")
        output = f"{self.folder}/pylock.newest.toml"
        more = ("--offline", "--quiet", "--no-deps", "--prerelease", "allow", "--output-file", output)
        done = self._run(["newest.in", *more], is_alone=True)
        if done.exit_code != 0:
            return ""
        with open(output, "rb") as file:
            return next((package.version for package in _read_answer(file.read(), "", ()).packages), "")

    def _has_source_only(self, name: str, chosen: str, versions: Sequence[str]) -> bool:
        """Whether one of *versions*, newer than *chosen*, may be one that pip would build.

        Each is asked for alone, with source archives allowed but the network off: an archive then cannot be read, let
        alone built, and what is left is uv's reason against the version. Places on this host are left out, since
        archives there could be read.
        """
        # uv looks at older ones too, to fetch ahead.
        versions = sorted({version for version in versions if version_key(version) > version_key(chosen)})
        asked = [name, chosen, versions, self.indexes.all, self.interpreter.version, uv_platform(self.interpreter)]
        key = hashlib.sha256(json.dumps([*asked, self.host.as_of, uv_version()]).encode()).hexdigest()
        path = f"{self.host.cache_folder}/teul-passed-over/{key}"
        if os.path.exists(path):
            return False
        for version in versions:
            # With `==` a yanked version would be taken.
            self._write("why.in", f"{name}>={version},<={version}\n")
            done = self._run(["why.in", "--offline", "--quiet"], config="remote.toml", has_sources=True)
            said = " ".join(done.stderr.decode(errors="replace").split())
            if done.exit_code == 0 or not any(reason in said for reason in _REASONS):
                return True
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w"):
            pass
        return False


def _files(answer: _Answer) -> list[tuple[str, str, list[str]]]:
    return [
        (package.name, package.version, sorted(str(file.get("hashes", {}).get("sha256", "")) for file in package.files))
        for package in answer.packages
    ]


def _line(item: Requirement, copies: Mapping[str, str]) -> str:
    return copies.get(item.url) or item.line


def _preferences(versions: Mapping[str, str]) -> str:
    lines = ['lock-version = "1.0"', 'created-by = "teul"']
    for name, version in sorted(versions.items()):
        lines += ["[[packages]]", f"name = {json.dumps(name)}", f"version = {json.dumps(version)}", "wheels = []"]
    return "\n".join(lines) + "\n"


def _read_answer(data: bytes, said: str, dateless: tuple[str, ...]) -> _Answer:
    import tomllib

    packages = []
    for item in tomllib.loads(data.decode())["packages"]:
        archive = item.get("archive")
        files = (archive,) if archive else tuple(item.get("wheels", ()))
        packages.append(
            _Package(
                name=normalise_name(item["name"]), version=str(item["version"]), files=files, is_direct=bool(archive)
            )
        )
    tried: dict[str, int] = {}
    for attempt in _TRIED.finditer(said):
        for part in attempt[1].split(", "):
            name, _, count = part.rpartition(" ")
            tried[normalise_name(name)] = int(count) if count.isdigit() else 2
    passed: dict[str, dict[str, None]] = {}
    last: dict[str, str] = {}
    match: re.Match[str] | None
    for line in said.splitlines():
        match = _FOUND.search(line)
        if match is not None:
            last[match[1]] = match[2]
        else:
            match = _PASSED.search(line)
            if match is not None and match[1] in last:
                passed.setdefault(normalise_name(match[1]), {})[last[match[1]]] = None
    return _Answer(
        packages=tuple(packages),
        tried=tried,
        passed_over={name: tuple(versions) for name, versions in passed.items()},
        dateless=dateless,
        early=tuple(_EARLY.findall(said)),
        looked_at=frozenset(normalise_name(name) for name in last),
    )


def _problem(said: str) -> str:
    """Uv's own explanation, on one line."""
    lines = [line.strip() for line in said.splitlines() if not re.match(r"\s*(TRACE|DEBUG|warning)", line)]
    return " ".join(" ".join(lines).removeprefix("error:").split())[:300]


def _same(one: str, other: str) -> bool:
    """Whether two versions are equal but for how they are written (`1.0` and `1.0.0`)."""
    return _canonical(one) == _canonical(other)


def _canonical(version: str) -> str:
    public, plus, local = version.lower().strip().removeprefix("v").partition("+")
    return re.sub(r"(\.0+)+$", "", public) + plus + re.sub(r"[-_]", ".", local)


_VERSION = re.compile(
    r"v?(?:(?P<epoch>\d+)!)?(?P<release>\d+(?:\.\d+)*)(?:[-_.]?(?P<pre>a|b|c|rc|alpha|beta|pre|preview)[-_.]?(?P<pre_number>\d*))?"
    r"(?:(?:-|[-_.]?(?P<post>post|rev|r)[-_.]?)(?P<post_number>\d*))?(?:[-_.]?(?P<dev>dev)[-_.]?(?P<dev_number>\d*))?"
)


def version_key(version: str) -> tuple[object, ...]:
    """What versions are ordered by; local parts are left out. Spec: PEP 440, "Summary of permitted suffixes"."""
    match = _VERSION.match(version.lower())
    if match is None:
        return (0, (), 0, 0, 0, 0, 0)
    release = tuple(int(part) for part in re.sub(r"(\.0+)+$", "", match["release"]).split("."))
    pre = {"a": 1, "alpha": 1, "b": 2, "beta": 2, "c": 3, "rc": 3, "pre": 3, "preview": 3}.get(match["pre"] or "", 4)
    is_post = match["post"] is not None or bool(match["post_number"])
    if match["dev"] and pre == 4 and not is_post:
        pre = 0
    post = int(match["post_number"] or 0) + 1 if is_post else 0
    dev = int(match["dev_number"] or 0) if match["dev"] else sys.maxsize
    return (int(match["epoch"] or 0), release, pre, int(match["pre_number"] or 0), post, dev)


def _wheel(
    package: _Package, interpreter: Interpreter, hashes: Sequence[str], *, is_requested: bool, local: Mapping[str, str]
) -> Wheel | Doubt:
    by_name: dict[str, Mapping[str, Any]] = {}
    for file in package.files:
        place = str(file.get("url") or file.get("path") or "")
        filename = str(file.get("name") or unquote(urldefrag(place)[0]).rpartition("/")[2])
        known = file.get("hashes", {}).get("sha256", "")
        if hashes and f"sha256:{known}" not in hashes:
            continue
        by_name.setdefault(filename, file)
    filename = best_wheel(list(by_name), interpreter) or ""
    if not filename:
        return Doubt(
            text("`{name}` {version} has no wheel that is allowed here", name=package.name, version=package.version)
        )
    file = by_name[filename]
    url = str(file.get("url") or "")
    path = str(file.get("path") or "")
    if path and not path.startswith("/"):
        return Doubt(
            text("`{name}` {version} has no wheel that is allowed here", name=package.name, version=package.version)
        )
    sha256 = str(file.get("hashes", {}).get("sha256", ""))
    here = path or (unquote(url.removeprefix("file://")) if url.startswith("file://") else "")
    if not sha256 and here and os.path.isfile(here):
        sha256 = sha256_of(here)
    if not sha256:
        return Doubt(text("the index says no hash of `{filename}`", filename=filename))
    if here:
        url = f"file://{local.get(here, here)}"
    uploaded = file.get("upload-time")
    return Wheel(
        name=package.name,
        version=package.version,
        filename=filename,
        url=url,
        sha256=sha256,
        size_bytes=file.get("size"),
        uploaded=uploaded.isoformat().replace("+00:00", "Z") if uploaded is not None else "",
        requested=is_requested,
        direct_url=_direct_url(url, sha256) if package.is_direct else "",
    )


def _direct_url(url: str, sha256: str) -> str:
    """Spec: PyPA "Recording the Direct URL Origin of installed distributions"."""
    from teul.build.python.indexes import without_password

    archive = {"hash": f"sha256={sha256}", "hashes": {"sha256": sha256}}
    return json.dumps({"archive_info": archive, "url": without_password(urldefrag(url)[0])}, sort_keys=True)


def uv_program() -> str:
    """The uv that was installed with teul.

    Raises:
        HostLacks: there is none.
    """
    beside = f"{os.path.dirname(sys.executable)}/uv"
    if os.access(beside, os.X_OK):
        return beside
    try:
        import uv

        return str(uv.find_uv_bin())
    except (ImportError, FileNotFoundError):
        return process.require("uv")


def uv_version() -> str:
    """The version of uv, as far as its package says."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("uv")
    except PackageNotFoundError:
        return ""
