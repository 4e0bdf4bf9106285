"""Which addresses domain names have now, by DNS answers, and until when. Pure; times are seconds of one clock."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from podwire.policy.model import IPAddress

LEAST_SECONDS = 5
"""An address counts for at least so long, whatever its time to live is: a client connects after its look-up."""
MOST_NAMES = 500
"""Names with addresses that one policy may have."""
MOST_ADDRESSES = 200
"""Addresses of one name. More are not admitted."""
MOST_FORMER = 2000
"""Former addresses of all names that are remembered, for connections that are established."""


class KnownNames:
    """The names, in lower case without a last dot."""

    def __init__(self) -> None:
        self._ends: dict[str, dict[IPAddress, float]] = {}
        self._former: dict[tuple[str, IPAddress], None] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(self._ends)

    def __contains__(self, name: str) -> bool:
        return name in self._ends

    def ends(self, name: str) -> Mapping[IPAddress, float]:
        """Return the addresses of a name, each with its end."""
        return self._ends.get(name, {})

    def former(self, name: str) -> list[IPAddress]:
        """Return the addresses that a name had and has no longer, as far as they are remembered."""
        return [address for of_name, address in self._former if of_name == name]

    @property
    def next_end(self) -> float | None:
        """When the next address ends."""
        return min((end for ends in self._ends.values() for end in ends.values()), default=None)

    def learn(self, name: str, addresses: Iterable[IPAddress], seconds: float, now: float) -> bool:
        """Let a name have these addresses for so long. Return whether it has one more than before."""
        ends = self._ends.setdefault(name, {})
        before = len(ends)
        for address in addresses:
            if address in ends or len(ends) < MOST_ADDRESSES:
                ends[address] = max(now + max(seconds, LEAST_SECONDS), ends.get(address, 0))
                self._former.pop((name, address), None)
        return len(ends) > before

    def end(self, now: float) -> set[str]:
        """Remove the addresses that have expired. Return the names that had some of them."""
        ended = [(name, one) for name, ends in self._ends.items() for one, end in ends.items() if end <= now]
        for name, address in ended:
            del self._ends[name][address]
            if not self._ends[name]:
                del self._ends[name]
        self._remember(ended)
        return {name for name, _ in ended}

    def saved(self, now: float) -> SavedNames:
        """Return what a file keeps."""
        left = [SavedName(name, str(one), end - now) for name, ends in self._ends.items() for one, end in ends.items()]
        return SavedNames(left, [SavedName(name, str(address)) for name, address in self._former])

    def restore(self, known: Collection[tuple[str, IPAddress, float]], now: float) -> set[str]:
        """Take what was known before, each with the seconds that are left. Return the names."""
        for name, address, left in known:
            if left > 0:
                self._ends.setdefault(name, {})[address] = now + left
            else:
                self._remember([(name, address)])
        return {name for name, _, _ in known}

    def _remember(self, ended: Iterable[tuple[str, IPAddress]]) -> None:
        for one in ended:
            self._former.pop(one, None)
            self._former[one] = None
        for one in list(islice(self._former, max(len(self._former) - MOST_FORMER, 0))):
            del self._former[one]


class SavedName(msgspec.Struct, frozen=True):
    """An address of a name, and for how many seconds more; 0 where it has it no longer."""

    name: str
    address: str
    seconds: float = 0


class SavedNames(msgspec.Struct, frozen=True):
    """All names, as a file keeps them."""

    known: list[SavedName] = []
    former: list[SavedName] = []
    written: float = 0
    """Seconds since 1970."""
