"""Base images that are not here: asked for side by side, fetched only for a step that stands on them, named with their place."""

from __future__ import annotations

import threading
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from suites import small_images
from teul.config import Settings
from teul.engine import Engine
from teul.engine.build import BuildOptions, build, plan
from teul.engine.build.attributes import read_cache_from, read_cache_to
from teul.errors import Cancelled, TeulError
from teul.testing.registry import FakeRegistry, Fault
from teul.values import replace

pytestmark = [pytest.mark.needs_root]


def serve(registry: FakeRegistry, *names: str) -> dict[str, str]:
    """One image of one file for each name; the paths of their layers' blobs."""
    made = {}
    for name in names:
        _, layers = small_images.serve(registry, name, "latest", small_images.tar((name, name.encode())))
        made[name] = f"/v2/{name}/blobs/{layers[0].digest}"
    return made


def asked(registry: FakeRegistry, path: str) -> int:
    return sum(request.method == "GET" and request.target == path for request in registry.requests)


def write(folder: Path, registry: FakeRegistry) -> BuildOptions:
    folder.mkdir(exist_ok=True)
    (folder / "word").write_text("word")
    (folder / "Dockerfile").write_text(
        f"FROM {registry.domain}/unused AS unused\n"
        f"FROM {registry.domain}/one AS a\n"
        "COPY word /made\n"
        f"FROM {registry.domain}/two\n"
        "COPY --from=a /made /made\n"
    )
    return BuildOptions(context=str(folder))


def test_two_bases_are_asked_for_at_once(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from teul.engine.images import pulling

    meeting = threading.Barrier(2)
    resolve = pulling.resolve

    def together(*arguments: Any, **options: Any) -> Any:
        meeting.wait(10)
        return resolve(*arguments, **options)

    monkeypatch.setattr(pulling, "resolve", together)
    with FakeRegistry() as registry:
        layers = serve(registry, "one", "two", "unused")
        result = build(engine, write(tmp_path, registry))
        assert not [request for request in registry.requests if "/unused/" in str(request)]
        assert [asked(registry, layers[name]) for name in ("one", "two")] == [1, 1]

    assert len(result.image.config.diff_ids) == 2


def test_the_base_of_a_stage_that_is_known_is_not_fetched(engine: Engine, settings: Settings, tmp_path: Path) -> None:
    other = Engine.open(replace(settings, root=str(tmp_path / "other"), run_root=str(tmp_path / "other-run")))
    with FakeRegistry() as registry:
        layers = serve(registry, "one", "two", "unused")
        options = write(tmp_path / "context", registry)
        first = build(engine, replace(options, cache_to=(read_cache_to(f"type=local,dest={tmp_path}/cache,mode=max"),)))
        registry.requests.clear()
        source = replace(options, cache_from=(read_cache_from(f"type=local,src={tmp_path}/cache"),))
        planned, _ = plan(other, source)
        assert [asked(registry, layers[name]) for name in ("one", "two")] == [0, 0]
        second = build(other, source)

        assert {item.state for item in planned} == {"cached"}
        assert second.image.id == first.image.id
        assert [step.name for step in second.steps if not step.cached] == []
        assert [asked(registry, layers[name]) for name in ("one", "two")] == [0, 1]
        assert other.images.find(f"{registry.domain}/one") is None
        assert other.images.find(f"{registry.domain}/two") is not None

        # What changed in the stage stands on its base, which comes then.
        (tmp_path / "context/word").write_text("another")
        build(other, source)
        assert [asked(registry, layers[name]) for name in ("one", "two")] == [1, 1]
        # A name that came to mean what is here already is noted without a byte.
        other.images.untag(other.images.get(f"{registry.domain}/two").names[0])
        build(other, source)
        assert other.images.find(f"{registry.domain}/two") is not None
        assert [asked(registry, layers[name]) for name in ("one", "two")] == [1, 1]
    other.close()


def test_a_base_that_is_missing_or_damaged_is_named_with_its_place(engine: Engine, tmp_path: Path) -> None:
    with FakeRegistry() as registry:
        layers = serve(registry, "one")
        (tmp_path / "Dockerfile").write_text(
            f"FROM {registry.domain}/one AS a\nFROM {registry.domain}/two\nCOPY --from=a /one /one\n"
        )
        with pytest.raises(TeulError, match="two") as caught:
            build(engine, BuildOptions(context=str(tmp_path)))
        assert caught.value.span is not None
        assert caught.value.span.line == 2

        # An id that could be several images' is wrong where it stands, too.
        for number in range(17):
            small_images.add(engine, small_images.tar((f"f{number}", b"")), name="")
        ids = sorted(str(image.id).removeprefix("sha256:") for image in engine.images.list())
        double = next(one[0] for one, other in pairwise(ids) if one[0] == other[0])
        (tmp_path / "Double").write_text(f"FROM {registry.domain}/one AS a\nFROM {double}\n")
        with pytest.raises(TeulError, match="several images begin so") as caught:
            build(engine, BuildOptions(context=str(tmp_path), dockerfile="Double"))
        assert caught.value.span is not None
        assert caught.value.span.line == 2

        serve(registry, "two")
        registry.fail(Fault(path=layers["one"], times=9, corrupt=True))
        with pytest.raises(TeulError) as caught:
            build(engine, BuildOptions(context=str(tmp_path)))
        assert caught.value.span is not None
        assert caught.value.span.line == 1


def test_who_is_stopped_does_not_wait_for_the_layers_of_a_base(engine: Engine, tmp_path: Path) -> None:
    from teul.engine.build import Session
    from teul.events import silent

    with FakeRegistry() as registry:
        layers = serve(registry, "one")
        registry.fail(Fault(path=layers["one"], cut_after_bytes=1, stall=True))
        (tmp_path / "Dockerfile").write_text(f"FROM {registry.domain}/one\nCOPY Dockerfile /\n")
        session = Session(engine, BuildOptions(context=str(tmp_path)), silent)
        caught: list[BaseException] = []

        def stop() -> None:
            registry.stalled.wait(10)
            session.bases.abort()

        stopping = threading.Thread(target=stop)
        stopping.start()
        try:
            session.solve()
        except TeulError as error:
            caught.append(error)
        finally:
            session.close()
            stopping.join()

        assert not registry.resume.is_set()
        assert [type(error) for error in caught] == [Cancelled]
        assert build(engine, BuildOptions(context=str(tmp_path))).image
