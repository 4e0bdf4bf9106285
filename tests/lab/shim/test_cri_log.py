from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podwire.lab.shim.cri_log import LONGEST_ENTRY, Entry, decode, encode, entries, parse_time, timestamp
from podwire.lab.shim.log_file import LogFile, log_path, remove_runs, set_aside
from podwire.lab.streams.log_cursors import REMEMBERED, Position, Readings
from podwire.lab.streams.log_reader import LogOptionError, LogOptions, Rendering, Tail, chunks, last_lines, options

TIME = 1_700_000_000_123_456_789


@given(st.lists(st.binary(max_size=80)))
def test_what_was_written_comes_back_byte_by_byte(parts: list[bytes]) -> None:
    text = encode(entry for part in parts for entry in entries(part, "stdout", TIME))
    lines = text.split(b"\n")[:-1]
    found = [entry for entry in map(decode, lines) if entry is not None]
    assert len(found) == len(lines)
    assert b"".join(entry.output for entry in found) == b"".join(parts)


def test_long_lines_are_parts() -> None:
    found = list(entries(b"x" * (LONGEST_ENTRY + 1) + b"\nrest", "stderr", TIME))
    assert [(len(entry.content), entry.full) for entry in found] == [(LONGEST_ENTRY, False), (1, True), (4, False)]


def test_times() -> None:
    assert timestamp(TIME) == "2023-11-14T22:13:20.123456789Z"
    assert parse_time("2023-11-14T22:13:20.123456789Z") == TIME
    assert parse_time("2023-11-14T23:13:20.5+01:00") == 1_700_000_000_500_000_000
    with pytest.raises(ValueError, match="no RFC 3339 time"):
        parse_time("yesterday")


def test_a_line_that_is_no_entry_is_none() -> None:
    assert decode(b"2023-11-14T22:13:20Z stdout X text") is None
    assert decode(b"when stdout F text") is None
    assert decode(b"") is None


def test_the_last_lines_count_parts_once() -> None:
    found = (
        list(entries(b"a\nb\n", "stdout", 1)) + list(entries(b"c", "stdout", 2)) + list(entries(b"d\n", "stdout", 3))
    )
    assert b"".join(entry.output for entry in last_lines(found, 1)) == b"cd\n"
    assert last_lines(found, 0) == []
    assert last_lines(found, 9) == found


def test_options_and_their_errors() -> None:
    wanted = options({"follow": "true", "tailLines": "5", "sinceSeconds": "10"}, now=100.0)
    assert wanted == LogOptions(follow=True, tail_lines=5, since=90_000_000_000)
    with pytest.raises(LogOptionError, match="limitBytes"):
        options({"limitBytes": "-1"}, now=0)
    with pytest.raises(LogOptionError, match="sinceTime"):
        options({"sinceTime": "x"}, now=0)


def test_times_stand_at_the_start_of_lines_only() -> None:
    rendering = Rendering(LogOptions(timestamps=True, since=2))
    parts = [Entry(1, "stdout", True, b"old"), Entry(2, "stdout", False, b"a"), Entry(2, "stdout", True, b"b")]
    assert rendering.render(parts).endswith(b"000000002Z ab\n")
    assert Rendering(LogOptions(limit_bytes=2)).render(parts) == b"ol"


async def test_a_log_that_is_set_aside_is_read_in_order(tmp_path: Path) -> None:
    path = log_path(tmp_path, "main", 0)
    log = LogFile(path, most_bytes=200)
    for number in range(5):
        log.write(entries(b"line %d\n" % number, "stdout", TIME))
    assert set_aside(path).exists()
    tail = Tail(path)
    before = [entry.content for entry in tail.more()]
    for number in range(5, 9):
        log.write(entries(b"line %d\n" % number, "stdout", TIME))
        before += [entry.content for entry in tail.more()]
    assert before[-4:] == [b"line 5", b"line 6", b"line 7", b"line 8"]
    tail.close()
    log.close()
    text = b"".join([data async for data in chunks(path, LogOptions(tail_lines=3), lambda: False)])
    assert text == b"line 6\nline 7\nline 8\n"


async def test_a_reader_of_a_log_continues_where_it_ended(tmp_path: Path) -> None:
    path = log_path(tmp_path, "main", 0)
    log = LogFile(path, most_bytes=200)
    read = Readings()
    ends: list[Position] = []
    log.write(entries(b"line 0\npart", "stdout", TIME))
    assert [data async for data in chunks(path, LogOptions(), lambda: False, ends.append)] == [b"line 0\npart"]
    read.remember("session", path, ends[0])
    read.remember("", path, ends[0])
    assert (read.end("other", path), read.end("", path)) == (None, None)
    for number in range(1, 5):
        log.write(entries(b"line %d\n" % number, "stdout", TIME))
    assert set_aside(path).exists(), "and also when the log was set aside meanwhile"
    tail, end = Tail(path), read.end("session", path)
    assert end is not None
    tail.resume(end)
    assert [entry.content for entry in tail.more() + tail.more()] == [b"line 1", b"line 2", b"line 3", b"line 4"]
    tail.close()
    log.close()


def test_only_the_latest_readers_are_kept(tmp_path: Path) -> None:
    read = Readings()
    for number in range(REMEMBERED + 1):
        read.remember(str(number), tmp_path, Position(1, number))
    assert (read.end("0", tmp_path), read.end("1", tmp_path)) == (None, Position(1, 1))


def test_logs_of_old_runs_are_removed(tmp_path: Path) -> None:
    for run in range(3):
        LogFile(log_path(tmp_path, "main", run)).close()
    remove_runs(tmp_path, "main", 2)
    assert [path.name for path in (tmp_path / "logs" / "main").iterdir()] == ["2.log"]
