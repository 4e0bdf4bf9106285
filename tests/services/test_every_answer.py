"""Random Services and endpoints with real rules and packets: the pods that answer are those of an independent model.

The model is written from reference tables (kubernetes.io "Virtual IPs and Service Proxies"), not from the code under
test. One proxy goes through all cases, and is started again now and then: what a case leaves behind counts too.
"""

from __future__ import annotations

import asyncio
import ipaddress
import random
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from podwire.kube.discovery import Endpoint, EndpointConditions, EndpointHints, ForZone
from podwire.services.node_view import NodeView
from tests.sandbox import sandboxed
from tests.services.network import NODE_ADDRESS4, NODE_ADDRESS6, Client, Node, Outside, Pod, request
from tests.services.objects import NODE, node_at, service, slice_of

ADDRESSES = {
    4: {"cluster": "10.96.0.80", "balanced": "203.0.113.7", "external": "198.51.100.1", "node": NODE_ADDRESS4},
    6: {
        "cluster": "fd00:10:96::80",
        "balanced": "2001:db8:113::7",
        "external": "2001:db8:51::1",
        "node": NODE_ADDRESS6,
    },
}
RANGES = {4: ("10.244.0.0/16", "172.18.0.1/32", "172.18.0.2/31"), 6: ("fd00:10:244::/48", "fd00:172:18::1/128")}
CONDITIONS = [
    (True, True, False),
    (False, True, True),
    (False, False, True),
    (False, False, False),
    (False, True, False),
]
"""Ready, serving, terminating; the first one is as likely as all others together."""
REFUSED, DROPPED = "refused", "dropped"
TRIES = 5
DROPPED_SECONDS = 0.4


@dataclass(frozen=True)
class Place:
    """An endpoint: the pod, whether it is on this node, its state and its zones."""

    pod: str
    here: bool
    ready: bool
    serving: bool
    terminating: bool
    zones: tuple[str, ...]


@dataclass(frozen=True)
class Case:
    """One Service with its endpoints."""

    family: int
    internal: str
    external: str
    affinity: int
    ranges: tuple[str, ...]
    zone: str
    places: tuple[Place, ...]

    def service(self) -> object:
        found = ADDRESSES[self.family]
        return service(
            "web",
            found["cluster"],
            node_ports=(30080,),
            balanced=(found["balanced"],),
            external_ips=(found["external"],),
            affinity=self.affinity,
            internal_traffic_policy=self.internal,
            external_traffic_policy=self.external,
            load_balancer_source_ranges=self.ranges,
        )


def drawn(dice: random.Random) -> Case:
    family = dice.choice((4, 6))
    policies = ("Cluster", "Local")
    places = tuple(_place(dice, name) for name in dice.sample("abcd", dice.randint(0, 4)))
    ranges = tuple(dice.sample(RANGES[family], dice.randint(1, 2))) if dice.random() < 0.4 else ()
    internal, external = dice.choice(policies), dice.choice(policies)
    return Case(family, internal, external, dice.choice((0, 0, 60)), ranges, dice.choice(("", "x", "y")), places)


def _place(dice: random.Random, name: str) -> Place:
    conditions = CONDITIONS[0] if dice.random() < 0.5 else dice.choice(CONDITIONS)
    zones = tuple(dice.sample("xy", dice.choice((1, 1, 1, 2, 0))))
    return Place(name, dice.random() < 0.5, *conditions, zones)


def led_to(case: Case, scope: str, inside: bool, source: str) -> set[str]:
    """The model: the pods that may answer, or what happens instead."""
    if scope == "balanced" and case.ranges and not _admitted(case, source):
        return {DROPPED}
    usable = [one for one in case.places if one.ready or (one.serving and one.terminating)]
    policy = case.internal if scope == "cluster" else "Cluster" if inside else case.external
    if policy == "Local":
        local = [one for one in usable if one.here]
        chosen = [one for one in local if one.ready] or local
        return {one.pod for one in chosen} or {DROPPED if usable else REFUSED}
    ready = [one for one in usable if one.ready]
    hinted = [one for one in ready if case.zone and case.zone in one.zones]
    if hinted and all(one.zones for one in ready):
        ready = hinted
    return {one.pod for one in ready or usable} or {REFUSED}


def _admitted(case: Case, source: str) -> bool:
    return any(ipaddress.ip_address(source) in ipaddress.ip_network(one) for one in case.ranges)


class Bench:
    """A node, its pods, and the three kinds of clients."""

    def __init__(self, node: Node, pods: dict[str, Pod], client: Pod) -> None:
        self.node, self.pods, self.client = node, pods, client

    def put(self, case: Case) -> None:
        self.node.nodes.put(node_at(NODE_ADDRESS4, NODE_ADDRESS6, zone=case.zone))
        self.node.services.put(case.service())  # type: ignore[arg-type]
        ports = ("8080",)
        made = slice_of("web", *(self._endpoint(case, one) for one in case.places), ports=ports)
        if not case.places:
            made = slice_of("web", ports=ports)
        self.node.slices.put(made)

    def _endpoint(self, case: Case, place: Place) -> Endpoint:
        return Endpoint(
            addresses=(_address(self.pods[place.pod], case.family),),
            conditions=EndpointConditions(ready=place.ready, serving=place.serving, terminating=place.terminating),
            node_name="node-1" if place.here else "node-2",
            hints=EndpointHints(for_zones=tuple(ForZone(name=zone) for zone in place.zones)),
        )

    def questions(self, case: Case) -> Iterator[tuple[str, Client | None, str]]:
        """Scope, client, and the client's address."""
        outside = self.node.outside
        clients: list[tuple[Client, str]] = [
            (self.client, _address(self.client, case.family)),
            (outside, _address(outside, case.family)),
        ]
        for scope in ADDRESSES[case.family]:
            yield from ((scope, client, source) for client, source in clients)
            yield scope, None, ADDRESSES[case.family]["node"]

    async def check(self, case: Case) -> None:
        await asyncio.gather(*(self._check(case, *question) for question in self.questions(case)))

    async def _check(self, case: Case, scope: str, client: Client | None, source: str) -> None:
        inside = client is not self.node.outside
        expected = led_to(case, scope, inside, source)
        about = f"{case} {scope} from {source}: {expected}"
        address, port = ADDRESSES[case.family][scope], 30080 if scope == "node" else 80
        found = set()
        for _ in range(1 if DROPPED in expected else TRIES):
            try:
                answer = await request(client, address, port, seconds=DROPPED_SECONDS if DROPPED in expected else 30)
            except ConnectionRefusedError:
                found.add(REFUSED)
            except TimeoutError:
                found.add(DROPPED)
            else:
                found.add(answer.name)
                seen = inside or (scope != "cluster" and case.external == "Local")
                if client is not None:
                    assert (answer.caller == source) == seen, f"{about}: {answer.caller}"
        assert found <= expected, f"{about}, not {found}"
        if case.affinity:
            assert len(found) == 1, f"{about}: {found} in spite of affinity"


def _address(of: Pod | Outside, family: int) -> str:
    return of.address4 if family == 4 else of.address6


async def check_all(seed: int, count: int, restart_every: int) -> None:
    node = Node()
    bench = Bench(node, {name: await node.pod(name, 8080) for name in "abcd"}, await node.pod("client"))
    for found in ADDRESSES.values():
        node.outside.reach(*(address for scope, address in found.items() if scope != "node"))
    dice = random.Random(seed)
    view = NodeView(NODE.name, NODE.service_ranges, allow_external_ips=True)
    while count > 0:
        bench.put(drawn(dice))
        async with node.proxy(view) as proxy:
            for _ in range(min(restart_every, count)):
                case = drawn(dice)
                bench.put(case)
                await proxy.settle()
                await bench.check(case)
        count -= restart_every


@sandboxed
async def test_the_pods_that_answer_are_those_of_the_model() -> None:
    await check_all(seed=1, count=24, restart_every=8)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2, 5))
@sandboxed
async def test_the_pods_that_answer_in_many_more_cases(seed: int) -> None:
    await check_all(seed, count=100, restart_every=5)
