"""Where frontends lead, read from rows: the opposite of `derivation`, for tests and for who explains them. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

import msgspec

from podwire.kube.addresses import family_of
from podwire.kube.backends import Backend
from podwire.services.model import Frontend
from podwire.services.pool_row import PoolRow
from podwire.services.pools import PoolAddress
from podwire.services.rows import DrawRow, FrontendRow, Row, SourceRow, StickyRow
from podwire.services.word import POOL, Meaning, meaning


class Lead(msgspec.Struct, frozen=True):
    """What happens to a connection. `sources` are the admitted ranges, where the word has the guard."""

    meaning: Meaning
    slots: tuple[Backend | None, ...]
    """The backend of each; None where one is missing."""
    sources: frozenset[str]


class Leads:
    """All pools and words among rows."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._slots: defaultdict[tuple[int, int], dict[int, Backend]] = defaultdict(dict)
        self._sources: defaultdict[tuple[int, int], set[str]] = defaultdict(set)
        self._words: dict[PoolAddress, int] = {}
        sticky: dict[tuple[int, int], Backend] = {}
        draws: list[DrawRow] = []
        for row in rows:
            match row:
                case FrontendRow():
                    self._words[PoolAddress(row.frontend, row.outside)] = row.word
                case PoolRow():
                    filled = {slot: backend for slot, backend in enumerate(row.slots) if backend is not None}
                    self._slots[row.family, row.pool].update(filled)
                case StickyRow():
                    sticky[family_of(row.backend.address), row.word] = row.backend
                case DrawRow():
                    draws.append(row)
                case SourceRow():
                    self._sources[family_of(row.network), row.pool].add(row.network)
                case _:
                    pass
        for draw in draws:
            if (draw.family, draw.word) in sticky:
                self._slots[draw.family, draw.word & POOL][draw.slot] = sticky[draw.family, draw.word]

    def all(self) -> Mapping[PoolAddress, Lead]:
        """Every frontend's lead, inside and, where it differs, outside."""
        return {address: self._lead(address, word) for address, word in self._words.items()}

    def find(self, frontend: Frontend, *, outside: bool) -> Lead | None:
        """Where a client is led, None where the frontend is in no map."""
        for address in [PoolAddress(frontend, outside=True)] * outside + [PoolAddress(frontend, outside=False)]:
            if address in self._words:
                return self._lead(address, self._words[address])
        return None

    def unused(self) -> frozenset[tuple[int, int]]:
        """Family and number of pools with endpoints or sources to which no word leads."""
        used = {(address.frontend.family, word & POOL) for address, word in self._words.items()}
        return frozenset((self._slots.keys() | self._sources.keys()) - used)

    def _lead(self, address: PoolAddress, word: int) -> Lead:
        found = meaning(word)
        pool = (address.frontend.family, found.pool)
        slots = self._slots.get(pool, {})
        sources = frozenset(self._sources.get(pool, ())) if found.guarded else frozenset[str]()
        return Lead(found, tuple(slots.get(slot) for slot in range(found.slots)), sources)
