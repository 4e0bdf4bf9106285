"""ClusterNetworkPolicies beside NetworkPolicies: cases by name."""

import pytest

from podwire.policy.default_deny import DEFAULT_DENY
from podwire.policy.derivation import closed
from podwire.policy.model import Direction
from podwire.policy.numbering import AT_ADDRESS, AT_ANY, AT_IDENTITY, AT_NAMESPACE, ISOLATED, TIERED
from podwire.policy.tier_rows import TierAddressRow, TierBlocksRow, TieredRow, TierRow
from podwire.policy.tiers import Action, Tier, TierSubject
from tests.policy.cluster import Cluster, address, namespace, node, pod
from tests.policy.nftables_model import Packet, Table


def cluster(*policies: str, always: bool = False) -> Cluster:
    """Namespaces x, y, z with two pods each, those of z elsewhere; policies named c0, c1 ... in order."""
    found = Cluster(always=DEFAULT_DENY if always else ())
    found.add(*(namespace(name, ns=name) for name in "xyz"))
    for number, name in enumerate("xyz"):
        for last, each in enumerate("ab"):
            ips = f"10.0.{number}.{last + 1} fd00:{number}::{last + 1}"
            found.add(pod(f"{name}/{each}", ips, ports="web=80/TCP", node="node-2" if name == "z" else "node-1"))
    for number, spec in enumerate(policies):
        found.cluster_policy(f"c{number}", spec)
    return found


ALL = "{namespaces: {}}"
DENY_Y = """
{tier: Admin, priority: 5, subject: {namespaces: {matchLabels: {ns: x}}},
 ingress: [{name: no y, action: Deny, from: [{namespaces: {matchLabels: {ns: y}}}]}]}
"""


def of(tier: str, priority: int, action: str, more: str = "") -> str:
    return (
        f"{{tier: {tier}, priority: {priority}, subject: {{namespaces: {{}}}},"
        f" ingress: [{{action: {action}, from: [{{namespaces: {{}}}}]{more}}}]}}"
    )


def test_a_deny_names_itself() -> None:
    verdict = cluster(DENY_Y).verdict("y/a", "x/a")
    assert not verdict.allowed
    decided = verdict.ingress.decided_by
    assert decided is not None
    assert (decided.tier, decided.policy, decided.index, decided.action) == (Tier.ADMIN, "c0", 0, Action.DENY)
    assert str(decided) == "c0 ingress[0] (no y)"
    assert cluster(DENY_Y).allows("z/a", "x/a")


def test_admin_accept_goes_before_isolation_and_baseline_after_it() -> None:
    isolate = "{podSelector: {}, policyTypes: [Ingress]}"
    accepted, baseline = cluster(of("Admin", 1, "Accept")), cluster(of("Baseline", 1, "Accept"))
    for each in (accepted, baseline):
        each.policy("x/isolate", isolate)
    assert accepted.allows("y/a", "x/a")
    assert not baseline.allows("y/a", "x/a")


def test_baseline_deny_is_for_pods_that_no_policy_isolates() -> None:
    found = cluster(of("Baseline", 1, "Deny"))
    assert not found.allows("y/a", "x/a")
    found.policy("x/open", "{podSelector: {}, ingress: [{}]}")
    assert found.allows("y/a", "x/a")


@pytest.mark.parametrize(("names", "allowed"), [((5, 5), True), ((5, 4), False), ((4, 5), True)])
def test_priorities_and_their_ties(names: tuple[int, int], allowed: bool) -> None:
    """Of equal ones the first by name decides."""
    found = cluster(of("Admin", names[0], "Accept"), of("Admin", names[1], "Deny"))
    assert found.allows("y/a", "x/a") == allowed


def test_pass_skips_the_rest_of_its_tier_alone() -> None:
    passed = cluster(
        of("Admin", 1, "Pass"), of("Admin", 2, "Deny"), of("Baseline", 1, "Pass"), of("Baseline", 2, "Deny")
    )
    assert passed.allows("y/a", "x/a")
    assert not cluster(of("Admin", 1, "Pass"), of("Baseline", 2, "Deny")).allows("y/a", "x/a")


def test_a_deny_of_a_wide_network_and_an_accept_of_a_narrower_one() -> None:
    """GO-2024-3208: a CIDR deny had no effect beside a narrower CIDR allow; in both orders."""
    rules = ("{action: Deny, to: [{networks: [9.0.0.0/8]}]}", "{action: Accept, to: [{networks: [9.9.0.0/16]}]}")
    for order, allowed in ((rules, False), (rules[::-1], True)):
        spec = f"{{tier: Admin, priority: 1, subject: {{namespaces: {{}}}}, egress: [{', '.join(order)}]}}"
        found = cluster(spec)
        assert found.allows("x/a", "9.9.9.9") == allowed
        assert not found.allows("x/a", "9.1.1.1")


def test_node_peers_are_nodes_addresses_alone() -> None:
    """GHSA-c6pf-2v8j-96mc: node-based policies admitted workload traffic."""
    only_nodes = (
        "{tier: Admin, priority: 1, subject: {namespaces: {}}, egress: [{action: Accept, to: [{nodes: {}}]},"
        " {action: Deny, to: [{networks: [0.0.0.0/0]}]}]}"
    )
    found = cluster(only_nodes)
    found.add(node("n", "172.18.0.2", role="w"))
    assert found.allows("x/a", "172.18.0.2")
    assert not found.allows("x/a", "y/a")
    assert not found.allows("x/a", "172.18.0.3")
    found.remove(node("n", "172.18.0.2", role="w"))
    assert not found.allows("x/a", "172.18.0.2")


def test_labels_of_pods_never_stand_for_those_of_namespaces() -> None:
    """GO-2022-0959: crafted labels of a pod looked like its namespace's."""
    found = cluster(DENY_Y)
    found.add(pod("z/a", "10.0.2.1", labels="ns=y", node="node-2"), pod("y/a", "10.0.1.1", labels="ns=z"))
    assert found.allows("z/a", "x/a")
    assert not found.allows("y/a", "x/a")


def test_host_network_pods_are_neither_subject_nor_peer() -> None:
    found = cluster(of("Admin", 1, "Deny"))
    found.add(pod("y/host", "172.18.0.1", host_network=True))
    assert found.allows("172.18.0.1", "x/a")
    assert found.allows("172.18.0.9", "172.18.0.1")


def test_default_deny() -> None:
    found = cluster(always=True)
    found.add(namespace("kube-system"), pod("kube-system/dns", "10.0.9.1", labels="k8s-app=kube-dns"))
    assert not found.allows("x/a", "y/a")
    assert not found.allows("x/a", "9.9.9.9")
    assert not found.allows("9.9.9.9", "x/a")
    assert found.allows("x/a", "kube-system/dns", "UDP", 53)
    assert found.allows("x/a", "kube-system/dns", "TCP", 53)
    assert not found.allows("x/a", "kube-system/dns", "TCP", 80)
    assert found.allows("kube-system/dns", "9.9.9.9", "UDP", 53)
    host_network = "172.18.0.3"
    assert found.allows(host_network, "kube-system/dns", "UDP", 53), "pods of other nodes' network have their address"
    assert not found.allows(host_network, "kube-system/dns", "TCP", 80)
    assert not found.allows(host_network, "x/a", "UDP", 53)
    decided = found.verdict("x/a", "y/a").egress.decided_by
    assert decided is not None
    assert (decided.tier, decided.policy) == (Tier.DEFAULT, "--default-deny")


def test_under_default_deny_policies_of_each_kind_admit() -> None:
    baseline = (
        f"{{tier: Baseline, priority: 1, subject: {ALL}, ingress: [{{action: Accept, from: [{ALL}]}}],"
        f" egress: [{{action: Accept, to: [{ALL}]}}]}}"
    )
    assert cluster(baseline, always=True).allows("x/a", "y/a")
    assert not cluster(baseline.replace("Accept", "Pass"), always=True).allows("x/a", "y/a")
    found = cluster(always=True)
    found.policy("x/out", "{podSelector: {}, policyTypes: [Egress], egress: [{}]}")
    assert not found.allows("x/a", "y/a")
    found.policy("y/in", "{podSelector: {}, ingress: [{}]}")
    assert found.allows("x/a", "y/a")


def test_rows_are_few_and_ordered() -> None:
    """One decision for a namespace, none for what follows from it; the flag of the subject after all of them."""
    found = cluster(DENY_Y)
    rows = [row for row in found.settle() if isinstance(row, TieredRow | TierRow | TierAddressRow | TierBlocksRow)]
    assert len([row for row in rows if isinstance(row, TierRow)]) == 1
    assert {row.stage for row in rows} == {AT_NAMESPACE, TIERED}
    assert ISOLATED < AT_ADDRESS < AT_IDENTITY < AT_NAMESPACE < AT_ANY < TIERED


def test_a_network_that_holds_all_pods_is_one_row_a_family() -> None:
    rule = "{action: Deny, to: [{networks: [10.0.0.0/8]}]}"
    found = cluster(f"{{tier: Admin, priority: 1, subject: {ALL}, egress: [{rule}]}}")
    rows = found.settle()
    assert not any(isinstance(row, TierAddressRow) for row in rows)
    found.add(pod("z/far", "11.0.0.1", node="node-2"))
    outside = {str(row.address) for row in found.settle() if isinstance(row, TierAddressRow)}
    assert outside == {f"10.0.{n}.{p}" for n in range(3) for p in (1, 2)}
    found.remove(pod("z/far", "11.0.0.1", node="node-2"))
    assert found.settle() == rows


def test_directions_are_apart() -> None:
    """CVE-2022-0567: an egress policy opened ingress."""
    found = cluster(of("Admin", 1, "Deny"))
    rows = [row for row in found.settle() if isinstance(row, TieredRow)]
    assert {row.direction for row in rows} == {Direction.INGRESS}
    found.cluster_policy(
        "c1",
        "{tier: Admin, priority: 0, subject: {namespaces: {}}, egress: [{action: Accept, to: [{namespaces: {}}]}]}",
    )
    assert not found.allows("x/a", "y/a")


@pytest.mark.parametrize("other", ["10.0.0.2", "192.0.2.9"])
def test_decisions_that_cannot_be_derived_deny_what_network_policies_admit(other: str) -> None:
    found = Cluster()
    found.add(namespace("x"), pod("x/a", "10.0.0.1"), pod("x/b", "10.0.0.2"))
    found.policy("x/open", "{policyTypes: [Ingress, Egress], ingress: [{}], egress: [{}]}")
    subject = found.view.party(address("10.0.0.1")).identity
    assert subject
    admitted = set(found.settle())
    both = (
        Packet(address("10.0.0.1"), address(other), "TCP", 80, from_local=True, to_local=False),
        Packet(address(other), address("10.0.0.1"), "TCP", 80, from_local=False, to_local=True),
    )
    assert [Table(admitted).passes(packet) for packet in both] == [True, True]
    broken = admitted | set(closed(TierSubject(subject), found.numbers))
    assert [Table(broken).passes(packet) for packet in both] == [False, False]
