"""Split a watch stream into its lines: no I/O."""

from __future__ import annotations

LARGEST_LINE = 16 * 1024 * 1024
"""Bytes of one event; etcd stores objects of at most 1.5 MB, their events are a little longer."""


class LineTooLongError(Exception):
    """One event of a watch stream is larger than any object that a server stores."""


class Lines:
    """Takes the stream in pieces. The memory that it needs is bounded by the longest line."""

    def __init__(self, longest: int = LARGEST_LINE) -> None:
        self._longest = longest
        self._rest: list[bytes] = []
        self._size = 0

    def feed(self, piece: bytes) -> list[bytes]:
        """The lines that this piece completes, without empty ones. Raises LineTooLongError."""
        *complete, rest = piece.split(b"\n")
        if complete:
            complete[0] = b"".join((*self._rest, complete[0]))
            self._rest.clear()
            self._size = 0
        self._rest.append(rest)
        self._size += len(rest)
        if self._size > self._longest or any(len(line) > self._longest for line in complete):
            raise LineTooLongError(f"an event of the watch stream has more than {self._longest} bytes")
        return [line for line in complete if line]
