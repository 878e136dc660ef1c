from __future__ import annotations

import pytest

from teul.build.modes import apply_mode, parse_mode


@pytest.mark.parametrize(
    ("text", "before", "is_folder", "after"),
    [
        ("755", 0o644, False, 0o755),
        ("0644", 0o777, False, 0o644),
        ("+x", 0o644, False, 0o755),
        ("u+x,g-r", 0o644, False, 0o704),
        ("a=r", 0o777, False, 0o444),
        ("go=rX", 0o700, True, 0o755),
        ("go=rX", 0o600, False, 0o644),
        ("u=rwX,go=rX", 0o700, False, 0o755),
        ("g=u", 0o640, False, 0o660),
        ("u+s", 0o755, False, 0o4755),
        ("+t", 0o777, True, 0o1777),
    ],
)
def test_modes_change_as_chmod_does(text: str, before: int, is_folder: bool, after: int) -> None:
    assert oct(after) == oct(apply_mode(text, before, is_folder=is_folder))


@pytest.mark.parametrize("text", ["", "8", "77777", "u", "u=q", "x+", "rwx"])
def test_what_is_no_mode_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_mode(text)
