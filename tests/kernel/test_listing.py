import ipaddress

import pytest

from podwire.kernel.elements import Element, Range, Word, commands
from podwire.kernel.listing import held_elements
from podwire.kernel.nftables import Nftables, NftablesError
from tests.sandbox import sandboxed

RULES = """
table inet t {
  map m { typeof ip saddr : meta mark; }
  set s { typeof ct mark . ip6 saddr . meta l4proto . th dport; flags interval; }
  set empty { typeof ip saddr; }
}
"""
V6 = ipaddress.ip_network("fd00::/64")
ELEMENTS = [
    Element("m", (ipaddress.ip_address("10.0.0.1"),), (0x80010001,)),
    Element("s", (7, Range(V6[0], V6[-1]), Word("tcp"), Range(80, 90))),
    Element("s", (7, Range(V6[2], V6[5]), Word("udp"), 53)),
]
COLLECTIONS = (("map", "m"), ("set", "s"), ("set", "empty"))


@sandboxed
async def test_what_was_written_is_read_back() -> None:
    nft = Nftables()
    nft.run(RULES)
    assert await held_elements("inet t", COLLECTIONS) == []
    nft.run(commands("inet t", "add", ELEMENTS))
    assert set(await held_elements("inet t", COLLECTIONS)) == set(ELEMENTS)


@sandboxed
async def test_a_table_that_is_not_there_is_an_error() -> None:
    with pytest.raises(NftablesError, match="No such file"):
        await held_elements("inet t", COLLECTIONS)
