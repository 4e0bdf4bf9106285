from pathlib import Path

from podwire.lab.base.exit_ring import ENTRIES, ExitRing, exit_status

SECOND = 1_000_000_000


def test_the_status_of_an_ended_process_is_found(tmp_path: Path) -> None:
    ring = ExitRing(tmp_path / "exits")
    assert exit_status(tmp_path / "exits", 7, 10) is None
    ring.add(7, 256, 11 * SECOND)
    ring.add(8, 9, 12 * SECOND)
    assert exit_status(tmp_path / "exits", 7, 10) == 256
    assert exit_status(tmp_path / "exits", 8, 10) == 9
    assert exit_status(tmp_path / "exits", 9, 10) is None


def test_an_older_process_with_the_same_number_is_ignored(tmp_path: Path) -> None:
    ring = ExitRing(tmp_path / "exits")
    ring.add(7, 256, 11 * SECOND)
    assert exit_status(tmp_path / "exits", 7, 20) is None
    ring.add(7, 0, 21 * SECOND)
    assert exit_status(tmp_path / "exits", 7, 20) == 0


def test_the_newest_are_kept_in_a_file_that_does_not_grow(tmp_path: Path) -> None:
    ring = ExitRing(tmp_path / "exits")
    size = (tmp_path / "exits").stat().st_size
    for pid in range(1, ENTRIES + 2):
        ring.add(pid, pid, 11 * SECOND)
    assert exit_status(tmp_path / "exits", 1, 10) is None
    assert exit_status(tmp_path / "exits", 2, 10) == 2
    assert exit_status(tmp_path / "exits", ENTRIES + 1, 10) == ENTRIES + 1
    assert (tmp_path / "exits").stat().st_size == size


def test_all_blocks_are_allocated_before_they_are_needed(tmp_path: Path) -> None:
    ring = ExitRing(tmp_path / "exits")
    before = (tmp_path / "exits").stat()
    assert before.st_blocks * 512 >= before.st_size
    ring.add(7, 256, 11 * SECOND)
    assert (tmp_path / "exits").stat().st_blocks == before.st_blocks


def test_a_file_that_is_not_there_has_no_status(tmp_path: Path) -> None:
    assert exit_status(tmp_path / "exits", 7, 0) is None
