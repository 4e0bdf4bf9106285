"""A session of SPDY/3.1 as its server has it, without a socket: bytes in, events out, and bytes to send.

A stream's life (what the client does in capitals, what we do in small letters):

    state       FINISHES   RESETS   finish     reset
    OPEN        REMOTE     CLOSED   LOCAL      CLOSED
    REMOTE      error      CLOSED   CLOSED     CLOSED     the client sends nothing more
    LOCAL       CLOSED     CLOSED   nothing    CLOSED     we send nothing more

Flow control windows are not kept. Kubernetes' clients (moby/spdystream) have none and never send WINDOW_UPDATE, so
that a window would stall every download after 64 KiB: the connection below slows both sides instead.

Source: SPDY Protocol draft 3.1, section 2.3 "Streams".
"""

from __future__ import annotations

import enum
import struct
from dataclasses import dataclass

from podwire.lab.streams.forwarding.spdy_frames import FINISHED, Frame, FrameError, FrameReader, Kind, encode
from podwire.lab.streams.forwarding.spdy_headers import HeaderCodec, HeaderError

MOST_STREAMS = 4096
"""Streams that may be open at once, two a connection."""

PROTOCOL_ERROR, INVALID_STREAM, REFUSED_STREAM, INTERNAL_ERROR = 1, 2, 3, 6
"""Status codes of RST_STREAM; of GOAWAY only 1."""


class State(enum.Enum):
    """Who may still send on a stream."""

    OPEN = enum.auto()
    REMOTE_FINISHED = enum.auto()
    LOCAL_FINISHED = enum.auto()
    CLOSED = enum.auto()


class Act(enum.Enum):
    """Who finishes a stream."""

    REMOTE = enum.auto()
    LOCAL = enum.auto()


AFTER = {
    (State.OPEN, Act.REMOTE): State.REMOTE_FINISHED,
    (State.OPEN, Act.LOCAL): State.LOCAL_FINISHED,
    (State.REMOTE_FINISHED, Act.LOCAL): State.CLOSED,
    (State.LOCAL_FINISHED, Act.REMOTE): State.CLOSED,
}
"""The state after an act; what is not here is not allowed."""


@dataclass(frozen=True, slots=True)
class Opened:
    """The client has opened a stream."""

    stream: int
    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class Received:
    """Bytes on a stream."""

    stream: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Finished:
    """The client sends nothing more on a stream."""

    stream: int


@dataclass(frozen=True, slots=True)
class Reset:
    """The client has given a stream up."""

    stream: int


Event = Opened | Received | Finished | Reset


class Session:
    """The server's side. After `ended` nothing that comes counts any more."""

    def __init__(self) -> None:
        self.ended = False
        self._reader = FrameReader()
        self._headers = HeaderCodec()
        self._streams: dict[int, State] = {}
        self._newest = 0
        self._unsent = bytearray()
        self._handlers = {
            Kind.DATA: self._data,
            Kind.SYN_STREAM: self._open,
            Kind.RST_STREAM: self._reset,
            Kind.HEADERS: self._more_headers,
            Kind.PING: self._ping,
            Kind.GOAWAY: self._go_away,
        }

    def receive(self, data: bytes) -> list[Event]:
        """What the client's bytes mean. A client that violates the protocol gets GOAWAY, and the session ends."""
        events: list[Event] = []
        try:
            for frame in () if self.ended else self._reader.feed(data):
                handler = self._handlers.get(Kind(frame.kind)) if frame.kind in set(Kind) else None
                events += handler(frame) if handler else []
        except (FrameError, HeaderError):
            self._send(Kind.GOAWAY, struct.pack(">II", self._newest, PROTOCOL_ERROR))
            self.ended = True
        return events

    def unsent(self) -> bytes:
        """What is to be sent now; the next call answers only what came after."""
        data = bytes(self._unsent)
        self._unsent.clear()
        return data

    def reply(self, stream: int) -> None:
        """Accept a stream."""
        self._send(Kind.SYN_REPLY, struct.pack(">I", stream) + self._headers.pack({}))

    def send(self, stream: int, data: bytes) -> None:
        """Send bytes on a stream; on one that is finished or gone nothing happens."""
        if self._streams.get(stream) in {State.OPEN, State.REMOTE_FINISHED} and data:
            self._unsent += encode(Frame(Kind.DATA, data, stream=stream))

    def finish(self, stream: int) -> None:
        """Send nothing more on a stream; a second time nothing happens."""
        if (self._streams.get(stream), Act.LOCAL) in AFTER:
            self._unsent += encode(Frame(Kind.DATA, b"", FINISHED, stream))
            self._move(stream, Act.LOCAL)

    def reset(self, stream: int, code: int) -> None:
        """Give a stream up, with a status code."""
        self._streams.pop(stream, None)
        self._send(Kind.RST_STREAM, struct.pack(">II", stream, code))

    def _send(self, kind: Kind, content: bytes) -> None:
        self._unsent += encode(Frame(kind, content))

    def _move(self, stream: int, act: Act) -> None:
        state = AFTER[self._streams[stream], act]
        if state is State.CLOSED:
            del self._streams[stream]
        else:
            self._streams[stream] = state

    def _open(self, frame: Frame) -> list[Event]:
        stream, headers = frame.first, self._headers.unpack(frame.content[10:])
        if stream <= self._newest or stream % 2 == 0:
            self.reset(stream, PROTOCOL_ERROR)
            return []
        self._newest = stream
        if len(self._streams) >= MOST_STREAMS:
            self.reset(stream, REFUSED_STREAM)
            return []
        self._streams[stream] = State.OPEN
        return [Opened(stream, headers), *self._remote_finish(stream, frame)]

    def _data(self, frame: Frame) -> list[Event]:
        stream = frame.stream
        if (self._streams.get(stream), Act.REMOTE) not in AFTER:
            if stream > self._newest:
                self.reset(stream, INVALID_STREAM)
            return []  # of one that we gave up, and the client does not know yet
        received: list[Event] = [Received(stream, frame.content)] if frame.content else []
        return received + self._remote_finish(stream, frame)

    def _remote_finish(self, stream: int, frame: Frame) -> list[Event]:
        if not frame.finished:
            return []
        self._move(stream, Act.REMOTE)
        return [Finished(stream)]

    def _reset(self, frame: Frame) -> list[Event]:
        return [Reset(frame.first)] if self._streams.pop(frame.first, None) else []

    def _more_headers(self, frame: Frame) -> list[Event]:
        """They mean nothing here, but later blocks depend on them."""
        self._headers.unpack(frame.content[4:])
        known = (self._streams.get(frame.first), Act.REMOTE) in AFTER
        return self._remote_finish(frame.first, frame) if known else []

    def _ping(self, frame: Frame) -> list[Event]:
        if frame.first % 2:  # an even one would be the answer to ours
            self._send(Kind.PING, frame.content[:4])
        return []

    def _go_away(self, _: Frame) -> list[Event]:
        """The client opens nothing more; its streams go on."""
        return []
