"""Work on the host with the ids of a world."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from podwire.lab.host import userns, userns_exec


class ExpectedError(Exception):
    pass


def test_the_work_is_root_of_a_worlds_ids_and_files_get_their_owners(tmp_path: Path) -> None:
    many = userns.available_map().full

    def work() -> list[int]:
        (tmp_path / "own").touch()
        (tmp_path / "other").touch()
        if many:
            os.chown(tmp_path / "other", 33, 33)
        return [os.geteuid(), os.getegid()]

    assert userns_exec.run(work, list[int], ExpectedError) == [0, 0]
    assert (tmp_path / "own").stat().st_uid == os.geteuid()
    expected = userns.available_map().users[1][1] + 32 if many else os.geteuid()
    assert (tmp_path / "other").stat().st_uid == expected


def test_expected_errors_keep_their_text_and_others_are_faults() -> None:
    def expected() -> None:
        raise ExpectedError("object, field, remedy")

    def fault() -> None:
        raise ZeroDivisionError

    with pytest.raises(ExpectedError, match=r"^object, field, remedy$"):
        userns_exec.run(expected, type(None), ExpectedError)
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        userns_exec.run(fault, type(None), ExpectedError)


def test_work_that_is_killed_is_reported() -> None:
    with pytest.raises(RuntimeError, match="ended"):
        userns_exec.run(lambda: os.kill(os.getpid(), 9), type(None), ExpectedError)
