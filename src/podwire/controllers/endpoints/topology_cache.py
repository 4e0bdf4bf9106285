"""Which Services with `topology-mode: Auto` have hints for which zones, and why others have none. No I/O.

Source: kubernetes `staging/src/k8s.io/endpointslice/topologycache/topologycache.go`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from podwire.controllers.endpoints import zone_allocation

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from podwire.controllers.endpoints.zone_allocation import Allocation, ByZone, Draft
    from podwire.kube.core import Node
    from podwire.kube.meta import NamespacedName

ENABLED = "TopologyAwareHintsEnabled"
DISABLED = "TopologyAwareHintsDisabled"


class TopologyEvent(msgspec.Struct, frozen=True):
    """An event of a Service about its hints."""

    reason: str
    message: str

    @property
    def warning(self) -> bool:
        """Whether hints are missing that the Service requests."""
        return self.reason == DISABLED


class TopologyCache:
    """The CPUs of each zone, and the last allocation of each Service and family."""

    def __init__(self) -> None:
        self._cpus: dict[str, float] = {}
        self._by_zone: dict[NamespacedName, dict[str, ByZone]] = {}
        self._problems: dict[NamespacedName, dict[str, str]] = {}

    def set_nodes(self, nodes: Iterable[Node]) -> list[NamespacedName]:
        """Take the nodes as they are; return the Services whose hints may have to change."""
        cpus = zone_allocation.cpu_shares(nodes)
        if cpus == self._cpus:
            return []
        self._cpus = cpus
        overloaded = [
            key
            for key, families in self._by_zone.items()
            if any(zone_allocation.overloaded(by_zone, cpus) for by_zone in families.values())
        ]
        return list(dict.fromkeys([*overloaded, *self._problems]))

    def allocate(
        self, key: NamespacedName, family: str, drafts: Sequence[Draft]
    ) -> tuple[Allocation, TopologyEvent | None]:
        """Return the hints of one family of a Service, and the event where they begin or cannot be given."""
        allocation = zone_allocation.allocate(drafts, self._cpus)
        if allocation.problem:
            known = self._problems.get(key, {}).get(family)
            self._by_zone.get(key, {}).pop(family, None)
            self._problems.setdefault(key, {})[family] = allocation.problem
            text = f"{allocation.problem}, addressType: {family}"
            return allocation, None if known == allocation.problem else TopologyEvent(DISABLED, text)
        began = not self._by_zone.get(key)
        self._problems.get(key, {}).pop(family, None)
        self._by_zone.setdefault(key, {})[family] = allocation.by_zone
        text = f"Topology Aware Hints has been enabled, addressType: {family}"
        return allocation, TopologyEvent(ENABLED, text) if began else None

    def remove(self, key: NamespacedName) -> TopologyEvent | None:
        """Drop what is known of a Service that requests no hints any more; return the event where it had some."""
        self._problems.pop(key, None)
        families = self._by_zone.pop(key, {})
        if not families:
            return None
        return TopologyEvent(DISABLED, f"Topology Aware Hints has been disabled, addressType: {next(iter(families))}")
