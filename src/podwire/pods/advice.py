"""What an administrator has to know about Nodes that have no network or a part of it only, with the remedy."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator

from podwire.pods.mode import Mode
from podwire.pods.model import Cluster, NodeNetwork, tunnel_version
from podwire.pods.view import NetworkView

log = logging.getLogger(__name__)

PATIENCE_SECONDS = 10.0
NO_NODE = "its Node does not exist; its kubelet makes it"


class NodeAdvice:
    """Logs what the node with this name lacks and which nodes it cannot reach, each time that this changes.

    What it lacks is logged when it has lasted for `patience` seconds: at a start the Node is made in steps.
    """

    def __init__(self, node: str, patience: float = PATIENCE_SECONDS) -> None:
        self._node = node
        self._patience = patience
        self._missing: tuple[str, ...] = ()
        self._changed = asyncio.Event()
        self._unreachable: dict[str, str] = {}

    async def run(self) -> None:
        """Log what the node lacks until cancelled."""
        logged: tuple[str, ...] = ()
        while True:
            await self._changed.wait()
            self._changed.clear()
            if self._missing:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._patience):
                        await self._changed.wait()
                        continue
            if self._missing != logged:
                self._log()
            logged = self._missing

    def _log(self) -> None:
        if self._missing:
            log.warning("pods get no network on node %s: %s", self._node, "; ".join(self._missing))
        else:
            log.info("node %s has all that its pods need", self._node)

    def nodes_complete(self, view: NetworkView, cluster: Cluster) -> None:
        """All Nodes are known."""
        self.own_changed(view.own, cluster)
        for name in view.nodes:
            self.peer_changed(name, view, cluster)

    def own_changed(self, own: NodeNetwork | None, cluster: Cluster) -> None:
        """The node's own Node has changed; None: it does not exist."""
        self._missing = (NO_NODE,) if own is None else tuple(missing(own, cluster))
        self._changed.set()

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
    versions = {network.version for network in peer.all_ranges}
    lacking = [f"IPv{version}" for version in sorted(versions) if peer.address(version) is None]
    if cluster.mode is Mode.NONE or not versions or not peer.addresses or not own.addresses:
        return ""
    if not cluster.mode.has_tunnel:
        return f"it has no {' and no '.join(lacking)} InternalIP that leads to its pods" if lacking else ""
    version = tunnel_version(own, cluster.vxlan)
    if peer.address(version) is not None:
        return ""
    return f"it has no IPv{version} InternalIP, and this node's tunnel uses that version (see --vxlan-over)"
