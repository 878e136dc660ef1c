"""Source archives, built once in the stage by its own pip and kept as wheels.

A wheel is known by the archive's digest, the interpreter, the layers that have a say in what a compiler finds, and the
variables. The archive is built in a copy of the stage that is thrown away, so that only the wheel remains; where that
fails, the command itself runs and shows what pip says.
"""

from __future__ import annotations

import hashlib
import os

from teul.build.python.interpreter import relevant_layers
from teul.build.python.values import Wheel
from teul.errors import text
from teul.oci.digest import Digest
from teul.solver.graph import digest_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from teul.build.python.attempt import Stage
    from teul.build.python.command import Install
    from teul.build.python.indexes import Indexes
    from teul.build.python.values import Interpreter

FORM = 1
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
    blob = Digest.from_hex(hashlib.sha256(content).hexdigest())
    keep(stage, blob, content)
    value = {"wheel": str(blob), "filename": filename.decode()}
    stage.worker.cache.put(key, "", f"wheel of {name} {version}", {"digest": key, "data": value})
    return _made(name, version, filename.decode(), blob, sha256, is_asked)


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
