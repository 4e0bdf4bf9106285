"""policy.nft read over rows instead of elements: a second, independent reading of what the rows allow."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from podwire.policy.decisions import ACCEPT, DENY, ELSE_ACCEPT, UNDECIDED, Decision
from podwire.policy.model import Direction, IPAddress
from podwire.policy.rows import AddressRow, BlocksRow, IsolatedRow, PeerRow, PortRow, RangesRow, Row, SelfRow, Span
from podwire.policy.tier_rows import (
    KnownOnlyRow,
    NodeAddressRow,
    TierAddressRow,
    TierBlocksRow,
    TieredRow,
    TierRow,
)

MASKS = (0xFFFFFFFF, 0xFFFF0000, 0x80000000)


@dataclass(frozen=True)
class Packet:
    """The first packet of a connection, and whether its ends are pods of this node."""

    source: IPAddress
    destination: IPAddress
    protocol: str
    port: int | None
    from_local: bool
    to_local: bool


class Table:
    """The rows, found by what chains look up."""

    def __init__(self, rows: set[Row]) -> None:
        self._rows = rows
        self._identities = {row.address: row.identity for row in rows if isinstance(row, AddressRow)}
        self._tiers = {row.key: row for row in rows if isinstance(row, TierRow | TierAddressRow | TierBlocksRow)}
        self._allowed: defaultdict[tuple[Direction, int], list[Row]] = defaultdict(list)
        for row in rows:
            if isinstance(row, PeerRow | PortRow | RangesRow | BlocksRow):
                self._allowed[row.direction, row.subject].append(row)

    def passes(self, packet: Packet, links: Mapping[IPAddress, int] | None = None) -> bool:
        """What chain `between` does with the packet.

        `links` are the groups of the links of this node's pods, by their addresses: by default those of the rows.
        """
        source, destination = (self._identities.get(each, 0) for each in (packet.source, packet.destination))
        sender, receiver = source, destination
        if links is not None:
            sender, receiver = links.get(packet.source, 0), links.get(packet.destination, 0)
        if (packet.from_local and not sender) or (packet.to_local and not receiver):
            return False
        if packet.source == packet.destination and SelfRow(packet.source) in self._rows:
            return True
        return self._side(Direction.EGRESS, (sender, destination), packet.destination, packet) and self._side(
            Direction.INGRESS, (receiver, source), packet.source, packet
        )

    def _decision(self, direction: Direction, ends: tuple[int, int], other: IPAddress) -> Decision:
        """What the maps of the tiers hold for the peer: the narrowest that has a decision."""
        subject, peer = ends
        exact = self._tiers.get(("tier address", subject, other))
        if direction is Direction.EGRESS and isinstance(exact, TierAddressRow):
            return exact.decision
        version = other.version if direction is Direction.EGRESS else 0
        for number in (peer & mask for mask in MASKS) if peer else (16 if direction is Direction.INGRESS else 0,):
            found = self._tiers.get(("tier", direction, subject, version, number))
            if isinstance(found, TierRow):
                return found.decision
        blocks = self._tiers.get(("tier blocks", subject, other.version))
        if direction is Direction.EGRESS and not peer and isinstance(blocks, TierBlocksRow):
            for span in blocks.spans:
                if int(span.first) <= int(other) <= int(span.last):
                    return span.decision
        return UNDECIDED

    def _is_closed(self, direction: Direction, subject: int, other: IPAddress) -> bool:
        """Whether the address is of a pod that is not known, and such are closed to the subject."""
        if NodeAddressRow(other) in self._rows:
            return False
        return any(
            isinstance(row, KnownOnlyRow)
            and (row.direction, row.subject) == (direction, subject)
            and any(other in network for network in row.ranges)
            for row in self._rows
        )

    def _side(self, direction: Direction, ends: tuple[int, int], other: IPAddress, packet: Packet) -> bool:
        subject = ends[0]
        isolated = IsolatedRow(direction, subject) in self._rows
        if TieredRow(direction, subject) in self._rows:
            if not ends[1] and self._is_closed(direction, subject, other):
                return False
            value = self._decision(direction, ends, other).value(packet.protocol, packet.port)
            if value in {ACCEPT, DENY} or not isolated:
                return value in {ACCEPT, ELSE_ACCEPT}
        return not isolated or _admitted(self._allowed[direction, subject], ends[1], other, packet)


def _admitted(rows: list[Row], peer: int, other: IPAddress, packet: Packet) -> bool:
    peers = {peer & mask for mask in MASKS}
    for row in rows:
        match row:
            case PeerRow() if row.peer in peers:
                return True
            case PortRow() if row.peer in peers:
                if (row.protocol, row.port) == (packet.protocol, packet.port):
                    return True
            case RangesRow() if row.peer in peers:
                if row.protocol == packet.protocol and any(a <= (packet.port or 0) <= b for a, b in row.ports):
                    return True
            case BlocksRow() if row.version == other.version:
                if any(_in_span(span, other, packet, with_ports=row.with_ports) for span in row.spans):
                    return True
            case _:
                pass
    return False


def _in_span(span: Span, other: IPAddress, packet: Packet, *, with_ports: bool) -> bool:
    if not int(span.first) <= int(other) <= int(span.last):
        return False
    return not with_ports or (span.protocol == packet.protocol and span.ports[0] <= (packet.port or 0) <= span.ports[1])
