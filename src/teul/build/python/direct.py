"""Doing an install without the command: a resolution becomes the layers that running it would give.

1. A wheel whose layer is known by its key (the wheel's digest, where it goes, the interpreter, whether bytecode is made)
   costs nothing: it is neither fetched nor unpacked.
2. Others are fetched, unpacked into a staging folder, compiled, and, when they are large, committed: all of it at the
   same time for several wheels.
3. The rule of `split` puts the small ones into buckets, and what says that a large one was asked for into layers of
   such notes. A bucket is made of what was just unpacked and of what lies in buckets that are known.
4. What is left (folders that were there before) is written on top.

Whatever is out of the ordinary raises, and the caller runs the command instead; nothing of the attempt is in its
result. Layers that were committed by then are right and only wait to be used.
"""

from __future__ import annotations

import os
import stat
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from threading import Lock

from teul.build.python.bytecode import Compiler
from teul.build.python.cut import Piece
from teul.build.python.fetch import fetch
from teul.build.python.identity import ARGUMENTS, ENVIRONMENT
from teul.build.python.item import Item, check_files, check_scheme, check_told, in_site, size_of
from teul.build.python.owner import Owner, check_access, give
from teul.build.python.replacing import Gone, Without, check_owners, hide
from teul.build.python.split import OWN_LAYER_BYTES, Distribution, bucket, group, notes_name, prune, write_record
from teul.build.python.wheel import (
    ScriptForm,
    compilable,
    compiled_path,
    folders_above,
    lay_out,
    line_end,
    make_folders,
    plain_record,
    record_of,
    told,
    uv_script_form,
    write,
)
from teul.errors import Cancelled, UnusualWheel, text
from teul.layers import pack
from teul.layers.lower import Lower
from teul.oci.digest import Digest
from teul.solver.graph import digest_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, BinaryIO, Protocol

    from teul.build.python.values import Interpreter, Resolution, Wheel
    from teul.content import Store
    from teul.errors import Text
    from teul.layers.lower import Lookup
    from teul.registry.transport import Transport
    from teul.snapshots.protocol import Snapshotter
    from teul.solver import Cache

    class RunInStage(Protocol):
        """Runs a command in a throw-away copy of the stage, without a network; gives its exit code."""

        def __call__(
            self,
            args: Sequence[str],
            *,
            binds: Sequence[tuple[str, str, bool]],
            stdin: int,
            more_env: Sequence[str],
            on_output: Callable[[bytes], None],
            should_stop: Callable[[], bool],
        ) -> int: ...


FORM = 4
"""Raised when a wheel's layer is made in another way, so that no older one is taken for it."""
ROOT = Owner()
NOTHING = Gone()
THREADS = 6
POLL_S = 0.2


class DirectInstall:
    """One install into one stage.

    Args:
        parents: the stage's layers, bottom first, as the snapshotter names them.
        scratch: names an empty active snapshot of this build, made and held; it is removed by the caller.
        read: the content of a file of the stage, None without one.
        say: a line for the user.
        abort: ends every transfer of `transport`'s.
        is_checked: bytecode is checked by its source's hash instead of its time (`SOURCE_DATE_EPOCH` is set).
        owner: whom the command runs as.
        gone: what pip takes away before (see `replacing`).
    """

    def __init__(
        self,
        resolution: Resolution,
        *,
        snapshots: Snapshotter,
        store: Store,
        cache: Cache,
        hold: Callable[..., None],
        transport: Callable[[], Transport],
        abort: Callable[[], None],
        run: RunInStage,
        read: Callable[[str], bytes | None],
        parents: Sequence[str],
        scratch: Callable[[], str],
        say: Callable[[Text], None],
        should_stop: Callable[[], bool],
        epoch: int,
        is_checked: bool = False,
        owner: Owner = ROOT,
        gone: Gone = NOTHING,
    ) -> None:
        self.resolution = resolution
        self.python: Interpreter = resolution.interpreter
        self.is_uv = resolution.installer == "uv"
        self.form = uv_script_form(self.python) if self.is_uv else self.python.script_form
        if resolution.form is not None:
            self.form = resolution.form.script
        """How console scripts are written, "" where that is not known."""
        self.snapshots = snapshots
        self.store = store
        self.cache = cache
        self.hold = hold
        self.transport = transport
        self.abort = abort
        self.run = run
        self.read = read
        self.parents = parents
        self.scratch = scratch
        self.say = say
        self.should_stop = should_stop
        self.epoch = epoch
        self.is_checked = is_checked
        self.owner = owner
        self.gone = gone
        self._below = Lower([snapshots.layer(name).folder for name in parents])
        self.lower: Lookup = Without(self._below, gone.paths) if gone.paths else self._below
        self.finish: Callable[[], None] = lambda: None  # waits for what still runs; to be called whatever comes
        self._guard = Lock()
        self._fetched_bytes = 0

    def install(self, upper: str) -> list[Piece]:
        """Make the layers, and write what goes on top of them into the empty *upper*.

        Raises:
            UnusualWheel: leave it to the command.
            TeulError: a wheel cannot be had, or is not what the index said.
        """
        resolution = self.resolution
        is_other = self.is_uv and any(wheel.direct_url for wheel in resolution.wheels)
        if not self.form or is_other or not (resolution.form or resolution.installer in ("pip", "uv")):
            raise UnusualWheel(text("what `{tool}` installs is not made without it", tool=resolution.installer))
        check_scheme(self.python, self.lower)
        items = [Item(wheel, self._key(wheel), number) for number, wheel in enumerate(resolution.wheels)]
        rows = {item.key: self.cache.find(item.key) for item in items}
        self.hold("layer", *(row["data"]["diff_ids"][0] for row in rows.values() if row is not None))
        new = [item for item in items if not self._is_known(item, rows[item.key])]
        staging = ""
        if new:
            staging = self.snapshots.upper(self.scratch())
            self._make(new, staging)
        folders = check_files(items, self.lower)
        check_owners(items, self.gone)
        check_access(self.owner, folders, self.lower)
        self.say(self._summary(items, new))
        made: set[str] = {""}
        self._lock(upper, made, folders)
        pieces: list[Piece] = []
        between: set[str] = set()
        if sum(item.size_bytes for item in items) < OWN_LAYER_BYTES:
            for item in items:
                self._place(item, staging, upper, made)
        else:
            pieces, between = self._pieces(items, staging)
        if self.gone.paths:
            paths = (path for item in items for path in (*item.files(), *item.folders))
            hide(upper, self.gone.paths, self._below, paths, made, folders)
        give(self.owner, upper)
        self._finish_folders(upper, made, folders)
        prune(upper, between, self.lower, mtime_s=self.epoch, owner=(self.owner.uid, self.owner.gid))
        return pieces

    def _lock(self, upper: str, made: set[str], folders: dict[str, bool]) -> None:
        """The lock file that uv leaves in a virtual environment."""
        prefix = self.python.prefix.strip("/")
        path = f"{prefix}/.lock"
        if not self.is_uv or not self.python.is_virtual or self.lower.find(os.fsencode(path)) is not None:
            return
        make_folders(upper, prefix, made)
        descriptor = os.open(f"{upper}/{path}", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC)
        os.fchmod(descriptor, 0o666)
        os.close(descriptor)
        os.utime(f"{upper}/{path}", (self.epoch, self.epoch))
        folders[prefix] = True

    # What is known

    def _key(self, wheel: Wheel) -> str:
        python = self.python
        compiler = [
            list(python.version),
            python.magic,
            python.cache_tag,
            python.identity,
            python.blocks_imports,
            self.is_checked,
        ]
        return digest_of(
            [
                "wheel",
                FORM,
                wheel.sha256,
                [python.purelib, python.platlib, python.scripts, python.data, python.headers],
                python.executable,
                self.form,
                self.resolution.installer,
                compiler if self.resolution.compiles else None,
                self.epoch,
                *([] if self.owner.is_root else [[self.owner.uid, self.owner.gid]]),
                *(
                    [self.resolution.form.is_sorted, self.resolution.form.has_pycache]
                    if self.resolution.form is not None
                    else []
                ),
            ]
        )

    def _is_known(self, item: Item, row: Mapping[str, Any] | None) -> bool:
        if row is None:
            return False
        data = row["data"]
        layer = Digest(data["diff_ids"][0])
        if not self.snapshots.touch(str(layer)):
            return False
        item.layer, item.is_own, item.size_bytes = layer, bool(data["own"]), int(data["size_bytes"])
        item.site, item.dist_info, item.folders = data["site"], data["dist_info"], tuple(data.get("folders", ()))
        try:
            with open(f"{self._folder(layer)}/{item.record_path}", "rb") as file:
                item.record = plain_record(file.read(), item.info_dir)
                item.record_mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        except FileNotFoundError:
            return False
        if self.is_uv and self.resolution.compiles:
            item.set_bytecode(self.python, data.get("uncompiled", ()))
        return True

    def _remember(self, item: Item, layer: Digest, *, is_own: bool) -> None:
        data = {
            "diff_ids": [layer],
            "wheel": f"sha256:{item.wheel.sha256}",
            "own": is_own,
            "size_bytes": item.size_bytes,
            "site": item.site,
            "dist_info": item.dist_info,
        }
        data |= {"uncompiled": list(item.uncompiled)} if item.uncompiled else {}
        data |= {"folders": list(item.folders)} if item.folders else {}
        self.cache.put(item.key, "", f"{item.wheel.name} {item.wheel.version}", {"digest": item.key, "data": data})

    def _folder(self, layer: Digest) -> str:
        return self.snapshots.layer(str(layer)).folder

    # Making

    def _make(self, items: list[Item], staging: str) -> None:
        os.mkdir(f"{staging}/wheels", 0o755)
        os.mkdir(f"{staging}/bytecode", 0o755)
        compiler = Compiler(
            f"{staging}/wheels",
            f"{staging}/bytecode",
            cache_tag=self.python.cache_tag,
            magic=self.python.magic,
            is_checked=self.is_checked,
            run=lambda args, stdin, on_output, should_stop: self._run_compiler(
                args, stdin, on_output, should_stop, staging
            ),
        )
        self.finish = compiler.close
        # The large ones first: whoever comes last has both processors to itself, and one wheel keeps only one busy.
        order = sorted(items, key=lambda item: -size_of(item.wheel))
        with compiler, ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="teul-wheel") as pool:
            if self.resolution.compiles:
                compiler.start()
            futures = {pool.submit(self._make_one, item, staging, compiler) for item in order}
            try:
                while futures:
                    done, futures = wait(futures, timeout=POLL_S, return_when=FIRST_COMPLETED)
                    for future in done:
                        future.result()
                    if self.should_stop():
                        raise Cancelled(text("the build was stopped"))
            except BaseException:
                for future in futures:
                    future.cancel()
                self.abort()  # a wheel that does not come would be waited for
                compiler.abandon()
                raise

    def _run_compiler(
        self,
        args: tuple[str, ...],
        stdin: int,
        on_output: Callable[[bytes], None],
        should_stop: Callable[[], bool],
        staging: str,
    ) -> int:
        from teul.build.python.bytecode import MADE, SOURCES

        return self.run(
            (self.python.path, *ARGUMENTS, "-c", *args),
            more_env=ENVIRONMENT,
            binds=((f"{staging}/wheels", SOURCES, True), (f"{staging}/bytecode", MADE, False)),
            stdin=stdin,
            on_output=on_output,
            should_stop=should_stop,
        )

    def _make_one(self, item: Item, staging: str, compiler: Compiler) -> None:
        from zipfile import BadZipFile, ZipFile

        from teul.build.python import poetry_wheel

        folder = f"{staging}/wheels/{item.place}"
        form = ScriptForm(self.form)
        with self._fetched(item.wheel) as file:
            self._root(item.wheel)
            os.mkdir(folder, 0o755)
            try:
                with ZipFile(file) as archive:
                    layout = lay_out(archive, item.wheel.name, self.python, form, installer=self.resolution.installer)
                    check_told(item.wheel, told(archive, layout, item.wheel.name))
                    if self.resolution.form is not None:
                        layout = poetry_wheel.installed(layout, self.resolution.form)
                    write(layout, archive, folder, epoch=self.epoch)
            except (BadZipFile, ValueError, OSError) as error:
                if isinstance(error, UnusualWheel) or (isinstance(error, OSError) and error.errno in (28, 122)):
                    raise
                raise UnusualWheel(
                    text(
                        "wheel `{name}`: damaged archive: {problem}",
                        name=item.wheel.filename,
                        problem=error.strerror if isinstance(error, OSError) else error,
                    )
                ) from error
        compiled: tuple[str, ...] = ()
        if self.resolution.compiles:
            sources = layout.sources
            if self.is_uv:
                sources = in_site(sources, self.python)
            elif self.python.blocks_imports:
                sources = compilable(folder, sources)
            compiled = compiler.compile(item.place, sources)
        item.site, item.dist_info, item.folders = layout.site, layout.dist_info, layout.folders
        item.record_mode = layout.record_mode
        # What uv compiles it does not write down.
        listed = () if self.is_uv else compiled
        if self.resolution.form is not None:
            item.record = poetry_wheel.record_of(layout, folder, is_sorted=self.resolution.form.is_sorted)
        else:
            item.record = record_of(layout, listed, line_end=line_end(self.resolution.installer))
        if self.is_uv and self.resolution.compiles:
            there = set(compiled)
            item.set_bytecode(
                self.python, [path for path in sources if compiled_path(path, self.python.cache_tag) not in there]
            )
        files = {*compiled, *(member.path for member in layout.members)}  # a wheel may bring bytecode that is made anew
        item.size_bytes = sum(os.lstat(f"{folder}/{path}").st_size for path in files)
        if item.size_bytes >= OWN_LAYER_BYTES:
            self._commit_own(item, folder)

    def _fetched(self, wheel: Wheel) -> BinaryIO:
        """The wheel's file; one of the stage's own is taken from there, never from this host."""
        if not wheel.direct_url or not wheel.url.startswith("file://"):
            return fetch(wheel, self.store, self.transport, hold=self.hold, on_bytes=self._count)
        path = wheel.url.removeprefix("file://")
        data = self.read(path)
        if data is None:
            raise UnusualWheel(text("no file `{path}` in the stage", path=path))
        digest = Digest.from_hex(wheel.sha256)
        self.hold("blob", digest)
        with self.store.ingest(expected=digest) as writer:
            writer.write(data)
            writer.commit()
        return self.store.open_file(digest, is_verified=True)

    def _root(self, wheel: Wheel) -> None:
        """Keep the wheel itself, whatever becomes of the layers: a build without the index needs it."""
        blob = f"sha256:{wheel.sha256}"
        key = digest_of(["wheel file", blob])
        self.cache.put(key, "", wheel.filename, {"digest": key, "data": {"wheel": blob}})

    def _count(self, size: int) -> None:
        with self._guard:
            self._fetched_bytes += size

    def _commit_own(self, item: Item, folder: str) -> None:
        """Give a large wheel its layer at once: the rule asks for nothing but its size."""
        write_record(f"{folder}/{item.record_path}", item.record, mtime_s=self.epoch, mode=item.record_mode)

        def fill(target: str) -> None:
            for name in os.listdir(folder):
                os.rename(f"{folder}/{name}", f"{target}/{name}")

        piece = self._commit(str(item.wheel.name), fill)
        item.layer, item.is_own = piece.diff_id, True
        self._remember(item, piece.diff_id, is_own=True)

    def _commit(self, name: str, fill: Callable[[str], None]) -> Piece:
        """A layer of what *fill* writes into a folder."""
        key = f"build-{os.urandom(8).hex()}"
        self.hold("snapshot", key)
        self.snapshots.prepare(key, ())
        try:
            target = self.snapshots.upper(key)
            fill(target)
            give(self.owner, target)
            _set_times(target, self.epoch)
            packed = pack(target)
            self.hold("layer", packed.diff_id)
            self.snapshots.commit(key, packed.diff_id, tar_size_bytes=packed.tar_size_bytes)
        finally:
            self.snapshots.remove(key)
        return Piece(name, packed.diff_id, packed.size_bytes)

    # Layers

    def _pieces(self, items: list[Item], staging: str) -> tuple[list[Piece], set[str]]:
        """The layers in `split`'s order, and the folders that are in them."""
        by_name = {item.wheel.name: item for item in items}
        distributions = sorted(
            (Distribution(item.wheel.name, item.wheel.version, (), item.size_bytes) for item in items),
            key=lambda item: (item.name, item.version),
        )
        own = {item for item in distributions if item.size_bytes >= OWN_LAYER_BYTES}
        groups = group(distributions, layers_below=len(self.parents))
        kept = {made.name for made in groups if any(str(item) == made.name for item in own)}
        pieces: list[Piece] = []
        small: dict[int, list[Item]] = {}
        asked: dict[int, list[Item]] = {}
        for distribution in distributions:
            item = by_name[distribution.name]
            if distribution in own and str(distribution) in kept:
                assert item.layer is not None
                if not item.is_own:  # it went into a bucket when there was less room
                    self._commit_again(item)
                pieces.append(Piece(str(distribution), item.layer, item.size_bytes + len(item.record)))
                if not item.is_plain:
                    asked.setdefault(bucket(distribution.name), []).append(item)
            else:
                small.setdefault(bucket(distribution.name), []).append(item)
        pieces += [self._bucket(members, staging) for _, members in sorted(small.items())]
        pieces += [self._notes(members) for _, members in sorted(asked.items())]
        return pieces, folders_above(path for item in items for path in item.files())

    def _commit_again(self, item: Item) -> None:
        def fill(target: str) -> None:
            made: set[str] = {""}
            self._copy(item, target, made)
            for folder in item.folders:
                make_folders(target, folder, made)
            write_record(f"{target}/{item.record_path}", item.record, mtime_s=self.epoch, mode=item.record_mode)

        piece = self._commit(item.wheel.name, fill)
        item.layer, item.is_own = piece.diff_id, True
        self._remember(item, piece.diff_id, is_own=True)

    def _bucket(self, members: list[Item], staging: str) -> Piece:
        def fill(target: str) -> None:
            made: set[str] = {""}
            for item in members:
                self._place(item, staging, target, made)

        piece = self._known_or_made("bucket", ", ".join(str(item) for item in members), members, fill)
        for item in members:
            if item.layer is None:
                item.layer = piece.diff_id
                self._remember(item, piece.diff_id, is_own=False)
        return piece

    def _notes(self, members: list[Item]) -> Piece:
        """The layer of what tells how *members*, each with a layer of its own, came to be installed."""

        def fill(target: str) -> None:
            made: set[str] = {""}
            for item in members:
                self._write_notes(item, target, made)

        return self._known_or_made("notes", notes_name(members), members, fill)

    def _known_or_made(self, kind: str, name: str, members: list[Item], fill: Callable[[str], None]) -> Piece:
        parts = [[item.key, item.wheel.requested, item.wheel.direct_url] for item in members]
        key = digest_of([kind, FORM, parts])
        row = self.cache.find(key)
        if row is not None:
            layer = Digest(row["data"]["diff_ids"][0])
            self.hold("layer", layer)
            if self.snapshots.touch(str(layer)):
                return Piece(name, layer, int(row["data"]["size_bytes"]))
        piece = self._commit(name, fill)
        data = {"diff_ids": [piece.diff_id], "size_bytes": piece.size_bytes}
        self.cache.put(key, "", name, {"digest": key, "data": data})
        return piece

    def _place(self, item: Item, staging: str, target: str, made: set[str]) -> None:
        """Bring the files of *item* into a folder that it may share with others."""
        if item.layer is None:
            place = f"{staging}/wheels/{item.place}"
            for path in item.plain_files():
                parent = os.path.dirname(path)
                if parent not in made:
                    make_folders(target, parent, made)
                os.rename(f"{place}/{path}", f"{target}/{path}")
        else:
            self._copy(item, target, made)
        for folder in item.folders:
            make_folders(target, folder, made)
        self._write_notes(item, target, made)

    def _write_notes(self, item: Item, target: str, made: set[str]) -> None:
        for path, data in item.notes().items():
            make_folders(target, os.path.dirname(path), made)
            mode = item.record_mode if path == item.record_path else 0o644
            write_record(f"{target}/{path}", data, mtime_s=self.epoch, mode=mode)

    def _copy(self, item: Item, target: str, made: set[str]) -> None:
        """The files of *item*, less its notes, from the layer that has them."""
        assert item.layer is not None
        folder = self._folder(item.layer)
        times = (self.epoch, self.epoch)
        for path in item.plain_files():
            parent = os.path.dirname(path)
            if parent not in made:
                make_folders(target, parent, made)
            source = os.open(f"{folder}/{path}", os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                status = os.fstat(source)
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
                copy = os.open(f"{target}/{path}", flags, 0o600)
                try:
                    left = status.st_size
                    while left:
                        left -= os.copy_file_range(source, copy, left) or left
                    os.fchmod(copy, stat.S_IMODE(status.st_mode))
                    os.utime(copy, times)
                finally:
                    os.close(copy)
            finally:
                os.close(source)

    # What lies on top

    def _finish_folders(self, upper: str, made: set[str], folders: dict[str, bool]) -> None:
        """The folders that were there keep their mode and owner, and their time where nothing new is directly in them."""
        for folder in sorted(folders):
            if folder not in made:
                make_folders(upper, folder, made)
        for folder in sorted(made - {""}, key=len, reverse=True):
            path = f"{upper}/{folder}"
            entry = self.lower.find(os.fsencode(folder)) if folder in folders else None
            if entry is None:
                os.utime(path, (self.epoch, self.epoch))
                continue
            source, status = entry
            os.chown(path, status.st_uid, status.st_gid)
            os.chmod(path, stat.S_IMODE(status.st_mode))
            for name in os.listxattr(source):
                if not name.startswith(("trusted.overlay.", "user.overlay.")):
                    os.setxattr(path, name, os.getxattr(source, name))
            time_ns = self.epoch * 10**9 if folders[folder] else status.st_mtime_ns
            os.utime(path, ns=(time_ns, time_ns))

    def _summary(self, items: list[Item], new: list[Item]) -> Text:
        return text(
            "installed without running the command: {count} packages, {new} of them new ({size:.1f} MB fetched): {names}",
            count=len(items),
            new=len(new),
            size=self._fetched_bytes / 1e6,
            names=" ".join(f"{item.wheel.name}-{item.wheel.version}" for item in items),
        )


def _set_times(folder: str, epoch: int) -> None:
    for place, _, _ in os.walk(folder, topdown=False):
        os.utime(place, (epoch, epoch))
