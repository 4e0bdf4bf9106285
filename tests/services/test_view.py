from podwire.kube.meta import NamespacedName, ObjectMeta
from podwire.kube.networking import ServiceCIDR, ServiceCIDRSpec
from podwire.kube.watch import Change
from podwire.services.derivation import NODE_PORTS, RANGES
from podwire.services.view import ServicesView
from tests.services.objects import NODE, node_at, service, slice_of

WEB, API = NamespacedName("default", "web"), NamespacedName("default", "api")


def backends(view: ServicesView, owner: NamespacedName) -> list[str]:
    return [backend.address for entry in view.entries(owner) for backend in entry.inside.choice.backends]


def test_a_change_concerns_the_service_that_it_belongs_to() -> None:
    view = ServicesView(NODE)
    web, piece = service("web", "10.96.0.1"), slice_of("web", "10.244.1.2")
    assert view.service_changed(Change(None, web)) == {WEB}
    assert view.slice_changed(Change(None, piece)) == {WEB}
    assert backends(view, WEB) == ["10.244.1.2"]
    assert view.slice_changed(Change(piece, None)) == {WEB}
    assert backends(view, WEB) == []
    assert view.service_changed(Change(web, None)) == {WEB}
    assert list(view.entries(WEB)) == []


def test_slices_may_come_before_their_service() -> None:
    view = ServicesView(NODE)
    view.slice_changed(Change(None, slice_of("web", "10.244.1.2")))
    assert list(view.entries(WEB)) == []
    view.service_changed(Change(None, service("web", "10.96.0.1")))
    assert backends(view, WEB) == ["10.244.1.2"]


def test_a_slice_that_goes_over_to_another_service_concerns_both() -> None:
    view = ServicesView(NODE)
    for name, address in (("web", "10.96.0.1"), ("api", "10.96.0.2")):
        view.service_changed(Change(None, service(name, address)))
    before = slice_of("web", "10.244.1.2")
    after = type(before)(
        metadata=slice_of("api").metadata, address_type="IPv4", endpoints=before.endpoints, ports=before.ports
    )
    view.slice_changed(Change(None, before))
    assert view.slice_changed(Change(before, after)) == {WEB, API}
    assert backends(view, WEB) == []
    assert backends(view, API) == ["10.244.1.2"]


def cidr(name: str, *cidrs: str) -> ServiceCIDR:
    return ServiceCIDR(metadata=ObjectMeta(name=name), spec=ServiceCIDRSpec(cidrs=cidrs))


def test_service_cidrs_add_to_the_configured_ranges() -> None:
    view = ServicesView(NODE)
    more = cidr("more", "10.97.0.0/16", "fd00:10:97::/112", "fd00::%x/64", "none")
    assert view.service_cidr_changed(Change(None, cidr("kubernetes", *NODE.service_ranges))) == set(), "known already"
    assert view.service_cidr_changed(Change(None, more)) == {RANGES}
    assert view.node.service_ranges == ("10.96.0.0/15", "fd00:10:96::/112", "fd00:10:97::/112")
    assert view.service_cidr_changed(Change(more, None)) == {RANGES}
    assert view.node.service_ranges == NODE.service_ranges


def test_zone_and_addresses_of_the_own_node_concern_all_services() -> None:
    view = ServicesView(NODE)
    view.service_changed(Change(None, service("web", "10.96.0.1")))
    first = node_at("172.18.0.2", zone="a")
    assert view.node_changed(Change(None, first)) == {WEB, NODE_PORTS}
    assert (view.node.zone, view.node.addresses) == ("a", ("172.18.0.2",))
    assert view.node_changed(Change(first, node_at("172.18.0.2", zone="a"))) == set(), "a heartbeat"
    assert view.node_changed(Change(first, node_at("172.18.0.2", zone="b"))) == {WEB, NODE_PORTS}
    assert view.node_changed(Change(None, node_at("172.18.0.9", name="node-2", zone="c"))) == set()
    assert view.node_changed(Change(first, None)) == set(), "the machine is still what it was"
    assert view.node.zone == "b"
