"""Rows to elements of the table in the kernel: loaded once, read back after a restart, written piece by piece."""

from __future__ import annotations

import logging
from importlib import resources
from itertools import groupby
from typing import TYPE_CHECKING, Protocol

from podwire.engine.row import Delta
from podwire.engine.sink import SinkError
from podwire.kernel import queue_rule, sysctl
from podwire.kernel.conntrack import Conntrack
from podwire.kernel.elements import difference, transactions
from podwire.kernel.link_end import LinkEnd
from podwire.kernel.link_groups import LinkGroups
from podwire.kernel.netlink import NetlinkError
from podwire.kernel.nftables import Nftables, NftablesError, Transactions
from podwire.kernel.readback import Elements, held_elements
from podwire.kernel.ruleset import Ruleset
from podwire.kernel.setdump import SetDump
from podwire.kernel.sysctl_record import WriteSysctls
from podwire.kernel.worker import Worker
from podwire.policy import layout, tier_layout
from podwire.policy.gradual import gradual
from podwire.policy.narrow_first import Ground, RowChange, phases
from podwire.policy.rows import AddressRow, BlocksRow, LinkRow, RangesRow, Row
from podwire.policy.tier_layout import EXPANDED_PORTS
from podwire.policy.tier_rows import TierAddressRow, TierBlocksRow, TieredRow, TierRow

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from podwire.kernel.elements import Change, IPAddress

log = logging.getLogger(__name__)

TABLE_NAME = "podwire-policy"
TABLE = f"inet {TABLE_NAME}"

HELD_CHAIN, ANSWER_QUEUE = "held", 9732
"""Where DNS answers wait until the agent has learned them."""

POD_LINKS = "pw"
"""What the names of pods' links begin with; policy.nft knows them by it."""

CHANGES_A_TRANSACTION = 500
"""Additions and deletions; an interval with IPv6 addresses takes about four times the room of a plain element."""


class Flows(Protocol):
    """What the sink needs of connection tracking (podwire.kernel.conntrack.Conntrack)."""

    def delete_of_addresses(self, addresses: Collection[IPAddress], *, streams: bool = True) -> None:
        """Delete the flows of these addresses, or only those of datagrams."""
        ...


class Groups(Protocol):
    """What the sink needs of links (podwire.kernel.link_groups.LinkGroups)."""

    def groups(self, prefix: str) -> Iterable[tuple[LinkEnd, int]]:
        """Return the links whose names begin so and whose group is not 0."""
        ...

    def set(self, groups: Iterable[tuple[LinkEnd, int]]) -> None:
        """Change groups."""
        ...


class PolicySink:
    """The table, the groups of pods' links and connection tracking of the network namespace that this thread is in."""

    def __init__(
        self,
        nft: Transactions,
        elements: Elements,
        conntrack: Flows,
        groups: Groups,
        write_sysctls: WriteSysctls = sysctl.write,
    ) -> None:
        self._nft = nft
        self._elements = elements
        self._conntrack = conntrack
        self._groups = groups
        self._write_sysctls = write_sysctls
        self._worker = Worker("policy", nft.release)
        self._is_routing = False
        """Whether the rules of routable.nft belong to the table."""
        self._owed: dict[IPAddress, bool] = {}
        """Addresses that lost their pod in a write that failed: what is read back then does not name its pod. True is
        for those that are certain to have lost it."""

    @classmethod
    def here(cls, write_sysctls: WriteSysctls = sysctl.write) -> PolicySink:
        """The sink for the network namespace that this thread is in now."""
        return cls(Nftables(), SetDump(), Conntrack(), LinkGroups(), write_sysctls)

    async def read(self) -> Iterable[Row]:
        """The rows that the table holds. Where it is not there it is loaded, and holds none.

        That of another release is replaced, as its numbers may mean something else: until the rows are written no pod
        is known, so new connections wait, closed, and established ones go on.
        """
        return await self._worker.run(self._read)

    async def write(self, delta: Delta[Row]) -> None:
        """Apply the batch in the order of `steps`. Raises SinkError.

        Before an address loses its pod, without or with the next one at once, the node deletes the connections between
        it and others: what is tracked passes unjudged, also to the next pod with this address. Deleted first, nothing
        is left over if this process ends; what came meanwhile was let through by the old rows, and is deleted too.
        Where it may be the same pod with another identity, only datagrams are: a stream to another pod ends by itself.
        """
        await self._worker.run(self._write, delta)

    async def in_order(self, delta: Delta[Row]) -> list[Delta[Row]]:
        """Return batches of this one that open nothing as they come one after the other. Raises SinkError."""
        return await self._worker.run(self._in_order, delta)

    async def mark_routable(self) -> None:
        """Label connections of pods whose egress no policy restricts, from now on. Raises SinkError.

        Where the table is loaded again, they are labelled again.
        """
        self._is_routing = True
        await self._worker.run(self._mark_routable)

    def _mark_routable(self) -> None:
        try:
            self._nft.run(_text("routable.nft"))
        except NftablesError as error:
            raise SinkError(f"adding chain routable to table {TABLE}: {error}") from error

    def _in_order(self, delta: Delta[Row]) -> list[Delta[Row]]:
        try:
            return list(batches(delta, self._ground()))
        except (NftablesError, NetlinkError) as error:
            raise SinkError(f"reading table {TABLE}: {error}") from error

    def _read(self) -> list[Row]:
        ruleset = Ruleset((TABLE,), _text("policy.nft"))
        try:
            if not ruleset.is_loaded(self._nft):
                refuse_midstream(self._write_sysctls)
                self._groups.set([(link, 0) for link, _ in self._groups.groups(POD_LINKS)])
                ruleset.load(self._nft)
                hold_answers(self._nft)
                if self._is_routing:
                    self._mark_routable()
                return []
            held = list(layout.rows(held_elements(self._elements, TABLE_NAME, layout.COLLECTIONS)))
            return held + [LinkRow(link, group) for link, group in self._groups.groups(POD_LINKS)]
        except (NftablesError, NetlinkError) as error:
            raise SinkError(f"reading back table {TABLE}: {error}") from error

    def _write(self, delta: Delta[Row]) -> None:
        for address, certain in reassigned_addresses(delta):
            self._owed[address] = certain or self._owed.get(address, False)
        gone = dict(self._owed)
        self._forget(gone)
        try:
            for step in steps(delta, self._ground):
                if isinstance(step, list):
                    self._groups.set(step)
                else:
                    for text in texts(step):
                        self._nft.run(text)
        except (NftablesError, NetlinkError) as error:
            raise SinkError(f"writing table {TABLE}: {error}") from error
        self._forget(gone)
        self._owed.clear()

    def _ground(self) -> Ground:
        """What the table and the links hold now."""
        held = layout.rows(held_elements(self._elements, TABLE_NAME, tier_layout.TIERED))
        tiered = frozenset((row.direction, row.subject) for row in held if isinstance(row, TieredRow))
        return Ground(tiered, frozenset(group for _, group in self._groups.groups(POD_LINKS)))

    def _forget(self, gone: Mapping[IPAddress, bool]) -> None:
        try:
            for streams in (True, False):
                addresses = frozenset(address for address, certain in gone.items() if certain == streams)
                if addresses:
                    self._conntrack.delete_of_addresses(addresses, streams=streams)
        except NetlinkError as error:
            raise SinkError(f"deleting the flows of pods that are gone: {error}") from error


def _text(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text()


def hold_answers(nft: Transactions) -> None:
    """Let the rules hold DNS answers for the agent. A kernel without NFQUEUE only learns no domain names."""
    try:
        queue_rule.hold(nft, TABLE_NAME, HELD_CHAIN, ANSWER_QUEUE)
    except NetlinkError as error:
        log.warning("policies learn no domain names, which match nothing: %s", error)


def refuse_midstream(write_sysctls: WriteSysctls) -> None:
    """Let connection tracking of this namespace take up no TCP connection that it did not see begin.

    Else the next packet of a connection whose entry was deleted would make a new one, in either direction.
    """
    try:
        write_sysctls({"net/netfilter/nf_conntrack_tcp_loose": 0})
    except OSError as error:
        log.warning("connections may be taken up midstream: nf_conntrack_tcp_loose cannot be set to 0: %s", error)


def reassigned_addresses(delta: Delta[Row]) -> Iterator[tuple[IPAddress, bool]]:
    """Return the addresses that lose their pod with this batch, whether or not another pod gets them.

    Of a row that was read back only the identity is known: where that stays, it is taken for the same pod, and where it
    differs that is not certain: False.
    """
    yield from ((row.address, True) for row in delta.removals if isinstance(row, AddressRow))
    if not delta.replaced:
        return
    now = {row.address: row for row in delta.upserts if isinstance(row, AddressRow)}
    for old in delta.replaced:
        if isinstance(old, AddressRow):
            new = now[old.address]
            if new.pod != old.pod if old.pod else new.identity != old.identity:
                yield old.address, bool(old.pod)


Step = tuple[RowChange, ...] | list[tuple[LinkEnd, int]]
"""Rows before and after, or links with the groups that they get."""


def steps(delta: Delta[Row], ground: Callable[[], Ground], most_changes: int = CHANGES_A_TRANSACTION) -> Iterator[Step]:
    """Split a batch into steps between which no state allows what neither the old nor the new one does.

    Links whose pods become another identity, or go, are closed (group 0) while addresses get their new identities; then
    links get theirs. A pod that is closed for that moment loses the first packets of new connections, never those of
    established ones. Rows that do not fit into one transaction are in the order of podwire.policy.narrow_first, whose
    `ground` is read only then: also between two transactions of one step nothing opens.
    """
    linked = [row for row in delta.upserts if isinstance(row, LinkRow)]
    closed = [(row.link, 0) for row in (*delta.replaced, *delta.removals) if isinstance(row, LinkRow)]
    rest = _without_links(delta) if linked or closed else delta
    if _fits(rest, most_changes):
        yield closed
        yield tuple(rest.changes())
        yield [(row.link, row.identity) for row in linked]
        return
    found = phases(rest, {row.identity for row in linked}, ground())
    if not linked and not closed:
        yield (*found.narrowing, *found.moving)
        yield found.opening  # a row that changes in two halves cannot do so in one transaction
        return
    yield found.narrowing
    yield closed
    yield found.moving
    yield [(row.link, row.identity) for row in linked]
    yield found.opening


def batches(delta: Delta[Row], ground: Ground) -> Iterator[Delta[Row]]:
    """Split a batch as `steps` does, into batches of which each may be written row by row."""
    linked = tuple(row for row in delta.upserts if isinstance(row, LinkRow))
    closed = tuple(row for row in (*delta.replaced, *delta.removals) if isinstance(row, LinkRow))
    found = phases(_without_links(delta), {row.identity for row in linked}, ground)
    yield from _runs(found.narrowing)
    yield Delta(removals=closed)
    yield from _runs(found.moving)
    yield Delta(upserts=linked)
    yield from _runs(found.opening)


def _runs(changes: Iterable[RowChange]) -> Iterator[Delta[Row]]:
    """Changes in their order: a batch has all its upserts before its removals."""
    for removing, run in groupby(changes, key=lambda change: change[1] is None):
        pairs = list(run)
        if removing:
            yield Delta(removals=tuple(old for old, _ in pairs if old is not None))
        else:
            new = tuple(row for _, row in pairs if row is not None)
            yield Delta(new, replaced=tuple(old for old, _ in pairs if old is not None))


def _without_links(delta: Delta[Row]) -> Delta[Row]:
    parts = (delta.upserts, delta.removals, delta.replaced)
    return Delta(*(tuple(row for row in part if not isinstance(row, LinkRow)) for part in parts))


def _fits(delta: Delta[Row], most_changes: int) -> bool:
    """Whether one transaction makes these changes."""
    if len(delta) - len(delta.replaced) > most_changes:
        return False  # rows that come or go have an element each at least
    if sum(map(_most_elements, (*delta.upserts, *delta.removals, *delta.replaced))) <= most_changes:
        return True
    size = 0
    for change in _changed_elements(delta.changes()):
        size += sum(map(len, difference(change)))
        if size > most_changes:
            return False
    return True


def _most_elements(row: Row) -> int:
    """No less than the elements that a row has: to derive them takes longer."""
    match row:
        case RangesRow():
            return len(row.ports)
        case BlocksRow():
            return len(row.spans)
        case TierRow() | TierAddressRow():
            return 1 + EXPANDED_PORTS * len(row.decision.spans)
        case TierBlocksRow():
            return sum(1 + len(span.decision.spans) for span in row.spans)
        case _:
            return 1


def texts(changes: Iterable[RowChange]) -> Iterator[str]:
    """The changes as nft texts, as few as fit. A row's old and new elements change in the same one.

    Only a row with more changes than fit is taken down first and then set up: closed for that moment, never open.
    """
    waiting: list[RowChange] = []
    for change in changes:
        parts = tuple(gradual(change, CHANGES_A_TRANSACTION))
        if len(parts) == 1:
            waiting.append(change)
            continue
        for together in (waiting, *([part] for part in parts)):  # a key can change once in a transaction
            yield from transactions(TABLE, _changed_elements(together), CHANGES_A_TRANSACTION)
        waiting = []
    yield from transactions(TABLE, _changed_elements(waiting), CHANGES_A_TRANSACTION)


def _changed_elements(changes: Iterable[RowChange]) -> Iterator[Change]:
    """The elements of each row before and after."""
    for old, new in changes:
        yield (() if old is None else layout.elements(old), () if new is None else layout.elements(new))
