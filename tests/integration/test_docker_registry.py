"""Debian's docker-registry passes the suite that our fake passes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from suites import docker_registry
from suites.registry import RegistrySuite

pytestmark = [
    pytest.mark.needs_registry,
    pytest.mark.skipif(not docker_registry.is_installed(), reason="docker-registry is not installed"),
]


@pytest.fixture(scope="module")
def domain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with docker_registry.running(str(tmp_path_factory.mktemp("registry"))) as made:
        yield made


class TestDockerRegistry(RegistrySuite):
    pass
