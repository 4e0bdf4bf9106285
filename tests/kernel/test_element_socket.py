"""Small transactions of our own against those of libnftables, in a real kernel."""

import ipaddress
from collections.abc import Sequence

import pytest

from podwire.kernel.element_socket import LARGEST, ElementSocket
from podwire.kernel.elements import Batch, Element, Part, Word
from podwire.kernel.nftables import Nftables, NftablesError
from podwire.kernel.readback import Collection, Field
from podwire.kernel.setdump import SetDump
from tests.sandbox import sandboxed

NUMBER, PROTOCOL, PORT, IPV4, IPV6 = Field.NUMBER, Field.PROTOCOL, Field.PORT, Field.IPV4, Field.IPV6
COLLECTIONS = (
    Collection("frontend4", (IPV4, PROTOCOL, PORT), (NUMBER,)),
    Collection("frontend6", (IPV6, PROTOCOL, PORT), (NUMBER,)),
    Collection("endpoint4", (NUMBER, PROTOCOL, NUMBER), (IPV4, PORT)),
    Collection("endpoint6", (NUMBER, PROTOCOL, NUMBER), (IPV6, PORT)),
    Collection("port", (PROTOCOL, PORT), (NUMBER,)),
    Collection("address4", (IPV4,)),
    Collection("pair6", (IPV6, IPV6)),
)
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
ELEMENTS = (
    Element("frontend4", (FOUR, TCP, 80), (0xA0000001,)),
    Element("frontend4", (FOUR, UDP, 65535), (7,)),
    Element("frontend6", (SIX, SCTP, 1), (0xFFFFFFFF,)),
    Element("endpoint4", (5, TCP, 0), (FOUR, 8080)),
    Element("endpoint4", (5, TCP, 1), (FOUR, 256)),
    Element("endpoint6", (70000, UDP, 65535), (SIX, 53)),
    Element("port", (TCP, 30000), (1,)),
    Element("address4", (FOUR,)),
    Element("pair6", (SIX, SIX)),
)


def held(table: str) -> dict[str, frozenset[object]]:
    return {one.name: frozenset(SetDump().elements(table, one.name)) for one in COLLECTIONS}


def loaded(*tables: str) -> Nftables:
    nft = Nftables()
    for table in tables:
        nft.run(PROGRAM % table)
    return nft


@sandboxed
def test_the_kernel_holds_the_same_as_after_a_transaction_of_libnftables() -> None:
    nft = loaded("ours", "theirs")
    ours = ElementSocket("ours", COLLECTIONS)
    changed: Sequence[Element] = (Element("endpoint4", (5, TCP, 1), (FOUR, 257)), Element("port", (UDP, 9), (2,)))
    for batch in (Batch((), ELEMENTS), Batch(ELEMENTS[4:7], changed), Batch(ELEMENTS[:2], ())):
        assert ours.takes(batch)
        ours.run(batch)
        nft.run(batch.text("inet theirs"))
        assert held("ours") == held("theirs")
        assert any(held("ours").values())


@sandboxed
def test_a_refused_element_is_named_and_nothing_of_its_batch_is_changed() -> None:
    loaded("ours")
    ours = ElementSocket("ours", COLLECTIONS)
    ours.run(Batch((), ELEMENTS[:1]))
    before = held("ours")
    for batch in (
        Batch(ELEMENTS[1:2], ELEMENTS[2:]),
        Batch((), (*ELEMENTS[2:], Element("frontend4", (FOUR, TCP, 80), (2,)))),
    ):
        with pytest.raises(NftablesError, match="elements of frontend4"):
            ours.run(batch)
        assert held("ours") == before
    ours.run(Batch((), ELEMENTS[1:]))
    assert sum(map(len, held("ours").values())) == len(ELEMENTS)


@sandboxed
def test_a_missing_table_is_an_error() -> None:
    with pytest.raises(NftablesError, match="No such file"):
        ElementSocket("absent", COLLECTIONS).run(Batch((), ELEMENTS))


@sandboxed
def test_the_largest_batch_fits_into_one_transaction() -> None:
    loaded("ours")
    ours = ElementSocket("ours", COLLECTIONS)
    numbers = range(LARGEST)
    added = [Element("endpoint6", (number, TCP, 0), (SIX, 80)) for number in numbers]
    ours.run(Batch((), added))
    assert len(held("ours")["endpoint6"]) == LARGEST
    ours.run(Batch(added, ()))
    assert not held("ours")["endpoint6"]


@pytest.mark.parametrize("parts", [(FOUR,), (FOUR, TCP, 80)])
def test_large_batches_and_other_sets_are_not_taken(parts: tuple[Part, ...]) -> None:
    ours = ElementSocket("ours", COLLECTIONS)
    other = Element("other4", parts)
    assert not ours.takes(Batch((), (other,)))
    assert not ours.takes(Batch((other,), ELEMENTS))
    assert not ours.takes(Batch((), ELEMENTS[:1] * (LARGEST + 1)))
    assert not ours.takes(Batch((), ()))
    assert ours.takes(Batch((), ELEMENTS[:1] * LARGEST))
