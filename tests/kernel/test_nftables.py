import ipaddress

import pytest

from podwire.kernel.elements import Element, Range, Word, transactions
from podwire.kernel.nftables import Nftables, NftablesError
from tests.sandbox import Host, join, sandboxed

TABLE = "inet t"
RULES = """
table inet t {
  map m { typeof ip daddr . meta l4proto . th dport : meta mark; }
  set s { typeof iifname . ip saddr; }
}
"""


def test_a_word_is_never_free_text() -> None:
    with pytest.raises(ValueError, match="no word of nftables"):
        Word("x }; flush ruleset")


def test_texts_of_ranges_and_words() -> None:
    element = Element("s", (Word("pw-1"), Range(80, 90), ipaddress.ip_address("fd00::1")), (7,))
    assert element.text == '"pw-1" . 80-90 . fd00::1 : 7'


@sandboxed
def test_elements_are_added_replaced_and_removed_in_the_kernel() -> None:
    nft = Nftables()
    nft.run(RULES)
    key = (ipaddress.ip_address("10.0.0.1"), Word("tcp"), 80)
    for text in transactions(TABLE, [((), [Element("m", key, (1,))])]):
        nft.run(text)
    for text in transactions(TABLE, [([Element("m", key, (1,))], [Element("m", key, (2,))])]):
        nft.run(text)
    assert "10.0.0.1 . tcp . 80 : 0x00000002" in nft.run("list map inet t m")
    for text in transactions(TABLE, [([Element("m", key, (2,))], ())]):
        nft.run(text)
    assert "10.0.0.1" not in nft.run("list map inet t m")


@sandboxed
def test_a_refused_transaction_says_why_and_leaves_nothing() -> None:
    nft = Nftables()
    nft.run(RULES)
    with pytest.raises(NftablesError, match="No such file"):
        nft.run("add element inet t s { eth0 . 10.0.0.1 }; add element inet t absent { 1 }")
    assert "10.0.0.1" not in nft.run("list set inet t s")


@sandboxed
def test_the_sandbox_joins_hosts_with_real_packets() -> None:
    left, right = Host("left"), Host("right")
    join(left, right, "eth0", "eth0")
    left.run("ip", "address", "add", "10.9.0.1/24", "dev", "eth0")
    right.run("ip", "address", "add", "10.9.0.2/24", "dev", "eth0")
    assert left.run("ping", "-c1", "-W2", "10.9.0.2").returncode == 0
    assert left.run("ping", "-c1", "-W1", "10.9.0.3", check=False).returncode != 0
