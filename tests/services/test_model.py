import pytest

from podwire.kube.backends import Backend
from podwire.kube.discovery import EndpointSlice
from podwire.kube.services import Service
from podwire.services.model import Entry, Frontend, Protocol, Scope, entries
from podwire.services.node_view import NodeView
from tests.services.objects import NODE, endpoint, service, slice_of


def led_to(one: Service, *slices: EndpointSlice) -> dict[str, set[str]]:
    """Where each frontend leads new connections, as text."""
    return {
        f"{entry.frontend.address} {entry.frontend.protocol} {entry.frontend.port}": {
            f"{backend.address} {backend.port}" for backend in entry.inside.choice.backends
        }
        for entry in entries(one, slices, NODE)
    }


def only(one: Service, *slices: EndpointSlice) -> Entry:
    (entry,) = entries(one, slices, NODE)
    return entry


def test_a_port_leads_to_the_ready_endpoints() -> None:
    ready, unready, silent = endpoint("10.244.1.2"), endpoint("10.244.1.3", False), endpoint("10.244.1.4", None)
    led = led_to(service("web", "10.96.0.1"), slice_of("web", ready, unready, silent))
    assert led == {"10.96.0.1 tcp 80": {"10.244.1.2 8080", "10.244.1.4 8080"}}


def test_a_service_may_have_no_backend() -> None:
    assert led_to(service("web", "10.96.0.1")) == {"10.96.0.1 tcp 80": set()}


def test_unready_endpoints_count_where_the_service_says_so() -> None:
    one = service("web", "10.96.0.1", publish_not_ready_addresses=True)
    assert led_to(one, slice_of("web", endpoint("10.244.1.3", False))) == {"10.96.0.1 tcp 80": {"10.244.1.3 8080"}}


def test_slices_are_merged_and_an_endpoint_of_two_counts_once() -> None:
    first = slice_of("web", "10.244.1.2", endpoint("10.244.1.3", False))
    second = slice_of("web", "10.244.1.2", "10.244.1.3", "10.244.1.4", name="2")
    entry = only(service("web", "10.96.0.1"), first, second)
    assert sorted(entry.inside.choice.backends) == [Backend(f"10.244.1.{n}", 8080) for n in (2, 3, 4)]


def test_ports_are_joined_by_name_and_protocol() -> None:
    one = service("dns", "10.96.0.10", ports=("dns:udp:53", "dns-tcp:tcp:53", "metrics:tcp:9153"))
    ports = ("dns:udp:5353", "dns-tcp:tcp:5354", "other:tcp:1")
    assert led_to(one, slice_of("dns", "10.244.1.2", ports=ports)) == {
        "10.96.0.10 udp 53": {"10.244.1.2 5353"},
        "10.96.0.10 tcp 53": {"10.244.1.2 5354"},
        "10.96.0.10 tcp 9153": set(),
    }


def test_a_named_target_port_may_be_another_number_in_another_slice() -> None:
    old = slice_of("web", "10.244.1.2", ports=("8080",))
    new = slice_of("web", "10.244.1.3", ports=("9090",), name="2")
    assert led_to(service("web", "10.96.0.1"), old, new) == {"10.96.0.1 tcp 80": {"10.244.1.2 8080", "10.244.1.3 9090"}}


def test_each_family_leads_to_its_own() -> None:
    one = service("web", "10.96.0.1", "fd00:10:96::1")
    assert led_to(one, slice_of("web", "10.244.1.2"), slice_of("web", "fd00:10:244:1::2", name="6")) == {
        "10.96.0.1 tcp 80": {"10.244.1.2 8080"},
        "fd00:10:96::1 tcp 80": {"fd00:10:244:1::2 8080"},
    }


@pytest.mark.parametrize(
    "one",
    [
        service("web", "None"),
        service("web", "10.96.0.1", type="ExternalName", external_name="example.com"),
        service("web", ""),
        service("web", "10.96.0.1", labels={"service.kubernetes.io/service-proxy-name": "other"}),
        service("web", "10.96.0.1", labels={"service.kubernetes.io/headless": ""}),
    ],
    ids=["headless", "external name", "no address yet", "other proxy", "headless label"],
)
def test_what_is_not_ours_has_no_frontend(one: Service) -> None:
    assert led_to(one, slice_of("web", "10.244.1.2")) == {}


@pytest.mark.parametrize("label", ["service.kubernetes.io/service-proxy-name", "service.kubernetes.io/headless"])
def test_slices_that_are_for_others_are_left_out(label: str) -> None:
    plain, marked = slice_of("web", "10.244.1.2"), slice_of("web", "10.244.1.3", name="2")
    marked.metadata.labels[label] = ""
    assert led_to(service("web", "10.96.0.1"), plain, marked) == {"10.96.0.1 tcp 80": {"10.244.1.2 8080"}}


def test_flows_may_go_on_to_an_endpoint_that_ends_but_not_to_one_that_failed() -> None:
    ready = endpoint("10.244.1.2")
    ending = endpoint("10.244.1.3", False, serving=True, terminating=True)
    failed = endpoint("10.244.1.4", False, serving=False, terminating=True)
    quiet = endpoint("10.244.1.5", False)
    entry = only(service("web", "10.96.0.1"), slice_of("web", ready, ending, failed, quiet))
    assert entry.inside.choice.backends == (Backend("10.244.1.2", 8080),)
    assert entry.serving == (Backend("10.244.1.2", 8080), Backend("10.244.1.3", 8080))


def test_terminating_endpoints_are_used_when_none_is_ready() -> None:
    ending = endpoint("10.244.1.2", False, serving=True, terminating=True, node="node-1")
    failed = endpoint("10.244.1.3", False, serving=False, terminating=True)
    unready = endpoint("10.244.1.4", False, serving=False)
    entry = only(service("web", "10.96.0.1"), slice_of("web", ending, failed, unready))
    assert entry.inside.choice.backends == entry.serving == (Backend("10.244.1.2", 8080),)
    assert entry.local == ("10.244.1.2",)


def test_endpoints_of_this_node_and_of_no_node_may_be_local() -> None:
    pods = [endpoint(f"10.244.1.{n}", node=node) for n, node in enumerate(("node-1", "node-2", ""), 2)]
    assert only(service("web", "10.96.0.1"), slice_of("web", *pods)).local == ("10.244.1.2", "10.244.1.4")


def test_an_endpoint_that_no_traffic_may_go_to_is_ignored_and_reported(caplog: pytest.LogCaptureFixture) -> None:
    piece = slice_of("web", "127.0.0.1", "10.244.1.2")
    assert led_to(service("web", "10.96.0.1"), piece) == {"10.96.0.1 tcp 80": {"10.244.1.2 8080"}}
    assert "EndpointSlice default/web-1: endpoints.addresses" in caplog.text


def test_an_endpoint_of_the_wrong_family_is_ignored() -> None:
    piece = slice_of("web", "10.244.1.2", "fd00::1")
    assert led_to(service("web", "10.96.0.1", "fd00:10:96::1"), piece) == {
        "10.96.0.1 tcp 80": {"10.244.1.2 8080"},
        "fd00:10:96::1 tcp 80": set(),
    }


def test_addresses_are_compared_in_canonical_form() -> None:
    assert only(service("web", "FD00:10:96:0::1")).frontend == Frontend("fd00:10:96::1", Protocol.TCP, 80)


def test_an_address_that_is_external_and_balanced_is_guarded_as_a_balanced_one() -> None:
    one = service(
        "web",
        "10.96.0.1",
        external_ips=("203.0.113.7", "198.51.100.1"),
        balanced=("203.0.113.7",),
        load_balancer_source_ranges=("192.0.2.0/24",),
    )
    node = NodeView("node-1", allow_external_ips=True)
    assert {(entry.frontend.address, entry.scope, entry.source_ranges) for entry in entries(one, [], node)} == {
        ("10.96.0.1", Scope.CLUSTER, None),
        ("203.0.113.7", Scope.LOAD_BALANCER, ("192.0.2.0/24",)),
        ("198.51.100.1", Scope.EXTERNAL, None),
    }


def test_a_service_exists_only_in_the_families_of_its_cluster_addresses() -> None:
    one = service("web", "10.96.0.1", node_ports=(30080,), balanced=("203.0.113.7", "2001:db8::7"))
    assert {entry.frontend.address for entry in entries(one, [], NODE)} == {"10.96.0.1", "203.0.113.7", "0.0.0.0"}


def test_source_ranges_with_every_address_guard_nothing_and_unreadable_ones_admit_no_client() -> None:
    def ranges(*given: str) -> set[tuple[str, ...] | None]:
        one = service("web", "10.96.0.1", balanced=("203.0.113.7",), load_balancer_source_ranges=given)
        return {entry.source_ranges for entry in entries(one, [], NODE) if entry.scope is Scope.LOAD_BALANCER}

    assert ranges() == {None}
    assert ranges("192.0.2.0/24", "0.0.0.0/0") == {None}
    assert ranges("192.0.2.1/24 ", "192.0.2.7") == {("192.0.2.0/24",)}
    assert ranges("2001:db8::/32") == {()}
    assert ranges("everybody") == {()}
