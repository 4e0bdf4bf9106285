from podwire.kube.watch import Change
from podwire.policy.model import Identity
from tests.policy.cluster import Cluster, address, cluster_policy, name, namespace, network_policy, pod

SELECTS_A = "{podSelector: {matchLabels: {pod: a}}}"


def cluster_of(*keys: str) -> Cluster:
    cluster = Cluster()
    cluster.add(namespace("x"), namespace("y"))
    cluster.add(*(pod(key, f"10.0.0.{number}") for number, key in enumerate(keys, 1)))
    cluster.settle()
    return cluster


def bearer(cluster: Cluster, ip: str) -> Identity | None:
    return cluster.view.party(address(ip)).identity


def test_a_new_pod_of_a_known_kind_dirties_only_its_address() -> None:
    cluster = cluster_of("x/a", "x/b")
    cluster.policy("x/p", "{podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}]}")
    cluster.settle()
    cluster.add(pod("x/c", "10.0.0.9", node="node-2"))
    assert cluster.dirty == {address("10.0.0.9")}


def test_a_new_kind_of_pod_dirties_the_subjects_of_policies_that_name_it() -> None:
    cluster = cluster_of("x/a", "y/a")
    spec = "{podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}]}"
    cluster.add(network_policy("x/p", spec), network_policy("y/p", spec))
    cluster.settle()
    cluster.add(pod("x/c", "10.0.0.9", node="node-2", labels="app=web"))
    assert cluster.dirty == {address("10.0.0.9"), Identity("x")}


def test_a_whole_namespace_as_peer_needs_nothing_when_a_new_kind_of_pod_comes() -> None:
    cluster = cluster_of("x/a")
    cluster.policy("x/p", "{podSelector: {}, ingress: [{from: [{namespaceSelector: {}}, {podSelector: {}}]}]}")
    cluster.policy("x/reads", "{podSelector: {matchLabels: {app: web}}}")
    cluster.settle()
    cluster.add(pod("x/c", "10.0.0.9", node="node-2", labels="app=web"))
    assert cluster.dirty == {address("10.0.0.9")}


def test_a_policy_dirties_only_the_pods_of_this_node_that_it_selects() -> None:
    cluster = cluster_of("x/a", "x/b", "y/a")
    cluster.policy("x/reads", "{podSelector: {matchLabels: {pod: none}}}")
    cluster.settle()
    cluster.policy("x/p", "{podSelector: {matchLabels: {pod: a}}, ingress: [{}]}")
    assert cluster.dirty == {Identity("x", (("pod", "a"),))}
    cluster.settle()
    cluster.remove(next(p for p in cluster.policies() if p.metadata.name == "p"))
    assert cluster.dirty == {Identity("x", (("pod", "a"),))}


def test_a_label_that_no_selector_reads_changes_nothing() -> None:
    cluster = cluster_of("x/a")
    cluster.add(pod("x/a", "10.0.0.1", labels="version=2"))
    assert bearer(cluster, "10.0.0.1") == Identity("x")
    assert cluster.dirty <= {address("10.0.0.1")}


def test_the_first_policy_that_reads_a_label_splits_identities_in_its_namespace_only() -> None:
    cluster = cluster_of("x/a", "x/b", "y/a")
    cluster.policy("x/p", SELECTS_A)
    assert bearer(cluster, "10.0.0.1") == Identity("x", (("pod", "a"),))
    assert bearer(cluster, "10.0.0.2") == Identity("x", (("pod", "b"),))
    assert bearer(cluster, "10.0.0.3") == Identity("y")
    cluster.remove(*cluster.policies())
    assert bearer(cluster, "10.0.0.1") == bearer(cluster, "10.0.0.2") == Identity("x")


def test_a_selector_for_other_namespaces_makes_its_labels_count_everywhere() -> None:
    cluster = cluster_of("x/a", "y/a")
    cluster.policy("x/p", "{ingress: [{from: [{namespaceSelector: {}, podSelector: {matchLabels: {pod: a}}}]}]}")
    assert bearer(cluster, "10.0.0.2") == Identity("y", (("pod", "a"),))


def test_labels_of_a_namespace_dirty_only_policies_whose_answer_changes() -> None:
    cluster = cluster_of("x/a", "y/a")
    cluster.policy("x/p", "{ingress: [{from: [{namespaceSelector: {matchLabels: {team: red}}}]}]}")
    cluster.policy("y/p", "{ingress: [{from: [{namespaceSelector: {matchLabels: {team: blue}}}]}]}")
    cluster.settle()
    cluster.add(namespace("y", team="red"))
    assert cluster.dirty == {Identity("x")}
    cluster.settle()
    cluster.add(namespace("y", team="red", other="label"))
    assert cluster.dirty == set()


def test_finished_pods_and_host_network_pods_have_no_identity() -> None:
    cluster = cluster_of("x/a")
    cluster.add(pod("x/a", "10.0.0.1", phase="Succeeded"))
    cluster.add(pod("x/h", "172.18.0.2", node="node-2", host_network=True))
    cluster.add(pod("x/f", "10.0.0.7", node="node-2", phase="Failed"))
    assert [bearer(cluster, ip) for ip in ("10.0.0.1", "172.18.0.2", "10.0.0.7")] == [None, None, None]


def test_a_status_is_not_believed_for_pods_of_this_node() -> None:
    cluster = cluster_of()
    cluster.add(pod("x/a", "10.0.0.1"), attach=False)
    assert bearer(cluster, "10.0.0.1") is None


def test_an_attached_address_has_no_other_owner_before_its_pod_is_known() -> None:
    cluster = cluster_of()
    cluster.add(pod("y/old", "10.0.0.1", node="node-2"))
    assert bearer(cluster, "10.0.0.1") == Identity("y")
    assert cluster.view.attach(name("x/new"), "uid-x/new", [address("10.0.0.1")]) == {address("10.0.0.1")}
    assert bearer(cluster, "10.0.0.1") is None
    cluster.add(pod("x/new", ""), attach=False)
    assert bearer(cluster, "10.0.0.1") == Identity("x")


def test_the_youngest_pod_has_an_address_that_two_claim() -> None:
    for order in ((0, 1), (1, 0)):
        cluster = cluster_of()
        pair = (
            pod("x/old", "10.0.0.1", node="node-2", created="2026-01-01T00:00:00Z"),
            pod("y/new", "10.0.0.1", node="node-3", created="2026-01-01T00:00:01Z"),
        )
        cluster.add(*(pair[number] for number in order))
        assert bearer(cluster, "10.0.0.1") == Identity("y")
        cluster.remove(pair[1])
        assert bearer(cluster, "10.0.0.1") == Identity("x")


def test_a_pod_with_the_name_of_another_one_does_not_get_its_attachment() -> None:
    cluster = cluster_of("x/a")
    cluster.add(pod("x/a", "10.0.0.2", uid="uid-2"), attach=False)
    assert bearer(cluster, "10.0.0.1") is None
    cluster.view.attach(name("x/a"), "uid-2", [address("10.0.0.2")])
    cluster.view.detach(name("x/a"), "uid-x/a", [address("10.0.0.1")])
    assert bearer(cluster, "10.0.0.2") == Identity("x")


def test_identities_that_may_be_released_are_returned() -> None:
    cluster = cluster_of("x/a")
    found = cluster.pod("x/a")
    cluster.remove(found)
    assert cluster.view.departed == {Identity("x"), "x"}
    assert not cluster.view.alive(Identity("x"))
    assert cluster.view.alive("x"), "the namespace is still there"
    cluster.remove(namespace("x"))
    assert not cluster.view.alive("x")


def test_a_pod_in_a_block_with_named_ports_dirties_the_subjects_that_may_reach_it() -> None:
    cluster = cluster_of("x/a")
    spec = "{policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 10.1.0.0/16}}], ports: [{port: web}]}]}"
    cluster.policy("x/p", spec)
    cluster.settle()
    cluster.add(pod("y/in", "10.1.0.1", node="node-2", ports="web=80/TCP"))
    assert cluster.dirty == {address("10.1.0.1"), Identity("x")}
    cluster.settle()
    cluster.add(pod("y/out", "10.2.0.1", node="node-2", ports="web=80/TCP"))
    assert cluster.dirty == {address("10.2.0.1")}
    cluster.settle()
    cluster.remove(*cluster.policies())
    cluster.settle()
    cluster.remove(cluster.pod("y/in"))
    assert cluster.dirty == {address("10.1.0.1")}


def test_a_view_that_has_lost_everything_keeps_nothing() -> None:
    cluster = cluster_of("x/a", "z/b")
    cluster.policy("x/p", "{podSelector: {matchLabels: {pod: a}}, ingress: [{from: [{podSelector: {}}]}]}")
    cluster.settle()
    cluster.remove(*cluster.policies(), cluster.pod("x/a"), cluster.pod("z/b"), namespace("x"), namespace("y"))
    cluster.view.pod_changed(Change(pod("n/never", ""), None))
    cluster.view.policy_changed(Change(network_policy("n/never", "{}"), None))
    cluster.view.cluster_policy_changed(Change(cluster_policy("never", "{}"), None))
    left = {name: value for name, value in vars(cluster.view).items() if value and name not in {"node", "departed"}}
    tiers = {name: value for name, value in vars(left.pop("tiers")).items() if value}
    assert left == {}
    assert tiers.keys() == {"_surroundings", "_networks", "ranges"}
    assert not any(value for value in vars(cluster.view.tiers.ranges).values() if not callable(value))
    assert not any(vars(tiers["_networks"]).values())
