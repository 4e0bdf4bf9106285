"""Port-forwarding as kubectl does it: for each connection two SPDY streams, one for data and one for an error.

The headers of a stream are `streamtype` (data, error), `port` and `requestid`, which joins the two. The error stream
comes first, and the client never sends on it. A connection is known here by the number of its data stream.

Source: k8s.io/client-go `tools/portforward`, k8s.io/kubelet `pkg/cri/streaming/portforward/httpstream.go`.
"""

from __future__ import annotations

from podwire.kube.numbers import read_port
from podwire.lab.streams.forwarding import spdy_session
from podwire.lab.streams.forwarding.spdy_session import Finished, Opened, Received, Reset, Session
from podwire.lab.streams.forwarding.tunnel import Connect, Dropped, Event, Input, InputEnded

SUBPROTOCOL = "SPDY/3.1+portforward.k8s.io"
MESSAGE_SIZE = 64 * 1024


class SpdyTunnel:
    """The server's side."""

    def __init__(self) -> None:
        self._session = Session()
        self._waiting: dict[str, int] = {}
        self._errors: dict[int, int] = {}

    @property
    def ended(self) -> bool:
        """Whether the client broke the rules."""
        return self._session.ended

    def begin(self) -> list[Event]:
        """No ports: each stream names its own."""
        return []

    def receive(self, message: bytes) -> list[Event]:
        """What a message of the client means."""
        found = []
        for event in self._session.receive(message):
            match event:
                case Opened():
                    found += self._opened(event)
                case Received(stream, data) if stream in self._errors:
                    found.append(Input(stream, data))
                case Finished(stream) if stream in self._errors:
                    found.append(InputEnded(stream))
                case Reset(stream) if stream in self._errors:
                    self._session.finish(self._errors.pop(stream))
                    found.append(Dropped(stream))
                case _:
                    pass  # on an error stream, or on one that has ended here
        return found

    def output(self, connection: int, data: bytes) -> None:
        """Bytes from the pod."""
        self._session.send(connection, data)

    def close(self, connection: int, error: str = "") -> None:
        """End both streams; the error is what kubectl prints."""
        stream = self._errors.pop(connection, 0)
        if stream:
            self._session.send(stream, error.encode())
            self._session.finish(stream)
            self._session.finish(connection)

    def unsent(self) -> list[bytes]:
        """The messages that are to be sent now."""
        data = self._session.unsent()
        return [data[start : start + MESSAGE_SIZE] for start in range(0, len(data), MESSAGE_SIZE)]

    def _opened(self, event: Opened) -> list[Event]:
        stream, headers = event.stream, event.headers
        request, target = headers.get("requestid", ""), read_port(headers.get("port", ""))
        match headers.get("streamtype"):
            case "error":
                self._waiting[request] = stream
                self._session.reply(stream)
                return []
            case "data" if request in self._waiting and target:
                self._session.reply(stream)
                self._errors[stream] = self._waiting.pop(request)
                return [Connect(stream, target)]
            case _:
                self._session.reset(stream, spdy_session.PROTOCOL_ERROR)
                return []
