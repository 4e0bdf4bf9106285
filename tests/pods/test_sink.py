"""pods.nft in a real kernel: loaded once, read back exactly, replaced without a gap."""

import ipaddress
import json

import pytest

from podwire.engine.row import Delta
from podwire.engine.sink import SinkError
from podwire.kernel.elements import Word
from podwire.kernel.nftables import Nftables
from podwire.pods.model import Cluster, Overlay
from podwire.pods.rows import MemberRow, cluster_rows
from podwire.pods.sink import CLUSTER, SOURCES, TABLE, MemberSink, load
from tests.pods.cluster import RANGES
from tests.sandbox import sandboxed

IP = ipaddress.ip_address
POD = MemberRow("sources4", (Word("pw0123456789ab"), IP("10.244.1.2")))
POD6 = MemberRow("sources6", (Word("pw0123456789ab"), IP("fd00:10:244:1::2")))
OTHERS = frozenset(cluster_rows(Cluster(RANGES, Overlay()))) | {
    MemberRow("nodes4", (IP("172.18.0.2"),)),
    MemberRow("nodes4", (IP("172.18.0.3"),)),
    MemberRow("peers6", (IP("fd00:172:18::3"),)),
}


@sandboxed
async def test_rows_read_back_as_written_and_each_sink_sees_only_its_sets() -> None:
    nft = Nftables()
    sources, cluster = MemberSink(nft, SOURCES), MemberSink(nft, CLUSTER)
    assert list(await sources.read()) == []
    await sources.write(Delta((POD, POD6)))
    await cluster.write(Delta(tuple(OTHERS)))
    assert set(await sources.read()) == {POD, POD6}
    assert set(await cluster.read()) == OTHERS
    assert sources.holds(POD)
    await sources.write(Delta(removals=(POD,)))
    assert set(await sources.read()) == {POD6}
    assert not sources.holds(POD)


@sandboxed
async def test_another_release_of_the_rules_is_replaced_and_keeps_its_elements() -> None:
    nft = Nftables()
    sources, cluster = MemberSink(nft, SOURCES), MemberSink(nft, CLUSTER)
    assert list(await sources.read()) == []
    await sources.write(Delta((POD, POD6)))
    await cluster.write(Delta(tuple(OTHERS)))
    (version,) = [line.split()[1] for line in nft.run("list sets inet").splitlines() if "set version-" in line]
    nft.run(f"delete set {TABLE} {version}; add chain {TABLE} of-an-older-release")
    load(nft)
    assert "of-an-older-release" not in nft.run(f"list table {TABLE}")
    assert set(await sources.read()) == {POD, POD6}
    assert set(await cluster.read()) == OTHERS


@sandboxed
async def test_this_release_is_not_loaded_twice() -> None:
    nft = Nftables()
    load(nft)
    nft.run(f"add chain {TABLE} still-there")
    load(nft)
    assert "still-there" in nft.run(f"list table {TABLE}")


@sandboxed
async def test_a_refused_batch_is_an_error() -> None:
    nft = Nftables()
    load(nft)
    with pytest.raises(SinkError, match="No such file"):
        await MemberSink(nft, SOURCES).write(Delta((MemberRow("absent", (1,)),)))


class Torn:
    """Rules whose first listing of a set lacks an element, as while the kernel moves its hash table."""

    def __init__(self, nft: Nftables) -> None:
        self._nft = nft
        self._listed = 0

    def run(self, text: str) -> str:
        return self._nft.run(text)

    def run_json(self, text: str) -> str:
        answer = self._nft.run_json(text)
        if not text.endswith("sources4"):
            return answer
        self._listed += 1
        return answer if self._listed > 1 else json.dumps({"nftables": []})


@sandboxed
async def test_a_listing_that_leaves_elements_out_is_not_believed() -> None:
    nft = Nftables()
    sources = MemberSink(nft, SOURCES)
    assert list(await sources.read()) == []
    await sources.write(Delta((POD, POD6)))
    assert set(await MemberSink(Torn(nft), SOURCES).read()) == {POD, POD6}
