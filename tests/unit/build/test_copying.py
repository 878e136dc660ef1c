from __future__ import annotations

import os

import pytest

from teul.build import copying
from teul.build.copying import Copier
from teul.build.tree import Tree
from teul.errors import Cancelled


def test_a_copy_of_one_large_file_can_be_stopped_in_the_middle(tmp_path, monkeypatch):
    monkeypatch.setattr(copying, "KERNEL_BYTES", 1000)
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    target.mkdir()
    (source / "large").write_bytes(bytes(10_000))
    asked = []

    def should_stop():
        asked.append(len(asked))
        return len(asked) > 4

    with pytest.raises(Cancelled):
        Copier(str(target), owner=(os.geteuid(), os.getegid()), should_stop=should_stop).place(
            Tree(str(source)), "", "", "/"
        )

    assert 0 < (target / "large").stat().st_size < 10_000
