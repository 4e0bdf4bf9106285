import msgspec

from podwire.kube.discovery import EndpointSlice
from podwire.kube.meta import NamespacedName
from podwire.lab.relay.forwards import Forward, forwards_of, internal_addresses, published_forward, serving_nodes
from podwire.lab.relay.published import PublishedPort, parse
from tests.lab.relay.services import DNS, HTTP, INTERNAL, service

WEB = NamespacedName("shop", "web")
PORT = PublishedPort(8080, "shop", "web", "80")


def keys(*forwards: Forward) -> list[str]:
    return [forward.key for forward in forwards]


def test_each_address_and_each_node_port_is_a_forward() -> None:
    both = service("web", HTTP, DNS, addresses=("172.18.254.1", "fd00:172:18::fe:1"))
    assert keys(*forwards_of(both, INTERNAL)) == [
        "LoadBalancer/TCP/172.18.254.1/80",
        "LoadBalancer/TCP/fd00:172:18::fe:1/80",
        "NodePort/TCP//30080",
        "LoadBalancer/UDP/172.18.254.1/53",
        "LoadBalancer/UDP/fd00:172:18::fe:1/53",
    ]


def test_a_node_port_has_policy_and_families() -> None:
    (found,) = forwards_of(
        service("web", HTTP, type="NodePort", externalTrafficPolicy="Local", ipFamilies=["IPv6"]), INTERNAL
    )
    assert (found.kind, found.port, found.local, found.families) == ("NodePort", 30080, True, ("IPv6",))


def test_internal_load_balancers_have_none_not_even_a_node_port() -> None:
    internal = service("web", HTTP, addresses=("172.18.253.1", "fd00:172:18::fd:1"))
    assert forwards_of(internal, INTERNAL) == []
    assert internal_addresses(internal, INTERNAL) == ["172.18.253.1", "fd00:172:18::fd:1"]
    mixed = service("web", HTTP, addresses=("172.18.253.1", "172.18.254.1"))
    assert keys(*forwards_of(mixed, INTERNAL)) == ["LoadBalancer/TCP/172.18.254.1/80", "NodePort/TCP//30080"]


def test_what_only_the_cluster_uses_has_none() -> None:
    assert forwards_of(service("web", HTTP, type="ClusterIP"), INTERNAL) == []
    assert forwards_of(service("web", {"port": 80, "protocol": "SCTP", "nodePort": 30080}), INTERNAL) == []


def test_a_published_port_takes_the_outermost_way() -> None:
    def kind(found: Forward | str) -> str:
        assert isinstance(found, Forward)
        return f"{found.kind} {found.address}:{found.port}"

    balanced = service("web", DNS, HTTP, addresses=("172.18.254.1",))
    assert kind(published_forward(balanced, PORT, INTERNAL)) == "LoadBalancer 172.18.254.1:80"
    assert kind(published_forward(service("web", HTTP, type="NodePort"), PORT, INTERNAL)) == "NodePort :30080"
    plain = service("web", {"name": "http", "port": 80}, type="ClusterIP")
    assert kind(published_forward(plain, PORT, INTERNAL)) == "ClusterIP 10.96.0.7:80"
    internal = service("web", HTTP, addresses=("172.18.253.1",))
    assert kind(published_forward(internal, PORT, INTERNAL)) == "ClusterIP 10.96.0.7:80"


def test_a_published_port_is_named_by_number_or_name_and_protocol() -> None:
    web = service("web", HTTP, DNS)
    assert isinstance(published_forward(web, parse("8080=shop/web:http"), INTERNAL), Forward)
    assert isinstance(published_forward(web, parse("8053=shop/web:dns/udp"), INTERNAL), Forward)
    assert "no port 53/TCP" in str(published_forward(web, parse("8053=shop/web:53"), INTERNAL))
    other = service("web", {"port": 81, "nodePort": 80}, HTTP, type="NodePort")
    found = published_forward(other, PORT, INTERNAL)
    assert isinstance(found, Forward)
    assert found.port == 30080, "the node port of the port that is named, whatever other ports have this number"


def test_a_published_port_can_lead_nowhere() -> None:
    assert "no such Service" in str(published_forward(None, PORT, INTERNAL))
    headless = service("web", {"port": 80}, type="ClusterIP", clusterIP="None")
    assert "no address" in str(published_forward(headless, PORT, INTERNAL))


def test_nodes_that_serve_are_those_of_ready_endpoints() -> None:
    def endpoint(node: str, **conditions: bool) -> dict[str, object]:
        return {"addresses": ["10.244.1.2"], "nodeName": node, "conditions": conditions}

    def part(name: str, *endpoints: dict[str, object]) -> EndpointSlice:
        metadata = {"name": name, "namespace": "shop", "labels": {"kubernetes.io/service-name": name}}
        return msgspec.convert({"metadata": metadata, "endpoints": endpoints}, EndpointSlice)

    slices = [
        part("web", endpoint("node-1", ready=True), endpoint("node-2", ready=False)),
        part("web", endpoint("node-3")),
        part("other", endpoint("node-4", ready=True)),
    ]
    assert serving_nodes(WEB, slices) == {"node-1", "node-3"}


def test_what_is_no_address_is_left_out() -> None:
    odd = service("web", HTTP, addresses=("", "web.example.com", "172.18.254.1", "999.1.1.1"))
    assert keys(*forwards_of(odd, INTERNAL)) == ["LoadBalancer/TCP/172.18.254.1/80", "NodePort/TCP//30080"]
