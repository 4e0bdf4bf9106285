"""HTTP/1 as far as a stand-in needs it: bytes in, requests out. No I/O.

    state        input                      next state     event
    HEAD         a whole head               body's state   Continue, where the client waits for it
    HEAD         no body announced          HEAD           Request
    LENGTH       the last byte of the body  HEAD           Request
    CHUNK_SIZE   a size                     CHUNK          -
    CHUNK_SIZE   size 0                     TRAILERS       -
    CHUNK        the chunk and its CRLF     CHUNK_SIZE     -
    TRAILERS     an empty line              HEAD           Request
    any          bad or too large           BROKEN         Refusal
    BROKEN       anything                   BROKEN         -

Bodies are drained and thrown away. Sources: RFC 9112, RFC 9110 section 10.1.1 (Expect).
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from podwire.lab.base.http2 import PREFACE

LARGEST_HEAD = 32 * 1024
LARGEST_BODY = 64 * 1024 * 1024
LARGEST_LINE = 1024

_METHODS = (b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"TRACE", b"CONNECT")
_REQUEST_LINE = re.compile(rb"([A-Z]{3,10}) ([\x21-\x7e]+) (HTTP/1\.[01])")
_FIELD_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_FIELD_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")


class Looks(enum.Enum):
    """What the first bytes of a connection look like."""

    HTTP = "http"
    HTTP2 = "http/2"
    OTHER = "other"
    TOO_SHORT = "too short"


def looks(data: bytes) -> Looks:
    """Whether a client speaks HTTP, by its first bytes; HTTP/2 begins with its preface (RFC 9113 section 3.4)."""
    if data.startswith(PREFACE):
        return Looks.HTTP2
    if PREFACE.startswith(data):
        return Looks.TOO_SHORT
    if any(data.startswith(method + b" ") for method in _METHODS):
        return Looks.HTTP
    if any((method + b" ").startswith(data) for method in _METHODS):
        return Looks.TOO_SHORT
    return Looks.OTHER


@dataclass(frozen=True, slots=True)
class Request:
    """A whole request; its body has been read. Header names are in lower case."""

    method: str
    target: str
    version: str
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def keep_alive(self) -> bool:
        """Whether the connection stays open after the answer (RFC 9112 section 9.3)."""
        options = {option.strip() for option in self.headers.get("connection", "").lower().split(",")}
        return "close" not in options and (self.version == "HTTP/1.1" or "keep-alive" in options)

    @property
    def is_probe(self) -> bool:
        """Whether a kubelet's probe sent it (kubernetes `pkg/probe/http/request.go`)."""
        return self.headers.get("user-agent", "").startswith("kube-probe/")

    @property
    def closing(self) -> Request:
        """The same request, after whose answer the connection ends."""
        return replace(self, headers={**self.headers, "connection": "close"})


@dataclass(frozen=True, slots=True)
class Continue:
    """The client waits for leave to send its body."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """The connection must end with this status."""

    status: int


Event = Request | Continue | Refusal


class State(enum.Enum):
    """What the next bytes are."""

    HEAD = "head"
    LENGTH = "length"
    CHUNK_SIZE = "chunk size"
    CHUNK = "chunk"
    TRAILERS = "trailers"
    BROKEN = "broken"


class _BadRequestError(ValueError):
    """The bytes are no HTTP/1, or too many of it."""

    def __init__(self, status: int = 400) -> None:
        super().__init__(status)
        self.status = status


class HttpReader:
    """Reads one connection. Memory stays below one head and one read, whatever is sent."""

    def __init__(self) -> None:
        self.state = State.HEAD
        self._data = bytearray()
        self._left = 0
        self._drained = 0
        self._request = Request("", "", "")
        self._steps: dict[State, Callable[[], Event | bool]] = {
            State.HEAD: self._head,
            State.LENGTH: self._length,
            State.CHUNK_SIZE: self._chunk_size,
            State.CHUNK: self._chunk,
            State.TRAILERS: self._trailers,
            State.BROKEN: self._broken,
        }

    def feed(self, data: bytes) -> Iterator[Event]:
        """Take bytes; gives the events that they complete."""
        self._data += data
        while True:
            try:
                step = self._steps[self.state]()
            except _BadRequestError as error:
                self.state = State.BROKEN
                yield Refusal(error.status)
                continue
            if isinstance(step, bool):
                if not step:
                    return
            else:
                yield step

    def _head(self) -> Event | bool:
        """Each step answers an event, or whether the next step may be tried with the bytes at hand."""
        head = self._until(b"\r\n\r\n", LARGEST_HEAD, 431)
        if head is None:
            return False
        first, *lines = head.lstrip(b"\r\n").split(b"\r\n")
        words = _REQUEST_LINE.fullmatch(first)
        if words is None:
            raise _BadRequestError
        method, target, version = (word.decode("ascii") for word in words.groups())
        self._request = Request(method, target, version, _headers(lines))
        self._drained = 0
        return self._body(self._request.headers)

    def _body(self, headers: dict[str, str]) -> Event | bool:
        """How long the body is: two statements of it are a smuggling attempt (RFC 9112 section 6.3)."""
        length, coding = headers.get("content-length"), headers.get("transfer-encoding")
        if length is not None and coding is not None:
            raise _BadRequestError
        if coding is not None:
            if coding.lower() != "chunked":
                raise _BadRequestError
            self.state = State.CHUNK_SIZE
        elif length is not None and length != "0":
            if not (length.isascii() and length.isdigit()):
                raise _BadRequestError
            self._expect(int(length[:20]))
            self.state = State.LENGTH
        else:
            return self._request
        return Continue() if headers.get("expect", "").lower() == "100-continue" else True

    def _length(self) -> Event | bool:
        return self._finish() if self._drain() else False

    def _chunk_size(self) -> Event | bool:
        line = self._until(b"\r\n", LARGEST_LINE, 400)
        if line is None:
            return False
        size = line.partition(b";")[0].strip()
        if not re.fullmatch(rb"[0-9a-fA-F]{1,16}", size):
            raise _BadRequestError
        number = int(size, 16)
        if number == 0:
            self.state = State.TRAILERS
        else:
            self._expect(number)
            self._left += 2
            self.state = State.CHUNK
        return True

    def _chunk(self) -> Event | bool:
        if not self._drain():
            return False
        self.state = State.CHUNK_SIZE
        return True

    def _trailers(self) -> Event | bool:
        line = self._until(b"\r\n", LARGEST_LINE, 431)
        if line is None:
            return False
        self._drained += len(line)
        if self._drained > LARGEST_BODY:
            raise _BadRequestError(413)
        return self._finish() if not line else True

    def _broken(self) -> Event | bool:
        self._data.clear()
        return False

    def _finish(self) -> Request:
        self.state = State.HEAD
        return self._request

    def _expect(self, size: int) -> None:
        self._left = size
        self._drained += size
        if self._drained > LARGEST_BODY:
            raise _BadRequestError(413)

    def _drain(self) -> bool:
        """Throw away what belongs to the body; true when all of it has come."""
        taken = min(self._left, len(self._data))
        del self._data[:taken]
        self._left -= taken
        return not self._left

    def _until(self, mark: bytes, limit: int, status: int) -> bytes | None:
        """The bytes up to a mark, which is taken away too; None where it has not come yet."""
        end = self._data.find(mark)
        if end > limit or (end < 0 and len(self._data) > limit):
            raise _BadRequestError(status)
        if end < 0:
            return None
        found = bytes(self._data[:end])
        del self._data[: end + len(mark)]
        return found


def _headers(lines: list[bytes]) -> dict[str, str]:
    """Header fields; repeated fields are joined; a repeated length is refused."""
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or not _FIELD_NAME.fullmatch(name) or not _FIELD_VALUE.fullmatch(value):
            raise _BadRequestError
        key, text = name.decode("ascii").lower(), value.strip().decode("latin-1")
        if key in headers and key in {"content-length", "transfer-encoding", "host"}:
            raise _BadRequestError
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return headers
