"""Announcements with real packets: who answers, failover, and what a restart leaves in place."""

from __future__ import annotations

import ipaddress

import pytest

from podwire.announcement import model
from podwire.announcement.announcer import Announcements
from tests.announcement import objects
from tests.announcement.network import SILENCE_SECONDS, Neighbourhood
from tests.sandbox import sandboxed

IPV4, IPV6 = "172.18.254.1", "fd00:172:18::fe:1"
BOTH = pytest.mark.parametrize("address", [IPV4, IPV6])
NAMES = ("node-1", "node-2", "node-3")


def owner(address: str, *names: str) -> str:
    return model.elected(ipaddress.ip_address(address), names or NAMES)


def announced(nodes: dict[str, Announcements]) -> dict[str, list[str]]:
    return {name: list(one.rows()) for name, one in nodes.items() if list(one.rows())}


@sandboxed
async def test_one_node_answers_for_each_address_and_the_others_take_over_when_it_dies() -> None:
    place = Neighbourhood(3)
    place.services.put(objects.balanced("web", IPV4, IPV6))
    async with place.serving(), place.announcing(*NAMES) as nodes:
        for address in (IPV4, IPV6):
            first = owner(address)
            assert [name for name, rows in announced(nodes).items() if any(address in row for row in rows)] == [first]
            assert await place.answer(address) == first
            others = [name for name in NAMES if name != first]
            place.disconnect(first)
            place.objects.put(objects.node(first, *place.node(first).addresses, ready=False))
            second = owner(address, *others)
            await place.learned(address, place.node(second).mac())  # without one packet of its own
            assert await place.answer(address) == second
            place.connect(first)
            place.objects.put(objects.node(first, *place.node(first).addresses))
            await place.answered_by(address, first)


@sandboxed
async def test_the_kernel_answers_without_an_agent_and_the_next_one_takes_away_what_is_not_its_own() -> None:
    place = Neighbourhood(1)
    place.services.put(objects.balanced("web", IPV4, IPV6))
    async with place.serving():
        async with place.announcing("node-1"):
            pass
        place.client.run("ip", "neighbour", "flush", "all")
        assert [await place.answer(IPV4), await place.answer(IPV6)] == ["node-1", "node-1"]
        place.services.put(objects.balanced("web", IPV6))
        place.node("node-1").run("ip", "neighbour", "add", "proxy", "172.18.254.9", "dev", "eth0")
        async with place.announcing("node-1") as nodes:
            assert announced(nodes) == {"node-1": [f"ND {IPV6} on eth0"]}
            place.client.run("ip", "neighbour", "flush", "all")
            assert [await place.answer(IPV4, SILENCE_SECONDS), await place.answer(IPV6)] == ["", "node-1"]
            foreign = place.node("node-1").run("ip", "neighbour", "show", "proxy").stdout
            assert "172.18.254.9" in foreign
            assert IPV4 not in foreign
            assert IPV4 not in place.node("node-1").run("ip", "route", "show").stdout


@sandboxed
async def test_a_local_service_is_announced_by_nodes_with_its_endpoints_only() -> None:
    place = Neighbourhood(2)
    place.services.put(objects.balanced("web", IPV4, local=True))
    place.slices.put(objects.slice_of("web", objects.endpoint("10.244.1.2", "node-1")))
    async with place.serving(), place.announcing("node-1", "node-2") as nodes:
        assert await place.answer(IPV4) == "node-1"
        place.slices.put(objects.slice_of("web", objects.endpoint("10.244.2.2", "node-2")))
        await place.answered_by(IPV4, "node-2")
        place.slices.put(objects.slice_of("web"))
        for one in nodes.values():
            await one.settle()
        place.client.run("ip", "neighbour", "flush", "all")
        assert await place.answer(IPV4, SILENCE_SECONDS) == ""


@sandboxed
async def test_a_node_that_was_not_ready_for_a_moment_calls_its_clients_back() -> None:
    place = Neighbourhood(1)
    place.services.put(objects.balanced("web", IPV4, IPV6))
    machine = place.node("node-1")
    async with place.announcing("node-1"):
        for address in (IPV4, IPV6):
            await place.answer(address, SILENCE_SECONDS)
            client = ("ip", "neighbour", "replace", address, "lladdr", "02:00:00:00:00:99", "dev", "eth0")
            place.client.run(*client, "nud", "reachable")
        place.objects.put(objects.node(machine.name, *machine.addresses, ready=False))
        place.objects.put(objects.node(machine.name, *machine.addresses))
        for address in (IPV4, IPV6):
            await place.learned(address, machine.mac())


@sandboxed
async def test_a_link_that_was_down_for_a_moment_announces_again() -> None:
    place = Neighbourhood(1)
    place.services.put(objects.balanced("web", IPV4))
    machine = place.node("node-1")
    async with place.serving(), place.announcing("node-1"):
        assert await place.answer(IPV4) == "node-1"
        machine.run("ip", "link", "set", "eth0", "down")
        assert IPV4 not in machine.run("ip", "neighbour", "show", "proxy").stdout
        machine.run("ip", "link", "set", "eth0", "up")
        place.client.run("ip", "neighbour", "flush", "all")
        assert await place.answer(IPV4) == "node-1"
