"""Checks of a cluster's objects, and of nodes against each other. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from podwire.component.other_networks import NETWORKS, is_kube_proxy, replaced
from podwire.insight.doctor import access_checks, rules
from podwire.insight.doctor.cluster_facts import ClusterFacts
from podwire.insight.doctor.report import Finding
from podwire.insight.operations.programs import Program
from podwire.kube.addresses import IPNetwork, parsed_network
from podwire.kube.core import Node
from podwire.kube.pod_pools import ranges_by_pool

HERE = "this machine"
OFF_SECONDS, DRIFT_SECONDS = 30.0, 2.0
MANY_RESTARTS = 5
IMAGE_REASONS = ("ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "ImageInspectError")
NETWORK_WORDS = ("cni", "network")


def agents(cluster: ClusterFacts) -> Iterator[Finding]:
    """Nodes on which nothing could be gathered."""
    with_pod = {pod.node for pod in cluster.pods if pod.program is Program.AGENT}
    for node, problem in cluster.unreached.items():
        if node in with_pod or not cluster.agents_are_pods:
            yield rules.AGENT_UNREACHED.found(node, problem=problem, node=node)
        else:
            yield rules.NO_AGENT.found(node, problem=problem)


def api(cluster: ClusterFacts) -> Iterator[Finding]:
    """The API server as this machine reaches it."""
    if cluster.api is not None:
        yield from access_checks.api_access(HERE, cluster.api)


def credentials(cluster: ClusterFacts) -> Iterator[Finding]:
    """The credentials of this user."""
    yield from access_checks.ending(HERE, cluster.expiries, cluster.time)


def clocks(cluster: ClusterFacts) -> Iterator[Finding]:
    """Each clock against the API server's: then nodes agree with each other too."""
    found = [(facts.node, facts.api.offset) for facts in cluster.facts if facts.api is not None]
    if cluster.api is not None:
        found.append((HERE, cluster.api.offset))
    for where, offset in found:
        if offset is not None and abs(offset) > DRIFT_SECONDS:
            rule = rules.CLOCK_OFF if abs(offset) > OFF_SECONDS else rules.CLOCK_DRIFTS
            yield rule.found(where, seconds=f"{offset:+g}", other="the API server")


def uplinks(cluster: ClusterFacts) -> Iterator[Finding]:
    """Nodes whose uplink has another mtu than those of most."""
    mtus = {facts.node: facts.uplink.mtu for facts in cluster.facts if facts.uplink is not None}
    usual = _usual(mtus.values())
    for node, mtu in mtus.items():
        if mtu != usual:
            yield rules.UPLINKS_DIFFER.found(node, mtu=mtu, usual=usual)


def paths(cluster: ClusterFacts) -> Iterator[Finding]:
    """Packets of full size between nodes. A node that several others do not reach is one finding each."""
    for facts in cluster.facts:
        for probe in facts.probes:
            values = {"peer": probe.peer.node, "address": probe.peer.address, "size": probe.size}
            if not probe.small:
                yield rules.PEER_SILENT.found(facts.node, **values)
            elif not probe.large:
                yield rules.PACKETS_TOO_LARGE.found(facts.node, **values)


def nodes(cluster: ClusterFacts) -> Iterator[Finding]:
    """Conditions and addresses of Nodes."""
    for node in cluster.nodes:
        name = node.metadata.name
        if not node.internal_addresses:
            yield rules.NODE_NO_ADDRESS.found(name)
        for condition in node.status.conditions:
            detail = ": ".join(filter(None, (condition.reason, condition.message))) or "no reason is given"
            if condition.type == "Ready" and condition.status != "True":
                yield rules.NODE_NOT_READY.found(name, problem=detail, remedy=_remedy(name, detail))
            if condition.type == "NetworkUnavailable" and condition.status == "True":
                yield rules.NODE_TAINTED.found(name, problem=detail)
        if not any(condition.type == "Ready" for condition in node.status.conditions):
            yield rules.NODE_NOT_READY.found(name, problem="its kubelet has never reported", remedy=_remedy(name, ""))


def _remedy(node: str, detail: str) -> str:
    if any(word in detail.lower() for word in NETWORK_WORDS):
        return f"see the checks agent and cni-configuration of {node}, and 'podwire logs agent --node {node}'"
    return f"see 'kubectl describe node {node}' and the log of its kubelet"


def pod_ranges(cluster: ClusterFacts) -> Iterator[Finding]:
    """podCIDRs that are missing, outside of the cluster's, or overlap."""
    ranges = list(_blocks(cluster.pod_ranges))
    others = [(f"the range {block} of Services", block) for block in _blocks(cluster.service_ranges)]
    for node in cluster.nodes:
        others += [(f"the address of {node.metadata.name}", block) for block in _blocks(node.internal_addresses)]
    blocks = [(node.metadata.name, block) for node in cluster.nodes for block in _blocks(_pod_cidrs(node))]
    with_range = {name for name, _ in blocks}
    blocks += [(node.metadata.name, block) for node in cluster.nodes for block in _blocks(_of_pools(node))]
    for node in cluster.nodes:
        if node.metadata.name not in with_range:
            yield rules.NO_POD_RANGE.found(node.metadata.name)
    for name, block in blocks:
        if ranges and not any(_within(block, one) for one in ranges):
            yield rules.POD_RANGE_OUTSIDE.found(name, block=block, ranges=", ".join(cluster.pod_ranges))
        for what, other in others:
            if block.overlaps(other):
                yield rules.RANGES_OVERLAP.found(name, block=block, other=what)
    yield from _overlaps(blocks)


def _overlaps(blocks: Sequence[tuple[str, IPNetwork]]) -> Iterator[Finding]:
    """Ranges of nodes that are within another's: of two that overlap one has the other."""
    ordered = sorted(blocks, key=lambda one: (one[1].version, int(one[1].network_address), one[1].prefixlen))
    widest: tuple[str, IPNetwork] | None = None
    for name, block in ordered:
        if widest is not None and widest[1].version == block.version and widest[1].overlaps(block):
            yield rules.RANGES_OVERLAP.found(name, block=block, other=f"{widest[1]} of {widest[0]}")
        else:
            widest = (name, block)


def _blocks(texts: Iterable[str]) -> Iterator[IPNetwork]:
    """Addresses and ranges as networks; what a kubelet wrote may be neither."""
    return (block for block in map(parsed_network, texts) if block is not None)


def _pod_cidrs(node: Node) -> tuple[str, ...]:
    return node.spec.pod_cidrs or ((node.spec.pod_cidr,) if node.spec.pod_cidr else ())


def _of_pools(node: Node) -> Iterator[str]:
    """Its ranges of the pools of namespaces."""
    return (text for ranges in ranges_by_pool(node.metadata.annotations).values() for text in ranges)


def _within(block: IPNetwork, whole: IPNetwork) -> bool:
    return block.network_address in whole and block.broadcast_address in whole


def dns(cluster: ClusterFacts) -> Iterator[Finding]:
    """Whether the cluster has a DNS, and a pod of it is ready."""
    if cluster.dns is None:
        yield rules.DNS_ABSENT.found("Service kube-system/kube-dns")
        return
    pods = [pod for pod in cluster.pods if pod.program is Program.DNS]
    if all(pod.trouble for pod in pods):
        yield rules.DNS_NO_POD.found("Service kube-system/kube-dns")


def programs(cluster: ClusterFacts) -> Iterator[Finding]:
    """podwire's pods that are not ready, their images, and versions that differ."""
    usual = _usual(pod.version for pod in cluster.pods if pod.program is Program.AGENT)
    for pod in cluster.pods:
        where = f"pod {pod.key}"
        if any(reason in pod.trouble for reason in IMAGE_REASONS):
            yield rules.IMAGE_TROUBLE.found(where, image=pod.image, problem=pod.trouble)
        elif pod.trouble:
            yield rules.POD_TROUBLE.found(where, problem=pod.trouble, pod=pod.key.name)
        if pod.restarts >= MANY_RESTARTS:
            yield rules.RESTARTS.found(where, count=pod.restarts, pod=pod.key.name)
        if pod.version and usual and pod.version != usual:
            yield rules.VERSIONS_DIFFER.found(where, version=pod.version, usual=usual)


def other_networks(cluster: ClusterFacts) -> Iterator[Finding]:
    """Other pod networks, and kube-proxy."""
    for one in cluster.daemon_sets:
        if one.metadata.name in NETWORKS:
            yield rules.NETWORK_INSTALLED.found(f"DaemonSet {one.key}", network=NETWORKS[one.metadata.name])
        elif is_kube_proxy(one) and not replaced(one) and one.status.current_number_scheduled:
            yield rules.PROXY_INSTALLED.found(f"DaemonSet {one.key}", count=one.status.current_number_scheduled)


def _usual(values: Iterable[object]) -> object:
    counts = Counter(values)
    return counts.most_common(1)[0][0] if counts else None
