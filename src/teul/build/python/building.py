"""Source archives, built once in the stage by its own pip and kept as wheels.

A wheel is known by the archive's digest, the interpreter, the layers that have a say in what a compiler finds, and the
variables. The archive is built in a copy of the stage that is thrown away, so that only the wheel remains; where that
fails, the command itself runs and shows what pip says.
"""

from __future__ import annotations

import hashlib
import json
import os

from teul.build.python.interpreter import relevant_layers
from teul.build.python.values import Wheel
from teul.errors import LockError, text
from teul.oci.digest import Digest
from teul.solver.graph import digest_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from teul.build.python.attempt import Stage
    from teul.build.python.command import Install
    from teul.build.python.indexes import Indexes
    from teul.build.python.lock import LockedWheel
    from teul.build.python.values import Interpreter
    from teul.errors import Text

FORM = 2
SIZE_LIMIT_BYTES = 2 << 30
# `name\n` and the wheel's bytes, so that one file says both.
SCRIPT = r"""
import os, subprocess, sys, tempfile
target, *words = sys.argv[1:]
folder = tempfile.mkdtemp()
code = subprocess.call([sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-cache-dir", "--wheel-dir", folder, *words])
names = [name for name in os.listdir(folder) if name.endswith(".whl")]
if code or len(names) != 1:
    sys.exit(code or 1)
with open(folder + "/" + names[0], "rb") as source, open(target, "wb") as file:
    file.write(names[0].encode() + b"\n" + source.read())
"""


def built_wheel(
    stage: Stage,
    python: Interpreter,
    indexes: Indexes,
    *,
    name: str,
    version: str,
    url: str,
    sha256: str,
    is_asked: bool,
) -> Wheel | None:
    """The wheel of the source archive at *url*, in the store; None where it could not be built."""
    key = _key(stage, python, sha256)
    row = stage.worker.cache.find(key)
    if row is not None:
        blob = Digest(row["data"]["wheel"])
        stage.worker.hold("blob", blob)
        if stage.worker.store.has(blob):
            return _made(name, version, str(row["data"]["filename"]), blob, sha256, is_asked)
    from teul.values import replace

    stage.say(text("building a wheel of {name} {version}, once", name=name, version=version))
    path = f"/tmp/.teul-wheel-{os.urandom(6).hex()}"
    words = (*_options(indexes), f"{url.partition('#')[0]}#sha256={sha256}")
    assert stage.rehearsal is not None
    data = stage.rehearsal.file(replace(stage.op, args=(python.path, "-c", SCRIPT, path, *words)), path)
    filename, newline, content = (data or b"").partition(b"\n")
    if not newline or b"/" in filename:
        return None
    plain = plain_wheel(content)
    if plain is None:
        return None
    blob = Digest.from_hex(hashlib.sha256(plain).hexdigest())
    keep(stage, blob, plain)
    value = {"wheel": str(blob), "filename": filename.decode()}
    stage.worker.cache.put(key, "", f"wheel of {name} {version}", {"digest": key, "data": value})
    return _made(name, version, filename.decode(), blob, sha256, is_asked)


def rebuilt(stage: Stage, python: Interpreter, indexes: Indexes, wheel: LockedWheel) -> bytes:
    """The content of *wheel*, which the lock says was built from source: as it is in the store, or built once more.

    Raises:
        LockError: it cannot be built here, or becomes another wheel.
    """
    store = stage.worker.store
    digest = Digest.from_hex(wheel.sha256)
    stage.worker.hold("blob", digest)
    if not store.has(digest):
        if stage.worker.is_offline:
            raise LockError(
                text("wheel `{name}` is not on this machine", name=wheel.filename),
                hint=text("build once without --offline"),
            )
        url = _source_of(stage, python, indexes, wheel)
        made = built_wheel(
            stage, python, indexes, name=wheel.name, version=wheel.version, url=url, sha256=wheel.built_from, is_asked=False
        )  # fmt: skip
        if made is None:
            raise _disobeyed(text("`{name}` {version} cannot be built", name=wheel.name, version=wheel.version))
        if made.sha256 != wheel.sha256:
            raise _disobeyed(
                text(
                    "`{name}` {version}, built from the same source archive, is another wheel here: expected "
                    "sha256:{expected}, got sha256:{actual}",
                    name=wheel.name,
                    version=wheel.version,
                    expected=wheel.sha256,
                    actual=made.sha256,
                )
            )
    with store.open_file(digest) as file:
        return file.read()


def _source_of(stage: Stage, python: Interpreter, indexes: Indexes, wheel: LockedWheel) -> str:
    """Where the index has the source archive that *wheel* was built from, as pip says."""
    from teul.values import replace

    path = f"/tmp/.teul-report-{os.urandom(6).hex()}.json"
    words = ("--dry-run", "--quiet", "--no-deps", "--ignore-installed", "--report", path, "--no-binary", wheel.name)
    args = (python.path, "-m", "pip", "install", *words, *_options(indexes), f"{wheel.name}=={wheel.version}")
    assert stage.rehearsal is not None
    data = stage.rehearsal.file(replace(stage.op, args=args, cwd="/"), path)
    try:
        found = json.loads(data or b"")["install"][0]["download_info"]
        url, sha256 = str(found["url"]), str(found["archive_info"]["hashes"]["sha256"])
    except (ValueError, KeyError, IndexError, TypeError):
        url, sha256 = "", ""
    if sha256 != wheel.built_from:
        raise _disobeyed(
            text("the index has no source archive of `{name}` {version} of that hash", name=wheel.name, version=wheel.version)
        )  # fmt: skip
    return url


def _disobeyed(problem: Text) -> LockError:
    return LockError(
        text("the lock cannot be obeyed: {problem}", problem=problem),
        hint=text("remove the lock, and build with --lock"),
    )


def plain_wheel(content: bytes) -> bytes | None:
    """*content* as it is on every machine: without the times of the build, uncompressed; None for what is no wheel."""
    from io import BytesIO
    from zipfile import ZIP_STORED, BadZipFile, ZipFile, ZipInfo

    made = BytesIO()
    try:
        with ZipFile(BytesIO(content)) as source, ZipFile(made, "w", ZIP_STORED) as target:
            if sum(info.file_size for info in source.infolist()) > SIZE_LIMIT_BYTES:
                return None
            for info in sorted(source.infolist(), key=lambda item: item.filename):
                plain = ZipInfo(info.filename)
                plain.external_attr, plain.create_system = info.external_attr, 3
                target.writestr(plain, source.read(info))
    except (BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError):
        return None
    return made.getvalue()


def keep(stage: Stage, digest: Digest, content: bytes) -> None:
    """Put a wheel into the store.

    Raises:
        DigestMismatch: it is another.
    """
    stage.worker.hold("blob", digest)
    if not stage.worker.store.has(digest):
        with stage.worker.store.ingest(expected=digest) as writer:
            writer.write(content)
            writer.commit()


def install_words(install: Install) -> list[str]:
    """The words of `pip install` that *install* stands for."""
    words = []
    for values, option in (
        (install.extra_index_urls, "--extra-index-url"), (install.find_links, "--find-links"), (install.trusted_hosts, "--trusted-host"),
        (install.only_binary, "--only-binary"), (install.files, "--requirement"), (install.constraints, "--constraint"),
        ((install.index_url,) if install.index_url else (), "--index-url"),
    ):  # fmt: skip
        words += [f"{option}={value}" for value in values]
    switches = {
        "--no-index": install.no_index, "--no-deps": install.no_deps, "--pre": install.pre, "--upgrade": install.upgrade,
        "--require-hashes": install.require_hashes, "--prefer-binary": install.prefer_binary,
        "--break-system-packages": install.break_system_packages,
    }  # fmt: skip
    words += [option for option, is_on in switches.items() if is_on]
    return [*words, "--", *install.requirements]


def _made(name: str, version: str, filename: str, blob: Digest, source: str, is_asked: bool) -> Wheel:
    sha256 = str(blob).rpartition(":")[2]
    return Wheel(
        name=name, version=version, filename=filename, url="", sha256=sha256, requested=is_asked, built_from=source
    )


def _key(stage: Stage, python: Interpreter, sha256: str) -> str:
    snapshots = stage.worker.snapshots
    layers = relevant_layers([(name, snapshots.layer(name).folder) for name in stage.parents], [python.path])
    known = [
        list(python.version),
        python.identity,
        python.libc,
        list(python.libc_version),
        python.machine,
        python.prefix,
    ]
    return digest_of(["built wheel", FORM, sha256, known, layers, sorted(stage.op.env)])


def _options(indexes: Indexes) -> Sequence[str]:
    """What pip is told of the indexes that the command uses, for what the archive needs to be built."""
    words = ["--index-url", indexes.default] if indexes.default else ["--no-index"]
    for place in indexes.extra:
        words += ["--extra-index-url", place]
    for place in indexes.find_links:
        words += ["--find-links", place]
    for host in indexes.trusted_hosts:
        words += ["--trusted-host", host]
    return words
