"""For policies at random, three readings must agree: the verdict of the model, the rows, and the rows made stepwise."""

from __future__ import annotations

import itertools
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from podwire.policy.rows import (
    AddressRow,
    BlocksRow,
    IsolatedRow,
    LinkRow,
    PeerRow,
    PortRow,
    RangesRow,
    ResolverRow,
    Row,
    SelfRow,
)
from podwire.policy.tier_rows import (
    KnownOnlyRow,
    NamingRow,
    NodeAddressRow,
    TierAddressRow,
    TierBlocksRow,
    TieredRow,
    TierRow,
)
from tests.policy.cluster import Cluster, Counted, address, namespace, pod
from tests.policy.nftables_model import Packet, Table
from tests.thoroughness import examples

NAMESPACES = ("x", "y")
ADDRESSES = ("10.0.0.1", "10.0.0.2", "10.0.0.3", "fd00::1", "fd00::2", "9.9.9.9")
PROTOCOLS = (("TCP", 80), ("TCP", 81), ("TCP", 9000), ("UDP", 80), ("ICMP", None))

labels = st.fixed_dictionaries({}, optional={"app": st.sampled_from("ab"), "tier": st.sampled_from("ab")})
requirement = st.fixed_dictionaries(
    {
        "key": st.sampled_from(["app", "tier", "team"]),
        "operator": st.sampled_from(["In", "NotIn", "Exists", "DoesNotExist", "Like"]),
    },
    optional={"values": st.lists(st.sampled_from("ab"), max_size=2)},
)
selector = st.one_of(
    st.fixed_dictionaries({"matchLabels": labels}),
    st.fixed_dictionaries({"matchExpressions": st.lists(requirement, min_size=1, max_size=2)}),
)
block = st.fixed_dictionaries(
    {"cidr": st.sampled_from(["0.0.0.0/0", "10.0.0.0/30", "10.0.0.2/32", "fd00::/64", "::/0", "broken"])},
    optional={"except": st.lists(st.sampled_from(["10.0.0.1/32", "10.0.0.2/31", "fd00::2/128"]), max_size=2)},
)
peer = st.fixed_dictionaries({}, optional={"podSelector": selector, "namespaceSelector": selector, "ipBlock": block})
port = st.fixed_dictionaries(
    {},
    optional={
        "protocol": st.sampled_from(["TCP", "UDP", "SCTP"]),
        "port": st.sampled_from([80, 81, 70, "web", "absent"]),
        "endPort": st.sampled_from([60, 80, 85, 10000]),
    },
)
peers, ports = st.lists(peer, max_size=3), st.lists(port, max_size=3)
spec = st.fixed_dictionaries(
    {},
    optional={
        "podSelector": selector,
        "policyTypes": st.lists(st.sampled_from(["Ingress", "Egress"]), max_size=2, unique=True),
        "ingress": st.lists(st.fixed_dictionaries({}, optional={"from": peers, "ports": ports}), max_size=3),
        "egress": st.lists(st.fixed_dictionaries({}, optional={"to": peers, "ports": ports}), max_size=3),
    },
)


def pods(found: list[dict[str, str]]) -> list[Any]:
    """Four pods: two here and two elsewhere, one of each in each namespace."""
    places = (
        ("x/a", "10.0.0.1 fd00::1", "node-1"),
        ("y/b", "10.0.0.2 fd00::2", "node-1"),
        ("x/c", "10.0.0.3", "node-2"),
        ("y/d", "10.0.0.4", "node-2"),
    )
    return [
        pod(
            key,
            ips,
            node=node,
            labels=" ".join(f"{k}={v}" for k, v in known.items()),
            ports=f"web={80 + n % 2}/TCP",
        )
        for n, ((key, ips, node), known) in enumerate(zip(places, found, strict=True))
    ]


def renamed(rows: set[Row], numbers: Counted) -> set[str]:
    """Rows with what the numbers stand for, so that two allocations can be compared."""
    names = {number: repr(what) for what, number in numbers.given.items()}
    found: set[str] = set()
    for row in rows:
        match row:
            case AddressRow(ip, identity):
                found.add(f"{ip} is {names[identity]}")
            case LinkRow(link, identity):
                found.add(f"{link.name} leads to {names[identity]}")
            case SelfRow(ip) | ResolverRow(ip) | NodeAddressRow(ip):
                found.add(f"{type(row).__name__} {ip}")
            case TieredRow() | NamingRow() | KnownOnlyRow():
                found.add(f"{type(row).__name__} {row.direction} {names[row.subject]}")
            case TierRow(direction, subject, version, peer, decision):
                found.add(f"{direction} {names[subject]} {names.get(peer, peer)} {version} {decision}")
            case TierAddressRow(subject, ip, decision):
                found.add(f"{names[subject]} {ip} {decision}")
            case TierBlocksRow(subject, _, spans):
                found.add(f"{names[subject]} {list(map(str, spans))}")
            case IsolatedRow(direction, subject):
                found.add(f"{direction} {names[subject]}")
            case PeerRow() | PortRow() | RangesRow():
                rest = (getattr(row, "protocol", ""), getattr(row, "port", ""), getattr(row, "ports", ""))
                found.add(f"{row.direction} {names[row.subject]} {names.get(row.peer, 'any pod')} {rest}")
            case BlocksRow(direction, subject, _, _, spans):
                found.add(f"{direction} {names[subject]} {spans}")
    return found


four_labels = st.lists(labels, min_size=4, max_size=4)
two_labels = st.lists(st.fixed_dictionaries({}, optional={"team": st.sampled_from("ab")}), min_size=2, max_size=2)
specs = st.lists(st.tuples(st.sampled_from(NAMESPACES), spec), min_size=1, max_size=3)


def build(found_labels: list[dict[str, str]], teams: list[dict[str, str]], policies: list[tuple[str, Any]]) -> Cluster:
    cluster = Cluster()
    cluster.add(*(namespace(n, **team) for n, team in zip(NAMESPACES, teams, strict=True)))
    cluster.add(*pods(found_labels))
    for number, (home, document) in enumerate(policies):
        cluster.policy(f"{home}/p{number}", yaml.safe_dump(document))
    return cluster


@settings(max_examples=examples(60), deadline=None)
@given(four_labels, two_labels, specs)
def test_rows_say_what_the_verdict_says(
    found_labels: list[dict[str, str]], teams: list[dict[str, str]], policies: list[tuple[str, Any]]
) -> None:
    cluster = build(found_labels, teams, policies)
    rows = Table(cluster.settle())
    local = {"10.0.0.1", "10.0.0.2", "fd00::1", "fd00::2"}
    for source, destination, (protocol, number) in itertools.product(ADDRESSES, ADDRESSES, PROTOCOLS):
        here = (source in local, destination in local)
        if (":" in source) != (":" in destination) or not any(here):
            continue
        packet = Packet(address(source), address(destination), protocol, number, *here)
        verdict = cluster.verdict(source, destination, protocol, number)
        # An end on another node is judged there; here only if a pod of this node is the same to every policy.
        agreed = (verdict.egress.allowed or not here[0]) and (verdict.ingress.allowed or not here[1])
        answer = rows.passes(packet)
        assert verdict.allowed <= answer <= agreed, (source, destination, protocol, number)


@settings(max_examples=examples(60), deadline=None)
@given(four_labels, four_labels, two_labels, two_labels, specs, specs, st.randoms(use_true_random=False))
def test_stepwise_changes_end_in_the_same_rows_as_a_fresh_start(
    old_labels: list[dict[str, str]],
    new_labels: list[dict[str, str]],
    old_teams: list[dict[str, str]],
    new_teams: list[dict[str, str]],
    old: list[tuple[str, Any]],
    new: list[tuple[str, Any]],
    random: Any,
) -> None:
    cluster = build(old_labels, old_teams, old)
    cluster.settle()
    fresh = build(new_labels, new_teams, new)
    steps: list[Any] = [*pods(new_labels), *fresh.policies()]
    steps += [namespace(n, **team) for n, team in zip(NAMESPACES, new_teams, strict=True)]
    gone = [p for p in cluster.policies() if p.key not in {q.key for q in fresh.policies()}]
    random.shuffle(steps)
    for step in steps:
        cluster.add(step)
        if random.random() < 0.5:
            cluster.settle()
    cluster.remove(*gone)
    assert renamed(cluster.settle(), cluster.numbers) == renamed(fresh.settle(), fresh.numbers)
