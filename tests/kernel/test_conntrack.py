import socket

import pytest

from podwire.kernel.conntrack import Conntrack, Family, FlowProtocol
from podwire.kernel.nftables import Nftables
from tests.sandbox import sandboxed

LOOPBACK = {Family.IPV4: "127.0.0.1", Family.IPV6: "::1"}
TRACKING = "table inet t { chain c { type filter hook output priority 0; ct state new accept; }; }"


def send(family: Family, port: int, kind: int = socket.SOCK_DGRAM) -> int:
    """Send one datagram, or try to connect, to a port of this host; answers the port that it was sent from."""
    with socket.socket(family, kind) as client:
        client.settimeout(5)
        client.bind((LOOPBACK[family], 0))
        if kind == socket.SOCK_DGRAM:
            client.sendto(b"hello", (LOOPBACK[family], port))
        else:
            with socket.create_server((LOOPBACK[family], port), family=family):
                client.connect((LOOPBACK[family], port))
        return int(client.getsockname()[1])


def udp_ports(table: Conntrack, family: Family) -> set[int]:
    return {flow.destination_port for flow in table.flows(family, FlowProtocol.UDP)}


@pytest.mark.parametrize("family", list(Family))
@sandboxed
def test_flows_are_listed_by_family_and_protocol(family: Family) -> None:
    Nftables().run(TRACKING)
    table = Conntrack()
    source_port = send(family, 5300)
    send(family, 5301, socket.SOCK_STREAM)
    here = LOOPBACK[family]
    (flow,) = table.flows(family, FlowProtocol.UDP)
    assert (flow.source, flow.source_port) == (here, source_port)
    assert (flow.destination, flow.destination_port) == (here, 5300)
    assert (flow.answering, flow.answering_port) == (here, 5300)
    assert [tcp.destination_port for tcp in table.flows(family, FlowProtocol.TCP)] == [5301]


@pytest.mark.parametrize("family", list(Family))
@sandboxed
def test_only_the_named_flow_is_forgotten(family: Family) -> None:
    Nftables().run(TRACKING)
    table = Conntrack()
    for port in (5300, 5301):
        send(family, port)
    gone = [flow for flow in table.flows(family, FlowProtocol.UDP) if flow.destination_port == 5300]
    table.forget(gone)
    assert udp_ports(table, family) == {5301}


@sandboxed
def test_a_flow_that_is_gone_already_is_no_error() -> None:
    Nftables().run(TRACKING)
    table = Conntrack()
    send(Family.IPV4, 5300)
    flows = list(table.flows(Family.IPV4, FlowProtocol.UDP))
    table.forget(flows)
    table.forget(flows)
    assert not udp_ports(table, Family.IPV4)
