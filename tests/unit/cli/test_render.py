import io
import json

import pytest

from tests.unit.cli.screen import Screen
from teul.cli.context import Context
from teul.cli.progress.jsonl import JsonLines
from teul.cli.progress.plain import Plain
from teul.cli.progress.tty import Terminal
from teul.cli.render import progress_sink
from teul.config import Settings
from teul.errors import Span, UsageError, text
from teul.events import Advance, Line, Step, Warn


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def terminal(screen, clock, *, columns=40, rows=24, title="Building"):
    return Terminal(screen, title=title, has_color=False, clock=clock, size=lambda: (columns, rows), is_ticking=False)


def test_plain_lines_are_numbered_and_timed(clock):
    out = io.StringIO()
    sink = Plain(out, clock=clock)
    sink(Step("a", "[1/2] FROM base", "started"))
    sink(Step("a", "[1/2] FROM base", "done", cached=True))
    sink(Step("b", "[2/2] RUN make", "started"))
    clock.now += 0.5
    sink(Line("b", "stdout", b"one\ntw"))
    sink(Line("b", "stderr", b"warned\n"))
    sink(Line("b", "stdout", b"o\n"))
    clock.now += 0.7
    sink(Step("b", "[2/2] RUN make", "done"))

    assert out.getvalue() == (
        "#1 [1/2] FROM base\n#1 CACHED\n\n"
        "#2 [2/2] RUN make\n#2 0.500 one\n#2 0.500 warned\n#2 0.500 two\n#2 DONE 1.2s\n\n"
    )


def test_plain_says_the_name_again_when_another_step_came_between(clock):
    out = io.StringIO()
    sink = Plain(out, clock=clock)
    sink(Step("a", "A", "started"))
    sink(Step("b", "B", "started"))
    sink(Line("a", "stdout", b"x\n"))
    sink(Step("b", "B", "failed", error="exit code 3"))

    assert out.getvalue() == (
        "#1 A\n#1 ...\n\n#2 B\n#2 ...\n\n#1 A\n#1 0.000 x\n#1 ...\n\n#2 B\n#2 ERROR: exit code 3\n\n"
    )


def test_plain_shows_progress_once_a_second_and_at_the_end(clock):
    out = io.StringIO()
    sink = Plain(out, clock=clock)
    sink(Step("a", "pull", "started"))
    for count in range(13):
        sink(Advance("a", count * 1_000_000, 12_000_000, detail="layer"))
        clock.now += 0.25
    sink(Step("a", "pull", "done"))

    shown = [line for line in out.getvalue().splitlines() if "layer" in line]
    assert shown == ["#1 layer 4MB / 12MB 1.0s", "#1 layer 8MB / 12MB 2.0s", "#1 layer 12MB / 12MB 3.0s"]


def test_a_warning_of_no_step_stands_alone(clock):
    out = io.StringIO()
    Plain(out, clock=clock)(Warn("", "old-syntax", "`MAINTAINER` is old", span=Span("Dockerfile", 3)))

    assert out.getvalue() == "WARN: `MAINTAINER` is old (Dockerfile:3)\n"


def test_finished_steps_stay_and_running_ones_are_drawn_below(clock):
    screen = Screen()
    sink = terminal(screen, clock)
    sink(Step("a", "[1/2] FROM base", "started"))
    sink(Step("a", "[1/2] FROM base", "done", cached=True))
    sink(Step("b", "[2/2] RUN make", "started"))
    clock.now += 1.5
    sink(Line("b", "stdout", b"compiling\n"))

    assert screen.shown() == (
        " => CACHED [1/2] FROM base         0.0s\n"
        "[+] Building 1.5s (1/2)\n"
        " => [2/2] RUN make                 1.5s\n"
        " => => # compiling"
    )


def test_nothing_is_left_to_clear_when_no_step_runs(clock):
    screen = Screen()
    sink = terminal(screen, clock)
    sink(Step("a", "A", "started"))
    sink(Line("a", "stdout", b"noise\n"))
    clock.now += 2
    sink(Step("a", "A", "done"))

    assert screen.shown() == " => A                              2.0s"
    assert screen.lines[screen.row] == ""


def test_a_failed_step_leaves_its_last_words(clock):
    screen = Screen()
    sink = terminal(screen, clock)
    sink(Step("a", "RUN false", "started"))
    sink(Line("a", "stderr", b"first\nlast without end"))
    sink(Step("a", "RUN false", "failed", error="exit code 3"))

    assert screen.shown() == (
        " => ERROR RUN false                0.0s\n------\n > RUN false:\nfirst\nlast without end\n------"
    )


@pytest.mark.parametrize("columns", [20, 40, 63, 200])
def test_lines_never_wrap_whatever_the_width_and_the_script(clock, columns):
    screen = Screen(columns)
    sink = terminal(screen, clock, columns=columns)
    sink(Step("a", "[1/2] RUN pip install 아주 긴 이름의 패키지들을 설치합니다 --no-cache-dir", "started"))
    sink(Line("a", "stdout", "가나다라마바사아자차카타파하 ".encode() * 9 + b"\n"))
    clock.now += 1
    sink(Advance("a", 1_000_000, 90_000_000, detail="catboost-1.2.5-cp311-cp311-manylinux2014_x86_64.whl"))
    sink(Step("a", "[1/2] RUN pip install 아주 긴 이름의 패키지들을 설치합니다 --no-cache-dir", "done"))

    assert screen.shown().endswith("1.0s")


def test_a_small_window_shows_what_fits(clock):
    screen = Screen()
    sink = terminal(screen, clock, rows=5)
    for name in "abcdefgh":
        sink(Step(name, name.upper(), "started"))

    assert len(screen.shown().splitlines()) == 4
    sink.finish()
    assert [line.split()[1] for line in screen.shown().splitlines()] == list("ABCDEFGH")


def test_steps_that_never_ended_are_written_when_the_display_ends(clock):
    screen = Screen()
    sink = terminal(screen, clock)
    sink(Step("a", "A", "started"))
    clock.now += 3
    sink.finish()

    assert screen.shown() == " => A                              3.0s"


def test_records_are_json_lines():
    out = io.StringIO()
    sink = JsonLines(out, now=lambda: 1.25)
    sink(Step("a", "A", "done", parents=("b",), cached=True))
    sink(Advance("a", 1, 2, "files"))
    sink(Line("a", "stdout", "한\n".encode()))
    sink(Warn("a", "odd", text("odd {x}", x=1)))

    assert [json.loads(line) for line in out.getvalue().splitlines()] == [
        {"time": 1.25, "event": "step", "id": "a", "name": "A", "state": "done", "parents": ["b"], "cached": True},
        {"time": 1.25, "event": "advance", "id": "a", "current": 1, "total": 2, "unit": "files"},
        {"time": 1.25, "event": "line", "id": "a", "stream": "stdout", "data": "한\n"},
        {"time": 1.25, "event": "warn", "id": "a", "code": "odd", "message": "odd 1"},
    ]


def context(tmp_path, stderr, **environ):
    return Context(Settings.from_environ({"TEUL_ROOT": str(tmp_path), **environ}), stdout=io.StringIO(), stderr=stderr)


def test_a_pipe_gets_plain_lines_and_a_terminal_a_display(tmp_path):
    pipe = io.StringIO()
    progress_sink(context(tmp_path, pipe, TERM="xterm"))(Step("a", "A", "started"))

    assert pipe.getvalue() == "#1 A\n"


def test_the_event_log_gets_every_record_beside_what_is_shown(tmp_path):
    pipe = io.StringIO()
    sink = progress_sink(context(tmp_path, pipe, TEUL_EVENT_LOG=str(tmp_path / "log")), "quiet")
    sink(Step("a", "A", "started"))
    sink.finish()

    assert pipe.getvalue() == ""
    assert json.loads((tmp_path / "log").read_text())["id"] == "a"


def test_a_line_of_data_clears_what_is_redrawn(tmp_path):
    screen = Screen(80)
    made = context(tmp_path, screen, TERM="xterm")
    sink = made.sink("tty")
    sink(Step("a", "A", "started"))
    made.say(text("hello"))

    assert screen.shown().splitlines()[-1] == "hello"
    assert "[+]" not in screen.shown()


def test_an_unknown_kind_of_progress_is_refused(tmp_path):
    with pytest.raises(UsageError, match="expected auto, tty, plain, json, rawjson, quiet"):
        progress_sink(context(tmp_path, io.StringIO()), "fancy")
