"""The last words of a container, from its file and from its log."""

from __future__ import annotations

from pathlib import Path

from podwire.lab.shim.cri_log import encode, entries
from podwire.lab.shim.termination_message import provide, termination_message


def test_the_end_of_the_file_counts(tmp_path: Path) -> None:
    path = provide(tmp_path)
    assert path.stat().st_mode & 0o777 == 0o666
    path.write_bytes(b"x" * 100 + b"y" * 4096)
    assert termination_message(tmp_path, tmp_path / "log", from_log=True) == "y" * 4096


def test_a_restart_begins_with_an_empty_file(tmp_path: Path) -> None:
    provide(tmp_path).write_text("before")
    provide(tmp_path)
    assert termination_message(tmp_path, tmp_path / "log", from_log=False) == ""


def test_the_end_of_the_log_counts_where_the_file_is_empty(tmp_path: Path) -> None:
    provide(tmp_path)
    log = tmp_path / "log"
    log.write_bytes(encode(entries(b"".join(b"%d\n" % number for number in range(100)), "stdout", 0)))
    assert termination_message(tmp_path, log, from_log=False) == ""
    assert termination_message(tmp_path, log, from_log=True) == "".join(f"{number}\n" for number in range(20, 100))
    log.write_bytes(encode(entries(b"a" * 3000 + b"\n", "stderr", 0)))
    assert termination_message(tmp_path, log, from_log=True) == "a" * 2047 + "\n"
    assert termination_message(tmp_path, tmp_path / "none", from_log=True) == ""


def test_a_link_in_place_of_the_file_is_not_followed(tmp_path: Path) -> None:
    path = provide(tmp_path)
    path.unlink()
    (tmp_path / "secret").write_text("hidden")
    path.symlink_to(tmp_path / "secret")
    assert termination_message(tmp_path, tmp_path / "log", from_log=False) == ""
