"""Real packets through services.nft."""

import pytest

from tests.sandbox import sandboxed
from tests.services.network import TCP, UDP, Node, ask, askers
from tests.services.objects import service, slice_of

WEB4, WEB6 = "10.96.0.80", "fd00:10:96::80"
KINDS = pytest.mark.parametrize("kind", [TCP, UDP], ids=["tcp", "udp"])


@KINDS
@sandboxed
async def test_pods_and_the_node_reach_every_endpoint_in_both_families(kind: int) -> None:
    node = Node()
    a, b, client = await node.pod("a", 8080), await node.pod("b", 8080), await node.pod("client")
    node.services.put(service("web", WEB4, WEB6, ports=("tcp:80", "udp:80")))
    both = ("tcp:8080", "udp:8080")
    node.slices.put(slice_of("web", a.address4, b.address4, ports=both))
    node.slices.put(slice_of("web", a.address6, b.address6, ports=both, name="6"))
    async with node.proxy():
        for address in (WEB4, WEB6):
            assert await askers(client, address, kind=kind) == {"a", "b"}
            assert await askers(None, address, kind=kind) == {"a", "b"}
            assert (await ask(client, address, kind=kind)).caller in {client.address4, client.address6}
