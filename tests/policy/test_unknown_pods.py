"""Pods that this node has not received yet: closed where a ClusterNetworkPolicy denies by what pods are."""

import ipaddress

import pytest

from podwire.kernel.namespaces import enter_network
from podwire.kube.core import Node
from podwire.policy.model import Direction, IPAddress
from podwire.policy.pod_ranges import PodRanges
from podwire.policy.tier_rows import KnownOnlyRow, NodeAddressRow
from tests.policy.cluster import Cluster, address, namespace, node, pod
from tests.policy.netpol import addresses
from tests.policy.test_packets import Enforced, check, tcp
from tests.policy.wire import Wire
from tests.sandbox import sandboxed

RANGES = (ipaddress.ip_network("10.0.0.0/16"), ipaddress.ip_network("fd00::/16"))
FAR, TUNNEL, OUTSIDE = ("10.0.3.1", "fd00:3::1"), ("10.0.7.1", "fd00:7::1"), ("9.9.9.9", "fd99::9")


def rule(section: str, action: str, peer: str) -> str:
    return f"{{tier: Admin, priority: 1, subject: {{namespaces: {{}}}}, {section}: [{{action: {action}, {peer}}}]}}"


FROM_Z = "from: [{namespaces: {matchLabels: {ns: z}}}]"
TO_Z = FROM_Z.replace("from", "to")
CIDR = "to: [{networks: [10.0.0.0/16]}]"


def tunnel(item: Node) -> list[IPAddress]:
    """Node far has an address in its range of pods."""
    return [address(ip) for ip in TUNNEL] if item.metadata.name == "far" else []


def cluster(*policies: str) -> Cluster:
    """A pod here, x/a; those of namespace z are elsewhere."""
    found = Cluster(ranges=PodRanges(RANGES, tunnel))
    found.add(*(namespace(name, ns=name) for name in "xz"), pod("x/a", addresses("x/a")), node("far", "9.9.9.8"))
    for number, spec in enumerate(policies):
        found.cluster_policy(f"c{number}", spec)
    return found


@pytest.mark.parametrize(
    ("spec", "closed"),
    [
        (rule("ingress", "Deny", FROM_Z), {Direction.INGRESS}),
        (rule("egress", "Deny", TO_Z), {Direction.EGRESS}),
        (rule("egress", "Pass", TO_Z), {Direction.EGRESS}),
        (rule("egress", "Accept", TO_Z), set()),
        (rule("egress", "Deny", CIDR), set()),
    ],
)
def test_rules_that_deny_what_pods_are_close_what_is_not_known(spec: str, closed: set[Direction]) -> None:
    found = cluster(spec)
    assert {row.direction for row in found.settle() if isinstance(row, KnownOnlyRow)} == closed
    inwards, outwards = found.verdict(FAR[0], "x/a"), found.verdict("x/a", FAR[0])
    assert inwards.ingress.unknown == (Direction.INGRESS in closed)
    assert outwards.egress.unknown == (Direction.EGRESS in closed)
    found.add(pod("y/z", FAR[0], node="far"))
    assert found.verdict(FAR[0], "x/a").ingress.allowed


def test_addresses_of_nodes_are_no_unknown_pods() -> None:
    found = cluster(rule("ingress", "Deny", FROM_Z))
    assert {row.address for row in found.settle() if isinstance(row, NodeAddressRow)} == {*map(address, TUNNEL)}
    assert found.allows(TUNNEL[0], "x/a")
    found.remove(node("far", "9.9.9.8"))
    assert not any(isinstance(row, NodeAddressRow) for row in found.settle())
    assert not found.allows(TUNNEL[0], "x/a")
    found.add(node("far", "10.0.9.9"), node("other", "10.0.9.9"))
    found.remove(node("other", "10.0.9.9"))
    assert NodeAddressRow(address("10.0.9.9")) in found.settle()


@sandboxed
async def test_packets_of_pods_that_are_not_known_are_dropped_until_they_are() -> None:
    wire = Wire({"x/a": addresses("x/a")})
    for number, (key, ips) in enumerate({"far": FAR, "tunnel": TUNNEL, "outside": OUTSIDE}.items()):
        wire.plug(key, " ".join(ips), f"eth{number}")
    enter_network(wire.node.path)
    kernel = Enforced()
    here = addresses("x/a").split()
    found = cluster(rule("ingress", "Deny", FROM_Z), rule("egress", "Deny", TO_Z))
    await kernel.enforce(found)
    others = [tcp(each, ip) for each in ("tunnel", "outside") for ip in here]
    others += [tcp("x/a", ip) for ip in (*TUNNEL, *OUTSIDE)]
    theirs = [*(tcp("far", ip) for ip in here), *(tcp("x/a", ip) for ip in FAR)]
    check(wire, allowed=others, denied=theirs)
    found.add(pod("x/far", " ".join(FAR), node="far"))
    await kernel.enforce(found)
    check(wire, allowed=[*others, *theirs], denied=[])
    found.remove(found.pod("x/far"))
    found.add(pod("z/far", " ".join(FAR), node="far"))
    await kernel.enforce(found)
    check(wire, allowed=others, denied=theirs)
    assert not {row for row in found.settle() if isinstance(row, KnownOnlyRow)} - set(await kernel.sink.read())
