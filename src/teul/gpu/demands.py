"""What an image demands of the driver: `NVIDIA_REQUIRE_CUDA` and its like. Pure.

Docker checked this only in the days of the legacy hook; with CDI nobody does, and a program dies in the middle.

Source: nvidia-container-toolkit, internal/requirements: blanks are "or", commas are "and", all variables must hold.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CUDA_OF_DRIVER = (
    (590, (13, 1)), (580, (13, 0)), (575, (12, 9)), (570, (12, 8)), (565, (12, 7)), (560, (12, 6)), (555, (12, 5)),
    (550, (12, 4)), (545, (12, 3)), (535, (12, 2)), (530, (12, 1)), (525, (12, 0)), (520, (11, 8)), (515, (11, 7)),
    (510, (11, 6)), (495, (11, 5)), (470, (11, 4)), (465, (11, 3)), (460, (11, 2)), (455, (11, 1)), (450, (11, 0)),
    (440, (10, 2)), (418, (10, 1)), (410, (10, 0)),
)  # fmt: skip
"""Driver's major version → the CUDA version that it was released with.

Source: docs.nvidia.com/cuda/cuda-toolkit-release-notes, "CUDA Toolkit and Corresponding Driver Versions".
"""
_OPERATORS = (">=", "<=", "!=", "=", ">", "<")


def cuda_version(driver: str) -> tuple[int, ...]:
    """The newest CUDA version that *driver* (`550.54.15`) is made for; () when it is older than CUDA 10."""
    major = int(driver.partition(".")[0] or 0)
    return next((cuda for floor, cuda in CUDA_OF_DRIVER if major >= floor), ())


def unmet(env: Mapping[str, str], driver: str) -> str:
    """The first demand in *env* that *driver* (its version) does not meet, as it is written; "" when all are met.

    What cannot be known without loading the driver (brand, compute capability) counts as met.
    """
    if env.get("NVIDIA_DISABLE_REQUIRE", "").lower() in ("1", "t", "true"):
        return ""
    known = {"cuda": cuda_version(driver), "driver": _version(driver)}
    for name, value in env.items():
        if name.startswith("NVIDIA_REQUIRE_") and value.strip():
            choices = [choice.split(",") for choice in value.split()]
            if not any(_holds(choice, known) for choice in choices):
                return choices[0][0] if len(choices[0]) == 1 else ",".join(choices[0])
    return ""


def _holds(conditions: Sequence[str], known: Mapping[str, tuple[int, ...]]) -> bool:
    # A demand on the brand alone names a driver range too: with the brand unknown, the range decides.
    return all(_condition(word, known) for word in conditions if word)


def _condition(word: str, known: Mapping[str, tuple[int, ...]]) -> bool:
    operator = next((item for item in _OPERATORS if item in word), "")
    if not operator:
        return True
    name, _, value = word.partition(operator)
    have = known.get(name)
    if not have:
        return True
    want = _version(value)
    length = max(len(have), len(want))
    left, right = have + (0,) * (length - len(have)), want + (0,) * (length - len(want))
    return {
        ">=": left >= right, "<=": left <= right, "!=": left != right,
        "=": left == right, ">": left > right, "<": left < right,
    }[operator]  # fmt: skip


def _version(value: str) -> tuple[int, ...]:
    parts = []
    for part in value.split("."):
        if not part.isdigit():
            break
        parts.append(int(part))
    return tuple(parts)
