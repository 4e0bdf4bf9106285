"""A ClusterNetworkPolicy as it is read: what is not known fails closed."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from podwire.kube.meta import NamespacedName
from podwire.kube.network_policy_api import closed_cluster_policy
from podwire.policy.model import LAST_PORT, Direction, PortName, Ports
from podwire.policy.tier_reading import cluster_policy
from podwire.policy.tiers import Action, ClusterPolicy, NamePeers, Tier, TierRule
from tests.policy import cluster as objects


def read(spec: str) -> ClusterPolicy:
    return cluster_policy(
        objects.cluster_policy("p", f"{{tier: Admin, priority: 5, subject: {{namespaces: {{}}}}, {spec}}}")
    )


def rule(text: str, direction: Direction = Direction.EGRESS) -> TierRule:
    (found,) = read(f"{direction.value}: [{text}]").rules(direction)
    return found


def test_what_is_valid_is_read_whole() -> None:
    found = read("egress: [{name: n, action: Accept, to: [{namespaces: {}}], protocols: [{udp: {}}]}]")
    assert (found.tier, found.priority, found.problems) == (Tier.ADMIN, 5, ())
    assert found.egress[0].name == "n"
    assert found.egress[0].ports == (Ports("UDP", 0, LAST_PORT),)
    assert found.ingress == ()


@pytest.mark.parametrize(
    ("protocol", "ports"),
    [
        ("{tcp: {destinationPort: {number: 80}}}", (Ports("TCP", 80, 80),)),
        ("{sctp: {destinationPort: {range: {start: 5, end: 9}}}}", (Ports("SCTP", 5, 9),)),
        ("{destinationNamedPort: web}", tuple(PortName(each, "web") for each in ("TCP", "UDP", "SCTP"))),
    ],
)
def test_protocols(protocol: str, ports: Any) -> None:
    assert rule(f"{{action: Pass, to: [{{namespaces: {{}}}}], protocols: [{protocol}]}}").ports == ports


UNKNOWN_PARTS = (
    "to: [{}]",
    "to: []",
    "to: [{services: {}}]",
    "to: [{namespaces: {}, pods: {podSelector: {}}}]",
    "to: [{namespaces: {}}, {later: {}}]",
    "to: [{namespaces: {matchLabels: {}, later: x}}]",
    "to: [{namespaces: {matchExpressions: [{key: a, operator: Like}]}}]",
    "to: [{pods: {namespaceSelector: {}}}]",
    "to: [{pods: {podSelector: {}, later: {}}}]",
    "to: [{networks: [10.0.0.0]}]",
    "to: [{networks: []}]",
    "to: [{nodes: {later: x}}]",
    "to: [{networks: [10.0.0.0/8]}], protocols: [{destinationNamedPort: web}]",
    "to: [{namespaces: {}}], protocols: []",
    "to: [{namespaces: {}}], protocols: [{icmp: {}}]",
    "to: [{namespaces: {}}], protocols: [{tcp: {flags: syn}}]",
    "to: [{namespaces: {}}], protocols: [{tcp: {destinationPort: {number: 0}}}]",
    "to: [{namespaces: {}}], protocols: [{tcp: {destinationPort: {range: {start: 9, end: 9}}}}]",
    "to: [{namespaces: {}}], protocols: [{tcp: {}}, {later: {}}]",
    "to: [{namespaces: {}}], httpPaths: [/]",
    "to: [{domainNames: ['*']}]",
    "to: [{domainNames: ['a.*.example.com']}]",
)


@pytest.mark.parametrize("part", UNKNOWN_PARTS)
def test_a_broken_peer_never_opens_egress(part: str) -> None:
    """GHSA-38pp-6gcp-rqvm, GO-2025-4167: a broken peer made egress unrestricted."""
    assert rule(f"{{action: Accept, {part}}}").peers == ()
    for action in ("Deny", "Pass"):
        found = rule(f"{{action: {action}, {part}}}")
        assert (found.action, found.peers, found.ports) == (Action.DENY, None, None)
    assert len(read(f"egress: [{{action: Accept, {part}}}]").problems) == 1


@pytest.mark.parametrize(
    "spec",
    [
        "{tier: Admin, priority: 1, subject: {services: {}}, egress: [RULE]}",
        "{tier: Admin, priority: 1, subject: {}, egress: [RULE]}",
        "{tier: Admin, priority: 1, subject: {namespaces: {}}, when: night, egress: [RULE]}",
    ],
)
def test_a_policy_of_unknown_scope_accepts_nothing(spec: str) -> None:
    text = spec.replace("RULE", "{action: Accept, to: [{namespaces: {}}]}, {action: Pass, to: [{namespaces: {}}]}")
    found = cluster_policy(objects.cluster_policy("p", text))
    assert [(one.action, one.peers) for one in found.egress] == [(Action.ACCEPT, ()), (Action.DENY, None)]
    assert found.problems


@pytest.mark.parametrize("action", ["Log", "[Accept]", "{Accept: x}", "null", "7"])
def test_an_unknown_action_denies_all(action: str) -> None:
    assert rule(f"{{action: {action}, to: [{{namespaces: {{}}}}]}}") == TierRule(Action.DENY, None, None)


@pytest.mark.parametrize("tier", ["Later", "[Admin]", "{Baseline: x}", "null"])
def test_an_unknown_tier_is_the_first_one(tier: str) -> None:
    found = cluster_policy(objects.cluster_policy("p", f"{{tier: {tier}, priority: 1, subject: {{namespaces: {{}}}}}}"))
    assert (found.tier, len(found.problems)) == (Tier.ADMIN, 1)


def test_names_are_for_accept_rules_only() -> None:
    accept = rule("{action: Accept, to: [{domainNames: ['*.Example.com.', example.org]}]}")
    assert accept.peers == (NamePeers("*.example.com"), NamePeers("example.org"))
    assert rule("{action: Pass, to: [{domainNames: [example.org]}]}").action is Action.DENY


def test_ingress_has_no_peers_but_pods() -> None:
    assert rule("{action: Accept, from: [{networks: [10.0.0.0/8]}]}", Direction.INGRESS).peers == ()


def test_a_policy_that_cannot_be_decoded_denies_all() -> None:
    found = cluster_policy(closed_cluster_policy(NamespacedName("", "p")))
    for direction in Direction:
        assert found.rules(direction) == (TierRule(Action.DENY, None, None),)


@pytest.mark.parametrize(
    ("pattern", "name", "meant"),
    [
        ("example.com", "example.com", True),
        ("example.com", "a.example.com", False),
        ("*.example.com", "a.example.com", True),
        ("*.example.com", "b.a.example.com", True),
        ("*.example.com", "example.com", False),
        ("*.example.com", "badexample.com", False),
    ],
)
def test_names(pattern: str, name: str, meant: bool) -> None:
    assert NamePeers(pattern).means(name) == meant


def test_yaml_of_the_page_has_no_problems() -> None:
    page = (Path(__file__).parents[2] / "docs/reference/clusternetworkpolicy.md").read_text()
    document = yaml.safe_load(page.split("```yaml")[1].split("```")[0])
    assert cluster_policy(objects.cluster_policy("p", yaml.safe_dump(document["spec"]))).problems == ()
