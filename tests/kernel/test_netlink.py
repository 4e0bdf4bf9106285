"""rtnetlink against the kernel, compared with what iproute2 says."""

import errno
import ipaddress
import json
import struct

import pytest

from podwire.kernel import links, routes
from podwire.kernel.links import Link, VethEnd, Vxlan
from podwire.kernel.netlink import NLM_F_ACK, NLM_F_REQUEST, Netlink, NetlinkError
from podwire.kernel.routes import Forwarding, Neighbour, Route
from tests.sandbox import Host, sandboxed

IP, NET = ipaddress.ip_address, ipaddress.ip_network
NEAR, FAR = VethEnd("near", "02:00:00:00:00:01"), VethEnd("far", "02:00:00:00:00:02")


def cable(netlink: Netlink, there: Host) -> Link:
    """A veth pair to another host, up; answers this end."""
    with open(there.path) as namespace:
        netlink.run([links.veth(NEAR, FAR, namespace.fileno(), 1400), links.bring_up("near")])
    link = links.find(netlink, "near")
    assert link is not None
    return link


@sandboxed
def test_links_are_made_found_and_removed() -> None:
    there = Host("there")
    with Netlink() as netlink, Netlink(there.path) as far:
        near = cable(netlink, there)
        assert (near.name, near.mac, near.mtu, near.kind, near.up) == ("near", NEAR.mac, 1400, "veth", True)
        netlink.run([links.set_alias("near", "hello"), links.set_mtu("near", 1300)])
        shown = links.find(netlink, index=near.index)
        assert shown is not None
        assert (shown.alias, shown.mtu) == ("hello", 1300)
        assert {link.name for link in links.links(far)} == {"lo", "far"}
        netlink.run([links.delete("near"), links.delete("near")])
        assert links.find(netlink, "near") is None
        assert links.find(far, "far") is None


@sandboxed
def test_addresses_routes_and_neighbours_read_back_as_written() -> None:
    there = Host("there")
    with Netlink() as netlink:
        link = cable(netlink, there)
        netlink.run([links.add_address(link.index, IP(text)) for text in ("10.0.0.1", "fd00::1")])
        held = {str(entry.address) for entry in links.addresses(netlink) if entry.link == link.index}
        assert {"10.0.0.1", "fd00::1"} <= held
        wanted = {
            Route(NET("10.1.0.0/16"), 99, link.index, IP("169.254.1.1"), IP("10.0.0.1"), onlink=True),
            Route(NET("10.2.0.9/32"), 99, link.index),
            Route(NET("10.3.0.0/16"), 99),
            Route(NET("fd01::/64"), 99, link.index, IP("fe80::1"), IP("fd00::1"), onlink=True),
            Route(NET("fd02::9/128"), 99, link.index),
            Route(NET("fd03::/64"), 99),
        }
        for _ in range(2):
            netlink.run([routes.replace_route(route) for route in wanted])
        assert {route for version in (4, 6) for route in routes.routes(netlink, version, 99)} == wanted
        assert len(set(routes.routes(netlink, 4))) >= 3
        netlink.run([routes.delete_route(route) for route in wanted for _ in range(2)])
        assert not [route for version in (4, 6) for route in routes.routes(netlink, version, 99)]
        neighbours = {Neighbour(link.index, IP(text), FAR.mac) for text in ("10.0.0.7", "fd00::7")}
        netlink.run([routes.replace_neighbour(neighbour) for neighbour in neighbours])
        assert set(routes.neighbours(netlink, link.index)) == neighbours
        netlink.run([routes.delete_neighbour(neighbour) for neighbour in neighbours for _ in range(2)])
        assert not set(routes.neighbours(netlink, link.index))
        netlink.run([links.delete_address(link.index, IP("10.0.0.1")) for _ in range(2)])
        assert "10.0.0.1" not in {str(entry.address) for entry in links.addresses(netlink)}


@pytest.mark.parametrize("local", ["192.0.2.1", "2001:db8::1"])
@sandboxed
def test_a_vxlan_device_and_its_forwarding(local: str) -> None:
    host, peer = Host("host"), IP(local) + 1
    with Netlink(host.path) as netlink:
        device = Vxlan(7, 4789, IP(local))
        netlink.run([links.vxlan("tunnel", "02:00:00:00:00:09", 1430, device), links.bring_up("tunnel")])
        tunnel = links.find(netlink, "tunnel")
        assert tunnel is not None
        assert tunnel.vxlan == device
        data = json.loads(host.run("ip", "-j", "-d", "link", "show", "tunnel").stdout)[0]["linkinfo"]["info_data"]
        assert (data["id"], data["port"], data["learning"]) == (7, 4789, False)
        for address in (peer + 1, peer):
            netlink.run([routes.replace_forwarding(Forwarding(tunnel.index, FAR.mac, address))])
        assert set(routes.forwardings(netlink, tunnel.index)) == {Forwarding(tunnel.index, FAR.mac, peer)}
        netlink.run([routes.delete_forwarding(Forwarding(tunnel.index, FAR.mac, peer)) for _ in range(2)])
        assert not set(routes.forwardings(netlink, tunnel.index))


@sandboxed
def test_a_refusal_names_the_request_and_stops_no_other() -> None:
    with Netlink() as netlink:
        there = Host("there")
        link = cable(netlink, there)
        requests = [
            routes.replace_route(Route(NET("10.1.0.0/16"), 99, gateway=IP("192.0.2.1"))),
            routes.replace_route(Route(NET("10.2.0.0/16"), 99, link.index)),
        ]
        with pytest.raises(NetlinkError, match=r"add route 10\.1\.0\.0/16: Network is unreachable") as refused:
            netlink.run(requests)
        assert refused.value.errno == errno.ENETUNREACH
        assert {str(route.destination) for route in routes.routes(netlink, 4, 99)} == {"10.2.0.0/16"}


@sandboxed
def test_many_requests_go_in_batches() -> None:
    with Netlink() as netlink:
        link = cable(netlink, Host("there"))
        wanted = {Route(NET(f"10.{high}.{low}.0/24"), 99, link.index) for high in range(4) for low in range(100)}
        netlink.run([routes.replace_route(route) for route in wanted])
        assert set(routes.routes(netlink, 4, 99)) == wanted


@sandboxed
def test_what_a_broken_request_left_is_no_answer_to_the_next() -> None:
    request = links.delete("absent")
    with Netlink() as netlink:
        stray = struct.pack("=IHHII", 16 + len(request.body), request.type, NLM_F_REQUEST | NLM_F_ACK, 0, 0)
        netlink._socket.send(stray + request.body)
        assert {link.name for link in links.links(netlink)} == {"lo"}
        netlink._socket.send(stray + request.body)
        assert links.find(netlink, "lo") is not None
        netlink._socket.send(stray + request.body)
        netlink.run([links.bring_up("lo")])


def test_a_list_that_changed_while_it_was_read_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    torn = [([b"half"], True), ([b"whole"], False)]
    with Netlink() as netlink:
        monkeypatch.setattr(netlink, "_dump", lambda *_: torn.pop(0))
        assert netlink.dump(0, b"") == [b"whole"]
        monkeypatch.setattr(netlink, "_dump", lambda *_: ([], True))
        with pytest.raises(NetlinkError, match="changed while it was read"):
            netlink.dump(0, b"")
