"""What every `teul.solver.Cache` does; a subclass gives `make`."""

from __future__ import annotations

from teul.solver import Cache


class CacheSuite:
    def make(self) -> Cache:
        raise NotImplementedError

    def test_what_was_never_put_is_not_found(self) -> None:
        assert self.make().find("k") is None

    def test_a_result_comes_back_as_it_was_put(self) -> None:
        cache = self.make()
        cache.put("k", "v", "name", {"digest": "d", "data": {"a": [1, "틀"]}})

        assert cache.find("k") == {"digest": "d", "data": {"a": [1, "틀"]}}

    def test_a_second_put_replaces_the_first(self) -> None:
        cache = self.make()
        cache.put("k", "v", "name", {"digest": "1", "data": {}})
        cache.put("k", "v", "name", {"digest": "2", "data": {}})

        assert cache.find("k") == {"digest": "2", "data": {}}

    def test_what_is_explained_is_kept_by_scope_and_place(self) -> None:
        cache = self.make()
        cache.explain("one", {"a": {"key": "k1"}, "b": {"key": "k2"}}, gone=())
        cache.explain("two", {"a": {"key": "k3"}}, gone=())

        assert cache.explained_keys("one") == {"a": "k1", "b": "k2"}
        assert cache.explained("two") == {"a": {"key": "k3"}}

    def test_places_that_are_gone_are_forgotten(self) -> None:
        cache = self.make()
        cache.explain("one", {"a": {"key": "k1"}, "b": {"key": "k2"}}, gone=())
        cache.explain("one", {"b": {"key": "k4"}}, gone=["a"])

        assert cache.explained_keys("one") == {"b": "k4"}
