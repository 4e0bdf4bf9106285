"""Which set or map of policy.nft holds which row, in both directions. Rows of links are in none: they are groups."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, cast

from msgspec.structs import replace

from podwire.kernel.elements import Element, Part, Range
from podwire.kernel.readback import Collection, Field
from podwire.policy import tier_layout
from podwire.policy.element_parts import (
    address_part,
    protocol_part,
    read_addresses,
    read_number,
    read_ports,
    read_protocol,
)
from podwire.policy.model import Direction, IPAddress
from podwire.policy.rows import (
    AddressRow,
    BlocksRow,
    IsolatedRow,
    LinkRow,
    PeerRow,
    PortRow,
    RangesRow,
    ResolverRow,
    Row,
    SelfRow,
    Span,
)
from podwire.policy.tier_rows import NodeAddressRow

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_KINDS = (
    "isolated",
    "peers",
    "ports",
    "ranges",
    "blocks4",
    "blocks6",
    "block_ports4",
    "block_ports6",
)
_DIRECTED = {f"{direction.value}_{kind}": (direction, kind) for direction in Direction for kind in _KINDS}

_ADDRESS = {"4": Field.IPV4, "6": Field.IPV6}
_ADDRESSES: dict[str, type[ResolverRow | NodeAddressRow | SelfRow]] = {
    "resolvers": ResolverRow,
    "nodes": NodeAddressRow,
    "self": SelfRow,
}
_KEYS = {
    "isolated": (),
    "peers": (Field.NUMBER,),
    "ports": (Field.NUMBER, Field.PROTOCOL, Field.PORT),
    "ranges": (Field.NUMBER, Field.PROTOCOL, Field.PORT),
    "blocks": (),
    "block_ports": (Field.PROTOCOL, Field.PORT),
}
"""What follows the subject in a key of each kind, and in those of blocks the address."""


def _collection(name: str, kind: str) -> Collection:
    if not kind.startswith("block"):
        return Collection(name, (Field.NUMBER, *_KEYS[kind]), interval=kind == "ranges")
    return Collection(name, (Field.NUMBER, _ADDRESS[kind[-1]], *_KEYS[kind[:-1]]), interval=True)


COLLECTIONS = (
    *(Collection(f"identity{version}", (field,), (Field.NUMBER,)) for version, field in _ADDRESS.items()),
    *(Collection(f"self{version}", (field, field)) for version, field in _ADDRESS.items()),
    *(Collection(f"resolvers{version}", (field,)) for version, field in _ADDRESS.items()),
    *(Collection(f"nodes{version}", (field,)) for version, field in _ADDRESS.items()),
    *(_collection(name, kind) for name, (_, kind) in _DIRECTED.items()),
    *tier_layout.COLLECTIONS,
)
"""Everything in policy.nft that holds elements."""


def elements(row: Row) -> tuple[Element, ...]:
    """Return the elements of a row."""
    match row:
        case AddressRow(address, identity):
            return (Element(f"identity{address.version}", (address,), (identity,)),)
        case LinkRow():
            return ()
        case SelfRow(address):
            return (Element(f"self{address.version}", (address, address)),)
        case ResolverRow(address):
            return (Element(f"resolvers{address.version}", (address,)),)
        case NodeAddressRow(address):
            return (Element(f"nodes{address.version}", (address,)),)
        case IsolatedRow(direction, subject):
            return (Element(f"{direction.value}_isolated", (subject,)),)
        case PeerRow(direction, subject, peer):
            return (Element(f"{direction.value}_peers", (subject, peer)),)
        case PortRow(direction, subject, peer, protocol, port):
            return (Element(f"{direction.value}_ports", (subject, peer, protocol_part(protocol), port)),)
        case RangesRow(direction, subject, peer, protocol, ports):
            name = f"{direction.value}_ranges"
            return tuple(Element(name, (subject, peer, protocol_part(protocol), Range(*pair))) for pair in ports)
        case BlocksRow(direction, subject, version, with_ports, spans):
            name = f"{direction.value}_{'block_ports' if with_ports else 'blocks'}{version}"
            return tuple(Element(name, (subject, *_span_parts(span))) for span in spans)
        case _:
            return tier_layout.elements(row)


def rows(found: Iterable[Element]) -> Iterator[Row]:
    """Return the rows of elements; the inverse of `elements`."""
    together: defaultdict[tuple[str, tuple[Part, ...]], list[Element]] = defaultdict(list)
    of_tiers: list[Element] = []
    for element in found:
        if element.collection in tier_layout.NAMES:
            of_tiers.append(element)
            continue
        direction, kind = _DIRECTED.get(element.collection, (None, ""))
        if direction is None:
            yield _address_row(element)
        elif kind == "ranges":
            together[element.collection, element.key[:3]].append(element)
        elif kind.startswith("block"):
            together[element.collection, element.key[:1]].append(element)
        else:
            yield _single(direction, kind, element.key)
    for (collection, key), members in together.items():
        direction, kind = _DIRECTED[collection]
        yield _group(direction, kind, key, members)
    yield from tier_layout.rows(of_tiers)


def _address_row(element: Element) -> Row:
    address = cast("IPAddress", element.key[0])
    if element.value:
        return AddressRow(address, read_number(element.value[0]))
    return _ADDRESSES[element.collection[:-1]](address)


def _single(direction: Direction, kind: str, key: tuple[Part, ...]) -> Row:
    subject = read_number(key[0])
    if kind == "isolated":
        return IsolatedRow(direction, subject)
    peer = read_number(key[1])
    if kind == "peers":
        return PeerRow(direction, subject, peer)
    return PortRow(direction, subject, peer, read_protocol(key[2]), read_number(key[3]))


def _group(direction: Direction, kind: str, key: tuple[Part, ...], members: list[Element]) -> Row:
    subject = read_number(key[0])
    if kind == "ranges":
        ports = tuple(sorted(read_ports(member.key[3]) for member in members))
        return RangesRow(direction, subject, read_number(key[1]), read_protocol(key[2]), ports)
    spans = tuple(sorted(_span(member.key[1:]) for member in members))
    return BlocksRow(direction, subject, int(kind[-1]), kind.startswith("block_ports"), spans)


def _span_parts(span: Span) -> tuple[Part, ...]:
    part = address_part(span.first, span.last)
    return (part, protocol_part(span.protocol), Range(*span.ports)) if span.protocol else (part,)


def _span(parts: tuple[Part, ...]) -> Span:
    span = Span(*read_addresses(parts[0]))
    return span if len(parts) == 1 else replace(span, protocol=read_protocol(parts[1]), ports=read_ports(parts[2]))
