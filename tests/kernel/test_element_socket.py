"""Transactions of our own against those of libnftables, in a real kernel."""

import ipaddress
import socket
import sys
from collections.abc import Sequence

import pytest

from podwire.kernel.element_socket import ElementSocket
from podwire.kernel.elements import CHANGES_A_TRANSACTION, Batch, Element, Part, Word
from podwire.kernel.nftables import Nftables, NftablesError
from podwire.kernel.setdump import SetDump
from tests.sandbox import sandboxed

NAMES = ("frontend4", "frontend6", "endpoint4", "endpoint6", "port", "address4", "pair6")
PROGRAM = """
table inet %s {
  map frontend4 { typeof ip daddr . meta l4proto . th dport : meta priority; }
  map frontend6 { typeof ip6 daddr . meta l4proto . th dport : meta priority; }
  map endpoint4 { typeof meta priority . meta l4proto . numgen random mod 65536 : ip daddr . th dport; }
  map endpoint6 { typeof meta priority . meta l4proto . numgen random mod 65536 : ip6 daddr . th dport; }
  map port { typeof meta l4proto . th dport : meta priority; }
  set address4 { typeof ip daddr; }
  set pair6 { typeof ip6 saddr . ip6 daddr; }
  set other4 { typeof ip daddr; }
}
"""
TCP, UDP, SCTP = Word("tcp"), Word("udp"), Word("sctp")
FOUR, SIX = ipaddress.ip_address("10.96.1.2"), ipaddress.ip_address("fd00:10:96::a")


class Registers(Element, frozen=True):
    """An element with its registers, made here from what it says to libnftables."""

    @property
    def key_registers(self) -> bytes:
        return b"".join(map(self._register, self.key, range(len(self.key))))

    @property
    def value_registers(self) -> bytes:
        return b"".join(map(self._register, self.value, range(9, 9 + len(self.value))))

    def _register(self, part: Part, place: int) -> bytes:
        if isinstance(part, Word):
            return bytes((socket.getprotobyname(part.text), 0, 0, 0))
        if not isinstance(part, int):
            assert isinstance(part, ipaddress.IPv4Address | ipaddress.IPv6Address)
            return part.packed
        is_port = (
            place == {"frontend4": 2, "frontend6": 2, "port": 1, "endpoint4": 10, "endpoint6": 10}[self.collection]
        )
        return part.to_bytes(2, "big") + bytes(2) if is_port else part.to_bytes(4, sys.byteorder)


ELEMENTS = (
    Registers("frontend4", (FOUR, TCP, 80), (0xA0000001,)),
    Registers("frontend4", (FOUR, UDP, 65535), (7,)),
    Registers("frontend6", (SIX, SCTP, 1), (0xFFFFFFFF,)),
    Registers("endpoint4", (5, TCP, 0), (FOUR, 8080)),
    Registers("endpoint4", (5, TCP, 1), (FOUR, 256)),
    Registers("endpoint6", (70000, UDP, 65535), (SIX, 53)),
    Registers("port", (TCP, 30000), (1,)),
    Registers("address4", (FOUR,)),
    Registers("pair6", (SIX, SIX)),
)


def held(table: str) -> dict[str, frozenset[object]]:
    return {one: frozenset(SetDump().elements(table, one)) for one in NAMES}


def loaded(*tables: str) -> Nftables:
    nft = Nftables()
    for table in tables:
        nft.run(PROGRAM % table)
    return nft


@sandboxed
def test_the_kernel_holds_the_same_as_after_a_transaction_of_libnftables() -> None:
    nft = loaded("ours", "theirs")
    ours = ElementSocket("ours", NAMES)
    changed: Sequence[Registers] = (Registers("endpoint4", (5, TCP, 1), (FOUR, 257)), Registers("port", (UDP, 9), (2,)))
    for batch in (Batch((), ELEMENTS), Batch(ELEMENTS[4:7], changed), Batch(ELEMENTS[:2], ())):
        assert ours.takes(batch)
        ours.run(batch)
        nft.run(batch.text("inet theirs"))
        assert held("ours") == held("theirs")
        assert any(held("ours").values())


@sandboxed
def test_a_refused_element_is_named_and_nothing_of_its_batch_is_changed() -> None:
    loaded("ours")
    ours = ElementSocket("ours", NAMES)
    ours.run(Batch((), ELEMENTS[:1]))
    before = held("ours")
    for batch in (
        Batch(ELEMENTS[1:2], ELEMENTS[2:]),
        Batch((), (*ELEMENTS[2:], Registers("frontend4", (FOUR, TCP, 80), (2,)))),
    ):
        with pytest.raises(NftablesError, match="elements of frontend4"):
            ours.run(batch)
        assert held("ours") == before
    ours.run(Batch((), ELEMENTS[1:]))
    assert sum(map(len, held("ours").values())) == len(ELEMENTS)


@sandboxed
def test_a_missing_table_is_an_error() -> None:
    with pytest.raises(NftablesError, match="No such file"):
        ElementSocket("absent", NAMES).run(Batch((), ELEMENTS))


@sandboxed
def test_the_largest_batch_fits_into_one_transaction() -> None:
    loaded("ours")
    ours = ElementSocket("ours", NAMES)
    numbers = range(CHANGES_A_TRANSACTION)
    added = [Registers("endpoint6", (number, TCP, 0), (SIX, 80)) for number in numbers]
    ours.run(Batch((), added))
    assert len(held("ours")["endpoint6"]) == CHANGES_A_TRANSACTION
    half = CHANGES_A_TRANSACTION // 2
    ours.run(Batch(added[:half], [Registers("endpoint6", (number, TCP, 1), (SIX, 80)) for number in range(half)]))
    assert len(held("ours")["endpoint6"]) == CHANGES_A_TRANSACTION


@sandboxed
def test_more_elements_than_a_message_takes() -> None:
    loaded("ours")
    many = [Registers("address4", (FOUR + number,)) for number in range(5000)]
    ElementSocket("ours", NAMES).run(Batch((), many))
    assert len(held("ours")["address4"]) == len(many)


@pytest.mark.parametrize("parts", [(FOUR,), (FOUR, TCP, 80)])
def test_batches_with_other_sets_are_not_taken(parts: tuple[Part, ...]) -> None:
    ours = ElementSocket("ours", NAMES)
    other = Element("other4", parts)
    assert not ours.takes(Batch((), (other,)))
    assert not ours.takes(Batch((other,), ELEMENTS))
    assert not ours.takes(Batch((), ()))
    assert ours.takes(Batch((), ELEMENTS))
