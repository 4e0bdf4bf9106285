"""Allocate the numbers of identities and namespaces, and keep them in a file: they are never derived from names.

A number is 1 bit "a pod", 15 bits namespace, 16 bits identity within the namespace; a namespace's own number has none
of the lower 16. A number that was never given out is preferred; then the one that was released longest ago. It is
released only when no row in the kernel carries it any more.
"""

from __future__ import annotations

import logging
import sqlite3
from collections import defaultdict, deque
from typing import TYPE_CHECKING

import msgspec

from podwire.policy.model import Identity, NamedPort
from podwire.policy.numbering import ANY_POD, NO_POD

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

log = logging.getLogger(__name__)

Allocation = Identity | str
"""What has a number: an identity, or a namespace by its name."""

NAMESPACE_BITS = 0xFFFF0000
LAST_NAMESPACE = 0x7FFF
LAST_IDENTITY = 0xFFFF

_SCHEMA = """
CREATE TABLE IF NOT EXISTS numbers (
    number INTEGER PRIMARY KEY,
    allocation TEXT UNIQUE,      -- NULL: released
    released INTEGER NOT NULL DEFAULT 0
)
"""


class IdentityAllocator:
    """All numbers of one node. Every change is in the file before it is answered."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=NORMAL")
        self._database.execute(_SCHEMA)
        self._numbers: dict[Allocation, int] = {}
        self._last: defaultdict[int, int] = defaultdict(int)
        self._free: defaultdict[int, deque[int]] = defaultdict(deque)
        self._unowned: set[int] = set()
        self._releases = 0
        for number, allocation, released in self._database.execute("SELECT * FROM numbers ORDER BY released"):
            self._load(number, allocation, released)

    def identity(self, identity: Identity) -> int:
        """The number of an identity, given to it now if it has none; 0 where the namespace has no more."""
        return self._numbers.get(identity) or self._allocate(identity, self.namespace(identity.namespace))

    def namespace(self, name: str) -> int:
        """The number of a namespace, given to it now if it has none; 0 where there are no more."""
        return self._numbers.get(name) or self._allocate(name, 0)

    def allocations(self) -> Iterable[Allocation]:
        """Everything that has a number."""
        return tuple(self._numbers)

    def found_in_kernel(self, numbers: Iterable[int]) -> None:
        """Numbers that rows in the kernel carry: what they mean is known from the file, or they are never given out."""
        known = set(self._numbers.values()) | {ANY_POD, NO_POD, 0}
        for number in numbers:
            self._unowned.update({number, number & NAMESPACE_BITS} - known)

    def release(self, allocation: Allocation) -> None:
        """Nothing bears this number, and no row in the kernel carries it."""
        number = self._numbers.pop(allocation, 0)
        if number:
            self._releases += 1
            self._free[_scope(number)].append(number)
            change = "UPDATE numbers SET allocation = NULL, released = ? WHERE number = ?"
            self._database.execute(change, (self._releases, number))

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def _load(self, number: int, allocation: str | None, released: int) -> None:
        scope = _scope(number)
        self._last[scope] = max(self._last[scope], _place(number))
        self._releases = max(self._releases, released)
        if allocation is None:
            self._free[scope].append(number)
        else:
            self._numbers[_decode(allocation)] = number

    def _allocate(self, allocation: Allocation, scope: int) -> int:
        named = isinstance(allocation, str)
        number = self._fresh(scope) or self._reused(scope) if named or scope else 0
        if not number:
            where = "the cluster has too many namespaces" if named else "its namespace has too many kinds of pods"
            log.error("no number is left for %s: %s; its pods stay closed", allocation, where)
            return 0
        self._database.execute("INSERT OR REPLACE INTO numbers VALUES (?, ?, 0)", (number, _encode(allocation)))
        self._numbers[allocation] = number
        return number

    def _fresh(self, scope: int) -> int:
        last = LAST_IDENTITY if scope else LAST_NAMESPACE
        while self._last[scope] < last:
            self._last[scope] += 1
            number = scope | self._last[scope] if scope else ANY_POD | self._last[scope] << 16
            if number not in self._unowned:
                return number
        return 0

    def _reused(self, scope: int) -> int:
        free = self._free[scope]
        for _ in range(len(free)):
            number = free.popleft()
            if number not in self._unowned:
                return number
            free.append(number)
        return 0


def _scope(number: int) -> int:
    """The namespace's number that an identity's number was given under; 0 for a namespace's own."""
    return number & NAMESPACE_BITS if number & LAST_IDENTITY else 0


def _place(number: int) -> int:
    return number & LAST_IDENTITY or number >> 16 & LAST_NAMESPACE


def _encode(allocation: Allocation) -> str:
    """JSON, in which no label can look like another part. A namespace is a text, an identity a list."""
    if isinstance(allocation, str):
        return msgspec.json.encode(allocation).decode()
    ports = [(port.name, port.protocol, port.number) for port in allocation.ports]
    return msgspec.json.encode((allocation.namespace, allocation.labels, ports)).decode()


def _decode(text: str) -> Allocation:
    found = msgspec.json.decode(
        text, type=str | tuple[str, tuple[tuple[str, str], ...], tuple[tuple[str, str, int], ...]]
    )
    if isinstance(found, str):
        return found
    namespace, labels, ports = found
    return Identity(namespace, labels, tuple(NamedPort(*port) for port in ports))
