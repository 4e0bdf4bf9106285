"""A container's log rotates; where that fails, output is lost and nobody else's file is touched."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from podwire.lab.shim.cri_log import Entry, decode
from podwire.lab.shim.log_file import LogFile, set_aside


def entry(text: str) -> Entry:
    return Entry(1, "stdout", True, text.encode())


def texts(path: Path) -> list[str]:
    found = (decode(line) for line in path.read_bytes().splitlines())
    return [one.output.decode().strip() for one in found if one is not None]


def test_a_long_log_goes_on_in_a_new_file(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "0.log", most_bytes=100)
    for number in range(3):
        log.write([entry(f"{number}" * 50)])
    assert texts(tmp_path / "0.log") == ["2" * 50]
    assert texts(set_aside(tmp_path / "0.log")) == ["1" * 50]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.log", "0.log.1"]
    log.close()


def test_a_rotation_that_fails_closes_no_other_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    log = LogFile(tmp_path / "0.log", most_bytes=100)
    log.write([entry("kept")])
    blocker = set_aside(tmp_path / "0.log")
    blocker.mkdir()  # no file can be renamed to it
    log.write([entry("lost" * 30)])
    victim = os.open(tmp_path / "victim", os.O_WRONLY | os.O_CREAT)
    log.write([entry("lost" * 30)])
    os.write(victim, b"mine")
    assert (tmp_path / "victim").read_bytes() == b"mine"
    assert "output is lost" in caplog.text
    blocker.rmdir()
    log.write([entry("again" * 20)])
    assert texts(blocker) == ["kept"]
    assert texts(tmp_path / "0.log") == ["again" * 20]
    os.close(victim)
    log.close()


def test_a_rotation_that_failed_half_way_is_finished_by_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = LogFile(tmp_path / "0.log", most_bytes=100)
    log.write([entry("kept")])
    rename = Path.rename

    def fails(path: Path, target: Path) -> Path:
        if path.suffix == ".new":
            raise OSError(5, "Input/output error")
        return rename(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", fails)
        log.write([entry("lost" * 30)])
    log.write([entry("again" * 20)])
    assert texts(set_aside(tmp_path / "0.log")) == ["kept"]
    assert texts(tmp_path / "0.log") == ["again" * 20]
    log.close()
