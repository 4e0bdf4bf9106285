"""A reverse index: which owners need a key."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

KeyT = TypeVar("KeyT", bound=Hashable)
OwnerT = TypeVar("OwnerT", bound=Hashable)


class Index(Generic[KeyT, OwnerT]):
    """Each owner needs some keys. A look-up and a change cost what they touch."""

    def __init__(self) -> None:
        self._owners: dict[KeyT, dict[OwnerT, None]] = {}
        self._keys: dict[OwnerT, tuple[KeyT, ...]] = {}

    def replace(self, owner: OwnerT, keys: Iterable[KeyT]) -> None:
        """The owner needs these keys and no others."""
        for key in self._keys.pop(owner, ()):
            owners = self._owners[key]
            owners.pop(owner, None)
            if not owners:
                del self._owners[key]
        desired = tuple(dict.fromkeys(keys))
        if desired:
            self._keys[owner] = desired
        for key in desired:
            self._owners.setdefault(key, {})[owner] = None

    def owners(self, key: KeyT) -> tuple[OwnerT, ...]:
        """Return the owners that need the key."""
        return tuple(self._owners.get(key, ()))

    @property
    def needed(self) -> frozenset[KeyT]:
        """Return the keys that some owner needs."""
        return frozenset(self._owners)
