"""The configuration of bird, whole."""

from __future__ import annotations

import ipaddress

from podwire.announcement.bgp.configuration import Speaker, configuration
from podwire.announcement.bgp_settings import BgpPeer, BgpSettings

V4, V6 = ipaddress.ip_address("172.18.0.2"), ipaddress.ip_address("fd00::2")
PEERS = (BgpPeer("172.18.0.1", 64513), BgpPeer("fd00::1", 64514))

WHOLE = """log stderr all;
router id 172.18.0.2;
graceful restart wait 10;
protocol device { scan time 60; }
protocol static announced4 {
  ipv4;
  route 10.244.1.0/24 blackhole;
  route 192.0.2.9/32 blackhole;
  route 192.0.2.10/32 blackhole;
}
protocol static announced6 {
  ipv6;
  route 2001:db8::1/128 blackhole;
}
protocol bgp peer_ac120001 {
  local 172.18.0.2 as 64512;
  neighbor 172.18.0.1 as 64513;
  multihop;
  hold time 9; keepalive time 3;
  connect delay time 1; connect retry time 5; error wait time 1, 10;
  graceful restart on; graceful restart time 120;
  ipv4 {
    import none; export where proto = "announced4"; next hop address 172.18.0.2;
  };
  ipv6 {
    import none; export where proto = "announced6"; next hop address fd00::2;
  };
}
protocol bgp peer_fd000000000000000000000000000001 {
  local fd00::2 as 64512;
  neighbor fd00::1 as 64514;
"""


def test_every_peer_gets_the_routes_of_both_families() -> None:
    routes = [ipaddress.ip_network(text) for text in ("192.0.2.10", "2001:db8::1", "10.244.1.0/24", "192.0.2.9")]
    text = configuration(BgpSettings(64512, PEERS), Speaker("a", {4: V4, 6: V6}), routes)
    assert text.startswith(WHOLE)
    assert text == configuration(BgpSettings(64512, PEERS), Speaker("a", {6: V6, 4: V4}), routes[::-1])


def test_a_node_of_one_family_has_sessions_and_routes_of_it_alone() -> None:
    text = configuration(BgpSettings(64512, PEERS), Speaker("a", {6: V6}), ())
    assert "neighbor fd00::1 as 64514;" in text
    assert "172.18" not in text
    assert text.count("export where") == 1
    identifier = text.split("router id ")[1].split(";")[0]
    assert ipaddress.ip_address(identifier).version == 4
    assert identifier != Speaker("b", {6: V6}).router_id
