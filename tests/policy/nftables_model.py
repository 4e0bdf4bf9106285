"""policy.nft read over rows instead of elements: a second, independent reading of what the rows allow."""

from __future__ import annotations

from dataclasses import dataclass

from podwire.policy.decisions import ACCEPT, DENY, ELSE_ACCEPT, UNDECIDED, Decision
from podwire.policy.model import Direction, IPAddress
from podwire.policy.rows import AddressRow, BlocksRow, IsolatedRow, PeerRow, PortRow, RangesRow, Row, SelfRow
from podwire.policy.tier_rows import TierAddressRow, TierBlocksRow, TieredRow, TierRow

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


def passes(rows: set[Row], packet: Packet) -> bool:
    """What chain `between` does with the packet."""
    identities = {row.address: row.identity for row in rows if isinstance(row, AddressRow)}
    source, destination = identities.get(packet.source, 0), identities.get(packet.destination, 0)
    if (packet.from_local and not source) or (packet.to_local and not destination):
        return False
    if packet.source == packet.destination and SelfRow(packet.source) in rows:
        return True
    return _side(rows, Direction.EGRESS, (source, destination), packet.destination, packet) and _side(
        rows, Direction.INGRESS, (destination, source), packet.source, packet
    )


def _decision(rows: set[Row], direction: Direction, ends: tuple[int, int], other: IPAddress) -> Decision:
    """What the maps of the tiers hold for the peer: the narrowest that has a decision."""
    subject, peer = ends
    of_tiers = {row.key: row for row in rows if isinstance(row, TierRow | TierAddressRow | TierBlocksRow)}
    exact = of_tiers.get(("tier address", subject, other))
    if direction is Direction.EGRESS and isinstance(exact, TierAddressRow):
        return exact.decision
    version = other.version if direction is Direction.EGRESS else 0
    for number in (peer & mask for mask in MASKS) if peer else (16 if direction is Direction.INGRESS else 0,):
        found = of_tiers.get(("tier", direction, subject, version, number))
        if isinstance(found, TierRow):
            return found.decision
    blocks = of_tiers.get(("tier blocks", subject, other.version))
    if direction is Direction.EGRESS and not peer and isinstance(blocks, TierBlocksRow):
        for span in blocks.spans:
            if int(span.first) <= int(other) <= int(span.last):
                return span.decision
    return UNDECIDED


def _side(rows: set[Row], direction: Direction, ends: tuple[int, int], other: IPAddress, packet: Packet) -> bool:
    subject = ends[0]
    isolated = IsolatedRow(direction, subject) in rows
    if TieredRow(direction, subject) in rows:
        value = _decision(rows, direction, ends, other).value(packet.protocol, packet.port)
        if value in {ACCEPT, DENY} or not isolated:
            return value in {ACCEPT, ELSE_ACCEPT}
    return not isolated or _admitted(rows, direction, ends, other, packet)


def _admitted(rows: set[Row], direction: Direction, ends: tuple[int, int], other: IPAddress, packet: Packet) -> bool:
    subject, peer = ends
    peers = {peer & mask for mask in MASKS}
    for row in rows:
        match row:
            case PeerRow(at, of, who) if (at, of) == (direction, subject) and who in peers:
                return True
            case PortRow(at, of, who, protocol, port) if (at, of) == (direction, subject) and who in peers:
                if (protocol, port) == (packet.protocol, packet.port):
                    return True
            case RangesRow(at, of, who, protocol, ports) if (at, of) == (direction, subject) and who in peers:
                if protocol == packet.protocol and any(a <= (packet.port or 0) <= b for a, b in ports):
                    return True
            case BlocksRow(at, of, version, with_ports, spans) if (at, of, version) == (
                direction,
                subject,
                other.version,
            ):
                for span in spans:
                    if int(span.first) <= int(other) <= int(span.last) and (
                        not with_ports
                        or (span.protocol == packet.protocol and span.ports[0] <= (packet.port or 0) <= span.ports[1])
                    ):
                        return True
            case _:
                pass
    return False
