"""Rows of the decisions of ClusterNetworkPolicies: elements of the tier maps of policy.nft."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, ClassVar

import msgspec

from podwire.policy.decisions import DENY, Decision
from podwire.policy.model import Direction, IPAddress, IPNetwork
from podwire.policy.numbering import ANY_POD, AT_ADDRESS, AT_ANY, AT_IDENTITY, AT_NAMESPACE, NO_POD, TIERED, who

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator


class TieredRow(msgspec.Struct, frozen=True, gc=False):
    """ClusterNetworkPolicies decide what pods of this identity receive, or send."""

    direction: Direction
    subject: int
    stage: ClassVar[int] = TIERED

    @property
    def key(self) -> Hashable:
        """The row itself."""
        return self

    def __str__(self) -> str:
        return f"{who(self.subject)} {self.direction.value}: cluster network policies decide"


class TierRow(msgspec.Struct, frozen=True, gc=False):
    """The decision for a peer: an identity, a namespace, any pod, no pod. The narrowest peer that has one counts.

    Egress has one for each IP version, as networks are of one; ingress has version 0, for both.
    """

    direction: Direction
    subject: int
    version: int
    peer: int
    decision: Decision

    @property
    def stage(self) -> int:
        """By how narrow the peer is."""
        if self.peer & 0xFFFF0000 == 0 or self.peer & 0x7FFFFFFF == 0:
            return AT_ANY
        return AT_IDENTITY if self.peer & 0xFFFF else AT_NAMESPACE

    @property
    def key(self) -> Hashable:
        """All but the decision."""
        return ("tier", self.direction, self.subject, self.version, self.peer)

    def __str__(self) -> str:
        version = f" IPv{self.version}" if self.version else ""
        return f"{who(self.subject)} {self.direction.value}: {who(self.peer)}{version} {self.decision}"


class TierAddressRow(msgspec.Struct, frozen=True, gc=False):
    """The decision for one address: of a node, of a name, or of a pod of which a network holds only some."""

    subject: int
    address: IPAddress
    decision: Decision
    direction: ClassVar[Direction] = Direction.EGRESS
    stage: ClassVar[int] = AT_ADDRESS

    @property
    def key(self) -> Hashable:
        """All but the decision."""
        return ("tier address", self.subject, self.address)

    def __str__(self) -> str:
        return f"{who(self.subject)} {self.direction.value}: {self.address} {self.decision}"


class TierSpan(msgspec.Struct, frozen=True, order=True, gc=False):
    """The decision for addresses of one family, from first to last."""

    first: IPAddress
    last: IPAddress
    decision: Decision

    def __str__(self) -> str:
        addresses = str(self.first) if self.first == self.last else f"{self.first}-{self.last}"
        return f"{addresses} {self.decision}"


class TierBlocksRow(msgspec.Struct, frozen=True, gc=False):
    """The decisions for addresses of one IP version that are no pod's. The spans do not overlap."""

    subject: int
    version: int
    spans: tuple[TierSpan, ...]
    direction: ClassVar[Direction] = Direction.EGRESS
    stage: ClassVar[int] = AT_ANY

    @property
    def key(self) -> Hashable:
        """All but the spans."""
        return ("tier blocks", self.subject, self.version)

    def __str__(self) -> str:
        return f"{who(self.subject)} {self.direction.value}: {', '.join(map(str, self.spans))}"


class NamingRow(msgspec.Struct, frozen=True, gc=False):
    """Rules for pods of this identity name domains: DNS answers to them are learned before they leave."""

    subject: int
    direction: ClassVar[Direction] = Direction.EGRESS
    stage: ClassVar[int] = AT_ADDRESS

    @property
    def key(self) -> Hashable:
        """The row itself."""
        return self

    def __str__(self) -> str:
        return f"{who(self.subject)} {self.direction.value}: addresses of names are learned from DNS answers"


class KnownOnlyRow(msgspec.Struct, frozen=True, gc=False):
    """Of the addresses in these ranges, pods of this identity receive from, or send to, those of known pods only.

    Their policies deny by what pods are: a pod that this node does not know yet may be one of those.
    """

    direction: Direction
    subject: int
    ranges: tuple[IPNetwork, ...]
    stage: ClassVar[int] = AT_IDENTITY

    @property
    def key(self) -> Hashable:
        """All but the ranges."""
        return ("known only", self.direction, self.subject)

    def __str__(self) -> str:
        ranges = ", ".join(map(str, self.ranges))
        return f"{who(self.subject)} {self.direction.value}: of {ranges} known pods only"


class NodeAddressRow(msgspec.Struct, frozen=True, gc=False):
    """The address is in a range of pods, but a node's."""

    address: IPAddress
    stage: ClassVar[int] = AT_ADDRESS

    @property
    def key(self) -> Hashable:
        """The row itself."""
        return self

    def __str__(self) -> str:
        return f"{self.address} is a node"


AnyTierRow = TieredRow | TierRow | TierAddressRow | TierBlocksRow | KnownOnlyRow | NamingRow
"""Rows of a subject."""


def denied(subject: int) -> Iterator[AnyTierRow]:
    """Return the rows by which pods of this identity receive and send nothing, whatever NetworkPolicies admit."""
    deny = Decision(DENY)
    yield from (TierRow(Direction.INGRESS, subject, 0, peer, deny) for peer in (ANY_POD, NO_POD))
    for network in (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0")):
        yield TierRow(Direction.EGRESS, subject, network.version, ANY_POD, deny)
        yield TierBlocksRow(subject, network.version, (TierSpan(network[0], network[-1], deny),))
    yield from (TieredRow(direction, subject) for direction in Direction)
