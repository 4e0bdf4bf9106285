"""What all protocols of port-forwarding share: ports, events and the interface of a tunnel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Connect:
    """A new connection to a port of the pod."""

    connection: int
    port: int


@dataclass(frozen=True, slots=True)
class Input:
    """Bytes for the pod."""

    connection: int
    data: bytes


@dataclass(frozen=True, slots=True)
class InputEnded:
    """The client sends nothing more on a connection."""

    connection: int


@dataclass(frozen=True, slots=True)
class Dropped:
    """The client has given a connection up."""

    connection: int


Event = Connect | Input | InputEnded | Dropped


class Tunnel(Protocol):
    """The server's side of one way to speak, without a socket. Messages are those of a WebSocket, both ways."""

    @property
    def ended(self) -> bool:
        """Whether nothing can come any more."""

    def begin(self) -> list[Event]:
        """The ports that are requested before the first message."""

    def receive(self, message: bytes) -> list[Event]:
        """What a message of the client means. Never raises: a client that breaks the rules ends the tunnel."""

    def output(self, connection: int, data: bytes) -> None:
        """Bytes from the pod."""

    def close(self, connection: int, error: str = "") -> None:
        """The pod's side is done, or failed with an error that the user will read."""

    def unsent(self) -> list[bytes]:
        """The messages that are to be sent now."""
