import ipaddress
import socket
from typing import cast

import pytest

from podwire.kernel.address_flows import FEW_ENTRIES, of_addresses
from podwire.kernel.netlink import Netlink, number_be

FOUR, FIVE, SIX = (ipaddress.ip_address(text) for text in ("10.0.0.1", "10.0.0.2", "fd00::1"))
INET, INET6 = int(socket.AF_INET), int(socket.AF_INET6)


class Table:
    """A kernel with so many entries, none of which has a wanted end."""

    def __init__(self, entries: int) -> None:
        self.entries = entries
        self.walks: list[int] = []

    def get(self, _kind: int, _body: bytes, _subject: str) -> bytes:
        return bytes(4) + number_be(1, self.entries)

    def dump(self, _kind: int, body: bytes) -> list[bytes]:
        self.walks.append(body[0])
        return []


@pytest.mark.parametrize(
    ("entries", "addresses", "families"),
    [
        (0, [FOUR, SIX], []),
        (5, [], []),
        (5, [FOUR], [INET]),
        (5, [SIX], [INET6]),
        (5, [FOUR, FIVE, SIX], [0]),
        (FEW_ENTRIES + 1, [FOUR], [INET] * 3),
        (FEW_ENTRIES + 1, [FOUR, SIX], [INET] * 3 + [INET6]),
    ],
)
def test_walks_through_the_table_are_as_few_as_its_entries_allow(
    entries: int, addresses: list[ipaddress.IPv4Address | ipaddress.IPv6Address], families: list[int]
) -> None:
    table = Table(entries)
    assert not list(of_addresses(cast("Netlink", table), addresses))
    assert table.walks == families
