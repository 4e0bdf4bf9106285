"""The standard health service of gRPC, `grpc.health.v1.Health/Check`: both ends, bytes in, bytes out.

One call of a client is a connection of its own, as a probe makes it. Sources: github.com/grpc/grpc
`doc/health-checking.md`, `doc/PROTOCOL-HTTP2.md`; protobuf's wire format.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, unquote

from podwire.lab.base import hpack, http2
from podwire.lab.base.http2 import Frame

CHECK_PATH = "/grpc.health.v1.Health/Check"
SERVING, NOT_SERVING = 1, 2
STATUS_NAMES = ("UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN")
OK, NOT_FOUND, INTERNAL, UNIMPLEMENTED = 0, 5, 13, 12
CODES = (
    "OK",
    "Canceled",
    "Unknown",
    "InvalidArgument",
    "DeadlineExceeded",
    "NotFound",
    "AlreadyExists",
    "PermissionDenied",
    "ResourceExhausted",
    "FailedPrecondition",
    "Aborted",
    "OutOfRange",
    "Unimplemented",
    "Internal",
    "Unavailable",
    "DataLoss",
    "Unauthenticated",
)
"""The names of status codes as Go's library writes them."""

_STREAM = 1
_PREFIX_BYTES = 5
_LARGEST_MESSAGE = 64 * 1024


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ended: gRPC's status, and the health where that is OK."""

    code: int
    message: str = ""
    health: int = 0


class HealthClient:
    """One call. Send `start`, feed what comes to `receive` and send what it returns, until `outcome` is set."""

    def __init__(self, authority: str, service: str, user_agent: str) -> None:
        self.outcome: Outcome | None = None
        self._frames = http2.FrameReader()
        self._decoder = hpack.Decoder()
        self._message = bytearray()
        self._head = hpack.encode(
            {
                ":method": "POST",
                ":scheme": "http",
                ":path": CHECK_PATH,
                ":authority": authority,
                "content-type": "application/grpc",
                "user-agent": user_agent,
                "te": "trailers",
            }.items()
        )
        self._request = _framed(_text_field(service))

    @property
    def start(self) -> bytes:
        """The preface, the settings and the whole request."""
        frames = (
            Frame(http2.SETTINGS),
            Frame(http2.HEADERS, http2.END_HEADERS, _STREAM, self._head),
            Frame(http2.DATA, http2.END_STREAM, _STREAM, self._request),
        )
        return http2.PREFACE + b"".join(map(bytes, frames))

    def receive(self, data: bytes) -> bytes:
        """Take bytes of the server and return what to send. Raises ValueError where they are no HTTP/2."""
        replies = b""
        for frame in self._frames.feed(data):
            replies += http2.answer(frame)
            self._take(frame)
        return replies

    def _take(self, frame: Frame) -> None:
        if frame.kind == http2.GOAWAY and self.outcome is None:
            self.outcome = Outcome(CODES.index("Unavailable"), "the server closes the connection")
        headers = dict(self._decoder.decode(frame.payload)) if frame.kind == http2.HEADERS else {}
        if frame.stream != _STREAM or self.outcome is not None:
            return
        if frame.kind == http2.RST_STREAM:
            self.outcome = Outcome(CODES.index("Internal"), "the server reset the stream")
        elif frame.kind == http2.DATA:
            self._message += frame.payload
        if "grpc-status" in headers:
            self._end(headers)
        elif headers and headers.get(":status", "200") != "200":
            self.outcome = Outcome(UNIMPLEMENTED, f"unexpected HTTP status code {headers[':status']}")
        elif frame.ends_stream:
            self.outcome = Outcome(CODES.index("Unknown"), "the server ended the stream without a status")

    def _end(self, headers: Mapping[str, str]) -> None:
        code = int(headers["grpc-status"])
        message = unquote(headers.get("grpc-message", ""))
        self.outcome = Outcome(code, message, _read_status(_unframed(bytes(self._message))) if code == OK else 0)


@dataclass(slots=True)
class _Call:
    path: str
    body: bytearray = field(default_factory=bytearray)


class HealthServer:
    """One connection of a client. `health` returns the status of a service, or None where it does not exist.

    The first bytes of the connection must be the preface.
    """

    def __init__(self, health: Callable[[str], int | None]) -> None:
        self._health = health
        self._frames = http2.FrameReader()
        self._decoder = hpack.Decoder()
        self._preface = http2.PREFACE
        self._calls: dict[int, _Call] = {}

    def receive(self, data: bytes) -> bytes:
        """Take bytes of the client and return what to send. Raises ValueError where they are no HTTP/2."""
        replies = b""
        if self._preface:
            taken = min(len(self._preface), len(data))
            if data[:taken] != self._preface[:taken]:
                raise http2.Http2Error("no preface of HTTP/2")
            self._preface, data = self._preface[taken:], data[taken:]
            replies = b"" if self._preface else bytes(Frame(http2.SETTINGS))
        for frame in self._frames.feed(data):
            replies += http2.answer(frame) + self._take(frame)
        return replies

    def _take(self, frame: Frame) -> bytes:
        if frame.kind == http2.HEADERS:
            headers = dict(self._decoder.decode(frame.payload))
            self._calls.setdefault(frame.stream, _Call(headers.get(":path", "")))
        elif frame.kind == http2.RST_STREAM:
            self._calls.pop(frame.stream, None)
        call = self._calls.get(frame.stream)
        if call is None:
            return b""
        if frame.kind == http2.DATA:
            call.body += frame.payload
            if len(call.body) > _LARGEST_MESSAGE:
                raise http2.Http2Error("a message that is too large")
        if not frame.ends_stream:
            return b""
        del self._calls[frame.stream]
        return self._answer(frame.stream, call)

    def _answer(self, stream: int, call: _Call) -> bytes:
        if call.path != CHECK_PATH:
            return _refusal(stream, UNIMPLEMENTED, f"unknown method {call.path}")
        try:
            health = self._health(_read_service(_unframed(bytes(call.body))))
        except ValueError as error:
            return _refusal(stream, INTERNAL, str(error))
        if health is None:
            return _refusal(stream, NOT_FOUND, "unknown service")
        head = hpack.encode({":status": "200", "content-type": "application/grpc"}.items())
        trailers = hpack.encode({"grpc-status": "0"}.items())
        frames = (
            Frame(http2.HEADERS, http2.END_HEADERS, stream, head),
            Frame(http2.DATA, 0, stream, _framed(b"\x08" + bytes([health]))),
            Frame(http2.HEADERS, http2.END_HEADERS | http2.END_STREAM, stream, trailers),
        )
        return b"".join(map(bytes, frames))


def _refusal(stream: int, code: int, message: str) -> bytes:
    headers = {
        ":status": "200",
        "content-type": "application/grpc",
        "grpc-status": str(code),
        "grpc-message": quote(message, safe=" /"),
    }
    return bytes(Frame(http2.HEADERS, http2.END_HEADERS | http2.END_STREAM, stream, hpack.encode(headers.items())))


def _framed(message: bytes) -> bytes:
    """Return an uncompressed message with gRPC's prefix."""
    return struct.pack(">BI", 0, len(message)) + message


def _unframed(data: bytes) -> bytes:
    if len(data) < _PREFIX_BYTES or data[0] != 0:
        raise ValueError("a message that is missing or compressed")
    size = int.from_bytes(data[1:_PREFIX_BYTES], "big")
    if len(data) != _PREFIX_BYTES + size:
        raise ValueError("a message whose length is not that of its prefix")
    return data[_PREFIX_BYTES:]


def _text_field(service: str) -> bytes:
    """HealthCheckRequest: field 1 is the service, left out where it is empty."""
    data = service.encode()
    return b"\x0a" + _varint(len(data)) + data if data else b""


def _varint(number: int) -> bytes:
    octets = bytearray()
    while number >= 0x80:
        octets.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*octets, number])


def _read_varint(message: bytes, at: int) -> tuple[int, int]:
    """Return a number and where the next one begins."""
    number = 0
    for shift in range(0, 35, 7):
        if at >= len(message):
            break
        number |= (message[at] & 0x7F) << shift
        at += 1
        if message[at - 1] < 0x80:
            return number, at
    raise ValueError("a message that ends early")


def _read_service(message: bytes) -> str:
    if not message:
        return ""
    if message[0] != 0x0A:
        raise ValueError("a HealthCheckRequest with an unknown field")
    size, at = _read_varint(message, 1)
    if len(message) != at + size:
        raise ValueError("a HealthCheckRequest whose length is not that of its field")
    return message[at:].decode()


def _read_status(message: bytes) -> int:
    """HealthCheckResponse: field 1 is the status, left out where it is 0."""
    if not message:
        return 0
    if message[0] != 0x08:
        raise ValueError("a HealthCheckResponse with an unknown field")
    return _read_varint(message, 1)[0]
