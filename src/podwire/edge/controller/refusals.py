"""What Envoys refuse, and the routes and Gateways that caused it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import TYPE_CHECKING, Protocol

from podwire.edge.controller.row_owners import owner_of, routes_of
from podwire.edge.gateway.owners import Owner

if TYPE_CHECKING:
    from podwire.edge.envoy.rows import Row
    from podwire.edge.xds.proxy import Report
    from podwire.edge.xds.resource import Key

_Place = tuple[str, "Key"]
"""Proxy and resource."""


class Acknowledgements(Protocol):
    """What the Envoys of a proxy have answered."""

    def refusal(self, key: Key) -> str:
        """Return the reason of an Envoy that refuses the desired version; else an empty string."""

    def lacking(self, keys: Iterable[Key]) -> frozenset[str]:
        """Return the Envoys that do not have all of these yet."""


class Rows(Protocol):
    """The rows of a proxy, by the resources that they are."""

    def row(self, key: Key) -> Row | None:
        """Return a row; None where there is none."""

    def acknowledged_row(self, key: Key) -> Row | None:
        """Return the row that all Envoys had last; None where they had none."""

    def acknowledge(self, key: Key) -> None:
        """Record that every Envoy has the row as it is."""

    def sources_of(self, key: Key) -> tuple[Hashable, ...]:
        """Return what a row comes from."""


class Refusals:
    """Refused resources by owner. `found` is called with each owner whose configuration is refused, and why."""

    def __init__(self, found: Callable[[Owner, str], None]) -> None:
        self._found = found
        self._refused: dict[_Place, tuple[str, frozenset[Owner]]] = {}
        self._of: dict[Owner, set[_Place]] = {}

    def of(self, one: Owner) -> str:
        """Return why an Envoy refuses what comes from an object; empty where none does."""
        return min((self._refused[place][0] for place in self._of.get(one, ())), default="")

    def take(self, report: Report, proxy: Acknowledgements, table: Rows) -> frozenset[Owner]:
        """Take what Envoys acknowledged or refused; return the owners whose status is different by that."""
        different: set[Owner] = set()
        for key in report.keys:
            place, reason = (report.proxy, key), proxy.refusal(key)
            before, owners = self._refused.pop(place, ("", frozenset()))
            if not reason and not proxy.lacking((key,)):
                table.acknowledge(key)
            now = frozenset(culprits(key, table)) if reason else frozenset()
            self._replace(place, owners, reason, now)
            if reason != before or owners != now:
                different |= owners | now
                for one in now:
                    self._found(one, reason)
        return frozenset(different)

    def _replace(self, place: _Place, old: Iterable[Owner], reason: str, new: frozenset[Owner]) -> None:
        for one in old:
            self._of[one].discard(place)
            if not self._of[one]:
                del self._of[one]
        if reason:
            self._refused[place] = (reason, new)
        for one in new:
            self._of.setdefault(one, set()).add(place)


def culprits(key: Key, table: Rows) -> Iterator[Owner]:
    """Return the objects that a refused resource comes from.

    Of many routes: those that are different from what every Envoy had last; where none is, all.
    """
    row, good = table.row(key), table.acknowledged_row(key)
    if row is None:
        return
    now, before = routes_of(row), routes_of(good)
    changed = [one for one, part in now.items() if before.get(one) != part]
    if changed or now:
        yield from changed or now
    else:
        yield from filter(None, map(owner_of, table.sources_of(key)))
