"""Real packets through services.nft."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from podwire.kernel.nftables import Nftables
from podwire.kube.core import ContainerPort
from podwire.kube.meta import NamespacedName, ObjectMeta
from podwire.kube.networking import ServiceCIDR, ServiceCIDRSpec
from podwire.services.pool_row import PoolRow
from podwire.services.rows import FlowsRow
from podwire.services.ruleset import TABLE
from tests.sandbox import sandboxed
from tests.services.network import SILENCE_SECONDS, TCP, UDP, Node, Pod, opened, request, request_from, responders
from tests.services.objects import endpoint, node_at, pod_with_ports, service, slice_of

WEB4, WEB6 = "10.96.0.80", "fd00:10:96::80"
BOTH = ("tcp:80", "udp:80")
BOTH_TARGETS = ("tcp:8080", "udp:8080")
FAMILIES = pytest.mark.parametrize("address", [WEB4, WEB6], ids=["ipv4", "ipv6"])
KINDS = pytest.mark.parametrize("kind", [TCP, UDP], ids=["tcp", "udp"])


def lead_to(node: Node, *pods: Pod) -> None:
    """The Service `web` with these pods as its endpoints, in both families, over TCP and UDP."""
    node.services.put(service("web", WEB4, WEB6, ports=BOTH))
    node.slices.put(
        slice_of("web", *(pod.address4 for pod in pods), ports=BOTH_TARGETS),
        slice_of("web", *(pod.address6 for pod in pods), ports=BOTH_TARGETS, name="6"),
    )


@KINDS
@sandboxed
async def test_pods_and_the_node_reach_every_endpoint_in_both_families(kind: int) -> None:
    node = Node()
    a, b, client = await node.pod("a", 8080), await node.pod("b", 8080), await node.pod("client")
    lead_to(node, a, b)
    async with node.proxy():
        for address in (WEB4, WEB6):
            assert await responders(client, address, kind=kind) == {"a", "b"}
            assert await responders(None, address, kind=kind) == {"a", "b"}
            assert (await request(client, address, kind=kind)).caller in {client.address4, client.address6}


@sandboxed
async def test_only_ready_endpoints_are_used_and_changes_are_followed() -> None:
    node = Node()
    a, b, client = await node.pod("a", 8080), await node.pod("b", 8080), await node.pod("client")
    node.services.put(service("web", WEB4))
    node.slices.put(slice_of("web", endpoint(a.address4), endpoint(b.address4, ready=False)))
    async with node.proxy() as proxy:
        assert await responders(client, WEB4) == {"a"}
        node.slices.put(slice_of("web", endpoint(a.address4, ready=False), endpoint(b.address4)))
        await proxy.settle()
        assert await responders(client, WEB4) == {"b"}


@KINDS
@FAMILIES
@sandboxed
async def test_a_pod_reaches_itself_through_its_service(address: str, kind: int) -> None:
    node = Node()
    a = await node.pod("a", 8080)
    node.services.put(service("web", WEB4, WEB6, ports=BOTH))
    node.slices.put(
        slice_of("web", endpoint(a.address4, node="node-1"), ports=BOTH_TARGETS),
        slice_of("web", endpoint(a.address6, node="node-1"), ports=BOTH_TARGETS, name="6"),
    )
    async with node.proxy():
        answer = await request(a, address, kind=kind)
    assert answer.name == "a"
    assert answer.caller not in {a.address4, a.address6}


@KINDS
@FAMILIES
@sandboxed
async def test_without_endpoints_and_at_unknown_ports_connections_are_refused_at_once(address: str, kind: int) -> None:
    node = Node()
    a, client = await node.pod("a", 8080), await node.pod("client")
    lead_to(node, a)
    # A datagram of the node's own is refused by the send call itself.
    refused_on_node = ConnectionRefusedError if kind == TCP else PermissionError
    async with node.proxy() as proxy:
        with pytest.raises(ConnectionRefusedError):
            await request(client, address, 81, kind)
        with pytest.raises(refused_on_node):
            await request(None, address, 81, kind)
        assert (await request(client, address, 80, kind)).name == "a"
        lead_to(node)
        await proxy.settle()
        with pytest.raises(ConnectionRefusedError):
            await request(client, address, 80, kind)
        with pytest.raises(refused_on_node):
            await request(None, address, 80, kind)


@sandboxed
async def test_nothing_leaves_the_node_for_an_address_that_no_service_has() -> None:
    node = Node()
    client = await node.pod("client")
    await node.beyond("10.96.0.99", 80)
    assert (await request(client, "10.96.0.99")).name == "beyond"
    async with node.proxy():
        with pytest.raises(TimeoutError):
            await request(client, "10.96.0.99", seconds=SILENCE_SECONDS)


@sandboxed
async def test_ranges_that_are_added_later_are_closed_too() -> None:
    node = Node()
    client = await node.pod("client")
    await node.beyond("10.97.0.99", 80)
    added = ServiceCIDR(metadata=ObjectMeta(name="more"), spec=ServiceCIDRSpec(cidrs=("10.97.0.0/16",)))
    async with node.proxy() as proxy:
        assert (await request(client, "10.97.0.99")).name == "beyond"
        node.service_cidrs.put(added)
        await proxy.settle()
        with pytest.raises(TimeoutError):
            await request(client, "10.97.0.99", seconds=SILENCE_SECONDS)
        node.service_cidrs.remove(added)
        await proxy.settle()
        assert (await request(client, "10.97.0.99")).name == "beyond"


@sandboxed
async def test_a_missing_slot_drops_the_connection() -> None:
    node = Node()
    a, client = await node.pod("a", 8080), await node.pod("client")
    await node.beyond(WEB4, 80)
    lead_to(node, a)
    async with node.proxy():
        assert (await request(client, WEB4)).name == "a"
        pool = next(row.pool for batch in node.batches for row in batch.upserts if isinstance(row, PoolRow))
        Nftables().run(f"delete element {TABLE} endpoint4 {{ {pool} . tcp . 0 }}")
        with pytest.raises(TimeoutError):
            await request(client, WEB4, seconds=SILENCE_SECONDS)


@FAMILIES
@sandboxed
async def test_a_client_that_keeps_sending_moves_on_when_its_endpoint_goes_and_others_stay(address: str) -> None:
    node = Node()
    a, b, client = await node.pod("a", 8080), await node.pod("b", 8080), await node.pod("client")
    lead_to(node, a, b)
    async with node.proxy() as proxy:
        flows = [opened(client, address, UDP) for _ in range(20)]
        before = [(await request_from(flow, address)).name for flow in flows]
        assert set(before) == {"a", "b"}
        ports = [flow.getsockname()[1] for flow in flows]
        healthy = {port for port, name in zip(ports, before, strict=True) if name == "b"}
        lead_to(node, b)
        await proxy.settle()
        assert {flow.source_port for flow in node.datagrams(address)} == healthy
        assert {(await request_from(flow, address)).name for flow in flows} == {"b"}


@sandboxed
async def test_datagrams_to_a_deleted_service_reach_no_pod() -> None:
    node = Node()
    a, client = await node.pod("a", 8080), await node.pod("client")
    lead_to(node, a)
    async with node.proxy() as proxy:
        flow = opened(client, WEB4, UDP)
        assert (await request_from(flow, WEB4)).name == "a"
        node.services.remove(service("web", WEB4, WEB6))
        await proxy.settle()
        with pytest.raises(TimeoutError):
            await request_from(flow, WEB4, seconds=SILENCE_SECONDS)
        lead_to(node, a)
        await proxy.settle()
        assert (await request_from(flow, WEB4)).name == "a"


@sandboxed
async def test_an_endpoint_that_ends_gets_no_new_datagrams_but_answers_the_old_ones() -> None:
    node = Node()
    a, b, client = await node.pod("a", 8080), await node.pod("b", 8080), await node.pod("client")
    lead_to(node, a)
    async with node.proxy() as proxy:
        flow = opened(client, WEB4, UDP)
        assert (await request_from(flow, WEB4)).name == "a"
        ending = endpoint(a.address4, ready=False, serving=True)
        node.slices.put(slice_of("web", ending, b.address4, ports=BOTH_TARGETS))
        await proxy.settle()
        assert (await request_from(flow, WEB4)).name == "a"
        assert await responders(client, WEB4, kind=UDP) == {"b"}


@sandboxed
async def test_more_endpoints_than_exact_chains_are_all_drawn() -> None:
    node = Node()
    a, client = await node.pod("a", 8080), await node.pod("client")
    addresses = [f"10.244.9.{number}" for number in range(1, 71)]
    node.route("10.244.9.0/24", a)
    a.add_address(*addresses)
    node.services.put(service("web", WEB4))
    node.slices.put(slice_of("web", *addresses[:40]), slice_of("web", *addresses[40:], name="2"))
    async with node.proxy():
        seen = {(await request(client, WEB4)).address for _ in range(300)}
    assert len(seen) > 60, "300 draws from 70 miss more than 9 about never"


@sandboxed
async def test_a_restart_writes_nothing_and_drops_no_connection() -> None:
    node = Node()
    a, b, client = await node.pod("a", 8080), await node.pod("b", 8080), await node.pod("client")
    lead_to(node, a, b)
    async with node.proxy():
        pass
    node.batches.clear()
    async with traffic(client) as answers:
        async with node.proxy():
            answers.clear()
            assert await responders(client, WEB4) == {"a", "b"}
        assert set(answers) == {"a", "b"}
    written = [row for batch in node.batches for row in (*batch.upserts, *batch.removals)]
    assert not [row for row in written if not isinstance(row, FlowsRow)], "elements that existed already"


@sandboxed
async def test_what_changed_while_the_proxy_was_away_is_made_up_for() -> None:
    node = Node()
    a, b, client = await node.pod("a", 8080), await node.pod("b", 8080), await node.pod("client")
    lead_to(node, a)
    async with node.proxy():
        flow = opened(client, WEB4, UDP)
        assert (await request_from(flow, WEB4)).name == "a"
    lead_to(node, b)
    async with node.proxy():
        assert (await request_from(flow, WEB4)).name == "b"
        assert await responders(client, WEB4) == {"b"}


@sandboxed
async def test_a_flow_from_before_there_were_rules_does_not_hide_the_service() -> None:
    node = Node()
    a, client = await node.pod("a", 8080), await node.pod("client")
    node.track()
    flow = opened(client, WEB4, UDP)
    with pytest.raises(TimeoutError):
        await request_from(flow, WEB4, seconds=SILENCE_SECONDS)
    lead_to(node, a)
    async with node.proxy():
        assert (await request_from(flow, WEB4)).name == "a"


@sandboxed
async def test_a_table_that_somebody_flushed_is_loaded_and_filled_again() -> None:
    node = Node()
    a, b, client = await node.pod("a", 8080), await node.pod("b", 8080), await node.pod("client")
    lead_to(node, a)
    async with node.proxy() as proxy:
        Nftables().run(f"delete table {TABLE}")
        lead_to(node, a, b)
        await proxy.settle()
        assert await responders(client, WEB4) == {"a", "b"}


@sandboxed
async def test_no_mark_is_left_behind() -> None:
    node = Node()
    a, client = await node.pod("a", 8080), await node.pod("client")
    lead_to(node, a)
    Nftables().run("""table inet watch {
        counter seen { }
        counter marked { }
        chain judge { meta l4proto != tcp return; counter name seen; meta mark != 0 counter name marked; }
        chain prerouting { type filter hook prerouting priority -99; jump judge; }
        chain output { type filter hook output priority -99; jump judge; }
    }""")
    async with node.proxy():
        for sender in (client, None):
            for address in (WEB4, WEB6):
                await request(sender, address)
                with pytest.raises(ConnectionRefusedError):
                    await request(sender, address, 81)
    assert "packets 0 " in Nftables().run("list counter inet watch marked")
    assert "packets 0 " not in Nftables().run("list counter inet watch seen")


@contextlib.asynccontextmanager
async def traffic(client: Pod) -> AsyncIterator[list[str]]:
    """New connections to the Service one after the other; one that fails fails the test."""
    answers: list[str] = []

    async def keep_requesting() -> None:
        while True:
            answers.append((await request(client, WEB4)).name)

    task = asyncio.create_task(keep_requesting())
    yield answers
    assert not task.done(), task.exception()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


MARKS = """
table inet foreign {
    counter kept { }
    counter lost { }
    chain before { type filter hook prerouting priority mangle; meta mark set 0x4000 ct mark set 0x51820; }
    chain here { type route hook output priority mangle; meta mark set 0x4000 ct mark set 0x51820; }
    chain after {
        type filter hook postrouting priority 90;
        meta mark 0x4000 ct mark 0x51820 counter name kept accept
        oifname "pw*" meta l4proto { tcp, udp } th dport 8080 counter name lost
    }
}
"""


@sandboxed
async def test_marks_of_others_survive_a_service() -> None:
    node = Node()
    a, client = await node.pod("a", 8080), await node.pod("client")
    nft = Nftables()
    nft.run(MARKS)
    lead_to(node, a)
    async with node.proxy():
        for address in (WEB4, WEB6):
            for kind in (TCP, UDP):
                assert (await request(client, address, kind=kind)).name == "a"
                assert (await request(None, address, kind=kind)).name == "a"
        with pytest.raises(ConnectionRefusedError):
            await request(client, WEB4, 81)
    assert "packets 0 " in nft.run("list counter inet foreign lost")
    assert "packets 0 " not in nft.run("list counter inet foreign kept")


@KINDS
@sandboxed
async def test_a_host_port_leads_to_its_pod_from_everywhere(kind: int) -> None:
    node = Node()
    a, b, client = await node.pod("a", 8080), await node.pod("b", 8080), await node.pod("client")
    protocol = "UDP" if kind == UDP else "TCP"
    node.nodes.put(node_at("172.18.0.2", "fd00:172:18::2"))
    anywhere = ContainerPort(8080, host_port=90, protocol=protocol)
    loopback = ContainerPort(8080, host_port=90, protocol=protocol, host_ip="127.0.0.1")
    node.pods.put(pod_with_ports("a", anywhere, addresses=[a.address4, a.address6]))
    node.pods.put(pod_with_ports("b", loopback, addresses=[b.address4]))
    async with node.proxy() as proxy:
        for sender in (client, None):
            for address in ("172.18.0.2", "fd00:172:18::2"):
                assert (await request(sender, address, 90, kind)).name == "a"
        assert (await request(a, "172.18.0.2", 90, kind)).name == "a", "a pod reaches itself too"
        for address, source in (("172.18.0.2", node.outside.address4), ("fd00:172:18::2", node.outside.address6)):
            answer = await request(node.outside, address, 90, kind)
            assert (answer.name, answer.caller) == ("a", source), "as with the plugin portmap"
        with opened(None, "127.0.0.1", kind) as local:
            local.bind(("172.18.0.2", 0))
            assert (await request_from(local, "127.0.0.1", 90, kind)).name == "b"
        node.pods.remove(node.pods.objects[NamespacedName("default", "a")])
        await proxy.settle()
        with pytest.raises(ConnectionRefusedError):
            await request(client, "172.18.0.2", 90, kind)
