import pytest

from podwire.kube.core import ContainerPort, Pod
from podwire.kube.meta import NamespacedName
from podwire.kube.watch import Change
from podwire.services.derivation import Owner, rows
from podwire.services.host_ports import HostPortsView, PodOwner, entries
from podwire.services.pools import Pools
from podwire.services.view import ServicesView
from podwire.services.word import LARGEST_POOL
from tests.services.objects import NODE, node_at, pod_with_ports

WEB = PodOwner("default", "web")
ADDRESSES = ("172.18.0.2", "fd00:172:18::2")
BOTH = ("10.244.1.2", "fd00:10:244:1::2")


def web(*ports: ContainerPort, **spec: object) -> Pod:
    return pod_with_ports("web", *(ports or (ContainerPort(8080, host_port=80),)), addresses=BOTH, **spec)


def shown(pod: Pod) -> list[str]:
    return [
        f"{entry.frontend.address} {entry.frontend.protocol} {entry.frontend.port} {backend.address}"
        for entry in entries(pod, ADDRESSES)
        for backend in entry.inside.choice.backends
    ]


def test_a_host_port_is_on_all_addresses_of_the_node_in_the_family_of_the_pod() -> None:
    assert shown(web()) == ["172.18.0.2 tcp 80 10.244.1.2", "fd00:172:18::2 tcp 80 fd00:10:244:1::2"]
    everywhere = ContainerPort(8080, host_port=80, host_ip="0.0.0.0")
    assert shown(web(everywhere)) == shown(web())


def test_a_host_port_with_an_address_is_on_that_one_alone() -> None:
    here = ContainerPort(53, host_port=53, protocol="UDP", host_ip="127.0.0.1")
    assert shown(web(here)) == ["127.0.0.1 udp 53 10.244.1.2"]
    own = ContainerPort(53, host_port=53, host_ip="172.18.0.2")
    assert shown(web(own)) == ["172.18.0.2 tcp 53 10.244.1.2"]


@pytest.mark.parametrize(
    "address", ["192.0.2.1", "10.96.0.10", "fd00:10:96::a", "::1%lo } ; flush ruleset", "no address"]
)
def test_a_pod_cannot_take_what_is_sent_to_foreign_addresses(address: str) -> None:
    assert shown(web(ContainerPort(53, host_port=53, host_ip=address))) == []


def test_a_pod_without_an_address_or_a_host_port_has_none() -> None:
    assert shown(pod_with_ports("web", ContainerPort(8080, host_port=80))) == []
    assert shown(web(ContainerPort(8080))) == []


def test_other_ports_of_the_node_stay_its_own() -> None:
    view = ServicesView(NODE)
    view.host_ports.node_changed(Change(None, node_at("172.18.0.2")))
    view.host_ports.pod_changed(Change(None, web()))
    assert [str(row) for row in rows(WEB, view, Pools[Owner](LARGEST_POOL))] == [
        "endpoint4 0 . tcp : 10.244.1.2 . 8080",
        "service4 172.18.0.2 . tcp . 80 : pool 0, 1 slots",
        "outside4 172.18.0.2 . tcp . 80 : pool 0, 1 slots",
        "hairpin4 10.244.1.2 . 10.244.1.2",
    ]
    assert list(rows(NamespacedName("default", "web"), view, Pools[Owner](LARGEST_POOL))) == [], (
        "a Service of the same name is another owner"
    )


def test_pods_of_this_node_concern_their_owner_until_they_end() -> None:
    view = HostPortsView("node-1")
    assert view.pod_changed(Change(None, web())) == {WEB}
    ended = Pod(metadata=web().metadata, spec=web().spec, status=type(web().status)(phase="Succeeded"))
    assert view.pod_changed(Change(web(), ended)) == {WEB}
    assert list(view.entries(WEB)) == []
    assert view.pod_changed(Change(ended, None)) == set(), "its rows are gone already"


def test_other_pods_change_nothing() -> None:
    view = HostPortsView("node-1")
    assert view.pod_changed(Change(None, web(node_name="node-2"))) == set()
    assert view.pod_changed(Change(None, web(host_network=True))) == set()
    assert view.pod_changed(Change(None, web(ContainerPort(80)))) == set()


def test_new_addresses_of_this_node_concern_all_its_pods() -> None:
    view = HostPortsView("node-1")
    view.pod_changed(Change(None, web()))
    assert view.node_changed(Change(None, node_at("172.18.0.2"))) == {WEB}
    assert view.node_changed(Change(None, node_at("172.18.0.2"))) == set(), "a heartbeat changes nothing"
    assert view.node_changed(Change(None, node_at("172.18.0.9", name="node-2"))) == set()
    assert [entry.frontend.address for entry in view.entries(WEB)] == ["172.18.0.2"]
