"""Random writes of Services: after each, what is taken is what the stored Services have, and nothing twice."""

from __future__ import annotations

import random
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from podwire.apiserver.base.requests import Response
from podwire.apiserver.main import running
from tests.apiserver.conftest import Files, Talk, configuration

Object = dict[str, Any]

SERVICES = "/api/v1/namespaces/default/services"
MERGE = "application/merge-patch+json"
NAMES = [f"s{number}" for number in range(8)]
FIRST, LAST = 30000, 30024
TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
POLICIES = ("SingleStack", "PreferDualStack", "RequireDualStack")


def wanted(chance: random.Random) -> Object:
    """A spec, or a change of one, in which each field may be absent, given or removed."""
    spec: Object = {"type": chance.choice(TYPES)}
    if spec["type"] == "ExternalName":
        spec["externalName"] = "example.com"
    maybe: dict[str, tuple[Any, ...]] = {
        "ipFamilyPolicy": (*POLICIES, None),
        "ipFamilies": (["IPv4"], ["IPv6"], ["IPv6", "IPv4"], None),
        "clusterIP": ("None", "", f"10.96.0.{chance.randrange(2, 12)}", None),
        "clusterIPs": (None,),
        "externalTrafficPolicy": ("Cluster", "Local", None),
        "healthCheckNodePort": (chance.randint(FIRST, LAST + 2), None),
        "allocateLoadBalancerNodePorts": (True, False, None),
    }
    spec |= {name: chance.choice(values) for name, values in maybe.items() if chance.random() < 0.2}
    return spec


def ports(chance: random.Random) -> list[Object]:
    chosen = chance.sample([(80, "TCP"), (80, "UDP"), (81, "TCP"), (53, "UDP")], chance.randint(1, 3))
    given: list[Object] = [
        {"name": f"{proto.lower()}-{port}", "port": port, "protocol": proto} for port, proto in chosen
    ]
    for port in given:
        if chance.random() < 0.3:
            port["nodePort"] = chance.randint(FIRST - 1, LAST + 1)
    return given


async def write(talk: Talk, chance: random.Random) -> int:
    """One random write; returns its code."""
    name, dry = chance.choice(NAMES), chance.choice(("", "", "?dryRun=All"))
    spec = wanted(chance)
    kind = chance.choice(("delete", "create", "change", "change"))
    if kind == "delete":
        return (await talk.response("DELETE", f"{SERVICES}/{name}{dry}"))[0]
    if kind == "create" or chance.random() < 0.5:
        spec["ports"] = ports(chance)
    if kind == "create":
        return (await talk.response("POST", f"{SERVICES}{dry}", {"metadata": {"name": name}, "spec": spec}))[0]
    return (await talk.response("PATCH", f"{SERVICES}/{name}{dry}", {"spec": spec}, content_type=MERGE))[0]


async def taken(talk: Talk, noun: str) -> int:
    """How many numbers the allocator counts as taken."""
    answer = await talk.answer("GET", "/metrics")
    assert isinstance(answer, Response)
    families = text_string_to_metric_families(answer.body.decode())
    samples = [sample for family in families for sample in family.samples]
    return sum(int(sample.value) for sample in samples if sample.name.endswith(f"allocator_allocated_{noun}"))


async def held(talk: Talk) -> tuple[list[int], list[str]]:
    """The node ports and addresses of stored Services: of each Service once, of several as often as they have it."""
    numbers: list[int] = []
    addresses: list[str] = []
    for service in (await talk.ok("GET", "/api/v1/services"))["items"]:
        spec = service["spec"]
        own = {port["nodePort"] for port in spec.get("ports", ()) if "nodePort" in port}
        if spec["type"] == "ExternalName":
            own = set()  # what a client writes there is not allocated
        numbers += own | ({spec["healthCheckNodePort"]} if spec.get("healthCheckNodePort") else set())
        addresses += [address for address in spec.get("clusterIPs", ()) if address != "None"]
    return numbers, addresses


@pytest.mark.parametrize("seed", [2, 9])
async def test_nothing_is_lost_and_nothing_is_given_twice(files: Files, seed: int) -> None:
    await write_randomly(files, seed)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 160))
async def test_nothing_is_lost_and_nothing_is_given_twice_by_many_writes(files: Files, seed: int) -> None:
    await write_randomly(files, seed)


async def write_randomly(files: Files, seed: int) -> None:
    """150 writes, each followed by the comparison."""
    chance = random.Random(seed)
    codes: set[int] = set()
    ranges = ("10.96.0.0/28", "fd00:10:96::/124")
    async with running(configuration(files, service_ranges=ranges, node_port_range=(FIRST, LAST))) as server:
        talk = Talk(server)
        for _ in range(150):
            codes.add(await write(talk, chance))
            numbers, addresses = await held(talk)
            assert len(numbers) == len(set(numbers)) == await taken(talk, "ports")
            assert len(addresses) == len(set(addresses)) == await taken(talk, "ips")
            objects = (await talk.ok("GET", "/apis/networking.k8s.io/v1/ipaddresses"))["items"]
            assert {one["metadata"]["name"] for one in objects} == set(addresses)
    assert {200, 201, 404, 422} <= codes <= {200, 201, 404, 409, 422, 500}
