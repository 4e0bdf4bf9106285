"""policy.nft read over rows instead of elements: a second, independent reading of what the rows allow."""

from __future__ import annotations

from dataclasses import dataclass

from podwire.policy.model import Direction, IPAddress
from podwire.policy.rows import AddressRow, BlocksRow, IsolatedRow, PeerRow, PortRow, RangesRow, Row, SelfRow

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


def _side(rows: set[Row], direction: Direction, ends: tuple[int, int], other: IPAddress, packet: Packet) -> bool:
    subject, peer = ends
    if IsolatedRow(direction, subject) not in rows:
        return True
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
