"""Which addresses a change concerns, and who may announce them afterwards; in every order of arrival."""

from __future__ import annotations

import ipaddress
import itertools
from collections.abc import Callable

from podwire.announcement.view import AnnouncementView
from podwire.kube.core import Node
from podwire.kube.discovery import EndpointSlice
from podwire.kube.services import Service
from podwire.kube.watch import Change
from tests.announcement.objects import balanced, endpoint, node, slice_of

RANGES = (ipaddress.ip_network("192.0.2.0/24"),)
ADDRESS, OTHER = ipaddress.ip_address("192.0.2.1"), ipaddress.ip_address("192.0.2.2")


class Objects:
    """A view, and the slices that its informer would have."""

    def __init__(self) -> None:
        self.slices: dict[str, EndpointSlice] = {}
        self.view = AnnouncementView(RANGES, self.slices.values)

    def service(self, new: Service | None, old: Service | None = None) -> frozenset[object]:
        return self.view.service_changed(Change(old, new))

    def slice(self, new: EndpointSlice) -> frozenset[object]:
        old = self.slices.get(new.metadata.name)
        self.slices[new.metadata.name] = new
        return self.view.slice_changed(Change(old, new))

    def node(self, new: Node | None, old: Node | None = None) -> frozenset[object]:
        return self.view.node_changed(Change(old, new))


def test_a_change_concerns_the_addresses_before_and_after() -> None:
    objects = Objects()
    first, second = balanced("web", "192.0.2.1"), balanced("web", "192.0.2.2")
    assert objects.service(first) == {ADDRESS}
    assert objects.service(second, first) == {ADDRESS, OTHER}
    assert objects.service(None, second) == {OTHER}
    assert not objects.view.addresses
    assert objects.service(balanced("db", "198.51.100.1")) == set()


def test_nodes_concern_all_addresses_or_none() -> None:
    objects = Objects()
    objects.service(balanced("web", "192.0.2.1"))
    before, renewed = node("a"), node("a", labels={"seen": "again"})
    assert objects.node(before) == {ADDRESS}
    assert objects.node(renewed, before) == set()
    assert objects.node(node("a", ready=False), renewed) == {ADDRESS}
    assert objects.node(None, renewed) == {ADDRESS}
    assert objects.view.electorate(ADDRESS) == set()


def test_the_address_of_a_node_is_never_announced() -> None:
    objects = Objects()
    objects.service(balanced("web", "192.0.2.1"))
    objects.node(node("a", "192.0.2.1"))
    assert objects.view.electorate(ADDRESS) == set()


def test_local_services_count_endpoints_in_every_order_of_arrival() -> None:
    steps: list[Callable[[Objects], object]] = [
        lambda it: it.service(balanced("web", "192.0.2.1", local=True)),
        lambda it: it.slice(slice_of("web", endpoint("10.0.0.1", "a"), name="1")),
        lambda it: it.slice(slice_of("web", endpoint("10.0.0.2", "b", ready=False), name="2")),
        lambda it: it.slice(slice_of("other", endpoint("10.0.0.3", "c"))),
        lambda it: [it.node(node(name)) for name in "abc"],
    ]
    for order in itertools.permutations(steps):
        objects = Objects()
        for step in order:
            step(objects)
        assert objects.view.electorate(ADDRESS) == {"a"}


def test_terminating_endpoints_keep_an_address_while_none_is_ready() -> None:
    objects = Objects()
    objects.service(balanced("web", "192.0.2.1", local=True))
    for name in "ab":
        objects.node(node(name))
    ending = endpoint("10.0.0.1", "a", ready=False, serving=True, ending=True)
    assert objects.slice(slice_of("web", ending)) == {ADDRESS}
    assert objects.view.electorate(ADDRESS) == {"a"}
    objects.slice(slice_of("web", ending, endpoint("10.0.0.2", "b")))
    assert objects.view.electorate(ADDRESS) == {"b"}
    objects.slice(slice_of("web", endpoint("10.0.0.1", "a", ready=False)))
    assert objects.view.electorate(ADDRESS) == set()


def test_a_service_that_is_local_no_more_is_announced_by_any_node() -> None:
    objects = Objects()
    local, cluster = balanced("web", "192.0.2.1", local=True), balanced("web", "192.0.2.1")
    objects.service(local)
    objects.slice(slice_of("web", endpoint("10.0.0.1", "a")))
    for name in "ab":
        objects.node(node(name))
    assert objects.view.electorate(ADDRESS) == {"a"}
    objects.service(cluster, local)
    assert objects.view.electorate(ADDRESS) == {"a", "b"}
    objects.service(local, cluster)
    assert objects.view.electorate(ADDRESS) == {"a"}


def test_of_services_that_share_an_address_the_oldest_decides_where_no_node_has_both() -> None:
    objects = Objects()
    for name in "ab":
        objects.node(node(name))
    objects.service(balanced("young", "192.0.2.1", local=True, created="2026-02-02T00:00:00Z"))
    objects.service(balanced("old", "192.0.2.1", local=True, created="2026-01-01T00:00:00Z"))
    objects.slice(slice_of("young", endpoint("10.0.0.1", "a")))
    objects.slice(slice_of("old", endpoint("10.0.0.2", "b")))
    assert objects.view.electorate(ADDRESS) == {"b"}
    objects.slice(slice_of("young", endpoint("10.0.0.1", "a"), endpoint("10.0.0.4", "b")))
    assert objects.view.electorate(ADDRESS) == {"b"}
    objects.slice(slice_of("old"))
    assert objects.view.electorate(ADDRESS) == {"a", "b"}
