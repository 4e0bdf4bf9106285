"""Others mark packets on the same node: their marks survive, and nothing that they write makes one pod another."""

from podwire.kernel.nftables import Nftables
from podwire.policy.model import Identity
from tests.policy.netpol import addresses, model
from tests.policy.test_packets import HERE, SMALL, Enforced, check, small_wire, tcp
from tests.policy.wire import Probe
from tests.sandbox import sandboxed

MARKS = """
table inet foreign {
    counter kept { }
    counter lost { }
    chain before {
        type filter hook prerouting priority mangle; policy accept;
        meta mark set 0x4000 ct mark set 0x51820 meta priority set 7
    }
    chain after {
        type filter hook postrouting priority mangle; policy accept;
        meta mark 0x4000 ct mark 0x51820 counter name kept accept
        iifname "pw*" meta l4proto { tcp, udp } th dport 80 counter name lost
    }
}
"""
DENY_ALL_BUT_B = """
{podSelector: {matchLabels: {pod: a}}, policyTypes: [Ingress, Egress],
 ingress: [{from: [{podSelector: {matchLabels: {pod: b}}}]}],
 egress: [{to: [{podSelector: {matchLabels: {pod: b}}}]}]}
"""


def packets(nft: Nftables, counter: str) -> int:
    words = nft.run(f"list counter inet foreign {counter}").split()
    return int(words[words.index("packets") + 1])


def both(source: str, target: str) -> list[Probe]:
    """TCP and UDP, both families."""
    return [Probe(source, ip, protocol, 80) for ip in addresses(target).split() for protocol in ("TCP", "UDP")]


@sandboxed
async def test_marks_of_packets_and_connections_survive_policies() -> None:
    wire, kernel, cluster = small_wire(), Enforced(), model()
    nft = Nftables()
    nft.run(MARKS)
    cluster.policy("x/p", DENY_ALL_BUT_B)
    await kernel.enforce(cluster)
    check(
        wire,
        allowed=[*both("x/a", "x/b"), *both("x/b", "x/a"), *both("x/b", "y/a")],
        denied=[*both("y/a", "x/a"), *both("x/a", "y/a")],
    )
    assert packets(nft, "lost") == 0
    assert packets(nft, "kept") > 20


def identities(cluster_numbers: dict[Identity | str, int]) -> list[int]:
    return [number for what, number in cluster_numbers.items() if isinstance(what, Identity)]


@sandboxed
async def test_no_mark_and_no_priority_makes_a_pod_another_one() -> None:
    """Foreign rules claim every identity in turn, before routing and right before podwire's rules."""
    wire, kernel, cluster = small_wire(), Enforced(), model()
    cluster.policy("x/p", DENY_ALL_BUT_B)
    await kernel.enforce(cluster)
    nft = Nftables()
    claimed = identities(cluster.numbers.given)
    assert len(claimed) >= len(SMALL) - 1
    for number in [*claimed, 1 << 31]:
        claim = f"meta mark set {number} ct mark set {number} meta priority set {number}"
        nft.run(
            "add table inet foreign; delete table inet foreign;"
            f"table inet foreign {{ chain raw {{ type filter hook prerouting priority mangle; {claim}; }};"
            f"chain forward {{ type filter hook forward priority filter - 1; {claim}; }}; }}"
        )
        check(
            wire,
            allowed=[tcp("x/b", HERE[0]), tcp("x/a", addresses("x/b").split()[1])],
            denied=[tcp("y/a", HERE[0]), tcp("y/a", HERE[1]), tcp("x/a", addresses("y/a").split()[0])],
        )
