"""Frames of SPDY/3.1: bytes to frames and back.

    data     0 | stream 31     flags 8 | length 24 | content
    control  1 | version 15, type 16 | flags 8 | length 24 | content, which begins with the stream for most types

Source: SPDY Protocol draft 3.1, section 2.2 "Framing" and 2.6 "Control frames".
"""

from __future__ import annotations

import enum
import struct
from dataclasses import dataclass

VERSION = 3
HEADER_SIZE = 8
LARGEST_FRAME = 1 << 20
"""Bytes of a frame's content that are taken; clients send 32 KiB at most."""

FINISHED = 1
"""The flag FLAG_FIN: the sender sends nothing more on this stream."""


class FrameError(ValueError):
    """Bytes that are no frame. The session cannot go on."""


class Kind(enum.IntEnum):
    """The types of control frames, and 0 for data."""

    DATA = 0
    SYN_STREAM = 1
    SYN_REPLY = 2
    RST_STREAM = 3
    SETTINGS = 4
    PING = 6
    GOAWAY = 7
    HEADERS = 8
    WINDOW_UPDATE = 9


SMALLEST = {
    Kind.SYN_STREAM: 10,
    Kind.SYN_REPLY: 4,
    Kind.RST_STREAM: 8,
    Kind.SETTINGS: 4,
    Kind.PING: 4,
    Kind.GOAWAY: 8,
    Kind.HEADERS: 4,
    Kind.WINDOW_UPDATE: 8,
}
"""Bytes of content that each type has at least."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame. `kind` may be a number that Kind does not have: such frames are passed over."""

    kind: int
    content: bytes
    flags: int = 0
    stream: int = 0
    """Of a data frame; control frames have it in their content."""

    @property
    def first(self) -> int:
        """The number that a control frame's content begins with: the stream, or a ping's id."""
        return int(struct.unpack_from(">I", self.content)[0]) & 0x7FFF_FFFF

    @property
    def finished(self) -> bool:
        """Whether the sender sends nothing more on this stream."""
        return bool(self.flags & FINISHED)


def encode(frame: Frame) -> bytes:
    """A frame as bytes."""
    first = frame.stream if frame.kind == Kind.DATA else 1 << 31 | VERSION << 16 | frame.kind
    return struct.pack(">II", first, frame.flags << 24 | len(frame.content)) + frame.content


class FrameReader:
    """Cuts a stream of bytes, however it arrives, into frames."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that are whole now. Raises FrameError."""
        self._rest += data
        frames = []
        while (frame := self._next()) is not None:
            frames.append(frame)
        return frames

    def _next(self) -> Frame | None:
        if len(self._rest) < HEADER_SIZE:
            return None
        first, second = struct.unpack_from(">II", self._rest)
        size = second & 0xFF_FFFF
        if size > LARGEST_FRAME:
            raise FrameError(f"a frame of {size} bytes is larger than {LARGEST_FRAME}")
        if len(self._rest) < HEADER_SIZE + size:
            return None
        content = bytes(self._rest[HEADER_SIZE : HEADER_SIZE + size])
        del self._rest[: HEADER_SIZE + size]
        return _control(first, second >> 24, content) if first >> 31 else Frame(Kind.DATA, content, second >> 24, first)


def _control(first: int, flags: int, content: bytes) -> Frame:
    version, kind = first >> 16 & 0x7FFF, first & 0xFFFF
    if version != VERSION:
        raise FrameError(f"version {version} of SPDY is not {VERSION}")
    if len(content) < SMALLEST.get(Kind(kind), 0) if kind in set(Kind) else False:
        raise FrameError(f"a {Kind(kind).name} frame of {len(content)} bytes is too short")
    return Frame(kind, content, flags)
