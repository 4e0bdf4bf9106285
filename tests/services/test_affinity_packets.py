"""Real packets of Services with session affinity."""

import asyncio
from typing import Any

import pytest

from podwire.kernel.nftables import Nftables
from podwire.services.ruleset import TABLE
from tests.sandbox import sandboxed
from tests.services.network import NODE_ADDRESS4, NODE_ADDRESS6, TCP, UDP, Client, Node, Pod, request, responders
from tests.services.objects import endpoint, service, slice_of

WEB4, WEB6, BALANCED4 = "10.96.0.80", "fd00:10:96::80", "203.0.113.7"
PORTS, TARGETS = ("a:tcp:80", "b:tcp:81", "u:udp:80"), ("a:tcp:8080", "b:tcp:8080", "u:udp:8080")
KINDS = pytest.mark.parametrize("kind", [TCP, UDP], ids=["tcp", "udp"])
LONG, SHORT = 3600, 1


def expose(node: Node, *pods: Pod, affinity: int = LONG, **spec: Any) -> None:
    spec |= {"node_ports": (30080, 30081, 30080), "balanced": (BALANCED4,), "affinity": affinity}
    node.services.put(service("web", WEB4, WEB6, ports=PORTS, **spec))
    four, six = ([endpoint(address, node="node-1") for address in of] for of in addresses(pods))
    node.slices.put(slice_of("web", *four, ports=TARGETS), slice_of("web", *six, ports=TARGETS, name="6"))


def addresses(pods: tuple[Pod, ...]) -> tuple[list[str], list[str]]:
    return [pod.address4 for pod in pods], [pod.address6 for pod in pods]


async def only(client: Client | None, address: str, port: int = 80, kind: int = TCP, times: int = 8) -> str:
    """The one who answers so many new connections."""
    (name,) = await responders(client, address, port, kind, times)
    return name


@sandboxed
async def test_a_client_stays_with_one_endpoint_and_clients_are_spread() -> None:
    node = Node()
    pods = [await node.pod(name, 8080) for name in "abc"]
    clients = [await node.pod(f"client{n}") for n in range(12)]
    expose(node, *pods)
    async with node.proxy():
        for address in (WEB4, WEB6):
            names = {await only(client, address, times=3) for client in clients}
            assert len(names) > 1, "12 clients choose one of three endpoints once in 200,000 runs"
            assert len({await only(client, address, times=3) for client in clients}) > 1
        assert await only(None, WEB4) in "abc"


@sandboxed
async def test_affinity_is_of_a_port_over_all_its_addresses() -> None:
    node = Node()
    pods = [await node.pod(name, 8080) for name in "abc"]
    clients = [await node.pod(f"client{n}") for n in range(10)]
    node.outside.reach(BALANCED4)
    expose(node, *pods)
    async with node.proxy():
        for client in (*clients, None, node.outside):
            name = await only(client, NODE_ADDRESS4, 30080, times=3)
            assert name == await only(client, BALANCED4, times=3)
            if client is not node.outside:
                assert name == await only(client, WEB4, times=3)
        other = [await only(client, WEB4, 81, times=2) for client in clients]
        assert other != [await only(client, WEB4, 80, times=2) for client in clients], "ports are apart (1 in 59,049)"


@sandboxed
async def test_it_stays_while_others_change_and_moves_when_its_endpoint_goes() -> None:
    node = Node()
    pods = {name: await node.pod(name, 8080) for name in "abcd"}
    clients = [await node.pod(f"client{n}") for n in range(8)]
    first = [pods[name] for name in "abc"]
    expose(node, *first)
    async with node.proxy() as proxy:
        before = [await only(client, WEB4, times=2) for client in clients]
        expose(node, *first, pods["d"])
        await proxy.settle()
        assert [await only(client, WEB4, times=2) for client in clients] == before
        gone = before[0]
        expose(node, *(pod for name, pod in pods.items() if name != gone))
        await proxy.settle()
        after = [await only(client, WEB4, times=3) for client in clients]
        assert gone not in after
        assert all(now == then for now, then in zip(after, before, strict=True) if then != gone)
    async with node.proxy():
        assert [await only(client, WEB4, times=2) for client in clients] == after, "a restart changes nothing"


@sandboxed
async def test_it_ends_some_time_after_the_last_connection_and_not_after_the_first() -> None:
    node = Node()
    pods = [await node.pod(name, 8080) for name in "abcdefgh"]
    client = await node.pod("client")
    expose(node, *pods, affinity=SHORT)
    nft = Nftables()
    async with node.proxy():
        for address in (WEB4, WEB6):
            async with asyncio.timeout(60):
                seen = {await only(client, address, times=1)}
                while len(seen) < 2:
                    await _forgotten(nft)
                    seen.add(await only(client, address, times=1))
    expose(node, *pods, affinity=2)
    async with node.proxy():
        async with asyncio.timeout(60):
            while not await _one_answers_for(client, seconds=3, pause=1):  # longer than the timeout of 2 s
                pass


async def _one_answers_for(client: Pod, seconds: float, pause: float) -> bool:
    """Connect again and again; False where this machine's other work made a pause that is too long to judge."""
    loop = asyncio.get_running_loop()
    start, names = loop.time(), set[str]()
    while loop.time() < start + seconds:
        began = loop.time()
        names.add((await request(client, WEB4)).name)
        await asyncio.sleep(0.1)
        if loop.time() > began + pause:
            return False
    assert len(names) == 1
    return True


async def _forgotten(nft: Nftables) -> None:
    """Wait until the kernel remembers no client."""
    while any(  # noqa: ASYNC110 - the kernel sets no event
        "elements" in nft.run(f"list map {TABLE} affinity{family}") for family in (4, 6)
    ):
        await asyncio.sleep(0.05)


@KINDS
@sandboxed
async def test_it_is_switched_on_and_off(kind: int) -> None:
    node = Node()
    pods = [await node.pod(name, 8080) for name in "abc"]
    client = await node.pod("client")
    expose(node, *pods, affinity=0)
    async with node.proxy() as proxy:
        assert await responders(client, WEB4, kind=kind) == set("abc")
        expose(node, *pods)
        await proxy.settle()
        assert await only(client, WEB4, kind=kind) in "abc"
        expose(node, *pods, affinity=0)
        await proxy.settle()
        assert await responders(client, WEB4, kind=kind) == set("abc")


@sandboxed
async def test_with_local_policy_clients_outside_stay_with_a_local_endpoint_and_are_seen() -> None:
    node = Node()
    a, b, far = await node.pod("a", 8080), await node.pod("b", 8080), await node.pod("far", 8080)
    expose(node, external_traffic_policy="Local")
    local = [endpoint(pod.address4, node="node-1") for pod in (a, b)]
    node.slices.put(slice_of("web", *local, endpoint(far.address4, node="node-2"), ports=TARGETS))
    async with node.proxy():
        assert await only(node.outside, NODE_ADDRESS4, 30080) in "ab"
        assert (await request(node.outside, NODE_ADDRESS4, 30080)).caller == node.outside.address4
        with pytest.raises(ConnectionRefusedError):
            await request(node.outside, NODE_ADDRESS6, 30080)


@sandboxed
async def test_without_endpoints_it_refuses_and_with_a_missing_one_it_draws_another() -> None:
    node = Node()
    a, client = await node.pod("a", 8080), await node.pod("client")
    expose(node)
    async with node.proxy() as proxy:
        with pytest.raises(ConnectionRefusedError):
            await request(client, WEB4)
        expose(node, a)
        await proxy.settle()
        assert await only(client, WEB4) == "a"
