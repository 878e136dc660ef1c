"""Reading conmon's log. Source: the Kubernetes container runtime interface's log format."""

import threading

import pytest

from teul.errors import InvalidInput
from teul.runtime.logs import LogLine, parse_record, parse_time, read_log, stamp


def record(text, *, stream="stdout", tag="F", at="2024-01-01T00:00:00.000000001+00:00"):
    return f"{at} {stream} {tag} {text}\n"


@pytest.fixture
def log(tmp_path):
    def make(*records):
        path = tmp_path / "log"
        path.write_text("".join(records))
        return str(path)

    return make


def data(lines):
    return [line.data for line in lines]


def test_a_record_has_a_stream_a_time_and_the_text_as_it_was():
    assert LogLine("stderr", "2024-01-01T00:00:00.000000001Z", b" two  spaces\n") == parse_record(
        record(" two  spaces", stream="stderr").encode().rstrip(b"\n")
    )


def test_a_part_of_a_line_has_no_line_end():
    assert parse_record(record("half", tag="P").encode().rstrip(b"\n")).data == b"half"


@pytest.mark.parametrize("line", [b"", b"2024", b"2024 stdout", b"2024 stdin F x", b"2024 stdout X x"])
def test_a_damaged_record_is_none(line):
    assert parse_record(line) is None


def test_all_is_read_but_a_record_that_a_crash_cut(log):
    assert data(read_log(log(record("a"), record("b"), "2024-01-01T00:00 stdo"))) == [b"a\n", b"b\n"]


def test_no_log_is_no_lines(tmp_path):
    assert list(read_log(str(tmp_path / "none"))) == []


@pytest.mark.parametrize(
    ("tail", "expected"),
    [
        (0, []),
        (1, [b"d\n"]),
        (2, [b"b", b"c\n", b"d\n"]),
        (3, [b"a\n", b"b", b"c\n", b"d\n"]),
        (9, [b"a\n", b"b", b"c\n", b"d\n"]),
    ],
)
def test_the_last_lines_count_a_line_in_parts_once(log, tail, expected):
    path = log(record("a"), record("b", tag="P"), record("c"), record("d"))

    assert expected == data(read_log(path, tail=tail))


def test_an_unfinished_last_line_counts(log):
    path = log(record("a"), record("b"), record("c", tag="P"))

    assert data(read_log(path, tail=1)) == [b"c"]
    assert data(read_log(path, tail=2)) == [b"b\n", b"c"]


def test_the_tail_of_a_log_longer_than_a_block(log):
    path = log(*(record(f"{number} " + "x" * 50) for number in range(5000)))

    assert [int(line.split()[0]) for line in data(read_log(path, tail=2))] == [4998, 4999]
    assert len(data(read_log(path, tail=1500))) == 1500


def test_since_and_until_compare_times(log):
    path = log(*(record(str(second), at=f"2024-01-01T00:00:0{second}.000000000+00:00") for second in range(5)))

    found = read_log(path, since="2024-01-01T00:00:01.000000000Z", until="2024-01-01T00:00:03.000000000Z")
    assert data(found) == [b"1\n", b"2\n", b"3\n"]


def test_following_ends_with_the_container_and_misses_nothing(tmp_path):
    path = tmp_path / "log"
    path.write_text(record("first"))
    ended = threading.Event()
    found = []

    def follow():
        found.extend(data(read_log(str(path), follow=True, has_ended=ended.is_set)))

    reader = threading.Thread(target=follow)
    reader.start()
    with open(path, "a") as file:
        file.write(record("second"))
        file.flush()
        file.write(record("last"))
    ended.set()
    reader.join(timeout=10)

    assert found == [b"first\n", b"second\n", b"last\n"]


@pytest.mark.parametrize(
    ("word", "seconds"),
    [("10s", 990), ("1m30s", 910), ("500ms", 999.5), ("123.5", 123.5), ("1970-01-01T00:00:10Z", 10)],
)
def test_times_are_durations_seconds_or_dates(word, seconds):
    assert stamp(seconds) == parse_time(word, 1000)


@pytest.mark.parametrize("word", ["yesterday", "10x", "h", ""])
def test_what_is_no_time_is_refused(word):
    with pytest.raises(InvalidInput):
        parse_time(word, 0)


@pytest.mark.parametrize("tail", [None, 1])
def test_what_is_written_while_it_is_read_is_left_to_those_who_follow(log, tail):
    path = log(record("one"), record("two"))
    lines = read_log(path, tail=tail)
    first = next(lines)
    with open(path, "a") as file:
        file.write(record("three"))

    assert [b"one\n", b"two\n"][-tail if tail else 0 :] == data([first, *lines])
