"""What an install command would install, resolved by uv for the stage's Python; a doubt where pip might differ.

uv and pip choose the same wherever neither has to search: each package gets its newest version that all requirements
on it allow. So uv's own account of what it did is read, and its answer counts only if

- it tried one version of each package (it never went back), or of all but one, of which no newer version goes with
  what the user asked for;
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
import tempfile
from urllib.parse import unquote, urldefrag

from teul.build.python.indexes import Indexes, indexes_of, other_files, sha256_of
from teul.build.python.lock import LockedInstall, LockedWheel, preferred
from teul.build.python.markers import holds
from teul.build.python.requirements import read_requirements
from teul.build.python.tags import best_wheel, uv_platform
from teul.build.python.uv import Host, Package, Question, is_newer
from teul.build.python.values import Doubt, Installed, Resolution, Wheel
from teul.errors import LockError, text
from teul.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from teul.build.python.command import Install
    from teul.build.python.requirements import Requirements
    from teul.build.python.values import Interpreter
else:
    pass


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
    home: str = "/root",
) -> Resolution | Doubt:
    """What *install* and those that follow it do to the tree.

    Args:
        command: what the lock calls the instruction.
        home: of whom the command runs as.
        learned: gets what a lock has to say about each install.
        env: the environment of the process, for `${NAME}` in requirement files.
        read: the content of a file of the tree by absolute path, None where there is none; never leaves the tree.
        list_folder: the names in a folder of the tree, none where there is no such folder.

    Raises:
        NoUploadTimes: with `as_of`, an index that cannot tell.
        HostLacks: uv is not installed.
    """
    doubt = _doubt_of_tree(install, interpreter, read, list_folder, home)
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
            learned.append(locked(step, wanted, found, host, command))
        made = _joined(made, found)
    assert made is not None
    return made


def _joined(first: Resolution | None, second: Resolution) -> Resolution:
    if first is None:
        return second
    known = {wheel.name for wheel in first.wheels}
    more = tuple(wheel for wheel in second.wheels if wheel.name not in known)
    joined: Resolution = replace(
        first, wheels=(*first.wheels, *more), removed=tuple(dict.fromkeys((*first.removed, *second.removed)))
    )
    return joined


def _doubt_of_tree(
    install: Install,
    interpreter: Interpreter,
    read: Callable[[str], bytes | None],
    list_folder: Callable[[str], list[str]],
    home: str,
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
    for path in ("/etc/pip.conf", f"{home}/.config/pip/pip.conf", f"{home}/.pip/pip.conf", f"{interpreter.prefix}/pip.conf", "/etc/xdg/pip/pip.conf", f"{home}/.config/uv/uv.toml", "/etc/uv/uv.toml", f"{home}/.netrc"):  # fmt: skip
        if read(path) is not None:
            return Doubt(text("the stage has settings of its own in `{path}`", path=path))
    own = f"{home}/.local/lib/python{interpreter.version[0]}.{interpreter.version[1]}/site-packages"
    if not interpreter.is_virtual and list_folder(own):
        return Doubt(text("`{path}` is a place that Python imports from", path=own))
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
        return Doubt(text("packages from `{path}` of the stage", path=place), is_of_choice=True)
    counts = {item: holds(item.marker, interpreter) for item in wanted.wanted}
    hashes = {item.name: item.hashes for item in wanted.wanted if item.hashes and counts[item] is not False}
    needs_hashes = install.require_hashes or wanted.require_hashes or bool(hashes)
    if needs_hashes and install.tool == "pip" and any(not item.name for item in wanted.wanted):
        return Doubt(text("hashes of a wheel that has no name"))
    installed = {item.name: item for item in interpreter.installed}
    earlier = {wheel.name: wheel.version for wheel in before.wheels} if before else {}
    asked = {item.name for item in wanted.wanted if counts[item]}
    perhaps_asked = {item.name for item in wanted.wanted if counts[item] is None} - asked
    with tempfile.TemporaryDirectory(prefix="teul-resolve-") as folder:
        local = _fetch_local(wanted, folder, read)
        if isinstance(local, Doubt):
            return local
        pins: dict[str, LockedWheel] = {}
        kept_versions = {name: item.version for name, item in installed.items()} | earlier
        if install.upgrade:
            # uv's covers what is needed, too; pip's only what is asked for.
            is_whole = install.tool == "uv"
            kept_versions = {} if is_whole else {name: v for name, v in kept_versions.items() if name not in asked}
        lock = host.lock
        known = lock.find(_wants(install, wanted, host), *_target(interpreter)) if lock else None
        if known is not None:
            pins = {wheel.name: wheel for wheel in known.wheels}
        elif lock is not None:
            kept_versions = preferred(lock.of_command(command)) | kept_versions
        places = _with_built(indexes, pins, interpreter, host, folder)
        question = Question(folder, install, wanted, places, interpreter, host, local, kept_versions, pins)
        answer = question.ask()
        if isinstance(answer, Doubt):
            if known is not None:
                raise LockError(
                    text("the lock cannot be obeyed: {problem}", problem=answer.reason),
                    hint=text("remove the lock, and build with --lock"),
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
            if here is None or name in earlier or not is_newer(package.version, version):
                return Doubt(
                    text("`{name}` {old} below would become {new}", name=name, old=version, new=package.version)
                )
            removed.append(here)
        if name in perhaps_asked and install.tool != "uv":
            return Doubt(text("the condition under which `{name}` is asked for", name=name), is_of_choice=True)
        wheel = _wheel(
            package,
            interpreter,
            hashes.get(name, ()),
            # uv says so of all that it installs.
            is_requested=name in asked or package.is_direct or install.tool == "uv",
            local=local,
        )
        if isinstance(wheel, Doubt):
            return wheel
        if name in pins and pins[name].built_from and pins[name].sha256 == wheel.sha256:
            wheel = replace(wheel, url="", size_bytes=None, uploaded="", built_from=pins[name].built_from)
        elif known is not None and (name not in pins or pins[name].sha256 != wheel.sha256):
            wheel = _locked_wheel(package, pins.get(name), wheel)
        if needs_hashes and name not in hashes:
            return Doubt(text("`{name}` has no hash in the requirements", name=name))
        other = other_files(indexes, name, wheel.version, wheel.sha256, wheel.filename)
        if other and not wheel.direct_url:
            return Doubt(
                text("`{place}` has another `{filename}`", place=other, filename=wheel.filename), is_of_choice=True
            )
        wheels.append(wheel)
    return Resolution(
        interpreter=interpreter,
        wheels=tuple(wheels),
        kept=tuple(kept),
        removed=tuple(removed),
        installer=install.tool,
        compiles=install.compiles,
    )


def _with_built(
    indexes: Indexes, pins: Mapping[str, LockedWheel], interpreter: Interpreter, host: Host, folder: str
) -> Indexes:
    """*indexes* and a folder of the wheels that the lock says were built from source, since no index has them."""
    built = [pin for pin in pins.values() if pin.built_from]
    if not built or host.built is None:
        return indexes
    os.mkdir(f"{folder}/built")
    for pin in built:
        with open(f"{folder}/built/{os.path.basename(pin.filename)}", "wb") as file:
            file.write(host.built(pin, indexes, interpreter))
    made: Indexes = replace(indexes, find_links=(*indexes.find_links, f"{folder}/built"))
    return made


def _locked_wheel(package: Package, pin: LockedWheel | None, found: Wheel) -> Wheel:
    """The file that the lock names, where the index still has it.

    Raises:
        LockError: it has not.
    """
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
        hint=text("remove the lock, and build with --lock"),
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
    replaced = [(installed[wheel.name], wheel) for wheel in wheels if wheel.name in installed]
    if not all(is_newer(wheel.version, old.version) for old, wheel in replaced):
        return None
    missing = [wheel.filename for wheel in wheels if not host.has_blob(wheel.sha256) and not wheel.direct_url]
    if missing and host.is_offline:
        raise LockError(
            text("wheel `{name}` is not on this machine", name=missing[0]), hint=text("build once without --offline")
        )
    if missing:
        return None
    return Resolution(
        interpreter=interpreter,
        wheels=tuple(
            Wheel(
                name=wheel.name, version=wheel.version, filename=wheel.filename, sha256=wheel.sha256,
                url=str(json.loads(wheel.direct_url)["url"]) if wheel.direct_url else "", uploaded=wheel.uploaded,
                requested=wheel.requested or install.tool == "uv", direct_url=wheel.direct_url,
                built_from=wheel.built_from,
            )
            for wheel in wheels
        ),
        kept=tuple(installed[name] for name, _ in known.kept),
        removed=tuple(old for old, _ in replaced),
        installer=install.tool,
        compiles=install.compiles,
    )  # fmt: skip


def locked(install: Install, wanted: Requirements, found: Resolution, host: Host, command: str) -> LockedInstall:
    """What the lock says about *install*, which came to *found*."""
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
            for wheel in sorted(found.wheels, key=lambda wheel: wheel.name)  # whoever said it, uv or pip
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


def _same(one: str, other: str) -> bool:
    """Whether two versions are equal but for how they are written (`1.0` and `1.0.0`)."""
    return _canonical(one) == _canonical(other)


def _canonical(version: str) -> str:
    public, plus, local = version.lower().strip().removeprefix("v").partition("+")
    return re.sub(r"(\.0+)+$", "", public) + plus + re.sub(r"[-_]", ".", local)


def _wheel(
    package: Package, interpreter: Interpreter, hashes: Sequence[str], *, is_requested: bool, local: Mapping[str, str]
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
            text("`{name}` {version} has no wheel that is allowed here", name=package.name, version=package.version),
            is_of_choice=True,
        )
    file = by_name[filename]
    url = str(file.get("url") or "")
    path = str(file.get("path") or "")
    if path and not path.startswith("/"):
        return Doubt(
            text("`{name}` {version} has no wheel that is allowed here", name=package.name, version=package.version),
            is_of_choice=True,
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
