"""Who announces what: a table of Services, Nodes and addresses."""

from __future__ import annotations

import ipaddress
from collections import Counter

import pytest

from podwire.announcement import model
from podwire.announcement.model import Link
from podwire.kube.addresses import IPAddress
from podwire.kube.core import Node, NodeSpec
from podwire.kube.discovery import HEADLESS_LABEL, PROXY_NAME_LABEL
from podwire.kube.meta import ObjectMeta
from podwire.kube.scheduling import Taint
from podwire.kube.services import Service
from tests.announcement.objects import balanced, node

RANGES = (ipaddress.ip_network("192.0.2.0/24"), ipaddress.ip_network("2001:db8::/64"))
ALL = frozenset({"a", "b", "c"})


@pytest.mark.parametrize(
    ("service", "addresses"),
    [
        (balanced("web", "192.0.2.1", "2001:db8::1"), ["192.0.2.1", "2001:db8::1"]),
        (balanced("web", "192.0.2.1", mode="VIP"), ["192.0.2.1"]),
        (balanced("web", "192.0.2.1", mode="Proxy"), []),
        (balanced("web", "198.51.100.1"), []),
        (balanced("web", "192.0.2.1", kind="ClusterIP"), []),
        (balanced("web", "", "balancer.example"), []),
        (balanced("web", "192.0.2.1", labels={PROXY_NAME_LABEL: "other"}), []),
        (balanced("web", "192.0.2.1", labels={HEADLESS_LABEL: ""}), []),
    ],
)
def test_addresses_of_load_balancers(service: Service, addresses: list[str]) -> None:
    assert [str(found) for found in model.load_balancer_addresses(service, RANGES)] == addresses


def test_nodes_that_are_not_ready_excluded_or_leaving_do_not_announce() -> None:
    excluded = node("b", labels={"node.kubernetes.io/exclude-from-external-load-balancers": "false"})
    tainted = Node(
        metadata=ObjectMeta(name="d"),
        spec=NodeSpec(taints=(Taint(key="ToBeDeletedByClusterAutoscaler", effect="NoSchedule"),)),
        status=node("d").status,
    )
    found = map(model.announcer, (node("a"), excluded, node("c", ready=False), tainted))
    assert model.eligible(found) == {"a"}


def test_when_no_node_is_ready_all_go_on_but_the_excluded() -> None:
    excluded = node("b", ready=False, labels={"node.kubernetes.io/exclude-from-external-load-balancers": ""})
    assert model.eligible(map(model.announcer, (node("a", ready=False), excluded))) == {"a"}


@pytest.mark.parametrize(
    ("claims", "nodes"),
    [
        ([None], ALL),
        ([frozenset("ab")], {"a", "b"}),
        ([frozenset("x")], set()),
        ([frozenset()], set()),
        ([None, frozenset("b")], {"b"}),
        ([frozenset("ab"), frozenset("bc")], {"b"}),
        ([frozenset("a"), frozenset("b")], {"a"}),  # no node has both: the oldest Service wins
        ([frozenset(), frozenset("b")], {"b"}),
        ([], set()),
    ],
)
def test_services_of_one_address_agree(claims: list[frozenset[str] | None], nodes: set[str]) -> None:
    assert model.electorate(ALL, claims) == nodes


def test_when_a_node_leaves_only_its_addresses_move() -> None:
    addresses: list[IPAddress] = [ipaddress.ip_address(f"192.0.2.{number}") for number in range(1, 200)]
    before = {address: model.elected(address, ALL) for address in addresses}
    after = {address: model.elected(address, ALL - {"b"}) for address in addresses}
    assert all(after[one] == owner for one, owner in before.items() if owner != "b")
    assert min(Counter(before.values()).values()) > 40
    assert {after[one] for one, owner in before.items() if owner == "b"} == {"a", "c"}


def test_the_order_of_nodes_does_not_matter_and_without_nodes_none_is_elected() -> None:
    address = ipaddress.ip_address("192.0.2.1")
    assert model.elected(address, ["a", "b", "c"]) == model.elected(address, ["c", "b", "a"])
    assert model.elected(address, ()) == ""


@pytest.mark.parametrize(
    ("address", "link"),
    [
        ("192.0.2.7", "eth1"),
        ("2001:db8::7", "eth1"),
        ("198.51.100.7", "eth0"),
        ("203.0.113.7", "eth0"),
        ("2001:db8:1::7", "eth1"),
        ("192.0.2.2", ""),
    ],
)
def test_the_link_is_the_one_in_whose_subnet_the_address_lies_else_the_first(address: str, link: str) -> None:
    links = (
        Link("eth0", (ipaddress.ip_interface("198.51.100.2/24"),)),
        Link("eth1", (ipaddress.ip_interface("192.0.2.2/24"), ipaddress.ip_interface("2001:db8::2/64"))),
    )
    assert model.link_of(ipaddress.ip_address(address), links) == link
    assert model.link_of(ipaddress.ip_address(address), ()) == ""
