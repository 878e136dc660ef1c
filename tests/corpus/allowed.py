"""Where teul's image may differ from Docker 26's, and why. A difference that no line names fails; so does a line that names none."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any


@dataclass(frozen=True)
class Allowed:
    """*cases* and *place* are patterns; *how* is "plain" (`--no-normalise`), "normalised" or "" for both."""

    cases: str
    place: str
    reason: str
    expected: str = "*"
    actual: str = "*"
    how: str = ""

    def covers(self, case: str, how: str, place: str, expected: Any, actual: Any) -> bool:
        return (
            any(fnmatchcase(case, pattern) for pattern in self.cases.split())
            and self.how in ("", how)
            and fnmatchcase(place, self.place)
            and fnmatchcase(str(expected), self.expected)
            and fnmatchcase(str(actual), self.actual)
        )


NEWER = "Docker 26 has no such flag: it built the same said in older words, so only the tree is compared"
WRITABLE = "COPY and ADD take the write bits of group and others away, so that the umask of a checkout decides nothing"
SUBMODULE = "Docker leaves the `.git` file of a submodule, which names a folder of its builder that is no longer there"
DATED = "dates are what differs; docs/reproducible-builds.md lists the files"

ALLOWED: tuple[Allowed, ...] = (
    Allowed(
        "add-unpack add-archive-xz copy-chmod-symbolic copy-exclude copy-from-stage copy-parents run-network-and-host-files",
        "config/history*",
        NEWER,
    ),
    Allowed("copy-chmod-symbolic copy-exclude copy-parents", "config/layers", NEWER),
    Allowed("*", "tree//*/modes/group", WRITABLE, "file 0664 *", "file 0644 *", "normalised"),
    Allowed("*", "tree//*/modes/open", WRITABLE, "file 0666 *", "file 0644 *", "normalised"),
    Allowed("*", "tree//*/modes/shared", WRITABLE, "folder 2775 *", "folder 2755 *", "normalised"),
    Allowed("copy-modes copy-patterns", "tree//*/group", WRITABLE, "file 0664 *", "file 0644 *", "normalised"),
    Allowed("copy-modes copy-patterns", "tree//*/open", WRITABLE, "file 0666 *", "file 0644 *", "normalised"),
    Allowed("copy-modes copy-patterns", "tree//*/shared", WRITABLE, "folder 2775 *", "folder 2755 *", "normalised"),
    Allowed("copy-chmod-symbolic", "tree//c/open", WRITABLE, "file 0757 *", "file 0755 *", "normalised"),
    Allowed("*", "tree//etc/shadow", DATED, "file 0640 *", "file 0640 *", "normalised"),
    Allowed("*apt-get*", "tree//var/log/apt/*", DATED, "file 06?? 0:0 *", "file 06?? 0:0 0 *", "normalised"),
    Allowed("*apt-get*", "tree//var/log/apt/*.log", DATED, "file 06?? 0:0 [1-9]*", "file 06?? 0:0 [1-9]*", "plain"),
    Allowed("*apt-get*", "tree//var/cache/apt/*pkgcache.bin", DATED, "file *", "absent", "normalised"),
    Allowed("*apt-get*", "tree//var/cache/apt/*pkgcache.bin", DATED, "file *", "file 0644 0:0 *", "plain"),
    Allowed("add-git", "*//app/vendor/lib/.git", SUBMODULE, "*", "absent"),
    Allowed(
        "capabilities",
        "tree//cap/f",
        "a layer of Docker 26 holds no attribute but capabilities; a user's are content and are kept here",
        "* security.capability=0100000200040000000000000000000000000000",
        "* security.capability=0100000200040000000000000000000000000000 user.note=78",
    ),
)
