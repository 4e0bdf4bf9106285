"""Read offsets of container logs, so that an attach after a log request neither repeats nor misses output.

kubectl run (1.36 and later) reads the log and then attaches; older ones only attach. One run of kubectl names itself by
its header Kubectl-Session (KEP-859).
"""

from __future__ import annotations

from pathlib import Path

import msgspec

REMEMBERED = 256


class Position(msgspec.Struct, frozen=True):
    """A place in a log: the file's inode number, as a log may be set aside, and an offset in bytes."""

    inode: int
    offset: int


class Readings:
    """The ends of what was read, by reader and log; of the latest readers only."""

    def __init__(self) -> None:
        self._ends: dict[tuple[str, Path], Position] = {}

    def remember(self, reader: str, log: Path, end: Position) -> None:
        """A reader has seen the log up to here. One without a name is not remembered."""
        if not reader:
            return
        self._ends.pop((reader, log), None)
        self._ends[reader, log] = end
        while len(self._ends) > REMEMBERED:
            del self._ends[next(iter(self._ends))]

    def end(self, reader: str, log: Path) -> Position | None:
        """Where this reader stopped; None where it has not read this log."""
        return self._ends.get((reader, log))
