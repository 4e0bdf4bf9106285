"""The counters of the rulesets have the names by which they are read."""

from importlib import resources

from podwire import policy as policy_room
from podwire.agent.dropped_packets import DroppedPackets
from podwire.kernel.counters import CounterDump
from podwire.kernel.nftables import Nftables
from podwire.policy import sink as policy
from podwire.services import ruleset as services
from tests.sandbox import sandboxed


@sandboxed
def test_the_rulesets_have_these_counters_and_without_rules_they_are_zero() -> None:
    dropped = DroppedPackets()
    assert {value for family in dropped.families() for _, value in family.samples} == {0}
    nft = Nftables()
    nft.run(resources.files(policy_room).joinpath("policy.nft").read_text())
    nft.run(services.ruleset().text)
    dump = CounterDump()
    names = ("invalid", "closed", "egress", "ingress", "unrecorded")
    assert dict(dump.packets(policy.TABLE_NAME)) == dict.fromkeys(names, 0)
    assert dict(dump.packets(services.TABLE_NAME)) == {"loopback": 0}
    assert {value for family in dropped.families() for _, value in family.samples} == {0}
