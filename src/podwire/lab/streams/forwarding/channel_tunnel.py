"""Port-forwarding as Python's clients do it: the first byte of a message is its channel.

The ports are in the URL. Port i has channel 2i for data and 2i + 1 for an error; the first message on each is the
port, two bytes with the lower one first. Each port is connected to once, at once; there is no way to end one alone.

Source: k8s.io/kubelet `pkg/cri/streaming/portforward/websocket.go`, kubernetes-client/python `stream/ws_client.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from podwire.kube.numbers import read_port
from podwire.lab.streams.forwarding.tunnel import Connect, Event, Input

SUBPROTOCOL = "v4.channel.k8s.io"
MOST_PORTS = 64


class PortsError(ValueError):
    """Ports in a URL that cannot be read."""


def ports(values: Iterable[str]) -> tuple[int, ...]:
    """The values of the URL's parameter `ports`, each one or several with commas. Raises PortsError."""
    texts = [text.strip() for value in values for text in value.split(",")]
    if not texts:
        raise PortsError("ports: give at least one, such as ?ports=80")
    if len(texts) > MOST_PORTS:
        raise PortsError(f"ports: {len(texts)} are more than {MOST_PORTS}")
    for text in texts:
        if not read_port(text):
            raise PortsError(f"ports: {text!r} is no number from 1 to 65535")
    return tuple(map(read_port, texts))


class ChannelTunnel:
    """The server's side. A connection is known here by the place of its port."""

    def __init__(self, requested: Sequence[int]) -> None:
        self._ports = requested
        self._open = set(range(len(requested)))
        self._unsent: list[bytes] = []

    @property
    def ended(self) -> bool:
        """Whether all connections are done: only the end of the WebSocket shows that."""
        return not self._open

    def begin(self) -> list[Event]:
        """Connect to all ports."""
        for channel in range(2 * len(self._ports)):
            self._unsent.append(bytes([channel]) + self._ports[channel // 2].to_bytes(2, "little"))
        return [Connect(place, requested) for place, requested in enumerate(self._ports)]

    def receive(self, message: bytes) -> list[Event]:
        """What a message of the client means."""
        place, is_error = divmod(message[0], 2) if message else (0, 1)
        if is_error or place not in self._open or len(message) == 1:
            return []
        return [Input(place, message[1:])]

    def output(self, connection: int, data: bytes) -> None:
        """Bytes from the pod."""
        if connection in self._open and data:
            self._unsent.append(bytes([2 * connection]) + data)

    def close(self, connection: int, error: str = "") -> None:
        """The pod's side of a connection is done; the last one ends the tunnel."""
        if connection in self._open and error:
            self._unsent.append(bytes([2 * connection + 1]) + error.encode())
        self._open.discard(connection)

    def unsent(self) -> list[bytes]:
        """The messages that are to be sent now."""
        messages, self._unsent = self._unsent, []
        return messages
