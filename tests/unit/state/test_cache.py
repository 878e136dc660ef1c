from __future__ import annotations

from pathlib import Path

import pytest

from suites.cache import CacheSuite
from teul.solver import Cache
from teul.state.cache import SolverCache, file_digests, forget_results, put_file_digests, scopes, walk_results
from teul.state.db import Database


@pytest.fixture
def db(tmp_path: Path) -> Database:
    return Database.open(f"{tmp_path}/state.db")


class TestSolverCache(CacheSuite):
    @pytest.fixture(autouse=True)
    def _open(self, tmp_path: Path) -> None:
        self.db = Database.open(f"{tmp_path}/state.db")

    def make(self) -> Cache:
        return SolverCache(self.db)


def test_digests_of_files_below_a_folder_come_back_and_no_others(db: Database) -> None:
    stat = (1, 2, 3, 4, 5)
    put_file_digests(db, {"/a/x": (stat, "d1"), "/ab": (stat, "d2"), "/a/b/c": (stat, "d3"), "/a": (stat, "d4")})

    assert {"/a/x": (stat, "d1"), "/a/b/c": (stat, "d3")} == file_digests(db, "/a")


def test_results_can_be_walked_and_forgotten(db: Database) -> None:
    cache = SolverCache(db)
    cache.put("k1", "v", "n", {"digest": "d", "data": {}})
    cache.put("k2", "v", "n", {"digest": "e", "data": {}})
    forget_results(db, ["k1"])

    assert [(key, data) for key, data, _ in walk_results(db)] == [("k2", {"digest": "e", "data": {}})]


def test_a_scope_describes_itself_at_the_empty_place(db: Database) -> None:
    SolverCache(db).explain("s", {"": {"key": "", "image": "sha256:1"}, "a": {"key": "k"}})

    assert [(name, row) for name, row, _ in scopes(db)] == [("s", {"key": "", "image": "sha256:1"})]
