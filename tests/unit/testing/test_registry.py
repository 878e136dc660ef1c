"""The shipped fake is a registry."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from suites.registry import RegistrySuite
from teul.testing.registry import FakeRegistry


@pytest.fixture(scope="module")
def domain() -> Iterator[str]:
    with FakeRegistry() as registry:
        yield registry.domain


class TestFakeRegistry(RegistrySuite):
    pass
