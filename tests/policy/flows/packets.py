"""A cluster of two nodes for tests of flow records, and packets in it."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence

from podwire.kernel.link_end import LinkEnd
from podwire.kernel.packet_headers import Headers
from podwire.kernel.packet_log import LoggedPacket
from podwire.kube.core import Pod
from podwire.kube.meta import NamespacedName
from podwire.policy.flows.describing import Scene
from podwire.policy.model import IPAddress
from podwire.policy.pod_ranges import PodRanges
from podwire.policy.tiers import ClusterPolicy
from tests.policy.cluster import Cluster, address, name, namespace, network_policy, pod

CLIENT, SERVER, FAR, UNKNOWN, NOBODY = "10.0.0.1", "10.0.0.2", "10.0.1.1", "10.0.1.2", "192.0.2.9"
SERVICE = "10.96.0.7"
DENY = "podSelector: {}\npolicyTypes: [Ingress, Egress]"
ALLOW_WEB = """
podSelector: {matchLabels: {app: web}}
policyTypes: [Ingress]
ingress:
- from: [{podSelector: {matchLabels: {app: nobody}}}]
- from: [{podSelector: {matchLabels: {app: far}}}]
  ports: [{port: 80}]
"""


class OneService:
    """The Service web has one address."""

    def owner(self, found: IPAddress) -> NamespacedName | None:
        return name("x/web") if str(found) == SERVICE else None


def cluster() -> Cluster:
    """Pods client and web-... on this node, far on another; all isolated, far may reach web on 80."""
    found = without_policies()
    found.add(network_policy("x/deny", DENY), network_policy("x/web", ALLOW_WEB))
    return found


def without_policies(always: Sequence[ClusterPolicy] = ()) -> Cluster:
    """The same pods; `always` are the policies that hold in each cluster."""
    found = Cluster(always=always, ranges=PodRanges((ipaddress.ip_network("10.0.0.0/16"),)))
    found.add(
        namespace("x"),
        pod("x/client", CLIENT, labels="app=client"),
        pod("x/web-5d-q1", SERVER, labels="app=web pod-template-hash=5d"),
        pod("x/far", FAR, node="node-2", labels="app=far"),
    )
    found.plug({address(CLIENT): LinkEnd("pw1", 11), address(SERVER): LinkEnd("pw2", 12)})
    return found


def scene(of: Cluster) -> Scene:
    """What this node knows."""
    pods: dict[NamespacedName, Pod] = {one.key: one for one in map(of.pod, ("x/client", "x/web-5d-q1"))}
    return Scene("node-1", of.view, pods, OneService())


def packet(
    prefix: str,
    source: str,
    destination: str,
    protocol: int = socket.IPPROTO_TCP,
    port: int | None = 80,
    attempt: int = 7,
    original: tuple[str, int] | None = None,
) -> LoggedPacket:
    """A first packet."""
    ports = None if port is None else 40000
    found = Headers(address(source), address(destination), protocol, ports, port, attempt)
    return LoggedPacket(prefix, found, original=(address(original[0]), original[1]) if original else None, time=0.5)
