import asyncio
import ipaddress
import socket
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from podwire.engine.row import Delta
from podwire.engine.sink import SinkError
from podwire.kernel.conntrack import Conntrack
from podwire.kernel.link_end import LinkEnd
from podwire.kernel.link_groups import LinkGroups
from podwire.kernel.netlink import NetlinkError
from podwire.kernel.nftables import Nftables
from podwire.kernel.setdump import SetDump
from podwire.policy import layout
from podwire.policy.decisions import ACCEPT, DENY, ELSE_ACCEPT, ELSE_DENY, Decision, PortSpan
from podwire.policy.model import Direction
from podwire.policy.narrow_first import Ground
from podwire.policy.numbering import ANY_POD, NO_POD
from podwire.policy.rows import (
    AddressRow,
    BlocksRow,
    IsolatedRow,
    LinkRow,
    PeerRow,
    PortRow,
    RangesRow,
    Row,
    SelfRow,
    Span,
)
from podwire.policy.sink import CHANGES_A_TRANSACTION, TABLE, PolicySink, reassigned_addresses, steps, texts
from podwire.policy.tier_rows import TierAddressRow, TierBlocksRow, TieredRow, TierRow, TierSpan
from tests.policy.cluster import address
from tests.sandbox import sandboxed

IN, OUT = Direction.INGRESS, Direction.EGRESS
S, P = ANY_POD | 1 << 16 | 1, ANY_POD | 2 << 16 | 7


def spans(version: int, *texts: str, ports: tuple[int, int] | None = None) -> tuple[Span, ...]:
    found = []
    for text in texts:
        first, _, last = text.partition("-")
        rest = ("TCP", ports) if ports else ()
        found.append(Span(address(first), address(last or first), *rest))
    assert all(span.first.version == version for span in found)
    return tuple(sorted(found))


SPLIT = Decision(
    ELSE_ACCEPT,
    (PortSpan("TCP", 80, 80, ACCEPT), PortSpan("TCP", 90, 95, DENY), PortSpan("UDP", 0, 65535, ELSE_DENY)),
)
ROWS: tuple[Row, ...] = (
    *(TieredRow(direction, ANY_POD | 1 << 16 | 1) for direction in Direction),
    TierRow(Direction.INGRESS, ANY_POD | 1 << 16 | 1, 0, NO_POD, Decision(DENY)),
    TierRow(Direction.INGRESS, ANY_POD | 1 << 16 | 1, 0, ANY_POD, SPLIT),
    TierRow(Direction.EGRESS, ANY_POD | 1 << 16 | 1, 4, ANY_POD | 2 << 16, SPLIT),
    TierRow(Direction.EGRESS, ANY_POD | 1 << 16 | 1, 6, ANY_POD | 2 << 16 | 3, Decision(ACCEPT)),
    *(TierAddressRow(ANY_POD | 1 << 16 | 1, ipaddress.ip_address(each), SPLIT) for each in ("10.1.1.1", "fd00::7")),
    TierBlocksRow(
        ANY_POD | 1 << 16 | 1,
        4,
        (
            TierSpan(ipaddress.ip_address("0.0.0.0"), ipaddress.ip_address("9.255.255.255"), SPLIT),
            TierSpan(ipaddress.ip_address("10.0.0.0"), ipaddress.ip_address("10.0.0.0"), Decision(ELSE_DENY)),
        ),
    ),
    AddressRow(address("10.0.0.1"), S),
    AddressRow(address("fd00::1"), S),
    SelfRow(address("10.0.0.1")),
    SelfRow(address("fd00::1")),
    IsolatedRow(IN, S),
    IsolatedRow(OUT, S),
    PeerRow(IN, S, ANY_POD),
    PeerRow(OUT, S, P),
    PortRow(IN, S, P & 0xFFFF0000, "SCTP", 80),
    PortRow(OUT, S, P, "UDP", 53),
    RangesRow(IN, S, P, "TCP", ((0, 65535),)),
    RangesRow(OUT, S, P, "UDP", ((100, 200), (300, 400))),
    BlocksRow(IN, S, 4, with_ports=False, spans=spans(4, "0.0.0.0-255.255.255.255")),
    BlocksRow(IN, S, 6, with_ports=False, spans=spans(6, "::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")),
    BlocksRow(OUT, S, 4, with_ports=False, spans=spans(4, "10.0.0.0-10.0.0.6", "10.0.0.8", "10.1.0.0-10.1.0.255")),
    BlocksRow(OUT, S, 4, with_ports=True, spans=spans(4, "10.0.0.0-10.0.0.9", "10.0.0.99", ports=(80, 90))),
    BlocksRow(OUT, S, 6, with_ports=True, spans=spans(6, "fd00::1", "fd00::10-fd00::1f", ports=(443, 443))),
)


def test_every_row_is_read_from_its_own_elements() -> None:
    elements = [element for row in ROWS for element in layout.elements(row)]
    assert set(layout.rows(reversed(elements))) == set(ROWS)
    assert {element.collection for element in elements} <= {collection.name for collection in layout.COLLECTIONS}


@sandboxed
async def test_the_kernel_holds_what_was_written_and_says_so() -> None:
    sink = PolicySink.here()
    assert list(await sink.read()) == []
    await sink.write(Delta(ROWS))
    assert set(await PolicySink.here().read()) == set(ROWS)
    await sink.write(Delta((), ROWS))
    assert list(await sink.read()) == []


@sandboxed
async def test_a_small_image_without_a_list_of_protocols_makes_no_difference() -> None:
    await asyncio.to_thread(subprocess.run, ["mount", "--bind", "/dev/null", "/etc/protocols"], check=True)
    sink = PolicySink.here()
    await sink.read()
    await sink.write(Delta(ROWS))
    assert set(await PolicySink.here().read()) == set(ROWS)


LINK = LinkEnd("pw1", 7)


def test_a_pod_that_becomes_another_is_closed_while_its_address_changes() -> None:
    old, new = (
        (AddressRow(address("10.0.0.1"), S), LinkRow(LINK, S)),
        (AddressRow(address("10.0.0.1"), P), LinkRow(LINK, P)),
    )
    delta: Delta[Row] = Delta((IsolatedRow(IN, P), *new), (IsolatedRow(IN, S),), old)
    isolated, freed = (None, IsolatedRow(IN, P)), (IsolatedRow(IN, S), None)
    assert [step for step in steps(delta, Ground) if step] == [
        [(LINK, 0)],
        (isolated, (old[0], new[0]), freed),
        [(LINK, P)],
    ]
    assert [step for step in steps(delta, Ground, 1) if step] == [
        (isolated,),
        [(LINK, 0)],
        ((old[0], new[0]),),
        [(LINK, P)],
        (freed,),
    ]


def test_a_link_is_closed_before_the_rows_of_its_identity_go() -> None:
    gone = (LinkRow(LINK, S), AddressRow(address("10.0.0.1"), S), IsolatedRow(IN, S))
    found = [step for step in steps(Delta((), gone), Ground) if step]
    assert found == [[(LINK, 0)], ((gone[1], None), (gone[2], None))]


def test_a_new_link_is_opened_after_all_rows_of_its_identity() -> None:
    rows: tuple[Row, ...] = (IsolatedRow(IN, S), AddressRow(address("10.0.0.1"), S), LinkRow(LINK, S))
    found = [step for step in steps(Delta(rows), Ground) if step]
    assert found == [((None, rows[0]), (None, rows[1])), [(LINK, S)]]


def test_without_links_a_batch_is_one_step() -> None:
    delta: Delta[Row] = Delta((IsolatedRow(IN, P),), (IsolatedRow(IN, S),))
    assert [step for step in steps(delta, Ground) if step] == [tuple(delta.changes())]


@sandboxed
async def test_groups_of_links_are_rows_too() -> None:
    Nftables().run("add table inet t")
    await asyncio.to_thread(
        subprocess.run, ["ip", "link", "add", "pw1", "type", "veth", "peer", "name", "other"], check=True
    )
    link = LinkEnd("pw1", socket.if_nametoindex("pw1"))
    sink = PolicySink.here()
    await sink.read()
    rows = (AddressRow(address("10.0.0.1"), S), LinkRow(link, S))
    await sink.write(Delta(rows))
    assert set(await PolicySink.here().read()) == set(rows)
    await sink.write(Delta((LinkRow(LinkEnd("pw1", link.index + 999), S),), (), (rows[1],)))
    assert list(await sink.read()) == [rows[0]], "a link that is gone is no error"
    await sink.write(Delta((rows[1],)))
    Nftables().run(f"delete table {TABLE}")
    assert list(await sink.read()) == [], "a new table knows no identity, so no link has one"


def fake_sink(run: Callable[[str], str], delete: Callable[[object], object]) -> PolicySink:
    """A sink over these functions in place of nftables and connection tracking."""
    nft, flows = (
        SimpleNamespace(run=run, release=tuple),
        SimpleNamespace(
            delete_of_addresses=lambda addresses, *, streams: delete(
                addresses if streams else ("datagrams", *addresses)
            )
        ),
    )
    return PolicySink(cast("Nftables", nft), SetDump(), cast("Conntrack", flows), LinkGroups())


async def test_the_event_loop_runs_while_the_kernel_works() -> None:
    """Nftables and connection tracking wait here for something that only the loop does."""
    looped = threading.Event()

    def wait(_: object) -> str:
        assert looped.wait(5), "the loop stood still"
        return ""

    writing = asyncio.create_task(fake_sink(wait, wait).write(Delta((), (AddressRow(address("10.0.0.1"), S),))))
    await asyncio.sleep(0)
    looped.set()
    await writing


async def test_flows_of_an_address_are_deleted_before_and_after_it_loses_its_pod() -> None:
    """After, because what comes between the two is let through by the rows that still stand."""
    done: list[object] = []

    def run(_text: str) -> str:
        done.append("written")
        return ""

    gone, kept = AddressRow(address("10.0.0.1"), S), AddressRow(address("10.0.0.2"), S)
    await fake_sink(run, done.append).write(Delta((kept,), (gone, IsolatedRow(IN, S))))
    assert done == [{gone.address}, "written", {gone.address}]
    done.clear()
    await fake_sink(run, done.append).write(Delta((kept,)))
    assert done == ["written"]


BEFORE = AddressRow(address("10.0.0.1"), S, "one")


@pytest.mark.parametrize(
    ("old", "new", "forgotten"),
    [
        (BEFORE, AddressRow(BEFORE.address, P, "two"), [(BEFORE.address, True)]),
        (BEFORE, AddressRow(BEFORE.address, S, "two"), [(BEFORE.address, True)]),
        (BEFORE, AddressRow(BEFORE.address, P, "one"), []),
        (AddressRow(BEFORE.address, S), AddressRow(BEFORE.address, P, "two"), [(BEFORE.address, False)]),
        (AddressRow(BEFORE.address, S), AddressRow(BEFORE.address, S, "one"), []),
    ],
    ids=["another kind of pod", "another pod of the kind", "the pod with other labels", "unknown", "read back"],
)
def test_an_address_that_goes_from_one_pod_to_the_next_in_one_batch_has_lost_its_pod(
    old: AddressRow, new: AddressRow, forgotten: list[tuple[object, bool]]
) -> None:
    """Where it may be the same pod with other labels, it is not certain: its streams live on."""
    assert list(reassigned_addresses(Delta((new,), (), (old,)))) == forgotten


async def test_only_datagrams_are_forgotten_of_a_pod_that_may_be_the_same() -> None:
    done: list[object] = []
    unknown, known = AddressRow(BEFORE.address, S), AddressRow(BEFORE.address, P, "two")
    await fake_sink(lambda _: "", done.append).write(Delta((known,), (), (unknown,)))
    assert done == [("datagrams", BEFORE.address)] * 2


async def test_flows_that_a_failed_write_left_are_deleted_by_the_next() -> None:
    """Read back after the failure, the row bears the identity alone: that of both pods."""
    forgotten: list[object] = []
    answers = iter([NetlinkError(5, "no"), None, None, None])

    def delete(addresses: object) -> None:
        if answer := next(answers):
            raise answer
        forgotten.append(addresses)

    sink = fake_sink(lambda _: "", delete)
    following = AddressRow(BEFORE.address, S, "two")
    with pytest.raises(SinkError, match="deleting the flows"):
        await sink.write(Delta((following,), (), (BEFORE,)))
    await sink.write(Delta((following,), (), (AddressRow(BEFORE.address, S),)))
    assert forgotten == [{BEFORE.address}] * 2
    await sink.write(Delta((following,)))
    assert len(forgotten) == 2, "nothing is owed any more"


@sandboxed
async def test_loading_refuses_connections_taken_up_midstream() -> None:
    await PolicySink.here().read()
    assert Path("/proc/sys/net/netfilter/nf_conntrack_tcp_loose").read_text().strip() == "0"


@sandboxed
async def test_routable_connections_are_labelled_again_where_the_table_is_loaded_again() -> None:
    sink = PolicySink.here()
    await sink.read()
    await sink.mark_routable()
    Nftables().run(f"delete table {TABLE}")
    await sink.read()
    assert "ct label set" in Nftables().run(f"list chain {TABLE} routable")
    other = PolicySink.here()
    Nftables().run(f"delete table {TABLE}")
    await other.read()
    assert "routable" not in Nftables().run(f"list table {TABLE}"), "not before something is routed"


@sandboxed
async def test_intervals_that_overlap_their_predecessors_replace_them_at_once() -> None:
    sink = PolicySink.here()
    await sink.read()
    old = BlocksRow(IN, S, 4, with_ports=False, spans=spans(4, "10.0.0.0-10.0.0.100", "10.0.0.200"))
    new = BlocksRow(IN, S, 4, with_ports=False, spans=spans(4, "10.0.0.50-10.0.0.199", "10.0.0.200", "10.0.0.202"))
    await sink.write(Delta((old,)))
    delta: Delta[Row] = Delta((new,), (), (old,))
    (text,) = texts(delta.changes())
    assert "10.0.0.200" not in text, "what stays is not touched"
    await sink.write(delta)
    assert list(await sink.read()) == [new]


@sandboxed
async def test_more_than_fits_one_transaction_is_written_in_several() -> None:
    sink = PolicySink.here()
    await sink.read()
    many = ipaddress.ip_network("fd00::/64")
    wide = tuple(Span(many[4 * n], many[4 * n + 1], "TCP", (1, 9)) for n in range(2 * CHANGES_A_TRANSACTION))
    shifted = tuple(Span(many[4 * n + 1], many[4 * n + 2], "TCP", (1, 9)) for n in range(2 * CHANGES_A_TRANSACTION))
    addresses = tuple(AddressRow(many[n + 1], S) for n in range(3 * CHANGES_A_TRANSACTION))
    blocks = BlocksRow(OUT, S, 6, with_ports=True, spans=wide)
    await sink.write(Delta((blocks, *addresses)))
    assert set(await sink.read()) == {blocks, *addresses}
    moved = BlocksRow(OUT, S, 6, with_ports=True, spans=shifted)
    await sink.write(Delta((moved,), addresses, (blocks,)))
    assert list(await sink.read()) == [moved]


@sandboxed
async def test_rows_of_a_large_batch_change_in_two_halves() -> None:
    """Decisions and blocks of many subjects, also one row with more elements than a transaction takes."""
    sink = PolicySink.here()
    await sink.read()
    first = ipaddress.IPv4Address("9.0.0.0")
    decided = [
        tuple(
            TierSpan(first + 8 * n + offset, first + 8 * n + offset + 4, Decision(value))
            for n in range(CHANGES_A_TRANSACTION)
        )
        for offset, value in ((0, DENY), (2, ELSE_DENY))
    ]
    old: list[Row] = [TierBlocksRow(S, 4, decided[0])]
    new: list[Row] = [TierBlocksRow(S, 4, decided[1])]
    for number in range(40):
        old.append(TierRow(IN, S + number, 0, P, Decision(ACCEPT)))
        new.append(TierRow(IN, S + number, 0, P, Decision(ELSE_DENY, (PortSpan("TCP", 1, 9, ACCEPT),))))
        old.append(BlocksRow(OUT, S + number, 4, with_ports=False, spans=spans(4, "10.0.0.0-10.0.0.9")))
        new.append(BlocksRow(OUT, S + number, 4, with_ports=False, spans=spans(4, "10.0.0.5-10.0.0.20")))
    await sink.write(Delta(tuple(old)))
    await sink.write(Delta(tuple(new), (), tuple(old)))
    assert set(await sink.read()) == set(new)


def test_a_small_batch_is_one_transaction_upserts_and_removals_together() -> None:
    old, new = AddressRow(address("10.0.0.1"), S), AddressRow(address("10.0.0.1"), P)
    delta: Delta[Row] = Delta((IsolatedRow(IN, P), new), (IsolatedRow(IN, S),), (old,))
    (text,) = texts(delta.changes())
    assert text.count("delete element") == 2
    assert text.count("add element") == 2


@sandboxed
async def test_a_refusal_is_an_error_of_the_sink() -> None:
    sink = PolicySink.here()
    await sink.read()
    with pytest.raises(SinkError, match="podwire-policy"):
        await sink.write(Delta((), (AddressRow(address("10.0.0.1"), S),)))


@sandboxed
async def test_the_table_of_another_release_is_replaced_by_a_closed_one_and_ours_is_kept() -> None:
    nft = Nftables()
    nft.run(f"add table {TABLE}; add map {TABLE} identity4 {{ type ipv4_addr : mark; elements = {{ 10.0.0.1 : 7 }}; }}")
    sink = PolicySink(nft, SetDump(), Conntrack(), LinkGroups())
    assert list(await sink.read()) == []
    assert 'iifgroup "default" goto drop_closed' in nft.run(f"list chain {TABLE} between")
    await sink.write(Delta(ROWS))
    assert set(await sink.read()) == set(ROWS)
