from datetime import UTC, datetime

import pytest

from podwire.insight.flows.filters import Filter, since
from podwire.insight.flows.text import header, line
from podwire.kube.pod_workloads import Workload
from podwire.policy.flows.record import (
    L4,
    Addresses,
    Endpoint,
    Flow,
    L4Ports,
    OriginalDestination,
    ServiceName,
)

FLOW = Flow(
    time="2026-01-02T03:04:05.678901Z",
    verdict="DROPPED",
    node_name="node-1",
    addresses=Addresses("10.0.0.1", "10.0.0.2", "IPv4"),
    source=Endpoint("shop", (), "web-5d-q1", (Workload("web", "Deployment"),)),
    destination=Endpoint("data", (), "db-0", (Workload("db", "StatefulSet"),)),
    l4=L4(tcp=L4Ports(40000, 5432)),
    traffic_direction="EGRESS",
    destination_service=ServiceName("sql", "data"),
    original_destination=OriginalDestination("10.96.0.1", 3306),
    summary="dropped by isolation of policy shop/deny: no rule admits",
)
PING = Flow(FLOW.time, "FORWARDED", "node-1", FLOW.addresses, l4=L4(icmp4={}), traffic_direction="INGRESS")


@pytest.mark.parametrize(
    ("chosen", "shown"),
    [
        (Filter(), True),
        (Filter(namespaces=("data",)), True),
        (Filter(namespaces=("other", "shop")), True),
        (Filter(namespaces=("other",)), False),
        (Filter(pods=("web-5d-q1",)), True),
        (Filter(pods=("web",)), True),
        (Filter(pods=("we",)), False),
        (Filter(pods=("data/db",)), True),
        (Filter(pods=("shop/db",)), False),
        (Filter(verdict="DROPPED"), True),
        (Filter(verdict="FORWARDED"), False),
        (Filter(ports=(5432,)), True),
        (Filter(ports=(80, 3306)), True),
        (Filter(ports=(80,)), False),
        (Filter(protocols=("TCP",)), True),
        (Filter(protocols=("UDP", "ICMP")), False),
        (Filter(since="2026-01-02T03:04:05.000000Z"), True),
        (Filter(since="2026-01-02T03:04:06.000000Z"), False),
        (Filter(namespaces=("shop",), ports=(80,)), False),
    ],
)
def test_filters(chosen: Filter, shown: bool) -> None:
    assert chosen.admits(FLOW) is shown


def test_ports_and_names_are_of_ends_that_have_them() -> None:
    assert Filter(protocols=("ICMP",)).admits(PING)
    assert not Filter(ports=(0,)).admits(PING)
    assert not Filter(pods=("",)).admits(PING)


def test_since() -> None:
    now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert since("5m", now) == "2026-01-02T02:59:05.000000Z"
    assert since("1.5h", now) == "2026-01-02T01:34:05.000000Z"
    assert since("2026-01-02T05:00:00+02:00", now) == "2026-01-02T03:00:00.000000Z"
    for bad in ("5", "5 m", "2026-01-02T03:00:00", "yesterday"):
        with pytest.raises(ValueError, match=r".+"):
            since(bad, now)


def test_text() -> None:
    assert header().split() == ["TIME", "VERDICT", "DIR", "SOURCE", "DESTINATION", "PORT", "WHY"]
    assert line(FLOW).split() == [
        *("03:04:05.678", "DROPPED", "egress", "shop/web-5d-q1", "data/db-0", "TCP", "data/sql:3306->5432"),
        *FLOW.summary.split(),
    ]
    assert line(PING).split() == ["03:04:05.678", "FORWARDED", "ingress", "10.0.0.1", "10.0.0.2", "ICMPv4"]
