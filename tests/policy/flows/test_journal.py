import errno
import os
import signal
from pathlib import Path

import pytest

from podwire.policy.flows.journal import CURRENT, PREVIOUS, Journal, JournalReader


def lines(folder: Path) -> list[bytes]:
    return list(JournalReader(folder).read())


def test_the_last_ones_are_kept_at_least_and_files_are_bounded(tmp_path: Path) -> None:
    journal = Journal(tmp_path, kept=10)
    for number in range(35):
        journal.append(b"%d\n" % number)
        assert len(lines(tmp_path)) >= min(number + 1, 10)
    assert lines(tmp_path) == [b"%d" % number for number in range(20, 35)]
    assert {path.name for path in tmp_path.iterdir()} == {CURRENT, PREVIOUS}


def test_long_lines_make_no_file_longer_than_its_bound(tmp_path: Path) -> None:
    journal = Journal(tmp_path, kept=1000, size=100)
    for _ in range(30):
        journal.append(b"x" * 29 + b"\n")
    assert [(tmp_path / name).stat().st_size for name in (CURRENT, PREVIOUS)] == [90, 90]


def test_another_process_goes_on_where_one_was_killed(tmp_path: Path) -> None:
    pid = os.fork()
    if pid == 0:
        Journal(tmp_path, kept=10).append(b"before\n")
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    journal = Journal(tmp_path, kept=2)
    journal.append(b"after\n")
    assert lines(tmp_path) == [b"before", b"after"]
    journal.append(b"more\n")
    assert (tmp_path / PREVIOUS).read_bytes() == b"before\nafter\n"


def test_a_journal_that_cannot_begin_a_file_keeps_its_own_and_tries_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(errno.ENFILE, "too many open files in system")

    journal = Journal(tmp_path, kept=2)
    for line in (b"1\n", b"2\n"):
        journal.append(line)
    with monkeypatch.context() as patched:
        patched.setattr(os, "open", refuse)
        for _ in range(2):
            with pytest.raises(OSError, match="too many"):
                journal.append(b"lost\n")
    with (tmp_path / "other").open("w+b") as other:
        journal.append(b"3\n")
        assert other.read() == b"", "the number of a closed file may be another file's"
    assert lines(tmp_path) == [b"1", b"2", b"3"]


def test_a_torn_line_is_left_out(tmp_path: Path) -> None:
    (tmp_path / CURRENT).write_bytes(b"whole\nto")
    Journal(tmp_path).append(b"next\n")
    assert lines(tmp_path) == [b"whole", b"next"]


def test_a_reader_follows_across_files_and_loses_nothing(tmp_path: Path) -> None:
    reader = JournalReader(tmp_path)
    assert list(reader.read()) == []
    journal = Journal(tmp_path, kept=3)
    seen: list[bytes] = []
    for number in range(20):
        journal.append(b"%d\n" % number)
        if number % 2:
            seen += reader.read()
    assert seen == [b"%d" % number for number in range(20)]
    assert list(reader.read()) == []
    reader.close()


def test_a_full_disk_leaves_whole_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(tmp_path)
    journal.append(b"first\n")
    write = os.write
    monkeypatch.setattr(os, "write", lambda file, line: write(file, line[:3]))
    with pytest.raises(OSError, match="no room"):
        journal.append(b"second\n")
    monkeypatch.undo()
    journal.append(b"third\n")
    assert lines(tmp_path) == [b"first", b"third"]
