"""Asking uv: one resolution for a stage's Python, with uv's own account of how it came to it.

uv runs with a configuration of its own and builds nothing. What it says on stderr (its trace) is part of the answer, so
teul depends on one minor version of it; where the account lacks a package, that is a doubt.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys

from teul.build.python.as_of import as_day
from teul.build.python.indexes import Indexes, configuration, remote
from teul.build.python.requirements import normalise_name
from teul.build.python.tags import is_known_to_uv, uv_platform
from teul.build.python.values import Doubt
from teul.errors import NoUploadTimes, text
from teul.host import process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from dataclasses import dataclass
    from typing import Any

    from teul.build.python.command import Install
    from teul.build.python.lock import Lock, LockedWheel
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
_ADDED = re.compile(r"Adding transitive dependency for .*?: ([^\s\[{<>=!~]+)(?:\[[^\]]*\])?(?:\{.*\})?([<>=!~].*)")
_EXACT = re.compile(r">=(\S+), <\1\+|==\S+")
_EARLY = re.compile(r"\d(?:a|b|rc)\d|\.dev[1-9]")
"""A package that asks for a pre-release of another: pip then takes any, uv none that the user did not name. Exact
versions leave no choice; `.dev0` is how uv writes an open end.
"""
_MISSING = ("not found in the", "needs to be downloaded", "network was disabled", "Network connectivity is disabled")
"""Words of uv's explanations that say that it did not see all there is."""
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
    should_stop: Callable[[], bool] | None = None
    """Whether the build is to end; uv is not waited for then."""
    built: Callable[[LockedWheel, Indexes, Interpreter], bytes] | None = None
    """The content of a wheel that the lock says was built from source, built again where it is not in the store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """One distribution of an answer, with the files that fit the platform."""

    name: str
    version: str
    files: tuple[Mapping[str, Any], ...]
    """As PEP 751 writes wheels: `url` or `path`, `hashes`, `size`, `upload-time`."""
    is_direct: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What uv found, and how."""

    packages: tuple[Package, ...]
    tried: Mapping[str, int]
    passed_over: Mapping[str, tuple[str, ...]]
    """Name → versions that were not usable, newest first."""
    dateless: tuple[str, ...]
    early: tuple[str, ...] = ()
    """Packages of which another package wants a pre-release."""
    looked_at: frozenset[str] = frozenset()
    """Packages of which uv told which candidates it found."""


class Question:
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

    def ask(self, *, config: str = "uv.toml") -> Answer | Doubt:
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
            problem = _problem(said)
            if "building from source is disabled" in " ".join(said.split()) or "no usable wheels" in problem:
                return Doubt(text("uv builds no source archives: {problem}", problem=problem), is_of_choice=True)
            if self.host.is_offline:
                return Doubt(
                    text("not all of it is on this machine (build once without --offline): {problem}", problem=problem)
                )
            return Doubt(text("uv found no answer: {problem}", problem=problem))
        with open(output, "rb") as file:
            answer = _read_answer(file.read(), said, dateless)
        return answer if is_known_to_uv(self.interpreter) else self._with_all_files(answer)

    def _with_all_files(self, answer: Answer) -> Answer | Doubt:
        """*answer* with the files for every platform, for which uv is asked once more, for these versions alone."""
        from teul.values import replace

        pins = [f"{package.name}=={package.version}" for package in answer.packages if not package.is_direct]
        if not pins:
            return answer
        self._write("pinned.in", "\n".join(pins) + "\n")
        output = f"{self.folder}/pylock.pinned.toml"
        more = ("--universal", "--no-deps", "--quiet", "--prerelease", "allow", "--output-file", output)
        done = self._run(["pinned.in", *more], is_alone=True)
        if done.exit_code != 0:
            return Doubt(text("uv found no answer: {problem}", problem=_problem(done.stderr.decode(errors="replace"))))
        with open(output, "rb") as file:
            every = {package.name: package.files for package in _read_answer(file.read(), "", ()).packages}
        packages = tuple(replace(item, files=every.get(item.name, item.files)) for item in answer.packages)
        made: Answer = replace(answer, packages=packages)
        return made

    def _run(
        self, arguments: Sequence[str], *, config: str = "uv.toml", has_sources: bool = False, is_alone: bool = False
    ) -> process.Completed:
        version = ".".join(str(part) for part in self.interpreter.version)
        argv = [
            uv_program(), "pip", "compile", *arguments, "--format", "pylock.toml", "--config-file", config,
            "--python", sys.executable, "--python-version", version,
            "--cache-dir", self.host.cache_folder, "--no-header", "--no-annotate", "--color", "never", "--no-progress",
            "--no-python-downloads",
        ]  # fmt: skip
        if "--universal" not in arguments:
            argv += ["--python-platform", uv_platform(self.interpreter)]
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
        return process.run(
            argv, env=env, cwd=self.folder, check=False, timeout_s=UV_TIMEOUT_S, should_stop=self.host.should_stop
        )

    def _no_upload_times(self) -> NoUploadTimes:
        return NoUploadTimes(
            text(
                "index {places}: it does not say when files were uploaded, so what it had on {date} cannot be told",
                places=", ".join(f"`{place}`" for place in self.indexes.shown()),
                date=as_day(self.host.as_of),
            ),
            hint=text("without --as-of, or with an index that has upload times (https://pypi.org/simple)"),
        )

    def doubt_of(self, answer: Answer) -> Doubt | None:
        """Why pip might have answered otherwise."""
        for package in answer.packages:
            is_known = package.is_direct or package.name in self.kept or package.name in answer.looked_at
            if package.name not in answer.tried or not is_known:
                return Doubt(text("uv does not say how it found `{name}`", name=package.name), is_of_choice=True)
        searched = sorted(name for name, count in answer.tried.items() if count > 1)
        if self.install.tool == "uv":
            searched = []  # the stage's uv searches in the same way
        if searched and (len(searched) > 1 or not self._is_newest_possible(searched[0], answer)):
            name = searched[0]
            return Doubt(
                text(
                    "the resolver had to search: it tried {count} versions of `{name}`",
                    count=answer.tried[name],
                    name=name,
                ),
                is_of_choice=True,
            )
        chosen = {package.name: package.version for package in answer.packages}
        if not (self.install.pre or self.wanted.pre or self.install.tool == "uv"):
            for name in sorted(set(answer.early) & chosen.keys()):
                if self._newest_of_all(name, chosen[name]) != chosen[name]:
                    return Doubt(text("a package asks for a pre-release of `{name}`", name=name), is_of_choice=True)
        only_binary = (*self.install.only_binary, *self.wanted.only_binary)
        binary = {normalise_name(name) for value in only_binary for name in value.split(",") if name != ":all:"}
        is_binary = ":all:" in only_binary
        is_binary = is_binary or self.install.prefer_binary or self.wanted.prefer_binary
        if not is_binary:
            for name, versions in sorted(answer.passed_over.items()):
                if (
                    name in chosen
                    and name not in binary
                    and name not in self.kept
                    and self._has_source_only(name, chosen[name], versions)
                ):
                    return Doubt(
                        text("`{name}` has a newer version as a source archive only", name=name), is_of_choice=True
                    )
        if len(remote(self.indexes)) > 1 and self.indexes.strategy == "unsafe-best-match":
            other = self.ask(config="reverse.toml")
            if isinstance(other, Doubt):
                return other
            if _files(other) != _files(answer):
                return Doubt(text("the indexes have different files of one version"), is_of_choice=True)
        return None

    def _is_newest_possible(self, name: str, answer: Answer) -> bool:
        """Whether no newer version of *name* goes with what the user asked for, at the versions of *answer*.

        Then both tools go down its versions to the first that goes with the rest, which is the answer's.
        """
        chosen = {package.name: package.version for package in answer.packages if not package.is_direct}
        if name not in chosen or name in self.kept:
            return False
        asked = {item.name for item in self.wanted.wanted} - {name}
        lines = [f"{name}>{chosen[name]}", *(f"{other}=={chosen[other]}" for other in sorted(asked & chosen.keys()))]
        self._write("above.in", "\n".join(lines) + "\n")
        output = ("--output-file", f"{self.folder}/pylock.above.toml", "--quiet")
        question = ["requirements.in", "--constraints", "constraints.in", "--constraints", "above.in", *output]
        # The pages were fetched a moment ago. Without a network uv only ever takes versions for missing, and says so.
        for more in (("--offline",), ()):
            done = self._run([*question, *more])
            if done.exit_code == 0:
                return False
            said = " ".join(done.stderr.decode(errors="replace").split())
            if "No solution found" in said and not any(words in said for words in _MISSING):
                return True
        return False

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
        asked = [
            name,
            chosen,
            versions,
            self.indexes.all,
            self.interpreter.version,
            uv_platform(self.interpreter),
            list(self.interpreter.libc_version),
        ]
        key = hashlib.sha256(json.dumps([*asked, self.host.as_of, uv_version()]).encode()).hexdigest()
        path = f"{self.host.cache_folder}/teul-passed-over/{key}"
        if os.path.exists(path):
            return False
        is_known = is_known_to_uv(self.interpreter)
        reasons = _REASONS if is_known else tuple(item for item in _REASONS if item != "matching platform")
        for version in versions:
            # With `==` a yanked version would be taken.
            self._write("why.in", f"{name}>={version},<={version}\n")
            done = self._run(["why.in", "--offline", "--quiet"], config="remote.toml", has_sources=True)
            said = " ".join(done.stderr.decode(errors="replace").split())
            if done.exit_code == 0 or not any(reason in said for reason in reasons):
                return True
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w"):
            pass
        return False


def _files(answer: Answer) -> list[tuple[str, str, list[str]]]:
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


def _read_answer(data: bytes, said: str, dateless: tuple[str, ...]) -> Answer:
    import tomllib

    packages = []
    for item in tomllib.loads(data.decode())["packages"]:
        archive = item.get("archive")
        files = (archive,) if archive else tuple(item.get("wheels", ()))
        packages.append(
            Package(
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
    return Answer(
        packages=tuple(packages),
        tried=tried,
        passed_over={name: tuple(versions) for name, versions in passed.items()},
        dateless=dateless,
        early=tuple(match[1] for match in _ADDED.finditer(said) if _EARLY.search(_EXACT.sub("", match[2]))),
        looked_at=frozenset(normalise_name(name) for name in last),
    )


def _problem(said: str) -> str:
    """Uv's own explanation, on one line."""
    lines = [line.strip() for line in said.splitlines() if not re.match(r"\s*(TRACE|DEBUG|warning)", line)]
    return " ".join(" ".join(lines).removeprefix("error:").split())[:300]


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


def is_newer(version: str, other: str) -> bool:
    """Whether *version* comes after *other*; not where they differ in the local part alone."""
    return version_key(version) > version_key(other)


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
