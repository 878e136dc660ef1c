"""Requirement files as pip reads them, flattened: requirements, constraints and the options that they carry. No IO.

Files come through a callable that reads the stage's tree (and never leaves it). What is not a requirement that an index
answers (a path, a repository, an editable one, a file from the network) is a doubt.

Spec: pip's documentation, "Requirements File Format"; PEP 508.
"""

from __future__ import annotations

import re
from posixpath import dirname, join, normpath

from teul.build.python.values import Doubt
from teul.errors import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from dataclasses import dataclass
else:
    from teul.values import dataclass

NESTING_LIMIT = 20
_BOMS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe\x00\x00", "utf-32"), (b"\x00\x00\xfe\xff", "utf-32"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))  # fmt: skip
_CODING = re.compile(rb"coding[:=]\s*([-\w.]+)")
_COMMENT = re.compile(r"(^|\s+)#.*$")
_VARIABLE = re.compile(r"(?P<var>\$\{(?P<name>[A-Z0-9_]+)\})")
_NAMED = re.compile(
    r"(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?:\[(?P<extras>[^\]]*)\])?\s*(?P<rest>.*)", re.DOTALL
)
_SPECIFIER = re.compile(r"\(?\s*(?:(?:===|==|!=|<=|>=|~=|<|>)\s*[^\s,;()]+\s*,?\s*)*\)?\s*")
_ARCHIVES = (".zip", ".tar.gz", ".tgz", ".tar", ".tar.bz2", ".tbz", ".tar.xz", ".txz", ".tlz", ".tar.lz", ".tar.lzma")
_HASH = re.compile(r"--hash[=\s]\s*(?P<algorithm>[a-z0-9]+):(?P<digest>[0-9a-fA-F]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """One line that names a distribution."""

    line: str
    """As uv is given it: name, extras, version, marker; without hashes."""
    name: str
    """Normalised as PEP 503 says; "" for a wheel that is given by its address or path."""
    extras: tuple[str, ...] = ()
    url: str = ""
    """A wheel's: `https:`, `http:`, or `file:` with its path in the tree."""
    hashes: tuple[str, ...] = ()
    """`sha256:…`."""
    specifier: str = ""
    marker: str = ""
    """What must hold of the interpreter for the line to count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirements:
    """Everything that a command and its files ask for, in order."""

    wanted: tuple[Requirement, ...] = ()
    constraints: tuple[Requirement, ...] = ()
    index_url: str = ""
    no_index: bool = False
    extra_index_urls: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    trusted_hosts: tuple[str, ...] = ()
    only_binary: tuple[str, ...] = ()
    pre: bool = False
    prefer_binary: bool = False
    require_hashes: bool = False


def normalise_name(name: str) -> str:
    """Spec: PEP 503, "Normalized Names"."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read_requirements(
    words: tuple[str, ...],
    files: tuple[str, ...],
    constraints: tuple[str, ...],
    *,
    cwd: str,
    env: Mapping[str, str],
    read: Callable[[str], bytes | None],
) -> Requirements | Doubt:
    """What the words of a command and the files that it names ask for.

    Args:
        cwd: an absolute path of the tree; relative paths start there.
        read: gives the content of an absolute path of the tree, None where there is no such file.
    """
    reader = _Reader(env, read)
    try:
        for word in words:
            reader.add(word, cwd, "", is_constraint=False)
        for path in files:
            reader.file(join(cwd, path), path, is_constraint=False, above=())
        for path in constraints:
            reader.file(join(cwd, path), path, is_constraint=True, above=())
    except _Unclear as unclear:
        return unclear.doubt
    return reader.made()


class _Unclear(Exception):
    def __init__(self, doubt: Doubt) -> None:
        super().__init__(doubt.reason)
        self.doubt = doubt


class _Reader:
    def __init__(self, env: Mapping[str, str], read: Callable[[str], bytes | None]) -> None:
        self.env = env
        self.read = read
        self.wanted: list[Requirement] = []
        self.constraints: list[Requirement] = []
        self.lists: dict[str, list[str]] = {name: [] for name in _LISTS.values()}
        self.switches: set[str] = set()
        self.index_url = ""

    def made(self) -> Requirements:
        return Requirements(
            wanted=tuple(self.wanted),
            constraints=tuple(self.constraints),
            index_url=self.index_url,
            extra_index_urls=tuple(self.lists["extra_index_urls"]),
            find_links=tuple(self.lists["find_links"]),
            trusted_hosts=tuple(self.lists["trusted_hosts"]),
            only_binary=tuple(self.lists["only_binary"]),
            no_index="--no-index" in self.switches,
            pre="--pre" in self.switches,
            prefer_binary="--prefer-binary" in self.switches,
            require_hashes="--require-hashes" in self.switches,
        )

    def file(self, path: str, shown: str, *, is_constraint: bool, above: tuple[str, ...]) -> None:
        if re.match(r"(https?|file|ftp):", shown):
            raise _Unclear(Doubt(text("`{path}` is read from elsewhere", path=shown)))
        path = normpath(path)
        if path in above or len(above) > NESTING_LIMIT:
            raise _Unclear(Doubt(text("`{path}` includes itself", path=shown)))
        data = self.read(path)
        if data is None:
            raise _Unclear(Doubt(text("no file `{path}` in the stage", path=shown)))
        try:
            source = _decode(data)
        except (UnicodeDecodeError, LookupError):
            raise _Unclear(Doubt(text("the encoding of `{path}`", path=shown))) from None
        for line in _lines(source):
            expanded = _VARIABLE.sub(lambda match: self.env.get(match["name"]) or match["var"], line)
            self.line(expanded, path, is_constraint=is_constraint, above=(*above, path))

    def line(self, line: str, path: str, *, is_constraint: bool, above: tuple[str, ...]) -> None:
        words = line.split(" ")
        first = next((number for number, word in enumerate(words) if word.startswith("-")), len(words))
        requirement, options = " ".join(words[:first]).strip(), " ".join(words[first:]).strip()
        if requirement:
            self.add(requirement, dirname(path), options, is_constraint=is_constraint)
            return
        option, value = _option(options)
        if option in ("-r", "--requirement", "-c", "--constraint"):
            nested = is_constraint or option in ("-c", "--constraint")
            self.file(join(dirname(path), value), value, is_constraint=nested, above=above)
        elif option in _LISTS and value:
            if option in ("-f", "--find-links") and not re.match(r"[a-z]+:", value):
                value = normpath(join(dirname(path), value))
            self.lists[_LISTS[option]].append(value)
        elif option in ("-i", "--index-url", "--pypi-url") and value:
            self.index_url = value
        elif option in ("--no-index", "--pre", "--prefer-binary", "--require-hashes") and not value:
            self.switches.add(option)
        elif option == "--no-binary" and value == ":none:":
            pass
        else:
            raise _Unclear(Doubt(text("the option `{option}`", option=options)))

    def add(self, word: str, folder: str, options: str, *, is_constraint: bool) -> None:
        hashes = tuple(f"{match['algorithm']}:{match['digest'].lower()}" for match in _HASH.finditer(options))
        if _HASH.sub("", options).strip():
            raise _Unclear(Doubt(text("the option `{option}`", option=options)))
        made = _requirement(word, folder, hashes)
        (self.constraints if is_constraint else self.wanted).append(made)


_LISTS = {
    "--extra-index-url": "extra_index_urls",
    "-f": "find_links",
    "--find-links": "find_links",
    "--trusted-host": "trusted_hosts",
    "--only-binary": "only_binary",
}


def _option(options: str) -> tuple[str, str]:
    """`-r x`, `-rx`, `--requirement=x`, `--requirement x` → (option, value)."""
    if options.startswith("--"):
        match = re.match(r"(--[a-z-]+)(?:[=\s]\s*(.*))?$", options, re.DOTALL)
        return (match[1], _unquoted(match[2] or "")) if match else (options, "")
    return options[:2], _unquoted(options[2:].strip().removeprefix("="))


def _unquoted(value: str) -> str:
    value = value.strip()
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        return value[1:-1]
    return value


def _decode(data: bytes) -> str:
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return data[len(mark) :].decode(
                encoding if encoding == "utf-8" else encoding + "-le" if mark[0] == 0xFF else encoding + "-be"
            )
    for line in data.split(b"\n")[:2]:
        if line[:1] == b"#" and (found := _CODING.search(line)):
            return data.decode(found[1].decode())
    return data.decode("utf-8")


def _lines(source: str) -> list[str]:
    """Lines joined at backslashes, without comments and empty ones."""
    made: list[str] = []
    parts: list[str] = []
    for raw in source.splitlines():
        if not raw.endswith("\\") or re.match(r"\s*#", raw):
            # A comment line ends a continuation; the space lets its sign be seen as a comment's.
            line = f" {raw}" if re.match(r"\s*#", raw) else raw
            if parts:
                parts.append(line)
                made.append("".join(parts))
                parts = []
            else:
                made.append(line)
        else:
            parts.append(raw.strip("\\"))
    if parts:
        made.append("".join(parts))
    return [line for line in (_COMMENT.sub("", line).strip() for line in made) if line]


def _requirement(word: str, folder: str, hashes: tuple[str, ...]) -> Requirement:
    word = word.strip()
    refusal = _Unclear(Doubt(text("`{requirement}` is not a package of an index", requirement=_shown(word))))
    address, semicolon, marker = word.partition(" ; ") if "://" in word else word.partition(";")
    name = ""
    extras: tuple[str, ...] = ()
    match = _NAMED.fullmatch(address.strip())
    if match and match["rest"].startswith("@"):
        name, extras = normalise_name(match["name"]), _extras(match["extras"])
        address = match["rest"][1:].strip()
    elif match and not _is_path(address) and "://" not in address:
        if not _SPECIFIER.fullmatch(match["rest"]):
            raise refusal
        return Requirement(
            line=word,
            name=normalise_name(match["name"]),
            extras=_extras(match["extras"]),
            hashes=hashes,
            specifier=match["rest"].strip().strip("()"),
            marker=marker.strip(),
        )
    place = address.strip()
    path = place.partition("#")[0]
    if not path.endswith(".whl") or re.match(r"[a-z]+\+", place):
        raise refusal
    if re.match(r"https?://", place):
        line = f"{name}{'[' + ','.join(extras) + ']' if extras else ''} @ {place}" if name else place
        return Requirement(
            line=line + (f" ; {marker.strip()}" if semicolon else ""),
            name=name,
            extras=extras,
            url=place,
            hashes=hashes,
            marker=marker.strip(),
        )
    if "://" in place or semicolon:
        raise refusal
    absolute = normpath(join(folder, path.removeprefix("file:")))
    return Requirement(line=word, name=name, extras=extras, url=f"file://{absolute}", hashes=hashes)


def _extras(given: str | None) -> tuple[str, ...]:
    return tuple(sorted(normalise_name(extra.strip()) for extra in (given or "").split(",") if extra.strip()))


def _is_path(word: str) -> bool:
    word = word.strip()
    return "/" in word.partition(";")[0] or word.startswith(".") or word.endswith((".whl", *_ARCHIVES))


def _shown(word: str) -> str:
    """Without the password that an address may hold."""
    return re.sub(r"://[^/@]*@", "://", word)
