"""Elements of nftables sets and maps as typed values, and the batches that change them.

A key or a value is a tuple of addresses, numbers, protocol names, interface names and ranges: never free text, so that
no string of a user reaches the nft language.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True, order=True)
class Range:
    """From first to last, both included: numbers, or addresses of one family."""

    first: int | IPAddress
    last: int | IPAddress


@dataclass(frozen=True, slots=True, order=True)
class Word:
    """One of nft's own words: a protocol such as tcp, or the name of an interface."""

    text: str

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9_.-]{1,32}", self.text):
            raise ValueError(f"{self.text!r} is no word of nftables")


Part = int | IPAddress | IPNetwork | Range | Word

ELEMENTS_A_TRANSACTION = 1000
"""In a user namespace one transaction is limited by the netlink send buffer: 2,000 IPv6 replacements fail."""


@dataclass(frozen=True, slots=True)
class Element:
    """One element of a named set, or of a map where it has a value."""

    collection: str
    key: tuple[Part, ...]
    value: tuple[Part, ...] = ()

    @property
    def text(self) -> str:
        """The element as nft reads it."""
        key = " . ".join(map(_text, self.key))
        return f"{key} : {' . '.join(map(_text, self.value))}" if self.value else key

    @property
    def key_text(self) -> str:
        """The key alone, as nft reads it to delete the element."""
        return " . ".join(map(_text, self.key))


class Listed(Protocol):
    """What a batch needs of an element: rows that print themselves as elements will do."""

    @property
    def collection(self) -> str:
        """The set or map."""
        ...

    @property
    def text(self) -> str:
        """The element as nft reads it."""
        ...

    @property
    def key_text(self) -> str:
        """The key alone."""
        ...


def _text(part: Part) -> str:
    if isinstance(part, ipaddress.IPv6Address) and part.scope_id:
        raise ValueError(f"{str(part)!r} has a zone, and a zone is free text")
    if isinstance(part, Word):
        return f'"{part.text}"' if not part.text.isalnum() or part.text.isdigit() else part.text
    if isinstance(part, Range):
        return f"{part.first}-{part.last}" if part.first != part.last else str(part.first)
    return str(part)


def transactions(
    table: str, removals: Sequence[Listed], additions: Sequence[Listed], replaced: Sequence[Listed] = ()
) -> Iterator[str]:
    """The batch as nft texts: additions first, then removals, at most ELEMENTS_A_TRANSACTION elements in each.

    An element of `replaced` is deleted in the same transaction as the addition with its key. A small batch is one
    transaction. `table` is family and name, such as "inet podwire-services".
    """
    old = {(element.collection, element.key_text): element for element in replaced}
    chunk = ELEMENTS_A_TRANSACTION // 2 if old else ELEMENTS_A_TRANSACTION
    if 0 < len(additions) + len(removals) <= ELEMENTS_A_TRANSACTION // 2:
        yield (
            commands(table, "delete", replaced)
            + commands(table, "add", additions)
            + commands(table, "delete", removals)
        )
        return
    for part in _chunks(additions, chunk):
        gone = [old[key] for key in ((e.collection, e.key_text) for e in part) if key in old] if old else []
        yield commands(table, "delete", gone) + commands(table, "add", part)
    for part in _chunks(removals, ELEMENTS_A_TRANSACTION):
        yield commands(table, "delete", part)


def _chunks(elements: Sequence[Listed], size: int) -> Iterator[Sequence[Listed]]:
    for start in range(0, len(elements), size):
        yield elements[start : start + size]


def commands(table: str, verb: str, elements: Iterable[Listed]) -> str:
    """The nft text for `add` or `delete`: one command for each run of elements of the same collection, in order."""
    lines: list[str] = []
    collection, texts = "", list[str]()
    for element in elements:
        if element.collection != collection:
            if texts:
                lines.append(f"{verb} element {table} {collection} {{ {', '.join(texts)} }}\n")
            collection, texts = element.collection, []
        texts.append(element.text if verb == "add" else element.key_text)
    if texts:
        lines.append(f"{verb} element {table} {collection} {{ {', '.join(texts)} }}\n")
    return "".join(lines)
