"""What the kernel holds in the maps of services.nft, as rows again, and the pools among those rows."""

from __future__ import annotations

import ipaddress
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from podwire.kernel.elements import Range
from podwire.kernel.readback import Collection, Elements, Field, held_elements
from podwire.kernel.setdump import RawElement
from podwire.kube.addresses import family_of
from podwire.kube.backends import Backend
from podwire.services.model import NODE_PORT_ADDRESSES, Frontend
from podwire.services.node_view import range_text
from podwire.services.pool_row import PoolRow
from podwire.services.pools import HeldPool, PoolAddress
from podwire.services.registers import (
    DRAW_KEY,
    NUMBER,
    PORT,
    PROTOCOL_AND_PORT,
    PROTOCOL_OF,
    SLOT_KEY,
    STICKY_KEY,
    WIDTH,
    address_text,
)
from podwire.services.rows import (
    DrawRow,
    ElementRow,
    FrontendRow,
    MemberRow,
    Members,
    Row,
    SourceRow,
    StickyRow,
)
from podwire.services.ruleset import TABLE_NAME
from podwire.services.word import POOL, sticky_number

_ADDRESS = {4: Field.IPV4, 6: Field.IPV6}
_PLAIN_SETS = (Members.VIRTUAL, Members.HAIRPIN)
_RANGE_SETS = (Members.RANGE, Members.NODEPORT_ADDRESSES)


def held_rows(kernel: Elements, family: int) -> Iterator[PoolRow | ElementRow]:
    """All rows of one family, 4 or 6. What the kernel itself adds, the clients of session affinity, is left out."""
    yield from _frontends(kernel, family)
    yield from _pools(kernel, family)
    for element in kernel.elements(TABLE_NAME, f"sticky{family}"):
        word, protocol = STICKY_KEY.unpack(element.key)
        yield StickyRow(word, PROTOCOL_OF[protocol], _backend(element.data, family))
    for element in kernel.elements(TABLE_NAME, f"draw{family}"):
        _, slot = DRAW_KEY.unpack(element.key)
        yield DrawRow(family, slot, _word(element))
    for plain in _PLAIN_SETS:
        for element in kernel.elements(TABLE_NAME, f"{plain}{family}"):
            yield MemberRow(plain, address_text(element.key, family))
    yield from _ranges(kernel, family)


def _pools(kernel: Elements, family: int) -> Iterator[PoolRow]:
    """The pools, with an empty slot where one is missing."""
    found: defaultdict[tuple[int, int], dict[int, Backend]] = defaultdict(dict)
    for element in kernel.elements(TABLE_NAME, f"endpoint{family}"):
        pool, protocol, slot = SLOT_KEY.unpack(element.key)
        found[pool, protocol][slot] = _backend(element.data, family)
    for (pool, protocol), slots in found.items():
        yield PoolRow(family, pool, PROTOCOL_OF[protocol], tuple([slots.get(slot) for slot in range(max(slots) + 1)]))


def _frontends(kernel: Elements, family: int) -> Iterator[FrontendRow]:
    """The words of all frontends."""
    for name, outside in (("service", False), ("outside", True)):
        for element in kernel.elements(TABLE_NAME, f"{name}{family}"):
            protocol, port = PROTOCOL_AND_PORT.unpack_from(element.key, WIDTH[family])
            frontend = Frontend(address_text(element.key, family), PROTOCOL_OF[protocol], port)
            yield FrontendRow(frontend, outside, _word(element))
    for name, outside in (("nodeport", False), ("outside_nodeport", True)):
        for element in kernel.elements(TABLE_NAME, f"{name}{family}"):
            protocol, port = PROTOCOL_AND_PORT.unpack(element.key)
            frontend = Frontend(NODE_PORT_ADDRESSES[family], PROTOCOL_OF[protocol], port)
            yield FrontendRow(frontend, outside, _word(element))


def _ranges(kernel: Elements, family: int) -> Iterator[MemberRow | SourceRow]:
    """The sets of ranges."""
    address = _ADDRESS[family]
    sets = [Collection(f"{of}{family}", (address,), interval=True) for of in _RANGE_SETS]
    for of, collection in zip(_RANGE_SETS, sets, strict=True):
        for element in held_elements(kernel, TABLE_NAME, (collection,)):
            (block,) = element.key
            yield from (MemberRow(of, text) for text in _blocks(block))
    sources = Collection(f"sources{family}", (Field.NUMBER, address), interval=True)
    for element in held_elements(kernel, TABLE_NAME, (sources,)):
        pool, block = element.key
        assert isinstance(pool, int), "a pool is a number"
        yield from (SourceRow(pool, text) for text in _blocks(block))


def _blocks(block: object) -> Iterator[str]:
    """A range of addresses as rows write it: an address, or networks."""
    if not isinstance(block, Range):
        yield str(block)
        return
    first, last = ipaddress.ip_address(str(block.first)), ipaddress.ip_address(str(block.last))
    yield from map(range_text, ipaddress.summarize_address_range(first, last))


def _backend(data: bytes, family: int) -> Backend:
    return Backend(address_text(data, family), *PORT.unpack_from(data, WIDTH[family]))


def _word(element: RawElement) -> int:
    (word,) = NUMBER.unpack(element.data)
    return int(word)


def held_pools(held: Iterable[Row]) -> Mapping[PoolAddress, HeldPool]:
    """The pools among rows that were read back, by every frontend that refers to them."""
    words: list[FrontendRow] = []
    slots: defaultdict[tuple[int, int], dict[int, Backend]] = defaultdict(dict)
    sticky: defaultdict[tuple[int, int], dict[int, Backend]] = defaultdict(dict)
    draws: list[DrawRow] = []
    for row in held:
        if isinstance(row, FrontendRow):
            words.append(row)
        elif isinstance(row, PoolRow):
            filled = {slot: backend for slot, backend in enumerate(row.slots) if backend is not None}
            slots[row.family, row.pool].update(filled)
        elif isinstance(row, StickyRow):
            sticky[family_of(row.backend.address), row.word & POOL][sticky_number(row.word)] = row.backend
        elif isinstance(row, DrawRow):
            draws.append(row)
    for row in draws:
        key = row.family, row.word & POOL
        backend = sticky[key].get(sticky_number(row.word))
        if backend is not None:
            slots[key][row.slot] = backend
    pools = {
        key: HeldPool(key[1], slots[key], {backend: number for number, backend in sticky[key].items()})
        for key in dict.fromkeys((row.frontend.family, row.word & POOL) for row in words)
    }
    return {PoolAddress(row.frontend, row.outside): pools[row.frontend.family, row.word & POOL] for row in words}
