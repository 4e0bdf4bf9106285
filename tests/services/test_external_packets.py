"""Real packets to node ports, balanced and external addresses: from pods, from the node itself, and from outside."""

from typing import Any

import pytest

from podwire.kube.services import LoadBalancerIngress
from podwire.services.node_view import NodeView
from tests.sandbox import sandboxed
from tests.services.network import (
    NODE_ADDRESS4,
    NODE_ADDRESS6,
    SILENCE_SECONDS,
    TCP,
    UDP,
    Node,
    Pod,
    request,
    responders,
)
from tests.services.objects import endpoint, node_at, service, slice_of

CLUSTER4, CLUSTER6 = "10.96.0.80", "fd00:10:96::80"
BALANCED4, BALANCED6 = "203.0.113.7", "2001:db8:113::7"
PORTS, TARGETS, NODE_PORTS = ("tcp:80", "udp:80"), ("tcp:8080", "udp:8080"), (30080, 30080)
KINDS = pytest.mark.parametrize("kind", [TCP, UDP], ids=["tcp", "udp"])
GONE = "10.244.9.9"
"""A backend on another node: no packet to it is ever answered."""


def expose(node: Node, *pods: Pod, elsewhere: bool = False, **spec: Any) -> None:
    """A Service of type LoadBalancer in both families, over TCP and UDP, with these pods of the node behind it."""
    node.services.put(
        service(
            "web", CLUSTER4, CLUSTER6,
            ports=PORTS, node_ports=NODE_PORTS, balanced=(BALANCED4, BALANCED6), type="LoadBalancer", **spec,
        )
    )  # fmt: skip
    four = [endpoint(pod.address4, node="node-1") for pod in pods] + [endpoint(GONE)] * elsewhere
    six = [endpoint(pod.address6, node="node-1") for pod in pods] + [endpoint("fd00:10:244:9::9")] * elsewhere
    node.slices.put(slice_of("web", *four, ports=TARGETS), slice_of("web", *six, ports=TARGETS, name="6"))


@KINDS
@sandboxed
async def test_node_ports_and_balanced_addresses_lead_to_endpoints_from_everywhere(kind: int) -> None:
    node = Node()
    a, b, client = await node.pod("a", 8080), await node.pod("b", 8080), await node.pod("client")
    node.outside.reach(BALANCED4, BALANCED6)
    expose(node, a, b)
    async with node.proxy():
        for sender in (client, None, node.outside):
            for address in (NODE_ADDRESS4, NODE_ADDRESS6):
                assert await responders(sender, address, 30080, kind) == {"a", "b"}
            for address in (BALANCED4, BALANCED6):
                assert await responders(sender, address, 80, kind) == {"a", "b"}


@KINDS
@sandboxed
async def test_the_client_is_hidden_by_the_policy_cluster_and_seen_by_local(kind: int) -> None:
    node = Node()
    a, client = await node.pod("a", 8080), await node.pod("client")
    node.outside.reach(BALANCED4, BALANCED6)
    expose(node, a)
    ways = [(NODE_ADDRESS4, 30080), (NODE_ADDRESS6, 30080), (BALANCED4, 80), (BALANCED6, 80)]
    ours = {node.outside.address4, node.outside.address6}
    async with node.proxy() as proxy:
        for address, port in ways:
            assert (await request(node.outside, address, port, kind)).caller not in ours
            assert (await request(client, address, port, kind)).caller in {client.address4, client.address6}
        expose(node, a, external_traffic_policy="Local")
        await proxy.settle()
        for address, port in ways:
            assert (await request(node.outside, address, port, kind)).caller in ours
            assert (await request(client, address, port, kind)).caller in {client.address4, client.address6}


@KINDS
@sandboxed
async def test_local_uses_local_endpoints_from_outside_alone_and_drops_without_any(kind: int) -> None:
    node = Node()
    a, client = await node.pod("a", 8080), await node.pod("client")
    node.outside.reach(BALANCED4, BALANCED6)
    expose(node, a, elsewhere=True, external_traffic_policy="Local")
    async with node.proxy() as proxy:
        for address, port in ((NODE_ADDRESS4, 30080), (BALANCED6, 80)):
            assert await responders(node.outside, address, port, kind) == {"a"}
        expose(node, elsewhere=True, external_traffic_policy="Local")
        await proxy.settle()
        for address, port in ((NODE_ADDRESS4, 30080), (BALANCED6, 80)):
            with pytest.raises(TimeoutError):
                await request(node.outside, address, port, kind, seconds=SILENCE_SECONDS)
        expose(node, external_traffic_policy="Local")
        await proxy.settle()
        for address, port in ((NODE_ADDRESS4, 30080), (BALANCED6, 80)):
            with pytest.raises(ConnectionRefusedError):
                await request(node.outside, address, port, kind)
            with pytest.raises(ConnectionRefusedError):
                await request(client, address, port, kind)


@sandboxed
async def test_local_from_pods_and_the_node_itself_means_all_endpoints() -> None:
    node = Node()
    far, client = await node.pod("far", 8080), await node.pod("client")
    expose(node, external_traffic_policy="Local")
    node.slices.put(slice_of("web", endpoint(far.address4, node="node-2"), ports=TARGETS))
    async with node.proxy():
        for sender in (client, None):
            for address, port in ((NODE_ADDRESS4, 30080), (BALANCED4, 80)):
                assert (await request(sender, address, port)).name == "far"
        with pytest.raises(TimeoutError):
            await request(node.outside, NODE_ADDRESS4, 30080, seconds=SILENCE_SECONDS)


@sandboxed
async def test_internal_policy_local_counts_for_the_cluster_ip_alone() -> None:
    node = Node()
    a, far, client = await node.pod("a", 8080), await node.pod("far", 8080), await node.pod("client")
    expose(node, internal_traffic_policy="Local")
    both = [endpoint(a.address4, node="node-1"), endpoint(far.address4, node="node-2")]
    node.slices.put(slice_of("web", *both, ports=TARGETS))
    async with node.proxy() as proxy:
        assert await responders(client, CLUSTER4) == {"a"}
        assert await responders(None, CLUSTER4) == {"a"}
        assert await responders(client, NODE_ADDRESS4, 30080) == {"a", "far"}
        node.slices.put(slice_of("web", both[1], ports=TARGETS))
        await proxy.settle()
        for sender in (client, None):
            with pytest.raises(TimeoutError):
                await request(sender, CLUSTER4, seconds=SILENCE_SECONDS)
        assert (await request(client, BALANCED4)).name == "far"


@sandboxed
async def test_node_ports_are_on_primary_addresses_unless_ranges_are_given_and_never_on_loopback() -> None:
    node = Node()
    a, client = await node.pod("a", 8080), await node.pod("client")
    node.add_address("172.31.0.2/16", "fd00:31::2/64")
    expose(node, a)
    requested = [
        (client, NODE_ADDRESS4),
        (client, "172.31.0.2"),
        (client, "fd00:31::2"),
        (None, "127.0.0.1"),
        (None, "::1"),
    ]

    async def answered() -> list[str]:
        found = []
        for sender, address in requested:
            try:
                found.append(f"{address} {(await request(sender, address, 30080)).name}")
            except ConnectionRefusedError:
                found.append(f"{address} -")
        return found

    async with node.proxy():
        assert await answered() == [f"{NODE_ADDRESS4} a", "172.31.0.2 -", "fd00:31::2 -", "127.0.0.1 -", "::1 -"]
    async with node.proxy(NodeView("node-1", nodeport_addresses=("172.31.0.0/16", "::/0"))):
        assert await answered() == [f"{NODE_ADDRESS4} -", "172.31.0.2 a", "fd00:31::2 a", "127.0.0.1 -", "::1 -"]
    async with node.proxy(NodeView("node-1", nodeport_addresses=("0.0.0.0/0", "::/0"))):
        assert await answered() == [f"{NODE_ADDRESS4} a", "172.31.0.2 a", "fd00:31::2 a", "127.0.0.1 -", "::1 -"]


@sandboxed
async def test_a_node_port_follows_the_addresses_of_the_node() -> None:
    node = Node()
    a, client = await node.pod("a", 8080), await node.pod("client")
    node.add_address("172.31.0.2/16")
    expose(node, a)
    async with node.proxy() as proxy:
        with pytest.raises(ConnectionRefusedError):
            await request(client, "172.31.0.2", 30080)
        node.nodes.put(node_at("172.31.0.2"))
        await proxy.settle()
        assert (await request(client, "172.31.0.2", 30080)).name == "a"
        with pytest.raises(ConnectionRefusedError):
            await request(client, NODE_ADDRESS4, 30080)


@sandboxed
async def test_only_admitted_sources_reach_a_balanced_address_and_everyone_the_node_port() -> None:
    node = Node()
    a, client = await node.pod("a", 8080), await node.pod("client")
    node.outside.reach(BALANCED4, BALANCED6)
    for policy in ("Cluster", "Local"):
        admits_outside = (f"{node.outside.address4}/32", f"{node.outside.address6}/128")
        expose(node, a, external_traffic_policy=policy, load_balancer_source_ranges=admits_outside)
        async with node.proxy() as proxy:
            for address in (BALANCED4, BALANCED6):
                assert (await request(node.outside, address, 80)).name == "a"
                with pytest.raises(TimeoutError):
                    await request(client, address, 80, seconds=SILENCE_SECONDS)
            pods = ("10.244.0.0/16", "fd00:10:244::/48")
            expose(node, a, external_traffic_policy=policy, load_balancer_source_ranges=pods)
            await proxy.settle()
            for address, port in ((BALANCED4, 80), (BALANCED6, 80), (NODE_ADDRESS4, 30080), (CLUSTER4, 80)):
                assert (await request(client, address, port)).name == "a"
            assert (await request(node.outside, NODE_ADDRESS4, 30080)).name == "a"
            for address in (BALANCED4, BALANCED6):
                with pytest.raises(TimeoutError):
                    await request(node.outside, address, 80, seconds=SILENCE_SECONDS)


@sandboxed
async def test_ranges_of_the_other_family_admit_no_client() -> None:
    node = Node()
    a, client = await node.pod("a", 8080), await node.pod("client")
    expose(node, a, load_balancer_source_ranges=("10.244.0.0/16",))
    async with node.proxy():
        assert (await request(client, BALANCED4)).name == "a"
        with pytest.raises(TimeoutError):
            await request(client, BALANCED6, seconds=SILENCE_SECONDS)


@sandboxed
async def test_external_addresses_are_taken_only_where_the_agent_allows_them() -> None:
    node = Node()
    a, client = await node.pod("a", 8080), await node.pod("client")
    await node.beyond("198.51.100.1", 80)
    expose(node, a, external_ips=("198.51.100.1",))
    async with node.proxy():
        assert (await request(client, "198.51.100.1")).name == "beyond"
    async with node.proxy(NodeView("node-1", allow_external_ips=True)):
        assert (await request(client, "198.51.100.1")).name == "a"


@sandboxed
async def test_other_ports_of_a_balanced_address_are_refused_and_those_of_the_node_are_its_own() -> None:
    node = Node()
    a, client = await node.pod("a", 8080), await node.pod("client")
    node.outside.reach(BALANCED4, CLUSTER4)
    expose(node, a)
    async with node.proxy():
        for sender in (client, None, node.outside):
            for address in (BALANCED4, CLUSTER4):
                with pytest.raises(ConnectionRefusedError):
                    await request(sender, address, 81)
        assert (await request(node.outside, CLUSTER4)).caller != node.outside.address4


@sandboxed
async def test_a_pod_reaches_itself_from_every_frontend() -> None:
    node = Node()
    a = await node.pod("a", 8080)
    for policy in ("Cluster", "Local"):
        expose(node, a, external_traffic_policy=policy)
        async with node.proxy():
            for address, port in ((NODE_ADDRESS4, 30080), (NODE_ADDRESS6, 30080), (BALANCED4, 80), (BALANCED6, 80)):
                assert (await request(a, address, port)).name == "a"


@sandboxed
async def test_a_balancer_that_is_a_proxy_is_really_passed() -> None:
    node = Node()
    a, client = await node.pod("a", 8080), await node.pod("client")
    await node.beyond(BALANCED4, 80)
    for mode, name in (("Proxy", "beyond"), ("VIP", "a"), (None, "a")):
        balanced = (LoadBalancerIngress(ip=BALANCED4, ip_mode=mode),)
        node.services.put(service("web", CLUSTER4, balanced=balanced))
        node.slices.put(slice_of("web", endpoint(a.address4, node="node-1")))
        async with node.proxy():
            assert (await request(client, BALANCED4)).name == name
