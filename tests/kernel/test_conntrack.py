import ipaddress
import socket

import pytest

from podwire.kernel import address_flows
from podwire.kernel.conntrack import Conntrack, Family, FlowProtocol
from podwire.kernel.nftables import Nftables
from tests.sandbox import add_addresses, sandboxed

LOOPBACK = {Family.IPV4: "127.0.0.1", Family.IPV6: "::1"}
TRACKING = "table inet t { chain c { type filter hook output priority 0; ct state new accept; }; }"


def send(family: Family, port: int, kind: int = socket.SOCK_DGRAM) -> int:
    """Send one datagram, or try to connect, to a port of this host; answers the port that it was sent from."""
    with socket.socket(family, kind) as client:
        client.settimeout(30)
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
def test_only_the_named_flow_is_deleted(family: Family) -> None:
    Nftables().run(TRACKING)
    table = Conntrack()
    for port in (5300, 5301):
        send(family, port)
    gone = [flow for flow in table.flows(family, FlowProtocol.UDP) if flow.destination_port == 5300]
    table.delete(gone)
    assert udp_ports(table, family) == {5301}


@sandboxed
def test_a_flow_that_is_gone_already_is_no_error() -> None:
    Nftables().run(TRACKING)
    table = Conntrack()
    send(Family.IPV4, 5300)
    flows = list(table.flows(Family.IPV4, FlowProtocol.UDP))
    table.delete(flows)
    table.delete(flows)
    assert not udp_ports(table, Family.IPV4)


@pytest.mark.parametrize("family", list(Family))
@pytest.mark.parametrize("few", [0, address_flows.FEW_ENTRIES])
@sandboxed
def test_flows_from_and_to_an_address_are_deleted(few: int, family: Family) -> None:
    """Four datagrams between three addresses, one of them translated on its way, and a stream."""
    address_flows.FEW_ENTRIES = few  # of this process, which ends with the test
    own, other, third = addresses(family)
    nat = f"chain n {{ type nat hook output priority -100; {_dnat(family, other, own)} }}"
    Nftables().run(f"{TRACKING[:-1]} {nat}; }}")
    table = Conntrack()
    pairs = [(own, third, 5300), (third, own, 5301), (third, other, 5399), (third, other, 5302)]
    for source, target, port in pairs:
        _datagram(family, source, target, port)
    with socket.create_server((own, 5303), family=family), socket.create_connection((own, 5303), 5):
        table.delete_of_addresses([ipaddress.ip_address(own)], streams=False)
        assert udp_ports(table, family) == {5302}
        assert [flow.destination for flow in table.flows(family, FlowProtocol.TCP)] == [own]
        table.delete_of_addresses([ipaddress.ip_address(own)])
        assert list(table.flows(family, FlowProtocol.TCP)) == []
        assert udp_ports(table, family) == {5302}


@sandboxed
def test_an_address_without_flows_is_no_error() -> None:
    Nftables().run(TRACKING)
    Conntrack().delete_of_addresses([ipaddress.ip_address("10.9.9.9")])


@sandboxed
def test_flows_of_both_families_are_found_together() -> None:
    Nftables().run(TRACKING)
    table = Conntrack()
    for family in Family:
        send(family, 5300)
    found = table.flows_of([ipaddress.ip_address(address) for address in LOOPBACK.values()])
    assert {str(flow.answering) for flow in found} == set(LOOPBACK.values())
    assert {str(flow.answering) for flow in table.flows_of([ipaddress.ip_address("::1")])} == {"::1"}


def addresses(family: Family) -> tuple[str, str, str]:
    """Three addresses of this host."""
    if family == Family.IPV4:
        return "127.0.0.1", "127.0.0.2", "127.0.0.3"
    found = ("fd00::1", "fd00::2", "fd00::3")
    add_addresses("lo", *(f"{one}/128" for one in found))
    return found


def _dnat(family: Family, address: str, to: str) -> str:
    words = "ip" if family == Family.IPV4 else "ip6"
    return f"{words} daddr {address} udp dport 5399 dnat {words} to {to};"


def _datagram(family: Family, source: str, target: str, port: int) -> None:
    with socket.socket(family, socket.SOCK_DGRAM) as client:
        client.bind((source, 0))
        client.sendto(b"hello", (target, port))
