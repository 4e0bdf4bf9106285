"""Where the endpoints of LoadBalancer Services with `externalTrafficPolicy: Local` are: node by node. No I/O.

Slices of all other Services are left out, so that a large cluster costs no second index of its slices.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from podwire.kube.backend_choice import TrafficPolicy
from podwire.kube.backends import Member, members, merged, receiving
from podwire.kube.discovery import NOT_PROXIED, EndpointSlice
from podwire.kube.meta import NamespacedName
from podwire.kube.services import Service
from podwire.kube.watch import Change


def needs_local_endpoints(service: Service) -> bool:
    """Whether only nodes with an endpoint may receive its connections from outside."""
    policy = TrafficPolicy.of(service.spec.external_traffic_policy)
    return service.spec.type == "LoadBalancer" and policy is TrafficPolicy.LOCAL


class LocalEndpoints:
    """Feed it all changes of Services and EndpointSlices; `slices` returns all slices that are known.

    `slices` is read when a result is requested after a Service has become one of these, and never before.
    """

    def __init__(self, slices: Callable[[], Iterable[EndpointSlice]]) -> None:
        self._all_slices = slices
        self._services: dict[NamespacedName, Service] = {}
        self._slices: dict[NamespacedName, dict[str, EndpointSlice]] = {}
        self._unread: set[NamespacedName] = set()
        """Services whose slices have not been looked for yet."""

    def service_changed(self, change: Change[Service]) -> None:
        """Take a change of any Service."""
        item = change.new or change.old
        if item is None:
            return
        if change.new is not None and needs_local_endpoints(change.new):
            if item.key not in self._services:
                self._unread.add(item.key)
            self._services[item.key] = change.new
        elif self._services.pop(item.key, None) is not None:
            self._slices.pop(item.key, None)
            self._unread.discard(item.key)

    def slice_changed(self, change: Change[EndpointSlice]) -> frozenset[NamespacedName]:
        """Take a change of any slice; return the Services of this kind that it concerns."""
        concerned = set()
        for piece, present in ((change.old, False), (change.new, True)):
            if piece is None or piece.service not in self._services:
                continue
            concerned.add(piece.service)
            held = self._slices.setdefault(piece.service, {})
            if present:
                held[piece.metadata.name] = piece
            else:
                held.pop(piece.metadata.name, None)
        return frozenset(concerned)

    def nodes(self, service: NamespacedName) -> frozenset[str]:
        """Return the nodes whose endpoints receive connections: ready ones, without any those that still serve."""
        return frozenset(member.node for member in receiving(self._members(service)).values() if member.node)

    def ready(self, service: NamespacedName, node: str, family: int) -> int:
        """Return how many ready endpoints of one IP version the node has; ports do not multiply them."""
        found = self._members(service).values()
        return sum(one.ready and one.node == node and one.family == family for one in found)

    def _members(self, key: NamespacedName) -> Mapping[str, Member]:
        """Return the endpoints by address."""
        self._read()
        service = self._services.get(key)
        found: dict[str, Member] = {}
        if service is not None:
            for member, _ in members(service, self._proxied(key)):
                found[member.address] = merged(found.get(member.address), member)
        return found

    def _proxied(self, key: NamespacedName) -> Iterator[EndpointSlice]:
        for piece in self._slices.get(key, {}).values():
            if not NOT_PROXIED & piece.metadata.labels.keys():
                yield piece

    def _read(self) -> None:
        """Look for the slices of new Services, in one pass for all of them."""
        if not self._unread:
            return
        for piece in self._all_slices():
            if piece.service in self._unread:
                self._slices.setdefault(piece.service, {})[piece.metadata.name] = piece
        self._unread.clear()
