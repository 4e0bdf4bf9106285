"""For objects at random, sets and single connections agree: reachability against the model's verdict, pair by pair."""

from __future__ import annotations

import ipaddress
import itertools
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from podwire.insight.reach.pod_classes import PodGroup
from podwire.insight.reach.reachability import Family, Question, Reachability, reachability
from podwire.insight.reach.selector_sets import SelectorSets, numbers
from podwire.kube.core import Pod
from podwire.kube.meta import LabelSelector
from podwire.kube.selectors import matches
from podwire.policy.model import IPAddress, named_ports, policy
from tests.policy.cluster import Cluster, namespace, network_policy, pod
from tests.policy.test_differential import NAMESPACES, labels, selector, specs, two_labels
from tests.thoroughness import examples

OUTSIDE = tuple(map(ipaddress.ip_address, ("9.9.9.9", "10.0.0.9", "10.0.0.3", "fd00::9", "2001:db8::1")))
PORTS = (("TCP", 60), ("TCP", 80), ("TCP", 81), ("TCP", 9000), ("UDP", 80), ("SCTP", 80), ("ICMP", None))
POD_LABELS = st.lists(labels, min_size=5, max_size=5)
PLACES = ("x/a", "y/b", "x/c", "y/d", "x/e")


def pods(found: list[dict[str, str]], addresses: list[str]) -> list[Pod]:
    return [
        pod(
            key,
            ips,
            labels=" ".join(f"{k}={v}" for k, v in known.items()),
            ports=f"web={80 + number % 2}/{'UDP' if number == 3 else 'TCP'}",
            host_network=number == 4,
        )
        for number, (key, ips, known) in enumerate(zip(PLACES, addresses, found, strict=True))
    ]


def group(item: Pod, *, is_placed: bool = True) -> PodGroup:
    addresses = (tuple(map(ipaddress.ip_address, item.addresses)),) if is_placed else ()
    labels = item.metadata.labels
    return PodGroup(item.metadata.namespace, labels, named_ports(item), item.spec.host_network, addresses=addresses)


def cluster_of(found: list[Pod], teams: list[dict[str, str]], policies: list[tuple[str, Any]]) -> Cluster:
    cluster = Cluster()
    cluster.add(*(namespace(name, **team) for name, team in zip(NAMESPACES, teams, strict=True)))
    cluster.add(*(item for item in found if not item.spec.host_network))
    for number, (home, document) in enumerate(policies):
        cluster.policy(f"{home}/p{number}", yaml.safe_dump(document))
    return cluster


def answer_of(
    groups: list[PodGroup], teams: list[dict[str, str]], policies: list[tuple[str, Any]], *ranges: str
) -> Reachability:
    meaning = [policy(network_policy(f"{h}/p{n}", yaml.safe_dump(d))) for n, (h, d) in enumerate(policies)]
    namespaces = {name: namespace(name, **team).metadata.labels for name, team in zip(NAMESPACES, teams, strict=True)}
    return reachability(Question(groups, namespaces, meaning, (4, 6), tuple(map(ipaddress.ip_network, ranges))))


def bit_of(answer: Reachability, family: Family, address: IPAddress, owner: int | None) -> int:
    """The bit of an address: of the class of the pod that has it, else of the part of the addresses outside."""
    if owner is not None:
        return answer.classes.of_groups()[owner][0]
    place = int(address)
    part = (n for n, spans in enumerate(family.outside) if any(first <= place <= last for first, last in spans))
    return family.axis.pods + next(part)


@settings(max_examples=examples(25), deadline=None)
@given(POD_LABELS, two_labels, specs)
def test_each_pair_and_port_has_the_verdict_of_the_model(
    found_labels: list[dict[str, str]], teams: list[dict[str, str]], policies: list[tuple[str, Any]]
) -> None:
    ips = ["10.0.0.1 fd00::1", "10.0.0.2 fd00::2", "10.0.0.4", "10.0.0.5", "10.0.0.6"]
    found = pods(found_labels, ips)
    owners = {ipaddress.ip_address(ip): number for number, one in enumerate(found) for ip in one.addresses}
    cluster = cluster_of(found, teams, policies)
    answer = answer_of([group(item) for item in found], teams, policies)
    for source, destination in itertools.permutations((*owners, *OUTSIDE), 2):
        if source.version != destination.version:
            continue
        family = answer.families[source.version]
        left, right = (bit_of(answer, family, one, owners.get(one)) for one in (source, destination))
        allowed = family.matrix.between(left, right)
        for protocol, port in PORTS:
            verdict = cluster.verdict(str(source), str(destination), protocol, port)
            assert family.matrix.ports.holds(allowed, protocol, port) == verdict.allowed, (source, destination, port)


@settings(max_examples=examples(25), deadline=None)
@given(POD_LABELS, two_labels, specs, st.permutations(range(1, 8)))
def test_pods_without_an_address_are_between_what_is_certain_and_what_is_possible(
    found_labels: list[dict[str, str]], teams: list[dict[str, str]], policies: list[tuple[str, Any]], order: list[int]
) -> None:
    found = pods(found_labels, [f"10.0.0.{n}" for n in order[:5]])[:4]
    cluster = cluster_of(found, teams, policies)
    groups = [group(item, is_placed=False) for item in found]
    answer = answer_of(groups, teams, policies, "10.0.0.0/29")
    family = answer.families[4]
    owned = answer.classes.of_groups()
    for source, destination in itertools.permutations(range(4), 2):
        ends = owned[source][0], owned[destination][0]
        certain, possible = (m.between(*ends) for m in (family.matrix, family.possible or family.matrix))
        for protocol, port in PORTS:
            allowed = cluster.verdict(PLACES[source], PLACES[destination], protocol, port).allowed
            assert family.matrix.ports.holds(certain, protocol, port) <= allowed
            assert allowed <= family.matrix.ports.holds(possible, protocol, port)


@settings(max_examples=examples(25), deadline=None)
@given(POD_LABELS, two_labels, specs)
def test_columns_are_all_connections_without_an_overlap(
    found_labels: list[dict[str, str]], teams: list[dict[str, str]], policies: list[tuple[str, Any]]
) -> None:
    found = pods(found_labels, [f"10.0.0.{n}" for n in range(5)])
    answer = answer_of([group(item) for item in found], teams, policies)
    family = answer.families[4]
    pairs: dict[tuple[int, int], int] = {}
    for column, destinations in family.matrix.columns().items():
        for ports, sources in column:
            for pair in itertools.product(numbers(sources), numbers(destinations)):
                assert pair not in pairs
                pairs[pair] = ports
    everyone = numbers(family.axis.everyone)
    for pair in itertools.product(everyone, everyone):
        assert pairs.get(pair, 0) == family.matrix.between(*pair)


@settings(max_examples=examples(40), deadline=None)
@given(st.lists(labels, max_size=12), selector)
def test_sets_of_selectors_are_what_each_selects(found: list[dict[str, str]], text: dict[str, Any]) -> None:
    one = network_policy("x/p", yaml.safe_dump({"podSelector": text})).spec.pod_selector
    sets = SelectorSets([*found, None])
    expected = [number for number, known in enumerate(found) if matches(one, known)]
    assert numbers(sets.selected(one)) == (expected if one != LabelSelector() else [*expected, len(found)])
