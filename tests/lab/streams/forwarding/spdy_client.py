"""The client's side of a SPDY session, as kubectl's: opens streams, collects what comes on each."""

from __future__ import annotations

import struct

from podwire.lab.streams.forwarding.spdy_frames import FINISHED, Frame, FrameReader, Kind, encode
from podwire.lab.streams.forwarding.spdy_headers import HeaderCodec


class SpdyClient:
    """Answers bytes to send; `hear` what the server says."""

    def __init__(self) -> None:
        self.data: dict[int, bytes] = {}
        self.replied: set[int] = set()
        self.finished: set[int] = set()
        self.resets: dict[int, int] = {}
        self.pings: list[int] = []
        self.gone_away = False
        self._headers = HeaderCodec()
        self._reader = FrameReader()

    def hear(self, data: bytes) -> None:
        for frame in self._reader.feed(data):
            match frame.kind:
                case Kind.DATA:
                    self.data[frame.stream] = self.data.get(frame.stream, b"") + frame.content
                    self.finished |= {frame.stream} if frame.finished else set()
                case Kind.SYN_REPLY:
                    self._headers.unpack(frame.content[4:])
                    self.replied.add(frame.first)
                case Kind.RST_STREAM:
                    self.resets[frame.first] = struct.unpack(">I", frame.content[4:])[0]
                case Kind.PING:
                    self.pings.append(frame.first)
                case Kind.GOAWAY:
                    self.gone_away = True
                case _:
                    raise AssertionError(f"a server does not send {frame}")

    def open(self, stream: int, headers: dict[str, str] | None = None, *, finished: bool = False) -> bytes:
        content = struct.pack(">IIH", stream, 0, 0) + self._headers.pack(headers or {})
        return encode(Frame(Kind.SYN_STREAM, content, FINISHED if finished else 0))

    def send(self, stream: int, data: bytes, *, finished: bool = False) -> bytes:
        return encode(Frame(Kind.DATA, data, FINISHED if finished else 0, stream))

    def reset(self, stream: int) -> bytes:
        return encode(Frame(Kind.RST_STREAM, struct.pack(">II", stream, 5)))

    def ping(self, number: int) -> bytes:
        return encode(Frame(Kind.PING, struct.pack(">I", number)))

    def headers(self, stream: int, *, finished: bool = False) -> bytes:
        content = struct.pack(">I", stream) + self._headers.pack({"more": "1"})
        return encode(Frame(Kind.HEADERS, content, FINISHED if finished else 0))

    def connection(self, request: str, port: int, first: int) -> bytes:
        """The two streams of a port-forward: `first` for errors and the next odd number for data."""
        headers = {"port": str(port), "requestID": request}
        error = self.open(first, {"streamType": "error", **headers})
        data = self.open(first + 2, {"streamType": "data", **headers})
        return error + self.send(first, b"", finished=True) + data
