"""Read back what sets and maps of a table hold, after a restart.

A listing of 100,000 elements takes libnftables some hundred megabytes that it never gives back, so a short-lived child
does it and hands over only the elements. Source: libnftables-json(5).
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
from typing import TYPE_CHECKING, Any

import msgspec

from podwire.kernel.elements import Element, Part, Range, Word
from podwire.kernel.nftables import Nftables, NftablesError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


_TRIES = 10


class _Answer(msgspec.Struct, array_like=True):
    """What the child sends: an error, or elements as collection, key parts and value parts in nft's JSON."""

    error: str = ""
    elements: list[tuple[str, list[Any], list[Any]]] = []


async def held_elements(table: str, collections: Sequence[tuple[str, str]]) -> list[Element]:
    """All elements of these collections of the table; each is `set` or `map`, and a name.

    Reads in the network namespace that this thread is in. Raises NftablesError.
    """
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        _child(table, collections, writer)
    os.close(writer)
    raw = await asyncio.to_thread(_drain, reader, pid)
    if not raw:
        raise NftablesError(f"reading back table {table} ended without an answer")
    answer = msgspec.msgpack.decode(raw, type=_Answer)
    if answer.error:
        raise NftablesError(answer.error)
    return [Element(name, tuple(map(_part, key)), tuple(map(_part, value))) for name, key, value in answer.elements]


def _child(table: str, collections: Sequence[tuple[str, str]], writer: int) -> None:
    """Never returns: it is a copy of the caller and must not run the caller's exit code."""
    try:
        try:
            answer = _Answer(elements=list(_listed(Nftables(), table, collections)))
        except NftablesError as error:
            answer = _Answer(error=str(error))
        with os.fdopen(writer, "wb") as pipe:
            pipe.write(msgspec.msgpack.encode(answer))
    finally:
        os._exit(0)


def _drain(reader: int, pid: int) -> bytes:
    with os.fdopen(reader, "rb") as pipe:
        raw = pipe.read()
    os.waitpid(pid, 0)
    return raw


def _listed(
    nft: Nftables, table: str, collections: Iterable[tuple[str, str]]
) -> Iterator[tuple[str, list[Any], list[Any]]]:
    for kind, name in collections:
        for element in _agreed(nft, table, kind, name):
            key, value = element if kind == "map" else (element, None)
            yield name, _parts(key), [] if value is None else _parts(value)


def _agreed(nft: Nftables, table: str, kind: str, name: str) -> list[Any]:
    """The elements as two listings in a row have them.

    After many additions the kernel moves a hash table in the background, and a listing meanwhile leaves some elements
    out without a word (rhashtable_walk_next).
    """
    before: list[str] | None = None
    for _ in range(_TRIES):
        listing = msgspec.json.decode(nft.run_json(f"list {kind} {table} {name}"))
        elements = [element for entry in listing["nftables"] for element in entry.get(kind, {}).get("elem", ())]
        found = sorted(map(repr, elements))
        if found == before:
            return elements
        before = found
    raise NftablesError(f"{kind} {name} of table {table} changed whenever it was listed")


def _parts(value: Any) -> list[Any]:
    """The parts of a key or value; elements with a comment or timeout are wrapped once more."""
    if isinstance(value, dict) and "elem" in value:
        value = value["elem"]["val"]
    if isinstance(value, dict) and "concat" in value:
        return list(value["concat"])
    return [value]


def _part(value: Any) -> Part:
    match value:
        case int():
            return value
        case {"range": [first, last]}:
            return Range(_bound(first), _bound(last))
        case {"prefix": {"addr": address, "len": length}}:
            network = ipaddress.ip_network(f"{address}/{length}")
            return Range(network[0], network[-1])
        case str():
            try:
                return ipaddress.ip_address(value)
            except ValueError:
                return Word(value)
        case _:
            raise NftablesError(f"an element that nobody of podwire wrote: {value!r}")


def _bound(value: Any) -> int | ipaddress.IPv4Address | ipaddress.IPv6Address:
    return value if isinstance(value, int) else ipaddress.ip_address(value)
