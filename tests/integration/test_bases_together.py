"""The base images of several stages are fetched at the same time, and a missing one is still named with its place."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from suites import small_images
from teul.engine import Engine
from teul.engine.build import BuildOptions, build
from teul.errors import TeulError
from teul.testing.registry import FakeRegistry

pytestmark = [pytest.mark.needs_root]


def test_two_bases_come_at_once(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import teul.engine.images as images

    meeting = threading.Barrier(2)
    ensure = images.ensure

    def together(*arguments: Any, **options: Any) -> Any:
        meeting.wait(10)
        return ensure(*arguments, **options)

    monkeypatch.setattr(images, "ensure", together)
    with FakeRegistry() as registry:
        for name in ("one", "two", "unused"):
            small_images.serve(registry, name, "latest", small_images.tar((name, name.encode())))
        (tmp_path / "Dockerfile").write_text(
            f"FROM {registry.domain}/unused AS unused\n"
            f"FROM {registry.domain}/one AS a\n"
            f"FROM {registry.domain}/two\n"
            "COPY --from=a /one /one\n"
        )
        result = build(engine, BuildOptions(context=str(tmp_path)))
        assert not [request for request in registry.requests if "/unused/" in str(request)]

    assert len(result.image.config.diff_ids) == 2


def test_a_base_that_is_missing_is_named_with_its_place(engine: Engine, tmp_path: Path) -> None:
    with FakeRegistry() as registry:
        small_images.serve(registry, "one", "latest", small_images.tar(("f", b"x")))
        (tmp_path / "Dockerfile").write_text(
            f"FROM {registry.domain}/one AS a\nFROM {registry.domain}/two\nCOPY --from=a /f /f\n"
        )
        with pytest.raises(TeulError, match="two") as caught:
            build(engine, BuildOptions(context=str(tmp_path)))

    assert caught.value.span is not None
    assert caught.value.span.line == 2
