"""The row of a pool without session affinity: all of its slots. Pure.

One row a pool, not one a slot: a cold start of 50,000 endpoints then handles 5,000 rows.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import ClassVar

import msgspec

from podwire.kube.backends import Backend
from podwire.services.model import Protocol
from podwire.services.registers import NUMBER_OF, PORT, SLOT_KEY, address_bytes


class Slot(msgspec.Struct, frozen=True, gc=False):
    """One slot of a pool, an element of the map `endpoint4` or `endpoint6`."""

    collection: str
    pool: int
    protocol: Protocol
    number: int
    backend: Backend

    @property
    def key_text(self) -> str:
        """The element's key in nft's language."""
        return f"{self.pool} . {self.protocol} . {self.number}"

    @property
    def text(self) -> str:
        """The element in nft's language."""
        return f"{self.key_text} : {self.backend.address} . {self.backend.port}"

    @property
    def key_registers(self) -> bytes:
        """The key as the kernel holds it."""
        return SLOT_KEY.pack(self.pool, NUMBER_OF[self.protocol], self.number)

    @property
    def value_registers(self) -> bytes:
        """The endpoint as the kernel holds it."""
        return address_bytes(self.backend.address) + PORT.pack(self.backend.port)


class PoolRow(msgspec.Struct, frozen=True, gc=False):
    """The slots of a pool in order. None is an empty one, which only a pool that was read back may have."""

    stage: ClassVar[int] = 0

    family: int
    pool: int
    protocol: Protocol
    slots: tuple[Backend | None, ...]

    @property
    def key(self) -> Hashable:
        """What the kernel can hold once."""
        return (self.family, self.pool, self.protocol)

    @property
    def elements(self) -> list[Slot]:
        """The slots that are filled."""
        name, pool, protocol = self._collection, self.pool, self.protocol
        return [
            Slot(name, pool, protocol, slot, backend) for slot, backend in enumerate(self.slots) if backend is not None
        ]

    def changed(self, before: PoolRow) -> Iterator[tuple[Slot | None, Slot | None]]:
        """Return each slot that differs from the row under the same key before, as it was and as it is."""
        for slot in range(max(len(self.slots), len(before.slots))):
            old, new = before._at(slot), self._at(slot)
            if old != new:
                yield old, new

    def _at(self, slot: int) -> Slot | None:
        backend = self.slots[slot] if slot < len(self.slots) else None
        return None if backend is None else Slot(self._collection, self.pool, self.protocol, slot, backend)

    @property
    def _collection(self) -> str:
        return "endpoint4" if self.family == 4 else "endpoint6"

    def __str__(self) -> str:
        slots = ", ".join("-" if one is None else f"{one.address} . {one.port}" for one in self.slots)
        return f"{self._collection} {self.pool} . {self.protocol} : {slots}"
