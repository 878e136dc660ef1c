"""Bytecode as pip makes it, by the stage's own interpreter, on all processors, while other wheels are still fetched.

CPython marks a constant in a `.pyc` when something else in the process that writes it holds the same object, so two
processes write two files for one source. Both ways of installing therefore end in the same form: read and written once
more by the interpreter in a fresh process that runs `SCRIPT`, and nothing but it (`canonicalise`; Python's
marshal.c, `w_ref`).

One sandbox a build: it sees the unpacked wheels read-only and writes into a folder of its own, from which what is
plain and fresh is taken. A wheel's bytecode is kept with its layer for every later build with the same interpreter, so
an interpreter must not be able to change the sources that it compiles.
"""

from __future__ import annotations

import os
import stat
import threading

from teul.build.python.marks import PLAIN
from teul.build.python.wheel import compiled_path
from teul.errors import Cancelled, CommandFailed, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

SOURCES = "/dev/.teul/wheels"
MADE = "/dev/.teul/bytecode"
CHUNK_FILES = 48
HEADER_BYTES = 16
FILE_LIMIT_BYTES = 64 << 20

# What `py_compile` does, from the parts of the interpreter that are built in; a failure leaves no file, as with pip.
SCRIPT = (
    # The folder that it starts in is the stage's.
    "import sys\nif sys.path[:1] == ['']:\n    del sys.path[0]\n"
    + PLAIN
    + r"""
import os, warnings
import marshal, importlib._bootstrap_external as external
sources, made, tag, checked, count = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4] == "hash", int(sys.argv[5])
warnings.filterwarnings("ignore")
numbers = [0]
def again(path):
    with open(sources + path, "rb") as file:
        header, body = file.read(16), file.read()
    if header[:4] != external.MAGIC_NUMBER:
        return
    code = plain(marshal.loads(body))
    if code != body:
        numbers[0] += 1
        with open(made + "/%d-%d" % (os.getpid(), numbers[0]), "wb") as file:
            file.write(path.encode("utf-8", "surrogateescape") + b"\0" + header + code)
def one(job, path):
    if sys.argv[4] == "again":
        return again(path)
    place = sources + "/" + job + "/" + path
    loader = external.SourceFileLoader("<py_compile>", place)
    data = loader.get_data(place)
    code = loader.source_to_code(data, "/" + path)
    body = plain(code)
    if checked:
        import _imp
        head = external._code_to_hash_pyc(code, _imp.source_hash(external._RAW_MAGIC_NUMBER, data), True)[:16]
    else:
        status = os.stat(place)
        head = external._code_to_timestamp_pyc(code, int(status.st_mtime), status.st_size)[:16]
    folder, name = path.rsplit("/", 1)
    folder = made + "/" + job + "/" + folder + "/__pycache__"
    os.makedirs(folder, exist_ok=True)
    with open(folder + "/" + name[:-3] + "." + tag + ".pyc", "wb") as file:
        file.write(head + body)
def work(stream):
    for line in stream:
        job, *paths = os.fsdecode(line[:-1]).split("\t")
        for path in paths:
            try:
                one(job, path)
            except Exception:
                pass
        os.write(1, (job + "\n").encode())
pipes = []
for number in range(count):
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.close(writer)
        for other in pipes:
            other[1].close()
        work(open(reader, "rb"))
        os._exit(0)
    os.close(reader)
    pipes.append([0, open(writer, "wb", buffering=0)])
for line in sys.stdin.buffer:
    weight, _, line = line.partition(b"\t")
    pipe = min(pipes, key=lambda item: item[0])
    pipe[0] += int(weight)
    rest = memoryview(line)
    while rest:
        rest = rest[pipe[1].write(rest):]
for pipe in pipes:
    pipe[1].close()
for pipe in pipes:
    os.wait()
"""
)


class Compiler:
    """Compiles what it is given, as long as the `with` block lasts; safe for several threads.

    Args:
        folder: holds the unpacked wheels, each in a folder of its own name.
        made: an empty folder on the same filesystem.
        run: runs SCRIPT with these arguments in the stage; gets a descriptor for stdin, a function for its output, and
            one that says whether to stop; returns the exit code.
    """

    def __init__(
        self,
        folder: str,
        made: str,
        *,
        cache_tag: str,
        magic: str,
        is_checked: bool,
        run: Callable[[tuple[str, ...], int, Callable[[bytes], None], Callable[[], bool]], int],
    ) -> None:
        self._folder = folder
        self._made = made
        self._tag = cache_tag
        self._magic = bytes.fromhex(magic)
        self._is_checked = is_checked
        self._run = run
        self._guard = threading.Lock()
        self._left: dict[str, int] = {}
        self._futures: dict[str, Future[None]] = {}
        self._rest = b""
        self._thread: threading.Thread | None = None
        self._writer = -1
        self._failure: BaseException | None = None
        self._stop = threading.Event()
        self._says: list[bytes] = []

    def start(self) -> None:
        """Start the sandbox; what is given meanwhile waits in the pipe."""
        with self._guard:
            if self._thread is not None:
                return
            reader, self._writer = os.pipe()
            self._thread = threading.Thread(target=self._serve, args=(reader,), name="teul-bytecode", daemon=True)
            self._thread.start()

    def compile(self, name: str, sources: Sequence[str]) -> tuple[str, ...]:
        """Compile *sources* (paths in the tree) of the wheel in the folder *name*, put the bytecode beside them, and
        return the paths of what was made. Waits.

        Raises:
            CommandFailed: the interpreter ended before.
        """
        from concurrent.futures import Future

        if not sources:
            return ()
        self.start()
        future: Future[None] = Future()
        chunks = [sources[start : start + CHUNK_FILES] for start in range(0, len(sources), CHUNK_FILES)]
        with self._guard:
            if self._failure is not None:
                raise self._failure
            self._left[name] = len(chunks)
            self._futures[name] = future
        for chunk in chunks:
            weight = sum(os.stat(f"{self._folder}/{name}/{path}").st_size for path in chunk)
            line = f"{weight}\t{name}\t" + "\t".join(chunk) + "\n"
            data = memoryview(os.fsencode(line))
            with self._guard:
                try:
                    while data:
                        data = data[os.write(self._writer, data) :]
                except OSError:
                    break  # it ended; the future says why
        future.result()
        return tuple(path for source in sources if (path := self._take(name, source)))

    def end(self) -> None:
        """Let the sandbox end."""
        with self._guard:
            if self._writer >= 0:
                os.close(self._writer)
                self._writer = -1

    def close(self) -> None:
        """Let the sandbox end, and wait for it."""
        self.end()
        if self._thread is not None:
            self._thread.join()

    def abandon(self) -> None:
        """End the sandbox at once."""
        self._stop.set()
        self.close()

    def __enter__(self) -> Compiler:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.end()  # all that it makes has been taken; who needs the folders again waits with `close`
        else:
            self.abandon()

    def _serve(self, reader: int) -> None:
        count = str(min(8, os.cpu_count() or 1))
        form = "hash" if self._is_checked else "time"
        try:
            code = self._run(
                (SCRIPT, SOURCES, MADE, self._tag, form, count), reader, self._on_output, self._stop.is_set
            )
            self._failure = CommandFailed(
                text("the interpreter ended while it compiled"),
                argv=("python",),
                exit_code=code,
                stderr_tail=b"".join(self._says).decode(errors="replace"),
            )
        except BaseException as error:
            self._failure = error
        finally:
            os.close(reader)
            with self._guard:
                waiting = list(self._futures.values())
                self._futures.clear()
            for future in waiting:
                future.set_exception(self._failure or Cancelled(text("cancelled")))

    def _on_output(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            name = line.decode(errors="replace")
            with self._guard:
                if name not in self._left:
                    self._says = [*self._says[-20:], line + b"\n"]
                    continue
                self._left[name] -= 1
                future = self._futures.pop(name, None) if self._left[name] == 0 else None
            if future is not None:
                future.set_result(None)

    def _take(self, name: str, source: str) -> str:
        """Move the bytecode of *source* to its place, when it is what the interpreter will accept; "" when not."""
        path = compiled_path(source, self._tag)
        found = f"{self._made}/{name}/{path}"
        try:
            descriptor = os.open(found, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return ""
        try:
            status = os.fstat(descriptor)
            header = os.read(descriptor, HEADER_BYTES)
            origin = os.stat(f"{self._folder}/{name}/{source}")
            flags = (3 if self._is_checked else 0).to_bytes(4, "little")
            expected = self._magic + flags
            if not self._is_checked:
                expected += (int(origin.st_mtime) & 0xFFFFFFFF).to_bytes(4, "little")
                expected += (origin.st_size & 0xFFFFFFFF).to_bytes(4, "little")
            is_plain = stat.S_ISREG(status.st_mode) and status.st_nlink == 1 and status.st_size <= FILE_LIMIT_BYTES
            if not is_plain or not header.startswith(expected):
                return ""
            os.fchmod(descriptor, 0o644)
            os.utime(descriptor, ns=(origin.st_mtime_ns, origin.st_mtime_ns))
        finally:
            os.close(descriptor)
        target = f"{self._folder}/{name}/{path}"
        folder = os.path.dirname(target)
        if not os.path.isdir(folder):
            os.mkdir(folder)
            os.chmod(folder, 0o755)
        os.rename(found, target)
        return path
