from podwire.policy.label_keys import LabelKeys
from podwire.policy.model import policy
from podwire.policy.tier_reading import cluster_policy
from tests.policy.cluster import cluster_policy as cluster_object
from tests.policy.cluster import network_policy

OWN = policy(network_policy("x/own", "{podSelector: {matchLabels: {app: web}}}"))
FAR = policy(
    network_policy("x/far", "{ingress: [{from: [{namespaceSelector: {}, podSelector: {matchLabels: {team: a}}}]}]}")
)
EVERYWHERE = cluster_policy(
    cluster_object("all", "{tier: Admin, priority: 1, subject: {pods: {podSelector: {matchLabels: {zone: a}}}}}")
)


def test_keys_of_a_policys_own_pods_count_in_its_namespace_and_those_of_peers_everywhere() -> None:
    keys = LabelKeys()
    assert keys.policy_changed("x", None, OWN) == {"x"}
    assert keys.policy_changed("x", None, OWN) == set(), "read already"
    assert keys.policy_changed("x", None, FAR) is None
    assert (keys.of("x"), keys.of("y")) == ({"app", "team"}, {"team"})
    assert keys.policy_changed("x", OWN, None) == set(), "still read by the other one"
    assert keys.policy_changed("x", OWN, None) == {"x"}
    assert keys.policy_changed("x", FAR, None) is None
    assert len(keys) == 0


def test_keys_of_cluster_policies_count_everywhere_and_some_always() -> None:
    keys = LabelKeys()
    assert keys.cluster_policy_changed(None, EVERYWHERE) is None
    assert keys.of("x") == {"zone"}
    assert keys.cluster_policy_changed(EVERYWHERE, EVERYWHERE) == set()
    assert keys.cluster_policy_changed(EVERYWHERE, None) is None
    assert LabelKeys([EVERYWHERE]).of("y") == {"zone"}
