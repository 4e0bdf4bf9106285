import asyncio
import threading
from collections.abc import Iterable

import pytest

from podwire.engine.row import Delta
from podwire.engine.sink import SinkError
from podwire.kernel.conntrack import Family, Flow, FlowProtocol
from podwire.kernel.nftables import Nftables, NftablesError
from podwire.kernel.setdump import RawElement
from podwire.kube.backends import Backend
from podwire.services.model import Frontend, Protocol
from podwire.services.rows import EndpointRow, FlowRow, MemberRow, Members, Row, ServiceRow
from podwire.services.ruleset import TABLE, ruleset
from podwire.services.sink import ServiceSink
from tests.sandbox import sandboxed

RANGES = ("10.96.0.0/16", "fd00:10:96::/112")


def rows_of_every_kind() -> list[Row]:
    made: list[Row] = [MemberRow(Members.RANGE, block) for block in (*RANGES, "10.97.0.0/17")]
    for address, pod in (("10.96.0.1", "10.244.1.2"), ("fd00:10:96::1", "fd00:10:244:1::2")):
        made += [MemberRow(Members.CLUSTER, address), MemberRow(Members.HAIRPIN, pod)]
        for protocol in Protocol:
            frontend = Frontend(address, protocol, 53)
            made += [ServiceRow(frontend, 2048), *(EndpointRow(frontend, n, Backend(pod, 5300 + n)) for n in (0, 2047))]
    return made


@sandboxed
async def test_what_is_written_is_read_back_the_same() -> None:
    sink = ServiceSink.here(RANGES)
    assert await sink.read() == []
    await sink.write(Delta(tuple(rows_of_every_kind())))
    assert set(await ServiceSink.here(RANGES).read()) == set(rows_of_every_kind())
    await sink.write(Delta(removals=tuple(rows_of_every_kind())))
    assert await sink.read() == []


@sandboxed
async def test_a_value_is_replaced() -> None:
    sink = ServiceSink.here(RANGES)
    await sink.read()
    frontend = Frontend("10.96.0.1", Protocol.TCP, 80)
    await sink.write(Delta((ServiceRow(frontend, 1),)))
    await sink.write(Delta((ServiceRow(frontend, 2),), replaced=(ServiceRow(frontend, 1),)))
    assert await sink.read() == [ServiceRow(frontend, 2)]


@sandboxed
async def test_more_rows_than_a_transaction_takes_are_split() -> None:
    sink = ServiceSink.here(RANGES)
    await sink.read()
    frontend = Frontend("fd00:10:96::1", Protocol.TCP, 80)
    before = tuple(EndpointRow(frontend, n, Backend("fd00::1", 1 + n)) for n in range(2048))
    after = tuple(EndpointRow(frontend, n, Backend("fd00::2", 1 + n)) for n in range(2048))
    await sink.write(Delta(before))
    await sink.write(Delta(after, replaced=before))
    assert set(await sink.read()) == set(after)


@sandboxed
async def test_the_table_of_another_release_is_replaced_and_ours_is_kept() -> None:
    nft = Nftables()
    nft.run(f"add table {TABLE}; add set {TABLE} version-old {{ type ipv4_addr; }}")
    sink = ServiceSink.here(RANGES)
    await sink.read()
    with pytest.raises(NftablesError):
        nft.run(f"list set {TABLE} version-old")
    await sink.write(Delta((MemberRow(Members.CLUSTER, "10.96.0.1"),)))
    assert await ServiceSink.here(RANGES).read() == [MemberRow(Members.CLUSTER, "10.96.0.1")]


@sandboxed
async def test_a_refused_transaction_is_an_error_of_the_sink() -> None:
    sink = ServiceSink.here(RANGES)
    await sink.read()
    with pytest.raises(SinkError, match="No such file or directory"):
        await sink.write(Delta(removals=(MemberRow(Members.CLUSTER, "10.96.0.1"),)))


class OldNft:
    """An nft that has the ruleset and takes everything."""

    def run(self, text: str) -> str:
        assert text == f"list set {TABLE} {ruleset().version}" or "element" in text
        return ""


class NoNft:
    """An nft that refuses everything."""

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

    def forget(self, flows: Iterable[Flow]) -> None:
        ended = list(flows)
        self.held = [flow for flow in self.held if flow not in ended]


def flow(to: str, answering: str, source_port: int = 1) -> Flow:
    return Flow(Family.IPV4, "10.244.1.9", source_port, to, 53, answering, 5353, b"")


async def test_flows_to_services_are_rows_and_others_are_none_of_ours() -> None:
    in_range, elsewhere = flow("10.96.0.10", "10.244.1.2"), flow("8.8.8.8", "8.8.8.8")
    sink = ServiceSink(OldNft(), NoElements(), FakeFlows(in_range, elsewhere), RANGES)
    frontend = Frontend("10.96.0.10", Protocol.UDP, 53)
    assert await sink.read() == [FlowRow(frontend, Backend("10.244.1.2", 5353))]


async def test_only_flows_of_removed_rows_end() -> None:
    gone, stays, other = (
        flow("10.96.0.10", "10.244.1.2"),
        flow("10.96.0.10", "10.244.1.3", 2),
        flow("10.96.0.11", "10.244.1.2", 3),
    )
    table = FakeFlows(gone, stays, other)
    sink = ServiceSink(OldNft(), NoElements(), table, RANGES)
    row = FlowRow(Frontend("10.96.0.10", Protocol.UDP, 53), Backend("10.244.1.2", 5353))
    await sink.write(Delta(removals=(row,)))
    assert table.held == [stays, other]


async def test_a_ruleset_that_cannot_be_loaded_says_so() -> None:
    sink = ServiceSink(NoNft(), NoElements(), FakeFlows(), RANGES)
    with pytest.raises(SinkError, match="the ruleset of Services cannot be loaded: Operation not permitted"):
        await sink.read()


async def test_the_event_loop_goes_on_while_the_kernel_works() -> None:
    """Nftables and connection tracking wait here for something that only the loop does."""
    looped = threading.Event()

    class Slow(FakeFlows):
        def run(self, _text: str) -> str:
            assert looped.wait(5), "the loop stood still"
            return ""

        def forget(self, flows: Iterable[Flow]) -> None:
            self.run("")
            super().forget(flows)

    slow = Slow()
    row = FlowRow(Frontend("10.96.0.10", Protocol.UDP, 53), Backend("10.244.1.2", 5353))
    sink = ServiceSink(slow, NoElements(), slow, RANGES)
    writing = asyncio.create_task(sink.write(Delta((MemberRow(Members.CLUSTER, "10.96.0.10"),), (row,))))
    await asyncio.sleep(0)
    looped.set()
    await writing
