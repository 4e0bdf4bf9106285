"""ClusterNetworkPolicies in sets: random worlds against the naive evaluator, pair by pair; pods without addresses."""

from __future__ import annotations

import ipaddress
import itertools

import pytest
import yaml

from podwire.insight.reach.pod_classes import PodGroup
from podwire.insight.reach.reachability import Question, reachability
from podwire.insight.reach.tier_addresses import with_addresses
from podwire.policy.model import NamedPort, policy
from podwire.policy.tier_reading import cluster_policy as meaning_of
from podwire.policy.tiers import sorted_policies
from tests.insight.reach.test_reachability import bit_of
from tests.policy.cluster import cluster_policy, network_policy
from tests.policy.random_worlds import OUTSIDE, PROBES, UNSEEN, RandomWorld, addresses, random_world

ELSEWHERE = (*OUTSIDE, "8.8.8.8", "169.254.1.1")


def question(world: RandomWorld) -> Question:
    view = world.cluster().view
    groups = []
    for key, (labels, ports) in world.pods.items():
        named = (port.replace("=", "/").split("/") for port in ports.split())
        found = tuple(sorted(NamedPort(name, protocol, int(number)) for name, number, protocol in named))
        held = (tuple(map(ipaddress.ip_address, addresses(key).split())),)
        groups.append(PodGroup(key[0], {"pod": key[2], **labels}, found, addresses=held))
    tiers = sorted_policies(
        with_addresses(meaning_of(cluster_policy(key, yaml.safe_dump(spec))), view.tiers.addresses)
        for key, spec in world.cluster_policies.items()
    )
    return Question(
        groups,
        {name: {"kubernetes.io/metadata.name": name, **labels} for name, labels in world.namespaces.items()},
        [policy(network_policy(key, yaml.safe_dump(spec))) for key, spec in world.policies.items()],
        (4, 6),
        tiers=tiers,
    )


def judge(seed: int) -> None:
    world = random_world(seed)
    naive, answer = world.naive(), reachability(question(world))
    owners = {ip: number for number, key in enumerate(world.pods) for ip in addresses(key).split()}
    for source, destination in itertools.permutations((*owners, *ELSEWHERE), 2):
        left, right = ipaddress.ip_address(source), ipaddress.ip_address(destination)
        if left.version != right.version:
            continue
        family = answer.families[left.version]
        ends = bit_of(answer, family, left, owners.get(source)), bit_of(answer, family, right, owners.get(destination))
        allowed = family.matrix.between(*ends)
        for protocol, port in (*PROBES, *UNSEEN):
            expected = naive.allows(source, destination, protocol, port)
            found = family.matrix.ports.holds(allowed, protocol, port)
            assert found == expected, (seed, source, destination, protocol, port)


def test_each_pair_and_port_is_as_the_apis_say() -> None:
    for seed in range(12):
        judge(seed)


@pytest.mark.long
@pytest.mark.parametrize("start", range(10_000, 11_000, 100))
def test_each_pair_and_port_is_as_the_apis_say_a_thousand_times(start: int) -> None:
    for seed in range(start, start + 100):
        judge(seed)
