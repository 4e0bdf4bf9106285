"""What an administrator has to know about Nodes that have no network or a part of it only, with the remedy."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from podwire.pods.mode import Mode
from podwire.pods.model import Cluster, NodeNetwork, tunnel_version
from podwire.pods.view import NetworkView

log = logging.getLogger(__name__)


class NodeAdvice:
    """Logs what the node with this name lacks and which nodes it cannot reach, each time that this changes."""

    def __init__(self, node: str) -> None:
        self._node = node
        self._missing: tuple[str, ...] = ()
        self._unreachable: dict[str, str] = {}

    def nodes_complete(self, view: NetworkView, cluster: Cluster) -> None:
        """All Nodes are known."""
        if view.own is None:
            log.warning("Node %s does not exist yet: no pod gets a network here until a kubelet makes it", self._node)
        for name in view.nodes:
            self.peer_changed(name, view, cluster)

    def own_changed(self, own: NodeNetwork, cluster: Cluster) -> None:
        """The node's own Node has changed."""
        before, self._missing = self._missing, tuple(missing(own, cluster))
        if self._missing and self._missing != before:
            log.warning("node %s waits: %s", self._node, "; ".join(self._missing))
        elif before and not self._missing:
            log.info("node %s has all that its pods need: %s", self._node, ", ".join(map(str, own.ranges)))

    def peer_changed(self, name: str, view: NetworkView, cluster: Cluster) -> None:
        """Another Node has changed."""
        peer, own = view.nodes.get(name), view.own
        reason = "" if peer is None or own is None or peer is own else unreachable(peer, own, cluster)
        if reason and reason != self._unreachable.get(name):
            log.warning("pods of node %s cannot be reached from here: %s", name, reason)
        self._unreachable.pop(name, None)
        if reason:
            self._unreachable[name] = reason


def missing(own: NodeNetwork, cluster: Cluster) -> Iterator[str]:
    """Return what a node lacks to give pods a network."""
    if not own.addresses:
        yield "its Node has no InternalIP, which the kubelet (--node-ip) or the cloud's controller writes"
    version = cluster.vxlan.version
    if cluster.overlay is not None and version and own.addresses and own.address(version) is None:
        yield f"its Node has no IPv{version} InternalIP, which --vxlan-over needs"
    if not own.ranges and cluster.mode is not Mode.NONE:
        yield (
            "its Node has no podCIDR inside --pod-cidrs, which kube-controller-manager writes"
            " (--allocate-node-cidrs --cluster-cidr)"
        )


def unreachable(peer: NodeNetwork, own: NodeNetwork, cluster: Cluster) -> str:
    """Return why another node's pods cannot be reached from this one; the empty text where they can."""
    lacking = [f"IPv{network.version}" for network in peer.ranges if peer.address(network.version) is None]
    if cluster.mode is Mode.NONE or not peer.ranges or not peer.addresses:
        return ""
    if not cluster.mode.has_tunnel:
        return f"it has no {' and no '.join(lacking)} InternalIP that leads to its pods" if lacking else ""
    version = tunnel_version(own, cluster.vxlan)
    if peer.address(version) is not None:
        return ""
    return f"it has no IPv{version} InternalIP, and this node's tunnel uses that version (see --vxlan-over)"
