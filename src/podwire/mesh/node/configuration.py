"""The resources of a node's Envoy by what they are derived from. A change costs what it touches."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from podwire.edge.controller.row_table import Difference
from podwire.edge.model.tracing import Tracing
from podwire.edge.xds.resource import Key, Resource
from podwire.mesh.envoy import node_resources
from podwire.mesh.envoy.node_resources import Credentials
from podwire.mesh.envoy.node_workloads import NodeWorkloads
from podwire.mesh.envoy.routed import Chains, resources
from podwire.mesh.node.routing import Routing


class Configuration:
    """What Envoy should have, and what of it is different since the last call."""

    def __init__(self, routing: Routing, versions: tuple[int, ...], keys_socket: str) -> None:
        self._routing = routing
        self._versions = versions
        self._keys_socket = keys_socket
        self._chains = Chains()
        self._sources: dict[str, Any] = {}
        self._parts: dict[str, dict[Key, Resource]] = {}

    def difference(
        self, workloads: NodeWorkloads, credentials: Credentials, spans: Tracing | None = None
    ) -> Difference:
        """Return what is different since the last call; the routing must be up to date.

        `spans`: where those of requests go.
        """
        services, clients = self._routing.ports, workloads.clients
        own = self._part("node", (workloads, credentials), lambda: self._of_node(workloads, credentials))
        routed = self._part("routed", (services, clients, spans), lambda: self._of_routes(clients, spans))
        rows = self._routing.difference()
        upserts = (*own.upserts, *routed.upserts, *rows.upserts)
        return Difference(upserts, (*own.removals, *routed.removals, *rows.removals))

    def _part(self, name: str, sources: object, derived: Callable[[], Iterable[Resource]]) -> Difference:
        """Derive a part again where its sources are others."""
        if name in self._parts and self._sources[name] == sources:
            return Difference((), ())
        before = self._parts.get(name, {})
        desired = {one.key: one for one in derived()}
        self._sources[name], self._parts[name] = sources, desired
        changed = tuple(one for key, one in desired.items() if before.get(key) != one)
        return Difference(changed, tuple(before.keys() - desired.keys()))

    def _of_node(self, workloads: NodeWorkloads, credentials: Credentials) -> Iterable[Resource]:
        return node_resources.resources(workloads, credentials, self._versions, self._keys_socket)

    def _of_routes(self, clients: dict[str, list[Any]], spans: Tracing | None) -> Iterable[Resource]:
        services = self._routing.ports
        return resources(services, clients, self._versions, self._chains, spans) if services else ()
