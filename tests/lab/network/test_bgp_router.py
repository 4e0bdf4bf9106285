"""The router of a world with BGP: its configuration, whole."""

from podwire.announcement.bgp_settings import BgpPeer, BgpSettings
from podwire.lab.network import bgp_router
from podwire.lab.network.topology import Topology

WHOLE = """log stderr all;
router id 172.18.255.1;
protocol device { scan time 60; }
protocol kernel { ipv4 { export where source = RTS_BGP; }; merge paths yes; }
protocol kernel { ipv6 { export where source = RTS_BGP; }; merge paths yes; }
template bgp node {
  local 172.18.255.1 as 64513;
  ipv4 { import all; export none; };
  ipv6 { import all; export none; };
}
protocol bgp node_1 from node { neighbor 172.18.0.2 as 64512; }
protocol bgp node_2 from node { neighbor 172.18.0.3 as 64512; }
"""


def test_the_router_is_a_peer_of_every_node() -> None:
    topology = Topology(nodes=2)
    assert bgp_router.configuration(topology) == WHOLE
    assert bgp_router.settings(topology) == BgpSettings(64512, (BgpPeer("172.18.255.1", 64513),))
