"""Endpoints by node, of Services with `externalTrafficPolicy: Local` only."""

from __future__ import annotations

from typing import Any

from podwire.kube.discovery import EndpointSlice
from podwire.kube.local_endpoints import LocalEndpoints
from podwire.kube.meta import NamespacedName
from podwire.kube.watch import Change
from tests.announcement.objects import balanced, endpoint, slice_of

WEB = NamespacedName("default", "web")


def following(*slices: EndpointSlice, **spec: Any) -> LocalEndpoints:
    found = LocalEndpoints(lambda: slices)
    found.service_changed(Change(None, balanced("web", local=True, **spec)))
    return found


def test_an_endpoint_of_several_slices_or_ports_counts_once_and_each_family_by_itself() -> None:
    here = endpoint("10.0.0.1", "a")
    found = following(
        slice_of("web", here, endpoint("10.0.0.2", "b"), name="1"),
        slice_of("web", here, endpoint("10.0.0.3", "a", ready=False), name="2"),
        slice_of("web", endpoint("fd00::1", "a"), endpoint("fd00::2", "a"), name="3"),
        slice_of("other", endpoint("10.0.0.9", "a")),
    )
    assert [found.ready(WEB, "a", family) for family in (4, 6)] == [1, 2]
    assert found.ready(WEB, "b", 6) == 0
    assert found.nodes(WEB) == {"a", "b"}


def test_unready_endpoints_count_where_the_service_publishes_them() -> None:
    unready = slice_of("web", endpoint("10.0.0.1", "a", ready=False))
    assert following(unready).ready(WEB, "a", 4) == 0
    assert following(unready, publish_not_ready_addresses=True).ready(WEB, "a", 4) == 1


def test_terminating_endpoints_are_not_ready_but_receive_while_none_is() -> None:
    found = following(slice_of("web", endpoint("10.0.0.1", "a", ready=False, serving=True, ending=True)))
    assert found.ready(WEB, "a", 4) == 0
    assert found.nodes(WEB) == {"a"}


def test_a_service_that_is_gone_has_no_endpoints_and_comes_back_with_them() -> None:
    piece, service = slice_of("web", endpoint("10.0.0.1", "a")), balanced("web", local=True)
    found = following(piece)
    assert found.slice_changed(Change(piece, piece)) == {WEB}
    found.service_changed(Change(service, None))
    assert found.slice_changed(Change(piece, piece)) == set()
    assert found.nodes(WEB) == set()
    found.service_changed(Change(None, service))
    assert found.nodes(WEB) == {"a"}


def test_slices_are_read_once_for_all_services_that_are_new() -> None:
    reads: list[int] = []

    def slices() -> list[EndpointSlice]:
        reads.append(1)
        return [slice_of("web", endpoint("10.0.0.1", "a")), slice_of("db", endpoint("10.0.0.2", "b"))]

    found = LocalEndpoints(slices)
    for name in ("web", "db"):
        found.service_changed(Change(None, balanced(name, local=True)))
    found.service_changed(Change(None, balanced("plain")))
    assert not reads
    assert [found.nodes(NamespacedName("default", name)) for name in ("web", "db", "plain")] == [{"a"}, {"b"}, set()]
    assert len(reads) == 1
