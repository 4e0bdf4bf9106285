"""HTTP/2 frames: bytes in, frames out, and back; header blocks that come in parts. Source: RFC 9113."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""What a client sends first."""

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, CONTINUATION = 0, 1, 3, 4, 6, 7, 9
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITY = 0x1, 0x1, 0x4, 0x8, 0x20

HEAD_BYTES = 9
LARGEST_FRAME = 16384
LARGEST_BLOCK = 64 * 1024
_PRIORITY_BYTES = 5


class Http2Error(ValueError):
    """Bytes that break the rules: the connection cannot be used any more."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame. The payload of HEADERS is its header block, whole."""

    kind: int
    flags: int = 0
    stream: int = 0
    payload: bytes = b""

    @property
    def ends_stream(self) -> bool:
        """Whether the sender sends nothing more on this stream."""
        return self.kind in {DATA, HEADERS} and bool(self.flags & END_STREAM)

    def __bytes__(self) -> bytes:
        head = struct.pack(">I", len(self.payload))[1:] + bytes([self.kind, self.flags])
        return head + struct.pack(">I", self.stream) + self.payload


class FrameReader:
    """Takes bytes as they come and returns frames."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._open: Frame | None = None

    def feed(self, data: bytes) -> list[Frame]:
        """Return the frames that are complete with these bytes. Raises Http2Error."""
        self._data += data
        frames = []
        while len(self._data) >= HEAD_BYTES:
            size = int.from_bytes(self._data[:3], "big")
            if size > LARGEST_FRAME:
                raise Http2Error(f"a frame of {size} bytes")
            if len(self._data) < HEAD_BYTES + size:
                break
            head, payload = bytes(self._data[:HEAD_BYTES]), bytes(self._data[HEAD_BYTES : HEAD_BYTES + size])
            del self._data[: HEAD_BYTES + size]
            stream = struct.unpack(">I", head[5:])[0] & 0x7FFFFFFF
            frame = self._joined(_stripped(Frame(head[3], head[4], stream, payload)))
            if frame is not None:
                frames.append(frame)
        return frames

    def _joined(self, frame: Frame) -> Frame | None:
        """Return the frame, with HEADERS whole; None while a part of the block is missing."""
        if self._open is not None:
            if frame.kind != CONTINUATION or frame.stream != self._open.stream:
                raise Http2Error("a header block that is interrupted")
            joined = self._open.payload + frame.payload
            frame = replace(self._open, flags=self._open.flags | frame.flags & END_HEADERS, payload=joined)
        elif frame.kind == CONTINUATION:
            raise Http2Error("a continuation of nothing")
        if frame.kind == HEADERS and not frame.flags & END_HEADERS:
            if len(frame.payload) > LARGEST_BLOCK:
                raise Http2Error("a header block that is too large")
            self._open = frame
            return None
        self._open = None
        return frame


def _stripped(frame: Frame) -> Frame:
    """Return a frame without padding and priority."""
    payload = frame.payload
    if frame.kind in {DATA, HEADERS} and frame.flags & PADDED:
        if not payload or payload[0] >= len(payload):
            raise Http2Error("more padding than payload")
        payload = payload[1 : len(payload) - payload[0]]
    if frame.kind == HEADERS and frame.flags & PRIORITY:
        payload = payload[_PRIORITY_BYTES:]
    return replace(frame, payload=payload)


def answer(frame: Frame) -> bytes:
    """Return what the connection itself requires in answer to a frame: acknowledgements of SETTINGS and PING."""
    if frame.kind == SETTINGS and not frame.flags & ACK:
        return bytes(Frame(SETTINGS, ACK))
    if frame.kind == PING and not frame.flags & ACK:
        return bytes(Frame(PING, ACK, 0, frame.payload))
    return b""
