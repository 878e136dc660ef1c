"""Secrets in a process's output."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from teul.build.masking import Mask


def masked(secret: bytes, pieces: list[bytes]) -> bytes:
    mask = Mask([secret])
    shown = b"".join(mask.feed("stdout", piece) for piece in pieces)
    return shown + b"".join(data for _, data in mask.rest())


@given(st.lists(st.integers(0, 40)))
def test_a_secret_is_starred_wherever_the_pieces_end(cuts: list[int]) -> None:
    data = b"token=HUNTER2-4711 HUNTER2-47 HUNTER2-4711\n"
    ends = sorted({0, len(data), *cuts})

    assert masked(b"HUNTER2-4711\n", [data[a:b] for a, b in pairwise(ends)]) == (b"token=*** HUNTER2-47 ***\n")


def test_each_line_of_a_secret_counts_and_short_words_stay() -> None:
    assert masked(b"first-line\nab\nsecond-line\n", [b"ab second-line first-line"]) == b"ab *** ***"


def test_streams_are_apart() -> None:
    mask = Mask([b"HUNTER2-4711"])

    assert mask.feed("stdout", b"a HUNT") == b"a "
    assert mask.feed("stderr", b"ER2-4711") == b"ER2-4711"
    assert mask.rest() == [("stdout", b"HUNT")]
