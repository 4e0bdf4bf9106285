import errno
import ipaddress
import struct

import pytest

from podwire.kernel.netlink import NetlinkError
from podwire.kernel.nftables import Nftables
from podwire.kernel.setdump import RawElement, SetDump
from tests.sandbox import sandboxed

RULES = """
table inet t {
  map m { typeof ip daddr . meta l4proto . th dport . numgen random mod 65536 : meta mark; }
  set s { typeof ip6 daddr; }
  set r { typeof ip daddr; flags interval; }
}
"""


def address(text: str) -> bytes:
    return ipaddress.ip_address(text).packed


@sandboxed
def test_keys_and_values_are_the_kernels_registers() -> None:
    nft = Nftables()
    nft.run(RULES + "add element inet t m { 10.0.0.1 . udp . 53 . 7 : 9 }; add element inet t s { fd00::1 }")
    key = address("10.0.0.1") + b"\x11\0\0\0" + b"\0\x35\0\0" + struct.pack("=I", 7)
    assert list(SetDump().elements("t", "m")) == [RawElement(key, struct.pack("=I", 9), end=False)]
    assert list(SetDump().elements("t", "s")) == [RawElement(address("fd00::1"), b"", end=False)]


@sandboxed
def test_an_interval_is_its_first_key_and_the_first_after_it() -> None:
    Nftables().run(RULES + "add element inet t r { 10.96.0.0/16 }")
    found = {element.key: element.end for element in SetDump().elements("t", "r")}
    assert found[address("10.96.0.0")] is False
    assert found[address("10.97.0.0")] is True


@sandboxed
def test_many_elements_come_over_several_messages() -> None:
    nft = Nftables()
    nft.run(RULES)
    for start in range(0, 5000, 1000):
        keys = ", ".join(f"fd00::{n:x}" for n in range(start, start + 1000))
        nft.run(f"add element inet t s {{ {keys} }}")
    found = {element.key for element in SetDump().elements("t", "s")}
    assert found == {address(f"fd00::{n:x}") for n in range(5000)}


@sandboxed
def test_a_set_that_is_not_there_is_an_error() -> None:
    with pytest.raises(NetlinkError) as caught:
        list(SetDump().elements("absent", "s"))
    assert caught.value.errno == errno.ENOENT
