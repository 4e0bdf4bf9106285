from podwire.kernel.counters import CounterDump
from podwire.kernel.nftables import Nftables
from tests.sandbox import sandboxed

RULES = """
table inet t {
  counter lost { packets 7 bytes 900 }
  counter unused { }
}
table inet u {
  counter lost { packets 1 bytes 2 }
}
"""


@sandboxed
def test_packets_of_each_named_counter_of_a_table() -> None:
    dump = CounterDump()
    assert dump.packets("t") == {}
    Nftables().run(RULES)
    assert dump.packets("t") == {"lost": 7, "unused": 0}
    assert dump.packets("absent") == {}
    dump.close()
