"""How rows print themselves: this is what a reader of `podwire rows policy` sees."""

import ipaddress

import pytest

from podwire.policy.model import Direction, Identity
from podwire.policy.rows import AddressRow, BlocksRow, IsolatedRow, PeerRow, PortRow, RangesRow, Row, SelfRow, Span

WEB = 1 << 31 | 3 << 16 | 2
DB = 1 << 31 | 4 << 16 | 1
HERE = ipaddress.ip_address("10.244.1.2")


@pytest.mark.parametrize(
    ("row", "text"),
    [
        (AddressRow(HERE, WEB), "10.244.1.2 is 3.2"),
        (SelfRow(HERE), "10.244.1.2 reaches itself"),
        (IsolatedRow(Direction.INGRESS, WEB), "3.2 ingress: only what is allowed"),
        (PeerRow(Direction.INGRESS, WEB, 1 << 31), "3.2 ingress: any pod, all ports"),
        (PeerRow(Direction.EGRESS, WEB, 1 << 31 | 4 << 16), "3.2 egress: 4.*, all ports"),
        (PortRow(Direction.EGRESS, WEB, DB, "tcp", 5432), "3.2 egress: 4.1, tcp 5432"),
        (RangesRow(Direction.EGRESS, WEB, DB, "udp", ((1, 99), (200, 300))), "3.2 egress: 4.1, udp 1-99, 200-300"),
        (
            BlocksRow(Direction.EGRESS, WEB, 4, True, (Span(HERE, HERE + 3, "tcp", (80, 90)),)),
            "3.2 egress: 10.244.1.2-10.244.1.5 tcp 80-90",
        ),
    ],
)
def test_rows(row: Row, text: str) -> None:
    assert str(row) == text


def test_identities_print_their_namespace_and_labels() -> None:
    assert str(Identity("shop", (("app", "web"),))) == "pods of shop with app=web"
    assert str(Identity("shop")) == "other pods of shop"
