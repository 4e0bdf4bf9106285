"""Following a log loses no entry, also when its file is replaced between two reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from podwire.lab.shim.cri_log import Entry
from podwire.lab.shim.log_file import LogFile
from podwire.lab.streams.log_reader import Tail


def entry(text: str) -> Entry:
    return Entry(1, "stdout", True, text.encode())


def test_entries_written_just_before_a_rotation_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = LogFile(tmp_path / "0.log", most_bytes=150)
    log.write([entry("first")])
    tail = Tail(tmp_path / "0.log")
    assert [one.output for one in tail.more()] == [b"first\n"]
    replaced = tail._replaced

    def written_meanwhile() -> bool:
        log.write([entry("last of the old file")])
        log.write([entry("x" * 90)])
        return replaced()

    monkeypatch.setattr(tail, "_replaced", written_meanwhile)
    assert [one.output for one in tail.more()] == [b"last of the old file\n", b"x" * 90 + b"\n"]
    tail.close()
    log.close()
