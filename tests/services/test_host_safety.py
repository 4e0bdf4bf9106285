"""What must not get through the node, and what must not be left behind on packets."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from podwire.kernel.counters import CounterDump
from podwire.kernel.nftables import Nftables
from podwire.services.ruleset import TABLE_NAME
from tests.sandbox import sandboxed
from tests.services.network import NODE_ADDRESS4, SILENCE_SECONDS, TCP, UDP, Node, Pod, opened, request, request_from
from tests.services.objects import endpoint, service, slice_of

WEB4, WEB6 = "10.96.0.80", "fd00:10:96::80"
KINDS = pytest.mark.parametrize("kind", [TCP, UDP], ids=["tcp", "udp"])


@KINDS
@sandboxed
async def test_a_loopback_port_of_the_node_is_closed_to_pods_even_with_route_localnet(kind: int) -> None:
    node = Node()
    client = await node.pod("client")
    Path("/proc/sys/net/ipv4/conf/all/route_localnet").write_text("1")
    client.route_loopback()
    with local_server("127.0.0.53", 9000, kind):
        assert (await request(client, "127.0.0.53", 9000, kind)).name == "loopback"
        async with node.proxy():
            with pytest.raises(TimeoutError):
                await request(client, "127.0.0.53", 9000, kind, seconds=SILENCE_SECONDS)
            assert CounterDump().packets(TABLE_NAME)["loopback"] > 0
            assert (await request(None, "127.0.0.53", 9000, kind)).name == "loopback"


@contextlib.contextmanager
def local_server(address: str, port: int, kind: int) -> Iterator[None]:
    """A server of the node itself on one address."""
    with socket.socket(socket.AF_INET, kind) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((address, port))
        server.setblocking(False)
        if kind == TCP:
            server.listen()
        task = asyncio.create_task(_serve(server, kind))
        try:
            yield
        finally:
            task.cancel()


async def _serve(server: socket.socket, kind: int) -> None:
    loop = asyncio.get_running_loop()
    while True:
        if kind == TCP:
            connection, caller = await loop.sock_accept(server)
            with connection:
                await loop.sock_sendall(connection, f"loopback - {caller[0]}".encode())
        else:
            _, caller = await loop.sock_recvfrom(server, 100)
            await loop.sock_sendto(server, f"loopback - {caller[0]}".encode(), caller)


@sandboxed
async def test_a_packet_from_outside_with_the_address_of_a_service_is_dropped() -> None:
    node = Node()
    a = await node.pod("a", 8080)
    node.outside.run("address", "add", "10.96.0.99/32", "dev", "node")
    node.outside.reach("10.244.1.0/24")
    node.add_route("10.96.0.99/32", node.outside.address4)
    expose(node, a)
    async with node.proxy():
        with bound(node, "10.96.0.99") as forged, pytest.raises(TimeoutError):
            await request_from(forged, a.address4, 8080, seconds=SILENCE_SECONDS)
        with bound(node, node.outside.address4) as honest:
            assert (await request_from(honest, a.address4, 8080)).name == "a"


def bound(node: Node, address: str) -> socket.socket:
    """A UDP socket outside with this source."""
    made = node.outside.open(socket.AF_INET, UDP)
    made.bind((address, 0))
    return made


def expose(node: Node, *pods: Pod, **spec: Any) -> None:
    ports, targets = ("tcp:80", "udp:80"), ("tcp:8080", "udp:8080")
    node.services.put(service("web", WEB4, WEB6, ports=ports, node_ports=(30080, 30080), **spec))
    four = [endpoint(pod.address4, node="node-1") for pod in pods]
    six = [endpoint(pod.address6, node="node-1") for pod in pods]
    node.slices.put(slice_of("web", *four, ports=targets), slice_of("web", *six, ports=targets, name="6"))


WATCH = """table inet watch {
    counter seen { }
    counter left { }
    chain postrouting {
        type filter hook postrouting priority srcnat + 50;
        meta l4proto { tcp, udp } th dport 8080 counter name seen meta priority != 0 counter name left
    }
}"""


@KINDS
@sandboxed
async def test_no_word_leaves_with_a_packet(kind: int) -> None:
    """Queues of links read the priority: none may see what the rules keep there."""
    node = Node()
    a, client = await node.pod("a", 8080), await node.pod("client")
    nft = Nftables()
    nft.run(WATCH)
    for affinity in (0, 60):
        expose(node, a, affinity=affinity)
        async with node.proxy():
            for sender in (client, None, node.outside):
                assert (await request(sender, NODE_ADDRESS4, 30080, kind)).name == "a"
            for address in (WEB4, WEB6):
                assert (await request(client, address, kind=kind)).name == "a"
    assert "packets 0 " in nft.run("list counter inet watch left")
    assert "packets 0 " not in nft.run("list counter inet watch seen")


@sandboxed
async def test_a_priority_of_the_sender_is_never_taken_for_a_word() -> None:
    node = Node()
    a, client = await node.pod("a", 8080), await node.pod("client")
    await node.beyond("192.0.2.9", 80)
    expose(node, a)
    async with node.proxy():
        for priority in (1, 6, 0x01000000):
            with opened(client, "192.0.2.9", TCP) as sender:
                sender.setsockopt(socket.SOL_SOCKET, socket.SO_PRIORITY, priority)
                assert (await request_from(sender, "192.0.2.9")).name == "beyond"
            with opened(client, WEB4, TCP) as sender:
                sender.setsockopt(socket.SOL_SOCKET, socket.SO_PRIORITY, priority)
                assert (await request_from(sender, WEB4)).name == "a"
