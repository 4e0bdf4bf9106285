"""What a node knows of the cluster for its pods' network, and the rows that follow. Pure but for `routers`."""

from __future__ import annotations

from collections.abc import Iterator

from podwire.kernel.element_row import ElementRow
from podwire.kernel.elements import IPAddress
from podwire.kube.addresses import usable
from podwire.kube.discovery import EndpointSlice
from podwire.pods.model import Cluster, NodeNetwork
from podwire.pods.rows import (
    NodeRouteRow,
    Routers,
    api_server_rows,
    cluster_rows,
    node_rows,
    own_routes,
    peer_routes,
)
from podwire.pods.uplink import Uplink

CLUSTER, SERVERS = "", "/servers"
"""Owners of rows that belong to no Node; a Node's name is never empty and has no slash."""
API_SERVER_SLICE = ("default", "kubernetes")
"""Namespace and name of the EndpointSlice that API servers write, and restore when someone else changes it.

Source: k8s.io/kubernetes `pkg/controlplane/reconcilers`.
"""


class NetworkView:
    """The Nodes, the API servers and the uplink of the node with this name. An owner is a Node's name."""

    def __init__(self, node: str, cluster: Cluster, routers: Routers) -> None:
        self.nodes: dict[str, NodeNetwork] = {}
        self.uplink: Uplink | None = None
        """The uplink with the mtu of pods; None while the node's addresses are not known."""
        self._node = node
        self._cluster = cluster
        self._routers = routers
        self._servers: tuple[IPAddress, ...] = ()

    @property
    def own(self) -> NodeNetwork | None:
        """The node itself; None while its Node is not known."""
        return self.nodes.get(self._node)

    def slice_changed(self, name: tuple[str, str], found: EndpointSlice | None) -> bool:
        """Take over an EndpointSlice, None where it is gone; whether it is the API servers' and has other addresses."""
        if name != API_SERVER_SLICE:
            return False
        endpoints = () if found is None else found.endpoints
        addresses = {usable(text) for endpoint in endpoints for text in endpoint.addresses}
        servers = tuple(sorted((one for one in addresses if one is not None), key=lambda one: (one.version, int(one))))
        changed = servers != self._servers
        self._servers = servers
        return changed

    def members(self, owner: str) -> Iterator[ElementRow]:
        """The elements of the rules that belong to an owner."""
        if owner == CLUSTER:
            return cluster_rows(self._cluster)
        if owner == SERVERS:
            return api_server_rows(self._servers)
        node = self.nodes.get(owner)
        return node_rows(node, self._node, self._cluster, self.uplink) if node else iter(())

    def rank(self, name: str) -> tuple[str, ...]:
        """The seniority of a Node: of two that claim the same range of pods the older one has it."""
        node = self.nodes.get(name)
        return (node.created if node else "", name)

    def routes(self, name: str) -> Iterator[NodeRouteRow]:
        """The routes that lead to a node's pods. Raises OSError."""
        own, node = self.own, self.nodes.get(name)
        if own is None or node is None or self.uplink is None:
            return iter(())
        if name != own.name:
            return peer_routes(node, own, self._cluster, self.uplink, self._routers)
        return own_routes(own, self._cluster, self.uplink.mtu)
