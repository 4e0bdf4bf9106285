"""Which addresses are pods', by the settings of the pods' network."""

from __future__ import annotations

from collections.abc import Iterator

from podwire.kernel.elements import IPAddress
from podwire.kube.core import Node
from podwire.pods.mode import Mode
from podwire.pods.model import Cluster, read_node, tunnel_address
from podwire.policy.pod_ranges import PodRanges


def pod_ranges(cluster: Cluster) -> PodRanges:
    """Return the ranges of pods with the addresses in them that nodes have.

    Where another program makes the ways between nodes, these are taken to be the first two of a node's range, which
    flannel gives to its device and the bridge plugin to its bridge.
    """

    def of_node(node: Node) -> Iterator[IPAddress]:
        network, _ = read_node(node, cluster)
        for one in network.all_ranges:
            if cluster.overlay is not None or cluster.mode is Mode.NONE:
                yield tunnel_address(one)
            if cluster.mode is Mode.NONE:
                yield one[0]

    return PodRanges(cluster.ranges, of_node)
