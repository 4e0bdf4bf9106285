"""The Services and EndpointSlices that are known now, and whose rows a change concerns. No I/O."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from podwire.kube.addresses import parsed_network
from podwire.kube.core import Node
from podwire.kube.discovery import EndpointSlice
from podwire.kube.meta import NamespacedName
from podwire.kube.networking import ServiceCIDR
from podwire.kube.services import Service
from podwire.kube.watch import Change
from podwire.services import model
from podwire.services.derivation import NODE_PORTS, RANGES, Owner
from podwire.services.host_ports import HostPortsView, PodOwner
from podwire.services.node_view import NodeView, disjoint


class ServicesView:
    """Objects by the Service that they belong to: a change costs what the Service costs, however many there are."""

    def __init__(self, node: NodeView) -> None:
        self.node = node
        self._configured_ranges = node.service_ranges
        self._service_cidrs: dict[str, tuple[str, ...]] = {}
        self.host_ports = HostPortsView(node.name)
        self._services: dict[NamespacedName, Service] = {}
        self._slices: dict[NamespacedName, dict[str, EndpointSlice]] = {}

    def entries(self, owner: Owner) -> Iterator[model.Entry]:
        """The frontends of a Service or of a pod's host ports, none where there is no such object."""
        if isinstance(owner, PodOwner):
            return self.host_ports.entries(owner)
        service = self._services.get(owner)
        if service is None:
            return iter(())
        return model.entries(service, self._slices.get(owner, {}).values(), self.node)

    def seniority(self, owner: Owner) -> tuple[str, ...]:
        """Return what orders Services that claim one frontend, the oldest first: creation, then uid, then name."""
        if isinstance(owner, PodOwner):
            return (*self.host_ports.seniority(owner), owner.namespace, owner.name)
        service = self._services.get(owner)
        if service is None:
            return ("", "", owner.namespace, owner.name)
        metadata = service.metadata
        return (metadata.creation_timestamp or "", metadata.uid, owner.namespace, owner.name)

    def service_changed(self, change: Change[Service]) -> frozenset[NamespacedName]:
        """Apply the change; return the Services that it concerns."""
        if change.new is not None:
            key = change.new.key
            self._services[key] = change.new
            return frozenset((key,))
        if change.old is not None:
            self._services.pop(change.old.key, None)
            return frozenset({change.old.key})
        return frozenset()

    def node_changed(self, change: Change[Node]) -> frozenset[Owner]:
        """Apply a change of a node; return the owners that it concerns: all where this one's zone or addresses changed.

        A deleted Node changes nothing: the machine is still what it was.
        """
        if change.new is None or change.new.metadata.name != self.node.name:
            return frozenset()
        ports = self.host_ports.node_changed(change)
        before, self.node = self.node, self.node.followed(change.new)
        return ports if self.node == before else frozenset({NODE_PORTS, *self._services, *ports})

    def service_cidr_changed(self, change: Change[ServiceCIDR]) -> frozenset[Owner]:
        """Apply a change of a ServiceCIDR; return the owner of the ranges where they are others now."""
        if change.old is not None:
            self._service_cidrs.pop(change.old.metadata.name, None)
        if change.new is not None:
            self._service_cidrs[change.new.metadata.name] = change.new.spec.cidrs
        added = (parsed_network(text) for texts in self._service_cidrs.values() for text in texts)
        ranges = disjoint([*self._configured_ranges, *(str(block) for block in added if block is not None)])
        if ranges == disjoint(self.node.service_ranges):
            return frozenset()
        self.node = msgspec.structs.replace(self.node, service_ranges=ranges)
        return frozenset({RANGES})

    def slice_changed(self, change: Change[EndpointSlice]) -> frozenset[NamespacedName]:
        """Apply the change; return the Services that it concerns: two where a slice went over to another."""
        old = self._drop(change.old) if change.old is not None else frozenset()
        if change.new is None:
            return old
        owner = change.new.service
        self._slices.setdefault(owner, {})[change.new.metadata.name] = change.new
        return old | {owner} if old else frozenset((owner,))

    def _drop(self, piece: EndpointSlice) -> frozenset[NamespacedName]:
        pieces = self._slices.get(piece.service, {})
        pieces.pop(piece.metadata.name, None)
        if not pieces:
            self._slices.pop(piece.service, None)
        return frozenset({piece.service})
