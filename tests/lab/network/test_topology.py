import ipaddress

import pytest

from podwire.lab.network.topology import Topology


def test_nodes_have_their_own_ranges() -> None:
    nodes = Topology(nodes=12).all_nodes()
    assert [str(n.pods4) for n in nodes[:2]] == ["10.244.1.0/24", "10.244.2.0/24"]
    assert str(nodes[1].pods6) == "fd00:10:244:2::/64"
    assert str(nodes[0].ipv4) == "172.18.0.2/16"
    assert len({n.pods4 for n in nodes}) == len({n.ipv6 for n in nodes}) == 12


def test_well_known_addresses() -> None:
    topology = Topology(nodes=1)
    assert topology.api_service == ("10.96.0.1", "fd00:10:96::1")
    assert topology.dns_service == ("10.96.0.10", "fd00:10:96::a")
    assert str(topology.outside4.ip) == "172.18.255.1"
    assert topology.api_server == "https://172.18.0.1:6443"


@pytest.mark.parametrize("nodes", [0, -1, 201])
def test_impossible_numbers_of_nodes_are_refused(nodes: int) -> None:
    with pytest.raises(ValueError, match="--nodes"):
        Topology(nodes=nodes)


@pytest.mark.parametrize("domain", ["", "a..b", "-a.test", "A.test", "a" * 64, "a." * 25 + "a"])
def test_a_cluster_domain_is_a_dns_name(domain: str) -> None:
    with pytest.raises(ValueError, match="--cluster-domain"):
        Topology(nodes=1, domain=domain)
    topology = Topology(nodes=1, domain="corp.example")
    assert Topology.read(topology.arguments()).domain == "corp.example"


def test_nodes_are_in_the_zones_in_turn() -> None:
    zones = [node.zone for node in Topology(nodes=4, zones=("a", "b", "c")).all_nodes()]
    assert zones == ["a", "b", "c", "a"]
    assert Topology(nodes=1).node(1).zone == ""


@pytest.mark.parametrize("zone", ["", "a/b", "-a", "a" * 64, "ä"])
def test_a_zone_is_the_value_of_a_label(zone: str) -> None:
    with pytest.raises(ValueError, match="--zones"):
        Topology(nodes=2, zones=("a", zone))


def test_a_zone_without_a_node_is_refused() -> None:
    with pytest.raises(ValueError, match="3 zones are more than 2 nodes"):
        Topology(nodes=2, zones=("a", "b", "c"))


def test_a_role_reads_the_same_topology_again() -> None:
    public = (ipaddress.ip_network("203.0.113.0/24"), ipaddress.ip_network("2001:db8::/112"))
    for topology in (Topology(nodes=3, overlay="vxlan", zones=("a", "b"), public=public), Topology(nodes=1)):
        assert Topology.read(topology.arguments()) == topology
