"""Rows: the elements of policy.nft's maps and sets, as values. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import msgspec

from podwire.kernel.link_end import LinkEnd
from podwire.policy.intervals import Interval
from podwire.policy.model import LAST_PORT, Direction, IPAddress
from podwire.policy.numbering import ALLOWED, BORNE, ISOLATED, NO_POD, who
from podwire.policy.tier_rows import AnyTierRow, NodeAddressRow, TierRow

if TYPE_CHECKING:
    from collections.abc import Hashable


class AddressRow(msgspec.Struct, frozen=True, gc=False):
    """A pod of this identity has this address.

    `pod` is its uid, which distinguishes a pod with other labels from the next pod with its address. The kernel does
    not hold it: it is empty in what is read back.
    """

    address: IPAddress
    identity: int
    pod: str = ""
    stage: ClassVar[int] = BORNE

    @property
    def key(self) -> Hashable:
        """The address itself: there are as many as pods in the cluster."""
        return self.address

    def __str__(self) -> str:
        return f"{self.address} is {who(self.identity)}"


class LinkRow(msgspec.Struct, frozen=True, gc=False):
    """The pod of this node behind this link has this identity: the subject of rules, both as source and destination."""

    link: LinkEnd
    identity: int
    stage: ClassVar[int] = BORNE

    @property
    def key(self) -> Hashable:
        """The link's name."""
        return ("link", self.link.name)

    def __str__(self) -> str:
        return f"{self.link.name} leads to {who(self.identity)}"


class SelfRow(msgspec.Struct, frozen=True, gc=False):
    """A pod of this node reaches itself at this address."""

    address: IPAddress
    stage: ClassVar[int] = ALLOWED

    @property
    def key(self) -> Hashable:
        """The row itself."""
        return self

    def __str__(self) -> str:
        return f"{self.address} reaches itself"


class ResolverRow(msgspec.Struct, frozen=True, gc=False):
    """The cluster's DNS is at this address of a Service: its answers are the addresses that names have."""

    address: IPAddress
    stage: ClassVar[int] = ALLOWED

    @property
    def key(self) -> Hashable:
        """The row itself."""
        return self

    def __str__(self) -> str:
        return f"{self.address} is the cluster's DNS"


class IsolatedRow(msgspec.Struct, frozen=True, gc=False):
    """Pods of this identity receive, or send, only what is allowed."""

    direction: Direction
    subject: int
    stage: ClassVar[int] = ISOLATED

    @property
    def key(self) -> Hashable:
        """The row itself."""
        return self

    def __str__(self) -> str:
        return f"{who(self.subject)} {self.direction.value}: only what is allowed"


class PeerRow(msgspec.Struct, frozen=True, gc=False):
    """The peer (an identity, a namespace, any pod) is allowed on all ports and protocols."""

    direction: Direction
    subject: int
    peer: int
    stage: ClassVar[int] = ALLOWED

    @property
    def key(self) -> Hashable:
        """The row itself."""
        return self

    def __str__(self) -> str:
        return f"{who(self.subject)} {self.direction.value}: {who(self.peer)}, all ports"


class PortRow(msgspec.Struct, frozen=True, gc=False):
    """The peer is allowed on one port."""

    direction: Direction
    subject: int
    peer: int
    protocol: str
    port: int
    stage: ClassVar[int] = ALLOWED

    @property
    def key(self) -> Hashable:
        """The row itself."""
        return self

    def __str__(self) -> str:
        return f"{who(self.subject)} {self.direction.value}: {who(self.peer)}, {self.protocol} {self.port}"


class RangesRow(msgspec.Struct, frozen=True, gc=False):
    """The peer is allowed on these ranges of ports, which do not overlap: they change together."""

    direction: Direction
    subject: int
    peer: int
    protocol: str
    ports: tuple[Interval, ...]
    stage: ClassVar[int] = ALLOWED

    @property
    def key(self) -> Hashable:
        """All but the ranges."""
        return ("ranges", self.direction, self.subject, self.peer, self.protocol)

    def __str__(self) -> str:
        ports = ", ".join(f"{first}-{last}" for first, last in self.ports)
        return f"{who(self.subject)} {self.direction.value}: {who(self.peer)}, {self.protocol} {ports}"


class Span(msgspec.Struct, frozen=True, order=True, gc=False):
    """Addresses of one family from first to last; without a protocol all of them and all ports are meant."""

    first: IPAddress
    last: IPAddress
    protocol: str = ""
    ports: Interval = (0, LAST_PORT)

    def __str__(self) -> str:
        addresses = str(self.first) if self.first == self.last else f"{self.first}-{self.last}"
        return f"{addresses} {self.protocol} {self.ports[0]}-{self.ports[1]}" if self.protocol else addresses


class BlocksRow(msgspec.Struct, frozen=True, gc=False):
    """These addresses of one IP version are allowed, on all ports or on those of the spans, which do not overlap."""

    direction: Direction
    subject: int
    version: int
    with_ports: bool
    spans: tuple[Span, ...]
    stage: ClassVar[int] = ALLOWED

    @property
    def key(self) -> Hashable:
        """All but the spans."""
        return ("blocks", self.direction, self.subject, self.version, self.with_ports)

    def __str__(self) -> str:
        return f"{who(self.subject)} {self.direction.value}: {', '.join(map(str, self.spans))}"


Row = (
    AddressRow
    | LinkRow
    | SelfRow
    | ResolverRow
    | NodeAddressRow
    | IsolatedRow
    | PeerRow
    | PortRow
    | RangesRow
    | BlocksRow
    | AnyTierRow
)


def numbers_in(row: Row) -> tuple[int, ...]:
    """The allocated numbers that the row carries."""
    match row:
        case AddressRow(_, identity) | LinkRow(_, identity):
            return (identity,)
        case SelfRow() | ResolverRow() | NodeAddressRow():
            return ()
        case PeerRow() | PortRow() | RangesRow():
            return (row.subject, row.peer)
        case TierRow():
            return (row.subject,) if row.peer == NO_POD else (row.subject, row.peer)
        case _:
            return (row.subject,)
