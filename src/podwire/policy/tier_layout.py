"""Which map of policy.nft holds which row of ClusterNetworkPolicies, in both directions."""

from __future__ import annotations

import ipaddress
from collections import defaultdict
from typing import TYPE_CHECKING, cast

from podwire.kernel.elements import Element, Part, Range, Word
from podwire.kernel.readback import Collection, Field
from podwire.policy.decisions import ELSE_ACCEPT, Decision, PortSpan
from podwire.policy.element_parts import (
    address_part,
    protocol_part,
    read_addresses,
    read_network,
    read_number,
    read_ports,
    read_protocol,
)
from podwire.policy.model import Direction, IPAddress, IPNetwork
from podwire.policy.tier_rows import (
    AnyTierRow,
    KnownOnlyRow,
    NamingRow,
    TierAddressRow,
    TierBlocksRow,
    TieredRow,
    TierRow,
    TierSpan,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

EXPANDED_PORTS = 16
"""As of rows of NetworkPolicies: a range of at most this many ports becomes single ports."""

_FAMILIES = {4: Word("ipv4"), 6: Word("ipv6")}
_VERSIONS = {word: version for version, word in _FAMILIES.items()}
_ADDRESS = {4: Field.IPV4, 6: Field.IPV6}
_PORTS = (Field.PROTOCOL, Field.PORT)
_VALUE = (Field.NUMBER,)


def _collections(direction: Direction) -> Iterator[Collection]:
    name = f"{direction.value}_tier"
    peer = (Field.NUMBER, *((Field.FAMILY,) if direction is Direction.EGRESS else ()), Field.NUMBER)
    yield Collection(f"{name}ed", (Field.NUMBER,))
    yield Collection(f"{name}_peers", peer, _VALUE)
    yield Collection(f"{name}_ports", (*peer, *_PORTS), _VALUE)
    yield Collection(f"{name}_ranges", (*peer, *_PORTS), _VALUE, interval=True)
    for version, field in _ADDRESS.items():
        yield Collection(f"{direction.value}_known_only{version}", (Field.NUMBER, field), interval=True)
    for version, field in _ADDRESS.items() if direction is Direction.EGRESS else ():
        yield Collection(f"{name}_addresses{version}", (Field.NUMBER, field), _VALUE)
        yield Collection(f"{name}_address_ports{version}", (Field.NUMBER, field, *_PORTS), _VALUE, interval=True)
        yield Collection(f"{name}_blocks{version}", (Field.NUMBER, field), _VALUE, interval=True)
        yield Collection(f"{name}_block_ports{version}", (Field.NUMBER, field, *_PORTS), _VALUE, interval=True)


_NAMING = "naming"

COLLECTIONS = (
    *(each for direction in Direction for each in _collections(direction)),
    Collection(_NAMING, (Field.NUMBER,)),
)
"""Everything in policy.nft that holds elements of these rows."""

TIERED = tuple(each for each in COLLECTIONS if each.name.endswith("_tiered"))
"""Those of them that hold the subjects."""

NAMES = frozenset(each.name for each in COLLECTIONS)


def elements(row: AnyTierRow) -> tuple[Element, ...]:
    """Return the elements of a row."""
    match row:
        case TieredRow(direction, subject):
            return (Element(f"{direction.value}_tiered", (subject,)),)
        case NamingRow(subject):
            return (Element(_NAMING, (subject,)),)
        case KnownOnlyRow(direction, subject, ranges):
            return tuple(
                Element(f"{direction.value}_known_only{one.version}", (subject, address_part(one[0], one[-1])))
                for one in ranges
            )
        case TierRow():
            return tuple(_peer_elements(row))
        case TierAddressRow(subject, address, decision):
            name, version = "egress_tier_address", address.version
            base = Element(f"{name}es{version}", (subject, address), (decision.base,))
            return (base, *_spans(f"{name}_ports{version}", subject, ipaddress.ip_network(address), decision))
        case TierBlocksRow(subject, version, spans):
            return tuple(element for span in spans for element in _block_elements(subject, version, span))


def rows(found: Iterable[Element]) -> Iterator[AnyTierRow]:
    """Return the rows of elements; the inverse of `elements`."""
    peers: defaultdict[tuple[Direction, int, int, int], _Read] = defaultdict(_Read)
    single: defaultdict[tuple[int, IPAddress], _Read] = defaultdict(_Read)
    blocks: defaultdict[tuple[int, int], defaultdict[tuple[IPAddress, IPAddress], _Read]]
    blocks = defaultdict(lambda: defaultdict(_Read))
    known_only: defaultdict[tuple[Direction, int], list[IPNetwork]] = defaultdict(list)
    for element in found:
        if element.collection == _NAMING:
            yield NamingRow(read_number(element.key[0]))
            continue
        direction = Direction(element.collection.partition("_")[0])
        kind = element.collection.partition("_")[2]
        subject = read_number(element.key[0])
        if kind == "tiered":
            yield TieredRow(direction, subject)
        elif kind.startswith("known_only"):
            known_only[direction, subject].append(read_network(element.key[1]))
        elif kind.startswith("tier_address"):
            first, _ = read_addresses(element.key[1])
            single[subject, first].take(element, 2)
        elif kind.startswith("tier_block"):
            ends = read_addresses(element.key[1])
            blocks[subject, ends[0].version][ends].take(element, 2)
        else:
            version = 0 if direction is Direction.INGRESS else _VERSIONS[cast("Word", element.key[1])]
            at = 2 if version else 1
            peers[direction, subject, version, read_number(element.key[at])].take(element, at + 1)
    yield from (KnownOnlyRow(*key, tuple(sorted(ranges, key=_in_order))) for key, ranges in known_only.items())
    yield from (TierRow(*key, read.decision()) for key, read in peers.items())
    yield from (TierAddressRow(*key, read.decision()) for key, read in single.items())
    for (subject, version), spans in blocks.items():
        read_spans = sorted(TierSpan(*ends, read.decision()) for ends, read in spans.items())
        yield TierBlocksRow(subject, version, tuple(read_spans))


class _Read:
    """The elements of one decision."""

    def __init__(self) -> None:
        self._base = ELSE_ACCEPT
        self._spans: list[PortSpan] = []

    def take(self, element: Element, at: int) -> None:
        """Add an element whose key has protocol and ports from here, or neither."""
        value = read_number(element.value[0])
        if len(element.key) == at:
            self._base = value
        else:
            self._spans.append(PortSpan(read_protocol(element.key[at]), *read_ports(element.key[at + 1]), value))

    def decision(self) -> Decision:
        """The decision; neighbouring single ports of the same value are one span again."""
        joined: list[PortSpan] = []
        for span in sorted(self._spans, key=lambda span: (_rank(span.protocol), span.first)):
            last = joined[-1] if joined else None
            if last and (last.protocol, last.last + 1, last.value) == (span.protocol, span.first, span.value):
                joined[-1] = PortSpan(last.protocol, last.first, span.last, last.value)
            else:
                joined.append(span)
        return Decision(self._base, tuple(joined))


def _in_order(network: IPNetwork) -> tuple[int, int]:
    """As PodRanges has them."""
    return network.version, int(network.network_address)


def _rank(text: str) -> int:
    return ("TCP", "UDP", "SCTP").index(text)


def _peer_elements(row: TierRow) -> Iterator[Element]:
    name = f"{row.direction.value}_tier"
    for version in _versions(row):
        key: tuple[Part, ...] = (row.subject, *version, row.peer)
        yield Element(f"{name}_peers", key, (row.decision.base,))
        for span in row.decision.spans:
            if span.last - span.first >= EXPANDED_PORTS:
                yield Element(
                    f"{name}_ranges", (*key, protocol_part(span.protocol), Range(span.first, span.last)), (span.value,)
                )
                continue
            for port in range(span.first, span.last + 1):
                yield Element(f"{name}_ports", (*key, protocol_part(span.protocol), port), (span.value,))


def _versions(row: TierRow) -> tuple[tuple[Part, ...], ...]:
    return ((_FAMILIES[row.version],),) if row.version else ((),)


def _block_elements(subject: int, version: int, span: TierSpan) -> Iterator[Element]:
    part = address_part(span.first, span.last)
    if span.decision.base != ELSE_ACCEPT:
        yield Element(f"egress_tier_blocks{version}", (subject, part), (span.decision.base,))
    yield from _spans(f"egress_tier_block_ports{version}", subject, part, span.decision)


def _spans(name: str, subject: int, part: Part, decision: Decision) -> Iterator[Element]:
    for span in decision.spans:
        yield Element(name, (subject, part, protocol_part(span.protocol), Range(span.first, span.last)), (span.value,))
