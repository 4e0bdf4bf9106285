import ipaddress
from typing import Any

from podwire.policy.derivation import closed, rows
from podwire.policy.model import Direction
from podwire.policy.numbering import ALLOWED, ANY_POD, BORNE, ISOLATED
from podwire.policy.rows import (
    AddressRow,
    BlocksRow,
    IsolatedRow,
    PeerRow,
    PortRow,
    RangesRow,
    Row,
    SelfRow,
    Span,
)
from tests.policy.cluster import Cluster, address, namespace, pod

IN, OUT = Direction.INGRESS, Direction.EGRESS


class Fixed:
    """Numbers that a reader knows: namespaces x=1, y=2; the only identity of each is 1, further ones count up."""

    def __init__(self) -> None:
        self.given: dict[Any, int] = {}

    def namespace(self, name: str) -> int:
        return ANY_POD | ord(name) - ord("x") + 1 << 16

    def identity(self, identity: Any) -> int:
        return self.given.setdefault(identity, self.namespace(identity.namespace) | len(self.given) + 1)


X, Y = ANY_POD | 1 << 16, ANY_POD | 2 << 16
A = X | 1


def rows_of_a(spec: str, direction: Direction = IN) -> set[Row]:
    """Rows of x/a, the only pod here, which is number A, beside y/b and many more elsewhere."""
    cluster = Cluster()
    cluster.add(*(namespace(n, team="red") for n in "xy"))
    cluster.add(pod("x/a", "10.0.0.1", ports="web=80/TCP"))
    cluster.add(*(pod(f"y/b{n}", f"10.1.0.{n}", node="node-2", labels=f"app={n % 3}") for n in range(30)))
    cluster.add(*(pod(f"y/w{n}", f"10.2.0.{n}", node="node-2", ports=f"web={8080 + n}/TCP") for n in range(2)))
    cluster.policy("x/p", spec)
    numbers = Fixed()
    subject = cluster.view.party(address("10.0.0.1")).identity
    assert subject
    assert numbers.identity(subject) == A
    found = set(rows(subject, cluster.view, numbers))
    assert IsolatedRow(direction, A) in found
    return found - {IsolatedRow(direction, A)}


def test_wide_peers_are_one_row_each() -> None:
    assert rows_of_a("{ingress: [{from: [{namespaceSelector: {}}]}]}") == {PeerRow(IN, A, ANY_POD)}
    assert rows_of_a("{ingress: [{from: [{podSelector: {}}]}]}") == {PeerRow(IN, A, X)}
    assert rows_of_a("{ingress: [{from: [{namespaceSelector: {matchLabels: {team: red}}}]}]}") == {
        PeerRow(IN, A, X),
        PeerRow(IN, A, Y),
    }


def test_pods_with_the_same_labels_are_one_row() -> None:
    spec = "{ingress: [{from: [{namespaceSelector: {}, podSelector: {matchLabels: {app: '1'}}}], ports: [{port: 80}]}]}"
    assert rows_of_a(spec) == {PortRow(IN, A, Y | 2, "TCP", 80)}


def test_anyone_is_every_address_of_both_families() -> None:
    everywhere = {
        BlocksRow(IN, A, 4, with_ports=False, spans=(Span(address("0.0.0.0"), address("255.255.255.255")),)),
        BlocksRow(IN, A, 6, with_ports=False, spans=(Span(address("::"), ipaddress.IPv6Address(2**128 - 1)),)),
    }
    assert rows_of_a("{ingress: [{}]}") == everywhere


def test_few_ports_are_rows_and_many_are_one_range() -> None:
    few = "{ingress: [{from: [{podSelector: {}}], ports: [{port: 80, endPort: 81}, {port: 81, endPort: 82}]}]}"
    assert rows_of_a(few) == {PortRow(IN, A, X, "TCP", port) for port in (80, 81, 82)}
    many = "{ingress: [{from: [{podSelector: {}}], ports: [{port: 80, endPort: 90}, {port: 85, endPort: 200}]}]}"
    assert rows_of_a(many) == {RangesRow(IN, A, X, "TCP", ((80, 200),))}


def test_all_ports_make_single_ones_needless() -> None:
    spec = "{ingress: [{from: [{podSelector: {}}]}, {from: [{podSelector: {}}], ports: [{port: 80}]}]}"
    assert rows_of_a(spec) == {PeerRow(IN, A, X)}


def test_a_named_port_is_the_subjects_own_on_ingress_and_each_destinations_on_egress() -> None:
    assert rows_of_a("{ingress: [{from: [{podSelector: {}}], ports: [{port: web}]}]}") == {PortRow(IN, A, X, "TCP", 80)}
    egress = "{policyTypes: [Egress], egress: [{to: [{namespaceSelector: {}}], ports: [{port: web}]}]}"
    found = {(row.peer & 0xFFFF0000, row.port) for row in rows_of_a(egress, OUT) if isinstance(row, PortRow)}
    assert found == {(X, 80), (Y, 8080), (Y, 8081)}


def egress_to(cidr: str) -> str:
    return f"{{policyTypes: [Egress], egress: [{{to: [{{ipBlock: {{cidr: {cidr}}}}}], ports: [{{port: web}}]}}]}}"


def test_a_named_port_on_a_block_is_the_number_of_each_pod_in_it() -> None:
    whole = {
        (row.peer & 0xFFFF0000, row.port) for row in rows_of_a(egress_to("10.0.0.0/8"), OUT) if isinstance(row, PortRow)
    }
    assert whole == {(X, 80), (Y, 8080), (Y, 8081)}, "identities that are in it whole"
    assert rows_of_a(egress_to("192.168.0.0/16"), OUT) == set(), "no pod, no number"


def test_an_identity_that_is_only_partly_in_a_block_is_named_by_addresses() -> None:
    cluster = Cluster()
    cluster.add(namespace("x"), pod("x/a", "10.0.0.1"))
    cluster.add(*(pod(f"x/b{n}", f"10.2.0.{n}", node="node-2", ports="web=80/TCP") for n in (1, 2)))
    cluster.policy("x/p", egress_to("10.2.0.2/32"))
    (row,) = [row for row in cluster.settle() if isinstance(row, BlocksRow)]
    assert [str(span) for span in row.spans] == ["10.2.0.2 TCP 80-80"]


def test_blocks_of_all_policies_become_spans_that_do_not_overlap() -> None:
    spec = (
        "{ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/24, except: [10.0.0.0/28]}}], ports: [{port: 80}]},"
        " {from: [{ipBlock: {cidr: 10.0.0.0/25}}], ports: [{port: 80, endPort: 90}]}]}"
    )
    spans = (
        Span(address("10.0.0.0"), address("10.0.0.127"), "TCP", (81, 90)),
        Span(address("10.0.0.0"), address("10.0.0.255"), "TCP", (80, 80)),
    )
    assert rows_of_a(spec) == {BlocksRow(IN, A, 4, with_ports=True, spans=spans)}


def test_a_wide_block_costs_only_its_own_spans() -> None:
    wide = "{ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16]}}"
    narrow = ", ".join(f"{{ipBlock: {{cidr: 10.9.{n // 250}.{n % 250}/32}}}}" for n in range(0, 1000, 2))
    (row,) = rows_of_a(f"{{ingress: [{{from: [{wide}, {narrow}]}}]}}")
    assert isinstance(row, BlocksRow)
    assert len(row.spans) == 4 + 500


def test_an_address_is_written_after_all_its_rules() -> None:
    cluster = Cluster()
    cluster.add(namespace("x"), pod("x/a", "10.0.0.1"), pod("x/r", "10.0.0.2", node="node-2"))
    numbers = Fixed()
    assert set(rows(address("10.0.0.1"), cluster.view, numbers)) == {
        AddressRow(address("10.0.0.1"), A, "uid-x/a"),
        SelfRow(address("10.0.0.1")),
    }
    assert set(rows(address("10.0.0.2"), cluster.view, numbers)) == {AddressRow(address("10.0.0.2"), A, "uid-x/r")}
    assert list(rows(address("10.0.0.3"), cluster.view, numbers)) == []
    assert ALLOWED < ISOLATED < BORNE
    assert (PeerRow.stage, IsolatedRow.stage, AddressRow.stage) == (ALLOWED, ISOLATED, BORNE)


def test_without_a_number_nothing_is_said() -> None:
    class Exhausted(Fixed):
        def identity(self, identity: Any) -> int:
            return 0 if identity.namespace == "x" else super().identity(identity)

    cluster = Cluster()
    cluster.add(namespace("x"), pod("x/a", "10.0.0.1"), pod("y/b", "10.0.0.2"))
    cluster.policy("y/p", "{ingress: [{from: [{namespaceSelector: {}, podSelector: {matchLabels: {pod: a}}}]}]}")
    assert list(rows(address("10.0.0.1"), cluster.view, Exhausted())) == []
    subject = cluster.view.party(address("10.0.0.2")).identity
    assert subject
    assert [type(row) for row in rows(subject, cluster.view, Exhausted())] == [IsolatedRow]


def test_what_cannot_be_derived_is_isolated_in_both_directions() -> None:
    cluster = Cluster()
    cluster.add(pod("x/a", "10.0.0.1"))
    subject = cluster.view.party(address("10.0.0.1")).identity
    assert subject
    assert set(closed(subject, Fixed())) == {IsolatedRow(IN, A), IsolatedRow(OUT, A)}
    assert set(closed(address("10.0.0.1"), Fixed())) == set()
