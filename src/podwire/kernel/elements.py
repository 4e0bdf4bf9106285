"""Elements of nftables sets and maps as typed values, and the batches that change them.

A key or a value is a tuple of addresses, numbers, protocol names, interface names and ranges: never free text, so that
no string of a user reaches the nft language.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


class Range(msgspec.Struct, frozen=True, order=True):
    """From first to last, both included: numbers, or addresses of one family."""

    first: int | IPAddress
    last: int | IPAddress


class Word(msgspec.Struct, frozen=True, order=True):
    """One of nft's own words: a protocol such as tcp, or the name of an interface."""

    text: str

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9_.-]{1,32}", self.text):
            raise ValueError(f"{self.text!r} is no word of nftables")


Part = int | IPAddress | IPNetwork | Range | Word

CHANGES_A_TRANSACTION = 1000
"""Additions and deletions. In a user namespace one transaction is limited by the netlink send buffer: 2,000 IPv6
replacements fail. An interval with IPv6 addresses takes about four times the room of a plain element."""


class Element(msgspec.Struct, frozen=True):
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
    if isinstance(part, int):
        return str(part)
    if isinstance(part, ipaddress.IPv6Address) and part.scope_id:
        raise ValueError(f"{str(part)!r} has a zone, and a zone is free text")
    if isinstance(part, Word):
        return f'"{part.text}"' if not part.text.isalnum() or part.text.isdigit() else part.text
    if isinstance(part, Range):
        return f"{part.first}-{part.last}" if part.first != part.last else str(part.first)
    return str(part)


Change = tuple[Sequence[Listed], Sequence[Listed]]
"""The elements of one row before and after: they change in the same transaction."""


ListedT_co = TypeVar("ListedT_co", bound=Listed, covariant=True)


class Batch(msgspec.Struct, Generic[ListedT_co], frozen=True):
    """Elements of one table that change in one transaction: deletions, then additions."""

    deletions: Sequence[ListedT_co]
    additions: Sequence[ListedT_co]

    def __len__(self) -> int:
        return len(self.deletions) + len(self.additions)

    def text(self, table: str) -> str:
        """The transaction as nft reads it. `table` is family and name, such as "inet podwire-services"."""
        return commands(table, "delete", self.deletions) + commands(table, "add", self.additions)


def transactions(table: str, changes: Iterable[Change], limit: int = CHANGES_A_TRANSACTION) -> Iterator[str]:
    """Return the `batches` as nft reads them."""
    return (batch.text(table) for batch in batches(changes, limit))


def batches(changes: Iterable[Change], limit: int = CHANGES_A_TRANSACTION) -> Iterator[Batch[Listed]]:
    """Return transactions that make the changes in order, as few as `limit` additions and deletions in each allow.

    What fits into one is one transaction: the kernel goes from the old state to the new one in an instant. In each one
    deletions come first, as intervals may not overlap. Only a change that does not fit by itself takes several: its old
    elements are deleted before its new ones are added.
    """
    batch = _Filling(limit)
    for change in changes:
        deletions, additions = difference(change)
        if not batch.add(deletions, additions):
            yield from batch.flush()
            yield from batch.start(deletions, additions)
    yield from batch.flush()


def difference(change: Change) -> tuple[Sequence[Listed], Sequence[Listed]]:
    """Return the elements that a change deletes, and those that it adds."""
    old, new = change
    return (_without(old, new), _without(new, old)) if old and new else (old, new)


def _without(left: Sequence[Listed], right: Sequence[Listed]) -> Sequence[Listed]:
    other = {(element.collection, element.text) for element in right}
    return [element for element in left if (element.collection, element.text) not in other]


class _Filling:
    """Changes that wait to fill one transaction."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._deletions: list[Listed] = []
        self._additions: list[Listed] = []

    def add(self, deletions: Sequence[Listed], additions: Sequence[Listed]) -> bool:
        """Add changes that belong together; False where there is no room for them."""
        size = self._size + len(deletions) + len(additions)
        if size > self._limit:
            return False
        self._size = size
        self._deletions += deletions
        self._additions += additions
        return True

    def start(self, deletions: Sequence[Listed], additions: Sequence[Listed]) -> Iterator[Batch[Listed]]:
        """Add changes that belong together to an empty transaction; return those that they fill by themselves."""
        if self.add(deletions, additions):
            return
        for start in range(0, len(deletions), self._limit):
            yield Batch(deletions[start : start + self._limit], ())
        for start in range(0, len(additions), self._limit):
            yield Batch((), additions[start : start + self._limit])

    def flush(self) -> Iterator[Batch[Listed]]:
        """Return the transaction that waits, if there is one."""
        if self._deletions or self._additions:
            yield Batch(self._deletions, self._additions)
            self._size, self._deletions, self._additions = 0, [], []


def commands(table: str, verb: str, elements: Iterable[Listed]) -> str:
    """The nft text for `add` or `delete`: one command for each collection, as nft is slow to begin one."""
    shown = attrgetter("text" if verb == "add" else "key_text")
    together: dict[str, list[str]] = {}
    for element in elements:
        together.setdefault(element.collection, []).append(shown(element))
    return "".join([f"{verb} element {table} {name} {{ {', '.join(found)} }}\n" for name, found in together.items()])
