"""Published bypasses of policy engines as tests by name: those that the model and its rows decide.

Others are found by their names in the tests with packets, of ClusterNetworkPolicies, of restarts and of the mesh.
"""

import ipaddress

import pytest

from podwire.policy.model import Direction
from podwire.policy.rows import IsolatedRow
from tests.policy.cluster import Cluster, namespace, pod

CLOSED = "{podSelector: {matchLabels: {app: closed}}, policyTypes: [Ingress, Egress]}"
FROM_FRIENDS = "{podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {app: friend}}}]}]}"


def cluster(**policies: str) -> Cluster:
    """Two namespaces with a pod each of three kinds, and policies of the first."""
    found = Cluster()
    found.add(namespace("x"), namespace("y"))
    for number, (home, app) in enumerate((home, app) for home in "xy" for app in ("closed", "friend", "other")):
        found.add(pod(f"{home}/{app}", f"10.0.0.{number + 1} fd00::{number + 1}", labels=f"app={app}"))
    for name, spec in policies.items():
        found.policy(f"x/{name}", spec)
    return found


def relabelled(found: Cluster, key: str, app: str) -> None:
    """The pod has another label from now on."""
    found.add(pod(key, " ".join(found.pod(key).addresses), labels=f"app={app}"))


def test_go_2023_2078_a_label_that_changes_is_judged_again_for_the_pod_and_for_its_peers() -> None:
    """Cilium: an update of a pod's labels left the old verdicts."""
    found = cluster(closed=CLOSED, friends=FROM_FRIENDS)
    assert found.allows("x/friend", "x/other")
    relabelled(found, "x/friend", "stranger")
    assert not found.allows("x/friend", "x/other")
    relabelled(found, "x/other", "closed")
    assert not found.allows("x/other", "y/other")
    isolated = {(row.direction, row.subject) for row in found.settle() if isinstance(row, IsolatedRow)}
    closed = found.view.bearer(ipaddress.ip_address(found.pod("x/other").addresses[0]))
    assert closed is not None
    assert {(direction, found.numbers.identity(closed.identity)) for direction in Direction} <= isolated


@pytest.mark.parametrize("labels", ["app=friend", "app=friend kubernetes.io/metadata.name=x namespace=x"])
def test_go_2023_2080_a_policy_means_pods_of_its_own_namespace_alone(labels: str) -> None:
    """Cilium: a restriction to a namespace did not hold; here neither for subjects nor for peers."""
    found = cluster(friends=FROM_FRIENDS, closed=CLOSED)
    found.add(pod("y/friend", " ".join(found.pod("y/friend").addresses), labels=labels))
    assert found.allows("x/friend", "x/other")
    assert not found.allows("y/friend", "x/other")
    assert found.allows("x/other", "y/closed")


@pytest.mark.parametrize("number", [0, 1])
def test_go_2023_1643_what_is_denied_is_denied_in_both_families(number: int) -> None:
    """Cilium: policies did not hold for IPv6."""
    found = cluster(closed=CLOSED)
    closed, other = found.pod("x/closed").addresses[number], found.pod("y/other").addresses[number]
    assert not found.allows(closed, other)
    assert not found.allows(other, closed)
    assert found.allows(found.pod("x/other").addresses[number], other)


def test_kubescape_3904_a_pod_reaches_its_own_address() -> None:
    """A tool said that a pod under deny-all cannot reach itself."""
    found = cluster(closed=CLOSED)
    assert all(found.allows(ip, ip) for ip in found.pod("x/closed").addresses)
    assert not found.allows("x/closed", "x/other")


def test_network_policy_api_211_deny_all_denies_all_protocols() -> None:
    """A simulator said that deny-all admits something."""
    found = cluster(all="{podSelector: {}, policyTypes: [Ingress, Egress]}")
    for protocol, port in (("TCP", 80), ("UDP", 53), ("SCTP", 80), ("ICMP", None)):
        for source, destination in (("x/other", "y/other"), ("y/other", "x/other"), ("x/other", "9.9.9.9")):
            assert not found.allows(source, destination, protocol, port)
    assert found.allows("y/closed", "y/other")


@pytest.mark.parametrize("block", ["10.0.0.0/24", "0.0.0.0/0"])
def test_cilium_9209_blocks_of_addresses_hold_pods_too(block: str) -> None:
    """CIDR rules were ignored for addresses of the cluster (also 20550, 35212)."""
    spec = f"{{podSelector: {{}}, policyTypes: [Egress], egress: [{{to: [{{ipBlock: {{cidr: {block}}}}}]}}]}}"
    found = cluster(block=spec)
    assert found.allows("x/other", "y/other")
    assert not found.allows(found.pod("x/other").addresses[1], found.pod("y/other").addresses[1])


DNS = "to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: y}}}]"


@pytest.mark.parametrize("allowed", [(), ("UDP",), ("UDP", "TCP")])
def test_website_38267_a_closed_egress_closes_dns_until_each_protocol_is_allowed(allowed: tuple[str, ...]) -> None:
    """DNS failed under default deny (also 54997, kubeadm 2788, k3s 3361): UDP and TCP each need a rule."""
    ports = ", ".join(f"{{protocol: {protocol}, port: 53}}" for protocol in allowed)
    rules = f"[{{{DNS}, ports: [{ports}]}}]" if allowed else "[]"
    found = cluster(dns=f"{{podSelector: {{}}, policyTypes: [Egress], egress: {rules}}}")
    for protocol in ("UDP", "TCP", "SCTP"):
        assert found.allows("x/other", "y/other", protocol, 53) is (protocol in allowed)
        assert not found.allows("x/other", "y/other", protocol, 54)
        assert not found.allows("x/other", "9.9.9.9", protocol, 53)
