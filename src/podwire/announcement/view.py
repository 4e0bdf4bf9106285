"""The load balancer addresses, Services and Nodes that are known now, and which addresses a change concerns. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator

import msgspec

from podwire.announcement import model
from podwire.announcement.model import Announcer, IPNetwork
from podwire.kube.addresses import IPAddress
from podwire.kube.core import Node
from podwire.kube.discovery import EndpointSlice
from podwire.kube.local_endpoints import LocalEndpoints, needs_local_endpoints
from podwire.kube.meta import NamespacedName
from podwire.kube.services import Service
from podwire.kube.watch import Change


class _Nodes(msgspec.Struct, frozen=True):
    """What follows from all Nodes together: computed once for all addresses, and for all Nodes of a start."""

    eligible: frozenset[str]
    addresses: frozenset[IPAddress]

    @classmethod
    def of(cls, nodes: Collection[Announcer]) -> _Nodes:
        addresses = (address for node in nodes for address in node.addresses)
        return cls(model.eligible(nodes), frozenset(addresses))


class AnnouncementView:
    """Addresses in `ranges` by the Services that have them: what cannot be announced is not kept.

    `slices` returns all slices that are known.
    """

    def __init__(self, ranges: Collection[IPNetwork], slices: Callable[[], Iterable[EndpointSlice]]) -> None:
        self._ranges = ranges
        self._local = LocalEndpoints(slices)
        self._services: dict[NamespacedName, Service] = {}
        self._by_address: dict[IPAddress, set[NamespacedName]] = {}
        self._nodes: dict[str, Announcer] = {}
        self._all_nodes: _Nodes | None = None

    @property
    def addresses(self) -> Collection[IPAddress]:
        """All addresses that some Service has."""
        return self._by_address.keys()

    def node_addresses(self, name: str) -> tuple[IPAddress, ...]:
        """Return the InternalIPs of a Node."""
        node = self._nodes.get(name)
        return () if node is None else node.addresses

    def services(self, address: IPAddress) -> list[Service]:
        """Return the Services that have this address, the oldest first."""
        return sorted((self._services[key] for key in self._by_address.get(address, ())), key=_seniority)

    def electorate(self, address: IPAddress) -> frozenset[str]:
        """Return the nodes that may announce this address; none for the address of a Node."""
        if self._all_nodes is None:
            self._all_nodes = _Nodes.of(self._nodes.values())
        if address in self._all_nodes.addresses:
            return frozenset()
        return model.electorate(self._all_nodes.eligible, map(self._claim, self.services(address)))

    def service_changed(self, change: Change[Service]) -> frozenset[IPAddress]:
        """Take a change of any Service; return the addresses that it concerns."""
        self._local.service_changed(change)
        before = self._drop(change.old) if change.old is not None else frozenset()
        if change.new is None:
            return before
        after = frozenset(model.load_balancer_addresses(change.new, self._ranges))
        for address in after:
            self._by_address.setdefault(address, set()).add(change.new.key)
        if after:
            self._services[change.new.key] = change.new
        return before | after

    def slice_changed(self, change: Change[EndpointSlice]) -> frozenset[IPAddress]:
        """Take a change of any slice; return the addresses that it concerns."""
        concerned = self._local.slice_changed(change)
        return frozenset(address for key in concerned for address in self._addresses_of(key))

    def node_changed(self, change: Change[Node]) -> frozenset[IPAddress]:
        """Take a change of any Node; return the addresses that it concerns: all or none."""
        item = change.new or change.old
        if item is None:
            return frozenset()
        name = item.metadata.name
        before = self._nodes.get(name)
        if change.new is None:
            self._nodes.pop(name, None)
        else:
            self._nodes[name] = model.announcer(change.new)
        if self._nodes.get(name) == before:
            return frozenset()
        self._all_nodes = None
        return frozenset(self._by_address)

    def _claim(self, service: Service) -> frozenset[str] | None:
        return self._local.nodes(service.key) if needs_local_endpoints(service) else None

    def _addresses_of(self, key: NamespacedName) -> Iterator[IPAddress]:
        service = self._services.get(key)
        return iter(()) if service is None else model.load_balancer_addresses(service, self._ranges)

    def _drop(self, old: Service) -> frozenset[IPAddress]:
        addresses = frozenset(self._addresses_of(old.key))
        self._services.pop(old.key, None)
        for address in addresses:
            holders = self._by_address[address]
            holders.discard(old.key)
            if not holders:
                del self._by_address[address]
        return addresses


def _seniority(service: Service) -> tuple[str, str, NamespacedName]:
    """The oldest first: creation, then uid, then name."""
    return (service.metadata.creation_timestamp or "", service.metadata.uid, service.key)
