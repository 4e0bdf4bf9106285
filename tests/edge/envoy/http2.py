"""Frames of HTTP/2 (RFC 9113) as no library would send them; headers are literals without Huffman code (RFC 7541)."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Iterable
from pathlib import Path

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, CONTINUATION = 0, 1, 3, 4, 6, 7, 9
END_STREAM, END_HEADERS, ACK = 1, 4, 1

Header = tuple[bytes, bytes]


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes((kind, flags)) + struct.pack(">I", stream) + payload


def block(headers: Iterable[Header]) -> bytes:
    """Return headers as literals that are not indexed."""
    return b"".join(b"\x00" + _text(name) + _text(value) for name, value in headers)


def _text(value: bytes) -> bytes:
    if len(value) < 127:
        return bytes((len(value),)) + value
    rest, length = len(value) - 127, b"\x7f"
    while rest >= 128:
        length += bytes((rest % 128 + 128,))
        rest //= 128
    return length + bytes((rest,)) + value


def request(
    stream: int, *more: Header, path: bytes = b"/", host: bytes = b"a.test", body: bytes | None = None
) -> bytes:
    """Return a GET, or a POST where there is a body."""
    method = b"GET" if body is None else b"POST"
    pseudo = ((b":method", method), (b":scheme", b"http"), (b":path", path), (b":authority", host))
    flags = END_HEADERS | (END_STREAM if body is None else 0)
    head = frame(HEADERS, flags, stream, block((*pseudo, *more)))
    return head if body is None else head + frame(DATA, END_STREAM, stream, body)


class Http2Connection:
    """A connection of which everything is written by hand. `kinds` are the frames that were received."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.kinds: list[int] = []
        self.is_closed = False
        self.settings: dict[int, int] = {}

    @classmethod
    async def connect(cls, socket: Path) -> Http2Connection:
        reader, writer = await asyncio.open_unix_connection(str(socket))
        writer.write(PREFACE + frame(SETTINGS, 0, 0))
        return cls(reader, writer)

    async def send(self, data: bytes) -> bool:
        """Send it all; returns whether the connection is still open."""
        try:
            self._writer.write(data)
            await self._writer.drain()
        except ConnectionError:
            self.is_closed = True
        return not self.is_closed

    async def receive(self, *until: int, stream: int = 0) -> None:
        """Read frames until one of these kinds is for the stream (0: for any), or the connection is closed."""
        try:
            while True:
                head = await self._reader.readexactly(9)
                payload = await self._reader.readexactly(int.from_bytes(head[:3]))
                self.kinds.append(head[3])
                if head[3] == SETTINGS:
                    self.settings |= dict(struct.iter_unpack(">HI", payload))
                if head[3] in until and stream in (0, int.from_bytes(head[5:9])):
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            self.is_closed = True

    def close(self) -> None:
        self._writer.close()
