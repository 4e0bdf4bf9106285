"""Derivations that raise: each keeps what it derived before, and nothing else is different by it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Iterable
from typing import TypeVar

from podwire.edge.gateway.owners import Owner

log = logging.getLogger(__name__)

ResultT = TypeVar("ResultT")


class DerivationFaults:
    """What could not be derived when it was last tried, by what is derived. No input is known that raises."""

    def __init__(self) -> None:
        self._found: dict[Hashable, tuple[frozenset[Owner], str]] = {}
        self._changed: set[Owner] = set()

    def attempt(
        self, derived: Hashable, owners: Iterable[Owner], derive: Callable[[], ResultT], before: ResultT
    ) -> ResultT:
        """Return what `derive` returns; `before` where it raises: that is logged and is a fault of the owners."""
        old, _ = self._found.pop(derived, (frozenset(), ""))
        try:
            made = derive()
        except Exception as error:
            log.exception("%s: cannot be derived; what was derived before is served", derived)
            new = frozenset(owners)
            self._found[derived] = (new, f"{type(error).__name__}: {error}")
            self._changed |= old | new
            return before
        self._changed |= old
        return made

    def of(self, one: Owner) -> str:
        """Return what was raised for an object; empty where nothing was."""
        return min((text for owners, text in self._found.values() if one in owners), default="")

    def changed(self) -> frozenset[Owner]:
        """Return the objects that have a fault or lost one since the last call."""
        found, self._changed = frozenset(self._changed), set()
        return found
