import msgspec

from podwire.kube.meta import NamespacedName
from podwire.kube.services import LoadBalancerIngress, Service
from podwire.kube.watch import Change
from podwire.services.derivation import NODE_PORTS, RANGES, Owner, rows
from podwire.services.node_view import NodeView
from podwire.services.pools import Pools
from podwire.services.readback import held_pools
from podwire.services.view import ServicesView
from podwire.services.word import LARGEST_POOL
from tests.services.objects import NODE, endpoint, node_at, service, slice_of

WEB = NamespacedName("default", "web")
HERE, THERE = endpoint("10.244.1.2", node="node-1"), endpoint("10.244.2.2", node="node-2")


def pools() -> Pools[Owner]:
    return Pools(LARGEST_POOL)


def view(one: Service, *pods: object, ports: tuple[str, ...] = ("8080",), node: NodeView = NODE) -> ServicesView:
    """One Service with an endpoint here and one elsewhere, or these ones."""
    made = ServicesView(node)
    made.service_changed(Change(None, one))
    made.slice_changed(Change(None, slice_of("web", *(pods or (HERE, THERE)), ports=ports)))  # type: ignore[arg-type]
    made.node_changed(Change(None, node_at("172.18.0.2", "fd00:172:18::2")))
    return made


def shown(made: ServicesView, owner: NamespacedName = WEB) -> list[str]:
    """The rows in the order in which they are written; those of one stage as they are derived."""
    return list(dict.fromkeys(map(str, sorted(rows(owner, made, pools()), key=lambda row: row.stage))))


def test_a_cluster_ip() -> None:
    made = view(service("web", "10.96.0.1", ports=("tcp:80", "udp:80")), ports=("tcp:8080", "udp:8080"))
    assert shown(made) == [
        "endpoint4 0 . tcp : 10.244.1.2 . 8080, 10.244.2.2 . 8080",
        "hairpin4 10.244.1.2 . 10.244.1.2",
        "endpoint4 1 . udp : 10.244.1.2 . 8080, 10.244.2.2 . 8080",
        "flows 10.96.0.1 . udp . 80 : { 10.244.1.2 . 8080, 10.244.2.2 . 8080 }",
        "service4 10.96.0.1 . tcp . 80 : pool 0, 2 slots",
        "service4 10.96.0.1 . udp . 80 : pool 1, 2 slots",
        "virtual4 10.96.0.1",
    ]


def test_a_node_port_shares_the_pool_of_the_cluster_ip() -> None:
    assert shown(view(service("web", "10.96.0.1", node_ports=(30080,)), HERE)) == [
        "endpoint4 0 . tcp : 10.244.1.2 . 8080",
        "hairpin4 10.244.1.2 . 10.244.1.2",
        "service4 10.96.0.1 . tcp . 80 : pool 0, 1 slots",
        "nodeport4 tcp . 30080 : pool 0, 1 slots",
        "virtual4 10.96.0.1",
    ]


def test_datagrams_to_a_node_port_are_flows_of_every_address_of_the_node() -> None:
    made = view(service("web", "10.96.0.1", ports=("udp:53",), node_ports=(30053,)), HERE, ports=("udp:53",))
    assert [row for row in shown(made) if row.startswith("flows")] == [
        "flows 10.96.0.1 . udp . 53 : { 10.244.1.2 . 53 }",
        "flows 172.18.0.2 . udp . 30053 : { 10.244.1.2 . 53 }",
    ]


def test_where_node_ports_are_on_ranges_the_nodes_own_addresses_in_them_are_flows_too() -> None:
    one = service("web", "10.96.0.1", ports=("udp:53",), node_ports=(30053,))
    node = msgspec.structs.replace(NODE, nodeport_addresses=("172.18.0.0/16", "192.0.2.0/24"))
    made = view(one, HERE, ports=("udp:53",), node=node)
    assert [row.split()[1] for row in shown(made) if ". 30053" in row and row.startswith("flows")] == [
        "172.18.0.2", "172.18.0.0/16", "192.0.2.0/24",
    ]  # fmt: skip


def test_a_balanced_address_with_local_policy_and_source_ranges() -> None:
    one = service(
        "web",
        "10.96.0.1",
        node_ports=(30080,),
        balanced=("203.0.113.7", LoadBalancerIngress(ip="203.0.113.8", ip_mode="Proxy")),
        external_traffic_policy="Local",
        load_balancer_source_ranges=("192.0.2.0/25", " 192.0.2.128/25", "2001:db8::/32"),
    )
    assert shown(view(one)) == [
        "endpoint4 0 . tcp : 10.244.1.2 . 8080, 10.244.2.2 . 8080",
        "hairpin4 10.244.1.2 . 10.244.1.2",
        "endpoint4 1 . tcp : 10.244.1.2 . 8080",
        "sources4 0 . 192.0.2.0/24",
        "sources4 1 . 192.0.2.0/24",
        "service4 10.96.0.1 . tcp . 80 : pool 0, 2 slots",
        "service4 203.0.113.7 . tcp . 80 : pool 0, 2 slots, source ranges",
        "outside4 203.0.113.7 . tcp . 80 : pool 1, 1 slots, source ranges",
        "nodeport4 tcp . 30080 : pool 0, 2 slots",
        "outside_nodeport4 tcp . 30080 : pool 1, 1 slots",
        "virtual4 10.96.0.1",
        "virtual4 203.0.113.7",
    ]


def test_a_node_inside_the_source_ranges_admits_the_address_itself() -> None:
    one = service("web", "10.96.0.1", balanced=("203.0.113.7",), load_balancer_source_ranges=("172.18.0.0/16",))
    assert [row for row in shown(view(one)) if row.startswith("sources")] == [
        "sources4 0 . 172.18.0.0/16",
        "sources4 0 . 203.0.113.7",
    ]


def test_local_without_a_local_endpoint_drops_and_without_any_refuses() -> None:
    one = service("web", "10.96.0.1", node_ports=(30080,), external_traffic_policy="Local")
    assert "outside_nodeport4 tcp . 30080 : pool 1, drop" in shown(view(one, THERE))
    assert "nodeport4 tcp . 30080 : pool 0, 1 slots" in shown(view(one, THERE))
    unready = endpoint("10.244.2.2", ready=False, serving=False)
    assert "outside_nodeport4 tcp . 30080 : pool 1, refuse" in shown(view(one, unready))


def test_session_affinity_has_numbers_of_endpoints_and_slots_that_name_them() -> None:
    assert shown(view(service("web", "10.96.0.1", affinity=50))) == [
        "sticky4 0 . tcp . endpoint 0 : 10.244.1.2 . 8080",
        "sticky4 0 . tcp . endpoint 1 : 10.244.2.2 . 8080",
        "hairpin4 10.244.1.2 . 10.244.1.2",
        "draw4 0 . 0 : endpoint 0",
        "draw4 0 . 1 : endpoint 1",
        "service4 10.96.0.1 . tcp . 80 : pool 0, 2 slots, affinity 60 s",
        "virtual4 10.96.0.1",
    ]


def test_external_addresses_have_an_effect_only_where_the_agent_allows_them() -> None:
    one = service("web", "10.96.0.1", external_ips=("198.51.100.1",))
    allowed = NodeView("node-1", allow_external_ips=True)
    assert "service4 198.51.100.1 . tcp . 80 : pool 0, 2 slots" in shown(view(one, node=allowed))
    assert "virtual4 198.51.100.1" not in shown(view(one, node=allowed)), "it may be a node's own"
    assert not [row for row in shown(view(one)) if "198.51.100.1" in row]


def test_keys_are_what_the_kernel_can_hold_once() -> None:
    one = service("web", "10.96.0.1", node_ports=(30080,), affinity=10, external_traffic_policy="Local")
    made = set(rows(WEB, view(one), pools()))
    assert len({row.key for row in made}) == len(made)


def test_a_service_that_is_not_there_has_no_rows() -> None:
    assert shown(view(service("web", "10.96.0.1")), NamespacedName("default", "absent")) == []


def test_what_belongs_to_no_service_are_rows_too() -> None:
    made = view(service("web", "10.96.0.1"))
    assert shown(made, RANGES) == ["range4 10.96.0.0/16", "range6 fd00:10:96::/112"]
    assert shown(made, NODE_PORTS) == ["nodeport_addresses4 172.18.0.2", "nodeport_addresses6 fd00:172:18::2"]


def test_pools_are_found_among_rows_that_were_read_back() -> None:
    one = service("web", "10.96.0.1", node_ports=(30080,), affinity=10, external_traffic_policy="Local")
    first, second = pools(), pools()
    first.keep(NamespacedName("default", "other"), {})
    made = list(rows(WEB, view(one), first))
    second.restore(held_pools(made))
    assert list(rows(WEB, view(one), second)) == made
