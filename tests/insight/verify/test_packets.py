"""What real packets show: an answer, a refusal, an arrival without one, and silence."""

import socket
import threading
import time

from podwire.insight.verify import packets
from podwire.insight.verify.outcome import Attempt, Outcome
from podwire.kernel.namespaces import enter_network, inside_network
from podwire.kernel.nftables import Nftables
from tests.policy.wire import Wire
from tests.sandbox import sandboxed

CLIENT = {4: "10.244.0.2", 6: "fd00:10:244::2"}
SERVER = {4: "10.244.0.3", 6: "fd00:10:244::3"}
DENIED = 81
RULES = (
    f"type filter hook forward priority 0; tcp dport {DENIED} drop; udp dport {DENIED} drop; sctp dport {DENIED} drop;"
)


def chain(table: str, rules: str) -> str:
    return f"table inet {table} {{ chain one {{ {rules} }}\n}}"


def two_pods() -> Wire:
    """A client and a server behind a node that drops what is for port DENIED."""
    wire = Wire({"client": " ".join(CLIENT.values()), "server": " ".join(SERVER.values())})
    enter_network(wire.node.path)
    nft = Nftables()
    nft.run(chain("test", RULES))
    nft.close()
    return wire


def attempts(wire: Wire, protocol: str, port: int, *, is_hoped: bool = True) -> list[Attempt]:
    client, server = (str(wire.hosts[key].path) for key in ("client", "server"))
    return [Attempt(client, SERVER[family], port, protocol, (server,), is_hoped) for family in (4, 6)]


def outcomes(wire: Wire, protocol: str, port: int, *, is_hoped: bool = True) -> set[Outcome]:
    return {seen.outcome for seen in packets.run(attempts(wire, protocol, port, is_hoped=is_hoped))}


@sandboxed
def test_each_protocol_shows_whether_its_packets_arrive() -> None:
    wire = two_pods()
    assert outcomes(wire, "TCP", 80) == {Outcome.OPEN}
    assert outcomes(wire, "TCP", 9) == {Outcome.CLOSED}
    # The listeners of the wire do not answer datagrams; nothing listens on port 9.
    assert outcomes(wire, "UDP", 80) == {Outcome.ARRIVED}
    assert outcomes(wire, "UDP", 9) == {Outcome.CLOSED}
    assert outcomes(wire, "SCTP", 9) <= {Outcome.CLOSED, Outcome.ARRIVED, Outcome.OPEN}
    for protocol in ("TCP", "UDP", "SCTP"):
        assert outcomes(wire, protocol, DENIED, is_hoped=False) == {Outcome.SILENT}, protocol


@sandboxed
def test_a_datagram_that_is_answered_is_open() -> None:
    wire = two_pods()
    with inside_network(wire.hosts["server"].path):
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        server.bind(("0.0.0.0", 53))
        client = attempts(wire, "UDP", 53)[0]

    def answer() -> None:
        data, origin = server.recvfrom(100)
        server.sendto(data, origin)

    thread = threading.Thread(target=answer)
    thread.start()
    assert [seen.outcome for seen in packets.run([client])] == [Outcome.OPEN]
    thread.join()


@sandboxed
def test_silence_is_short_unless_an_answer_is_hoped_for() -> None:
    wire = two_pods()
    packets.PATIENCE_SECONDS = 2 * packets.SILENCE_SECONDS
    began = time.monotonic()
    assert outcomes(wire, "TCP", DENIED, is_hoped=False) == {Outcome.SILENT}
    quick = time.monotonic() - began
    assert outcomes(wire, "TCP", DENIED) == {Outcome.SILENT}
    assert packets.SILENCE_SECONDS <= quick < packets.PATIENCE_SECONDS <= time.monotonic() - began - quick


def test_late_answers_are_waited_for_as_long_as_others_come_in() -> None:
    late = packets.PATIENCE_SECONDS + 1
    batch = packets._Batch([Attempt("/proc/self/ns/net", SERVER[4], 80, "TCP", (), is_hoped=True)])
    assert not batch._enough(late, quiet=packets.SILENCE_SECONDS / 2)
    assert batch._enough(late, quiet=packets.SILENCE_SECONDS * 2)
    assert batch._enough(packets.LIMIT_SECONDS + 1, quiet=0)


@sandboxed
def test_a_refusal_of_a_node_before_the_service_is_no_refusal_of_a_pod() -> None:
    wire = two_pods()
    nft = Nftables()
    nft.run(
        "table ip nat { chain pre { type nat hook prerouting priority -100; ip daddr 10.96.0.1 dnat to 10.244.0.3; }\n}"
    )
    nft.run(
        "table inet filter { chain f { type filter hook forward priority 0; tcp dport 82 reject with tcp reset; }\n}"
    )
    nft.close()
    client, server = (str(wire.hosts[key].path) for key in ("client", "server"))
    through = [Attempt(client, "10.96.0.1", port, "TCP", (server,), is_translated=True) for port in (80, 9, 82)]
    assert [one.outcome for one in packets.run(through)] == [Outcome.OPEN, Outcome.CLOSED, Outcome.REJECTED]


@sandboxed
def test_an_address_without_a_route_and_a_sender_that_is_gone() -> None:
    wire = two_pods()
    client = str(wire.hosts["client"].path)
    seen = packets.run([Attempt(client, "192.0.2.1", 80), Attempt("/run/no-such-network", SERVER[4], 80)])
    assert [one.outcome for one in seen] == [Outcome.UNREACHABLE, Outcome.ERROR]
    assert "no-such-network" in seen[1].text


@sandboxed
def test_more_attempts_than_fit_at_once_keep_their_order() -> None:
    wire = two_pods()
    packets.MOST_AT_ONCE = 3
    ports = [80, 9, DENIED, 80, 9]
    many = [Attempt(str(wire.hosts["client"].path), SERVER[4], port, is_hoped=port != DENIED) for port in ports]
    found = [seen.outcome for seen in packets.run(many)]
    assert found == [Outcome.OPEN, Outcome.CLOSED, Outcome.SILENT, Outcome.OPEN, Outcome.CLOSED]
