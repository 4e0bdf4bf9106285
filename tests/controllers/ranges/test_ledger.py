"""Random lives of clusters: no two nodes share an address, a restart changes nothing, nothing is lost."""

import ipaddress
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podwire.controllers.ranges.ledger import RangeError, RangeLedger
from podwire.kube.pod_pools import IPNetwork, PoolRange, pool, pools_for
from tests.thoroughness import examples

POOLS = [pool("10.0.0.0/28:30,fd00::/61"), pool("10.0.1.0/29:30@kind=gpu"), pool("fd00:2::/62@kind=six")]
KINDS: list[dict[str, str]] = [{}, {"kind": "gpu"}, {"kind": "six"}]

Step = tuple[str, str, dict[str, str]]
NAMES = st.integers(0, 11).map("node-{}".format)
STEPS: st.SearchStrategy[Step] = st.one_of(
    st.tuples(st.just("add"), NAMES, st.sampled_from(KINDS)),
    st.tuples(st.just("remove"), NAMES, st.just({})),
    st.tuples(st.just("restart"), st.just(""), st.just({})),
    st.tuples(st.just("foreign"), NAMES, st.just({})),
)


@settings(max_examples=examples(150), deadline=None)
@given(st.lists(STEPS, max_size=40))
def test_no_two_nodes_ever_share_a_range(steps: list[Step]) -> None:
    ledger = RangeLedger(POOLS)
    nodes: dict[str, tuple[IPNetwork, ...]] = {}
    for step, name, labels in steps:
        if step == "restart":
            ledger = RangeLedger(POOLS)
            assert all(not ledger.hold(node, ranges) for node, ranges in nodes.items())
        elif step == "remove":
            assert ledger.release(name) == (nodes.pop(name, None) is not None)
        elif name in nodes:
            assert ledger.claim(name, labels) == nodes[name]
        elif step == "foreign":
            ranges = (ipaddress.ip_network("10.0.0.8/29"),)
            if not any(one.overlaps(ranges[0]) for theirs in nodes.values() for one in theirs if one.version == 4):
                nodes[name] = ranges
                assert ledger.hold(name, ranges) == ()
        else:
            added(ledger, nodes, name, labels)
        check(nodes)
        assert {name: ledger.ranges(name) for name in nodes} == nodes


def added(ledger: RangeLedger, nodes: dict[str, tuple[IPNetwork, ...]], name: str, labels: dict[str, str]) -> None:
    """Give a node its ranges; it is refused only where each of its pools has a range without a free part."""
    held = [one for ranges in nodes.values() for one in ranges]
    pools = pools_for(POOLS, labels)
    if all(any(is_full(source, held) for source in each.ranges) for each in pools):
        with pytest.raises(RangeError) as refusal:
            ledger.claim(name, labels)
        assert refusal.value.reason == "PodPoolExhausted"
        return
    nodes[name] = ledger.claim(name, labels)
    assert [one.prefixlen for one in nodes[name]] == [source.mask for source in pools[0].ranges]


def is_full(source: PoolRange, held: list[IPNetwork]) -> bool:
    mine = [one for one in held if one.version == source.network.version]
    return all(any(source.part(number).overlaps(one) for one in mine) for number in range(source.count))


def check(nodes: dict[str, tuple[IPNetwork, ...]]) -> None:
    for (_, mine), (_, theirs) in itertools.combinations(nodes.items(), 2):
        assert not any(one.version == other.version and one.overlaps(other) for one in mine for other in theirs)


def texts(ledger: RangeLedger, node: str) -> list[str]:
    return [str(one) for one in ledger.claim(node, {})]


def test_a_released_range_is_used_again_last() -> None:
    ledger = RangeLedger([pool("10.0.0.0/28:30")])
    assert [texts(ledger, name) for name in "abc"] == [["10.0.0.0/30"], ["10.0.0.4/30"], ["10.0.0.8/30"]]
    assert ledger.release("b")
    assert ledger.release("a")
    assert not ledger.release("a")
    assert [texts(ledger, name) for name in "def"] == [["10.0.0.12/30"], ["10.0.0.4/30"], ["10.0.0.0/30"]]


def test_the_next_pool_follows_an_exhausted_one_and_exhaustion_has_a_remedy() -> None:
    ledger = RangeLedger([pool("10.0.0.0/29:30"), pool("10.9.0.0/30:30")])
    assert [texts(ledger, name) for name in "abc"][2] == ["10.9.0.0/30"]
    assert ledger.free() == {"10.0.0.0/29": 0, "10.9.0.0/30": 0}
    with pytest.raises(RangeError, match=r"10\.0\.0\.0/29, /30 a node, 10\.9\.0\.0/30.*delete Nodes.*--pod-pool"):
        ledger.claim("d", {})


def test_a_dual_stack_node_gets_both_ranges_or_none() -> None:
    ledger = RangeLedger([pool("10.0.0.0/29:30,fd00::/64:64")])
    assert texts(ledger, "a") == ["10.0.0.0/30", "fd00::/64"]
    with pytest.raises(RangeError, match="fd00::/64, /64 a node"):
        ledger.claim("b", {})
    assert ledger.ranges("b") == ()
    assert ledger.free() == {"10.0.0.0/29": 1, "fd00::/64": 0}


def test_a_node_whose_labels_no_pool_has_is_refused() -> None:
    ledger = RangeLedger([pool("10.0.0.0/16@kind=gpu")])
    with pytest.raises(RangeError, match=r"no pool is for a node with its labels.*kind=gpu") as refusal:
        ledger.claim("a", {"kind": "cpu"})
    assert refusal.value.reason == "NoPodPool"


def test_nodes_that_overlap_already_are_named() -> None:
    ledger = RangeLedger([pool("10.0.0.0/16")])
    assert ledger.hold("a", [ipaddress.ip_network("10.0.3.0/24")]) == ()
    assert ledger.hold("b", [ipaddress.ip_network("10.0.2.0/23")]) == ("a",)
    assert ledger.hold("c", [ipaddress.ip_network("10.9.0.0/24")]) == ()
    ledger.release("a")
    assert [texts(ledger, name) for name in "def"] == [["10.0.0.0/24"], ["10.0.1.0/24"], ["10.0.4.0/24"]]
