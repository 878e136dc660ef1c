"""`--check-reproducible`: build again under other circumstances, and name the first path that came out differently.

The second build runs every step, at another date (where libfaketime is on this host), with another umask and time zone,
on one processor, from a copy of the context with other times (unless that is large). Nothing of it is kept.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import time
from contextlib import ExitStack, contextmanager

from teul.errors import text
from teul.events import Warn, silent
from teul.oci.digest import Digest
from teul.oci.runtime import Mount
from teul.solver.graph import walk
from teul.values import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from dataclasses import dataclass

    from teul.engine import Engine
    from teul.engine.build import BuildOptions, BuildResult
    from teul.errors import Text
    from teul.events import Sink
    from teul.solver.graph import Result, Vertex
    from teul.solver.solve import Solution
else:
    from teul.values import dataclass

SHIFT = "+26h"
"""Another day and another hour, but no certificate's and no package list's end."""
UMASK = 0o077
ZONE = "Pacific/Kiritimati"
COPY_LIMIT_BYTES = 64 << 20
COPY_LIMIT_FILES = 20_000
FAKETIME = "/usr/lib/{machine}-linux-gnu/faketime/libfaketime.so.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The first path that differs: the step that wrote it, what differs, and what can be done."""

    step: str
    path: str
    what: Text
    hint: Text | None = None


def check_reproducible(
    engine: Engine, options: BuildOptions, *, events: Sink = silent
) -> tuple[BuildResult, Difference | None]:
    """Build, build again, compare. The image is that of the first build.

    Raises:
        As `teul.engine.build.build`.
    """
    from teul.engine.build import Session
    from teul.engine.build.options import tags_of
    from teul.engine.system import collect

    first = Session(engine, options, events)
    try:
        solution = first.solve()
        result = first.finish(solution, tags_of(options))
        with _other_circumstances(engine, options, events) as (changed, mounts):
            second = Session(engine, changed, events, is_trial=True)
            try:
                second.worker.extra_mounts = mounts
                again = second.solve()
                found = _compare(engine, first.lowered.vertex, solution, again)
            finally:
                second.close()
    finally:
        first.close()
    collect(engine)
    return result, found


@contextmanager
def _other_circumstances(
    engine: Engine, options: BuildOptions, events: Sink
) -> Iterator[tuple[BuildOptions, tuple[Mount, ...]]]:
    with ExitStack() as stack:
        folder = f"{engine.settings.run_root}/again-{os.urandom(6).hex()}"
        os.makedirs(folder, mode=0o700)
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        context = _copied(options.context, f"{folder}/another place")
        if not context:
            events(Warn("", "same-path", text("the context is large: it is built from the same path again")))
        mounts = _other_date(folder)
        if not mounts:
            events(Warn("", "same-date", text("no libfaketime on this host: the second build has the same date")))
        umask = os.umask(UMASK)
        stack.callback(os.umask, umask)
        processors = os.sched_getaffinity(0)
        stack.callback(os.sched_setaffinity, 0, processors)
        os.sched_setaffinity(0, {max(processors)})
        zone = os.environ.get("TZ")
        stack.callback(_set_zone, zone)
        _set_zone(ZONE)
        changed: BuildOptions = replace(
            options,
            context=context or options.context,
            dockerfile=_moved(options.dockerfile, options.context, context),
            no_cache=True,
            pull=False,
            tags=(),
            outputs=(),
            cache_from=(),
            cache_to=(),
        )
        yield changed, mounts


def _set_zone(zone: str | None) -> None:
    if zone is None:
        os.environ.pop("TZ", None)
    else:
        os.environ["TZ"] = zone
    time.tzset()


def _moved(dockerfile: str, context: str, copy: str) -> str:
    """The Dockerfile's path in the copy, where it lies in the context; relative ones are found there anyway."""
    if not copy or not dockerfile:
        return dockerfile
    inside = os.path.relpath(os.path.realpath(dockerfile), os.path.realpath(context))
    return dockerfile if inside.startswith("..") or not os.path.exists(f"{copy}/{inside}") else f"{copy}/{inside}"


def _copied(context: str, target: str) -> str:
    """A copy of a small context, with modes and without times; "" for a large one, or one that cannot be copied."""
    size = count = 0
    for place, _, names in os.walk(context):
        for name in names:
            count += 1
            size += os.lstat(f"{place}/{name}").st_size
            if size > COPY_LIMIT_BYTES or count > COPY_LIMIT_FILES:
                return ""
    try:
        shutil.copytree(context, target, symlinks=True, copy_function=shutil.copy)
    except (OSError, shutil.Error):
        return ""
    return target


def _other_date(folder: str) -> tuple[Mount, ...]:
    """What makes every process of a RUN that is linked with glibc see another date."""
    library = FAKETIME.format(machine=os.uname().machine)
    if not os.path.exists(library):
        return ()
    inside = "/run/.teul-date.so"
    for name, content in (("preload", inside), ("rc", SHIFT)):
        with open(f"{folder}/{name}", "w") as file:
            file.write(content + "\n")
            os.fchmod(file.fileno(), 0o644)
    os.chmod(folder, 0o711)
    return tuple(
        Mount("bind", source, target, ("rbind", "nosuid", "nodev", "ro"))
        for source, target in (
            (library, inside),
            (f"{folder}/rc", "/etc/faketimerc"),
            (f"{folder}/preload", "/etc/ld.so.preload"),
        )
    )


# Comparing


def _compare(engine: Engine, target: Vertex, first: Solution, second: Solution) -> Difference | None:
    others = {vertex.digest: outcome.result for vertex, outcome in second.outcomes.items()}
    for vertex in walk([target]):
        one, other = first.outcomes.get(vertex), others.get(vertex.digest)
        if one is None or other is None or one.result.digest == other.digest:
            continue
        below = len(first.result(vertex.inputs[0]).data["diff_ids"]) if vertex.inputs else 0
        return _first_path(vertex.name, _files(engine, one.result, below), _files(engine, other, below))
    return None


def _files(engine: Engine, result: Result, below: int) -> dict[bytes, bytes]:
    """Path → place on this machine, of what the layers above *below* hold; the topmost wins."""
    diff_ids = [Digest(item) for item in result.data["diff_ids"]]
    made: dict[bytes, bytes] = {}
    for name in engine.snapshots.resolve(diff_ids)[below:]:
        top = os.fsencode(engine.snapshots.layer(name).folder)
        for place, folders, names in os.walk(top):
            for entry in (*folders, *names):
                full = place + b"/" + entry
                made[full[len(top) + 1 :]] = full
    return made


def _first_path(step: str, one: dict[bytes, bytes], other: dict[bytes, bytes]) -> Difference:
    for path in sorted({*one, *other}):
        shown = "/" + path.decode("utf-8", "backslashreplace")
        if path not in one or path not in other:
            which = text("is only in the second build") if path not in one else text("is only in the first build")
            return Difference(step=step, path=shown, what=which, hint=_hint(shown, b"", b""))
        what, before, after = _what(one[path], other[path])
        if what is not None:
            return Difference(step=step, path=shown, what=what, hint=_hint(shown, before, after))
    return Difference(step=step, path="/", what=text("the order or the number of layers differs"))


def _what(one: bytes, other: bytes) -> tuple[Text | None, bytes, bytes]:
    a, b = os.lstat(one), os.lstat(other)
    if stat.S_IFMT(a.st_mode) != stat.S_IFMT(b.st_mode):
        return text("is another kind of file"), b"", b""
    if (a.st_mode, a.st_uid, a.st_gid) != (b.st_mode, b.st_uid, b.st_gid):
        before = f"{stat.S_IMODE(a.st_mode):04o} {a.st_uid}:{a.st_gid}"
        after = f"{stat.S_IMODE(b.st_mode):04o} {b.st_uid}:{b.st_gid}"
        return text("mode and owner: {before} → {after}", before=before, after=after), b"", b""
    if stat.S_ISLNK(a.st_mode):
        before_link, after_link = os.readlink(one), os.readlink(other)
        if before_link != after_link:
            return (
                text("points to {before} → {after}", before=_quoted(before_link), after=_quoted(after_link)),
                b"",
                b"",
            )
    elif stat.S_ISREG(a.st_mode):
        found = _content(one, other)
        if found is not None:
            return found
    if a.st_mtime_ns != b.st_mtime_ns and not stat.S_ISDIR(a.st_mode):
        return text("its time: {before} → {after}", before=a.st_mtime_ns, after=b.st_mtime_ns), b"", b""
    return None, b"", b""


def _content(one: bytes, other: bytes) -> tuple[Text, bytes, bytes] | None:
    offset = 0
    with open(one, "rb") as first, open(other, "rb") as second:
        while True:
            a, b = first.read(1 << 20), second.read(1 << 20)
            if a != b:
                break
            if not a:
                return None
            offset += len(a)
    at = next((number for number, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    before, after = _around(a, at), _around(b, at)
    return (
        text(
            "content, from byte {offset}: {before} → {after}",
            offset=offset + at,
            before=_quoted(before),
            after=_quoted(after),
        ),
        before,
        after,
    )


def _around(data: bytes, at: int) -> bytes:
    """The line around a byte, at most eighty bytes of it."""
    start = max(data.rfind(b"\n", 0, at) + 1, at - 40)
    end = data.find(b"\n", at)
    return data[start : min(end if end >= 0 else len(data), start + 80)]


def _quoted(data: bytes) -> str:
    shown = data.decode("utf-8", "backslashreplace")
    return "`" + "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in shown) + "`"


_TIME = re.compile(
    rb"\b20\d\d[-/.]?[01]\d[-/.]?[0-3]\d|\b1[6-9]\d{8}|\d\d:\d\d:\d\d|(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) "
)


def _hint(path: str, before: bytes, after: bytes) -> Text | None:
    """What usually makes such a file differ, and what helps."""
    name = path.rpartition("/")[2]
    if name.endswith(".pyc"):
        return text(
            "compiled Python names the place of its source: `pip install --no-compile`, or `--prefix` for `--target`"
        )
    if path.startswith("/var/lib/apt/lists/"):
        return text("the package lists of today: end the RUN with `rm -rf /var/lib/apt/lists/*`")
    if ".dist-info/" in path or ".egg-info/" in path or path.startswith("/var/lib/dpkg/"):
        return text("another version was installed: pin versions (`name==1.2.3`), or build with a lock")
    if path.startswith(("/tmp/", "/var/tmp/", "/var/cache/", "/root/.cache/")) or name.endswith(
        (".log", ".tmp", ".pid")
    ):
        return text("nothing needs it: remove it in the RUN that makes it")
    if name.endswith((".pem", ".key", ".crt", "_key", ".pub")) or name in ("random-seed", "machine-id"):
        return text("made at random: make it when the container starts")
    if name.endswith((".gz", ".tgz")):
        return text("gzip keeps the time: `gzip -n`, and `tar --sort=name --mtime=@0`")
    if name.endswith((".a", ".o", ".so")):
        return text("compiled here: `ar -D`, `-ffile-prefix-map`, no `__DATE__`, and SOURCE_DATE_EPOCH")
    if name.endswith((".zip", ".jar", ".whl")):
        return text("archives keep times: set SOURCE_DATE_EPOCH, or `zip -X` after `touch -d @0`")
    if _TIME.search(before) and _TIME.search(after):
        return text("it holds the time of the build: write SOURCE_DATE_EPOCH in its place")
    return text(
        "the step writes something else each time: a random number, an order, a process id, the number of processors"
    )
