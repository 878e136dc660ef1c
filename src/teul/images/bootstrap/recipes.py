"""Which base images can be made from Debian's packages, and what their configs say. PURE: no IO."""

from __future__ import annotations

import re
from dataclasses import dataclass

from teul.errors import Text, UnknownBase, text
from teul.images.store import ORIGIN_LABEL
from teul.oci.descriptor import Platform
from teul.oci.digest import Digest
from teul.oci.image import ExecutionConfig, History, ImageConfig
from teul.oci.reference import DEFAULT_DOMAIN, Reference

SUITES = {"bullseye": "11", "bookworm": "12", "trixie": "13"}
"""Debian's suites → their version."""
PYTHONS = {"3.9": "bullseye", "3.11": "bookworm", "3.13": "trixie"}
"""Debian's Pythons → the suite that has it."""
EPOCH_S = 315532800
"""1980-01-01, the time of every file unless `SOURCE_DATE_EPOCH` says otherwise (seconds since 1970)."""
PATH = "PATH=/usr/local/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
LIBRARIES = ("ca-certificates", "netbase", "tzdata")
"""What the official python images install as packages, beside the libraries that Python links to."""


@dataclass(frozen=True, slots=True)
class Wheel:
    """One wheel of the Python package index, pinned."""

    name: str
    version: str
    sha256: str


_PIP = Wheel("pip", "26.3", "f3b60b20ffaadd4415ed7957212a38ac63fa4c5fa375bd0f4a797777940fad13")
_PIP_39 = Wheel("pip", "26.0.1", "bdb1b08f4274833d62c1aa29e20907365a2ceb950410df15fc9521bad440122b")
_SETUPTOOLS = Wheel("setuptools", "79.0.1", "e147c0549f27767ba362f9da434eab9c5dc0045d5304feb602a0af001089fc51")
_WHEEL = Wheel("wheel", "0.45.1", "708e7481cc80179af0e556bbf0cc00b8444c7321e2700b8d8580231d13017248")
WHEELS = {"3.9": (_PIP_39, _SETUPTOOLS, _WHEEL), "3.11": (_PIP, _SETUPTOOLS, _WHEEL), "3.13": (_PIP,)}
"""What comes with each Python, as in the official images: setuptools and wheel up to 3.11 only."""

_DEBIAN_TAG = re.compile(r"([a-z]+|[0-9]+)(-slim)?")
_PYTHON_TAG = re.compile(r"([0-9]+\.[0-9]+)-slim(?:-([a-z]+))?")


@dataclass(frozen=True, slots=True)
class Recipe:
    """One base image. *python* is "" or a version `x.y`; a slim one has no manual pages and no translations."""

    reference: Reference
    suite: str
    python: str = ""
    is_slim: bool = True

    @property
    def origin(self) -> str:
        """The value of the origin label."""
        return f"bootstrap {self.reference.familiar}"

    def debian_config(self, diff_id: Digest, platform: Platform, created: str) -> ImageConfig:
        """The config of the Debian image with this one layer."""
        base = f"debian:{self.suite}{'-slim' if self.is_slim else ''}"
        return ImageConfig(
            platform=platform,
            config=ExecutionConfig(
                env=(PATH.replace("/usr/local/bin:", "", 1),), command=("bash",), labels={ORIGIN_LABEL: self.origin}
            ),
            diff_ids=(diff_id,),
            history=(
                History(created, f"teul image bootstrap {base}", "Debian's packages, by mmdebstrap"),
                History(created, 'CMD ["bash"]', empty_layer=True),
            ),
            created=created,
        )

    def python_config(
        self, below: Digest, diff_id: Digest, platform: Platform, created: str, *, version: str
    ) -> ImageConfig:
        """The config of the Python image: the Debian layer and one on it; *version* is Python's, in full."""
        base = self.debian_config(below, platform, created)
        pins = " ".join(f"{wheel.name}=={wheel.version}" for wheel in WHEELS[self.python])
        env = (PATH, "LANG=C.UTF-8", f"PYTHON_VERSION={version}")
        return ImageConfig(
            platform=platform,
            config=ExecutionConfig(env=env, command=("python3",), labels={ORIGIN_LABEL: self.origin}),
            diff_ids=(below, diff_id),
            history=(
                *base.history,
                *(History(created, f"ENV {line}", empty_layer=True) for line in env),
                History(
                    created,
                    f"teul image bootstrap {self.reference.familiar}",
                    f"Debian's Python {version} in /usr/local, {pins}",
                ),
                History(created, 'CMD ["python3"]', empty_layer=True),
            ),
            created=created,
        )


def find_recipe(reference: Reference) -> Recipe:
    """What *reference* would be made of.

    Raises:
        UnknownBase: Debian has no such thing; the message lists what there is, the hint says how to go on with it.
    """
    is_official = reference.domain == DEFAULT_DOMAIN and not reference.digest
    if is_official and reference.path == "library/debian":
        found = _DEBIAN_TAG.fullmatch(reference.tag)
        versions = {version: suite for suite, version in SUITES.items()}
        if found:
            suite = versions.get(found[1], found[1])
            if suite in SUITES:
                return Recipe(reference, suite, is_slim=bool(found[2]))
    if is_official and reference.path == "library/python":
        found = _PYTHON_TAG.fullmatch(reference.tag)
        if found and found[1] in PYTHONS and (found[2] or PYTHONS[found[1]]) == PYTHONS[found[1]]:
            return Recipe(reference, PYTHONS[found[1]], python=found[1])
    raise UnknownBase(reference.familiar, offered(), hint=replacement(reference))


def offered() -> tuple[str, ...]:
    """The names that can be bootstrapped (each `debian:` one also with `-slim`)."""
    return (*(f"python:{version}-slim" for version in PYTHONS), *(f"debian:{suite}" for suite in SUITES))


def suggestion(reference: Reference) -> Text:
    """What to type when *reference* cannot be pulled: the command that makes it, or one that goes on without it."""
    try:
        find_recipe(reference)
    except UnknownBase:
        return replacement(reference)
    name = reference.familiar
    return text("teul image bootstrap {name}  (or build with --build-context {name}=docker-image://OTHER)", name=name)


def replacement(reference: Reference) -> Text:
    """The `--build-context` line that builds a Dockerfile untouched on the nearest image that can be made."""
    nearest = "debian:bookworm-slim"
    if reference.path == "library/python":
        wanted = re.match(r"([0-9]+)\.([0-9]+)", reference.tag)
        versions = sorted(PYTHONS, key=_number)
        nearest = versions[-1]
        if wanted:
            below = [item for item in versions if _number(item) <= (int(wanted[1]), int(wanted[2]))]
            nearest = below[-1] if below else versions[0]
        nearest = f"python:{nearest}-slim"
    elif reference.path not in ("library/debian", "library/ubuntu"):
        return text("build with --build-context {name}=docker-image://OTHER", name=reference.familiar)
    return text(
        "teul image bootstrap {nearest}, then build with --build-context {name}=docker-image://{nearest}",
        nearest=nearest,
        name=reference.familiar,
    )


def _number(version: str) -> tuple[int, int]:
    major, _, minor = version.partition(".")
    return int(major), int(minor)
