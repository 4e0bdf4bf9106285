"""Policies of both kinds: the words of the APIs, the model, its rows and real packets agree, for random worlds."""

import itertools

import pytest

from podwire.kernel.namespaces import enter_network
from tests.policy.cluster import Cluster, address
from tests.policy.naive import NaiveCluster
from tests.policy.nftables_model import Packet, Table
from tests.policy.random_worlds import OUTSIDE, PROBES, UNSEEN, RandomWorld, addresses, random_world
from tests.policy.test_differential import renamed
from tests.policy.test_packets import Enforced
from tests.policy.wire import Probe, Wire
from tests.sandbox import sandboxed

PODS = [f"{n}/{p}" for n in "xyz" for p in "abc"]
ALL = (*(ip for key in PODS for ip in addresses(key).split()), *OUTSIDE, "8.8.8.8")


def judge(world: RandomWorld, seed: int) -> None:
    """Compare the three readings for each pair of addresses; pods of namespace z are on another node."""
    naive, cluster = world.naive(), world.cluster(here="xy")
    rows = Table(cluster.settle())
    local = {ip for key in PODS if key[0] != "z" for ip in addresses(key).split()}
    for source, destination in itertools.product(ALL, ALL):
        here = (source in local, destination in local)
        if (":" in source) != (":" in destination) or not any(here):
            continue
        for protocol, port in (*PROBES, *UNSEEN):
            allowed = naive.allows(source, destination, protocol, port)
            where = (seed, source, destination, protocol, port)
            verdict = cluster.verdict(source, destination, protocol, port)
            assert verdict.allowed == allowed, (where, verdict)
            answer = rows.passes(Packet(address(source), address(destination), protocol, port, *here))
            both = naive.agrees("egress", source, destination, protocol, port) or not here[0]
            both = both and (naive.agrees("ingress", destination, source, protocol, port) or not here[1])
            assert allowed <= answer <= (both or source == destination), (where, verdict)


def test_model_and_rows_are_what_the_apis_say() -> None:
    for seed in range(5):
        judge(random_world(seed), seed)


@pytest.mark.long
@pytest.mark.parametrize("start", range(1000, 4000, 20))
def test_model_and_rows_are_what_the_apis_say_thousands_of_times(start: int) -> None:
    for seed in range(start, start + 20):
        judge(random_world(seed), seed)


def hide(world: RandomWorld, seed: int) -> None:
    """Pods of another node that this one has not received yet get no more than once they are known."""
    naive, hidden = world.naive(), world.random.sample([key for key in PODS if key[0] == "z"], 2)
    cluster = world.cluster(here="xy", hidden=hidden)
    rows = Table(cluster.settle())
    local = [ip for key in PODS if key[0] != "z" for ip in addresses(key).split()]
    unknown = [ip for key in hidden for ip in addresses(key).split()]
    for pair, (protocol, port) in itertools.product(itertools.product(local, unknown), (*PROBES, *UNSEEN)):
        if (":" in pair[0]) != (":" in pair[1]):
            continue
        for direction, (source, destination) in (("egress", pair), ("ingress", pair[::-1])):
            where = (seed, source, destination, protocol, port)
            agreed = naive.agrees(direction, *pair, protocol, port)
            ends = Packet(address(source), address(destination), protocol, port, source in local, source not in local)
            assert rows.passes(ends) <= agreed, where
            judged = cluster.verdict(source, destination, protocol, port)
            assert (judged.egress if direction == "egress" else judged.ingress).allowed == rows.passes(ends), where


def test_pods_that_are_not_known_yet_get_no_more_than_known_ones() -> None:
    for seed in range(6):
        hide(random_world(seed), seed)


@pytest.mark.long
@pytest.mark.parametrize("start", range(1000, 4000, 100))
def test_pods_that_are_not_known_yet_get_no_more_than_known_ones_thousands_of_times(start: int) -> None:
    for seed in range(start, start + 100):
        hide(random_world(seed), seed)


@pytest.mark.parametrize("seed", range(10))
def test_changes_in_any_order_end_in_the_same_rows(seed: int) -> None:
    old, new = random_world(seed), random_world(seed + 500)
    cluster = old.cluster(here="xy")
    cluster.settle()
    steps = new.objects(here="xy")
    new.random.shuffle(steps)
    for step in steps:
        cluster.add(step)
        if new.random.random() < 0.5:
            cluster.settle()
    new.learn(cluster)
    kept = {item.key for item in steps}
    cluster.remove(*(one for one in cluster.policies() if one.key not in kept))
    cluster.remove(*(one for one in cluster.cluster_policies() if one.key not in kept))
    fresh = new.cluster(here="xy")
    assert renamed(cluster.settle(), cluster.numbers) == renamed(fresh.settle(), fresh.numbers)


def expectation(naive: NaiveCluster) -> tuple[list[Probe], set[Probe]]:
    """Every pair of pods, and pods with the machine outside, in both families."""
    probes, expected = [], set()
    ends = {**{key: addresses(key).split() for key in PODS}, "outside": list(OUTSIDE)}
    for (protocol, port), (source, mine), (other, its) in itertools.product(PROBES, ends.items(), ends.items()):
        if source == other:
            continue
        for left, right in zip(mine, its, strict=True):
            probe = Probe(source, right, protocol, port)
            probes.append(probe)
            if naive.allows(left, right, protocol, port):
                expected.add(probe)
    return probes, expected


async def enforce(kernel: Enforced, world: RandomWorld) -> Cluster:
    cluster = world.cluster()
    await kernel.enforce(cluster)
    return cluster


async def packets(seeds: range) -> None:
    wire = Wire({key: addresses(key) for key in PODS})
    wire.plug("outside", " ".join(OUTSIDE), "eth9")
    enter_network(wire.node.path)
    kernel = Enforced()
    failures: list[str] = []
    for seed in seeds:
        world = random_world(seed)
        await enforce(kernel, world)
        probes, expected = expectation(world.naive())
        reached = wire.reached(probes, expected)
        failures += [f"seed {seed}: denied but reached {p}" for p in reached - expected]
        failures += [f"seed {seed}: allowed but not reached {p}" for p in expected - reached]
    assert not failures, "\n".join(failures[:20])


@sandboxed
async def test_packets_are_what_the_apis_say() -> None:
    """skyhook-io/radar #1747: an evaluator of policies was wrong on real clusters."""
    await packets(range(3))


@pytest.mark.long
@pytest.mark.parametrize("start", range(2000, 2400, 20))
@sandboxed
async def test_packets_are_what_the_apis_say_hundreds_of_times(start: int) -> None:
    await packets(range(start, start + 20))
