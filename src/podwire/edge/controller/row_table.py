"""The rows of one proxy by what they come from, and the resources that they are in Envoy. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable

import msgspec

from podwire.edge.controller.derivation_faults import DerivationFaults
from podwire.edge.controller.row_owners import owner_of, routes_of
from podwire.edge.envoy import rows
from podwire.edge.envoy.rows import Row
from podwire.edge.model.backends import Cluster, Endpoints, ServicePort
from podwire.edge.xds.resource import Key, Resource
from podwire.kube.meta import NamespacedName

Source = Hashable
"""What rows come from: a port, a host, a route in a Gateway, a port of a Service."""


class Difference(msgspec.Struct, frozen=True):
    """What is different in one proxy."""

    upserts: tuple[Resource, ...]
    removals: tuple[Key, ...]


class _Made(msgspec.Struct, frozen=True):
    row: Row
    resources: tuple[Resource, ...]


class RowTable:
    """A row exists while some source has it; sources with the same key have equal rows.

    The endpoints of a port of a Service are in the table while some cluster refers to it: `endpoints` derives them.
    `resources` makes the resources of a row, whose names are those of the edge. A change costs what it touches.
    """

    def __init__(
        self,
        endpoints: Callable[[ServicePort], Endpoints],
        faults: DerivationFaults,
        resources: Callable[[Row], tuple[Resource, ...]] = rows.resources,
    ) -> None:
        self._made_of = resources
        self._endpoints = endpoints
        self._faults = faults
        self._rows: dict[Source, dict[Key, Row]] = {}
        self._sources: dict[Key, dict[Source, None]] = {}
        self._made: dict[Key, _Made] = {}
        self._touched: dict[Key, None] = {}
        self._before: dict[Key, Row | None] = {}
        """Of rows that not every Envoy has acknowledged: the last one that was."""
        self._clusters: dict[ServicePort, set[Key]] = defaultdict(set)
        self._ports: dict[NamespacedName, set[ServicePort]] = defaultdict(set)

    def replace(self, source: Source, desired: Iterable[Row]) -> None:
        """Make these the rows of a source."""
        new = {rows.keys(one)[0]: one for one in desired}
        old = self._rows.pop(source, {})
        for key in old.keys() - new.keys():
            self._sources[key].pop(source)
            if not self._sources[key]:
                del self._sources[key]
            self._touched[key] = None
        for key, row in new.items():
            if old.get(key) != row:
                self._sources.setdefault(key, {})[source] = None
                self._touched[key] = None
        if new:
            self._rows[source] = new

    def endpoints_changed(self, service: NamespacedName) -> None:
        """Derive the endpoints of a Service again, if some cluster refers to it."""
        for port in self._ports.get(service, ()):
            self._derive_port(port)

    def rows_of(self, source: Source) -> tuple[Row, ...]:
        """Return the rows of a source."""
        return tuple(self._rows.get(source, {}).values())

    def sources_of(self, key: Key) -> tuple[Source, ...]:
        """Return what a row comes from."""
        return tuple(self._sources.get(key, ()))

    def row(self, key: Key) -> Row | None:
        """Return a row; None where there is none."""
        made = self._made.get(key)
        return made.row if made is not None else None

    def acknowledged_row(self, key: Key) -> Row | None:
        """Return the row that all Envoys had last; None where they had none."""
        return self._before.get(key, self.row(key))

    def acknowledge(self, key: Key) -> None:
        """Record that every Envoy has the row as it is."""
        self._before.pop(key, None)

    def resources(self) -> tuple[Resource, ...]:
        """Return all resources, as of the last `difference`."""
        return tuple(one for made in self._made.values() for one in made.resources)

    def difference(self) -> Difference:
        """Return what is different since the last call."""
        self._derive_endpoints()
        upserts: dict[Key, Resource] = {}
        removals: dict[Key, None] = {}
        for key in self._touched:
            old, row = self._made.get(key), self._row(key)
            if old is not None and old.row == row:
                continue
            self._before.setdefault(key, old.row if old is not None else None)
            made = self._resources(key, row, old) if row is not None else ()
            upserts.update((one.key, one) for one in made)
            removals.update((one.key, None) for one in (old.resources if old else ()))
            if row is not None:
                self._made[key] = _Made(row, made)
            else:
                del self._made[key]
                self._before.pop(key, None)
        self._touched = {}
        return Difference(tuple(upserts.values()), tuple(one for one in removals if one not in upserts))

    def _resources(self, key: Key, row: Row, old: _Made | None) -> tuple[Resource, ...]:
        owners = routes_of(row) or filter(None, map(owner_of, self.sources_of(key)))
        return self._faults.attempt(key, owners, lambda: self._made_of(row), old.resources if old else ())

    def _derive_port(self, port: ServicePort) -> None:
        before = self.rows_of(port)
        self.replace(port, self._faults.attempt(port, (), lambda: (self._endpoints(port),), before))

    def _row(self, key: Key) -> Row | None:
        source = next(iter(self._sources.get(key, ())), None)
        return self._rows[source][key] if source is not None else None

    def _derive_endpoints(self) -> None:
        """Add the endpoints of ports that a first cluster refers to, remove those of ports without one."""
        for key in tuple(self._touched):
            old, new = self._made.get(key), self._row(key)
            for row, is_there in ((old.row if old else None, new is not None), (new, True)):
                if isinstance(row, Cluster):
                    self._lead(key, row.port, is_there)

    def _lead(self, key: Key, port: ServicePort, is_there: bool) -> None:
        clusters, service = self._clusters[port], NamespacedName(port.namespace, port.service)
        if is_there:
            clusters.add(key)
        else:
            clusters.discard(key)
        if clusters and port not in self._ports[service]:
            self._ports[service].add(port)
            self._derive_port(port)
        elif not clusters:
            self._ports[service].discard(port)
            if not self._ports[service]:
                del self._ports[service]
            del self._clusters[port]
            self.replace(port, ())
