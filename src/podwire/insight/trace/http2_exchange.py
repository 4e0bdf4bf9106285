"""One request over HTTP/2 on a connected socket. Blocks. Source: RFC 9113."""

from __future__ import annotations

import socket
from collections.abc import Iterable

import msgspec

from podwire.lab.base import hpack, http2
from podwire.lab.base.http2 import Frame

Header = tuple[str, str]

LARGEST_BODY = 60_000
"""Bytes of a body that are read: less than the windows of a new connection, so that none has to be opened."""
_STREAM = 1
_PIECE = 65_536


class ExchangeError(Exception):
    """No response."""


class Response(msgspec.Struct, frozen=True):
    """A response: names of headers in lower case, the body cut where it is long."""

    status: int
    headers: tuple[Header, ...]
    body: bytes

    def header(self, name: str) -> str:
        """Return the value of a header; empty where there is none."""
        return next((value for other, value in self.headers if other == name), "")


def exchange(stream: socket.socket, headers: Iterable[Header]) -> Response:
    """Send a request without a body; return its response. Raises ExchangeError and OSError."""
    request = Frame(http2.HEADERS, http2.END_HEADERS | http2.END_STREAM, _STREAM, hpack.encode(headers))
    stream.sendall(http2.PREFACE + bytes(Frame(http2.SETTINGS)) + bytes(request))
    reader, decoder = http2.FrameReader(), hpack.Decoder()
    found: list[Header] = []
    body = b""
    while data := stream.recv(_PIECE):
        try:
            frames = reader.feed(data)
        except http2.Http2Error as error:
            raise ExchangeError(f"no HTTP/2: {error}") from None
        for frame in frames:
            stream.sendall(http2.answer(frame))
            if frame.kind == http2.HEADERS:
                found += decoder.decode(frame.payload)
            elif frame.kind == http2.DATA:
                body += frame.payload
            elif frame.kind in {http2.RST_STREAM, http2.GOAWAY}:
                raise ExchangeError(f"the stream ended with code {int.from_bytes(frame.payload[-4:], 'big')}")
            if frame.ends_stream or len(body) >= LARGEST_BODY:
                return _response(found, body)
    raise ExchangeError("the connection was closed without an answer")


def _response(headers: list[Header], body: bytes) -> Response:
    status = next((int(value) for name, value in headers if name == ":status"), 0)
    return Response(status, tuple(one for one in headers if not one[0].startswith(":")), body)
