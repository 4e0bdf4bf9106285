import errno
import ipaddress

import pytest

from podwire.kernel.elements import Element, Part, Range, Word, commands
from podwire.kernel.netlink import NetlinkError
from podwire.kernel.nftables import Nftables
from podwire.kernel.readback import Collection, Field, held_elements
from podwire.kernel.setdump import SetDump
from tests.sandbox import sandboxed

RULES = """
table inet t {
  map m { typeof ip saddr : meta mark; }
  map to { typeof ip6 daddr . th dport : ip6 daddr . th dport; }
  set s { typeof ct mark . ip6 saddr . meta l4proto . th dport; flags interval; }
  set links { typeof iifname . ip saddr; }
  set ranges { type ipv4_addr; flags interval; }
  set ranges6 { type ipv6_addr; flags interval; }
  set empty { typeof ip saddr; }
}
"""
IP = ipaddress.ip_address
V6 = ipaddress.ip_network("fd00::/64")


def blocks(*texts: str) -> list[Element]:
    found = []
    for text in texts:
        network = ipaddress.ip_network(text)
        part: Part = network[0] if network.num_addresses == 1 else Range(network[0], network[-1])
        found.append(Element(f"ranges{'6' if network.version == 6 else ''}", (part,)))
    return found


ELEMENTS = [
    Element("m", (IP("10.0.0.1"),), (0x80010001,)),
    Element("to", (IP("fd00::1"), 80), (IP("fd00::2"), 8080)),
    Element("s", (7, Range(V6[0], V6[-1]), Word("tcp"), Range(80, 90))),
    Element("s", (7, Range(V6[2], V6[5]), Word("udp"), 53)),
    Element("links", (Word("pw0123456789ab"), IP("10.0.0.1"))),
    *blocks("10.0.0.0/16", "10.1.0.0/16", "10.9.0.7/32", "255.0.0.0/8", "::/0"),
]
COLLECTIONS = (
    Collection("m", (Field.IPV4,), (Field.NUMBER,)),
    Collection("to", (Field.IPV6, Field.PORT), (Field.IPV6, Field.PORT)),
    Collection("s", (Field.NUMBER, Field.IPV6, Field.PROTOCOL, Field.PORT), interval=True),
    Collection("links", (Field.INTERFACE, Field.IPV4)),
    Collection("ranges", (Field.IPV4,), interval=True),
    Collection("ranges6", (Field.IPV6,), interval=True),
    Collection("empty", (Field.IPV4,)),
)


@sandboxed
def test_what_was_written_is_read_back() -> None:
    nft = Nftables()
    nft.run(RULES)
    assert list(held_elements(SetDump(), "t", COLLECTIONS)) == []
    nft.run(commands("inet t", "add", ELEMENTS))
    assert set(held_elements(SetDump(), "t", COLLECTIONS)) == set(ELEMENTS)


@sandboxed
def test_a_table_that_is_not_there_is_an_error() -> None:
    with pytest.raises(NetlinkError) as caught:
        list(held_elements(SetDump(), "t", COLLECTIONS))
    assert caught.value.errno == errno.ENOENT
