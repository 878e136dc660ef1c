"""BuildKit's records of progress, as programs that follow `docker build --progress rawjson` read them."""

import base64
import io
import json

from teul.cli.progress.rawjson import RawJson, digest
from teul.errors import Span, text
from teul.events import Advance, Line, Step, Warn


def records(*events):
    stream = io.StringIO()
    times = iter(range(1_700_000_000 * 10**9, 1_700_000_100 * 10**9, 10**9 + 5))
    sink = RawJson(stream, now=lambda: next(times))
    for event in events:
        sink(event)
    sink.finish()
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_step_from_its_beginning_to_its_end():
    started, done = records(Step("5", "[1/2] RUN x", "started"), Step("5", "[1/2] RUN x", "done", cached=True))
    (vertex,) = started["vertexes"]
    assert vertex == {"digest": digest("5"), "name": "[1/2] RUN x", "started": "2023-11-14T22:13:20.000000000Z"}
    (vertex,) = done["vertexes"]
    assert vertex["started"] == "2023-11-14T22:13:20.000000000Z"
    assert vertex["completed"] == "2023-11-14T22:13:21.000000005Z"
    assert vertex["cached"] is True


def test_failures_output_and_parts_belong_to_their_vertex():
    failed, part, advance, log = records(
        Step("1", "RUN x", "failed", error="exit code: 3"),
        Step("1 sub", "asking pip", "started", ("1",)),
        Advance("1", 5, 10, detail="layer"),
        Line("1", "stderr", b"\xff\n"),
    )
    assert failed["vertexes"][0]["error"] == "exit code: 3"
    assert part["statuses"][0]["vertex"] == digest("1")
    assert advance["statuses"][0] | {"timestamp": ""} == {
        "id": "layer",
        "vertex": digest("1"),
        "current": 5,
        "total": 10,
        "timestamp": "",
    }
    assert log["logs"][0]["stream"] == 2
    assert base64.b64decode(log["logs"][0]["data"]) == b"\xff\n"


def test_a_warning_has_its_place():
    (record,) = records(Warn("", "lint", text("주의"), Span("Dockerfile", 3, column=5)))
    (warning,) = record["warnings"]
    assert base64.b64decode(warning["short"]).decode() == "주의"
    assert warning["range"][0]["start"] == {"line": 3, "character": 4}
