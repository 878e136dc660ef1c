"""The frames between the front and a worker."""

from teul_model import frames


def test_any_cut_gives_the_same_frames():
    stream = frames.pack(1, 200, b"abc", 2) + frames.pack(0, frames.READY, b"") + frames.pack(2**32 - 1, 503, b"x" * 70)
    for size in (1, 5, 16, len(stream)):
        splitter, made = frames.Splitter(), []
        for start in range(0, len(stream), size):
            made += splitter.feed(stream[start : start + size])

        assert made == [(1, 200, 2, b"abc"), (0, 1, 0, b""), (2**32 - 1, 503, 0, b"x" * 70)]
