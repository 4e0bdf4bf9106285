import asyncio
import threading
from collections.abc import Iterable

import pytest

from podwire.engine.reconcile import Reconciler
from podwire.engine.row import Delta
from podwire.engine.sink import SinkError
from podwire.kernel.conntrack import Family, Flow, FlowProtocol
from podwire.kernel.nftables import Nftables, NftablesError
from podwire.kernel.setdump import RawElement
from podwire.kube.backends import Backend
from podwire.services.model import NODE_PORT_ADDRESSES, Frontend, Protocol
from podwire.services.pool_row import PoolRow
from podwire.services.rows import (
    DrawRow,
    FlowsRow,
    FrontendRow,
    MemberRow,
    Members,
    Row,
    SourceRow,
    StickyRow,
)
from podwire.services.ruleset import TABLE, ruleset
from podwire.services.sink import ServiceSink, changes
from podwire.services.word import GUARD, LARGEST_POOL, slots_bits, sticky, timeout_bits
from tests.sandbox import sandboxed

RANGES = ("10.96.0.0/16", "fd00:10:96::/112")


def rows_of_every_kind() -> list[Row]:
    made: list[Row] = [MemberRow(Members.RANGE, block) for block in (*RANGES, "10.97.0.0/17")]
    made += [MemberRow(Members.NODEPORT_ADDRESSES, block) for block in ("172.18.0.2", "10.0.0.0/8", "::/0")]
    made += [SourceRow(LARGEST_POOL, block) for block in ("192.0.2.0/24", "198.51.100.7", "2001:db8::/32", "fd00::1")]
    timeout = timeout_bits(86_400)
    for family, address, pod in ((4, "10.96.0.1", "10.244.1.2"), (6, "fd00:10:96::1", "fd00:10:244:1::2")):
        made += [MemberRow(Members.VIRTUAL, address), MemberRow(Members.HAIRPIN, pod)]
        words = [slots_bits(2048, affine=False) | 3, slots_bits(64, affine=True) | timeout | GUARD | LARGEST_POOL]
        for protocol in Protocol:
            for host in (address, NODE_PORT_ADDRESSES[family]):
                frontend = Frontend(host, protocol, 53)
                made += [FrontendRow(frontend, outside, word) for outside, word in enumerate_bool(words)]
            pool = 10 * list(Protocol).index(protocol)
            slots = (Backend(pod, 5300), *[None] * 2046, Backend(pod, 7347))
            made.append(PoolRow(family, pool, protocol, slots))
            made += [StickyRow(sticky(pool, number, timeout), protocol, Backend(pod, 5300)) for number in (0, 511)]
            made += [DrawRow(family, slot, sticky(pool, 511, timeout)) for slot in (0, 1023)]
    return made


def enumerate_bool(words: list[int]) -> list[tuple[bool, int]]:
    return [(False, words[0]), (True, words[1])]


@sandboxed
async def test_what_is_written_is_read_back_the_same() -> None:
    sink = ServiceSink.here()
    assert await sink.read() == []
    await sink.write(Delta(tuple(rows_of_every_kind())))
    assert set(await ServiceSink.here().read()) == set(rows_of_every_kind())
    await sink.write(Delta(removals=tuple(rows_of_every_kind())))
    assert await sink.read() == []


@sandboxed
async def test_rows_that_something_else_removed_are_written_again() -> None:
    flows = FlowsRow("10.96.0.1", 53, frozenset({Backend("10.244.1.2", 5300)}))
    made = [*rows_of_every_kind(), flows]
    reconciler: Reconciler[str, Row] = Reconciler("services", lambda _: made, ServiceSink.here())
    reconciler.inputs_synced()
    reconciler.touch("all")
    await reconciler.turn()
    reconciler.compare()
    await reconciler.turn()
    assert reconciler.differences == []
    Nftables().run(f"flush set {TABLE} virtual4")
    reconciler.compare()
    await reconciler.turn()
    assert reconciler.differences == [f"lacks {MemberRow(Members.VIRTUAL, '10.96.0.1')}"]
    assert set(await ServiceSink.here().read()) == set(rows_of_every_kind())


@sandboxed
async def test_a_value_is_replaced() -> None:
    sink = ServiceSink.here()
    await sink.read()
    frontend = Frontend("10.96.0.1", Protocol.TCP, 80)
    before, after = FrontendRow(frontend, False, 0x1000001), FrontendRow(frontend, False, 0x1800001)
    await sink.write(Delta((before,)))
    await sink.write(Delta((after,), replaced=(before,)))
    assert await sink.read() == [after]


@sandboxed
async def test_more_rows_than_a_transaction_takes_are_split() -> None:
    sink = ServiceSink.here()
    await sink.read()
    before = PoolRow(6, 5, Protocol.TCP, tuple(Backend("fd00::1", 1 + n) for n in range(2048)))
    after = PoolRow(6, 5, Protocol.TCP, tuple(Backend("fd00::2", 1 + n) for n in range(2048)))
    await sink.write(Delta((before,)))
    await sink.write(Delta((after,), replaced=(before,)))
    assert await sink.read() == [after]


@sandboxed
async def test_the_table_of_another_release_is_replaced_and_ours_is_kept() -> None:
    nft = Nftables()
    nft.run(f"add table {TABLE}; add set {TABLE} version-old {{ type ipv4_addr; }}")
    sink = ServiceSink.here()
    await sink.read()
    with pytest.raises(NftablesError):
        nft.run(f"list set {TABLE} version-old")
    await sink.write(Delta((MemberRow(Members.VIRTUAL, "10.96.0.1"),)))
    assert await ServiceSink.here().read() == [MemberRow(Members.VIRTUAL, "10.96.0.1")]


@sandboxed
async def test_a_refused_transaction_is_an_error_of_the_sink() -> None:
    sink = ServiceSink.here()
    await sink.read()
    with pytest.raises(SinkError, match="No such file or directory"):
        await sink.write(Delta(removals=(MemberRow(Members.VIRTUAL, "10.96.0.1"),)))


class OldNft:
    """An nft that has the ruleset and takes everything."""

    def release(self) -> None:
        """Nothing is remembered."""

    def run(self, text: str) -> str:
        assert text == f"list set {TABLE} {ruleset().version}" or "element" in text
        return ""


class NoNft:
    """An nft that refuses everything."""

    def release(self) -> None:
        """Nothing is remembered."""

    def run(self, text: str) -> str:
        raise NftablesError(f"Operation not permitted: {text[:20]}")


class NoElements:
    """Sets without elements."""

    def elements(self, table: str, name: str) -> list[RawElement]:
        assert table in TABLE
        assert name
        return []


class FakeFlows:
    """A connection tracking table in memory."""

    def __init__(self, *flows: Flow) -> None:
        self.held = list(flows)

    def flows(self, family: Family, protocol: FlowProtocol) -> list[Flow]:
        assert protocol == FlowProtocol.UDP
        return [flow for flow in self.held if flow.family == family]

    def delete(self, flows: Iterable[Flow]) -> None:
        ended = list(flows)
        self.held = [flow for flow in self.held if flow not in ended]


def flow(to: str, answering: str, source_port: int = 1) -> Flow:
    return Flow(Family.IPV4, "10.244.1.9", source_port, to, 53, answering, 5353, b"")


async def test_flows_are_never_read_back() -> None:
    sink = ServiceSink(OldNft(), NoElements(), FakeFlows(flow("10.96.0.10", "10.244.1.2")))
    assert await sink.read() == []


async def test_only_flows_to_backends_that_are_gone_end() -> None:
    gone, stays, other = (
        flow("10.96.0.10", "10.244.1.2"),
        flow("10.96.0.10", "10.244.1.3", 2),
        flow("10.96.0.11", "10.244.1.2", 3),
    )
    table = FakeFlows(gone, stays, other)
    counts: list[int] = []
    sink = ServiceSink(OldNft(), NoElements(), table, lambda count, _: counts.append(count))
    before, after = flows("10.96.0.10", "10.244.1.2", "10.244.1.3"), flows("10.96.0.10", "10.244.1.3")
    await sink.write(Delta((after,), replaced=(before,)))
    assert table.held == [stays, other]
    await sink.write(Delta((before,), replaced=(after,)))
    assert counts == [1], "where backends are only added, none is looked for"


async def test_additional_backends_cost_no_listing() -> None:
    class Unlisted(FakeFlows):
        def flows(self, family: Family, protocol: FlowProtocol) -> list[Flow]:
            raise AssertionError(f"{family} {protocol} was listed")

    sink = ServiceSink(OldNft(), NoElements(), Unlisted())
    before, after = flows("10.96.0.10", "10.244.1.2"), flows("10.96.0.10", "10.244.1.2", "10.244.1.3")
    await sink.write(Delta((after,), replaced=(before,)))


def flows(destination: str, *backends: str) -> FlowsRow:
    return FlowsRow(destination, 53, frozenset(Backend(backend, 5353) for backend in backends))


async def test_a_ruleset_that_cannot_be_loaded_says_so() -> None:
    sink = ServiceSink(NoNft(), NoElements(), FakeFlows())
    with pytest.raises(SinkError, match="the ruleset of Services cannot be loaded: Operation not permitted"):
        await sink.read()


async def test_the_event_loop_runs_while_the_kernel_works() -> None:
    """Nftables and connection tracking wait here for something that only the loop does."""
    looped = threading.Event()

    class Slow(FakeFlows):
        def release(self) -> None:
            """Nothing is remembered."""

        def run(self, _text: str) -> str:
            assert looped.wait(5), "the loop was blocked"
            return ""

        def delete(self, flows: Iterable[Flow]) -> None:
            self.run("")
            super().delete(flows)

    slow = Slow()
    row = flows("10.96.0.10", "10.244.1.2")
    sink = ServiceSink(slow, NoElements(), slow)
    writing = asyncio.create_task(sink.write(Delta((MemberRow(Members.VIRTUAL, "10.96.0.10"),), (row,))))
    await asyncio.sleep(0)
    looped.set()
    await writing


def test_a_pool_loses_slots_only_after_the_word_that_leads_to_fewer() -> None:
    def pool(number: int, *hosts: int) -> PoolRow:
        return PoolRow(4, number, Protocol.TCP, tuple(Backend(f"10.244.1.{host}", 80) for host in hosts))

    def word(number: int) -> FrontendRow:
        return FrontendRow(Frontend("10.96.0.1", Protocol.TCP, 80), False, number)

    gone, before, after = pool(2, 9), pool(1, 2, 3, 4, 5), pool(1, 2, 7)
    delta: Delta[Row] = Delta((after, word(2)), (gone,), (before, word(4)))
    shown = [([one.text for one in old], [one.text for one in new]) for old, new in changes(delta)]
    assert shown == [
        (["1 . tcp . 1 : 10.244.1.3 . 80"], ["1 . tcp . 1 : 10.244.1.7 . 80"]),
        (["10.96.0.1 . tcp . 80 : 0x4"], ["10.96.0.1 . tcp . 80 : 0x2"]),
        (
            [f"1 . tcp . {slot} : 10.244.1.{slot + 2} . 80" for slot in (2, 3)] + ["2 . tcp . 0 : 10.244.1.9 . 80"],
            [],
        ),
    ]
    grown: Delta[Row] = Delta((pool(1, 2, 3, 4),), (), (pool(1, 2),))
    assert [len(new) for _, new in changes(grown)] == [1, 1]
