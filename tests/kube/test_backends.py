import pytest

from podwire.kube.backends import Backend, Member, PortKey, by_port, members, receiving
from podwire.kube.discovery import Endpoint, EndpointConditions, EndpointPort, EndpointSlice, ObjectReference
from podwire.kube.meta import NamespacedName, ObjectMeta
from podwire.kube.services import Service, ServiceSpec

SERVICE = Service(metadata=ObjectMeta(namespace="x", name="web"))
HTTP = EndpointPort(name="http", port=8080)


def endpoint(
    address: str,
    ready: bool | None = True,
    serving: bool | None = None,
    terminating: bool | None = None,
    node: str = "",
) -> Endpoint:
    conditions = EndpointConditions(ready=ready, serving=serving, terminating=terminating)
    return Endpoint(addresses=(address,), conditions=conditions, node_name=node)


def slice_of(*endpoints: Endpoint, ports: tuple[EndpointPort, ...] = (HTTP,), family: str = "IPv4") -> EndpointSlice:
    return EndpointSlice(address_type=family, endpoints=endpoints, ports=ports)


def used(*endpoints: Endpoint) -> set[str]:
    """The addresses that new connections go to."""
    (found,) = by_port(SERVICE, [slice_of(*endpoints)]).values()
    return {backend.address for backend in receiving(found)}


READY = endpoint("10.0.0.1", node="one")
ENDING = endpoint("10.0.0.2", False, True, True, "two")
ENDED = endpoint("10.0.0.3", False, False, True, "two")
UNREADY = endpoint("10.0.0.4", False, False, node="two")
STARTING = endpoint("10.0.0.5", False, True, node="two")
"""It serves but does not terminate: somebody holds its readiness back."""


def test_the_ready_ones_receive_connections() -> None:
    assert used(READY, ENDING, ENDED, UNREADY) == {"10.0.0.1"}


def test_when_none_is_ready_those_that_serve_while_they_terminate_do() -> None:
    assert used(ENDING, ENDED, UNREADY, STARTING) == {"10.0.0.2"}


def test_when_none_serves_none_does() -> None:
    assert used(ENDED, UNREADY, STARTING) == set()


def test_absent_conditions_count_as_ready_serving_and_not_terminating() -> None:
    ((member, ports),) = members(SERVICE, [slice_of(endpoint("10.0.0.1", None))])
    assert (member.ready, member.serving, member.terminating) == (True, True, False)
    assert ports == (HTTP,)


def test_a_service_that_publishes_unready_addresses_makes_them_ready() -> None:
    service = Service(spec=ServiceSpec(publish_not_ready_addresses=True))
    ((member, _),) = members(service, [slice_of(UNREADY)])
    assert member.ready
    assert member.serving


def test_a_member_keeps_what_its_slice_says() -> None:
    target = ObjectReference(kind="Pod", namespace="x", name="web-0")
    found = Endpoint(addresses=("FD00::0001",), hostname="web-0", node_name="one", zone="z", target_ref=target)
    ((member, _),) = members(SERVICE, [slice_of(found, ports=(), family="IPv6")])
    assert member == Member(
        "fd00::1", True, True, False, "one", "z", (), hostname="web-0", pod=NamespacedName("x", "web-0")
    )
    assert member.family == 6


@pytest.mark.parametrize(
    "piece",
    [slice_of(endpoint("127.0.0.1")), slice_of(endpoint("fd00::1")), slice_of(endpoint("web"), family="FQDN")],
    ids=["loopback", "another family", "name"],
)
def test_addresses_that_no_traffic_may_go_to_are_left_out(piece: EndpointSlice) -> None:
    assert list(members(SERVICE, [piece])) == []


def test_backends_are_found_by_name_and_protocol_and_family_of_the_port() -> None:
    udp = EndpointPort(name="http", protocol="UDP", port=53)
    piece = slice_of(READY, ports=(HTTP, udp, EndpointPort(name="any")))
    found = by_port(SERVICE, [piece, slice_of(endpoint("fd00::1"), family="IPv6")])
    assert {key: list(backends) for key, backends in found.items()} == {
        PortKey("http", "TCP", 4): [Backend("10.0.0.1", 8080)],
        PortKey("http", "UDP", 4): [Backend("10.0.0.1", 53)],
        PortKey("http", "TCP", 6): [Backend("fd00::1", 8080)],
    }


def test_an_endpoint_of_two_slices_is_one_whichever_comes_first() -> None:
    pieces = [slice_of(endpoint("10.0.0.1", False, False, True, "one")), slice_of(endpoint("10.0.0.1", node="two"))]
    forwards, backwards = by_port(SERVICE, pieces), by_port(SERVICE, pieces[::-1])
    assert forwards == backwards
    (member,) = forwards[PortKey("http", "TCP", 4)].values()
    assert (member.ready, member.terminating, member.node) == (True, False, "one")
