"""What packets of a connection showed. Pure."""

from __future__ import annotations

import enum

import msgspec


class Outcome(enum.Enum):
    """The reaction to a connection's first packet."""

    OPEN = "open"
    CLOSED = "closed"
    REJECTED = "rejected"
    ARRIVED = "arrived"
    SILENT = "silent"
    CUT = "cut"
    UNREACHABLE = "unreachable"
    ERROR = "error"

    @property
    def is_passed(self) -> bool:
        """Whether the packet came through: a port on which nothing listens is refused by the destination itself."""
        return self in {Outcome.OPEN, Outcome.CLOSED, Outcome.ARRIVED}


WORDS = {
    Outcome.OPEN: "answered",
    Outcome.CLOSED: "arrived, nothing listens there",
    Outcome.REJECTED: "refused on the way: no endpoint of the Service was reached",
    Outcome.ARRIVED: "arrived, no program answered",
    Outcome.SILENT: "no answer",
    Outcome.CUT: "the mesh closed it: the pod was not reached",
    Outcome.UNREACHABLE: "no route to the address",
    Outcome.ERROR: "could not be sent",
}


class Relay(msgspec.Struct, frozen=True):
    """The connection to the pod that Envoys of the mesh open in place of the client's, which they accept before.

    It comes from one of these addresses to one of these ports, with a source port of Envoy's own.
    """

    sources: tuple[str, ...]
    ports: tuple[int, ...]


class Attempt(msgspec.Struct, frozen=True):
    """One connection to try.

    Attributes:
        network: the network namespace of the sender, as a path in the world.
        arrivals: network namespaces in which an arrival counts; read for UDP and SCTP, which a program must answer, and
            where a Service is between, whose node refuses connections too.
        is_hoped: whether it is waited for; else a short silence is the outcome.
        relay: where Envoys of the mesh are between: what is accepted proves nothing then, what arrives does.

    """

    network: str
    address: str
    port: int
    protocol: str = "TCP"
    arrivals: tuple[str, ...] = ()
    is_hoped: bool = True
    is_translated: bool = False
    relay: Relay | None = None

    @property
    def is_watched(self) -> bool:
        """Whether its arrival is looked for."""
        return self.protocol != "TCP" or self.is_translated or self.relay is not None


class Seen(msgspec.Struct, frozen=True):
    """The outcome of an attempt; `detail` is the kernel's text of an error."""

    outcome: Outcome
    detail: str = ""

    @property
    def text(self) -> str:
        """Return what was seen, for people."""
        return f"{WORDS[self.outcome]}: {self.detail}" if self.detail else WORDS[self.outcome]
