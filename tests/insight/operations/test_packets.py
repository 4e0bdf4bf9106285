"""Where packets of a cluster are captured, and how the stream is counted."""

from __future__ import annotations

import io
import ipaddress
from typing import Any

import pytest
from aiohttp import web

from podwire.insight.operations.packets import Counted, Place, link_to, place_of, stream_ports, uplink, words
from podwire.insight.operations.programs import ClusterError
from podwire.kernel import links, pcap, routes
from podwire.kernel.capture import Limits
from podwire.kernel.netlink import Netlink
from podwire.lab.host.worlds import WorldError
from podwire.pods.links import ROUTE_PROTOCOL
from tests.kube.fake_server import connected
from tests.sandbox import sandboxed

WEB: dict[str, Any] = {
    "metadata": {"name": "web", "namespace": "shop"},
    "spec": {"nodeName": "a", "containers": []},
    "status": {"phase": "Running", "podIPs": [{"ip": "10.244.0.5"}, {"ip": "fd00::5"}]},
}


async def found(target: str, interface: str = "", pod: dict[str, Any] = WEB) -> Place:
    async def handler(request: web.Request) -> web.Response:
        if request.path == "/api/v1/nodes":
            return web.json_response({"metadata": {}, "items": [{"metadata": {"name": "a"}}]})
        assert request.path.startswith("/api/v1/namespaces/")
        items = [pod] if request.path == "/api/v1/namespaces/shop/pods" else []
        return web.json_response({"metadata": {}, "items": items})

    async with connected(handler) as client:
        return await place_of(client, target, interface)


async def test_a_pod_is_captured_by_its_address_and_a_node_by_a_link() -> None:
    assert (await found("shop/web")).words == ("10.244.0.5",)
    assert await found("shop/web", "eth0") == Place("a", "10.244.0.5")
    assert (await found("a")).words == ()
    assert (await found("a", "eth1")).words == ("--interface", "eth1")
    host = {**WEB, "spec": {**WEB["spec"], "hostNetwork": True}}
    assert await found("shop/web", "eth1", host) == Place("a", interface="eth1")


@pytest.mark.parametrize(
    ("target", "interface", "pod", "error"),
    [
        ("shop/lost", "", WEB, "shop/lost: is no pod or workload, and none of a; in namespace shop there is web"),
        ("web", "", WEB, "web: is no pod or workload, and none of a$"),
        ("shop/web", "lo", WEB, "only eth0 can be captured"),
        ("shop/web", "", {**WEB, "spec": {"containers": []}}, "none of its pods runs"),
        ("shop/web", "", {**WEB, "status": {"phase": "Pending"}}, "has no address yet"),
    ],
)
async def test_what_cannot_be_captured_is_named(target: str, interface: str, pod: dict[str, Any], error: str) -> None:
    with pytest.raises((ClusterError, WorldError), match=error):
        await found(target, interface, pod)


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_packets_are_counted_however_the_stream_is_cut(size: int) -> None:
    stream = pcap.header() + b"".join(pcap.record(1.5, bytes(length), length) for length in (0, 60, 1500))
    file = io.BytesIO()
    counted = Counted(file)
    for start in range(0, len(stream), size):
        counted.output.stdout(stream[start : start + size])
    assert counted.packets == 3
    assert file.getvalue() == stream
    counted.output.stdout(pcap.record(1.5, b"", 0)[:10])
    assert counted.packets == 3


def test_limits_are_passed_on() -> None:
    assert words(Limits(3, 1.5)) == ("--count", "3", "--seconds", "1.5")
    assert words(Limits()) == ()
    assert words(Limits(without_ports=(1, 2))) == ("--without-port", "1", "--without-port", "2")
    assert stream_ports("https://192.0.2.1:8443/x") == (10250, 8443, 6443)
    assert stream_ports("https://prod") == (10250, 443, 6443)


@sandboxed
def test_the_link_of_an_address_and_the_uplink_of_a_node() -> None:
    with pytest.raises(ClusterError, match="no default route and no other link"):
        uplink()
    pod = ipaddress.ip_address("10.244.0.5")
    with Netlink() as netlink:
        link = links.find(netlink, "lo")
        assert link is not None
        netlink.run([routes.replace_route(routes.Route(ipaddress.ip_network(pod), ROUTE_PROTOCOL, link.index))])
    assert link_to(pod) == "lo"
    with pytest.raises(ClusterError, match="no pod of this node has this address"):
        link_to(ipaddress.ip_address("10.244.0.6"))
