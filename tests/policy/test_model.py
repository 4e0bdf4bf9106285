import pytest

from podwire.policy.model import (
    EVERYTHING,
    Block,
    Direction,
    Identity,
    NamedPort,
    Policy,
    PortName,
    Ports,
    Rule,
    identity,
    policy,
)
from tests.policy.cluster import address, network_policy, pod


def meaning(spec: str) -> Policy:
    return policy(network_policy("x/p", spec))


@pytest.mark.parametrize(
    ("spec", "ingress", "egress"),
    [
        ("{}", True, False),
        ("{ingress: []}", True, False),
        ("{egress: [{}]}", True, True),
        ("{egress: []}", True, False),
        ("{policyTypes: [Egress]}", False, True),
        ("{policyTypes: [Egress], ingress: [{}]}", False, True),
        ("{policyTypes: [Ingress], egress: [{}]}", True, False),
        ("{policyTypes: [Ingress, Egress]}", True, True),
        ("{policyTypes: [Ingres]}", True, True),
    ],
)
def test_which_directions_a_policy_isolates(spec: str, ingress: bool, egress: bool) -> None:
    found = meaning(spec)
    assert (found.ingress is not None, found.egress is not None) == (ingress, egress)


def test_empty_parts_of_a_rule_do_not_restrict_but_an_empty_list_of_rules_does() -> None:
    assert meaning("{ingress: [{}]}").ingress == (Rule(None, None),)
    assert meaning("{ingress: [{from: [], ports: []}]}").ingress == (Rule(None, None),)
    assert meaning("{ingress: []}").ingress == ()


@pytest.mark.parametrize(
    "peer",
    [
        "{}",
        "{ipBlock: {cidr: 10.0.0.0/8}, podSelector: {}}",
        "{ipBlock: {cidr: 10.0.0.1}}",
        "{ipBlock: {cidr: 10.0.0.0/33}}",
        "{ipBlock: {cidr: 010.0.0.0/8}}",
        "{ipBlock: {cidr: 10.0.0.0/255.0.0.0}}",
        "{ipBlock: {cidr: nonsense}}",
        "{ipBlock: {cidr: 10.0.0.0/8, except: [10.0.0.300/32]}}",
        "{ipBlock: {cidr: 10.0.0.0/8, except: ['fd00::/64']}}",
        "{podSelector: {matchExpressions: [{key: a, operator: Like, values: [b]}]}}",
        "{podSelector: {matchExpressions: [{key: a, operator: NotIn, values: []}]}}",
        "{namespaceSelector: {matchExpressions: [{key: a, operator: Exists, values: [b]}]}}",
    ],
)
def test_a_peer_that_is_not_valid_matches_nothing_and_never_everything(peer: str) -> None:
    assert meaning(f"{{ingress: [{{from: [{peer}]}}]}}").ingress == (Rule((), None),)


@pytest.mark.parametrize(
    "port",
    [
        "{port: 0}",
        "{port: 70000}",
        "{port: 90, endPort: 80}",
        "{endPort: 80}",
        "{port: http, endPort: 80}",
        "{port: 80, protocol: ICMP}",
        "{port: 80, protocol: tcp}",
    ],
)
def test_a_port_that_is_not_valid_matches_nothing(port: str) -> None:
    assert meaning(f"{{ingress: [{{ports: [{port}]}}]}}").ingress == (Rule(None, ()),)


def test_ports_that_are_valid() -> None:
    spec = "{ingress: [{ports: [{port: 80}, {protocol: UDP}, {port: 1, endPort: 9, protocol: SCTP}, {port: web}]}]}"
    ports = (Ports("TCP", 80, 80), Ports("UDP"), Ports("SCTP", 1, 9), PortName("TCP", "web"))
    assert meaning(spec).ingress == (Rule(None, ports),)


def test_a_policy_with_an_invalid_selector_isolates_all_and_allows_nothing() -> None:
    found = meaning("{podSelector: {matchExpressions: [{key: a, operator: Like}]}, ingress: [{}]}")
    assert found.selector == EVERYTHING
    assert found.ingress == ()


def test_a_block_is_its_network_without_its_own_excepts() -> None:
    (rule,) = meaning("{ingress: [{from: [{ipBlock: {cidr: 10.0.0.9/24, except: [10.0.0.128/25]}}]}]}").ingress or ()
    (block,) = rule.peers or ()
    assert isinstance(block, Block)
    assert block.holds(address("10.0.0.1"))
    assert not any(block.holds(address(ip)) for ip in ("10.0.0.200", "10.0.1.1", "::1"))


def test_an_identity_keeps_only_labels_that_are_read_and_ports_with_a_name() -> None:
    found = identity(pod("x/a", labels="app=a tier=b", ports="web=80/TCP dns=53/UDP"), ["app", "absent"])
    assert found == Identity("x", (("app", "a"),), (NamedPort("dns", "UDP", 53), NamedPort("web", "TCP", 80)))


def test_the_labels_that_count_are_those_of_pods_near_or_far() -> None:
    found = meaning(
        "{podSelector: {matchLabels: {a: '1'}}, ingress: [{from: [{podSelector: {matchLabels: {b: '1'}}},"
        " {podSelector: {matchLabels: {c: '1'}}, namespaceSelector: {matchLabels: {d: '1'}}}]}]}"
    )
    assert found.own_label_keys == {"a", "b"}
    assert found.far_label_keys == {"c"}
    assert found.reaches_out
    assert found.rules(Direction.EGRESS) is None
