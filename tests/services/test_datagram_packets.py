"""UDP flows to every kind of frontend while endpoints go and come; flows of others stay."""

import pytest

from podwire.kernel.conntrack import Conntrack, Family, FlowProtocol
from podwire.services.node_view import NodeView
from tests.sandbox import sandboxed
from tests.services.network import NODE_ADDRESS4, NODE_ADDRESS6, SILENCE_SECONDS, UDP, Node, Pod, opened, request_from
from tests.services.objects import NODE, endpoint, service, slice_of

WEB4, WEB6, BALANCED4, EXTERNAL4 = "10.96.0.80", "fd00:10:96::80", "203.0.113.7", "198.51.100.1"
WAYS = ((WEB4, 80), (WEB6, 80), (BALANCED4, 80), (EXTERNAL4, 80), (NODE_ADDRESS4, 30080), (NODE_ADDRESS6, 30080))
VIEW = NodeView(NODE.name, NODE.service_ranges, allow_external_ips=True)
RANGES = NodeView(NODE.name, NODE.service_ranges, ("172.18.0.0/16", "fd00:172::/32"), allow_external_ips=True)
VIEWS = pytest.mark.parametrize("view", [VIEW, RANGES], ids=["primary", "ranges"])


def expose(node: Node, *pods: Pod, **spec: object) -> None:
    spec |= {"node_ports": (30080,), "balanced": (BALANCED4,), "external_ips": (EXTERNAL4,)}
    node.services.put(service("web", WEB4, WEB6, ports=("udp:80",), **spec))  # type: ignore[arg-type]
    four = [endpoint(pod.address4, node="node-1") for pod in pods]
    six = [endpoint(pod.address6, node="node-1") for pod in pods]
    targets = ("udp:8080",)
    node.slices.put(slice_of("web", *four, ports=targets), slice_of("web", *six, ports=targets, name="6"))


@VIEWS
@sandboxed
async def test_flows_move_when_their_endpoint_goes_when_all_go_and_when_the_first_comes(view: NodeView) -> None:
    node = Node()
    a, b, client = await node.pod("a", 8080), await node.pod("b", 8080), await node.pod("client")
    expose(node, a)
    async with node.proxy(view) as proxy:
        flows = [(opened(client, address, UDP), address, port) for address, port in WAYS]

        async def answered() -> set[str]:
            return {(await request_from(flow, address, port)).name for flow, address, port in flows}

        assert await answered() == {"a"}
        expose(node, b)
        await proxy.settle()
        assert await answered() == {"b"}
        expose(node)
        await proxy.settle()
        for flow, address, port in flows:
            with pytest.raises(ConnectionRefusedError):
                await request_from(flow, address, port)
        expose(node, a)
        await proxy.settle()
        assert await answered() == {"a"}


@sandboxed
async def test_a_flow_that_began_before_the_service_is_led_to_it() -> None:
    node = Node()
    a, client = await node.pod("a", 8080), await node.pod("client")
    async with node.proxy(VIEW) as proxy:
        flow = opened(client, NODE_ADDRESS4, UDP)
        with pytest.raises(ConnectionRefusedError):  # by the node's own stack: connection tracking knows the flow now
            await request_from(flow, NODE_ADDRESS4, 30080)
        expose(node, a)
        await proxy.settle()
        assert (await request_from(flow, NODE_ADDRESS4, 30080)).name == "a"


@VIEWS
@sandboxed
async def test_flows_of_others_to_the_same_port_number_stay(view: NodeView) -> None:
    node = Node()
    a, b, client = await node.pod("a", 8080), await node.pod("b", 8080), await node.pod("client")
    foreign = await node.pod("foreign", 30080)
    expose(node, a)
    async with node.proxy(view) as proxy:
        flow = opened(client, foreign.address4, UDP)
        assert (await request_from(flow, foreign.address4, 30080)).name == "foreign"
        before = ports_to(foreign.address4)
        assert before == {flow.getsockname()[1]}
        expose(node, b)
        await proxy.settle()
        node.services.remove(node.services.objects[next(iter(node.services.objects))])
        await proxy.settle()
        assert ports_to(foreign.address4) == before


def ports_to(address: str) -> set[int]:
    """The client's ports of the flows to an address."""
    return {
        flow.source_port for flow in Conntrack().flows(Family.IPV4, FlowProtocol.UDP) if flow.destination == address
    }


@sandboxed
async def test_a_change_of_policy_leaves_flows_where_they_are() -> None:
    node = Node()
    a, b, client = await node.pod("a", 8080), await node.pod("b", 8080), await node.pod("client")
    expose(node, a)
    node.slices.put(slice_of("web", endpoint(a.address4, node="node-2"), ports=("udp:8080",)))
    async with node.proxy(VIEW) as proxy:
        flow = opened(client, WEB4, UDP)
        assert (await request_from(flow, WEB4)).name == "a"
        both = endpoint(a.address4, node="node-2"), endpoint(b.address4, node="node-1")
        expose(node, internal_traffic_policy="Local")
        node.slices.put(slice_of("web", *both, ports=("udp:8080",)))
        await proxy.settle()
        assert (await request_from(flow, WEB4)).name == "a"
        with opened(client, WEB4, UDP) as other:
            assert (await request_from(other, WEB4)).name == "b"


@sandboxed
async def test_local_without_a_local_endpoint_drops_new_datagrams() -> None:
    node = Node()
    a, client = await node.pod("a", 8080), await node.pod("client")
    expose(node, internal_traffic_policy="Local")
    node.slices.put(slice_of("web", endpoint(a.address4, node="node-2"), ports=("udp:8080",)))
    async with node.proxy(VIEW):
        with opened(client, WEB4, UDP) as flow, pytest.raises(TimeoutError):
            await request_from(flow, WEB4, seconds=SILENCE_SECONDS)
