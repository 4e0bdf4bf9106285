"""Log lines of containers in the CRI format: `<RFC 3339 time> <stream> <tag> <content>`. Pure.

The tag is F for a line that ended and P for a part of one. What a program wrote is logged at once, also without its
end of line: nothing is held back in memory, so nothing is lost with the process that writes the log.
Source: kubernetes `pkg/kubelet/kuberuntime/logs`, CRI "ContainerLogs".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

import msgspec

LONGEST_ENTRY = 16 * 1024
"""Bytes of content in one entry, as in containerd; longer lines are several parts."""

_TIME = re.compile(r"(?P<seconds>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(?P<fraction>\d{1,9}))?(?P<zone>Z|[+-]\d\d:\d\d)")


class Entry(msgspec.Struct, frozen=True):
    """One entry. `time` is nanoseconds since 1970."""

    time: int
    stream: str
    full: bool
    content: bytes

    @property
    def output(self) -> bytes:
        """What the program wrote."""
        return self.content + b"\n" if self.full else self.content


def entries(chunk: bytes, stream: str, time: int) -> Iterator[Entry]:
    """The entries of what a program wrote at once."""
    for line in chunk.splitlines(keepends=True) if b"\r" not in chunk else _lines(chunk):
        full = line.endswith(b"\n")
        content = line[:-1] if full else line
        for start in range(0, max(1, len(content)), LONGEST_ENTRY):
            part = content[start : start + LONGEST_ENTRY]
            last = start + LONGEST_ENTRY >= len(content)
            yield Entry(time, stream, full and last, part)


def encode(entries: Iterable[Entry]) -> bytes:
    """Entries as lines of a log file."""
    parts = []
    time, text = -1, ""
    for entry in entries:
        if entry.time != time:  # what was written at once has one time
            time, text = entry.time, timestamp(entry.time)
        parts.append(f"{text} {entry.stream} {'F' if entry.full else 'P'} ".encode())
        parts.append(entry.content + b"\n")
    return b"".join(parts)


def _lines(chunk: bytes) -> Iterator[bytes]:
    """Lines end with a line feed only: a carriage return is the program's own."""
    start = 0
    while start < len(chunk):
        end = chunk.find(b"\n", start) + 1 or len(chunk)
        yield chunk[start:end]
        start = end


def decode(line: bytes) -> Entry | None:
    """The entry in a line of a log file; None where it is none."""
    parts = line.rstrip(b"\n").split(b" ", 3)
    if len(parts) != 4 or parts[2] not in {b"F", b"P"}:
        return None
    try:
        time = parse_time(parts[0].decode("ascii"))
    except ValueError:
        return None
    return Entry(time, parts[1].decode("ascii", "replace"), parts[2] == b"F", parts[3])


def timestamp(time: int) -> str:
    """Nanoseconds since 1970 as RFC 3339 with nine digits."""
    seconds, fraction = divmod(time, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{fraction:09d}Z"


def parse_time(text: str) -> int:
    """Nanoseconds since 1970 of an RFC 3339 time; raises ValueError where it is none."""
    found = _TIME.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no RFC 3339 time such as 2026-01-31T12:00:00Z")
    zone = found["zone"].replace("Z", "+00:00")
    moment = datetime.fromisoformat(found["seconds"] + zone)
    return int(moment.timestamp()) * 1_000_000_000 + int((found["fraction"] or "").ljust(9, "0"))
