from podwire.lab.host.service_lines import ServiceLine, join, lines, text
from podwire.lab.relay.forwards import Forward, forwards_of
from podwire.lab.relay.table import Entry, PublishedEntry, Table
from tests.lab.relay.services import HTTP, INTERNAL, service


def nodes(forward: Forward) -> list[str]:
    """The addresses of node-1, or with policy Local of node-2, which has the only endpoint."""
    return ["172.18.0.3", "fd00:172:18::3"] if forward.local else ["172.18.0.2", "fd00:172:18::2"]


WEB = service("web", HTTP, addresses=("172.18.254.1",))
BALANCED, NODE_PORT = forwards_of(WEB, INTERNAL)


def test_a_service_shows_how_it_is_reached_in_the_world_and_from_the_host() -> None:
    opened = Table(18, (Entry(BALANCED, "127.18.254.1", 80), Entry(NODE_PORT, "127.0.0.1", 40000, "30080 is taken")))
    assert lines([WEB], nodes, INTERNAL, opened) == (
        ServiceLine("shop", "web", 80, "LoadBalancer", "TCP", "172.18.254.1:80", "127.18.254.1:80"),
        ServiceLine("shop", "web", 80, "NodePort", "TCP", "172.18.0.2:30080", "127.0.0.1:40000", "30080 is taken"),
    )


def test_what_is_not_open_yet_says_so() -> None:
    assert [(one.host, one.note) for one in lines([WEB], nodes, INTERNAL, Table())] == [("", "opening")] * 2
    pending = service("web", {"port": 80})
    assert [(one.address, one.note) for one in lines([pending], nodes, INTERNAL, Table())] == [("", "no address yet")]


def test_internal_addresses_are_never_on_the_host() -> None:
    internal = service("web", HTTP, addresses=("172.18.253.1", "fd00:172:18::fd:1"))
    found = lines([internal], nodes, INTERNAL, Table(18, (Entry(BALANCED, "127.18.254.1", 80),)))
    assert [one.address for one in found] == ["172.18.253.1:80", "[fd00:172:18::fd:1]:80"]
    assert {(one.host, one.note) for one in found} == {("", "internal: nodes and pods only")}


def test_published_ports_are_shown_with_where_they_lead_or_why_nowhere() -> None:
    published = (
        PublishedEntry("shop", "web", "TCP", 8080, NODE_PORT),
        PublishedEntry("shop", "gone", "UDP", 8053, note="there is no such Service"),
    )
    assert lines([], nodes, INTERNAL, Table(published=published)) == (
        ServiceLine("shop", "web", 80, "Published", "TCP", "172.18.0.2:30080", "127.0.0.1:8080"),
        ServiceLine("shop", "gone", 0, "Published", "UDP", "", "127.0.0.1:8053", "there is no such Service"),
    )


def test_services_of_the_cluster_alone_are_not_shown() -> None:
    assert lines([service("inner", {"port": 80}, type="ClusterIP")], nodes, INTERNAL, Table()) == ()
    assert text([]) == []


def test_the_table_has_notes_behind_its_lines() -> None:
    found = lines([WEB], nodes, INTERNAL, Table(18, (Entry(BALANCED, "127.18.254.1", 8080, "port 80 needs root"),)))
    header, first, second = text(found)
    assert header.split() == ["SERVICE", "BY", "PROTOCOL", "IN", "THE", "WORLD", "ON", "THIS", "HOST"]
    assert first.split()[:5] == ["shop/web:80", "LoadBalancer", "TCP", "172.18.254.1:80", "127.18.254.1:8080"]
    assert first.endswith("(port 80 needs root)")
    assert second.endswith("-  (opening)")


def test_an_ipv6_address_has_brackets() -> None:
    assert join("fd00::1", 80) == "[fd00::1]:80"


def test_a_node_port_with_policy_local_is_shown_where_it_answers() -> None:
    local = service("web", HTTP, type="NodePort", externalTrafficPolicy="Local", ipFamilies=["IPv6"])
    assert [one.address for one in lines([local], nodes, INTERNAL, Table())] == ["[fd00:172:18::3]:30080"]
