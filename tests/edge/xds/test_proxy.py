"""Which Envoys of a proxy serve with what, and what is reported and measured of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from podwire.component.metrics import exposition
from podwire.edge.xds.messages import Request
from podwire.edge.xds.metrics import families
from podwire.edge.xds.proxy import Connection, Proxies, Report
from podwire.edge.xds.resource import CLUSTER, ENDPOINTS
from tests.edge.xds.envoy_script import cluster, endpoints

KEYS = ((CLUSTER, "c"), (ENDPOINTS, "c"))


class Fleet:
    """A proxy with one cluster, its reports, and a clock that a test moves."""

    def __init__(self) -> None:
        self.reports: list[Report] = []
        self.now = 0.0
        self.proxies = Proxies(self.reports.append, lambda: self.now)
        self.proxy = self.proxies.add("edge", [cluster("c"), endpoints("c")])

    def connect(self, node: str, wake: Callable[[], None] = lambda: None) -> Connection:
        """Connect an Envoy that subscribes to the cluster and its endpoints."""
        connection = self.proxy.connect(node, wake)
        connection.receive(Request(CLUSTER))
        connection.receive(Request(ENDPOINTS, subscribe=("c",)))
        return connection


def settle(*connections: Connection, error: str = "") -> None:
    """Answer everything; with an error, refuse clusters."""
    for connection in connections:
        while responses := connection.responses():
            for one in responses:
                connection.receive(
                    Request(one.type_url, nonce=one.nonce, error=error if one.type_url == CLUSTER else "")
                )


def test_an_envoy_lacks_what_it_has_not_acknowledged() -> None:
    fleet = Fleet()
    first, second = fleet.connect("one"), fleet.connect("two")
    assert fleet.proxy.envoys() == {"one", "two"}
    assert fleet.proxy.lacking(KEYS) == {"one", "two"}
    settle(first)
    assert fleet.proxy.lacking(KEYS) == {"two"}
    settle(second)
    assert fleet.proxy.lacking(KEYS) == frozenset()
    fleet.proxy.apply([endpoints("c", "2")])
    assert fleet.proxy.lacking(KEYS) == {"one", "two"}
    assert fleet.proxy.lacking(KEYS[:1]) == frozenset()


def test_a_removed_resource_is_lacking_while_an_envoy_holds_it() -> None:
    fleet = Fleet()
    envoy = fleet.connect("one")
    settle(envoy)
    fleet.proxy.apply([], KEYS)
    assert fleet.proxy.lacking(KEYS[:1]) == {"one"}
    settle(envoy)
    assert fleet.proxy.lacking(KEYS[:1]) == frozenset()


def test_a_refusal_has_its_reason_until_the_resource_changes() -> None:
    fleet = Fleet()
    envoy = fleet.connect("one")
    settle(envoy)
    fleet.proxy.apply([cluster("c", "2")])
    settle(envoy, error="no such filter")
    assert fleet.proxy.refusal((CLUSTER, "c")) == "no such filter"
    assert fleet.proxy.refusal((ENDPOINTS, "c")) == ""
    fleet.proxy.apply([cluster("c", "3")])
    assert fleet.proxy.refusal((CLUSTER, "c")) == ""


def test_reports_name_what_changed_and_nothing_else() -> None:
    fleet = Fleet()
    envoy = fleet.connect("one")
    settle(envoy)
    fleet.reports.clear()
    fleet.proxy.apply([endpoints("c", "2"), cluster("c")])
    assert fleet.reports == [Report("edge", frozenset({(ENDPOINTS, "c")}))]
    settle(envoy)
    assert {key for one in fleet.reports for key in one.keys} == {(ENDPOINTS, "c")}
    fleet.reports.clear()
    fleet.proxy.apply([endpoints("c", "2")])
    assert fleet.reports == []
    fleet.proxy.disconnect(envoy)
    assert fleet.reports == [Report("edge", envoys_changed=True)]
    assert fleet.proxy.envoys() == frozenset()


def test_a_change_wakes_every_stream() -> None:
    fleet, woken = Fleet(), []
    for name in ("one", "two"):
        settle(fleet.connect(name, lambda name=name: woken.append(name)))  # type: ignore[misc]
    woken.clear()
    fleet.proxy.apply([endpoints("c", "2")])
    assert woken == ["one", "two"]


def test_a_later_stream_of_an_envoy_closes_the_earlier_one() -> None:
    fleet = Fleet()
    earlier = fleet.connect("one")
    later = fleet.connect("one")
    assert (earlier.is_closed, later.is_closed) == (True, False)
    fleet.proxy.disconnect(earlier)
    assert fleet.proxy.envoys() == {"one"}


def test_a_removed_proxy_ends_its_streams() -> None:
    fleet = Fleet()
    envoy = fleet.connect("one")
    fleet.proxies.remove("edge")
    assert envoy.is_closed
    assert fleet.proxies.get("edge") is None
    fleet.proxies.remove("edge")


@pytest.mark.parametrize(("name", "message"), [("edge", "exists"), ("x" * 65, "more than 64 characters")])
def test_a_proxy_is_added_once_under_a_name_that_fits_a_certificate(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Fleet().proxies.add(name, [])


def measured(proxies: Proxies) -> list[str]:
    return [line for line in exposition(families(proxies)).splitlines() if not line.startswith("#")]


def test_the_time_to_the_last_answer_is_measured() -> None:
    fleet = Fleet()
    first, second = fleet.connect("one"), fleet.connect("two")
    settle(first, second)
    fleet.now = 10.0
    fleet.proxy.apply([endpoints("c", "2")])
    fleet.now = 11.0
    settle(first)
    assert 'podwire_xds_acknowledgement_seconds_count{proxy="edge"} 0' in measured(fleet.proxies)
    fleet.now = 12.0
    settle(second)
    lines = measured(fleet.proxies)
    assert 'podwire_xds_acknowledgement_seconds_sum{proxy="edge"} 2' in lines
    assert 'podwire_xds_acknowledgement_seconds_count{proxy="edge"} 1' in lines


def test_envoys_responses_and_refusals_are_counted() -> None:
    fleet = Fleet()
    envoy = fleet.connect("one")
    settle(envoy)
    fleet.proxy.apply([cluster("c", "bad")])
    settle(envoy, error="bad")
    lines = measured(fleet.proxies)
    assert 'podwire_xds_connected_envoys{proxy="edge"} 1' in lines
    assert 'podwire_xds_responses_total{proxy="edge",type="Cluster"} 2' in lines
    assert 'podwire_xds_refusals_total{proxy="edge",type="Cluster"} 1' in lines


def test_an_envoy_that_disconnects_is_not_waited_for() -> None:
    fleet = Fleet()
    first, second = fleet.connect("one"), fleet.connect("two")
    settle(first, second)
    fleet.proxy.apply([endpoints("c", "2")])
    settle(first)
    fleet.proxy.disconnect(second)
    assert 'podwire_xds_acknowledgement_seconds_count{proxy="edge"} 1' in measured(fleet.proxies)
